//! The thin shell around the state machine: one thread that owns it, and the sockets around it.
//!
//! # Invariants
//! * Only the node's thread touches the state machine; everybody else sends it work over one
//!   bounded queue, so there is one order of events and no lock to hold while signalling.
//! * A failure of the disk stops new work and is said in `node_getInfo`; a damaged store stops the
//!   node.
//! * What is dropped because a queue is full is counted, never waited for by the thread.
//!
//! # Spec
//! docs/spec/06-wire.md, docs/spec/07-rpc.md
//!
//! # Not here
//! Decisions: [`crate::protocol`]. Methods: [`crate::api`].

mod desk;
mod kept;
mod keys;
mod start;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use chain::{BlockId, Timestamp};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::clock::Clock;
use crate::disk::Disk;
use crate::engine::TipMove;
use crate::mempool::Item;
use crate::protocol::Node;

pub(crate) use desk::Desk;
pub use desk::PeerView;
pub use start::{Config, EndError, RunningNode, StartError, start};

/// Work waiting for the node's thread; beyond it callers are told that the node is busy.
pub(crate) const QUEUE_MAX: usize = 1_024;
/// Notices that a slow listener may be behind before it is dropped.
const NOTICES_MAX: usize = 1_024;

/// A piece of work on the state machine.
pub(crate) type Work = Box<dyn FnOnce(&mut desk::Desk) + Send>;

/// What the node's thread is told.
pub(crate) enum Command {
    /// Something happened on the network.
    Network(network::Event),
    /// Somebody wants something done.
    Work(Work),
    /// A moment has passed.
    Tick,
    /// Stop.
    Stop,
}

/// What listeners are told.
#[derive(Clone, Debug)]
pub(crate) enum Notice {
    /// The tip moved.
    TipMoved(Arc<Vec<TipMove>>),
    /// An item waits for a block.
    Pending(Arc<Item>),
    /// Votes wait for a block, more than the last template held.
    VotesGathered,
}

/// How to reach the node's thread; clones reach the same one. The thread ends with the last of them.
#[derive(Clone)]
pub(crate) struct Mailbox {
    commands: mpsc::Sender<Command>,
    pub(crate) board: Board,
}

/// What the node's thread shows to everybody; it holds no mailbox itself.
#[derive(Clone)]
pub(crate) struct Board {
    notices: broadcast::Sender<Notice>,
    pub(crate) figures: Arc<Figures>,
    pub(crate) clock: Clock,
}

/// Figures that anybody may read without asking the thread.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) peers: AtomicU32,
    pub(crate) disk_full: AtomicBool,
    pub(crate) blocks_connected: std::sync::atomic::AtomicU64,
    pub(crate) blocks_disconnected: std::sync::atomic::AtomicU64,
    pub(crate) reorgs_refused: std::sync::atomic::AtomicU64,
    pub(crate) alarms: std::sync::atomic::AtomicU64,
    pub(crate) bans: std::sync::atomic::AtomicU64,
    pub(crate) mempool_items: AtomicU32,
    pub(crate) announcement_bytes: std::sync::atomic::AtomicU64,
}

/// The node's thread is gone or has too much to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// The queue is full.
    Busy,
    /// The node stops.
    Stopping,
}

impl Mailbox {
    pub(crate) fn new(clock: Clock) -> (Self, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(QUEUE_MAX);
        let (notices, _) = broadcast::channel(NOTICES_MAX);
        (
            Self {
                commands,
                board: Board {
                    notices,
                    figures: Arc::default(),
                    clock,
                },
            },
            receiver,
        )
    }

    /// Runs `work` on the node's thread and returns what it returns.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut desk::Desk) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |desk| {
            // Whoever asked may have gone.
            let _ = answer.send(work(desk));
        });
        self.commands
            .try_send(Command::Work(work))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Unavailable::Busy,
                mpsc::error::TrySendError::Closed(_) => Unavailable::Stopping,
            })?;
        answered.await.map_err(|_| Unavailable::Stopping)
    }

    pub(crate) async fn send(&self, command: Command) -> Result<(), Unavailable> {
        self.commands
            .send(command)
            .await
            .map_err(|_| Unavailable::Stopping)
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<Notice> {
        self.board.notices.subscribe()
    }
}

impl Board {
    fn tell(&self, notice: Notice) {
        // Nobody listening is no failure.
        let _ = self.notices.send(notice);
    }

    pub(crate) fn count(counter: &std::sync::atomic::AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

/// Time of a block's header in the tree, for health.
pub(crate) fn tip_time(node: &Node<Disk>, tip: &BlockId) -> Timestamp {
    node.engine()
        .tree()
        .header(tip)
        .map(|header| header.time)
        .unwrap_or_default()
}
