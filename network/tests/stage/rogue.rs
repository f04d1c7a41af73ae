//! A peer that breaks the rules: it frames its own bytes and gossips whatever it likes.
//!
//! # Invariants
//! It speaks the transports and names of the chain correctly, so that what it sends is read.
//!
//! # Spec
//! docs/spec/06-wire.md
//!
//! # Not here
//! Honest nodes: `nodes.rs`.

use std::io;
use std::time::Duration;

use chain::ChainId;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode};
use libp2p::request_response::{self, Codec, ProtocolSupport, ResponseChannel};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{StreamProtocol, Swarm, SwarmBuilder, identify, noise, tcp, yamux};
use network::{Address, PeerId, Protocol, Topic};

/// Writes exactly the bytes given and reads to the end.
#[derive(Clone, Copy)]
pub(crate) struct Verbatim;

const READ_BYTES_MAX: u64 = 8 << 20;

async fn read_all(io: &mut (impl AsyncRead + Unpin + Send)) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.take(READ_BYTES_MAX).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

impl Codec for Verbatim {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_all(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_all(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await
    }
}

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    identify: identify::Behaviour,
    pub(crate) gossip: gossipsub::Behaviour,
    pub(crate) exchange: request_response::Behaviour<Verbatim>,
}

/// What the rogue noticed.
#[derive(Debug)]
pub(crate) enum Noticed {
    Connected,
    Disconnected,
    /// Its request ended, with these bytes or with a failure.
    Ended(Option<Vec<u8>>),
    /// The victim asks.
    Asked(ResponseChannel<Vec<u8>>),
    /// The victim listens to a topic.
    Subscribed,
}

pub(crate) struct Rogue {
    swarm: Swarm<Behaviour>,
    chain: ChainId,
    victim: libp2p::PeerId,
}

impl Rogue {
    /// On `chain`, speaking `protocol`, dialling `door`.
    pub(crate) fn dial(chain: ChainId, protocol: Protocol, door: Address) -> Self {
        let behaviour = |key: &libp2p::identity::Keypair| {
            let introduction = network::protocol::introduction(&chain);
            let name = StreamProtocol::try_from_owned(protocol.name(&chain)).expect("a name");
            let gossip = gossipsub::ConfigBuilder::default()
                .validation_mode(ValidationMode::Anonymous)
                .max_transmit_size(4 << 20)
                .message_id_fn(|message| {
                    let topic = message.topic.as_str();
                    network::protocol::message_id(topic, &message.data)
                        .to_vec()
                        .into()
                })
                .build()
                .expect("settings");
            let mut gossip = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, gossip)
                .expect("anonymous");
            for topic in Topic::ALL {
                gossip
                    .subscribe(&IdentTopic::new(topic.name(&chain)))
                    .expect("subscribed");
            }
            Behaviour {
                identify: identify::Behaviour::new(identify::Config::new(
                    introduction,
                    key.public(),
                )),
                gossip,
                exchange: request_response::Behaviour::with_codec(
                    Verbatim,
                    [(name, ProtocolSupport::Full)],
                    request_response::Config::default(),
                ),
            }
        };
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(
                tcp::Config::default(),
                noise::Config::new,
                yamux::Config::default,
            )
            .expect("tcp")
            .with_quic()
            .with_behaviour(behaviour)
            .expect("behaviour")
            .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(Duration::from_secs(600)))
            .build();
        let victim = door.peer().expect("a door with a peer").to_string();
        swarm
            .dial(
                door.to_string()
                    .parse::<libp2p::Multiaddr>()
                    .expect("an address"),
            )
            .expect("dialled");
        Self {
            swarm,
            chain,
            victim: victim.parse().expect("a peer"),
        }
    }

    pub(crate) fn id(&self) -> PeerId {
        self.swarm
            .local_peer_id()
            .to_string()
            .parse()
            .expect("an ed25519 key")
    }

    pub(crate) fn send_request(&mut self, bytes: Vec<u8>) {
        self.swarm
            .behaviour_mut()
            .exchange
            .send_request(&self.victim, bytes);
    }

    pub(crate) fn send_response(&mut self, channel: ResponseChannel<Vec<u8>>, bytes: Vec<u8>) {
        let sent = self
            .swarm
            .behaviour_mut()
            .exchange
            .send_response(channel, bytes);
        sent.expect("the victim waits");
    }

    /// Whether some neighbour listened.
    pub(crate) fn publish(&mut self, topic: Topic, bytes: Vec<u8>) -> bool {
        let topic = IdentTopic::new(topic.name(&self.chain));
        self.swarm
            .behaviour_mut()
            .gossip
            .publish(topic, bytes)
            .is_ok()
    }

    /// Runs until it notices something.
    pub(crate) async fn notice(&mut self) -> Noticed {
        loop {
            match self.swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { .. } => return Noticed::Connected,
                SwarmEvent::ConnectionClosed { .. } => return Noticed::Disconnected,
                SwarmEvent::Behaviour(BehaviourEvent::Exchange(event)) => match event {
                    request_response::Event::Message { message, .. } => match message {
                        request_response::Message::Request { channel, .. } => {
                            return Noticed::Asked(channel);
                        }
                        request_response::Message::Response { response, .. } => {
                            return Noticed::Ended(Some(response));
                        }
                    },
                    request_response::Event::OutboundFailure { .. } => {
                        return Noticed::Ended(None);
                    }
                    _ => {}
                },
                SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Subscribed {
                    ..
                })) => return Noticed::Subscribed,
                _ => {}
            }
        }
    }

    /// Runs until its request ended.
    pub(crate) async fn ended(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Noticed::Ended(answer) = self.notice().await {
                return answer;
            }
        }
    }
}
