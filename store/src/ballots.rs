//! Ballots: what the keys of this node's voter and signer have signed, so that they never sign
//! against it.
//!
//! # Invariants
//! * A ballot is durable before [`Store::put_ballot`] returns, whatever the rule for blocks is:
//!   whoever signs puts it first.
//! * A ballot never goes back: what is put is joined with what is there. No reorg touches it.
//! * One row for each key that ever signed here, and none is removed: forgetting one could cost its
//!   owner a part of a bond.
//!
//! # Spec
//! docs/spec/13-storage.md §3, §5
//!
//! # Not here
//! Who signs what when: `node::voter`.

use chain::codec::{SchemaRead, SchemaWrite};
use chain::units::CheckpointNumber;
use chain::{BlockId, Height, PublicKey};

use crate::database::Sync;
use crate::error::StoreError;
use crate::kill;
use crate::record;
use crate::schema::Table;
use crate::store::{Purpose, Store};
use crate::view::View;

/// The highest that a key has signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Ballot {
    /// Highest height voted for.
    pub last_voted: Option<Height>,
    /// Highest source of a finality vote.
    pub max_source: Option<CheckpointNumber>,
    /// Highest target of a finality vote.
    pub max_target: Option<CheckpointNumber>,
    /// The block voted for as that target.
    pub target_id: Option<BlockId>,
}

impl Ballot {
    /// The highest of both.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        let later = if other.max_target > self.max_target {
            other
        } else {
            self
        };
        Self {
            last_voted: self.last_voted.max(other.last_voted),
            max_source: self.max_source.max(other.max_source),
            max_target: later.max_target,
            target_id: later.target_id,
        }
    }
}

impl Store {
    /// Joins `ballot` with the one that is kept for `key`, and returns when it is durable.
    ///
    /// # Errors
    /// [`StoreError::Full`], or the disk's refusal; then what was kept is kept.
    pub fn put_ballot(&self, key: &PublicKey, ballot: &Ballot) -> Result<(), StoreError> {
        let _writer = self.writer();
        let joined = self.view()?.ballot(key)?.joined(*ballot);
        let mut batch = self.database.batch();
        batch.put(Table::Ballots, key.as_bytes(), &joined);
        self.kill_points.pass(kill::BALLOT_BEFORE_WRITE);
        self.write(batch, Purpose::Work, Sync::Durable)?;
        self.kill_points.pass(kill::BALLOT_AFTER_WRITE);
        Ok(())
    }
}

impl View<'_> {
    /// What `key` has signed here; nothing if it never did.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and the disk's other refusals.
    pub fn ballot(&self, key: &PublicKey) -> Result<Ballot, StoreError> {
        let ballot = self.get(Table::Ballots, key.as_bytes())?;
        Ok(ballot.unwrap_or_default())
    }

    /// The ballots of all keys.
    ///
    /// # Errors
    /// As [`View::ballot`].
    pub fn ballots(&self) -> Result<Vec<(PublicKey, Ballot)>, StoreError> {
        self.rows(Table::Ballots, &[], None)
            .map(|row| {
                let (key, value) = row?;
                let bytes = <[u8; 32]>::try_from(&*key)
                    .map_err(|_| record::damaged(Table::Ballots, &key, "not a public key"))?;
                let ballot = record::open_value(Table::Ballots, &key, &value)?;
                Ok((PublicKey::from_bytes(bytes), ballot))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Durability;
    use crate::testing::Twins;

    fn key(byte: u8) -> PublicKey {
        PublicKey::from_bytes([byte; 32])
    }

    fn voted(height: u64) -> Ballot {
        Ballot {
            last_voted: Some(Height::new(height)),
            ..Ballot::default()
        }
    }

    fn signed(source: u32, target: u32) -> Ballot {
        let byte = u8::try_from(target).expect("small");
        Ballot {
            max_source: Some(CheckpointNumber::new(source)),
            max_target: Some(CheckpointNumber::new(target)),
            target_id: Some(BlockId::from_bytes([byte; 32])),
            ..Ballot::default()
        }
    }

    fn kept(store: &Store, key: &PublicKey) -> Ballot {
        let view = store.view().expect("a tip");
        view.ballot(key).expect("readable")
    }

    #[test]
    fn a_ballot_never_goes_back() {
        let twins = Twins::new();
        let store = &twins.store;
        assert_eq!(kept(store, &key(1)), Ballot::default());
        let puts = [voted(9), voted(7), signed(2, 3), signed(1, 2), signed(2, 3)];
        for ballot in puts {
            store.put_ballot(&key(1), &ballot).expect("room");
        }
        let highest = Ballot {
            last_voted: Some(Height::new(9)),
            ..signed(2, 3)
        };
        assert_eq!(kept(store, &key(1)), highest);
        assert_eq!(kept(store, &key(2)), Ballot::default());
        store.put_ballot(&key(1), &signed(1, 4)).expect("room");
        let after = kept(store, &key(1));
        assert_eq!(after.max_source, Some(CheckpointNumber::new(2)));
        assert_eq!(after.target_id, signed(1, 4).target_id);
    }

    #[test]
    fn no_reorg_and_no_crash_takes_a_ballot_away() {
        let mut twins = Twins::with_blocks(3);
        twins.store.put_ballot(&key(1), &voted(3)).expect("room");
        (0..3).for_each(|_| twins.disconnect());
        let twins = twins.reopen();
        assert_eq!(kept(&twins.store, &key(1)), voted(3));
        let view = twins.store.view().expect("a tip");
        assert_eq!(view.ballots(), Ok(vec![(key(1), voted(3))]));
        view.verify().expect("undamaged");
    }

    #[test]
    fn a_ballot_is_durable_where_blocks_are_not() {
        let mut twins = Twins::new();
        let buffered = twins.store.set_durability(Durability::Buffered);
        buffered.expect("room");
        twins.connect();
        twins.store.put_ballot(&key(1), &voted(1)).expect("room");
        // What a kill would leave: what is in no log is gone.
        let copy = tempfile::tempdir().expect("a temporary folder");
        copy_folder(twins.folder.path(), copy.path());
        let params = genesis::Params::of(chain::Network::Regtest);
        let store = Store::open(copy.path(), &params, crate::testing::quick()).expect("undamaged");
        assert_eq!(store.view().expect("a tip").tip().height, Height::new(0));
        assert_eq!(kept(&store, &key(1)), voted(1));
    }

    fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
        std::fs::create_dir_all(to).expect("writable");
        for entry in std::fs::read_dir(from).expect("readable") {
            let entry = entry.expect("readable");
            let to = to.join(entry.file_name());
            if entry.file_type().expect("readable").is_dir() {
                copy_folder(&entry.path(), &to);
            } else if entry.file_name() != crate::folder::LOCK_FILE {
                std::fs::copy(entry.path(), &to).expect("writable");
            }
        }
    }
}
