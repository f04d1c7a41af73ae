//! One user's session: keys, coins and the log that remembers them, over a node that holds none of
//! it.
//!
//! A [`Session`] is opened with a password, follows the chain of whatever [`rpc::NodeApi`] it is
//! given, and writes every change to the user's vault **before** anything leaves the machine:
//! after a crash the very same bytes are sent again.
//!
//! # Invariants
//! * Secrets live here and in the crates that make them; the node never sees one.
//! * The order is always: change set, vault (synced), own state, network.
//!
//! # Spec
//! docs/spec/08-wallet.md §7-8
//!
//! # Not here
//! Rules (`consensus`), keys (`wallet`), the command line (`cli`).

#![forbid(unsafe_code)]

pub mod error;
mod follow;
mod orders;
mod profile;
mod record;
pub mod session;

pub use error::SessionError;
pub use session::{Opening, Session};
