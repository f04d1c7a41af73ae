//! What can go wrong on our side of the wire, and why a question to a peer got no answer.
//!
//! # Invariants
//! * [`NetworkError`] and [`ParseError`] are ours: configuration, resources, a stopped driver.
//! * [`RequestError`] is how a question ended; only [`RequestError::Oversized`] is the peer's fault.
//! * No variant carries unbounded peer input.
//!
//! # Spec
//! docs/spec/06-wire.md §3
//!
//! # Not here
//! What a peer did wrong: [`crate::event::Fault`].

use thiserror::Error;

use crate::address::Address;

/// Why the network could not do what this process asked of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// An address of the configuration cannot be listened on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The configured address.
        address: Address,
        /// The operating system's or transport's words.
        reason: String,
    },
    /// The transports could not be built.
    #[error("cannot set up the transports: {reason}")]
    Transport {
        /// What failed.
        reason: String,
    },
    /// An address that cannot be dialled: port zero or no particular host.
    #[error("{address} cannot be dialled")]
    NotDialable {
        /// The address.
        address: Address,
    },
    /// More bytes than the topic or protocol carries; nothing was sent.
    #[error("{found} bytes where {what} carries at most {max}")]
    Oversize {
        /// Topic or protocol.
        what: &'static str,
        /// Bytes offered.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The command queue is full: try again later.
    #[error("the network's command queue is full")]
    Busy,
    /// The driver has ended.
    #[error("the network has stopped")]
    Stopped,
}

/// Why a text is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Not the base58 id of an ed25519 key.
    #[error("not the id of a peer with an ed25519 key")]
    PeerId,
    /// Not an address that the transports know.
    #[error(
        "not a peer address; expected /ip4/A/tcp/P or /ip6/A/udp/P/quic-v1, optionally /p2p/PEER"
    )]
    Address,
}

/// How a question to a peer ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The peer is not connected.
    #[error("the peer is not connected")]
    NotConnected,
    /// Too many questions are open already; nothing was sent.
    #[error("too many requests are open")]
    Busy,
    /// No whole answer within the protocol's time.
    #[error("no answer in time")]
    Timeout,
    /// The peer closed the stream without an answer.
    #[error("the peer declined")]
    Declined,
    /// The peer does not speak the protocol.
    #[error("the peer does not speak the protocol")]
    Unsupported,
    /// The connection ended first.
    #[error("the connection ended")]
    Disconnected,
    /// The peer announced a longer answer than the protocol allows; reported as its fault as well.
    #[error("the answer was larger than the protocol allows")]
    Oversized,
    /// The stream broke in the middle.
    #[error("the stream broke")]
    Broken,
}
