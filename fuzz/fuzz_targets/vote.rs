//! Bytes of strangers as a vote.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check("vote", bytes));
