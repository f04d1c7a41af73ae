//! Whether a transaction is valid by itself: all that needs neither balance nor price.
//!
//! # Invariants
//! * A [`CheckedTransaction`] passed every rule of this file; only this file makes one.
//! * No transaction of any kind comes near `Transaction::BYTES_MAX`, the limit under which bytes are
//!   decoded: the largest is a transfer with 256 outputs, 7,298 bytes.
//! * Cheapest first: fields, the stamp's hash, then signatures, then the stamp's puzzle.
//! * The work of a stamp holds for one block of one branch; see [`DatedStamp`].
//! * Of a kind that the network never activated, nothing but the version is looked at.
//!
//! # Spec
//! docs/spec/03-transactions.md §5, §7-9
//!
//! # Not here
//! Nonce, fee, balance, the record before: [`crate::transition`]. Kinds that do not decode yet:
//! `chain::transaction::reserved`.

use chain::hash::{context, derive};
use chain::record::{AccountRecord, Stamp};
use chain::transaction::{Bond, MnRegister, Order, Prefix, RecordUpdate, Signed, Transfer};
use chain::{AccountId, Amount, ChainId, Hash32, Height, Transaction, TxId, codec};
use genesis::{Params, law};

use crate::error::Rule;
use crate::reward;
use crate::stamp::{self, Branch, DatedStamp};

/// A transaction that is valid by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedTransaction {
    transaction: Transaction,
    id: TxId,
    bytes: usize,
    sender: AccountId,
    outlay: Amount,
    stamp: Option<DatedStamp>,
    verified_id: Hash32,
}

impl CheckedTransaction {
    /// The transaction.
    #[must_use]
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &TxId {
        &self.id
    }

    /// Bytes that it takes in a body.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The account that ordered it.
    #[must_use]
    pub fn sender(&self) -> &AccountId {
        &self.sender
    }

    /// Coins that leave the sender's balance besides fee and tip; see [`outlay`].
    #[must_use]
    pub fn outlay(&self) -> Amount {
        self.outlay
    }

    /// The block that its stamp was verified against, if a stamp admits it.
    #[must_use]
    pub fn stamp(&self) -> Option<&DatedStamp> {
        self.stamp.as_ref()
    }

    /// Names these exact bytes, verified against this stamp's block: key of a
    /// [`crate::block::VerifiedSet`].
    #[must_use]
    pub fn verified_id(&self) -> &Hash32 {
        &self.verified_id
    }

    /// The transaction, no longer marked as checked.
    #[must_use]
    pub fn into_transaction(self) -> Transaction {
        self.transaction
    }
}

/// Checks a transaction by itself.
///
/// # Errors
/// The first rule it breaks.
pub fn check_transaction(
    transaction: Transaction,
    branch: &impl Branch,
    params: &Params,
) -> Result<CheckedTransaction, Rule> {
    let chain = params.chain_id();
    shape(transaction, branch, params)?.prove(&chain)
}

/// A transaction that lacks only the costly checks.
pub(crate) struct Shaped(CheckedTransaction);

impl Shaped {
    pub(crate) fn verified_id(&self) -> &Hash32 {
        &self.0.verified_id
    }

    pub(crate) fn id(&self) -> &TxId {
        &self.0.id
    }

    /// For a transaction whose very bytes were proved before, against the same block.
    pub(crate) fn proved_before(self) -> CheckedTransaction {
        self.0
    }

    /// The costly checks: signatures, then the puzzle of the stamp.
    pub(crate) fn prove(self, chain: &ChainId) -> Result<CheckedTransaction, Rule> {
        let transaction = &self.0.transaction;
        // > "sig = SIG_sender(all bytes before)"
        if !transaction.is_signed(chain) {
            return Err(Rule::TransactionSignature);
        }
        match &transaction.order {
            Order::Bond(order) => {
                // > "the vote key proves that its holder agrees"
                if !order.is_vote_key_possessed(chain) {
                    return Err(Rule::BondPossession);
                }
            }
            Order::MnRegister(order) => {
                // > "both keys prove that their holders agree"
                if !order.are_keys_possessed(chain) {
                    return Err(Rule::MasternodePossession);
                }
            }
            Order::AccountRecord(Signed { body, .. }) => {
                // > "inner sig"
                if !body.record.is_signed(chain) {
                    return Err(Rule::RecordSignature);
                }
                if let Some((stamp, dated)) = body.stamp.as_ref().zip(self.0.stamp.as_ref()) {
                    stamp::check_solution(&commitment(transaction), stamp, dated.block())?;
                }
            }
            Order::Transfer(_)
            | Order::Unbond(_)
            | Order::Wake(_)
            | Order::MnRevive(_)
            | Order::MnExit(_) => {}
        }
        Ok(self.0)
    }
}

/// The cheap checks.
pub(crate) fn shape(
    transaction: Transaction,
    branch: &impl Branch,
    params: &Params,
) -> Result<Shaped, Rule> {
    if transaction.version != Transaction::VERSION {
        return Err(Rule::TransactionVersion {
            found: transaction.version,
        });
    }
    activation(&transaction.order, params)?;
    let prefix = transaction.prefix();
    if prefix.max_fee > Amount::MAX || prefix.tip > Amount::MAX {
        return Err(Rule::FeeRange);
    }
    let mut dated = None;
    match &transaction.order {
        Order::Transfer(order) => check_outputs(&order.body)?,
        Order::Bond(order) => check_bond(&order.body, params)?,
        Order::MnRegister(order) => check_registration(&order.body, prefix)?,
        Order::Unbond(_) | Order::Wake(_) | Order::MnRevive(_) | Order::MnExit(_) => {}
        Order::AccountRecord(order) => {
            check_record(&order.body.record, prefix)?;
            if let Some(stamp) = &order.body.stamp {
                check_stamped_fee(prefix)?;
                dated = Some(check_stamp(&transaction, stamp, branch, params)?);
            }
        }
    }
    let encoded = codec::encode(&transaction);
    let reference = dated
        .as_ref()
        .map(|dated| *dated.block().as_bytes())
        .unwrap_or_default();
    let verified_id = derive(&context::VERIFIED, &[&[0], &reference, &encoded]);
    Ok(Shaped(CheckedTransaction {
        id: transaction.id(),
        sender: transaction.sender(),
        bytes: encoded.len(),
        // The rules above keep every amount and their sum below the cap.
        outlay: outlay(&transaction, params).unwrap_or(Amount::MAX),
        stamp: dated,
        verified_id: Hash32::from_bytes(verified_id),
        transaction,
    }))
}

/// First height at which a block may include orders of this kind.
///
/// > "a kind that is never active is refused"
fn activation(order: &Order, params: &Params) -> Result<Height, Rule> {
    let kind = order.kind();
    let from = params.active_from.of(order);
    from.ok_or(Rule::KindInactive { kind })
}

/// > "a kind is valid from the network's height on"
pub(crate) fn check_activation(order: &Order, height: Height, params: &Params) -> Result<(), Rule> {
    let from = activation(order, params)?;
    if height >= from {
        return Ok(());
    }
    let kind = order.kind();
    Err(Rule::KindAhead { kind, from, height })
}

fn check_outputs(transfer: &Transfer) -> Result<(), Rule> {
    // > "count 1..=256"
    let count = transfer.outputs.len();
    if !(1..=Transfer::OUTPUTS_MAX).contains(&count) {
        return Err(Rule::OutputCount { found: count });
    }
    // > "amounts 1..=C"
    let range = Amount::from_base(1)..=Amount::MAX;
    for (position, output) in transfer.outputs.iter().enumerate() {
        if !range.contains(&output.amount) {
            return Err(Rule::OutputAmount {
                position,
                found: output.amount,
            });
        }
    }
    outputs_sum(transfer).map(|_| ()).ok_or(Rule::OutputSum)
}

/// Coins that leave the sender's balance besides fee and tip: paid to others, bonded, or deposited
/// as collateral. Nothing above the cap.
#[must_use]
pub fn outlay(transaction: &Transaction, params: &Params) -> Option<Amount> {
    match &transaction.order {
        Order::Transfer(order) => outputs_sum(&order.body),
        Order::Bond(order) => Amount::ZERO.checked_add(order.body.amount),
        Order::MnRegister(_) => Some(params.masternode_collateral),
        Order::Unbond(_)
        | Order::Wake(_)
        | Order::MnRevive(_)
        | Order::MnExit(_)
        | Order::AccountRecord(_) => Some(Amount::ZERO),
    }
}

/// All outputs together, or nothing above the cap.
fn outputs_sum(transfer: &Transfer) -> Option<Amount> {
    let mut outputs = transfer.outputs.iter();
    outputs.try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.amount))
}

/// > "the amount is at least the network's smallest bond and at most the cap"
fn check_bond(bond: &Bond, params: &Params) -> Result<(), Rule> {
    let (min, found) = (params.bond_min, bond.amount);
    if (min..=Amount::MAX).contains(&found) {
        Ok(())
    } else {
        Err(Rule::BondAmount { min, found })
    }
}

/// > "the operator key, the voting key and the sender are three different keys"
fn check_registration(registration: &MnRegister, prefix: &Prefix) -> Result<(), Rule> {
    let (operator, voting) = (registration.operator_key, registration.voting_key);
    if operator != voting && operator != prefix.sender && voting != prefix.sender {
        Ok(())
    } else {
        Err(Rule::MasternodeKeys)
    }
}

fn check_record(record: &AccountRecord, prefix: &Prefix) -> Result<(), Rule> {
    if record.version != AccountRecord::VERSION {
        return Err(Rule::RecordVersion {
            found: record.version,
        });
    }
    // > "record.pk = sender"
    if record.key != prefix.sender {
        return Err(Rule::RecordKey);
    }
    // > "unknown flags 0"; version 1 knows none
    if record.flags != 0 {
        return Err(Rule::RecordFlags {
            found: record.flags,
        });
    }
    // > "valid_from < valid_to"
    if record.valid_from >= record.valid_to {
        return Err(Rule::RecordValidity {
            from: record.valid_from,
            to: record.valid_to,
        });
    }
    Ok(())
}

/// > "then fee = tip = 0"
fn check_stamped_fee(prefix: &Prefix) -> Result<(), Rule> {
    if prefix.max_fee == Amount::ZERO && prefix.tip == Amount::ZERO {
        Ok(())
    } else {
        Err(Rule::StampedFee)
    }
}

/// > "a stamp of 16x the minimum effort"
fn check_stamp(
    transaction: &Transaction,
    stamp: &Stamp,
    branch: &impl Branch,
    params: &Params,
) -> Result<DatedStamp, Rule> {
    stamp::check_claim(stamp, record_effort_min(params))?;
    let dated = stamp::date(stamp, branch)?;
    stamp::check_hash(&commitment(transaction), stamp, dated.block())?;
    Ok(dated)
}

/// Smallest effort of the stamp of a first record.
#[must_use]
pub fn record_effort_min(params: &Params) -> u32 {
    params
        .stamp_effort_min
        .saturating_mul(law::RECORD_STAMP_FACTOR)
}

fn commitment(transaction: &Transaction) -> [u8; 32] {
    transaction.stamp_commitment().unwrap_or_default()
}

/// Units that a transaction pays for besides the accounts it creates: size, and what its kind adds.
#[must_use]
pub fn base_units(transaction: &Transaction) -> u64 {
    let extra = match &transaction.order {
        Order::Transfer(_) => 0,
        Order::Bond(_) => law::BOND_EXTRA_UNITS,
        Order::Unbond(_) => law::UNBOND_EXTRA_UNITS,
        Order::Wake(_) => law::WAKE_EXTRA_UNITS,
        Order::MnRegister(_) => law::MN_REGISTER_EXTRA_UNITS,
        Order::MnRevive(_) => law::MN_REVIVE_EXTRA_UNITS,
        Order::MnExit(_) => law::MN_EXIT_EXTRA_UNITS,
        Order::AccountRecord(_) => law::RECORD_EXTRA_UNITS,
    };
    reward::size_units(codec::encoded_len(transaction)).saturating_add(extra)
}

/// The stamp of an order that carries one.
pub(crate) fn stamp_of(transaction: &Transaction) -> Option<&Stamp> {
    match &transaction.order {
        Order::AccountRecord(Signed {
            body: RecordUpdate { stamp, .. },
            ..
        }) => stamp.as_ref(),
        Order::Transfer(_)
        | Order::Bond(_)
        | Order::Unbond(_)
        | Order::Wake(_)
        | Order::MnRegister(_)
        | Order::MnRevive(_)
        | Order::MnExit(_) => None,
    }
}

#[cfg(test)]
mod tests;
