//! Many seeds, each with faults of its own.
//!
//! # Invariants
//! A seed that breaks an invariant is printed with its replay.
//!
//! # Spec
//! docs/ARCHITECTURE.md
//!
//! # Not here
//! One story at a time: `faults`, `attacks`.

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use sim::options::Runs;
use sim::simulate;
use sim::tally::Tally;

use crate::report::report;

const SEEDS: u64 = 200;

/// Of four seeds, two look for what breaks, one for what stops, one has an adversary.
fn runs_of(seed: u64) -> Runs {
    let name = match seed % 4 {
        0 | 1 => "safety",
        2 => "liveness",
        _ => "byzantine",
    };
    Runs {
        first_seed: seed,
        end_seed: seed + 1,
        hours: 0.25,
        hosts: 5,
        name: name.to_owned(),
        shows_plan: false,
    }
}

#[test]
fn two_hundred_seeds() {
    let outcomes: Vec<_> = (0..SEEDS)
        .into_par_iter()
        .map(|seed| simulate(runs_of(seed).plan(seed).expect("a profile")))
        .collect();
    let mut total = Tally::default();
    let mut broken = Vec::new();
    for outcome in &outcomes {
        total.add_all(&outcome.tally);
        if let Some(failure) = &outcome.failure {
            let seed = outcome.plan.seed;
            broken.push(format!(
                "{failure}\n  replay: {}",
                runs_of(seed).replay(seed)
            ));
        }
    }
    println!("{total}");
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
    assert_eq!(outcomes.len() as u64, SEEDS);
    let expected = [
        "crash at a commit step",
        "kill",
        "partition",
        "one-way partition",
        "heal",
        "clock skew",
        "slow links",
        "lossy links",
        "restart storm",
    ];
    for fault in expected {
        assert!(total.faults.of(fault) > 10, "{fault}: {}", total.faults);
    }
    assert!(total.restarts > 100 && total.steps_lost > 0 && total.checks > 1_000);
    report(&total);
}
