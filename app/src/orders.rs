//! Payments: planned, signed, written down, sent; and sent again until a block holds them.
//!
//! # Invariants
//! The finished bytes are in the vault before the node sees them; a retry sends the same bytes.
//!
//! # Spec
//! docs/spec/08-wallet.md §5
//!
//! # Not here
//! Fees and nonces: `wallet::plan`.

use std::collections::BTreeSet;

use chain::transaction::{Order, Output};
use chain::{Address, Amount, Transaction, TxId};
use rand_core::CryptoRng;
use rpc::types::{Acknowledgement, AddressText, GetAccount, RawHex, Submit};
use rpc::{ErrorCode, NodeApi};
use wallet::order::{OrderId, OrderState, SignedOrder};
use wallet::plan::TransferRequest;

use crate::admission::is_stamp_alive;
use crate::error::SessionError;
use crate::session::Session;

/// What became of an order that is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// The node has it.
    Delivered(TxId),
    /// No node has taken it yet; the next [`Session::sync`] sends it. Ordering again would pay twice.
    Queued(TxId),
}

impl Submitted {
    /// Names the order.
    #[must_use]
    pub const fn id(&self) -> &TxId {
        match self {
            Self::Delivered(id) | Self::Queued(id) => id,
        }
    }
}

impl Session {
    /// Sends coins. The session must be at the node's tip ([`Session::sync`]).
    ///
    /// # Errors
    /// [`SessionError::Plan`] before anything is signed; [`SessionError::Node`] if the node refuses
    /// or is gone: the order is written down then and sent again by the next sync.
    pub async fn send(
        &mut self,
        node: &dyn NodeApi,
        to: &Address,
        amount: Amount,
        rng: &mut impl CryptoRng,
    ) -> Result<Submitted, SessionError> {
        self.check_at_tip()?;
        let recipient = to
            .account_on(self.network())
            .map_err(|error| rpc::RpcFailure::unknown("bad_address", error.to_string()))?;
        let price_per_kib = node.chain_get_supply().await?.price_per_kib.0;
        let known = node
            .chain_get_account(GetAccount {
                address: AddressText::from(*to),
            })
            .await?;
        let exists = known.balance.0 > Amount::ZERO || known.nonce > 0;
        let request = TransferRequest {
            from: self.account(),
            outputs: vec![Output {
                to: recipient,
                amount,
            }],
            tip: Amount::ZERO,
            price_per_kib,
            existing: if exists {
                BTreeSet::from([recipient])
            } else {
                BTreeSet::new()
            },
        };
        let plan = self.ledger.plan_transfer(&request)?;
        let (transaction, changes) = self.ledger.build_transfer(&plan, &self.identity, rng)?;
        self.note_wallet(changes);
        self.submit_order(node, &transaction, rng).await
    }

    /// Gives up an own order that is in no block: its coins and its nonce are free again. Somebody
    /// who kept it may still include it until another order takes the nonce.
    ///
    /// # Errors
    /// [`SessionError::Discard`].
    pub fn discard(&mut self, id: &TxId, rng: &mut impl CryptoRng) -> Result<(), SessionError> {
        let changes = self.ledger.discard_order(&OrderId::Transaction(*id))?;
        self.note_wallet(changes);
        self.save(rng)
    }

    /// Writes a signed transaction down, then sends it; gives it up if the node refuses it for
    /// good.
    pub(crate) async fn submit_order(
        &mut self,
        node: &dyn NodeApi,
        transaction: &Transaction,
        rng: &mut impl CryptoRng,
    ) -> Result<Submitted, SessionError> {
        self.save(rng)?;
        let id = transaction.id();
        match submit(node, transaction).await {
            Ok(()) => Ok(Submitted::Delivered(id)),
            Err(error) if self.give_up_if_refused(&id, &error, rng)? => Err(error),
            // It is written down: told to try again, the user would pay twice.
            Err(SessionError::Node(_)) => Ok(Submitted::Queued(id)),
            Err(error) => Err(error),
        }
    }

    /// Where an own transaction stands.
    #[must_use]
    pub fn order_state(&self, id: &TxId) -> Option<OrderState> {
        self.ledger
            .order(&OrderId::Transaction(*id))
            .map(|(_, state)| state)
    }

    /// Sends own transactions that are in no block yet. A record whose stamp has become too old is
    /// given up: no block takes it any more.
    pub(crate) async fn send_again(
        &mut self,
        node: &dyn NodeApi,
        rng: &mut impl CryptoRng,
    ) -> Result<(), SessionError> {
        let waiting: Vec<Transaction> = self
            .ledger
            .orders()
            .into_iter()
            .filter(|(_, _, state)| *state == OrderState::Pending)
            .filter_map(|(_, order, _)| match &order.signed {
                SignedOrder::Transaction(transaction) => Some(transaction.clone()),
                SignedOrder::Payment(_) => None,
            })
            .collect();
        for transaction in waiting {
            if !self.is_includable(&transaction) {
                let id = OrderId::Transaction(transaction.id());
                let changes = self.ledger.discard_order(&id)?;
                self.note_wallet(changes);
                self.save(rng)?;
                continue;
            }
            match submit(node, &transaction).await {
                Ok(()) => {}
                // Refused today, perhaps not tomorrow; its state says that it still waits.
                Err(SessionError::Node(failure)) if !failure.is_unreachable() => {
                    tracing::warn!(reason = %failure.reason, "an order was refused again");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn is_includable(&self, transaction: &Transaction) -> bool {
        match &transaction.order {
            Order::AccountRecord(order) => order
                .body
                .stamp
                .is_none_or(|stamp| is_stamp_alive(&stamp, self.tip_height())),
            Order::Transfer(_)
            | Order::Bond(_)
            | Order::Unbond(_)
            | Order::Wake(_)
            | Order::MnRegister(_)
            | Order::MnRevive(_)
            | Order::MnExit(_) => true,
        }
    }

    /// An order that the node refused for good must not block the account's nonces; whether it was.
    fn give_up_if_refused(
        &mut self,
        id: &TxId,
        error: &SessionError,
        rng: &mut impl CryptoRng,
    ) -> Result<bool, SessionError> {
        let SessionError::Node(failure) = error else {
            return Ok(false);
        };
        let is_final = matches!(
            failure.code,
            ErrorCode::Rejected | ErrorCode::InsufficientFunds | ErrorCode::Undecodable
        );
        if is_final {
            self.discard(id, rng)?;
        }
        Ok(is_final)
    }
}

/// Hands a transaction to the node, to be kept on its disk.
pub(crate) async fn submit(
    node: &dyn NodeApi,
    transaction: &Transaction,
) -> Result<(), SessionError> {
    let raw = RawHex::encoding(transaction);
    let submitted = node
        .tx_submit(Submit {
            raw,
            ack: Some(Acknowledgement::Durable),
        })
        .await;
    match submitted {
        Ok(_) => Ok(()),
        Err(failure) if failure.code == ErrorCode::AlreadyInChain => Ok(()),
        Err(failure) => Err(failure.into()),
    }
}

#[cfg(test)]
mod tests;
