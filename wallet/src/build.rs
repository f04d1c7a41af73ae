//! Signing what was planned: finished orders and the change sets that remember them.
//!
//! # Invariants
//! * A plan is signed only if its nonce is still the next one.
//! * The finished bytes are in the change set; the session keeps it before it sends anything.
//! * Asked twice to pay for the same content, the wallet hands back the payment it made before.
//!
//! # Spec
//! docs/spec/08-wallet.md §5
//!
//! # Not here
//! Solving stamps (`app` over `consensus::pow`), sealing envelopes (`messenger`).

use chain::envelope::ClearPayment;
use chain::record::Stamp;
use chain::signature::Signature;
use chain::transaction::{Order, Prefix, RecordUpdate, Signed, Transfer};
use chain::{AccountId, Amount, CoreHash, Network, Transaction};
use rand_core::CryptoRng;

use crate::activity;
use crate::change_set::ChangeSet;
use crate::error::{BuildError, PlanError};
use crate::keys::AccountKey;
use crate::ledger::Ledger;
use crate::order::{OrderId, OrderState, PendingOrder, SignedOrder};
use crate::plan::{RecordPlan, TransferPlan};

/// A signed record in a transaction that lacks its stamp and the sender's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordDraft {
    account: AccountId,
    order: Signed<RecordUpdate>,
}

impl RecordDraft {
    /// What the stamp must be solved for, in the place of an envelope's core hash; nothing if the
    /// record pays a fee.
    #[must_use]
    pub fn stamp_commitment(&self) -> Option<[u8; 32]> {
        let order = Order::AccountRecord(self.order.clone());
        Transaction {
            version: Transaction::VERSION,
            order,
        }
        .stamp_commitment()
    }
}

impl Ledger {
    /// Signs a planned transfer.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build_transfer(
        &self,
        plan: &TransferPlan,
        key: &AccountKey,
        rng: &mut impl CryptoRng,
    ) -> Result<(Transaction, ChangeSet), BuildError> {
        self.check_signer(&plan.from, key)?;
        let prefix = Prefix {
            sender: key.public(),
            nonce: plan.nonce,
            max_fee: plan.max_fee,
            tip: plan.tip,
        };
        let body = Transfer {
            outputs: plan.outputs.clone(),
        };
        let order = Order::Transfer(Signed {
            prefix,
            body,
            signature: Signature::default(),
        });
        self.finish(plan.from, order, key, rng)
    }

    /// Signs a planned record itself; the transaction around it is finished by
    /// [`Ledger::build_record`], after the stamp was solved if there is one.
    ///
    /// # Errors
    /// [`BuildError::WrongKey`].
    pub fn draft_record(
        &self,
        plan: &RecordPlan,
        key: &AccountKey,
        rng: &mut impl CryptoRng,
    ) -> Result<RecordDraft, BuildError> {
        self.check_signer(&plan.account, key)?;
        let mut order = plan.order.clone();
        order.body.record = order
            .body
            .record
            .signed(&self.chain, key.keypair(), &fresh(rng));
        Ok(RecordDraft {
            account: plan.account,
            order,
        })
    }

    /// Signs the transaction around a drafted record.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build_record(
        &self,
        draft: RecordDraft,
        stamp: Option<Stamp>,
        key: &AccountKey,
        rng: &mut impl CryptoRng,
    ) -> Result<(Transaction, ChangeSet), BuildError> {
        self.check_signer(&draft.account, key)?;
        let mut order = draft.order;
        match (order.body.stamp, stamp) {
            (Some(_), None) => return Err(BuildError::StampMissing),
            (None, Some(_)) => return Err(BuildError::StampNotWanted),
            (Some(_), Some(_)) | (None, None) => order.body.stamp = stamp,
        }
        self.finish(draft.account, Order::AccountRecord(order), key, rng)
    }

    /// Pays `burn` for the envelope with content `core`; see [`crate::plan::envelope_burn`].
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build_payment(
        &self,
        payer: AccountId,
        core: &CoreHash,
        burn: Amount,
        key: &AccountKey,
        rng: &mut impl CryptoRng,
    ) -> Result<(ClearPayment, ChangeSet), BuildError> {
        self.check_signer(&payer, key)?;
        let id = OrderId::Payment(*core);
        if let Some((order, state)) = self.order(&id)
            && state != OrderState::Superseded
        {
            return match order.signed {
                SignedOrder::Payment(made) if made.burn == burn && made.payer == key.public() => {
                    Ok((made, ChangeSet::default()))
                }
                _ => Err(BuildError::PaidOtherwise),
            };
        }
        if burn == Amount::ZERO {
            return Err(PlanError::ZeroAmount { output: 1 }.into());
        }
        let nonce = self.free_nonce(&payer)?;
        self.afford(&payer, burn)?;
        let payment =
            ClearPayment::signed(core, nonce, burn, &self.chain, key.keypair(), &fresh(rng));
        let signed = SignedOrder::Payment(payment);
        Ok((payment, self.remember(id, payer, nonce, burn, signed)))
    }

    /// Signs an order around what its other keys have signed, and remembers it.
    pub(crate) fn finish(
        &self,
        account: AccountId,
        order: Order,
        key: &AccountKey,
        rng: &mut impl CryptoRng,
    ) -> Result<(Transaction, ChangeSet), BuildError> {
        let transaction = Transaction::signed(order, &self.chain, key.keypair(), &fresh(rng));
        let planned = transaction.prefix().nonce;
        let next = self.free_nonce(&account)?;
        if planned != next {
            return Err(BuildError::StalePlan { planned, next });
        }
        let reserve = reserve(&transaction, self.network());
        self.afford(&account, reserve)?;
        let id = OrderId::Transaction(transaction.id());
        let signed = SignedOrder::Transaction(transaction.clone());
        Ok((
            transaction,
            self.remember(id, account, planned, reserve, signed),
        ))
    }

    fn remember(
        &self,
        id: OrderId,
        account: AccountId,
        nonce: u64,
        reserve: Amount,
        signed: SignedOrder,
    ) -> ChangeSet {
        let made_at = self.tip().map(|tip| tip.height).unwrap_or_default();
        let order = PendingOrder {
            account,
            nonce,
            reserve,
            made_at,
            signed,
        };
        let mut changes = ChangeSet::default();
        changes.orders.insert(id, Some(order));
        changes
    }

    pub(crate) fn check_signer(
        &self,
        account: &AccountId,
        key: &AccountKey,
    ) -> Result<(), BuildError> {
        if self.key_of(account)? == key.public() {
            Ok(())
        } else {
            Err(BuildError::WrongKey)
        }
    }
}

/// The most that a transaction can take from its sender.
fn reserve(transaction: &Transaction, network: Network) -> Amount {
    let prefix = transaction.prefix();
    let paid = activity::outlay(transaction, network);
    let costs = prefix
        .max_fee
        .base_units()
        .saturating_add(prefix.tip.base_units());
    Amount::from_base(paid.base_units().saturating_add(costs))
}

/// Auxiliary randomness of one signature.
pub(crate) fn fresh(rng: &mut impl CryptoRng) -> [u8; 32] {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests;
