//! How many bytes wait, and who goes when there are too many.
//!
//! # Invariants
//! * All items together take at most [`BYTES_MAX`], orders that pay at most [`PAID_BYTES_MAX`]: the
//!   rest is kept free for items that stand for work, which coins cannot displace.
//! * The least valuable goes first, among equals the youngest; a newcomer that is worth no more than
//!   what it would displace is refused.
//!
//! # Spec
//! docs/spec/06-wire.md §9
//!
//! # Not here
//! What an item is worth: [`super::Item`].

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chain::Hash32;

use super::{Item, Refusal};

/// Bytes of encoded items: about a minute of full blocks.
pub const BYTES_MAX: usize = 32 << 20;
/// Bytes of orders that pay: three quarters. A block has no share for paid items alone, so whoever
/// buys all of them must not push out every message that a stamp admits.
pub const PAID_BYTES_MAX: usize = BYTES_MAX / 4 * 3;

/// What an item stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Coins.
    Paid,
    /// Work, or nothing where a network allows that.
    Unpaid,
}

/// Items of one lane. (value, newest first): the first of it goes first when room is needed.
#[derive(Clone, Debug, Default)]
struct Queue {
    by_value: BTreeSet<(u64, Reverse<u64>, Hash32)>,
    bytes: usize,
}

/// The room that items take.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    paid: Queue,
    unpaid: Queue,
}

impl Room {
    pub(super) fn bytes(&self) -> usize {
        self.paid.bytes + self.unpaid.bytes
    }

    /// Whom a newcomer of this value displaces.
    ///
    /// # Errors
    /// [`Refusal::Full`].
    pub(super) fn victims(
        &self,
        item: &Item,
        value: u64,
        bytes_of: impl Fn(&Hash32) -> usize,
    ) -> Result<Vec<Hash32>, Refusal> {
        let needed = item.bytes();
        let mut victims = Vec::new();
        let mut freed = 0;
        if item.lane() == Lane::Paid {
            let excess = (self.paid.bytes + needed).saturating_sub(PAID_BYTES_MAX);
            freed = self.paid.free(excess, value, &bytes_of, &mut victims)?;
        }
        let excess = (self.bytes() + needed).saturating_sub(BYTES_MAX + freed);
        // Paid items stay below their part, so what is too much now is the unpaid ones' loan.
        self.unpaid.free(excess, value, &bytes_of, &mut victims)?;
        Ok(victims)
    }

    pub(super) fn enter(&mut self, item: &Item, value: u64, arrival: u64, name: Hash32) {
        let queue = self.queue(item);
        queue.by_value.insert((value, Reverse(arrival), name));
        queue.bytes += item.bytes();
    }

    pub(super) fn leave(&mut self, item: &Item, value: u64, arrival: u64, name: Hash32) {
        let queue = self.queue(item);
        queue.by_value.remove(&(value, Reverse(arrival), name));
        queue.bytes -= item.bytes();
    }

    /// An item has another value from now on.
    pub(super) fn revalue(&mut self, item: &Item, values: [u64; 2], arrival: u64, name: Hash32) {
        let [before, after] = values;
        let queue = self.queue(item);
        queue.by_value.remove(&(before, Reverse(arrival), name));
        queue.by_value.insert((after, Reverse(arrival), name));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.paid.by_value.len() + self.unpaid.by_value.len()
    }

    fn queue(&mut self, item: &Item) -> &mut Queue {
        match item.lane() {
            Lane::Paid => &mut self.paid,
            Lane::Unpaid => &mut self.unpaid,
        }
    }
}

impl Queue {
    /// Names items worth less than `value` until `excess` bytes are free; how many are.
    fn free(
        &self,
        excess: usize,
        value: u64,
        bytes_of: impl Fn(&Hash32) -> usize,
        victims: &mut Vec<Hash32>,
    ) -> Result<usize, Refusal> {
        let mut freed = 0;
        let mut cheapest = self.by_value.iter();
        while freed < excess {
            match cheapest.next() {
                Some((least, _, name)) if *least < value => {
                    freed += bytes_of(name);
                    victims.push(*name);
                }
                // Among equals the one that waits longer stays.
                _ => return Err(Refusal::Full),
            }
        }
        Ok(freed)
    }
}
