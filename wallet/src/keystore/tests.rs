//! The keystore's negative table: every way in which a file can be wrong has its own name.

use std::collections::BTreeSet;

use super::*;
use crate::testing::rng;

const PASSWORD: &str = "correct horse";
const CONTENT: &[u8] = b"thirty-two bytes of seed, or so.";

fn sealed() -> Vec<u8> {
    seal(CONTENT, PASSWORD, Cost::FLOOR, &mut rng(1)).expect("it fits")
}

/// The same file with a checksum that fits again: what somebody does on purpose.
fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - CHECK_BYTES);
    let check = checksum(&bytes);
    bytes.extend(check);
    bytes
}

fn refused(bytes: &[u8]) -> KeystoreError {
    open(bytes, PASSWORD).expect_err("refused")
}

#[test]
fn what_is_sealed_opens_with_the_password_and_no_other() {
    let bytes = sealed();
    assert_eq!(
        *open(&bytes, PASSWORD).expect("the right password"),
        CONTENT
    );
    for wrong in ["", "correct hors", "Correct horse", "correct horse "] {
        assert_eq!(
            open(&bytes, wrong).err(),
            Some(KeystoreError::WrongPassword),
            "{wrong:?}"
        );
    }
}

#[test]
fn the_same_password_typed_on_another_system_opens() {
    let composed = seal(CONTENT, "caf\u{e9}", Cost::FLOOR, &mut rng(1)).expect("it fits");
    assert!(open(&composed, "cafe\u{301}").is_ok());
}

#[test]
fn the_layout_is_the_specified_one() {
    let bytes = sealed();
    assert_eq!(bytes.len(), 57 + CONTENT.len() + 16 + 16);
    assert_eq!(bytes[..5], *b"CCK1\x01");
    assert_eq!(bytes[5..9], (19u32 << 10).to_le_bytes());
    assert_eq!(bytes[9..13], 2u32.to_le_bytes());
    assert_eq!(bytes[13..17], 1u32.to_le_bytes());
    let (mut salt, mut nonce) = ([0; 16], [0; 24]);
    let mut same = rng(1);
    rand_core::Rng::fill_bytes(&mut same, &mut salt);
    rand_core::Rng::fill_bytes(&mut same, &mut nonce);
    assert_eq!((&bytes[17..33], &bytes[33..57]), (&salt[..], &nonce[..]));
    let digest = chain::hash::blake3(&bytes);
    assert_eq!(
        chain::Hash32::from_bytes(digest).to_string(),
        FROZEN,
        "the format changed"
    );
}

/// blake3 of the file of [`sealed`]: an upgrade of a library must not lock people out.
const FROZEN: &str = "0fa9bd4b38d61b61ea872a73a2fb876760c9ddb4d1d76e9c41cff0999690805a";

#[test]
fn a_flipped_bit_anywhere_is_damage_and_not_a_wrong_password() {
    let bytes = sealed();
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        let expected = if position < 4 {
            KeystoreError::NotAKeystore
        } else {
            KeystoreError::Damaged
        };
        assert_eq!(refused(&changed), expected, "byte {position}");
    }
}

#[test]
fn a_truncated_or_prolonged_file_is_damage() {
    let bytes = sealed();
    for length in 0..bytes.len() {
        let expected = match length {
            0..4 => KeystoreError::NotAKeystore,
            _ if length < BYTES_MIN => KeystoreError::Length {
                found: length,
                min: BYTES_MIN,
                max: BYTES_MAX,
            },
            _ => KeystoreError::Damaged,
        };
        assert_eq!(refused(&bytes[..length]), expected, "{length} bytes");
    }
    assert_eq!(
        refused(&[&bytes[..], &[0]].concat()),
        KeystoreError::Damaged
    );
    let mut long = bytes;
    long.resize(BYTES_MAX + 1, 0);
    let length = KeystoreError::Length {
        found: BYTES_MAX + 1,
        min: BYTES_MIN,
        max: BYTES_MAX,
    };
    assert_eq!(refused(&long), length);
}

#[test]
fn every_header_byte_is_bound_even_under_a_new_checksum() {
    let bytes = sealed();
    for position in 0..HEADER_BYTES {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        let found = changed[4];
        let expected = match position {
            0..4 => KeystoreError::NotAKeystore,
            4 => KeystoreError::UnknownDerivation { found },
            8 => out_of_bounds("m_kib", 19 << 10 | 1 << 24, 19 << 10, 1 << 20),
            10..13 => out_of_bounds("t", 2 | 1 << (8 * (position - 9)), 2, 16),
            13 => out_of_bounds("p", 0, 1, 16),
            14..17 => out_of_bounds("p", 1 | 1 << (8 * (position - 13)), 1, 16),
            _ => KeystoreError::WrongPassword,
        };
        assert_eq!(
            refused(&with_checksum(changed)),
            expected,
            "byte {position}"
        );
    }
    let mut changed = bytes;
    changed[HEADER_BYTES] ^= 1;
    assert_eq!(
        refused(&with_checksum(changed)),
        KeystoreError::WrongPassword
    );
}

fn out_of_bounds(field: &'static str, found: u32, min: u32, max: u32) -> KeystoreError {
    KeystoreError::CostOutOfBounds {
        field,
        found,
        min,
        max,
    }
}

#[test]
fn costs_outside_the_bounds_are_refused_before_any_work() {
    // With 4 TiB or four billion passes, this test would not come back if work were done.
    let table = [
        (5, u32::MAX, "m_kib", 19 << 10, 1 << 20),
        (5, (1 << 20) + 1, "m_kib", 19 << 10, 1 << 20),
        (5, (19 << 10) - 1, "m_kib", 19 << 10, 1 << 20),
        (5, 0, "m_kib", 19 << 10, 1 << 20),
        (9, u32::MAX, "t", 2, 16),
        (9, 1, "t", 2, 16),
        (13, u32::MAX, "p", 1, 16),
        (13, 0, "p", 1, 16),
    ];
    for (position, value, field, min, max) in table {
        let mut changed = sealed();
        changed[position..position + 4].copy_from_slice(&value.to_le_bytes());
        let expected = out_of_bounds(field, value, min, max);
        assert_eq!(refused(&with_checksum(changed)), expected);
    }
    assert_eq!(Cost::new(64 << 10, 3, 1), Ok(Cost::DEFAULT));
    assert!(Cost::new(1, 2, 1).is_err());
}

#[test]
fn no_byte_of_the_content_stands_in_the_file() {
    let bytes = sealed();
    assert!(
        bytes
            .windows(8)
            .all(|window| CONTENT.windows(8).all(|secret| secret != window))
    );
}

#[test]
fn salt_and_nonce_are_fresh_for_every_save() {
    let mut random = rng(4);
    let mut seen = BTreeSet::new();
    for save in 0..1_000 {
        let header = Header::fresh(Cost::FLOOR, &mut random);
        assert!(seen.insert(header.salt.to_vec()), "the salt of save {save}");
        assert!(
            seen.insert(header.nonce.to_vec()),
            "the nonce of save {save}"
        );
    }
    let mut files = BTreeSet::new();
    for _ in 0..3 {
        let file = seal(CONTENT, PASSWORD, Cost::FLOOR, &mut random).expect("it fits");
        assert!(files.insert(file[HEADER_BYTES..].to_vec()));
    }
}

#[test]
fn content_has_a_limit_and_may_be_empty() {
    let (found, max) = (CONTENT_BYTES_MAX + 1, CONTENT_BYTES_MAX);
    let refused = seal(&vec![0; found], PASSWORD, Cost::FLOOR, &mut rng(1)).err();
    assert_eq!(refused, Some(KeystoreError::ContentTooLong { found, max }));
    let largest = seal(&vec![0; max], PASSWORD, Cost::FLOOR, &mut rng(1)).expect("it fits");
    assert_eq!(largest.len(), BYTES_MAX);
    let empty = seal(&[], PASSWORD, Cost::FLOOR, &mut rng(1)).expect("it fits");
    assert_eq!(empty.len(), BYTES_MIN);
    assert!(
        open(&empty, PASSWORD)
            .expect("the right password")
            .is_empty()
    );
}
