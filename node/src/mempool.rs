//! Transactions and envelopes that wait for a block.
//!
//! # Invariants
//! * Everything here passed the checks of consensus in isolation and, on entry, in the context of
//!   the tip; what time may heal (a nonce ahead, a stamp too young, an epoch about to begin) waits.
//! * Bounded in bytes ([`room`]) and per paying account ([`ORDERS_PER_ACCOUNT_MAX`]).
//! * An order that waits for one that is not here is worth nothing meanwhile, is covered by the
//!   confirmed balance of its payer, and is forgotten after a while ([`gaps`]).
//! * Whatever leaves without being in a block is named once by [`Mempool::take_departed`], and
//!   whether it may come back.
//! * Of two items that exclude each other (same one-time key, same account and nonce) the first
//!   stays.
//!
//! # Spec
//! docs/spec/06-wire.md §9
//!
//! # Not here
//! Relaying (`node::protocol`), durable copies (`store::pending`), the rules (`consensus`).

use std::collections::{BTreeMap, BTreeSet};

use chain::{AccountId, Body, Hash32, Height, MessageId, PublicKey, TxId};
use consensus::block::VerifiedSet;
use consensus::envelope::CheckedEnvelope;
use consensus::error::ApplyError;
use consensus::state::value;
use consensus::transaction::CheckedTransaction;
use consensus::transition::Draft;
use consensus::{Rule, StateView, ViewError};
use genesis::Params;
use store::PendingId;

use crate::wire::{envelope_name, transaction_name};

mod gaps;
mod item;
mod refusal;
mod room;

pub use gaps::{GAP_BLOCKS_MAX, GAPPED_BYTES_MAX};
pub use item::Item;
pub use refusal::Refusal;
pub(crate) use refusal::{rules_out, unless_it_waits};
pub use room::{BYTES_MAX, PAID_BYTES_MAX};

use refusal::waits;
use room::Room;

/// Orders (transactions and transparent payments) of one account that wait at once.
pub const ORDERS_PER_ACCOUNT_MAX: usize = 64;
/// An envelope of the next rate epoch is taken when at most this many blocks of the current remain.
pub const NEXT_EPOCH_BLOCKS: u64 = 8;

/// How an item left without being in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// No later block takes it.
    ForGood,
    /// For want of room, or for what a later block may heal.
    ForNow,
}

impl Departure {
    /// How an item leaves that breaks `rule` in the context of the tip.
    #[must_use]
    pub const fn by(rule: &Rule) -> Self {
        if rules_out(rule) {
            Self::ForGood
        } else {
            Self::ForNow
        }
    }
}

#[derive(Clone, Debug)]
struct Entry {
    item: Item,
    arrival: u64,
    /// Nothing while an earlier order of its account is not here.
    value: u64,
}

/// The mempool.
#[derive(Clone, Debug, Default)]
pub struct Mempool {
    entries: BTreeMap<Hash32, Entry>,
    room: Room,
    by_arrival: BTreeMap<u64, Hash32>,
    by_order: BTreeMap<(AccountId, u64), Hash32>,
    // Nonce at the tip of every account that has an order here.
    confirmed: BTreeMap<AccountId, u64>,
    // Orders behind a gap, with the tip at which the gap was noticed.
    gapped: BTreeMap<Hash32, Option<Height>>,
    gapped_bytes: usize,
    by_one_time_key: BTreeMap<PublicKey, Hash32>,
    by_message: BTreeMap<MessageId, Hash32>,
    by_transaction: BTreeMap<TxId, Hash32>,
    verified: BTreeSet<Hash32>,
    arrivals: u64,
    departed: Vec<(PendingId, Departure)>,
}

impl VerifiedSet for Mempool {
    fn contains(&self, verified_id: &Hash32) -> bool {
        self.verified.contains(verified_id)
    }
}

impl Mempool {
    /// Takes an item, judged in the context of `view`'s tip.
    ///
    /// # Errors
    /// [`Refusal`]; nothing has changed then.
    pub fn add(
        &mut self,
        item: Item,
        view: &impl StateView,
        params: &Params,
    ) -> Result<Hash32, Refusal> {
        let name = item.name();
        if self.entries.contains_key(&name) {
            return Err(Refusal::AlreadyKnown);
        }
        self.check_exclusions(&item)?;
        self.check_context(&item, view, params)?;
        let mut item_value = item.value();
        let mut payer = None;
        if let Some((account, nonce)) = item.order() {
            let confirmed = value::account(view, &account)?.nonce;
            payer = Some((account, confirmed));
            if self.is_behind_a_gap(account, nonce, confirmed) {
                self.check_gap_room(&item)?;
                item_value = 0;
            }
        }
        self.make_room(&item, item_value)?;
        self.confirmed.extend(payer);
        self.insert(name, item);
        Ok(name)
    }

    /// Takes back what a disconnected block held; the next [`Self::select`] judges it.
    pub fn readmit(&mut self, item: Item) {
        let name = item.name();
        let is_free = !self.entries.contains_key(&name) && self.check_exclusions(&item).is_ok();
        if is_free && self.make_room(&item, item.value()).is_ok() {
            if let Some((account, nonce)) = item.order() {
                let confirmed = self.confirmed.entry(account).or_insert(nonce);
                *confirmed = nonce.min(*confirmed);
            }
            self.insert(name, item);
        } else if !self.entries.contains_key(&name) {
            self.departed.push((item.pending_id(), Departure::ForNow));
        }
    }

    /// Takes note that something which left a block breaks `rule` by itself on the new branch.
    pub(crate) fn not_readmitted(&mut self, id: PendingId, rule: &Rule) {
        self.departed.push((id, Departure::by(rule)));
    }

    /// What left without being in a block since the last call.
    pub fn take_departed(&mut self) -> Vec<(PendingId, Departure)> {
        std::mem::take(&mut self.departed)
    }

    /// Drops what `body` included and what can never be included after it.
    pub fn block_connected(&mut self, body: &Body) {
        for transaction in &body.transactions {
            let order = (transaction.sender(), transaction.prefix().nonce);
            let ruled_out = self.by_order.get(&order).copied();
            self.leave(ruled_out, &transaction_name(transaction));
        }
        for bytes in &body.envelopes {
            let Ok(envelope) = bytes.parse() else {
                continue;
            };
            let included = envelope_name(bytes);
            let ruled_out = self.by_one_time_key.get(&envelope.one_time_key).copied();
            self.leave(ruled_out, &included);
            if let chain::envelope::Auth::Clear(payment) = &envelope.auth {
                let order = (AccountId::from(&payment.payer), payment.nonce);
                let ruled_out = self.by_order.get(&order).copied();
                self.leave(ruled_out, &included);
            }
        }
    }

    /// Fills `draft` with the most valuable items that are valid in it, and drops what the blocks to
    /// come soon will not take either. Returns the names of what was dropped.
    ///
    /// # Errors
    /// [`ViewError`]: our own state failed.
    pub fn select<V: StateView>(
        &mut self,
        draft: &mut Draft<'_, V>,
    ) -> Result<Vec<Hash32>, ViewError> {
        let mut dropped = Vec::new();
        let mut waiting: Vec<Hash32> = self.best_first();
        // An order whose predecessor has a lower value succeeds in the pass after it.
        loop {
            let mut deferred = Vec::new();
            let before = waiting.len();
            for name in waiting {
                let Some(entry) = self.entries.get(&name) else {
                    continue;
                };
                match entry.item.offer(draft) {
                    Ok(()) => {}
                    Err(ApplyError::View(error)) => return Err(error),
                    Err(ApplyError::Rule(Rule::NonceAhead { .. })) => deferred.push(name),
                    Err(ApplyError::Rule(rule)) if waits(&rule) => {}
                    Err(ApplyError::Rule(rule)) => dropped.push((name, Departure::by(&rule))),
                }
            }
            if deferred.is_empty() || deferred.len() == before {
                break;
            }
            waiting = deferred;
        }
        for (name, departure) in &dropped {
            self.depart(name, *departure);
        }
        Ok(dropped.into_iter().map(|(name, _)| name).collect())
    }

    /// The item with this name.
    #[must_use]
    pub fn get(&self, name: &Hash32) -> Option<&Item> {
        self.entries.get(name).map(|entry| &entry.item)
    }

    /// The waiting transaction with this id.
    #[must_use]
    pub fn transaction(&self, id: &TxId) -> Option<&CheckedTransaction> {
        match self.get(self.by_transaction.get(id)?)? {
            Item::Transaction(tx) => Some(tx),
            Item::Envelope(_) => None,
        }
    }

    /// The waiting envelope with this content.
    #[must_use]
    pub fn envelope(&self, id: &MessageId) -> Option<&CheckedEnvelope> {
        match self.get(self.by_message.get(id)?)? {
            Item::Envelope(envelope) => Some(envelope),
            Item::Transaction(_) => None,
        }
    }

    /// Nonce after the waiting orders of an account, if any waits.
    #[must_use]
    pub fn next_nonce(&self, account: &AccountId) -> Option<u64> {
        let mut orders = self.by_order.range((*account, 0)..=(*account, u64::MAX));
        orders
            .next_back()
            .map(|((_, nonce), _)| nonce.saturating_add(1))
    }

    /// Names of all items, ascending.
    pub fn names(&self) -> impl Iterator<Item = &Hash32> {
        self.entries.keys()
    }

    /// All items in the order of their arrival.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.by_arrival.values().filter_map(|name| self.get(name))
    }

    /// Items waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Encoded bytes of all items.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.room.bytes()
    }

    fn check_exclusions(&self, item: &Item) -> Result<(), Refusal> {
        if let Item::Envelope(envelope) = item {
            let is_taken = self.by_one_time_key.contains_key(envelope.one_time_key())
                || self.by_message.contains_key(envelope.message_id());
            if is_taken {
                return Err(Refusal::Conflict);
            }
        }
        let Some((account, nonce)) = item.order() else {
            return Ok(());
        };
        if self.by_order.contains_key(&(account, nonce)) {
            return Err(Refusal::Conflict);
        }
        if self.orders_of(account).count() >= ORDERS_PER_ACCOUNT_MAX {
            return Err(Refusal::TooManyOrders);
        }
        Ok(())
    }

    /// Tries the item in a block of its own, after its account's earlier orders.
    fn check_context(
        &self,
        item: &Item,
        view: &impl StateView,
        params: &Params,
    ) -> Result<(), Refusal> {
        let mut draft = Draft::new(view, params)?;
        if let Some((account, nonce)) = item.order() {
            // Transactions come before envelopes in a block, so a payment for an envelope ends an
            // account's orders there: what follows one waits for the next block.
            for name in self
                .by_order
                .range((account, 0)..(account, nonce))
                .map(|(_, name)| name)
            {
                if let Some(earlier) = self.get(name) {
                    match earlier.offer(&mut draft) {
                        Err(ApplyError::View(error)) => return Err(error.into()),
                        Ok(()) | Err(ApplyError::Rule(_)) => {}
                    }
                }
            }
        }
        let judged = item.offer(&mut draft);
        let is_valid_now = judged.is_ok();
        unless_it_waits(judged, params)?;
        if !is_valid_now {
            // The draft has not asked for the coins.
            self.check_cover(item, view, params)?;
        }
        Ok(())
    }

    fn orders_of(&self, account: AccountId) -> impl Iterator<Item = &Hash32> {
        self.by_order
            .range((account, 0)..=(account, u64::MAX))
            .map(|(_, name)| name)
    }

    fn make_room(&mut self, item: &Item, item_value: u64) -> Result<(), Refusal> {
        let bytes_of = |name: &Hash32| self.get(name).map_or(0, Item::bytes);
        let victims = self.room.victims(item, item_value, bytes_of)?;
        for name in &victims {
            self.depart(name, Departure::ForNow);
        }
        Ok(())
    }

    fn best_first(&self) -> Vec<Hash32> {
        let mut names: Vec<_> = self
            .entries
            .iter()
            .map(|(name, entry)| (std::cmp::Reverse(entry.value), entry.arrival, *name))
            .collect();
        names.sort_unstable();
        names.into_iter().map(|(_, _, name)| name).collect()
    }

    fn insert(&mut self, name: Hash32, item: Item) {
        let arrival = self.arrivals;
        self.arrivals += 1;
        let (value, order) = (item.value(), item.order());
        self.room.enter(&item, value, arrival, name);
        self.by_arrival.insert(arrival, name);
        self.verified.insert(*item.verified_id());
        if let Some(order) = order {
            self.by_order.insert(order, name);
        }
        match &item {
            Item::Transaction(tx) => {
                self.by_transaction.insert(*tx.id(), name);
            }
            Item::Envelope(envelope) => {
                self.by_one_time_key.insert(*envelope.one_time_key(), name);
                self.by_message.insert(*envelope.message_id(), name);
            }
        }
        let entry = Entry {
            item,
            arrival,
            value,
        };
        self.entries.insert(name, entry);
        if let Some((account, _)) = order {
            self.review_gaps(account);
        }
    }

    /// Removes what a block took or ruled out by taking `included`.
    fn leave(&mut self, name: Option<Hash32>, included: &Hash32) {
        match name {
            Some(name) if name != *included => self.depart(&name, Departure::ForGood),
            Some(name) => {
                self.remove(&name);
            }
            None => {}
        }
    }

    /// Removes what goes without a block.
    fn depart(&mut self, name: &Hash32, departure: Departure) {
        if let Some(item) = self.remove(name) {
            self.departed.push((item.pending_id(), departure));
        }
    }

    fn remove(&mut self, name: &Hash32) -> Option<Item> {
        let Entry {
            item,
            arrival,
            value,
        } = self.entries.remove(name)?;
        self.room.leave(&item, value, arrival, *name);
        if self.gapped.remove(name).is_some() {
            self.gapped_bytes -= item.bytes();
        }
        self.by_arrival.remove(&arrival);
        self.verified.remove(item.verified_id());
        if let Some(order) = item.order() {
            self.by_order.remove(&order);
            self.review_gaps(order.0);
        }
        match &item {
            Item::Transaction(tx) => {
                self.by_transaction.remove(tx.id());
            }
            Item::Envelope(envelope) => {
                self.by_one_time_key.remove(envelope.one_time_key());
                self.by_message.remove(envelope.message_id());
            }
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests;
