//! How many wrong signatures a peer may have verified.
//!
//! # Invariants
//! Nobody is scored: on a branch that we do not know, a bond of the same number may have another
//! key. Who brings many is merely not listened to for a while.
//!
//! # Spec
//! docs/spec/06-wire.md §10
//!
//! # Not here
//! Scores: [`crate::peers`].

use std::collections::BTreeMap;

use chain::Timestamp;

use crate::peers::PeerName;

/// Wrong signatures of a peer's messages that are verified in [`FORGERY_PERIOD_MS`]: 3 ms of a core.
pub const FORGERIES_MAX: u32 = 64;
/// Period in which they are counted (ms).
pub const FORGERY_PERIOD_MS: u64 = 60_000;
/// Peers that are counted; of more, the one with the fewest is forgotten.
const PEERS_MAX: usize = 256;

/// Wrong signatures by peer.
#[derive(Debug, Default)]
pub struct Forgeries(BTreeMap<PeerName, Count>);

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Timestamp,
    forgeries: u32,
}

impl Forgeries {
    /// Whether signatures of this peer's messages are still verified.
    #[must_use]
    pub fn allow(&self, peer: &str, now: Timestamp) -> bool {
        self.0
            .get(peer)
            .is_none_or(|count| count.forgeries < FORGERIES_MAX || !is_current(count, now))
    }

    /// A signature that a peer brought was wrong.
    pub fn count(&mut self, peer: &str, now: Timestamp) {
        self.0.retain(|_, count| is_current(count, now));
        if self.0.len() >= PEERS_MAX && !self.0.contains_key(peer) {
            let fewest = self.0.iter().min_by_key(|(_, count)| count.forgeries);
            if let Some(fewest) = fewest.map(|(name, _)| name.clone()) {
                self.0.remove(&fewest);
            }
        }
        let count = self.0.entry(peer.to_owned()).or_insert(Count {
            since: now,
            forgeries: 0,
        });
        count.forgeries = count.forgeries.saturating_add(1);
    }
}

fn is_current(count: &Count, now: Timestamp) -> bool {
    now.get().abs_diff(count.since.get()) < FORGERY_PERIOD_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_with_many_wrong_signatures_is_not_listened_to_for_a_while() {
        let mut forgeries = Forgeries::default();
        let at = |ms| Timestamp::new(1_000_000 + ms);
        for _ in 0..FORGERIES_MAX {
            assert!(forgeries.allow("mallory", at(0)));
            forgeries.count("mallory", at(0));
        }
        assert!(!forgeries.allow("mallory", at(FORGERY_PERIOD_MS - 1)));
        assert!(forgeries.allow("alice", at(0)), "others are");
        assert!(forgeries.allow("mallory", at(FORGERY_PERIOD_MS)));
        for number in 0..2 * PEERS_MAX {
            forgeries.count(&number.to_string(), at(1));
        }
        assert!(forgeries.0.len() <= PEERS_MAX);
        assert!(
            !forgeries.allow("mallory", at(2)),
            "the worst is remembered"
        );
    }
}
