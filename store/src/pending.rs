//! Submissions that were acknowledged as durable: they survive a restart of the node.
//!
//! # Invariants
//! * A `durable` acknowledgement follows a write that waited for the disk.
//! * All rows together stay below [`PENDING_BYTES_MAX`].
//! * A row goes when its thing is included, comes back when that block is disconnected
//!   ([`crate::commit`]), and goes for good when the mempool says so.
//!
//! # Spec
//! docs/spec/13-storage.md §9
//!
//! # Not here
//! What is acceptable, what is expired (`node::mempool`); the thread that commits groups
//! (`node::service`).

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use chain::codec::{SchemaRead, SchemaWrite};
use chain::{TxId, WireId, codec};

use crate::database::Sync;
use crate::error::StoreError;
use crate::kill;
use crate::record;
use crate::schema::Table;
use crate::store::{Purpose, Store};
use crate::view::View;

/// Most bytes of durable submissions: as many as a mempool may hold, two minutes of full blocks.
pub const PENDING_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a row's key.
const KEY_BYTES: u64 = 33;
/// Submissions that may wait for the next group; beyond it a sender is told to come back.
pub const GROUP_QUEUE_MAX: usize = 4_096;
/// Submissions in one group: bounds the batch and so the wait of the first in it.
pub const GROUP_MAX: usize = 1_024;

/// Names a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub enum PendingId {
    /// A transaction.
    #[wincode(tag = 0)]
    Transaction(TxId),
    /// An envelope.
    #[wincode(tag = 1)]
    Envelope(WireId),
}

impl PendingId {
    /// Key of its row.
    pub(crate) fn key(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

/// A submission with its exact bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingRow {
    /// Its name.
    pub id: PendingId,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Store {
    /// Keeps submissions and returns when they are durable. One that is there already is written
    /// again.
    ///
    /// # Errors
    /// [`StoreError::PendingFull`], [`StoreError::Full`], or the disk's refusal; then none is kept.
    pub fn put_pending(&self, rows: &[PendingRow]) -> Result<(), StoreError> {
        let _writer = self.writer();
        let view = self.view()?;
        let mut batch = self.database.batch();
        let mut grown = 0u64;
        for row in rows {
            if view.pending_len(&row.id)?.is_none() {
                grown = grown.saturating_add(row_bytes(&row.bytes));
            }
            batch.put_bytes(Table::Pending, &row.id.key(), row.bytes.clone());
        }
        let held = self.pending_bytes.load(Ordering::Relaxed);
        if held.saturating_add(grown) > PENDING_BYTES_MAX {
            return Err(StoreError::PendingFull {
                bytes_max: PENDING_BYTES_MAX,
            });
        }
        self.kill_points.pass(kill::PENDING_BEFORE_WRITE);
        self.write(batch, Purpose::Work, Sync::Durable)?;
        self.pending_grew(grown);
        self.kill_points.pass(kill::PENDING_AFTER_WRITE);
        Ok(())
    }

    /// Forgets submissions that are expired or no longer valid. Not synced: one that comes back
    /// after a power cut is refused again.
    ///
    /// # Errors
    /// The disk's refusal.
    pub fn remove_pending(&self, ids: &[PendingId]) -> Result<(), StoreError> {
        let _writer = self.writer();
        if ids.is_empty() || self.pending_bytes.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let view = self.view()?;
        let mut batch = self.database.batch();
        let mut shrunk = 0u64;
        for id in ids {
            if let Some(bytes) = view.pending_len(id)? {
                batch.delete(Table::Pending, &id.key());
                shrunk = shrunk.saturating_add(bytes);
            }
        }
        self.write(batch, Purpose::Relief, Sync::Logged)?;
        self.pending_shrank(shrunk);
        Ok(())
    }

    pub(crate) fn pending_grew(&self, bytes: u64) {
        self.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn pending_shrank(&self, bytes: u64) {
        self.pending_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl View<'_> {
    /// All durable submissions, transactions first: what a mempool starts from.
    pub fn pending(&self) -> impl Iterator<Item = Result<PendingRow, StoreError>> {
        self.rows(Table::Pending, &[], None).map(|row| {
            let (key, value) = row?;
            let id = codec::decode(&key, key.len())
                .map_err(|_| record::damaged(Table::Pending, &key, "not a submission's key"))?;
            let bytes = record::open(Table::Pending, &key, &value)?.to_vec();
            Ok(PendingRow { id, bytes })
        })
    }

    /// One durable submission.
    ///
    /// # Errors
    /// The disk's refusal, or [`StoreError::Damaged`].
    pub fn pending_row(&self, id: &PendingId) -> Result<Option<PendingRow>, StoreError> {
        let bytes = self.bytes(Table::Pending, &id.key())?;
        Ok(bytes.map(|bytes| PendingRow { id: *id, bytes }))
    }

    /// Whether there is no durable submission: most blocks need not look for theirs then.
    pub(crate) fn has_no_pending(&self) -> bool {
        self.store().pending_bytes.load(Ordering::Relaxed) == 0
    }

    /// Bytes of a durable submission's row.
    pub(crate) fn pending_len(&self, id: &PendingId) -> Result<Option<u64>, StoreError> {
        Ok(self
            .bytes(Table::Pending, &id.key())?
            .map(|bytes| row_bytes(&bytes)))
    }

    /// Bytes of all of them.
    pub(crate) fn pending_bytes(&self) -> Result<u64, StoreError> {
        self.pending().try_fold(0u64, |sum, row| {
            Ok(sum.saturating_add(row_bytes(&row?.bytes)))
        })
    }
}

/// Bytes that a row counts: its key and its payload.
pub(crate) fn row_bytes(payload: &[u8]) -> u64 {
    u64::try_from(payload.len())
        .unwrap_or(u64::MAX)
        .saturating_add(KEY_BYTES)
}

/// Called once, with what became of a submission.
pub type Acknowledge = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// The side that many senders hold.
#[derive(Clone, Debug)]
pub struct GroupSender(SyncSender<(PendingRow, Acknowledge)>);

/// The side that one committing thread holds.
#[derive(Debug)]
pub struct GroupQueue(Receiver<(PendingRow, Acknowledge)>);

/// A queue that turns many `durable` submissions into few waits for the disk: while one group is
/// being synced, the next one gathers.
#[must_use]
pub fn group_commit() -> (GroupSender, GroupQueue) {
    let (sender, receiver) = sync_channel(GROUP_QUEUE_MAX);
    (GroupSender(sender), GroupQueue(receiver))
}

impl GroupSender {
    /// Queues a submission; `acknowledge` is called by the committing thread.
    ///
    /// # Errors
    /// Hands both back if the queue is full or nobody commits any more.
    pub fn send(
        &self,
        row: PendingRow,
        acknowledge: Acknowledge,
    ) -> Result<(), (PendingRow, Acknowledge)> {
        self.0
            .try_send((row, acknowledge))
            .map_err(|refused| match refused {
                TrySendError::Full(entry) | TrySendError::Disconnected(entry) => entry,
            })
    }
}

impl GroupQueue {
    /// Waits for a submission, writes all that are there by then at once, acknowledges each.
    /// Returns how many there were, nothing when all senders are gone.
    pub fn commit_next(&self, store: &Store) -> Option<usize> {
        let first = self.0.recv().ok()?;
        let (rows, acknowledgements): (Vec<_>, Vec<_>) = std::iter::once(first)
            .chain(self.0.try_iter())
            .take(GROUP_MAX)
            .unzip();
        let written = store.put_pending(&rows);
        let count = acknowledgements.len();
        acknowledgements
            .into_iter()
            .for_each(|acknowledge| acknowledge(written.clone()));
        Some(count)
    }
}

#[cfg(test)]
mod tests;
