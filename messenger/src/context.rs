//! Every context and signature tag that a conversation is derived under, on one screen.
//!
//! # Invariants
//! A text occurs once. Two derivations never share a context, so no key of one purpose is worth
//! anything for another.
//!
//! # Spec
//! docs/spec/09-messages.md §1
//!
//! # Not here
//! Contexts of consensus data (`chain::hash::context`), of words, accounts and roots (`wallet`).

use chain::hash::Context;

/// Administrator scalar of a conversation, from its root.
pub(crate) static ADMIN: Context = Context::new("ChainChat v1 conv admin");
/// Name of a conversation, from its administrator key.
pub(crate) static CONVERSATION_ID: Context = Context::new("ChainChat v1 conv id");
/// Read key of a key epoch, from the root.
pub(crate) static READ: Context = Context::new("ChainChat v1 conv read");
/// Write key of a key epoch, from the root.
pub(crate) static WRITE: Context = Context::new("ChainChat v1 conv write");
/// Signing scalar of all writers, from the write key.
pub(crate) static SIGN: Context = Context::new("ChainChat v1 conv sign");
/// Decapsulation key of public-write conversations, from the read key.
pub(crate) static DECAPSULATION: Context = Context::new("ChainChat v1 conv xwing");
/// Commitment to the read key, from its encapsulation key.
pub(crate) static READ_COMMITMENT: Context = Context::new("ChainChat v1 read commit");
/// Parent of all slot keys, from the read key.
pub(crate) static SLOTS: Context = Context::new("ChainChat v1 conv slots");
/// Key of one slot.
pub(crate) static SLOT: Context = Context::new("ChainChat v1 slot");

/// First key of a writer chain.
pub(crate) static CHAIN: Context = Context::new("ChainChat v1 chain");
/// Next key of a writer chain.
pub(crate) static RATCHET: Context = Context::new("ChainChat v1 ratchet");
/// Detection secret of one message.
pub(crate) static TAG: Context = Context::new("ChainChat v1 tag");
/// Scalar that turns the writers' key into a one-time key.
pub(crate) static TWEAK: Context = Context::new("ChainChat v1 tweak");
/// Key of the synthetic nonce.
pub(crate) static SIV: Context = Context::new("ChainChat v1 siv");
/// Key and nonce of one sealing.
pub(crate) static AEAD: Context = Context::new("ChainChat v1 aead");
/// Name of a message.
pub(crate) static REFERENCE: Context = Context::new("ChainChat v1 ref");
/// Sealing key of an inbox envelope, from the shared secret.
pub(crate) static INBOX: Context = Context::new("ChainChat v1 inbox");

/// The administrator's statement about the keys of a key epoch.
pub(crate) const TAG_EPOCH: &str = "ChainChat/epoch/v1";
/// The sender's statement inside an inbox envelope.
pub(crate) const TAG_INBOX: &str = "ChainChat/inbox/v1";
/// The account's statement that a session key speaks for it.
pub(crate) const TAG_DELEGATION: &str = "ChainChat/delegation/v1";
/// The session key's statement that a writer chain is its own.
pub(crate) const TAG_AUTHOR: &str = "ChainChat/author/v1";

#[cfg(test)]
mod tests {
    #[test]
    fn every_context_occurs_once() {
        let source = include_str!("context.rs");
        let mut texts: Vec<&str> = source
            .lines()
            .filter(|line| line.starts_with("pub(crate) "))
            .filter_map(|line| line.split('"').nth(1))
            .collect();
        let total = texts.len();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(total, 21);
        assert_eq!(texts.len(), total);
    }
}
