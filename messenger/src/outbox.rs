//! The outbox: messages of this device until they are deep in the chain.
//!
//! # Invariants
//! * A row's plaintext never changes; only what was recorded is sealed.
//! * Every finished envelope of a row is remembered by its `wid`: an envelope under our one-time key
//!   with another `wid` is somebody else's.
//!
//! # Spec
//! docs/spec/09-messages.md §9
//!
//! # Not here
//! What a row waits for: [`crate::messenger`].

use std::collections::{BTreeMap, BTreeSet};

use chain::envelope::{EnvelopeKind, SizeClass};
use chain::units::RateEpoch;
use chain::{EnvelopeBytes, WireId};

use crate::ids::{ConversationId, MessageNumber, MessageRef, WriterChainId};
use crate::inbox::InboxDraft;
use crate::log::Sightings;
use crate::plaintext::EncodedPlaintext;

/// Messages that may wait to be in a block.
pub const OUTBOX_MAX: usize = 4096;
/// Depth at which a message cannot come back (blocks): the node keeps undo records no longer.
pub(crate) const SETTLED_BLOCKS: u64 = 8192;

/// One message of this device.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) payload: Payload,
    pub(crate) sealed: Option<SealedEnvelope>,
    pub(crate) wires: BTreeSet<WireId>,
}

/// The finished form that is sent, and sent again.
#[derive(Clone, Debug)]
pub(crate) struct SealedEnvelope {
    pub(crate) bytes: EnvelopeBytes,
    pub(crate) rate_epoch: RateEpoch,
}

/// What a row carries.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    /// A message of an own writer chain.
    Chain {
        conversation: ConversationId,
        writer: WriterChainId,
        number: MessageNumber,
        encoded: EncodedPlaintext,
    },
    /// A message to somebody's inbox.
    Inbox {
        draft: InboxDraft,
        sightings: Sightings,
    },
}

impl Row {
    pub(crate) const fn new(payload: Payload) -> Self {
        Self {
            payload,
            sealed: None,
            wires: BTreeSet::new(),
        }
    }

    pub(crate) const fn kind(&self) -> EnvelopeKind {
        match self.payload {
            Payload::Chain { .. } => EnvelopeKind::Message,
            Payload::Inbox { .. } => EnvelopeKind::Inbox,
        }
    }

    pub(crate) const fn class(&self) -> SizeClass {
        match &self.payload {
            Payload::Chain { encoded, .. } => encoded.class,
            Payload::Inbox { draft, .. } => draft.plaintext.class,
        }
    }

    pub(crate) const fn conversation(&self) -> Option<ConversationId> {
        match self.payload {
            Payload::Chain { conversation, .. } => Some(conversation),
            Payload::Inbox { .. } => None,
        }
    }

    /// Sorts rows by conversation and place in the chain; inbox messages come first.
    pub(crate) const fn order(&self) -> Option<(ConversationId, WriterChainId, MessageNumber)> {
        match self.payload {
            Payload::Chain {
                conversation,
                writer,
                number,
                ..
            } => Some((conversation, writer, number)),
            Payload::Inbox { .. } => None,
        }
    }

    /// Whether it belongs to a writer chain.
    pub(crate) fn is_in(&self, chain: &WriterChainId) -> bool {
        matches!(&self.payload, Payload::Chain { writer, .. } if writer == chain)
    }

    /// Whether it is a certain message of a writer chain.
    pub(crate) fn is_at(&self, chain: &WriterChainId, position: MessageNumber) -> bool {
        self.is_in(chain)
            && matches!(self.payload, Payload::Chain { number, .. } if number == position)
    }

    /// Takes a finished envelope; the newest one is the one that is sent.
    pub(crate) fn finish(&mut self, bytes: EnvelopeBytes) {
        if let Ok(envelope) = bytes.parse() {
            self.wires.insert(envelope.wid());
            self.sealed = Some(SealedEnvelope {
                bytes,
                rate_epoch: envelope.rate_epoch,
            });
        }
    }
}

/// All rows by message.
pub(crate) type Outbox = BTreeMap<MessageRef, Row>;
