//! Bytes of strangers as a stamp.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check("stamp", bytes));
