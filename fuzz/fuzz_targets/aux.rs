//! Bytes of strangers as the section of a body that carries consensus itself.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check("aux", bytes));
