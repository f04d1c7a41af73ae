//! How far our clock is from that of those who find blocks.
//!
//! # Invariants
//! * Only blocks that are announced count, as they come: history says nothing about clocks.
//! * A block is old for two reasons, a clock that runs ahead here or a long search there; so ours is
//!   ahead by no more than the youngest of the newest blocks seemed old, and nobody can feign that.
//! * Blocks from the future prove nothing: who finds some and stamps them ahead makes the others
//!   follow, since time moves forward. A clock that is behind is worth a warning and stops nothing.
//!
//! # Spec
//! docs/spec/17-stake.md §4
//!
//! # Not here
//! What a clock that is off stops: [`super::confirm`], [`super::template`].

use std::collections::VecDeque;

use chain::Timestamp;

use super::Node;
use crate::ledger::Ledger;
use crate::voter::CLOCK_OFF_MS;

/// A clock that is off by as much is said in the log.
const WARNED_MS: u64 = 3_000;

/// Blocks that are looked at: a minute on main.
const BLOCKS: usize = 31;
/// Of them in order of age, the last that has to come from the future.
const EARLY: usize = 24;

/// Ages of the newest announced blocks when they came (ms); below zero for those from the future.
#[derive(Clone, Debug, Default)]
pub(super) struct Ages(VecDeque<i64>);

impl Ages {
    /// A block of this time was announced.
    pub(super) fn note(&mut self, time: Timestamp, now: Timestamp) {
        if self.0.len() >= BLOCKS {
            self.0.pop_front();
        }
        let now = i64::try_from(now.get()).unwrap_or(i64::MAX);
        let time = i64::try_from(time.get()).unwrap_or(i64::MAX);
        self.0.push_back(now.saturating_sub(time));
    }

    /// What blocks show of a clock that is off by so much.
    #[cfg(test)]
    pub(super) fn of(offset_ms: i64) -> Self {
        Self(VecDeque::from([offset_ms; BLOCKS]))
    }

    /// How far our clock is ahead (ms), behind if negative; nothing is known before enough blocks
    /// came.
    pub(super) fn offset_ms(&self) -> i64 {
        if self.0.len() < BLOCKS {
            return 0;
        }
        let mut sorted: Vec<i64> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let youngest = sorted.first().copied().unwrap_or_default();
        let early = sorted.get(EARLY).copied().unwrap_or_default();
        if youngest > 0 { youngest } else { early.min(0) }
    }
}

impl<L: Ledger> Node<L> {
    /// A block of this time is new to us and was announced.
    pub(super) fn note_age(&mut self, time: Timestamp, now: Timestamp) {
        let was_off = self.clock_off_ms().is_some();
        let before = self.ages.offset_ms().unsigned_abs();
        self.ages.note(time, now);
        let offset_ms = self.ages.offset_ms();
        if !was_off && self.clock_off_ms().is_some() {
            tracing::error!(
                offset_ms,
                "the clock is ahead: no votes and no mining until it is set"
            );
        } else if before < WARNED_MS && offset_ms.unsigned_abs() >= WARNED_MS {
            tracing::warn!(
                offset_ms,
                "the clock differs from that of those who find blocks"
            );
        }
    }

    /// How far our clock is ahead, if that is too far to mine and to vote.
    pub(super) fn clock_off_ms(&self) -> Option<i64> {
        let limit_ms = i64::try_from(CLOCK_OFF_MS).unwrap_or(i64::MAX);
        let offset_ms = self.ages.offset_ms();
        (offset_ms >= limit_ms).then_some(offset_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset_of(ages_ms: &[i64]) -> i64 {
        let now = Timestamp::new(1_000_000);
        let mut ages = Ages::default();
        for age_ms in ages_ms {
            let time = now.get().checked_add_signed(-age_ms).expect("in range");
            ages.note(Timestamp::new(time), now);
        }
        ages.offset_ms()
    }

    #[test]
    fn blocks_of_right_clocks_show_no_offset_however_long_the_search_was() {
        assert_eq!(offset_of(&[9_000; BLOCKS - 1]), 0, "too few");
        let mut searches = [9_000; BLOCKS];
        searches[7] = 300;
        assert_eq!(offset_of(&searches), 300);
    }

    #[test]
    fn a_clock_ahead_makes_all_blocks_old_and_one_behind_makes_most_of_them_come_early() {
        let ahead = [9_500; BLOCKS];
        assert_eq!(offset_of(&ahead), 9_500);
        // The newest blocks alone count.
        let mended: Vec<i64> = ahead.into_iter().chain([200; BLOCKS]).collect();
        assert_eq!(offset_of(&mended), 200);
        let mut behind = [-8_500; BLOCKS];
        behind[..6].fill(20_000);
        assert_eq!(offset_of(&behind), -8_500);
        // Most of them have to.
        behind[..7].fill(400);
        assert_eq!(offset_of(&behind), 0);
    }
}
