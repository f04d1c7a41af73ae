//! The course of the difficulty on a single chain: main's own numbers, drawn times, no blocks.
//!
//! # Invariants
//! Targets come from `consensus::header`; headers are linked as it demands, and not solved, since
//! nothing here asks for their hashes.
//!
//! # Spec
//! docs/spec/02-blocks.md §5
//!
//! # Not here
//! Latency and forks: the whole simulation.

use chain::{Header, Network, Timestamp};
use consensus::HeaderContext;
use consensus::difficulty::Target;
use genesis::Params;

use crate::chance::Chance;
use crate::rules::{self, HALF_LIFE_MS, SOLUTION_MS};

/// Blocks until the start does not matter any more.
const WARM_UP_BLOCKS: usize = 5_000;
/// Blocks over which noise is measured.
const NOISE_BLOCKS: usize = 400_000;
/// Repetitions of a step; the middle one counts.
const STEPS: u64 = 201;
/// Blocks after which a step must be over.
const STEP_BLOCKS_MAX: usize = 20_000;
const HOUR_MS: f64 = 3_600_000.0;

/// A chain of headers under a hash power that changes.
struct Course {
    params: Params,
    chance: Chance,
    parent: Header,
    context: HeaderContext,
    /// Hashes per millisecond that make a solution each T at the start.
    power: f64,
    now_ms: f64,
}

impl Course {
    fn new(seed: u64) -> Self {
        let params = Params::of(Network::Main);
        let genesis = params.genesis().header;
        let context = HeaderContext::new(genesis, None).expect("genesis is well formed");
        let start = Target::from_compact(params.target_start).expect("canonical");
        Self {
            chance: Chance::new(seed),
            parent: genesis,
            context,
            power: rules::hashes(start) / SOLUTION_MS as f64,
            now_ms: 0.0,
            params,
        }
    }

    /// Hashes that the next solution takes on average.
    fn hashes(&self) -> f64 {
        let target = Target::from_compact(self.context.next_target(&self.params));
        rules::hashes(target.expect("a computed target is canonical"))
    }

    /// Time that the next solution takes on average at the first power, in solution times.
    fn spacing(&self) -> f64 {
        self.hashes() / self.power / SOLUTION_MS as f64
    }

    /// A block at `factor` times the first power; returns how long it took (ms).
    fn solve(&mut self, factor: f64, stamp_ahead_ms: f64) -> f64 {
        let wait_ms = self.chance.exponential() * self.hashes() / (self.power * factor);
        self.pass(wait_ms, stamp_ahead_ms);
        wait_ms
    }

    /// A block after so much time.
    fn pass(&mut self, wait_ms: f64, stamp_ahead_ms: f64) {
        self.now_ms += wait_ms;
        let stamp_ms = (self.now_ms + stamp_ahead_ms) as u64 + self.params.genesis_time.get();
        let earliest = self.parent.time.get() + 1;
        let header = Header {
            height: self.parent.height.next().expect("a short chain"),
            parent: *self.context.parent_id(),
            time: Timestamp::new(stamp_ms.max(earliest)),
            target: self.context.next_target(&self.params),
            pow_count: self.parent.pow_count + 1,
            ..self.parent
        };
        let context = HeaderContext::new(header, Some(self.parent));
        self.context = context.expect("it follows its parent");
        self.parent = header;
    }

    fn warm_up(&mut self) {
        for _ in 0..WARM_UP_BLOCKS {
            self.solve(1.0, 0.0);
        }
    }
}

/// The figures, as a Markdown table.
pub(super) fn figures(seed: u64) -> String {
    let noise = noise(seed);
    let mut text = "| what | measured |\n|---|---|\n".to_owned();
    text += &format!(
        "| constant hash power, {NOISE_BLOCKS} blocks: mean spacing; standard deviation of the \
         difficulty | {:.3} s; {:.2} % |\n",
        noise.0, noise.1
    );
    for percent in [50.0, 35.0, 25.0, 10.0] {
        let (time_ms, blocks) = after_a_step(seed, 10.0, 0.0, percent);
        text += &format!(
            "| hash power x 10: until the next block is due within {percent} % of T (median of \
             {STEPS}) | {:.0} s, {blocks} blocks |\n",
            time_ms / 1_000.0
        );
    }
    for hours in [12.0, 24.0] {
        for percent in [25.0, 10.0, 5.0] {
            let (time_ms, blocks) = after_a_step(seed, 1.0, hours * HOUR_MS, percent);
            text += &format!(
                "| stall of {hours} h: until the next block is due within {percent} % of T \
                 (median of {STEPS}) | {:.0} s, {blocks} blocks |\n",
                time_ms / 1_000.0
            );
        }
    }
    let (mean, worst, advantage) = hopper(seed);
    text += &format!(
        "| hopper of 4 x the honest power (comes below 1.15, leaves above 1.5 of their \
         difficulty): mean spacing; longest ten minutes' mean; blocks per hash against theirs \
         | {mean:.3} s; {worst:.2} s; {advantage:.3} |\n"
    );
    text += &format!(
        "| 40 % of blocks stamped 10 s ahead: mean spacing | {:.3} s |\n",
        timewarp(seed)
    );
    text
}

/// Mean spacing (s), and standard deviation of the difficulty (percent of its mean).
fn noise(seed: u64) -> (f64, f64) {
    let mut course = Course::new(seed);
    course.warm_up();
    let start_ms = course.now_ms;
    let (mut sum, mut squares) = (0.0, 0.0);
    for _ in 0..NOISE_BLOCKS {
        let spacing = course.spacing();
        sum += spacing;
        squares += spacing * spacing;
        course.solve(1.0, 0.0);
    }
    let count = NOISE_BLOCKS as f64;
    let mean = sum / count;
    let deviation = (squares / count - mean * mean).max(0.0).sqrt();
    let spacing_ms = (course.now_ms - start_ms) / count;
    (spacing_ms / 1_000.0, 100.0 * deviation / mean)
}

/// Time (ms) and blocks until the next block is due within so many percent of T, after a stall and
/// a change of the hash power; the median of all repetitions.
fn after_a_step(seed: u64, factor: f64, stall_ms: f64, percent: f64) -> (f64, usize) {
    let mut results: Vec<(f64, usize)> = (0..STEPS)
        .map(|number| one_step(seed ^ (number << 32), factor, stall_ms, percent))
        .collect();
    results.sort_by(|one, other| one.0.total_cmp(&other.0));
    results[results.len() / 2]
}

fn one_step(seed: u64, factor: f64, stall_ms: f64, percent: f64) -> (f64, usize) {
    let mut course = Course::new(seed);
    course.warm_up();
    if stall_ms > 0.0 {
        course.pass(stall_ms, 0.0);
    }
    let start_ms = course.now_ms;
    for blocks in 0..STEP_BLOCKS_MAX {
        let due = course.spacing() / factor;
        if 100.0 * (due - 1.0).abs() <= percent {
            return (course.now_ms - start_ms, blocks);
        }
        course.solve(factor, 0.0);
    }
    (f64::INFINITY, STEP_BLOCKS_MAX)
}

/// Mean spacing (s), the longest mean of ten minutes (s), and the hopper's blocks per hash against
/// those of the others.
fn hopper(seed: u64) -> (f64, f64, f64) {
    let mut course = Course::new(seed);
    course.warm_up();
    let (mut is_here, mut worst) = (false, 0.0f64);
    let (start_ms, mut window_ms, mut window_blocks) = (course.now_ms, 0.0, 0.0);
    // Hashes and blocks of the hopper and of the others.
    let mut work = [(0.0, 0.0); 2];
    for _ in 0..NOISE_BLOCKS {
        let spacing = course.spacing();
        is_here = if is_here {
            spacing <= 1.5
        } else {
            spacing < 1.15
        };
        let factor = if is_here { 5.0 } else { 1.0 };
        let wait_ms = course.solve(factor, 0.0);
        let of_hopper = if is_here { 0.8 } else { 0.0 };
        work[0].0 += wait_ms * course.power * (factor - 1.0);
        work[0].1 += of_hopper;
        work[1].0 += wait_ms * course.power;
        work[1].1 += 1.0 - of_hopper;
        window_ms += wait_ms;
        window_blocks += 1.0;
        if window_ms >= 2.0 * HALF_LIFE_MS as f64 {
            worst = worst.max(window_ms / window_blocks);
            (window_ms, window_blocks) = (0.0, 0.0);
        }
    }
    let mean_ms = (course.now_ms - start_ms) / NOISE_BLOCKS as f64;
    let per_hash = work.map(|(hashes, blocks)| blocks / f64::max(hashes, 1.0));
    (
        mean_ms / 1_000.0,
        worst / 1_000.0,
        per_hash[0] / per_hash[1],
    )
}

/// Mean spacing (s) if two of five blocks are stamped ahead as far as others accept.
fn timewarp(seed: u64) -> f64 {
    let mut course = Course::new(seed);
    course.warm_up();
    let ahead_ms = course.params.future_limit_ms as f64;
    let start_ms = course.now_ms;
    for _ in 0..NOISE_BLOCKS {
        let ahead_ms = if course.chance.happens(400) {
            ahead_ms
        } else {
            0.0
        };
        course.solve(1.0, ahead_ms);
    }
    (course.now_ms - start_ms) / NOISE_BLOCKS as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_forgotten_within_some_hundred_blocks() {
        let (_, blocks) = one_step(1, 1.0, 24.0 * HOUR_MS, 25.0);
        assert!((100..1_000).contains(&blocks), "{blocks}");
    }

    #[test]
    fn ten_times_the_hash_power_is_caught_up_with_in_minutes() {
        let (time_ms, _) = one_step(1, 10.0, 0.0, 25.0);
        assert!((200_000.0..1_200_000.0).contains(&time_ms), "{time_ms}");
    }
}
