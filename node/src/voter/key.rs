//! A key that signs votes or checkpoints: it holds no coins, and can lose some.
//!
//! # Invariants
//! * Erased when dropped, never cloned, never printed.
//! * Signatures take no randomness: BIP 340 stays safe with a constant in its place, and a state
//!   machine that is run again says the same again.
//!
//! # Spec
//! docs/spec/01-encoding.md §3
//!
//! # Not here
//! The file that it comes from: [`crate::key_file`].

use std::fmt;

use chain::{ChainId, PublicKey, Signature, signature};
use secp256k1::Keypair;

/// In the place of the auxiliary randomness of BIP 340.
const NO_RANDOMNESS: [u8; 32] = [0; 32];

/// A secret key with its public half.
pub(super) struct SigningKey {
    keypair: Keypair,
    public: PublicKey,
}

impl SigningKey {
    pub(super) fn new(keypair: Keypair) -> Self {
        Self {
            public: PublicKey::from(&keypair),
            keypair,
        }
    }

    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn sign(&self, tag: &str, chain: &ChainId, body: &[u8]) -> Signature {
        signature::sign(tag, chain, &[body], &self.keypair, &NO_RANDOMNESS)
    }
}

impl Drop for SigningKey {
    fn drop(&mut self) {
        self.keypair.non_secure_erase();
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(secret, {:?})", self.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_printed_and_signs_the_same_twice() {
        let keypair = Keypair::from_secret_bytes([0x5a; 32]).expect("a valid secret");
        let key = SigningKey::new(keypair);
        let printed = format!("{key:?}");
        assert!(
            printed.starts_with("SigningKey(secret, PublicKey("),
            "{printed}"
        );
        assert!(!printed.contains("5a5a"), "{printed}");
        let chain = ChainId::default();
        let sign = || key.sign(signature::tag::VOTE, &chain, b"body");
        assert_eq!(sign(), sign());
        let body: &[&[u8]] = &[b"body"];
        assert!(signature::verify(
            signature::tag::VOTE,
            &chain,
            body,
            key.public(),
            &sign()
        ));
    }
}
