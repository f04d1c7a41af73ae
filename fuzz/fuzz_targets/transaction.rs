//! Bytes of strangers as a transaction.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check("transaction", bytes));
