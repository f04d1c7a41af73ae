//! Finality: which masternodes sign checkpoints, and when a checkpoint is justified and final.
//!
//! # Invariants
//! * Every function here is pure: of a state, of rosters, of a vote.
//! * A checkpoint needs more than two thirds of the weight of the front **and** of the rear roster
//!   that were in office after its block.
//! * If finality is off, no checkpoint opens, and nothing waits for one.
//!
//! # Spec
//! docs/spec/18-finality.md
//!
//! # Not here
//! Booking signatures, penalties and slashes in the state: [`crate::transition`]. What finality
//! means for the best chain: [`crate::fork_choice`].

mod roster;
mod target;

pub use roster::{Boundary, Handover, Rosters, handover, qualifies, rosters};
pub(crate) use roster::{heaviest, reaches_two_thirds};
pub(crate) use target::member_for;
pub use target::{CheckedFinalityVote, Target, check_finality_vote, open_targets};
