//! What every accepted connection is wrapped in: a place among a bounded number, and patience that
//! ends.
//!
//! # Invariants
//! * A connection that owes a request and does not send it in time is closed, however slowly it
//!   drips.
//! * From a peer that does not read nothing is read; if it does not read for long, the connection
//!   is closed. What can pile up behind one connection is therefore bounded by its queues.
//! * HTTP/2 is not spoken: its opening is refused at the first three bytes.
//!
//! # Spec
//! docs/spec/07-rpc.md §6
//!
//! # Not here
//! Sockets: this works on any byte stream. Requests and answers: [`crate::server`].

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::limits;
use crate::rate::caller;

/// How long a peer is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For the head of a request.
    pub(crate) request: Duration,
    /// For a pending write to move.
    pub(crate) stall: Duration,
}

impl Patience {
    /// The documented limits.
    pub(crate) const CONTRACT: Self = Self {
        request: Duration::from_millis(limits::REQUEST_WAIT_MS_MAX),
        stall: Duration::from_millis(limits::WRITE_STALL_MS_MAX),
    };
}

/// Whether a connection owes a request, and until when.
#[derive(Debug)]
pub(crate) struct Pace {
    deadline: Mutex<Option<Instant>>,
    request: Duration,
}

impl Pace {
    fn new(request: Duration) -> Self {
        Self {
            deadline: Mutex::new(Some(Instant::now() + request)),
            request,
        }
    }

    /// A request has arrived: the peer owes nothing until [`Pace::answered`].
    pub(crate) fn asked(&self) {
        *self.lock() = None;
    }

    /// The request is answered: the next one is due.
    pub(crate) fn answered(&self) {
        *self.lock() = Some(Instant::now() + self.request);
    }

    /// Bytes of an answer went out: while it is still being read, the next request is not due.
    fn wrote(&self) {
        if let Some(deadline) = &mut *self.lock() {
            *deadline = Instant::now() + self.request;
        }
    }

    fn deadline(&self) -> Option<Instant> {
        *self.lock()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bounded number of connections, in all and per caller.
#[derive(Debug)]
pub(crate) struct Places {
    taken: Mutex<BTreeMap<IpAddr, usize>>,
    all_max: usize,
    per_caller_max: usize,
}

/// One connection's place; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    caller: IpAddr,
}

impl Places {
    pub(crate) fn new(all_max: usize, per_caller_max: usize) -> Arc<Self> {
        Arc::new(Self {
            taken: Mutex::default(),
            all_max,
            per_caller_max,
        })
    }

    /// A place for a connection from `address`, if there is one.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let caller = caller(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.get(&caller).copied().unwrap_or_default();
        if all >= self.all_max || own >= self.per_caller_max {
            return None;
        }
        taken.insert(caller, own + 1);
        Some(Place {
            places: Arc::clone(self),
            caller,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self
            .places
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.caller);
            }
        }
    }
}

/// The first bytes of HTTP/2 that no HTTP/1 method shares.
const HTTP2_OPENING: &[u8] = b"PRI";

/// A byte stream with patience.
#[derive(Debug)]
pub(crate) struct Guarded<S> {
    stream: S,
    pace: Arc<Pace>,
    stall: Duration,
    request_timer: Pin<Box<Sleep>>,
    stall_timer: Pin<Box<Sleep>>,
    writing: Writing,
    reader: Option<Waker>,
    opening: Option<usize>,
    _place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Flows,
    Stalled,
    GivenUp,
}

impl<S> Guarded<S> {
    pub(crate) fn new(stream: S, patience: Patience, place: Place) -> Self {
        Self {
            stream,
            pace: Arc::new(Pace::new(patience.request)),
            stall: patience.stall,
            request_timer: Box::pin(sleep(patience.request)),
            stall_timer: Box::pin(sleep(patience.stall)),
            writing: Writing::Flows,
            reader: None,
            opening: Some(0),
            _place: place,
        }
    }

    /// The side that tells when requests arrive and are answered.
    pub(crate) fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.pace)
    }

    /// Completes with an error when the peer owes a request for too long.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let Some(deadline) = self.pace.deadline() else {
            return Poll::Pending;
        };
        if self.request_timer.deadline() != deadline {
            self.request_timer.as_mut().reset(deadline);
        }
        ready!(self.request_timer.as_mut().poll(cx));
        Poll::Ready(Error::new(ErrorKind::TimedOut, "no request in time"))
    }

    /// Whether the stream's first bytes still could be HTTP/2's.
    fn check_opening(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(seen) = self.opening else {
            return Ok(());
        };
        let rest = HTTP2_OPENING.get(seen..).unwrap_or_default();
        let common = rest.len().min(bytes.len());
        if rest.get(..common) != bytes.get(..common) {
            self.opening = None;
        } else if common == rest.len() {
            return Err(Error::new(
                ErrorKind::InvalidData,
                "HTTP/2 is not spoken here",
            ));
        } else {
            self.opening = Some(seen + common);
        }
        Ok(())
    }

    fn set_writing(&mut self, writing: Writing) {
        self.writing = writing;
        if writing != Writing::Stalled
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }

    /// Watches over the outcome of a write: it must not stay pending.
    fn watch<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<Result<T>>) -> Poll<Result<T>> {
        if outcome.is_ready() {
            if self.writing == Writing::Stalled {
                self.set_writing(Writing::Flows);
            }
            return outcome;
        }
        if self.writing == Writing::Flows {
            self.writing = Writing::Stalled;
            self.stall_timer.as_mut().reset(Instant::now() + self.stall);
        }
        ready!(self.stall_timer.as_mut().poll(cx));
        self.set_writing(Writing::GivenUp);
        Poll::Ready(Err(Error::new(
            ErrorKind::TimedOut,
            "the peer does not read",
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        match self.writing {
            Writing::Flows => {}
            Writing::Stalled => {
                self.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Writing::GivenUp => {
                return Poll::Ready(Err(Error::new(
                    ErrorKind::TimedOut,
                    "the peer does not read",
                )));
            }
        }
        if let Poll::Ready(error) = self.poll_overdue(cx) {
            return Poll::Ready(Err(error));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let bytes = buffer.filled().get(before..).unwrap_or_default();
        Poll::Ready(self.check_opening(bytes))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if outcome.is_ready() {
            self.pace.wrote();
        }
        self.watch(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(3600);

    fn guarded(request: Duration, stall: Duration) -> (Guarded<DuplexStream>, DuplexStream) {
        let (near, far) = duplex(64);
        let place = Places::new(1, 1)
            .take(Ipv4Addr::LOCALHOST.into())
            .expect("a place");
        (Guarded::new(near, Patience { request, stall }, place), far)
    }

    #[tokio::test]
    async fn a_peer_that_drips_its_request_is_cut_off() {
        let (mut near, mut far) = guarded(SHORT, LONG);
        tokio::spawn(async move {
            while far.write_all(b"x").await.is_ok() {
                sleep(Duration::from_millis(1)).await;
            }
        });
        let error = loop {
            if let Err(error) = near.read_u8().await {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn nothing_is_owed_between_request_and_answer() {
        let (mut near, mut far) = guarded(SHORT, LONG);
        let pace = near.pace();
        pace.asked();
        sleep(2 * SHORT).await;
        far.write_all(b"GET").await.expect("room");
        near.read_exact(&mut [0; 3]).await.expect("not overdue");
        pace.answered();
        assert_eq!(
            near.read_u8().await.expect_err("late").kind(),
            ErrorKind::TimedOut
        );
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_not_read_from_and_then_dropped() {
        let (near, mut far) = guarded(LONG, SHORT);
        far.write_all(b"more").await.expect("room");
        let (mut reader, mut writer) = split(near);
        let writing = tokio::spawn(async move { writer.write_all(&[0; 1000]).await });
        let stalled = writing.await.expect("no panic").expect_err("nobody reads");
        assert_eq!(stalled.kind(), ErrorKind::TimedOut);
        assert_eq!(
            reader.read_u8().await.expect_err("given up").kind(),
            ErrorKind::TimedOut
        );
    }

    #[tokio::test]
    async fn a_peer_that_reads_again_is_read_from_again() {
        let (near, mut far) = guarded(LONG, LONG);
        let (mut reader, mut writer) = split(near);
        let writing = tokio::spawn(async move { writer.write_all(&[7; 1000]).await });
        far.read_exact(&mut [0; 1])
            .await
            .expect("the write has begun");
        let reading = tokio::spawn(async move { reader.read_u8().await });
        far.write_all(b"x").await.expect("room");
        far.read_exact(&mut [0; 999]).await.expect("all of it");
        writing.await.expect("no panic").expect("written");
        assert_eq!(reading.await.expect("no panic").ok(), Some(b'x'));
    }

    #[tokio::test]
    async fn the_opening_of_http2_is_refused_in_any_pieces() {
        for pieces in [&[&b"PRI * HTTP/2.0"[..]][..], &[b"P", b"R", b"I"]] {
            let (mut near, mut far) = guarded(LONG, LONG);
            for piece in pieces {
                far.write_all(piece).await.expect("room");
            }
            let mut error = None;
            while error.is_none() {
                error = near.read(&mut [0; 1]).await.err();
            }
            assert_eq!(
                error.map(|error| error.kind()),
                Some(ErrorKind::InvalidData)
            );
        }
        let (mut near, mut far) = guarded(LONG, LONG);
        far.write_all(b"PROPFIND PRI").await.expect("room");
        near.read_exact(&mut [0; 12]).await.expect("HTTP/1");
    }

    #[test]
    fn places_are_bounded_in_all_and_per_caller() {
        let places = Places::new(3, 2);
        let address = |last| IpAddr::from([10, 0, 0, last]);
        let first = places.take(address(1));
        let second = places.take(address(1));
        assert!(first.is_some() && second.is_some());
        assert!(places.take(address(1)).is_none(), "two per caller");
        let third = places.take(address(2));
        assert!(third.is_some());
        assert!(places.take(address(3)).is_none(), "three in all");
        drop(first);
        assert!(places.take(address(3)).is_some());
        drop((second, third));
        assert!(places.taken.lock().expect("not poisoned").is_empty());
    }
}
