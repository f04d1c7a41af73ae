//! Bytes of strangers as a messenger's change set.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check_door(
    "messenger_change_set",
    bytes
));
