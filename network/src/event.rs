//! What the network tells the node, and the tokens by which the node answers.
//!
//! # Invariants
//! * A peer is spoken of only after its [`Event::PeerConnected`], and that comes only after it proved
//!   to be on the same chain. What it sent last may come after its [`Event::PeerDisconnected`].
//! * A token is used once: it cannot be copied, and answering takes it.
//! * Payloads are within the limit of their topic or protocol; nothing else is known about them.
//!
//! # Spec
//! docs/spec/06-wire.md §2, §3
//!
//! # Not here
//! Scores, bans and their duration: `node::peers`.

use libp2p::request_response::{InboundRequestId, ResponseChannel};
use tokio::sync::OwnedSemaphorePermit;

use crate::address::Address;
use crate::error::RequestError;
use crate::frame::Frame;
use crate::peer::PeerId;
use crate::protocol::{Protocol, Topic};

/// One thing that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A peer of the same chain is there.
    PeerConnected {
        /// Who.
        peer: PeerId,
        /// From or to where; an inbound peer's port is not one that it listens on.
        address: Address,
        /// Who dialled.
        direction: Direction,
    },
    /// The last connection with a peer ended.
    PeerDisconnected {
        /// Who.
        peer: PeerId,
    },
    /// A gossip message that was not seen in the last minute. It goes no further until the node
    /// gives its verdict.
    Gossip {
        /// For [`crate::Handle::verdict`].
        token: MessageToken,
        /// The neighbour that brought it; not necessarily its author.
        from: PeerId,
        /// Its topic.
        topic: Topic,
        /// The message.
        bytes: Vec<u8>,
    },
    /// A peer asks.
    Request {
        /// Who.
        peer: PeerId,
        /// What kind of question.
        protocol: Protocol,
        /// The question.
        bytes: Vec<u8>,
        /// For [`crate::Handle::respond`]; dropping it declines.
        token: ResponseToken,
    },
    /// A question of ours came to its end. Each one ends exactly once.
    Response {
        /// The question.
        request: RequestId,
        /// Who was asked.
        peer: PeerId,
        /// What kind of question.
        protocol: Protocol,
        /// The answer, or why there is none.
        result: Result<Vec<u8>, RequestError>,
    },
    /// A message of ours reached nobody. It is not kept: publish it again when there are peers.
    Unpublished {
        /// The call that brought it.
        publication: PublicationId,
        /// Its topic.
        topic: Topic,
        /// Why.
        reason: PublishFailure,
    },
    /// A peer broke a rule of the wire.
    Misbehaviour {
        /// Who.
        peer: PeerId,
        /// Which rule.
        fault: Fault,
    },
    /// An address that [`crate::Handle::dial`] was asked for gave no connection.
    DialFailed {
        /// The address.
        address: Address,
        /// The transport's words.
        reason: String,
    },
}

impl Event {
    /// Bytes of peer input that wait in the queue with this event.
    pub(crate) fn payload_bytes(&self) -> usize {
        match self {
            Self::Gossip { bytes, .. } | Self::Request { bytes, .. } => bytes.len(),
            _ => 0,
        }
    }
}

/// Who dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// They did.
    Inbound,
    /// We did.
    Outbound,
}

/// What becomes of a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It goes on to the neighbours.
    Accept,
    /// It stays here; nobody is to blame.
    Ignore,
    /// It stays here and counts against the neighbours that brought it: only for what can never be
    /// valid, whoever looks at it and whenever.
    Reject,
}

/// Why a message of ours reached nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PublishFailure {
    /// No connected peer listens to the topic (yet).
    NoPeers,
    /// Every neighbour's queue is full.
    QueuesFull,
}

/// A rule of the wire that a peer broke. Honest software cannot, whatever its user or its own peers
/// do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// A gossip message above its topic's limit.
    OversizedGossip {
        /// The topic.
        topic: Topic,
        /// Its length.
        bytes: usize,
    },
    /// A request that claims more than the protocol allows.
    OversizedRequest {
        /// The protocol.
        protocol: Protocol,
        /// The length claimed.
        claimed_bytes: u32,
    },
    /// A response that claims more than the protocol allows.
    OversizedResponse {
        /// The protocol.
        protocol: Protocol,
        /// The length claimed.
        claimed_bytes: u32,
    },
}

impl Fault {
    /// How grave it is on the scale 100 / 20 / 1, where 100 is a ban. The node decides.
    #[must_use]
    pub const fn severity_hint(self) -> u32 {
        match self {
            Self::OversizedGossip { .. }
            | Self::OversizedRequest { .. }
            | Self::OversizedResponse { .. } => 100,
        }
    }
}

/// Names a question of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u64);

/// Names a call of [`crate::Handle::publish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicationId(pub(crate) u64);

/// A gossip message that waits for a verdict. Without one it is ignored after
/// [`crate::limits::VERDICT_TIMEOUT`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a message without a verdict goes no further"]
pub struct MessageToken {
    pub(crate) id: [u8; 32],
}

impl MessageToken {
    /// The message's id, [`crate::protocol::message_id`].
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        self.id
    }
}

/// A peer's question that waits for an answer. Dropping it closes the stream: the peer sees that
/// we decline.
#[derive(Debug)]
pub struct ResponseToken {
    pub(crate) protocol: Protocol,
    pub(crate) peer: PeerId,
    pub(crate) id: InboundRequestId,
    pub(crate) channel: ResponseChannel<Frame>,
    /// One of [`crate::limits::INBOUND_REQUESTS_MAX`] places, free again with the token.
    pub(crate) _place: OwnedSemaphorePermit,
}

impl ResponseToken {
    /// The protocol, whose limit holds for the answer.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Who asked.
    #[must_use]
    pub fn peer(&self) -> PeerId {
        self.peer
    }
}
