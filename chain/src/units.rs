//! Numbers with a meaning: heights, amounts, times and the indexes of things in the state.
//!
//! # Invariants
//! * Arithmetic is checked; nothing here wraps or panics.
//! * An [`Amount`] that came through [`Amount::checked_add`] is at most [`Amount::MAX`].
//!
//! # Spec
//! docs/spec/01-encoding.md §4
//!
//! # Not here
//! The monetary law (`consensus::reward`), the value of a network's constants (`genesis`).

use std::fmt;

use crate::codec::{SchemaRead, SchemaWrite};

/// Declares an integer with a meaning.
macro_rules! number {
    ($($(#[$doc:meta])* $name:ident($raw:ty);)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite,
        )]
        #[repr(transparent)]
        pub struct $name($raw);

        impl $name {
            /// From the raw number.
            #[must_use]
            pub const fn new(raw: $raw) -> Self {
                Self(raw)
            }

            /// The raw number.
            #[must_use]
            pub const fn get(self) -> $raw {
                self.0
            }

            /// `self + count`, or nothing on overflow.
            #[must_use]
            pub const fn checked_add(self, count: $raw) -> Option<Self> {
                match self.0.checked_add(count) {
                    Some(raw) => Some(Self(raw)),
                    None => None,
                }
            }

            /// `self - count`, or nothing below zero.
            #[must_use]
            pub const fn checked_sub(self, count: $raw) -> Option<Self> {
                match self.0.checked_sub(count) {
                    Some(raw) => Some(Self(raw)),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

number! {
    /// Position of a block in its chain; genesis is 0.
    Height(u64);
    /// Milliseconds since 1970-01-01 00:00 UTC.
    Timestamp(u64);
    /// The stored form of a proof-of-work target: Bitcoin's nBits (exponent byte, 23-bit mantissa).
    CompactTarget(u32);
    /// `height / rate_epoch_blocks`: the period that prices, roots and message limits hold for.
    RateEpoch(u32);
    /// `height / term_blocks`: the period that committees, rosters and the body limit hold for.
    Term(u32);
    /// Number of a finality checkpoint: the block at height `E * number`.
    CheckpointNumber(u32);
    /// Index of a bond in the state.
    BondId(u32);
    /// Index of a masternode in the state.
    MasternodeId(u32);
}

impl Height {
    /// The next height, or nothing at the end of time.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

/// Coins in base units; 1 X3C is [`Amount::COIN`] of them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite,
)]
#[repr(transparent)]
pub struct Amount(u64);

impl Amount {
    /// Base units in one X3C.
    pub const COIN: u64 = 100_000_000;
    /// No coins.
    pub const ZERO: Self = Self(0);
    /// The cap C of the supply: 100 million X3C.
    pub const MAX: Self = Self(100_000_000 * Self::COIN);

    /// From base units. Any number is representable; rules bound it (`consensus`).
    #[must_use]
    pub const fn from_base(base_units: u64) -> Self {
        Self(base_units)
    }

    /// From whole coins, or nothing above the cap.
    #[must_use]
    pub const fn from_x3c(coins: u64) -> Option<Self> {
        match coins.checked_mul(Self::COIN) {
            Some(base_units) if base_units <= Self::MAX.0 => Some(Self(base_units)),
            _ => None,
        }
    }

    /// Base units.
    #[must_use]
    pub const fn base_units(self) -> u64 {
        self.0
    }

    /// The sum, or nothing above the cap.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) if sum <= Self::MAX.0 => Some(Self(sum)),
            _ => None,
        }
    }

    /// The difference, or nothing below zero.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// The product, or nothing above the cap.
    #[must_use]
    pub const fn checked_mul(self, factor: u64) -> Option<Self> {
        match self.0.checked_mul(factor) {
            Some(product) if product <= Self::MAX.0 => Some(Self(product)),
            _ => None,
        }
    }
}

/// Decimal X3C with as many digits as needed: `1.5`, `0.00000001`, `3`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (coins, rest) = match (
            self.0.checked_div(Self::COIN),
            self.0.checked_rem(Self::COIN),
        ) {
            (Some(coins), Some(rest)) => (coins, rest),
            _ => return Err(fmt::Error),
        };
        if rest == 0 {
            return write!(f, "{coins}");
        }
        let digits = format!("{rest:08}");
        write!(f, "{coins}.{}", digits.trim_end_matches('0'))
    }
}

/// Why a text is not an amount of X3C.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an amount of X3C: at most 8 decimals, at most 100000000, no sign, no exponent")]
pub struct AmountParseError;

impl std::str::FromStr for Amount {
    type Err = AmountParseError;

    fn from_str(text: &str) -> Result<Self, AmountParseError> {
        let (coins, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let dangling_point = text.ends_with('.');
        if coins.is_empty() || dangling_point || decimals.len() > 8 {
            return Err(AmountParseError);
        }
        if !digits_only(coins) || !digits_only(decimals) {
            return Err(AmountParseError);
        }
        let whole = coins
            .parse()
            .ok()
            .and_then(Self::from_x3c)
            .ok_or(AmountParseError)?;
        let rest: u64 = format!("{decimals:0<8}")
            .parse()
            .map_err(|_| AmountParseError)?;
        whole.checked_add(Self(rest)).ok_or(AmountParseError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_stop_at_the_cap_and_at_zero() {
        assert_eq!(Amount::MAX.checked_add(Amount::from_base(1)), None);
        assert_eq!(Amount::ZERO.checked_sub(Amount::from_base(1)), None);
        assert_eq!(Amount::from_x3c(100_000_000), Some(Amount::MAX));
        assert_eq!(Amount::from_x3c(100_000_001), None);
        assert_eq!(Amount::from_base(u64::MAX).checked_mul(2), None);
    }

    #[test]
    fn amounts_are_written_and_read_as_decimals() {
        for (text, base_units) in [
            ("0", 0),
            ("1.5", 150_000_000),
            ("0.00000001", 1),
            ("100000000", 10_000_000_000_000_000),
        ] {
            let amount: Amount = text.parse().expect("a valid amount");
            assert_eq!(amount.base_units(), base_units);
            assert_eq!(amount.to_string(), text);
        }
        for text in [
            "",
            ".5",
            "1.",
            "-1",
            "+1",
            "1e3",
            "1.123456789",
            "100000000.00000001",
            "1,5",
        ] {
            assert_eq!(text.parse::<Amount>(), Err(AmountParseError), "{text}");
        }
    }

    #[test]
    fn heights_do_not_wrap() {
        assert_eq!(Height::new(u64::MAX).next(), None);
        assert_eq!(Height::new(0).checked_sub(1), None);
        assert_eq!(Height::new(4).next(), Some(Height::new(5)));
    }
}
