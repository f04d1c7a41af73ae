//! The discrete-event simulator: real nodes, virtual time, one seed.
//!
//! Hosts run the state machine of `node` over the rules of `consensus`; what the simulator makes up
//! is time, chance, links and storage. A run follows from its plan, byte for byte:
//!
//! ```
//! use sim::scenario::{Size, plan};
//!
//! let size = Size { seed: 7, hosts: 3, duration_ms: 60_000 };
//! let calm = plan("calm", size).expect("a scenario of this name");
//! let (one, other) = (sim::simulate(calm.clone()), sim::simulate(calm));
//! assert_eq!(one.failure, None);
//! assert_eq!(one.trace, other.trace);
//! ```
//!
//! # Invariants
//! * No thread, clock, hash map or outside randomness inside a run.
//! * What must hold is checked by name ([`error::Invariant`]); a failure prints how to repeat it.
//!
//! # Spec
//! docs/ARCHITECTURE.md, docs/consensus-figures.md
//!
//! # Not here
//! Stake and finality. They enter at four places: what a host does besides mining (`host`), the
//! topics that are carried (`world::carry`), schemes with stake ([`plan::Scheme`]), and what must
//! hold of votes and finalized blocks ([`invariant`]).

#![forbid(unsafe_code)]

pub mod adversary;
pub mod chance;
pub mod error;
pub mod event;
pub mod fault;
mod host;
pub mod invariant;
pub mod ledger;
pub mod links;
pub mod options;
pub mod plan;
pub mod rules;
pub mod scenario;
pub mod study;
pub mod tally;
mod traffic;
pub mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use error::{Failure, Invariant};
use plan::Plan;
use tally::Tally;
use world::World;

/// Names a host: its place in the plan.
pub type HostId = usize;

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The plan.
    pub plan: Plan,
    /// Its figures.
    pub tally: Tally,
    /// Hash of everything that happened; empty if something panicked.
    pub trace: String,
    /// What broke, if something did.
    pub failure: Option<Failure>,
}

/// Runs a plan to its end; a panic is a failure like others.
#[must_use]
pub fn simulate(plan: Plan) -> Outcome {
    let run = || {
        let mut world = World::new(plan.clone());
        world.run();
        (world.tally, world.trace.finalize(), world.failure)
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok((tally, trace, failure)) => Outcome {
            plan,
            tally,
            trace: trace.to_hex().to_string(),
            failure,
        },
        Err(panic) => {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|word| (*word).into()));
            Outcome {
                plan,
                tally: Tally::default(),
                trace: String::new(),
                failure: Some(Failure {
                    invariant: Invariant::NoPanic,
                    at_ms: 0,
                    detail: words.unwrap_or_default(),
                }),
            }
        }
    }
}
