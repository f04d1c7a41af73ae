//! Bytes that must not be seen: zeroed when dropped, never printed.
//!
//! # Invariants
//! `Debug` of a secret says what it is and nothing of its value; equality takes constant time.
//!
//! # Spec
//! docs/spec/09-messages.md §12
//!
//! # Not here
//! Encryption of secrets at rest: the vault of `store`.

use std::fmt;

use chain::codec::{List, SchemaRead, SchemaWrite};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Memory that one secret byte string may take: a plaintext of the largest class (bytes).
pub const SECRET_BYTES_MAX: usize = 64 << 10;

/// 32 secret bytes.
#[derive(Clone, Zeroize, ZeroizeOnDrop, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Secret32([u8; 32]);

impl Secret32 {
    /// Takes the bytes over; the caller's copy is the caller's to forget.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// 32 fresh bytes.
    #[must_use]
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut secret = Self([0; 32]);
        rng.fill_bytes(&mut secret.0);
        secret
    }

    /// The bytes, for derivations.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Secret32 {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret32 {}

impl fmt::Debug for Secret32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret32(redacted)")
    }
}

/// A secret byte string: a plaintext, a capability.
#[derive(Clone, Zeroize, ZeroizeOnDrop, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct SecretBytes(#[wincode(with = "List<u8, SECRET_BYTES_MAX>")] Vec<u8>);

impl SecretBytes {
    /// Takes the bytes over.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretBytes {}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes, redacted)", self.0.len())
    }
}

/// Somebody's words: `Debug` shows their length only.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateText(pub String);

impl fmt::Debug for PrivateText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateText({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_secret_byte() {
        assert_eq!(
            format!("{:?}", Secret32::from_bytes([0xab; 32])),
            "Secret32(redacted)"
        );
        let bytes = SecretBytes::new(b"hello".to_vec());
        assert_eq!(format!("{bytes:?}"), "SecretBytes(5 bytes, redacted)");
    }

    #[test]
    fn secrets_are_compared_by_value() {
        assert_eq!(Secret32::from_bytes([1; 32]), Secret32::from_bytes([1; 32]));
        assert_ne!(SecretBytes::new(vec![1]), SecretBytes::new(vec![1, 1]));
    }
}
