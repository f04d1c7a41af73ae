//! Hashes with a domain: what is hashed for one purpose never equals a hash for another.
//!
//! # Invariants
//! * Every blake3 hash of the chain is a `derive_key` hash under one of the contexts of
//!   [`context`]; a context string occurs once.
//! * An identifier's type says what it names: a [`BlockId`] is not a [`TxId`].
//!
//! # Spec
//! docs/spec/01-encoding.md §2
//!
//! # Not here
//! SHA-256 of signatures ([`crate::signature`]); contexts of conversation keys (`messenger`).

use std::fmt;

use crate::codec::{SchemaRead, SchemaWrite};

/// Every blake3 context that consensus data is hashed under.
pub mod context {
    /// Block id over the whole header.
    pub const BLOCK_ID: &str = "x3c/id";
    /// Equi-X challenge over the header without its solution.
    pub const POW_CHALLENGE: &str = "x3c/pow";
    /// Proof-of-work hash over challenge and solution.
    pub const POW_HASH: &str = "x3c/powhash";
    /// Merkle leaf.
    pub const MERKLE_LEAF: &str = "x3c/leaf";
    /// Merkle inner node.
    pub const MERKLE_NODE: &str = "x3c/node";
    /// Merkle root with its leaf count.
    pub const MERKLE_ROOT: &str = "x3c/root";
    /// Transaction id over all bytes before the signature.
    pub const TX_ID: &str = "x3c/txid";
    /// What the stamp of a first account record commits to.
    pub const RECORD_STAMP: &str = "x3c/txstamp";
    /// State hash that two nodes compare.
    pub const STATE: &str = "x3c/state";
    /// Key of a value in the state tree.
    pub const STATE_KEY: &str = "x3c/statekey";
    /// Sorted seen one-time keys, part of the state hash.
    pub const SEEN: &str = "x3c/seen";
    /// Key of the cache of verified items: local, never on the wire.
    pub const VERIFIED: &str = "x3c/verified";
    /// Account id of a public key.
    pub const ADDRESS: &str = "ChainChat v1 address";
    /// Envelope content without authorisation.
    pub const ENVELOPE_CORE: &str = "ChainChat v1 core";
    /// Name of an envelope's content.
    pub const ENVELOPE_MID: &str = "ChainChat v1 mid";
    /// Name of an envelope's exact bytes.
    pub const ENVELOPE_WID: &str = "ChainChat v1 wid";
    /// Challenge of a stamp.
    pub const STAMP: &str = "ChainChat v1 pow";
    /// Hash of an account's name, in its record.
    pub const NAME: &str = "ChainChat v1 name";
}

/// blake3 `derive_key` of the concatenation of `parts` under `context`.
#[must_use]
pub fn derive(context: &'static str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// Like [`derive`], extended to the length of `out`.
pub fn derive_into(context: &'static str, parts: &[&[u8]], out: &mut [u8]) {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize_xof().fill(out);
}

/// Plain blake3, for the few places where the layout names it without a context.
#[must_use]
pub fn blake3(bytes: &[u8]) -> [u8; 32] {
    *::blake3::hash(bytes).as_bytes()
}

/// Declares a 32-byte identifier.
macro_rules! identifier {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite)]
        #[repr(transparent)]
        pub struct $name([u8; 32]);

        impl $name {
            /// From raw bytes; any 32 bytes are an identifier.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "("))?;
                write_hex(&self.0, f)?;
                f.write_str(")")
            }
        }
    )*};
}

identifier! {
    /// A hash with no type of its own: Merkle and state roots.
    Hash32;
    /// Names a block: hash of its whole header.
    BlockId;
    /// Names a transaction: hash of everything before its signature.
    TxId;
    /// `wid`: names the exact bytes of an envelope (verified cache, Merkle leaf, inventory).
    WireId;
    /// `mid`: names an envelope's content, whatever authorises it (mempool, outbox).
    MessageId;
    /// `core_hash`: what an envelope's authorisation and signature commit to.
    CoreHash;
    /// Names a chain: the id of its genesis block; part of every signed message.
    ChainId;
}

impl From<BlockId> for ChainId {
    fn from(genesis: BlockId) -> Self {
        Self(genesis.0)
    }
}

impl ChainId {
    /// The first four bytes, which every envelope repeats.
    #[must_use]
    pub fn net(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.0;
        [a, b, c, d]
    }
}

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for byte in bytes {
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_separate_equal_inputs() {
        let block = derive(context::BLOCK_ID, &[b"x"]);
        assert_ne!(block, derive(context::TX_ID, &[b"x"]));
        assert_eq!(block, ::blake3::derive_key("x3c/id", b"x"));
        assert_eq!(
            derive(context::BLOCK_ID, &[b"a", b"b"]),
            derive(context::BLOCK_ID, &[b"ab"])
        );
    }

    #[test]
    fn identifiers_print_as_lower_case_hex() {
        let id = BlockId::from_bytes([0xab; 32]);
        assert_eq!(id.to_string(), "ab".repeat(32));
        assert_eq!(format!("{id:?}"), format!("BlockId({})", "ab".repeat(32)));
    }
}
