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
use std::sync::OnceLock;

use ::blake3::hazmat::{ContextKey, HasherExt as _, hash_derive_key_context};

use crate::codec::{SchemaRead, SchemaWrite};

/// What a hash is for. blake3 turns the text into a key before it hashes anything; that key is made
/// once per process, since for short inputs making it costs as much as the hash.
pub struct Context {
    text: &'static str,
    key: OnceLock<ContextKey>,
}

impl Context {
    /// The context named by `text`.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self {
            text,
            key: OnceLock::new(),
        }
    }

    /// The text, as the specification writes it.
    #[must_use]
    pub const fn text(&self) -> &'static str {
        self.text
    }

    fn hasher(&self) -> ::blake3::Hasher {
        let key = self.key.get_or_init(|| hash_derive_key_context(self.text));
        ::blake3::Hasher::new_from_context_key(key)
    }
}

/// Every blake3 context that consensus data is hashed under.
pub mod context {
    use super::Context;

    /// Block id over the whole header.
    pub static BLOCK_ID: Context = Context::new("x3c/id");
    /// Equi-X challenge over the header without its solution.
    pub static POW_CHALLENGE: Context = Context::new("x3c/pow");
    /// Proof-of-work hash over challenge and solution.
    pub static POW_HASH: Context = Context::new("x3c/powhash");
    /// Merkle leaf.
    pub static MERKLE_LEAF: Context = Context::new("x3c/leaf");
    /// Merkle inner node.
    pub static MERKLE_NODE: Context = Context::new("x3c/node");
    /// Merkle root with its leaf count.
    pub static MERKLE_ROOT: Context = Context::new("x3c/root");
    /// Transaction id over all bytes before the signature.
    pub static TX_ID: Context = Context::new("x3c/txid");
    /// What the stamp of a first account record commits to.
    pub static RECORD_STAMP: Context = Context::new("x3c/txstamp");
    /// State hash that two nodes compare.
    pub static STATE: Context = Context::new("x3c/state");
    /// Key of a value in the state tree.
    pub static STATE_KEY: Context = Context::new("x3c/statekey");
    /// Seed of the lottery for the seats of a height.
    pub static LOTTERY: Context = Context::new("x3c/lottery");
    /// Draw of one seat.
    pub static SEAT: Context = Context::new("x3c/seat");
    /// Sorted seen one-time keys, part of the state hash.
    pub static SEEN: Context = Context::new("x3c/seen");
    /// Key of the cache of verified items: local, never on the wire.
    pub static VERIFIED: Context = Context::new("x3c/verified");
    /// Account id of a public key.
    pub static ADDRESS: Context = Context::new("ChainChat v1 address");
    /// Envelope content without authorisation.
    pub static ENVELOPE_CORE: Context = Context::new("ChainChat v1 core");
    /// Name of an envelope's content.
    pub static ENVELOPE_MID: Context = Context::new("ChainChat v1 mid");
    /// Name of an envelope's exact bytes.
    pub static ENVELOPE_WID: Context = Context::new("ChainChat v1 wid");
    /// Challenge of a stamp.
    pub static STAMP: Context = Context::new("ChainChat v1 pow");
    /// Hash of an account's name, in its record.
    pub static NAME: Context = Context::new("ChainChat v1 name");
}

/// blake3 `derive_key` of the concatenation of `parts` under `context`.
#[must_use]
pub fn derive(context: &Context, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = context.hasher();
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// Like [`derive`], extended to the length of `out`.
pub fn derive_into(context: &Context, parts: &[&[u8]], out: &mut [u8]) {
    let mut hasher = context.hasher();
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
        let block = derive(&context::BLOCK_ID, &[b"x"]);
        assert_ne!(block, derive(&context::TX_ID, &[b"x"]));
        assert_eq!(block, ::blake3::derive_key("x3c/id", b"x"));
        assert_eq!(
            derive(&context::BLOCK_ID, &[b"a", b"b"]),
            derive(&context::BLOCK_ID, &[b"ab"])
        );
    }

    #[test]
    fn identifiers_print_as_lower_case_hex() {
        let id = BlockId::from_bytes([0xab; 32]);
        assert_eq!(id.to_string(), "ab".repeat(32));
        assert_eq!(format!("{id:?}"), format!("BlockId({})", "ab".repeat(32)));
    }
}
