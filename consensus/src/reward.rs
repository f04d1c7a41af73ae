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

/// What the miner of a block earns besides tips: 24 units, and one for each uncle it included.
#[must_use]
pub const fn miner(supply: Amount, uncles: u64) -> Amount {
    let units = law::MINER_UNITS.saturating_add(law::NEPHEW_UNITS.saturating_mul(uncles));
    Amount::from_base(unit(supply).base_units().saturating_mul(units))
}

/// What the miner of an uncle of this depth earns: `(14 - 2 d) u`.
#[must_use]
pub const fn uncle_miner(supply: Amount, depth_blocks: u64) -> Amount {
    let units = law::UNCLE_UNITS_BASE.saturating_sub(depth_blocks.saturating_mul(2));
    Amount::from_base(unit(supply).base_units().saturating_mul(units))
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
            assert_eq!(miner(supply, 2), Amount::ZERO);
            assert_eq!(uncle_miner(supply, 1), Amount::ZERO);
        }
    }

    #[test]
    fn the_parts_of_a_block_are_whole_units() {
        let u = 149_011_611 >> 6;
        assert_eq!(unit(Amount::ZERO).base_units(), u);
        assert_eq!(miner(Amount::ZERO, 0).base_units(), 24 * u);
        assert_eq!(miner(Amount::ZERO, 2).base_units(), 26 * u);
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
        fn a_block_mints_less_than_three_emissions_and_stays_below_the_cap(
            supply in 0..=Amount::MAX.base_units(), depths in proptest::collection::vec(1u64..=6, 0..=2),
        ) {
            let supply = Amount::from_base(supply);
            let uncles = depths.iter().map(|depth| uncle_miner(supply, *depth).base_units());
            let count = u64::try_from(depths.len()).expect("at most two");
            let minted = miner(supply, count).base_units() + uncles.sum::<u64>();
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
