//! The account record: what the chain says of an account besides its coins.
//!
//! # Invariants
//! A record is [`AccountRecord::BYTES`] long; its signature covers everything before it.
//!
//! # Spec
//! docs/spec/03-transactions.md §4
//!
//! # Not here
//! When a record may replace another: `consensus::transaction`. Inbox keys: `messenger`.

use secp256k1::Keypair;

use crate::codec::{self, SchemaRead, SchemaWrite};
use crate::hash::{self, ChainId};
use crate::signature::{self, PublicKey, Signature, tag};

/// Encapsulation key of an inbox: X-Wing (ML-KEM-768 and X25519).
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct InboxKey(Box<[u8; InboxKey::BYTES]>);

impl InboxKey {
    /// Bytes of an X-Wing encapsulation key.
    pub const BYTES: usize = 1216;

    /// From the wire; `messenger` checks it when it encapsulates.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(Box::new(bytes))
    }

    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

/// A signed statement of an account about its inbox, validity and name.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct AccountRecord {
    /// Layout version, 1.
    pub version: u8,
    /// The account's key.
    pub key: PublicKey,
    /// Grows with every new inbox key.
    pub inbox_generation: u32,
    /// Where invitations are encrypted to.
    pub inbox_key: InboxKey,
    /// First height at which the record holds.
    pub valid_from: u32,
    /// First height at which it no longer holds; `u32::MAX` is open.
    pub valid_to: u32,
    /// Zero in version 1.
    pub flags: u16,
    /// Hash of the account's name, or zeros.
    pub name_hash: [u8; 32],
    /// First bytes of the hash of the record that this one replaces, or zeros.
    pub previous: [u8; 24],
    /// By the account over everything before.
    pub signature: Signature,
}

impl AccountRecord {
    /// Bytes of an encoded record.
    pub const BYTES: usize = 1383;
    /// The only layout version there is.
    pub const VERSION: u8 = 1;

    /// Signs the record by the account's keypair.
    #[must_use]
    pub fn signed(mut self, chain: &ChainId, keypair: &Keypair, aux_randomness: &[u8; 32]) -> Self {
        let body = self.signed_bytes();
        self.signature = signature::sign(
            tag::ACCOUNT_RECORD,
            chain,
            &[&body],
            keypair,
            aux_randomness,
        );
        self
    }

    /// Whether the record is signed by the key it names.
    #[must_use]
    pub fn is_signed(&self, chain: &ChainId) -> bool {
        let body = self.signed_bytes();
        signature::verify(
            tag::ACCOUNT_RECORD,
            chain,
            &[&body],
            &self.key,
            &self.signature,
        )
    }

    /// What the next record's `previous` must hold.
    #[must_use]
    pub fn link(&self) -> [u8; 24] {
        let digest = hash::blake3(&codec::encode(self));
        let mut link = [0; 24];
        link.copy_from_slice(digest.get(..24).unwrap_or(&[0; 24]));
        link
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = codec::encode(self);
        bytes.truncate(Self::BYTES.saturating_sub(Signature::BYTES));
        bytes
    }
}

/// Equi-X work in the place of a fee: for envelopes and for an account's first record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Stamp {
    /// Declared work; the stamp is worth this much.
    pub effort: u32,
    /// Height of a recent ancestor, a multiple of 16, that dates the stamp.
    pub reference: u32,
    /// Search counter.
    pub nonce: [u8; 16],
    /// Equi-X solution.
    pub solution: [u8; 16],
}

impl Stamp {
    /// Bytes of an encoded stamp.
    pub const BYTES: usize = 40;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::encoded_len;

    fn record(keypair: &Keypair) -> AccountRecord {
        AccountRecord {
            version: AccountRecord::VERSION,
            key: PublicKey::from(keypair),
            inbox_generation: 1,
            inbox_key: InboxKey::from_bytes([7; InboxKey::BYTES]),
            valid_from: 0,
            valid_to: u32::MAX,
            flags: 0,
            name_hash: [0; 32],
            previous: [0; 24],
            signature: Signature::default(),
        }
    }

    #[test]
    fn sizes_are_the_specified_ones() {
        let keypair = Keypair::from_secret_bytes([5; 32]).expect("a valid secret");
        assert_eq!(encoded_len(&record(&keypair)), AccountRecord::BYTES);
        assert_eq!(encoded_len(&Stamp::default()), Stamp::BYTES);
    }

    #[test]
    fn a_record_is_bound_to_key_chain_and_every_field() {
        let keypair = Keypair::from_secret_bytes([5; 32]).expect("a valid secret");
        let chain = ChainId::default();
        let signed = record(&keypair).signed(&chain, &keypair, &[0; 32]);
        assert!(signed.is_signed(&chain));
        assert!(!signed.is_signed(&ChainId::from_bytes([1; 32])));
        let changed = AccountRecord {
            inbox_generation: 2,
            ..signed.clone()
        };
        assert!(!changed.is_signed(&chain));
        assert_ne!(signed.link(), changed.link());
    }
}
