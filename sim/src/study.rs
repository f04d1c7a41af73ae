//! The figures of the design, measured on the real difficulty, nodes and fork choice.
//!
//! # Invariants
//! What is printed was counted in this run; nothing is fitted or taken from elsewhere.
//!
//! # Spec
//! docs/consensus-figures.md
//!
//! # Not here
//! Figures that need stake and finality.

mod course;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::Outcome;
use crate::rules;
use crate::scenario::{self, Size};
use crate::tally::quantile;

/// Hosts of a network whose links have the latency of a larger one from end to end.
const HOSTS: usize = 8;
/// Solution times of the design's comparison (ms).
const SOLUTION_TIMES_MS: [u64; 4] = [1_500, 2_000, 3_000, 5_000];
/// A message is used this often (ms).
const USE_EVERY_MS: u64 = 5_000;
/// "Within five seconds".
const SOON_MS: u64 = 5_000;

/// All figures, as Markdown.
#[must_use]
pub fn figures(seed: u64, duration_ms: u64) -> String {
    let mut text = format!("Seed {seed}.\n\n### Difficulty\n\n");
    text += &course::figures(seed);
    text += &format!(
        "\n### Interval and orphans ({HOSTS} hosts, {:.1} h each)\n\n",
        duration_ms as f64 / 3_600_000.0
    );
    text += "| T | solutions | main interval | orphans | of them uncles | reorgs >= 2 deep \
             | in block p50 / p95, <= 5 s | propagation p50 / p95 / max |\n\
             |---|---|---|---|---|---|---|---|\n";
    let rows: Vec<String> = SOLUTION_TIMES_MS
        .into_par_iter()
        .map(|solution_ms| row(solution_ms, &run(seed, solution_ms, duration_ms)))
        .collect();
    text + &rows.concat()
}

fn run(seed: u64, solution_ms: u64, duration_ms: u64) -> Outcome {
    let size = Size {
        seed,
        hosts: HOSTS,
        duration_ms,
    };
    let mut plan = scenario::plan("end_to_end", size).expect("a scenario of this name");
    plan.params = rules::params(solution_ms);
    plan.use_every_ms = USE_EVERY_MS;
    plan.blocks_per_ten_minutes_min = 0;
    crate::simulate(plan)
}

fn row(solution_ms: u64, outcome: &Outcome) -> String {
    let tally = &outcome.tally;
    let seconds = |ms: u64| ms as f64 / 1_000.0;
    let soon = tally.in_block_ms.partition_point(|ms| *ms <= SOON_MS);
    let orphans = tally.found.saturating_sub(tally.on_chain);
    let mut row = format!(
        "| {:.1} s | {} | {:.2} s | {:.2} % | {:.1} % | {:.3} % | {:.2} / {:.1} s, {:.0} % \
         | {} / {} / {} ms |\n",
        seconds(solution_ms),
        tally.found,
        tally.interval_ms() / 1_000.0,
        tally.orphans_percent(),
        100.0 * tally.uncles as f64 / orphans.max(1) as f64,
        tally.deep_reorgs_percent(),
        seconds(quantile(&tally.in_block_ms, 50)),
        seconds(quantile(&tally.in_block_ms, 95)),
        100.0 * soon as f64 / tally.in_block_ms.len().max(1) as f64,
        quantile(&tally.propagation_ms, 50),
        quantile(&tally.propagation_ms, 95),
        quantile(&tally.propagation_ms, 100),
    );
    if let Some(failure) = &outcome.failure {
        row += &format!("| broken | {failure} | | | | | | |\n");
    }
    row
}
