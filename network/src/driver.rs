//! The swarm and the loop that turns it: the one file of this crate that holds sockets.
//!
//! # Invariants
//! * The loop never waits for the node. Gossip and requests that the node does not take are dropped
//!   and counted; while what must not be lost piles up, the sockets are not read.
//! * Sizes are checked before an event is handed up, and what is too large is the sender's fault.
//! * The node hears of a peer only after the peer proved to be on the same chain: by its
//!   introduction, or by a message on one of the chain's own topics or protocols.
//! * It judges nothing else and keeps nothing on disk.
//!
//! # Spec
//! docs/spec/06-wire.md
//!
//! # Not here
//! Protocols and their settings ([`crate::behaviour`]); who may connect ([`crate::gate`]); whom to
//! dial ([`crate::book`]); scores and sync (`node`).

mod discovery;
mod exchanges;
mod outbox;
mod peers;
mod reactions;
mod verdicts;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::gossipsub::{MessageAcceptance, MessageId, PublishError, TopicHash};
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Swarm, SwarmBuilder, noise, tcp, yamux};
use tokio::sync::mpsc;

use crate::address::Address;
use crate::behaviour::{Behaviour, BehaviourEvent, topics};
use crate::book::{Book, Origin};
use crate::config::{Ban, BanSubject, Config};
use crate::counter::{Counter, Counters};
use crate::error::{NetworkError, RequestError};
use crate::event::{Event, PublicationId, PublishFailure, RequestId, ResponseToken, Verdict};
use crate::frame::Frame;
use crate::gate::covers;
use crate::handle::{Command, Events, Handle};
use crate::limits;
use crate::peer::PeerId;
use crate::protocol::{Protocol, Topic, introduction};
use exchanges::Exchanges;
use outbox::{Outbox, outbox};
use peers::Peers;
use verdicts::Verdicts;

/// Who asked for a dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    ByNode,
    ByBook,
}

/// Owns the swarm.
struct Driver {
    swarm: Swarm<Behaviour>,
    topics: BTreeMap<TopicHash, Topic>,
    introduction: String,
    commands: mpsc::Receiver<Command>,
    outbox: Outbox,
    peers: Peers,
    verdicts: Verdicts,
    exchanges: Exchanges,
    book: Book,
    /// Dials of ours that have no end yet.
    dials: BTreeMap<ConnectionId, (Address, Asked)>,
    counters: Arc<Counters>,
}

/// What the loop does next.
enum Step {
    Swarm(SwarmEvent<BehaviourEvent>),
    Command(Option<Command>),
    Tick,
    Flushed,
}

/// Starts listening and dialling on the current tokio runtime. Returns when every configured
/// address is bound.
///
/// # Errors
/// [`NetworkError::Listen`] for an address that cannot be bound, [`NetworkError::Transport`] if the
/// transports cannot be set up.
///
/// # Panics
/// Outside a tokio runtime.
pub async fn start(config: Config) -> Result<(Handle, Events), NetworkError> {
    let (sender, commands) = mpsc::channel(limits::COMMANDS_MAX);
    let (outbox, events) = outbox();
    let counters = Arc::new(Counters::default());
    let mut driver = Driver {
        swarm: swarm(&config).map_err(|reason| NetworkError::Transport { reason })?,
        topics: topics(&config.chain_id),
        introduction: introduction(&config.chain_id),
        commands,
        outbox,
        peers: Peers::default(),
        verdicts: Verdicts::default(),
        exchanges: Exchanges::new(),
        book: Book::new(config.limits.outbound_target),
        dials: BTreeMap::new(),
        counters: Arc::clone(&counters),
    };
    let now = Instant::now();
    let known = config
        .known_addresses
        .iter()
        .map(|address| (address, Origin::Known));
    let connect = config
        .connect
        .iter()
        .map(|address| (address, Origin::Connect));
    connect
        .chain(known)
        .for_each(|(address, origin)| driver.book.add(*address, origin, now));
    for ban in &config.bans {
        driver
            .swarm
            .behaviour_mut()
            .gate
            .ban(ban.subject, ban.lasting, now);
    }
    let peer = config.node_key.peer_id();
    let listening = driver.listen(&config.listen, peer).await?;
    tokio::spawn(driver.run());
    Ok((Handle::new(sender, peer, listening, counters), events))
}

fn swarm(config: &Config) -> Result<Swarm<Behaviour>, String> {
    let key = config.node_key.keypair();
    let behaviour = Behaviour::new(config, &key)?;
    let muxer = || {
        let mut muxer = yamux::Config::default();
        muxer.set_max_num_streams(limits::MUXED_STREAMS_MAX);
        muxer
    };
    let builder = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            muxer,
        )
        .map_err(|error| error.to_string())?
        .with_quic_config(|mut quic| {
            quic.handshake_timeout = limits::HANDSHAKE_TIMEOUT;
            quic.max_concurrent_stream_limit =
                u32::try_from(limits::MUXED_STREAMS_MAX).expect("a small constant");
            quic.max_stream_data = limits::QUIC_STREAM_BYTES_MAX;
            quic.max_connection_data = 4 * limits::QUIC_STREAM_BYTES_MAX;
            quic
        })
        .with_behaviour(|_| behaviour)
        .map_err(|error| error.to_string())?
        .with_swarm_config(|swarm| {
            swarm
                .with_idle_connection_timeout(limits::IDLE_TIMEOUT)
                .with_max_negotiating_inbound_streams(limits::NEGOTIATING_STREAMS_MAX)
        })
        .with_connection_timeout(limits::HANDSHAKE_TIMEOUT);
    Ok(builder.build())
}

/// Operating-system randomness, for the order of dials and the jitter of pauses.
fn random() -> u64 {
    getrandom::u64().expect("the operating system gave randomness for the handshakes too")
}

impl Driver {
    /// Binds `addresses`; what else happens meanwhile is handled as in [`Self::run`].
    async fn listen(
        &mut self,
        addresses: &[Address],
        local: PeerId,
    ) -> Result<Vec<Address>, NetworkError> {
        /// Binding is a matter of milliseconds; a listener that says nothing is broken.
        const BIND_TIMEOUT: Duration = Duration::from_secs(20);
        let mut waiting = Vec::new();
        for address in addresses {
            let fail = |reason| NetworkError::Listen {
                address: *address,
                reason,
            };
            let id = self.swarm.listen_on(address.to_multiaddr());
            waiting.push((id.map_err(|error| fail(error.to_string()))?, *address));
        }
        let mut bound = Vec::new();
        let deadline = tokio::time::Instant::now() + BIND_TIMEOUT;
        while let Some((_, address)) = waiting.first().copied() {
            let fail = |reason| NetworkError::Listen { address, reason };
            let next = self.swarm.select_next_some();
            let Ok(event) = tokio::time::timeout_at(deadline, next).await else {
                return Err(fail("no listener came up".into()));
            };
            match &event {
                SwarmEvent::NewListenAddr {
                    listener_id,
                    address,
                } => {
                    waiting.retain(|(id, _)| id != listener_id);
                    let address = Address::from_multiaddr(address);
                    bound.extend(address.map(|address| address.with_peer(local)));
                }
                SwarmEvent::ListenerClosed {
                    listener_id,
                    reason,
                    ..
                } if waiting.iter().any(|(id, _)| id == listener_id) => {
                    return Err(fail(format!("{reason:?}")));
                }
                _ => {}
            }
            self.on_swarm(event);
        }
        Ok(bound)
    }

    async fn run(mut self) {
        let mut ticks = tokio::time::interval(limits::TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !self.outbox.is_closed() {
            let step = tokio::select! {
                event = self.swarm.select_next_some(), if !self.outbox.is_stalled() => {
                    Step::Swarm(event)
                }
                command = self.commands.recv() => Step::Command(command),
                _ = ticks.tick() => Step::Tick,
                () = self.outbox.flush(), if self.outbox.has_backlog() => Step::Flushed,
            };
            match step {
                Step::Swarm(event) => self.on_swarm(event),
                Step::Command(None | Some(Command::Stop)) => break,
                Step::Command(Some(command)) => self.on_command(command),
                Step::Tick => self.on_tick(Instant::now()),
                Step::Flushed => {}
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Publish {
                publication,
                topic,
                bytes,
            } => {
                self.publish(publication, topic, bytes);
            }
            Command::Verdict { token, verdict } => {
                if let Some(from) = self.verdicts.judged(&token.id) {
                    self.judge(token.id, from, verdict);
                }
            }
            Command::Request {
                request,
                peer,
                protocol,
                bytes,
            } => {
                self.request(request, peer, protocol, bytes);
            }
            Command::Respond { token, bytes } => self.respond(token, bytes),
            Command::Dial(address) => {
                self.book.add(address, Origin::Known, Instant::now());
                self.dial(address, Asked::ByNode);
            }
            Command::Disconnect(peer) => self.disconnect(peer),
            Command::Ban(ban) => self.ban(ban),
            Command::Unban(subject) => self.swarm.behaviour_mut().gate.unban(subject),
            Command::GoodAddresses(answer) => {
                // Whoever asked may have stopped waiting.
                let _ = answer.send(self.book.good_addresses());
            }
            Command::Stop => {}
        }
    }

    fn on_tick(&mut self, now: Instant) {
        while let Some((id, from)) = self.verdicts.next_missed(now) {
            self.counters.count(Counter::VerdictsMissed);
            self.judge(id, from, Verdict::Ignore);
        }
        for peer in self.peers.overdue(now) {
            tracing::debug!(%peer, "no introduction in time");
            self.counters.count(Counter::StrangersClosed);
            self.disconnect(peer);
        }
        self.peers.forgive_strikes();
        self.swarm.behaviour_mut().gate.forget_ended_bans(now);
        let peers = &self.peers;
        for address in self
            .book
            .plan(now, |peer| peers.contains(peer), &mut random)
        {
            self.dial(address, Asked::ByBook);
        }
    }

    fn publish(&mut self, publication: PublicationId, topic: Topic, bytes: Vec<u8>) {
        let Some(name) = self.topics.iter().find(|(_, known)| **known == topic) else {
            return;
        };
        let name = name.0.clone();
        let reason = match self.swarm.behaviour_mut().gossip.publish(name, bytes) {
            // Seen within the last minute: it is on its way already.
            Ok(_) | Err(PublishError::Duplicate) => return,
            Err(PublishError::AllQueuesFull(_)) => PublishFailure::QueuesFull,
            Err(PublishError::NoPeersSubscribedToTopic) => PublishFailure::NoPeers,
            Err(error) => {
                tracing::error!(%topic, %error, "gossip refused a message of ours");
                PublishFailure::NoPeers
            }
        };
        self.outbox.send(Event::Unpublished {
            publication,
            topic,
            reason,
        });
    }

    fn judge(&mut self, id: [u8; 32], from: libp2p::PeerId, verdict: Verdict) {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        };
        let id = MessageId::from(id.to_vec());
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        gossip.report_message_validation_result(&id, &from, acceptance);
    }

    fn request(&mut self, request: RequestId, peer: PeerId, protocol: Protocol, bytes: Vec<u8>) {
        let refusal = if !self.peers.contains(&peer) {
            RequestError::NotConnected
        } else if !self.exchanges.may_ask(peer, protocol) {
            RequestError::Busy
        } else {
            let exchange = self.swarm.behaviour_mut().exchange(protocol);
            let id = exchange.send_request(&peer.to_libp2p(), Frame::Payload(bytes));
            self.exchanges.asked(protocol, id, request, peer);
            return;
        };
        self.outbox.send(Event::Response {
            request,
            peer,
            protocol,
            result: Err(refusal),
        });
    }

    fn respond(&mut self, token: ResponseToken, bytes: Vec<u8>) {
        let ResponseToken {
            protocol,
            peer,
            id,
            channel,
            _place,
        } = token;
        if !self.exchanges.owe(protocol, id, peer, bytes.len()) {
            tracing::debug!(%peer, %protocol, "too many answers on their way");
            return self.counters.count(Counter::ResponsesRefused);
        }
        let exchange = self.swarm.behaviour_mut().exchange(protocol);
        if exchange
            .send_response(channel, Frame::Payload(bytes))
            .is_err()
        {
            self.exchanges.paid(protocol, id);
        }
    }

    fn dial(&mut self, address: Address, asked: Asked) {
        let place = address.to_multiaddr();
        let options: DialOpts = match address.peer() {
            Some(peer) => DialOpts::peer_id(peer.to_libp2p())
                .addresses(vec![place])
                .allocate_new_port()
                .build(),
            None => DialOpts::unknown_peer_id()
                .address(place)
                .allocate_new_port()
                .build(),
        };
        let id = options.connection_id();
        self.dials.insert(id, (address, asked));
        if let Err(error) = self.swarm.dial(options) {
            self.dial_failed(id, &error);
        }
    }

    fn disconnect(&mut self, peer: PeerId) {
        // Not being connected is what was asked for.
        let _ = self.swarm.disconnect_peer_id(peer.to_libp2p());
    }

    fn ban(&mut self, ban: Ban) {
        self.swarm
            .behaviour_mut()
            .gate
            .ban(ban.subject, ban.lasting, Instant::now());
        let covered: Vec<PeerId> = match ban.subject {
            BanSubject::Peer(peer) => vec![peer],
            BanSubject::Ip(_) => self
                .peers
                .iter()
                .filter(|(id, peer)| {
                    peer.links
                        .values()
                        .any(|link| covers(ban.subject, *id, link.address.ip()))
                })
                .map(|(id, _)| id)
                .collect(),
        };
        covered.into_iter().for_each(|peer| self.disconnect(peer));
    }
}
