//! Stake: who votes for a height, what a vote is worth, and what it costs to vote twice.
//!
//! # Invariants
//! * Every function here is pure: of a state, of a snapshot, of a vote.
//! * A seat is drawn from one page of a snapshot, however many bonds there are.
//! * Votes never decide validity: a block without a single vote is as valid as any.
//!
//! # Spec
//! docs/spec/17-stake.md
//!
//! # Not here
//! Booking votes, dormancy and slashes in the state: [`crate::transition`]. What votes mean for the
//! best chain: [`crate::fork_choice`].

use chain::units::Term;
use chain::{Amount, Height};
use genesis::{Params, law};

use crate::error::ViewError;
use crate::state::{StateView, value};

mod committee;
mod vote;

pub use committee::{Committee, Seat, committee, committee_at};
pub use vote::{CheckedVote, check_vote};

/// The boundary whose snapshot is used at `height`: the one of the term before. Terms 0 and 1 have
/// none, since no snapshot is taken at genesis.
#[must_use]
pub fn snapshot_term(params: &Params, height: Height) -> Option<Term> {
    let term = params.term(height).checked_sub(1)?;
    (term > Term::new(0)).then_some(term)
}

/// How far votes multiply the work of the block at `height`: `weight = work << min(votes, level)`.
/// 0 where the state has no snapshot.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn level(view: &impl StateView, params: &Params, height: Height) -> Result<u32, ViewError> {
    let Some(term) = snapshot_term(params, height) else {
        return Ok(0);
    };
    let snapshot = value::snapshot(view, term)?;
    Ok(snapshot.map_or(0, |snapshot| snapshot.level.into()))
}

/// > "level(k) = min(8, ilog2(max(1, 512*B_k / S_k))); S_k = 0: 0"
#[must_use]
pub fn level_of(bonded: Amount, supply: Amount) -> u8 {
    let scaled = u128::from(bonded.base_units()).saturating_mul(law::LEVEL_SCALE);
    let share = scaled.checked_div(supply.base_units().into());
    let level = share.unwrap_or_default().max(1).ilog2();
    u8::try_from(level.min(law::LEVEL_MAX)).unwrap_or(u8::MAX)
}

/// Level of a snapshot after one with level `before`.
///
/// A level rises by at most one: so a branch whose snapshots are not known cannot turn out heavier
/// than one more power of two in each of its terms, and coins that are bonded all at once gain
/// their weight under everybody's eyes. It falls at once.
#[must_use]
pub fn level_after(before: u8, bonded: Amount, supply: Amount) -> u8 {
    level_of(bonded, supply).min(before.saturating_add(1))
}

/// What a double vote costs a bond that still holds `amount`.
///
/// > "max(amount/20, BOND_MIN/2), at most amount"
#[must_use]
pub fn double_vote_slash(amount: Amount, bond_min: Amount) -> Amount {
    let part = |of: Amount, divisor: u64| of.base_units().checked_div(divisor).unwrap_or_default();
    let slash = part(amount, law::VOTE_SLASH_DIVISOR);
    let floor = part(bond_min, law::VOTE_SLASH_FLOOR_DIVISOR);
    Amount::from_base(slash.max(floor).min(amount.base_units()))
}

/// Whether a bond falls asleep or wakes at a boundary; nothing below sixteen seats.
///
/// > "if assigned >= 16: dormant iff 4*voted < assigned"
#[must_use]
pub fn dormancy(assigned: u32, voted: u32) -> Option<bool> {
    let is_judged = assigned >= law::DORMANCY_SEATS_MIN;
    is_judged.then(|| voted.saturating_mul(law::DORMANCY_DIVISOR) < assigned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain::Network;

    fn base(units: u64) -> Amount {
        Amount::from_base(units)
    }

    #[test]
    fn the_level_follows_the_bonded_share() {
        // Shares in 1/512: 0.39 % is two of them, 3.1 % sixteen, 12.5 % sixty-four.
        let levels = [0, 1, 2, 3, 4, 16, 64, 255, 256, 512];
        let levels = levels.map(|share| level_of(base(share), base(512)));
        assert_eq!(levels, [0, 0, 1, 1, 2, 4, 6, 7, 8, 8]);
        assert_eq!(level_of(base(0), base(0)), 0);
        assert_eq!(level_of(base(5), base(0)), 0);
        assert_eq!(level_of(Amount::MAX, Amount::MAX), 8);
    }

    #[test]
    fn a_level_rises_by_one_and_falls_at_once() {
        let after = |before, share| level_after(before, base(share), base(512));
        assert_eq!([0, 1, 7, 8].map(|before| after(before, 512)), [1, 2, 8, 8]);
        assert_eq!([0, 4, 8].map(|before| after(before, 0)), [0, 0, 0]);
        assert_eq!(after(5, 16), 4);
    }

    #[test]
    fn a_double_vote_costs_a_twentieth_and_at_least_half_a_smallest_bond() {
        let cost = |amount| double_vote_slash(base(amount), base(100)).base_units();
        assert_eq!(
            [10_000, 1_000, 999, 100, 50, 49, 0].map(cost),
            [500, 50, 50, 50, 50, 49, 0]
        );
    }

    #[test]
    fn a_bond_is_judged_by_sixteen_seats_or_more() {
        assert_eq!(dormancy(15, 0), None);
        assert_eq!(dormancy(16, 3), Some(true));
        assert_eq!(dormancy(16, 4), Some(false));
        assert_eq!(dormancy(17, 4), Some(true));
        assert_eq!(dormancy(u32::MAX, u32::MAX), Some(false));
    }

    #[test]
    fn the_first_two_terms_have_no_snapshot() {
        let params = Params::of(Network::Regtest);
        let term = |height| snapshot_term(&params, Height::new(height)).map(Term::get);
        assert_eq!(
            [0, 11, 12, 23, 24, 35, 36].map(term),
            [None, None, None, None, Some(1), Some(1), Some(2)]
        );
    }
}
