//! What every block leaves behind whatever it contains: supply, prices, sizes, windows; and the
//! check that no coin appeared or vanished.
//!
//! # Invariants
//! Conservation is checked over what actually changes in the state, not over what was meant to.
//!
//! # Spec
//! docs/spec/10-money.md §4, docs/spec/11-state.md §4
//!
//! # Not here
//! Who is paid what: [`super::ledger`].

use chain::units::RateEpoch;
use chain::{Amount, Height};
use genesis::{Params, law};

use crate::error::ViewError;
use crate::reward;
use crate::state::overlay::{Difference, Overlay};
use crate::state::value::{self, EpochPrice, Prices, RecentUncles, Supply};
use crate::state::{StateDiff, StateKey, StateView};

/// Limit of a body in the term that begins after a full one.
///
/// > "clamp(2 * median body size of the last full term, 256 KiB, 1 MiB)"; the lower median
pub(super) fn body_limit_after(view: &impl StateView, params: &Params) -> Result<u64, ViewError> {
    let positions = u32::try_from(params.term_blocks).unwrap_or(u32::MAX);
    let mut sizes = (0..positions)
        .map(|position| value::body_size(view, position))
        .collect::<Result<Vec<u64>, ViewError>>()?;
    sizes.sort_unstable();
    let middle = sizes.len().saturating_sub(1) >> 1;
    let median = sizes.get(middle).copied().unwrap_or_default();
    Ok(median
        .saturating_mul(2)
        .clamp(law::BODY_BYTES_MIN, law::BODY_BYTES_MAX))
}

/// > "supply += minted - burned"
pub(super) fn supply_after(
    before: Supply,
    minted: Amount,
    burned: Amount,
) -> Result<Supply, ViewError> {
    let supply = before
        .supply
        .checked_add(minted)
        .and_then(|sum| sum.checked_sub(burned));
    let total = |total: u64, amount: Amount| total.checked_add(amount.base_units());
    match (
        supply,
        total(before.minted, minted),
        total(before.burned, burned),
    ) {
        (Some(supply), Some(minted), Some(burned)) => Ok(Supply {
            supply,
            minted,
            burned,
        }),
        _ => Err(damaged(format!(
            "supply {before:?}, minted {minted}, burned {burned}"
        ))),
    }
}

/// At the last block before a rate epoch: fixes the price of the one after it, and drops prices
/// that no block can ask for. When a window closes: forgets its one-time keys.
pub(super) fn turn_epoch<V: StateView>(
    overlay: &mut Overlay<'_, V>,
    height: Height,
    prices: &Prices,
    supply: Supply,
    params: &Params,
) -> Result<(), ViewError> {
    let Some(next) = height.next() else {
        return Err(damaged("no height after this".into()));
    };
    let beginning = params.rate_epoch(next);
    if params.rate_epoch_start(beginning) == next {
        // > "kib_R = max(1024, S(300(R-1)-1) >> 37)"
        let priced = beginning.checked_add(1);
        let priced = priced.ok_or_else(|| damaged("no rate epoch is left".into()))?;
        let oldest = RateEpoch::new(beginning.get().saturating_sub(1));
        let mut kept: Prices = prices.clone();
        kept.retain(|price| (oldest..priced).contains(&price.epoch));
        kept.push(EpochPrice {
            epoch: priced,
            kib: reward::kib_price(supply.supply),
        });
        overlay.set(StateKey::Prices, &kept);
    }
    // The first epoch that this block could include and the next cannot.
    let closing = beginning.checked_sub(1).filter(|epoch| {
        params.accepts_epoch(height, *epoch) && !params.accepts_epoch(next, *epoch)
    });
    closing.map_or(Ok(()), |epoch| overlay.forget_seen_in(epoch))
}

/// Keeps the size of this body for the limit of the next term.
pub(super) fn keep_body_size<V: StateView>(
    overlay: &mut Overlay<'_, V>,
    height: Height,
    body_bytes: u64,
    params: &Params,
) {
    let position = height
        .get()
        .checked_rem(params.term_blocks)
        .unwrap_or_default();
    let position = u32::try_from(position).unwrap_or(u32::MAX);
    overlay.set(StateKey::BodySize(position), &body_bytes);
}

/// Keeps the uncles that a later block could offer again.
pub(super) fn keep_uncles<V: StateView>(
    overlay: &mut Overlay<'_, V>,
    height: Height,
    mut uncles: RecentUncles,
) {
    uncles.retain(|uncle| uncle.height.get().saturating_add(law::UNCLE_DEPTH_MAX) > height.get());
    overlay.set(StateKey::RecentUncles, &uncles);
}

/// > "balances + bonds + collaterals = supply <= C", as a statement about one block: what they
/// > gained together is what was minted less what was burned.
pub(super) fn check_conservation(
    difference: &Difference,
    minted: Amount,
    burned: Amount,
) -> Result<(), ViewError> {
    let after = coins(&difference.diff)?.checked_add(burned.base_units().into());
    let before = coins(&difference.undo)?.checked_add(minted.base_units().into());
    if after.is_some() && after == before {
        return Ok(());
    }
    Err(damaged(format!(
        "accounts, bonds and masternodes hold {after:?} with the burned, {before:?} with the minted"
    )))
}

/// All coins in the values that a difference names.
fn coins(diff: &StateDiff) -> Result<u128, ViewError> {
    let values = diff.values.iter();
    values
        .filter_map(|(key, bytes)| Some((key, bytes.as_ref()?)))
        .try_fold(0u128, |sum, (key, bytes)| {
            let coins = value::coins(key, bytes)?;
            Ok(sum.saturating_add(coins.base_units().into()))
        })
}

fn damaged(reason: String) -> ViewError {
    ViewError::Damaged { reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::value::Account;
    use chain::{AccountId, codec};

    fn difference(before: &[u64], after: &[u64]) -> Difference {
        let side = |balances: &[u64]| {
            let mut diff = StateDiff::default();
            for (index, balance) in balances.iter().enumerate() {
                let id = AccountId::from_bytes([u8::try_from(index).expect("few"); 20]);
                let account = Account {
                    balance: Amount::from_base(*balance),
                    nonce: 1,
                };
                diff.values
                    .insert(StateKey::Account(id), Some(codec::encode(&account)));
            }
            diff
        };
        Difference {
            diff: side(after),
            undo: side(before),
            root: chain::Hash32::default(),
        }
    }

    #[test]
    fn coins_out_of_nowhere_are_our_own_fault() {
        let (minted, burned) = (Amount::from_base(10), Amount::from_base(3));
        let right = difference(&[100, 50], &[90, 60, 7]);
        assert_eq!(check_conservation(&right, minted, burned), Ok(()));
        for wrong in [[90, 60, 8], [90, 60, 6]] {
            let wrong = difference(&[100, 50], &wrong);
            let verdict = check_conservation(&wrong, minted, burned);
            assert!(matches!(verdict, Err(ViewError::Damaged { .. })));
        }
    }

    #[test]
    fn the_supply_never_exceeds_the_cap_or_falls_below_zero() {
        let one = Amount::from_base(1);
        let full = Supply {
            supply: Amount::MAX,
            ..Supply::default()
        };
        assert!(supply_after(full, one, Amount::ZERO).is_err());
        assert!(supply_after(Supply::default(), Amount::ZERO, one).is_err());
        let after = supply_after(Supply::default(), Amount::from_base(9), one).expect("holds");
        let expected = Supply {
            supply: Amount::from_base(8),
            minted: 9,
            burned: 1,
        };
        assert_eq!(after, expected);
    }
}
