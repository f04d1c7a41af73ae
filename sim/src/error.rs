//! How a run fails, and what is wrong with options.
//!
//! # Invariants
//! A failure names the invariant, the virtual time and what was found; with the options it can be
//! repeated byte for byte.
//!
//! # Spec
//! docs/ARCHITECTURE.md
//!
//! # Not here
//! The checks: [`crate::invariant`].

use std::fmt;

/// What holds in every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Nothing panics.
    NoPanic,
    /// Storage fails only where a fault was injected.
    StorageHolds,
    /// Supply = minted - burned, and = all coins counted one by one, at every node.
    SupplyAddsUp,
    /// Connected honest nodes share a chain but for its last blocks.
    NodesAgree,
    /// When all is quiet, honest nodes have one tip and one state hash.
    NodesConverge,
    /// The order in which blocks arrive does not change which is best, but for ties.
    OrderIsIrrelevant,
    /// An honest node scores an honest one for nothing but unanswered questions.
    HonestUnscored,
    /// An honest node bans no honest one.
    HonestUnbanned,
    /// A restarted node has the state that was durable.
    RestartKeepsState,
    /// A ledger equals a fresh import of its chain, in every map.
    LedgerEqualsReimport,
    /// The mempool and the block tree stay within their limits.
    MemoryBounded,
    /// Blocks go on coming.
    ChainGrows,
    /// No honest node refuses a reorg.
    NoReorgRefused,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A run that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invariant {invariant} broken after {at_ms} ms: {detail}")]
pub struct Failure {
    /// What does not hold.
    pub invariant: Invariant,
    /// Virtual time.
    pub at_ms: u64,
    /// What was found.
    pub detail: String,
}

/// Options that make no run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// No such option.
    #[error("unknown option {option}; --help names them")]
    Unknown {
        /// What was given.
        option: String,
    },
    /// An option without its value, or with one that it does not take.
    #[error("option {option} does not take {value:?}")]
    Value {
        /// The option.
        option: &'static str,
        /// The value.
        value: String,
    },
}
