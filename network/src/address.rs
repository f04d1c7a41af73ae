//! Where a peer listens: an IP address, a port, a transport, and perhaps who is expected there.
//!
//! # Invariants
//! * The IP address is canonical: an IPv4 address mapped into IPv6 is that IPv4 address, so that
//!   bans and caps cannot be evaded by the way an address is written.
//! * An address has exactly one text, a multiaddress.
//!
//! # Spec
//! docs/spec/06-wire.md §1
//!
//! # Not here
//! Host names: whoever reads a configuration resolves them. Which address is dialled next
//! ([`crate::book`]).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use crate::error::ParseError;
use crate::peer::PeerId;

/// How bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP with noise and yamux.
    Tcp,
    /// QUIC version 1.
    Quic,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Quic => "quic",
        })
    }
}

/// A place to listen on or to dial: `/ip4/203.0.113.7/tcp/4001`, `/ip6/2001:db8::1/udp/4001/quic-v1`,
/// each optionally followed by `/p2p/PEER`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    ip: IpAddr,
    port: u16,
    transport: Transport,
    peer: Option<PeerId>,
}

/// Hosts that are counted as one: a /24 of IPv4, a /48 of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subnet {
    V4([u8; 3]),
    V6([u8; 6]),
}

/// Hosts that are likely to have one owner: a /16 of IPv4, a /32 of IPv6; every port of the own
/// machine stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    Local(IpAddr, u16),
    V4([u8; 2]),
    V6([u8; 4]),
}

impl Address {
    /// From its parts; `ip` is made canonical.
    #[must_use]
    pub fn new(ip: IpAddr, port: u16, transport: Transport) -> Self {
        Self {
            ip: ip.to_canonical(),
            port,
            transport,
            peer: None,
        }
    }

    /// The same place, where `peer` is expected: anybody else there fails the handshake.
    #[must_use]
    pub fn with_peer(self, peer: PeerId) -> Self {
        Self {
            peer: Some(peer),
            ..self
        }
    }

    /// The place alone, whoever is there.
    #[must_use]
    pub fn without_peer(self) -> Self {
        Self { peer: None, ..self }
    }

    /// The host, never an IPv4 address mapped into IPv6.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The TCP or UDP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The transport.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Who is expected there, if anybody in particular.
    #[must_use]
    pub fn peer(&self) -> Option<PeerId> {
        self.peer
    }

    /// Whether it names one host and one port.
    #[must_use]
    pub fn is_dialable(&self) -> bool {
        let broadcast = matches!(self.ip, IpAddr::V4(ip) if ip.is_broadcast());
        self.port != 0 && !self.ip.is_unspecified() && !self.ip.is_multicast() && !broadcast
    }

    /// Its subnet; `None` on the own machine, which no cap applies to.
    pub(crate) fn subnet(&self) -> Option<Subnet> {
        match self.ip {
            ip if ip.is_loopback() => None,
            IpAddr::V4(ip) => ip.octets().first_chunk().copied().map(Subnet::V4),
            IpAddr::V6(ip) => ip.octets().first_chunk().copied().map(Subnet::V6),
        }
    }

    pub(crate) fn group(&self) -> Group {
        let [a, b, c, d, ..] = match self.ip {
            ip if ip.is_loopback() => return Group::Local(ip, self.port),
            IpAddr::V4(ip) => return Group::V4([ip.octets()[0], ip.octets()[1]]),
            IpAddr::V6(ip) => ip.octets(),
        };
        Group::V6([a, b, c, d])
    }

    /// Reads a libp2p address; `None` for every form that this crate does not dial or listen on.
    pub(crate) fn from_multiaddr(address: &Multiaddr) -> Option<Self> {
        let mut parts = address.iter().peekable();
        let ip = match parts.next()? {
            Protocol::Ip4(ip) => IpAddr::V4(ip),
            Protocol::Ip6(ip) => IpAddr::V6(ip),
            _ => return None,
        };
        let (port, transport) = match parts.next()? {
            Protocol::Tcp(port) => (port, Transport::Tcp),
            Protocol::Udp(port) => match parts.next()? {
                Protocol::QuicV1 => (port, Transport::Quic),
                _ => return None,
            },
            _ => return None,
        };
        let peer = match parts.next() {
            None => None,
            Some(Protocol::P2p(peer)) => Some(PeerId::from_libp2p(&peer)?),
            Some(_) => return None,
        };
        parts.next().is_none().then(|| Self {
            peer,
            ..Self::new(ip, port, transport)
        })
    }

    /// The place without the expected peer, for listening and dialling.
    pub(crate) fn to_multiaddr(self) -> Multiaddr {
        let host = Multiaddr::empty().with(self.ip.into());
        match self.transport {
            Transport::Tcp => host.with(Protocol::Tcp(self.port)),
            Transport::Quic => host.with(Protocol::Udp(self.port)).with(Protocol::QuicV1),
        }
    }
}

/// What a ban of `ip` covers: the address itself, or the whole /64 of an IPv6 address, within which
/// one host may choose freely.
pub(crate) fn ban_key(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
        v4 => v4,
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_multiaddr())?;
        match self.peer {
            Some(peer) => write!(f, "/p2p/{peer}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let address: Multiaddr = text.parse().map_err(|_| ParseError::Address)?;
        Self::from_multiaddr(&address).ok_or(ParseError::Address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::NodeKey;

    fn address(text: &str) -> Address {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_is_read_and_written_as_the_same_text() {
        let peer = NodeKey::from_bytes([1; 32]).peer_id();
        for text in [
            "/ip4/203.0.113.7/tcp/4001".to_string(),
            "/ip6/2001:db8::1/udp/4001/quic-v1".to_string(),
            format!("/ip4/127.0.0.1/udp/0/quic-v1/p2p/{peer}"),
        ] {
            assert_eq!(address(&text).to_string(), text);
        }
    }

    #[test]
    fn other_transports_and_trailing_parts_are_refused() {
        for text in [
            "",
            "127.0.0.1:4001",
            "/dns4/example.org/tcp/1",
            "/ip4/1.2.3.4",
            "/ip4/1.2.3.4/udp/9",
            "/ip4/1.2.3.4/udp/9/quic",
            "/ip4/1.2.3.4/tcp/9/ws",
            "/ip4/1.2.3.4/tcp/9/tcp/9",
            "/memory/7",
        ] {
            assert_eq!(text.parse::<Address>(), Err(ParseError::Address), "{text}");
        }
    }

    #[test]
    fn a_mapped_ipv4_address_is_that_ipv4_address() {
        let mapped = address("/ip6/::ffff:203.0.113.7/tcp/4001");
        assert_eq!(mapped, address("/ip4/203.0.113.7/tcp/4001"));
        assert_eq!(mapped.subnet(), Some(Subnet::V4([203, 0, 113])));
        assert_eq!(
            ban_key("::ffff:1.2.3.4".parse().expect("ip")),
            mapped_plain()
        );
        fn mapped_plain() -> IpAddr {
            "1.2.3.4".parse().expect("ip")
        }
    }

    #[test]
    fn subnets_and_groups_join_neighbours_and_spare_the_own_machine() {
        let (a, b) = (
            address("/ip4/9.8.7.1/tcp/1"),
            address("/ip4/9.8.7.200/udp/2/quic-v1"),
        );
        assert_eq!((a.subnet(), a.group()), (b.subnet(), b.group()));
        let far = address("/ip4/9.8.6.1/tcp/1");
        assert_ne!(a.subnet(), far.subnet());
        assert_eq!(a.group(), far.group());
        let (x, y) = (
            address("/ip6/2001:db8:1::5/tcp/1"),
            address("/ip6/2001:db8:1:9::5/tcp/1"),
        );
        assert_eq!(x.subnet(), y.subnet());
        let (own, other) = (
            address("/ip4/127.0.0.1/tcp/1"),
            address("/ip4/127.0.0.1/tcp/2"),
        );
        assert_eq!(own.subnet(), None);
        assert_ne!(own.group(), other.group());
    }

    #[test]
    fn an_ipv6_ban_covers_the_hosts_own_half() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("ip");
        assert_eq!(ban_key(ip("2001:db8::1")), ban_key(ip("2001:db8::ffff:1")));
        assert_ne!(ban_key(ip("2001:db8:0:1::1")), ban_key(ip("2001:db8::1")));
    }

    #[test]
    fn no_particular_host_or_port_is_not_dialable() {
        for text in [
            "/ip4/0.0.0.0/tcp/1",
            "/ip4/1.2.3.4/tcp/0",
            "/ip4/224.0.0.1/tcp/1",
        ] {
            assert!(!address(text).is_dialable(), "{text}");
        }
        assert!(address("/ip6/::1/tcp/1").is_dialable());
    }
}
