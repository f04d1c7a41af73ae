//! How hard the next block is: targets, their stored form, the work they stand for, the retarget.
//!
//! # Invariants
//! * A [`Target`] lies within 2^160..2^256, so its work fits a `u128` with room for sums.
//! * Canonical [`CompactTarget`]s order like the targets they stand for; limits compare stored
//!   forms.
//! * From block to block the target changes by a factor within `[2^(-3T/HL), 2]`, up to the
//!   precision of the stored form.
//!
//! # Spec
//! docs/spec/02-blocks.md §5
//!
//! # Not here
//! Whether a header carries the right target: [`crate::header`]. Whether its hash meets it:
//! [`crate::pow`].

use std::fmt;

use chain::units::CompactTarget;
use genesis::{Params, Retarget, law};
use primitive_types::{U256, U512};

use crate::header::HeaderContext;

/// Lowest target of any network, 2^[`law::TARGET_MIN_BITS`], in its stored form.
pub const TARGET_MIN: CompactTarget = CompactTarget::new(0x1501_0000);

/// Bytes that the mantissa of a stored target takes.
const MANTISSA_BYTES: usize = 3;
/// Set in the top byte of a mantissa that would read as a negative number.
const SIGN_BIT: u8 = 0x80;

/// What a proof-of-work hash must not exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target(U256);

impl Target {
    /// Expands the stored form. Nothing if it is not canonical: sign bit, overflow, a mantissa
    /// with leading zeros; or if the target is below [`TARGET_MIN`].
    #[must_use]
    pub fn from_compact(compact: CompactTarget) -> Option<Self> {
        let [low, middle, high, size] = compact.get().to_le_bytes();
        let lowest = usize::from(size).checked_sub(MANTISSA_BYTES)?;
        let mut bytes = [0u8; 32];
        for (position, byte) in (lowest..).zip([low, middle, high]) {
            match bytes.get_mut(position) {
                Some(place) => *place = byte,
                None if byte == 0 => {}
                None => return None,
            }
        }
        let target = Self(U256::from_little_endian(&bytes));
        (target.to_compact() == compact && compact >= TARGET_MIN).then_some(target)
    }

    /// The stored form: the first 23 bits, the rest cut off.
    #[must_use]
    pub fn to_compact(self) -> CompactTarget {
        let bytes = self.0.to_little_endian();
        let size = self.0.bits().div_ceil(8);
        let below_top = |distance: usize| -> u8 {
            let position = size.checked_sub(distance);
            position
                .and_then(|position| bytes.get(position))
                .copied()
                .unwrap_or_default()
        };
        let (mantissa, size) = match [below_top(3), below_top(2), below_top(1)] {
            [_, middle, high] if high & SIGN_BIT != 0 => {
                ([middle, high, 0], size.saturating_add(1))
            }
            mantissa => (mantissa, size),
        };
        let [low, middle, high] = mantissa;
        let size = u8::try_from(size).expect("a 256-bit number has at most 32 bytes");
        CompactTarget::new(u32::from_le_bytes([low, middle, high, size]))
    }

    /// The number itself, 256 bits big-endian.
    #[must_use]
    pub fn to_be_bytes(self) -> [u8; 32] {
        self.0.to_big_endian()
    }

    /// Whether `hash`, read as a big-endian number, is at most the target.
    #[must_use]
    pub fn is_met_by(self, hash: &[u8; 32]) -> bool {
        U256::from_big_endian(hash) <= self.0
    }

    /// Hashes that meeting this target takes on average: `2^256 / (target + 1)`, rounded down.
    #[must_use]
    pub fn work(self) -> Work {
        let one = U256::one();
        let divisor = self
            .0
            .checked_add(one)
            .expect("a compact target is below 2^256 - 1");
        let quotient = (!self.0)
            .checked_div(divisor)
            .expect("the divisor is at least one");
        let work = quotient
            .checked_add(one)
            .expect("the quotient is below 2^96");
        Work(u128::try_from(work).expect("a target of at least 2^160 stands for less than 2^96"))
    }
}

/// Number of hashes that something took on average.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Work(u128);

impl Work {
    /// No work.
    pub const ZERO: Self = Self(0);

    /// From a number of hashes.
    #[must_use]
    pub const fn new(hashes: u128) -> Self {
        Self(hashes)
    }

    /// Number of hashes.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }

    /// The sum, or nothing on overflow.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The target that the child of `context`'s parent must carry.
#[must_use]
pub fn next_target(context: &HeaderContext, params: &Params) -> CompactTarget {
    match (params.retarget, context.pace()) {
        (
            Retarget::Asert {
                solution_ms,
                half_life_ms,
            },
            Some(pace),
        ) => {
            let target = asert(context.parent_target(), pace, solution_ms, half_life_ms);
            target.max(TARGET_MIN).min(params.target_max)
        }
        // > "target(1) = target(2) = start target": there is no interval to measure yet.
        (Retarget::Asert { .. }, None) | (Retarget::Constant, _) => params.target_start,
    }
}

/// What the retarget measures: how the parent followed the grandparent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Milliseconds between them.
    pub(crate) elapsed_ms: u64,
    /// Solutions in between: the parent and the uncles it included.
    pub(crate) solutions: u64,
}

/// Relative ASERT: `target * 2^((elapsed - T * solutions) / HL)` in fixed point with 16 fractional
/// bits, in the stored form, not yet clamped.
fn asert(target: Target, pace: Pace, solution_ms: u64, half_life_ms: u64) -> CompactTarget {
    // > "the chain forgets a stall instead of mining it off"
    let elapsed_ms = i128::from(pace.elapsed_ms.min(half_life_ms));
    let due_ms = i128::from(solution_ms).saturating_mul(i128::from(pace.solutions));
    let lag = elapsed_ms.saturating_sub(due_ms).saturating_mul(FIXED_ONE);
    let exponent = lag
        .checked_div(i128::from(half_life_ms))
        .unwrap_or_default()
        // Holds already for every checked parent: one to three solutions, and 3T < HL.
        .clamp(FIXED_ONE.saturating_neg(), FIXED_ONE.saturating_sub(1));
    let fraction = exponent.rem_euclid(FIXED_ONE);
    // exponent = n + fraction / 2^16 with n = -1 or 0; the factor carries 16 fractional bits.
    let shift_bits: u32 = if exponent < 0 { 17 } else { 16 };
    let factor = power_of_two(u64::try_from(fraction).expect("a remainder is not negative"));
    let product = U512::from(target.0)
        .checked_mul(U512::from(factor))
        .expect("256 bits times 17 bits fit 512");
    let scaled = product
        .checked_div(U512::from(1u64.checked_shl(shift_bits).unwrap_or(1)))
        .expect("a power of two is not zero");
    // Twice a target may need 257 bits; that is above every target_max.
    let scaled = U256::try_from(scaled).unwrap_or(U256::MAX);
    Target(scaled).to_compact()
}

/// One, in fixed point with 16 fractional bits.
const FIXED_ONE: i128 = 1 << 16;

/// `2^(fraction / 2^16)` in fixed point with 16 fractional bits, by a cubic that is exact at both
/// ends and off by less than 0.013 % between.
fn power_of_two(fraction: u64) -> u64 {
    const LINEAR: u64 = 195_766_423_245_049;
    const SQUARE: u64 = 971_821_376;
    const CUBE: u64 = 5_127;
    const HALF: u64 = 1 << 47;
    const ONE: u64 = 1 << 16;
    let polynomial = || {
        let square = fraction.checked_mul(fraction)?;
        let cube = square.checked_mul(fraction)?;
        LINEAR
            .checked_mul(fraction)?
            .checked_add(SQUARE.checked_mul(square)?)?
            .checked_add(CUBE.checked_mul(cube)?)?
            .checked_add(HALF)
    };
    let sum = polynomial().expect("the sum stays below 2^64 for fractions below 2^16");
    ONE.saturating_add(sum.checked_shr(48).unwrap_or_default())
}

// TARGET_MIN is written out; this ties it to the law: 2^160 has 21 bytes, the top one 0x01.
const _: () = assert!(law::TARGET_MIN_BITS == 160);

#[cfg(test)]
mod tests;
