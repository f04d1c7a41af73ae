//! Every way the disk can refuse or fail; always our own side's matter, never a peer's.
//!
//! # Invariants
//! * A refusal names its reason and leaves every file as it was.
//! * [`StoreError::Damaged`] is never healed by guessing: what is named there was not served.
//!
//! # Spec
//! docs/spec/13-storage.md §7
//!
//! # Not here
//! Broken rules of the chain: `consensus::Rule`.

use std::path::PathBuf;

use chain::{BlockId, ChainId, Height, Network};
use consensus::ViewError;
use thiserror::Error;

/// Why the disk did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process uses the folder.
    #[error("{folder} is in use by {}", holder(*pid))]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// The process that holds it, where the system lets us read the lock file.
        pid: Option<u32>,
    },
    /// The folder holds things that no ChainChat program put there.
    #[error("{folder} is not a ChainChat data folder: it holds {found}")]
    ForeignFolder {
        /// The folder.
        folder: PathBuf,
        /// What was found there.
        found: String,
    },
    /// The folder belongs to another network.
    #[error("the folder holds network {found}, expected {expected}")]
    WrongNetwork {
        /// Network in use.
        expected: Network,
        /// Network of the folder.
        found: Network,
    },
    /// The folder belongs to another chain of the same network.
    #[error("the folder holds chain {found}, expected {expected}")]
    WrongChain {
        /// Chain in use.
        expected: ChainId,
        /// Chain of the folder.
        found: ChainId,
    },
    /// A newer version of the program wrote the folder.
    #[error(
        "the folder has format {found}, this program knows up to {newest}; use a newer program"
    )]
    FormatTooNew {
        /// Format of the folder.
        found: u32,
        /// Newest format known.
        newest: u32,
    },
    /// An older version of the program wrote the folder, and no migration is known.
    #[error("the folder has format {found}, this program needs at least {oldest}")]
    FormatTooOld {
        /// Format of the folder.
        found: u32,
        /// Oldest format known.
        oldest: u32,
    },
    /// Something on disk is not what was written.
    #[error("damaged storage: {what}")]
    Damaged {
        /// Which record or file, and what is wrong with it.
        what: String,
    },
    /// The volume has no room beyond its reserve.
    #[error("the disk is full: {}", room(*free_bytes, *reserve_bytes))]
    Full {
        /// Free bytes, where the system tells.
        free_bytes: Option<u64>,
        /// Bytes that are kept free for reverting, expiring and compacting.
        reserve_bytes: u64,
    },
    /// The operating system refused.
    #[error("cannot {action} {path}: {reason}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The database refused for a reason that is neither damage nor lack of room.
    #[error("database: {reason}")]
    Database {
        /// Its words.
        reason: String,
    },
    /// The caller's block does not stand on the tip.
    #[error("a block on {parent} was to be connected to the tip {tip}")]
    NotOnTip {
        /// The tip.
        tip: BlockId,
        /// The block's parent.
        parent: BlockId,
    },
    /// The caller asked to disconnect a block that is not the tip.
    #[error("block {asked} was to be disconnected, the tip is {tip}")]
    NotTheTip {
        /// The tip.
        tip: BlockId,
        /// The block asked for.
        asked: BlockId,
    },
    /// The block is older than what the store can revert.
    #[error("the block at height {height} can no longer be disconnected")]
    UndoGone {
        /// Its height.
        height: Height,
    },
    /// No header of that id was ever put.
    #[error("block {id} is not known")]
    UnknownBlock {
        /// The id.
        id: BlockId,
    },
    /// The change to be written contradicts itself; nothing was written.
    #[error("inconsistent change: {what}")]
    Inconsistent {
        /// What does not fit.
        what: &'static str,
    },
    /// The durable rows of the mempool have reached their limit.
    #[error("durable submissions take more than {bytes_max} bytes")]
    PendingFull {
        /// The limit.
        bytes_max: u64,
    },
    /// There is no file where one was to be opened.
    #[error("{path} does not exist")]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// There is a file where one was to be created.
    #[error("{path} already exists and is left as it is")]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// A record is larger than its format allows.
    #[error("a record of {found} bytes, at most {max} are allowed")]
    RecordTooLarge {
        /// Bytes offered.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// An earlier write failed half-way; what is on disk is known only after opening again.
    #[error("an earlier write failed; open the vault again")]
    NeedsReopening,
}

impl StoreError {
    /// Whether the folder as a whole was refused: locked, foreign, of another chain or damaged.
    #[must_use]
    pub const fn refuses_folder(&self) -> bool {
        matches!(
            self,
            Self::Locked { .. }
                | Self::ForeignFolder { .. }
                | Self::WrongNetwork { .. }
                | Self::WrongChain { .. }
                | Self::FormatTooNew { .. }
                | Self::FormatTooOld { .. }
                | Self::Damaged { .. }
        )
    }

    /// Damage described by `what`.
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }

    /// The system's refusal to do `action` on `path`.
    pub fn io(action: &'static str, path: &std::path::Path, error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::StorageFull {
            return Self::Full {
                free_bytes: None,
                reserve_bytes: 0,
            };
        }
        Self::Io {
            action,
            path: path.to_path_buf(),
            reason: error.to_string(),
        }
    }
}

impl From<StoreError> for ViewError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged { what } => Self::Damaged { reason: what },
            other => Self::Unreadable {
                reason: other.to_string(),
            },
        }
    }
}

impl From<ViewError> for StoreError {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Damaged { reason } => Self::Damaged { what: reason },
            other => Self::Database {
                reason: other.to_string(),
            },
        }
    }
}

/// Why a text does not name a kill point.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KillPointError {
    /// Kill points exist on private networks only.
    #[error("kill points do not exist on network {network}")]
    Network {
        /// The network in use.
        network: Network,
    },
    /// Not `point:n` with n of at least 1.
    #[error("a kill point is written point:n, n counting passes from 1")]
    Syntax,
    /// No such point.
    #[error("there is no kill point {point}")]
    Unknown {
        /// The name asked for.
        point: String,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

fn room(free_bytes: Option<u64>, reserve_bytes: u64) -> String {
    match free_bytes {
        Some(free) => format!("{free} bytes are free, {reserve_bytes} are kept in reserve"),
        None => "the system refused to write".to_owned(),
    }
}
