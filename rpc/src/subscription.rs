//! Streams of events with a bounded queue and a reason when they end.
//!
//! # Invariants
//! * A publisher never waits: a subscriber whose queue is full is dropped with `slow_subscriber`.
//! * After that the subscriber hears the reason at once; what was queued has a gap behind it and
//!   is worth nothing. Any other end comes after the queued events.
//!
//! # Spec
//! docs/spec/07-rpc.md §4
//!
//! # Not here
//! The way to a remote subscriber: [`crate::server`], [`crate::client`].

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;

use crate::error::{ErrorCode, RpcFailure};
use crate::limits;

/// An event whose size counts against the queue of its subscriber.
pub trait Queued: Send + 'static {
    /// Bytes that it takes while it waits.
    fn queued_bytes(&self) -> usize;
}

/// The end of a stream that events are put into.
#[derive(Debug)]
pub struct Publisher<T> {
    sender: mpsc::Sender<T>,
    shared: Arc<Shared>,
}

/// The end of a stream that events are read from.
#[derive(Debug)]
pub struct Subscription<T> {
    receiver: mpsc::Receiver<T>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queued_bytes: AtomicUsize,
    lagged: OnceLock<RpcFailure>,
    closed: OnceLock<RpcFailure>,
}

/// A new stream.
#[must_use]
pub fn channel<T: Queued>() -> (Publisher<T>, Subscription<T>) {
    let (sender, receiver) = mpsc::channel(limits::SUBSCRIPTION_QUEUE_ITEMS_MAX);
    let shared = Arc::new(Shared::default());
    (
        Publisher {
            sender,
            shared: Arc::clone(&shared),
        },
        Subscription { receiver, shared },
    )
}

impl<T: Queued> Publisher<T> {
    /// Queues `event`, or says why nobody will read it; the publisher is then of no more use.
    ///
    /// # Errors
    /// `slow_subscriber` when the queue is full; `unsubscribed` when the reader is gone.
    pub fn publish(&self, event: T) -> Result<(), RpcFailure> {
        if let Some(failure) = self.shared.lagged.get() {
            return Err(failure.clone());
        }
        let bytes = event.queued_bytes();
        let before = self.shared.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > limits::SUBSCRIPTION_QUEUE_BYTES_MAX {
            return Err(self.lag());
        }
        match self.sender.try_send(event) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(self.lag()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(RpcFailure::new(
                ErrorCode::SubscriptionEnded,
                "unsubscribed",
                "the subscriber is gone",
            )),
        }
    }

    /// Ends the stream for a reason, which the subscriber hears after the queued events.
    pub fn close(self, reason: RpcFailure) {
        let _ = self.shared.closed.set(reason);
    }

    /// Whether nobody will read another event.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed() || self.shared.lagged.get().is_some()
    }

    /// Completes when the subscriber is gone.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }

    fn lag(&self) -> RpcFailure {
        self.shared
            .lagged
            .get_or_init(RpcFailure::slow_subscriber)
            .clone()
    }
}

impl<T: Queued> Subscription<T> {
    /// The next event, or why there will be none. Nothing is lost if this is cancelled.
    ///
    /// # Errors
    /// The reason, again and again.
    pub async fn next(&mut self) -> Result<T, RpcFailure> {
        if let Some(failure) = self.shared.lagged.get() {
            self.receiver.close();
            while self.receiver.try_recv().is_ok() {}
            return Err(failure.clone());
        }
        match self.receiver.recv().await {
            Some(event) => {
                self.shared
                    .queued_bytes
                    .fetch_sub(event.queued_bytes(), Ordering::Relaxed);
                Ok(event)
            }
            None => Err(self
                .shared
                .closed
                .get()
                .cloned()
                .unwrap_or_else(RpcFailure::stopping)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Event(usize);

    impl Queued for Event {
        fn queued_bytes(&self) -> usize {
            self.0
        }
    }

    #[tokio::test]
    async fn events_come_in_order_and_then_the_reason() {
        let (publisher, mut subscription) = channel();
        assert_eq!(publisher.publish(Event(1)), Ok(()));
        assert_eq!(publisher.publish(Event(2)), Ok(()));
        publisher.close(RpcFailure::internal("over"));
        assert_eq!(subscription.next().await, Ok(Event(1)));
        assert_eq!(subscription.next().await, Ok(Event(2)));
        for _ in 0..2 {
            assert_eq!(subscription.next().await, Err(RpcFailure::internal("over")));
        }
    }

    #[tokio::test]
    async fn too_many_events_end_the_subscription_at_once() {
        let (publisher, mut subscription) = channel();
        for _ in 0..limits::SUBSCRIPTION_QUEUE_ITEMS_MAX {
            assert_eq!(publisher.publish(Event(1)), Ok(()));
        }
        assert_eq!(
            publisher.publish(Event(1)),
            Err(RpcFailure::slow_subscriber())
        );
        assert!(publisher.is_closed());
        assert_eq!(
            subscription.next().await,
            Err(RpcFailure::slow_subscriber())
        );
        assert_eq!(
            publisher.publish(Event(1)),
            Err(RpcFailure::slow_subscriber())
        );
    }

    #[tokio::test]
    async fn queued_bytes_are_bounded_and_given_back() {
        let half = limits::SUBSCRIPTION_QUEUE_BYTES_MAX / 2;
        let (publisher, mut subscription) = channel();
        for _ in 0..9 {
            assert_eq!(publisher.publish(Event(half)), Ok(()));
            assert_eq!(publisher.publish(Event(half)), Ok(()));
            assert_eq!(subscription.next().await, Ok(Event(half)));
            assert_eq!(subscription.next().await, Ok(Event(half)));
        }
        assert_eq!(publisher.publish(Event(half)), Ok(()));
        assert_eq!(
            publisher.publish(Event(half + 1)),
            Err(RpcFailure::slow_subscriber())
        );
    }

    #[tokio::test]
    async fn a_publisher_notices_that_its_reader_is_gone() {
        let (publisher, subscription) = channel();
        drop(subscription);
        publisher.closed().await;
        let failure = publisher.publish(Event(1)).expect_err("nobody reads");
        assert_eq!(failure.reason, "unsubscribed");
    }

    #[tokio::test]
    async fn a_dropped_publisher_is_a_node_that_stops() {
        let (publisher, mut subscription) = channel::<Event>();
        drop(publisher);
        assert_eq!(subscription.next().await, Err(RpcFailure::stopping()));
    }
}
