//! Every way to break the law, one variant per rule, and how much each weighs.
//!
//! # Invariants
//! * One variant per rule, one test per variant that triggers exactly it.
//! * [`Rule::severity`] is the only map from a rule to a peer's score.
//! * A [`ViewError`] is our own disk's fault and is never held against a peer.
//!
//! # Spec
//! The section is named at each variant.
//!
//! # Not here
//! Malformed bytes: `chain::error`.

use chain::units::CompactTarget;
use chain::{Height, Timestamp};
use thiserror::Error;

/// How something that broke a rule came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// By itself: an honest relayer may see a slightly different chain.
    Loose,
    /// In a block: honest nodes relay a block only after they applied it.
    Block,
}

/// How much a broken rule says about who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Says nothing: time may heal it, or our view differs from the sender's.
    Harmless,
    /// Score 1: an honest node may send this in a race.
    Minor,
    /// Score 20: an honest node checks this before it relays.
    Serious,
    /// Score 100: no honest node ever sends this.
    Fatal,
}

impl Severity {
    /// Points against the sender; at 100 it is banned.
    #[must_use]
    pub const fn score(self) -> u32 {
        match self {
            Self::Harmless => 0,
            Self::Minor => 1,
            Self::Serious => 20,
            Self::Fatal => 100,
        }
    }
}

/// A rule of the chain that something broke.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rule {
    /// docs/spec/02-blocks.md 3: the version is the one in force.
    #[error("header version {found}, expected {expected}")]
    HeaderVersion {
        /// Version in force.
        expected: u32,
        /// Version found.
        found: u32,
    },
    /// docs/spec/02-blocks.md 3: the height is the parent's plus one.
    #[error("height {found}, expected {expected}")]
    HeaderHeight {
        /// Parent's height plus one.
        expected: Height,
        /// Height found.
        found: Height,
    },
    /// docs/spec/02-blocks.md 3: the proof-of-work hash is at most the target.
    #[error("the proof-of-work hash exceeds the target")]
    PowHash,
    /// docs/spec/02-blocks.md 3: the solution solves the challenge.
    #[error("the solution does not solve the challenge")]
    PowSolution,
    /// docs/spec/02-blocks.md 3: the target is the computed one.
    #[error("target {found}, expected {expected}")]
    Target {
        /// Computed target.
        expected: CompactTarget,
        /// Target found.
        found: CompactTarget,
    },
    /// docs/spec/02-blocks.md 3: the count of solutions grows by one to three.
    #[error("solution count {found} after the parent's {parent}")]
    PowCount {
        /// Parent's count.
        parent: u64,
        /// Count found.
        found: u64,
    },
    /// docs/spec/02-blocks.md 3: `pow_commit` is zero in version 1.
    #[error("the reserved field pow_commit is not zero")]
    PowCommit,
    /// docs/spec/02-blocks.md 3: time moves forward.
    #[error("time {found} is not after the parent's {parent}")]
    TimeNotAfterParent {
        /// Parent's time.
        parent: Timestamp,
        /// Time found.
        found: Timestamp,
    },
    /// docs/spec/02-blocks.md 3: a block from the future is parked; it is not invalid.
    #[error("time {found} is beyond the latest acceptable {latest}")]
    TimeTooNew {
        /// Local clock plus the limit.
        latest: Timestamp,
        /// Time found.
        found: Timestamp,
    },
    /// docs/spec/12-fork-choice.md: a descendant of an invalid block is invalid.
    #[error("an ancestor is invalid")]
    InvalidAncestor,
}

impl Rule {
    /// What breaking this rule says about the sender: the only map from a rule to a score.
    #[must_use]
    pub const fn severity(&self, carrier: Carrier) -> Severity {
        match (self, carrier) {
            (Self::TimeTooNew { .. }, _) => Severity::Harmless,
            (_, Carrier::Block) => Severity::Fatal,
            (_, Carrier::Loose) => Severity::Serious,
        }
    }
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
}
