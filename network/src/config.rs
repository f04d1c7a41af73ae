//! What the node hands to the network at start.
//!
//! # Invariants
//! Addresses are parsed before they come here; a key is given, never drawn.
//!
//! # Spec
//! docs/spec/06-wire.md §1, §5
//!
//! # Not here
//! Files, flags and their text: `cli` and `node`.

use std::net::IpAddr;
use std::time::Duration;

use chain::ChainId;

use crate::address::Address;
use crate::limits::Limits;
use crate::peer::{NodeKey, PeerId};

/// Everything that a network needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The chain whose peers are sought; others are let go.
    pub chain_id: ChainId,
    /// This node's identity.
    pub node_key: NodeKey,
    /// Where to listen; port 0 takes a free one.
    pub listen: Vec<Address>,
    /// Peers that are dialled again for as long as the process lives.
    pub connect: Vec<Address>,
    /// Addresses that worked before, and seeds: candidates for outbound connections.
    pub known_addresses: Vec<Address>,
    /// Who and what is banned already.
    pub bans: Vec<Ban>,
    /// Whether addresses are looked up in the distributed table of peers.
    pub lookup: Switch,
    /// Whether peers on the local network are sought by multicast DNS.
    pub mdns: Switch,
    /// What an operator may limit.
    pub limits: Limits,
}

impl Config {
    /// Neither listening, nor dialling, nor looking: a base for the callers' own settings.
    #[must_use]
    pub fn new(chain_id: ChainId, node_key: NodeKey) -> Self {
        Self {
            chain_id,
            node_key,
            listen: Vec::new(),
            connect: Vec::new(),
            known_addresses: Vec::new(),
            bans: Vec::new(),
            lookup: Switch::Off,
            mdns: Switch::Off,
            limits: Limits::default(),
        }
    }
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It is used.
    On,
    /// It is not used.
    Off,
}

/// Whom not to talk to, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Who.
    pub subject: BanSubject,
    /// From now on.
    pub lasting: Duration,
}

/// Who can be banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BanSubject {
    /// A peer, wherever it is.
    Peer(PeerId),
    /// Whoever is at an address: one IPv4 host, or the /64 around an IPv6 address. An IPv4 address
    /// mapped into IPv6 is that IPv4 address.
    Ip(IpAddr),
}
