//! Every limit of the RPC listeners, each with its reason. They are part of the contract.
//!
//! # Invariants
//! What a caller can make this side keep in memory is bounded by these numbers alone.
//!
//! # Spec
//! docs/spec/07-rpc.md §6
//!
//! # Not here
//! Limits of the mempool and of blocks: `node`, `genesis`.

/// Bytes of a request on the private listener: a block in hexadecimal. One that fills its 1 MiB to
/// the last 400 bytes does not fit; miners send solutions instead.
pub const BODY_BYTES_MAX: usize = 2 << 20;
/// Bytes of a request on the public listener: the largest envelope in hexadecimal is 132 KB.
pub const PUBLIC_BODY_BYTES_MAX: usize = 256 << 10;
/// Bytes of an answer: a full block, decoded and with its raw parts, takes 5 to 6 MB.
pub const RESPONSE_BYTES_MAX: usize = 8 << 20;
/// Requests in a batch.
pub const BATCH_ENTRIES_MAX: usize = 50;
/// Nesting of arrays and objects in a request; the deepest honest one has three.
pub const DEPTH_MAX: usize = 32;
/// Characters of an untrusted text that an error repeats.
pub const QUOTE_CHARS_MAX: usize = 200;

/// Connections of the private listener: a few tools, one app, some miners.
pub const CONNECTIONS_MAX: usize = 128;
/// Connections of the public listener.
pub const PUBLIC_CONNECTIONS_MAX: usize = 256;
/// Connections of one address on the public listener: a household behind one router.
pub const PUBLIC_CONNECTIONS_PER_ADDRESS_MAX: usize = 16;
/// Connections of the listener for health and metrics: a scraper and a load balancer.
pub const METRICS_CONNECTIONS_MAX: usize = 32;
/// Calls of one WebSocket connection that run at the same time.
pub const CALLS_IN_FLIGHT_MAX: usize = 64;
/// Subscriptions of one WebSocket connection: an app needs three.
pub const SUBSCRIPTIONS_PER_CONNECTION_MAX: usize = 16;

/// Items that wait for one subscriber: the pending envelopes of a mempool that arrives at once.
pub const SUBSCRIPTION_QUEUE_ITEMS_MAX: usize = 4096;
/// Bytes that wait for one subscriber.
pub const SUBSCRIPTION_QUEUE_BYTES_MAX: usize = 8 << 20;
/// Messages of a connection between the subscriptions' queues and the socket; backpressure above.
pub const SEND_QUEUE_MESSAGES_MAX: usize = 32;

/// Time for the head of a request, also the next one on a connection that stays open (ms).
pub const REQUEST_WAIT_MS_MAX: u64 = 30_000;
/// Time for the body of a request (ms): 2 MiB at 70 KB/s.
pub const BODY_WAIT_MS_MAX: u64 = 30_000;
/// Time that a peer may leave a pending write untouched before the connection is closed (ms).
pub const WRITE_STALL_MS_MAX: u64 = 20_000;
/// Interval of pings on a WebSocket (ms).
pub const PING_INTERVAL_MS: u64 = 20_000;
/// Silence after which a WebSocket is closed (ms): three pings.
pub const SILENCE_MS_MAX: u64 = 60_000;
/// Time that open requests get when the listener stops (ms).
pub const STOP_WAIT_MS_MAX: u64 = 5_000;

/// Tokens that one address of the public listener may spend at once. A request costs one, a call
/// in it what the method costs, an answer what its size costs.
pub const PUBLIC_TOKENS_BURST: u32 = 200;
/// Tokens that come back per second: a follower needs one per block.
pub const PUBLIC_TOKENS_PER_SECOND: u32 = 20;
/// Bytes of an answer that cost one more token: a caller gets 1.3 MB/s in the long run.
pub const PUBLIC_ANSWER_BYTES_PER_TOKEN: usize = 64 << 10;
/// Addresses whose tokens are remembered: 64 bytes each.
pub const PUBLIC_ADDRESSES_MAX: usize = 4096;

/// Blocks in one answer of `chain_getEnvelopes`.
pub const ENVELOPE_BLOCKS_MAX: u32 = 256;
/// Bytes of envelopes after which an answer of `chain_getEnvelopes` ends with the block at hand;
/// with one more block of 1 MiB, in hexadecimal, it stays below [`RESPONSE_BYTES_MAX`]. The same for
/// the envelopes of a page of `mempool_get`.
pub const ENVELOPE_PAGE_BYTES_MAX: usize = 2 << 20;
/// Ids in one answer of `mempool_get`.
pub const MEMPOOL_IDS_MAX: u32 = 10_000;

/// Blocks in one answer of `chain_getSeats`.
pub const SEAT_BLOCKS_MAX: u32 = 256;
/// Bonds or masternodes of all owners that one list looks at: some ten milliseconds of reading.
pub const OWNED_LOOKED_AT_MAX: usize = 1_024;

/// Time that a client waits for a connection (ms).
pub const CONNECT_WAIT_MS_MAX: u64 = 5_000;
/// Time that a client waits for an answer (ms): `dev_generate` of many blocks is the slowest.
pub const CALL_WAIT_MS_MAX: u64 = 60_000;
