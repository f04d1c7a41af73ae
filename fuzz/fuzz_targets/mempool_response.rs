//! Bytes of strangers as a mempool response.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check_door("mempool_response", bytes));
