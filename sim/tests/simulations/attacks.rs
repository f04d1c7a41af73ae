//! Attacks by name, with what comes of them.
//!
//! # Invariants
//! What honest hosts must not suffer the world asserts in every run: bans among themselves, other
//! states, other supplies.
//!
//! # Spec
//! docs/consensus-figures.md
//!
//! # Not here
//! Attacks on stake and finality: they come with both.

use std::collections::BTreeSet;

use sim::HostId;
use sim::plan::{Graph, Plan, Scheme};
use sim::rules;
use sim::scenario::{with_scheme, with_share};
use sim::world::World;

use crate::report::{HOUR_MS, MINUTE_MS, planned, ran};

/// The last host is the one with a scheme.
fn schemer(world: &World) -> HostId {
    world.hosts() - 1
}

/// Blocks of the best chain that the schemer found.
fn schemed_blocks(world: &World) -> usize {
    let schemer = schemer(world);
    let chain = world.best_chain();
    chain
        .iter()
        .filter(|id| world.found()[*id].by == schemer)
        .count()
}

/// Honest hosts that banned the schemer.
fn banners(world: &World) -> BTreeSet<HostId> {
    let schemer = schemer(world);
    let bans = world.bans().iter().filter(|ban| ban.whom == schemer);
    bans.map(|ban| ban.by).collect()
}

fn complete(mut plan: Plan) -> Plan {
    plan.graph = Graph::Complete;
    plan
}

/// Whether a private chain with so many times the honest hash power (permille) replaces theirs.
fn private_chain_wins(seed: u64, permille: u64) -> bool {
    let mut plan = planned("calm", seed, 4, 12 * MINUTE_MS);
    plan.agreed_below_blocks = None;
    plan.blocks_per_ten_minutes_min = 0;
    let scheme = Scheme::PrivateChain {
        from_ms: 2 * MINUTE_MS,
        until_ms: 10 * MINUTE_MS,
    };
    let world = ran(with_scheme(plan, scheme, permille));
    let schemed = schemed_blocks(&world);
    assert!(
        schemed == 0 || schemed > 50,
        "all of it wins or nothing: {schemed}"
    );
    schemed > 0
}

#[test]
fn private_chain_1_2_8x() {
    // Without stake, work alone decides: half the power loses, twice and eight times win.
    for seed in 1..4 {
        assert!(!private_chain_wins(seed, 500), "seed {seed}: half");
        assert!(private_chain_wins(seed, 2_000), "seed {seed}: twice");
    }
    assert!(private_chain_wins(1, 8_000), "eight times");
    // Equal power is a coin's throw, slightly in favour of who has no orphans.
    let wins = (1..9)
        .filter(|seed| private_chain_wins(*seed, 1_000))
        .count();
    println!("equal power: {wins} of 8 private chains win");
}

#[test]
fn selfish_a33_revenue() {
    let (mut own, mut all) = (0u128, 0u128);
    for seed in 1..4 {
        let mut plan = planned("selfish", seed, 4, 2 * HOUR_MS);
        plan.graph = Graph::Complete;
        let world = ran(plan);
        let revenues = world.balances();
        own += revenues[schemer(&world)];
        all += revenues.iter().sum::<u128>();
    }
    let share = own as f64 / all as f64;
    println!(
        "selfish mining with 33 % of the hash power earns {:.2} %",
        100.0 * share
    );
    assert!(share < SELFISH_SHARE_MAX, "{share}");
}

/// The fair share, three standard deviations of it over some ten thousand solutions.
const SELFISH_SHARE_MAX: f64 = 0.33 + 0.015;

#[test]
fn timewarp_40pct() {
    let interval = |world: &World| world.tally().interval_ms();
    let honest = ran(complete(planned("calm", 4, 4, HOUR_MS)));
    let base = complete(planned("calm", 4, 4, HOUR_MS));
    let world = ran(with_share(base, Scheme::Timewarp { ahead_ms: 9_000 }, 400));
    let ratio = interval(&world) / interval(&honest);
    assert!((0.93..1.07).contains(&ratio), "{ratio}");
    let share = schemed_blocks(&world) as f64 / world.best_chain().len() as f64;
    println!("stamping ahead: interval x {ratio:.3}, share {share:.3} of 0.400");
    assert!((0.35..0.45).contains(&share), "{share}");
    assert!(world.bans().is_empty());
}

#[test]
fn hop_4x() {
    let plan = complete(planned("calm", 6, 4, 2 * HOUR_MS));
    let world = ran(with_scheme(plan, Scheme::Hopper, 4_000));
    let (ideal, interval) = (rules::SOLUTION_MS as f64, world.tally().interval_ms());
    assert!((0.9 * ideal..1.2 * ideal).contains(&interval), "{interval}");
    let chain = world.best_chain();
    let times: Vec<u64> = chain.iter().map(|id| world.found()[id].at_ms).collect();
    let windows = times
        .windows(101)
        .map(|window| (window[100] - window[0]) as f64 / 100.0);
    let slowest = windows.fold(0.0, f64::max);
    println!("hopping: {interval:.0} ms, slowest hundred blocks {slowest:.0} ms each");
    assert!(slowest < 2.0 * ideal, "no oscillation: {slowest}");
    assert!(schemed_blocks(&world) > 100, "it hopped on");
}

#[test]
fn cheap_uncle_refused() {
    let plan = complete(planned("calm", 7, 4, 10 * MINUTE_MS));
    let world = ran(with_share(plan, Scheme::CheapUncle, 250));
    // An announcement is passed on before uncles are judged: a neighbour is not blamed for one.
    assert_eq!(banners(&world), BTreeSet::new());
    // Only what it found before it had a chain to forge on.
    assert!(schemed_blocks(&world) <= 2);
}

#[test]
fn bad_pow_flood() {
    let plan = complete(planned("calm", 8, 4, 5 * MINUTE_MS));
    let world = ran(with_share(plan, Scheme::BadPow, 100));
    assert_eq!(banners(&world), BTreeSet::from([0, 1, 2, 3]));
    for host in 0..4 {
        let tree = world.node(host).expect("it is up").engine().tree();
        assert!(
            tree.len() <= world.found().len() + 1,
            "no forged header is kept"
        );
    }
}

#[test]
fn garbage_is_banned_and_changes_nothing() {
    let plan = complete(planned("calm", 9, 4, 5 * MINUTE_MS));
    let world = ran(with_share(plan, Scheme::Garbage, 100));
    assert_eq!(banners(&world), BTreeSet::from([0, 1, 2, 3]));
}

#[test]
fn withheld_bodies_stop_nobody() {
    let plan = complete(planned("calm", 10, 4, 10 * MINUTE_MS));
    let world = ran(with_share(plan, Scheme::BodyWithholder, 200));
    assert_eq!(schemed_blocks(&world), 0);
    // The others have four fifths of the power; a block without a body is worth nothing to them.
    let blocks = world.best_chain().len();
    assert!(blocks > 150, "{blocks}");
}
