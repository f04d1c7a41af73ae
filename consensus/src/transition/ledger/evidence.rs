//! Evidence: what it takes to be accepted, and what it costs the accused.
//!
//! # Invariants
//! * Evidence is judged by the state before the block, never by other evidence in it.
//! * A slash never takes more than is there; what the miner gets and what is burned add up to it.
//!
//! # Spec
//! docs/spec/17-stake.md §6, docs/spec/18-finality.md §6
//!
//! # Not here
//! Form and signatures: [`crate::evidence`].

use chain::evidence::{DoubleVote, Evidence};
use chain::units::{BondId, MasternodeId};
use chain::{Amount, Height, PublicKey};
use genesis::law;
use rayon::prelude::*;

use super::{Ledger, damaged, sum};
use crate::error::{ApplyError, Rule, ViewError};
use crate::evidence::{CheckedEvidence, check_evidence, misdeed};
use crate::stake;
use crate::state::value::{self, Offences, Release, Standing};
use crate::state::{StateKey, StateView};

impl<V: StateView> Ledger<'_, V> {
    /// Includes the evidence of a block.
    pub(in crate::transition) fn include_evidence(
        &mut self,
        proofs: &[Evidence],
    ) -> Result<(), ApplyError> {
        self.begin()?;
        let keys = proofs
            .iter()
            .map(|proof| self.judge_evidence(proof))
            .collect::<Result<Vec<PublicKey>, ApplyError>>()?;
        let chain = self.params.chain_id();
        let signed: Vec<_> = proofs.iter().zip(keys).collect();
        let is_forged =
            |(proof, key): &(&Evidence, PublicKey)| check_evidence(proof, key, &chain).is_err();
        if signed.par_iter().any(is_forged) {
            return Err(Rule::EvidenceSignature.into());
        }
        proofs
            .iter()
            .try_for_each(|proof| self.punish(proof).map_err(ApplyError::from))
    }

    /// Includes evidence whose signatures were checked.
    pub(in crate::transition) fn include_checked_evidence(
        &mut self,
        checked: &CheckedEvidence,
    ) -> Result<(), ApplyError> {
        self.begin()?;
        let proof = checked.evidence();
        let found = self.misdeeds.len().saturating_add(1);
        if found > law::EVIDENCE_MAX {
            return Err(Rule::EvidenceCount {
                max: law::EVIDENCE_MAX,
                found,
            }
            .into());
        }
        if self.misdeeds.contains(&misdeed(proof)) {
            return Err(Rule::EvidenceRepeated.into());
        }
        if let Evidence::FinalityConflict(links) = proof {
            let masternode = links.masternode;
            if self.ordered.contains(&masternode) {
                return Err(Rule::EvidenceAfterOrder { masternode }.into());
            }
        }
        if self.judge_evidence(proof)? != *checked.key() {
            return Err(Rule::EvidenceSignature.into());
        }
        Ok(self.punish(proof)?)
    }

    /// The key of the accused, if the evidence may be included.
    fn judge_evidence(&self, proof: &Evidence) -> Result<PublicKey, ApplyError> {
        match proof {
            Evidence::DoubleVote(votes) => self.judge_double_vote(votes),
            Evidence::FinalityConflict(links) => {
                let id = links.masternode;
                let before = value::masternode(self.view(), id)?;
                // Neither released at the beginning of this block nor registered in it.
                let is_there = self.masternode(id)?.is_some();
                let accused = before.filter(|_| is_there).ok_or(Rule::EvidenceUnknown)?;
                if matches!(accused.standing, Standing::Slashed { .. }) {
                    return Err(Rule::EvidenceKnown.into());
                }
                Ok(accused.operator)
            }
        }
    }

    fn judge_double_vote(&self, votes: &DoubleVote) -> Result<PublicKey, ApplyError> {
        // What can be proved is what is remembered; nothing older leaves an offence behind.
        if votes.height > self.height || votes.height <= self.forgotten() {
            return Err(Rule::EvidenceHeight {
                height: votes.height,
            }
            .into());
        }
        let before = value::bond(self.view(), votes.bond)?;
        let is_there = self.bond(votes.bond)?.is_some();
        let accused = before.filter(|bond| is_there && bond.amount > Amount::ZERO);
        let accused = accused.ok_or(Rule::EvidenceUnknown)?;
        // Offences of this block are not in the state before it; `misdeeds` knows them.
        if self.known_offences(votes.bond)?.contains(&votes.height) {
            return Err(Rule::EvidenceKnown.into());
        }
        Ok(accused.key)
    }

    /// The last height about which nothing can be proved any more; genesis cannot be voted for.
    fn forgotten(&self) -> Height {
        let height = self.height.checked_sub(self.params.unbond_blocks);
        height.unwrap_or_default()
    }

    fn known_offences(&self, id: BondId) -> Result<Offences, ViewError> {
        let offences = self.overlay.get(&StateKey::BondOffences(id))?;
        Ok(offences.unwrap_or_default())
    }

    /// Takes the coins, and remembers why.
    fn punish(&mut self, proof: &Evidence) -> Result<(), ViewError> {
        self.misdeeds.insert(misdeed(proof));
        match proof {
            Evidence::DoubleVote(votes) => self.slash_bond(votes.bond, votes.height),
            Evidence::FinalityConflict(links) => self.slash_masternode(links.masternode),
        }
    }

    fn slash_bond(&mut self, id: BondId, offence: Height) -> Result<(), ViewError> {
        let bond = self.bond(id)?;
        let mut bond = bond.ok_or_else(|| damaged("a bond that was judged is gone"))?;
        let slash = stake::double_vote_slash(bond.amount, self.params.bond_min);
        bond.amount = less(bond.amount, slash)?;
        let until = self.params.term(self.height).checked_add(law::JAIL_TERMS);
        bond.jailed_until = until.unwrap_or(bond.jailed_until).max(bond.jailed_until);
        if bond.amount == Amount::ZERO {
            self.free_vote_key(id, &bond.key)?;
        }
        self.overlay.set(StateKey::Bond(id), &bond);
        let forgotten = self.forgotten();
        let mut offences = self.known_offences(id)?;
        offences.retain(|height| *height > forgotten);
        offences.push(offence);
        offences.sort_unstable();
        self.overlay.set(StateKey::BondOffences(id), &offences);
        self.share_out(slash)
    }

    /// A key whose bond holds no coins may stand for another.
    pub(super) fn free_vote_key(&mut self, id: BondId, key: &PublicKey) -> Result<(), ViewError> {
        let key = StateKey::VoteKey(*key);
        if self.overlay.get(&key)? == Some(id) {
            self.overlay.remove(key);
        }
        Ok(())
    }

    /// > "5 % at once, then min(100 %, 3F) at release"
    fn slash_masternode(&mut self, id: MasternodeId) -> Result<(), ViewError> {
        let accused = self.masternode(id)?;
        let mut accused = accused.ok_or_else(|| damaged("a masternode that was judged is gone"))?;
        let term = StateKey::SlashedIn(self.params.term(self.height));
        let weight: u64 = self.overlay.get(&term)?.unwrap_or_default();
        self.overlay
            .set(term, &weight.saturating_add(accused.weight()));
        let slash = accused.collateral.base_units();
        let slash = slash.checked_div(law::COLLATERAL_SLASH_DIVISOR);
        let slash = Amount::from_base(slash.unwrap_or_default());
        accused.collateral = less(accused.collateral, slash)?;
        accused.standing = Standing::Slashed {
            height: self.height,
            front_weight: self.roster_head()?.front_weight,
        };
        accused.position = None;
        accused.release = Some(self.release_height()?);
        self.leaving.insert(Release::Masternode(id));
        self.overlay.set(StateKey::Masternode(id), &accused);
        self.share_out(slash)
    }

    /// > "1/10 to header.payout, the rest burned"
    fn share_out(&mut self, slash: Amount) -> Result<(), ViewError> {
        let bounty = slash.base_units().checked_div(law::EVIDENCE_REWARD_DIVISOR);
        let bounty = Amount::from_base(bounty.unwrap_or_default());
        self.bounty = sum(self.bounty, bounty)?;
        self.burned = sum(self.burned, less(slash, bounty)?)?;
        Ok(())
    }

    /// Whether a masternode was slashed before this block.
    pub(super) fn was_slashed(&self, standing: Standing) -> bool {
        matches!(standing, Standing::Slashed { height, .. } if height < self.height)
    }
}

/// A difference that cannot fail if our own books are right.
pub(super) fn less(from: Amount, part: Amount) -> Result<Amount, ViewError> {
    let rest = from.checked_sub(part);
    rest.ok_or_else(|| damaged("more is taken than is there"))
}
