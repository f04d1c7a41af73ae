//! One user's session: keys, coins, conversations and the log that remembers them, over a node that
//! holds none of it.
//!
//! A [`Session`] is opened with a password, follows the chain of whatever [`rpc::NodeApi`] it is
//! given, and writes every change to the user's vault **before** anything leaves the machine:
//! after a crash the very same bytes are sent again.
//!
//! # Invariants
//! * Secrets live here and in the crates that make them; the node never sees one.
//! * The order is always: change set, vault (synced), network.
//!
//! # Spec
//! docs/spec/16-session.md
//!
//! # Not here
//! Rules (`consensus`), coins (`wallet`), messages (`messenger`), the command line (`cli`).

#![forbid(unsafe_code)]

mod admission;
mod confirmation;
mod conversations;
pub mod error;
mod follow;
mod memory;
mod orders;
mod outgoing;
mod owned;
mod profile;
mod reading;
mod record;
mod scan;
pub mod session;
mod stake;
#[cfg(test)]
mod testing;

pub use confirmation::Stage;
pub use conversations::Granted;
pub use error::SessionError;
pub use orders::Submitted;
pub use owned::Owned;
pub use session::{Opening, Owner, Session};
pub use stake::Reviving;
