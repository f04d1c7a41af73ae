//! Bytes and signatures of transactions of every kind.

use super::*;
use crate::record::{AccountRecord, InboxKey};
use crate::units::{BondId, MasternodeId};

fn keypair() -> Keypair {
    Keypair::from_secret_bytes([5; 32]).expect("a valid secret")
}

fn prefix() -> Prefix {
    Prefix {
        sender: PublicKey::from(&keypair()),
        nonce: 3,
        ..Prefix::default()
    }
}

fn transfer() -> Transaction {
    let output = Output {
        to: AccountId::from_bytes([1; 20]),
        amount: Amount::from_base(9),
    };
    let body = Transfer {
        outputs: vec![output],
    };
    let order = Signed {
        prefix: prefix(),
        body,
        signature: Signature::default(),
    };
    Transaction::signed(
        Order::Transfer(order),
        &ChainId::default(),
        &keypair(),
        &[0; 32],
    )
}

fn update(stamp: Option<Stamp>) -> Transaction {
    let record = AccountRecord {
        version: 1,
        key: prefix().sender,
        inbox_generation: 1,
        inbox_key: InboxKey::from_bytes([0; InboxKey::BYTES]),
        valid_from: 0,
        valid_to: u32::MAX,
        flags: 0,
        name_hash: [0; 32],
        previous: [0; 24],
        signature: Signature::default(),
    };
    let body = RecordUpdate { record, stamp };
    let order = Signed {
        prefix: prefix(),
        body,
        signature: Signature::default(),
    };
    Transaction::signed(
        Order::AccountRecord(order),
        &ChainId::default(),
        &keypair(),
        &[0; 32],
    )
}

fn voter() -> Keypair {
    Keypair::from_secret_bytes([7; 32]).expect("a valid secret")
}

fn operator() -> Keypair {
    Keypair::from_secret_bytes([8; 32]).expect("a valid secret")
}

fn bond() -> Signed<Bond> {
    let body = Bond {
        vote_key: PublicKey::from(&voter()),
        amount: Amount::from_base(0x0102_0304),
        possession: possession::sign(
            kind::BOND,
            &prefix(),
            &ChainId::default(),
            &voter(),
            &[0; 32],
        ),
    };
    order(body)
}

fn registration() -> Signed<MnRegister> {
    let possession = |keypair: &Keypair| {
        let chain = ChainId::default();
        possession::sign(kind::MN_REGISTER, &prefix(), &chain, keypair, &[0; 32])
    };
    order(MnRegister {
        operator_key: PublicKey::from(&operator()),
        voting_key: PublicKey::from(&voter()),
        payout: AccountId::from_bytes([4; 20]),
        address: ServiceAddress {
            ip: [6; 16],
            port: 0x1234,
        },
        service: 9,
        operator_possession: possession(&operator()),
        voting_possession: possession(&voter()),
    })
}

fn order<B>(body: B) -> Signed<B> {
    Signed {
        prefix: prefix(),
        body,
        signature: Signature::default(),
    }
}

fn sign(order: Order) -> Transaction {
    Transaction::signed(order, &ChainId::default(), &keypair(), &[0; 32])
}

fn every_kind() -> [Transaction; 8] {
    let bond_id = BondId::new(0x0a0b);
    let masternode = MasternodeId::new(0x0c0d);
    [
        transfer(),
        sign(Order::Bond(bond())),
        sign(Order::Unbond(order(Unbond { bond: bond_id }))),
        sign(Order::Wake(order(Wake { bond: bond_id }))),
        sign(Order::MnRegister(registration())),
        sign(Order::MnRevive(order(MnRevive { masternode }))),
        sign(Order::MnExit(order(MnExit { masternode }))),
        update(None),
    ]
}

#[test]
fn the_kind_stands_behind_the_version_and_every_kind_has_prefix_and_signature() {
    for transaction in every_kind() {
        let bytes = codec::encode(&transaction);
        assert_eq!(bytes[..2], [1, transaction.kind()]);
        assert_eq!(*transaction.prefix(), prefix());
        assert!(transaction.is_signed(&ChainId::default()));
        assert_eq!(
            bytes[bytes.len() - 64..],
            *transaction.signature().as_bytes()
        );
        let decoded = codec::decode::<Transaction>(&bytes, Transaction::BYTES_MAX);
        assert_eq!(decoded, Ok(transaction));
    }
}

#[test]
fn the_bodies_of_stake_and_masternodes_are_laid_out_as_specified() {
    let body = |transaction: &Transaction| {
        let bytes = codec::encode(transaction);
        bytes[58..bytes.len() - 64].to_vec()
    };
    let [_, bonding, unbond, wake, register, revive, exit, _] = every_kind();
    let bonded = bond().body;
    let expected = [
        &bonded.vote_key.as_bytes()[..],
        &0x0102_0304u64.to_le_bytes(),
        bonded.possession.as_bytes(),
    ];
    assert_eq!(body(&bonding), expected.concat());
    assert_eq!(body(&bonding).len(), 104);
    for of_bond in [unbond, wake] {
        assert_eq!(body(&of_bond), [0x0b, 0x0a, 0, 0]);
    }
    for of_masternode in [revive, exit] {
        assert_eq!(body(&of_masternode), [0x0d, 0x0c, 0, 0]);
    }
    let registered = registration().body;
    let expected = [
        &registered.operator_key.as_bytes()[..],
        registered.voting_key.as_bytes(),
        &[4; 20],
        &[6; 16],
        &[0x34, 0x12],
        &[9, 0, 0, 0],
        registered.operator_possession.as_bytes(),
        registered.voting_possession.as_bytes(),
    ];
    assert_eq!(body(&register), expected.concat());
    assert_eq!(body(&register).len(), 234);
    assert_eq!(
        codec::encoded_len(&registered.address),
        ServiceAddress::BYTES
    );
}

#[test]
fn a_proof_of_possession_is_bound_to_chain_kind_sender_nonce_and_key() {
    let chain = ChainId::default();
    assert!(bond().is_vote_key_possessed(&chain));
    assert!(!bond().is_vote_key_possessed(&ChainId::from_bytes([1; 32])));
    let changes: [fn(&mut Signed<Bond>); 4] = [
        |bond| bond.prefix.nonce += 1,
        |bond| bond.prefix.sender = PublicKey::from(&voter()),
        |bond| bond.body.vote_key = PublicKey::from(&operator()),
        |bond| bond.body.vote_key = PublicKey::from_bytes([0xff; 32]),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut changed = bond();
        change(&mut changed);
        assert!(!changed.is_vote_key_possessed(&chain), "change {index}");
    }
    let (key, proof) = (bond().body.vote_key, bond().body.possession);
    let of_kind = |kind| possession::verify(kind, &prefix(), &chain, &key, &proof);
    assert!(of_kind(kind::BOND));
    assert!(!of_kind(kind::MN_REGISTER));
    // The amount is the sender's business: the sender signs it.
    let mut richer = bond();
    richer.body.amount = Amount::MAX;
    assert!(richer.is_vote_key_possessed(&chain));
}

#[test]
fn a_registration_needs_the_proofs_of_both_keys() {
    let chain = ChainId::default();
    assert!(registration().are_keys_possessed(&chain));
    let changes: [fn(&mut MnRegister); 3] = [
        |body| body.operator_possession = body.voting_possession,
        |body| body.voting_possession = body.operator_possession,
        |body| std::mem::swap(&mut body.operator_key, &mut body.voting_key),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut changed = registration();
        change(&mut changed.body);
        assert!(!changed.are_keys_possessed(&chain), "change {index}");
    }
}

#[test]
fn the_wire_order_is_the_specified_one() {
    let bytes = codec::encode(&transfer());
    assert_eq!(bytes.len(), 58 + 8 + 28 + 64);
    assert_eq!(bytes[..2], [1, 0]);
    assert_eq!(bytes[2..34], *prefix().sender.as_bytes());
    assert_eq!(bytes[34..42], 3u64.to_le_bytes());
    assert_eq!(codec::encode(&update(None))[..2], [1, 8]);
    assert_eq!(codec::encode(&update(None)).len(), 58 + 1383 + 1 + 64);
    assert_eq!(
        codec::encode(&update(Some(Stamp::default()))).len(),
        58 + 1383 + 41 + 64
    );
}

#[test]
fn id_and_signature_cover_everything_before_the_signature() {
    let signed = transfer();
    assert!(signed.is_signed(&ChainId::default()));
    assert!(!signed.is_signed(&ChainId::from_bytes([1; 32])));
    let bytes = codec::encode(&signed);
    for position in 0..bytes.len() - 64 {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        if let Ok(changed) = codec::decode::<Transaction>(&changed, Transaction::BYTES_MAX) {
            assert!(!changed.is_signed(&ChainId::default()), "byte {position}");
            assert_ne!(changed.id(), signed.id(), "byte {position}");
        }
    }
}

#[test]
fn reserved_kinds_do_not_decode() {
    let mut bytes = codec::encode(&transfer());
    let live = every_kind().map(|transaction| transaction.kind());
    for kind in (0..=u8::MAX).filter(|kind| !live.contains(kind)) {
        bytes[1] = kind;
        let decoded = codec::decode::<Transaction>(&bytes, Transaction::BYTES_MAX);
        assert!(decoded.is_err(), "kind {kind}");
    }
    assert_eq!(live, [0, 1, 2, 3, 5, 6, 7, 8]);
    assert!(!live.contains(&reserved::DELEGATE_BOND));
}

#[test]
fn a_stamp_commits_to_everything_before_its_effort() {
    let stamped = update(Some(Stamp::default()));
    let solved = update(Some(Stamp {
        effort: 9,
        solution: [1; 16],
        ..Stamp::default()
    }));
    assert_eq!(stamped.stamp_commitment(), solved.stamp_commitment());
    assert_ne!(stamped.id(), solved.id());
    assert_eq!(update(None).stamp_commitment(), None);
    assert_eq!(transfer().stamp_commitment(), None);
}
