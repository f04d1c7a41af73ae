//! Bytes of strangers as a bodies response.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check_door("bodies_response", bytes));
