//! Why a header or a body was not taken.
//!
//! # Spec
//! docs/spec/12-fork-choice.md
//!
//! # Not here
//! What it costs its sender: [`crate::protocol`].

use chain::BlockId;
use consensus::Rule;
use consensus::error::TreeError;

use crate::ledger::LedgerError;

/// Why a header or a body was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It breaks a rule: the sender's fault, as far as the rule says so.
    #[error(transparent)]
    Rule(#[from] Rule),
    /// An uncle in the body breaks a rule of headers: the block is invalid, but only who knows the
    /// uncle's parent can tell.
    #[error("an uncle: {0}")]
    Uncle(Rule),
    /// The header's parent is not known.
    #[error("the parent {parent} is not known")]
    UnknownParent {
        /// The parent.
        parent: BlockId,
    },
    /// No header of this id is known.
    #[error("no header {id} is known")]
    UnknownHeader {
        /// The id.
        id: BlockId,
    },
    /// Its branch is far lighter than ours; as part of a longer one it may be taken.
    #[error("the branch is far lighter than the best chain")]
    TooLight,
    /// The tree holds heavier branches and has no room, or the branch is final elsewhere.
    #[error("not followed: {reason}")]
    NotFollowed {
        /// The tree's words.
        reason: String,
    },
    /// The block is so deep that the disk no longer knows the way back below it.
    #[error("the block {id} is deeper than blocks can be undone")]
    BeyondUndo {
        /// The block.
        id: BlockId,
    },
    /// Our own storage failed or is full.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl From<TreeError> for Refusal {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Rule(rule) => Self::Rule(rule),
            TreeError::UnknownParent { parent } => Self::UnknownParent { parent },
            TreeError::UnknownBlock { id } => Self::UnknownHeader { id },
            TreeError::TooLight => Self::TooLight,
            other => Self::NotFollowed {
                reason: other.to_string(),
            },
        }
    }
}

impl Refusal {
    /// Whether the block itself is invalid, if its header names this body.
    pub(super) fn condemns_block(&self) -> bool {
        match self {
            Self::Rule(rule) | Self::Uncle(rule) => rule.condemns_block(),
            _ => false,
        }
    }
}
