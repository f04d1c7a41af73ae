//! Bytes of strangers as an envelope.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check("envelope", bytes));
