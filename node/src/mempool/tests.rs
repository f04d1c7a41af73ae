use chain::envelope::{EnvelopeKind, SizeClass};
use chain::units::RateEpoch;
use chain::{Amount, Network, Transaction};
use consensus::testing::{Owner, TestChain, TestEnvelope};

use super::*;

const MAX_FEE: Amount = Amount::from_base(100_000);

fn alice() -> Owner {
    Owner::new(1)
}

fn bob() -> Owner {
    Owner::new(2)
}

/// Alice has mined two blocks and may spend both rewards.
fn funded() -> TestChain {
    let mut chain = TestChain::new(Network::Regtest);
    chain.mine_empty(alice().account(), 2);
    chain
}

fn transfer(chain: &TestChain, nonce: u64, tip: u64) -> Transaction {
    let mut prefix = alice().prefix(nonce, MAX_FEE);
    prefix.tip = Amount::from_base(tip);
    let output = (bob().account(), Amount::from_base(1));
    alice().transfer(chain.params(), prefix, &[output])
}

fn transaction(chain: &TestChain, transaction: &Transaction) -> Item {
    Item::Transaction(
        chain
            .check_transaction(transaction)
            .expect("valid by itself"),
    )
}

fn envelope(chain: &TestChain, made: &TestEnvelope) -> Item {
    Item::Envelope(
        chain
            .check_envelope(&made.envelope)
            .expect("valid by itself"),
    )
}

fn message(chain: &TestChain, number: u64) -> TestEnvelope {
    TestEnvelope::message(chain.params(), chain.rate_epoch(), number)
}

/// An envelope of the largest class, which its payer pays for.
fn large(chain: &TestChain, payer: &Owner, nonce: u64) -> TestEnvelope {
    const PRICE: Amount = Amount::from_base(64 * 1_024);
    let class = SizeClass::new(8).expect("a class");
    let (epoch, kind) = (chain.rate_epoch(), EnvelopeKind::Message);
    let mut made = TestEnvelope::new(chain.params(), epoch, kind, class, 10_000 + nonce);
    payer.pay(chain.params(), &mut made, nonce, PRICE);
    made
}

fn add(mempool: &mut Mempool, chain: &TestChain, item: Item) -> Result<Hash32, Refusal> {
    mempool.add(item, chain.state(), chain.params())
}

/// What the next block would hold.
fn selected(mempool: &mut Mempool, chain: &TestChain) -> (Body, Vec<Hash32>) {
    let mut draft = chain.draft();
    let dropped = mempool.select(&mut draft).expect("memory answers");
    (draft.body().clone(), dropped)
}

fn nonces(body: &Body) -> Vec<u64> {
    let transactions = body.transactions.iter();
    transactions.map(|tx| tx.prefix().nonce).collect()
}

/// All indexes tell the same story as the entries.
fn assert_sound(mempool: &Mempool) {
    let bytes: usize = mempool.items().map(Item::bytes).sum();
    assert_eq!(mempool.bytes(), bytes);
    let len = mempool.len();
    assert_eq!(mempool.items().count(), len);
    assert_eq!(mempool.room.len(), len);
    assert_eq!(mempool.verified.len(), len);
    let envelopes = mempool.by_one_time_key.len();
    assert_eq!(mempool.by_message.len(), envelopes);
    assert_eq!(mempool.by_transaction.len() + envelopes, len);
    let orders = mempool
        .items()
        .filter(|item| item.order().is_some())
        .count();
    assert_eq!(mempool.by_order.len(), orders);
    let gapped = mempool.gapped.keys().filter_map(|name| mempool.get(name));
    assert_eq!(mempool.gapped_bytes, gapped.map(Item::bytes).sum::<usize>());
    let accounts: BTreeSet<_> = mempool
        .by_order
        .keys()
        .map(|(account, _)| account)
        .collect();
    assert!(mempool.confirmed.keys().eq(accounts));
}

#[test]
fn an_item_is_found_by_every_name_until_a_block_takes_it() {
    let mut chain = funded();
    let mut mempool = Mempool::default();
    let (tx, made) = (transfer(&chain, 0, 0), message(&chain, 1));
    let tx_name = add(&mut mempool, &chain, transaction(&chain, &tx)).expect("taken");
    let made_name = add(&mut mempool, &chain, envelope(&chain, &made)).expect("taken");
    assert_eq!(mempool.get(&tx_name).map(Item::name), Some(tx_name));
    assert_eq!(mempool.get(&made_name).map(Item::name), Some(made_name));
    assert!(mempool.transaction(&tx.id()).is_some());
    assert!(mempool.envelope(&made.envelope.mid()).is_some());
    assert_eq!(mempool.next_nonce(&alice().account()), Some(1));
    assert_eq!(mempool.next_nonce(&bob().account()), None);
    assert_sound(&mempool);
    let block = chain
        .mine(alice().account(), &[tx], &[made.envelope])
        .clone();
    mempool.block_connected(&block.block().body);
    assert!(mempool.is_empty());
    assert_sound(&mempool);
}

#[test]
fn the_same_bytes_are_known_and_other_bytes_of_the_same_right_conflict() {
    let chain = funded();
    let mut mempool = Mempool::default();
    let first = transaction(&chain, &transfer(&chain, 0, 0));
    add(&mut mempool, &chain, first.clone()).expect("taken");
    assert_eq!(add(&mut mempool, &chain, first), Err(Refusal::AlreadyKnown));
    let dearer = transaction(&chain, &transfer(&chain, 0, 9));
    assert_eq!(add(&mut mempool, &chain, dearer), Err(Refusal::Conflict));

    let made = message(&chain, 1);
    add(&mut mempool, &chain, envelope(&chain, &made)).expect("taken");
    let mut same_key = made.clone();
    same_key.envelope.body[0] ^= 1;
    same_key.sign(chain.params());
    let refused = add(&mut mempool, &chain, envelope(&chain, &same_key));
    assert_eq!(refused, Err(Refusal::Conflict));

    // A payment for an envelope is an order of its payer like any other.
    let paid = large(&chain, &alice(), 0);
    let refused = add(&mut mempool, &chain, envelope(&chain, &paid));
    assert_eq!(refused, Err(Refusal::Conflict));
    assert_sound(&mempool);
}

#[test]
fn orders_are_selected_by_nonce_whatever_they_pay_and_gaps_wait() {
    let chain = funded();
    let mut mempool = Mempool::default();
    for (nonce, tip) in [(2, 900), (0, 0), (1, 50), (4, 5_000)] {
        let item = transaction(&chain, &transfer(&chain, nonce, tip));
        add(&mut mempool, &chain, item).expect("taken");
    }
    let (body, dropped) = selected(&mut mempool, &chain);
    assert_eq!(nonces(&body), [0, 1, 2]);
    assert_eq!(dropped, []);
    assert_eq!(mempool.len(), 4, "what was selected waits for its block");
    let item = transaction(&chain, &transfer(&chain, 3, 0));
    add(&mut mempool, &chain, item).expect("the gap is filled");
    assert_eq!(nonces(&selected(&mut mempool, &chain).0), [0, 1, 2, 3, 4]);
}

#[test]
fn a_gap_that_nothing_under_way_can_fill_is_refused() {
    let chain = funded();
    let mut mempool = Mempool::default();
    let far = ORDERS_PER_ACCOUNT_MAX as u64;
    let last = transaction(&chain, &transfer(&chain, far - 1, 0));
    add(&mut mempool, &chain, last).expect("taken");
    let refused = add(
        &mut mempool,
        &chain,
        transaction(&chain, &transfer(&chain, far, 0)),
    );
    let ahead = Rule::NonceAhead {
        expected: 0,
        found: far,
    };
    assert_eq!(refused, Err(Refusal::Rule(ahead)));
}

/// An order of somebody with nothing, behind a gap, that promises a fortune.
fn promise(chain: &TestChain, seed: u64) -> Item {
    let owner = Owner::new(seed);
    let mut prefix = owner.prefix(1, MAX_FEE);
    prefix.tip = Amount::from_base(1_000_000_000_000_000);
    let output = (bob().account(), Amount::from_base(1));
    transaction(chain, &owner.transfer(chain.params(), prefix, &[output]))
}

#[test]
fn a_promise_that_no_balance_covers_takes_no_room() {
    let chain = funded();
    let mut mempool = Mempool::default();
    fill(&mut mempool, &chain);
    let before = mempool.len();
    for seed in 5_000..5_010 {
        let refused = add(&mut mempool, &chain, promise(&chain, seed));
        let balance = Amount::ZERO;
        assert_eq!(refused, Err(Refusal::Uncovered { balance }));
    }
    assert_eq!(mempool.len(), before);
    assert_sound(&mempool);
}

#[test]
fn a_balance_covers_all_that_waits_behind_a_gap_together() {
    let chain = funded();
    let mut mempool = Mempool::default();
    let balance = value::account(chain.state(), &alice().account());
    let balance = balance.expect("memory answers").balance;
    let half = balance.base_units() / 2;
    let first = transaction(&chain, &transfer(&chain, 2, half));
    add(&mut mempool, &chain, first).expect("covered");
    // Each of them by itself would be covered, in whatever order they come.
    for nonce in [1, 3] {
        let more = transaction(&chain, &transfer(&chain, nonce, half));
        let refused = add(&mut mempool, &chain, more);
        assert_eq!(refused, Err(Refusal::Uncovered { balance }));
    }
    // A payment for an envelope is no way around it.
    let mut made = large(&chain, &Owner::new(3), 1);
    let kib = consensus::reward::kib_price(value::supply(chain.state()).expect("memory").supply);
    let class = SizeClass::new(8).expect("a class");
    let price = consensus::reward::fee(consensus::reward::burn_units(class), kib);
    Owner::new(3).pay(chain.params(), &mut made, 1, price.expect("a price"));
    let refused = add(&mut mempool, &chain, envelope(&chain, &made));
    assert!(refused.is_err(), "{refused:?}");
    assert_sound(&mempool);
}

#[test]
fn an_order_behind_a_gap_is_worth_nothing_until_the_gap_is_filled() {
    let chain = funded();
    let mut mempool = Mempool::default();
    let name = transaction(&chain, &transfer(&chain, 1, 50_000));
    let name = add(&mut mempool, &chain, name).expect("covered");
    assert_eq!(mempool.entries[&name].value, 0);
    assert_eq!(mempool.gapped_bytes, mempool.bytes());
    let filler = transaction(&chain, &transfer(&chain, 0, 0));
    let filler = add(&mut mempool, &chain, filler).expect("taken");
    assert!(mempool.entries[&name].value > 1);
    assert_eq!(mempool.gapped_bytes, 0);
    assert_sound(&mempool);
    mempool.remove(&filler);
    assert_eq!(mempool.entries[&name].value, 0, "the gap is open again");
    assert_sound(&mempool);
}

#[test]
fn orders_behind_gaps_are_bounded_in_bytes() {
    let chain = funded();
    let mut mempool = Mempool::default();
    let item = transaction(&chain, &transfer(&chain, 1, 0));
    mempool.gapped_bytes = GAPPED_BYTES_MAX - item.bytes() + 1;
    let refused = add(&mut mempool, &chain, item.clone());
    assert_eq!(refused, Err(Refusal::TooManyGaps));
    mempool.gapped_bytes -= 1;
    add(&mut mempool, &chain, item).expect("it just fits");
}

#[test]
fn an_order_behind_a_gap_is_forgotten_after_some_blocks() {
    let mut chain = funded();
    let mut mempool = Mempool::default();
    let gapped = transaction(&chain, &transfer(&chain, 1, 0));
    let gapped = add(&mut mempool, &chain, gapped).expect("covered");
    let next = transaction(&chain, &transfer(&chain, 2, 0));
    add(&mut mempool, &chain, next).expect("covered");
    for _ in 0..GAP_BLOCKS_MAX {
        chain.mine_empty(bob().account(), 1);
        assert_eq!(mempool.tip_moved(chain.state()), Ok(Vec::new()));
        assert_sound(&mempool);
    }
    chain.mine_empty(bob().account(), 1);
    let forgotten = mempool.tip_moved(chain.state()).expect("memory answers");
    assert_eq!(forgotten.len(), 2);
    assert!(forgotten.contains(&gapped));
    assert!(mempool.is_empty());
    assert_sound(&mempool);
}

#[test]
fn a_block_that_fills_a_gap_closes_it() {
    let mut chain = funded();
    let mut mempool = Mempool::default();
    let item = transaction(&chain, &transfer(&chain, 1, 900));
    let name = add(&mut mempool, &chain, item).expect("covered");
    let first = transfer(&chain, 0, 0);
    let block = chain.mine(bob().account(), &[first], &[]).clone();
    mempool.block_connected(&block.block().body);
    mempool.tip_moved(chain.state()).expect("memory answers");
    assert!(mempool.entries[&name].value > 1);
    for _ in 0..2 * GAP_BLOCKS_MAX {
        chain.mine_empty(bob().account(), 1);
        assert_eq!(mempool.tip_moved(chain.state()), Ok(Vec::new()));
    }
    assert_sound(&mempool);
}

#[test]
fn whatever_leaves_without_a_block_is_named_once() {
    let mut chain = funded();
    let mut mempool = Mempool::default();
    let taken = transfer(&chain, 0, 0);
    add(&mut mempool, &chain, transaction(&chain, &taken)).expect("taken");
    let loser = transaction(&chain, &transfer(&chain, 1, 0));
    add(&mut mempool, &chain, loser.clone()).expect("taken");
    let gapped = transaction(&chain, &transfer(&chain, 5, 0));
    add(&mut mempool, &chain, gapped.clone()).expect("covered");
    let block = chain
        .mine(bob().account(), &[taken, transfer(&chain, 1, 7)], &[])
        .clone();
    mempool.block_connected(&block.block().body);
    let for_good = [(loser.pending_id(), Departure::ForGood)];
    assert_eq!(mempool.take_departed(), for_good);
    assert_eq!(mempool.take_departed(), []);
    for _ in 0..=GAP_BLOCKS_MAX {
        mempool.tip_moved(chain.state()).expect("memory answers");
        chain.mine_empty(bob().account(), 1);
    }
    let for_now = [(gapped.pending_id(), Departure::ForNow)];
    assert_eq!(mempool.take_departed(), for_now);
}

#[test]
fn one_account_holds_a_bounded_number_of_orders() {
    let chain = funded();
    let mut mempool = Mempool::default();
    let far = ORDERS_PER_ACCOUNT_MAX as u64;
    for nonce in 0..far {
        let item = transaction(&chain, &transfer(&chain, nonce, 0));
        add(&mut mempool, &chain, item).expect("taken");
    }
    let more = transaction(&chain, &transfer(&chain, far, 0));
    assert_eq!(add(&mut mempool, &chain, more), Err(Refusal::TooManyOrders));
    // Others are not touched by it.
    add(&mut mempool, &chain, envelope(&chain, &message(&chain, 1))).expect("taken");
}

#[test]
fn what_context_rules_out_is_refused_and_what_time_heals_is_taken() {
    let mut chain = funded();
    let mut mempool = Mempool::default();
    let prefix = bob().prefix(0, MAX_FEE);
    let output = (alice().account(), Amount::from_base(1));
    let poor = bob().transfer(chain.params(), prefix, &[output]);
    let refused = add(&mut mempool, &chain, transaction(&chain, &poor));
    assert!(matches!(
        refused,
        Err(Refusal::Rule(Rule::BalanceTooLow { .. }))
    ));

    let next = RateEpoch::new(chain.rate_epoch().get() + 1);
    let early = TestEnvelope::message(chain.params(), next, 5);
    let refused = add(&mut mempool, &chain, envelope(&chain, &early));
    assert!(matches!(
        refused,
        Err(Refusal::Rule(Rule::EpochAhead { .. }))
    ));
    let start = chain.params().rate_epoch_start(next).get();
    while chain.tip().height.get() + 1 + NEXT_EPOCH_BLOCKS < start {
        chain.mine_empty(bob().account(), 1);
    }
    add(&mut mempool, &chain, envelope(&chain, &early)).expect("it begins soon");
    let (body, dropped) = selected(&mut mempool, &chain);
    assert_eq!((body.envelopes.len(), dropped.len()), (0, 0), "not yet");
    while chain.tip().height.get() + 1 < start {
        chain.mine_empty(bob().account(), 1);
    }
    assert_eq!(selected(&mut mempool, &chain).0.envelopes.len(), 1);
}

#[test]
fn what_no_later_block_takes_is_dropped() {
    let mut chain = funded();
    let mut mempool = Mempool::default();
    let made = message(&chain, 1);
    let name = add(&mut mempool, &chain, envelope(&chain, &made)).expect("taken");
    let epoch = made.envelope.rate_epoch;
    loop {
        let next = chain.tip().height.next().expect("a short chain");
        if next > Height::new(1) && !chain.params().accepts_epoch(next, epoch) {
            break;
        }
        assert_eq!(selected(&mut mempool, &chain).1, []);
        chain.mine_empty(bob().account(), 1);
    }
    assert_eq!(selected(&mut mempool, &chain).1, [name]);
    assert!(mempool.is_empty());
    assert_sound(&mempool);
}

#[test]
fn a_block_rules_out_what_uses_the_same_rights() {
    let mut chain = funded();
    let mut mempool = Mempool::default();
    let (ours, theirs) = (transfer(&chain, 0, 1), transfer(&chain, 0, 2));
    let made = message(&chain, 1);
    let mut twin = made.clone();
    twin.envelope.body[0] ^= 1;
    twin.sign(chain.params());
    add(&mut mempool, &chain, transaction(&chain, &ours)).expect("taken");
    add(
        &mut mempool,
        &chain,
        transaction(&chain, &transfer(&chain, 1, 0)),
    )
    .expect("taken");
    add(&mut mempool, &chain, envelope(&chain, &made)).expect("taken");
    let block = chain
        .mine(bob().account(), &[theirs], &[twin.envelope])
        .clone();
    mempool.block_connected(&block.block().body);
    assert_eq!(mempool.len(), 1, "the later order alone");
    assert_eq!(nonces(&selected(&mut mempool, &chain).0), [1]);
    assert_sound(&mempool);
}

#[test]
fn after_a_reorg_the_content_of_lost_blocks_waits_again() {
    let mut chain = funded();
    let mut mempool = Mempool::default();
    let (tx, made) = (transfer(&chain, 0, 0), message(&chain, 1));
    chain.mine(
        bob().account(),
        std::slice::from_ref(&tx),
        std::slice::from_ref(&made.envelope),
    );
    let later = transfer(&chain, 1, 0);
    add(&mut mempool, &chain, transaction(&chain, &later)).expect("taken");
    chain.disconnect();
    mempool.readmit(transaction(&chain, &tx));
    mempool.readmit(envelope(&chain, &made));
    // Twice is once.
    mempool.readmit(envelope(&chain, &made));
    assert_eq!(mempool.len(), 3);
    let (body, dropped) = selected(&mut mempool, &chain);
    assert_eq!(nonces(&body), [0, 1]);
    assert_eq!((body.envelopes.len(), dropped.len()), (1, 0));
    assert_sound(&mempool);

    // On a branch that used the nonce otherwise, the old order is dropped when it is judged.
    chain.mine(bob().account(), &[transfer(&chain, 0, 77)], &[]);
    let (body, dropped) = selected(&mut mempool, &chain);
    assert_eq!(nonces(&body), [1]);
    assert_eq!(dropped, [transaction(&chain, &tx).name()]);
}

/// A paid envelope of the largest class; readmission asks for no balance.
fn bulky(chain: &TestChain, number: u64) -> Item {
    let class = SizeClass::new(8).expect("a class");
    let (epoch, kind) = (chain.rate_epoch(), EnvelopeKind::Message);
    let mut made = TestEnvelope::new(chain.params(), epoch, kind, class, 20_000 + number);
    Owner::new(100 + number).pay(chain.params(), &mut made, 0, Amount::from_base(1));
    envelope(chain, &made)
}

/// Fills what paid items may take with envelopes of the largest class, one per payer.
fn fill(mempool: &mut Mempool, chain: &TestChain) {
    let count = (PAID_BYTES_MAX / bulky(chain, 0).bytes()) as u64;
    for number in 0..count {
        mempool.readmit(bulky(chain, number));
    }
    assert_eq!(
        mempool.items().filter(|item| item.value() > 0).count() as u64,
        count
    );
}

/// Adds so many bytes of the largest free envelopes, or fewer if the mempool takes no more.
fn add_free(mempool: &mut Mempool, chain: &TestChain, bytes_max: usize) {
    let class = SizeClass::new(2).expect("a class");
    let (epoch, kind) = (chain.rate_epoch(), EnvelopeKind::Message);
    let mut bytes = 0;
    for number in 0.. {
        let made = TestEnvelope::new(chain.params(), epoch, kind, class, 40_000 + number);
        let item = envelope(chain, &made);
        bytes += item.bytes();
        mempool.readmit(item);
        if bytes > bytes_max || !mempool.departed.is_empty() {
            return;
        }
    }
}

fn free_bytes(mempool: &Mempool) -> usize {
    let free = mempool.items().filter(|item| item.value() == 0);
    free.map(Item::bytes).sum()
}

#[test]
fn coins_do_not_displace_what_work_admitted() {
    const KEPT: usize = BYTES_MAX - PAID_BYTES_MAX;
    const LOAN: usize = 1 << 20;
    let chain = funded();
    let mut mempool = Mempool::default();
    add_free(&mut mempool, &chain, KEPT + LOAN);
    assert!(
        free_bytes(&mempool) > KEPT + LOAN,
        "what is not in use may be borrowed"
    );
    fill(&mut mempool, &chain);
    let left = free_bytes(&mempool);
    assert!((KEPT..KEPT + LOAN / 2).contains(&left), "{left}");
    assert!(mempool.bytes() <= BYTES_MAX);
    let displaced = mempool.take_departed();
    assert!(displaced.iter().all(|(_, how)| *how == Departure::ForNow));
    mempool.readmit(bulky(&chain, 1_000));
    assert_eq!(mempool.take_departed().len(), 1, "no more than their part");
    assert_eq!(free_bytes(&mempool), left);
    assert_sound(&mempool);
}

#[test]
fn a_full_mempool_keeps_what_is_worth_more_and_its_bytes_stay_below_the_cap() {
    let chain = funded();
    let mut mempool = Mempool::default();
    fill(&mut mempool, &chain);
    assert!(mempool.bytes() <= BYTES_MAX);

    // Free ones take what room is left, then are refused; nothing paid goes for them.
    let paid_before = mempool.items().filter(|item| item.value() > 0).count();
    add_free(&mut mempool, &chain, BYTES_MAX);
    let refused = mempool.take_departed();
    assert_eq!(refused.len(), 1);
    assert!(free_bytes(&mempool) > 0);
    let paid = mempool.items().filter(|item| item.value() > 0).count();
    assert_eq!(paid, paid_before);
    assert!(mempool.bytes() <= BYTES_MAX);

    // An order that pays more takes the place of a paid one, the youngest first.
    let paid = mempool.items().filter(|item| item.value() > 0);
    let youngest = paid.last().map(Item::pending_id).expect("not empty");
    let equal = bulky(&chain, 5_000);
    mempool.readmit(equal.clone());
    let refused = [(equal.pending_id(), Departure::ForNow)];
    assert_eq!(
        mempool.take_departed(),
        refused,
        "among equals the first stays"
    );
    // As many as do not fit beside the paid ones.
    let outputs = vec![(bob().account(), Amount::from_base(1)); 200];
    for nonce in 0..ORDERS_PER_ACCOUNT_MAX as u64 {
        let mut prefix = alice().prefix(nonce, MAX_FEE);
        prefix.tip = Amount::from_base(1_000_000);
        let order = alice().transfer(chain.params(), prefix, &outputs);
        mempool.readmit(transaction(&chain, &order));
        assert!(mempool.bytes() <= BYTES_MAX);
    }
    assert!(mempool.departed.contains(&(youngest, Departure::ForNow)));
    assert_sound(&mempool);
}

#[test]
fn what_a_lower_tip_cannot_pay_for_is_not_gone_for_good() {
    let mut chain = funded();
    let tx = transaction(&chain, &transfer(&chain, 0, 0));
    for _ in 0..2 {
        chain.disconnect();
    }
    let mut mempool = Mempool::default();
    mempool.readmit(tx.clone());
    assert_eq!(selected(&mut mempool, &chain).1, [tx.name()]);
    let for_now = [(tx.pending_id(), Departure::ForNow)];
    assert_eq!(mempool.take_departed(), for_now);
}

#[test]
fn only_what_no_later_block_takes_is_refused_for_good() {
    let height = Height::new(100);
    let for_good = [
        Rule::NonceUsed {
            expected: 1,
            found: 0,
        },
        Rule::OneTimeKeySeen {
            epoch: RateEpoch::new(0),
        },
        Rule::EpochPast {
            height,
            epoch: RateEpoch::new(0),
        },
        Rule::StampTooOld {
            height,
            reference: 0,
        },
        Rule::StampNotFirst,
        Rule::EnvelopeSignature,
    ];
    let for_now = [
        Rule::NonceAhead {
            expected: 0,
            found: 1,
        },
        Rule::EpochAhead {
            height,
            epoch: RateEpoch::new(9),
        },
        Rule::StampReference { height },
        Rule::StampHash,
        Rule::BalanceTooLow {
            balance: Amount::ZERO,
        },
    ];
    assert!(for_good.map(Refusal::Rule).iter().all(Refusal::is_lasting));
    assert!(!for_now.map(Refusal::Rule).iter().any(Refusal::is_lasting));
    let balance = Amount::ZERO;
    let others = [
        Refusal::Full,
        Refusal::Conflict,
        Refusal::Uncovered { balance },
    ];
    assert!(!others.iter().any(Refusal::is_lasting));
}

#[test]
fn selection_takes_the_most_valuable_first_and_leaves_the_rest_waiting() {
    let chain = funded();
    let mut mempool = Mempool::default();
    for number in 0..3_000 {
        let made = message(&chain, number);
        add(&mut mempool, &chain, envelope(&chain, &made)).expect("taken");
    }
    let order = transaction(&chain, &transfer(&chain, 0, 0));
    add(&mut mempool, &chain, order).expect("taken");
    let (body, dropped) = selected(&mut mempool, &chain);
    assert_eq!(nonces(&body), [0], "paid before free, though it came last");
    assert!(body.envelopes.len() < 3_000, "a body has a limit");
    assert_eq!(dropped, [], "what does not fit waits");
    let first = mempool.items().next().map(Item::name).expect("not empty");
    let taken: Vec<_> = body
        .envelopes
        .iter()
        .map(crate::wire::envelope_name)
        .collect();
    assert_eq!(taken.first(), Some(&first), "among equals the oldest first");
    assert_eq!(mempool.len(), 3_001);
}
