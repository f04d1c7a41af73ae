//! Bytes of strangers as a wallet's change set.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check_door("wallet_change_set", bytes));
