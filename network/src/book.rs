//! The address book: where peers may be found, and which of them is dialled next.
//!
//! # Invariants
//! * Pure: time and randomness are arguments, sockets are elsewhere.
//! * Bounded in all, per /24 and per /16, so that nobody fills it from a few networks.
//! * Outbound connections go to different /16 groups while there is an untried one: an attacker
//!   that owns many addresses in few groups gets few of them, whatever luck it has.
//! * Addresses that the operator named are dialled for ever; one that never worked is forgotten.
//!
//! # Spec
//! docs/spec/06-wire.md §6
//!
//! # Not here
//! Keeping addresses across restarts (`store`, through `node`); dialling ([`crate::driver`]).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::address::{Address, Group};
use crate::limits::{
    ADDRESSES_MAX, ADDRESSES_PER_GROUP_MAX, ADDRESSES_PER_SUBNET_MAX, DIALS_PER_TICK, FAILURES_MAX,
    GOOD_ADDRESSES_MAX, REDIAL_CONNECT_PAUSE_MAX, REDIAL_PAUSE_MAX, REDIAL_PAUSE_MIN,
};
use crate::peer::PeerId;

/// Who named an address, most trusted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// The operator: keep connected.
    Connect,
    /// It worked before, or it is a seed.
    Known,
    /// Some peer.
    Learned,
}

/// What is going on with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Dialing,
    Connected,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    origin: Origin,
    /// Who is expected there, or was met there.
    peer: Option<PeerId>,
    state: State,
    /// In a row.
    failures: u32,
    /// Not dialled before.
    next: Instant,
    /// When it last worked, as a count of successes in this book.
    proven: Option<u64>,
}

impl Entry {
    fn is_busy(&self) -> bool {
        self.state != State::Idle
    }

    /// Worked in this session or an earlier one.
    fn is_tried(&self) -> bool {
        self.proven.is_some() || self.origin == Origin::Known
    }
}

/// Known addresses and what became of them.
#[derive(Debug)]
pub(crate) struct Book {
    entries: BTreeMap<Address, Entry>,
    outbound_target: usize,
    successes: u64,
}

impl Book {
    pub(crate) fn new(outbound_target: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            outbound_target,
            successes: 0,
        }
    }

    /// Remembers `address` if there is room for it.
    pub(crate) fn add(&mut self, address: Address, origin: Origin, now: Instant) {
        let (place, peer) = (address.without_peer(), address.peer());
        if !address.is_dialable() {
            return;
        }
        if let Some(entry) = self.entries.get_mut(&place) {
            entry.origin = entry.origin.min(origin);
            entry.peer = entry.peer.or(peer);
            return;
        }
        if origin != Origin::Connect && !self.has_room(place) {
            return;
        }
        let (state, failures, proven) = (State::Idle, 0, None);
        self.entries.insert(
            place,
            Entry {
                origin,
                peer,
                state,
                failures,
                next: now,
                proven,
            },
        );
    }

    fn has_room(&mut self, place: Address) -> bool {
        let group = place.group();
        let of_group = self
            .entries
            .keys()
            .filter(|other| other.group() == group)
            .count();
        let subnet = place.subnet();
        let of_subnet = self
            .entries
            .keys()
            .filter(|other| other.subnet() == subnet)
            .count();
        let full_subnet = subnet.is_some() && of_subnet >= ADDRESSES_PER_SUBNET_MAX;
        if full_subnet || of_group >= ADDRESSES_PER_GROUP_MAX {
            return false;
        }
        if self.entries.len() >= ADDRESSES_MAX {
            let worst = self.entries.iter().filter(|(_, entry)| {
                entry.origin == Origin::Learned && entry.proven.is_none() && !entry.is_busy()
            });
            let worst = worst
                .max_by_key(|(_, entry)| entry.failures)
                .map(|(place, _)| *place);
            return worst.is_some_and(|worst| self.entries.remove(&worst).is_some());
        }
        true
    }

    /// Chooses what to dial now and marks it so. `is_connected` knows peers that came to us.
    pub(crate) fn plan(
        &mut self,
        now: Instant,
        is_connected: impl Fn(&PeerId) -> bool,
        random: &mut impl FnMut() -> u64,
    ) -> Vec<Address> {
        let mut dials = Vec::new();
        let waiting = |entry: &Entry| {
            !entry.is_busy() && entry.next <= now && !entry.peer.as_ref().is_some_and(&is_connected)
        };
        for (place, entry) in &mut self.entries {
            if entry.origin == Origin::Connect && waiting(entry) {
                entry.state = State::Dialing;
                dials.push(with_expected(*place, entry));
            }
        }
        while dials.len() < DIALS_PER_TICK {
            let busy = || self.entries.iter().filter(|(_, entry)| entry.is_busy());
            if busy().count() >= self.outbound_target {
                break;
            }
            let used: BTreeSet<Group> = busy().map(|(place, _)| place.group()).collect();
            let idle = self.entries.iter().filter(|(_, entry)| waiting(entry));
            let idle: Vec<(Address, bool)> = idle
                .map(|(place, entry)| (*place, entry.is_tried()))
                .collect();
            let Some(place) = choose(idle, &used, random) else {
                break;
            };
            if let Some(entry) = self.entries.get_mut(&place) {
                entry.state = State::Dialing;
                dials.push(with_expected(place, entry));
            }
        }
        dials
    }

    /// A dial of `address` gave a connection, or one was made without this book's asking.
    pub(crate) fn connected(&mut self, address: Address, now: Instant) {
        self.add(address, Origin::Learned, now);
        if let Some(entry) = self.entries.get_mut(&address.without_peer()) {
            entry.state = State::Connected;
        }
    }

    /// The peer at `address` proved to be `peer`, on our chain.
    pub(crate) fn proven(&mut self, address: Address, peer: PeerId) {
        self.successes += 1;
        if let Some(entry) = self.entries.get_mut(&address.without_peer()) {
            entry.failures = 0;
            entry.peer = Some(peer);
            entry.proven = Some(self.successes);
        }
    }

    /// The connection ended; it may be dialled again after the shortest pause.
    pub(crate) fn closed(&mut self, address: Address, now: Instant) {
        if let Some(entry) = self.entries.get_mut(&address.without_peer())
            && entry.state == State::Connected
        {
            entry.state = State::Idle;
            entry.next = entry.next.max(now + REDIAL_PAUSE_MIN);
        }
    }

    /// A dial failed; the pause doubles, with a quarter of it random so that nodes do not dial in
    /// step.
    pub(crate) fn failed(
        &mut self,
        address: Address,
        now: Instant,
        random: &mut impl FnMut() -> u64,
    ) {
        let place = address.without_peer();
        let Some(entry) = self.entries.get_mut(&place) else {
            return;
        };
        entry.state = State::Idle;
        entry.failures = entry.failures.saturating_add(1);
        if entry.origin == Origin::Learned
            && entry.proven.is_none()
            && entry.failures >= FAILURES_MAX
        {
            self.entries.remove(&place);
            return;
        }
        let pause_max = match entry.origin {
            Origin::Connect => REDIAL_CONNECT_PAUSE_MAX,
            Origin::Known | Origin::Learned => REDIAL_PAUSE_MAX,
        };
        let doublings = (entry.failures - 1).min(16);
        let pause = REDIAL_PAUSE_MIN
            .saturating_mul(1 << doublings)
            .min(pause_max);
        let quarter_ms = u64::try_from(pause.as_millis() / 4).expect("minutes fit in u64");
        let jitter = Duration::from_millis(random() % (quarter_ms + 1));
        entry.next = now + pause + jitter;
    }

    /// Whoever is there is of no use: ourselves, or a foreign chain.
    pub(crate) fn shun(&mut self, address: Address, now: Instant) {
        let place = address.without_peer();
        if let Some(entry) = self.entries.get_mut(&place) {
            entry.next = now + REDIAL_PAUSE_MAX;
            entry.proven = None;
            entry.peer = None;
        }
    }

    /// Addresses that worked in this session, the latest first.
    pub(crate) fn good_addresses(&self) -> Vec<Address> {
        let mut good: Vec<_> = self
            .entries
            .iter()
            .filter_map(|(place, entry)| Some((entry.proven?, with_expected(*place, entry))))
            .collect();
        good.sort_unstable_by_key(|(when, _)| Reverse(*when));
        good.into_iter()
            .take(GOOD_ADDRESSES_MAX)
            .map(|(_, address)| address)
            .collect()
    }
}

fn with_expected(place: Address, entry: &Entry) -> Address {
    entry.peer.map_or(place, |peer| place.with_peer(peer))
}

/// One of `idle`: from a group without a connection if there is one, as often from the tried as
/// from the untried, every group as likely as any other.
fn choose(
    mut idle: Vec<(Address, bool)>,
    used: &BTreeSet<Group>,
    random: &mut impl FnMut() -> u64,
) -> Option<Address> {
    let is_fresh = |(place, _): &(Address, bool)| !used.contains(&place.group());
    if idle.iter().any(is_fresh) {
        idle.retain(is_fresh);
    }
    let wants_tried = random().is_multiple_of(2);
    if idle.iter().any(|(_, tried)| *tried == wants_tried) {
        idle.retain(|(_, tried)| *tried == wants_tried);
    }
    let groups: BTreeSet<Group> = idle.iter().map(|(place, _)| place.group()).collect();
    let group = *pick(&groups.into_iter().collect::<Vec<_>>(), random)?;
    idle.retain(|(place, _)| place.group() == group);
    pick(&idle, random).map(|(place, _)| *place)
}

fn pick<'a, T>(from: &'a [T], random: &mut impl FnMut() -> u64) -> Option<&'a T> {
    let count = u64::try_from(from.len()).ok().filter(|count| *count > 0)?;
    from.get(usize::try_from(random() % count).ok()?)
}

#[cfg(test)]
mod tests;
