//! What is valid: the pure rules of the chain.
//!
//! A block goes through four functions, and each hands out a type that nobody else can make:
//! [`header::check_header`] -> [`header::CheckedHeader`], [`transaction::check_transaction`] and
//! [`envelope::check_envelope`] in isolation, [`block::check_block`] -> [`block::CheckedBlock`],
//! [`transition::apply`] -> [`transition::AppliedBlock`]. Holding the type is the proof that the
//! check ran.
//!
//! # Invariants
//! * No runtime, disk, socket, clock, randomness, float or hash-map order: the same inputs give the
//!   same answer on every machine.
//! * One error variant per rule ([`error::Rule`]); what is our disk's fault is never a rule
//!   ([`error::ViewError`]).
//! * There are no switches that skip a check.
//!
//! # Spec
//! docs/spec/02-blocks.md, 03-transactions.md, 04-envelopes.md, 10-money.md, 11-state.md,
//! 12-fork-choice.md, 17-stake.md, 18-finality.md
//!
//! # Not here
//! Where state is kept (`store`), who brings blocks (`node`), numbers (`genesis`).

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used,
        clippy::float_arithmetic
    )
)]

pub mod block;
pub mod difficulty;
pub mod envelope;
pub mod error;
pub mod evidence;
pub mod finality;
pub mod fork_choice;
pub mod header;
pub mod pow;
pub mod reward;
pub mod stake;
pub mod stamp;
pub mod state;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod transaction;
pub mod transition;

pub use block::{CheckedBlock, VerifiedSet};
pub use envelope::CheckedEnvelope;
pub use error::{ApplyError, Carrier, Rule, Severity, TreeError, ViewError};
pub use evidence::CheckedEvidence;
pub use finality::CheckedFinalityVote;
pub use fork_choice::{BlockTree, TipChange};
pub use header::{CheckedHeader, HeaderContext};
pub use stake::{CheckedVote, Committee};
pub use stamp::Branch;
pub use state::{StateDiff, StateKey, StateView};
pub use transaction::CheckedTransaction;
pub use transition::{AppliedBlock, Draft};
