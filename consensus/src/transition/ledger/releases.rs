//! Releases: what is paid back at a height, and what leaves later.
//!
//! # Invariants
//! * What is paid back leaves nothing behind but the account's coins.
//! * A masternode that sits in a roster waits until a boundary has replaced it.
//!
//! # Spec
//! docs/spec/17-stake.md §7, docs/spec/18-finality.md §6
//!
//! # Not here
//! Ordering a release: [`super::stake_orders`].

use std::collections::BTreeSet;

use chain::units::{BondId, MasternodeId, Term};
use chain::{Amount, Height};
use genesis::law;

use super::evidence::less;
use super::{Ledger, damaged, sum};
use crate::error::ViewError;
use crate::state::value::{Masternode, Release, Releases, Roster, Standing};
use crate::state::{StateKey, StateView};

impl<V: StateView> Ledger<'_, V> {
    /// Pays back what is due, bonds before masternodes, ascending by number.
    pub(super) fn release_due(&mut self) -> Result<(), ViewError> {
        let key = StateKey::Releases(self.height);
        let Some(releases) = self.overlay.get::<Releases>(&key)? else {
            return Ok(());
        };
        self.overlay.remove(key);
        for release in releases.due {
            match release {
                Release::Bond(id) => self.release_bond(id)?,
                Release::Masternode(id) => self.release_masternode(id)?,
            }
        }
        Ok(())
    }

    fn release_bond(&mut self, id: BondId) -> Result<(), ViewError> {
        let bond = self.bond(id)?;
        let Some(bond) = bond.filter(|bond| bond.release == Some(self.height)) else {
            return Ok(());
        };
        self.credit(&bond.owner, bond.amount)?;
        self.free_vote_key(id, &bond.key)?;
        self.set_live(StateKey::LiveBonds, id.get(), false)?;
        self.overlay.remove(StateKey::BondOffences(id));
        self.overlay.remove(StateKey::Bond(id));
        Ok(())
    }

    fn release_masternode(&mut self, id: MasternodeId) -> Result<(), ViewError> {
        let masternode = self.masternode(id)?;
        // A slash moved the release of one that was leaving already.
        let is_due = |masternode: &Masternode| masternode.release == Some(self.height);
        let Some(mut masternode) = masternode.filter(is_due) else {
            return Ok(());
        };
        self.settle_slash(&mut masternode)?;
        if self.sits_in_a_roster(id)? {
            masternode.release = Some(self.next_boundary()?);
            self.overlay.set(StateKey::Masternode(id), &masternode);
            self.put_off.insert(Release::Masternode(id));
            return Ok(());
        }
        self.credit(&masternode.owner, masternode.collateral)?;
        for key in [masternode.operator, masternode.voting] {
            self.overlay.remove(StateKey::MasternodeKey(key));
        }
        self.set_live(StateKey::LiveMasternodes, id.get(), false)?;
        self.overlay.remove(StateKey::Masternode(id));
        Ok(())
    }

    /// The second part of a slash, when it is known who else was slashed: burned when the release is
    /// due for the first time.
    fn settle_slash(&mut self, masternode: &mut Masternode) -> Result<(), ViewError> {
        let Standing::Slashed {
            height,
            front_weight,
        } = masternode.standing
        else {
            return Ok(());
        };
        if height.checked_add(self.params.unbond_blocks) != Some(self.height) {
            return Ok(());
        }
        let slashed = self.slashed_around(self.params.term(height))?;
        let burned = collusion_slash(masternode.collateral, slashed, front_weight);
        masternode.collateral = less(masternode.collateral, burned)?;
        self.burned = sum(self.burned, burned)?;
        Ok(())
    }

    /// Weight slashed in the terms within `UNBOND` either side.
    fn slashed_around(&self, term: Term) -> Result<u128, ViewError> {
        let reach = self.unbond_terms();
        let (first, last) = (
            term.get().saturating_sub(reach),
            term.get().saturating_add(reach),
        );
        (first..=last).map(Term::new).try_fold(0u128, |sum, term| {
            let weight: Option<u64> = self.overlay.get(&StateKey::SlashedIn(term))?;
            Ok(sum.saturating_add(weight.unwrap_or_default().into()))
        })
    }

    /// Forgets what no release can ask for any more: the latest one that counts a term was slashed
    /// `UNBOND` after it and is due `UNBOND` later still.
    pub(super) fn forget_slashes(&mut self, term: Term) {
        let age = self.unbond_terms().saturating_mul(2).saturating_add(2);
        if let Some(old) = term.checked_sub(age) {
            self.overlay.remove(StateKey::SlashedIn(old));
        }
    }

    fn unbond_terms(&self) -> u32 {
        let terms = self.params.unbond_blocks;
        let terms = terms.checked_div(self.params.term_blocks);
        u32::try_from(terms.unwrap_or_default()).unwrap_or(u32::MAX)
    }

    fn sits_in_a_roster(&self, id: MasternodeId) -> Result<bool, ViewError> {
        let head = self.roster_head()?;
        for number in [head.front, head.rear].into_iter().flatten() {
            let roster: Option<Roster> = self.overlay.get(&Roster::state_key(number))?;
            if roster.is_some_and(|roster| roster.member(id).is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn next_boundary(&self) -> Result<Height, ViewError> {
        let next = self.params.term(self.height).checked_add(1);
        let next = next.ok_or_else(|| damaged("no term is left"))?;
        Ok(self.params.term_start(next))
    }

    /// Adds what leaves to the lists of its heights, once for the whole block.
    pub(super) fn plan_releases(&mut self) -> Result<(), ViewError> {
        let leaving = std::mem::take(&mut self.leaving);
        let put_off = std::mem::take(&mut self.put_off);
        if !leaving.is_empty() {
            let height = self.release_height()?;
            self.plan(height, leaving)?;
        }
        if !put_off.is_empty() {
            let height = self.next_boundary()?;
            self.plan(height, put_off)?;
        }
        Ok(())
    }

    fn plan(&mut self, height: Height, more: BTreeSet<Release>) -> Result<(), ViewError> {
        let key = StateKey::Releases(height);
        let mut releases: Releases = self.overlay.get(&key)?.unwrap_or_default();
        releases.due.extend(more);
        releases.due.sort_unstable();
        releases.due.dedup();
        self.overlay.set(key, &releases);
        Ok(())
    }
}

/// > "min(100 %, 3F) of what is left", F = weight slashed / weight of the front
fn collusion_slash(left: Amount, slashed: u128, front_weight: u64) -> Amount {
    let part = u128::from(left.base_units())
        .saturating_mul(law::COLLUSION_FACTOR.into())
        .saturating_mul(slashed)
        .checked_div(front_weight.into());
    // Without a front there is nothing that the share could be small against.
    let part = part.and_then(|part| u64::try_from(part).ok());
    Amount::from_base(part.unwrap_or(u64::MAX).min(left.base_units()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_front_loses_everything() {
        let cut = |slashed, front| {
            let left = Amount::from_base(1_000);
            collusion_slash(left, slashed, front).base_units()
        };
        assert_eq!(
            [(0, 9), (1, 9), (2, 9), (3, 9), (9, 9)].map(|(s, f)| cut(s, f)),
            [0, 333, 666, 1_000, 1_000]
        );
        assert_eq!(cut(1, 0), 1_000);
        assert_eq!(cut(u128::MAX, 1), 1_000);
    }
}
