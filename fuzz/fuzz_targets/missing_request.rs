//! Bytes of strangers as a missing request.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check_door("missing_request", bytes));
