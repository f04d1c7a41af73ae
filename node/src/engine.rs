//! The single writer: takes headers and bodies, asks the block tree where to go, and moves the
//! state there block by block.
//!
//! # Invariants
//! * A block enters by [`Engine::add_header`] and [`Engine::add_body`], whoever brings it; there is
//!   no third door.
//! * The state moves by one block at a time, each move one atomic commit; after a crash the tree is
//!   rebuilt from what was committed.
//! * A verdict about a body is remembered under the header's id only if the header's roots bind
//!   that very body to it and the rule says so (`Rule::condemns_block`).
//! * A failure of our own storage never marks a block.
//!
//! # Spec
//! docs/spec/12-fork-choice.md §1, §4
//!
//! # Not here
//! Moving the tip: `moves`. What stops that: `guard`. Who brings blocks and who is told
//! ([`crate::protocol`]), the rules (`consensus`), the disk (`store`).

use std::collections::BTreeMap;

use chain::{Block, BlockId, Body, Header, Height, PublicKey};
use consensus::block::{CheckedBlock, VerifiedSet, check_block};
use consensus::error::TreeError;
use consensus::fork_choice::{Anchors, BlockStatus, BlockTree, Fault, Seen, TREE_DEPTH_BLOCKS};
use consensus::header::{CheckedHeader, check_stored_header, check_uncle_header};
use consensus::{Rule, ViewError};
use genesis::{Params, law};

use crate::ledger::{Ballot, BodyPresence, KnownBlock, Ledger, LedgerError, Pace};
use guard::Guard;

mod guard;
mod headers;
mod moves;
mod refusal;
mod restore;
mod stake;

pub use guard::{Alarm, Joined, Reorgs, Stops};
pub use refusal::Refusal;
pub use stake::CommitteeKey;

/// Checked blocks kept in memory between their check and their commit: what one answer to a request
/// for bodies can bring out of order.
const CHECKED_BLOCKS_MAX: usize = 32;

/// One step of the tip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TipMove {
    /// This block is the tip no more.
    Disconnected(Block),
    /// This block is the tip now.
    Connected(Block),
}

/// What came of offering a body: moves that were made, and the block that was found invalid on the
/// way, if one was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// Moves of the tip, in order.
    pub moves: Vec<TipMove>,
    /// Blocks that broke a rule when they were applied.
    pub condemned: Vec<(BlockId, Rule)>,
    /// Reorgs that were refused for their depth.
    pub too_deep: Vec<ReorgRefused>,
    /// Alarms that were raised.
    pub alarms: Vec<Alarm>,
    /// Why it ended early, if it did; the moves up to there were made all the same.
    pub stopped: Option<LedgerError>,
}

/// A heavier branch that parts from ours deeper than the law lets a node go back by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReorgRefused {
    /// The first block of that branch that is not ours.
    pub branch: BlockId,
    /// Blocks of ours that it would undo.
    pub depth_blocks: u64,
}

/// The engine.
pub struct Engine<L> {
    ledger: L,
    tree: BlockTree,
    params: Params,
    arrivals: u64,
    pace: Pace,
    checked: BTreeMap<BlockId, CheckedBlock>,
    /// As the ledger keeps them.
    anchors: Anchors,
    /// Whether the tree has yet to hear of the tip's state.
    must_note: bool,
    guard: Guard,
}

impl<L: Ledger> Engine<L> {
    /// Rebuilds the tree from what the ledger holds.
    ///
    /// # Errors
    /// [`LedgerError`]: the storage failed, or holds headers that break a rule.
    pub fn open(ledger: L, params: Params) -> Result<Self, LedgerError> {
        Self::open_with_depth(ledger, params, TREE_DEPTH_BLOCKS)
    }

    /// [`Self::open`], with a tree that reaches this far below the tip.
    pub(crate) fn open_with_depth(
        ledger: L,
        params: Params,
        depth_blocks: u64,
    ) -> Result<Self, LedgerError> {
        let (tip_height, tip) = ledger.tip()?;
        let root_height = Height::new(tip_height.get().saturating_sub(depth_blocks));
        let root = header_at(&ledger, root_height)?;
        let below = match root_height.checked_sub(1) {
            Some(height) => Some(header_at(&ledger, height)?),
            None => None,
        };
        let tree = BlockTree::new(root, below, params.term_blocks)?;
        let mut engine = Self {
            ledger,
            tree,
            params,
            arrivals: 0,
            pace: Pace::AtTip,
            checked: BTreeMap::new(),
            anchors: Anchors::default(),
            must_note: false,
            guard: Guard::after_start_at(tip_height),
        };
        // Before the first header: what a header may weigh is computed once, when it is inserted.
        engine.restore_levels()?;
        let above = root_height.checked_add(1).unwrap_or(root_height);
        let known = engine.ledger.blocks_from(above)?;
        // What was applied has a place before everything else: the tip is among it.
        let was_applied = |block: &&KnownBlock| block.body == BodyPresence::Applied;
        for block in known.iter().filter(was_applied) {
            engine.restore(block)?;
        }
        for block in known.iter().filter(|block| !was_applied(block)) {
            engine.restore(block)?;
        }
        if engine.tree.status(&tip) != Some(BlockStatus::Applied) {
            return Err(damaged(format!(
                "the tip {tip} is not among the applied blocks"
            )));
        }
        // Marks come last: a header above a marked block would find no place.
        engine.restore_anchors(&known)?;
        for block in known.iter().filter(|block| block.is_invalid) {
            engine.restore_mark(&block.header.id(), Fault::Invalid)?;
        }
        // The mark of a block is durable before its disconnection: a crash may lie between.
        while engine.tree.status(&engine.tip()?.1) == Some(BlockStatus::Invalid) {
            engine.ledger.disconnect()?;
        }
        engine.note_state()?;
        engine.refresh_alarm();
        Ok(engine)
    }

    /// Closes the engine and hands the storage back.
    #[must_use]
    pub fn into_ledger(self) -> L {
        self.ledger
    }

    /// How soon commits are durable.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Changes how soon commits are durable; those made before are when this returns.
    ///
    /// # Errors
    /// [`LedgerError`]; the pace is what it was.
    pub fn set_pace(&mut self, pace: Pace) -> Result<(), LedgerError> {
        if pace != self.pace {
            self.ledger.set_pace(pace)?;
            tracing::info!(?pace, "the pace of commits changed");
            self.pace = pace;
        }
        Ok(())
    }

    /// The storage, for reading.
    pub fn ledger(&self) -> &L {
        &self.ledger
    }

    /// Keeps what a key of ours is about to sign; durable when this returns.
    ///
    /// # Errors
    /// [`LedgerError`]; then it must not be signed.
    pub(crate) fn put_ballot(
        &mut self,
        key: &PublicKey,
        ballot: &Ballot,
    ) -> Result<(), LedgerError> {
        self.ledger.put_ballot(key, ballot)
    }

    #[cfg(test)]
    pub(crate) fn ledger_mut(&mut self) -> &mut L {
        &mut self.ledger
    }

    /// What the choice of the best block is bound to.
    pub fn anchors(&self) -> &Anchors {
        &self.anchors
    }

    /// The block tree, for reading.
    pub fn tree(&self) -> &BlockTree {
        &self.tree
    }

    /// The network's numbers.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Checks the body of a known header and, if its chain is the best now, moves the tip there.
    ///
    /// # Errors
    /// [`Refusal`]: this body was not taken.
    pub fn add_body(
        &mut self,
        id: &BlockId,
        body: Body,
        verified: &impl VerifiedSet,
    ) -> Result<Advance, Refusal> {
        match self.tree.status(id) {
            None => return Err(Refusal::UnknownHeader { id: *id }),
            Some(BlockStatus::HeaderOnly) => {}
            Some(BlockStatus::BodyKnown | BlockStatus::Applied) => return Ok(Advance::default()),
            Some(BlockStatus::Invalid) => return Err(Rule::InvalidAncestor.into()),
            Some(BlockStatus::ConflictsWithFinality) => {
                return Err(TreeError::ConflictsWithFinality.into());
            }
        }
        let (block, uncles) = match self.check_body(id, &body, verified) {
            Ok(checked) => checked,
            Err(refusal) => {
                tracing::debug!(block = %id, %refusal, "a body was refused");
                if refusal.condemns_block() && self.is_bound(id, &body) {
                    self.condemn(id)?;
                }
                return Err(refusal);
            }
        };
        let header = *block.header().header();
        let inclusions = self.inclusions(&header, &body.aux.votes)?;
        let extends_tip = header.parent == self.tip()?.1 && !self.stands_still();
        if !extends_tip {
            self.ledger.put_body(id, &body, &inclusions)?;
        }
        let arrival = self.arrivals;
        self.arrivals = arrival.saturating_add(1);
        self.tree
            .add_body(id, &uncles, &inclusions, Seen::At(arrival))?;
        if extends_tip || self.checked.len() < CHECKED_BLOCKS_MAX {
            self.checked.insert(*id, block);
        }
        Ok(self.advance(verified))
    }

    /// Treats a block and its descendants as invalid, at the operator's word.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn invalidate(
        &mut self,
        id: &BlockId,
        verified: &impl VerifiedSet,
    ) -> Result<Advance, Refusal> {
        let (tip_height, tip) = self.tip()?;
        let height = self.tree.header(id).map(|header| header.height);
        let is_ours = height.and_then(|height| self.tree.ancestor(&tip, height)) == Some(*id);
        let depth_blocks = height.map_or(0, |height| tip_height.get().saturating_sub(height.get()));
        if is_ours && depth_blocks >= law::UNDO_BLOCKS {
            // The mark would be durable, and the way back would end above it.
            return Err(Refusal::BeyondUndo { id: *id });
        }
        self.tree.invalidate(id, Fault::Invalid)?;
        self.ledger.set_fault(id, Fault::Invalid, true)?;
        Ok(self.advance(verified))
    }

    /// Takes back [`Self::invalidate`], or a verdict, for a block and its ancestors.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn reconsider(
        &mut self,
        id: &BlockId,
        verified: &impl VerifiedSet,
    ) -> Result<Advance, Refusal> {
        self.tree.reconsider(id, Fault::Invalid)?;
        self.tree.reconsider(id, Fault::ConflictsWithFinality)?;
        self.ledger.set_fault(id, Fault::Invalid, false)?;
        self.ledger
            .set_fault(id, Fault::ConflictsWithFinality, false)?;
        Ok(self.advance(verified))
    }

    /// Bodies worth asking for, best first, with their heights.
    #[must_use]
    pub fn wanted(
        &self,
        limit: usize,
        asked_for: impl Fn(&BlockId) -> bool,
    ) -> Vec<(BlockId, Height)> {
        let ids = self.tree.wanted_bodies(limit, asked_for);
        ids.into_iter()
            .filter_map(|id| self.tree.header(&id).map(|header| (id, header.height)))
            .collect()
    }

    /// The tip.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn tip(&self) -> Result<(Height, BlockId), LedgerError> {
        self.ledger.tip()
    }

    /// Names the ancestors of a block whose parent is `parent`: the branch that its stamps are
    /// dated by.
    pub fn branch_above(
        &self,
        parent: BlockId,
    ) -> impl Fn(Height) -> Option<BlockId> + Send + Sync + '_ {
        let tree = &self.tree;
        move |height| tree.ancestor(&parent, height)
    }

    /// The roots are compared before anything in the body is believed, its uncles included.
    fn check_body(
        &self,
        id: &BlockId,
        body: &Body,
        verified: &impl VerifiedSet,
    ) -> Result<(CheckedBlock, Vec<CheckedHeader>), Refusal> {
        let header = self.checked_header(id)?;
        let branch = self.branch_above(header.header().parent);
        let block = check_block(body.clone(), &header, &branch, &self.params, verified)?;
        let uncles = self.check_uncles(header.header(), &body.aux.uncles);
        Ok((block, uncles.map_err(Refusal::Uncle)?))
    }

    /// Whether the header's roots say that this body, and no other, is its own.
    fn is_bound(&self, id: &BlockId, body: &Body) -> bool {
        self.tree.header(id).is_some_and(|header| {
            body.tx_root() == header.tx_root
                && body.envelope_root() == Ok(header.envelope_root)
                && body.aux.root() == header.aux_root
        })
    }

    fn checked_header(&self, id: &BlockId) -> Result<CheckedHeader, Refusal> {
        let header = self
            .tree
            .header(id)
            .ok_or(Refusal::UnknownHeader { id: *id })?;
        let context = self
            .tree
            .header_context(&header.parent)
            .ok_or(Refusal::UnknownParent {
                parent: header.parent,
            })?;
        Ok(check_stored_header(header, &context, &self.params)?)
    }

    /// Uncles in the context of their own parents. Whether the branch allows them the tree and
    /// `apply` decide; one without a known parent counts nothing, and `apply` names the rule.
    fn check_uncles(&self, header: &Header, uncles: &[Header]) -> Result<Vec<CheckedHeader>, Rule> {
        let known = uncles.iter().filter_map(|uncle| {
            let context = self.tree.header_context(&uncle.parent)?;
            Some((uncle, context))
        });
        known
            .map(|(uncle, context)| check_uncle_header(uncle, &context, &self.params, header.time))
            .collect()
    }

    fn condemn(&mut self, id: &BlockId) -> Result<(), LedgerError> {
        self.checked.remove(id);
        self.tree
            .invalidate(id, Fault::Invalid)
            .map_err(|error| damaged(error.to_string()))?;
        self.ledger.set_fault(id, Fault::Invalid, true)
    }
}

fn header_at<L: Ledger>(ledger: &L, height: Height) -> Result<Header, LedgerError> {
    let id = ledger
        .id_at(height)?
        .ok_or_else(|| damaged(format!("no block at height {height}, at or below the tip")))?;
    let known = ledger
        .block(&id)?
        .ok_or_else(|| damaged(format!("no header of {id}")))?;
    Ok(known.header)
}

fn damaged(reason: String) -> LedgerError {
    LedgerError::View(ViewError::Damaged { reason })
}
