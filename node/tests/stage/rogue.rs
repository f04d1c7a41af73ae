//! A peer that breaks the rules: it speaks the wire correctly and says whatever it likes.
//!
//! # Invariants
//! * What it says is said until a neighbour listens.
//! * It declines every question, which is nobody's fault.
//!
//! # Spec
//! docs/spec/06-wire.md
//!
//! # Not here
//! Honest nodes: `nodes.rs`. Bytes that are no frames: the tests of `network`.

use std::collections::BTreeMap;
use std::time::Duration;

use network::{Address, Config, Event, Events, Handle, NodeKey, Topic};
use tokio::sync::{mpsc, watch};

use crate::nodes::{Peer, eventually};

/// Messages that wait to be said: more than any test has.
const WORDS_MAX: usize = 1024;

/// A message and its topic.
type Words = (Topic, Vec<u8>);

pub(crate) struct Rogue {
    handle: Handle,
    door: Address,
    words: mpsc::Sender<Words>,
    is_connected: watch::Receiver<bool>,
}

impl Rogue {
    /// Connected to `victim`; different numbers have different keys.
    pub(crate) async fn meet(victim: &Peer, number: u8) -> Self {
        let door: Address = victim.address().parse().expect("an address");
        let key = NodeKey::from_bytes([number; 32]);
        let config = Config::new(victim.params.chain_id(), key);
        let (handle, events) = network::start(config).await.expect("it starts");
        let (words, to_say) = mpsc::channel(WORDS_MAX);
        let (connected, is_connected) = watch::channel(false);
        tokio::spawn(speak(handle.clone(), events, to_say, connected));
        let rogue = Self {
            handle,
            door,
            words,
            is_connected,
        };
        rogue.dial();
        eventually("the rogue inside", || async {
            victim.standing(&rogue.id()).await
        })
        .await;
        rogue
    }

    pub(crate) fn id(&self) -> String {
        self.handle.peer_id().to_string()
    }

    pub(crate) fn say(&self, topic: Topic, bytes: Vec<u8>) {
        self.words.try_send((topic, bytes)).expect("it speaks");
    }

    pub(crate) fn dial(&self) {
        self.handle.dial(self.door).expect("dialled");
    }

    pub(crate) async fn is_sent_away(&self) {
        let mut is_connected = self.is_connected.clone();
        let gone = is_connected.wait_for(|is_connected| !is_connected);
        let gone = tokio::time::timeout(Duration::from_secs(120), gone).await;
        drop(gone.expect("sent away").expect("it speaks"));
    }
}

async fn speak(
    handle: Handle,
    mut events: Events,
    mut to_say: mpsc::Receiver<Words>,
    connected: watch::Sender<bool>,
) {
    let mut said = BTreeMap::new();
    loop {
        let (topic, bytes): Words = tokio::select! {
            words = to_say.recv() => match words {
                Some(words) => words,
                None => break,
            },
            event = events.next() => match event {
                Some(Event::PeerConnected { .. }) => {
                    connected.send_replace(true);
                    continue;
                }
                Some(Event::PeerDisconnected { .. }) => {
                    connected.send_replace(false);
                    said.clear();
                    continue;
                }
                Some(Event::Unpublished { publication, .. }) => match said.remove(&publication) {
                    Some(words) => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        words
                    }
                    None => continue,
                },
                // Dropping the token of a question declines it.
                Some(_) => continue,
                None => break,
            },
        };
        let publication = handle.publish(topic, bytes.clone()).expect("within limits");
        said.insert(publication, (topic, bytes));
    }
}
