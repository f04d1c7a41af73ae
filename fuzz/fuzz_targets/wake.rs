//! Bytes of strangers as the signed waking of a bond.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check("wake", bytes));
