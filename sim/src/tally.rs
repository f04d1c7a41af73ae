//! What a run comes to, in figures.
//!
//! # Invariants
//! Figures are counted, never estimated; a quantile is one of the samples.
//!
//! # Spec
//! docs/consensus-figures.md
//!
//! # Not here
//! What must hold: [`crate::invariant`].

use std::collections::BTreeMap;
use std::fmt;

use crate::fault::FaultCounts;
use crate::ledger::{Side, Step};

/// Figures of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Virtual time in which blocks were found.
    pub duration_ms: u64,
    /// Solutions.
    pub found: u64,
    /// Those on the best chain at the end.
    pub on_chain: u64,
    /// Those that the best chain includes as uncles.
    pub uncles: u64,
    /// Virtual time from the first to the last block of the best chain.
    pub chain_ms: u64,
    /// Reorgs of honest hosts by their depth.
    pub reorgs: BTreeMap<u64, u64>,
    /// Moves of the tips of honest hosts.
    pub tip_moves: u64,
    /// Time from finding a block to its being the tip of another honest host, where it became that.
    pub propagation_ms: Vec<u64>,
    /// Time from handing in to the block on the best chain.
    pub in_block_ms: Vec<u64>,
    /// Items that no block of the best chain has.
    pub not_in_block: u64,
    /// Envelopes made.
    pub messages_made: u64,
    /// Transfers handed in, repetitions included.
    pub transfers_made: u64,
    /// Messages lost on links.
    pub lost_messages: u64,
    /// Questions without an answer.
    pub unanswered: u64,
    /// Points that honest hosts gave honest peers for gossip and answers.
    pub race_points: u64,
    /// What for.
    pub point_causes: Vec<String>,
    /// Faults that happened.
    pub faults: FaultCounts,
    /// Crashes by the step they came at.
    pub crashes: BTreeMap<(Step, Side), u64>,
    /// Starts after a crash or a kill.
    pub restarts: u64,
    /// Steps that were not durable and were lost.
    pub steps_lost: u64,
    /// Looks at the invariants.
    pub checks: u64,
}

impl Tally {
    /// A tip moved, after going back so many blocks.
    pub fn reorg(&mut self, depth: u64) {
        self.tip_moves += 1;
        if depth > 0 {
            *self.reorgs.entry(depth).or_default() += 1;
        }
    }

    /// Solutions that are not on the best chain, in percent of all.
    #[must_use]
    pub fn orphans_percent(&self) -> f64 {
        percent(self.found.saturating_sub(self.on_chain), self.found)
    }

    /// Reorgs two blocks deep or more, in percent of tip moves.
    #[must_use]
    pub fn deep_reorgs_percent(&self) -> f64 {
        let deep = self.reorgs.range(2..).map(|(_, count)| count).sum();
        percent(deep, self.tip_moves)
    }

    /// Mean time between blocks of the best chain (ms).
    #[must_use]
    pub fn interval_ms(&self) -> f64 {
        self.chain_ms as f64 / self.on_chain.saturating_sub(1).max(1) as f64
    }

    /// Sorts the samples, so that quantiles can be read.
    pub fn close(&mut self) {
        self.propagation_ms.sort_unstable();
        self.in_block_ms.sort_unstable();
    }

    /// Adds the figures of another run.
    pub fn add_all(&mut self, other: &Self) {
        self.duration_ms += other.duration_ms;
        self.found += other.found;
        self.on_chain += other.on_chain;
        self.uncles += other.uncles;
        self.chain_ms += other.chain_ms;
        for (depth, count) in &other.reorgs {
            *self.reorgs.entry(*depth).or_default() += count;
        }
        self.tip_moves += other.tip_moves;
        self.propagation_ms.extend_from_slice(&other.propagation_ms);
        self.in_block_ms.extend_from_slice(&other.in_block_ms);
        self.not_in_block += other.not_in_block;
        self.messages_made += other.messages_made;
        self.transfers_made += other.transfers_made;
        self.lost_messages += other.lost_messages;
        self.unanswered += other.unanswered;
        self.race_points += other.race_points;
        self.point_causes.extend_from_slice(&other.point_causes);
        self.faults.add_all(&other.faults);
        for (place, count) in &other.crashes {
            *self.crashes.entry(*place).or_default() += count;
        }
        self.restarts += other.restarts;
        self.steps_lost += other.steps_lost;
        self.checks += other.checks;
        self.close();
    }
}

/// The sample that so many percent of the sorted samples do not exceed; zero if there is none.
#[must_use]
pub fn quantile(sorted: &[u64], percent: usize) -> u64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.2} h, {} blocks, {} on the chain every {:.2} s, orphans {:.2} % ({} uncles), \
             reorgs >= 2 deep {:.3} %, restarts {} (lost {} steps), items in block {} \
             (p50 {:.1} s, p95 {:.1} s; {} not), unanswered {}, points in races {}; faults: {}",
            self.duration_ms as f64 / 3_600_000.0,
            self.found,
            self.on_chain,
            self.interval_ms() / 1_000.0,
            self.orphans_percent(),
            self.uncles,
            self.deep_reorgs_percent(),
            self.restarts,
            self.steps_lost,
            self.in_block_ms.len(),
            quantile(&self.in_block_ms, 50) as f64 / 1_000.0,
            quantile(&self.in_block_ms, 95) as f64 / 1_000.0,
            self.not_in_block,
            self.unanswered,
            self.race_points,
            self.faults,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let sorted: Vec<u64> = (1..=100).collect();
        assert_eq!(quantile(&sorted, 50), 51);
        assert_eq!(quantile(&sorted, 95), 96);
        assert_eq!(quantile(&sorted, 100), 100);
        assert_eq!(quantile(&[], 50), 0);
    }

    #[test]
    fn rates_count_what_is_not_on_the_chain() {
        let mut tally = Tally {
            found: 10,
            on_chain: 9,
            chain_ms: 16_000,
            ..Tally::default()
        };
        for depth in [0, 0, 1, 2] {
            tally.reorg(depth);
        }
        assert_eq!(tally.orphans_percent(), 10.0);
        assert_eq!(tally.deep_reorgs_percent(), 25.0);
        assert_eq!(tally.interval_ms(), 2_000.0);
        let single = tally.clone();
        tally.add_all(&single);
        assert_eq!(tally.deep_reorgs_percent(), 25.0);
        assert_eq!(tally.found, 20);
    }
}
