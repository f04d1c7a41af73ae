//! What can be wrong: with what others send us, and with what we are asked to do.
//!
//! # Invariants
//! * [`Refusal`] is the sender's fault and never stops the reader; the other errors are answers to
//!   our own caller.
//! * Messages are lower-case and carry no text, no key and no name of a conversation.
//!
//! # Spec
//! docs/spec/09-messages.md §11
//!
//! # Not here
//! Rules of consensus about envelopes: `consensus::error`.

use chain::Height;
use thiserror::Error;

use crate::delegation::Scope;
use crate::view::Wait;

/// Why bytes are not the layout asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The bytes end inside a field.
    #[error("the bytes end inside a field")]
    TooShort,
    /// Bytes follow the last field.
    #[error("bytes follow the last field")]
    TrailingBytes,
    /// The padding is not zeros.
    #[error("the padding holds something else than zeros")]
    NonZeroPadding,
    /// A text is not UTF-8.
    #[error("a text is not utf-8")]
    NotUtf8,
    /// A text holds a control character.
    #[error("a text holds a control character other than line feed and tab")]
    ControlCharacter,
    /// A text does not fit its length field.
    #[error("a text of {found} bytes where at most {max} fit")]
    TextTooLong {
        /// Bytes of the text.
        found: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// A message does not fit the largest size class.
    #[error("a message of {found} bytes where at most {max} fit")]
    BodyTooLong {
        /// Bytes of the message.
        found: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// A list has more entries than its limit.
    #[error("{found} entries where at most {max} are allowed")]
    TooMany {
        /// Entries found.
        found: usize,
        /// Entries allowed.
        max: usize,
    },
    /// A number stands for nothing.
    #[error("{found} is no known value of {field}")]
    UnknownValue {
        /// Which field.
        field: &'static str,
        /// What it holds.
        found: u32,
    },
    /// A mention does not mark a part of the text.
    #[error("a mention does not mark a part of the text")]
    MentionOutside,
}

/// Why a capability is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CapabilityError {
    /// No bytes.
    #[error("an empty capability")]
    Empty,
    /// Kind byte.
    #[error("capability kind {found} is not known")]
    UnknownKind {
        /// Kind found.
        found: u8,
    },
    /// The length is not the kind's.
    #[error("a capability of {found} bytes, expected {expected}")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes of the kind.
        expected: usize,
    },
    /// The administrator did not sign these keys for this chain.
    #[error("the conversation's administrator did not certify these keys on this chain")]
    ForgedCertificate,
    /// The layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// Why a delegation is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DelegationError {
    /// Layout version.
    #[error("delegation version {found} is not known")]
    Version {
        /// Version found.
        found: u8,
    },
    /// Made for another chain.
    #[error("the delegation belongs to another chain")]
    OtherChain,
    /// A scope bit that does not exist.
    #[error("delegation scope {found:#06x} has unknown bits")]
    UnknownScope {
        /// Bits found.
        found: u16,
    },
    /// The account did not sign it.
    #[error("the account did not sign the delegation")]
    Forged,
    /// Used outside its time.
    #[error("used at height {height}, the delegation holds from {not_before} to {not_after}")]
    Expired {
        /// Height of the use.
        height: Height,
        /// First height.
        not_before: u32,
        /// Last height.
        not_after: u32,
    },
    /// Used for something that it does not cover.
    #[error("the delegation covers {found:?}, needed is {needed:?}")]
    OutOfScope {
        /// What it covers.
        found: Scope,
        /// What the use needs.
        needed: Scope,
    },
    /// Used in another conversation than its own.
    #[error("the delegation is bound to another conversation")]
    Elsewhere,
    /// The layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// Why something that was addressed to us is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The envelope names another chain.
    #[error("the envelope belongs to another chain")]
    OtherChain,
    /// The one-time key did not sign the envelope.
    #[error("the one-time key did not sign the envelope")]
    Forged,
    /// The seal does not open under our key.
    #[error("the envelope is not sealed under the key it was found by")]
    NotSealedForUs,
    /// The salt does not follow from the plaintext.
    #[error("the salt does not follow from the plaintext")]
    SaltMismatch,
    /// The layout of the plaintext.
    #[error("malformed plaintext: {0}")]
    Layout(#[from] LayoutError),
    /// A flag that does not exist.
    #[error("flags {found:#04x} are not known")]
    UnknownFlags {
        /// Flags found.
        found: u8,
    },
    /// A compressed body breaks a limit or the format.
    #[error("compressed body: {reason}")]
    Compression {
        /// What is wrong.
        reason: &'static str,
    },
    /// A chain start in the middle, or something else at the start, or a start of the wrong size.
    #[error("a chain start is out of place")]
    MisplacedStart,
    /// The announced key is not a key.
    #[error("the announced key is not on the curve")]
    AnnouncedOffCurve,
    /// The delegation behind an author or a sender.
    #[error("delegation: {0}")]
    Delegation(#[from] DelegationError),
    /// The session key did not sign for this chain at this place.
    #[error("the author's signature is not for this writer chain")]
    ForgedAuthor,
    /// The sender of an inbox envelope did not sign it.
    #[error("the sender's signature is not for this inbox envelope")]
    ForgedSender,
    /// The capability in an invitation.
    #[error("capability: {0}")]
    Capability(#[from] CapabilityError),
    /// More different messages under one one-time key, or more chains in a conversation, than are
    /// kept.
    #[error("more than {max} {what} are not kept")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are kept.
        max: usize,
    },
}

/// Why a message cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// No such conversation.
    #[error("no such conversation in this profile")]
    UnknownConversation,
    /// Only the read key is here.
    #[error("this profile may only read the conversation; ask a member for write access")]
    ReadOnly,
    /// Another device of the account began a conversation from the same root at the same time.
    #[error(
        "another device of this account began a conversation with the same keys at the same time; begin a new one"
    )]
    RootLost,
    /// Only the write key is here.
    #[error("this profile may only write to the conversation; ask a member for read access")]
    WriteOnly,
    /// A text without a character.
    #[error("an empty text is not sent")]
    EmptyText,
    /// The message does not fit.
    #[error("the message does not fit: {0}")]
    Layout(#[from] LayoutError),
    /// No slot is free.
    #[error("all {max} slots of the conversation are taken")]
    NoFreeSlot {
        /// How many slots there are.
        max: u32,
    },
    /// The chain is full or retired, and its start is not in a block yet.
    #[error("the next writer chain begins when the start of the last one is in a block")]
    StartNotInBlock,
    /// The message to answer is not in the conversation.
    #[error("no such message in this conversation")]
    UnknownMessage,
    /// The recipient's inbox key is not an X-Wing key.
    #[error("the recipient's account record holds no usable inbox key")]
    BadInboxKey,
    /// The device was not given a session key and delegation with the scope that this needs.
    #[error("this device has no valid delegation of the account for that")]
    NoDelegation,
    /// The recipient's record is not signed by the recipient.
    #[error("the recipient's account record is forged")]
    ForgedRecord,
    /// The message is not to be sealed now.
    #[error("the message waits: {0:?}")]
    Waits(Wait),
    /// The outbox is full.
    #[error("{max} messages wait to be sent; wait until some are in a block")]
    OutboxFull {
        /// How many may wait.
        max: usize,
    },
}

/// Why a conversation is not joined.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The capability.
    #[error("capability: {0}")]
    Capability(#[from] CapabilityError),
    /// The link.
    #[error("invite link: {0}")]
    Link(#[from] InviteLinkError),
    /// No such invitation.
    #[error("no such invitation in this profile")]
    UnknownInvitation,
    /// The account already has a conversation from this root.
    #[error("root {index} already belongs to a conversation; take the next one")]
    RootInUse {
        /// Index of the root.
        index: u32,
    },
    /// The name holds a control character, or more than 255 bytes.
    #[error("the conversation's name: {0}")]
    Name(#[from] LayoutError),
    /// A conversation without a name cannot be found again.
    #[error("a conversation needs a name")]
    EmptyName,
    /// A restored profile does not know yet what its account created elsewhere.
    #[error("a restored profile begins nothing before the next rate epoch; wait some minutes")]
    Restored,
    /// Keys of another key epoch than the one that the profile knows.
    #[error("the keys are of another key epoch than those already here")]
    OtherEpoch,
    /// Too many conversations.
    #[error("the profile already holds {max} conversations")]
    TooMany {
        /// How many it may hold.
        max: usize,
    },
}

/// Why a text is no invite link.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InviteLinkError {
    /// Another kind of text.
    #[error("an invite link begins with x3c:invite/1#")]
    Prefix,
    /// Longer than any link.
    #[error("a link of {found} characters where at most {max} are allowed")]
    TooLong {
        /// Characters found.
        found: usize,
        /// Characters allowed.
        max: usize,
    },
    /// Not base64url.
    #[error("the part after # is not base64url")]
    Encoding,
    /// Mistyped or cut.
    #[error("the checksum is wrong: the link was cut or mistyped")]
    Checksum,
    /// The layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The capability.
    #[error(transparent)]
    Capability(#[from] CapabilityError),
}

/// Why a stored profile is not opened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A record of a later or damaged layout.
    #[error("change set version {found} is not known")]
    Version {
        /// Version found.
        found: u8,
    },
    /// The codec's words.
    #[error(transparent)]
    Codec(#[from] chain::CodecError),
    /// The log does not begin with an account.
    #[error("the first record of a profile must name its account")]
    NoAccount,
    /// A record that contradicts the ones before it.
    #[error("damaged profile: {reason}")]
    Damaged {
        /// What is wrong.
        reason: &'static str,
    },
}

/// Why a message is not in the log any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendFailure {
    /// Somebody else used our one-time key: two devices met in one slot, or the profile was copied.
    #[error("chain_conflict")]
    ChainConflict,
}
