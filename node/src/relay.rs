//! Putting an announced block together from what is known already.
//!
//! # Invariants
//! * A short id only proposes an item; the roots of the header decide (`consensus::check_block`).
//! * Positions outside the announced lists are refused; nothing is allocated by a peer's number.
//!
//! # Spec
//! docs/spec/06-wire.md §3.2
//!
//! # Not here
//! Whom to ask for what is missing: [`crate::protocol`].

use std::collections::BTreeMap;

use chain::{Block, BlockId, Body, EnvelopeBytes, Hash32, Header, Transaction};

use crate::mempool::{Item, Mempool};
use crate::wire::{
    BLOCK_ITEMS_MAX, BlockAnnouncement, Items, MissingRequest, ShortId, envelope_name,
    transaction_name,
};

/// An announced block, as far as its items are known.
#[derive(Clone, Debug)]
pub struct Reconstruction {
    id: BlockId,
    header: Header,
    aux: chain::Aux,
    transactions: Vec<Option<Transaction>>,
    envelopes: Vec<Option<EnvelopeBytes>>,
}

/// The announcement or the answer contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// A prefilled item has a position outside the list.
    #[error("a prefilled item stands outside the block")]
    Position,
    /// The answer has another number of items than were asked for.
    #[error("{found} items where {expected} were asked for")]
    Count {
        /// Asked for.
        expected: usize,
        /// Found.
        found: usize,
    },
}

impl Reconstruction {
    /// Fills the announced block from its prefilled items and the mempool.
    ///
    /// # Errors
    /// [`Contradiction::Position`].
    pub fn start(
        announcement: BlockAnnouncement,
        mempool: &Mempool,
    ) -> Result<Self, Contradiction> {
        let id = announcement.header.id();
        let known: BTreeMap<ShortId, Hash32> = mempool
            .names()
            .map(|name| (ShortId::of(&id, name), *name))
            .collect();
        let known = |short: &ShortId| known.get(short).and_then(|name| mempool.get(name));
        let transactions = announcement
            .transactions
            .iter()
            .map(|short| match known(short)? {
                Item::Transaction(tx) => Some(tx.transaction().clone()),
                Item::Envelope(_) => None,
            });
        let envelopes = announcement
            .envelopes
            .iter()
            .map(|short| match known(short)? {
                Item::Envelope(envelope) => Some(envelope.bytes().clone()),
                Item::Transaction(_) => None,
            });
        let mut started = Self {
            id,
            header: announcement.header,
            transactions: transactions.collect(),
            envelopes: envelopes.collect(),
            aux: announcement.aux,
        };
        for new in announcement.new_transactions {
            *place(&mut started.transactions, new.position)? = Some(new.transaction);
        }
        for new in announcement.new_envelopes {
            *place(&mut started.envelopes, new.position)? = Some(new.envelope);
        }
        Ok(started)
    }

    /// Names the block.
    #[must_use]
    pub fn id(&self) -> &BlockId {
        &self.id
    }

    /// The announced header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What to ask for; nothing if the block is whole.
    #[must_use]
    pub fn missing(&self) -> Option<MissingRequest> {
        let request = MissingRequest {
            block: self.id,
            transactions: gaps(&self.transactions),
            envelopes: gaps(&self.envelopes),
        };
        let is_whole = request.transactions.is_empty() && request.envelopes.is_empty();
        (!is_whole).then_some(request)
    }

    /// Puts the answer to [`Self::missing`] in its places.
    ///
    /// # Errors
    /// [`Contradiction::Count`].
    pub fn fill(&mut self, items: Items) -> Result<(), Contradiction> {
        fill_gaps(&mut self.transactions, items.transactions)?;
        fill_gaps(&mut self.envelopes, items.envelopes)
    }

    /// The body, if nothing is missing.
    #[must_use]
    pub fn into_body(self) -> Option<Body> {
        Some(Body {
            transactions: self.transactions.into_iter().collect::<Option<_>>()?,
            envelopes: self.envelopes.into_iter().collect::<Option<_>>()?,
            aux: self.aux,
        })
    }
}

/// The answer to a peer that lacks items of `block`; nothing if a position is outside it.
#[must_use]
pub fn items_at(block: &Block, request: &MissingRequest) -> Option<Items> {
    let at = |position: &u32| usize::try_from(*position).ok();
    let transactions = request
        .transactions
        .iter()
        .map(|position| block.body.transactions.get(at(position)?).cloned())
        .collect::<Option<_>>()?;
    let envelopes = request
        .envelopes
        .iter()
        .map(|position| block.body.envelopes.get(at(position)?).cloned())
        .collect::<Option<_>>()?;
    Some(Items {
        transactions,
        envelopes,
    })
}

/// Names of a body's items that `mempool` does not hold: what peers may lack too.
#[must_use]
pub fn new_items(body: &Body, mempool: &Mempool) -> Vec<Hash32> {
    body.transactions
        .iter()
        .map(transaction_name)
        .chain(body.envelopes.iter().map(envelope_name))
        .filter(|name| mempool.get(name).is_none())
        .take(BLOCK_ITEMS_MAX)
        .collect()
}

fn place<T>(list: &mut [Option<T>], position: u32) -> Result<&mut Option<T>, Contradiction> {
    let position = usize::try_from(position).map_err(|_| Contradiction::Position)?;
    list.get_mut(position).ok_or(Contradiction::Position)
}

fn gaps<T>(list: &[Option<T>]) -> Vec<u32> {
    (0u32..)
        .zip(list)
        .filter(|(_, item)| item.is_none())
        .map(|(position, _)| position)
        .collect()
}

fn fill_gaps<T>(list: &mut [Option<T>], found: Vec<T>) -> Result<(), Contradiction> {
    let expected = list.iter().filter(|item| item.is_none()).count();
    if found.len() != expected {
        return Err(Contradiction::Count {
            expected,
            found: found.len(),
        });
    }
    let gaps = list.iter_mut().filter(|item| item.is_none());
    for (gap, item) in gaps.zip(found) {
        *gap = Some(item);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> Block {
        let envelope = |byte| EnvelopeBytes::new(vec![byte; 436]);
        let body = Body {
            envelopes: vec![envelope(1), envelope(2), envelope(3)],
            ..Body::default()
        };
        Block {
            body,
            ..Block::default()
        }
    }

    #[test]
    fn a_block_is_put_together_from_the_answer() {
        let block = block();
        let announcement = BlockAnnouncement::of(&block, |_| false);
        let mut started = Reconstruction::start(announcement, &Mempool::default()).expect("starts");
        let request = started.missing().expect("all items are missing");
        assert_eq!(request.envelopes, [0, 1, 2]);
        let items = items_at(&block, &request).expect("positions are inside");
        started.fill(items).expect("as many as asked for");
        assert_eq!(started.missing(), None);
        assert_eq!(started.into_body(), Some(block.body));
    }

    #[test]
    fn prefilled_items_need_no_answer() {
        let block = block();
        let announcement = BlockAnnouncement::of(&block, |_| true);
        let started = Reconstruction::start(announcement, &Mempool::default()).expect("starts");
        assert_eq!(started.missing(), None);
        assert_eq!(started.into_body(), Some(block.body));
    }

    #[test]
    fn positions_outside_and_wrong_counts_are_refused() {
        let block = block();
        let mut announcement = BlockAnnouncement::of(&block, |_| true);
        announcement.new_envelopes[0].position = 3;
        let refused = Reconstruction::start(announcement, &Mempool::default());
        assert_eq!(refused.err(), Some(Contradiction::Position));
        let announcement = BlockAnnouncement::of(&block, |_| false);
        let mut started = Reconstruction::start(announcement, &Mempool::default()).expect("starts");
        let short = started.fill(Items::default());
        assert_eq!(
            short,
            Err(Contradiction::Count {
                expected: 3,
                found: 0
            })
        );
        let mut request = started.missing().expect("items are missing");
        request.envelopes[0] = 3;
        assert_eq!(items_at(&block, &request), None);
    }
}
