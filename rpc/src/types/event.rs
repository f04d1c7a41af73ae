//! What subscribers are told.
//!
//! # Invariants
//! Every event has a size that the queue of a subscriber is charged with.
//!
//! # Spec
//! docs/spec/07-rpc.md §4
//!
//! # Not here
//! Queues and the reasons they end: [`crate::subscription`].

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use chain::{BlockId, MessageId, WireId};

use super::{CheckpointPoint, Hex, RawHex, Template};
use crate::schema::{Described, SchemaBook, answers};
use crate::subscription::Queued;

answers! {
    /// A new end of the best chain.
    Head {
        /// Height.
        height: u64,
        /// Block id.
        id: Hex<BlockId>,
        /// Id of the block before.
        parent: Hex<BlockId>,
        /// The header's time (ms since 1970).
        time_ms: u64,
        /// Height of the last block that this chain shares with the one announced before; below
        /// `height - 1` several blocks came at once or blocks were disconnected.
        fork_height: u64,
    }

    /// An envelope that entered the mempool.
    PendingEnvelope {
        /// Message id (`mid`).
        id: Hex<MessageId>,
        /// Id of the exact bytes (`wid`).
        wid: Hex<WireId>,
        /// The encoded envelope.
        raw: RawHex,
    }

    /// The envelopes of a block, by name.
    BlockEnvelopes {
        /// Height.
        height: u64,
        /// Block id.
        block: Hex<BlockId>,
        /// The header's time (ms since 1970).
        time_ms: u64,
        /// In their order.
        envelopes: Vec<IncludedEnvelope>,
    }

    /// An envelope in a block; `chain_getEnvelopes` has its bytes.
    IncludedEnvelope {
        /// Message id (`mid`).
        id: Hex<MessageId>,
        /// Id of the exact bytes (`wid`).
        wid: Hex<WireId>,
    }
}

answers! {
    /// What this node counts for a block.
    SeatNews {
        /// Height.
        height: u64,
        /// Block id.
        block: Hex<BlockId>,
        /// Seats that count for it now.
        seats: u32,
        /// Whether it is in the best chain now.
        best_chain: bool,
    }
}

/// What happened to confirmation and finality.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum FinalityEvent {
    /// A block of the best chain has enough seats.
    #[serde(rename = "confirmed")]
    Confirmed(SeatNews),
    /// It no longer has, or is no longer in the best chain.
    #[serde(rename = "unconfirmed")]
    Unconfirmed(SeatNews),
    /// A higher checkpoint is justified.
    #[serde(rename = "justified")]
    Justified(CheckpointPoint),
    /// A higher checkpoint is final, with all blocks below it.
    #[serde(rename = "finalized")]
    Finalized(CheckpointPoint),
}

/// The schema `content` with the word `event` beside its members.
fn tagged(word: &str, content: Value) -> Value {
    let tag = json!({
        "type": "object",
        "required": ["event"],
        "properties": { "event": { "const": word } },
    });
    json!({ "allOf": [tag, content] })
}

impl Described for FinalityEvent {
    fn schema(book: &mut SchemaBook) -> Value {
        book.refer("FinalityEvent", |book| {
            let confirmed = tagged("confirmed", SeatNews::schema(book));
            let unconfirmed = tagged("unconfirmed", SeatNews::schema(book));
            let justified = tagged("justified", CheckpointPoint::schema(book));
            let finalized = tagged("finalized", CheckpointPoint::schema(book));
            json!({
                "description": "What happened to confirmation and finality.",
                "oneOf": [confirmed, unconfirmed, justified, finalized],
            })
        })
    }
}

impl Queued for FinalityEvent {
    fn queued_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// What happened to envelopes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum EnvelopeEvent {
    /// One entered the mempool.
    #[serde(rename = "pending")]
    Pending(PendingEnvelope),
    /// A block joined the best chain.
    #[serde(rename = "in_block")]
    InBlock(BlockEnvelopes),
    /// A block left the best chain; its envelopes wait again.
    #[serde(rename = "disconnected")]
    Disconnected(BlockEnvelopes),
}

impl Described for EnvelopeEvent {
    fn schema(book: &mut SchemaBook) -> Value {
        book.refer("EnvelopeEvent", |book| {
            let pending = tagged("pending", PendingEnvelope::schema(book));
            let in_block = tagged("in_block", BlockEnvelopes::schema(book));
            let disconnected = tagged("disconnected", BlockEnvelopes::schema(book));
            json!({
                "description": "What happened to envelopes.",
                "oneOf": [pending, in_block, disconnected],
            })
        })
    }
}

impl Queued for Head {
    fn queued_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl Queued for EnvelopeEvent {
    fn queued_bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Pending(pending) => pending.raw.as_str().len(),
                Self::InBlock(block) | Self::Disconnected(block) => {
                    size_of_val(block.envelopes.as_slice())
                }
            }
    }
}

impl Queued for Template {
    fn queued_bytes(&self) -> usize {
        size_of::<Self>() + self.job.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_names_what_happened_beside_its_content() {
        let id = Hex(MessageId::from_bytes([1; 32]));
        let wid = Hex(WireId::from_bytes([2; 32]));
        let pending = PendingEnvelope {
            id,
            wid,
            raw: RawHex::new(&[3]),
        };
        let event = EnvelopeEvent::Pending(pending);
        let value = serde_json::to_value(&event).expect("an object");
        assert_eq!(
            (&value["event"], &value["raw"]),
            (&json!("pending"), &json!("03"))
        );
        assert_eq!(
            serde_json::from_value::<EnvelopeEvent>(value).ok(),
            Some(event)
        );
    }

    #[test]
    fn an_event_is_charged_for_what_it_carries() {
        let id = Hex(MessageId::from_bytes([1; 32]));
        let wid = Hex(WireId::from_bytes([2; 32]));
        let pending = |raw: &[u8]| {
            EnvelopeEvent::Pending(PendingEnvelope {
                id,
                wid,
                raw: RawHex::new(raw),
            })
        };
        assert_eq!(
            pending(&[0; 9]).queued_bytes(),
            pending(&[]).queued_bytes() + 18
        );
    }
}
