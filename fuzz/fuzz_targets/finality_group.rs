//! Bytes of strangers as a finality group.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check("finality_group", bytes));
