//! What the steps of a block do, one by one.

use super::*;
use chain::Aux;
use chain::evidence::Evidence;

#[test]
fn a_block_pays_its_miner_and_the_header_of_the_next_shows_it() {
    let mut chain = TestChain::new(Network::Regtest);
    assert_eq!(chain.tip().supply, Amount::ZERO);
    let applied = chain.mine(alice().account(), &[], &[]).clone();
    let expected = reward::miner(Amount::ZERO, 0, 0);
    assert_eq!(
        (applied.minted(), applied.burned()),
        (expected, Amount::ZERO)
    );
    assert_eq!(balance(&chain, &alice()), expected);
    let base_units = expected.base_units();
    let after = Supply {
        supply: expected,
        minted: base_units,
        burned: 0,
    };
    assert_eq!(supply(&chain), after);
    let next = chain.mine(alice().account(), &[], &[]).block().header;
    assert_eq!(next.supply, expected);
    assert_eq!(next.state_root, *applied.state_root());
}

#[test]
fn fees_are_burned_and_tips_go_to_the_miner() {
    let mut chain = funded();
    let before = (balance(&chain, &alice()).base_units(), supply(&chain));
    let prefix = Prefix {
        tip: base(77),
        ..alice().prefix(0, MAX_FEE)
    };
    let tx = alice().transfer(chain.params(), prefix, &[(bob().account(), base(500))]);
    let mined = reward::miner(before.1.supply, 0, 0).base_units();
    let applied = chain.mine(miner(), std::slice::from_ref(&tx), &[]).clone();
    assert_eq!(applied.transaction_ids(), [tx.id()]);
    assert_eq!(applied.burned(), base(2048));
    assert_eq!(
        account(&chain, &alice()),
        Account {
            balance: base(before.0 - 500 - 77 - 2048),
            nonce: 1,
        }
    );
    assert_eq!(balance(&chain, &bob()), base(500));
    let miner = value::account(chain.state(), &miner()).expect("memory");
    assert_eq!(
        miner,
        Account {
            balance: base(mined + 77),
            nonce: 0
        }
    );
    assert_eq!(supply(&chain).burned, 2048);
    assert_eq!(
        supply(&chain).supply,
        base(before.1.supply.base_units() + mined - 2048)
    );
}

#[test]
fn nothing_received_or_earned_in_a_block_is_spendable_in_it() {
    let mut chain = funded();
    let all = balance(&chain, &alice());
    let to_bob = to_bob(&chain, 0, 1_000_000);
    let pass_on = |max: u64| {
        let prefix = bob().prefix(0, MAX_FEE);
        bob().transfer(chain.params(), prefix, &[(alice().account(), base(max))])
    };
    let mut draft = chain.draft();
    let check = |tx: &Transaction| chain.check_transaction(tx).expect("valid by itself");
    assert_eq!(broken(draft.try_transaction(&check(&to_bob))), None);
    let refused = Rule::BalanceTooLow {
        balance: Amount::ZERO,
    };
    assert_eq!(
        broken(draft.try_transaction(&check(&pass_on(1)))),
        Some(refused)
    );
    // Sending everything to oneself leaves nothing for a second order in the block.
    let rest = base(all.base_units() - 1_000_000 - 2 * 2048);
    let mut prefix = alice().prefix(1, MAX_FEE);
    prefix.tip = base(1024);
    let to_self = alice().transfer(chain.params(), prefix, &[(alice().account(), rest)]);
    assert_eq!(broken(draft.try_transaction(&check(&to_self))), None);
    let third = alice().transfer(
        chain.params(),
        alice().prefix(2, MAX_FEE),
        &[(bob().account(), base(1))],
    );
    let refused = broken(draft.try_transaction(&check(&third)));
    assert_eq!(
        refused,
        Some(Rule::BalanceTooLow {
            balance: Amount::ZERO
        })
    );
    let pass_on = pass_on(1);
    chain.mine(miner(), &[to_bob, to_self], &[]);
    assert_eq!(balance(&chain, &alice()), rest);
    assert_eq!(offered(&chain, &pass_on), None);
}

#[test]
fn transactions_come_before_envelopes() {
    let mut chain = funded();
    let mut paid = message(&chain, 1);
    alice().pay(chain.params(), &mut paid, 1, base(1024));
    let tx = to_bob(&chain, 0, 5);
    // Offered first, the envelope lacks the order before it.
    let ahead = Rule::NonceAhead {
        expected: 0,
        found: 1,
    };
    assert_eq!(offered_envelope(&chain, &paid.envelope), Some(ahead));
    // After a payment the account orders nothing more in the same block.
    let mut draft = chain.draft();
    let checked = |tx: &Transaction| chain.check_transaction(tx).expect("valid by itself");
    assert_eq!(broken(draft.try_transaction(&checked(&tx))), None);
    let envelope = chain
        .check_envelope(&paid.envelope)
        .expect("valid by itself");
    assert_eq!(broken(draft.try_envelope(&envelope)), None);
    let late = to_bob(&chain, 2, 5);
    let refused = Rule::NonceAhead {
        expected: 1,
        found: 2,
    };
    assert_eq!(
        broken(draft.try_transaction(&checked(&late))),
        Some(refused)
    );
    let stale = Rule::NonceUsed {
        expected: 2,
        found: 1,
    };
    let rival = to_bob(&chain, 1, 5);
    assert_eq!(broken(draft.try_transaction(&checked(&rival))), Some(stale));
    let mut block = draft
        .into_block(miner(), chain.next_time())
        .expect("memory");
    solve(&mut block.header, chain.params());
    let applied = chain.connect(&block).expect("valid").clone();
    assert_eq!(applied.wire_ids(), [paid.envelope.wid()]);
    assert_eq!(applied.message_ids(), [paid.envelope.mid()]);
    assert_eq!(account(&chain, &alice()).nonce, 2);
    assert_eq!(applied.burned(), base(2048 + 1024));
}

#[test]
fn uncles_count_earn_and_are_remembered() {
    let mut chain = funded();
    let now = chain.next_time();
    let uncle = sibling(&chain);
    chain.mine_empty(miner(), 1);
    let before = supply(&chain).supply;
    let mut draft = chain.draft();
    draft.try_uncle(&uncle, now).expect("valid");
    let mut block = draft
        .into_block(miner(), chain.next_time())
        .expect("memory");
    solve(&mut block.header, chain.params());
    assert_eq!(block.header.pow_count, chain.tip().pow_count + 2);
    let applied = chain.connect(&block).expect("valid").clone();
    // Two blocks below: ten units for its miner, one for the including one.
    let unit = reward::unit(before).base_units();
    assert_eq!(balance(&chain, &bob()), base(10 * unit));
    assert_eq!(applied.minted(), base((24 + 1 + 10) * unit));
    assert!(applied.uncle_work() > Work::ZERO);
    let recent = value::RecentUncle {
        height: uncle.height,
        id: uncle.id(),
    };
    assert_eq!(value::recent_uncles(chain.state()), Ok(vec![recent]));
}

#[test]
fn the_price_of_an_epoch_follows_the_supply_two_epochs_before() {
    let mut chain = TestChain::new(Network::Regtest);
    let epochs = |chain: &TestChain| {
        let prices = value::prices(chain.state()).expect("memory");
        prices
            .iter()
            .map(|price| price.epoch.get())
            .collect::<Vec<_>>()
    };
    assert_eq!(epochs(&chain), [0, 1]);
    chain.mine_empty(miner(), 14);
    assert_eq!(epochs(&chain), [0, 1]);
    chain.mine_empty(miner(), 1);
    assert_eq!(epochs(&chain), [0, 1, 2]);
    chain.mine_empty(miner(), 16);
    assert_eq!(epochs(&chain), [1, 2, 3]);
    chain.disconnect();
    assert_eq!(epochs(&chain), [0, 1, 2]);
}

#[test]
fn a_term_of_full_bodies_widens_the_next_one() {
    let mut chain = funded();
    let large = |chain: &TestChain, number, nonce| {
        let (epoch, kind) = (chain.rate_epoch(), EnvelopeKind::Message);
        let class = SizeClass::LARGEST;
        let mut made = TestEnvelope::new(chain.params(), epoch, kind, class, number);
        alice().pay(chain.params(), &mut made, nonce, base(64 * 1024));
        made.envelope
    };
    // Sizes of heights 0..12, lower median the sixth of twelve: from six on, all are large.
    let mut nonce = 0;
    let mut sizes = Vec::new();
    while chain.tip().height < Height::new(11) {
        let full = chain.tip().height >= Height::new(4);
        let count = if full { 3 } else { 0 };
        let envelopes: Vec<Envelope> = (nonce..nonce + count)
            .map(|nonce| large(&chain, nonce, nonce))
            .collect();
        nonce += count;
        let applied = chain.mine(alice().account(), &[], &envelopes);
        sizes.push(codec::encoded_len(&applied.block().body) as u64);
    }
    assert_eq!(value::body_limit(chain.state()), Ok(256 << 10));
    let median = sizes[6];
    assert_eq!(chain.draft().body_bytes_max(), 2 * median);
    chain.mine_empty(miner(), 1);
    assert_eq!(value::body_limit(chain.state()), Ok(2 * median));
    chain.disconnect();
    assert_eq!(value::body_limit(chain.state()), Ok(256 << 10));
}

#[test]
fn heights_below_a_full_term_have_the_smallest_limit() {
    let mut chain = TestChain::new(Network::Regtest);
    chain.mine_empty(miner(), 25);
    assert_eq!(value::body_limit(chain.state()), Ok(law::BODY_BYTES_MIN));
    let sizes = chain
        .state()
        .values()
        .keys()
        .filter(|key| matches!(key, StateKey::BodySize(_)));
    assert_eq!(sizes.count(), 12);
}

#[test]
fn a_draft_behind_the_clock_still_makes_a_valid_time() {
    let chain = funded();
    let block = chain
        .draft()
        .into_block(miner(), Timestamp::new(0))
        .expect("memory");
    assert_eq!(block.header.time.get(), chain.tip().time.get() + 1);
    let later = Timestamp::new(chain.tip().time.get() + 50);
    let block = chain.draft().into_block(miner(), later).expect("memory");
    assert_eq!(block.header.time, later);
}

#[test]
fn a_full_supply_mints_nothing_and_nobody_comes_to_life_for_it() {
    let mut chain = funded();
    let mut state: MemoryState = chain.state().clone();
    // Not reachable by mining: the emission tends to zero. The rule holds all the same.
    let full = Supply {
        supply: Amount::MAX,
        ..Supply::default()
    };
    let mut values = StateDiff::default();
    values
        .values
        .insert(StateKey::Supply, Some(codec::encode(&full)));
    state.commit(&values);
    let draft = Draft::new(&state, chain.params()).expect("memory");
    let mut block = draft
        .into_block(miner(), chain.next_time())
        .expect("memory");
    solve(&mut block.header, chain.params());
    let checked = chain.check(&block).expect("valid by itself");
    let applied = apply(&state, checked, chain.params()).expect("valid");
    assert_eq!(applied.minted(), Amount::ZERO);
    assert!(
        !applied
            .diff()
            .values
            .contains_key(&StateKey::Account(miner()))
    );
    chain.mine_empty(miner(), 1);
}

/// A fault mended, and the rule that is broken next.
type Mended<'a> = (&'a dyn Fn(&mut Block), &'a str);

#[test]
fn the_steps_run_in_their_order() {
    let mut chain = funded();
    let uncle = sibling(&chain);
    chain.mine_empty(miner(), 1);
    let orphan = Header {
        parent: BlockId::default(),
        ..uncle
    };
    let vote = IncludedVote {
        back: 1,
        ..IncludedVote::default()
    };
    let proof = Evidence::DoubleVote(DoubleVote {
        block_b: BlockId::from_bytes([1; 32]),
        height: Height::new(1),
        ..DoubleVote::default()
    });
    let signature = FinalitySignature::default();
    let group = FinalityGroup {
        signatures: vec![signature],
        ..FinalityGroup::default()
    };
    let large = |number| {
        let (epoch, kind) = (chain.rate_epoch(), EnvelopeKind::Message);
        let mut made = TestEnvelope::new(chain.params(), epoch, kind, SizeClass::LARGEST, number);
        alice().pay(chain.params(), &mut made, 7, base(1));
        made.envelope.to_bytes()
    };
    // Every step fails at once; one after the other is mended.
    let mut block = chain.build(miner(), &[], &[]);
    block.header.supply = base(1);
    block.header.pow_count += 1;
    block.body.transactions = vec![to_bob(&chain, 9, 5)];
    block.body.envelopes = (0..4).map(large).collect();
    block.body.aux = Aux {
        uncles: vec![orphan],
        votes: vec![vote],
        finality: vec![group],
        evidence: vec![proof],
    };
    let mut verdict = |mend: &dyn Fn(&mut Block)| {
        mend(&mut block);
        reseal(&mut block, chain.params());
        broken(chain.apply(&block))
            .map(|rule| format!("{rule:?}"))
            .unwrap_or_default()
    };
    let right = chain.build(miner(), &[], &[]).header;
    let steps: [Mended<'_>; 10] = [
        (&|_| (), "SupplyField"),
        (&|block| block.header.supply = right.supply, "BodyLimit"),
        (&|block| block.body.envelopes.truncate(1), "EvidenceUnknown"),
        (&|block| block.body.aux.evidence.clear(), "VoteWithoutSeat"),
        (&|block| block.body.aux.votes.clear(), "FinalityTarget"),
        (&|block| block.body.aux.finality.clear(), "UncleParent"),
        (&|block| block.body.aux.uncles.clear(), "SolutionCount"),
        (
            &|block| block.header.pow_count = right.pow_count,
            "NonceAhead",
        ),
        (&|block| block.body.transactions.clear(), "ClearPrice"),
        (&|block| block.body.envelopes.clear(), ""),
    ];
    for (mend, expected) in steps {
        let found = verdict(mend);
        assert!(
            found.starts_with(expected) && found.is_empty() == expected.is_empty(),
            "{found}"
        );
    }
}

/// Changes only with the rules: then spec, vectors and this number change together.
#[test]
fn a_small_chain_has_a_frozen_state_hash() {
    let mut chain = funded();
    let now = chain.next_time();
    let uncle = sibling(&chain);
    let record = alice().record(chain.params(), None);
    let prefix = alice().prefix(1, MAX_FEE);
    let txs = [
        to_bob(&chain, 0, 5_000_000),
        alice().set_record(chain.params(), prefix, record, None),
    ];
    let mut paid = message(&chain, 1);
    alice().pay(chain.params(), &mut paid, 2, base(1024));
    let free = message(&chain, 2).envelope;
    chain.mine(miner(), &txs, &[paid.envelope, free]);
    let mut draft = chain.draft();
    draft.try_uncle(&uncle, now).expect("valid");
    let mut block = draft
        .into_block(miner(), chain.next_time())
        .expect("memory");
    solve(&mut block.header, chain.params());
    chain.connect(&block).expect("valid");
    chain.mine_empty(bob().account(), 40);
    let hash = state::state_hash(chain.state(), chain.params()).expect("memory");
    assert_eq!(
        hash.to_string(),
        "7d3a9ceea88b90aca387083efe4fbb81b300de1e861b688a8f16de38103bde1a"
    );
}
