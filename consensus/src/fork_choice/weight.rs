//! What one block adds to its branch.
//!
//! # Invariants
//! [`weight`] is the only place where work and votes meet.
//!
//! # Spec
//! docs/spec/12-fork-choice.md §2
//!
//! # Not here
//! Work of a target: [`crate::difficulty`].

use std::fmt;

use crate::difficulty::Work;

/// Summed weight of a branch, counted from the root of the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score(u128);

impl Score {
    /// The root's.
    pub const ZERO: Self = Self(0);

    /// The number.
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

    /// The difference, or nothing below zero.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// Adds work that no vote multiplies: an uncle's.
    #[must_use]
    pub const fn checked_add_work(self, work: Work) -> Option<Self> {
        self.checked_add(Self(work.get()))
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `work << min(votes_seen, level)`, or nothing on overflow.
#[must_use]
pub fn weight(work: Work, votes_seen: u32, level: u32) -> Option<Score> {
    let factor = 1u128.checked_shl(votes_seen.min(level))?;
    work.get().checked_mul(factor).map(Score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_double_the_work_up_to_the_level() {
        let work = Work::new(5);
        let weights = |level| [0, 1, 3, 8].map(|votes| weight(work, votes, level).map(Score::get));
        assert_eq!(weights(0), [Some(5); 4]);
        assert_eq!(weights(3), [5, 10, 40, 40].map(Some));
        assert_eq!(weights(8), [5, 10, 40, 1280].map(Some));
    }

    #[test]
    fn a_weight_beyond_128_bits_is_no_weight() {
        let heaviest = Work::new(u128::MAX);
        assert_eq!(weight(heaviest, 0, 0).map(Score::get), Some(u128::MAX));
        assert_eq!(weight(heaviest, 1, 1), None);
        assert_eq!(weight(Work::new(1), 128, 128), None);
        assert_eq!(Score(u128::MAX).checked_add_work(Work::new(1)), None);
    }
}
