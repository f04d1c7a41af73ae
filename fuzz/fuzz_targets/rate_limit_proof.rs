//! Bytes of strangers as a rate limit proof.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check("rate_limit_proof", bytes));
