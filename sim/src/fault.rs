//! What goes wrong, by name and by virtual time.
//!
//! # Invariants
//! A fault is data: the world carries it out, and counts it only if it really happened.
//!
//! # Spec
//! docs/ARCHITECTURE.md
//!
//! # Not here
//! Which faults a scenario has ([`crate::scenario`]), carrying them out ([`crate::world`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::HostId;
use crate::ledger::{Side, Step};

/// Which direction of a partition is deaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing passes; connections end when pings are missed.
    BothWays,
    /// The group is not heard outside and hears everybody; connections stay.
    OneWay,
}

/// Something that goes wrong, or is mended.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// A host's storage fails at this side of this step, after so many passes of it.
    CrashAt(HostId, Step, Side, u64),
    /// A host's process ends.
    Kill(HostId),
    /// Several hosts are killed one after the other, so many times each.
    RestartStorm(Vec<HostId>, u64),
    /// A group of hosts is cut off from the others.
    Partition(BTreeSet<HostId>, Cut),
    /// Whatever was cut off is not any more.
    Heal,
    /// A host's clock is off by so many milliseconds.
    Skew(HostId, i64),
    /// Everything to and from a host takes so many times as long.
    SlowLinks(HostId, u64),
    /// So many of a thousand messages to and from a host are lost.
    LossyLinks(HostId, u64),
    /// All links and clocks are as at the start.
    Mend,
    /// All hash power is multiplied by this many thousandths.
    HashPower(u64),
}

impl Fault {
    /// Its name in figures.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CrashAt(..) => "crash at a commit step",
            Self::Kill(_) => "kill",
            Self::RestartStorm(..) => "restart storm",
            Self::Partition(_, Cut::BothWays) => "partition",
            Self::Partition(_, Cut::OneWay) => "one-way partition",
            Self::Heal => "heal",
            Self::Skew(..) => "clock skew",
            Self::SlowLinks(..) => "slow links",
            Self::LossyLinks(..) => "lossy links",
            Self::Mend => "mend",
            Self::HashPower(_) => "hash power",
        }
    }
}

/// Why nothing is expected of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ailment {
    /// It is not heard.
    Partition,
    /// Its links are slow or lose much.
    Links,
    /// Its clock is off.
    Clock,
    /// It was down.
    Down,
}

/// How often which fault really happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts(BTreeMap<&'static str, u64>);

impl FaultCounts {
    /// One more of this name.
    pub fn add(&mut self, name: &'static str) {
        *self.0.entry(name).or_default() += 1;
    }

    /// All of another run.
    pub fn add_all(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(name).or_default() += count;
        }
    }

    /// How often this one happened.
    #[must_use]
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Names and counts, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(name, count)| (*name, *count))
    }
}

impl fmt::Display for FaultCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for (name, count) in &self.0 {
            write!(f, "{before}{name} {count}")?;
            before = ", ";
        }
        if before.is_empty() {
            f.write_str("none")
        } else {
            Ok(())
        }
    }
}
