//! Key files: secrets sealed by a password, as pure functions over bytes.
//!
//! # Invariants
//! * Cost parameters are checked against floor and ceiling before any memory is taken.
//! * Every byte before the ciphertext is bound to it; salt and nonce are fresh for every
//!   [`seal`].
//! * A damaged file and a wrong password are told apart by a checksum over the file's public
//!   bytes. Somebody who changes the file **and** its checksum is reported as a wrong password.
//!
//! # Spec
//! docs/spec/08-wallet.md §3
//!
//! # Not here
//! Writing files without losing the old one: `app`. What is inside: [`crate::keys::Seed`].

use argon2::{Algorithm, Argon2, Block, Params, Version};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use chain::hash::{self, Context};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::error::KeystoreError;
use crate::keys::normalized;

/// First bytes of every keystore.
const MAGIC: [u8; 4] = *b"CCK1";
/// Argon2id version 1.3 with XChaCha20-Poly1305: the only derivation there is.
const DERIVATION: u8 = 1;
/// `magic 4 | kdf u8 | m_kib u32 | t u32 | p u32 | salt 16 | nonce 24`.
const HEADER_BYTES: usize = 57;
/// Authentication tag of the cipher.
const TAG_BYTES: usize = 16;
/// Checksum at the end of the file.
const CHECK_BYTES: usize = 16;
/// blake3 context of the checksum.
static CHECK_CONTEXT: Context = Context::new("ChainChat v1 keystore check");
/// Content of a keystore (bytes): a seed has under 1.1 KiB, the rest is room for later versions.
pub const CONTENT_BYTES_MAX: usize = 64 << 10;
/// Shortest keystore.
pub const BYTES_MIN: usize = HEADER_BYTES + TAG_BYTES + CHECK_BYTES;
/// Longest keystore; a file beyond it need not be read.
pub const BYTES_MAX: usize = BYTES_MIN + CONTENT_BYTES_MAX;

/// What a guess of the password costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    m_kib: u32,
    t: u32,
    p: u32,
}

impl Cost {
    /// For people: 64 MiB, 3 passes, 1 lane (RFC 9106, second choice, with one lane).
    pub const DEFAULT: Self = Self {
        m_kib: 64 << 10,
        t: 3,
        p: 1,
    };
    /// The cheapest that is ever accepted: 19 MiB, 2 passes.
    pub const FLOOR: Self = Self {
        m_kib: 19 << 10,
        t: 2,
        p: 1,
    };
    /// The dearest that is ever accepted: a file must not be able to take the machine's memory
    /// (1 GiB) or time (16 passes of it).
    pub const CEILING: Self = Self {
        m_kib: 1 << 20,
        t: 16,
        p: 16,
    };

    /// Memory in KiB, passes, lanes.
    ///
    /// # Errors
    /// [`KeystoreError::CostOutOfBounds`].
    pub fn new(m_kib: u32, t: u32, p: u32) -> Result<Self, KeystoreError> {
        let bounds = [
            ("m_kib", m_kib, Self::FLOOR.m_kib, Self::CEILING.m_kib),
            ("t", t, Self::FLOOR.t, Self::CEILING.t),
            ("p", p, Self::FLOOR.p, Self::CEILING.p),
        ];
        for (field, found, min, max) in bounds {
            if !(min..=max).contains(&found) {
                return Err(KeystoreError::CostOutOfBounds {
                    field,
                    found,
                    min,
                    max,
                });
            }
        }
        Ok(Self { m_kib, t, p })
    }
}

/// Seals `content` by `password`: the bytes of a keystore file.
///
/// # Errors
/// [`KeystoreError::ContentTooLong`], [`KeystoreError::OutOfMemory`].
pub fn seal(
    content: &[u8],
    password: &str,
    cost: Cost,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, KeystoreError> {
    if content.len() > CONTENT_BYTES_MAX {
        let found = content.len();
        return Err(KeystoreError::ContentTooLong {
            found,
            max: CONTENT_BYTES_MAX,
        });
    }
    let header = Header::fresh(cost, rng);
    let mut bytes = header.to_bytes().to_vec();
    let payload = Payload {
        msg: content,
        aad: &bytes,
    };
    let sealed = header
        .cipher(password)?
        .encrypt(&header.nonce.into(), payload)
        .expect("a bounded content is far below the cipher's limit");
    bytes.extend_from_slice(&sealed);
    bytes.extend_from_slice(&checksum(&bytes));
    Ok(bytes)
}

/// Opens a keystore.
///
/// # Errors
/// In this order: [`KeystoreError::NotAKeystore`], [`KeystoreError::Length`],
/// [`KeystoreError::Damaged`], [`KeystoreError::UnknownDerivation`],
/// [`KeystoreError::CostOutOfBounds`], [`KeystoreError::OutOfMemory`],
/// [`KeystoreError::WrongPassword`].
pub fn open(bytes: &[u8], password: &str) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
    if !bytes.starts_with(&MAGIC) {
        return Err(KeystoreError::NotAKeystore);
    }
    if !(BYTES_MIN..=BYTES_MAX).contains(&bytes.len()) {
        let found = bytes.len();
        return Err(KeystoreError::Length {
            found,
            min: BYTES_MIN,
            max: BYTES_MAX,
        });
    }
    let damaged = KeystoreError::Damaged;
    let (body, check) = bytes
        .split_last_chunk::<CHECK_BYTES>()
        .ok_or(damaged.clone())?;
    if !bool::from(checksum(body).ct_eq(check)) {
        return Err(damaged);
    }
    let (header_bytes, sealed) = body.split_first_chunk::<HEADER_BYTES>().ok_or(damaged)?;
    let header = Header::parse(header_bytes)?;
    let payload = Payload {
        msg: sealed,
        aad: header_bytes,
    };
    header
        .cipher(password)?
        .decrypt(&header.nonce.into(), payload)
        .map(Zeroizing::new)
        .map_err(|_| KeystoreError::WrongPassword)
}

/// Everything before the ciphertext.
struct Header {
    cost: Cost,
    salt: [u8; 16],
    nonce: [u8; 24],
}

impl Header {
    fn fresh(cost: Cost, rng: &mut impl CryptoRng) -> Self {
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        rng.fill_bytes(&mut salt);
        rng.fill_bytes(&mut nonce);
        Self { cost, salt, nonce }
    }

    fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = DERIVATION;
        bytes[5..9].copy_from_slice(&self.cost.m_kib.to_le_bytes());
        bytes[9..13].copy_from_slice(&self.cost.t.to_le_bytes());
        bytes[13..17].copy_from_slice(&self.cost.p.to_le_bytes());
        bytes[17..33].copy_from_slice(&self.salt);
        bytes[33..].copy_from_slice(&self.nonce);
        bytes
    }

    fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Self, KeystoreError> {
        let number = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        if bytes[4] != DERIVATION {
            return Err(KeystoreError::UnknownDerivation { found: bytes[4] });
        }
        let cost = Cost::new(number(5), number(9), number(13))?;
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        salt.copy_from_slice(&bytes[17..33]);
        nonce.copy_from_slice(&bytes[33..]);
        Ok(Self { cost, salt, nonce })
    }

    /// The cipher under the key of `password`; this is the work that a guess costs.
    fn cipher(&self, password: &str) -> Result<XChaCha20Poly1305, KeystoreError> {
        let Cost { m_kib, t, p } = self.cost;
        let params = Params::new(m_kib, t, p, Some(32)).expect("the cost is within bounds");
        let mut memory: Vec<Block> = Vec::new();
        memory
            .try_reserve_exact(params.block_count())
            .map_err(|_| KeystoreError::OutOfMemory { m_kib })?;
        memory.resize(params.block_count(), Block::new());
        let password = normalized(password);
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(
                password.as_bytes(),
                &self.salt,
                key.as_mut(),
                memory.as_mut_slice(),
            )
            .expect("lengths of salt and key are fixed, the password is in memory");
        memory.zeroize();
        Ok(XChaCha20Poly1305::new((&*key).into()))
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let mut check = [0; CHECK_BYTES];
    hash::derive_into(&CHECK_CONTEXT, &[bytes], &mut check);
    check
}

#[cfg(test)]
mod tests;
