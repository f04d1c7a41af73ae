//! Bytes of strangers as the signed release of a bond.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check("unbond", bytes));
