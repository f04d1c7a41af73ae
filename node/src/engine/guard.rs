//! What a node does not decide for its operator: deep reorgs, branches with hardly any work, and
//! chains that contradict what is final here.
//!
//! # Invariants
//! * While an [`Alarm`] stands no checkpoint is signed; but for a light branch, the node neither
//!   votes nor mines either.
//! * A branch without work is set aside and weighed anew before every move; the own chain goes on
//!   meanwhile.
//! * A contradiction is on disk before it is told, and stands until the operator joins a chain.
//! * Blocks that were fetched as history are left without asking; those followed live are not.
//!
//! # Spec
//! docs/spec/12-fork-choice.md §6
//!
//! # Not here
//! How a contradiction is found ([`crate::votes`]); how an operator says a word (`cli`).

use std::fmt;

use chain::{BlockId, Height};
use consensus::Rule;
use consensus::block::VerifiedSet;
use consensus::fork_choice::{Anchors, BlockStatus, Fault, FinalBlock, ReorgLimit, TipChange};
use genesis::law;

use super::{Advance, Engine, Refusal, damaged};
use crate::ledger::{Ledger, LedgerError, Pace};

/// What a node does not take part in as usual until its operator, or the course of things, decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Alarm {
    /// The branch that should be followed would undo many blocks and has hardly any work.
    LightBranch {
        /// Its first block that is not ours.
        branch: BlockId,
        /// Blocks of ours that it would undo.
        depth_blocks: u64,
    },
    /// A quorum stands behind another block in the place of one that is final here.
    ConflictingFinality {
        /// The final block.
        ours: FinalBlock,
        /// The other one.
        theirs: BlockId,
    },
    /// The operator joins a chain whose block is not here yet.
    Joining {
        /// The block.
        block: BlockId,
    },
}

impl Alarm {
    /// Whether votes and blocks for the own chain stop as well, or the signing of checkpoints alone.
    #[must_use]
    pub fn stops(&self) -> Stops {
        match self {
            // What the own chain gains is what outweighs the branch.
            Self::LightBranch { .. } => Stops::Checkpoints,
            Self::ConflictingFinality { .. } | Self::Joining { .. } => Stops::Everything,
        }
    }
}

/// What stops while an alarm stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stops {
    /// Signing checkpoints; mining and voting go on.
    Checkpoints,
    /// Signing checkpoints, voting and mining.
    Everything,
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LightBranch {
                branch,
                depth_blocks,
            } => write!(
                f,
                "the branch of {branch} would undo {depth_blocks} blocks with less than a quarter \
                 of their work; it is not followed, and no checkpoint is signed meanwhile"
            ),
            Self::ConflictingFinality { ours, theirs } => write!(
                f,
                "{theirs} is held final by others in the place of {}; consensus stops until the \
                 operator joins a chain",
                ours.id
            ),
            Self::Joining { block } => {
                write!(f, "waiting for the block {block} of the chain to be joined")
            }
        }
    }
}

/// Whether reorgs deeper than the law are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reorgs {
    /// Not without the operator.
    #[default]
    Lawful,
    /// The operator accepts them.
    Accepted,
}

/// What became of the operator's word to join a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Joined {
    /// Its block is final here now.
    Now(Box<Advance>),
    /// Its block is not here yet.
    Waits,
}

/// What stops a node, or would.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard {
    alarm: Option<Alarm>,
    raised: Vec<Alarm>,
    reorgs: Reorgs,
    /// First blocks of branches that are not followed for want of work.
    aside: Vec<BlockId>,
    light: Option<Alarm>,
    joining: Option<Joining>,
    /// All blocks of the chain below this height were fetched as history in this run.
    live_from: Height,
}

impl Guard {
    /// What was on disk before a start counts as followed live; genesis nobody followed.
    pub(super) fn after_start_at(tip: Height) -> Self {
        Self {
            live_from: Height::new(u64::from(tip.get() == 0)),
            ..Self::default()
        }
    }

    /// A block of this height is the tip now. History above live blocks makes them no less live.
    fn connected(&mut self, height: Height, pace: Pace) {
        if pace == Pace::FarBehind && height <= self.live_from {
            self.live_from = height.next().unwrap_or(height);
        }
    }

    /// The block of this height is the tip no more.
    fn disconnected(&mut self, height: Height) {
        self.live_from = self.live_from.min(height);
    }

    /// Blocks of a chain with this tip from the first on that was followed live.
    fn live_blocks(&self, tip: Height) -> u64 {
        let above = tip.get().saturating_add(1);
        above.saturating_sub(self.live_from.get())
    }
}

/// A chain to be joined whose block is not here.
#[derive(Clone, Copy, Debug)]
struct Joining {
    block: BlockId,
    /// Something was final here before: until the block is here, nothing moves.
    stands_still: bool,
}

impl<L: Ledger> Engine<L> {
    /// What the operator is to look at, if anything.
    #[must_use]
    pub fn alarm(&self) -> Option<&Alarm> {
        self.guard.alarm.as_ref()
    }

    /// The block of a chain to be joined that is waited for.
    #[must_use]
    pub fn joining(&self) -> Option<BlockId> {
        self.guard.joining.map(|joining| joining.block)
    }

    /// Whether reorgs deeper than the law are made from now on.
    pub fn set_reorgs(&mut self, reorgs: Reorgs) {
        self.guard.reorgs = reorgs;
    }

    /// The operator's word that the chain through `id` is the right one. The block is final here
    /// from now on, whatever was before; if it is not here yet, it is once it comes.
    ///
    /// # Errors
    /// [`Refusal`]: it breaks a rule, parts deeper than blocks can be undone, or the storage failed.
    pub fn join(&mut self, id: &BlockId, verified: &impl VerifiedSet) -> Result<Joined, Refusal> {
        let Some(known) = self.ledger.block(id)? else {
            self.wait_for(*id);
            return Ok(Joined::Waits);
        };
        let height = known.header.height;
        let is_ours = self.ledger.id_at(height)? == Some(*id);
        let is_final = |finalized: FinalBlock| height <= finalized.height;
        let stays = is_ours && self.anchors.finalized.is_some_and(is_final);
        let is_below = self.tree.status(id).is_none();
        if is_below && !is_ours {
            return Err(Refusal::UnknownHeader { id: *id });
        }
        if self.tree.status(id) == Some(BlockStatus::Invalid) {
            return Err(Rule::InvalidAncestor.into());
        }
        if self.blocks_to_undo(id)? >= law::UNDO_BLOCKS {
            return Err(Refusal::BeyondUndo { id: *id });
        }
        self.guard.joining = None;
        if stays || is_below {
            // Our own word stands; what contradicted it is settled.
            let settled = self.settled_up_to(height);
            let anchors = Anchors {
                contradiction: None,
                settled,
                ..self.anchors
            };
            self.keep_anchors(anchors)?;
            self.bind_tree()?;
        } else {
            self.make_final(FinalBlock { height, id: *id })?;
        }
        tracing::warn!(block = %id, "the operator joined a chain");
        Ok(Joined::Now(Box::new(self.advance(verified))))
    }

    /// Whoever stands behind the other chain will go on for a while; the operator is not asked again
    /// about what he has just decided.
    fn settled_up_to(&self, height: Height) -> Height {
        let finalized = self.anchors.finalized.map(|finalized| finalized.height);
        let from = finalized.unwrap_or_default().max(height);
        let blocks = law::STALL_TERMS.saturating_mul(self.params.term_blocks);
        Height::new(from.get().saturating_add(blocks))
    }

    fn make_final(&mut self, block: FinalBlock) -> Result<(), Refusal> {
        let anchors = Anchors {
            finalized: Some(block),
            settled: self.settled_up_to(block.height),
            ..Anchors::default()
        };
        self.keep_anchors(anchors)?;
        let (before, after) = self.tree.join(&block.id)?;
        let fault = Fault::ConflictsWithFinality;
        for id in before {
            self.ledger.set_fault(&id, fault, false)?;
        }
        for id in after {
            self.ledger.set_fault(&id, fault, true)?;
        }
        Ok(())
    }

    /// Until the block comes, what was final binds nobody: its headers would be refused.
    fn wait_for(&mut self, block: BlockId) {
        let stands_still = self.anchors.finalized.is_some();
        if stands_still {
            self.tree.forget_finality();
        }
        self.guard.joining = Some(Joining {
            block,
            stands_still,
        });
        self.refresh_alarm();
    }

    /// Blocks of ours that a chain through `id` would undo.
    fn blocks_to_undo(&self, id: &BlockId) -> Result<u64, LedgerError> {
        let (height, mut ours) = self.tip()?;
        let mut theirs = *id;
        while let (Some(our), Some(their)) = (self.tree.header(&ours), self.tree.header(&theirs)) {
            if ours == theirs {
                return Ok(height.get().saturating_sub(our.height.get()));
            }
            let (our, their) = (*our, *their);
            if our.height >= their.height {
                ours = our.parent;
            }
            if their.height >= our.height {
                theirs = their.parent;
            }
        }
        Ok(0)
    }

    /// A quorum stands behind `theirs` in the place of a block that is final here.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn contradict(&mut self, theirs: BlockId) -> Result<(), LedgerError> {
        if self.anchors.contradiction.is_some() || self.anchors.finalized.is_none() {
            return Ok(());
        }
        self.keep_anchors(Anchors {
            contradiction: Some(theirs),
            ..self.anchors
        })?;
        self.refresh_alarm();
        Ok(())
    }

    /// Alarms that were raised since the last call.
    #[must_use]
    pub fn take_raised(&mut self) -> Vec<Alarm> {
        std::mem::take(&mut self.guard.raised)
    }

    /// Whether the tip stays where it is until the operator decides.
    pub(super) fn stands_still(&self) -> bool {
        let waits = self
            .guard
            .joining
            .is_some_and(|joining| joining.stands_still);
        self.anchors.contradiction.is_some() || waits
    }

    pub(super) fn keep_anchors(&mut self, anchors: Anchors) -> Result<(), LedgerError> {
        if anchors != self.anchors {
            self.ledger.put_anchors(&anchors)?;
            self.anchors = anchors;
        }
        Ok(())
    }

    /// Binds the choice of the best block to what the ledger keeps.
    pub(super) fn bind_tree(&mut self) -> Result<(), LedgerError> {
        if let Some(finalized) = self.anchors.finalized {
            self.finalize(finalized)?;
        }
        if let Some(justified) = self.anchors.justified {
            self.tree.justify(justified);
        }
        Ok(())
    }

    pub(super) fn refresh_alarm(&mut self) {
        let Anchors {
            finalized,
            contradiction,
            ..
        } = self.anchors;
        let conflict = finalized
            .zip(contradiction)
            .map(|(ours, theirs)| Alarm::ConflictingFinality { ours, theirs });
        let joining = self.joining().map(|block| Alarm::Joining { block });
        let alarm = joining.or(conflict).or(self.guard.light);
        if alarm == self.guard.alarm {
            return;
        }
        match alarm {
            Some(alarm) => {
                tracing::error!(%alarm, stops = ?alarm.stops(), "the operator is to decide");
                self.guard.raised.push(alarm);
            }
            None => tracing::warn!("the alarm is over: signing, voting and mining again"),
        }
        self.guard.alarm = alarm;
    }

    /// The law limits what was followed live; finality, while it works, limits more.
    pub(super) fn reorg_limit(&self) -> Result<ReorgLimit, LedgerError> {
        let live_blocks = self.guard.live_blocks(self.tip()?.0);
        let is_lifted =
            self.guard.reorgs == Reorgs::Accepted || live_blocks <= law::REORG_BLOCKS_MAX;
        Ok(if is_lifted {
            ReorgLimit::Lifted
        } else {
            ReorgLimit::Law
        })
    }

    pub(super) fn moved_on_to(&mut self, height: Height) {
        self.guard.connected(height, self.pace);
    }

    pub(super) fn moved_back_from(&mut self, height: Height) {
        self.guard.disconnected(height);
    }

    /// What was set aside for want of work may have grown, or lost its ground.
    pub(super) fn weigh_light_branches_anew(&mut self) {
        self.guard.light = None;
        if !self.guard.aside.is_empty() {
            self.guard.aside.clear();
            self.tree.set_aside([]);
        }
    }

    pub(super) fn leave_light_branch(&mut self, change: &TipChange) {
        let depth_blocks = u64::try_from(change.disconnect.len()).unwrap_or(u64::MAX);
        if let Some(branch) = change.connect.first().copied() {
            self.guard.aside.push(branch);
            self.tree.set_aside(self.guard.aside.iter().copied());
            self.guard.light.get_or_insert(Alarm::LightBranch {
                branch,
                depth_blocks,
            });
        }
    }

    pub(super) fn finalize(&mut self, finalized: FinalBlock) -> Result<(), LedgerError> {
        use consensus::error::TreeError;
        if self.tree.finalized() == Some(&finalized.id) {
            return Ok(());
        }
        match self.tree.finalize(&finalized.id) {
            Ok(marked) => marked.into_iter().try_for_each(|id| {
                let fault = Fault::ConflictsWithFinality;
                self.ledger.set_fault(&id, fault, true)
            }),
            Err(TreeError::UnknownBlock { .. }) => {
                // Deeper than the tree: everything in it descends from there.
                if self.ledger.id_at(finalized.height)? == Some(finalized.id) {
                    Ok(())
                } else {
                    Err(damaged(format!("the final block {} is gone", finalized.id)))
                }
            }
            Err(TreeError::ConflictsWithFinality) => self.contradict(finalized.id),
            Err(error) => Err(damaged(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(guard: &mut Guard, heights: std::ops::RangeInclusive<u64>, pace: Pace) {
        heights.for_each(|height| guard.connected(Height::new(height), pace));
    }

    #[test]
    fn history_above_a_live_block_makes_it_no_less_live() {
        let live = |guard: &Guard, tip| guard.live_blocks(Height::new(tip));
        let mut guard = Guard::after_start_at(Height::new(0));
        connect(&mut guard, 1..=500, Pace::FarBehind);
        assert_eq!(live(&guard, 500), 0);
        connect(&mut guard, 501..=600, Pace::AtTip);
        assert_eq!(live(&guard, 600), 100);
        connect(&mut guard, 601..=800, Pace::FarBehind);
        assert_eq!(live(&guard, 800), 300);
        // A reorg into history leaves history.
        (401..=800).for_each(|height| guard.disconnected(Height::new(height)));
        assert_eq!(live(&guard, 400), 0);
        connect(&mut guard, 401..=450, Pace::FarBehind);
        assert_eq!(live(&guard, 450), 0);
        connect(&mut guard, 451..=451, Pace::AtTip);
        assert_eq!(live(&guard, 451), 1);
    }

    #[test]
    fn what_was_on_disk_counts_as_live() {
        let mut guard = Guard::after_start_at(Height::new(5_000));
        connect(&mut guard, 5_001..=5_400, Pace::FarBehind);
        assert!(guard.live_blocks(Height::new(5_400)) > 5_000);
    }
}
