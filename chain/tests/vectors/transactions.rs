//! Vectors of transactions and account records; bodies of stake and masternodes: `orders.rs`.

use chain::record::{AccountRecord, InboxKey, Stamp};
use chain::signature::{self, tag};
use chain::transaction::{Order, Output, Prefix, RecordUpdate, Signed, Transfer};
use chain::{AccountId, Amount, ChainId, PublicKey, Signature, Transaction, codec};
use secp256k1::Keypair;
use serde_json::{Value, json};

use crate::orders;
use crate::twin::{Accept, Document, Reject, bytes, hex, list, object, wide};

/// The chain that all vectors are signed for.
pub(crate) const CHAIN: ChainId = ChainId::from_bytes([0xc1; 32]);
/// Secret key of the signer of all vectors.
pub(crate) const SECRET: [u8; 32] = [5; 32];
/// Auxiliary randomness of all signatures.
pub(crate) const AUX_RANDOMNESS: [u8; 32] = [6; 32];

/// The signer of all vectors.
pub(crate) fn keypair() -> Keypair {
    keypair_of(&SECRET)
}

/// The signer with this secret.
pub(crate) fn keypair_of(secret: &[u8; 32]) -> Keypair {
    Keypair::from_secret_bytes(*secret).expect("a valid secret")
}

/// Stands in for a signature where the vector is about something else.
pub(crate) fn placeholder_signature(byte: u8) -> Signature {
    Signature::from_bytes([byte; 64])
}

/// Prefix of the transactions that pay a fee.
pub(crate) fn prefix() -> Prefix {
    Prefix {
        sender: PublicKey::from(&keypair()),
        nonce: 3,
        max_fee: Amount::from_base(4096),
        tip: Amount::from_base(17),
    }
}

/// An order, signed by the signer of all vectors.
pub(crate) fn sign(order: Order) -> Transaction {
    Transaction::signed(order, &CHAIN, &keypair(), &AUX_RANDOMNESS)
}

/// A transfer with so many outputs.
pub(crate) fn transfer(outputs: u8) -> Transaction {
    let output = |index: u8| Output {
        to: AccountId::from_bytes([index; 20]),
        amount: Amount::from_base(u64::from(index) + 1),
    };
    transfer_of((0..outputs).map(output).collect())
}

fn transfer_of(outputs: Vec<Output>) -> Transaction {
    let signature = Signature::default();
    sign(Order::Transfer(Signed {
        prefix: prefix(),
        body: Transfer { outputs },
        signature,
    }))
}

fn record() -> AccountRecord {
    let mut inbox_key = [0; InboxKey::BYTES];
    for (index, byte) in inbox_key.iter_mut().enumerate() {
        *byte = pattern(index);
    }
    let record = AccountRecord {
        version: AccountRecord::VERSION,
        key: PublicKey::from(&keypair()),
        inbox_generation: 1,
        inbox_key: InboxKey::from_bytes(inbox_key),
        valid_from: 9,
        valid_to: u32::MAX,
        flags: 0,
        name_hash: [0xaa; 32],
        previous: [0; 24],
        signature: Signature::default(),
    };
    record.signed(&CHAIN, &keypair(), &AUX_RANDOMNESS)
}

/// Byte `index` of long contents: `7 * index + 3`, modulo 256.
pub(crate) fn pattern(index: usize) -> u8 {
    u8::try_from((index * 7 + 3) % 256).expect("below 256")
}

fn update(stamp: Option<Stamp>) -> Transaction {
    let body = RecordUpdate {
        record: record(),
        stamp,
    };
    let prefix = Prefix {
        nonce: 0,
        max_fee: Amount::ZERO,
        tip: Amount::ZERO,
        ..prefix()
    };
    sign(Order::AccountRecord(Signed {
        prefix,
        body,
        signature: Signature::default(),
    }))
}

/// A first account record with a stamp in the place of a fee.
pub(crate) fn stamped_record() -> Transaction {
    update(Some(stamp()))
}

/// A stamp whose fields are all different; it need not be a solution.
pub(crate) fn stamp() -> Stamp {
    Stamp {
        effort: 2048,
        reference: 160,
        nonce: [0x31; 16],
        solution: [0x32; 16],
    }
}

/// Twin of a stamp.
pub(crate) fn stamp_twin(stamp: &Stamp) -> Value {
    object([
        ("effort", json!(stamp.effort)),
        ("reference", json!(stamp.reference)),
        ("nonce", bytes(&stamp.nonce)),
        ("solution", bytes(&stamp.solution)),
    ])
}

fn record_twin(record: &AccountRecord) -> Value {
    object([
        ("version", json!(record.version)),
        ("key", bytes(record.key.as_bytes())),
        ("inbox_generation", json!(record.inbox_generation)),
        ("inbox_key", bytes(record.inbox_key.as_bytes())),
        ("valid_from", json!(record.valid_from)),
        ("valid_to", json!(record.valid_to)),
        ("flags", json!(record.flags)),
        ("name_hash", bytes(&record.name_hash)),
        ("previous", bytes(&record.previous)),
        ("signature", bytes(record.signature.as_bytes())),
    ])
}

/// Twin of a transaction.
pub(crate) fn transaction_twin(transaction: &Transaction) -> Value {
    let prefix = transaction.prefix();
    let body = match &transaction.order {
        Order::Transfer(order) => object([(
            "outputs",
            list(&order.body.outputs, |output| {
                object([
                    ("to", bytes(output.to.as_bytes())),
                    ("amount", wide(output.amount.base_units())),
                ])
            }),
        )]),
        Order::AccountRecord(order) => object([
            ("record", record_twin(&order.body.record)),
            (
                "stamp",
                order.body.stamp.as_ref().map_or(Value::Null, stamp_twin),
            ),
        ]),
        Order::Bond(order) => orders::bond_twin(&order.body),
        Order::Unbond(order) => orders::index_twin("bond", order.body.bond.get()),
        Order::Wake(order) => orders::index_twin("bond", order.body.bond.get()),
        Order::MnRegister(order) => orders::registration_twin(&order.body),
        Order::MnRevive(order) => orders::index_twin("masternode", order.body.masternode.get()),
        Order::MnExit(order) => orders::index_twin("masternode", order.body.masternode.get()),
    };
    object([
        ("version", json!(transaction.version)),
        ("kind", json!(transaction.kind())),
        ("sender", bytes(prefix.sender.as_bytes())),
        ("nonce", wide(prefix.nonce)),
        ("max_fee", wide(prefix.max_fee.base_units())),
        ("tip", wide(prefix.tip.base_units())),
        ("body", body),
        ("signature", bytes(transaction.signature().as_bytes())),
    ])
}

/// How a signature by the signer of all vectors was made, and that it holds.
pub(crate) fn signing(tag: &str, signed: &[u8], key: &PublicKey, signature: &Signature) -> Value {
    signing_by(&SECRET, tag, signed, key, signature)
}

/// How a signature by this secret was made, and that it holds.
pub(crate) fn signing_by(
    secret: &[u8; 32],
    tag: &str,
    signed: &[u8],
    key: &PublicKey,
    signature: &Signature,
) -> Value {
    assert!(
        signature::verify(tag, &CHAIN, &[signed], key, signature),
        "{tag}: a wrong vector"
    );
    object([
        ("tag", json!(tag)),
        ("chain_id", bytes(CHAIN.as_bytes())),
        (
            "message",
            bytes(&signature::message(tag, &CHAIN, &[signed])),
        ),
        ("secret", bytes(secret)),
        ("aux_randomness", bytes(&AUX_RANDOMNESS)),
        ("key", bytes(key.as_bytes())),
        ("signature", bytes(signature.as_bytes())),
    ])
}

fn accept(name: &str, transaction: &Transaction) -> Accept {
    let encoded = codec::encode(transaction);
    let signed = &encoded[..encoded.len() - Signature::BYTES];
    let sender = transaction.prefix().sender;
    let mut derived = object([
        ("id", bytes(transaction.id().as_bytes())),
        ("sender_account", bytes(transaction.sender().as_bytes())),
        (
            "stamp_commitment",
            transaction
                .stamp_commitment()
                .map_or(Value::Null, |hash| bytes(&hash)),
        ),
        (
            "signing",
            signing(tag::TRANSACTION, signed, &sender, transaction.signature()),
        ),
    ]);
    if let Some(possessions) = orders::possessions(transaction) {
        derived["possessions"] = possessions;
    }
    Accept {
        name: name.to_owned(),
        kind: "transaction",
        bytes: hex(&encoded),
        fields: transaction_twin(transaction),
        derived,
    }
}

fn accept_record() -> Accept {
    let record = record();
    let encoded = codec::encode(&record);
    let signed = &encoded[..encoded.len() - Signature::BYTES];
    Accept {
        name: "a first record".to_owned(),
        kind: "account_record",
        bytes: hex(&encoded),
        fields: record_twin(&record),
        derived: object([
            ("link", bytes(&record.link())),
            (
                "signing",
                signing(tag::ACCOUNT_RECORD, signed, &record.key, &record.signature),
            ),
        ]),
    }
}

/// `transaction.json`
pub(crate) fn transactions() -> Document {
    Document {
        about: "transactions: common prefix, body by kind, the sender's signature",
        spec: "docs/spec/03-transactions.md",
        must_accept: [
            accept("a transfer to one account", &transfer(1)),
            accept("a transfer to three accounts", &transfer(3)),
            accept(
                "a transfer to nobody: well-formed, refused by consensus",
                &transfer(0),
            ),
            accept(
                "a transfer with the most outputs",
                &transfer_of(vec![Output::default(); Transfer::OUTPUTS_MAX]),
            ),
            accept("an account record", &update(None)),
            accept("an account record with a stamp", &stamped_record()),
            accept_record(),
        ]
        .into_iter()
        .chain(orders::named().iter().map(|(name, tx)| accept(name, tx)))
        .collect(),
        must_reject: rejects(),
    }
}

fn rejects() -> Vec<Reject> {
    let kind = "transaction";
    let encoded = codec::encode(&transfer(1));
    let count_at = 58;
    let with = |at: usize, new: &[u8]| {
        let mut changed = encoded.clone();
        changed[at..at + new.len()].copy_from_slice(new);
        changed
    };
    let mut rejects: Vec<Reject> = [4u8]
        .into_iter()
        .chain(9..=17)
        .chain([255])
        .map(|number| {
            let name = format!("kind {number} is reserved or unknown");
            Reject::new(&name, kind, &with(1, &[number]), "Malformed")
        })
        .collect();
    let mut trailing = encoded.clone();
    trailing.push(0);
    let mut too_long = encoded.clone();
    too_long.resize(Transaction::BYTES_MAX + 1, 0);
    let mut crowded = with(count_at, &257u64.to_le_bytes());
    let output = crowded[count_at + 8..count_at + 36].to_vec();
    crowded.splice(count_at + 8..count_at + 8, output.repeat(256));
    let unstamped = codec::encode(&update(None));
    let flag_at = unstamped.len() - Signature::BYTES - 1;
    let mut flagged = unstamped.clone();
    flagged[flag_at] = 2;
    let mut claimed = unstamped.clone();
    claimed[flag_at] = 1;
    rejects.extend([
        Reject::new("a byte after the signature", kind, &trailing, "Malformed"),
        Reject::new(
            "the last byte is missing",
            kind,
            &encoded[..encoded.len() - 1],
            "Malformed",
        ),
        Reject::new("the prefix alone", kind, &encoded[..58], "Malformed"),
        Reject::new("longer than any transaction", kind, &too_long, "TooLong"),
        Reject::new("no bytes", kind, &[], "Malformed"),
        Reject::new(
            "two outputs are claimed, one follows",
            kind,
            &with(count_at, &2u64.to_le_bytes()),
            "Malformed",
        ),
        Reject::new(
            "a count beyond any memory",
            kind,
            &with(count_at, &u64::MAX.to_le_bytes()),
            "Malformed",
        ),
        Reject::new("257 outputs", kind, &crowded, "Malformed"),
        Reject::new("a stamp flag of 2", kind, &flagged, "Malformed"),
        Reject::new(
            "a stamp is claimed, none follows",
            kind,
            &claimed,
            "Malformed",
        ),
    ]);
    let record = codec::encode(&record());
    rejects.extend(crate::twin::wrong_lengths("account_record", &record));
    rejects.extend(orders::rejects());
    rejects
}
