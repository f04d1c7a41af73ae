//! Bytes of strangers as a signed bond.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check("bond", bytes));
