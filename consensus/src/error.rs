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

use thiserror::Error;

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
