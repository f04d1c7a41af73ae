//! One conversation: its keys, its writer chains, its log, and which one-time keys come next.
//!
//! # Invariants
//! * Everything here follows from keys and from messages put in; windows only grow.
//! * A member with the write key alone knows one slot and expects nothing of any other.
//! * Slots, starts of a chain and messages of a chain are bounded, so that a hostile member costs
//!   bounded work per message it pays for.
//!
//! # Spec
//! docs/spec/09-messages.md §3
//!
//! # Not here
//! Own writing: [`crate::writing`]. Opening envelopes and events: [`crate::messenger`].

use std::collections::{BTreeMap, BTreeSet};

use chain::{Height, PublicKey};

use crate::access::ConversationKeys;
use crate::content::Content;
use crate::ids::{ConversationId, Generation, MessageNumber, MessageRef, Slot, WriterChainId};
use crate::log::{Entry, Log};
use crate::lookahead::{Coordinates, Watch};
use crate::writer_chain::{CHAIN_MESSAGES_MAX, ChainKey, KeyBase, Ratchet};
use crate::writing::OwnChain;

/// Slots of a conversation: writing devices that it can ever have.
pub const SLOTS_MAX: u32 = 4096;
/// Unused slots whose first key is expected.
pub const SLOTS_AHEAD: u32 = 16;
/// Generations after the newest known one whose first key is expected.
pub const GENERATIONS_AHEAD: u32 = 4;
/// Messages after the newest known one whose keys are expected.
pub const NUMBERS_AHEAD: u32 = 64;

/// How far ahead of the newest message of a chain keys are expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Width {
    /// [`NUMBERS_AHEAD`].
    #[default]
    Normal,
    /// To the end of the chain, after a gap that history does not explain.
    WholeChain,
}

/// One conversation of an account.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    pub(crate) keys: ConversationKeys,
    pub(crate) name: String,
    /// Nothing of it is older.
    pub(crate) birthday: Height,
    pub(crate) log: Log,
    /// Blocks from here on went by before the keys were here and must be read again.
    pub(crate) unread_from: Option<Height>,
    /// Own writer chains in the order of their starts.
    pub(crate) own: Vec<OwnChain>,
    chains: BTreeMap<WriterChainId, ReadChain>,
    reserved: BTreeSet<Slot>,
    next_start: BTreeMap<Slot, Generation>,
    width: Width,
}

/// What a reader knows of one writer chain.
#[derive(Clone, Debug)]
struct ReadChain {
    ratchet: Ratchet,
    /// By announced key: usually one.
    starts: BTreeMap<PublicKey, StartWindow>,
}

#[derive(Clone, Debug)]
struct StartWindow {
    base: KeyBase,
    known: BTreeSet<u32>,
    expected_to: u32,
}

impl Conversation {
    pub(crate) fn new(keys: ConversationKeys, name: String, birthday: Height) -> Self {
        Self {
            keys,
            name,
            birthday,
            log: Log::default(),
            unread_from: None,
            own: Vec::new(),
            chains: BTreeMap::new(),
            reserved: BTreeSet::new(),
            next_start: BTreeMap::new(),
            width: Width::Normal,
        }
    }

    pub(crate) const fn id(&self) -> ConversationId {
        self.keys.conversation()
    }

    /// Takes better keys; windows are filled anew.
    pub(crate) fn set_keys(&mut self, keys: ConversationKeys) {
        self.keys = keys;
        self.next_start.clear();
    }

    pub(crate) fn widen(&mut self) {
        self.width = Width::WholeChain;
    }

    /// Puts a message into the log and takes notice of the chain it belongs to.
    pub(crate) fn insert(&mut self, reference: MessageRef, entry: Entry) {
        let (writer, number) = (entry.writer, entry.number);
        if let Content::Reserve { slot, .. } = entry.plaintext.content
            && slot.get() < SLOTS_MAX
        {
            self.reserved.insert(slot);
        }
        if let Some(window) = self.window(&writer, &entry.announced) {
            window.known.insert(number.get());
        }
        self.log.insert(reference, entry);
    }

    fn read_chain(&mut self, writer: &WriterChainId) -> Option<&mut ReadChain> {
        if !self.chains.contains_key(writer) {
            let first = self.keys.first_chain_key(writer)?;
            let chain = ReadChain {
                ratchet: Ratchet::new(first),
                starts: BTreeMap::new(),
            };
            self.chains.insert(*writer, chain);
        }
        self.chains.get_mut(writer)
    }

    /// The window behind an announced key; opened at first sight, unless it is no key.
    fn window(
        &mut self,
        writer: &WriterChainId,
        announced: &PublicKey,
    ) -> Option<&mut StartWindow> {
        let base = KeyBase::after_start(self.keys.writers(), announced)?;
        let chain = self.read_chain(writer)?;
        let fresh = || StartWindow {
            base,
            known: BTreeSet::new(),
            expected_to: 0,
        };
        Some(chain.starts.entry(*announced).or_insert_with(fresh))
    }

    /// `ck_n` of a chain, if our keys reach it.
    pub(crate) fn chain_key(
        &mut self,
        writer: &WriterChainId,
        number: MessageNumber,
    ) -> Option<ChainKey> {
        match self.chains.get_mut(writer) {
            Some(chain) => chain.ratchet.key(number).cloned(),
            None => Ratchet::new(self.keys.first_chain_key(writer)?)
                .key(number)
                .cloned(),
        }
    }

    /// `otk_n` of a chain; `announced` is nothing for its start.
    pub(crate) fn one_time_key(
        &mut self,
        writer: &WriterChainId,
        number: MessageNumber,
        announced: Option<&PublicKey>,
    ) -> Option<PublicKey> {
        let key = self.chain_key(writer, number)?;
        let base = match announced {
            None => KeyBase::of_start(self.keys.writers()),
            Some(announced) => KeyBase::after_start(self.keys.writers(), announced),
        };
        base?.one_time_key(&key, writer, number)
    }

    /// All keys that have become expected since the last call.
    pub(crate) fn newly_expected(&mut self) -> Vec<(PublicKey, Watch)> {
        let mut found = self.newly_expected_starts();
        found.extend(self.newly_expected_messages());
        found
    }

    fn newly_expected_starts(&mut self) -> Vec<(PublicKey, Watch)> {
        let conversation = self.id();
        let Some(base) = KeyBase::of_start(self.keys.writers()) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for slot in self.expected_slots() {
            let after_newest = self
                .newest_generation(slot)
                .map_or(0, |newest| newest.get() + 1);
            let first = self.keys.first_generation(slot).get();
            let end = after_newest.max(first).saturating_add(GENERATIONS_AHEAD);
            let from = self.next_start.get(&slot).map_or(first, |next| next.get());
            for generation in from..end {
                let generation = Generation::new(generation);
                let writer = WriterChainId {
                    epoch: self.keys.epoch(),
                    slot,
                    generation,
                };
                let number = MessageNumber::new(0);
                let key = self.chain_key(&writer, number);
                let key = key.and_then(|key| base.one_time_key(&key, &writer, number));
                if let Some(key) = key {
                    let coordinates = Coordinates {
                        conversation,
                        writer,
                        number,
                        announced: None,
                    };
                    found.push((key, Watch::Message(coordinates)));
                }
            }
            self.next_start.insert(slot, Generation::new(end.max(from)));
        }
        found
    }

    fn expected_slots(&self) -> Vec<Slot> {
        if let Some(only) = self.keys.only_slot() {
            return vec![only];
        }
        let used = self.chains.keys().map(|writer| writer.slot);
        let newest = used.chain(self.reserved.iter().copied()).max();
        let end = newest
            .map_or(0, |slot| slot.get() + 1)
            .saturating_add(SLOTS_AHEAD);
        (0..end.min(SLOTS_MAX)).map(Slot::new).collect()
    }

    fn newly_expected_messages(&mut self) -> Vec<(PublicKey, Watch)> {
        let conversation = self.id();
        let width = match self.width {
            Width::Normal => NUMBERS_AHEAD,
            Width::WholeChain => CHAIN_MESSAGES_MAX,
        };
        let mut found = Vec::new();
        for (writer, chain) in &mut self.chains {
            for (announced, window) in &mut chain.starts {
                let newest = window.known.last().copied().unwrap_or(0);
                let end = newest.saturating_add(width).min(CHAIN_MESSAGES_MAX - 1);
                // Known numbers are in the table already, by their messages.
                let open = (window.expected_to + 1..=end).filter(|n| !window.known.contains(n));
                for number in open {
                    let number = MessageNumber::new(number);
                    let key = chain.ratchet.key(number);
                    let key = key.and_then(|key| window.base.one_time_key(key, writer, number));
                    if let Some(key) = key {
                        let announced = Some(*announced);
                        let coordinates = Coordinates {
                            conversation,
                            writer: *writer,
                            number,
                            announced,
                        };
                        found.push((key, Watch::Message(coordinates)));
                    }
                }
                window.expected_to = window.expected_to.max(end);
            }
        }
        found
    }

    /// The newest generation of a slot in which anything was seen or written.
    pub(crate) fn newest_generation(&self, slot: Slot) -> Option<Generation> {
        self.chains
            .keys()
            .filter(|writer| writer.slot == slot)
            .map(|w| w.generation)
            .max()
    }

    /// Whether nobody is known to write there and nobody may expect to.
    pub(crate) fn is_free(&self, slot: Slot) -> bool {
        !self.reserved.contains(&slot) && self.newest_generation(slot).is_none()
    }

    /// Numbers below the newest one of each shown chain that were never seen.
    pub(crate) fn gaps(&self) -> Vec<(WriterChainId, Vec<MessageNumber>)> {
        let shown = self.chains.iter().filter_map(|(writer, chain)| {
            let start = self.log.get(&self.log.start(writer)?)?;
            Some((writer, chain.starts.get(&start.announced)?))
        });
        shown
            .map(|(writer, window)| {
                let newest = window.known.last().copied().unwrap_or(0);
                let missing = (1..newest).filter(|number| !window.known.contains(number));
                (*writer, missing.map(MessageNumber::new).collect())
            })
            .filter(|(_, missing): &(_, Vec<_>)| !missing.is_empty())
            .collect()
    }
}
