//! Who said what: conversations, their keys, their messages.
//!
//! ```
//! use chain::{ChainId, Height, PublicKey, Timestamp, envelope::Auth};
//! use messenger::keys::ConversationRoot;
//! use messenger::{Beginning, Messenger, NewProfile, Outgoing, RateEpochs};
//! # use rand_core::SeedableRng;
//! # let mut rng = rand_chacha::ChaCha20Rng::from_seed([1; 32]);
//! # let (chain, now) = (ChainId::default(), Timestamp::new(0));
//! # let profile = NewProfile {
//! #     account: PublicKey::default(),
//! #     self_root: ConversationRoot::from_bytes([2; 32]),
//! #     device: "desk".to_owned(),
//! #     beginning: Beginning::NewAccount,
//! # };
//! # let rates = RateEpochs { blocks: 300, grace_blocks: 60 };
//! let (mut messenger, mut stored) = Messenger::create(&profile, chain, rates, &mut rng);
//! stored.merge(messenger.set_at_tip(Height::new(7)));
//! let root = ConversationRoot::from_bytes([3; 32]);
//! let (home, changes) = messenger.create_conversation(0, &root, "home", &mut rng)?;
//! stored.merge(changes);
//! let text = Outgoing::Text("hello".into());
//! let (_, _, changes) = messenger.send(&home, &text, Default::default(), now, &mut rng)?;
//! stored.merge(changes);
//! let first = messenger.outbox().remove(0);
//! let sealed = messenger.seal(&first.reference)?;
//! let (bytes, changes) = messenger.finish(sealed, Auth::None, &[0; 32])?;
//! stored.merge(changes);
//! // Now `stored` goes to disk, and only then `bytes` to the network.
//! assert!(bytes.parse()?.is_signed(&chain));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
