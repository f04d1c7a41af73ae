//! Where branches must pass: the highest justified checkpoint known, and the final block.
//!
//! # Invariants
//! * The best block descends from the final one, and from the justified one unless that turned out
//!   invalid.
//! * A justified checkpoint gives way only to one with a greater number, whichever branch it is on;
//!   it stays even when the block that proved it is left.
//! * What is final stays final: another branch is marked, never followed, and no new one begins
//!   below it. Only the operator's word changes that.
//!
//! # Spec
//! docs/spec/12-fork-choice.md §3, §4, §6
//!
//! # Not here
//! What makes a checkpoint justified or final ([`crate::finality`]); what outlives a restart
//! (`store`).

use chain::codec::{SchemaRead, SchemaWrite};
use chain::units::CheckpointNumber;
use chain::{BlockId, Height};

use super::node::{Fault, Standing};
use super::{BlockTree, TipChange};
use crate::error::{Rule, TreeError};

/// A checkpoint and its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Checkpoint {
    /// Its number.
    pub number: CheckpointNumber,
    /// Its block.
    pub id: BlockId,
}

/// A block that is never left again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct FinalBlock {
    /// Its height.
    pub height: Height,
    /// The block.
    pub id: BlockId,
}

/// What the choice of the best block is bound to, whichever branch the state is on: what a node
/// must not forget. Default: nothing yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Anchors {
    /// The highest justified checkpoint that a state showed.
    pub justified: Option<Checkpoint>,
    /// The final block.
    pub finalized: Option<FinalBlock>,
    /// A block that a quorum put in the place of a final one: the operator has to decide.
    pub contradiction: Option<BlockId>,
    /// Up to this height he has.
    pub settled: Height,
}

/// A switch that disconnects more blocks than this looks at the work on both sides.
pub const GUARD_BLOCKS: usize = 64;
/// ... and is not made if the new side has less than a quarter of the work of the old one.
const GUARD_SHARE: u128 = 4;

impl BlockTree {
    /// A state that was reached shows a justified checkpoint. Says whether it is news.
    pub fn justify(&mut self, checkpoint: Checkpoint) -> bool {
        let is_higher = match self.justified {
            Some(known) => checkpoint.number > known.number,
            None => checkpoint.number > CheckpointNumber::new(0),
        };
        if !is_higher {
            return false;
        }
        self.justified = Some(checkpoint);
        if !self.is_on_best_chain(&checkpoint.id) {
            self.choose_anew();
        }
        true
    }

    /// The highest justified checkpoint heard of; nothing before the first.
    #[must_use]
    pub fn justified(&self) -> Option<Checkpoint> {
        self.justified
    }

    /// A block is final: what does not descend from it is not followed any more. Returns the first
    /// blocks of the branches that were marked.
    ///
    /// # Errors
    /// [`TreeError::UnknownBlock`]; [`TreeError::ConflictsWithFinality`] if another branch is final.
    pub fn finalize(&mut self, id: &BlockId) -> Result<Vec<BlockId>, TreeError> {
        let node = self
            .nodes
            .get(id)
            .ok_or(TreeError::UnknownBlock { id: *id })?;
        if node.standing == Standing::ConflictsWithFinality {
            return Err(TreeError::ConflictsWithFinality);
        }
        let mut marked = Vec::new();
        let mut cursor = *id;
        while cursor != self.root && Some(cursor) != self.finalized {
            let Some(parent) = self.nodes.get(&cursor).map(|node| node.header.parent) else {
                break;
            };
            let siblings = self.nodes.get(&parent).map(|node| node.children.clone());
            let others = siblings.unwrap_or_default().into_iter();
            for other in others.filter(|other| *other != cursor) {
                let node = self.nodes.get_mut(&other);
                if node.is_some_and(|node| node.set_fault(Fault::ConflictsWithFinality, true)) {
                    self.refresh_standing(other);
                    marked.push(other);
                }
            }
            cursor = parent;
        }
        self.finalized = Some(*id);
        self.choose_anew();
        Ok(marked)
    }

    /// The final block, if one is known.
    #[must_use]
    pub fn finalized(&self) -> Option<&BlockId> {
        self.finalized.as_ref()
    }

    /// Takes back every word about finality: the final block, the justified one, and the marks.
    /// Returns the blocks that were marked.
    pub fn forget_finality(&mut self) -> Vec<BlockId> {
        let mut marked = Vec::new();
        for (id, node) in &mut self.nodes {
            if node.set_fault(Fault::ConflictsWithFinality, false) {
                marked.push(*id);
            }
        }
        (self.justified, self.finalized) = (None, None);
        self.aside.clear();
        self.refresh_standing(self.root);
        self.choose_anew();
        marked
    }

    /// The operator's word that the chain through `id` is the right one: the block is final, and
    /// nothing that was justified or final before binds. Returns the blocks that were marked before
    /// and those that are marked now.
    ///
    /// # Errors
    /// [`TreeError::UnknownBlock`]; [`Rule::InvalidAncestor`] if it can never be followed.
    pub fn join(&mut self, id: &BlockId) -> Result<(Vec<BlockId>, Vec<BlockId>), TreeError> {
        let node = self.nodes.get(id);
        match node.map(|node| node.standing) {
            None => return Err(TreeError::UnknownBlock { id: *id }),
            Some(Standing::Invalid) => return Err(Rule::InvalidAncestor.into()),
            Some(Standing::Sound | Standing::ConflictsWithFinality) => {}
        }
        let before = self.forget_finality();
        Ok((before, self.finalize(id)?))
    }

    /// Takes the branches that begin with these blocks out of the choice, and all others into it.
    /// What is set aside is otherwise a branch like any: it grows and is downloaded.
    pub fn set_aside(&mut self, branches: impl IntoIterator<Item = BlockId>) {
        let branches = branches.into_iter().collect();
        if branches != self.aside {
            self.aside = branches;
            self.choose_anew();
        }
    }

    /// Whether a block is, or descends from, one that was set aside.
    pub(super) fn is_aside(&self, id: &BlockId) -> bool {
        self.aside.iter().any(|branch| {
            self.header(branch)
                .is_some_and(|header| self.ancestor(id, header.height) == Some(*branch))
        })
    }

    /// Whether a change of the tip throws away far more work than it brings: more than
    /// [`GUARD_BLOCKS`] blocks, for less than a quarter of their work. Two thirds of a roster can
    /// justify such a branch with hardly any work; the operator decides.
    #[must_use]
    pub fn is_suspicious(&self, change: &TipChange) -> bool {
        let work_of = |ids: &[BlockId]| {
            let works = ids.iter().filter_map(|id| self.nodes.get(id));
            works.fold(0u128, |sum, node| sum.saturating_add(node.work.get()))
        };
        let (lost, won) = (work_of(&change.disconnect), work_of(&change.connect));
        change.disconnect.len() > GUARD_BLOCKS && won.saturating_mul(GUARD_SHARE) < lost
    }

    /// What every candidate descends from: the justified block if it can be followed, else the
    /// final one, else the root.
    pub(super) fn anchor(&self) -> BlockId {
        let is_followed = |id: &BlockId| {
            let node = self.nodes.get(id);
            node.is_some_and(|node| node.standing == Standing::Sound && node.score.is_some())
                && !self.is_aside(id)
        };
        let justified = self.justified.map(|checkpoint| checkpoint.id);
        let mut anchors = justified.into_iter().chain(self.finalized);
        anchors.find(is_followed).unwrap_or(self.root)
    }

    /// Whether `id` is `anchor` or descends from it; what lies below the root is everybody's
    /// ancestor.
    pub(super) fn descends_from(&self, id: &BlockId, anchor: &BlockId) -> bool {
        match self.header(anchor) {
            Some(header) => self.ancestor(id, header.height) == Some(*anchor),
            None => true,
        }
    }
}
