//! How many wrong signatures the node verifies for a peer.
//!
//! # Invariants
//! * Every vote is verified, whoever brings it: gossip takes what was ignored for known, and a vote
//!   passed over unread would be lost for whoever brings it next.
//! * Nobody is scored: on a branch that we do not know, a bond of the same number may have another
//!   key. Whoever brings more than we can afford is disconnected.
//!
//! # Spec
//! docs/spec/06-wire.md §10
//!
//! # Not here
//! Scores: [`crate::peers`].

use std::collections::BTreeMap;

use chain::Timestamp;

use crate::peers::PeerName;

/// Wrong signatures that every peer may bring in [`FORGERY_PERIOD_MS`]: 3 ms of a core.
pub const FORGERIES_MAX: u32 = 64;
/// Wrong signatures that all peers together may bring beyond that: 0.2 s of a core. After a long
/// partition honest peers judge each other's votes wrongly for a while.
pub const SPARE_FORGERIES_MAX: u32 = 4_096;
/// Period in which they are counted (ms).
pub const FORGERY_PERIOD_MS: u64 = 60_000;
/// Peers that are counted; of more, the one with the fewest is forgotten.
const PEERS_MAX: usize = 256;

/// Whether a wrong signature could be afforded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// It could.
    Kept,
    /// Its bringer, and all peers together, had brought too many before.
    Spent,
}

/// Wrong signatures by peer, and of all beyond their share.
#[derive(Debug, Default)]
pub struct Forgeries {
    by_peer: BTreeMap<PeerName, Count>,
    spare: Count,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    since: Timestamp,
    forgeries: u32,
}

impl Count {
    /// One more, in a period that begins with the first one after the last.
    fn add(&mut self, now: Timestamp) -> u32 {
        if !self.is_current(now) {
            *self = Self {
                since: now,
                forgeries: 0,
            };
        }
        self.forgeries = self.forgeries.saturating_add(1);
        self.forgeries
    }

    fn is_current(&self, now: Timestamp) -> bool {
        now.get().abs_diff(self.since.get()) < FORGERY_PERIOD_MS
    }
}

impl Forgeries {
    /// A signature that a peer brought was wrong.
    #[must_use]
    pub fn count(&mut self, peer: &str, now: Timestamp) -> Budget {
        self.by_peer.retain(|_, count| count.is_current(now));
        if self.by_peer.len() >= PEERS_MAX && !self.by_peer.contains_key(peer) {
            let fewest = self.by_peer.iter().min_by_key(|(_, count)| count.forgeries);
            if let Some(fewest) = fewest.map(|(name, _)| name.clone()) {
                self.by_peer.remove(&fewest);
            }
        }
        let share = self.by_peer.entry(peer.to_owned()).or_default();
        if share.add(now) <= FORGERIES_MAX || self.spare.add(now) <= SPARE_FORGERIES_MAX {
            Budget::Kept
        } else {
            Budget::Spent
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::new(1_000_000 + ms)
    }

    #[test]
    fn beyond_their_shares_peers_have_one_budget_together() {
        let mut forgeries = Forgeries::default();
        for _ in 0..FORGERIES_MAX + SPARE_FORGERIES_MAX {
            assert_eq!(forgeries.count("mallory", at(0)), Budget::Kept);
        }
        assert_eq!(forgeries.count("mallory", at(1)), Budget::Spent);
        for _ in 0..FORGERIES_MAX {
            assert_eq!(forgeries.count("alice", at(1)), Budget::Kept, "her share");
        }
        assert_eq!(forgeries.count("alice", at(2)), Budget::Spent);
        let later = at(FORGERY_PERIOD_MS + 1);
        assert_eq!(forgeries.count("mallory", later), Budget::Kept);
    }

    #[test]
    fn of_many_peers_the_worst_are_remembered() {
        let mut forgeries = Forgeries::default();
        for _ in 0..FORGERIES_MAX {
            assert_eq!(forgeries.count("mallory", at(0)), Budget::Kept);
        }
        for number in 0..2 * PEERS_MAX {
            let _ = forgeries.count(&number.to_string(), at(1));
        }
        assert!(forgeries.by_peer.len() <= PEERS_MAX);
        assert!(forgeries.by_peer.contains_key("mallory"));
    }
}
