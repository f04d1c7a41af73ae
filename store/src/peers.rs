//! Peers across restarts: addresses worth trying again, and who is not to be talked to.
//!
//! # Invariants
//! * Both tables have a limit of rows; addresses that were not seen for the longest go first, and
//!   bans that end first.
//! * Losing the last seconds of either in a power cut hurts nobody: writes do not wait for the disk.
//!
//! # Spec
//! docs/spec/13-storage.md §10
//!
//! # Not here
//! Scores and the choice of peers: `node::peers`.

use std::collections::BTreeMap;

use chain::Timestamp;
use chain::codec::{List, SchemaRead, SchemaWrite};

use crate::database::Sync;
use crate::error::StoreError;
use crate::record;
use crate::schema::Table;
use crate::store::{Purpose, Store};
use crate::view::View;

/// Most addresses kept: a thousand times the connections of a node.
pub const PEERS_MAX: usize = 4_096;
/// Most bans kept.
pub const BANS_MAX: usize = 4_096;
/// Longest address or subject of a ban (bytes).
pub const NAME_BYTES_MAX: usize = 256;
/// Longest reason of a ban (bytes).
pub const REASON_BYTES_MAX: usize = 128;

/// What is remembered of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct PeerRow {
    /// When somebody last named it.
    pub seen: Timestamp,
    /// When it last answered.
    pub answered: Option<Timestamp>,
    /// Attempts without an answer since.
    pub failures: u32,
}

/// A ban.
#[derive(Clone, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct BanRow {
    /// When it ends.
    pub until: Timestamp,
    /// Why, for the operator.
    #[wincode(with = "List<u8, REASON_BYTES_MAX>")]
    reason: Vec<u8>,
}

impl BanRow {
    /// A ban until `until`; a longer reason is cut.
    #[must_use]
    pub fn new(until: Timestamp, reason: &str) -> Self {
        let mut end = reason.len().min(REASON_BYTES_MAX);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            until,
            reason: reason.as_bytes()[..end].to_vec(),
        }
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> String {
        String::from_utf8_lossy(&self.reason).into_owned()
    }
}

impl Store {
    /// Remembers addresses. Beyond the limit the ones not seen for the longest are forgotten.
    ///
    /// # Errors
    /// [`StoreError::RecordTooLarge`] for an address that is too long; the disk's refusal.
    pub fn put_peers(&self, rows: &[(String, PeerRow)]) -> Result<(), StoreError> {
        let age = |row: &PeerRow| row.seen.max(row.answered.unwrap_or_default());
        self.put_bounded(Table::Peers, rows, |view| view.peers(), PEERS_MAX, age)
    }

    /// Forgets an address.
    ///
    /// # Errors
    /// The disk's refusal.
    pub fn remove_peer(&self, address: &str) -> Result<(), StoreError> {
        self.remove_name(Table::Peers, address)
    }

    /// Bans a peer or an address.
    ///
    /// # Errors
    /// [`StoreError::RecordTooLarge`] for a subject that is too long; the disk's refusal.
    pub fn put_ban(&self, subject: &str, ban: &BanRow) -> Result<(), StoreError> {
        let rows = [(subject.to_owned(), ban.clone())];
        self.put_bounded(
            Table::Bans,
            &rows,
            |view| view.bans(),
            BANS_MAX,
            |ban| ban.until,
        )
    }

    /// Lifts a ban.
    ///
    /// # Errors
    /// The disk's refusal.
    pub fn remove_ban(&self, subject: &str) -> Result<(), StoreError> {
        self.remove_name(Table::Bans, subject)
    }

    /// Forgets the bans that have ended by `now`.
    ///
    /// # Errors
    /// The disk's refusal.
    pub fn expire_bans(&self, now: Timestamp) -> Result<(), StoreError> {
        let _writer = self.writer();
        let mut batch = self.database.batch();
        for (subject, _) in self
            .view()?
            .bans()?
            .iter()
            .filter(|(_, ban)| ban.until <= now)
        {
            batch.delete(Table::Bans, subject.as_bytes());
        }
        self.write(batch, Purpose::Relief, Sync::Logged)
    }

    fn put_bounded<T: chain::codec::Encode + Clone>(
        &self,
        table: Table,
        rows: &[(String, T)],
        read: impl Fn(&View<'_>) -> Result<BTreeMap<String, T>, StoreError>,
        rows_max: usize,
        worth: impl Fn(&T) -> Timestamp,
    ) -> Result<(), StoreError> {
        if let Some((name, _)) = rows.iter().find(|(name, _)| name.len() > NAME_BYTES_MAX) {
            return Err(StoreError::RecordTooLarge {
                found: name.len(),
                max: NAME_BYTES_MAX,
            });
        }
        let _writer = self.writer();
        let mut all = read(&self.view()?)?;
        all.extend(rows.iter().cloned());
        let mut batch = self.database.batch();
        for (name, row) in rows {
            batch.put(table, name.as_bytes(), row);
        }
        let surplus = all.len().saturating_sub(rows_max);
        let mut by_worth: Vec<_> = all.iter().map(|(name, row)| (worth(row), name)).collect();
        by_worth.sort_unstable();
        for (_, name) in by_worth.into_iter().take(surplus) {
            batch.delete(table, name.as_bytes());
        }
        self.write(batch, Purpose::Relief, Sync::Logged)
    }

    fn remove_name(&self, table: Table, name: &str) -> Result<(), StoreError> {
        let _writer = self.writer();
        let mut batch = self.database.batch();
        batch.delete(table, name.as_bytes());
        self.write(batch, Purpose::Relief, Sync::Logged)
    }
}

impl View<'_> {
    /// All addresses.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and the disk's other refusals.
    pub fn peers(&self) -> Result<BTreeMap<String, PeerRow>, StoreError> {
        self.named(Table::Peers)
    }

    /// All bans, also those that have ended.
    ///
    /// # Errors
    /// As [`View::peers`].
    pub fn bans(&self) -> Result<BTreeMap<String, BanRow>, StoreError> {
        self.named(Table::Bans)
    }

    fn named<T: chain::codec::Decode>(
        &self,
        table: Table,
    ) -> Result<BTreeMap<String, T>, StoreError> {
        self.rows(table, &[], None)
            .map(|row| {
                let (key, value) = row?;
                let name = String::from_utf8(key.to_vec())
                    .map_err(|_| record::damaged(table, &key, "a name that is no text"))?;
                Ok((name, record::open_value(table, &key, &value)?))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
