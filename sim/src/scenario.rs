//! Plans by name: profiles that draw their faults, and scenarios with one story each.
//!
//! # Invariants
//! A plan follows from its name, seed, hosts and duration.
//!
//! # Spec
//! docs/ARCHITECTURE.md
//!
//! # Not here
//! Carrying a plan out: [`crate::world`].

use std::collections::BTreeSet;

use crate::HostId;
use crate::chance::Chance;
use crate::fault::{Cut, Fault};
use crate::ledger::{Side, Step};
use crate::links::Latency;
use crate::plan::{Graph, Plan, Scheme};
use crate::rules;

/// Between hosts all over the world, one hop.
pub const WORLD: Latency = Latency {
    min_ms: 20,
    median_ms: 100,
    p95_ms: 180,
    max_ms: 400,
};

/// Latency from the finder of a block to everybody, as measured in a model of 150 nodes; one hop
/// here, so that few hosts see what many would.
pub const END_TO_END: Latency = Latency {
    min_ms: 150,
    median_ms: 201,
    p95_ms: 272,
    max_ms: 372,
};

/// Names of the profiles.
pub const PROFILES: [&str; 3] = ["safety", "liveness", "byzantine"];

/// Names of the scenarios.
pub const SCENARIOS: [&str; 19] = [
    "calm",
    "partition",
    "one_way",
    "skew",
    "step_back",
    "slow",
    "lossy",
    "crashes",
    "storm",
    "stall",
    "private_chain",
    "selfish",
    "body_withholder",
    "garbage",
    "bad_pow",
    "cheap_uncle",
    "timewarp",
    "hopper",
    "end_to_end",
];

/// Least of blocks that ten undisturbed minutes bring: 300 solutions are due, a standard deviation
/// is about 20.
const BLOCKS_PER_TEN_MINUTES: u64 = 150;

/// Blocks below the highest tip on which hosts agree while nothing disturbs them.
const AGREED_BELOW_BLOCKS: u64 = 8;
/// The same while links lose messages: a body is asked of one peer at a time, and a request that is
/// lost is noticed after half a minute. Two in a row are 30 blocks.
const AGREED_BELOW_LOSSY_BLOCKS: u64 = 36;
/// How far behind a clock may fall for a while: two hours.
const SKEW_BACK_MS: u64 = 7_200_000;
/// How far ahead it may run: mending it is a step back, for as long as which `node::sync` polls
/// nobody and forgets no body that a peer lacked (docs/consensus-figures.md).
const SKEW_AHEAD_MS: u64 = 12_000;

/// How large a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// What chance follows from.
    pub seed: u64,
    /// Hosts.
    pub hosts: usize,
    /// Virtual time.
    pub duration_ms: u64,
}

/// The plan of a profile or scenario, if there is one of this name.
#[must_use]
pub fn plan(name: &str, size: Size) -> Option<Plan> {
    let mut chance = Chance::new(!size.seed);
    let mut plan = calm(name, size);
    match name {
        "safety" => random_faults(&mut plan, &mut chance),
        "liveness" => liveness(&mut plan, &mut chance),
        "byzantine" => byzantine(&mut plan, &mut chance),
        "end_to_end" => {
            plan.graph = Graph::Complete;
            plan.latency = END_TO_END;
        }
        _ if SCENARIOS.contains(&name) => story(name, &mut plan),
        _ => return None,
    }
    plan.faults.sort_by_key(|(at_ms, _)| *at_ms);
    Some(plan)
}

/// Equal hosts on good links.
fn calm(name: &str, size: Size) -> Plan {
    let hosts = size.hosts.max(2);
    let share = 1_000 / hosts as u64;
    Plan {
        name: name.to_owned(),
        seed: size.seed,
        duration_ms: size.duration_ms,
        params: rules::params(rules::SOLUTION_MS),
        power_permille: vec![share; hosts],
        schemes: Vec::new(),
        graph: Graph::Random,
        latency: WORLD,
        loss_permille: 0,
        duplicate_permille: 0,
        skew_ms: vec![0; hosts],
        use_every_ms: 4_000,
        faults: Vec::new(),
        agreed_below_blocks: Some(AGREED_BELOW_BLOCKS),
        blocks_per_ten_minutes_min: BLOCKS_PER_TEN_MINUTES,
    }
}

/// A plan with an adversary that has so much hash power, while the others have the usual pace.
#[must_use]
pub fn with_scheme(mut plan: Plan, scheme: Scheme, permille: u64) -> Plan {
    let schemer = plan.hosts();
    plan.power_permille.push(permille);
    plan.skew_ms.push(0);
    plan.schemes.push((schemer, scheme));
    plan
}

/// As [`with_scheme`], with all hash power together at the usual pace.
#[must_use]
pub fn with_share(mut plan: Plan, scheme: Scheme, permille: u64) -> Plan {
    for share in &mut plan.power_permille {
        *share = *share * (1_000 - permille) / 1_000;
    }
    with_scheme(plan, scheme, permille)
}

fn story(name: &str, plan: &mut Plan) {
    let (third_ms, last) = (plan.duration_ms / 3, plan.hosts() - 1);
    let half: BTreeSet<HostId> = (0..plan.hosts() / 2).collect();
    let faults = &mut plan.faults;
    let mut between = |from: Fault, to: Fault| {
        faults.push((third_ms, from));
        faults.push((2 * third_ms, to));
    };
    match name {
        "partition" => between(Fault::Partition(half, Cut::BothWays), Fault::Heal),
        "one_way" => between(Fault::Partition(half, Cut::OneWay), Fault::Heal),
        "skew" => {
            between(Fault::Skew(last, 3_600_000), Fault::Skew(last, -3_600_000));
            plan.faults.push((5 * third_ms / 2, Fault::Mend));
        }
        "step_back" => {
            between(Fault::Skew(last, 7_200_000), Fault::Mend);
            // What it does not get now, it must still get later.
            faults.push((2 * third_ms + 1_000, Fault::LossyLinks(last, 400)));
        }
        "slow" => between(Fault::SlowLinks(last, 10), Fault::Mend),
        "lossy" => {
            plan.agreed_below_blocks = Some(AGREED_BELOW_LOSSY_BLOCKS);
            between(Fault::LossyLinks(last, 300), Fault::Mend);
        }
        "crashes" => crashes(plan),
        "storm" => {
            let hosts = (0..plan.hosts()).collect();
            plan.faults.push((third_ms, Fault::RestartStorm(hosts, 3)));
        }
        "stall" => between(Fault::HashPower(0), Fault::HashPower(1_000)),
        _ => *plan = schemed(name, plan.clone()),
    }
}

/// The scenarios with an adversary.
fn schemed(name: &str, mut plan: Plan) -> Plan {
    let third_ms = plan.duration_ms / 3;
    match name {
        "private_chain" => {
            plan.agreed_below_blocks = None;
            plan.blocks_per_ten_minutes_min = 0;
            let scheme = Scheme::PrivateChain {
                from_ms: third_ms,
                until_ms: 2 * third_ms,
            };
            with_scheme(plan, scheme, 2_000)
        }
        "selfish" => {
            plan.agreed_below_blocks = None;
            plan.blocks_per_ten_minutes_min = 0;
            // Revenue is read off the balances: nobody moves coins.
            plan.use_every_ms = 0;
            with_share(plan, Scheme::Selfish, 330)
        }
        "body_withholder" => with_share(plan, Scheme::BodyWithholder, 200),
        "garbage" => with_share(plan, Scheme::Garbage, 100),
        "bad_pow" => with_share(plan, Scheme::BadPow, 100),
        "cheap_uncle" => with_share(plan, Scheme::CheapUncle, 200),
        "timewarp" => with_share(plan, Scheme::Timewarp { ahead_ms: 9_000 }, 400),
        "hopper" => with_scheme(plan, Scheme::Hopper, 4_000),
        _ => plan,
    }
}

/// Every step, before and after, on one host after the other.
fn crashes(plan: &mut Plan) {
    let sides = [Side::Before, Side::After];
    let steps = Step::ALL.into_iter();
    let places: Vec<_> = steps
        .flat_map(|step| sides.map(|side| (step, side)))
        .collect();
    let pause_ms = plan.duration_ms / (places.len() as u64 + 2);
    for (number, (step, side)) in (1..).zip(places) {
        let host = number as HostId % plan.hosts();
        let fault = Fault::CrashAt(host, step, side, 0);
        plan.faults.push((number * pause_ms, fault));
    }
}

/// Faults of all kinds, one after the other or at once.
fn random_faults(plan: &mut Plan, chance: &mut Chance) {
    plan.agreed_below_blocks = Some(AGREED_BELOW_LOSSY_BLOCKS);
    plan.loss_permille = chance.below(20);
    plan.duplicate_permille = chance.below(50);
    for skew_ms in &mut plan.skew_ms {
        *skew_ms = chance.below(6_000) as i64 - 3_000;
    }
    let mut at_ms = 30_000;
    while at_ms + 60_000 < plan.duration_ms {
        one_fault(plan, chance, at_ms);
        at_ms += chance.between(20_000, 150_000);
    }
}

fn one_fault(plan: &mut Plan, chance: &mut Chance, at_ms: u64) {
    let hosts = plan.hosts() as u64;
    let host = chance.below(hosts) as HostId;
    let later_ms = at_ms + chance.between(5_000, 120_000);
    let mut add = |at_ms, fault| plan.faults.push((at_ms, fault));
    match chance.below(10) {
        0..3 => {
            let step = Step::ALL[chance.below(Step::ALL.len() as u64) as usize];
            let side = [Side::Before, Side::After][chance.below(2) as usize];
            add(at_ms, Fault::CrashAt(host, step, side, chance.below(5)));
        }
        3 => add(at_ms, Fault::Kill(host)),
        4 | 5 => {
            let cut = [Cut::BothWays, Cut::OneWay][chance.below(2) as usize];
            let size = chance.between(1, (hosts - 1).max(1)) as usize;
            let group = (0..size).map(|next| (host + next) % hosts as usize);
            add(at_ms, Fault::Partition(group.collect(), cut));
            add(later_ms, Fault::Heal);
        }
        6 => {
            let skew_ms = chance.below(SKEW_BACK_MS + SKEW_AHEAD_MS) as i64 - SKEW_BACK_MS as i64;
            add(at_ms, Fault::Skew(host, skew_ms));
            add(later_ms, Fault::Mend);
        }
        7 => {
            add(at_ms, Fault::SlowLinks(host, chance.between(2, 20)));
            add(later_ms, Fault::Mend);
        }
        8 => {
            add(at_ms, Fault::LossyLinks(host, chance.between(50, 500)));
            add(later_ms, Fault::Mend);
        }
        _ => {
            let other = (host + 1) % hosts as usize;
            add(at_ms, Fault::RestartStorm(vec![host, other], 2));
        }
    }
}

/// One host never gets well; the others must go on.
fn liveness(plan: &mut Plan, chance: &mut Chance) {
    let last = plan.hosts() - 1;
    plan.agreed_below_blocks = Some(AGREED_BELOW_LOSSY_BLOCKS);
    let fault = match chance.below(4) {
        0 => Fault::SlowLinks(last, 20),
        1 => Fault::LossyLinks(last, 500),
        2 => Fault::Partition(BTreeSet::from([last]), Cut::OneWay),
        _ => Fault::RestartStorm(vec![last], plan.duration_ms / 20_000),
    };
    plan.faults.push((30_000, fault));
    // Without hash power, that host's own branches weigh nothing.
    plan.power_permille[last] = 0;
    plan.blocks_per_ten_minutes_min = BLOCKS_PER_TEN_MINUTES / 2;
}

/// An adversary of chance, besides faults of chance.
fn byzantine(plan: &mut Plan, chance: &mut Chance) {
    random_faults(plan, chance);
    let names = [
        "selfish",
        "body_withholder",
        "garbage",
        "bad_pow",
        "cheap_uncle",
        "timewarp",
        "hopper",
        "private_chain",
    ];
    let name = chance.pick(&names).copied().unwrap_or("garbage");
    *plan = schemed(name, plan.clone());
    plan.agreed_below_blocks = None;
    plan.blocks_per_ten_minutes_min = 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        seed: 1,
        hosts: 5,
        duration_ms: 900_000,
    };

    #[test]
    fn every_name_has_a_plan_and_other_names_have_none() {
        for name in PROFILES.into_iter().chain(SCENARIOS) {
            let plan = plan(name, SIZE).expect("a plan of this name");
            assert!(plan.hosts() >= SIZE.hosts, "{name}");
            assert_eq!(plan.power_permille.len(), plan.skew_ms.len(), "{name}");
        }
        assert!(plan("nothing", SIZE).is_none());
    }

    #[test]
    fn plans_follow_from_their_seed() {
        let faults = |seed| plan("safety", Size { seed, ..SIZE }).map(|plan| plan.faults);
        assert_eq!(faults(3), faults(3));
        assert_ne!(faults(3), faults(4));
    }

    #[test]
    fn an_adversary_takes_its_share_or_comes_on_top() {
        let base = || plan("calm", SIZE).expect("a plan of this name");
        let sum = |plan: Plan| plan.power_permille.iter().sum::<u64>();
        assert_eq!(sum(with_share(base(), Scheme::Selfish, 330)), 1_000);
        assert_eq!(sum(with_scheme(base(), Scheme::Selfish, 330)), 1_330);
    }
}
