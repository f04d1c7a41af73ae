//! What blocks leave in a wallet.

use chain::transaction::{Bond, MnExit, MnRegister, MnRevive, Unbond, Wake};

use super::*;
use crate::testing;

#[test]
fn a_block_is_read_with_its_fees_payments_and_credits() {
    let (alice, bob) = (testing::key(1), testing::key(2));
    let transfer = testing::transfer(&alice, 0, &[(bob.account(), 5), (bob.account(), 6)]);
    let envelope = testing::paid_envelope(&alice, 1, 77);
    let core = envelope.core_hash();
    let block = testing::block(vec![transfer.clone()], vec![envelope.to_bytes()]);
    let credit = Credit {
        account: bob.account(),
        source: CreditSource::Mining,
        amount: Amount::from_base(9),
    };
    let scan = BlockScan::of(&block, &[Amount::from_base(3)], vec![credit]).expect("parses");
    assert_eq!((scan.id, scan.parent), (block.id(), block.header.parent));

    let for_alice = scan.entries(&BTreeSet::from([alice.account()]), Network::Regtest);
    let kinds: Vec<&Event> = for_alice.iter().map(|entry| &entry.event).collect();
    assert!(matches!(kinds[0], Event::Sent { tx, .. } if *tx == transfer.id()));
    assert!(matches!(kinds[1], Event::EnvelopePaid { core: paid, .. } if *paid == core));
    assert_eq!(
        for_alice[0].event.effect(),
        Effect {
            balance: -14,
            nonce: 1
        }
    );
    assert_eq!(
        for_alice[1].event.effect(),
        Effect {
            balance: -77,
            nonce: 1
        }
    );

    let for_bob = scan.entries(&BTreeSet::from([bob.account()]), Network::Regtest);
    let effects: Vec<i128> = for_bob
        .iter()
        .map(|entry| entry.event.effect().balance)
        .collect();
    assert_eq!(effects, [11, 9]);
    assert_eq!(
        scan.entries(
            &BTreeSet::from([testing::key(3).account()]),
            Network::Regtest
        ),
        []
    );
}

#[test]
fn orders_of_stake_and_masternodes_lock_what_they_deposit() {
    let alice = testing::key(1);
    let bond = Bond {
        amount: Amount::from_base(70),
        ..Bond::default()
    };
    let transactions = vec![
        testing::order(&alice, 0, bond, Order::Bond),
        testing::order(&alice, 1, Unbond::default(), Order::Unbond),
        testing::order(&alice, 2, Wake::default(), Order::Wake),
        testing::order(&alice, 3, MnRegister::default(), Order::MnRegister),
        testing::order(&alice, 4, MnRevive::default(), Order::MnRevive),
        testing::order(&alice, 5, MnExit::default(), Order::MnExit),
    ];
    let block = testing::block(transactions, vec![]);
    let scan = BlockScan::of(&block, &[Amount::from_base(3); 6], vec![]).expect("parses");
    let entries = scan.entries(&BTreeSet::from([alice.account()]), Network::Regtest);
    let collateral = Params::of(Network::Regtest).masternode_collateral;
    let collateral = i128::from(collateral.base_units());
    let balances: Vec<i128> = entries
        .iter()
        .map(|entry| entry.event.effect().balance)
        .collect();
    assert_eq!(balances, [-73, -3, -3, -collateral - 3, -3, -3]);
    assert!(entries.iter().all(|entry| entry.event.effect().nonce == 1));
    let duties: Vec<Duty> = entries
        .iter()
        .map(|entry| match entry.event {
            Event::Served { duty, .. } => duty,
            _ => panic!("an order of another sort"),
        })
        .collect();
    let of_bonds = [Duty::Bond, Duty::Unbond, Duty::Wake];
    let of_masternodes = [Duty::Register, Duty::Revive, Duty::Exit];
    assert_eq!(duties, [of_bonds, of_masternodes].concat());
    assert!(of_bonds.into_iter().all(Duty::is_of_bond));
    assert!(!of_masternodes.into_iter().any(Duty::is_of_bond));
    let strangers = BTreeSet::from([testing::key(3).account()]);
    assert_eq!(scan.entries(&strangers, Network::Regtest), []);
}

#[test]
fn a_payment_to_oneself_costs_fee_and_tip_only() {
    let alice = testing::key(1);
    let transfer = testing::transfer(&alice, 0, &[(alice.account(), 50)]);
    let block = testing::block(vec![transfer], vec![]);
    let scan = BlockScan::of(&block, &[Amount::from_base(3)], vec![]).expect("parses");
    let mut total = Effect::default();
    for entry in scan.entries(&BTreeSet::from([alice.account()]), Network::Regtest) {
        total.add(entry.event.effect());
    }
    assert_eq!(
        total,
        Effect {
            balance: -3,
            nonce: 1
        }
    );
}
