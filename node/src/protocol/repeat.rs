//! What our own voter and signer said, once more for a peer that came later.
//!
//! # Invariants
//! * The same bytes again, never a new signature.
//! * Only what a block of our chain may still include: at most eight votes of each bond, and one
//!   signature of each masternode for each open checkpoint.
//! * Once for all who came since the last time.
//!
//! # Spec
//! docs/spec/17-stake.md §4, docs/spec/18-finality.md §4
//!
//! # Not here
//! What is signed in the first place: [`super::confirm`].

use chain::finality::FinalityVote;
use chain::vote::Vote;
use consensus::finality::open_targets;
use consensus::state::value;

use super::Node;
use crate::ledger::{Ledger, LedgerError};
use crate::votes::BEHIND_BLOCKS;

impl<L: Ledger> Node<L> {
    /// Says again what no block has yet, if a peer came since the last time.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub(super) fn repeat_own(&mut self) -> Result<(), LedgerError> {
        if !std::mem::take(&mut self.is_repeat_due) {
            return Ok(());
        }
        for vote in self.votes_to_repeat()? {
            let submitted = self.submit_vote(&vote)?;
            tracing::debug!(height = %vote.height, ?submitted, "voted, said again");
        }
        for vote in self.links_to_repeat()? {
            let submitted = self.submit_finality_vote(&vote)?;
            tracing::debug!(target = %vote.target, ?submitted, "signed, said again");
        }
        Ok(())
    }

    /// Votes of ours that the next block could include.
    fn votes_to_repeat(&self) -> Result<Vec<Vote>, LedgerError> {
        let mut votes = Vec::new();
        let Some(voter) = &self.voter else {
            return Ok(votes);
        };
        let (tip, id) = self.engine.tip()?;
        let view = self.engine.ledger().view()?;
        for vote in voter.said() {
            let is_near = vote.height.get().saturating_add(BEHIND_BLOCKS) > tip.get();
            let on_our_chain = self.engine.tree().ancestor(&id, vote.height) == Some(vote.block);
            if !is_near || !on_our_chain {
                continue;
            }
            let included = value::included_votes(&view, vote.height)?.votes;
            if included.iter().all(|booked| booked.bond != vote.bond) {
                votes.push(*vote);
            }
        }
        Ok(votes)
    }

    /// Finality votes of ours for checkpoints that are open and without our signature.
    fn links_to_repeat(&self) -> Result<Vec<FinalityVote>, LedgerError> {
        let Some(signer) = &self.signer else {
            return Ok(Vec::new());
        };
        if signer.said().next().is_none() {
            return Ok(Vec::new());
        }
        let targets = open_targets(&self.engine.ledger().view()?, self.engine.params())?;
        let is_missing = |vote: &&FinalityVote| {
            targets.iter().any(|target| {
                let link = (target.open.source, target.number(), target.id);
                link == (vote.source, vote.target, vote.target_id)
                    && !target.is_signed_by(vote.masternode)
            })
        };
        Ok(signer.said().filter(is_missing).copied().collect())
    }
}
