//! Measuring alternatives in turn: the same minute of the same machine for all of them.
//!
//! # Invariants
//! * Every round measures each alternative once; who comes first changes from round to round.
//! * A round begins when others leave the cores alone, and is measured again if they did not stay
//!   away; both within limits.
//! * A ratio is taken within a round and the median over rounds: a machine that slows down between
//!   rounds slows both sides.
//!
//! # Spec
//! docs/performance.md
//!
//! # Not here
//! What must be reached: [`crate::report`].

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::machine::Ticks;

/// Share of the cores that others may use in a round that counts.
pub const OTHERS_SHARE_MAX: f64 = 0.05;
/// Rounds measured for each one that is asked for, at most.
const TRIES_PER_ROUND: usize = 4;
/// How long calm moments are waited for in all measurements of a run together.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long it must have been calm.
const CALM: Duration = Duration::from_millis(500);

/// One alternative: a name, and a measurement of it that answers with its figure.
pub type Alternative<'a> = (&'a str, Box<dyn FnMut() -> f64 + 'a>);

/// Figures of one alternative, one per round.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Which alternative.
    pub name: String,
    /// The figures, in the order of the rounds.
    pub figures: Vec<f64>,
    /// Largest share of the cores that others used in one of the rounds.
    pub others: f64,
}

impl Series {
    /// Figures that no round was measured for: bytes, or what a process was asked for.
    #[must_use]
    pub fn of(name: &str, figures: Vec<f64>) -> Self {
        Self {
            name: name.to_owned(),
            figures,
            others: 0.0,
        }
    }

    /// The figure in the middle.
    #[must_use]
    pub fn median(&self) -> f64 {
        median(&self.figures)
    }

    /// Distance from the lowest to the highest figure, as a share of the median.
    #[must_use]
    pub fn spread(&self) -> f64 {
        let low = self.figures.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.figures.iter().copied().fold(0.0, f64::max);
        (high - low) / self.median()
    }

    /// Median over the rounds of this figure divided by `other`'s.
    #[must_use]
    pub fn ratio_to(&self, other: &Self) -> f64 {
        let pairs = self.figures.iter().zip(&other.figures);
        median(
            &pairs
                .map(|(mine, theirs)| mine / theirs)
                .collect::<Vec<_>>(),
        )
    }
}

/// The figure in the middle; of two, their mean.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    } else {
        sorted[middle]
    }
}

/// Measures all alternatives in `rounds` rounds, after one that warms up and does not count.
pub fn interleave<const N: usize>(
    rounds: usize,
    mut alternatives: [Alternative<'_>; N],
) -> [Series; N] {
    let alternatives = &mut alternatives;
    let mut series = alternatives
        .each_ref()
        .map(|(name, _)| Series::of(name, Vec::new()));
    let _ = round(0, alternatives);
    let mut disturbed = 0;
    for number in 0..rounds {
        let (figures, others) = loop {
            wait_for_calm();
            let before = Ticks::now();
            let figures = round(number, alternatives);
            let others = before.zip(Ticks::now());
            let others = others.map_or(0.0, |(before, now)| now.others_share_since(before));
            let is_last = disturbed >= rounds * (TRIES_PER_ROUND - 1) || !is_patient();
            if others <= OTHERS_SHARE_MAX || is_last {
                break (figures, others);
            }
            disturbed += 1;
            eprintln!(
                "  others used {:.0} % of the cores: once more",
                others * 100.0
            );
        };
        for (series, figure) in series.iter_mut().zip(figures) {
            series.figures.push(figure);
            series.others = series.others.max(others);
        }
    }
    series
}

/// Moments that were waited for in vain.
static RESTLESS: AtomicU32 = AtomicU32::new(0);

/// Waits until others hardly used the cores for a moment, where the system tells.
fn wait_for_calm() {
    while let Some(before) = Ticks::now().filter(|_| is_patient()) {
        std::thread::sleep(CALM);
        let others = Ticks::now().map_or(0.0, |now| now.others_share_since(before));
        if others <= OTHERS_SHARE_MAX {
            return;
        }
        RESTLESS.fetch_add(1, Ordering::Relaxed);
    }
}

fn is_patient() -> bool {
    CALM * RESTLESS.load(Ordering::Relaxed) < PATIENCE
}

fn round<const N: usize>(number: usize, alternatives: &mut [Alternative<'_>; N]) -> [f64; N] {
    let mut figures = [0.0; N];
    for step in 0..N {
        let which = (number + step) % N;
        figures[which] = alternatives[which].1();
    }
    figures
}

/// How many of `count` are done in a second when `work` does all of them.
pub fn per_second<T>(count: u64, work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    std::hint::black_box(work());
    count as f64 / start.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(figures: &[f64]) -> Series {
        Series::of("any", figures.to_vec())
    }

    #[test]
    fn the_ratio_is_taken_within_rounds() {
        let ours = series(&[10.0, 5.0, 1.0]);
        let bare = series(&[20.0, 10.0, 2.0]);
        assert!((ours.ratio_to(&bare) - 0.5).abs() < 1e-9);
        assert!((ours.median() - 5.0).abs() < 1e-9);
        assert!((ours.spread() - 1.8).abs() < 1e-9);
        assert!((median(&[1.0, 4.0]) - 2.5).abs() < 1e-9);
    }

    #[test]
    fn every_alternative_is_measured_once_a_round_and_once_to_warm_up() {
        let (mut first, mut second) = (0.0, 100.0);
        let alternatives: [Alternative; 2] = [
            (
                "first",
                Box::new(|| {
                    first += 1.0;
                    first
                }),
            ),
            (
                "second",
                Box::new(|| {
                    second += 1.0;
                    second
                }),
            ),
        ];
        let found = interleave(3, alternatives);
        assert_eq!(found[0].figures.len(), 3);
        let steps = |series: &Series| series.figures.windows(2).all(|pair| pair[1] > pair[0]);
        assert!(found.iter().all(steps));
        assert!(found[0].figures[0] >= 2.0 && found[1].figures[0] >= 102.0);
    }
}
