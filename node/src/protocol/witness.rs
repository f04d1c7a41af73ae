//! Votes and proofs out of blocks: what is learnt from those that come, and what is taken back
//! from those that leave the chain.
//!
//! # Invariants
//! * A vote counts the same whether it was heard or found in a block.
//! * Nothing is verified twice that was heard before; far behind the tip nothing is looked at.
//!
//! # Spec
//! docs/spec/06-wire.md §10
//!
//! # Not here
//! What a block's votes do for its branch: [`crate::engine`].

use chain::finality::{FinalityGroup, FinalityVote};
use chain::vote::Vote;
use chain::{Aux, Block, Header};
use consensus::evidence::{accused_key, check_evidence};

use super::Node;
use crate::engine::TipMove;
use crate::ledger::{Ledger, LedgerError, Pace};
use crate::votes::BEHIND_BLOCKS;

impl<L: Ledger> Node<L> {
    /// A body of this header is here: its votes may say something new.
    pub(super) fn witness(&mut self, header: &Header, aux: &Aux) -> Result<(), LedgerError> {
        let is_old = header.height.get().saturating_add(BEHIND_BLOCKS) < self.best_height().get();
        if is_old || self.engine.pace() == Pace::FarBehind {
            return Ok(());
        }
        for included in &aux.votes {
            let height = header.height.checked_sub(included.back.into());
            let tree = self.engine.tree();
            let block = height.and_then(|height| tree.ancestor(&header.parent, height));
            if let Some((height, block)) = height.zip(block) {
                let (bond, signature) = (included.bond, included.signature);
                self.hear_included_vote(&Vote {
                    height,
                    block,
                    bond,
                    signature,
                })?;
            }
        }
        for group in &aux.finality {
            for vote in self.finality_votes_of(header, group) {
                self.hear_finality_vote(&vote)?;
            }
        }
        Ok(())
    }

    /// The votes that the signatures of a block stand for. Their source stands in the header after
    /// the checkpoint's block: what is justified in the state that opened it.
    fn finality_votes_of(&self, header: &Header, group: &FinalityGroup) -> Vec<FinalityVote> {
        let tree = self.engine.tree();
        let height = self.engine.params().checkpoint_height(group.target);
        let target_id = tree.ancestor(&header.parent, height);
        let after = height.next().and_then(|after| {
            if after == header.height {
                return Some(*header);
            }
            let after = tree.ancestor(&header.parent, after)?;
            tree.header(&after).copied()
        });
        let Some((target_id, after)) = target_id.zip(after) else {
            return Vec::new();
        };
        let vote = |signature: &chain::finality::FinalitySignature| FinalityVote {
            source: after.justified,
            target: group.target,
            target_id,
            masternode: signature.masternode,
            signature: signature.signature,
        };
        group.signatures.iter().map(vote).collect()
    }

    /// The tip moved: what was included is settled, what was disconnected waits again. The storage
    /// may fail on the way; what needs none is done all the same.
    pub(super) fn settle_votes(&mut self, moves: &[TipMove]) -> Result<(), LedgerError> {
        let mut taken_back = Ok(());
        for step in moves {
            if let TipMove::Disconnected(block) = step {
                taken_back = taken_back.and(self.take_back(block));
            }
        }
        for step in moves {
            if let TipMove::Connected(block) = step {
                let included = &block.body.aux.evidence;
                included
                    .iter()
                    .for_each(|proof| self.offences.remove(proof));
            }
        }
        let height = self.engine.tip()?.0;
        self.votes.best_moved(self.best_height());
        if let Some(forgotten) = height.checked_sub(self.engine.params().unbond_blocks) {
            self.offences.forget_up_to(forgotten);
        }
        self.gathered_votes = 0;
        taken_back?;
        self.read_targets()?;
        if let Some(open) = &self.open_targets {
            self.finality_votes.tip_moved(open.newest);
        }
        self.look_for_contradiction()
    }

    fn take_back(&mut self, block: &Block) -> Result<(), LedgerError> {
        self.witness(&block.header, &block.body.aux)?;
        let chain = self.engine.params().chain_id();
        for proof in &block.body.aux.evidence {
            let key = accused_key(&self.engine.ledger().view()?, proof)?;
            let checked = key.and_then(|key| check_evidence(proof, &key, &chain).ok());
            if let Some(checked) = checked {
                self.offences.add(checked);
            }
        }
        Ok(())
    }
}
