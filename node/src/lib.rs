//! The full node: takes blocks and messages from peers and users, follows the best chain, and
//! answers questions about it.
//!
//! The heart is a state machine without sockets, clocks or threads: [`protocol::Node`] over
//! [`engine::Engine`], [`mempool::Mempool`], [`sync::Sync`] and [`peers::PeerBook`]. The shell
//! around it is [`service`]: one thread, the network, the RPC.
//!
//! # Invariants
//! * A full node holds no user's secrets: it knows neither wallet nor messenger. Keys that vote and
//!   sign checkpoints are its own, and hold no coins.
//! * Blocks enter through the engine, whoever brings them; there is no third door.
//! * The state machine is deterministic: what happened, the time and the storage come in.
//!
//! # Spec
//! docs/spec/06-wire.md, docs/spec/12-fork-choice.md
//!
//! # Not here
//! Rules (`consensus`), tables (`store`), transports (`network`), shapes of answers (`rpc`).

#![forbid(unsafe_code)]

mod api;
pub mod clock;
mod disk;
pub mod engine;
pub mod key_file;
pub mod ledger;
pub mod mempool;
pub mod peers;
pub mod protocol;
pub mod relay;
pub mod service;
pub mod sync;
pub mod voter;
pub mod votes;
pub mod wire;

pub use clock::Clock;
pub use key_file::{KeyFile, KeyFileError};
pub use service::{Config, EndError, RunningNode, StartError, start};
