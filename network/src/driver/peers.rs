//! Who is connected, by which connections, and whether it proved to be on our chain.
//!
//! # Invariants
//! A peer is here exactly as long as it has a connection.
//!
//! # Spec
//! docs/spec/06-wire.md §1
//!
//! # Not here
//! How many there may be: [`crate::gate`]. Scores: `node::peers`.

use std::collections::BTreeMap;
use std::time::Instant;

use libp2p::swarm::ConnectionId;

use crate::address::Address;
use crate::event::Direction;
use crate::limits::IDENTIFY_TIMEOUT;
use crate::peer::PeerId;

/// One connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) address: Address,
    pub(crate) direction: Direction,
}

/// How far a peer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has until then to prove the chain.
    Stranger { until: Instant },
    /// It proved the chain; the node knows of it.
    Member,
}

/// One connected peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) links: BTreeMap<ConnectionId, Link>,
    pub(crate) standing: Standing,
    /// Reports of an overflowing gossip queue, less one per quiet tick.
    pub(crate) slow_strikes: u32,
    /// Unanswered in a row.
    pub(crate) missed_pings: u32,
}

/// All connected peers.
#[derive(Debug, Default)]
pub(crate) struct Peers(BTreeMap<PeerId, Peer>);

impl Peers {
    pub(crate) fn get_mut(&mut self, peer: &PeerId) -> Option<&mut Peer> {
        self.0.get_mut(peer)
    }

    pub(crate) fn contains(&self, peer: &PeerId) -> bool {
        self.0.contains_key(peer)
    }

    pub(crate) fn joined(&mut self, peer: PeerId, id: ConnectionId, link: Link, now: Instant) {
        let stranger = || Peer {
            links: BTreeMap::new(),
            standing: Standing::Stranger {
                until: now + IDENTIFY_TIMEOUT,
            },
            slow_strikes: 0,
            missed_pings: 0,
        };
        self.0
            .entry(peer)
            .or_insert_with(stranger)
            .links
            .insert(id, link);
    }

    /// The link that ended, and the standing of the peer if it was the last one.
    pub(crate) fn left(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
    ) -> (Option<Link>, Option<Standing>) {
        let Some(known) = self.0.get_mut(&peer) else {
            return (None, None);
        };
        let link = known.links.remove(&id);
        if !known.links.is_empty() {
            return (link, None);
        }
        (link, self.0.remove(&peer).map(|gone| gone.standing))
    }

    /// Makes a stranger a member; its links if it was one.
    pub(crate) fn admit(&mut self, peer: &PeerId) -> Option<Vec<Link>> {
        let known = self.0.get_mut(peer)?;
        if known.standing == Standing::Member {
            return None;
        }
        known.standing = Standing::Member;
        Some(known.links.values().copied().collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PeerId, &Peer)> {
        self.0.iter().map(|(id, peer)| (*id, peer))
    }

    pub(crate) fn forgive_strikes(&mut self) {
        self.0
            .values_mut()
            .for_each(|peer| peer.slow_strikes = peer.slow_strikes.saturating_sub(1));
    }

    /// Strangers whose time is over.
    pub(crate) fn overdue(&self, now: Instant) -> Vec<PeerId> {
        let overdue =
            |peer: &Peer| matches!(peer.standing, Standing::Stranger { until } if until <= now);
        self.iter()
            .filter(|(_, peer)| overdue(peer))
            .map(|(id, _)| id)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_stays_until_its_last_link_ends_and_is_admitted_once() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        let who = PeerId::from_bytes([1; 32]);
        let address = "/ip4/127.0.0.1/tcp/1".parse().expect("an address");
        let link = Link {
            address,
            direction: Direction::Inbound,
        };
        let [a, b] = [1, 2].map(ConnectionId::new_unchecked);
        peers.joined(who, a, link, now);
        assert_eq!(peers.overdue(now + IDENTIFY_TIMEOUT), [who]);
        assert_eq!(peers.admit(&who).map(|links| links.len()), Some(1));
        assert!(peers.admit(&who).is_none());
        peers.joined(who, b, link, now);
        assert_eq!(peers.overdue(now + IDENTIFY_TIMEOUT), []);
        assert!(peers.left(who, a).1.is_none());
        assert_eq!(peers.left(who, b).1, Some(Standing::Member));
        assert!(!peers.contains(&who) && peers.left(who, b).0.is_none());
    }
}
