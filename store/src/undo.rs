//! The way back from a block, in as few bytes as possible.
//!
//! # Invariants
//! * Together with the block's own body and the bodies before it, a record restores every table
//!   that connecting the block changed, byte for byte.
//! * What follows from bodies is not written again. The seen table of a rate epoch holds the
//!   one-time keys of the main chain's envelopes of that epoch: those that the block brought follow
//!   from its body, those of an epoch that it closed from the bodies of that epoch, held against a
//!   count and a check.
//!
//! # Spec
//! docs/spec/13-storage.md §5
//!
//! # Not here
//! The difference itself: `consensus::StateDiff`. Reading and writing: [`crate::commit`].

use std::collections::BTreeSet;

use chain::PublicKey;
use chain::codec::{List, SchemaRead, SchemaWrite};
use chain::units::RateEpoch;
use consensus::{StateDiff, StateKey};

use crate::contents::SeenRow;
use crate::error::StoreError;
use crate::record;

/// Memory that one list of an undo record may take (bytes). A body of 1 MiB changes a few thousand
/// values and ten times as many nodes of under 1 KiB; the record's own check has held by then.
const LIST_BYTES_MAX: usize = 256 << 20;

/// An opaque value or node.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub(crate) struct Blob(#[wincode(with = "List<u8, LIST_BYTES_MAX>")] pub Vec<u8>);

/// A state value before the block; nothing if there was none.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub(crate) struct ValueBefore {
    pub key: StateKey,
    pub value: Option<Blob>,
}

/// A tree node before the block; nothing if there was none.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub(crate) struct NodeBefore {
    pub key: Blob,
    pub node: Option<Blob>,
}

/// An epoch whose rows the block removed from the seen table, all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub(crate) struct Closed {
    pub epoch: RateEpoch,
    pub rows: u64,
    pub check: [u8; record::CHECK_BYTES],
}

/// Something of the block that had a durable row while it waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub(crate) enum Waited {
    /// The transaction at this position.
    #[wincode(tag = 0)]
    Transaction(u16),
    /// The envelope at this position.
    #[wincode(tag = 1)]
    Envelope(u16),
}

/// Everything that a block's own content does not tell.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub(crate) struct UndoRecord {
    #[wincode(with = "List<ValueBefore, LIST_BYTES_MAX>")]
    pub values: Vec<ValueBefore>,
    #[wincode(with = "List<NodeBefore, LIST_BYTES_MAX>")]
    pub nodes: Vec<NodeBefore>,
    #[wincode(with = "List<Closed, LIST_BYTES_MAX>")]
    pub closed: Vec<Closed>,
    #[wincode(with = "List<Waited, LIST_BYTES_MAX>")]
    pub waited: Vec<Waited>,
}

/// What a difference does to the seen table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeenChange {
    pub added: BTreeSet<SeenRow>,
    pub removed: BTreeSet<SeenRow>,
}

impl SeenChange {
    /// Of a difference and its way back, which must name the same keys.
    pub(crate) fn of(diff: &StateDiff, undo: &StateDiff) -> Result<Self, StoreError> {
        if !diff.seen.keys().eq(undo.seen.keys()) {
            return Err(StoreError::Inconsistent {
                what: "undo and difference see other keys",
            });
        }
        let rows = |side: &StateDiff| {
            side.seen
                .iter()
                .filter_map(|(key, epoch)| Some(((*epoch)?, *key)))
                .collect()
        };
        let (added, removed): (BTreeSet<_>, BTreeSet<_>) = (rows(diff), rows(undo));
        Ok(Self {
            added: added.difference(&removed).copied().collect(),
            removed: removed.difference(&added).copied().collect(),
        })
    }

    /// Epochs that rows are removed from.
    pub(crate) fn epochs(&self) -> BTreeSet<RateEpoch> {
        self.removed.iter().map(|(epoch, _)| *epoch).collect()
    }

    /// Rows removed from `epoch`, ascending.
    pub(crate) fn removed_from(&self, epoch: RateEpoch) -> Vec<PublicKey> {
        let first = (epoch, PublicKey::from_bytes([0; 32]));
        let last = (epoch, PublicKey::from_bytes([u8::MAX; 32]));
        self.removed.range(first..=last).map(|row| row.1).collect()
    }
}

impl Closed {
    /// The epoch with exactly these rows, which ascend.
    pub(crate) fn of(epoch: RateEpoch, keys: &[PublicKey]) -> Self {
        let mut bytes = Vec::new();
        keys.iter()
            .for_each(|key| bytes.extend_from_slice(key.as_bytes()));
        let rows = u64::try_from(keys.len()).unwrap_or(u64::MAX);
        let check = record::check(crate::schema::Table::Seen.number(), &[], &bytes);
        Self { epoch, rows, check }
    }
}

/// Rows that the body's envelopes add, unless the block closes their epoch.
pub(crate) fn rows_of_body(seen: &[SeenRow], closed: &[Closed]) -> BTreeSet<SeenRow> {
    let is_open = |row: &&SeenRow| closed.iter().all(|closed| closed.epoch != row.0);
    seen.iter().filter(is_open).copied().collect()
}

/// The changes of values and nodes that lead back; both sides must name the same keys.
pub(crate) fn befores(
    diff: &StateDiff,
    undo: &StateDiff,
) -> Result<(Vec<ValueBefore>, Vec<NodeBefore>), StoreError> {
    if !diff.values.keys().eq(undo.values.keys()) || !diff.nodes.keys().eq(undo.nodes.keys()) {
        return Err(StoreError::Inconsistent {
            what: "undo and difference name other keys",
        });
    }
    let blob = |bytes: &Option<Vec<u8>>| bytes.clone().map(Blob);
    let values = undo.values.iter().map(|(key, value)| ValueBefore {
        key: *key,
        value: blob(value),
    });
    let nodes = undo.nodes.iter().map(|(key, node)| NodeBefore {
        key: Blob(key.clone()),
        node: blob(node),
    });
    Ok((values.collect(), nodes.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain::codec;

    fn key(byte: u8) -> PublicKey {
        PublicKey::from_bytes([byte; 32])
    }

    #[test]
    fn a_record_reads_back() {
        let record = UndoRecord {
            values: vec![ValueBefore {
                key: StateKey::Supply,
                value: Some(Blob(vec![1; 20_000])),
            }],
            nodes: vec![NodeBefore {
                key: Blob(vec![3]),
                node: None,
            }],
            closed: vec![Closed::of(RateEpoch::new(6), &[key(4)])],
            waited: vec![Waited::Transaction(3), Waited::Envelope(4)],
        };
        let bytes = codec::encode(&record);
        assert_eq!(codec::decode::<UndoRecord>(&bytes, bytes.len()), Ok(record));
    }

    #[test]
    fn the_seen_change_is_the_rows_that_differ() {
        let mut diff = StateDiff::default();
        let mut undo = StateDiff::default();
        let (old, new) = (Some(RateEpoch::new(1)), Some(RateEpoch::new(2)));
        for (byte, before, after) in [(1, None, new), (2, old, None), (3, old, new), (4, old, old)]
        {
            diff.seen.insert(key(byte), after);
            undo.seen.insert(key(byte), before);
        }
        let change = SeenChange::of(&diff, &undo).expect("the same keys");
        let row = |epoch: Option<RateEpoch>, byte| (epoch.expect("some"), key(byte));
        assert_eq!(change.added, BTreeSet::from([row(new, 1), row(new, 3)]));
        assert_eq!(change.removed, BTreeSet::from([row(old, 2), row(old, 3)]));
        undo.seen.remove(&key(1));
        assert!(SeenChange::of(&diff, &undo).is_err());
    }

    #[test]
    fn a_body_adds_no_rows_to_an_epoch_that_its_block_closes() {
        let rows = [(RateEpoch::new(1), key(1)), (RateEpoch::new(2), key(2))];
        let closed = [Closed::of(RateEpoch::new(1), &[])];
        assert_eq!(rows_of_body(&rows, &closed), BTreeSet::from([rows[1]]));
        assert_ne!(closed[0], Closed::of(RateEpoch::new(1), &[key(1)]));
    }
}
