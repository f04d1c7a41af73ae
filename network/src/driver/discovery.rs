//! Where peers are: what they say about themselves, the lookup table, the local network.
//!
//! # Invariants
//! * A peer's word is good for ports only; hosts are where it was seen.
//! * Only a peer of our chain gets into the lookup table, and few of one subnet.
//!
//! # Spec
//! docs/spec/06-wire.md §1, §6
//!
//! # Not here
//! Which address is dialled ([`crate::book`]).

use std::time::Instant;

use libp2p::{Multiaddr, identify, kad, mdns};

use super::Driver;
use super::peers::Link;
use crate::address::{Address, Subnet};
use crate::behaviour::Lookup;
use crate::book::Origin;
use crate::counter::Counter;
use crate::event::Direction;
use crate::limits;
use crate::peer::PeerId;

impl Driver {
    pub(super) fn on_identify(&mut self, event: identify::Event) {
        let identify::Event::Received {
            peer_id,
            info,
            connection_id,
        } = event
        else {
            return;
        };
        let Some(peer) = PeerId::from_libp2p(&peer_id) else {
            return;
        };
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        if info.protocol_version != self.introduction {
            tracing::debug!(%peer, "a peer of a foreign chain");
            let links: Vec<Link> = known.links.values().copied().collect();
            links
                .iter()
                .for_each(|link| self.book.shun(link.address, Instant::now()));
            self.counters.count(Counter::StrangersClosed);
            return self.disconnect(peer);
        }
        let link = known.links.get(&connection_id).copied();
        self.admit(peer);
        if let Some(link) = link {
            self.learn(peer, link, &info.listen_addrs);
        }
    }

    /// Remembers where `peer` says it listens. Only its ports are believed: the host is the one
    /// that it was seen at, so that nobody can point others at a third party.
    fn learn(&mut self, peer: PeerId, link: Link, reported: &[Multiaddr]) {
        let places = reported
            .iter()
            .filter_map(Address::from_multiaddr)
            .map(|said| {
                Address::new(link.address.ip(), said.port(), said.transport()).with_peer(peer)
            });
        let dialled = (link.direction == Direction::Outbound).then(|| link.address.with_peer(peer));
        let mut places: Vec<Address> = dialled
            .into_iter()
            .chain(places)
            .filter(Address::is_dialable)
            .collect();
        places.sort_unstable();
        places.dedup();
        places.truncate(limits::REPORTED_ADDRESSES_MAX);
        let Some(lookup) = self.swarm.behaviour_mut().lookup.as_mut() else {
            return;
        };
        for place in places {
            self.book.add(place, Origin::Learned, Instant::now());
            let is_crowded = place.subnet().is_some_and(|subnet| {
                neighbours(lookup, subnet, peer.to_libp2p()) >= limits::DHT_PER_SUBNET_MAX
            });
            if !is_crowded {
                lookup.add_address(&peer.to_libp2p(), place.to_multiaddr());
            }
        }
    }

    pub(super) fn on_lookup(&mut self, event: kad::Event) {
        let kad::Event::OutboundQueryProgressed { result, .. } = event else {
            return;
        };
        let found = match result {
            kad::QueryResult::GetClosestPeers(Ok(found)) => found.peers,
            kad::QueryResult::GetClosestPeers(Err(kad::GetClosestPeersError::Timeout {
                peers,
                ..
            })) => peers,
            _ => return,
        };
        let now = Instant::now();
        for info in found {
            let Some(peer) = PeerId::from_libp2p(&info.peer_id) else {
                continue;
            };
            let places = info.addrs.iter().filter_map(Address::from_multiaddr);
            places
                .take(limits::REPORTED_ADDRESSES_MAX)
                .for_each(|place| self.book.add(place.with_peer(peer), Origin::Learned, now));
        }
    }

    pub(super) fn on_mdns(&mut self, event: mdns::Event) {
        let mdns::Event::Discovered(found) = event else {
            return;
        };
        let now = Instant::now();
        let found = found
            .iter()
            .filter_map(|(_, place)| Address::from_multiaddr(place));
        found.for_each(|address| self.book.add(address, Origin::Learned, now));
    }
}

/// Entries of `subnet` in the lookup table, besides `peer`'s own.
fn neighbours(lookup: &mut Lookup, subnet: Subnet, peer: libp2p::PeerId) -> usize {
    let in_bucket =
        |bucket: kad::KBucketRef<'_, kad::KBucketKey<libp2p::PeerId>, kad::Addresses>| {
            let others = bucket
                .iter()
                .filter(|entry| *entry.node.key.preimage() != peer);
            let places =
                others.filter_map(|entry| Address::from_multiaddr(entry.node.value.first()));
            places
                .filter(|place| place.subnet() == Some(subnet))
                .count()
        };
    lookup.kbuckets().map(in_bucket).sum()
}
