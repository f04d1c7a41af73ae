//! The machine that measurements run on: what it is, and whether it had time for us.
//!
//! # Invariants
//! What the system does not tell is left out, never guessed.
//!
//! # Not here
//! What is done with a disturbed measurement: [`crate::rounds`].

use std::fs;
use std::num::NonZero;
use std::thread::available_parallelism;

/// Cores that the process may use.
#[must_use]
pub fn cores() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// One line about the machine.
#[must_use]
pub fn description() -> String {
    let (os, arch, cores) = (std::env::consts::OS, std::env::consts::ARCH, cores());
    let mut words = format!("{os} {arch}, {cores} cores");
    if let Some(model) = field("/proc/cpuinfo", "model name") {
        words += &format!(", {model}");
    }
    let memory = field("/proc/meminfo", "MemTotal");
    let kib = memory.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    if let Some(kib) = kib {
        words += &format!(", {} GiB of memory", (kib + (1 << 19)) >> 20);
    }
    words
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let (_, value) = line.split_once(':')?;
    Some(value.trim().to_owned())
}

/// Time that the cores have spent since the system started, in its ticks.
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    total: u64,
    others: u64,
}

impl Ticks {
    /// Now, where the system tells.
    #[must_use]
    pub fn now() -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let mine = fs::read_to_string("/proc/self/stat").ok()?;
        Self::of(&stat, &mine)
    }

    fn of(stat: &str, mine: &str) -> Option<Self> {
        let cores = stat.lines().next()?.strip_prefix("cpu ")?;
        let cores = cores.split_whitespace().map(|field| field.parse().ok());
        // user, nice, system, idle, waiting, two kinds of interrupts, stolen by other guests
        let cores: Vec<u64> = cores.take(8).collect::<Option<_>>()?;
        let idle = cores.get(3)? + cores.get(4)?;
        let total: u64 = cores.iter().sum();
        // The name in brackets may hold spaces; user and system time are the 12th and 13th after it.
        let (_, fields) = mine.rsplit_once(") ")?;
        let mut fields = fields.split_whitespace().skip(11);
        let user: u64 = fields.next()?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        Some(Self {
            total,
            others: total.saturating_sub(idle).saturating_sub(user + system),
        })
    }

    /// Share of all cores' time since `before` that went to others.
    #[must_use]
    pub fn others_share_since(self, before: Self) -> f64 {
        let total = self.total.saturating_sub(before.total).max(1);
        self.others.saturating_sub(before.others) as f64 / total as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_others_is_what_is_neither_idle_nor_ours() {
        let mine =
            |user| format!("7 (a (b) c) R 1 1 1 0 -1 4194304 9 0 0 0 {user} 10 0 0 20 0 2 0");
        let before = Ticks::of("cpu  100 0 50 800 50 0 0 0 0 0\n", &mine(40)).expect("ticks");
        assert_eq!((before.total, before.others), (1_000, 100));
        let after = Ticks::of("cpu  160 0 60 810 50 5 5 10 0 0\n", &mine(90)).expect("ticks");
        // 100 ticks passed: 10 idle, 50 ours.
        assert!((after.others_share_since(before) - 0.4).abs() < 1e-9);
    }

    #[test]
    fn what_is_not_told_is_left_out() {
        assert!(Ticks::of("", "").is_none());
        assert!(Ticks::of("cpu  1 2 3\n", "7 (x) R 1").is_none());
        assert!(description().contains("cores"));
    }
}
