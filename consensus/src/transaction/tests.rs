//! One test per rule of a transaction by itself, and the order of the rules.

use chain::transaction::Output;
use chain::{Network, PublicKey, Signature};

use super::*;
use crate::testing::{Owner, TestChain};

mod stake;

fn params() -> Params {
    Params::of(Network::Regtest)
}

fn owner() -> Owner {
    Owner::new(1)
}

fn prefix() -> Prefix {
    owner().prefix(0, Amount::from_base(100_000))
}

fn pay(prefix: Prefix, amounts: &[u64]) -> Transaction {
    let to = Owner::new(2).account();
    let outputs: Vec<_> = amounts
        .iter()
        .map(|amount| (to, Amount::from_base(*amount)))
        .collect();
    owner().transfer(&params(), prefix, &outputs)
}

fn check(tx: Transaction) -> Result<CheckedTransaction, Rule> {
    check_transaction(tx, &|_| None, &params())
}

fn set_record(change: impl FnOnce(&mut AccountRecord)) -> Transaction {
    let mut record = owner().record(&params(), None);
    change(&mut record);
    owner().set_record(&params(), prefix(), record, None)
}

/// A chain long enough for stamps, and a first record with a stamp of this effort.
fn stamped(effort: u32) -> (TestChain, Transaction) {
    let mut chain = TestChain::new(Network::Regtest);
    chain.mine_empty(Owner::new(9).account(), 8);
    let record = owner().record(chain.params(), None);
    let free = owner().prefix(0, Amount::ZERO);
    let order = |stamp| owner().set_record(chain.params(), free, record.clone(), Some(stamp));
    let commitment = order(Stamp::default())
        .stamp_commitment()
        .expect("it has a stamp");
    let stamp = chain.stamp(commitment, effort);
    let tx = order(stamp);
    (chain, tx)
}

fn with_stamp(tx: &Transaction, change: impl FnOnce(&mut Stamp)) -> Transaction {
    let Order::AccountRecord(order) = &tx.order else {
        panic!("a record")
    };
    let mut stamp = order.body.stamp.expect("a stamp");
    change(&mut stamp);
    owner().set_record(
        &params(),
        order.prefix,
        order.body.record.clone(),
        Some(stamp),
    )
}

#[test]
fn a_valid_transfer_passes_and_says_what_it_is() {
    let tx = pay(prefix(), &[1, 2]);
    let checked = check(tx.clone()).expect("valid");
    assert_eq!(checked.transaction(), &tx);
    assert_eq!(*checked.id(), tx.id());
    assert_eq!(*checked.sender(), owner().account());
    assert_eq!(checked.bytes(), 58 + 8 + 2 * 28 + 64);
    assert_eq!(checked.stamp(), None);
    assert_eq!(base_units(&tx), 1);
    let most = pay(prefix(), &[1; 256]);
    assert_eq!(
        base_units(&most),
        (58 + 8 + 256 * 28 + 64u64).div_ceil(1024)
    );
    assert!(check(most).is_ok());
    assert_eq!(base_units(&set_record(|_| ())), 2 + 16);
    assert!(check(set_record(|_| ())).is_ok());
}

#[test]
fn the_largest_transaction_is_far_below_the_decoding_limit() {
    assert_eq!(codec::encoded_len(&pay(prefix(), &[1; 256])), 7_298);
    const { assert!(7_298 < Transaction::BYTES_MAX) };
}

#[test]
fn the_version_is_1() {
    let mut tx = pay(prefix(), &[1]);
    tx.version = 2;
    assert_eq!(check(tx), Err(Rule::TransactionVersion { found: 2 }));
}

#[test]
fn fee_and_tip_are_below_the_cap() {
    let above = Amount::from_base(Amount::MAX.base_units() + 1);
    for prefix in [
        Prefix {
            max_fee: above,
            ..prefix()
        },
        Prefix {
            tip: above,
            ..prefix()
        },
    ] {
        assert_eq!(check(pay(prefix, &[1])), Err(Rule::FeeRange));
    }
    let at = Prefix {
        max_fee: Amount::MAX,
        tip: Amount::MAX,
        ..prefix()
    };
    assert!(check(pay(at, &[1])).is_ok());
}

#[test]
fn a_transfer_has_1_to_256_outputs() {
    assert_eq!(
        check(pay(prefix(), &[])),
        Err(Rule::OutputCount { found: 0 })
    );
    let mut many = pay(prefix(), &[1]);
    let Order::Transfer(order) = &mut many.order else {
        panic!("a transfer")
    };
    order.body.outputs = vec![
        Output {
            amount: Amount::from_base(1),
            ..Output::default()
        };
        257
    ];
    assert_eq!(check(many), Err(Rule::OutputCount { found: 257 }));
}

#[test]
fn every_output_and_their_sum_lie_between_one_and_the_cap() {
    let cap = Amount::MAX.base_units();
    for (amounts, position) in [(vec![0], 0), (vec![1, 0], 1), (vec![1, 1, cap + 1], 2)] {
        let found = Amount::from_base(amounts[position]);
        assert_eq!(
            check(pay(prefix(), &amounts)),
            Err(Rule::OutputAmount { position, found })
        );
    }
    assert!(check(pay(prefix(), &[1, cap - 1])).is_ok());
    assert_eq!(check(pay(prefix(), &[1, cap])), Err(Rule::OutputSum));
    assert_eq!(check(pay(prefix(), &[cap; 256])), Err(Rule::OutputSum));
}

#[test]
fn the_sender_signs_every_byte_for_one_chain() {
    let mut tx = pay(prefix(), &[1]);
    let Order::Transfer(order) = &mut tx.order else {
        panic!("a transfer")
    };
    order.prefix.tip = Amount::from_base(1);
    assert_eq!(check(tx), Err(Rule::TransactionSignature));
    let elsewhere = check_transaction(pay(prefix(), &[1]), &|_| None, &Params::of(Network::Dev));
    assert_eq!(elsewhere, Err(Rule::TransactionSignature));
    let off_curve = Prefix {
        sender: PublicKey::from_bytes([0xff; 32]),
        ..prefix()
    };
    assert_eq!(check(pay(off_curve, &[1])), Err(Rule::TransactionSignature));
}

/// A change to a record, and the rule that it breaks.
type Case = (fn(&mut AccountRecord), Rule);

#[test]
fn the_form_of_a_record_is_judged_field_by_field() {
    let cases: [Case; 5] = [
        (
            |record| record.version = 2,
            Rule::RecordVersion { found: 2 },
        ),
        (|record| record.key = Owner::new(2).key(), Rule::RecordKey),
        (
            |record| record.flags = 0x8000,
            Rule::RecordFlags { found: 0x8000 },
        ),
        (
            |record| (record.valid_from, record.valid_to) = (7, 7),
            Rule::RecordValidity { from: 7, to: 7 },
        ),
        (|record| record.name_hash = [1; 32], Rule::RecordSignature),
    ];
    for (change, expected) in cases {
        assert_eq!(check(set_record(change)), Err(expected));
    }
}

#[test]
fn a_stamped_record_offers_neither_fee_nor_tip() {
    let record = owner().record(&params(), None);
    let one = Amount::from_base(1);
    let free = owner().prefix(0, Amount::ZERO);
    for prefix in [
        Prefix {
            max_fee: one,
            ..free
        },
        Prefix { tip: one, ..free },
    ] {
        let stamp = Some(Stamp {
            effort: 16,
            ..Stamp::default()
        });
        let tx = owner().set_record(&params(), prefix, record.clone(), stamp);
        assert_eq!(check(tx), Err(Rule::StampedFee));
    }
}

#[test]
fn the_stamp_of_a_record_is_worth_16_times_the_minimum_and_bound_to_block_and_content() {
    let (chain, tx) = stamped(16);
    let check = |tx: &Transaction| chain.check_transaction(tx);
    let checked = check(&tx).expect("valid");
    let dated = checked.stamp().expect("stamped");
    assert_eq!(dated.reference(), chain::Height::new(0));
    assert_eq!(*dated.block(), chain.params().genesis_id());

    let cheap = with_stamp(&tx, |stamp| stamp.effort = 15);
    assert_eq!(
        check(&cheap).err(),
        Some(Rule::StampEffort { min: 16, found: 15 })
    );
    let between = with_stamp(&tx, |stamp| stamp.reference = 5);
    assert_eq!(
        check(&between).err(),
        Some(Rule::StampReferenceStep { found: 5 })
    );
    let unknown = with_stamp(&tx, |stamp| stamp.reference = 16);
    let height = chain::Height::new(16);
    assert_eq!(check(&unknown).err(), Some(Rule::StampReference { height }));
    let greedy = with_stamp(&tx, |stamp| stamp.effort = u32::MAX);
    assert_eq!(check(&greedy).err(), Some(Rule::StampHash));
    let elsewhere = check_transaction(tx, &|_| Some(chain::BlockId::default()), chain.params());
    let refused = elsewhere.expect_err("dated by another block");
    assert!(
        matches!(refused, Rule::StampHash | Rule::StampSolution),
        "{refused}"
    );
}

#[test]
fn a_stamp_whose_hash_fits_still_has_to_solve() {
    let (chain, tx) = stamped(16);
    let lucky = (0u64..).find_map(|attempt| {
        let forged = with_stamp(&tx, |stamp| {
            stamp.solution[..8].copy_from_slice(&attempt.to_le_bytes());
        });
        (chain.check_transaction(&forged).err() != Some(Rule::StampHash)).then_some(forged)
    });
    let lucky = lucky.expect("one of sixteen hashes fits");
    assert_eq!(
        chain.check_transaction(&lucky).err(),
        Some(Rule::StampSolution)
    );
}

#[test]
fn the_cheaper_fault_is_named_of_two() {
    let mut both = pay(prefix(), &[0]);
    both.version = 2;
    assert_eq!(check(both), Err(Rule::TransactionVersion { found: 2 }));
    let above = Amount::from_base(Amount::MAX.base_units() + 1);
    let fee_and_outputs = pay(
        Prefix {
            tip: above,
            ..prefix()
        },
        &[],
    );
    assert_eq!(check(fee_and_outputs), Err(Rule::FeeRange));
    let mut outputs_and_signature = pay(prefix(), &[]);
    let Order::Transfer(order) = &mut outputs_and_signature.order else {
        panic!("a transfer")
    };
    order.signature = Signature::default();
    assert_eq!(
        check(outputs_and_signature),
        Err(Rule::OutputCount { found: 0 })
    );
    // Stamp's hash before the signature; signature before the record's; both before the puzzle.
    let (chain, tx) = stamped(16);
    let unsign = |mut tx: Transaction| {
        let Order::AccountRecord(order) = &mut tx.order else {
            panic!("a record")
        };
        order.signature = Signature::default();
        tx
    };
    let greedy = unsign(with_stamp(&tx, |stamp| stamp.effort = u32::MAX));
    assert_eq!(
        chain.check_transaction(&greedy).err(),
        Some(Rule::StampHash)
    );
    assert_eq!(
        chain.check_transaction(&unsign(tx)).err(),
        Some(Rule::TransactionSignature)
    );
}

#[test]
fn equal_ids_do_not_share_the_key_of_the_verified_cache() {
    let tx = pay(prefix(), &[1]);
    let mut forged = tx.clone();
    let Order::Transfer(order) = &mut forged.order else {
        panic!("a transfer")
    };
    order.signature = Signature::default();
    assert_eq!(tx.id(), forged.id());
    let key = |tx| {
        *shape(tx, &|_| None, &params())
            .expect("well-formed")
            .verified_id()
    };
    assert_ne!(key(tx), key(forged));
    let (chain, tx) = stamped(16);
    let on_this = chain.check_transaction(&tx).expect("valid");
    let mut fork = TestChain::new(Network::Regtest);
    fork.mine_empty(Owner::new(8).account(), 8);
    let on_that = fork
        .check_transaction(&tx)
        .expect("the same genesis dates it");
    assert_eq!(on_this.verified_id(), on_that.verified_id());
}
