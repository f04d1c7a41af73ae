//! What must hold for all bytes, as functions that the fuzz targets call.
//!
//! # Invariants
//! What is accepted is written back as the very same bytes.
//!
//! # Spec
//! docs/spec/01-encoding.md §1
//!
//! # Not here
//! The replay of the committed corpus on a stable toolchain: `chain/tests/corpus.rs`,
//! `cli/tests/corpus.rs`.

#![forbid(unsafe_code)]

#[path = "../../chain/tests/samples/decoders.rs"]
mod decoders;
mod doors;

mod node;

/// Feeds the decoder with this name.
///
/// # Panics
/// When the decoder accepts a second encoding of a value, or `name` is no decoder.
pub fn check(name: &str, bytes: &[u8]) {
    let decoder = decoders::decoder(name);
    let accepted = (decoder.decode)(bytes).is_ok();
    let written = (decoder.recode)(bytes);
    assert_eq!(accepted, written.is_some());
    assert!(bytes.len() <= decoder.bytes_max || !accepted);
    if let Some(written) = written {
        assert_eq!(written, bytes, "{name} accepts a second encoding");
    }
}

/// Feeds the door above `chain` with this name.
///
/// # Panics
/// When the door accepts a second encoding of a value, or `name` is no door.
pub fn check_door(name: &str, bytes: &[u8]) {
    let door = doors::DOORS.iter().find(|door| door.name == name);
    let door = door.unwrap_or_else(|| panic!("no door is named {name}"));
    if bytes.len() > door.bytes_max {
        return;
    }
    if let Some(written) = (door.recode)(bytes) {
        assert_eq!(written, bytes, "{name} accepts a second encoding");
    }
}

/// Feeds the reader of addresses.
///
/// # Panics
/// When an accepted text does not print as itself.
pub fn check_address(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(printed) = decoders::decode_address(text) {
        assert_eq!(printed, text.to_lowercase());
    }
}
