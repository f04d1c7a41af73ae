//! The protocols of one node, set up with the limits of the table.
//!
//! # Invariants
//! * The gate stands first: what it refuses, nobody else hears of.
//! * Gossip carries no author and no signature. What is gossiped is signed inside, and an author's
//!   network identity must not travel with its messages. Ids are hashes of the content.
//! * Gossip goes on only after the node's verdict.
//! * The lookup table finds peers and nothing else: it stores no records and serves none.
//!
//! # Spec
//! docs/spec/06-wire.md §2, §3, §5
//!
//! # Not here
//! What happens with their events: [`crate::driver`].

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use chain::ChainId;
use libp2p::gossipsub::{
    self, IdentTopic, IdentityTransform, MaxCountSubscriptionFilter, MessageAuthenticity,
    PeerScoreParams, PeerScoreThresholds, TopicHash, TopicScoreParams, ValidationMode,
    WhitelistSubscriptionFilter,
};
use libp2p::identity::Keypair;
use libp2p::kad::{self, store::MemoryStore, store::MemoryStoreConfig};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{StreamProtocol, identify, mdns, memory_connection_limits, ping};

use crate::config::{Config, Switch};
use crate::frame::FrameCodec;
use crate::gate::Gate;
use crate::limits;
use crate::protocol::{self, Protocol, Topic, message_id};

/// Gossip among peers that know our topics and no others.
pub(crate) type Gossip = gossipsub::Behaviour<
    IdentityTransform,
    MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>,
>;

/// Requests and responses of one protocol.
pub(crate) type Exchange = request_response::Behaviour<FrameCodec>;

/// Lookup of peers.
pub(crate) type Lookup = kad::Behaviour<MemoryStore>;

/// Everything that runs on a connection.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) gate: Gate,
    memory: memory_connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(crate) gossip: Gossip,
    headers: Exchange,
    bodies: Exchange,
    mempool: Exchange,
    missing: Exchange,
    pub(crate) lookup: Toggle<Lookup>,
    mdns: Toggle<mdns::tokio::Behaviour>,
}

impl Behaviour {
    pub(crate) fn new(config: &Config, key: &Keypair) -> Result<Self, String> {
        let chain = &config.chain_id;
        let local = key.public().to_peer_id();
        let exchange = |protocol| exchange(protocol, chain);
        Ok(Self {
            gate: Gate::new(config.limits),
            memory: memory_connection_limits::Behaviour::with_max_bytes(
                config.limits.memory_bytes_max,
            ),
            identify: identify(chain, key),
            ping: ping::Behaviour::default(),
            gossip: gossip(chain)?,
            headers: exchange(Protocol::Headers)?,
            bodies: exchange(Protocol::Bodies)?,
            mempool: exchange(Protocol::Mempool)?,
            missing: exchange(Protocol::Missing)?,
            lookup: match config.lookup {
                Switch::On => Some(lookup(config, local)?).into(),
                Switch::Off => None.into(),
            },
            mdns: match config.mdns {
                Switch::On => {
                    let found = mdns::tokio::Behaviour::new(mdns::Config::default(), local);
                    Some(found.map_err(|error| error.to_string())?).into()
                }
                Switch::Off => None.into(),
            },
        })
    }

    pub(crate) fn exchange(&mut self, protocol: Protocol) -> &mut Exchange {
        match protocol {
            Protocol::Headers => &mut self.headers,
            Protocol::Bodies => &mut self.bodies,
            Protocol::Mempool => &mut self.mempool,
            Protocol::Missing => &mut self.missing,
        }
    }
}

fn stream_protocol(name: String) -> Result<StreamProtocol, String> {
    StreamProtocol::try_from_owned(name).map_err(|error| error.to_string())
}

fn identify(chain: &ChainId, key: &Keypair) -> identify::Behaviour {
    let config = identify::Config::new(protocol::introduction(chain), key.public())
        .with_agent_version(concat!("chainchat/", env!("CARGO_PKG_VERSION")).into())
        // The address book remembers addresses; a second memory would escape its caps.
        .with_cache_size(0);
    identify::Behaviour::new(config)
}

fn exchange(protocol: Protocol, chain: &ChainId) -> Result<Exchange, String> {
    let name = stream_protocol(protocol.name(chain))?;
    let config = request_response::Config::default()
        .with_request_timeout(protocol.timeout())
        .with_max_concurrent_streams(limits::STREAMS_MAX);
    let protocols = [(name, ProtocolSupport::Full)];
    Ok(Exchange::with_codec(
        FrameCodec(protocol),
        protocols,
        config,
    ))
}

/// The topics of `chain` by their names on the wire.
pub(crate) fn topics(chain: &ChainId) -> BTreeMap<TopicHash, Topic> {
    Topic::ALL
        .into_iter()
        .map(|topic| (TopicHash::from_raw(topic.name(chain)), topic))
        .collect()
}

fn gossip(chain: &ChainId) -> Result<Gossip, String> {
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| {
            message_id(message.topic.as_str(), &message.data)
                .to_vec()
                .into()
        })
        .duplicate_cache_time(limits::GOSSIP_SEEN_TIME)
        .heartbeat_interval(limits::GOSSIP_HEARTBEAT)
        .heartbeat_initial_delay(limits::GOSSIP_HEARTBEAT)
        // Only the frame is limited here: gossipsub drops a message above a topic's own limit
        // silently, while the driver refuses and reports it.
        .max_transmit_size(limits::GOSSIP_FRAME_BYTES_MAX)
        .max_publish_messages(limits::GOSSIP_FRAME_MESSAGES_MAX)
        .max_control_message_size(limits::GOSSIP_CONTROL_BYTES_MAX)
        .max_control_messages_sent(limits::GOSSIP_IDS_MAX)
        .connection_handler_queue_len(limits::GOSSIP_QUEUE_MESSAGES_MAX)
        .build()
        .map_err(|error| error.to_string())?;
    let filter = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(topics(chain).into_keys().collect()),
        max_subscribed_topics: limits::GOSSIP_SUBSCRIPTIONS_MAX,
        max_subscriptions_per_request: limits::GOSSIP_SUBSCRIPTIONS_MAX,
    };
    let author = MessageAuthenticity::Anonymous;
    let mut gossip = Gossip::new_with_subscription_filter(author, config, filter)?;
    gossip.with_peer_score(score(chain), thresholds())?;
    for topic in Topic::ALL {
        let subscribed = gossip.subscribe(&IdentTopic::new(topic.name(chain)));
        subscribed.map_err(|error| error.to_string())?;
    }
    Ok(gossip)
}

/// Gossip's own score: a second line behind the node's bans. It counts what only a faulty peer
/// does, and never slowness, silence or many peers at one address, which honest ones show under
/// load and behind one router.
fn score(chain: &ChainId) -> PeerScoreParams {
    let invalid = TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.0,
        first_message_deliveries_weight: 0.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        // Nine rejected messages within minutes reach the threshold of -80.
        invalid_message_deliveries_weight: -1.0,
        invalid_message_deliveries_decay: gossipsub::score_parameter_decay(Duration::from_secs(
            600,
        )),
        ..TopicScoreParams::default()
    };
    let topics = topics(chain)
        .into_keys()
        .map(|topic| (topic, invalid.clone()));
    PeerScoreParams {
        topics: topics.collect(),
        ip_colocation_factor_weight: 0.0,
        slow_peer_weight: 0.0,
        // A restarted neighbour asks for its five places in the mesh again at once, each of which
        // counts up to twice.
        behaviour_penalty_threshold: 20.0,
        behaviour_penalty_weight: -1.0,
        behaviour_penalty_decay: gossipsub::score_parameter_decay(Duration::from_secs(600)),
        // An entry per peer that left with a bad or no score: minutes, not the usual hour.
        retain_score: Duration::from_secs(300),
        ..PeerScoreParams::default()
    }
}

fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: -20.0,
        publish_threshold: -50.0,
        graylist_threshold: -80.0,
        opportunistic_graft_threshold: 0.0,
        ..PeerScoreThresholds::default()
    }
}

fn lookup(config: &Config, local: libp2p::PeerId) -> Result<Lookup, String> {
    let mut kad = kad::Config::new(stream_protocol(protocol::lookup_name(&config.chain_id))?);
    kad.set_kbucket_inserts(kad::BucketInserts::Manual)
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .set_caching(kad::Caching::Disabled)
        .set_query_timeout(Duration::from_secs(60))
        .set_parallelism(NonZeroUsize::new(3).expect("three is not zero"))
        .disjoint_query_paths(true);
    let nothing = MemoryStoreConfig {
        max_records: 0,
        max_value_bytes: 0,
        max_providers_per_key: 0,
        max_provided_keys: 0,
    };
    let store = MemoryStore::with_config(local, nothing);
    let mut lookup = Lookup::with_config(local, store, kad);
    let mode = if config.listen.is_empty() {
        kad::Mode::Client
    } else {
        kad::Mode::Server
    };
    lookup.set_mode(Some(mode));
    Ok(lookup)
}
