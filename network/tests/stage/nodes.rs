//! Nodes on the own machine, and waiting for what they report.
//!
//! # Invariants
//! Nothing here decides by time: every wait ends with the event it waits for, or fails the test
//! after a deadline far beyond what a loaded machine needs.
//!
//! # Spec
//! docs/spec/06-wire.md
//!
//! # Not here
//! Peers that break the rules: `rogue.rs`.

#![allow(dead_code, reason = "each test file uses its part")]

use std::future::Future;
use std::time::Duration;

use chain::ChainId;
use network::{Address, Config, Counter, Event, Events, Handle, NodeKey, PeerId, Topic};

/// The chain of every test, unless it says otherwise.
pub(crate) const CHAIN: ChainId = ChainId::from_bytes([0xc4; 32]);

const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Node {
    pub(crate) handle: Handle,
    pub(crate) events: Events,
}

/// A node with key `number`, listening on TCP, with the settings that `edit` changes.
pub(crate) async fn start(number: u8, edit: impl FnOnce(&mut Config)) -> Node {
    let mut config = Config::new(CHAIN, NodeKey::from_bytes([number; 32]));
    config.listen = vec![address("/ip4/127.0.0.1/tcp/0")];
    edit(&mut config);
    let (handle, events) = network::start(config).await.expect("it starts");
    Node { handle, events }
}

pub(crate) fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

pub(crate) async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, wait).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for: {what}"),
    }
}

impl Node {
    pub(crate) fn id(&self) -> PeerId {
        self.handle.peer_id()
    }

    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.handle.listening().to_vec()
    }

    /// The first event that `pick` takes; earlier ones are dropped.
    pub(crate) async fn until<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(Event) -> Option<T>,
    ) -> T {
        let wait = async {
            loop {
                let event = self.events.next().await.expect("the network runs");
                if let Some(value) = pick(event) {
                    return value;
                }
            }
        };
        within(what, wait).await
    }

    pub(crate) async fn connected(&mut self, to: PeerId) {
        self.until("a connection", |event| {
            matches!(event, Event::PeerConnected { peer, .. } if peer == to).then_some(())
        })
        .await;
    }

    pub(crate) async fn disconnected(&mut self, from: PeerId) {
        self.until("an end of the connection", |event| {
            matches!(event, Event::PeerDisconnected { peer } if peer == from).then_some(())
        })
        .await;
    }

    /// Until `counter` is at least `least`. Events that come meanwhile stay in the stream.
    pub(crate) async fn counted(&self, counter: Counter, least: u64) {
        let wait = async {
            while self.handle.counter(counter) < least {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within(counter.name(), wait).await;
    }

    /// Publishes, again and again while no neighbour listens yet, until `reader` has it.
    pub(crate) async fn tell(
        &mut self,
        reader: &mut Self,
        topic: Topic,
        bytes: &[u8],
    ) -> network::MessageToken {
        self.handle
            .publish(topic, bytes.to_vec())
            .expect("published");
        let wait = async {
            loop {
                tokio::select! {
                    event = self.events.next() => {
                        if let Some(Event::Unpublished { .. }) = event {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            self.handle.publish(topic, bytes.to_vec()).expect("published");
                        }
                    }
                    event = reader.events.next() => match event {
                        Some(Event::Gossip { token, topic: on, bytes: found, .. }) => {
                            assert_eq!((on, &*found), (topic, bytes));
                            return token;
                        }
                        Some(_) => {}
                        None => panic!("the network runs"),
                    }
                }
            }
        };
        within("gossip", wait).await
    }
}
