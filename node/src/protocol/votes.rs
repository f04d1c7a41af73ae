//! Votes of stakers and finality votes of masternodes: from peers, from voters of our own.
//!
//! # Invariants
//! * No state is read for a vote that somebody sent.
//! * Who passes on a vote that turns out bad is not blamed, unless the bytes are no vote at all.
//!
//! # Spec
//! docs/spec/06-wire.md §3, docs/spec/17-stake.md §4, docs/spec/18-finality.md §4
//!
//! # Not here
//! Who signs; what a vote weighs (`consensus::fork_choice`).

use chain::finality::FinalityVote;
use chain::vote::Vote;
use chain::{Timestamp, codec};
use consensus::Rule;

use super::{Action, Node, Token, Topic, Verdict};
use crate::ledger::{Ledger, LedgerError};

/// What became of a vote that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VoteSubmission {
    /// It counts and is on its way to peers.
    Accepted,
    /// It was here before.
    AlreadyKnown,
    /// No block can include it any more, or none can yet.
    OutOfTime,
    /// It was refused.
    Refused(Rule),
}

impl<L: Ledger> Node<L> {
    /// A peer gossips a vote.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn vote_gossiped(
        &mut self,
        from: &str,
        token: Token,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        match codec::decode::<Vote>(bytes, codec::encoded_len(&Vote::default())) {
            Ok(vote) => {
                let overheard = self.overhear_vote(&vote, now);
                self.verdict(token, Verdict::Ignore)?;
                overheard
            }
            Err(_) => self.reject_malformed(from, token, now),
        }
    }

    /// A peer gossips a finality vote.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn finality_vote_gossiped(
        &mut self,
        from: &str,
        token: Token,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let bytes_max = codec::encoded_len(&FinalityVote::default());
        match codec::decode::<FinalityVote>(bytes, bytes_max) {
            Ok(vote) => {
                let overheard = self.overhear_finality_vote(&vote, now);
                self.verdict(token, Verdict::Ignore)?;
                overheard
            }
            Err(_) => self.reject_malformed(from, token, now),
        }
    }

    /// A vote of our own voter, or over RPC.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn submit_vote(&mut self, vote: &Vote) -> Result<VoteSubmission, LedgerError> {
        self.outbox.push(Action::Publish {
            topic: Topic::Vote,
            bytes: codec::encode(vote),
        });
        Ok(VoteSubmission::Accepted)
    }

    /// A finality vote of our own signer, or over RPC.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn submit_finality_vote(
        &mut self,
        vote: &FinalityVote,
    ) -> Result<VoteSubmission, LedgerError> {
        self.outbox.push(Action::Publish {
            topic: Topic::Finality,
            bytes: codec::encode(vote),
        });
        Ok(VoteSubmission::Accepted)
    }
}
