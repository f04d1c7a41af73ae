//! What an operator watches: seats of the last blocks, the distance to the last final one, alarms.
//!
//! # Invariants
//! A bad state is said once when it begins and once when it ends.
//!
//! # Spec
//! docs/spec/12-fork-choice.md §6, §9
//!
//! # Not here
//! Metrics: [`crate::api`]. What raises an alarm: [`crate::engine`].

use chain::{BlockId, Height, Timestamp};
use genesis::law;

use super::Node;
use crate::engine::{Alarm, Joined, Refusal, Reorgs};
use crate::ledger::{Ledger, LedgerError};

/// Blocks whose seats are looked at together.
pub const WATCHED_BLOCKS: usize = 16;
/// Of eight seats of a block fewer than this many, on average, are too few: either most stakers are
/// gone or their votes do not come here.
pub const SEATS_WANTED: u32 = 2;

/// What was said and holds still.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watch {
    is_starved: bool,
    is_stalled: bool,
}

impl<L: Ledger> Node<L> {
    /// What the operator is to look at, if anything.
    #[must_use]
    pub fn alarm(&self) -> Option<&Alarm> {
        self.engine.alarm()
    }

    /// The operator's word that the chain through `id` is the right one: `id` is final here from
    /// now on. It may come later.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn join(&mut self, id: &BlockId, now: Timestamp) -> Result<Joined, Refusal> {
        let joined = self.engine.join(id, &self.mempool)?;
        if let Joined::Now(advance) = &joined {
            self.settle((**advance).clone(), now)?;
        }
        self.tell_alarms();
        Ok(joined)
    }

    /// Joins the chain that is waited for, once its block is here.
    pub(super) fn join_if_here(&mut self, now: Timestamp) -> Result<(), LedgerError> {
        let Some(id) = self.engine.joining() else {
            return Ok(());
        };
        if self.engine.tree().status(&id).is_none() {
            return Ok(());
        }
        match self.join(&id, now) {
            Ok(_) => Ok(()),
            Err(Refusal::Ledger(error)) => Err(error),
            Err(refusal) => {
                tracing::error!(block = %id, %refusal, "the chain cannot be joined");
                Ok(())
            }
        }
    }

    /// Makes reorgs deeper than the law as well, or not.
    pub fn set_reorgs(&mut self, reorgs: Reorgs) {
        self.engine.set_reorgs(reorgs);
    }

    /// Seats that count for a block of the tree.
    #[must_use]
    pub fn seats(&self, id: &BlockId) -> Option<u32> {
        self.engine.tree().seats(id)
    }

    /// Seats of the newest `blocks` blocks of our chain that had a committee, the newest first.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn seats_of_recent(&self, blocks: usize) -> Result<Vec<u32>, LedgerError> {
        let mut seats = Vec::new();
        let tree = self.engine.tree();
        let mut cursor = self.engine.tip()?.1;
        while let Some(header) = tree.header(&cursor).filter(|_| seats.len() < blocks) {
            if !self.engine.has_committee(header.height)? {
                break;
            }
            seats.extend(tree.seats(&cursor));
            cursor = header.parent;
        }
        Ok(seats)
    }

    /// Blocks since a checkpoint became final on our chain; nothing while finality is off.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn finality_gap_blocks(&self) -> Result<Option<u64>, LedgerError> {
        self.engine.finality_gap_blocks()
    }

    /// Whether the block of our chain at `height` is final.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn is_final(&self, height: Height) -> Result<bool, LedgerError> {
        let Some(finalized) = self.engine.anchors().finalized else {
            return Ok(false);
        };
        let is_ours = || self.engine.ledger().id_at(finalized.height);
        Ok(height <= finalized.height && is_ours()? == Some(finalized.id))
    }

    /// Says loudly when votes or finality stay away, and when they are back.
    pub(super) fn watch(&mut self, now: Timestamp) -> Result<(), LedgerError> {
        if self.is_catching_up(now)? {
            return Ok(());
        }
        let seats = self.seats_of_recent(WATCHED_BLOCKS)?;
        let wanted = SEATS_WANTED.saturating_mul(WATCHED_BLOCKS as u32);
        let sum: u32 = seats.iter().sum();
        let is_starved = seats.len() == WATCHED_BLOCKS && sum < wanted;
        if is_starved && !self.watch.is_starved {
            tracing::error!(
                seats = sum,
                blocks = WATCHED_BLOCKS,
                "hardly any votes for the last blocks: stakers are away, or this node is cut off"
            );
        } else if self.watch.is_starved && !is_starved {
            tracing::warn!("votes are back");
        }
        self.watch.is_starved = is_starved;
        let gap_blocks = self.finality_gap_blocks()?.unwrap_or_default();
        let longest = law::STALL_TERMS.saturating_mul(self.engine.params().term_blocks);
        let is_stalled = gap_blocks > longest;
        if is_stalled && !self.watch.is_stalled {
            tracing::error!(
                gap_blocks,
                "nothing has become final for more than four terms; do not rely on finality"
            );
        } else if self.watch.is_stalled && !is_stalled {
            tracing::warn!("checkpoints become final again");
        }
        self.watch.is_stalled = is_stalled;
        Ok(())
    }
}
