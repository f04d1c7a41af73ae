//! Counters of what was dropped, refused or closed.
//!
//! # Invariants
//! The set is fixed, and so are the labels that metrics make of it.
//!
//! # Spec
//! docs/spec/06-wire.md §5
//!
//! # Not here
//! Their form in metrics: `rpc`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Something worth counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Counter {
    /// Gossip ignored because the node did not keep up.
    GossipDropped,
    /// Gossip ignored because no verdict came in time.
    VerdictsMissed,
    /// Peers' requests closed because the node did not keep up.
    RequestsDropped,
    /// Answers closed because too many bytes were on their way.
    ResponsesRefused,
    /// Connections refused at the gate or by the memory limit.
    ConnectionsRefused,
    /// Peers of foreign chains, or that did not introduce themselves in time.
    StrangersClosed,
    /// Peers let go because they took messages too slowly or did not answer pings.
    SluggishClosed,
    /// Reports of misbehaviour that the node did not keep up with.
    FaultsDropped,
}

impl Counter {
    /// All counters, in the order of their declaration.
    pub const ALL: [Self; 8] = [
        Self::GossipDropped,
        Self::VerdictsMissed,
        Self::RequestsDropped,
        Self::ResponsesRefused,
        Self::ConnectionsRefused,
        Self::StrangersClosed,
        Self::SluggishClosed,
        Self::FaultsDropped,
    ];

    /// The name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GossipDropped => "gossip_dropped",
            Self::VerdictsMissed => "verdicts_missed",
            Self::RequestsDropped => "requests_dropped",
            Self::ResponsesRefused => "responses_refused",
            Self::ConnectionsRefused => "connections_refused",
            Self::StrangersClosed => "strangers_closed",
            Self::SluggishClosed => "sluggish_closed",
            Self::FaultsDropped => "faults_dropped",
        }
    }
}

/// The counts, shared by driver and handles.
#[derive(Debug, Default)]
pub(crate) struct Counters([AtomicU64; Counter::ALL.len()]);

impl Counters {
    pub(crate) fn count(&self, counter: Counter) {
        self.0[counter as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_counts_for_itself_and_has_its_own_name() {
        let counters = Counters::default();
        for (position, counter) in Counter::ALL.into_iter().enumerate() {
            assert_eq!(counter as usize, position);
            (0..=position).for_each(|_| counters.count(counter));
        }
        let names: std::collections::BTreeSet<_> = Counter::ALL.map(Counter::name).into();
        assert_eq!(names.len(), Counter::ALL.len());
        assert_eq!(counters.get(Counter::FaultsDropped), 8);
        assert_eq!(counters.get(Counter::GossipDropped), 1);
    }
}
