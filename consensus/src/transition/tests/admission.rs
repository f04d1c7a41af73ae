//! One test per rule of context: stamps, windows, one-time keys, payments.

use super::*;

#[test]
fn a_stamp_admits_the_first_record_of_an_account_without_coins() {
    let mut chain = TestChain::new(Network::Regtest);
    chain.mine_empty(miner(), 8);
    let record = stamped_record(&chain, &bob(), 0);
    assert_eq!(offered(&chain, &record), None);
    chain.mine(miner(), &[record], &[]);
    assert_eq!(
        account(&chain, &bob()),
        Account {
            balance: Amount::ZERO,
            nonce: 1
        }
    );
    let again = stamped_record(&chain, &bob(), 1);
    assert_eq!(offered(&chain, &again), Some(Rule::StampNotFirst));
}

#[test]
fn a_stamp_is_dated_by_its_own_branch_and_not_for_ever() {
    let mut chain = TestChain::new(Network::Regtest);
    chain.mine_empty(miner(), 30);
    let made = stamped(&chain, 1);
    assert_eq!(offered_envelope(&chain, &made.envelope), None);
    let checked = chain
        .check_envelope(&made.envelope)
        .expect("valid by itself");
    // Another branch has another block at the height that the stamp refers to.
    let mut fork = TestChain::new(Network::Regtest);
    fork.mine_empty(bob().account(), 30);
    let foreign = broken(fork.draft().try_envelope(&checked));
    assert_eq!(
        foreign,
        Some(Rule::StampReference {
            height: Height::new(16)
        })
    );
    // One block earlier, height 24 would be the first to take a reference to height 16.
    let mut young = chain.clone();
    while young.tip().height > Height::new(22) {
        young.disconnect();
    }
    let too_young = Rule::StampTooYoung {
        height: Height::new(23),
        reference: 16,
    };
    assert_eq!(offered_envelope(&young, &made.envelope), Some(too_young));
    let record = stamped_record(&chain, &bob(), 0);
    while chain.tip().height < Height::new(111) {
        chain.mine_empty(miner(), 1);
    }
    assert_eq!(offered(&chain, &record), None);
    chain.mine_empty(miner(), 1);
    let too_old = Rule::StampTooOld {
        height: Height::new(113),
        reference: 16,
    };
    assert_eq!(offered(&chain, &record), Some(too_old));
}

#[test]
fn an_envelope_has_a_window_and_its_one_time_key_is_used_once_in_it() {
    let mut chain = TestChain::new(Network::Regtest);
    let params = chain.params().clone();
    let next = TestEnvelope::message(&params, RateEpoch::new(1), 1).envelope;
    let ahead = Rule::EpochAhead {
        height: Height::new(1),
        epoch: RateEpoch::new(1),
    };
    assert_eq!(offered_envelope(&chain, &next), Some(ahead));
    let first = TestEnvelope::message(&params, RateEpoch::new(0), 2).envelope;
    chain.mine(miner(), &[], std::slice::from_ref(&first));
    let seen = Rule::OneTimeKeySeen {
        epoch: RateEpoch::new(0),
    };
    while chain.tip().height < Height::new(18) {
        assert_eq!(offered_envelope(&chain, &first), Some(seen.clone()));
        chain.mine_empty(miner(), 1);
    }
    assert!(chain.state().seen_keys().is_empty());
    let past = Rule::EpochPast {
        height: Height::new(19),
        epoch: RateEpoch::new(0),
    };
    assert_eq!(offered_envelope(&chain, &first), Some(past));
    // Outside the window the key is free again, and undo remembers its first use.
    let again = TestEnvelope::message(&params, RateEpoch::new(1), 2).envelope;
    assert_eq!(offered_envelope(&chain, &again), None);
    chain.disconnect();
    assert_eq!(offered_envelope(&chain, &again), Some(seen));
}

#[test]
fn a_payment_burns_exactly_the_price_of_its_epoch_in_the_order_of_nonces() {
    let mut chain = funded();
    let paid = |chain: &TestChain, class, nonce, burn| {
        let class = SizeClass::new(class).expect("a class");
        let (epoch, kind) = (chain.rate_epoch(), EnvelopeKind::Message);
        let mut made = TestEnvelope::new(chain.params(), epoch, kind, class, nonce + 50);
        alice().pay(chain.params(), &mut made, nonce, base(burn));
        made.envelope
    };
    for (class, price) in [(0, 1024), (2, 1024), (3, 2048), (8, 64 * 1024)] {
        let expected = base(price);
        for found in [price - 1, price + 1] {
            let refused = Rule::ClearPrice {
                expected,
                found: base(found),
            };
            let envelope = paid(&chain, class, 0, found);
            assert_eq!(offered_envelope(&chain, &envelope), Some(refused));
        }
        assert_eq!(
            offered_envelope(&chain, &paid(&chain, class, 0, price)),
            None
        );
    }
    let ahead = Rule::NonceAhead {
        expected: 0,
        found: 1,
    };
    assert_eq!(
        offered_envelope(&chain, &paid(&chain, 0, 1, 1024)),
        Some(ahead)
    );
    let first = paid(&chain, 0, 0, 1024);
    chain.mine(miner(), &[], &[first]);
    let used = Rule::NonceUsed {
        expected: 1,
        found: 0,
    };
    let mut again = message(&chain, 99);
    alice().pay(chain.params(), &mut again, 0, base(1024));
    assert_eq!(offered_envelope(&chain, &again.envelope), Some(used));
    let mut poor = message(&chain, 98);
    bob().pay(chain.params(), &mut poor, 0, base(1024));
    let refused = Rule::BalanceTooLow {
        balance: Amount::ZERO,
    };
    assert_eq!(offered_envelope(&chain, &poor.envelope), Some(refused));
}
