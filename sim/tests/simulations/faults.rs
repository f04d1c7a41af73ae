//! Faults that a network recovers from.
//!
//! # Invariants
//! Nobody is to blame for them: an honest host bans no other (the world asserts it in every run).
//!
//! # Spec
//! docs/ARCHITECTURE.md
//!
//! # Not here
//! Hosts with a scheme: `attacks`.

use std::collections::BTreeSet;

use sim::fault::{Cut, Fault};
use sim::ledger::{Side, Step};
use sim::plan::{Graph, Scheme};
use sim::scenario::with_share;
use sim::{rules, simulate};

use crate::report::{HOUR_MS, MINUTE_MS, planned, ran};

#[test]
fn same_seed_same_run() {
    for name in ["safety", "byzantine"] {
        let plan = || planned(name, 11, 5, 5 * MINUTE_MS);
        let (one, other) = (simulate(plan()), simulate(plan()));
        assert_eq!(one.trace.len(), 64, "{name}: {:?}", one.failure);
        assert_eq!(one.trace, other.trace, "{name}");
        assert_eq!(one.tally, other.tally, "{name}");
        let another = simulate(planned(name, 12, 5, 5 * MINUTE_MS));
        assert_ne!(one.trace, another.trace, "{name}");
    }
}

#[test]
fn partition_heals() {
    for (seed, cut) in [(1, Cut::BothWays), (2, Cut::OneWay)] {
        let mut plan = planned("calm", seed, 5, 8 * MINUTE_MS);
        let group = BTreeSet::from([0, 1]);
        plan.faults = vec![
            (MINUTE_MS, Fault::Partition(group, cut)),
            (3 * MINUTE_MS, Fault::Heal),
        ];
        let world = ran(plan);
        // The branches met: somebody went back by many blocks.
        let deepest = world.tally().reorgs.keys().max().copied();
        assert!(deepest > Some(10), "{cut:?}: {deepest:?}");
        assert_eq!(
            world.tally().not_in_block,
            0,
            "{cut:?}: messages of both sides arrive"
        );
        assert!(world.bans().is_empty());
    }
}

#[test]
fn heavier_chain_is_downloaded() {
    let mut plan = planned("calm", 3, 6, 22 * MINUTE_MS);
    plan.power_permille = vec![100, 100, 200, 200, 200, 200];
    let minority = BTreeSet::from([0, 1]);
    let (from_ms, until_ms) = (2 * MINUTE_MS, 20 * MINUTE_MS);
    plan.faults = vec![
        (from_ms, Fault::Partition(minority.clone(), Cut::BothWays)),
        (until_ms, Fault::Heal),
    ];
    let world = ran(plan);
    let chain = world.best_chain();
    let of_minority = chain.iter().filter(|id| {
        let found = &world.found()[*id];
        minority.contains(&found.by) && (from_ms + 1_000..until_ms).contains(&found.at_ms)
    });
    assert_eq!(of_minority.count(), 0, "the light branch lost");
    let deepest = world.tally().reorgs.keys().max().copied();
    assert!(deepest > Some(64), "{deepest:?}");
}

#[test]
fn crash_at_every_commit_step() {
    let mut seed = 0;
    // Nothing becomes final here.
    let steps = Step::ALL.into_iter();
    for step in steps.filter(|step| *step != Step::PutAnchors) {
        for side in [Side::Before, Side::After] {
            seed += 1;
            let mut plan = planned("calm", seed, 4, 14 * MINUTE_MS);
            plan.graph = Graph::Complete;
            plan.power_permille = vec![0, 333, 333, 333];
            // An invalid block to mark, a fork to reorganise, a distance to fetch in groups.
            plan = with_share(plan, Scheme::CheapUncle, 250);
            plan.agreed_below_blocks = None;
            let group = BTreeSet::from([0]);
            plan.faults = vec![
                (0, Fault::CrashAt(0, step, side, 0)),
                (2 * MINUTE_MS, Fault::Partition(group, Cut::BothWays)),
                (12 * MINUTE_MS, Fault::Heal),
            ];
            let world = ran(plan);
            let crashes = world.tally().crashes.get(&(step, side)).copied();
            let bans = world.bans();
            assert_eq!(crashes, Some(1), "{step:?} {side:?} {bans:?}");
            assert_eq!(world.tally().restarts, 1, "{step:?} {side:?}");
        }
    }
}

#[test]
fn stall_recovers() {
    let day_ms = 24 * HOUR_MS;
    let (from_ms, until_ms) = (10 * MINUTE_MS, 10 * MINUTE_MS + day_ms);
    let mut plan = planned("calm", 5, 3, until_ms + HOUR_MS);
    plan.use_every_ms = 0;
    plan.faults = vec![
        (from_ms, Fault::HashPower(0)),
        (until_ms, Fault::HashPower(1_000)),
    ];
    let world = ran(plan);
    let chain = world.best_chain();
    let times = chain.iter().map(|id| world.found()[id].at_ms);
    let after: Vec<u64> = times.filter(|at_ms| *at_ms > until_ms).collect();
    assert!(
        after[0] < until_ms + MINUTE_MS,
        "the first block comes at once"
    );
    let spacing = |from: usize, to: usize| (after[to] - after[from]) as f64 / (to - from) as f64;
    // The target doubled once, whatever the length of the stall.
    let (first, later) = (spacing(0, 100), spacing(324, 1_324));
    let ideal = rules::SOLUTION_MS as f64;
    assert!((0.5 * ideal..ideal).contains(&first), "{first}");
    assert!((0.9 * ideal..1.2 * ideal).contains(&later), "{later}");
}

#[test]
fn clocks_that_are_hours_off_break_nothing() {
    let world = ran(planned("skew", 1, 5, 15 * MINUTE_MS));
    assert_eq!(world.tally().faults.of("clock skew"), 2);
}
