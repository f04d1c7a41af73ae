//! What the indexes need to know about a body, worked out once per block.
//!
//! # Invariants
//! Lists are in the order of the body; positions are indexes into them.
//!
//! # Spec
//! docs/spec/13-storage.md §3
//!
//! # Not here
//! Whether any of it is valid: `consensus` has checked it before it comes here.

use chain::hash::{MessageId, TxId, WireId};
use chain::units::RateEpoch;
use chain::{Body, Envelope, EnvelopeBytes, PublicKey, Transaction};
use consensus::AppliedBlock;

use crate::error::StoreError;

/// A row of the seen table.
pub(crate) type SeenRow = (RateEpoch, PublicKey);

/// Names of what a body holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// Ids of the transactions.
    pub transactions: Vec<TxId>,
    /// Wire ids of the envelopes.
    pub envelopes: Vec<WireId>,
    /// Message ids of the envelopes: what the index names them by.
    pub messages: Vec<MessageId>,
    /// Rate epoch and one-time key of each envelope.
    pub seen: Vec<SeenRow>,
}

impl Contents {
    /// Of a body, every envelope of which must be one.
    pub(crate) fn of(body: &Body) -> Result<Self, StoreError> {
        let transactions = body.transactions.iter().map(Transaction::id).collect();
        let mut contents = Self {
            transactions,
            ..Self::default()
        };
        for bytes in &body.envelopes {
            let envelope = parse(bytes)?;
            contents.envelopes.push(envelope.wid());
            contents.messages.push(envelope.mid());
            contents
                .seen
                .push((envelope.rate_epoch, envelope.one_time_key));
        }
        Ok(contents)
    }

    /// Of a block that was applied, whose names are known already.
    pub(crate) fn of_applied(applied: &AppliedBlock) -> Result<Self, StoreError> {
        Ok(Self {
            transactions: applied.transaction_ids().to_vec(),
            envelopes: applied.wire_ids().to_vec(),
            messages: applied.message_ids().to_vec(),
            seen: seen_rows(&applied.block().body)?,
        })
    }
}

/// Rate epoch and one-time key of each envelope of a body.
pub(crate) fn seen_rows(body: &Body) -> Result<Vec<SeenRow>, StoreError> {
    let row = |bytes| parse(bytes).map(|envelope| (envelope.rate_epoch, envelope.one_time_key));
    body.envelopes.iter().map(row).collect()
}

fn parse(bytes: &EnvelopeBytes) -> Result<Envelope, StoreError> {
    bytes
        .parse()
        .map_err(|error| StoreError::damaged(format!("an envelope of a body: {error}")))
}

/// Index of a thing in its list.
pub(crate) fn position(index: usize) -> Result<u16, StoreError> {
    u16::try_from(index).map_err(|_| StoreError::Inconsistent {
        what: "a body of more than 65,536 things",
    })
}
