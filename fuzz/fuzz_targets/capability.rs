//! Bytes of strangers as keys of a conversation.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check_door("capability", bytes));
