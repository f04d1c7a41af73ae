//! Bytes of strangers as a mempool request.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check_door("mempool_request", bytes));
