//! Own orders on their way into the chain: signed bytes, nonces, states.
//!
//! # Invariants
//! * An order is kept with its finished bytes before anybody sees it; after a crash the very same
//!   bytes are sent again.
//! * Whether an order is in a block is read off the followed chain and never stored, so a
//!   reorganisation needs no bookkeeping.
//! * New orders take the lowest nonce that neither the chain nor a live order has used.
//!
//! # Spec
//! docs/spec/08-wallet.md §5
//!
//! # Not here
//! Making orders: [`crate::plan`], [`crate::build`]. Sending them: `app`.

use chain::codec::{self, SchemaRead, SchemaWrite};
use chain::envelope::ClearPayment;
use chain::{AccountId, Amount, CoreHash, Height, Transaction, TxId};

use crate::change_set::ChangeSet;
use crate::error::DiscardError;
use crate::ledger::Ledger;

/// Orders of one account that may wait at the same time. A file of 64 MiB paid chunk by chunk
/// needs 1,024.
pub const PENDING_ORDERS_MAX: usize = 1_024;

/// Names an own order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub enum OrderId {
    /// A transaction.
    #[wincode(tag = 0)]
    Transaction(TxId),
    /// The payment for the envelope with this content.
    #[wincode(tag = 1)]
    Payment(CoreHash),
}

/// An own order with its finished bytes.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct PendingOrder {
    /// Who ordered.
    pub account: AccountId,
    /// With which nonce.
    pub nonce: u64,
    /// The most that it can take from the account.
    pub reserve: Amount,
    /// Height of the followed tip when it was made.
    pub made_at: Height,
    /// What was signed.
    pub signed: SignedOrder,
}

/// What was signed.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub enum SignedOrder {
    /// A transaction.
    #[wincode(tag = 0)]
    Transaction(Transaction),
    /// A payment that belongs into an envelope's auth block.
    #[wincode(tag = 1)]
    Payment(ClearPayment),
}

impl SignedOrder {
    /// The bytes to send, or to put into the envelope.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Transaction(transaction) => codec::encode(transaction),
            Self::Payment(payment) => codec::encode(payment),
        }
    }
}

/// Where an own order stands, as far as the followed chain tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderState {
    /// It can be included next, or after the account's other pending orders.
    Pending,
    /// An order before it is missing: nobody includes it until that nonce is filled.
    Waiting {
        /// The missing nonce; the next order that is planned takes it.
        missing: u64,
    },
    /// Another order took its nonce on the chain; it comes back only by a reorganisation.
    Superseded,
    /// In a block of the followed chain.
    InBlock {
        /// Height of the block.
        height: Height,
    },
}

impl Ledger {
    /// Own orders that are remembered, by account and nonce, with their states.
    #[must_use]
    pub fn orders(&self) -> Vec<(OrderId, &PendingOrder, OrderState)> {
        let mut orders: Vec<_> = self
            .orders
            .iter()
            .map(|(id, order)| (*id, order, self.state_of(id, order)))
            .collect();
        orders.sort_by_key(|(id, order, _)| (order.account, order.nonce, *id));
        orders
    }

    /// An own order and its state.
    #[must_use]
    pub fn order(&self, id: &OrderId) -> Option<(&PendingOrder, OrderState)> {
        self.orders
            .get(id)
            .map(|order| (order, self.state_of(id, order)))
    }

    /// The lowest nonce that neither the chain nor a live order has used.
    #[must_use]
    pub fn next_nonce(&self, account: &AccountId) -> u64 {
        let mut next = self.chain_nonce(account);
        let mut taken: Vec<u64> = self.live_orders(account).map(|order| order.nonce).collect();
        taken.sort_unstable();
        for nonce in taken {
            if nonce == next {
                next = next.saturating_add(1);
            }
        }
        next
    }

    /// Gives an order up: its nonce is free again. For orders that the network refused or that
    /// expired; one that was sent may still be included by somebody who kept it, and then the
    /// nonce is gone again.
    ///
    /// # Errors
    /// [`DiscardError`].
    pub fn discard_order(&self, id: &OrderId) -> Result<ChangeSet, DiscardError> {
        if let Some(&height) = self.included.get(id) {
            return Err(DiscardError::InBlock { height });
        }
        if !self.orders.contains_key(id) {
            return Err(DiscardError::Unknown);
        }
        let mut changes = ChangeSet::default();
        changes.orders.insert(*id, None);
        Ok(changes)
    }

    /// Orders of `account` that are in no block and whose nonce is still to come.
    pub(crate) fn live_orders(&self, account: &AccountId) -> impl Iterator<Item = &PendingOrder> {
        let (account, chain_nonce) = (*account, self.chain_nonce(account));
        self.orders
            .iter()
            .filter(move |(id, order)| {
                order.account == account
                    && order.nonce >= chain_nonce
                    && !self.included.contains_key(id)
            })
            .map(|(_, order)| order)
    }

    pub(crate) fn state_of(&self, id: &OrderId, order: &PendingOrder) -> OrderState {
        if let Some(&height) = self.included.get(id) {
            return OrderState::InBlock { height };
        }
        if order.nonce < self.chain_nonce(&order.account) {
            return OrderState::Superseded;
        }
        let missing = self.next_nonce(&order.account);
        if missing < order.nonce {
            OrderState::Waiting { missing }
        } else {
            OrderState::Pending
        }
    }
}
