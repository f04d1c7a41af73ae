//! What is known of votes that no block of our chain has to hold yet: votes of stakers, finality
//! votes, and proofs of those who contradicted themselves.
//!
//! # Invariants
//! * Everything kept here was signed by somebody who had a right to sign, and is bounded by a
//!   constant.
//! * Nothing here reads a state, a clock or the network.
//!
//! # Spec
//! docs/spec/06-wire.md §10
//!
//! # Not here
//! Who is asked and told ([`crate::protocol`]); what a vote weighs (`consensus::fork_choice`).

mod committees;
mod finality;
mod forgeries;
mod offences;
mod pool;

pub use committees::{COMMITTEES_MAX, Committees};
pub use finality::{AHEAD_CHECKPOINTS, FINALITY_VOTES_MAX, FinalityPool, OpenTargets, Verified};
pub use forgeries::{Budget, FORGERIES_MAX, FORGERY_PERIOD_MS, Forgeries, SPARE_FORGERIES_MAX};
pub use offences::{OFFENCES_MAX, Offences};
pub(crate) use pool::fullest;
pub use pool::{AHEAD_BLOCKS, BEHIND_BLOCKS, EARLY_VOTES_MAX, VOTES_MAX, VotePool};
