//! Finality votes: from peers, from signers of our own, and out of blocks.
//!
//! # Invariants
//! * What a vote is judged by is read once for each tip.
//! * Who passes one on is never blamed for it, unless the bytes are no vote at all.
//! * A quorum behind another block in the place of a justified one that is final stops the node.
//!
//! # Spec
//! docs/spec/06-wire.md §10, docs/spec/18-finality.md §4
//!
//! # Not here
//! Who signs ([`crate::voter`]); what a quorum means for the chain (`consensus`).

use chain::finality::FinalityVote;
use chain::units::CheckpointNumber;
use chain::{Timestamp, codec};
use consensus::evidence::{check_evidence, finality_conflict};
use consensus::finality::{self, CheckedFinalityVote};

use super::votes::{Hearing, VoteSubmission};
use super::{Action, Node, Token, Topic};
use crate::ledger::{Ledger, LedgerError};
use crate::votes::{OpenTargets, Verified};

impl<L: Ledger> Node<L> {
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
        let Ok(vote) = codec::decode::<FinalityVote>(bytes, bytes_max) else {
            return self.reject_malformed(from, token, now);
        };
        let hearing = self.hear_finality_vote(&vote)?;
        self.judge_gossiped_vote(from, token, &hearing)?;
        let overheard = self.overhear_finality_vote(&vote, now)?;
        self.toll(from, &hearing, overheard, now);
        Ok(())
    }

    /// A finality vote of our own signer, or over RPC.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn submit_finality_vote(
        &mut self,
        vote: &FinalityVote,
    ) -> Result<VoteSubmission, LedgerError> {
        let hearing = self.hear_finality_vote(vote)?;
        let bytes = codec::encode(vote);
        Ok(self.pass_on(hearing, Topic::Finality, bytes))
    }

    /// Judges a finality vote and keeps it.
    pub(super) fn hear_finality_vote(
        &mut self,
        vote: &FinalityVote,
    ) -> Result<Hearing, LedgerError> {
        if self.finality_votes.knows(vote) {
            return Ok(Hearing::Known);
        }
        self.read_targets()?;
        let Some(open) = &self.open_targets else {
            return Ok(Hearing::OutOfTime);
        };
        let chain = self.engine.params().chain_id();
        let verified = match open.verify(vote, &chain) {
            Ok(Some(verified)) => verified,
            Ok(None) => return Ok(Hearing::OutOfTime),
            Err(rule) => return Ok(Hearing::Refused(rule)),
        };
        let checked = *verified.checked();
        self.accuse_signer(&checked);
        if !self.finality_votes.add(checked) {
            return Ok(Hearing::OutOfTime);
        }
        match verified {
            Verified::Open(_) => return Ok(Hearing::Includable),
            Verified::Beside(_) => self.look_for_contradiction()?,
            Verified::Ahead(_) => {}
        }
        Ok(Hearing::News)
    }

    /// Proves that a masternode contradicted itself, if it did.
    fn accuse_signer(&mut self, checked: &CheckedFinalityVote) {
        let chain = self.engine.params().chain_id();
        let vote = checked.vote();
        let others = self.finality_votes.others(vote);
        let proof = others
            .filter_map(|other| finality_conflict(other.vote(), vote))
            .filter_map(|proof| check_evidence(&proof, checked.key(), &chain).ok())
            .next();
        if let Some(proof) = proof {
            tracing::warn!(masternode = %vote.masternode, "a masternode contradicts itself");
            self.offences.add(proof);
        }
    }

    /// Whether a quorum stands behind another block in the place of a justified one at or below the
    /// final one here. Where our chain passed a checkpoint without a quorum its members were free
    /// to sign another block for it.
    pub(super) fn look_for_contradiction(&mut self) -> Result<(), LedgerError> {
        self.read_targets()?;
        let Some(open) = &self.open_targets else {
            return Ok(());
        };
        let mut theirs = None;
        for target in &open.targets {
            let height = self.engine.params().checkpoint_height(target.number());
            let is_taken = target.open.is_justified && self.is_final(height)?;
            if is_taken && height > self.engine.anchors().settled {
                theirs = theirs.or(self.finality_votes.quorum_beside(target));
            }
        }
        if let Some(theirs) = theirs {
            self.engine.contradict(theirs)?;
            self.tell_alarms();
        }
        Ok(())
    }

    /// Reads what finality votes are judged by, if the tip is another than the last time.
    pub(super) fn read_targets(&mut self) -> Result<(), LedgerError> {
        let (height, tip) = self.engine.tip()?;
        if self
            .open_targets
            .as_ref()
            .is_some_and(|open| open.tip == tip)
        {
            return Ok(());
        }
        let params = self.engine.params();
        let view = self.engine.ledger().view()?;
        let every = params.checkpoint_blocks;
        let newest = height.get().checked_div(every).unwrap_or_default();
        let open = OpenTargets {
            tip,
            newest: CheckpointNumber::new(u32::try_from(newest).unwrap_or(u32::MAX)),
            targets: finality::open_targets(&view, params)?,
            in_office: finality::rosters(&view)?,
        };
        drop(view);
        self.open_targets = Some(open);
        Ok(())
    }

    pub(super) fn tell_alarms(&mut self) {
        let raised = self.engine.take_raised();
        self.outbox.extend(raised.into_iter().map(Action::Alarm));
    }
}
