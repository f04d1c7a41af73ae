//! The table of one-time keys that are expected, and the ring of those that came too early.
//!
//! # Invariants
//! * One probe per envelope decides whether it is ours; there is no trial decryption here.
//! * A key that becomes expected after its envelope went by is found in the ring, which remembers
//!   the last [`RING_BLOCKS`] blocks and [`RING_PENDING_MAX`] pending envelopes by 8 bytes each. A
//!   false hit costs one fetch and nothing else.
//!
//! # Spec
//! docs/spec/09-messages.md §3.3
//!
//! # Not here
//! Which keys are expected: [`crate::conversation`].

use std::collections::{BTreeMap, VecDeque};

use chain::{Height, PublicKey, WireId};

use crate::ids::{ConversationId, MessageNumber, MessageRef, WriterChainId};
use crate::log::Place;

/// Blocks whose one-time keys are remembered: the life of an envelope, two rate epochs of `main`
/// and a grace.
pub const RING_BLOCKS: usize = 660;
/// Pending envelopes whose one-time keys are remembered: a full mempool of small messages.
pub const RING_PENDING_MAX: usize = 131_072;

/// Why a one-time key is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// A message of a conversation.
    Message(Coordinates),
    /// The first message of a conversation that the account may have created.
    Root {
        /// Index of its root.
        index: u32,
    },
    /// An inbox envelope that this device sent.
    Sent(MessageRef),
}

/// Where in a conversation a one-time key belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coordinates {
    pub(crate) conversation: ConversationId,
    pub(crate) writer: WriterChainId,
    pub(crate) number: MessageNumber,
    /// `S` of the chain; nothing for its start.
    pub(crate) announced: Option<PublicKey>,
}

/// An envelope that went by before its key was expected, or that is needed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// It stands in a block.
    InBlock(Place),
    /// It was gossiped.
    Pending(WireId),
}

/// Table and ring.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lookahead {
    table: BTreeMap<PublicKey, Watch>,
    ring: Ring,
}

impl Lookahead {
    /// What the key is expected for.
    pub(crate) fn get(&self, key: &PublicKey) -> Option<&Watch> {
        self.table.get(key)
    }

    /// Expects a key; answers with an envelope that went by under it.
    pub(crate) fn watch(&mut self, key: PublicKey, watch: Watch) -> Option<Wanted> {
        match self.table.insert(key, watch) {
            Some(_) => None,
            None => self.ring.take(&key),
        }
    }

    /// Keys expected.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Remembers a key that is not expected, yet.
    pub(crate) fn remember(&mut self, key: &PublicKey, wanted: Wanted) {
        self.ring.remember(key, wanted);
    }
}

#[derive(Clone, Debug, Default)]
struct Ring {
    by_prefix: BTreeMap<u64, Wanted>,
    blocks: VecDeque<(Height, Vec<u64>)>,
    pending: VecDeque<u64>,
}

impl Ring {
    fn remember(&mut self, key: &PublicKey, wanted: Wanted) {
        let prefix = prefix(key);
        match wanted {
            Wanted::InBlock(place) => self.remember_block(place.height, prefix),
            // What stands in a block is not hidden by gossip about it.
            Wanted::Pending(_) if self.by_prefix.contains_key(&prefix) => return,
            Wanted::Pending(_) => self.remember_pending(prefix),
        }
        self.by_prefix.insert(prefix, wanted);
    }

    fn remember_block(&mut self, height: Height, prefix: u64) {
        match self.blocks.back_mut() {
            Some((newest, prefixes)) if *newest == height => prefixes.push(prefix),
            _ => self.blocks.push_back((height, vec![prefix])),
        }
        if self.blocks.len() > RING_BLOCKS
            && let Some((height, prefixes)) = self.blocks.pop_front()
        {
            for prefix in prefixes {
                let stale = |wanted: &Wanted| matches!(wanted, Wanted::InBlock(place) if place.height == height);
                if self.by_prefix.get(&prefix).is_some_and(stale) {
                    self.by_prefix.remove(&prefix);
                }
            }
        }
    }

    fn remember_pending(&mut self, prefix: u64) {
        self.pending.push_back(prefix);
        if self.pending.len() > RING_PENDING_MAX
            && let Some(oldest) = self.pending.pop_front()
            && matches!(self.by_prefix.get(&oldest), Some(Wanted::Pending(_)))
        {
            self.by_prefix.remove(&oldest);
        }
    }

    fn take(&mut self, key: &PublicKey) -> Option<Wanted> {
        self.by_prefix.remove(&prefix(key))
    }
}

fn prefix(key: &PublicKey) -> u64 {
    let (prefix, _) = key
        .as_bytes()
        .split_first_chunk::<8>()
        .expect("32 bytes hold 8");
    u64::from_le_bytes(*prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> PublicKey {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        PublicKey::from_bytes(bytes)
    }

    fn in_block(height: u64) -> Wanted {
        Wanted::InBlock(Place {
            height: Height::new(height),
            index: 0,
        })
    }

    const WATCH: Watch = Watch::Root { index: 0 };

    #[test]
    fn a_key_that_went_by_is_found_once_when_it_becomes_expected() {
        let mut lookahead = Lookahead::default();
        lookahead.remember(&key(1), in_block(5));
        lookahead.remember(&key(2), Wanted::Pending(WireId::from_bytes([2; 32])));
        assert_eq!(lookahead.watch(key(1), WATCH), Some(in_block(5)));
        assert_eq!(lookahead.watch(key(1), WATCH), None);
        let pending = Wanted::Pending(WireId::from_bytes([2; 32]));
        assert_eq!(lookahead.watch(key(2), WATCH), Some(pending));
        assert_eq!(lookahead.watch(key(3), WATCH), None);
        assert_eq!(lookahead.get(&key(3)), Some(&WATCH));
        assert_eq!(lookahead.get(&key(4)), None);
    }

    #[test]
    fn the_ring_forgets_the_oldest_block_and_no_newer_one() {
        let mut lookahead = Lookahead::default();
        for height in 0..=RING_BLOCKS as u64 {
            lookahead.remember(&key(height as u32), in_block(height));
        }
        assert_eq!(lookahead.watch(key(0), WATCH), None);
        assert_eq!(lookahead.watch(key(1), WATCH), Some(in_block(1)));
        assert_eq!(lookahead.ring.blocks.len(), RING_BLOCKS);
        assert!(lookahead.ring.by_prefix.len() <= RING_BLOCKS);
    }

    #[test]
    fn pending_keys_are_bounded_and_never_hide_a_block() {
        let mut lookahead = Lookahead::default();
        lookahead.remember(&key(0), in_block(5));
        for number in 0..=RING_PENDING_MAX as u32 {
            lookahead.remember(&key(number), Wanted::Pending(WireId::default()));
        }
        assert!(lookahead.ring.pending.len() <= RING_PENDING_MAX);
        assert_eq!(lookahead.watch(key(0), WATCH), Some(in_block(5)));
    }
}
