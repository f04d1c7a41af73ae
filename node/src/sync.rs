//! Who is asked for which headers and bodies, and what happens when nobody answers.
//!
//! # Invariants
//! * A step function: events and time in, [`SyncAction`]s out; no socket, no clock.
//! * A body is asked of one peer at a time; after [`BODIES_TIMEOUT_MS`] of another.
//! * Requests in flight are bounded per peer and in all, so a lying peer costs a bounded wait.
//! * Peers that sent bodies are asked before others; all others together hold at most half of the
//!   window, so that newcomers that stay silent cannot stop the download.
//! * Silence is scored as a minor fault; nothing else here scores.
//!
//! # Spec
//! docs/spec/06-wire.md §4
//!
//! # Not here
//! Which bodies are worth having (`consensus::fork_choice`), checking what arrives
//! ([`crate::engine`]).

use std::collections::{BTreeMap, BTreeSet};

use chain::{BlockId, Height, Timestamp};

use crate::peers::PeerName;
use crate::wire::BODIES_MAX;

/// A peer that has not sent headers after this long is slow: as long as the wire waits for them.
pub const HEADERS_TIMEOUT_MS: u64 = network::limits::REQUEST_TIMEOUT.as_millis() as u64;
/// A peer that has not sent bodies after this long is not asked for them again: as long as the wire
/// waits for 4 MiB, so that an honest peer behind a slow line is not called silent.
pub const BODIES_TIMEOUT_MS: u64 = network::limits::BODIES_TIMEOUT.as_millis() as u64;
/// How often some peer is asked for headers unprompted: gossip may be lost, a peer may stall.
pub const POLL_MS: u64 = 15_000;
/// Body requests under way per peer.
pub const REQUESTS_PER_PEER_MAX: usize = 2;
/// Bodies under way in all: at most this many times 1 MiB wait in memory.
pub const BODIES_IN_FLIGHT_MAX: usize = 64;
/// Bodies under way at peers that have not sent one yet, or not since they were silent.
pub const UNPROVEN_IN_FLIGHT_MAX: usize = BODIES_IN_FLIGHT_MAX / 2;
/// Bodies asked at once of a peer that has not sent one yet: eight of them are tried at a time.
const TRIAL_BODIES: usize = 4;
/// Blocks remembered as not had by a peer.
const LACKING_MAX: usize = 1_024;

/// What the shell should ask of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncAction {
    /// Send the locator of our best chain.
    RequestHeaders {
        /// Whom.
        peer: PeerName,
    },
    /// Ask for bodies.
    RequestBodies {
        /// Whom.
        peer: PeerName,
        /// Which, in order.
        ids: Vec<BlockId>,
    },
    /// The peer let a request time out.
    Slow {
        /// Who.
        peer: PeerName,
    },
}

/// What a peer's answers to requests for bodies say about it; the better comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Delivery {
    /// It sent bodies, and has not been silent since.
    Proven,
    /// It was not asked yet, or had none.
    #[default]
    Untried,
    /// It let a request time out and has sent nothing since.
    Silent,
}

impl Delivery {
    const fn requests_max(self) -> usize {
        match self {
            Self::Proven => REQUESTS_PER_PEER_MAX,
            Self::Untried | Self::Silent => 1,
        }
    }

    const fn bodies_max(self) -> usize {
        match self {
            Self::Proven => BODIES_MAX,
            Self::Untried => TRIAL_BODIES,
            Self::Silent => 1,
        }
    }
}

#[derive(Debug, Default)]
struct PeerSync {
    height: Height,
    headers_asked_at_ms: Option<u64>,
    requests: usize,
    delivery: Delivery,
    // Number of its latest request: among equals whoever was asked longer ago is next.
    asked_last: u64,
    lacking: BTreeSet<BlockId>,
}

#[derive(Debug)]
struct InFlight {
    peer: PeerName,
    asked_at_ms: u64,
}

/// The state of synchronisation with all peers.
#[derive(Debug, Default)]
pub struct Sync {
    peers: BTreeMap<PeerName, PeerSync>,
    in_flight: BTreeMap<BlockId, InFlight>,
    polled_at_ms: u64,
    next_poll: usize,
    asked: u64,
}

impl Sync {
    /// A peer is here: learn its chain.
    pub fn connected(&mut self, peer: &str, now: Timestamp) -> Vec<SyncAction> {
        self.peers.entry(peer.to_owned()).or_default();
        self.ask_headers(peer, now)
    }

    /// A peer is gone: its requests may go to others.
    pub fn disconnected(&mut self, peer: &str) {
        self.peers.remove(peer);
        self.in_flight.retain(|_, request| request.peer != peer);
    }

    /// A peer has a chain of at least this height.
    pub fn has_height(&mut self, peer: &str, height: Height) {
        if let Some(state) = self.peers.get_mut(peer) {
            state.height = state.height.max(height);
        }
    }

    /// A peer sent something whose ancestors we do not know.
    pub fn unknown_parent(&mut self, peer: &str, now: Timestamp) -> Vec<SyncAction> {
        self.ask_headers(peer, now)
    }

    /// A peer answered with headers up to `last`; `full` says that there are more.
    pub fn headers_arrived(
        &mut self,
        peer: &str,
        last: Option<Height>,
        full: bool,
        now: Timestamp,
    ) -> Vec<SyncAction> {
        let Some(state) = self.peers.get_mut(peer) else {
            return Vec::new();
        };
        state.headers_asked_at_ms = None;
        if let Some(last) = last {
            state.height = state.height.max(last);
        }
        if full {
            self.ask_headers(peer, now)
        } else {
            Vec::new()
        }
    }

    /// A peer answered a request for `asked`, of which it had `had`.
    pub fn bodies_arrived(&mut self, peer: &str, asked: &[BlockId], had: &BTreeSet<BlockId>) {
        for id in asked {
            if self
                .in_flight
                .get(id)
                .is_some_and(|request| request.peer == peer)
            {
                self.in_flight.remove(id);
            }
        }
        if let Some(state) = self.peers.get_mut(peer) {
            state.requests = state.requests.saturating_sub(1);
            if !had.is_empty() {
                state.delivery = Delivery::Proven;
            }
            for id in asked.iter().filter(|id| !had.contains(id)) {
                if state.lacking.len() < LACKING_MAX {
                    state.lacking.insert(*id);
                }
            }
        }
    }

    /// A peer's answer was full before it came to these: they may be asked for again.
    pub fn bodies_left_out(&mut self, peer: &str, left_out: &[BlockId]) {
        for id in left_out {
            if self
                .in_flight
                .get(id)
                .is_some_and(|request| request.peer == peer)
            {
                self.in_flight.remove(id);
            }
        }
    }

    /// A request for bodies failed without an answer.
    pub fn bodies_failed(&mut self, peer: &str, asked: &[BlockId]) {
        self.bodies_arrived(peer, asked, &BTreeSet::new());
    }

    /// A request for headers failed without an answer.
    pub fn headers_failed(&mut self, peer: &str) {
        if let Some(state) = self.peers.get_mut(peer) {
            state.headers_asked_at_ms = None;
        }
    }

    /// Hands out what is wanted (best first) to peers that should have it.
    pub fn assign(&mut self, wanted: &[(BlockId, Height)], now: Timestamp) -> Vec<SyncAction> {
        let mut batches: BTreeMap<PeerName, Vec<BlockId>> = BTreeMap::new();
        let mut unproven = self.unproven_in_flight();
        for (id, height) in wanted {
            let under_way = self.in_flight.len();
            if under_way >= BODIES_IN_FLIGHT_MAX {
                break;
            }
            if self.in_flight.contains_key(id) {
                continue;
            }
            let peer = self
                .peers
                .iter()
                .filter(|(name, state)| {
                    let batch = batches.get(*name).map_or(0, Vec::len);
                    let has_room = if batch == 0 {
                        state.requests < state.delivery.requests_max()
                    } else {
                        batch < state.delivery.bodies_max()
                    };
                    let has_room = has_room
                        && (state.delivery == Delivery::Proven
                            || unproven < UNPROVEN_IN_FLIGHT_MAX);
                    has_room && state.height >= *height && !state.lacking.contains(id)
                })
                .min_by_key(|(name, state)| {
                    // Fill a batch that is already open before opening another.
                    let is_closed = !batches.contains_key(*name);
                    (state.delivery, is_closed, state.requests, state.asked_last)
                })
                .map(|(name, state)| (name.clone(), state.delivery));
            let Some((peer, delivery)) = peer else {
                continue;
            };
            if delivery != Delivery::Proven {
                unproven += 1;
            }
            let asked_at_ms = now.get();
            self.in_flight.insert(
                *id,
                InFlight {
                    peer: peer.clone(),
                    asked_at_ms,
                },
            );
            batches.entry(peer).or_default().push(*id);
        }
        batches
            .into_iter()
            .map(|(peer, ids)| {
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.requests = state.requests.saturating_add(1);
                    self.asked = self.asked.wrapping_add(1);
                    state.asked_last = self.asked;
                }
                SyncAction::RequestBodies { peer, ids }
            })
            .collect()
    }

    fn unproven_in_flight(&self) -> usize {
        let is_proven = |peer: &PeerName| {
            let state = self.peers.get(peer);
            state.is_some_and(|state| state.delivery == Delivery::Proven)
        };
        let requests = self.in_flight.values();
        requests.filter(|request| !is_proven(&request.peer)).count()
    }

    /// Time has passed: give up on silent peers, and ask somebody for news now and then.
    pub fn tick(&mut self, now: Timestamp) -> Vec<SyncAction> {
        let mut actions = Vec::new();
        // A clock may be set back: then nothing must wait until it is where it was.
        let late = |since_ms: u64, ms: u64| now.get().abs_diff(since_ms) >= ms;
        let mut slow = BTreeSet::new();
        self.in_flight.retain(|id, request| {
            let expired = late(request.asked_at_ms, BODIES_TIMEOUT_MS);
            if expired {
                slow.insert(request.peer.clone());
                if let Some(state) = self.peers.get_mut(&request.peer) {
                    state.delivery = Delivery::Silent;
                    if state.lacking.len() < LACKING_MAX {
                        state.lacking.insert(*id);
                    }
                }
            }
            !expired
        });
        for (name, state) in &mut self.peers {
            let asked_at_ms = state.headers_asked_at_ms;
            if asked_at_ms.is_some_and(|asked_at_ms| late(asked_at_ms, HEADERS_TIMEOUT_MS)) {
                state.headers_asked_at_ms = None;
                slow.insert(name.clone());
            }
        }
        actions.extend(slow.into_iter().map(|peer| SyncAction::Slow { peer }));
        if late(self.polled_at_ms, POLL_MS) && !self.peers.is_empty() {
            self.polled_at_ms = now.get();
            self.next_poll = self.next_poll.wrapping_add(1);
            let turn = self
                .next_poll
                .checked_rem(self.peers.len())
                .unwrap_or_default();
            if let Some(peer) = self.peers.keys().nth(turn).cloned() {
                actions.extend(self.ask_headers(&peer, now));
            }
            // What a peer lacked a while ago it may have by now.
            for state in self.peers.values_mut() {
                state.lacking.clear();
            }
        }
        actions
    }

    /// The greatest height that any peer claims with headers behind it.
    #[must_use]
    pub fn best_height(&self) -> Option<Height> {
        self.peers.values().map(|state| state.height).max()
    }

    fn ask_headers(&mut self, peer: &str, now: Timestamp) -> Vec<SyncAction> {
        match self.peers.get_mut(peer) {
            Some(state) if state.headers_asked_at_ms.is_none() => {
                state.headers_asked_at_ms = Some(now.get());
                vec![SyncAction::RequestHeaders {
                    peer: peer.to_owned(),
                }]
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> BlockId {
        BlockId::from_bytes([number; 32])
    }

    fn wanted(numbers: std::ops::Range<u8>) -> Vec<(BlockId, Height)> {
        numbers
            .map(|number| (id(number), Height::new(number.into())))
            .collect()
    }

    const NOW: Timestamp = Timestamp::new(1_000_000);

    fn synced_with(peers: &[&str], height: u64) -> Sync {
        let mut sync = Sync::default();
        for peer in peers {
            assert_eq!(sync.connected(peer, NOW).len(), 1);
            sync.headers_arrived(peer, Some(Height::new(height)), false, NOW);
        }
        sync
    }

    #[test]
    fn headers_are_asked_until_an_answer_is_not_full() {
        let mut sync = Sync::default();
        let ask = vec![SyncAction::RequestHeaders { peer: "a".into() }];
        assert_eq!(sync.connected("a", NOW), ask);
        assert_eq!(sync.unknown_parent("a", NOW), [], "one question at a time");
        assert_eq!(
            sync.headers_arrived("a", Some(Height::new(9)), true, NOW),
            ask
        );
        assert_eq!(
            sync.headers_arrived("a", Some(Height::new(12)), false, NOW),
            []
        );
        assert_eq!(sync.best_height(), Some(Height::new(12)));
    }

    /// Lets peers send one body each, so that they are trusted with more.
    fn prove(sync: &mut Sync, peers: &[&str]) {
        for peer in peers {
            sync.bodies_arrived(peer, &[id(255)], &BTreeSet::from([id(255)]));
        }
    }

    fn asked_of(actions: &[SyncAction], whom: &str) -> usize {
        let bodies = |action: &SyncAction| match action {
            SyncAction::RequestBodies { peer, ids } if peer == whom => ids.len(),
            _ => 0,
        };
        actions.iter().map(bodies).sum()
    }

    #[test]
    fn silent_newcomers_leave_half_of_the_window_to_who_delivers() {
        let rogues: Vec<String> = (10..30).map(|number| format!("a{number}")).collect();
        let mut names: Vec<&str> = rogues.iter().map(String::as_str).collect();
        names.push("z");
        let mut sync = synced_with(&names, 300);
        prove(&mut sync, &["z"]);
        let actions = sync.assign(&wanted(1..201), NOW);
        assert_eq!(asked_of(&actions, "z"), BODIES_MAX, "it is asked first");
        assert_eq!(sync.unproven_in_flight(), UNPROVEN_IN_FLIGHT_MAX);
        let more = sync.assign(&wanted(1..201), NOW);
        assert_eq!(asked_of(&more, "z"), BODIES_MAX, "whatever the others do");

        // Whoever was silent holds one body at most.
        sync.disconnected("z");
        let later = Timestamp::new(NOW.get() + BODIES_TIMEOUT_MS);
        sync.tick(later);
        let again = sync.assign(&wanted(1..201), later);
        let tried = names.iter().filter(|name| asked_of(&again, name) > 1);
        assert!(tried.count() <= UNPROVEN_IN_FLIGHT_MAX / TRIAL_BODIES);
        let first_of_all = asked_of(&again, "a10");
        assert!(first_of_all <= 1, "{first_of_all}");
    }

    #[test]
    fn untried_peers_take_turns_whatever_their_names() {
        let mut sync = synced_with(&["a", "b", "c"], 300);
        for turn in ["a", "b", "c", "a"] {
            let actions = sync.assign(&wanted(1..2), NOW);
            assert_eq!(asked_of(&actions, turn), 1, "{turn}");
            // Declined, not silent.
            sync.bodies_failed(turn, &[id(1)]);
            for state in sync.peers.values_mut() {
                state.lacking.clear();
            }
        }
    }

    #[test]
    fn bodies_are_spread_over_several_peers_and_asked_once() {
        let mut sync = synced_with(&["a", "b"], 100);
        prove(&mut sync, &["a", "b"]);
        let actions = sync.assign(&wanted(1..33), NOW);
        let asked: Vec<usize> = actions
            .iter()
            .map(|action| match action {
                SyncAction::RequestBodies { ids, .. } => ids.len(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(asked, [16, 16]);
        assert_eq!(sync.assign(&wanted(1..33), NOW), []);
    }

    #[test]
    fn a_silent_peer_is_scored_and_its_bodies_go_to_another() {
        let mut sync = synced_with(&["a"], 100);
        assert_eq!(sync.assign(&wanted(1..3), NOW).len(), 1);
        sync.connected("b", NOW);
        sync.headers_arrived("b", Some(Height::new(100)), false, NOW);
        let almost = Timestamp::new(NOW.get() + BODIES_TIMEOUT_MS - 1);
        let slow = |action: &SyncAction| matches!(action, SyncAction::Slow { .. });
        assert!(
            !sync.tick(almost).iter().any(slow),
            "a slow line is no offence"
        );
        for peer in ["a", "b"] {
            sync.headers_arrived(peer, None, false, almost);
        }
        let later = Timestamp::new(NOW.get() + BODIES_TIMEOUT_MS);
        assert!(
            sync.tick(later)
                .contains(&SyncAction::Slow { peer: "a".into() })
        );
        let again = sync.assign(&wanted(1..3), later);
        let ids = vec![id(1), id(2)];
        assert_eq!(
            again,
            [SyncAction::RequestBodies {
                peer: "b".into(),
                ids
            }]
        );
    }

    #[test]
    fn a_peer_without_the_body_is_not_asked_again_at_once() {
        let mut sync = synced_with(&["a"], 100);
        sync.assign(&wanted(1..2), NOW);
        sync.bodies_arrived("a", &[id(1)], &BTreeSet::new());
        assert_eq!(sync.assign(&wanted(1..2), NOW), []);
    }

    #[test]
    fn a_clock_that_is_set_back_stalls_nothing() {
        let mut sync = synced_with(&["a"], 9);
        assert!(!sync.tick(NOW).is_empty(), "polled");
        assert_eq!(sync.assign(&wanted(1..2), NOW).len(), 1);
        let back = Timestamp::new(NOW.get() - 600_000);
        let actions = sync.tick(back);
        assert!(actions.contains(&SyncAction::RequestHeaders { peer: "a".into() }));
        assert_eq!(sync.in_flight.len(), 0, "given up");
    }

    #[test]
    fn bodies_in_flight_are_bounded() {
        let peers: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let names: Vec<&str> = peers.iter().map(String::as_str).collect();
        let mut sync = synced_with(&names, 300);
        sync.assign(&wanted(1..201), NOW);
        assert_eq!(sync.in_flight.len(), UNPROVEN_IN_FLIGHT_MAX);
        prove(&mut sync, &names);
        sync.assign(&wanted(1..201), NOW);
        assert_eq!(sync.in_flight.len(), BODIES_IN_FLIGHT_MAX);
        sync.disconnected("0");
        assert!(sync.in_flight.values().all(|request| request.peer != "0"));
    }
}
