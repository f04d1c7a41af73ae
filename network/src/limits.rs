//! Every limit of the wire in one table, each with its reason.
//!
//! # Invariants
//! * Nothing that a peer controls grows without a constant of this file.
//! * The gossip frame holds the largest message of any topic and leaves room to see, and report,
//!   one that is too large.
//!
//! # Spec
//! docs/spec/06-wire.md §5
//!
//! # Not here
//! Sizes of what is inside a message: `chain`. Scores and how long a ban lasts: `node`.

use std::time::Duration;

// --- Gossip: bytes of one message -------------------------------------------------------------

/// Block announcement: header 276 B, aux 64 KiB, short ids of the smallest items that fill a body
/// of 1 MiB (8 B each, 45 KiB), and the rest for items that the neighbours may not know yet.
pub const GOSSIP_BLOCK_BYTES_MAX: usize = 256 << 10;
/// The largest transaction.
pub const GOSSIP_TX_BYTES_MAX: usize = chain::Transaction::BYTES_MAX;
/// The largest envelope (66,988 B) behind the codec's u64 length.
pub const GOSSIP_ENVELOPE_BYTES_MAX: usize = chain::Envelope::BYTES_MAX + 8;
/// One vote (108 B), with room for a later version.
pub const GOSSIP_VOTE_BYTES_MAX: usize = 256;
/// One finality vote (108 B), with room for a later version.
pub const GOSSIP_FINALITY_BYTES_MAX: usize = 256;
/// One gossip frame. Twice the largest message: what lies between a topic's limit and this is
/// read, refused and reported; what lies above ends the stream unread. The reader also keeps up to
/// 8 KiB of the next frame in the same buffer, and counts them.
pub const GOSSIP_FRAME_BYTES_MAX: usize = 2 * GOSSIP_BLOCK_BYTES_MAX;
/// Messages in one frame: our own sender puts one, others may put a few.
pub const GOSSIP_FRAME_MESSAGES_MAX: usize = 64;
/// Control part of a frame: [`GOSSIP_IDS_MAX`] ids of 32 B with their framing are 34 KiB.
pub const GOSSIP_CONTROL_BYTES_MAX: usize = 48 << 10;
/// Ids in one "I have" or "I want": together they must fit the neighbour's control limit, or the
/// neighbour ends the stream.
pub const GOSSIP_IDS_MAX: usize = 1_024;
/// Subscriptions in one frame and of one peer: there are five topics.
pub const GOSSIP_SUBSCRIPTIONS_MAX: usize = 16;
/// Messages waiting for one slow neighbour. A burst of a few thousand small envelopes must fit
/// while the machine is loaded; a neighbour whose queue overflows repeatedly is let go.
pub const GOSSIP_QUEUE_MESSAGES_MAX: usize = 2_048;
/// Reports of an overflowing queue (one a second at most) until the neighbour is let go.
pub const SLOW_STRIKES_MAX: u32 = 5;
/// How long an id is remembered, so that a message is handed up once. A message crosses the network
/// in seconds; a minute covers the slowest path.
pub const GOSSIP_SEEN_TIME: Duration = Duration::from_secs(60);
/// Pace of mesh repair and of "I have" gossip.
pub const GOSSIP_HEARTBEAT: Duration = Duration::from_secs(1);
/// Messages handed up that wait for a verdict. More arrive only if the node stands still.
pub const VERDICTS_MAX: usize = 8_192;
/// A message without a verdict by then is ignored: gossip forgets it a second later anyway.
pub const VERDICT_TIMEOUT: Duration = Duration::from_secs(4);

// --- Requests and responses: bytes of one payload ----------------------------------------------

/// Locator: up to 100 block ids.
pub const HEADERS_REQUEST_BYTES_MAX: usize = 4 << 10;
/// 3,800 headers of 276 B.
pub const HEADERS_RESPONSE_BYTES_MAX: usize = 1 << 20;
/// Up to 250 block ids.
pub const BODIES_REQUEST_BYTES_MAX: usize = 8 << 10;
/// Three bodies of the largest size, or many small ones.
pub const BODIES_RESPONSE_BYTES_MAX: usize = 4 << 20;
/// What the asker has already: 8,000 short ids.
pub const MEMPOOL_REQUEST_BYTES_MAX: usize = 64 << 10;
/// One page of ids or items.
pub const MEMPOOL_RESPONSE_BYTES_MAX: usize = 2 << 20;
/// Short ids of every item of a full block.
pub const MISSING_REQUEST_BYTES_MAX: usize = 64 << 10;
/// Every item of a full block (1 MiB) with its framing.
pub const MISSING_RESPONSE_BYTES_MAX: usize = 2 << 20;
/// A payload is read in steps of at most this, so that memory follows bytes that really came.
pub const FRAME_CHUNK_BYTES: usize = 16 << 10;
/// From opening a stream to its end, both ways; small answers.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The same for bodies: 4 MiB over a link of 1.2 Mbit/s.
pub const BODIES_TIMEOUT: Duration = Duration::from_secs(30);
/// Streams of one protocol on one connection, both directions together; more are closed unread.
pub const STREAMS_MAX: usize = 8;
/// Our open questions to one peer in one protocol: half of [`STREAMS_MAX`] stays for its own.
pub const REQUESTS_PER_PEER_MAX: usize = 4;
/// Our open questions in all: bounds answers in memory, if every peer asked sends the longest.
pub const REQUESTS_MAX: usize = 32;
/// Questions of peers in the node's hands; with [`MEMPOOL_REQUEST_BYTES_MAX`] each they are 16 MiB.
pub const INBOUND_REQUESTS_MAX: usize = 256;
/// Answers on their way to one peer: one that does not read cannot hold more than this.
pub const RESPONSE_BYTES_PER_PEER_MAX: usize = 8 << 20;
/// Answers on their way in all.
pub const RESPONSE_BYTES_MAX: usize = 64 << 20;

// --- Connections --------------------------------------------------------------------------------

/// Transport handshake, from the first byte to an authenticated connection.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// From the handshake to the proof of the same chain.
pub const IDENTIFY_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection on which no stream is open.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Pings that may stay unanswered in a row (15 s apart, 10 s each): finds half-open connections.
pub const MISSED_PINGS_MAX: u32 = 2;
/// Inbound handshakes at a time: each holds a socket and a few KiB for up to
/// [`HANDSHAKE_TIMEOUT`].
pub const PENDING_INBOUND_MAX: usize = 64;
/// Outbound handshakes at a time, ours and those of the address lookups.
pub const PENDING_OUTBOUND_MAX: usize = 16;
/// Inbound connections.
pub const INBOUND_MAX: usize = 96;
/// Outbound connections: apart from inbound ones, so that strangers cannot take every place.
pub const OUTBOUND_MAX: usize = 32;
/// Connections with one peer: two, because both sides may dial at once.
pub const PER_PEER_MAX: usize = 2;
/// Inbound connections (and handshakes) from one /24 or /48. The own machine is exempt.
pub const PER_SUBNET_MAX: usize = 8;
/// Resident memory of the process above which no connection is made or taken.
pub const MEMORY_BYTES_MAX: usize = 2 << 30;
/// Inbound streams of one connection that may negotiate their protocol at a time.
pub const NEGOTIATING_STREAMS_MAX: usize = 32;
/// Multiplexed streams of one TCP connection: four protocols of [`STREAMS_MAX`] each way, gossip,
/// kad, identify and ping, with room.
pub const MUXED_STREAMS_MAX: usize = 128;
/// Unread bytes of one QUIC stream and, fourfold, of one QUIC connection.
pub const QUIC_STREAM_BYTES_MAX: u32 = 1 << 20;
/// Bans remembered; beyond, the one that ends first is forgotten.
pub const BANS_MAX: usize = 4_096;

// --- Addresses ----------------------------------------------------------------------------------

/// Outbound connections that are sought, in different /16 groups while there are any: an attacker
/// in eight groups cannot hold more than eight of them.
pub const OUTBOUND_TARGET: usize = 12;
/// Addresses remembered.
pub const ADDRESSES_MAX: usize = 1_024;
/// Addresses remembered of one /16 or /32.
pub const ADDRESSES_PER_GROUP_MAX: usize = 32;
/// Addresses remembered of one /24 or /48.
pub const ADDRESSES_PER_SUBNET_MAX: usize = 8;
/// Listen addresses taken from one peer's introduction.
pub const REPORTED_ADDRESSES_MAX: usize = 4;
/// Addresses handed out for the next start.
pub const GOOD_ADDRESSES_MAX: usize = 256;
/// Entries of the lookup table from one /24 or /48.
pub const DHT_PER_SUBNET_MAX: usize = 2;
/// New dials in one second.
pub const DIALS_PER_TICK: usize = 4;
/// First pause after a failed dial; it doubles with every further failure.
pub const REDIAL_PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest pause for an address that the operator named.
pub const REDIAL_CONNECT_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Longest pause for any other address, and the pause after meeting a foreign chain there.
pub const REDIAL_PAUSE_MAX: Duration = Duration::from_secs(600);
/// Failures after which an address that never worked is forgotten.
pub const FAILURES_MAX: u32 = 6;

// --- Queues between the driver and the node -----------------------------------------------------

/// Events waiting for the node.
pub const EVENTS_MAX: usize = 4_096;
/// Places in that queue that gossip and requests leave to events which must not be lost.
pub const EVENTS_RESERVED: usize = 512;
/// Bytes of gossip and requests waiting for the node; beyond, they are dropped and counted.
pub const EVENT_BYTES_MAX: usize = 16 << 20;
/// Events that must not be lost and do not fit the queue; beyond, the driver reads no more from
/// the sockets until the node takes some, and the peers' sending stalls.
pub const BACKLOG_MAX: usize = 1_024;
/// Commands waiting for the driver.
pub const COMMANDS_MAX: usize = 4_096;
/// Pace of housekeeping: deadlines, dials, bans.
pub const TICK: Duration = Duration::from_secs(1);

// What must hold between the limits, checked when this is built.
const _: () = {
    /// What the gossip reader takes from the stream at a time, on top of an unfinished frame.
    const READ_BYTES: usize = 8 << 10;
    assert!(GOSSIP_BLOCK_BYTES_MAX + 2 * READ_BYTES <= GOSSIP_FRAME_BYTES_MAX);
    assert!(GOSSIP_TX_BYTES_MAX <= GOSSIP_BLOCK_BYTES_MAX);
    assert!(GOSSIP_ENVELOPE_BYTES_MAX <= GOSSIP_BLOCK_BYTES_MAX);
    assert!(GOSSIP_ENVELOPE_BYTES_MAX > 66_988);
    assert!(GOSSIP_IDS_MAX * (32 + 2) + 256 <= GOSSIP_CONTROL_BYTES_MAX);
    assert!(REQUESTS_PER_PEER_MAX * 2 <= STREAMS_MAX);
    assert!(BODIES_RESPONSE_BYTES_MAX <= RESPONSE_BYTES_PER_PEER_MAX);
    assert!(RESPONSE_BYTES_PER_PEER_MAX <= RESPONSE_BYTES_MAX);
    assert!(MISSING_RESPONSE_BYTES_MAX > chain::Block::BYTES_MAX);
};

/// What an operator may change; the rest of this file is fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Inbound connections.
    pub inbound_max: usize,
    /// Outbound connections.
    pub outbound_max: usize,
    /// Outbound connections that are sought among known addresses.
    pub outbound_target: usize,
    /// Inbound connections from one /24 or /48; the own machine is exempt.
    pub per_subnet_max: usize,
    /// Resident bytes of the process above which no connection is made or taken.
    pub memory_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inbound_max: INBOUND_MAX,
            outbound_max: OUTBOUND_MAX,
            outbound_target: OUTBOUND_TARGET,
            per_subnet_max: PER_SUBNET_MAX,
            memory_bytes_max: MEMORY_BYTES_MAX,
        }
    }
}
