//! Bytes of strangers as a credit spend.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check("credit_spend", bytes));
