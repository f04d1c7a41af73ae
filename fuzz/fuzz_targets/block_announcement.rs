//! Bytes of strangers as a block announcement.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check_door("block_announcement", bytes));
