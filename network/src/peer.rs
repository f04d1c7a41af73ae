//! Who a peer is: an ed25519 public key, and the secret that makes a node that peer.
//!
//! # Invariants
//! * A [`PeerId`] of a connected peer was proven by the transport's handshake.
//! * Node keys are ed25519. Peers with another kind of key are refused at the gate, so that an id
//!   is 32 bytes and has one text.
//! * A [`NodeKey`] is wiped when dropped and never printed.
//!
//! # Spec
//! docs/spec/06-wire.md §1
//!
//! # Not here
//! Where a peer is ([`crate::address`]); keys that hold coins (`wallet`).

use std::fmt;
use std::str::FromStr;

use libp2p::identity::Keypair;
use zeroize::Zeroizing;

use crate::error::ParseError;

/// Head of the identity multihash of an ed25519 key: hash code, length, key type, key length.
const INLINE_KEY_HEAD: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// Names a peer: its ed25519 public key. Its text is libp2p's base58 form, `12D3Koo...`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 32]);

impl PeerId {
    /// From the public key's bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The public key's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id of `peer`, or `None` if its key is not ed25519.
    pub(crate) fn from_libp2p(peer: &libp2p::PeerId) -> Option<Self> {
        let bytes = peer.to_bytes();
        let key = bytes.strip_prefix(&INLINE_KEY_HEAD)?;
        key.try_into().ok().map(Self)
    }

    pub(crate) fn to_libp2p(self) -> libp2p::PeerId {
        let bytes = [&INLINE_KEY_HEAD[..], &self.0].concat();
        libp2p::PeerId::from_bytes(&bytes).expect("an inline key of 36 bytes is a peer id")
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_libp2p().to_base58())
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}

impl FromStr for PeerId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let peer: libp2p::PeerId = text.parse().map_err(|_| ParseError::PeerId)?;
        Self::from_libp2p(&peer).ok_or(ParseError::PeerId)
    }
}

/// The secret key of a node's identity on the network. It holds no coins.
#[derive(Clone)]
pub struct NodeKey(Zeroizing<[u8; 32]>);

impl NodeKey {
    /// From 32 secret bytes, which the caller draws at random and keeps across restarts.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The peer that this key makes a node.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        PeerId::from_libp2p(&self.keypair().public().to_peer_id()).expect("the key is ed25519")
    }

    pub(crate) fn keypair(&self) -> Keypair {
        Keypair::ed25519_from_bytes(*self.0).expect("32 bytes are an ed25519 secret")
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_id_has_one_text() {
        let peer = NodeKey::from_bytes([7; 32]).peer_id();
        let text = peer.to_string();
        assert!(text.starts_with("12D3Koo"), "{text}");
        assert_eq!(text.parse(), Ok(peer));
        assert_eq!(PeerId::from_libp2p(&peer.to_libp2p()), Some(peer));
    }

    #[test]
    fn ids_of_other_key_kinds_and_garbage_are_no_peer_ids() {
        let hashed = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";
        assert!(hashed.parse::<libp2p::PeerId>().is_ok());
        for text in [hashed, "", "12D3Koo", "not a peer"] {
            assert_eq!(text.parse::<PeerId>(), Err(ParseError::PeerId));
        }
    }

    #[test]
    fn a_node_key_is_not_printed() {
        let printed = format!("{:?}", NodeKey::from_bytes([0x5a; 32]));
        assert_eq!(printed, "NodeKey(redacted)");
    }
}
