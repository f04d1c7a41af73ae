//! Peers: who is there, gossip, questions and answers, over libp2p.
//!
//! ```
//! use chain::ChainId;
//! use network::{Config, Event, NodeKey, Topic, Verdict};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let chain = ChainId::from_bytes([7; 32]);
//! let mut config = Config::new(chain, NodeKey::from_bytes([1; 32]));
//! config.listen = vec!["/ip4/127.0.0.1/tcp/0".parse()?];
//! let (alice, mut seen_by_alice) = network::start(config).await?;
//!
//! let mut config = Config::new(chain, NodeKey::from_bytes([2; 32]));
//! config.connect = alice.listening().to_vec();
//! let (bob, mut seen_by_bob) = network::start(config).await?;
//!
//! let Some(Event::PeerConnected { peer, .. }) = seen_by_bob.next().await else { panic!() };
//! assert_eq!(peer, alice.peer_id());
//! bob.request(peer, network::Protocol::Headers, b"from here on".to_vec())?;
//! while let Some(event) = seen_by_alice.next().await {
//!     if let Event::Request { token, .. } = event {
//!         alice.respond(token, b"two headers".to_vec())?;
//!         break;
//!     }
//! }
//! let answer = seen_by_bob.next().await;
//! assert!(matches!(answer, Some(Event::Response { result: Ok(bytes), .. }) if bytes.len() == 11));
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//! * It moves bytes: it checks their number and who sent them, never what they mean.
//! * It keeps nothing: bans, addresses and the node's key are handed in and asked for.
//! * No type of libp2p crosses this face.
//! * Everything that a peer can make grow has a limit in [`limits`].
//!
//! # Spec
//! docs/spec/06-wire.md
//!
//! # Not here
//! Encodings (`chain`), rules (`consensus`), scores, sync and relay (`node`).

#![forbid(unsafe_code)]

pub mod address;
mod behaviour;
mod book;
pub mod config;
pub mod counter;
mod driver;
pub mod error;
pub mod event;
mod frame;
mod gate;
pub mod handle;
pub mod limits;
pub mod peer;
pub mod protocol;

pub use address::{Address, Transport};
pub use config::{Ban, BanSubject, Config, Switch};
pub use counter::Counter;
pub use driver::start;
pub use error::{NetworkError, ParseError, RequestError};
pub use event::{
    Direction, Event, Fault, MessageToken, PublicationId, PublishFailure, RequestId, ResponseToken,
    Verdict,
};
pub use handle::{Events, Handle};
pub use limits::Limits;
pub use peer::{NodeKey, PeerId};
pub use protocol::{Protocol, Topic};
