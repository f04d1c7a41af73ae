//! The gate: which connections may exist. It enforces bans, caps per direction, peer and subnet,
//! and the kind of key.
//!
//! # Invariants
//! * Every connection is counted from its first byte to its end, once.
//! * What it remembers is bounded by the caps themselves and by [`BANS_MAX`]; libp2p's own counter
//!   of connections per peer keeps an entry for every peer ever seen, and is not used therefore.
//! * Caps and bans look at canonical addresses. The own machine is exempt from the subnet cap only.
//!
//! # Spec
//! docs/spec/06-wire.md §5
//!
//! # Not here
//! Why somebody is banned (`node::peers`); memory (libp2p's own limit); closing connections that
//! exist when a ban comes ([`crate::driver`]).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use libp2p::Multiaddr;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use thiserror::Error;

use crate::address::{Address, Subnet, ban_key};
use crate::config::BanSubject;
use crate::event::Direction;
use crate::limits::{BANS_MAX, Limits, PENDING_INBOUND_MAX, PENDING_OUTBOUND_MAX, PER_PEER_MAX};
use crate::peer::PeerId;

/// Why a connection may not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    #[error("banned")]
    Banned,
    #[error("too many handshakes")]
    Handshakes,
    #[error("no place left")]
    Full,
    #[error("connected to this peer already")]
    PerPeer,
    #[error("too many connections from this subnet")]
    Subnet,
    #[error("an address of an unknown form")]
    UnknownAddress,
    #[error("a key that is not ed25519")]
    KeyKind,
}

/// One connection, in handshake or established.
#[derive(Clone, Copy, Debug)]
struct Place {
    direction: Direction,
    subnet: Option<Subnet>,
    /// Known once the handshake is done.
    peer: Option<PeerId>,
}

/// Decides about every connection.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: Limits,
    places: BTreeMap<ConnectionId, Place>,
    bans: BTreeMap<BanSubject, Instant>,
}

impl Gate {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            places: BTreeMap::new(),
            bans: BTreeMap::new(),
        }
    }

    /// Bans `subject` until `lasting` after `now`.
    pub(crate) fn ban(&mut self, subject: BanSubject, lasting: Duration, now: Instant) {
        // A ban for longer than the clock can count has no end: ten years stand for that.
        const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);
        let until = now + lasting.min(FOREVER);
        self.bans.insert(canonical(subject), until);
        if self.bans.len() > BANS_MAX {
            let first = self
                .bans
                .iter()
                .min_by_key(|(_, until)| **until)
                .map(|(key, _)| *key);
            first.and_then(|key| self.bans.remove(&key));
        }
    }

    pub(crate) fn unban(&mut self, subject: BanSubject) {
        self.bans.remove(&canonical(subject));
    }

    pub(crate) fn forget_ended_bans(&mut self, now: Instant) {
        self.bans.retain(|_, until| *until > now);
    }

    fn is_banned(&self, subject: BanSubject, now: Instant) -> bool {
        self.bans
            .get(&canonical(subject))
            .is_some_and(|until| *until > now)
    }

    fn count(&self, holds: impl Fn(&Place) -> bool) -> usize {
        self.places.values().filter(|place| holds(place)).count()
    }

    /// Somebody knocks.
    fn knock(&mut self, id: ConnectionId, from: Address, now: Instant) -> Result<(), Refusal> {
        if self.is_banned(BanSubject::Ip(from.ip()), now) {
            return Err(Refusal::Banned);
        }
        let inbound = |place: &Place| place.direction == Direction::Inbound;
        let pending = self.count(|place| inbound(place) && place.peer.is_none());
        if pending >= PENDING_INBOUND_MAX {
            return Err(Refusal::Handshakes);
        }
        let subnet = from.subnet();
        let neighbours = self.count(|place| inbound(place) && place.subnet == subnet);
        if subnet.is_some() && neighbours >= self.limits.per_subnet_max {
            return Err(Refusal::Subnet);
        }
        let place = Place {
            direction: Direction::Inbound,
            subnet,
            peer: None,
        };
        self.places.insert(id, place);
        Ok(())
    }

    /// We are about to dial.
    fn reach_out(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        now: Instant,
    ) -> Result<(), Refusal> {
        if peer.is_some_and(|peer| self.is_banned(BanSubject::Peer(peer), now)) {
            return Err(Refusal::Banned);
        }
        let outbound = |place: &Place| place.direction == Direction::Outbound;
        let pending = self.count(|place| outbound(place) && place.peer.is_none());
        if pending >= PENDING_OUTBOUND_MAX {
            return Err(Refusal::Handshakes);
        }
        let place = Place {
            direction: Direction::Outbound,
            subnet: None,
            peer: None,
        };
        self.places.insert(id, place);
        Ok(())
    }

    /// The handshake is done and says who it is.
    fn admit(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: Address,
        direction: Direction,
        now: Instant,
    ) -> Result<(), Refusal> {
        let banned = self.is_banned(BanSubject::Peer(peer), now)
            || self.is_banned(BanSubject::Ip(address.ip()), now);
        let with_peer = self.count(|place| place.peer == Some(peer));
        let same = self.count(|place| place.direction == direction && place.peer.is_some());
        let max = match direction {
            Direction::Inbound => self.limits.inbound_max,
            Direction::Outbound => self.limits.outbound_max,
        };
        let refusal = if banned {
            Refusal::Banned
        } else if with_peer >= PER_PEER_MAX {
            Refusal::PerPeer
        } else if same >= max {
            Refusal::Full
        } else {
            let subnet = match direction {
                Direction::Inbound => address.subnet(),
                Direction::Outbound => None,
            };
            self.places.insert(
                id,
                Place {
                    direction,
                    subnet,
                    peer: Some(peer),
                },
            );
            return Ok(());
        };
        self.places.remove(&id);
        Err(refusal)
    }

    fn leave(&mut self, id: ConnectionId) {
        self.places.remove(&id);
    }

    fn admit_libp2p(
        &mut self,
        id: ConnectionId,
        peer: libp2p::PeerId,
        address: &Multiaddr,
        direction: Direction,
    ) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        let peer = PeerId::from_libp2p(&peer).ok_or(Refusal::KeyKind);
        let address = Address::from_multiaddr(address).ok_or(Refusal::UnknownAddress);
        peer.and_then(|peer| self.admit(id, peer, address?, direction, Instant::now()))
            .map(|()| dummy::ConnectionHandler)
            .map_err(ConnectionDenied::new)
    }
}

fn canonical(subject: BanSubject) -> BanSubject {
    match subject {
        BanSubject::Ip(ip) => BanSubject::Ip(ban_key(ip)),
        peer => peer,
    }
}

/// Whether a ban of `subject` covers `peer` at `ip`.
pub(crate) fn covers(subject: BanSubject, peer: PeerId, ip: IpAddr) -> bool {
    match subject {
        BanSubject::Peer(banned) => banned == peer,
        BanSubject::Ip(banned) => ban_key(banned) == ban_key(ip),
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        Address::from_multiaddr(remote)
            .ok_or(Refusal::UnknownAddress)
            .and_then(|from| self.knock(id, from, Instant::now()))
            .map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: libp2p::PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit_libp2p(id, peer, remote, Direction::Inbound)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<libp2p::PeerId>,
        addresses: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let now = Instant::now();
        let banned = addresses
            .iter()
            .filter_map(Address::from_multiaddr)
            .any(|address| self.is_banned(BanSubject::Ip(address.ip()), now));
        let peer = peer.as_ref().and_then(PeerId::from_libp2p);
        if banned {
            Err(Refusal::Banned)
        } else {
            self.reach_out(id, peer, now)
        }
        .map(|()| Vec::new())
        .map_err(ConnectionDenied::new)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: libp2p::PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit_libp2p(id, peer, remote, Direction::Outbound)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(closed) => self.leave(closed.connection_id),
            FromSwarm::DialFailure(failure) => self.leave(failure.connection_id),
            FromSwarm::ListenFailure(failure) => self.leave(failure.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: libp2p::PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
