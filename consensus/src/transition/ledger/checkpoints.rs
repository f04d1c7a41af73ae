//! Checkpoints: which finality signatures a block may include, what they earn, and when a
//! checkpoint is justified and final.
//!
//! # Invariants
//! * Signatures are judged by the open checkpoints of the state before the block, which nothing in
//!   the block changes; justification is decided when the books close, ascending by checkpoint: the
//!   order in which a draft was offered signatures does not matter.
//! * A checkpoint opens at the end of its own block, with the rosters of that state, and closes at
//!   the end of the last block that may include signatures for it: what is open after a block is
//!   what the next may include.
//!
//! # Spec
//! docs/spec/18-finality.md §4-5, docs/spec/02-blocks.md §9
//!
//! # Not here
//! Rosters: [`super::term`].

use chain::PublicKey;
use chain::finality::{FinalityGroup, FinalityVote};
use chain::units::{CheckpointNumber, MasternodeId};
use genesis::law;
use rayon::prelude::*;

use super::{Ledger, sum};
use crate::error::{ApplyError, Rule, ViewError};
use crate::finality::{CheckedFinalityVote, Target, member_for, open_targets};
use crate::reward;
use crate::state::value::{Finality, OpenTarget, RosterHead};
use crate::state::{StateKey, StateView};

impl<V: StateView> Ledger<'_, V> {
    /// Includes the finality groups of a block, which are in order.
    pub(in crate::transition) fn include_groups(
        &mut self,
        groups: &[FinalityGroup],
    ) -> Result<(), ApplyError> {
        let mut signed: Vec<(FinalityVote, PublicKey)> = Vec::new();
        for group in groups {
            let target = self.target(group.target)?.clone();
            for signature in &group.signatures {
                let vote = FinalityVote {
                    signature: signature.signature,
                    ..target.vote(signature.masternode)
                };
                signed.push((vote, self.judge_signature(&vote, &target)?));
            }
        }
        let chain = self.params.chain_id();
        let forged = signed
            .par_iter()
            .find_first(|(vote, key)| !vote.is_signed_by(key, &chain));
        match forged {
            Some((vote, _)) => Err(Rule::FinalitySignature {
                masternode: vote.masternode,
            }
            .into()),
            None => Ok(()),
        }
    }

    /// Includes a finality vote whose signature was checked.
    pub(in crate::transition) fn include_checked_finality_vote(
        &mut self,
        checked: &CheckedFinalityVote,
    ) -> Result<(), ApplyError> {
        let vote = checked.vote();
        let found = self.signatures.len().saturating_add(1);
        if found > law::FINALITY_SIGNATURES_MAX {
            return Err(Rule::FinalityCount {
                max: law::FINALITY_SIGNATURES_MAX,
                found,
            }
            .into());
        }
        let target = self.target(vote.target)?.clone();
        let masternode = vote.masternode;
        // Looked at first, so that a refusal leaves no trace.
        if member_for(vote, &target)?.key != *checked.key() {
            return Err(Rule::FinalitySignature { masternode }.into());
        }
        self.judge_signature(vote, &target)?;
        Ok(())
    }

    /// A finality vote for an open checkpoint, but for its signature; the key that has to sign it.
    fn judge_signature(&mut self, vote: &FinalityVote, target: &Target) -> Result<PublicKey, Rule> {
        let masternode = vote.masternode;
        let member = member_for(vote, target)?;
        // > "not yet included for c"
        let place = (vote.target, masternode);
        if target.is_signed_by(masternode) || !self.signatures.insert(place) {
            return Err(Rule::FinalityRepeated { masternode });
        }
        Ok(member.key)
    }

    fn target(&mut self, number: CheckpointNumber) -> Result<&Target, ApplyError> {
        let mut targets = self.targets()?.iter();
        let target = targets.find(|target| target.number() == number);
        Ok(target.ok_or(Rule::FinalityTarget { target: number })?)
    }

    /// Checkpoints that this block may include signatures for.
    fn targets(&mut self) -> Result<&mut Vec<Target>, ViewError> {
        if self.targets.is_none() {
            self.targets = Some(open_targets(self.overlay.view(), self.params)?);
        }
        Ok(self.targets.get_or_insert_default())
    }

    /// Pays for the signatures of this block, and draws the conclusions.
    pub(super) fn settle_signatures(&mut self) -> Result<(), ViewError> {
        if self.signatures.is_empty() {
            return Ok(());
        }
        let mut targets = std::mem::take(self.targets()?);
        for target in &mut targets {
            self.settle_target(target)?;
        }
        self.targets = Some(targets);
        Ok(())
    }

    fn settle_target(&mut self, target: &mut Target) -> Result<(), ViewError> {
        let number = target.number();
        let of_target = (number, MasternodeId::new(0))..=(number, MasternodeId::new(u32::MAX));
        let signers: Vec<MasternodeId> = self
            .signatures
            .range(of_target)
            .map(|(_, masternode)| *masternode)
            .collect();
        if signers.is_empty() {
            return Ok(());
        }
        let total = target.front.weight();
        for signer in &signers {
            if let Some(member) = target.front.member(*signer) {
                self.pay_signer(*signer, member.weight, total)?;
            }
        }
        let open = &mut target.open;
        open.signers.extend(signers);
        open.signers.sort_unstable();
        if !target.open.is_justified && target.reaches_quorum() {
            target.open.is_justified = true;
            self.justify(&target.open)?;
        }
        self.overlay
            .set(OpenTarget::state_key(number), &target.open);
        Ok(())
    }

    /// > "finality signers floor(4*E_ckpt*u*w/W) on inclusion (front), miner floor(E_ckpt*u*w/W)"
    fn pay_signer(&mut self, id: MasternodeId, weight: u64, total: u64) -> Result<(), ViewError> {
        let (supply, blocks) = (self.parent_supply(), self.params.checkpoint_blocks);
        let (for_signer, for_miner) = reward::signature(supply, blocks, weight, total);
        self.signature_share = sum(self.signature_share, for_miner)?;
        // A slash in this very block is not looked at: aux items are judged by the state before.
        let signer = self.masternode(id)?;
        match signer.filter(|signer| !self.was_slashed(signer.standing)) {
            Some(signer) => self.mint(&signer.payout, for_signer),
            None => Ok(()),
        }
    }

    /// > "justified = max by number; if source = c-1, finalized = c-1, last_final_height = h"
    fn justify(&mut self, target: &OpenTarget) -> Result<(), ViewError> {
        let mut finality = self.finality()?;
        finality.justified = finality.justified.max(target.number);
        if target.source.checked_add(1) == Some(target.number) {
            finality.finalized = finality.finalized.max(target.source);
            let mut head = self.roster_head()?;
            head.last_final_height = self.height;
            self.overlay.set(StateKey::RosterHead, &head);
        }
        self.overlay.set(StateKey::Finality, &finality);
        Ok(())
    }

    /// At a checkpoint's block: closes the one whose window ends with it, and opens this one.
    pub(super) fn turn_checkpoint(&mut self) -> Result<(), ViewError> {
        let Some(number) = self.params.checkpoint_at(self.height) else {
            return Ok(());
        };
        let window = u32::try_from(law::FINALITY_WINDOW).unwrap_or(u32::MAX);
        let closing = number.checked_sub(window);
        let targets = std::mem::take(self.targets()?);
        let closing = targets
            .iter()
            .find(|target| Some(target.number()) == closing);
        if let Some(target) = closing {
            self.book_duty(target)?;
        }
        let key = OpenTarget::state_key(number);
        let head = self.roster_head()?;
        match head.front.zip(head.rear) {
            Some((front, rear)) => {
                let open = OpenTarget {
                    number,
                    source: self.finality()?.justified,
                    front,
                    rear,
                    is_justified: false,
                    signers: Vec::new(),
                };
                self.overlay.set(key, &open);
            }
            None => self.overlay.remove(key),
        }
        Ok(())
    }

    /// Every front member had to sign; who did has done his duty.
    fn book_duty(&mut self, target: &Target) -> Result<(), ViewError> {
        let term = self.params.term(self.height);
        for member in &target.front.members {
            let id = member.masternode;
            if let Some(mut masternode) = self.masternode(id)? {
                let done = u32::from(target.is_signed_by(id));
                masternode.duty = masternode.duty.with(term, 1, done);
                self.overlay.set(StateKey::Masternode(id), &masternode);
            }
        }
        Ok(())
    }

    pub(super) fn roster_head(&self) -> Result<RosterHead, ViewError> {
        Ok(self.overlay.get(&StateKey::RosterHead)?.unwrap_or_default())
    }

    pub(super) fn finality(&self) -> Result<Finality, ViewError> {
        Ok(self.overlay.get(&StateKey::Finality)?.unwrap_or_default())
    }
}
