//! The driver's end of the event stream: what must not be lost waits, the rest is dropped in time.
//!
//! # Invariants
//! * Events leave in the order they came.
//! * Gossip and requests never take the last places of the queue, nor more bytes than
//!   [`EVENT_BYTES_MAX`].
//! * A stalled outbox grows by what one round of the driver yields at most: the driver reads
//!   nothing from the sockets while it is stalled.
//!
//! # Spec
//! docs/spec/06-wire.md §5
//!
//! # Not here
//! Counting what was dropped: [`crate::driver`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::event::Event;
use crate::handle::Events;
use crate::limits::{BACKLOG_MAX, EVENT_BYTES_MAX, EVENTS_MAX, EVENTS_RESERVED};

/// Events on their way to the node.
#[derive(Debug)]
pub(crate) struct Outbox {
    sender: mpsc::Sender<Event>,
    backlog: VecDeque<Event>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// An outbox and the stream that it fills.
pub(crate) fn outbox() -> (Outbox, Events) {
    let (sender, receiver) = mpsc::channel(EVENTS_MAX);
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    let events = Events::new(receiver, Arc::clone(&waiting_bytes));
    (
        Outbox {
            sender,
            backlog: VecDeque::new(),
            waiting_bytes,
        },
        events,
    )
}

impl Outbox {
    /// For what must not be lost.
    pub(crate) fn send(&mut self, event: Event) {
        self.backlog.push_back(event);
        while let Ok(place) = self.sender.try_reserve() {
            let Some(event) = self.backlog.pop_front() else {
                break;
            };
            place.send(event);
        }
    }

    /// For what may be lost: gives the event back if the node does not keep up.
    pub(crate) fn offer(&mut self, event: Event) -> Result<(), Box<Event>> {
        let bytes = event.payload_bytes();
        let waiting = self.waiting_bytes.load(Ordering::Relaxed);
        let keeps_up = self.backlog.is_empty()
            && self.sender.capacity() > EVENTS_RESERVED
            && waiting.saturating_add(bytes) <= EVENT_BYTES_MAX;
        if !keeps_up {
            return Err(Box::new(event));
        }
        // Before the event can be taken, or the reader would subtract what was not yet added.
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        match self.sender.try_send(event) {
            Ok(()) => Ok(()),
            Err(
                mpsc::error::TrySendError::Full(event) | mpsc::error::TrySendError::Closed(event),
            ) => {
                self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
                Err(Box::new(event))
            }
        }
    }

    /// Whether something waits for a place in the queue.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Whether so much waits that nothing more may be brought in.
    pub(crate) fn is_stalled(&self) -> bool {
        self.backlog.len() >= BACKLOG_MAX
    }

    /// Whether nobody will ever take an event again.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits for a place and fills it. Cancelling the wait loses nothing.
    pub(crate) async fn flush(&mut self) {
        let Ok(place) = self.sender.reserve().await else {
            return self.backlog.clear();
        };
        if let Some(event) = self.backlog.pop_front() {
            place.send(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::MessageToken;
    use crate::peer::PeerId;
    use crate::protocol::Topic;

    fn gossip(bytes: usize) -> Event {
        Event::Gossip {
            token: MessageToken { id: [0; 32] },
            from: PeerId::from_bytes([1; 32]),
            topic: Topic::Tx,
            bytes: vec![0; bytes],
        }
    }

    fn gone(number: u8) -> Event {
        Event::PeerDisconnected {
            peer: PeerId::from_bytes([number; 32]),
        }
    }

    #[tokio::test]
    async fn gossip_waits_up_to_its_bytes_and_goes_on_when_some_is_taken() {
        let (mut outbox, mut events) = outbox();
        let half = EVENT_BYTES_MAX / 2;
        outbox.offer(gossip(half)).expect("the first half");
        outbox.offer(gossip(half)).expect("the second half");
        outbox.offer(gossip(1)).expect_err("one byte more");
        outbox.send(gone(1));
        assert!(
            !outbox.has_backlog(),
            "what must not be lost has no byte limit"
        );
        events.next().await.expect("gossip");
        outbox.offer(gossip(1)).expect("room again");
    }

    #[tokio::test]
    async fn gossip_leaves_places_for_what_must_not_be_lost_and_order_is_kept() {
        let (mut outbox, mut events) = outbox();
        for _ in 0..EVENTS_MAX - EVENTS_RESERVED {
            outbox.offer(gossip(1)).expect("a place");
        }
        outbox.offer(gossip(1)).expect_err("the rest is reserved");
        for number in 0..EVENTS_RESERVED {
            outbox.send(gone(u8::try_from(number % 200).expect("small")));
        }
        assert!(!outbox.has_backlog());
        outbox.send(gone(250));
        assert!(outbox.has_backlog() && !outbox.is_stalled());
        for _ in 0..EVENTS_MAX {
            events.next().await.expect("an event");
        }
        outbox.flush().await;
        let last = events.next().await;
        let expected = PeerId::from_bytes([250; 32]);
        assert!(matches!(last, Some(Event::PeerDisconnected { peer }) if peer == expected));
    }

    #[tokio::test]
    async fn a_full_backlog_stalls_and_a_gone_reader_empties_it() {
        let (mut outbox, events) = outbox();
        for _ in 0..EVENTS_MAX + BACKLOG_MAX {
            outbox.send(gone(1));
        }
        assert!(outbox.is_stalled());
        drop(events);
        outbox.flush().await;
        assert!(outbox.is_closed() && !outbox.has_backlog());
    }
}
