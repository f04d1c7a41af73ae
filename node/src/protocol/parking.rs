//! Headers from the future that wait for their time.
//!
//! # Invariants
//! * Only a header whose time comes soon waits; of too many the latest goes first, so that a place
//!   is held for [`AHEAD_MS`] at most.
//! * A header is verified when it comes and when its time has come, and not between.
//!
//! # Spec
//! docs/spec/06-wire.md §8
//!
//! # Not here
//! How far into the future a header may be to count at once: `genesis::Params::future_limit_ms`.

use std::collections::BTreeSet;

use chain::{Header, Timestamp};

use crate::peers::PeerName;

/// Headers that wait.
pub(super) const PARKED_HEADERS_MAX: usize = 64;
/// Headers further than this beyond the latest time are not kept: clocks that go wrong by more are
/// not right within anybody's patience, and the block is found by the headers of its chain later.
pub(super) const AHEAD_MS: u64 = 60_000;

/// A header that waits for its time, and who has its body.
pub(super) struct Parked {
    pub(super) header: Header,
    pub(super) bringers: BTreeSet<PeerName>,
}

/// All that wait, the earliest first.
#[derive(Default)]
pub(super) struct Parking(Vec<Parked>);

impl Parking {
    pub(super) fn contains(&self, header: &Header) -> bool {
        self.0.iter().any(|parked| parked.header == *header)
    }

    /// Keeps a header that is valid but for its time, which is after `latest`.
    pub(super) fn park(&mut self, header: Header, latest: Timestamp) {
        let ahead_ms = header.time.get().saturating_sub(latest.get());
        if ahead_ms > AHEAD_MS || self.contains(&header) {
            return;
        }
        let bringers = BTreeSet::new();
        let place = self
            .0
            .partition_point(|parked| parked.header.time <= header.time);
        self.0.insert(place, Parked { header, bringers });
        self.0.truncate(PARKED_HEADERS_MAX);
    }

    /// Remembers who has the body of a header that waits.
    pub(super) fn brought_by(&mut self, header: &Header, peer: &str) {
        let mut parked = self.0.iter_mut();
        if let Some(parked) = parked.find(|parked| parked.header == *header) {
            parked.bringers.insert(peer.to_owned());
        }
    }

    pub(super) fn forget_peer(&mut self, peer: &str) {
        for parked in &mut self.0 {
            parked.bringers.remove(peer);
        }
    }

    /// Those whose time has come.
    pub(super) fn take_due(&mut self, latest: Timestamp) -> Vec<Parked> {
        let due = self
            .0
            .partition_point(|parked| parked.header.time <= latest);
        self.0.drain(..due).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(time_ms: u64) -> Header {
        Header {
            time: Timestamp::new(time_ms),
            ..Header::default()
        }
    }

    #[test]
    fn places_are_held_for_a_minute_and_the_earliest_keep_theirs() {
        let latest = Timestamp::new(1_000_000);
        let mut parking = Parking::default();
        for year in 0..100 {
            parking.park(header(1_000_000 + AHEAD_MS + 1 + year), latest);
        }
        assert_eq!(parking.0.len(), 0, "nobody waits for years");
        for ms in 0..PARKED_HEADERS_MAX as u64 {
            parking.park(header(1_000_000 + AHEAD_MS - ms), latest);
        }
        let soon = header(1_000_500);
        parking.park(soon, latest);
        parking.park(soon, latest);
        assert_eq!(parking.0.len(), PARKED_HEADERS_MAX);
        assert!(parking.contains(&soon));
        assert!(!parking.contains(&header(1_000_000 + AHEAD_MS)));

        parking.brought_by(&soon, "bob");
        assert_eq!(parking.take_due(latest).len(), 0, "not yet");
        let due = parking.take_due(Timestamp::new(1_000_500));
        assert_eq!(due.len(), 1);
        assert!(due[0].header == soon && due[0].bringers.contains("bob"));
        assert_eq!(parking.0.len(), PARKED_HEADERS_MAX - 1);
    }
}
