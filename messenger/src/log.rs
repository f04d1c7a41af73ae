//! The log of a conversation: which messages there are, in which order, and where they stand.
//!
//! # Invariants
//! * The order of what stands in blocks is (height, index in the block), whatever the order of
//!   arrival; what stands in no block follows in the order of arrival.
//! * Of several messages under one one-time key the first canonical one is shown, of several chain
//!   starts likewise; messages of a start that lost are not shown.
//! * Sightings are never forgotten. Which of them count is decided by the canonical blocks alone, so
//!   a reorganisation there and back changes nothing.
//!
//! # Spec
//! docs/spec/09-messages.md §4
//!
//! # Not here
//! Opening envelopes: [`crate::messenger`]. What a caller sees of a message: [`crate::view`].

use std::collections::{BTreeMap, BTreeSet};

use chain::{BlockId, Height, PublicKey, Timestamp, WireId};

use crate::error::SendFailure;
use crate::ids::{MessageNumber, MessageRef, RefPrefix, WriterChainId};
use crate::plaintext::Plaintext;

/// Different messages that are kept under one one-time key: one is right, a second shows the fork.
pub(crate) const VARIANTS_MAX: usize = 4;

/// The blocks that count, of those that hold anything of ours.
pub(crate) type CanonicalBlocks = BTreeMap<Height, BlockId>;

/// A place in the canonical chain; orders the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Height of the block.
    pub height: Height,
    /// Index among the block's envelopes.
    pub index: u16,
}

/// One envelope in one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InBlock {
    pub(crate) place: Place,
    pub(crate) block: BlockId,
    pub(crate) wire: WireId,
}

/// Where an envelope was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sightings {
    pub(crate) is_gossiped: bool,
    blocks: BTreeSet<InBlock>,
}

impl Sightings {
    pub(crate) fn add(&mut self, sighting: InBlock) {
        self.blocks.insert(sighting);
    }

    pub(crate) fn contains(&self, sighting: &InBlock) -> bool {
        self.blocks.contains(sighting)
    }

    /// The first place that counts.
    pub(crate) fn place(&self, canonical: &CanonicalBlocks) -> Option<Place> {
        self.blocks
            .iter()
            .find(|seen| canonical.get(&seen.place.height) == Some(&seen.block))
            .map(|seen| seen.place)
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.is_gossiped && self.blocks.is_empty()
    }
}

/// How an envelope was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// In gossip.
    Gossip,
    /// In a block.
    InBlock,
}

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Composed by this device.
    Outbox,
    /// Received.
    Network,
}

/// A message in the log.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) writer: WriterChainId,
    pub(crate) number: MessageNumber,
    /// `S` of the chain; a start names its own.
    pub(crate) announced: PublicKey,
    pub(crate) one_time_key: PublicKey,
    pub(crate) plaintext: Plaintext,
    pub(crate) received: Timestamp,
    pub(crate) origin: Origin,
    pub(crate) sightings: Sightings,
    pub(crate) failure: Option<SendFailure>,
    place: Option<Place>,
    arrival: u64,
}

impl Entry {
    pub(crate) fn new(
        coordinates: (WriterChainId, MessageNumber),
        announced: PublicKey,
        one_time_key: PublicKey,
        plaintext: Plaintext,
        received: Timestamp,
        origin: Origin,
    ) -> Self {
        let (writer, number) = coordinates;
        Self {
            writer,
            number,
            announced,
            one_time_key,
            plaintext,
            received,
            origin,
            sightings: Sightings::default(),
            failure: None,
            place: None,
            arrival: 0,
        }
    }

    pub(crate) const fn place(&self) -> Option<Place> {
        self.place
    }

    /// Whether anybody but the author can have seen it.
    pub(crate) fn is_out(&self) -> bool {
        !self.sightings.is_empty()
    }

    /// Whether it takes part in the log: a failed message does only where it stands in a block.
    const fn counts(&self) -> bool {
        self.failure.is_none() || self.place.is_some()
    }

    /// Smaller is first: canonical before pending, then by place, then by arrival.
    const fn rank(&self) -> (bool, Option<Place>, u64) {
        (self.place.is_none(), self.place, self.arrival)
    }
}

/// All messages of a conversation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    entries: BTreeMap<MessageRef, Entry>,
    by_key: BTreeMap<PublicKey, Vec<MessageRef>>,
    by_writer: BTreeMap<WriterChainId, BTreeSet<MessageRef>>,
    /// First one-time key of each writer chain: it does not depend on who starts it.
    start_keys: BTreeMap<WriterChainId, PublicKey>,
    by_prefix: BTreeMap<RefPrefix, MessageRef>,
    by_height: BTreeMap<Height, BTreeSet<MessageRef>>,
    placed: BTreeMap<Place, MessageRef>,
    pending: BTreeMap<u64, MessageRef>,
    mentioned: BTreeSet<RefPrefix>,
    arrivals: u64,
}

impl Log {
    pub(crate) fn get(&self, reference: &MessageRef) -> Option<&Entry> {
        self.entries.get(reference)
    }

    /// Adds a message that was never seen in a block; a second time changes nothing.
    pub(crate) fn insert(&mut self, reference: MessageRef, mut entry: Entry) {
        if self.entries.contains_key(&reference) {
            return;
        }
        entry.arrival = self.arrivals;
        self.arrivals += 1;
        self.by_key
            .entry(entry.one_time_key)
            .or_default()
            .push(reference);
        self.by_writer
            .entry(entry.writer)
            .or_default()
            .insert(reference);
        self.by_prefix
            .entry(reference.prefix())
            .or_insert(reference);
        if entry.number == MessageNumber::new(0) {
            self.start_keys.insert(entry.writer, entry.one_time_key);
        }
        self.pending.insert(entry.arrival, reference);
        self.mentioned.insert(entry.plaintext.previous);
        self.mentioned.extend(&entry.plaintext.parents);
        self.entries.insert(reference, entry);
    }

    /// Room for one more message under the key. What stands in blocks has room of its own: gossip
    /// must not keep it out.
    pub(crate) fn has_room(&self, one_time_key: &PublicKey, seen: Seen) -> bool {
        let Some(found) = self.by_key.get(one_time_key) else {
            return true;
        };
        let in_blocks = found
            .iter()
            .filter_map(|reference| self.entries.get(reference))
            .filter(|entry| !entry.sightings.blocks.is_empty())
            .count();
        match seen {
            Seen::Gossip => found.len() < VARIANTS_MAX,
            Seen::InBlock => in_blocks < VARIANTS_MAX,
        }
    }

    pub(crate) fn set_gossiped(&mut self, reference: &MessageRef) {
        if let Some(entry) = self.entries.get_mut(reference) {
            entry.sightings.is_gossiped = true;
        }
    }

    pub(crate) fn set_failed(&mut self, reference: &MessageRef, failure: SendFailure) {
        if let Some(entry) = self.entries.get_mut(reference) {
            entry.failure = Some(failure);
        }
    }

    pub(crate) fn set_in_block(
        &mut self,
        reference: &MessageRef,
        sighting: InBlock,
        canonical: &CanonicalBlocks,
    ) {
        if let Some(entry) = self.entries.get_mut(reference) {
            entry.sightings.add(sighting);
            self.by_height
                .entry(sighting.place.height)
                .or_default()
                .insert(*reference);
            self.replace(*reference, canonical);
        }
    }

    /// Takes notice that another block, or none, counts at `height`.
    pub(crate) fn set_canonical(&mut self, height: Height, canonical: &CanonicalBlocks) {
        for reference in self.by_height.get(&height).cloned().unwrap_or_default() {
            self.replace(reference, canonical);
        }
    }

    fn replace(&mut self, reference: MessageRef, canonical: &CanonicalBlocks) {
        let Some(entry) = self.entries.get_mut(&reference) else {
            return;
        };
        let place = entry.sightings.place(canonical);
        if place == entry.place {
            return;
        }
        match entry.place {
            // Another message may have taken the place in the meantime.
            Some(old) if self.placed.get(&old) == Some(&reference) => {
                self.placed.remove(&old);
            }
            Some(_) => {}
            None => {
                self.pending.remove(&entry.arrival);
            }
        }
        match place {
            Some(new) => self.placed.insert(new, reference),
            None => self.pending.insert(entry.arrival, reference),
        };
        entry.place = place;
    }

    /// The message that counts under a one-time key.
    pub(crate) fn winner(&self, one_time_key: &PublicKey) -> Option<MessageRef> {
        let candidates = self.by_key.get(one_time_key)?.iter();
        candidates
            .filter_map(|reference| Some((self.entries.get(reference)?, reference)))
            .filter(|(entry, _)| entry.counts())
            .min_by_key(|(entry, _)| entry.rank())
            .map(|(_, reference)| *reference)
    }

    /// The chain start that counts.
    pub(crate) fn start(&self, writer: &WriterChainId) -> Option<MessageRef> {
        self.winner(self.start_keys.get(writer)?)
    }

    /// Whether the message is part of the log.
    pub(crate) fn is_shown(&self, reference: &MessageRef) -> bool {
        let Some(entry) = self.entries.get(reference) else {
            return false;
        };
        if self.winner(&entry.one_time_key) != Some(*reference) {
            return false;
        }
        if entry.number == MessageNumber::new(0) {
            return true;
        }
        let start = self
            .start(&entry.writer)
            .and_then(|start| self.entries.get(&start));
        start.is_some_and(|start| start.announced == entry.announced)
    }

    /// Whether two different messages of one writer stand under the same one-time key.
    pub(crate) fn is_forked(&self, one_time_key: &PublicKey) -> bool {
        let shown = self
            .by_key
            .get(one_time_key)
            .into_iter()
            .flatten()
            .filter_map(|reference| self.entries.get(reference))
            .filter(|entry| entry.number != MessageNumber::new(0) && entry.is_out());
        shown.count() > 1
    }

    /// All messages of the log in order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (MessageRef, &Entry)> {
        self.placed
            .values()
            .chain(self.pending.values())
            .filter(|reference| self.is_shown(reference))
            .filter_map(|reference| Some((*reference, self.entries.get(reference)?)))
    }

    /// Everything whose standing may change with that of a message at these coordinates.
    pub(crate) fn dependents(
        &self,
        writer: &WriterChainId,
        number: MessageNumber,
        one_time_key: &PublicKey,
    ) -> BTreeSet<MessageRef> {
        let mut found = BTreeSet::new();
        found.extend(self.by_key.get(one_time_key).into_iter().flatten());
        if number == MessageNumber::new(0) {
            found.extend(self.by_writer.get(writer).into_iter().flatten());
        }
        found
    }

    /// Everything whose standing may change with the block at `height`.
    pub(crate) fn dependents_of_height(&self, height: Height) -> BTreeSet<MessageRef> {
        let mut found = BTreeSet::new();
        for reference in self.by_height.get(&height).into_iter().flatten() {
            if let Some(entry) = self.entries.get(reference) {
                found.extend(self.dependents(&entry.writer, entry.number, &entry.one_time_key));
            }
        }
        found
    }

    /// All messages of a writer chain, shown or not.
    pub(crate) fn of_writer(&self, writer: &WriterChainId) -> impl Iterator<Item = MessageRef> {
        self.by_writer.get(writer).into_iter().flatten().copied()
    }

    /// The message that a prefix mentions, inside this conversation only.
    pub(crate) fn resolve(&self, prefix: &RefPrefix) -> Option<MessageRef> {
        self.by_prefix.get(prefix).copied()
    }

    /// Shown messages of others that no message mentions yet, newest first.
    pub(crate) fn heads(&self, count_max: usize) -> Vec<RefPrefix> {
        /// How far back heads are looked for: links are a convenience.
        const LOOK_BACK: usize = 64;
        self.iter()
            .rev()
            .take(LOOK_BACK)
            .filter(|(_, entry)| entry.origin == Origin::Network && entry.is_out())
            .map(|(reference, _)| reference.prefix())
            .filter(|prefix| !self.mentioned.contains(prefix))
            .take(count_max)
            .collect()
    }

    /// The shown message of the chain with the highest number.
    pub(crate) fn last_of(
        &self,
        writer: &WriterChainId,
        announced: &PublicKey,
    ) -> Option<MessageRef> {
        self.of_writer(writer)
            .filter_map(|reference| Some((self.entries.get(&reference)?, reference)))
            .filter(|(entry, _)| entry.announced == *announced && entry.counts())
            .max_by_key(|(entry, _)| entry.number)
            .map(|(_, reference)| reference)
    }
}

#[cfg(test)]
mod tests;
