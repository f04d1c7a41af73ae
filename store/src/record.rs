//! Checksums of single records: what was read is what was written, under this key, in this table.
//!
//! # Invariants
//! * A sealed record is `payload | check`, the check being 8 bytes of a keyed blake3 hash over table
//!   number, key length, key and payload: a record moved to another place is as wrong as one with a
//!   flipped bit.
//! * The database checks its own blocks too; this check is for what lies between: our code, its
//!   cache, its compactions.
//!
//! # Spec
//! docs/spec/13-storage.md §4
//!
//! # Not here
//! Tables whose records have no payload; `verify` holds them against the bodies.

use chain::codec::{self, Decode, Encode};

use crate::error::StoreError;
use crate::schema::Table;

/// Bytes of the check.
pub(crate) const CHECK_BYTES: usize = 8;
/// Separates these hashes from all others; not a secret.
const CHECK_KEY: [u8; 32] = *b"ChainChat stored record check v1";

/// The check of `payload` under `key` in the table numbered `table`.
pub(crate) fn check(table: u8, key: &[u8], payload: &[u8]) -> [u8; CHECK_BYTES] {
    let key_len = u32::try_from(key.len()).expect("keys are shorter than 4 GiB");
    let mut hasher = blake3::Hasher::new_keyed(&CHECK_KEY);
    hasher
        .update(&[table])
        .update(&key_len.to_le_bytes())
        .update(key)
        .update(payload);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..CHECK_BYTES]);
    check
}

/// Appends the check to `payload`.
pub(crate) fn seal(table: Table, key: &[u8], mut payload: Vec<u8>) -> Vec<u8> {
    let check = check(table.number(), key, &payload);
    payload.extend_from_slice(&check);
    payload
}

/// The payload of a record, if its check holds.
pub(crate) fn open<'r>(table: Table, key: &[u8], record: &'r [u8]) -> Result<&'r [u8], StoreError> {
    record
        .split_last_chunk::<CHECK_BYTES>()
        .filter(|(payload, found)| check(table.number(), key, payload) == **found)
        .map(|(payload, _)| payload)
        .ok_or_else(|| damaged(table, key, "the checksum does not hold"))
}

/// A value in its sealed form.
pub(crate) fn seal_value(table: Table, key: &[u8], value: &impl Encode) -> Vec<u8> {
    seal(table, key, codec::encode(value))
}

/// The value of a record.
pub(crate) fn open_value<T: Decode>(
    table: Table,
    key: &[u8],
    record: &[u8],
) -> Result<T, StoreError> {
    let payload = open(table, key, record)?;
    codec::decode(payload, payload.len())
        .map_err(|error| damaged(table, key, &format!("it does not decode: {error}")))
}

/// Names the record in `table` under `key`.
pub(crate) fn damaged(table: Table, key: &[u8], why: &str) -> StoreError {
    let key: String = key
        .iter()
        .take(40)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    StoreError::damaged(format!("{} record {key}: {why}", table.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_bound_to_its_table_its_key_and_every_bit() {
        let record = seal(Table::Bodies, b"key", b"payload".to_vec());
        assert_eq!(open(Table::Bodies, b"key", &record), Ok(&b"payload"[..]));
        assert!(open(Table::Undo, b"key", &record).is_err());
        assert!(open(Table::Bodies, b"kez", &record).is_err());
        for bit in 0..record.len() * 8 {
            let mut flipped = record.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(Table::Bodies, b"key", &flipped).is_err(), "bit {bit}");
        }
        for len in 0..record.len() {
            assert!(
                open(Table::Bodies, b"key", &record[..len]).is_err(),
                "length {len}"
            );
        }
    }

    #[test]
    fn key_and_payload_do_not_run_into_each_other() {
        assert_ne!(check(1, b"ab", b"c"), check(1, b"a", b"bc"));
    }

    #[test]
    fn damage_names_table_and_key() {
        let error = open(Table::Values, &[0xab], &[1, 2]).expect_err("too short");
        assert_eq!(
            error.to_string(),
            "damaged storage: values record ab: the checksum does not hold"
        );
    }
}
