//! The monetary law: what a block mints, who earns which part, what space costs.
//!
//! # Invariants
//! * Integers only; every function is total; division floors.
//! * A block mints less than three times its emission, and never lifts the supply above the cap.
//! * What nobody earns is not minted.
//!
//! # Spec
//! docs/spec/10-money.md
//!
//! # Not here
//! Crediting it: `transition`. The numbers: `genesis::law`.

use chain::Amount;
use chain::envelope::SizeClass;
use genesis::law;

/// Emission of the block whose header shows `supply`: `E = (C - S) >> 26`.
#[must_use]
pub const fn emission(supply: Amount) -> Amount {
    let gap = law::SUPPLY_CAP
        .base_units()
        .saturating_sub(supply.base_units());
    Amount::from_base(gap >> law::EMISSION_SHIFT)
}

/// Reward unit of that block: `u = E >> 6`.
#[must_use]
pub const fn unit(supply: Amount) -> Amount {
    Amount::from_base(emission(supply).base_units() >> law::REWARD_UNIT_SHIFT)
}

/// This many reward units.
const fn units(supply: Amount, units: u64) -> Amount {
    Amount::from_base(unit(supply).base_units().saturating_mul(units))
}

/// What the miner of a block earns besides tips and finality: 24 units, one for each uncle and one
/// for each seat that it included.
#[must_use]
pub const fn miner(supply: Amount, uncles: u64, seats: u64) -> Amount {
    let for_uncles = law::NEPHEW_UNITS.saturating_mul(uncles);
    let for_seats = law::VOTE_MINER_UNITS.saturating_mul(seats);
    let earned = law::MINER_UNITS.saturating_add(for_uncles);
    units(supply, earned.saturating_add(for_seats))
}

/// What the owner of a bond earns for a vote: `2 u` for each seat.
#[must_use]
pub const fn voter(supply: Amount, seats: u64) -> Amount {
    units(supply, law::VOTER_UNITS.saturating_mul(seats))
}

/// What the masternode whose turn it is earns: `12 u`.
#[must_use]
pub const fn payee(supply: Amount) -> Amount {
    units(supply, law::PAYEE_UNITS)
}

/// What a front member of weight `weight` of `total` earns for a signature, and what the miner
/// earns for including it: `floor(4 E_ckpt u w / W)` and `floor(E_ckpt u w / W)`.
#[must_use]
pub fn signature(
    supply: Amount,
    checkpoint_blocks: u64,
    weight: u64,
    total: u64,
) -> (Amount, Amount) {
    let share = |units: u64| {
        let pot = u128::from(unit(supply).base_units())
            .saturating_mul(checkpoint_blocks.into())
            .saturating_mul(units.into());
        let part = pot.saturating_mul(weight.into()).checked_div(total.into());
        let part = part.unwrap_or_default();
        Amount::from_base(u64::try_from(part).unwrap_or(u64::MAX))
    };
    (share(law::SIGNER_UNITS), share(law::SIGNATURE_MINER_UNITS))
}

/// What the miner of an uncle of this depth earns: `(14 - 2 d) u`.
#[must_use]
pub const fn uncle_miner(supply: Amount, depth_blocks: u64) -> Amount {
    let earned = law::UNCLE_UNITS_BASE.saturating_sub(depth_blocks.saturating_mul(2));
    units(supply, earned)
}

/// Price of a KiB at `supply`: `max(1024, S >> 37)`.
#[must_use]
pub fn kib_price(supply: Amount) -> Amount {
    Amount::from_base((supply.base_units() >> law::PRICE_SHIFT).max(law::PRICE_MIN))
}

/// Units that an envelope of `class` burns when it is paid with coins: whole KiB of plaintext.
#[must_use]
pub fn burn_units(class: SizeClass) -> u64 {
    let kib = class.plaintext_len() >> 10;
    u64::try_from(kib).unwrap_or(u64::MAX).max(1)
}

/// Units that a transaction of `bytes` pays for its size: whole KiB, rounded up.
#[must_use]
pub fn size_units(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(law::UNIT_BYTES)).unwrap_or(u64::MAX)
}

/// Price of `units`, or nothing above the cap: nobody can pay that.
#[must_use]
pub const fn fee(units: u64, kib_price: Amount) -> Option<Amount> {
    kib_price.checked_mul(units)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn coins(x3c: u64) -> Amount {
        Amount::from_x3c(x3c).expect("below the cap")
    }

    #[test]
    fn the_emission_follows_the_table_of_the_spec() {
        let millions = [0, 1, 10, 20, 40, 60, 80, 90, 95, 99];
        let emissions: [u64; 10] = [
            149_011_611,
            147_521_495,
            134_110_450,
            119_209_289,
            89_406_967,
            59_604_644,
            29_802_322,
            14_901_161,
            7_450_580,
            1_490_116,
        ];
        for (million, expected) in millions.into_iter().zip(emissions) {
            assert_eq!(emission(coins(million * 1_000_000)).base_units(), expected);
        }
    }

    #[test]
    fn at_and_beyond_the_cap_nothing_is_minted() {
        for supply in [Amount::MAX, Amount::from_base(u64::MAX)] {
            assert_eq!(emission(supply), Amount::ZERO);
            assert_eq!(miner(supply, 2, 16), Amount::ZERO);
            assert_eq!(voter(supply, 8), Amount::ZERO);
            assert_eq!(payee(supply), Amount::ZERO);
            assert_eq!(signature(supply, 4, 1, 1), (Amount::ZERO, Amount::ZERO));
            assert_eq!(uncle_miner(supply, 1), Amount::ZERO);
        }
    }

    #[test]
    fn the_parts_of_a_block_are_whole_units() {
        let u = 149_011_611 >> 6;
        assert_eq!(unit(Amount::ZERO).base_units(), u);
        assert_eq!(miner(Amount::ZERO, 0, 0).base_units(), 24 * u);
        assert_eq!(miner(Amount::ZERO, 2, 16).base_units(), 42 * u);
        assert_eq!(voter(Amount::ZERO, 3).base_units(), 6 * u);
        assert_eq!(payee(Amount::ZERO).base_units(), 12 * u);
        let (signer, miner) = signature(Amount::ZERO, 4, 1, 3);
        assert_eq!(signer.base_units(), 16 * u / 3);
        assert_eq!(miner.base_units(), 4 * u / 3);
        assert_eq!(signature(Amount::ZERO, 4, 1, 0).0, Amount::ZERO);
        assert_eq!(
            [1, 6, 7].map(|d| uncle_miner(Amount::ZERO, d).base_units()),
            [12 * u, 2 * u, 0]
        );
    }

    #[test]
    fn the_price_has_a_floor_and_follows_the_supply() {
        assert_eq!(kib_price(Amount::ZERO).base_units(), 1024);
        let supplies = [(1024 << 37) - 1, 1024 << 37, (1025 << 37) - 1, 1025 << 37];
        let prices = supplies.map(|supply| kib_price(Amount::from_base(supply)).base_units());
        assert_eq!(prices, [1024, 1024, 1024, 1025]);
        assert_eq!(
            kib_price(Amount::MAX).base_units(),
            Amount::MAX.base_units() >> 37
        );
    }

    #[test]
    fn sizes_become_units() {
        assert_eq!(
            [0, 1, 1024, 1025, 16 << 10].map(size_units),
            [0, 1, 1, 2, 16]
        );
        let classes: Vec<u64> = (0..=8).filter_map(SizeClass::new).map(burn_units).collect();
        assert_eq!(classes, [1, 1, 1, 2, 4, 8, 16, 32, 64]);
        assert_eq!(
            fee(3, Amount::from_base(1024)),
            Some(Amount::from_base(3072))
        );
        assert_eq!(fee(u64::MAX, Amount::from_base(1024)), None);
    }

    proptest! {
        #[test]
        fn the_worst_block_mints_less_than_three_emissions_and_stays_below_the_cap(
            supply in 0..=Amount::MAX.base_units(),
            depths in proptest::collection::vec(1u64..=6, 0..=2),
            seats in 0..=16u64,
            // Weights of the signers of each of the four open checkpoints.
            targets in proptest::collection::vec(
                proptest::collection::vec(1u64..1 << 30, 1..=64), 4,
            ),
        ) {
            let supply = Amount::from_base(supply);
            let uncles = depths.iter().map(|depth| uncle_miner(supply, *depth).base_units());
            let count = u64::try_from(depths.len()).expect("at most two");
            let signed = targets.iter().flat_map(|weights| {
                let total = weights.iter().sum();
                weights.iter().map(move |weight| {
                    let (signer, miner) = signature(supply, 4, *weight, total);
                    signer.base_units() + miner.base_units()
                })
            });
            let minted = miner(supply, count, seats).base_units()
                + voter(supply, seats).base_units()
                + payee(supply).base_units()
                + uncles.sum::<u64>()
                + signed.sum::<u64>();
            let emission = emission(supply).base_units();
            prop_assert!(minted < 3 * emission || minted == 0);
            prop_assert!(supply.base_units() + minted <= Amount::MAX.base_units());
        }

        #[test]
        fn more_supply_never_mints_more_or_costs_less(a: u64, b: u64) {
            let (less, more) = (Amount::from_base(a.min(b)), Amount::from_base(a.max(b)));
            prop_assert!(emission(less) >= emission(more));
            prop_assert!(kib_price(less) <= kib_price(more));
        }
    }
}
