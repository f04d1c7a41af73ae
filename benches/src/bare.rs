//! Bare references that stand beside several measurements.
//!
//! # Invariants
//! Nothing of ours runs inside them, and nothing is left out that a user of the library needs: keys
//! are parsed from their bytes.
//!
//! # Not here
//! References of one measurement alone: beside it.

use chacha20poly1305::aead::Aead;
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit, Nonce};
use chain::envelope::SizeClass;
use rayon::prelude::*;
use secp256k1::{Keypair, XOnlyPublicKey, schnorr};

/// Keys are used once, so the nonce does not matter.
const NONCE: [u8; 12] = [0; 12];

/// A signature as it comes from the wire, and the digest that it signs.
#[derive(Clone, Copy, Debug)]
pub struct Signed {
    key: [u8; 32],
    digest: [u8; 32],
    signature: [u8; 64],
}

impl Signed {
    /// As many signatures, each under a key of its own.
    #[must_use]
    pub fn many(count: usize) -> Vec<Self> {
        (0..count).into_par_iter().map(Self::numbered).collect()
    }

    fn numbered(number: usize) -> Self {
        let digest = chain::hash::blake3(&number.to_le_bytes());
        let keypair = Keypair::from_secret_bytes(digest).expect("a hash is a valid secret");
        Self {
            key: keypair.x_only_public_key().0.to_byte_array(),
            digest,
            signature: schnorr::sign_with_aux_rand(&digest, &keypair, &[0; 32]).to_byte_array(),
        }
    }

    /// Parses the key and verifies.
    #[must_use]
    pub fn verify(&self) -> bool {
        let signature = schnorr::Signature::from_byte_array(self.signature);
        XOnlyPublicKey::from_byte_array(self.key)
            .is_ok_and(|key| schnorr::verify(&signature, &self.digest, &key).is_ok())
    }
}

/// Verifies all of them on all cores.
///
/// # Panics
/// If one does not hold.
pub fn verify_on_all_cores(signed: &[Signed]) {
    assert!(signed.par_iter().all(Signed::verify), "signed above");
}

/// A sealed text of the smallest class under a key of its own.
#[derive(Clone, Debug)]
pub struct Sealed {
    key: [u8; 32],
    bytes: Vec<u8>,
}

impl Sealed {
    /// As many sealed texts.
    #[must_use]
    pub fn many(count: usize) -> Vec<Self> {
        (0..count).map(Self::numbered).collect()
    }

    fn numbered(number: usize) -> Self {
        let key = chain::hash::blake3(&number.to_le_bytes());
        let plaintext = [0x5a; SizeClass::SMALLEST.plaintext_len()];
        let sealed =
            ChaCha20Poly1305::new(&Key::from(key)).encrypt(&Nonce::from(NONCE), &plaintext[..]);
        Self {
            key,
            bytes: sealed.expect("a short text"),
        }
    }

    /// Checks the tag and decrypts.
    #[must_use]
    pub fn opens(&self) -> bool {
        let cipher = ChaCha20Poly1305::new(&Key::from(self.key));
        cipher.decrypt(&Nonce::from(NONCE), &self.bytes[..]).is_ok()
    }
}
