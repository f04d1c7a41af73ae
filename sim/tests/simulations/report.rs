//! What tests have in common: plans by name, and the word of what was injected.
//!
//! # Invariants
//! Faults are reported to whoever runs all tests, by the file that `X3C_FAULTS` names.
//!
//! # Not here
//! What is asserted: the tests.

use std::io::Write;

use sim::plan::Plan;
use sim::scenario::{Size, plan};
use sim::tally::Tally;
use sim::world::World;

pub(crate) const MINUTE_MS: u64 = 60_000;
pub(crate) const HOUR_MS: u64 = 60 * MINUTE_MS;

/// A plan of this name.
pub(crate) fn planned(name: &str, seed: u64, hosts: usize, duration_ms: u64) -> Plan {
    let size = Size {
        seed,
        hosts,
        duration_ms,
    };
    plan(name, size).expect("a plan of this name")
}

/// A world in which the plan ran and nothing broke.
pub(crate) fn ran(plan: Plan) -> World {
    let mut world = World::new(plan.clone());
    world.run();
    if let Some(failure) = world.failure() {
        panic!("{failure}\n{plan}");
    }
    report(world.tally());
    world
}

/// Tells whoever runs all tests how many faults were injected.
pub(crate) fn report(tally: &Tally) {
    let Some(path) = std::env::var_os("X3C_FAULTS") else {
        return;
    };
    let lines: String = tally
        .faults
        .iter()
        .map(|(name, count)| format!("simulated-{} {count}\n", name.replace(' ', "-")))
        .collect();
    let file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path);
    let mut file = file.expect("the file for faults opens");
    file.write_all(lines.as_bytes())
        .expect("the file for faults takes lines");
}
