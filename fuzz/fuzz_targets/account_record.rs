//! Bytes of strangers as an account record.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check("account_record", bytes));
