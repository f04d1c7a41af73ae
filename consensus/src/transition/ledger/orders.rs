//! Transactions: what they may do here and now, and what they do.
//!
//! # Invariants
//! * A transaction that breaks a rule has changed nothing.
//! * Judging reads the running state: orders of one account follow each other in a block.
//!
//! # Spec
//! docs/spec/03-transactions.md §6
//!
//! # Not here
//! Orders about bonds and masternodes: [`super::stake_orders`].

use std::collections::BTreeSet;

use chain::record::AccountRecord;
use chain::transaction::{Order, Transfer};
use chain::{AccountId, Amount, Transaction};

use super::stake_orders::Effect;
use super::{Ledger, bytes_u64, check_nonce, damaged, next_nonce, sum};
use crate::error::{ApplyError, Rule, ViewError};
use crate::reward;
use crate::stamp;
use crate::state::value::Account;
use crate::state::{StateKey, StateView};
use crate::transaction::{CheckedTransaction, base_units, check_activation, outlay, stamp_of};

/// What a transaction would do, once nothing speaks against it.
struct Debit {
    account: Account,
    fee: Amount,
    created: BTreeSet<AccountId>,
    effect: Effect,
}

impl<V: StateView> Ledger<'_, V> {
    /// Executes a transaction.
    pub(in crate::transition) fn execute(
        &mut self,
        tx: &CheckedTransaction,
    ) -> Result<(), ApplyError> {
        let transaction = tx.transaction();
        let debit = self.judge(transaction)?;
        let stamped_bytes = match tx.stamp() {
            Some(dated) => self.lane_with(dated, bytes_u64(tx.bytes()))?,
            None => self.stamped_bytes,
        };
        let burned = sum(self.burned, debit.fee)?;
        let tips = sum(self.tips, transaction.prefix().tip)?;
        match &transaction.order {
            Order::Transfer(order) => {
                for output in &order.body.outputs {
                    self.credit(&output.to, output.amount)?;
                }
            }
            Order::AccountRecord(order) => {
                self.overlay
                    .set(StateKey::Record(*tx.sender()), &order.body.record);
            }
            Order::Bond(_)
            | Order::Unbond(_)
            | Order::Wake(_)
            | Order::MnRegister(_)
            | Order::MnRevive(_)
            | Order::MnExit(_) => self.carry_out(debit.effect)?,
        }
        self.overlay
            .set(StateKey::Account(*tx.sender()), &debit.account);
        self.created.extend(debit.created);
        self.stamped_bytes = stamped_bytes;
        self.burned = burned;
        self.tips = tips;
        Ok(())
    }

    /// What a transaction may do here and now; says nothing about the work of its stamp.
    fn judge(&mut self, transaction: &Transaction) -> Result<Debit, ApplyError> {
        check_activation(&transaction.order, self.height, self.params)?;
        let sender = transaction.sender();
        let mut account = self.account(&sender)?;
        let prefix = transaction.prefix();
        // Orders of an account that has already paid for an envelope come in the next block.
        let paid = self.payments.get(&sender).copied().unwrap_or_default();
        check_nonce(account.nonce, prefix.nonce)?;
        if paid > 0 {
            let expected = account.nonce.saturating_sub(paid);
            return Err(Rule::NonceAhead {
                expected,
                found: prefix.nonce,
            }
            .into());
        }
        let (record, created) = match &transaction.order {
            Order::Transfer(order) => (None, self.created_by(&order.body)?),
            Order::AccountRecord(order) => {
                let before = self.record(&sender)?;
                (Some((&order.body.record, before)), BTreeSet::new())
            }
            Order::Bond(_)
            | Order::Unbond(_)
            | Order::Wake(_)
            | Order::MnRegister(_)
            | Order::MnRevive(_)
            | Order::MnExit(_) => (None, BTreeSet::new()),
        };
        let fee = match stamp_of(transaction) {
            Some(stamp) => {
                // > "A first record may carry a stamp; then fee = tip = 0"
                if record.as_ref().is_some_and(|(_, before)| before.is_some()) {
                    return Err(Rule::StampNotFirst.into());
                }
                stamp::check_age(stamp.reference, self.height)?;
                Amount::ZERO
            }
            None => self.fee(transaction, created.len())?,
        };
        // > "balance covers all debits"
        let balance = account.balance;
        let debit = outlay(transaction, self.params)
            .and_then(|outlay| outlay.checked_add(fee)?.checked_add(prefix.tip));
        account.balance = debit
            .and_then(|debit| balance.checked_sub(debit))
            .ok_or(Rule::BalanceTooLow { balance })?;
        if let Some((record, before)) = record {
            check_succession(record, before.as_ref())?;
        }
        let effect = self.judge_stake(transaction)?;
        account.nonce = next_nonce(account.nonce)?;
        Ok(Debit {
            account,
            fee,
            created,
            effect,
        })
    }

    /// > "fee = units * kib <= max_fee"
    fn fee(&self, transaction: &Transaction, created: usize) -> Result<Amount, ApplyError> {
        let created = u64::try_from(created).unwrap_or(u64::MAX);
        let units = base_units(transaction).saturating_add(created);
        let epoch = self.params.rate_epoch(self.height);
        let kib = self
            .price(epoch)
            .ok_or_else(|| damaged("the current epoch has no price"))?;
        let max_fee = transaction.prefix().max_fee;
        let refused = Rule::FeeAboveMax {
            units,
            kib,
            max_fee,
        };
        let fee = reward::fee(units, kib).filter(|fee| *fee <= max_fee);
        Ok(fee.ok_or(refused)?)
    }

    /// > "+1 per account created": receivers that do not exist yet.
    fn created_by(&self, transfer: &Transfer) -> Result<BTreeSet<AccountId>, ViewError> {
        let mut created = BTreeSet::new();
        for output in &transfer.outputs {
            let known = self.created.contains(&output.to) || created.contains(&output.to);
            if !known && self.account(&output.to)? == Account::default() {
                created.insert(output.to);
            }
        }
        Ok(created)
    }

    /// The contextual rules of a transaction, before its signature is worth verifying.
    pub(in crate::transition) fn screen_transaction(
        &mut self,
        transaction: &Transaction,
    ) -> Result<(), ApplyError> {
        self.judge(transaction).map(|_| ())
    }

    fn record(&self, id: &AccountId) -> Result<Option<AccountRecord>, ViewError> {
        self.overlay.get(&StateKey::Record(*id))
    }
}

/// > "inbox_gen grows; prev24 matches", zeros if there is no record before
fn check_succession(record: &AccountRecord, before: Option<&AccountRecord>) -> Result<(), Rule> {
    if let Some(before) = before
        && record.inbox_generation <= before.inbox_generation
    {
        return Err(Rule::RecordGeneration {
            before: before.inbox_generation,
            found: record.inbox_generation,
        });
    }
    let link = before.map(AccountRecord::link).unwrap_or_default();
    if record.previous == link {
        Ok(())
    } else {
        Err(Rule::RecordLink)
    }
}
