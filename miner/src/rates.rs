//! Hash rates over 10 seconds, a minute and a quarter of an hour.
//!
//! # Invariants
//! * Memory is fixed: one counter per second of the longest window.
//! * Time comes in as an argument; a clock that steps back changes no sum.
//!
//! # Spec
//! docs/spec/15-mining.md §3
//!
//! # Not here
//! Who counts the attempts: [`crate::search`].

/// Seconds of the longest window.
const WINDOW_SECONDS: usize = 15 * 60;

/// Attempts per second over three windows, in thousandths (no floats below the faces).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Over the last 10 seconds (millihashes per second).
    pub ten_seconds_milli: u64,
    /// Over the last minute (millihashes per second).
    pub minute_milli: u64,
    /// Over the last 15 minutes (millihashes per second).
    pub quarter_milli: u64,
}

/// Counts attempts by the second.
#[derive(Debug)]
pub struct RateMeter {
    seconds: Box<[u64; WINDOW_SECONDS]>,
    started_at_s: Option<u64>,
    newest_s: u64,
}

impl Default for RateMeter {
    fn default() -> Self {
        Self {
            seconds: Box::new([0; WINDOW_SECONDS]),
            started_at_s: None,
            newest_s: 0,
        }
    }
}

impl RateMeter {
    /// Adds attempts made in the second before `now_ms`.
    pub fn add(&mut self, attempts: u64, now_ms: u64) {
        let now_s = (now_ms / 1_000).max(self.newest_s);
        if self.started_at_s.is_none() {
            self.started_at_s = Some(now_s);
            self.newest_s = now_s;
        }
        let gap = usize::try_from(now_s - self.newest_s)
            .unwrap_or(usize::MAX)
            .min(WINDOW_SECONDS);
        for step in 1..=gap {
            let second = self.slot(self.newest_s + step as u64);
            self.seconds[second] = 0;
        }
        if gap == WINDOW_SECONDS {
            self.seconds.fill(0);
        }
        self.newest_s = now_s;
        let second = self.slot(now_s);
        self.seconds[second] += attempts;
    }

    /// Rates as of `now_ms`. A window longer than the run counts the run only.
    #[must_use]
    pub fn rates(&mut self, now_ms: u64) -> Rates {
        self.add(0, now_ms);
        let over = |window: u64| {
            let run = self
                .started_at_s
                .map_or(1, |start| self.newest_s - start + 1);
            let window = window.min(run).max(1);
            let sum: u64 = (0..window)
                .filter_map(|back| self.newest_s.checked_sub(back))
                .map(|second| self.seconds[self.slot(second)])
                .sum();
            sum.saturating_mul(1_000) / window
        };
        Rates {
            ten_seconds_milli: over(10),
            minute_milli: over(60),
            quarter_milli: over(WINDOW_SECONDS as u64),
        }
    }

    fn slot(&self, second: u64) -> usize {
        usize::try_from(second % WINDOW_SECONDS as u64).expect("smaller than the window")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_window_averages_its_own_span() {
        let mut meter = RateMeter::default();
        for second in 0..60 {
            meter.add(if second < 50 { 100 } else { 200 }, second * 1_000);
        }
        let rates = meter.rates(59_000);
        assert_eq!(rates.ten_seconds_milli, 200_000);
        assert_eq!(rates.minute_milli, (50 * 100 + 10 * 200) * 1_000 / 60);
        assert_eq!(
            rates.quarter_milli, rates.minute_milli,
            "the run is a minute old"
        );
    }

    #[test]
    fn a_pause_empties_the_windows() {
        let mut meter = RateMeter::default();
        meter.add(1_000, 5_000);
        assert_eq!(meter.rates(3_600_000).ten_seconds_milli, 0);
        assert_eq!(meter.rates(3_600_000).quarter_milli, 0);
    }

    #[test]
    fn a_clock_that_steps_back_loses_nothing() {
        let mut meter = RateMeter::default();
        meter.add(10, 100_000);
        meter.add(10, 1_000);
        assert_eq!(meter.rates(100_000).ten_seconds_milli, 20_000);
    }
}
