//! Gossip messages that wait for the node's verdict.
//!
//! # Invariants
//! At most [`VERDICTS_MAX`]; each waits [`VERDICT_TIMEOUT`] at most.
//!
//! # Spec
//! docs/spec/06-wire.md §2
//!
//! # Not here
//! What a verdict does: gossipsub, through [`crate::driver`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::limits::{VERDICT_TIMEOUT, VERDICTS_MAX};

/// A message id.
type Id = [u8; 32];

/// Messages handed up and not yet judged.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    /// The neighbour that brought each, and until when it waits.
    waiting: BTreeMap<Id, (libp2p::PeerId, Instant)>,
    /// The same messages by their deadlines.
    deadlines: BTreeSet<(Instant, Id)>,
}

impl Verdicts {
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < VERDICTS_MAX
    }

    pub(crate) fn wait(&mut self, id: Id, from: libp2p::PeerId, now: Instant) {
        let deadline = now + VERDICT_TIMEOUT;
        if let Some((_, earlier)) = self.waiting.insert(id, (from, deadline)) {
            self.deadlines.remove(&(earlier, id));
        }
        self.deadlines.insert((deadline, id));
    }

    /// The neighbour that brought `id`, if it still waits.
    pub(crate) fn judged(&mut self, id: &Id) -> Option<libp2p::PeerId> {
        let (from, deadline) = self.waiting.remove(id)?;
        self.deadlines.remove(&(deadline, *id));
        Some(from)
    }

    /// One message whose time is over.
    pub(crate) fn next_missed(&mut self, now: Instant) -> Option<(Id, libp2p::PeerId)> {
        let (_, id) = *self
            .deadlines
            .first()
            .filter(|(deadline, _)| *deadline <= now)?;
        self.judged(&id).map(|from| (id, from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_given_once_and_a_missed_one_is_found_once() {
        let (mut verdicts, now) = (Verdicts::default(), Instant::now());
        let (a, b) = (libp2p::PeerId::random(), libp2p::PeerId::random());
        verdicts.wait([1; 32], a, now);
        verdicts.wait([2; 32], b, now);
        assert_eq!(verdicts.judged(&[1; 32]), Some(a));
        assert_eq!(verdicts.judged(&[1; 32]), None);
        assert_eq!(verdicts.next_missed(now), None);
        let late = now + VERDICT_TIMEOUT;
        assert_eq!(verdicts.next_missed(late), Some(([2; 32], b)));
        assert_eq!(verdicts.next_missed(late), None);
        assert_eq!(verdicts.judged(&[2; 32]), None);
    }

    #[test]
    fn waiting_messages_are_bounded_and_each_judged_one_makes_room() {
        let (mut verdicts, now) = (Verdicts::default(), Instant::now());
        let id = |number: usize| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&number.to_le_bytes());
            id
        };
        let from = libp2p::PeerId::random();
        (0..VERDICTS_MAX).for_each(|number| verdicts.wait(id(number), from, now));
        assert!(!verdicts.has_room());
        assert_eq!(verdicts.judged(&id(77)), Some(from));
        assert!(verdicts.has_room());
        verdicts.wait(id(5), from, now + VERDICT_TIMEOUT);
        assert_eq!(verdicts.waiting.len(), verdicts.deadlines.len());
    }
}
