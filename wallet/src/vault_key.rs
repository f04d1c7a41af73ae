//! The key that a session's log is encrypted under.
//!
//! # Invariants
//! * A record is bound to its position in the log: it cannot be moved, swapped or repeated.
//! * Nonces are the caller's randomness, 24 bytes, so that two copies of a profile never share one.
//!
//! # Spec
//! docs/spec/08-wallet.md §8
//!
//! # Not here
//! The log itself: `store::vault`. What its records mean: `app`.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use chain::hash::{Context, derive};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::KeyError;
use crate::keys::Seed;

static CONTEXT: Context = Context::new("ChainChat v1 vault");
const NONCE_BYTES: usize = 24;

/// Encrypts and decrypts the records of one user's log.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct VaultKey([u8; 32]);

/// The record is not one of this wallet at this position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {sequence} was not written by this wallet at this position")]
pub struct VaultRecordError {
    /// Position in the log.
    pub sequence: u64,
}

impl Seed {
    /// The key of this seed's log.
    ///
    /// # Errors
    /// [`KeyError::PassphraseTooLong`].
    pub fn vault_key(&self) -> Result<VaultKey, KeyError> {
        let bytes = self.to_bytes()?;
        // Version and birthday lead the encoding; the birthday is not part of the secret.
        let secret = bytes.get(9..).unwrap_or_default();
        Ok(VaultKey(derive(&CONTEXT, &[secret])))
    }
}

impl VaultKey {
    /// `nonce24 | ciphertext` of `record` at position `sequence`.
    #[must_use]
    pub fn seal(&self, sequence: u64, record: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        let position = sequence.to_le_bytes();
        let payload = Payload {
            msg: record,
            aad: &position,
        };
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a record is far shorter than the cipher's limit");
        [&nonce[..], &sealed].concat()
    }

    /// The record that was sealed at position `sequence`.
    ///
    /// # Errors
    /// [`VaultRecordError`].
    pub fn open(
        &self,
        sequence: u64,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultRecordError> {
        let refused = VaultRecordError { sequence };
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(refused)?;
        let position = sequence.to_le_bytes();
        let payload = Payload {
            msg: sealed,
            aad: &position,
        };
        let record = self.cipher().decrypt(&XNonce::from(*nonce), payload);
        record.map(Zeroizing::new).map_err(|_| refused)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(self.0))
    }
}

impl std::fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VaultKey(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain::Height;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use crate::keys::Words;

    fn seed(byte: u8, birthday: u64) -> Seed {
        let mut rng = ChaCha20Rng::from_seed([byte; 32]);
        let words = Words::generate(&mut rng);
        Seed {
            words,
            passphrase: Zeroizing::new(String::new()),
            birthday: Height::new(birthday),
        }
    }

    #[test]
    fn a_record_opens_at_its_position_with_its_key_only() {
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        let key = seed(1, 5).vault_key().expect("a key");
        let sealed = key.seal(7, b"change", &mut rng);
        assert_eq!(
            key.open(7, &sealed).as_deref().map(Vec::as_slice),
            Ok(&b"change"[..])
        );
        assert_eq!(key.open(8, &sealed), Err(VaultRecordError { sequence: 8 }));
        let other = seed(2, 5).vault_key().expect("a key");
        assert!(other.open(7, &sealed).is_err());
        for length in 0..sealed.len() {
            assert!(key.open(7, &sealed[..length]).is_err());
        }
        assert_ne!(sealed, key.seal(7, b"change", &mut rng), "nonces are fresh");
        assert_eq!(format!("{key:?}"), "VaultKey(secret)");
    }

    #[test]
    fn a_restored_wallet_has_the_same_key_whatever_its_birthday() {
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        let sealed = seed(1, 5)
            .vault_key()
            .expect("a key")
            .seal(0, b"x", &mut rng);
        assert!(
            seed(1, 900)
                .vault_key()
                .expect("a key")
                .open(0, &sealed)
                .is_ok()
        );
    }
}
