//! The disk: a node's chain in one RocksDB, and a user's vault in one append-only file.
//!
//! ```
//! use chain::{Height, Network};
//! use genesis::Params;
//! use store::{Options, Store};
//!
//! let folder = tempfile::tempdir().expect("a temporary folder");
//! let params = Params::of(Network::Regtest);
//! let store = Store::open(folder.path(), &params, Options::default())?;
//!
//! let view = store.view()?; // one moment, whatever is written meanwhile
//! assert_eq!(view.tip().id, params.genesis_id());
//! assert_eq!(view.header_at(Height::new(0))?, Some(params.genesis().header));
//! view.verify()?;
//! store.close()?;
//! # Ok::<(), store::StoreError>(())
//! ```
//!
//! # Invariants
//! * One atomic batch per block, which moves the tip, the state, the indexes and the way back; the
//!   database stands between two blocks whatever ends the process.
//! * Every record carries its own check; what does not hold is named, never served.
//! * Everything stored has a limit, or follows from the chain.
//!
//! # Spec
//! docs/spec/13-storage.md
//!
//! # Not here
//! What is valid (`consensus`), which block is next (`node`), what a vault's records mean (`app`).

#![forbid(unsafe_code)]

pub mod ballots;
mod blocks;
mod commit;
mod contents;
mod database;
pub mod error;
pub mod file;
pub mod folder;
pub mod kill;
pub mod peers;
pub mod pending;
mod record;
pub mod schema;
pub mod space;
mod store;
#[cfg(test)]
mod testing;
mod undo;
pub mod vault;
mod verify;
mod view;

pub use ballots::Ballot;
pub use error::{KillPointError, StoreError};
pub use file::write_atomically;
pub use folder::FolderLock;
pub use kill::KillPoints;
pub use peers::{BanRow, PeerRow};
pub use pending::{GroupQueue, GroupSender, PendingId, PendingRow, group_commit};
pub use schema::{BodyState, BodyTraits, Faults, Location, Stop, StoredHeader, Table, Tip};
pub use store::{DiskState, Durability, Options, Recovery, Store};
pub use vault::{Vault, VaultRecord};
pub use verify::Verified;
pub use view::View;
