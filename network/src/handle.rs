//! The node's end: a handle that gives commands and a stream of events.
//!
//! # Invariants
//! * No call waits for the network, but [`Handle::good_addresses`], which waits for the driver.
//! * Limits of topics and protocols are checked before a payload enters the queue.
//! * Both queues are bounded; a full one is [`NetworkError::Busy`], never a wait and never growth.
//!
//! # Spec
//! docs/spec/06-wire.md §2, §3
//!
//! # Not here
//! What a command does: [`crate::driver`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::address::Address;
use crate::config::{Ban, BanSubject};
use crate::counter::{Counter, Counters};
use crate::error::NetworkError;
use crate::event::{Event, MessageToken, PublicationId, RequestId, ResponseToken, Verdict};
use crate::peer::PeerId;
use crate::protocol::{Protocol, Topic};

/// What the node asks of the driver.
#[derive(Debug)]
pub(crate) enum Command {
    Publish {
        publication: PublicationId,
        topic: Topic,
        bytes: Vec<u8>,
    },
    Verdict {
        token: MessageToken,
        verdict: Verdict,
    },
    Request {
        request: RequestId,
        peer: PeerId,
        protocol: Protocol,
        bytes: Vec<u8>,
    },
    Respond {
        token: ResponseToken,
        bytes: Vec<u8>,
    },
    Dial(Address),
    Disconnect(PeerId),
    Ban(Ban),
    Unban(BanSubject),
    GoodAddresses(oneshot::Sender<Vec<Address>>),
    Stop,
}

/// Gives commands. Clones give commands to the same driver, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    local: Arc<Local>,
}

/// What all clones share.
#[derive(Debug)]
struct Local {
    peer: PeerId,
    listening: Vec<Address>,
    next_id: AtomicU64,
    counters: Arc<Counters>,
}

impl Handle {
    pub(crate) fn new(
        commands: mpsc::Sender<Command>,
        peer: PeerId,
        listening: Vec<Address>,
        counters: Arc<Counters>,
    ) -> Self {
        let local = Local {
            peer,
            listening,
            next_id: AtomicU64::new(0),
            counters,
        };
        Self {
            commands,
            local: Arc::new(local),
        }
    }

    /// Who this node is.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.local.peer
    }

    /// Where this node listens, with its peer id: at least one address per configured one.
    #[must_use]
    pub fn listening(&self) -> &[Address] {
        &self.local.listening
    }

    /// How often something was dropped, refused or closed since the start.
    #[must_use]
    pub fn counter(&self, counter: Counter) -> u64 {
        self.local.counters.get(counter)
    }

    /// Sends a message to every neighbour. It does not come back as [`Event::Gossip`].
    ///
    /// # Errors
    /// [`NetworkError::Oversize`], [`NetworkError::Busy`], [`NetworkError::Stopped`]; later, if it
    /// reached nobody, [`Event::Unpublished`].
    pub fn publish(&self, topic: Topic, bytes: Vec<u8>) -> Result<PublicationId, NetworkError> {
        check_size(topic.word(), bytes.len(), topic.bytes_max())?;
        let publication = PublicationId(self.next_id());
        self.give(Command::Publish {
            publication,
            topic,
            bytes,
        })?;
        Ok(publication)
    }

    /// Decides what becomes of a gossip message.
    ///
    /// # Errors
    /// [`NetworkError::Busy`] (the message is ignored then), [`NetworkError::Stopped`].
    pub fn verdict(&self, token: MessageToken, verdict: Verdict) -> Result<(), NetworkError> {
        self.give(Command::Verdict { token, verdict })
    }

    /// Asks a connected peer. The end of it is [`Event::Response`].
    ///
    /// # Errors
    /// [`NetworkError::Oversize`], [`NetworkError::Busy`], [`NetworkError::Stopped`].
    pub fn request(
        &self,
        peer: PeerId,
        protocol: Protocol,
        bytes: Vec<u8>,
    ) -> Result<RequestId, NetworkError> {
        check_size(protocol.word(), bytes.len(), protocol.request_bytes_max())?;
        let request = RequestId(self.next_id());
        self.give(Command::Request {
            request,
            peer,
            protocol,
            bytes,
        })?;
        Ok(request)
    }

    /// Answers a peer's question.
    ///
    /// # Errors
    /// [`NetworkError::Oversize`], [`NetworkError::Busy`], [`NetworkError::Stopped`]; the peer sees
    /// that we decline.
    pub fn respond(&self, token: ResponseToken, bytes: Vec<u8>) -> Result<(), NetworkError> {
        check_size(
            token.protocol().word(),
            bytes.len(),
            token.protocol().response_bytes_max(),
        )?;
        self.give(Command::Respond { token, bytes })
    }

    /// Dials once, now. The address stays a candidate for later.
    ///
    /// # Errors
    /// [`NetworkError::NotDialable`], [`NetworkError::Busy`], [`NetworkError::Stopped`]; later
    /// [`Event::DialFailed`].
    pub fn dial(&self, address: Address) -> Result<(), NetworkError> {
        if !address.is_dialable() {
            return Err(NetworkError::NotDialable { address });
        }
        self.give(Command::Dial(address))
    }

    /// Ends every connection with a peer. It may come back.
    ///
    /// # Errors
    /// [`NetworkError::Busy`], [`NetworkError::Stopped`].
    pub fn disconnect(&self, peer: PeerId) -> Result<(), NetworkError> {
        self.give(Command::Disconnect(peer))
    }

    /// Ends what the ban covers and refuses it for its time. Bans do not outlive the process.
    ///
    /// # Errors
    /// [`NetworkError::Busy`], [`NetworkError::Stopped`].
    pub fn ban(&self, ban: Ban) -> Result<(), NetworkError> {
        self.give(Command::Ban(ban))
    }

    /// Takes a ban back.
    ///
    /// # Errors
    /// [`NetworkError::Busy`], [`NetworkError::Stopped`].
    pub fn unban(&self, subject: BanSubject) -> Result<(), NetworkError> {
        self.give(Command::Unban(subject))
    }

    /// Addresses that worked in this session, the latest first: the next start's
    /// [`crate::Config::known_addresses`].
    ///
    /// # Errors
    /// [`NetworkError::Busy`], [`NetworkError::Stopped`].
    pub async fn good_addresses(&self) -> Result<Vec<Address>, NetworkError> {
        let (answer, answered) = oneshot::channel();
        self.give(Command::GoodAddresses(answer))?;
        answered.await.map_err(|_| NetworkError::Stopped)
    }

    /// Ends the driver and every connection; the event stream ends after it.
    ///
    /// # Errors
    /// [`NetworkError::Busy`], [`NetworkError::Stopped`].
    pub fn stop(&self) -> Result<(), NetworkError> {
        self.give(Command::Stop)
    }

    fn give(&self, command: Command) -> Result<(), NetworkError> {
        self.commands
            .try_send(command)
            .map_err(|error| match error {
                TrySendError::Full(_) => NetworkError::Busy,
                TrySendError::Closed(_) => NetworkError::Stopped,
            })
    }

    fn next_id(&self) -> u64 {
        self.local.next_id.fetch_add(1, Ordering::Relaxed)
    }
}

fn check_size(what: &'static str, found: usize, max: usize) -> Result<(), NetworkError> {
    if found > max {
        Err(NetworkError::Oversize { what, found, max })
    } else {
        Ok(())
    }
}

/// The stream of events. The node takes them as they come; see
/// [`crate::limits::EVENT_BYTES_MAX`] for what happens if it does not.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::Receiver<Event>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Events {
    pub(crate) fn new(receiver: mpsc::Receiver<Event>, waiting_bytes: Arc<AtomicUsize>) -> Self {
        Self {
            receiver,
            waiting_bytes,
        }
    }

    /// The next event; `None` when the driver has ended. Cancelling the wait loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.receiver.recv().await?;
        self.waiting_bytes
            .fetch_sub(event.payload_bytes(), Ordering::Relaxed);
        Some(event)
    }
}
