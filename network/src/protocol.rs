//! The names on the wire: gossip topics, request protocols, the introduction, message ids.
//!
//! # Invariants
//! * Every name carries the first four bytes of the chain id: peers of two chains have no topic and
//!   no protocol in common, even before they are told apart.
//! * A gossip message's id is a hash over its topic and its bytes; whoever sends it, it has one id.
//!
//! # Spec
//! docs/spec/06-wire.md §2, §3, §4
//!
//! # Not here
//! What the bytes mean: `node` encodes and decodes them with `chain::codec`.

use std::fmt;
use std::time::Duration;

use chain::ChainId;
use chain::hash::{Context, derive};

use crate::limits;

/// blake3 context of gossip message ids. It names messages among neighbours and is no part of
/// consensus.
static MESSAGE_ID_CONTEXT: Context = Context::new("x3c/gossip");

/// What is gossiped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Block announcements.
    Block,
    /// Transactions.
    Tx,
    /// Envelopes.
    Envelope,
    /// Votes of stakers.
    Vote,
    /// Finality votes of masternodes.
    Finality,
}

impl Topic {
    /// All topics; every node subscribes to each.
    pub const ALL: [Self; 5] = [
        Self::Block,
        Self::Tx,
        Self::Envelope,
        Self::Vote,
        Self::Finality,
    ];

    /// The word in the topic's name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Tx => "tx",
            Self::Envelope => "envelope",
            Self::Vote => "vote",
            Self::Finality => "finality",
        }
    }

    /// Largest message (bytes).
    #[must_use]
    pub const fn bytes_max(self) -> usize {
        match self {
            Self::Block => limits::GOSSIP_BLOCK_BYTES_MAX,
            Self::Tx => limits::GOSSIP_TX_BYTES_MAX,
            Self::Envelope => limits::GOSSIP_ENVELOPE_BYTES_MAX,
            Self::Vote => limits::GOSSIP_VOTE_BYTES_MAX,
            Self::Finality => limits::GOSSIP_FINALITY_BYTES_MAX,
        }
    }

    /// The name on the wire: `x3c/<8 hex>/block/1`.
    #[must_use]
    pub fn name(self, chain: &ChainId) -> String {
        format!("x3c/{}/{}/1", net_hex(chain), self.word())
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What one peer asks another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Headers after a common block.
    Headers,
    /// Bodies by block id.
    Bodies,
    /// What waits to be included.
    Mempool,
    /// Items of an announced block that the asker lacks.
    Missing,
}

impl Protocol {
    /// All protocols; every node speaks each.
    pub const ALL: [Self; 4] = [Self::Headers, Self::Bodies, Self::Mempool, Self::Missing];

    /// The word in the protocol's name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Bodies => "bodies",
            Self::Mempool => "mempool",
            Self::Missing => "missing",
        }
    }

    /// Largest request (bytes).
    #[must_use]
    pub const fn request_bytes_max(self) -> usize {
        match self {
            Self::Headers => limits::HEADERS_REQUEST_BYTES_MAX,
            Self::Bodies => limits::BODIES_REQUEST_BYTES_MAX,
            Self::Mempool => limits::MEMPOOL_REQUEST_BYTES_MAX,
            Self::Missing => limits::MISSING_REQUEST_BYTES_MAX,
        }
    }

    /// Largest response (bytes).
    #[must_use]
    pub const fn response_bytes_max(self) -> usize {
        match self {
            Self::Headers => limits::HEADERS_RESPONSE_BYTES_MAX,
            Self::Bodies => limits::BODIES_RESPONSE_BYTES_MAX,
            Self::Mempool => limits::MEMPOOL_RESPONSE_BYTES_MAX,
            Self::Missing => limits::MISSING_RESPONSE_BYTES_MAX,
        }
    }

    /// Time from opening the stream to the whole answer.
    #[must_use]
    pub const fn timeout(self) -> Duration {
        match self {
            Self::Bodies => limits::BODIES_TIMEOUT,
            _ => limits::REQUEST_TIMEOUT,
        }
    }

    /// The name on the wire: `/x3c/<8 hex>/headers/1`.
    #[must_use]
    pub fn name(self, chain: &ChainId) -> String {
        format!("/x3c/{}/{}/1", net_hex(chain), self.word())
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a node says about itself first: the whole chain id.
#[must_use]
pub fn introduction(chain: &ChainId) -> String {
    format!("x3c/{chain}/1")
}

/// Protocol of the address lookups: `/x3c/<8 hex>/kad/1`.
pub(crate) fn lookup_name(chain: &ChainId) -> String {
    format!("/x3c/{}/kad/1", net_hex(chain))
}

/// Names a gossip message among neighbours. The topic is part of it: bytes sent on a wrong topic
/// must not hide the same bytes on the right one.
#[must_use]
pub fn message_id(topic_name: &str, bytes: &[u8]) -> [u8; 32] {
    let length = u64::try_from(topic_name.len()).expect("a name is shorter than 2^64");
    derive(
        &MESSAGE_ID_CONTEXT,
        &[&length.to_le_bytes(), topic_name.as_bytes(), bytes],
    )
}

fn net_hex(chain: &ChainId) -> String {
    let mut text = chain.to_string();
    text.truncate(2 * chain.net().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_chain() {
        let chain = ChainId::from_bytes([0xab; 32]);
        assert_eq!(Topic::Envelope.name(&chain), "x3c/abababab/envelope/1");
        assert_eq!(Protocol::Missing.name(&chain), "/x3c/abababab/missing/1");
        assert_eq!(lookup_name(&chain), "/x3c/abababab/kad/1");
        assert_eq!(introduction(&chain), format!("x3c/{}/1", "ab".repeat(32)));
    }

    #[test]
    fn a_message_id_is_bound_to_topic_and_bytes_and_their_border() {
        let id = message_id("x3c/00000000/tx/1", b"bytes");
        assert_eq!(id, message_id("x3c/00000000/tx/1", b"bytes"));
        assert_ne!(id, message_id("x3c/00000000/tx/1", b"byte"));
        assert_ne!(id, message_id("x3c/00000000/vote/1", b"bytes"));
        assert_ne!(message_id("ab", b"c"), message_id("a", b"bc"));
    }
}
