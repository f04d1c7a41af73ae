//! One waiting item, and what it is worth.
//!
//! # Invariants
//! A name stands for exact bytes: whoever changes a byte has another item.
//!
//! # Spec
//! docs/spec/06-wire.md §7
//!
//! # Not here
//! Which items wait: [`super::Mempool`].

use chain::{AccountId, Amount, Hash32};
use consensus::envelope::{Admission, CheckedEnvelope};
use consensus::error::ApplyError;
use consensus::transaction::{CheckedTransaction, base_units};
use consensus::transition::Draft;
use consensus::{Rule, StateView, reward};
use store::PendingId;

use super::room::Lane;
use crate::wire::transaction_name;

/// One waiting item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A transaction.
    Transaction(CheckedTransaction),
    /// An envelope.
    Envelope(CheckedEnvelope),
}

impl Item {
    /// Names the exact bytes: what inventories and short ids are made of.
    #[must_use]
    pub fn name(&self) -> Hash32 {
        match self {
            Self::Transaction(tx) => transaction_name(tx.transaction()),
            Self::Envelope(envelope) => Hash32::from_bytes(*envelope.wire_id().as_bytes()),
        }
    }

    /// Encoded bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Transaction(tx) => tx.bytes(),
            Self::Envelope(envelope) => envelope.bytes().as_slice().len(),
        }
    }

    /// Names its row among the durable submissions.
    #[must_use]
    pub fn pending_id(&self) -> PendingId {
        match self {
            Self::Transaction(tx) => PendingId::Transaction(*tx.id()),
            Self::Envelope(envelope) => PendingId::Envelope(*envelope.wire_id()),
        }
    }

    pub(super) fn verified_id(&self) -> &Hash32 {
        match self {
            Self::Transaction(tx) => tx.verified_id(),
            Self::Envelope(envelope) => envelope.verified_id(),
        }
    }

    /// The account and nonce that it uses up.
    pub(super) fn order(&self) -> Option<(AccountId, u64)> {
        match self {
            Self::Transaction(tx) => Some((*tx.sender(), tx.transaction().prefix().nonce)),
            Self::Envelope(envelope) => match envelope.admission() {
                Admission::Clear(payment) => Some((AccountId::from(&payment.payer), payment.nonce)),
                Admission::Free | Admission::Stamp(_) => None,
            },
        }
    }

    /// What it stands for.
    pub(super) fn lane(&self) -> Lane {
        match self {
            Self::Transaction(tx) if tx.stamp().is_some() => Lane::Unpaid,
            Self::Transaction(_) => Lane::Paid,
            Self::Envelope(envelope) => match envelope.admission() {
                Admission::Clear(_) => Lane::Paid,
                Admission::Free | Admission::Stamp(_) => Lane::Unpaid,
            },
        }
    }

    /// What a miner prefers: paid before free, then tips per byte.
    pub(super) fn value(&self) -> u64 {
        match self {
            Self::Transaction(tx) if tx.stamp().is_some() => 0,
            Self::Transaction(tx) => {
                let tip = tx.transaction().prefix().tip.base_units();
                let per_kib = u128::from(tip) * 1024 / (tx.bytes().max(1) as u128);
                u64::try_from(per_kib).unwrap_or(u64::MAX).saturating_add(1)
            }
            Self::Envelope(envelope) => match envelope.admission() {
                Admission::Clear(_) => 1,
                Admission::Free | Admission::Stamp(_) => 0,
            },
        }
    }

    pub(super) fn offer<V: StateView>(&self, draft: &mut Draft<'_, V>) -> Result<(), ApplyError> {
        match self {
            Self::Transaction(tx) => draft.try_transaction(tx),
            Self::Envelope(envelope) => draft.try_envelope(envelope),
        }
    }
    /// What the payer needs at least, if a KiB costs `kib`; nothing if no account could pay it.
    pub(super) fn cost(&self, kib: Amount) -> Result<Option<Amount>, Rule> {
        let tx = match self {
            Self::Transaction(tx) => tx,
            Self::Envelope(envelope) => {
                return Ok(match envelope.admission() {
                    Admission::Clear(payment) => Some(payment.burn),
                    Admission::Free | Admission::Stamp(_) => Some(Amount::ZERO),
                });
            }
        };
        let prefix = tx.transaction().prefix();
        let fee = if tx.stamp().is_some() {
            Amount::ZERO
        } else {
            let (units, max_fee) = (base_units(tx.transaction()), prefix.max_fee);
            let fee = reward::fee(units, kib).filter(|fee| *fee <= max_fee);
            fee.ok_or(Rule::FeeAboveMax {
                units,
                kib,
                max_fee,
            })?
        };
        Ok(fee
            .checked_add(prefix.tip)
            .and_then(|debit| debit.checked_add(tx.outlay())))
    }
}
