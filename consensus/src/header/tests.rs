//! One test per rule of a header, each breaking that rule alone.

use std::collections::BTreeMap;

use chain::Network;
use genesis::{Pow, Retarget};

use super::*;
use crate::error::{Carrier, Severity};
use crate::pow::Solver;

/// Hash-only proof of work with the retarget of main, at 64 hashes per block or a few more.
fn asert_params() -> Params {
    Params {
        retarget: Retarget::Asert {
            solution_ms: 2_000,
            half_life_ms: 300_000,
        },
        target_start: CompactTarget::new(0x2002_0000),
        target_max: CompactTarget::new(0x2004_0000),
        future_limit_ms: 10_000,
        ..Params::of(Network::Regtest)
    }
}

/// Searches the nonce, at the target that the header itself names.
fn mined(mut header: Header, pow: Pow) -> Header {
    let target = Target::from_compact(header.target).expect("a canonical target");
    let mut solver = Solver::new();
    loop {
        if let Some(solution) = solver.attempt(&header, target, pow) {
            return Header { solution, ..header };
        }
        header.nonce += 1;
    }
}

/// A header after `context`'s parent that breaks no rule once it is mined.
fn template(context: &HeaderContext, params: &Params) -> Header {
    let parent = context.parent();
    Header {
        version: law::HEADER_VERSION,
        height: parent.height.next().expect("a low height"),
        parent: *context.parent_id(),
        time: Timestamp::new(parent.time.get() + 2_000),
        target: context.next_target(params),
        pow_count: parent.pow_count + 1,
        ..Header::default()
    }
}

/// Parameters, a context two blocks above genesis, a time at which everything there is past.
fn setup() -> (Params, HeaderContext, Timestamp) {
    let params = asert_params();
    let genesis = params.genesis().header;
    let mut context = HeaderContext::new(genesis, None).expect("genesis has children");
    for _ in 0..3 {
        let header = mined(template(&context, &params), params.pow);
        let now = header.time;
        let checked = check_header(&header, &context, &params, now).expect("a valid header");
        let next = HeaderContext::new(header, Some(*context.parent()));
        context = next.expect("a valid header has children");
        assert_eq!(context.parent_id(), checked.id());
    }
    assert_eq!(context.parent().height, Height::new(3));
    let now = Timestamp::new(context.parent().time.get() + 60_000);
    (params, context, now)
}

/// Applies `change` to a valid template, mines it, and returns the rule it breaks.
fn broken_by(change: impl Fn(&mut Header)) -> Rule {
    let (params, context, now) = setup();
    let mut header = template(&context, &params);
    assert!(check_header(&mined(header, params.pow), &context, &params, now).is_ok());
    change(&mut header);
    check_header(&mined(header, params.pow), &context, &params, now).expect_err("a rule is broken")
}

#[test]
fn a_valid_header_is_checked_with_its_id_and_work() {
    let (params, context, now) = setup();
    let header = mined(template(&context, &params), params.pow);
    let checked = check_header(&header, &context, &params, now).expect("a valid header");
    assert_eq!(checked.header(), &header);
    assert_eq!(checked.id(), &header.id());
    let target = Target::from_compact(header.target).expect("a canonical target");
    assert_eq!(checked.work(), target.work());
}

#[test]
fn an_unknown_version_is_refused() {
    let rule = broken_by(|header| header.version = 2);
    assert_eq!(
        rule,
        Rule::HeaderVersion {
            expected: 1,
            found: 2
        }
    );
}

#[test]
fn the_reserved_field_stays_zero() {
    assert_eq!(
        broken_by(|header| header.pow_commit[15] = 1),
        Rule::PowCommit
    );
}

#[test]
fn the_height_follows_the_parents() {
    for found in [0, 3, 5] {
        let rule = broken_by(|header| header.height = Height::new(found));
        let expected = Height::new(4);
        assert_eq!(
            rule,
            Rule::HeaderHeight {
                expected,
                found: Height::new(found)
            }
        );
    }
}

#[test]
fn the_parent_is_the_one_of_the_context() {
    let stranger = BlockId::from_bytes([7; 32]);
    let rule = broken_by(|header| header.parent = stranger);
    assert!(matches!(rule, Rule::HeaderParent { found, .. } if found == stranger));
}

#[test]
fn a_hash_above_the_target_is_refused() {
    let (params, context, now) = setup();
    let mut header = template(&context, &params);
    while pow::check_pow(&header, context.parent_target(), params.pow).is_ok() {
        header.nonce += 1;
    }
    assert_eq!(
        check_header(&header, &context, &params, now),
        Err(Rule::PowHash)
    );
}

#[test]
fn a_field_for_solutions_is_empty_where_there_is_no_puzzle() {
    let (params, context, now) = setup();
    let mut header = Header {
        solution: [1; 16],
        ..template(&context, &params)
    };
    let target = Target::from_compact(header.target).expect("a canonical target");
    while !target.is_met_by(&header.pow_hash()) {
        header.nonce += 1;
    }
    assert_eq!(
        check_header(&header, &context, &params, now),
        Err(Rule::PowSolution)
    );
}

#[test]
fn a_solution_must_solve_the_puzzle() {
    let easiest = CompactTarget::new(0x207f_ffff);
    let params = Params {
        pow: Pow::EquiX,
        target_start: easiest,
        target_max: easiest,
        ..asert_params()
    };
    let genesis = params.genesis().header;
    let context = HeaderContext::new(genesis, None).expect("genesis has children");
    let header = mined(template(&context, &params), params.pow);
    let now = header.time;
    assert!(check_header(&header, &context, &params, now).is_ok());
    let target = Target::from_compact(easiest).expect("a canonical target");
    let forged = (header.nonce + 1..)
        .map(|nonce| Header { nonce, ..header })
        .find(|forged| target.is_met_by(&forged.pow_hash()))
        .expect("half of all hashes meet the target");
    assert_eq!(
        check_header(&forged, &context, &params, now),
        Err(Rule::PowSolution)
    );
}

#[test]
fn a_target_beyond_the_limits_is_refused_before_any_hash() {
    let (params, context, now) = setup();
    let max = params.target_max;
    for found in [
        0x2004_0001,
        0x207f_ffff,
        0x2100_ffff,
        0x1f94_cab8,
        0x1500_ffff,
        0,
    ] {
        let found = CompactTarget::new(found);
        // Not mined: its hash is not even looked at.
        let header = Header {
            target: found,
            solution: [9; 16],
            ..template(&context, &params)
        };
        let refused = check_header(&header, &context, &params, now);
        assert_eq!(refused, Err(Rule::TargetRange { max, found }));
    }
}

#[test]
fn the_target_is_the_computed_one() {
    let (params, context, _) = setup();
    let expected = context.next_target(&params);
    for found in [
        expected.get() - 1,
        expected.get() + 1,
        params.target_max.get(),
    ] {
        let found = CompactTarget::new(found);
        let rule = broken_by(|header| header.target = found);
        assert_eq!(rule, Rule::Target { expected, found });
    }
}

#[test]
fn the_solution_count_grows_by_one_to_three() {
    for found in [0, 2, 3, 7, u64::MAX] {
        let rule = broken_by(|header| header.pow_count = found);
        assert_eq!(rule, Rule::PowCount { parent: 3, found });
    }
    let (params, context, now) = setup();
    for pow_count in 4..=6 {
        let header = mined(
            Header {
                pow_count,
                ..template(&context, &params)
            },
            params.pow,
        );
        assert!(check_header(&header, &context, &params, now).is_ok());
    }
}

#[test]
fn time_moves_forward() {
    let (_, context, _) = setup();
    let parent = context.parent().time;
    for found in [parent, Timestamp::new(parent.get() - 1), Timestamp::new(0)] {
        let rule = broken_by(|header| header.time = found);
        assert_eq!(rule, Rule::TimeNotAfterParent { parent, found });
    }
}

#[test]
fn a_chain_that_leaves_a_trusted_block_aside_is_refused_and_its_uncles_are_not() {
    let (params, context, now) = setup();
    let header = mined(template(&context, &params), params.pow);
    let height = header.height;
    let trusting = |id| Params {
        trusted: BTreeMap::from([(height, id)]),
        ..params.clone()
    };
    let other = trusting(chain::BlockId::from_bytes([7; 32]));
    let refused = Err(Rule::NotTrusted { height });
    assert_eq!(check_header(&header, &context, &other, now), refused);
    assert_eq!(check_stored_header(&header, &context, &other), refused);
    let including = header.time;
    assert!(check_uncle_header(&header, &context, &other, including).is_ok());
    let own = trusting(header.id());
    assert!(check_header(&header, &context, &own, now).is_ok());
}

#[test]
fn a_header_from_the_future_is_parked_and_later_valid() {
    let (params, context, now) = setup();
    let latest = Timestamp::new(now.get() + params.future_limit_ms);
    let at = |time| {
        mined(
            Header {
                time,
                ..template(&context, &params)
            },
            params.pow,
        )
    };
    assert!(check_header(&at(latest), &context, &params, now).is_ok());

    let found = Timestamp::new(latest.get() + 1);
    let early = at(found);
    let rule = check_header(&early, &context, &params, now).expect_err("it is too new");
    assert_eq!(rule, Rule::TimeTooNew { latest, found });
    assert_eq!(rule.severity(Carrier::Loose), Severity::Harmless);
    assert_eq!(rule.severity(Carrier::Block), Severity::Harmless);
    let later = Timestamp::new(now.get() + 1);
    assert!(check_header(&early, &context, &params, later).is_ok());
    // Whatever the clock says, our own disk is believed.
    assert!(check_stored_header(&early, &context, &params).is_ok());
}

#[test]
fn extreme_clocks_do_not_overflow() {
    let (params, context, _) = setup();
    let header = mined(template(&context, &params), params.pow);
    let far = Timestamp::new(u64::MAX);
    assert!(check_header(&header, &context, &params, far).is_ok());
    assert!(matches!(
        check_header(&header, &context, &params, Timestamp::new(0)),
        Err(Rule::TimeTooNew { .. })
    ));
    let last = mined(
        Header {
            time: far,
            ..template(&context, &params)
        },
        params.pow,
    );
    assert!(check_header(&last, &context, &params, far).is_ok());
}

#[test]
fn proof_of_work_is_looked_at_before_the_parent_and_the_clock_last() {
    let (params, context, now) = setup();
    let wrong = Header {
        height: Height::new(9),
        pow_count: 77,
        parent: BlockId::default(),
        time: Timestamp::new(u64::MAX),
        target: params.target_max,
        ..template(&context, &params)
    };
    let unworked = (0..)
        .map(|nonce| Header { nonce, ..wrong })
        .find(|header| {
            let target = Target::from_compact(header.target).expect("a canonical target");
            !target.is_met_by(&header.pow_hash())
        })
        .expect("most hashes miss the target");
    assert_eq!(
        check_header(&unworked, &context, &params, now),
        Err(Rule::PowHash)
    );

    let mut header = Header {
        time: Timestamp::new(u64::MAX),
        ..template(&context, &params)
    };
    header.pow_count = 77;
    let refused = check_header(&mined(header, params.pow), &context, &params, now);
    assert!(matches!(refused, Err(Rule::PowCount { .. })));
}

#[test]
fn an_uncle_is_judged_by_the_including_blocks_time() {
    let (params, context, now) = setup();
    let uncle = mined(template(&context, &params), params.pow);
    let latest = uncle.time.get() - params.future_limit_ms;
    let including = Timestamp::new(latest);
    assert!(check_uncle_header(&uncle, &context, &params, including).is_ok());

    let including = Timestamp::new(latest - 1);
    let rule = check_uncle_header(&uncle, &context, &params, including).expect_err("too new");
    let latest = Timestamp::new(uncle.time.get() - 1);
    assert_eq!(
        rule,
        Rule::UncleTimeTooNew {
            latest,
            found: uncle.time
        }
    );
    assert_eq!(rule.severity(Carrier::Block), Severity::Fatal);
    // The same header by itself is fine: the clock is the local one there.
    assert!(check_header(&uncle, &context, &params, now).is_ok());
}

#[test]
fn cheap_uncle_refused() {
    let (params, context, now) = setup();
    let cheap = Header {
        target: params.target_max,
        ..template(&context, &params)
    };
    assert!(cheap.target > context.next_target(&params));
    let refused = check_uncle_header(&mined(cheap, params.pow), &context, &params, now);
    assert!(matches!(refused, Err(Rule::Target { .. })));
}

#[test]
fn headers_that_no_chain_can_hold_make_no_context() {
    let (_, context, _) = setup();
    let parent = *context.parent();
    let is_damaged = |parent, grandparent| {
        let made = HeaderContext::new(parent, grandparent);
        matches!(made, Err(ViewError::Damaged { .. }))
    };
    assert!(is_damaged(parent, None));
    assert!(is_damaged(parent, Some(parent)));
    assert!(is_damaged(
        Header {
            target: CompactTarget::new(0),
            ..parent
        },
        None
    ));
    let grandparent = Header {
        pow_count: 2,
        time: Timestamp::new(5),
        ..Header::default()
    };
    let child = |time, pow_count| Header {
        parent: grandparent.id(),
        time: Timestamp::new(time),
        pow_count,
        ..parent
    };
    assert!(!is_damaged(child(6, 3), Some(grandparent)));
    for (time, pow_count) in [(5, 3), (4, 3), (6, 2), (6, 1), (6, 6)] {
        assert!(is_damaged(child(time, pow_count), Some(grandparent)));
    }
}

#[test]
fn a_broken_header_rule_weighs_the_same_however_it_came() {
    for carrier in [Carrier::Loose, Carrier::Block] {
        assert_eq!(Rule::PowHash.severity(carrier), Severity::Fatal);
        assert_eq!(Rule::PowSolution.severity(carrier), Severity::Fatal);
        assert_eq!(Rule::PowCommit.severity(carrier), Severity::Fatal);
        assert_eq!(Rule::InvalidAncestor.severity(carrier), Severity::Minor);
    }
}
