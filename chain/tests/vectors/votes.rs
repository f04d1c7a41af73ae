//! Vectors of votes, finality votes and evidence.

use chain::evidence::{DoubleVote, Evidence, FinalityConflict, SignedLink};
use chain::finality::{FinalityGroup, FinalitySignature, FinalityVote};
use chain::signature::{self, tag};
use chain::units::{BondId, CheckpointNumber, MasternodeId};
use chain::vote::{IncludedVote, Vote};
use chain::{BlockId, Height, PublicKey, Signature, codec};
use serde_json::{Value, json};

use crate::transactions::{AUX_RANDOMNESS, CHAIN, keypair, placeholder_signature, signing};
use crate::twin::{Accept, Document, Reject, bytes, hex, list, object, wide, wrong_lengths};

fn sign(tag: &str, body: &[u8]) -> Signature {
    signature::sign(tag, &CHAIN, &[body], &keypair(), &AUX_RANDOMNESS)
}

fn vote(block: u8) -> Vote {
    let (height, block, bond) = (
        Height::new(77),
        BlockId::from_bytes([block; 32]),
        BondId::new(5),
    );
    let signature = sign(tag::VOTE, &Vote::signed_bytes(height, &block, bond));
    Vote {
        height,
        block,
        bond,
        signature,
    }
}

fn finality_vote(source: u32, target: u32) -> FinalityVote {
    let mut vote = FinalityVote {
        source: CheckpointNumber::new(source),
        target: CheckpointNumber::new(target),
        target_id: BlockId::from_bytes([0x51; 32]),
        masternode: MasternodeId::new(6),
        signature: Signature::default(),
    };
    vote.signature = sign(tag::FINALITY, &vote.signed_bytes());
    vote
}

/// A vote as a block includes it.
pub(crate) fn included_vote(back: u8) -> IncludedVote {
    IncludedVote {
        back,
        bond: BondId::new(5),
        signature: placeholder_signature(back),
    }
}

/// A group with so many signatures.
pub(crate) fn finality_group(signatures: u8) -> FinalityGroup {
    let signature = |index: u8| FinalitySignature {
        masternode: MasternodeId::new(u32::from(index)),
        signature: placeholder_signature(index),
    };
    FinalityGroup {
        target: CheckpointNumber::new(12),
        signatures: (0..signatures).map(signature).collect(),
    }
}

/// Two votes at one height.
pub(crate) fn double_vote() -> Evidence {
    let (first, second) = (vote(1), vote(2));
    Evidence::DoubleVote(DoubleVote {
        bond: first.bond,
        height: first.height,
        block_a: first.block,
        signature_a: first.signature,
        block_b: second.block,
        signature_b: second.signature,
    })
}

/// A vote that surrounds another.
pub(crate) fn finality_conflict() -> Evidence {
    let link = |vote: &FinalityVote| SignedLink {
        source: vote.source,
        target: vote.target,
        target_id: vote.target_id,
        signature: vote.signature,
    };
    let (outer, inner) = (finality_vote(1, 9), finality_vote(2, 8));
    Evidence::FinalityConflict(FinalityConflict {
        masternode: outer.masternode,
        first: link(&outer),
        second: link(&inner),
    })
}

fn vote_twin(vote: &Vote) -> Value {
    object([
        ("height", wide(vote.height.get())),
        ("block", bytes(vote.block.as_bytes())),
        ("bond", json!(vote.bond.get())),
        ("signature", bytes(vote.signature.as_bytes())),
    ])
}

/// Twin of an included vote.
pub(crate) fn included_vote_twin(vote: &IncludedVote) -> Value {
    object([
        ("back", json!(vote.back)),
        ("bond", json!(vote.bond.get())),
        ("signature", bytes(vote.signature.as_bytes())),
    ])
}

fn finality_vote_twin(vote: &FinalityVote) -> Value {
    object([
        ("source", json!(vote.source.get())),
        ("target", json!(vote.target.get())),
        ("target_id", bytes(vote.target_id.as_bytes())),
        ("masternode", json!(vote.masternode.get())),
        ("signature", bytes(vote.signature.as_bytes())),
    ])
}

/// Twin of a finality group.
pub(crate) fn finality_group_twin(group: &FinalityGroup) -> Value {
    object([
        ("target", json!(group.target.get())),
        (
            "signatures",
            list(&group.signatures, |item| {
                object([
                    ("masternode", json!(item.masternode.get())),
                    ("signature", bytes(item.signature.as_bytes())),
                ])
            }),
        ),
    ])
}

fn link_twin(link: &SignedLink) -> Value {
    object([
        ("source", json!(link.source.get())),
        ("target", json!(link.target.get())),
        ("target_id", bytes(link.target_id.as_bytes())),
        ("signature", bytes(link.signature.as_bytes())),
    ])
}

/// Twin of evidence.
pub(crate) fn evidence_twin(evidence: &Evidence) -> Value {
    match evidence {
        Evidence::DoubleVote(double) => object([
            ("kind", json!(0)),
            ("bond", json!(double.bond.get())),
            ("height", wide(double.height.get())),
            ("block_a", bytes(double.block_a.as_bytes())),
            ("signature_a", bytes(double.signature_a.as_bytes())),
            ("block_b", bytes(double.block_b.as_bytes())),
            ("signature_b", bytes(double.signature_b.as_bytes())),
        ]),
        Evidence::FinalityConflict(conflict) => object([
            ("kind", json!(1)),
            ("masternode", json!(conflict.masternode.get())),
            ("first", link_twin(&conflict.first)),
            ("second", link_twin(&conflict.second)),
        ]),
    }
}

fn accept(name: &str, kind: &'static str, encoded: &[u8], fields: Value, derived: Value) -> Accept {
    Accept {
        name: name.to_owned(),
        kind,
        bytes: hex(encoded),
        fields,
        derived,
    }
}

/// `vote.json`
pub(crate) fn votes() -> Document {
    let key = PublicKey::from(&keypair());
    let vote = vote(1);
    let vote_body = Vote::signed_bytes(vote.height, &vote.block, vote.bond);
    let finality = finality_vote(3, 4);
    let none = || object([]);
    let vote_signing = signing(tag::VOTE, &vote_body, &key, &vote.signature);
    let finality_signing = signing(
        tag::FINALITY,
        &finality.signed_bytes(),
        &key,
        &finality.signature,
    );
    let mut must_accept = vec![
        accept(
            "gossiped",
            "vote",
            &codec::encode(&vote),
            vote_twin(&vote),
            object([("signing", vote_signing)]),
        ),
        accept(
            "gossiped",
            "finality_vote",
            &codec::encode(&finality),
            finality_vote_twin(&finality),
            object([("signing", finality_signing)]),
        ),
    ];
    for back in [1, 8] {
        let vote = included_vote(back);
        let twin = included_vote_twin(&vote);
        must_accept.push(accept(
            "in a block",
            "included_vote",
            &codec::encode(&vote),
            twin,
            none(),
        ));
    }
    for signatures in [0, 1, 3] {
        let group = finality_group(signatures);
        let name = format!("{signatures} signatures");
        let twin = finality_group_twin(&group);
        must_accept.push(accept(
            &name,
            "finality_group",
            &codec::encode(&group),
            twin,
            none(),
        ));
    }
    for (name, evidence) in [
        ("a double vote", double_vote()),
        ("a surround vote", finality_conflict()),
    ] {
        let twin = evidence_twin(&evidence);
        must_accept.push(accept(
            name,
            "evidence",
            &codec::encode(&evidence),
            twin,
            none(),
        ));
    }
    Document {
        about: "votes of stakers, finality votes of masternodes, and proofs of misbehaviour",
        spec: "docs/spec/02-blocks.md §2.2-2.4",
        must_accept,
        must_reject: rejects(),
    }
}

fn rejects() -> Vec<Reject> {
    let group = codec::encode(&finality_group(1));
    let with_count = |count: u64| {
        let mut changed = group.clone();
        changed[4..12].copy_from_slice(&count.to_le_bytes());
        changed
    };
    let mut crowded = with_count(257);
    crowded.extend(group[12..].repeat(256));
    let mut unknown = codec::encode(&double_vote());
    unknown[0] = 2;
    let double = codec::encode(&double_vote());
    let mut continued = double.clone();
    continued.push(0);
    let mut rejects = wrong_lengths("vote", &codec::encode(&vote(1)));
    rejects.extend(wrong_lengths(
        "included_vote",
        &codec::encode(&included_vote(1)),
    ));
    rejects.extend(wrong_lengths(
        "finality_vote",
        &codec::encode(&finality_vote(3, 4)),
    ));
    rejects.extend([
        Reject::new(
            "two signatures are claimed, one follows",
            "finality_group",
            &with_count(2),
            "Malformed",
        ),
        Reject::new(
            "none is claimed, one follows",
            "finality_group",
            &with_count(0),
            "Malformed",
        ),
        Reject::new(
            "a count beyond any memory",
            "finality_group",
            &with_count(u64::MAX),
            "Malformed",
        ),
        Reject::new("257 signatures", "finality_group", &crowded, "TooLong"),
        Reject::new("an unknown kind", "evidence", &unknown, "Malformed"),
        Reject::new(
            "a byte after a double vote",
            "evidence",
            &continued,
            "Malformed",
        ),
        Reject::new(
            "a double vote without its last byte",
            "evidence",
            &double[..double.len() - 1],
            "Malformed",
        ),
    ]);
    rejects
}
