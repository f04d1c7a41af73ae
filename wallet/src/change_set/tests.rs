//! Merging, encoding, and the frozen bytes of a change set.

use chain::envelope::ClearPayment;
use chain::transaction::Output;
use chain::{CoreHash, Hash32, TxId};
use proptest::prelude::*;

use super::*;
use crate::activity::{CreditSource, Duty, Event};
use crate::order::SignedOrder;
use crate::testing;

fn block(byte: u8) -> Option<FollowedBlock> {
    let id = BlockId::from_bytes([byte; 32]);
    Some(FollowedBlock {
        id,
        time: Timestamp::new(1),
        entries: vec![],
    })
}

fn at(height: u64, block: Option<FollowedBlock>) -> ChangeSet {
    let blocks = BTreeMap::from([(Height::new(height), block)]);
    ChangeSet {
        blocks,
        ..ChangeSet::default()
    }
}

#[test]
fn the_later_value_wins_and_the_empty_set_is_neutral() {
    let mut merged = at(5, block(1));
    merged.merge(at(6, block(2)));
    merged.merge(at(5, None));
    merged.merge(ChangeSet::default());
    assert_eq!(merged.blocks[&Height::new(5)], None);
    assert_eq!(merged.blocks[&Height::new(6)], block(2));
}

#[test]
fn bytes_survive_the_round_trip_and_nothing_else_is_accepted() {
    let mut changes = at(5, block(1));
    changes.chain = Some(ChainId::from_bytes([9; 32]));
    changes.merge(at(7, None));
    let bytes = changes.encode();
    assert_eq!(ChangeSet::decode(&bytes), Ok(changes));
    let found = Some(9);
    assert_eq!(
        ChangeSet::decode(&[9]),
        Err(ChangeSetError::UnknownVersion { found })
    );
    let none = ChangeSetError::UnknownVersion { found: None };
    assert_eq!(ChangeSet::decode(&[]), Err(none));
    for length in 1..bytes.len() {
        assert!(
            ChangeSet::decode(&bytes[..length]).is_err(),
            "{length} bytes"
        );
    }
    assert!(ChangeSet::decode(&[bytes, vec![0]].concat()).is_err());
}

#[test]
fn lists_out_of_order_are_refused() {
    let row = |height| Row {
        key: Height::new(height),
        value: None,
    };
    for heights in [[6, 5], [5, 5]] {
        let blocks = heights.map(row).into_iter().collect();
        let stored = Stored {
            blocks,
            ..Stored::from(&ChangeSet::default())
        };
        let bytes = [vec![VERSION], codec::encode(&stored)].concat();
        let refused = ChangeSetError::Order { list: "blocks" };
        assert_eq!(ChangeSet::decode(&bytes), Err(refused));
    }
}

/// A change set with every variant of every type of the first release in it.
fn full() -> ChangeSet {
    let (alice, bob) = (testing::key(1), testing::key(2));
    let (account, amount) = (alice.account(), Amount::from_base(5));
    let (tx, core, index) = (TxId::from_bytes([1; 32]), CoreHash::from_bytes([2; 32]), 3);
    let outputs = vec![Output {
        to: bob.account(),
        amount,
    }];
    let (fee, tip, from, burn) = (amount, amount, bob.account(), amount);
    let sources = [
        CreditSource::Mining,
        CreditSource::Uncle,
        CreditSource::Votes,
        CreditSource::Masternode,
    ];
    let mut events = vec![
        Event::Sent {
            tx,
            index,
            outputs,
            fee,
            tip,
        },
        Event::Received {
            tx,
            index,
            from,
            amount,
        },
        Event::RecordSet {
            tx,
            index,
            fee,
            tip,
        },
        Event::EnvelopePaid { core, index, burn },
        Event::Corrected {
            balance: -1,
            nonce: 1,
        },
    ];
    events.extend(sources.map(|source| Event::Earned { source, amount }));
    let entries = events
        .into_iter()
        .map(|event| Entry { account, event })
        .collect();
    let (id, time) = (BlockId::from_bytes([4; 32]), Timestamp::new(9));
    let mut full = at(5, Some(FollowedBlock { id, time, entries }));
    full.merge(at(6, None));
    full.chain = Some(ChainId::from_bytes([9; 32]));
    full.birthday = Some(Height::new(1));
    let key = alice.public();
    full.accounts
        .insert(account, AccountOrigin::Derived { index, key });
    full.accounts.insert(bob.account(), AccountOrigin::Watched);
    full.openings.insert(
        account,
        Some(Opening {
            balance: -7,
            nonce: 8,
        }),
    );
    full.openings.insert(bob.account(), None);
    full.locked.insert(account, amount);
    let transfer = testing::transfer(&alice, 1, &[(from, 5)]);
    let order = |signed| PendingOrder {
        account,
        nonce: 1,
        reserve: amount,
        made_at: Height::new(5),
        signed,
    };
    let transaction = order(SignedOrder::Transaction(transfer));
    full.orders
        .insert(OrderId::Transaction(tx), Some(transaction));
    let payment = order(SignedOrder::Payment(ClearPayment::default()));
    full.orders.insert(OrderId::Payment(core), Some(payment));
    full
}

#[test]
fn the_stored_format_is_frozen() {
    let bytes = full().encode();
    assert_eq!(ChangeSet::decode(&bytes), Ok(full()));
    let digest = Hash32::from_bytes(chain::hash::blake3(&bytes)).to_string();
    assert_eq!(
        digest, "469706a449dcdc6077f1e6f47aeb723ce8bef8ade6e0e5ad8fcf7e56995f5d5d",
        "a vault of yesterday must be readable"
    );
}

/// A block with what later kinds of orders leave in it.
fn served() -> ChangeSet {
    let amount = Amount::from_base(5);
    let entry = |duty| Entry {
        account: testing::key(1).account(),
        event: Event::Served {
            tx: TxId::from_bytes([1; 32]),
            index: 3,
            duty,
            deposit: Amount::from_base(6),
            fee: amount,
            tip: amount,
        },
    };
    let followed = block(4).map(|followed| FollowedBlock {
        entries: [Duty::Bond, Duty::Register].map(entry).to_vec(),
        ..followed
    });
    at(5, followed)
}

#[test]
fn the_stored_format_of_later_orders_is_frozen_too() {
    let bytes = served().encode();
    assert_eq!(ChangeSet::decode(&bytes), Ok(served()));
    let digest = Hash32::from_bytes(chain::hash::blake3(&bytes)).to_string();
    assert_eq!(
        digest, "183ddfe20b1394500b11e3e32441c2e4eb8fb7296841110c12b69e89bfd11460",
        "a vault of yesterday must be readable"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(
        noise in any::<Vec<u8>>(),
        flips in proptest::collection::vec(any::<(proptest::sample::Index, u8)>(), 1..4),
    ) {
        let mut bytes = full().encode();
        for (position, flip) in flips {
            bytes[position.index(full().encode().len())] ^= flip;
        }
        for bytes in [[vec![VERSION], noise].concat(), bytes] {
            if let Ok(read) = ChangeSet::decode(&bytes) {
                prop_assert_eq!(read.encode(), bytes);
            }
        }
    }
}

#[test]
fn only_idle_blocks_may_be_kept_later() {
    assert!(at(5, block(1)).is_progress_only());
    let mut named = at(5, block(1));
    named.birthday = Some(Height::new(1));
    assert!(!named.is_progress_only());
}
