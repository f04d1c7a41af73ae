//! Putting an announced block together from what is known already.
//!
//! # Invariants
//! * A short id only proposes an item; the roots of the header decide (`consensus::check_block`).
//! * Positions outside the announced lists are refused; nothing is allocated by a peer's number.
//! * No item is cloned twice, and no more of them than the largest body holds: an announcement costs
//!   no more memory than an honest one.
//!
//! # Spec
//! docs/spec/06-wire.md §3.2
//!
//! # Not here
//! Whom to ask for what is missing: [`crate::protocol`].

use std::collections::BTreeMap;

use chain::{Block, BlockId, Body, EnvelopeBytes, Hash32, Header, Transaction, codec};

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
    /// Encoded bytes of the items that are here.
    bytes: usize,
}

/// The announcement or the answer contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// The aux items are not those that the header names.
    #[error("the aux items do not match the header")]
    Aux,
    /// A list names an item twice; no valid block does.
    #[error("an item is announced twice")]
    Repeated,
    /// A prefilled item has a position outside the list, or another's.
    #[error("a prefilled item stands outside the block or where another one stands")]
    Position,
    /// A prefilled item is not the one that its position names.
    #[error("a prefilled item is not the one that is announced")]
    Prefilled,
    /// The items are more than a body holds. Perhaps two of them share a short id: nobody's fault.
    #[error("the items take more bytes than a body")]
    Bytes,
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
    /// [`Contradiction`], but for [`Contradiction::Count`].
    pub fn start(
        announcement: BlockAnnouncement,
        mempool: &Mempool,
    ) -> Result<Self, Contradiction> {
        if announcement.aux.root() != announcement.header.aux_root {
            return Err(Contradiction::Aux);
        }
        let transactions = without_repetition(&announcement.transactions)?;
        let envelopes = without_repetition(&announcement.envelopes)?;
        let id = announcement.header.id();
        let mut started = Self {
            id,
            header: announcement.header,
            transactions: vec![None; announcement.transactions.len()],
            envelopes: vec![None; announcement.envelopes.len()],
            aux: announcement.aux,
            bytes: 0,
        };
        for new in announcement.new_transactions {
            let gap = place(&mut started.transactions, new.position)?;
            let name = transaction_name(&new.transaction);
            is_announced(&announcement.transactions, new.position, &id, &name)?;
            started.bytes += codec::encoded_len(&new.transaction);
            *gap = Some(new.transaction);
        }
        for new in announcement.new_envelopes {
            let gap = place(&mut started.envelopes, new.position)?;
            let name = envelope_name(&new.envelope);
            is_announced(&announcement.envelopes, new.position, &id, &name)?;
            started.bytes += new.envelope.as_slice().len();
            *gap = Some(new.envelope);
        }
        for name in mempool.names() {
            let short = ShortId::of(&id, name);
            if let Some(position) = transactions.get(&short)
                && let Some(gap) = gap_at(&mut started.transactions, *position)
                && let Some(Item::Transaction(tx)) = mempool.get(name)
            {
                started.bytes += tx.bytes();
                within_a_body(started.bytes)?;
                *gap = Some(tx.transaction().clone());
            }
            if let Some(position) = envelopes.get(&short)
                && let Some(gap) = gap_at(&mut started.envelopes, *position)
                && let Some(Item::Envelope(envelope)) = mempool.get(name)
            {
                started.bytes += envelope.bytes().as_slice().len();
                within_a_body(started.bytes)?;
                *gap = Some(envelope.bytes().clone());
            }
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
    /// [`Contradiction::Count`] and [`Contradiction::Bytes`].
    pub fn fill(&mut self, items: Items) -> Result<(), Contradiction> {
        let transactions = items.transactions.iter().map(codec::encoded_len);
        let envelopes = items.envelopes.iter().map(|bytes| bytes.as_slice().len());
        self.bytes += transactions.sum::<usize>() + envelopes.sum::<usize>();
        within_a_body(self.bytes)?;
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

/// Where each short id stands.
fn without_repetition(shorts: &[ShortId]) -> Result<BTreeMap<ShortId, usize>, Contradiction> {
    let positions: BTreeMap<ShortId, usize> = (0..)
        .zip(shorts)
        .map(|(position, short)| (*short, position))
        .collect();
    if positions.len() == shorts.len() {
        Ok(positions)
    } else {
        Err(Contradiction::Repeated)
    }
}

/// The gap at a position that a peer named.
fn place<T>(list: &mut [Option<T>], position: u32) -> Result<&mut Option<T>, Contradiction> {
    let position = usize::try_from(position).map_err(|_| Contradiction::Position)?;
    gap_at(list, position).ok_or(Contradiction::Position)
}

fn gap_at<T>(list: &mut [Option<T>], position: usize) -> Option<&mut Option<T>> {
    list.get_mut(position).filter(|gap| gap.is_none())
}

fn is_announced(
    shorts: &[ShortId],
    position: u32,
    block: &BlockId,
    name: &Hash32,
) -> Result<(), Contradiction> {
    let position = usize::try_from(position).map_err(|_| Contradiction::Position)?;
    if shorts.get(position) == Some(&ShortId::of(block, name)) {
        Ok(())
    } else {
        Err(Contradiction::Prefilled)
    }
}

const fn within_a_body(bytes: usize) -> Result<(), Contradiction> {
    if bytes > Body::BYTES_MAX {
        Err(Contradiction::Bytes)
    } else {
        Ok(())
    }
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
mod tests;
