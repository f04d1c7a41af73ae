//! What a caller sees of conversations and messages.
//!
//! # Invariants
//! A view is a copy: it does not change with the messenger, and holds no key.
//!
//! # Spec
//! docs/spec/09-messages.md §11
//!
//! # Not here
//! JSON: the session.

use chain::envelope::{EnvelopeKind, SizeClass};
use chain::{EnvelopeBytes, Height, PublicKey, Timestamp};

use crate::capability::Access;
use crate::content::Content;
use crate::error::SendFailure;
use crate::ids::{ConversationId, MessageNumber, MessageRef, RefPrefix, WriterChainId};
use crate::inbox::{InboxContent, Sender};
use crate::log::Place;
use crate::plaintext::Attention;

/// How far a message has come. Confirmation and finality follow from the height and are the
/// session's to add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Written, not seen outside yet.
    Queued,
    /// Seen in gossip.
    Delivered,
    /// In a block that counts.
    InBlock(Place),
    /// Will never be in a block under this name.
    Failed(SendFailure),
}

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// The account behind the chain's session key.
    Account(PublicKey),
    /// Some member with the write key.
    SomeWriter,
}

/// Whether a message follows on what its writer wrote before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// The previous message of the chain is here.
    Linked,
    /// It is missing, or its writer followed on another one: the chain has a gap or a fork.
    Broken,
}

/// One conversation in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationView {
    /// Its name on this machine and in commands.
    pub id: ConversationId,
    /// What its owner or inviter called it.
    pub name: String,
    /// What this profile may do there.
    pub access: Access,
    /// Whether the profile holds the root.
    pub is_admin: bool,
    /// Nothing of it is older.
    pub birthday: Height,
}

/// One message in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageView {
    /// Names the message.
    pub reference: MessageRef,
    /// Where it is.
    pub conversation: ConversationId,
    /// Whose chain.
    pub writer: WriterChainId,
    /// Position in that chain.
    pub number: MessageNumber,
    /// Who.
    pub author: Author,
    /// The author's device in their own words.
    pub device: String,
    /// Whether this profile wrote it.
    pub is_own: bool,
    /// The writer's clock.
    pub sent: Timestamp,
    /// Our clock when it was first seen.
    pub received: Timestamp,
    /// How far it has come.
    pub delivery: Delivery,
    /// Whether it asks for attention.
    pub attention: Attention,
    /// Whether its writer's chain is whole up to here.
    pub continuity: Continuity,
    /// The message it answers.
    pub reply_to: Option<Mentioned>,
    /// What it says.
    pub content: Content,
}

/// One message in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxView {
    /// Names it.
    pub reference: MessageRef,
    /// Who.
    pub sender: Sender,
    /// The sender's clock.
    pub sent: Timestamp,
    /// Our clock.
    pub received: Timestamp,
    /// What it says.
    pub content: InboxContent,
}

/// A message that another one mentions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mentioned {
    /// It is in this conversation.
    Here(MessageRef),
    /// It is not here yet, or was never in this conversation.
    Unknown(RefPrefix),
}

/// A message that is not in a block yet, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxItem {
    /// Names the message.
    pub reference: MessageRef,
    /// Where it belongs; nothing for an inbox message.
    pub conversation: Option<ConversationId>,
    /// Kind of its envelope.
    pub kind: EnvelopeKind,
    /// Size class of its envelope.
    pub class: SizeClass,
    /// The next step.
    pub step: Step,
}

/// What to do about a message in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    Wait(Wait),
    /// [`crate::Messenger::seal`] it for the next block's rate epoch, authorise and
    /// [`crate::Messenger::finish`] it. Also when an earlier envelope was not included in time.
    Seal,
    /// Submit these bytes, now or again.
    Send(EnvelopeBytes),
}

/// Why a message waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The chain was not read to its tip since the start of the profile.
    Tip,
    /// A restored profile is silent until a rate epoch in which its last device sent nothing.
    Restored {
        /// First height of that epoch.
        until: Height,
    },
    /// The start of its writer chain was not seen in gossip or a block yet.
    ChainStart,
    /// Readers could miss it: too many earlier messages of its chain were not seen yet.
    EarlierMessages,
}
