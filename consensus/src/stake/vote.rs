//! Whether a vote is a committee member's, before anything about the state around it is asked.
//!
//! # Invariants
//! * A [`CheckedVote`] was signed by a key that held a seat in some committee; whoever applies it
//!   compares key and seats with his own.
//! * Nothing is read but the committee: a stale, foreign or forged vote costs a look-up and at most
//!   one signature.
//!
//! # Spec
//! docs/spec/17-stake.md §4
//!
//! # Not here
//! Whether a block may include it: [`crate::transition`].

use chain::vote::Vote;
use chain::{ChainId, PublicKey};

use super::Committee;
use crate::error::Rule;

/// A vote signed by a member of the committee of its height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedVote {
    vote: Vote,
    key: PublicKey,
    seats: u32,
}

impl CheckedVote {
    /// The vote.
    #[must_use]
    pub fn vote(&self) -> &Vote {
        &self.vote
    }

    /// The key that signed it.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// How many seats it stands for.
    #[must_use]
    pub fn seats(&self) -> u32 {
        self.seats
    }
}

/// Checks a vote against the committee of its height on the branch of the block it names.
///
/// # Errors
/// [`Rule::VoteWithoutSeat`], also if the committee is another height's; [`Rule::VoteSignature`].
pub fn check_vote(
    vote: &Vote,
    committee: &Committee,
    chain: &ChainId,
) -> Result<CheckedVote, Rule> {
    let seat = committee
        .seat(vote.bond)
        .filter(|_| vote.height == committee.height());
    let seat = seat.ok_or(Rule::VoteWithoutSeat { bond: vote.bond })?;
    if !vote.is_signed_by(&seat.key, chain) {
        return Err(Rule::VoteSignature { bond: vote.bond });
    }
    Ok(CheckedVote {
        vote: *vote,
        key: seat.key,
        seats: seat.seats,
    })
}
