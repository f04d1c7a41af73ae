//! Failures that are not a broken rule of the chain: our own storage, and a block tree that cannot
//! follow.
//!
//! # Invariants
//! * A [`ViewError`] is our own disk's fault and is never held against a peer.
//! * Where a broken rule can come out of the same call, it stays apart as [`Rule`].
//!
//! # Spec
//! docs/spec/11-state.md, docs/spec/12-fork-choice.md
//!
//! # Not here
//! The rules: [`super`].

use chain::BlockId;
use thiserror::Error;

use super::Rule;

/// Why a block was not applied: its fault or ours, which must never be mixed up. There is no third
/// way, so the enum is exhaustive.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ApplyError {
    /// The block breaks a rule: it is invalid.
    #[error(transparent)]
    Rule(#[from] Rule),
    /// Our own state failed: stop, and blame nobody.
    #[error(transparent)]
    View(#[from] ViewError),
}

/// Our own storage failed or holds what it never should: stop, never blame a peer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The storage did not answer.
    #[error("the state could not be read: {reason}")]
    Unreadable {
        /// The storage's words.
        reason: String,
    },
    /// The storage answered with what no valid chain can leave there.
    #[error("the state is damaged: {reason}")]
    Damaged {
        /// What does not fit.
        reason: String,
    },
    /// The view shows another state than the one after the block's parent: a defect of the caller.
    #[error("the state is the one after {tip}, asked for the one after {parent}")]
    OtherTip {
        /// Tip of the view.
        tip: BlockId,
        /// Parent of the block.
        parent: BlockId,
    },
}

/// Why the block tree does not take a block or answer a question. No peer's fault, unless it is a
/// [`Rule`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TreeError {
    /// The block breaks a rule of the tree.
    #[error(transparent)]
    Rule(#[from] Rule),
    /// The header's parent is not in the tree: older than its root, forgotten, or not yet here.
    #[error("the parent {parent} is not in the tree")]
    UnknownParent {
        /// The parent that is missing.
        parent: BlockId,
    },
    /// The block is not in the tree.
    #[error("the block {id} is not in the tree")]
    UnknownBlock {
        /// The block that is missing.
        id: BlockId,
    },
    /// The branch is so far behind the best chain that its headers are not worth remembering.
    #[error("the branch is far lighter than the best chain")]
    TooLight,
    /// The tree is full of blocks with more work behind them.
    #[error("the block tree is full of heavier branches")]
    Full,
    /// The block descends from one that leaves a final block aside.
    #[error("an ancestor conflicts with finality")]
    ConflictsWithFinality,
    /// The root cannot be faulty: everything here stands on it.
    #[error("the root of the block tree stands")]
    Root,
    /// More work than hashes can have been computed on earth.
    #[error("the score of the branch exceeds 128 bits")]
    ScoreOverflow,
    /// Following the best chain takes a deeper reorg than the law allows without the operator.
    #[error("a reorg of {depth_blocks} blocks needs the operator's consent")]
    ReorgTooDeep {
        /// Blocks that would be disconnected.
        depth_blocks: u64,
    },
}
