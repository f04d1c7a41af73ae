//! Vectors of hashes with a domain, of signed messages, and of Merkle roots.

use chain::hash::{Context, context, derive};
use chain::signature::{self, tag};
use chain::{ChainId, PublicKey, Signature, merkle};
use serde_json::{Value, json};

use crate::transactions::{AUX_RANDOMNESS, CHAIN, keypair, signing};
use crate::twin::{bytes, object, unhex};

static CONTEXTS: [&Context; 18] = [
    &context::BLOCK_ID,
    &context::POW_CHALLENGE,
    &context::POW_HASH,
    &context::MERKLE_LEAF,
    &context::MERKLE_NODE,
    &context::MERKLE_ROOT,
    &context::TX_ID,
    &context::RECORD_STAMP,
    &context::STATE,
    &context::STATE_KEY,
    &context::SEEN,
    &context::LOTTERY,
    &context::SEAT,
    &context::ADDRESS,
    &context::ENVELOPE_CORE,
    &context::ENVELOPE_MID,
    &context::ENVELOPE_WID,
    &context::STAMP,
];

const TAGS: [&str; 7] = [
    tag::TRANSACTION,
    tag::POSSESSION,
    tag::ENVELOPE,
    tag::CLEAR,
    tag::ACCOUNT_RECORD,
    tag::VOTE,
    tag::FINALITY,
];

/// Why a signature vector holds no signature.
pub(crate) fn reason(entry: &Value) -> Result<(), &'static str> {
    let field = |name: &str| unhex(entry[name].as_str().expect("a text"));
    let array = |name: &str| <[u8; 32]>::try_from(field(name)).expect("32 bytes");
    let key = PublicKey::from_bytes(array("key"));
    let chain = ChainId::from_bytes(array("chain_id"));
    let signature = Signature::from_bytes(field("signature").try_into().expect("64 bytes"));
    let tag = entry["tag"].as_str().expect("a text");
    if !key.is_on_curve() {
        Err("KeyOffTheCurve")
    } else if signature::verify(tag, &chain, &[&field("body")], &key, &signature) {
        Ok(())
    } else {
        Err("WrongSignature")
    }
}

/// `hash.json`
pub(crate) fn hashes() -> Value {
    let long: Vec<u8> = (0..3000).map(crate::transactions::pattern).collect();
    let mut derived = Vec::new();
    for context in CONTEXTS {
        for input in [&b""[..], b"abc"] {
            derived.push(hash_entry(context, input));
        }
    }
    // Block and chunk edges of the tree that blake3 hashes long inputs with.
    for len in [63, 64, 65, 1023, 1024, 1025, 2048, 2049, 3000] {
        derived.push(hash_entry(&context::BLOCK_ID, &long[..len]));
    }
    let key = PublicKey::from(&keypair());
    let signed = TAGS.map(|tag| {
        let body = tag.as_bytes();
        let signature = signature::sign(tag, &CHAIN, &[body], &keypair(), &AUX_RANDOMNESS);
        object([
            ("body", bytes(body)),
            ("signing", signing(tag, body, &key, &signature)),
        ])
    });
    object([
        (
            "about",
            json!(
                "hashes under a context, and SIG(tag, body) = BIP340(secret, TH(tag, chain_id | body))"
            ),
        ),
        ("spec", json!("docs/spec/01-encoding.md §2-3")),
        ("derive_key", Value::Array(derived)),
        ("signatures", Value::Array(signed.to_vec())),
        ("must_reject", Value::Array(bad_signatures())),
    ])
}

fn hash_entry(context: &Context, input: &[u8]) -> Value {
    object([
        ("context", json!(context.text())),
        ("input", bytes(input)),
        ("output", bytes(&derive(context, &[input]))),
    ])
}

fn bad_signatures() -> Vec<Value> {
    let key = *PublicKey::from(&keypair()).as_bytes();
    let good = signature::sign(tag::VOTE, &CHAIN, &[b"abc"], &keypair(), &AUX_RANDOMNESS);
    let good = *good.as_bytes();
    let entry = |name: &str,
                 tag: &str,
                 chain: &[u8],
                 body: &[u8],
                 key: &[u8],
                 signature: &[u8],
                 reason: &str| {
        object([
            ("name", json!(name)),
            ("tag", json!(tag)),
            ("chain_id", bytes(chain)),
            ("body", bytes(body)),
            ("key", bytes(key)),
            ("signature", bytes(signature)),
            ("reason", json!(reason)),
        ])
    };
    let with = |at: usize, new: &[u8]| {
        let mut changed = good;
        changed[at..at + new.len()].copy_from_slice(new);
        changed
    };
    // The order n of the group and the prime p of the field, big-endian.
    let order = unhex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    let prime = unhex("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f");
    let chain = CHAIN.as_bytes();
    let wrong = "WrongSignature";
    vec![
        entry(
            "another tag",
            tag::FINALITY,
            chain,
            b"abc",
            &key,
            &good,
            wrong,
        ),
        entry(
            "another chain",
            tag::VOTE,
            &[0; 32],
            b"abc",
            &key,
            &good,
            wrong,
        ),
        entry("another body", tag::VOTE, chain, b"abd", &key, &good, wrong),
        entry(
            "another key",
            tag::VOTE,
            chain,
            b"abc",
            &unhex("f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"),
            &good,
            wrong,
        ),
        entry(
            "a flipped bit in R",
            tag::VOTE,
            chain,
            b"abc",
            &key,
            &with(0, &[good[0] ^ 1]),
            wrong,
        ),
        entry(
            "a flipped bit in s",
            tag::VOTE,
            chain,
            b"abc",
            &key,
            &with(63, &[good[63] ^ 1]),
            wrong,
        ),
        entry(
            "s is the order of the group",
            tag::VOTE,
            chain,
            b"abc",
            &key,
            &with(32, &order),
            wrong,
        ),
        entry(
            "R is the prime of the field",
            tag::VOTE,
            chain,
            b"abc",
            &key,
            &with(0, &prime),
            wrong,
        ),
        entry("all zero", tag::VOTE, chain, b"abc", &key, &[0; 64], wrong),
        entry(
            "a key off the curve",
            tag::VOTE,
            chain,
            b"abc",
            &[0xff; 32],
            &good,
            "KeyOffTheCurve",
        ),
        entry(
            "a key of zero",
            tag::VOTE,
            chain,
            b"abc",
            &[0; 32],
            &good,
            "KeyOffTheCurve",
        ),
    ]
}

/// `merkle.json`
pub(crate) fn merkle_roots() -> Value {
    let leaf_input = |index: u8| vec![index; usize::from(index)];
    let roots: Vec<Value> = (0..=5)
        .chain([8, 9])
        .map(|count: u8| {
            let inputs: Vec<Vec<u8>> = (0..count).map(leaf_input).collect();
            let root = merkle::root(inputs.iter().map(|input| merkle::leaf(&[input])));
            object([
                ("inputs", crate::twin::list(&inputs, |input| bytes(input))),
                ("root", bytes(root.as_bytes())),
            ])
        })
        .collect();
    object([
        (
            "about",
            json!(
                "Merkle roots: leaf, node and root are hashed apart, an odd node moves up, the count is in the root"
            ),
        ),
        ("spec", json!("docs/spec/01-encoding.md §6")),
        ("roots", Value::Array(roots)),
        ("leaf_context", json!(context::MERKLE_LEAF.text())),
        ("node_context", json!(context::MERKLE_NODE.text())),
        ("root_context", json!(context::MERKLE_ROOT.text())),
    ])
}
