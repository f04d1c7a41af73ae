//! Votes of stakers: from peers, from voters of our own, and out of blocks.
//!
//! # Invariants
//! * A vote reads no state but the committee of its height, which is remembered.
//! * Who passes on a vote is never blamed for it, unless the bytes are no vote at all: an honest
//!   neighbour on another branch may judge it by another committee.
//! * A vote goes on to others if it is news: a seat, or the proof that a bond voted twice.
//!
//! # Spec
//! docs/spec/06-wire.md §10, docs/spec/17-stake.md §4
//!
//! # Not here
//! Who signs ([`crate::voter`]); what a vote weighs (`consensus::fork_choice`); finality votes: [`super::checkpoints`].

use chain::vote::Vote;
use chain::{BlockId, Height, PublicKey, Timestamp, codec};
use consensus::Rule;
use consensus::evidence::{check_evidence, double_vote};
use consensus::stake::check_vote;

use super::{Action, Node, Token, Topic, Verdict};
use crate::ledger::{Ledger, LedgerError};
use crate::votes::{AHEAD_BLOCKS, BEHIND_BLOCKS, Budget};

/// More votes than the last template held that make a new one worth its while.
const GATHERED_VOTES: u32 = 2;

/// What became of a vote that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VoteSubmission {
    /// It counts and is on its way to peers.
    Accepted,
    /// It was here before.
    AlreadyKnown,
    /// No block can include it any more, none can yet, or nobody here can judge it.
    OutOfTime,
    /// It was refused.
    Refused(Rule),
}

/// What a vote turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hearing {
    /// News that others want to hear.
    News,
    /// News that the next block may include.
    Includable,
    /// Nothing new.
    Known,
    /// It comes too late or too early, or there is no place for it.
    OutOfTime,
    /// It is none, as far as can be told here.
    Refused(Rule),
}

impl Hearing {
    /// Whether others want to hear of it.
    fn is_news(&self) -> bool {
        matches!(self, Self::News | Self::Includable)
    }

    /// Whether its signature was found wrong.
    fn is_forged(&self) -> bool {
        matches!(
            self,
            Self::Refused(Rule::VoteSignature { .. } | Rule::FinalitySignature { .. })
        )
    }
}

/// What our voter, or our signer, made of a vote that came by gossip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overheard {
    /// It is signed by our key, or names somebody else.
    Lawful,
    /// It names us, and our key did not sign it.
    Forged,
}

impl From<Hearing> for VoteSubmission {
    fn from(hearing: Hearing) -> Self {
        match hearing {
            Hearing::News | Hearing::Includable => Self::Accepted,
            Hearing::Known => Self::AlreadyKnown,
            Hearing::OutOfTime => Self::OutOfTime,
            Hearing::Refused(rule) => Self::Refused(rule),
        }
    }
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
        let bytes_max = codec::encoded_len(&Vote::default());
        let Ok(vote) = codec::decode::<Vote>(bytes, bytes_max) else {
            return self.reject_malformed(from, token, now);
        };
        let hearing = self.hear_vote(&vote)?;
        self.judge_gossiped_vote(from, token, &hearing)?;
        if hearing.is_news() {
            self.follow_votes(now)?;
        }
        let overheard = self.overhear_vote(&vote, now)?;
        self.toll(from, &hearing, overheard, now);
        Ok(())
    }

    /// A vote of our own voter, or over RPC. If it changes which block is the best, the tip follows
    /// at the next tick.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn submit_vote(&mut self, vote: &Vote) -> Result<VoteSubmission, LedgerError> {
        let hearing = self.hear_vote(vote)?;
        let bytes = codec::encode(vote);
        Ok(self.pass_on(hearing, Topic::Vote, bytes))
    }

    /// Gossips a vote of our own, if it is one.
    pub(super) fn pass_on(
        &mut self,
        hearing: Hearing,
        topic: Topic,
        bytes: Vec<u8>,
    ) -> VoteSubmission {
        self.count_gathered(&hearing);
        // Known: perhaps it reached nobody the first time.
        if matches!(
            hearing,
            Hearing::News | Hearing::Includable | Hearing::Known
        ) {
            self.outbox.push(Action::Publish { topic, bytes });
        }
        hearing.into()
    }

    /// A verdict on gossip that blames nobody.
    pub(super) fn judge_gossiped_vote(
        &mut self,
        from: &str,
        token: Token,
        hearing: &Hearing,
    ) -> Result<(), LedgerError> {
        self.count_gathered(hearing);
        if let Hearing::Refused(rule) = hearing {
            tracing::debug!(from, %rule, "a vote is not kept");
        }
        let verdict = if hearing.is_news() {
            Verdict::Accept
        } else {
            Verdict::Ignore
        };
        self.verdict(token, verdict)
    }

    /// Counts a wrong signature, once, whoever of us looked at it.
    pub(super) fn toll(
        &mut self,
        from: &str,
        hearing: &Hearing,
        overheard: Overheard,
        now: Timestamp,
    ) {
        let is_forged = hearing.is_forged() || overheard == Overheard::Forged;
        if is_forged && self.forgeries.count(from, now) == Budget::Spent {
            tracing::debug!(from, "too many wrong signatures");
            self.outbox.push(Action::Disconnect(from.to_owned()));
        }
    }

    /// Judges a vote, unless it is for what is far ahead; keeps it, and tells the tree of it.
    pub(super) fn hear_vote(&mut self, vote: &Vote) -> Result<Hearing, LedgerError> {
        let newest = self.best_height().get().saturating_add(AHEAD_BLOCKS);
        if vote.height.get() > newest {
            return Ok(Hearing::OutOfTime);
        }
        self.hear_included_vote(vote)
    }

    /// As [`Self::hear_vote`], for a vote out of a block: bodies may come in any order.
    pub(super) fn hear_included_vote(&mut self, vote: &Vote) -> Result<Hearing, LedgerError> {
        let best = self.best_height();
        let is_late = vote.height.get().saturating_add(BEHIND_BLOCKS) < best.get();
        if is_late {
            return Ok(Hearing::OutOfTime);
        }
        if self.votes.knows(vote) {
            return Ok(Hearing::Known);
        }
        match self.engine.tree().header(&vote.block).copied() {
            Some(header) if header.height == vote.height => {
                self.hear_vote_above(vote, &header.parent)
            }
            Some(_) => {
                let height = vote.height;
                Ok(Hearing::Refused(Rule::VoteBlock { height }))
            }
            None => self.hear_early_vote(vote, best),
        }
    }

    /// A vote for a block above `parent`, which is in the tree.
    fn hear_vote_above(&mut self, vote: &Vote, parent: &BlockId) -> Result<Hearing, LedgerError> {
        let committee = self.committees.get(&self.engine, parent, vote.height)?;
        let Some(committee) = committee else {
            return Ok(Hearing::OutOfTime);
        };
        let chain = self.engine.params().chain_id();
        let checked = match check_vote(vote, &committee, &chain) {
            Ok(checked) => checked,
            Err(rule) => return Ok(Hearing::Refused(rule)),
        };
        self.accuse_voter(vote, checked.key());
        if !self.votes.add(checked) {
            return Ok(Hearing::OutOfTime);
        }
        let is_counted = self
            .engine
            .hear_vote(&vote.block, vote.bond, checked.seats());
        Ok(if is_counted && self.is_includable(vote)? {
            Hearing::Includable
        } else {
            Hearing::News
        })
    }

    /// A vote for a block that is not here, near the best one.
    fn hear_early_vote(&mut self, vote: &Vote, best: Height) -> Result<Hearing, LedgerError> {
        let tree = self.engine.tree();
        let below = vote.height.checked_sub(1).map(|below| below.min(best));
        let parent = below.and_then(|below| tree.ancestor(tree.best(), below));
        let committee = match parent {
            Some(parent) => self.committees.get(&self.engine, &parent, vote.height)?,
            None => None,
        };
        let Some(committee) = committee else {
            return Ok(Hearing::OutOfTime);
        };
        let chain = self.engine.params().chain_id();
        let checked = match check_vote(vote, &committee, &chain) {
            Ok(checked) => checked,
            Err(rule) => return Ok(Hearing::Refused(rule)),
        };
        let is_accused = self.accuse_voter(vote, checked.key());
        let is_kept = self.votes.add_early(*vote);
        Ok(if is_accused || is_kept {
            Hearing::News
        } else {
            Hearing::OutOfTime
        })
    }

    /// Proves that a bond voted twice, if it did; says whether that is news.
    fn accuse_voter(&mut self, vote: &Vote, key: &PublicKey) -> bool {
        let chain = self.engine.params().chain_id();
        let others = self.votes.contradictions(vote);
        let proofs = others.filter_map(|other| double_vote(&other, vote));
        // Of another branch it may be another bond with the same number.
        let proof = proofs
            .filter_map(|proof| check_evidence(&proof, key, &chain).ok())
            .next();
        let Some(proof) = proof else {
            return false;
        };
        tracing::warn!(bond = %vote.bond, height = %vote.height, "a bond voted twice");
        self.engine.note_double_vote(vote.height, vote.bond);
        self.offences.add(proof)
    }

    /// The header of a block came: votes for it are judged again.
    pub(super) fn judge_early_votes(
        &mut self,
        height: Height,
        id: &BlockId,
    ) -> Result<(), LedgerError> {
        for vote in self.votes.take_early(height, id) {
            let hearing = self.hear_vote(&vote)?;
            self.count_gathered(&hearing);
        }
        Ok(())
    }

    /// Votes may have changed which block is the best.
    pub(super) fn follow_votes(&mut self, now: Timestamp) -> Result<(), LedgerError> {
        if *self.engine.tree().best() == self.engine.tip()?.1 {
            return Ok(());
        }
        self.resume(now)
    }

    /// Whether the next block of our chain may include a vote.
    fn is_includable(&self, vote: &Vote) -> Result<bool, LedgerError> {
        let (height, tip) = self.engine.tip()?;
        let is_near =
            vote.height <= height && vote.height.get().saturating_add(BEHIND_BLOCKS) > height.get();
        Ok(is_near && self.engine.tree().ancestor(&tip, vote.height) == Some(vote.block))
    }

    /// One more vote than the last template held, perhaps.
    fn count_gathered(&mut self, hearing: &Hearing) {
        if *hearing != Hearing::Includable {
            return;
        }
        self.gathered_votes = self.gathered_votes.saturating_add(1);
        if self.gathered_votes == GATHERED_VOTES {
            self.outbox.push(Action::VotesGathered);
        }
    }

    pub(super) fn best_height(&self) -> Height {
        let tree = self.engine.tree();
        tree.header(tree.best())
            .map(|best| best.height)
            .unwrap_or_default()
    }
}
