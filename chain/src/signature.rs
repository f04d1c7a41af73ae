//! BIP 340 signatures over a tag, the chain and a body: nothing signed for one purpose or one
//! chain is worth anything for another.
//!
//! # Invariants
//! * Every signature of the project is `SIG(tag, body) = BIP340(sk, TH(tag, chain_id | body))`
//!   with the tagged hash of BIP 340.
//! * Auxiliary randomness is the caller's: this crate has no generator.
//!
//! # Spec
//! docs/spec/01-encoding.md §3
//!
//! # Not here
//! Who holds which key: `wallet`, `messenger`. Batches and caches of verified signatures:
//! `consensus`.

use std::fmt;

use secp256k1::{Keypair, XOnlyPublicKey, schnorr};
use sha2::{Digest, Sha256};

use crate::codec::{SchemaRead, SchemaWrite};
use crate::hash::{self, ChainId};

/// What a signature is for. The text is hashed twice into the signed message (BIP 340).
pub mod tag {
    /// A transaction by its sender.
    pub const TRANSACTION: &str = "ChainChat/tx/v1";
    /// Possession of a key that a transaction registers.
    pub const POSSESSION: &str = "ChainChat/pop/v1";
    /// An envelope by its one-time key.
    pub const ENVELOPE: &str = "ChainChat/env/v1";
    /// A transparent payment for an envelope.
    pub const CLEAR: &str = "ChainChat/clear/v1";
    /// An account record by its account.
    pub const ACCOUNT_RECORD: &str = "ChainChat/account/v1";
    /// A staker's vote for a block.
    pub const VOTE: &str = "ChainChat/vote/v1";
    /// A masternode's finality vote.
    pub const FINALITY: &str = "ChainChat/ffg/v1";
}

/// An x-only public key as it stands on the wire; validity is checked when it is used.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite)]
#[repr(transparent)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// From the wire; see [`PublicKey::is_on_curve`].
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The x coordinate, big-endian.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether some point of secp256k1 has this x coordinate.
    #[must_use]
    pub fn is_on_curve(&self) -> bool {
        XOnlyPublicKey::from_byte_array(self.0).is_ok()
    }
}

impl From<&Keypair> for PublicKey {
    fn from(keypair: &Keypair) -> Self {
        Self(keypair.x_only_public_key().0.to_byte_array())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        hash::write_hex(&self.0, f)?;
        f.write_str(")")
    }
}

/// 64 bytes of a BIP 340 signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite)]
#[repr(transparent)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Bytes of a signature.
    pub const BYTES: usize = 64;

    /// From the wire.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl Default for Signature {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(")?;
        hash::write_hex(&self.0, f)?;
        f.write_str(")")
    }
}

/// The 32-byte message of `SIG(tag, body)`: `TH(tag, chain_id | body)`.
#[must_use]
pub fn message(tag: &str, chain: &ChainId, body: &[&[u8]]) -> [u8; 32] {
    let tag_hash = Sha256::digest(tag.as_bytes());
    let mut hasher = Sha256::new();
    hasher.update(tag_hash);
    hasher.update(tag_hash);
    hasher.update(chain.as_bytes());
    for part in body {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// `SIG(tag, body)` by `keypair`, with 32 bytes of fresh randomness from the caller.
#[must_use]
pub fn sign(
    tag: &str,
    chain: &ChainId,
    body: &[&[u8]],
    keypair: &Keypair,
    aux_randomness: &[u8; 32],
) -> Signature {
    let digest = message(tag, chain, body);
    Signature(schnorr::sign_with_aux_rand(&digest, keypair, aux_randomness).to_byte_array())
}

/// Whether `signature` is `SIG(tag, body)` under `key`; a key off the curve verifies nothing.
#[must_use]
pub fn verify(
    tag: &str,
    chain: &ChainId,
    body: &[&[u8]],
    key: &PublicKey,
    signature: &Signature,
) -> bool {
    let Ok(key) = XOnlyPublicKey::from_byte_array(key.0) else {
        return false;
    };
    let digest = message(tag, chain, body);
    schnorr::verify(
        &schnorr::Signature::from_byte_array(signature.0),
        &digest,
        &key,
    )
    .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keypair(byte: u8) -> Keypair {
        Keypair::from_secret_bytes([byte; 32]).expect("a valid secret")
    }

    #[test]
    fn a_signature_is_bound_to_tag_chain_body_and_key() {
        let chain = ChainId::from_bytes([1; 32]);
        let other = ChainId::from_bytes([2; 32]);
        let key = PublicKey::from(&keypair(5));
        let signature = sign(tag::VOTE, &chain, &[b"a", b"b"], &keypair(5), &[3; 32]);
        assert!(verify(tag::VOTE, &chain, &[b"ab"], &key, &signature));
        assert!(!verify(tag::FINALITY, &chain, &[b"ab"], &key, &signature));
        assert!(!verify(tag::VOTE, &other, &[b"ab"], &key, &signature));
        assert!(!verify(tag::VOTE, &chain, &[b"ac"], &key, &signature));
        assert!(!verify(
            tag::VOTE,
            &chain,
            &[b"ab"],
            &PublicKey::from(&keypair(6)),
            &signature
        ));
    }

    #[test]
    fn a_key_off_the_curve_verifies_nothing() {
        let key = PublicKey::from_bytes([0xff; 32]);
        assert!(!key.is_on_curve());
        let chain = ChainId::default();
        assert!(!verify(tag::VOTE, &chain, &[], &key, &Signature::default()));
    }
}
