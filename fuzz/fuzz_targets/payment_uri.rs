//! Bytes of strangers as a payment link.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check_door("payment_uri", bytes));
