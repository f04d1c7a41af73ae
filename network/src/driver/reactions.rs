//! What the driver does when something happens on the wire.
//!
//! # Invariants
//! * Every question of the node ends in exactly one [`Event::Response`].
//! * Every gossip message is either handed up, to wait for a verdict, or judged here.
//!
//! # Spec
//! docs/spec/06-wire.md
//!
//! # Not here
//! Commands and the loop ([`crate::driver`]); where peers are found ([`super::discovery`]).

use std::time::Instant;

use libp2p::gossipsub;
use libp2p::request_response::{self, InboundRequestId, Message, OutboundFailure, ResponseChannel};
use libp2p::swarm::{ConnectionId, DialError, ListenError, SwarmEvent};
use libp2p::{Multiaddr, ping};

use super::peers::{Link, Standing};
use super::{Asked, Driver, random};
use crate::address::Address;
use crate::behaviour::BehaviourEvent;
use crate::counter::Counter;
use crate::error::RequestError;
use crate::event::{Direction, Event, Fault, MessageToken, ResponseToken, Verdict};
use crate::frame::Frame;
use crate::limits;
use crate::peer::PeerId;
use crate::protocol::Protocol;

impl Driver {
    pub(super) fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                let direction = match endpoint.is_dialer() {
                    true => Direction::Outbound,
                    false => Direction::Inbound,
                };
                self.joined(
                    &peer_id,
                    connection_id,
                    endpoint.get_remote_address(),
                    direction,
                );
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                ..
            } => {
                self.left(&peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                error,
                ..
            } => {
                self.dial_failed(connection_id, &error);
            }
            SwarmEvent::IncomingConnectionError {
                error,
                send_back_addr,
                ..
            } => {
                tracing::debug!(from = %send_back_addr, %error, "inbound connection failed");
                if let ListenError::Denied { .. } = error {
                    self.counters.count(Counter::ConnectionsRefused);
                }
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "listener"),
            SwarmEvent::ListenerClosed {
                addresses, reason, ..
            } => {
                tracing::error!(?addresses, ?reason, "a listener closed");
            }
            SwarmEvent::NewListenAddr { address, .. } => tracing::info!(%address, "listening"),
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(event) => self.on_identify(event),
            BehaviourEvent::Ping(event) => self.on_ping(&event),
            BehaviourEvent::Gossip(event) => self.on_gossip(event),
            BehaviourEvent::Headers(event) => self.on_exchange(Protocol::Headers, event),
            BehaviourEvent::Bodies(event) => self.on_exchange(Protocol::Bodies, event),
            BehaviourEvent::Mempool(event) => self.on_exchange(Protocol::Mempool, event),
            BehaviourEvent::Missing(event) => self.on_exchange(Protocol::Missing, event),
            BehaviourEvent::Lookup(event) => self.on_lookup(event),
            BehaviourEvent::Mdns(event) => self.on_mdns(event),
            BehaviourEvent::Gate(never) | BehaviourEvent::Memory(never) => match never {},
        }
    }

    fn joined(
        &mut self,
        peer: &libp2p::PeerId,
        id: ConnectionId,
        address: &Multiaddr,
        direction: Direction,
    ) {
        let dialled = self.dials.remove(&id).map(|(address, _)| address);
        // The gate lets neither other keys nor other addresses in.
        let Some(peer) = PeerId::from_libp2p(peer) else {
            return;
        };
        let Some(address) = dialled.or_else(|| Address::from_multiaddr(address)) else {
            return;
        };
        let (now, address) = (Instant::now(), address.without_peer());
        if direction == Direction::Outbound {
            self.book.connected(address, now);
        }
        let link = Link { address, direction };
        self.peers.joined(peer, id, link, now);
        let member = |peer: &&mut super::peers::Peer| peer.standing == Standing::Member;
        if direction == Direction::Outbound && self.peers.get_mut(&peer).filter(member).is_some() {
            self.book.proven(address, peer);
        }
    }

    fn left(&mut self, peer: &libp2p::PeerId, id: ConnectionId) {
        let Some(peer) = PeerId::from_libp2p(peer) else {
            return;
        };
        let (link, gone) = self.peers.left(peer, id);
        if let Some(Link {
            address,
            direction: Direction::Outbound,
        }) = link
        {
            self.book.closed(address, Instant::now());
        }
        if let Some(standing) = gone {
            self.exchanges.forget(peer);
            if standing == Standing::Member {
                self.outbox.send(Event::PeerDisconnected { peer });
            }
        }
    }

    pub(super) fn dial_failed(&mut self, id: ConnectionId, error: &DialError) {
        let Some((address, asked)) = self.dials.remove(&id) else {
            return;
        };
        tracing::debug!(%address, %error, "dial failed");
        let now = Instant::now();
        self.book.failed(address, now, &mut random);
        if let DialError::LocalPeerId { .. } = error {
            self.book.shun(address, now);
        }
        if asked == Asked::ByNode {
            /// Enough for every transport's words; longer ones are cut.
            const REASON_CHARS_MAX: usize = 200;
            let reason = error.to_string().chars().take(REASON_CHARS_MAX).collect();
            self.outbox.send(Event::DialFailed { address, reason });
        }
    }

    /// `peer` spoke a name of our chain.
    pub(super) fn admit(&mut self, peer: PeerId) {
        let Some(links) = self.peers.admit(&peer) else {
            return;
        };
        for link in links
            .iter()
            .filter(|link| link.direction == Direction::Outbound)
        {
            self.book.proven(link.address, peer);
        }
        if let Some(Link { address, direction }) = links.first().copied() {
            self.outbox.send(Event::PeerConnected {
                peer,
                address,
                direction,
            });
        }
    }

    fn on_ping(&mut self, event: &ping::Event) {
        let Some(peer) = PeerId::from_libp2p(&event.peer) else {
            return;
        };
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        match &event.result {
            Ok(_) => known.missed_pings = 0,
            Err(ping::Failure::Timeout) => known.missed_pings += 1,
            Err(_) => {}
        }
        if known.missed_pings >= limits::MISSED_PINGS_MAX {
            self.let_go(peer, "does not answer pings");
        }
    }

    fn let_go(&mut self, peer: PeerId, why: &'static str) {
        tracing::debug!(%peer, why, "let go");
        self.counters.count(Counter::SluggishClosed);
        self.disconnect(peer);
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            } => {
                self.on_message(propagation_source, &message_id, message);
            }
            gossipsub::Event::SlowPeer { peer_id, .. } => {
                let Some(peer) = PeerId::from_libp2p(&peer_id) else {
                    return;
                };
                let Some(known) = self.peers.get_mut(&peer) else {
                    return;
                };
                // Two, of which the next tick forgives one.
                known.slow_strikes += 2;
                if known.slow_strikes > limits::SLOW_STRIKES_MAX {
                    self.let_go(peer, "takes gossip too slowly");
                }
            }
            _ => {}
        }
    }

    fn on_message(
        &mut self,
        from: libp2p::PeerId,
        id: &gossipsub::MessageId,
        message: gossipsub::Message,
    ) {
        let Ok(id) = <[u8; 32]>::try_from(id.0.as_slice()) else {
            return;
        };
        let peer = PeerId::from_libp2p(&from);
        let (Some(peer), Some(topic)) = (peer, self.topics.get(&message.topic).copied()) else {
            return self.judge(id, from, Verdict::Ignore);
        };
        self.admit(peer);
        let bytes = message.data;
        if bytes.len() > topic.bytes_max() {
            self.judge(id, from, Verdict::Reject);
            return self.report(
                peer,
                Fault::OversizedGossip {
                    topic,
                    bytes: bytes.len(),
                },
            );
        }
        let event = Event::Gossip {
            token: MessageToken { id },
            from: peer,
            topic,
            bytes,
        };
        if !self.verdicts.has_room() || self.outbox.offer(event).is_err() {
            self.counters.count(Counter::GossipDropped);
            return self.judge(id, from, Verdict::Ignore);
        }
        self.verdicts.wait(id, from, Instant::now());
    }

    fn report(&mut self, peer: PeerId, fault: Fault) {
        tracing::warn!(%peer, ?fault, "misbehaviour");
        if self
            .outbox
            .offer(Event::Misbehaviour { peer, fault })
            .is_err()
        {
            self.counters.count(Counter::FaultsDropped);
        }
    }

    fn on_exchange(&mut self, protocol: Protocol, event: request_response::Event<Frame, Frame>) {
        match event {
            request_response::Event::Message { peer, message, .. } => {
                let Some(peer) = PeerId::from_libp2p(&peer) else {
                    return;
                };
                match message {
                    Message::Request {
                        request_id,
                        request,
                        channel,
                    } => {
                        self.on_request(peer, protocol, request_id, request, channel);
                    }
                    Message::Response {
                        request_id,
                        response,
                    } => {
                        let result = match response {
                            Frame::Payload(bytes) => Ok(bytes),
                            Frame::Closed => Err(RequestError::Declined),
                            Frame::Oversize {
                                claimed: claimed_bytes,
                            } => {
                                self.report(
                                    peer,
                                    Fault::OversizedResponse {
                                        protocol,
                                        claimed_bytes,
                                    },
                                );
                                Err(RequestError::Oversized)
                            }
                        };
                        self.ended(protocol, request_id, peer, result);
                    }
                }
            }
            request_response::Event::OutboundFailure {
                peer,
                request_id,
                error,
                ..
            } => {
                let Some(peer) = PeerId::from_libp2p(&peer) else {
                    return;
                };
                let error = match error {
                    OutboundFailure::DialFailure => RequestError::NotConnected,
                    OutboundFailure::Timeout => RequestError::Timeout,
                    OutboundFailure::ConnectionClosed => RequestError::Disconnected,
                    OutboundFailure::UnsupportedProtocols => RequestError::Unsupported,
                    OutboundFailure::Io(_) => RequestError::Broken,
                };
                self.ended(protocol, request_id, peer, Err(error));
            }
            request_response::Event::InboundFailure { request_id, .. }
            | request_response::Event::ResponseSent { request_id, .. } => {
                self.exchanges.paid(protocol, request_id);
            }
        }
    }

    fn on_request(
        &mut self,
        peer: PeerId,
        protocol: Protocol,
        id: InboundRequestId,
        frame: Frame,
        channel: ResponseChannel<Frame>,
    ) {
        self.admit(peer);
        let bytes = match frame {
            Frame::Payload(bytes) => bytes,
            Frame::Closed => return,
            Frame::Oversize {
                claimed: claimed_bytes,
            } => {
                return self.report(
                    peer,
                    Fault::OversizedRequest {
                        protocol,
                        claimed_bytes,
                    },
                );
            }
        };
        let Some(place) = self.exchanges.place() else {
            return self.counters.count(Counter::RequestsDropped);
        };
        let token = ResponseToken {
            protocol,
            peer,
            id,
            channel,
            _place: place,
        };
        if self
            .outbox
            .offer(Event::Request {
                peer,
                protocol,
                bytes,
                token,
            })
            .is_err()
        {
            self.counters.count(Counter::RequestsDropped);
        }
    }

    fn ended(
        &mut self,
        protocol: Protocol,
        id: request_response::OutboundRequestId,
        peer: PeerId,
        result: Result<Vec<u8>, RequestError>,
    ) {
        if let Some(request) = self.exchanges.ended(protocol, id) {
            self.outbox.send(Event::Response {
                request,
                peer,
                protocol,
                result,
            });
        }
    }
}
