//! Proofs of possession: a key that a transaction registers signs for it, so that nobody registers
//! the key of somebody else.
//!
//! # Invariants
//! A proof is bound to the kind, the sender and its nonce, and so to one order of one account; a
//! nonce is used once.
//!
//! # Spec
//! docs/spec/01-encoding.md §3, docs/spec/03-transactions.md §9
//!
//! # Not here
//! Which keys may be registered: `consensus`.

use secp256k1::Keypair;

use super::Prefix;
use crate::hash::ChainId;
use crate::signature::{self, PublicKey, Signature, tag};

/// Signs by a key that an order of this kind, sender and nonce registers.
#[must_use]
pub fn sign(
    kind: u8,
    prefix: &Prefix,
    chain: &ChainId,
    keypair: &Keypair,
    aux_randomness: &[u8; 32],
) -> Signature {
    let body = signed_bytes(kind, prefix);
    signature::sign(tag::POSSESSION, chain, &[&body], keypair, aux_randomness)
}

/// Whether `proof` is by the holder of `key`, for an order of this kind, sender and nonce.
#[must_use]
pub fn verify(
    kind: u8,
    prefix: &Prefix,
    chain: &ChainId,
    key: &PublicKey,
    proof: &Signature,
) -> bool {
    let body = signed_bytes(kind, prefix);
    signature::verify(tag::POSSESSION, chain, &[&body], key, proof)
}

/// Bytes that a proof covers: `kind u8 | sender 32 | nonce u64`.
#[must_use]
pub fn signed_bytes(kind: u8, prefix: &Prefix) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(prefix.sender.as_bytes());
    bytes.extend_from_slice(&prefix.nonce.to_le_bytes());
    bytes
}
