//! Targets, work and the retarget against a table that was computed from the formula with
//! arbitrary-precision integers.

use chain::{Header, Height, Network, Timestamp};
use proptest::prelude::*;

use super::*;

fn compact(raw: u32) -> CompactTarget {
    CompactTarget::new(raw)
}

fn target(raw: u32) -> Target {
    Target::from_compact(compact(raw)).expect("a canonical target")
}

fn two_to(bits: u32) -> U256 {
    U256::from(2).pow(bits.into())
}

/// Parent and grandparent at heights 2 and 1, `pace` apart, the parent with `target`.
fn context(parent_target: CompactTarget, elapsed_ms: u64, solutions: u64) -> HeaderContext {
    let grandparent = Header {
        height: Height::new(1),
        time: Timestamp::new(1_000_000),
        pow_count: 1,
        target: parent_target,
        ..Header::default()
    };
    let parent = Header {
        height: Height::new(2),
        parent: grandparent.id(),
        time: Timestamp::new(1_000_000 + elapsed_ms),
        pow_count: 1 + solutions,
        target: parent_target,
        ..Header::default()
    };
    HeaderContext::new(parent, Some(grandparent)).expect("a possible parent")
}

fn params(solution_ms: u64, half_life_ms: u64) -> Params {
    let retarget = Retarget::Asert {
        solution_ms,
        half_life_ms,
    };
    Params {
        retarget,
        ..Params::of(Network::Main)
    }
}

#[test]
fn stored_targets_expand_to_their_numbers() {
    assert_eq!(target(0x1501_0000).0, two_to(160));
    assert_eq!(target(0x2004_0000).0, two_to(250));
    assert_eq!(target(0x207f_ffff).0, U256::from(0x7f_ffff) * two_to(232));
    assert_eq!(target(0x2100_8000).0, two_to(255));
    assert_eq!(target(0x2100_ffff).0, U256::from(0xffff) * two_to(240));
    assert_eq!(TARGET_MIN, compact(0x1501_0000));
    assert_eq!(target(TARGET_MIN.get()).0, two_to(law::TARGET_MIN_BITS));
}

#[test]
fn stored_targets_that_are_not_canonical_are_refused() {
    for (raw, why) in [
        (0x1f94_cab8, "sign bit"),
        (0x1f80_0000, "sign bit alone"),
        (0x2101_0000, "2^256"),
        (0x2200_8000, "beyond 32 bytes"),
        (0xff7f_ffff, "far beyond"),
        (0x1f00_7fff, "a mantissa with a leading zero byte"),
        (0x2000_00ff, "a mantissa with two leading zero bytes"),
        (0x1f00_0000, "zero"),
        (0x0000_0000, "zero"),
        (0x0201_0000, "shorter than a mantissa"),
        (0x1500_ffff, "below the lowest target"),
        (0x147f_ffff, "below the lowest target"),
    ] {
        assert_eq!(Target::from_compact(compact(raw)), None, "{why}: {raw:08x}");
    }
}

#[test]
fn every_network_starts_with_targets_that_expand() {
    for network in Network::ALL {
        let params = Params::of(network);
        assert!(Target::from_compact(params.target_max).is_some());
        assert!(Target::from_compact(params.target_start).is_some());
        assert!(params.target_start <= params.target_max);
    }
}

#[test]
fn storing_cuts_a_target_off_and_never_raises_it() {
    let stored = |number| Target(number).to_compact();
    assert_eq!(stored(two_to(160) + 1), compact(0x1501_0000));
    assert_eq!(stored(two_to(255) - 1), compact(0x207f_ffff));
    assert_eq!(stored(two_to(247)), compact(0x2000_8000));
    assert_eq!(stored(U256::MAX), compact(0x2100_ffff));
}

#[test]
fn work_is_the_average_number_of_hashes() {
    assert_eq!(target(0x207f_ffff).work(), Work::new(2));
    assert_eq!(target(0x2004_0000).work(), Work::new(63));
    assert_eq!(target(0x2003_ffff).work(), Work::new(64));
    assert_eq!(target(0x1f14_cab8).work(), Work::new(3152));
    assert_eq!(target(0x2001_4cab).work(), Work::new(197));
    assert_eq!(target(0x1501_0000).work(), Work::new((1 << 96) - 1));
    assert_eq!(target(0x2100_ffff).work(), Work::new(1));
}

#[test]
fn a_hash_equal_to_the_target_meets_it() {
    let target = target(0x2004_0000);
    let limit = two_to(250);
    assert!(target.is_met_by(&limit.to_big_endian()));
    assert!(target.is_met_by(&[0; 32]));
    assert!(!target.is_met_by(&(limit + 1).to_big_endian()));
    assert!(!target.is_met_by(&[0xff; 32]));
}

#[test]
fn the_retarget_follows_the_committed_table() {
    let mut rows = 0;
    for line in include_str!("asert.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        let (inputs, expected) = line.split_once(" -> ").expect("a row has a result");
        let fields: Vec<&str> = inputs.split(' ').collect();
        let [target, elapsed, solutions, solution, half_life] = fields[..] else {
            panic!("a row has five inputs: {line}");
        };
        let hex = |text| u32::from_str_radix(text, 16).expect("a hexadecimal target");
        let number = |text: &str| text.parse::<u64>().expect("a decimal number");
        let context = context(compact(hex(target)), number(elapsed), number(solutions));
        let next = next_target(&context, &params(number(solution), number(half_life)));
        assert_eq!(format!("{:08x}", next.get()), expected, "{line}");
        rows += 1;
    }
    assert_eq!(rows, 171);
}

#[test]
fn the_first_two_blocks_carry_the_start_target() {
    let main = Params::of(Network::Main);
    let genesis = main.genesis().header;
    let of_block_1 = HeaderContext::new(genesis, None).expect("genesis has children");
    assert_eq!(of_block_1.next_target(&main), main.target_start);
    let block_1 = Header {
        height: Height::new(1),
        parent: genesis.id(),
        time: Timestamp::new(genesis.time.get() + 1),
        pow_count: 1,
        target: main.target_start,
        ..Header::default()
    };
    let of_block_2 = HeaderContext::new(block_1, Some(genesis)).expect("block 1 has children");
    assert_eq!(of_block_2.next_target(&main), main.target_start);
}

#[test]
fn a_constant_target_stays() {
    let regtest = Params::of(Network::Regtest);
    let context = context(regtest.target_start, 300_000, 1);
    assert_eq!(context.next_target(&regtest), regtest.target_start);
}

#[test]
fn uncles_raise_the_difficulty_like_blocks() {
    let main = Params::of(Network::Main);
    let next = |solutions| context(main.target_start, 4_000, solutions).next_target(&main);
    assert!(next(1) > main.target_start);
    assert_eq!(next(2), main.target_start);
    assert!(next(3) < main.target_start);
}

/// Spacings (ms) of `count` blocks found at a constant hash rate, from `from` on.
fn spacings(from: CompactTarget, first_ms: u64, count: usize) -> Vec<u64> {
    let main = Params::of(Network::Main);
    let normal_work = target(main.target_start.get()).work().get();
    let mut current = from;
    let mut spacing = first_ms;
    let mut found = Vec::new();
    for _ in 0..count {
        current = context(current, spacing, 1).next_target(&main);
        let work = target(current.get()).work().get();
        spacing = u64::try_from(work * 2_000 / normal_work)
            .expect("a few seconds")
            .max(1);
        found.push(spacing);
    }
    found
}

#[test]
fn a_stall_of_twelve_hours_is_forgotten() {
    let settled = *spacings(Params::of(Network::Main).target_start, 2_000, 3_000)
        .last()
        .unwrap();
    let stalled = 12 * 3_600 * 1_000;
    let after = spacings(Params::of(Network::Main).target_start, stalled, 324);
    // The one long interval at most doubles the target, so blocks come at most twice as fast...
    assert!(
        after.iter().all(|spacing| spacing * 100 >= settled * 49),
        "{after:?}"
    );
    // ...and are back within a fifth of the normal spacing after 324 blocks. The absolute form
    // would have taken 21,904.
    assert!(
        after[323] * 100 >= settled * 80,
        "{} against {settled}",
        after[323]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn no_sequence_of_times_moves_the_target_out_of_its_bounds(
        start in (0x16u32..0x20, 0x8000u32..0x80_0000),
        paces in prop::collection::vec(
            (prop_oneof![Just(1u64), 1u64..8_000, 1u64..700_000, Just(u64::MAX / 2)], 1u64..=3),
            1..12,
        ),
        network in prop::sample::select(vec![Network::Main, Network::Dev]),
    ) {
        let params = Params::of(network);
        let Retarget::Asert { solution_ms, half_life_ms } = params.retarget else {
            return Err(TestCaseError::fail("both networks retarget"));
        };
        let slowest = (-3.0 * solution_ms as f64 / half_life_ms as f64).exp2();
        let number = |target: CompactTarget| {
            let [low, middle, high, size] = target.get().to_le_bytes();
            let mantissa = u32::from_le_bytes([low, middle, high, 0]);
            f64::from(mantissa) * 256f64.powi(i32::from(size) - 3)
        };
        let mut current = compact(start.0 << 24 | start.1).min(params.target_max);
        for (elapsed_ms, solutions) in paces {
            let next = context(current, elapsed_ms, solutions).next_target(&params);
            prop_assert!(Target::from_compact(next).is_some());
            prop_assert!(next <= params.target_max);
            prop_assert!(number(next) <= 2.0 * number(current));
            // The stored form cuts off less than one unit of its last place.
            let next_up = compact(next.get() + 1);
            prop_assert!(number(next_up) >= slowest * number(current));
            current = next;
        }
    }

    #[test]
    fn stored_targets_order_and_return_as_they_were(
        left in (0x16u32..0x20, 0x8000u32..0x80_0000),
        right in (0x16u32..0x20, 0x8000u32..0x80_0000),
    ) {
        let [left, right] = [left, right].map(|(size, mantissa)| compact(size << 24 | mantissa));
        let [wide_left, wide_right] = [left, right].map(|raw| target(raw.get()));
        prop_assert_eq!(wide_left.to_compact(), left);
        prop_assert_eq!(left.cmp(&right), wide_left.cmp(&wide_right));
        prop_assert!(wide_left > wide_right || wide_left.work() >= wide_right.work());
    }
}

#[test]
fn works_add_up_to_a_limit() {
    assert_eq!(Work::new(2).checked_add(Work::new(3)), Some(Work::new(5)));
    assert_eq!(Work::new(u128::MAX).checked_add(Work::new(1)), None);
    assert_eq!(Work::ZERO, Work::default());
}
