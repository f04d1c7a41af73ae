//! Bytes of strangers as an invitation.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chainchat_fuzz::check_door("invite_link", bytes));
