//! Bytes of strangers as a headers response.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check_door("headers_response", bytes));
