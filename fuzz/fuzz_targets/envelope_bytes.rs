//! Bytes of strangers as a byte string that may hold an envelope.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check("envelope_bytes", bytes));
