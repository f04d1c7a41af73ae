//! Bytes of strangers as a clear payment.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check("clear_payment", bytes));
