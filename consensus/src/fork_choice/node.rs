//! One block of the tree and the orders in which blocks are compared.
//!
//! # Invariants
//! * A node has a score exactly if its body and those of all its ancestors are known.
//! * A node's standing is the worst of its own faults and its ancestors'.
//!
//! # Spec
//! docs/spec/12-fork-choice.md §1, §3, §4
//!
//! # Not here
//! Moves in the tree: [`super::BlockTree`].

use std::cmp::Reverse;

use chain::{BlockId, Header};

use super::uncles::Uncle;
use super::votes::{Inclusion, Votes};
use super::weight::Score;
use crate::difficulty::Work;

/// When a block was first complete, which decides between equal scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// Before this start: the order is no longer known, and the smaller id stands for it.
    BeforeRestart,
    /// At this position of the order of arrival.
    At(u64),
}

/// Why a branch is not followed. Both marks survive a restart, and neither implies the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A rule of the chain is broken, or an operator said so.
    Invalid,
    /// The branch leaves a final block aside.
    ConflictsWithFinality,
}

/// What is known about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockStatus {
    /// The header alone.
    HeaderOnly,
    /// The body is here, and was not applied yet.
    BodyKnown,
    /// It was applied once and holds, whether or not it is on the best chain now.
    Applied,
    /// It or an ancestor is invalid.
    Invalid,
    /// It or an ancestor conflicts with finality.
    ConflictsWithFinality,
}

/// Whether a block may be followed, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Invalid,
    ConflictsWithFinality,
    Sound,
}

/// How far a block has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Missing,
    Known(Seen),
    Applied(Seen),
}

impl Content {
    /// When the body came.
    pub(super) fn seen(self) -> Option<Seen> {
        match self {
            Self::Missing => None,
            Self::Known(seen) | Self::Applied(seen) => Some(seen),
        }
    }
}

/// One block of the tree.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) header: Header,
    pub(super) work: Work,
    pub(super) children: Vec<BlockId>,
    /// A far ancestor, to search ancestors in logarithmic time. It may be below the root by now.
    pub(super) jump: BlockId,
    /// Highest score that the headers down to the root allow.
    pub(super) bound: Score,
    /// Most work of uncles that the header allows.
    pub(super) uncle_work_max: Work,
    /// Highest level that this block can turn out to have.
    pub(super) level_max: u32,
    pub(super) content: Content,
    /// Uncles that the body includes, whether or not the branch allows them.
    pub(super) uncles: Vec<Uncle>,
    /// Votes that the body includes.
    pub(super) inclusions: Vec<Inclusion>,
    pub(super) counts_inclusions: bool,
    /// Votes for this block.
    pub(super) votes: Votes,
    /// Seats that count, of those votes.
    pub(super) seats: u32,
    /// Up to how many of them multiply the work.
    pub(super) level: u32,
    /// For the first block of a term: level of the next one, once it was applied.
    pub(super) level_after_next: Option<u32>,
    pub(super) score: Option<Score>,
    /// Seats counted on the way from the root: decides between equal scores.
    pub(super) ballots: u64,
    pub(super) invalid: bool,
    pub(super) conflicts_with_finality: bool,
    pub(super) standing: Standing,
    /// Position in the order of insertion.
    pub(super) arrival: u64,
}

impl Node {
    pub(super) fn status(&self) -> BlockStatus {
        match (self.standing, self.content) {
            (Standing::Invalid, _) => BlockStatus::Invalid,
            (Standing::ConflictsWithFinality, _) => BlockStatus::ConflictsWithFinality,
            (Standing::Sound, Content::Missing) => BlockStatus::HeaderOnly,
            (Standing::Sound, Content::Known(_)) => BlockStatus::BodyKnown,
            (Standing::Sound, Content::Applied(_)) => BlockStatus::Applied,
        }
    }

    /// Sets or takes a mark; says whether that changed anything.
    pub(super) fn set_fault(&mut self, fault: Fault, marked: bool) -> bool {
        let mark = match fault {
            Fault::Invalid => &mut self.invalid,
            Fault::ConflictsWithFinality => &mut self.conflicts_with_finality,
        };
        std::mem::replace(mark, marked) != marked
    }

    /// Standing by the block's own marks.
    pub(super) fn own_standing(&self) -> Standing {
        match (self.invalid, self.conflicts_with_finality) {
            (true, _) => Standing::Invalid,
            (false, true) => Standing::ConflictsWithFinality,
            (false, false) => Standing::Sound,
        }
    }

    /// Rank among the candidates; nothing if it is none.
    pub(super) fn rank(&self, id: &BlockId) -> Option<Rank> {
        let seen = self
            .content
            .seen()
            .filter(|_| self.standing == Standing::Sound)?;
        Some(Rank {
            score: self.score?,
            ballots: self.ballots,
            seen: Reverse(seen),
            id: Reverse(*id),
        })
    }

    /// Place among the leaves.
    pub(super) fn leaf(&self, id: BlockId) -> Leaf {
        Leaf {
            standing: self.standing,
            bound: self.bound,
            arrival: Reverse(self.arrival),
            id,
        }
    }
}

/// Order of candidates for the best block: the greatest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) score: Score,
    pub(super) ballots: u64,
    pub(super) seen: Reverse<Seen>,
    pub(super) id: Reverse<BlockId>,
}

/// Order of leaves by what is lost when they are forgotten: the smallest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Leaf {
    pub(super) standing: Standing,
    pub(super) bound: Score,
    pub(super) arrival: Reverse<u64>,
    pub(super) id: BlockId,
}
