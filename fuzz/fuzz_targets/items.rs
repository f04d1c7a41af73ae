//! Bytes of strangers as transactions and envelopes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check_door("items", bytes));
