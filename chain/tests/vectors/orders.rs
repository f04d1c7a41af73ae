//! Vectors of the orders of stake and masternodes, as part of `transaction.json`.
//!
//! # Spec
//! docs/spec/03-transactions.md §7-9

use chain::signature::tag;
use chain::transaction::{
    Bond, MnExit, MnRegister, MnRevive, Order, ServiceAddress, Signed, Unbond, Wake, kind,
    possession,
};
use chain::units::{BondId, MasternodeId};
use chain::{AccountId, Amount, PublicKey, Signature, Transaction, codec};
use serde_json::{Value, json};

use crate::transactions::{AUX_RANDOMNESS, CHAIN, keypair_of, prefix, sign, signing_by, transfer};
use crate::twin::{Reject, bytes, object, wide};

/// Secret of the key that votes, for bonds and for masternodes.
const VOTING_SECRET: [u8; 32] = [0x17; 32];
/// Secret of the key that operates masternodes.
const OPERATOR_SECRET: [u8; 32] = [0x18; 32];

/// 192.0.2.7, port 31213.
const IPV4: ServiceAddress = ServiceAddress {
    ip: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7],
    port: 31213,
};
/// 2001:db8::7, port 258.
const IPV6: ServiceAddress = ServiceAddress {
    ip: [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7],
    port: 258,
};

fn key_of(secret: &[u8; 32]) -> PublicKey {
    PublicKey::from(&keypair_of(secret))
}

fn possession_of(kind: u8, secret: &[u8; 32]) -> Signature {
    let keypair = keypair_of(secret);
    possession::sign(kind, &prefix(), &CHAIN, &keypair, &AUX_RANDOMNESS)
}

fn signed<B>(body: B) -> Signed<B> {
    Signed {
        prefix: prefix(),
        body,
        signature: Signature::default(),
    }
}

fn bond(amount: u64) -> Transaction {
    sign(Order::Bond(signed(Bond {
        vote_key: key_of(&VOTING_SECRET),
        amount: Amount::from_base(amount),
        possession: possession_of(kind::BOND, &VOTING_SECRET),
    })))
}

fn registration(address: ServiceAddress) -> Transaction {
    sign(Order::MnRegister(signed(MnRegister {
        operator_key: key_of(&OPERATOR_SECRET),
        voting_key: key_of(&VOTING_SECRET),
        payout: AccountId::from_bytes([0x29; 20]),
        address,
        service: 0x0102_0304,
        operator_possession: possession_of(kind::MN_REGISTER, &OPERATOR_SECRET),
        voting_possession: possession_of(kind::MN_REGISTER, &VOTING_SECRET),
    })))
}

/// All of them, with what is special about them.
pub(crate) fn named() -> [(&'static str, Transaction); 9] {
    let (bond_id, masternode) = (BondId::new(0x0a0b_0c0d), MasternodeId::new(0x1a1b_1c1d));
    [
        ("a bond", bond(100 * Amount::COIN)),
        (
            "a bond of nothing: well-formed, refused by consensus",
            bond(0),
        ),
        (
            "a bond is released",
            sign(Order::Unbond(signed(Unbond { bond: bond_id }))),
        ),
        (
            "a bond is woken",
            sign(Order::Wake(signed(Wake { bond: bond_id }))),
        ),
        ("a masternode at IPv4", registration(IPV4)),
        ("a masternode at IPv6", registration(IPV6)),
        (
            "a masternode is revived",
            sign(Order::MnRevive(signed(MnRevive { masternode }))),
        ),
        (
            "a masternode retires",
            sign(Order::MnExit(signed(MnExit { masternode }))),
        ),
        (
            "the first masternode retires",
            sign(Order::MnExit(signed(MnExit::default()))),
        ),
    ]
}

/// Twin of a bond's body.
pub(crate) fn bond_twin(bond: &Bond) -> Value {
    object([
        ("vote_key", bytes(bond.vote_key.as_bytes())),
        ("amount", wide(bond.amount.base_units())),
        ("possession", bytes(bond.possession.as_bytes())),
    ])
}

/// Twin of a registration's body.
pub(crate) fn registration_twin(body: &MnRegister) -> Value {
    let address = object([
        ("ip", bytes(&body.address.ip)),
        ("port", json!(body.address.port)),
    ]);
    object([
        ("operator_key", bytes(body.operator_key.as_bytes())),
        ("voting_key", bytes(body.voting_key.as_bytes())),
        ("payout", bytes(body.payout.as_bytes())),
        ("address", address),
        ("service", json!(body.service)),
        (
            "operator_possession",
            bytes(body.operator_possession.as_bytes()),
        ),
        (
            "voting_possession",
            bytes(body.voting_possession.as_bytes()),
        ),
    ])
}

/// Twin of a body that is one index.
pub(crate) fn index_twin(name: &'static str, index: u32) -> Value {
    object([(name, json!(index))])
}

/// How the proofs of possession in a transaction were made, by the name of their field.
pub(crate) fn possessions(transaction: &Transaction) -> Option<Value> {
    let covered = possession::signed_bytes(transaction.kind(), transaction.prefix());
    let proof = |secret, key, proof| signing_by(secret, tag::POSSESSION, &covered, key, proof);
    match &transaction.order {
        Order::Bond(order) => {
            let Bond {
                vote_key,
                possession,
                ..
            } = &order.body;
            let by_vote_key = proof(&VOTING_SECRET, vote_key, possession);
            Some(object([("possession", by_vote_key)]))
        }
        Order::MnRegister(order) => {
            let body = &order.body;
            let operator = (&body.operator_key, &body.operator_possession);
            let voting = (&body.voting_key, &body.voting_possession);
            Some(object([
                (
                    "operator_possession",
                    proof(&OPERATOR_SECRET, operator.0, operator.1),
                ),
                (
                    "voting_possession",
                    proof(&VOTING_SECRET, voting.0, voting.1),
                ),
            ]))
        }
        Order::Transfer(_)
        | Order::Unbond(_)
        | Order::Wake(_)
        | Order::MnRevive(_)
        | Order::MnExit(_)
        | Order::AccountRecord(_) => None,
    }
}

/// Each body cut, continued, and under the number of another kind.
pub(crate) fn rejects() -> Vec<Reject> {
    let kind = "transaction";
    let mut rejects = Vec::new();
    for (name, transaction) in named() {
        let encoded = codec::encode(&transaction);
        let cut = &encoded[..encoded.len() - 1];
        let mut long = encoded.clone();
        long.push(0);
        let mut shorter = encoded.clone();
        shorter.remove(58);
        for (damage, bytes) in [
            ("the last byte is missing", cut),
            ("a byte after the signature", &long),
            ("the body lacks a byte", &shorter),
            ("the prefix alone", &encoded[..58]),
        ] {
            rejects.push(Reject::new(
                &format!("{name}: {damage}"),
                kind,
                bytes,
                "Malformed",
            ));
        }
    }
    let claims = |transaction: &Transaction, number: u8, name: &str| {
        let mut encoded = codec::encode(transaction);
        encoded[1] = number;
        Reject::new(name, kind, &encoded, "Malformed")
    };
    let (bond, register) = (bond(1), registration(IPV4));
    for number in [
        kind::BOND,
        kind::UNBOND,
        kind::WAKE,
        kind::MN_REGISTER,
        kind::MN_REVIVE,
        kind::MN_EXIT,
    ] {
        let name = format!("a transfer under the number {number}");
        rejects.push(claims(&transfer(1), number, &name));
    }
    rejects.extend([
        claims(&bond, kind::UNBOND, "a bond under the number of a release"),
        claims(
            &bond,
            kind::MN_REGISTER,
            "a bond under the number of a registration",
        ),
        claims(&bond, 4, "a bond under the number of a delegation"),
        claims(
            &register,
            kind::BOND,
            "a registration under the number of a bond",
        ),
        claims(
            &register,
            kind::TRANSFER,
            "a registration under the number of a transfer",
        ),
    ]);
    rejects
}
