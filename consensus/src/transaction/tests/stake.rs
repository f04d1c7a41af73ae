//! The rules of orders about bonds and masternodes by themselves, on a network that has activated
//! them.
//!
//! # Spec
//! docs/spec/03-transactions.md §7-9

use chain::transaction::{MnExit, MnRevive, Unbond, Wake, kind};
use chain::units::{BondId, MasternodeId};
use genesis::Activation;

use super::*;

const COIN: Amount = Amount::from_base(Amount::COIN);

/// Regtest with all kinds active.
fn active() -> Params {
    Params {
        active_from: Activation::from_height(Height::new(0)),
        ..Params::of(Network::Regtest)
    }
}

fn judged(tx: Transaction) -> Result<CheckedTransaction, Rule> {
    check_transaction(tx, &|_| None, &active())
}

fn voter() -> Owner {
    Owner::new(11)
}

fn operator() -> Owner {
    Owner::new(12)
}

fn prefix_at(nonce: u64) -> Prefix {
    owner().prefix(nonce, Amount::from_base(100_000))
}

fn bond_of(amount: Amount) -> Bond {
    Owner::bond(&active(), &prefix(), &voter(), amount)
}

fn bond(body: Bond) -> Transaction {
    owner().order(&active(), prefix(), body, Order::Bond)
}

fn registration() -> MnRegister {
    Owner::registration(&active(), &prefix(), &operator(), &voter())
}

fn register(body: MnRegister) -> Transaction {
    owner().order(&active(), prefix(), body, Order::MnRegister)
}

fn unbond() -> Transaction {
    let bond = BondId::new(3);
    owner().order(&active(), prefix(), Unbond { bond }, Order::Unbond)
}

fn wake() -> Transaction {
    let bond = BondId::new(3);
    owner().order(&active(), prefix(), Wake { bond }, Order::Wake)
}

fn revive() -> Transaction {
    let masternode = MasternodeId::new(4);
    let body = MnRevive { masternode };
    owner().order(&active(), prefix(), body, Order::MnRevive)
}

fn exit() -> Transaction {
    let masternode = MasternodeId::new(4);
    let body = MnExit { masternode };
    owner().order(&active(), prefix(), body, Order::MnExit)
}

fn every_kind() -> [Transaction; 6] {
    [
        bond(bond_of(COIN)),
        unbond(),
        wake(),
        register(registration()),
        revive(),
        exit(),
    ]
}

#[test]
fn active_kinds_pass_and_cost_their_extra_units() {
    let units = every_kind().map(|tx| base_units(&tx));
    assert_eq!(units, [1 + 4, 1, 1, 1 + 16, 1 + 16, 1]);
    let bytes = [226, 126, 126, 356, 126, 126];
    for (tx, bytes) in every_kind().into_iter().zip(bytes) {
        let kind = tx.kind();
        let checked = judged(tx).unwrap_or_else(|rule| panic!("kind {kind}: {rule}"));
        assert_eq!((checked.bytes(), checked.stamp()), (bytes, None));
    }
}

#[test]
fn a_kind_that_is_never_active_is_refused_before_anything_else() {
    let above = Amount::from_base(Amount::MAX.base_units() + 1);
    let never = Params {
        active_from: Activation::NEVER,
        ..active()
    };
    let check = |tx| check_transaction(tx, &|_| None, &never).map(|_| ());
    for tx in every_kind() {
        let kind = tx.kind();
        assert_eq!(check(tx), Err(Rule::KindInactive { kind }));
    }
    let greedy = Prefix {
        tip: above,
        ..prefix()
    };
    let tx = owner().order(&active(), greedy, bond_of(Amount::ZERO), Order::Bond);
    let kind = kind::BOND;
    assert_eq!(check(tx.clone()), Err(Rule::KindInactive { kind }));
    assert_eq!(judged(tx), Err(Rule::FeeRange));
    let without_bonds = Params {
        active_from: Activation {
            bond: None,
            ..active().active_from
        },
        ..active()
    };
    let judged = |tx| check_transaction(tx, &|_| None, &without_bonds);
    assert_eq!(
        judged(bond(bond_of(COIN))),
        Err(Rule::KindInactive { kind })
    );
    assert!(judged(wake()).is_ok());
}

#[test]
fn a_kind_waits_for_its_height() {
    let from = Height::new(3);
    let params = Params {
        active_from: Activation::from_height(from),
        ..active()
    };
    let mut chain = TestChain::with(params);
    let screened = |chain: &TestChain, tx: &Transaction| chain.draft().screen_transaction(tx);
    for height in [1, 2] {
        for tx in every_kind() {
            let (kind, height) = (tx.kind(), Height::new(height));
            assert!(chain.check_transaction(&tx).is_ok(), "kind {kind}");
            let expected = Rule::KindAhead { kind, from, height };
            assert_eq!(screened(&chain, &tx), Err(expected.into()));
        }
        chain.mine_empty(Owner::new(9).account(), 1);
    }
    for tx in every_kind() {
        // Its height has come: from now on the balance decides.
        let refused = screened(&chain, &tx).expect_err("the sender has no coins");
        let balance = Amount::ZERO;
        assert_eq!(refused, Rule::BalanceTooLow { balance }.into());
    }
}

#[test]
fn a_bond_is_worth_the_minimum_up_to_the_cap() {
    let min = active().bond_min;
    let below = Amount::from_base(min.base_units() - 1);
    let above = Amount::from_base(Amount::MAX.base_units() + 1);
    for found in [Amount::ZERO, below, above, Amount::from_base(u64::MAX)] {
        let refused = Rule::BondAmount { min, found };
        assert_eq!(judged(bond(bond_of(found))), Err(refused));
    }
    for amount in [min, Amount::MAX] {
        let tx = bond(bond_of(amount));
        assert_eq!(outlay(&tx, &active()), Some(amount));
        assert_eq!(judged(tx).map(|checked| checked.outlay()), Ok(amount));
    }
    assert_eq!(outlay(&bond(bond_of(above)), &active()), None);
}

#[test]
fn the_holder_of_a_vote_key_agrees_to_the_bond() {
    let elsewhere = Params::of(Network::Dev);
    let proofs = [
        // by another key, for another order, for another kind, on another chain
        operator().prove_possession(&active(), kind::BOND, &prefix()),
        voter().prove_possession(&active(), kind::BOND, &prefix_at(1)),
        voter().prove_possession(&active(), kind::MN_REGISTER, &prefix()),
        voter().prove_possession(&elsewhere, kind::BOND, &prefix()),
        Signature::default(),
    ];
    for possession in proofs {
        let body = Bond {
            possession,
            ..bond_of(COIN)
        };
        assert_eq!(judged(bond(body)), Err(Rule::BondPossession));
    }
    let off_curve = Bond {
        vote_key: PublicKey::from_bytes([0xff; 32]),
        ..bond_of(COIN)
    };
    assert_eq!(judged(bond(off_curve)), Err(Rule::BondPossession));
}

#[test]
fn a_bond_may_vote_by_its_owners_key() {
    let body = Owner::bond(&active(), &prefix(), &owner(), COIN);
    assert!(judged(bond(body)).is_ok());
}

#[test]
fn owner_operator_and_voter_of_a_masternode_use_three_keys() {
    let (owner, operator, voter) = (owner(), operator(), voter());
    for (operator, voter) in [
        (&owner, &voter),
        (&operator, &owner),
        (&operator, &operator),
        (&owner, &owner),
    ] {
        let body = Owner::registration(&active(), &prefix(), operator, voter);
        assert_eq!(judged(register(body)), Err(Rule::MasternodeKeys));
    }
    let tx = register(registration());
    let collateral = active().masternode_collateral;
    assert_eq!(outlay(&tx, &active()), Some(collateral));
    assert_eq!(judged(tx).map(|checked| checked.outlay()), Ok(collateral));
}

#[test]
fn the_holders_of_both_keys_agree_to_a_registration() {
    let body = registration();
    let stale = prefix_at(7);
    let changes = [
        MnRegister {
            operator_possession: body.voting_possession,
            ..body
        },
        MnRegister {
            voting_possession: body.operator_possession,
            ..body
        },
        MnRegister {
            voting_possession: voter().prove_possession(&active(), kind::MN_REGISTER, &stale),
            ..body
        },
        MnRegister {
            operator_key: PublicKey::from_bytes([0xff; 32]),
            ..body
        },
        MnRegister {
            voting_key: PublicKey::from_bytes([0xff; 32]),
            ..body
        },
    ];
    for changed in changes {
        let refused = judged(register(changed));
        assert_eq!(refused, Err(Rule::MasternodePossession));
    }
}

#[test]
fn numbers_are_judged_before_signatures_and_the_sender_before_the_keys() {
    let unproved = Bond {
        possession: Signature::default(),
        ..bond_of(COIN)
    };
    let unsign = |mut tx: Transaction| {
        match &mut tx.order {
            Order::Bond(order) => order.signature = Signature::default(),
            Order::MnRegister(order) => order.signature = Signature::default(),
            _ => panic!("a bond or a registration"),
        }
        tx
    };
    assert_eq!(
        judged(unsign(bond(unproved))),
        Err(Rule::TransactionSignature)
    );
    let none = Amount::ZERO;
    let small = Bond {
        amount: none,
        ..unproved
    };
    let min = active().bond_min;
    let refused = Rule::BondAmount { min, found: none };
    assert_eq!(judged(unsign(bond(small))), Err(refused));
    let shared = MnRegister {
        voting_key: owner().key(),
        ..registration()
    };
    assert_eq!(judged(unsign(register(shared))), Err(Rule::MasternodeKeys));
}

#[test]
fn who_changes_a_proof_changes_the_key_of_the_verified_cache() {
    let key = |tx| {
        let shaped = shape(tx, &|_| None, &active()).expect("well-formed");
        *shaped.verified_id()
    };
    let proved = bond(bond_of(COIN));
    let unproved = bond(Bond {
        possession: Signature::default(),
        ..bond_of(COIN)
    });
    assert_ne!(key(proved), key(unproved.clone()));
    assert_eq!(judged(unproved), Err(Rule::BondPossession));
}
