//! Bytes of strangers as the signed registration of a masternode.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check("mn_register", bytes));
