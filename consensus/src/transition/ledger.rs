//! The books of one block: every step that reads or changes the state, for blocks and drafts alike.
//!
//! # Invariants
//! * A method that names a broken rule has changed nothing.
//! * Received and earned coins wait in `credits` until the books are closed.
//!
//! # Spec
//! docs/spec/11-state.md §4, docs/spec/03-transactions.md §6, docs/spec/04-envelopes.md §7
//!
//! # Not here
//! The order of the steps: [`super::apply`].

use std::collections::{BTreeMap, BTreeSet};

use chain::envelope::{Auth, ClearPayment, SizeClass};
use chain::record::AccountRecord;
use chain::transaction::{Order, Transfer};
use chain::units::RateEpoch;
use chain::{AccountId, Amount, BlockId, Envelope, Header, Height, PublicKey, Transaction};
use genesis::Params;

use super::settlement;
use crate::difficulty::Work;
use crate::envelope::{Admission, CheckedEnvelope, check_window};
use crate::error::{ApplyError, Rule, ViewError};
use crate::reward;
use crate::stamp::{self, DatedStamp};
use crate::state::overlay::{Difference, Overlay};
use crate::state::value::{Account, Prices, RecentUncles, Supply};
use crate::state::{self, StateKey, StateView, value};
use crate::transaction::{CheckedTransaction, base_units, check_activation, outlay, stamp_of};

mod branch;

/// Bytes of the length that stands before an envelope in a body.
const LENGTH_BYTES: u64 = 8;

/// The state of a block under way.
pub(super) struct Ledger<'v, V> {
    overlay: Overlay<'v, V>,
    params: &'v Params,
    parent: Header,
    parent_id: BlockId,
    height: Height,
    supply: Supply,
    prices: Prices,
    body_limit: u64,
    /// Blocks that a stamp may refer to at this height.
    references: BTreeMap<Height, BlockId>,
    recent_uncles: RecentUncles,
    uncles: u64,
    uncle_work: Work,
    credits: BTreeMap<AccountId, Amount>,
    /// Accounts that transfers of this block bring to life.
    created: BTreeSet<AccountId>,
    /// Payments for envelopes so far: in a block all transactions come before them.
    payments: BTreeMap<AccountId, u64>,
    stamped_bytes: u64,
    minted: Amount,
    burned: Amount,
    tips: Amount,
}

/// What closing the books brings.
pub(super) struct Outcome {
    pub(super) difference: Difference,
    pub(super) uncle_work: Work,
    pub(super) minted: Amount,
    pub(super) burned: Amount,
}

/// What a transaction would do, once nothing speaks against it.
struct Debit {
    account: Account,
    fee: Amount,
    created: BTreeSet<AccountId>,
}

impl<'v, V: StateView> Ledger<'v, V> {
    /// Opens the books of the block after the view's tip.
    pub(super) fn open(view: &'v V, params: &'v Params) -> Result<Self, ViewError> {
        let parent = state::tip(view)?;
        let height = parent
            .height
            .next()
            .ok_or_else(|| damaged("no height after the tip"))?;
        let mut ledger = Self {
            overlay: Overlay::new(view),
            params,
            parent,
            parent_id: parent.id(),
            height,
            supply: value::supply(view)?,
            prices: value::prices(view)?,
            body_limit: value::body_limit(view)?,
            references: branch::references(view, height)?,
            recent_uncles: value::recent_uncles(view)?,
            uncles: 0,
            uncle_work: Work::ZERO,
            credits: BTreeMap::new(),
            created: BTreeSet::new(),
            payments: BTreeMap::new(),
            stamped_bytes: 0,
            minted: Amount::ZERO,
            burned: Amount::ZERO,
            tips: Amount::ZERO,
        };
        if height.get().checked_rem(params.term_blocks) == Some(0) {
            ledger.body_limit = settlement::body_limit_after(view, params)?;
            ledger.overlay.set(StateKey::BodyLimit, &ledger.body_limit);
        }
        Ok(ledger)
    }

    pub(super) fn view(&self) -> &'v V {
        self.overlay.view()
    }

    pub(super) fn params(&self) -> &'v Params {
        self.params
    }

    pub(super) fn parent(&self) -> &Header {
        &self.parent
    }

    pub(super) fn parent_id(&self) -> &BlockId {
        &self.parent_id
    }

    pub(super) fn height(&self) -> Height {
        self.height
    }

    pub(super) fn body_limit(&self) -> u64 {
        self.body_limit
    }

    pub(super) fn stamped_bytes(&self) -> u64 {
        self.stamped_bytes
    }

    /// > "the network's share of a block"
    pub(super) fn stamped_limit(&self) -> u64 {
        let share = self
            .body_limit
            .saturating_mul(self.params.stamp_share_percent);
        share.checked_div(100).unwrap_or_default()
    }

    /// > "pow_count: parent's + 1 + uncles"
    pub(super) fn solution_count(&self) -> u64 {
        self.parent
            .pow_count
            .saturating_add(1)
            .saturating_add(self.uncles)
    }

    /// > "body <= clamp(2 * median body size of the last full term, 256 KiB, 1 MiB)"
    pub(super) fn check_body_limit(&self, found: u64) -> Result<(), Rule> {
        let limit = self.body_limit;
        if found <= limit {
            Ok(())
        } else {
            Err(Rule::BodyLimit { limit, found })
        }
    }

    /// Executes a transaction.
    pub(super) fn execute(&mut self, tx: &CheckedTransaction) -> Result<(), ApplyError> {
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
            | Order::MnExit(_) => return Err(not_carried_out().into()),
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
    fn judge(&self, transaction: &Transaction) -> Result<Debit, ApplyError> {
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
            | Order::MnExit(_) => return Err(not_carried_out().into()),
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
        account.nonce = next_nonce(account.nonce)?;
        Ok(Debit {
            account,
            fee,
            created,
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

    /// Includes an envelope.
    pub(super) fn include_envelope(
        &mut self,
        envelope: &CheckedEnvelope,
    ) -> Result<(), ApplyError> {
        let (epoch, key) = (envelope.rate_epoch(), *envelope.one_time_key());
        self.judge_place(epoch, &key)?;
        match envelope.admission() {
            Admission::Free => {}
            Admission::Stamp(dated) => {
                let bytes = bytes_u64(envelope.bytes().as_slice().len());
                let bytes = bytes.saturating_add(LENGTH_BYTES);
                self.stamped_bytes = self.lane_with(dated, bytes)?;
            }
            Admission::Clear(payment) => {
                let account = self.judge_payment(payment, epoch, envelope.class())?;
                let payer = AccountId::from(&payment.payer);
                self.burned = sum(self.burned, payment.burn)?;
                self.overlay.set(StateKey::Account(payer), &account);
                let payments = self.payments.entry(payer).or_default();
                *payments = payments.saturating_add(1);
            }
        }
        self.overlay.mark_seen(key, epoch);
        Ok(())
    }

    /// Rate epoch and one-time key.
    fn judge_place(&self, epoch: RateEpoch, key: &PublicKey) -> Result<(), ApplyError> {
        check_window(epoch, self.height, self.params)?;
        match self.overlay.seen(key)? {
            Some(epoch) => Err(Rule::OneTimeKeySeen { epoch }.into()),
            None => Ok(()),
        }
    }

    /// The payer's account after the payment.
    fn judge_payment(
        &self,
        payment: &ClearPayment,
        epoch: RateEpoch,
        class: SizeClass,
    ) -> Result<Account, ApplyError> {
        // > "exact amount burn_units(cls) * kib_E"
        let kib = self
            .price(epoch)
            .ok_or_else(|| damaged("an includable epoch has no price"))?;
        let price = reward::fee(reward::burn_units(class), kib);
        let expected = price.ok_or_else(|| damaged("an envelope costs more than the cap"))?;
        if payment.burn != expected {
            return Err(Rule::ClearPrice {
                expected,
                found: payment.burn,
            }
            .into());
        }
        let Account { balance, nonce } = self.account(&AccountId::from(&payment.payer))?;
        check_nonce(nonce, payment.nonce)?;
        let rest = balance
            .checked_sub(payment.burn)
            .ok_or(Rule::BalanceTooLow { balance })?;
        Ok(Account {
            balance: rest,
            nonce: next_nonce(nonce)?,
        })
    }

    /// Bytes of stamped items with one more: its block must be ours, old enough, and the lane wide
    /// enough.
    fn lane_with(&self, dated: &DatedStamp, bytes: u64) -> Result<u64, Rule> {
        let height = dated.reference();
        let reference = u32::try_from(height.get()).unwrap_or(u32::MAX);
        stamp::check_age(reference, self.height)?;
        if self.references.get(&height) != Some(dated.block()) {
            return Err(Rule::StampReference { height });
        }
        let (limit, found) = (
            self.stamped_limit(),
            self.stamped_bytes.saturating_add(bytes),
        );
        if found <= limit {
            Ok(found)
        } else {
            Err(Rule::StampLane { limit, found })
        }
    }

    /// The contextual rules of a transaction, before its signature is worth verifying.
    pub(super) fn screen_transaction(&self, transaction: &Transaction) -> Result<(), ApplyError> {
        self.judge(transaction).map(|_| ())
    }

    /// The contextual rules of an envelope, before its signature is worth verifying.
    pub(super) fn screen_envelope(&self, envelope: &Envelope) -> Result<(), ApplyError> {
        self.judge_place(envelope.rate_epoch, &envelope.one_time_key)?;
        match &envelope.auth {
            Auth::Stamp(stamp) => Ok(stamp::check_age(stamp.reference, self.height)?),
            Auth::Clear(payment) => self
                .judge_payment(payment, envelope.rate_epoch, envelope.class)
                .map(|_| ()),
            Auth::None | Auth::RateLimit(_) | Auth::Credit(_) => Ok(()),
        }
    }

    /// Pays the miner, adds all credits, and hands back both ways.
    pub(super) fn close(
        mut self,
        payout: &AccountId,
        body_bytes: u64,
    ) -> Result<Outcome, ViewError> {
        self.mint(payout, reward::miner(self.parent_supply(), self.uncles))?;
        self.credit(payout, self.tips)?;
        for (account_id, credit) in std::mem::take(&mut self.credits) {
            let mut account = self.account(&account_id)?;
            account.balance = sum(account.balance, credit)?;
            self.overlay.set(StateKey::Account(account_id), &account);
        }
        let after = settlement::supply_after(self.supply, self.minted, self.burned)?;
        self.overlay.set(StateKey::Supply, &after);
        settlement::turn_epoch(
            &mut self.overlay,
            self.height,
            &self.prices,
            after,
            self.params,
        )?;
        settlement::keep_body_size(&mut self.overlay, self.height, body_bytes, self.params);
        settlement::keep_uncles(&mut self.overlay, self.height, self.recent_uncles);
        let difference = self.overlay.finish(self.height)?;
        settlement::check_conservation(&difference, self.minted, self.burned)?;
        Ok(Outcome {
            difference,
            uncle_work: self.uncle_work,
            minted: self.minted,
            burned: self.burned,
        })
    }

    fn parent_supply(&self) -> Amount {
        self.supply.supply
    }

    fn mint(&mut self, to: &AccountId, amount: Amount) -> Result<(), ViewError> {
        let minted = sum(self.minted, amount)?;
        self.credit(to, amount)?;
        self.minted = minted;
        Ok(())
    }

    /// Nothing is no credit: it would bring an account to life that has nothing.
    fn credit(&mut self, to: &AccountId, amount: Amount) -> Result<(), ViewError> {
        if amount > Amount::ZERO {
            let before = self.credits.get(to).copied().unwrap_or_default();
            self.credits.insert(*to, sum(before, amount)?);
        }
        Ok(())
    }

    fn account(&self, id: &AccountId) -> Result<Account, ViewError> {
        Ok(self
            .overlay
            .get(&StateKey::Account(*id))?
            .unwrap_or_default())
    }

    fn record(&self, id: &AccountId) -> Result<Option<AccountRecord>, ViewError> {
        self.overlay.get(&StateKey::Record(*id))
    }

    fn price(&self, epoch: RateEpoch) -> Option<Amount> {
        self.prices
            .iter()
            .find(|price| price.epoch == epoch)
            .map(|price| price.kib)
    }
}

/// > "nonce = account.nonce"
fn check_nonce(expected: u64, found: u64) -> Result<(), Rule> {
    match found.cmp(&expected) {
        std::cmp::Ordering::Less => Err(Rule::NonceUsed { expected, found }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(Rule::NonceAhead { expected, found }),
    }
}

fn next_nonce(nonce: u64) -> Result<u64, ViewError> {
    nonce
        .checked_add(1)
        .ok_or_else(|| damaged("an account has no nonce left"))
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

/// No network activates the kinds of stake and masternodes, and nothing carries them out: whoever
/// activates them in the parameters alone has made our mistake, not a sender's.
fn not_carried_out() -> ViewError {
    damaged("a kind of transaction is active that changes no state yet")
}

fn bytes_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// A sum that the supply's cap bounds, if our own books are right.
fn sum(a: Amount, b: Amount) -> Result<Amount, ViewError> {
    a.checked_add(b)
        .ok_or_else(|| damaged("a sum of coins exceeds the cap"))
}

fn damaged(reason: &str) -> ViewError {
    ViewError::Damaged {
        reason: reason.to_owned(),
    }
}
