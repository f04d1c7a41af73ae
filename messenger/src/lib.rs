//! Who said what: conversations, their keys, their messages.
//!
//! # Invariants
//! * No disk, clock, random generator, runtime or socket: time and randomness are arguments, what
//!   must be kept and what happened are results.
//! * The read key opens, the write key signs; neither does the other's work.
//!
//! # Spec
//! docs/spec/09-messages.md
//!
//! # Not here
//! Words, accounts and coins (`wallet`); stamps and rules (`consensus`); the vault (`store`).

#![forbid(unsafe_code)]

mod access;
pub mod capability;
pub mod change_set;
pub mod compose;
mod compression;
pub mod content;
mod context;
pub mod conversation;
pub mod delegation;
pub mod error;
pub mod event;
pub mod ids;
pub mod inbox;
pub mod invite;
pub mod keys;
mod layout;
pub mod log;
pub mod lookahead;
pub mod messenger;
pub mod outbox;
pub mod plaintext;
mod scalar;
mod seal;
pub mod secret;
pub mod self_conversation;
pub mod self_record;
pub mod view;
pub mod writer_chain;
pub mod writing;

#[cfg(test)]
mod vectors;

pub use capability::{Access, Capability};
pub use change_set::ChangeSet;
pub use compose::{RateEpochs, Unauthorised};
pub use event::Event;
pub use ids::{ConversationId, MessageRef};
pub use invite::InviteLink;
pub use messenger::{Beginning, Messenger, NewProfile, Outgoing, Position};
