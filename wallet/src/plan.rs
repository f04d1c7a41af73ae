//! What an order will cost and whether it can be paid, before anything is signed.
//!
//! # Invariants
//! * A plan is shown before it is paid: fee, tip and total are exact for the price it was made at.
//! * `max_fee` leaves room for the price to rise while the order waits, but never claims more coins
//!   than there are.
//! * Planning changes nothing.
//!
//! # Spec
//! docs/spec/08-wallet.md §5; docs/spec/03-transactions.md (units)
//!
//! # Not here
//! Signing: [`crate::build`]. The price of a KiB comes from the node.

use std::collections::{BTreeMap, BTreeSet};

use chain::codec;
use chain::envelope::SizeClass;
use chain::record::{AccountRecord, InboxKey, Stamp};
use chain::signature::Signature;
use chain::transaction::{Order, Output, Prefix, RecordUpdate, Signed, Transfer};
use chain::{AccountId, Amount, PublicKey, Transaction};
use genesis::law;

use crate::activity;
use crate::change_set::AccountOrigin;
use crate::error::PlanError;
use crate::ledger::Ledger;
use crate::order::PENDING_ORDERS_MAX;

/// An order may wait for several rate epochs, in which the price of a KiB can rise: `max_fee`
/// leaves an eighth for it.
const PRICE_HEADROOM_DIVISOR: u64 = 8;

/// Coins to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferRequest {
    /// Who pays.
    pub from: AccountId,
    /// Who gets how much.
    pub outputs: Vec<Output>,
    /// For the miner, beyond the burned fee.
    pub tip: Amount,
    /// Price of a KiB in the current rate epoch.
    pub price_per_kib: Amount,
    /// Recipients that the node knows; the others count as accounts to be created.
    pub existing: BTreeSet<AccountId>,
}

/// A transfer that can be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferPlan {
    /// Who pays.
    pub from: AccountId,
    /// The account's next order.
    pub nonce: u64,
    /// Who gets how much.
    pub outputs: Vec<Output>,
    /// Burned, at the price of now.
    pub fee: Amount,
    /// The most that may be burned.
    pub max_fee: Amount,
    /// For the miner.
    pub tip: Amount,
    /// Outputs, fee and tip together.
    pub total: Amount,
}

/// A new account record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRequest {
    /// Whose record.
    pub account: AccountId,
    /// Generation of the inbox key; grows with every record.
    pub inbox_generation: u32,
    /// Where invitations are encrypted to.
    pub inbox_key: InboxKey,
    /// First height at which the record holds.
    pub valid_from: u32,
    /// First height at which it no longer holds; `u32::MAX` is open.
    pub valid_to: u32,
    /// Hash of the account's name, or zeros.
    pub name_hash: [u8; 32],
    /// The record on the chain, if there is one.
    pub previous: Option<AccountRecord>,
    /// What admits it.
    pub admission: Admission,
}

/// What admits an account record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// A burned fee.
    Fee {
        /// Price of a KiB in the current rate epoch.
        price_per_kib: Amount,
        /// For the miner, beyond the burned fee.
        tip: Amount,
    },
    /// Proof of work, for an account's first record.
    Stamp,
}

/// A record that can be paid, or needs a stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordPlan {
    /// Everything but the signatures.
    pub(crate) order: Signed<RecordUpdate>,
    /// Whose record.
    pub account: AccountId,
    /// Burned, at the price of now; zero with a stamp.
    pub fee: Amount,
    /// Fee and tip together.
    pub total: Amount,
}

/// Units that a transaction of `bytes` bytes pays for:
/// `ceil(bytes / 1024) + extra + 1 per account created`.
#[must_use]
pub fn units(bytes: usize, extra: u64, accounts_created: u64) -> u64 {
    let size = u64::try_from(bytes.div_ceil(law::UNIT_BYTES)).unwrap_or(u64::MAX);
    size.saturating_add(extra).saturating_add(accounts_created)
}

/// What an envelope of `class` burns when it is paid by its sender.
///
/// # Errors
/// [`PlanError::AmountTooLarge`].
pub fn envelope_burn(class: SizeClass, price_per_kib: Amount) -> Result<Amount, PlanError> {
    let kib = u64::try_from(class.plaintext_len() / law::UNIT_BYTES).unwrap_or(u64::MAX);
    price_per_kib
        .checked_mul(kib.max(1))
        .ok_or(PlanError::AmountTooLarge)
}

impl Ledger {
    /// Plans a transfer.
    ///
    /// # Errors
    /// [`PlanError`]; it says what would help.
    pub fn plan_transfer(&self, request: &TransferRequest) -> Result<TransferPlan, PlanError> {
        let sender = self.key_of(&request.from)?;
        let created = check_outputs(request)?;
        let nonce = self.free_nonce(&request.from)?;
        let outputs = request.outputs.clone();
        let body = Transfer { outputs };
        let prefix = Prefix {
            sender,
            nonce,
            ..Prefix::default()
        };
        let order = Signed {
            prefix,
            body,
            signature: Signature::default(),
        };
        let units = units(size_of_order(Order::Transfer(order)), 0, created);

        let paid = activity::sum(request.outputs.iter());
        let too_large = PlanError::AmountTooLarge;
        let paid = Amount::ZERO.checked_add(paid).ok_or(too_large.clone())?;
        let spent = paid.checked_add(request.tip).ok_or(too_large)?;
        let cost = self.fee_of(&request.from, units, request.price_per_kib, spent)?;
        Ok(TransferPlan {
            from: request.from,
            nonce,
            outputs: request.outputs.clone(),
            fee: cost.fee,
            max_fee: cost.max_fee,
            tip: request.tip,
            total: cost.total,
        })
    }

    /// Plans an account record.
    ///
    /// # Errors
    /// [`PlanError`]; it says what would help.
    pub fn plan_record(&self, request: &RecordRequest) -> Result<RecordPlan, PlanError> {
        let key = self.key_of(&request.account)?;
        check_record(request, &key)?;
        let nonce = self.free_nonce(&request.account)?;
        let record = AccountRecord {
            version: AccountRecord::VERSION,
            key,
            inbox_generation: request.inbox_generation,
            inbox_key: request.inbox_key.clone(),
            valid_from: request.valid_from,
            valid_to: request.valid_to,
            flags: 0,
            name_hash: request.name_hash,
            previous: request
                .previous
                .as_ref()
                .map(AccountRecord::link)
                .unwrap_or_default(),
            signature: Signature::default(),
        };
        let stamp = (request.admission == Admission::Stamp).then(Stamp::default);
        let mut order = Signed {
            prefix: Prefix {
                sender: key,
                nonce,
                ..Prefix::default()
            },
            body: RecordUpdate { record, stamp },
            signature: Signature::default(),
        };
        let (account, mut fee, mut total) = (request.account, Amount::ZERO, Amount::ZERO);
        if let Admission::Fee { price_per_kib, tip } = request.admission {
            let bytes = size_of_order(Order::AccountRecord(order.clone()));
            let units = units(bytes, law::RECORD_EXTRA_UNITS, 0);
            let cost = self.fee_of(&account, units, price_per_kib, tip)?;
            order.prefix.max_fee = cost.max_fee;
            order.prefix.tip = tip;
            (fee, total) = (cost.fee, cost.total);
        }
        Ok(RecordPlan {
            order,
            account,
            fee,
            total,
        })
    }

    /// The public key of an account that can sign here.
    pub(crate) fn key_of(&self, account: &AccountId) -> Result<PublicKey, PlanError> {
        let account = *account;
        match self.accounts.get(&account) {
            Some(AccountOrigin::Derived { key, .. }) => Ok(*key),
            Some(AccountOrigin::Watched) => Err(PlanError::WatchOnly { account }),
            None => Err(PlanError::UnknownAccount { account }),
        }
    }

    /// The nonce of a new order, if one more may wait and the node has said where nonces stand.
    pub(crate) fn free_nonce(&self, account: &AccountId) -> Result<u64, PlanError> {
        if !self.openings.contains_key(account) {
            return Err(PlanError::NotSynced { account: *account });
        }
        if self.live_orders(account).count() >= PENDING_ORDERS_MAX {
            return Err(PlanError::TooManyPending {
                max: PENDING_ORDERS_MAX,
            });
        }
        Ok(self.next_nonce(account))
    }

    /// What `account` has for a new order, if it is at least `needed`.
    pub(crate) fn afford(&self, account: &AccountId, needed: Amount) -> Result<Amount, PlanError> {
        let available = self.balance(account).spendable;
        if available < needed {
            return Err(PlanError::InsufficientFunds { needed, available });
        }
        Ok(available)
    }

    /// What an order of `units` costs that also takes `spent`.
    pub(crate) fn fee_of(
        &self,
        account: &AccountId,
        units: u64,
        price_per_kib: Amount,
        spent: Amount,
    ) -> Result<Cost, PlanError> {
        let too_large = PlanError::AmountTooLarge;
        let fee = price_per_kib.checked_mul(units).ok_or(too_large.clone())?;
        let total = spent.checked_add(fee).ok_or(too_large)?;
        let available = self.afford(account, total)?;
        let rest = available.base_units().saturating_sub(spent.base_units());
        Ok(Cost {
            fee,
            max_fee: headroom(fee, Amount::from_base(rest)),
            total,
        })
    }
}

/// What an order costs.
pub(crate) struct Cost {
    pub(crate) fee: Amount,
    pub(crate) max_fee: Amount,
    pub(crate) total: Amount,
}

/// The most that is offered for a fee that is `fee` now, never above `rest`.
pub(crate) fn headroom(fee: Amount, rest: Amount) -> Amount {
    let headroom = (fee.base_units() / PRICE_HEADROOM_DIVISOR).max(1);
    let wanted = fee.base_units().saturating_add(headroom);
    Amount::from_base(wanted.min(rest.base_units()))
}

/// Checks every output and counts the accounts that the transfer creates.
fn check_outputs(request: &TransferRequest) -> Result<u64, PlanError> {
    let (found, max) = (request.outputs.len(), Transfer::OUTPUTS_MAX);
    if found == 0 {
        return Err(PlanError::NoOutputs);
    }
    if found > max {
        return Err(PlanError::TooManyOutputs { found, max });
    }
    let mut paid_to = BTreeMap::new();
    for (Output { to, amount }, output) in request.outputs.iter().zip(1..) {
        if *amount == Amount::ZERO {
            return Err(PlanError::ZeroAmount { output });
        }
        let (_, sum) = paid_to.entry(*to).or_insert((output, Amount::ZERO));
        *sum = sum.checked_add(*amount).ok_or(PlanError::AmountTooLarge)?;
    }
    paid_to.retain(|to, _| *to != request.from && !request.existing.contains(to));
    // The cheapest transfer burns one unit: less than that can never leave a new account.
    let min = request.price_per_kib;
    if let Some(&(output, amount)) = paid_to.values().find(|(_, amount)| *amount < min) {
        return Err(PlanError::Dust {
            output,
            amount,
            min,
        });
    }
    Ok(u64::try_from(paid_to.len()).unwrap_or(u64::MAX))
}

fn check_record(request: &RecordRequest, key: &PublicKey) -> Result<(), PlanError> {
    let (from, to) = (request.valid_from, request.valid_to);
    if from >= to {
        return Err(PlanError::Validity { from, to });
    }
    let Some(previous) = &request.previous else {
        return Ok(());
    };
    if request.admission == Admission::Stamp {
        return Err(PlanError::StampForLaterRecord);
    }
    if previous.key != *key {
        return Err(PlanError::ForeignRecord);
    }
    if request.inbox_generation <= previous.inbox_generation {
        let (found, previous) = (request.inbox_generation, previous.inbox_generation);
        return Err(PlanError::InboxGeneration { found, previous });
    }
    Ok(())
}

/// Bytes of the transaction with this order; signatures have a fixed size.
pub(crate) fn size_of_order(order: Order) -> usize {
    codec::encoded_len(&Transaction {
        version: Transaction::VERSION,
        order,
    })
}

#[cfg(test)]
mod tests;
