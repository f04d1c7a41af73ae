//! One test per rule of context: fields, uncles, transactions.

use super::*;
use chain::evidence::Evidence;

/// A change to a header, and the rule that it breaks.
type Case = (fn(&mut Header), Rule);

#[test]
fn the_four_fields_describe_the_state_after_the_parent() {
    let chain = funded();
    let root = state::root(chain.state()).expect("memory");
    let now = supply(&chain).supply;
    let one = CheckpointNumber::new(1);
    let none = CheckpointNumber::default();
    let other = Hash32::from_bytes([1; 32]);
    let cases: [Case; 4] = [
        (
            |h| h.supply = base(7),
            Rule::SupplyField {
                expected: now,
                found: base(7),
            },
        ),
        (
            |h| h.justified = CheckpointNumber::new(1),
            Rule::JustifiedField {
                expected: none,
                found: one,
            },
        ),
        (
            |h| h.finalized = CheckpointNumber::new(1),
            Rule::FinalizedField {
                expected: none,
                found: one,
            },
        ),
        (
            |h| h.state_root = Hash32::from_bytes([1; 32]),
            Rule::StateRoot {
                expected: root,
                found: other,
            },
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(
            changed(&chain, |block| change(&mut block.header)),
            Some(expected)
        );
    }
    assert_eq!(changed(&chain, |_| ()), None);
}

#[test]
fn without_bonds_nobody_has_a_seat_a_roster_or_a_bond() {
    let chain = funded();
    let vote = IncludedVote {
        back: 1,
        bond: BondId::new(3),
        ..IncludedVote::default()
    };
    let without_seat = Rule::VoteWithoutSeat {
        bond: BondId::new(3),
    };
    assert_eq!(
        changed(&chain, |block| block.body.aux.votes = vec![vote]),
        Some(without_seat)
    );
    let masternode = MasternodeId::new(4);
    let signature = FinalitySignature {
        masternode,
        ..FinalitySignature::default()
    };
    let group = FinalityGroup {
        signatures: vec![signature],
        ..FinalityGroup::default()
    };
    let refused = changed(&chain, |block| block.body.aux.finality = vec![group]);
    let target = CheckpointNumber::default();
    assert_eq!(refused, Some(Rule::FinalityTarget { target }));
    let block_b = BlockId::from_bytes([1; 32]);
    let proof = Evidence::DoubleVote(DoubleVote {
        block_b,
        height: Height::new(1),
        ..DoubleVote::default()
    });
    let refused = changed(&chain, |block| block.body.aux.evidence = vec![proof]);
    assert_eq!(refused, Some(Rule::EvidenceUnknown));
}

#[test]
fn the_solution_count_is_exact() {
    let chain = funded();
    let refused = changed(&chain, |block| block.header.pow_count += 1);
    assert_eq!(
        refused,
        Some(Rule::SolutionCount {
            expected: 3,
            found: 4
        })
    );
}

#[test]
fn a_body_stays_below_the_limit_of_its_term() {
    let chain = funded();
    let mut block = chain.build(miner(), &[], &[]);
    let large = |number| {
        let class = SizeClass::LARGEST;
        let epoch = chain.rate_epoch();
        let kind = EnvelopeKind::Message;
        let mut made = TestEnvelope::new(chain.params(), epoch, kind, class, number);
        alice().pay(chain.params(), &mut made, number, base(64 * 1024));
        made.envelope
    };
    let envelopes: Vec<Envelope> = (0..4).map(large).collect();
    block.body.envelopes = envelopes.iter().map(Envelope::to_bytes).collect();
    reseal(&mut block, chain.params());
    let found = codec::encoded_len(&block.body) as u64;
    let limit = 256 << 10;
    assert_eq!(
        broken(chain.apply(&block)),
        Some(Rule::BodyLimit { limit, found })
    );
    let mut draft = chain.draft();
    for (position, envelope) in envelopes.iter().enumerate() {
        let checked = chain.check_envelope(envelope).expect("valid by itself");
        let expected = (position == 3).then_some(Rule::BodyLimit { limit, found });
        assert_eq!(broken(draft.try_envelope(&checked)), expected);
    }
    assert_eq!(draft.body_bytes_max(), limit);
}

#[test]
fn stamped_items_fill_at_most_their_share() {
    let params = Params {
        stamp_share_percent: 1,
        ..Params::of(Network::Regtest)
    };
    let mut chain = TestChain::with(params);
    chain.mine_empty(miner(), 8);
    let limit = (256 << 10) / 100;
    let mut draft = chain.draft();
    assert_eq!(draft.stamped_bytes_max(), limit);
    // 436 bytes and the 8 of its length each.
    for number in 0..5 {
        let checked = chain
            .check_envelope(&stamped(&chain, number).envelope)
            .expect("valid");
        assert_eq!(broken(draft.try_envelope(&checked)), None);
    }
    assert_eq!(draft.stamped_bytes(), 5 * 444);
    let last = chain
        .check_envelope(&stamped(&chain, 5).envelope)
        .expect("valid");
    let refused = Rule::StampLane {
        limit,
        found: 6 * 444,
    };
    assert_eq!(broken(draft.try_envelope(&last)), Some(refused));
    let record = stamped_record(&chain, &bob(), 0);
    let checked = chain.check_transaction(&record).expect("valid by itself");
    let found = 5 * 444 + checked.bytes() as u64;
    let refused = Rule::StampLane { limit, found };
    assert_eq!(broken(draft.try_transaction(&checked)), Some(refused));
    // Unstamped items have the rest.
    let free = chain
        .check_envelope(&message(&chain, 7).envelope)
        .expect("valid");
    assert_eq!(broken(draft.try_envelope(&free)), None);
}

#[test]
fn an_uncle_is_one_to_six_blocks_below() {
    let mut chain = funded();
    let uncle = sibling(&chain);
    chain.mine_empty(miner(), 5);
    let now = chain.next_time();
    let mut draft = chain.draft();
    assert_eq!(broken(draft.try_uncle(&uncle, now)), None);
    chain.mine_empty(miner(), 1);
    let mut draft = chain.draft();
    let too_deep = Rule::UncleDepth {
        block: Height::new(9),
        uncle: Height::new(2),
    };
    assert_eq!(broken(draft.try_uncle(&uncle, now)), Some(too_deep));
    let above = Header {
        height: Height::new(9),
        ..uncle
    };
    let too_high = Rule::UncleDepth {
        block: Height::new(9),
        uncle: Height::new(9),
    };
    assert_eq!(broken(draft.try_uncle(&above, now)), Some(too_high));
}

#[test]
fn an_uncle_is_a_foreign_child_of_an_ancestor_and_included_once() {
    let mut chain = funded();
    let now = chain.next_time();
    let uncle = sibling(&chain);
    let offered = |chain: &TestChain, uncle: &Header| {
        broken(chain.draft().try_uncle(uncle, chain.next_time()))
    };
    let orphan = Header {
        parent: BlockId::default(),
        ..uncle
    };
    assert_eq!(
        offered(&chain, &orphan),
        Some(Rule::UncleParent { id: orphan.id() })
    );
    let genesis = chain.params().genesis().header;
    assert_eq!(
        offered(&chain, &genesis),
        Some(Rule::UncleParent { id: genesis.id() })
    );
    let tip = chain.tip();
    assert_eq!(
        offered(&chain, &tip),
        Some(Rule::UncleIsAncestor { id: tip.id() })
    );
    let mut draft = chain.draft();
    assert_eq!(broken(draft.try_uncle(&uncle, now)), None);
    assert_eq!(
        broken(draft.try_uncle(&uncle, now)),
        Some(Rule::UncleRepeated { id: uncle.id() })
    );
    let mut block = draft.into_block(miner(), now).expect("memory");
    solve(&mut block.header, chain.params());
    chain.connect(&block).expect("valid");
    // For as long as it is not too deep, the state remembers it.
    while chain.tip().height < Height::new(7) {
        assert_eq!(
            offered(&chain, &uncle),
            Some(Rule::UncleRepeated { id: uncle.id() })
        );
        chain.mine_empty(miner(), 1);
    }
    assert_eq!(
        offered(&chain, &uncle),
        Some(Rule::UncleRepeated { id: uncle.id() })
    );
    chain.mine_empty(miner(), 1);
    assert!(matches!(
        offered(&chain, &uncle),
        Some(Rule::UncleDepth { .. })
    ));
    assert_eq!(value::recent_uncles(chain.state()), Ok(Vec::new()));
}

#[test]
fn a_draft_takes_two_uncles_and_judges_their_headers() {
    let chain = funded();
    let now = chain.next_time();
    let uncle = |extra| {
        let mut header = Header {
            extra,
            ..sibling(&chain)
        };
        solve(&mut header, chain.params());
        header
    };
    let mut draft = chain.draft();
    let cheap = Header {
        target: chain.params().target_start,
        version: 2,
        ..uncle(3)
    };
    let refused = broken(draft.try_uncle(&cheap, now));
    assert!(
        matches!(refused, Some(Rule::HeaderVersion { .. })),
        "{refused:?}"
    );
    let late = Timestamp::new(now.get() + chain.params().future_limit_ms + 1);
    let mut from_the_future = Header {
        time: late,
        ..uncle(3)
    };
    solve(&mut from_the_future, chain.params());
    let refused = broken(draft.try_uncle(&from_the_future, now));
    assert!(
        matches!(refused, Some(Rule::UncleTimeTooNew { .. })),
        "{refused:?}"
    );
    for extra in [3, 4] {
        assert_eq!(broken(draft.try_uncle(&uncle(extra), now)), None);
    }
    let refused = broken(draft.try_uncle(&uncle(5), now));
    assert_eq!(refused, Some(Rule::UncleCount { max: 2, found: 3 }));
}

#[test]
fn nonces_count_up_one_by_one() {
    let mut chain = funded();
    let ahead = Rule::NonceAhead {
        expected: 0,
        found: 1,
    };
    assert_eq!(offered(&chain, &to_bob(&chain, 1, 5)), Some(ahead));
    let first = to_bob(&chain, 0, 5);
    chain.mine(miner(), &[first.clone(), to_bob(&chain, 1, 5)], &[]);
    let used = Rule::NonceUsed {
        expected: 2,
        found: 0,
    };
    assert_eq!(offered(&chain, &first), Some(used));
    assert_eq!(offered(&chain, &to_bob(&chain, 2, 5)), None);
}

#[test]
fn the_fee_is_units_times_price_and_at_most_what_is_offered() {
    let chain = funded();
    // One unit for the size, one for the account that comes to life.
    let offer = |max_fee| {
        let prefix = alice().prefix(0, base(max_fee));
        alice().transfer(chain.params(), prefix, &[(bob().account(), base(5))])
    };
    let (kib, max_fee) = (base(1024), base(2047));
    let refused = Rule::FeeAboveMax {
        units: 2,
        kib,
        max_fee,
    };
    assert_eq!(offered(&chain, &offer(2047)), Some(refused));
    assert_eq!(offered(&chain, &offer(2048)), None);
    let outputs: Vec<_> = (10..266u64)
        .map(|number| (Owner::new(number).account(), base(1)))
        .collect();
    let many = alice().transfer(chain.params(), alice().prefix(0, base(1)), &outputs);
    let refused = Rule::FeeAboveMax {
        units: 8 + 256,
        kib,
        max_fee: base(1),
    };
    assert_eq!(offered(&chain, &many), Some(refused));
    let record = alice().record(chain.params(), None);
    let record = alice().set_record(chain.params(), alice().prefix(0, base(1)), record, None);
    let refused = Rule::FeeAboveMax {
        units: 2 + 16,
        kib,
        max_fee: base(1),
    };
    assert_eq!(offered(&chain, &record), Some(refused));
}

#[test]
fn an_account_is_created_once() {
    let mut chain = funded();
    let prefix = |nonce, max_fee| Prefix {
        max_fee: base(max_fee),
        ..alice().prefix(nonce, base(0))
    };
    let pay = |nonce, max_fee, to: &[AccountId]| {
        let outputs: Vec<_> = to.iter().map(|to| (*to, base(1))).collect();
        alice().transfer(chain.params(), prefix(nonce, max_fee), &outputs)
    };
    let (bob, carol) = (bob().account(), Owner::new(3).account());
    let mut draft = chain.draft();
    let mut fits = |tx: &Transaction| {
        let checked = chain.check_transaction(tx).expect("valid by itself");
        broken(draft.try_transaction(&checked))
    };
    // Bob twice and Alice herself: one unit for the size, one for Bob.
    assert_eq!(fits(&pay(0, 2048, &[bob, bob, alice().account()])), None);
    assert_eq!(fits(&pay(1, 1024, &[bob])), None);
    let refused = Rule::FeeAboveMax {
        units: 2,
        kib: base(1024),
        max_fee: base(1024),
    };
    assert_eq!(fits(&pay(2, 1024, &[carol])), Some(refused));
    let txs = [pay(0, 2048, &[bob, bob, alice().account()])];
    chain.mine(miner(), &txs, &[]);
    let pay = |max_fee| {
        let outputs = [(bob, base(1))];
        alice().transfer(chain.params(), prefix(1, max_fee), &outputs)
    };
    assert_eq!(offered(&chain, &pay(1024)), None);
}

#[test]
fn the_balance_covers_outputs_fee_and_tip() {
    let chain = funded();
    let balance = balance(&chain, &alice());
    let spendable = balance.base_units() - 2048;
    let pay = |amount, tip| {
        let prefix = Prefix {
            tip: base(tip),
            ..alice().prefix(0, MAX_FEE)
        };
        alice().transfer(chain.params(), prefix, &[(bob().account(), base(amount))])
    };
    assert_eq!(offered(&chain, &pay(spendable, 0)), None);
    assert_eq!(offered(&chain, &pay(spendable - 9, 9)), None);
    let refused = Some(Rule::BalanceTooLow { balance });
    assert_eq!(offered(&chain, &pay(spendable + 1, 0)), refused);
    assert_eq!(offered(&chain, &pay(spendable - 9, 10)), refused);
    let cap = Amount::MAX.base_units();
    assert_eq!(offered(&chain, &pay(cap, cap)), refused);
}

#[test]
fn a_record_follows_the_one_before() {
    let mut chain = funded();
    let set = |chain: &TestChain, nonce, record: &AccountRecord| {
        alice().set_record(
            chain.params(),
            alice().prefix(nonce, MAX_FEE),
            record.clone(),
            None,
        )
    };
    let first = alice().record(chain.params(), None);
    let linked = AccountRecord {
        previous: [1; 24],
        ..first.clone()
    };
    let linked = alice().sign_record(chain.params(), linked);
    assert_eq!(
        offered(&chain, &set(&chain, 0, &linked)),
        Some(Rule::RecordLink)
    );
    let tx = set(&chain, 0, &first);
    chain.mine(miner(), &[tx], &[]);
    assert_eq!(
        value::record(chain.state(), &alice().account()),
        Ok(Some(first.clone()))
    );
    let refused = Rule::RecordGeneration {
        before: 0,
        found: 0,
    };
    assert_eq!(offered(&chain, &set(&chain, 1, &first)), Some(refused));
    let second = alice().record(chain.params(), Some(&first));
    let unlinked = AccountRecord {
        previous: [0; 24],
        ..second.clone()
    };
    let unlinked = alice().sign_record(chain.params(), unlinked);
    assert_eq!(
        offered(&chain, &set(&chain, 1, &unlinked)),
        Some(Rule::RecordLink)
    );
    assert_eq!(offered(&chain, &set(&chain, 1, &second)), None);
}

#[test]
fn a_view_of_another_tip_is_the_callers_fault() {
    let mut chain = funded();
    let block = chain.build(miner(), &[], &[]);
    let checked = chain.check(&block).expect("valid");
    let parent = chain.tip().id();
    chain.mine_empty(bob().account(), 1);
    let refused = apply(chain.state(), checked, chain.params());
    let other = ViewError::OtherTip {
        tip: chain.tip().id(),
        parent,
    };
    assert_eq!(refused, Err(ApplyError::View(other)));
}
