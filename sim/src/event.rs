//! What happens next, in virtual time.
//!
//! # Invariants
//! Events come in the order of (virtual time, order of their making): ties are decided once and
//! for all.
//!
//! # Spec
//! docs/ARCHITECTURE.md
//!
//! # Not here
//! What an event does: [`crate::world`].

use std::collections::BTreeMap;
use std::rc::Rc;

use node::protocol::{Protocol, QuestionId, Topic};

use crate::HostId;
use crate::links::ConnectionId;

/// A gossip message and its name.
#[derive(Debug)]
pub struct Message {
    /// Where.
    pub topic: Topic,
    /// What.
    pub bytes: Vec<u8>,
    /// Hash of the bytes and the topic: what duplicates are told by.
    pub id: [u8; 32],
}

impl Message {
    /// Names a message.
    #[must_use]
    pub fn new(topic: Topic, bytes: Vec<u8>) -> Rc<Self> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[topic as u8]).update(&bytes);
        let id = *hasher.finalize().as_bytes();
        Rc::new(Self { topic, bytes, id })
    }
}

/// A question as its asker knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who asked.
    pub by: HostId,
    /// In which of its lives.
    pub life: u64,
    /// Its name for the question.
    pub question: QuestionId,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// Gossip arrives.
    Gossip {
        /// Where.
        to: HostId,
        /// From whom.
        from: HostId,
        /// On which connection.
        connection: ConnectionId,
        /// What.
        message: Rc<Message>,
    },
    /// A question arrives.
    Question {
        /// Where.
        to: HostId,
        /// Whose.
        asked: Asked,
        /// On which connection.
        connection: ConnectionId,
        /// How.
        protocol: Protocol,
        /// What.
        bytes: Rc<Vec<u8>>,
    },
    /// An answer arrives, or the word that there is none.
    Answer {
        /// Who answered.
        from: HostId,
        /// What was asked.
        asked: Asked,
        /// The answer.
        bytes: Option<Rc<Vec<u8>>>,
    },
    /// Nobody answered in time.
    NoAnswer {
        /// Who did not.
        from: HostId,
        /// What was asked.
        asked: Asked,
    },
    /// A moment has passed at a host, in one of its lives.
    Tick(HostId, u64),
    /// A host's search number so-and-so ends with a solution.
    Solved(HostId, u64),
    /// Somebody uses the network.
    Use,
    /// A fault of the plan, by its place there.
    Fault(usize),
    /// A host is killed.
    Kill(HostId),
    /// A host that is down starts.
    Start(HostId),
    /// Two hosts try to connect.
    Dial(HostId, HostId),
    /// Two hosts that do not hear each other notice it.
    Silence(HostId, HostId),
    /// Invariants are looked at.
    Check,
}

impl Event {
    /// Writes what happens into the hash of a run.
    pub(crate) fn write_into(&self, trace: &mut blake3::Hasher, at_ms: u64, number: u64) {
        let (kind, one, other, hash): (u8, usize, u64, &[u8]) = match self {
            Self::Gossip {
                to, from, message, ..
            } => (0, *to, *from as u64, &message.id),
            Self::Question {
                to, asked, bytes, ..
            } => (1, *to, asked.question, bytes),
            Self::Answer { from, asked, bytes } => {
                let bytes = bytes.as_ref().map_or(&[][..], |bytes| bytes);
                (2, *from, asked.question, bytes)
            }
            Self::NoAnswer { from, asked } => (3, *from, asked.question, &[]),
            Self::Tick(host, life) => (4, *host, *life, &[]),
            Self::Solved(host, search) => (5, *host, *search, &[]),
            Self::Use => (6, 0, 0, &[]),
            Self::Fault(index) => (7, *index, 0, &[]),
            Self::Kill(host) => (8, *host, 0, &[]),
            Self::Start(host) => (9, *host, 0, &[]),
            Self::Dial(one, other) => (10, *one, *other as u64, &[]),
            Self::Silence(one, other) => (11, *one, *other as u64, &[]),
            Self::Check => (12, 0, 0, &[]),
        };
        let numbers = [at_ms, number, one as u64, other];
        trace.update(&[kind]);
        for number in numbers {
            trace.update(&number.to_le_bytes());
        }
        trace.update(hash);
    }
}

/// The events to come.
#[derive(Debug, Default)]
pub struct Queue {
    events: BTreeMap<(u64, u64), Event>,
    made: u64,
}

impl Queue {
    /// Something happens at `at_ms`.
    pub fn push(&mut self, at_ms: u64, event: Event) {
        self.events.insert((at_ms, self.made), event);
        self.made += 1;
    }

    /// The next event that is not later than `end_ms`: time, number and what.
    pub fn pop_until(&mut self, end_ms: u64) -> Option<(u64, u64, Event)> {
        let first = self.events.first_entry()?;
        if first.key().0 > end_ms {
            return None;
        }
        let ((at_ms, number), event) = first.remove_entry();
        Some((at_ms, number, event))
    }

    /// Events to come.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether nothing will happen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_the_order_of_their_making() {
        let mut queue = Queue::default();
        queue.push(5, Event::Kill(1));
        queue.push(3, Event::Kill(2));
        queue.push(3, Event::Kill(3));
        let mut hosts = Vec::new();
        while let Some((_, _, Event::Kill(host))) = queue.pop_until(4) {
            hosts.push(host);
        }
        assert_eq!(hosts, [2, 3]);
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn messages_are_told_apart_by_topic_and_bytes() {
        let id = |topic, bytes: &[u8]| Message::new(topic, bytes.to_vec()).id;
        assert_eq!(id(Topic::Block, b"a"), id(Topic::Block, b"a"));
        assert_ne!(id(Topic::Block, b"a"), id(Topic::Envelope, b"a"));
        assert_ne!(id(Topic::Block, b"a"), id(Topic::Block, b"b"));
    }
}
