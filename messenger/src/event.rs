//! What happened: the answers of the messenger besides change sets.
//!
//! # Spec
//! docs/spec/09-messages.md §11
//!
//! # Not here
//! How events reach a screen: the session.

use crate::error::{Refusal, SendFailure};
use crate::ids::{ConversationId, MessageNumber, MessageRef, WriterChainId};
use crate::lookahead::Wanted;
use crate::view::Delivery;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message is in the log that was not there before.
    Shown {
        /// Where.
        conversation: ConversationId,
        /// Which.
        reference: MessageRef,
        /// How far it has come.
        delivery: Delivery,
    },
    /// A message has come further, or has fallen back after a reorganisation.
    Moved {
        /// Where; nothing for an inbox message that this device sent.
        conversation: Option<ConversationId>,
        /// Which.
        reference: MessageRef,
        /// How far it has come.
        delivery: Delivery,
    },
    /// A message is no longer in the log: another one counts under its one-time key.
    Withdrawn {
        /// Where.
        conversation: ConversationId,
        /// Which.
        reference: MessageRef,
    },
    /// A writer used one number for two messages: the first one in the chain counts.
    WriterForked {
        /// Where.
        conversation: ConversationId,
        /// Whose chain.
        writer: WriterChainId,
        /// Which number.
        number: MessageNumber,
    },
    /// An own message cannot reach the chain; unless it was a chain start, it is written again at
    /// the next [`crate::Messenger::tick`].
    Failed {
        /// Where.
        conversation: ConversationId,
        /// Which.
        reference: MessageRef,
        /// Why.
        reason: SendFailure,
    },
    /// A failed message was written again under a new name.
    Resent {
        /// Where.
        conversation: ConversationId,
        /// The failed one.
        reference: MessageRef,
        /// Its successor.
        replacement: MessageRef,
    },
    /// Somebody writes with this profile's keys: it was copied, or an old copy of it is in use. The
    /// next message begins a new writer chain.
    ProfileCopied {
        /// Where it was noticed.
        conversation: ConversationId,
    },
    /// A conversation is new here, or has more keys than before. Its history may have gone by:
    /// see [`crate::Messenger::unread_history`].
    ConversationFound {
        /// Which.
        conversation: ConversationId,
        /// Index of the root, if the account created it: the next ones may be in use too.
        root_index: Option<u32>,
    },
    /// Somebody invites the account to a conversation.
    Invited {
        /// Names the invitation.
        reference: MessageRef,
        /// Where to show it.
        folder: Folder,
    },
    /// Somebody introduces themself.
    ContactRequested {
        /// Names the request.
        reference: MessageRef,
        /// Where to show it.
        folder: Folder,
    },
    /// An inbox message of a type that this version does not know.
    UnsupportedInbox {
        /// Names it.
        reference: MessageRef,
    },
    /// The account's records changed: contacts, list states, read marks, drafts, devices.
    RecordsChanged,
    /// An envelope that went by is needed after all: put it in again.
    Needed(Wanted),
    /// Something that was addressed to us was not taken.
    Refused {
        /// Why.
        refusal: Refusal,
    },
}

/// Where something from outside is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// The sender is a contact.
    Contacts,
    /// Strangers and anonymous senders.
    Requests,
    /// The sender is blocked: nowhere.
    Blocked,
}
