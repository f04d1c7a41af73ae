//! Orders that wait for earlier orders of their account which are not here.
//!
//! # Invariants
//! * What waits behind a gap cannot be mined: it is worth nothing and displaces nobody.
//! * The confirmed balance covers all that waits of an account with a gap, so that holding room
//!   here takes coins.
//! * Bounded in bytes ([`GAPPED_BYTES_MAX`]) and in time ([`GAP_BLOCKS_MAX`]).
//!
//! # Spec
//! docs/spec/06-wire.md §9
//!
//! # Not here
//! Values of orders without a gap: [`super::Item`].

use chain::{AccountId, Amount, Hash32};
use consensus::state::{self, value};
use consensus::{StateView, ViewError};
use genesis::Params;

use super::{Departure, Item, Mempool, Refusal};

/// Bytes of all orders behind gaps: gossip delivers few orders before their predecessors.
pub const GAPPED_BYTES_MAX: usize = 1 << 20;
/// Blocks after which an order behind a gap is forgotten: what should fill it had a minute to come.
pub const GAP_BLOCKS_MAX: u64 = 32;

impl Mempool {
    /// Learns the nonces after the tip moved, and forgets what waited too long behind a gap.
    /// Returns the names of what was forgotten.
    ///
    /// # Errors
    /// [`ViewError`]: our own state failed.
    pub fn tip_moved(&mut self, view: &impl StateView) -> Result<Vec<Hash32>, ViewError> {
        let height = state::tip(view)?.height;
        let accounts: Vec<AccountId> = self.confirmed.keys().copied().collect();
        for account in accounts {
            let confirmed = value::account(view, &account)?.nonce;
            self.confirmed.insert(account, confirmed);
            self.review_gaps(account);
        }
        let mut expired = Vec::new();
        for (name, noticed) in &mut self.gapped {
            let noticed = *noticed.get_or_insert(height);
            if height.get().saturating_sub(noticed.get()) >= GAP_BLOCKS_MAX {
                expired.push(*name);
            }
        }
        for name in &expired {
            self.depart(name, Departure::ForNow);
        }
        Ok(expired)
    }

    /// Whether an order waits for one between `confirmed` and its nonce that is not here.
    pub(super) fn is_behind_a_gap(&self, account: AccountId, nonce: u64, confirmed: u64) -> bool {
        if nonce <= confirmed {
            return false;
        }
        let earlier = self.by_order.range((account, confirmed)..(account, nonce));
        (earlier.count() as u64) < nonce - confirmed
    }

    /// Whether the confirmed balance pays for the item and for all else that waits of its account.
    pub(super) fn check_cover(
        &self,
        item: &Item,
        view: &impl StateView,
        params: &Params,
    ) -> Result<(), Refusal> {
        let Some((account, _)) = item.order() else {
            return Ok(());
        };
        let value::Account { balance, nonce } = value::account(view, &account)?;
        let tip = state::tip(view)?.height;
        let epoch = params.rate_epoch(tip.next().unwrap_or(tip));
        let prices = value::prices(view)?;
        let kib = prices
            .iter()
            .find(|price| price.epoch == epoch)
            .map(|price| price.kib)
            .unwrap_or_default();
        let mut sum = item.cost(kib)?;
        let waiting = self.by_order.range((account, nonce)..=(account, u64::MAX));
        for other in waiting.filter_map(|(_, name)| self.get(name)) {
            // One that has become too dear for its own word will be dropped and costs nothing.
            let cost = other.cost(kib).unwrap_or(Some(Amount::ZERO));
            sum = sum.zip(cost).and_then(|(sum, cost)| sum.checked_add(cost));
        }
        match sum {
            Some(sum) if sum <= balance => Ok(()),
            _ => Err(Refusal::Uncovered { balance }),
        }
    }

    /// Whether one more order may wait behind a gap.
    pub(super) fn check_gap_room(&self, item: &Item) -> Result<(), Refusal> {
        if self.gapped_bytes + item.bytes() > GAPPED_BYTES_MAX {
            return Err(Refusal::TooManyGaps);
        }
        Ok(())
    }

    /// Tells anew which orders of an account wait behind a gap: one came, went, or was mined.
    pub(super) fn review_gaps(&mut self, account: AccountId) {
        let orders = self.by_order.range((account, 0)..=(account, u64::MAX));
        let orders: Vec<(u64, Hash32)> = orders.map(|((_, nonce), name)| (*nonce, *name)).collect();
        if orders.is_empty() {
            self.confirmed.remove(&account);
            return;
        }
        let mut next = self.confirmed.get(&account).copied().unwrap_or_default();
        for (nonce, name) in orders {
            if nonce <= next {
                next = next.max(nonce.saturating_add(1));
                self.close_gap(&name);
            } else {
                self.open_gap(&name);
            }
        }
    }

    fn open_gap(&mut self, name: &Hash32) {
        if self.gapped.contains_key(name) {
            return;
        }
        if let Some(bytes) = self.revalue(name, |_| 0) {
            self.gapped.insert(*name, None);
            self.gapped_bytes += bytes;
        }
    }

    fn close_gap(&mut self, name: &Hash32) {
        if self.gapped.remove(name).is_some()
            && let Some(bytes) = self.revalue(name, Item::value)
        {
            self.gapped_bytes -= bytes;
        }
    }

    /// Gives an item another value; its bytes.
    fn revalue(&mut self, name: &Hash32, value: fn(&Item) -> u64) -> Option<usize> {
        let entry = self.entries.get_mut(name)?;
        let values = [entry.value, value(&entry.item)];
        [_, entry.value] = values;
        self.room.revalue(&entry.item, values, entry.arrival, *name);
        Some(entry.item.bytes())
    }
}
