//! Vectors of headers, bodies and blocks.

use chain::units::{CheckpointNumber, CompactTarget};
use chain::{
    AccountId, Amount, Aux, Block, BlockId, Body, Hash32, Header, Height, Timestamp, codec,
};
use serde_json::{Value, json};

use crate::twin::{Accept, Document, Reject, bytes, hex, list, object, wide, wrong_lengths};
use crate::{envelopes, transactions, votes};

/// A header whose fields are all different.
pub(crate) fn header() -> Header {
    Header {
        version: 1,
        height: Height::new(0x0102_0304_0506),
        parent: BlockId::from_bytes([0x11; 32]),
        time: Timestamp::new(1_795_132_800_123),
        target: CompactTarget::new(0x1f14_cab8),
        pow_count: 0x0102_0304_0507,
        tx_root: Hash32::from_bytes([0x22; 32]),
        envelope_root: Hash32::from_bytes([0x33; 32]),
        aux_root: Hash32::from_bytes([0x44; 32]),
        state_root: Hash32::from_bytes([0x55; 32]),
        supply: Amount::from_base(149_011_611),
        justified: CheckpointNumber::new(7),
        finalized: CheckpointNumber::new(6),
        payout: AccountId::from_bytes([0x66; 20]),
        pow_commit: [0; 16],
        nonce: 0xa1a2_a3a4_a5a6_a7a8,
        extra: 0xb1b2_b3b4_b5b6_b7b8,
        solution: [0x77; 16],
    }
}

fn largest_header() -> Header {
    Header {
        version: u32::MAX,
        height: Height::new(u64::MAX),
        parent: BlockId::from_bytes([0xff; 32]),
        time: Timestamp::new(u64::MAX),
        target: CompactTarget::new(u32::MAX),
        pow_count: u64::MAX,
        tx_root: Hash32::from_bytes([0xff; 32]),
        envelope_root: Hash32::from_bytes([0xff; 32]),
        aux_root: Hash32::from_bytes([0xff; 32]),
        state_root: Hash32::from_bytes([0xff; 32]),
        supply: Amount::from_base(u64::MAX),
        justified: CheckpointNumber::new(u32::MAX),
        finalized: CheckpointNumber::new(u32::MAX),
        payout: AccountId::from_bytes([0xff; 20]),
        pow_commit: [0xff; 16],
        nonce: u64::MAX,
        extra: u64::MAX,
        solution: [0xff; 16],
    }
}

fn header_twin(header: &Header) -> Value {
    object([
        ("version", json!(header.version)),
        ("height", wide(header.height.get())),
        ("parent", bytes(header.parent.as_bytes())),
        ("time_ms", wide(header.time.get())),
        ("target", json!(header.target.get())),
        ("pow_count", wide(header.pow_count)),
        ("tx_root", bytes(header.tx_root.as_bytes())),
        ("envelope_root", bytes(header.envelope_root.as_bytes())),
        ("aux_root", bytes(header.aux_root.as_bytes())),
        ("state_root", bytes(header.state_root.as_bytes())),
        ("supply", wide(header.supply.base_units())),
        ("justified", json!(header.justified.get())),
        ("finalized", json!(header.finalized.get())),
        ("payout", bytes(header.payout.as_bytes())),
        ("pow_commit", bytes(&header.pow_commit)),
        ("nonce", wide(header.nonce)),
        ("extra", wide(header.extra)),
        ("solution", bytes(&header.solution)),
    ])
}

fn accept_header(name: &str, header: &Header) -> Accept {
    Accept {
        name: name.to_owned(),
        kind: "header",
        bytes: hex(&codec::encode(header)),
        fields: header_twin(header),
        derived: object([
            ("id", bytes(header.id().as_bytes())),
            ("challenge", bytes(&header.challenge())),
            ("pow_hash", bytes(&header.pow_hash())),
        ]),
    }
}

/// `header.json`
pub(crate) fn headers() -> Document {
    Document {
        about: "a block's header: 276 bytes, its id, its proof-of-work challenge and hash",
        spec: "docs/spec/02-blocks.md §1",
        must_accept: vec![
            accept_header("all zero", &Header::default()),
            accept_header("every field different", &header()),
            accept_header("every field at its largest", &largest_header()),
        ],
        must_reject: wrong_lengths("header", &codec::encode(&header())),
    }
}

fn aux_twin(aux: &Aux) -> Value {
    object([
        ("uncles", list(&aux.uncles, header_twin)),
        ("votes", list(&aux.votes, votes::included_vote_twin)),
        ("finality", list(&aux.finality, votes::finality_group_twin)),
        ("evidence", list(&aux.evidence, votes::evidence_twin)),
    ])
}

fn body_twin(body: &Body) -> Value {
    object([
        (
            "transactions",
            list(&body.transactions, transactions::transaction_twin),
        ),
        (
            "envelopes",
            list(&body.envelopes, |envelope| bytes(envelope.as_slice())),
        ),
        ("aux", aux_twin(&body.aux)),
    ])
}

fn accept_aux(name: &str, aux: &Aux) -> Accept {
    Accept {
        name: name.to_owned(),
        kind: "aux",
        bytes: hex(&codec::encode(aux)),
        fields: aux_twin(aux),
        derived: object([("aux_root", bytes(aux.root().as_bytes()))]),
    }
}

fn accept_body(name: &str, body: &Body) -> Accept {
    Accept {
        name: name.to_owned(),
        kind: "body",
        bytes: hex(&codec::encode(body)),
        fields: body_twin(body),
        derived: object([
            ("tx_root", bytes(body.tx_root().as_bytes())),
            (
                "envelope_root",
                bytes(body.envelope_root().expect("envelopes").as_bytes()),
            ),
            ("aux_root", bytes(body.aux.root().as_bytes())),
        ]),
    }
}

fn aux() -> Aux {
    Aux {
        uncles: vec![header(), largest_header()],
        votes: vec![votes::included_vote(1), votes::included_vote(8)],
        finality: vec![votes::finality_group(0), votes::finality_group(3)],
        evidence: vec![votes::double_vote(), votes::finality_conflict()],
    }
}

fn body() -> Body {
    Body {
        transactions: vec![transactions::transfer(1), transactions::stamped_record()],
        envelopes: envelopes::small_ones()
            .iter()
            .map(chain::Envelope::to_bytes)
            .collect(),
        aux: aux(),
    }
}

/// `block.json`
pub(crate) fn blocks() -> Document {
    let block = Block {
        header: header(),
        body: body(),
    };
    let encoded = codec::encode(&block);
    let empty = codec::encode(&Body::default());
    let with_count = |at: usize, count: u64| {
        let mut changed = empty.clone();
        changed[at..at + 8].copy_from_slice(&count.to_le_bytes());
        changed
    };
    let mut trailing = encoded.clone();
    trailing.push(0);
    let mut too_long = encoded.clone();
    too_long.resize(Block::BYTES_MAX + 1, 0);
    let huge = |kind: &str| format!("{kind}: a count beyond any memory");
    Document {
        about: "bodies and blocks: transactions, envelopes and aux items with their Merkle roots",
        spec: "docs/spec/02-blocks.md §2",
        must_accept: vec![
            accept_aux("nothing", &Aux::default()),
            accept_aux("two of everything", &aux()),
            accept_body("nothing", &Body::default()),
            accept_body("transactions, envelopes and aux items", &body()),
            Accept {
                name: "a header that need not fit its body".to_owned(),
                kind: "block",
                bytes: hex(&encoded),
                fields: object([
                    ("header", header_twin(&block.header)),
                    ("body", body_twin(&block.body)),
                ]),
                derived: object([("id", bytes(block.id().as_bytes()))]),
            },
        ],
        must_reject: vec![
            Reject::new("a byte after the block", "block", &trailing, "Malformed"),
            Reject::new(
                "the last byte is missing",
                "block",
                &encoded[..encoded.len() - 1],
                "Malformed",
            ),
            Reject::new(
                "a header without a body",
                "block",
                &encoded[..Header::BYTES],
                "Malformed",
            ),
            Reject::new(
                "one transaction is claimed, none follows",
                "body",
                &with_count(0, 1),
                "Malformed",
            ),
            Reject::new(
                "one envelope is claimed, none follows",
                "body",
                &with_count(8, 1),
                "Malformed",
            ),
            Reject::new(
                &huge("transactions"),
                "body",
                &with_count(0, u64::MAX),
                "Malformed",
            ),
            Reject::new(
                &huge("envelopes"),
                "body",
                &with_count(8, u64::MAX),
                "Malformed",
            ),
            Reject::new(
                &huge("uncles"),
                "body",
                &with_count(16, u64::MAX),
                "Malformed",
            ),
            Reject::new(
                &huge("votes"),
                "body",
                &with_count(24, u64::MAX),
                "Malformed",
            ),
            Reject::new(
                &huge("finality groups"),
                "body",
                &with_count(32, u64::MAX),
                "Malformed",
            ),
            Reject::new(
                &huge("evidence"),
                "body",
                &with_count(40, 1 << 40),
                "Malformed",
            ),
            Reject::new(
                "an unknown kind of evidence",
                "aux",
                &unknown_evidence(),
                "Malformed",
            ),
        ],
    }
}

fn unknown_evidence() -> Vec<u8> {
    let aux = Aux {
        evidence: vec![votes::double_vote()],
        ..Aux::default()
    };
    let mut encoded = codec::encode(&aux);
    encoded[32] = 2;
    encoded
}
