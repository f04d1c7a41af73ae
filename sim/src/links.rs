//! The network between hosts: who is connected to whom, how long a message takes, what is lost.
//!
//! # Invariants
//! * A connection has a number; what was sent on one never arrives on a later one.
//! * Gossip on a connection arrives in the order in which it was sent, as on a stream; questions
//!   and answers have streams of their own and may overtake each other.
//!
//! # Spec
//! docs/spec/06-wire.md §3
//!
//! # Not here
//! What is said ([`crate::world`]), bandwidth: messages take as long as their latency.

use std::collections::{BTreeMap, BTreeSet};

use crate::HostId;
use crate::chance::Chance;

/// Connections that a host makes by itself, besides those that it is asked for.
const DIALS: usize = 4;

/// One-way latency of a message (ms) by its quantiles, with straight lines between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Least.
    pub min_ms: u64,
    /// Half of the messages are faster.
    pub median_ms: u64,
    /// 19 of 20 messages are faster.
    pub p95_ms: u64,
    /// Most.
    pub max_ms: u64,
}

impl Latency {
    /// The latency of one message.
    pub fn draw(&self, chance: &mut Chance) -> u64 {
        let (from, to) = match chance.below(100) {
            0..50 => (self.min_ms, self.median_ms),
            50..95 => (self.median_ms, self.p95_ms),
            _ => (self.p95_ms, self.max_ms),
        };
        chance.between(from, to.max(from))
    }
}

/// Two hosts, the lower one first.
type Pair = (HostId, HostId);

fn pair(one: HostId, other: HostId) -> Pair {
    (one.min(other), one.max(other))
}

/// Names a connection between two hosts.
pub type ConnectionId = u64;

/// The state of all links.
#[derive(Clone, Debug)]
pub struct Links {
    topology: BTreeSet<Pair>,
    open: BTreeMap<Pair, ConnectionId>,
    next_connection: ConnectionId,
    /// From whom nothing reaches whom.
    cut: BTreeSet<(HostId, HostId)>,
    /// Who banned whom, either way.
    barred: BTreeSet<Pair>,
    latency: Latency,
    slow: BTreeMap<HostId, u64>,
    lossy: BTreeMap<HostId, u64>,
    loss_permille: u64,
    last_arrival_ms: BTreeMap<(HostId, HostId), u64>,
}

impl Links {
    /// Links between so many hosts: a ring, and some more for each host by chance.
    pub fn new(hosts: usize, latency: Latency, loss_permille: u64, chance: &mut Chance) -> Self {
        let mut topology = BTreeSet::new();
        for host in 0..hosts {
            topology.insert(pair(host, (host + 1) % hosts));
            for _ in 0..DIALS {
                topology.insert(pair(host, chance.below(hosts as u64) as HostId));
            }
        }
        topology.retain(|(one, other)| one != other);
        Self {
            topology,
            open: BTreeMap::new(),
            next_connection: 1,
            cut: BTreeSet::new(),
            barred: BTreeSet::new(),
            latency,
            slow: BTreeMap::new(),
            lossy: BTreeMap::new(),
            loss_permille,
            last_arrival_ms: BTreeMap::new(),
        }
    }

    /// Links every host to every other.
    pub fn complete(&mut self, hosts: usize) {
        let all = (0..hosts).flat_map(|one| (one + 1..hosts).map(move |other| (one, other)));
        self.topology.extend(all);
    }

    /// Hosts that seek each other, whether or not they are connected.
    pub fn topology(&self) -> impl Iterator<Item = Pair> {
        self.topology.iter().copied()
    }

    /// The connection between two hosts.
    #[must_use]
    pub fn connection(&self, one: HostId, other: HostId) -> Option<ConnectionId> {
        self.open.get(&pair(one, other)).copied()
    }

    /// Hosts that `host` is connected to, with the connections.
    #[must_use]
    pub fn peers(&self, host: HostId) -> Vec<(HostId, ConnectionId)> {
        let touches = |(one, other): &Pair| *one == host || *other == host;
        let open = self.open.iter().filter(|(pair, _)| touches(pair));
        open.map(|((one, other), id)| (if *one == host { *other } else { *one }, *id))
            .collect()
    }

    /// Connects two hosts, unless something stands between them.
    pub fn open(&mut self, one: HostId, other: HostId) -> bool {
        let pair = pair(one, other);
        let is_cut = self.cut.contains(&(one, other)) || self.cut.contains(&(other, one));
        if is_cut || self.barred.contains(&pair) || self.open.contains_key(&pair) {
            return false;
        }
        self.open.insert(pair, self.next_connection);
        self.next_connection += 1;
        true
    }

    /// Ends the connection of two hosts, if there is one.
    pub fn close(&mut self, one: HostId, other: HostId) -> bool {
        self.last_arrival_ms.remove(&(one, other));
        self.last_arrival_ms.remove(&(other, one));
        self.open.remove(&pair(one, other)).is_some()
    }

    /// Two hosts are not connected again.
    pub fn bar(&mut self, one: HostId, other: HostId) {
        self.barred.insert(pair(one, other));
    }

    /// Nothing from `from` reaches `to`.
    pub fn cut(&mut self, from: HostId, to: HostId) {
        self.cut.insert((from, to));
    }

    /// Whether nothing from `from` reaches `to`.
    #[must_use]
    pub fn is_cut(&self, from: HostId, to: HostId) -> bool {
        self.cut.contains(&(from, to))
    }

    /// Everybody reaches everybody.
    pub fn heal(&mut self) {
        self.cut.clear();
    }

    /// Messages to and from a host take `factor` times as long.
    pub fn slow_down(&mut self, host: HostId, factor: u64) {
        self.slow.insert(host, factor);
    }

    /// So many of a thousand messages to and from a host are lost.
    pub fn make_lossy(&mut self, host: HostId, permille: u64) {
        self.lossy.insert(host, permille);
    }

    /// Links are as at the start.
    pub fn mend(&mut self) {
        self.slow.clear();
        self.lossy.clear();
    }

    /// Nothing is lost any more.
    pub fn lose_nothing(&mut self) {
        self.loss_permille = 0;
    }

    /// How long a message takes; nothing if it is lost.
    pub fn travel_ms(&self, from: HostId, to: HostId, chance: &mut Chance) -> Option<u64> {
        let of = |map: &BTreeMap<HostId, u64>, host| map.get(&host).copied();
        let (one, other) = (of(&self.lossy, from), of(&self.lossy, to));
        let loss = [Some(self.loss_permille), one, other];
        let loss = loss.into_iter().flatten().max().unwrap_or_default();
        let factor = of(&self.slow, from).max(of(&self.slow, to)).unwrap_or(1);
        let travel_ms = self.latency.draw(chance).saturating_mul(factor);
        (!chance.happens(loss)).then_some(travel_ms)
    }

    /// When gossip sent at `now_ms` arrives: not before what was sent earlier.
    pub fn in_order(&mut self, from: HostId, to: HostId, arrival_ms: u64) -> u64 {
        let last = self.last_arrival_ms.entry((from, to)).or_default();
        *last = arrival_ms.max(*last);
        *last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY: Latency = Latency {
        min_ms: 10,
        median_ms: 50,
        p95_ms: 100,
        max_ms: 300,
    };

    #[test]
    fn latencies_have_the_quantiles_that_were_asked_for() {
        let mut chance = Chance::new(1);
        let mut draws: Vec<_> = (0..10_000).map(|_| LATENCY.draw(&mut chance)).collect();
        draws.sort_unstable();
        assert!((45..=55).contains(&draws[5_000]), "{}", draws[5_000]);
        assert!((90..=115).contains(&draws[9_500]), "{}", draws[9_500]);
        assert!(draws[0] >= 10 && draws[9_999] <= 300);
    }

    #[test]
    fn every_host_has_a_way_to_every_other() {
        let links = Links::new(7, LATENCY, 0, &mut Chance::new(3));
        let mut reached = BTreeSet::from([0]);
        for _ in 0..7 {
            for (one, other) in links.topology() {
                if reached.contains(&one) || reached.contains(&other) {
                    reached.extend([one, other]);
                }
            }
        }
        assert_eq!(reached.len(), 7);
    }

    #[test]
    fn cut_and_barred_hosts_are_not_connected_and_healed_ones_are() {
        let mut links = Links::new(3, LATENCY, 0, &mut Chance::new(3));
        links.cut(0, 1);
        assert!(!links.open(1, 0));
        links.heal();
        assert!(links.open(1, 0));
        let first = links.connection(0, 1);
        assert!(links.close(0, 1));
        assert!(links.open(0, 1));
        assert_ne!(links.connection(0, 1), first, "a connection of its own");
        links.bar(1, 2);
        links.heal();
        assert!(!links.open(1, 2));
    }

    #[test]
    fn gossip_arrives_in_order() {
        let mut links = Links::new(2, LATENCY, 0, &mut Chance::new(3));
        assert_eq!(links.in_order(0, 1, 100), 100);
        assert_eq!(links.in_order(0, 1, 70), 100);
        assert_eq!(links.in_order(1, 0, 70), 70);
    }
}
