//! Durable submissions whose items are not in the mempool now: kept on the disk and offered again.
//!
//! # Invariants
//! * A row is forgotten only when no later block of this chain takes its item, or after
//!   [`KEPT_BLOCKS_MAX`] blocks without a place in the mempool.
//! * They are offered oldest first, once after every move of the tip, [`OFFERS_PER_TICK`] at a time,
//!   and not while the node is catching up: its tip is the wrong one.
//!
//! # Spec
//! docs/spec/13-storage.md §9
//!
//! # Not here
//! Which rules last: `crate::mempool::Refusal`. The rows themselves: `store::pending`.

use std::collections::{BTreeMap, VecDeque};

use chain::{EnvelopeBytes, Height, Transaction, codec};
use store::{PendingId, PendingRow};

use super::desk::Desk;
use crate::ledger::{Ledger, LedgerError};
use crate::mempool::Refusal;
use crate::protocol::ItemSubmission;

/// Rows that wait to be offered again: as many as a kibibyte each fills what rows may take. What is
/// beyond stays on the disk until the next start.
const KEPT_MAX: usize = 65_536;
/// Rows offered at a tick: some milliseconds of signatures, and a full table within the hour.
const OFFERS_PER_TICK: usize = 32;
/// Blocks after which a row whose item found no place is forgotten: as deep as a branch may part
/// from ours, so that what no epoch ends does not fill the table for ever.
const KEPT_BLOCKS_MAX: u64 = 8_192;

/// Rows by name, and the order in which they are offered.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    since: BTreeMap<PendingId, Height>,
    queue: VecDeque<PendingId>,
    /// How many at the front were not offered since the tip moved.
    due: usize,
}

impl Kept {
    fn keep(&mut self, id: PendingId, since: Height) {
        if self.since.len() < KEPT_MAX && self.since.insert(id, since).is_none() {
            self.queue.push_back(id);
        }
    }

    pub(super) fn tip_moved(&mut self) {
        self.due = self.queue.len();
    }

    fn next(&mut self) -> Option<(PendingId, Height)> {
        self.due = self.due.checked_sub(1)?;
        let id = self.queue.pop_front()?;
        let since = self.since.remove(&id)?;
        Some((id, since))
    }
}

impl Desk {
    /// Goes on where the last run ended: first the blocks that are here already, then what was
    /// promised to last longer than a crash. Nobody is told: peers ask for the mempool when they
    /// connect.
    pub(crate) fn resume(&mut self) -> Result<(), LedgerError> {
        let resumed = self.node.resume(self.now());
        self.noted(resumed);
        self.carry_out();
        self.fatal.take().map_or(Ok(()), Err)?;
        let mut rows: Vec<PendingRow> = self.store.view()?.pending().collect::<Result<_, _>>()?;
        // Rows are in no order: an order may wait for one that comes after it.
        loop {
            let before = rows.len();
            let mut refused = Vec::new();
            for row in rows {
                if !self.hand_in(&row)?.is_waiting() {
                    refused.push(row);
                }
            }
            rows = refused;
            if rows.is_empty() || rows.len() == before {
                break;
            }
        }
        let height = self.height()?;
        for row in rows {
            self.settle_row(&row, height, height)?;
        }
        self.carry_out();
        Ok(())
    }

    /// Keeps the rows of items that left the mempool for a while; most items have none.
    pub(crate) fn keep(&mut self, ids: &[PendingId]) {
        let kept = self.height().and_then(|height| {
            let view = self.store.view()?;
            for id in ids {
                if view.pending_row(id)?.is_some() {
                    self.kept.keep(*id, height);
                }
            }
            Ok(())
        });
        self.noted(kept);
    }

    /// Looks again at a row that was written after its item had left the mempool.
    pub(crate) fn look_again(&mut self, id: PendingId) {
        self.keep(&[id]);
        self.kept.tip_moved();
    }

    /// Offers some of what is kept.
    pub(super) fn offer_kept(&mut self) {
        let offered = self.offer_some();
        self.noted(offered);
    }

    fn offer_some(&mut self) -> Result<(), LedgerError> {
        if self.kept.due == 0 || self.node.is_catching_up(self.now())? {
            return Ok(());
        }
        let height = self.height()?;
        for _ in 0..OFFERS_PER_TICK {
            let Some((id, since)) = self.kept.next() else {
                break;
            };
            // A block may have taken it meanwhile, and the row with it.
            let row = self.store.view()?.pending_row(&id)?;
            if let Some(row) = row {
                self.settle_row(&row, since, height)?;
            }
        }
        Ok(())
    }

    /// Hands a row in, and forgets or keeps it if it does not wait then.
    fn settle_row(
        &mut self,
        row: &PendingRow,
        since: Height,
        height: Height,
    ) -> Result<(), LedgerError> {
        let age = height.get().saturating_sub(since.get());
        match self.hand_in(row)? {
            Offer::Waiting => tracing::debug!(id = ?row.id, "a durable submission is back"),
            Offer::Refused if age < KEPT_BLOCKS_MAX => self.kept.keep(row.id, since),
            Offer::Refused | Offer::Over => self.forget(&[row.id]),
        }
        Ok(())
    }

    fn hand_in(&mut self, row: &PendingRow) -> Result<Offer, LedgerError> {
        let submitted = match row.id {
            PendingId::Transaction(_) => {
                match codec::decode::<Transaction>(&row.bytes, Transaction::BYTES_MAX) {
                    Ok(transaction) => self.node.submit_transaction(transaction)?,
                    Err(_) => return Ok(Offer::Over),
                }
            }
            PendingId::Envelope(_) => {
                let bytes = EnvelopeBytes::new(row.bytes.clone());
                self.node.submit_envelope(bytes)?
            }
        };
        Ok(match submitted {
            ItemSubmission::Accepted(_) | ItemSubmission::Refused(Refusal::AlreadyKnown) => {
                Offer::Waiting
            }
            ItemSubmission::Refused(refusal) if refusal.is_lasting() => Offer::Over,
            ItemSubmission::Refused(_) => Offer::Refused,
        })
    }

    fn height(&self) -> Result<Height, LedgerError> {
        Ok(self.node.engine().ledger().tip()?.0)
    }
}

/// What came of handing a row in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    /// It waits in the mempool.
    Waiting,
    /// Not now.
    Refused,
    /// Never.
    Over,
}

impl Offer {
    fn is_waiting(self) -> bool {
        self == Self::Waiting
    }
}

#[cfg(test)]
mod tests {
    use chain::TxId;

    use super::*;

    fn id(number: u8) -> PendingId {
        PendingId::Transaction(TxId::from_bytes([number; 32]))
    }

    #[test]
    fn each_is_offered_once_after_a_move_and_the_oldest_first() {
        let mut kept = Kept::default();
        let height = Height::new(7);
        for number in [2, 1, 2, 3] {
            kept.keep(id(number), height);
        }
        assert_eq!(kept.next(), None, "the tip has not moved");
        kept.tip_moved();
        let mut offered = Vec::new();
        while let Some((id, since)) = kept.next() {
            assert_eq!(since, height);
            offered.push(id);
            kept.keep(id, since);
        }
        assert_eq!(offered, [id(2), id(1), id(3)]);
        assert_eq!(kept.queue.len(), kept.since.len());
    }
}
