//! The way from one block to the best one.
//!
//! # Invariants
//! Disconnecting and connecting in the given order moves the tip by one block at a time.
//!
//! # Spec
//! docs/spec/12-fork-choice.md §6
//!
//! # Not here
//! Doing it: `node::engine`.

use chain::BlockId;
use genesis::law;

use super::BlockTree;
use crate::error::TreeError;

/// How to get from one tip to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TipChange {
    /// Blocks to revert, the tip first.
    pub disconnect: Vec<BlockId>,
    /// Blocks to apply, the lowest first.
    pub connect: Vec<BlockId>,
}

impl TipChange {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.disconnect.is_empty() && self.connect.is_empty()
    }
}

/// How deep a reorg may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReorgLimit {
    /// [`law::REORG_BLOCKS_MAX`].
    Law,
    /// As deep as the tree: the operator accepted it.
    Lifted,
}

impl BlockTree {
    /// The way from the applied tip `from` to the best block.
    ///
    /// # Errors
    /// [`TreeError::UnknownBlock`]; [`TreeError::ReorgTooDeep`], upon which the node stops with an
    /// alarm until its operator decides.
    pub fn tip_change(&self, from: &BlockId, limit: ReorgLimit) -> Result<TipChange, TreeError> {
        let unknown = |id: BlockId| TreeError::UnknownBlock { id };
        let mut change = TipChange::default();
        let (mut old, mut new) = (*from, *self.best());
        while old != new {
            let old_header = self.header(&old).ok_or(unknown(old))?;
            let new_header = self.header(&new).ok_or(unknown(new))?;
            if old_header.height >= new_header.height {
                change.disconnect.push(old);
                old = old_header.parent;
            }
            if new_header.height >= old_header.height {
                change.connect.push(new);
                new = new_header.parent;
            }
        }
        change.connect.reverse();
        let depth_blocks = u64::try_from(change.disconnect.len()).unwrap_or(u64::MAX);
        if limit == ReorgLimit::Law && depth_blocks > law::REORG_BLOCKS_MAX {
            return Err(TreeError::ReorgTooDeep { depth_blocks });
        }
        Ok(change)
    }
}
