//! Sealing with a synthetic nonce: key and nonce follow from chain key, header and plaintext.
//!
//! # Invariants
//! * Equal key, header and plaintext give equal bytes; any difference gives another key and nonce,
//!   so that even two plaintexts under one chain key would not share a key stream.
//! * Nothing of a plaintext is returned before tag and salt are both right.
//!
//! # Spec
//! docs/spec/09-messages.md §5
//!
//! # Not here
//! Which plaintext: [`crate::plaintext`], [`crate::inbox`].

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit, Nonce};
use chain::hash::{derive, derive_into};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::context;
use crate::error::Refusal;

/// Seals `plaintext` under `key`, bound to `associated`; returns the salt and the sealed bytes.
pub(crate) fn seal(key: &[u8; 32], associated: &[u8], plaintext: &[u8]) -> ([u8; 16], Vec<u8>) {
    let salt = synthetic_salt(key, associated, plaintext);
    let (cipher, nonce) = cipher(key, &salt);
    let aad = [associated, &salt].concat();
    let sealed = cipher
        .encrypt(
            &nonce,
            Payload {
                msg: plaintext,
                aad: &aad,
            },
        )
        .expect("a plaintext is far below the cipher's limit of 256 GiB");
    (salt, sealed)
}

/// Opens what [`seal`] made.
pub(crate) fn open(
    key: &[u8; 32],
    associated: &[u8],
    salt: &[u8; 16],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let (cipher, nonce) = cipher(key, salt);
    let aad = [associated, salt].concat();
    let plaintext = cipher
        .decrypt(
            &nonce,
            Payload {
                msg: sealed,
                aad: &aad,
            },
        )
        .map(Zeroizing::new)
        .map_err(|_| Refusal::NotSealedForUs)?;
    let expected = synthetic_salt(key, associated, &plaintext);
    if bool::from(expected.ct_eq(salt)) {
        Ok(plaintext)
    } else {
        Err(Refusal::SaltMismatch)
    }
}

fn synthetic_salt(key: &[u8; 32], associated: &[u8], plaintext: &[u8]) -> [u8; 16] {
    let mut siv = derive(&context::SIV, &[key]);
    let mut hasher = blake3::Hasher::new_keyed(&siv);
    hasher.update(associated);
    hasher.update(plaintext);
    siv.zeroize();
    let mut salt = [0; 16];
    hasher.finalize_xof().fill(&mut salt);
    salt
}

fn cipher(key: &[u8; 32], salt: &[u8; 16]) -> (ChaCha20Poly1305, Nonce) {
    let mut material = [0; 44];
    derive_into(&context::AEAD, &[key, salt], &mut material);
    let (key, nonce) = material
        .split_first_chunk::<32>()
        .expect("44 bytes hold 32");
    let nonce = nonce.first_chunk::<12>().expect("12 bytes are left");
    let cipher = ChaCha20Poly1305::new(&Key::from(*key));
    let nonce = Nonce::from(*nonce);
    material.zeroize();
    (cipher, nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [1; 32];

    #[test]
    fn sealing_is_bound_to_key_header_and_salt() {
        let (salt, sealed) = seal(&KEY, b"header", b"hello");
        assert_eq!(
            open(&KEY, b"header", &salt, &sealed).as_deref(),
            Ok(&b"hello".to_vec())
        );
        assert_eq!(
            open(&[2; 32], b"header", &salt, &sealed),
            Err(Refusal::NotSealedForUs)
        );
        assert_eq!(
            open(&KEY, b"Header", &salt, &sealed),
            Err(Refusal::NotSealedForUs)
        );
        assert_eq!(
            open(&KEY, b"header", &[0; 16], &sealed),
            Err(Refusal::NotSealedForUs)
        );
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert_eq!(
                open(&KEY, b"header", &salt, &changed),
                Err(Refusal::NotSealedForUs)
            );
        }
        assert_eq!(
            open(&KEY, b"header", &salt, &[]),
            Err(Refusal::NotSealedForUs)
        );
    }

    #[test]
    fn another_header_or_plaintext_has_another_salt() {
        let (salt, _) = seal(&KEY, b"header", b"hello");
        assert_ne!(salt, seal(&KEY, b"header", b"hellp").0);
        assert_ne!(salt, seal(&KEY, b"headep", b"hello").0);
        assert_eq!(salt, seal(&KEY, b"header", b"hello").0);
    }

    #[test]
    fn a_salt_that_does_not_follow_from_the_plaintext_is_refused() {
        let chosen = [9; 16];
        let (cipher, nonce) = cipher(&KEY, &chosen);
        let aad = [&b"header"[..], &chosen].concat();
        let sealed = cipher
            .encrypt(
                &nonce,
                Payload {
                    msg: b"hello",
                    aad: &aad,
                },
            )
            .expect("seals");
        assert_eq!(
            open(&KEY, b"header", &chosen, &sealed),
            Err(Refusal::SaltMismatch)
        );
    }
}
