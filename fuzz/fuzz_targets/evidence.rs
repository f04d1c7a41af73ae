//! Bytes of strangers as a proof of misbehaviour.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check("evidence", bytes));
