//! Orders about bonds and masternodes.
//!
//! # Invariants
//! * An order about stake goes the way of every order: written down, then sent.
//! * The one exception is a revival: its operator's account is no part of the wallet, nothing of it
//!   is written down, and the chain takes it once.
//!
//! # Spec
//! docs/spec/16-session.md §8, docs/spec/08-wallet.md §5
//!
//! # Not here
//! Signing: `wallet::stake`. What the account has bound: `owned`. Votes: the node.

use chain::units::MasternodeId;
use chain::{AccountId, Address, PublicKey, TxId};
use genesis::Params;
use rand_core::CryptoRng;
use rpc::NodeApi;
use rpc::types::{AddressText, GetAccount};
use secp256k1::Keypair;
use wallet::stake::{Revival, StakeOrder};

use crate::error::SessionError;
use crate::orders::{Submitted, submit};
use crate::session::Session;

/// A masternode to be revived, and the key that may.
#[derive(Clone, Copy)]
pub struct Reviving<'k> {
    /// Its number.
    pub masternode: MasternodeId,
    /// Its operator's key.
    pub operator: &'k Keypair,
}

impl Session {
    /// Orders something about a bond or a masternode. The session must be at the node's tip
    /// ([`Session::sync`]).
    ///
    /// # Errors
    /// As [`Session::send`].
    pub async fn order_stake(
        &mut self,
        node: &dyn NodeApi,
        order: StakeOrder<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<Submitted, SessionError> {
        self.check_at_tip()?;
        let price = node.chain_get_supply().await?.price_per_kib.0;
        let plan = self.ledger.plan_stake(self.account(), order, price)?;
        let (transaction, changes) = self.ledger.build_stake(&plan, &self.identity, rng)?;
        self.note_wallet(changes);
        self.submit_order(node, &transaction, rng).await
    }
}

impl Reviving<'_> {
    /// Address of the operator's account, which pays.
    #[must_use]
    pub fn payer(&self, params: &Params) -> Address {
        let operator = PublicKey::from(self.operator);
        Address::new(params.network, AccountId::from(&operator))
    }

    /// Signs and sends the order.
    ///
    /// # Errors
    /// [`SessionError::Plan`] if the operator's account cannot pay; [`SessionError::Node`].
    pub async fn order(
        &self,
        params: &Params,
        node: &dyn NodeApi,
        rng: &mut impl CryptoRng,
    ) -> Result<TxId, SessionError> {
        let address = AddressText::from(self.payer(params));
        let account = node.chain_get_account(GetAccount { address }).await?;
        let revival = Revival {
            masternode: self.masternode,
            nonce: account.next_nonce,
            balance: account.balance.0,
            price_per_kib: node.chain_get_supply().await?.price_per_kib.0,
        };
        let transaction = revival.signed(self.operator, &params.chain_id(), rng)?;
        submit(node, &transaction).await?;
        Ok(transaction.id())
    }
}

#[cfg(test)]
mod tests;
