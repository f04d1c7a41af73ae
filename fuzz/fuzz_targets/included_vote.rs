//! Bytes of strangers as an included vote.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check("included_vote", bytes));
