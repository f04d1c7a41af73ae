//! Everything that a run follows from.
//!
//! # Invariants
//! Two runs of equal plans are equal, byte for byte.
//!
//! # Spec
//! docs/ARCHITECTURE.md
//!
//! # Not here
//! Plans by name: [`crate::scenario`].

use std::fmt;

use genesis::Params;

use crate::HostId;
use crate::fault::Fault;
use crate::links::Latency;

/// Who connects to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Graph {
    /// A ring and some more connections by chance.
    Random,
    /// Everybody to everybody.
    Complete,
}

/// What an adversary does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Mines alone from one moment on and shows it at another (ms).
    PrivateChain {
        /// First moment.
        from_ms: u64,
        /// Last moment.
        until_ms: u64,
    },
    /// Keeps its blocks until others would win.
    Selfish,
    /// Announces blocks and hands out nothing that is in them.
    BodyWithholder,
    /// Says what means nothing.
    Garbage,
    /// Announces blocks without work.
    BadPow,
    /// Names uncles that were too easy.
    CheapUncle,
    /// Stamps its blocks so much ahead of its clock.
    Timewarp {
        /// How much.
        ahead_ms: u64,
    },
    /// Mines while it is easy.
    Hopper,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// What chance follows from.
    pub seed: u64,
    /// Virtual time, without the quiet end (ms).
    pub duration_ms: u64,
    /// The network's numbers.
    pub params: Params,
    /// Share of the network's hash power of each host (permille of the start difficulty's pace; the
    /// honest ones need not sum to a thousand).
    pub power_permille: Vec<u64>,
    /// The adversaries.
    pub schemes: Vec<(HostId, Scheme)>,
    /// Who connects to whom.
    pub graph: Graph,
    /// Latency of a message between two hosts.
    pub latency: Latency,
    /// Lost messages.
    pub loss_permille: u64,
    /// Gossip that arrives twice.
    pub duplicate_permille: u64,
    /// Clocks at the start.
    pub skew_ms: Vec<i64>,
    /// Mean time between two messages or transfers; none at zero.
    pub use_every_ms: u64,
    /// What goes wrong when.
    pub faults: Vec<(u64, Fault)>,
    /// How many blocks below the highest tip undisturbed hosts agree; unchecked if nothing.
    pub agreed_below_blocks: Option<u64>,
    /// Blocks that must come in any ten minutes without a stall; zero for none.
    pub blocks_per_ten_minutes_min: u64,
}

impl Plan {
    /// Hosts.
    #[must_use]
    pub fn hosts(&self) -> usize {
        self.power_permille.len()
    }

    /// Whether a host has no scheme.
    #[must_use]
    pub fn is_honest(&self, host: HostId) -> bool {
        self.schemes.iter().all(|(schemer, _)| *schemer != host)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "run {}: seed {}, {} hosts, {} s, {:?}, {:?}",
            self.name,
            self.seed,
            self.hosts(),
            self.duration_ms / 1_000,
            self.params.retarget,
            self.graph,
        )?;
        writeln!(f, "  power (permille) {:?}", self.power_permille)?;
        writeln!(f, "  schemes {:?}", self.schemes)?;
        writeln!(
            f,
            "  {:?}, lost {} and twice {} of a thousand, clocks {:?} ms, used every {} ms",
            self.latency,
            self.loss_permille,
            self.duplicate_permille,
            self.skew_ms,
            self.use_every_ms,
        )?;
        for (at_ms, fault) in &self.faults {
            writeln!(f, "  at {:>7} s {fault:?}", at_ms / 1_000)?;
        }
        Ok(())
    }
}
