//! The node's store: one folder, one database, one writer, any number of readers.
//!
//! # Invariants
//! * After [`Store::open`] the database stands exactly between two blocks, whatever ended the last
//!   run; no manual step leads there.
//! * Nothing is written to a folder that was refused, but for its lock file.
//! * Reads see one moment ([`View`]); writes go through one lock.
//!
//! # Spec
//! docs/spec/13-storage.md §1, §5-7
//!
//! # Not here
//! Blocks ([`crate::commit`]), submissions ([`crate::pending`]), peers ([`crate::peers`]).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chain::{Block, Height};
use consensus::fork_choice::Anchors;
use consensus::state::tree::EMPTY_ROOT;
use genesis::Params;

use crate::blocks;
use crate::database::{Batch, CACHE_BYTES, Database, Dropped, Mode, Sync};
use crate::error::StoreError;
use crate::file;
use crate::folder::{self, CHAIN_FOLDER, CHAIN_FOLDER_NEW, FolderLock, Found, STAMP_FILE, Stamp};
use crate::kill::{self, KillPoints};
use crate::schema::{
    self, BodyTraits, Faults, META_ANCHORS, META_STAMP, META_STOP, META_TIP, Stop, Table, Tip,
};
use crate::space::{self, SystemVolume, Volume};
use crate::view::View;

/// When a connected block becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Before `connect` returns: the rule while a node talks to others.
    EachBlock,
    /// At every so many blocks, for a node that fetches history. A kill loses nothing, a power cut
    /// at most these blocks, and what remains still stands between two blocks. Safe as long as
    /// nobody was told about them: whoever votes, mines or acknowledges is at the tip and back to
    /// [`Durability::EachBlock`].
    Grouped {
        /// Blocks between two waits for the disk; at least 1.
        blocks: u32,
    },
    /// Whenever the write buffers are full, for an import of history: blocks skip the log. A kill,
    /// too, loses what was not flushed (at most the write buffers, 64 MiB), and what remains stands
    /// between two blocks. Safe under the same condition; submissions are still durable when they
    /// are acknowledged.
    Buffered,
}

/// What a store is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// When blocks become durable.
    pub durability: Durability,
    /// Cache of blocks, filters and indexes (bytes); changes speed, never content.
    pub cache_bytes: usize,
    /// Tells how much room is left.
    pub volume: Arc<dyn Volume>,
    /// Where a test wants the process to end.
    pub kill_points: KillPoints,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::EachBlock,
            cache_bytes: CACHE_BYTES,
            volume: Arc::new(SystemVolume),
            kill_points: KillPoints::none(),
        }
    }
}

/// How the store was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// How the run before ended; nothing if there was none.
    pub previous: Option<Stop>,
    /// What the log had lost at its end, in the database's words: a record that was being written
    /// when the process ended, or a damaged one with all that followed it. The blocks in it will be
    /// fetched again.
    pub dropped: Vec<String>,
}

/// Whether there is room for new work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskState {
    /// There is.
    Ok,
    /// There is not; reading, reverting and expiring still work.
    Full,
}

/// A chain on disk.
#[derive(Debug)]
pub struct Store {
    pub(crate) database: Database,
    pub(crate) params: Params,
    pub(crate) kill_points: KillPoints,
    /// Undo records kept; the law's number, smaller in tests alone.
    pub(crate) undo_blocks: u64,
    /// Bytes of the pending table's payloads.
    pub(crate) pending_bytes: AtomicU64,
    writer: Mutex<Writer>,
    volume: Arc<dyn Volume>,
    path: PathBuf,
    /// The last write was refused for lack of room.
    was_full: AtomicBool,
    recovery: Recovery,
    // Last, so that the folder is free only after the database is closed.
    _lock: FolderLock,
}

/// What the one writer remembers.
#[derive(Debug)]
pub(crate) struct Writer {
    durability: Durability,
    unsynced_blocks: u32,
}

/// Whether a write may use the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It brings something in: it stops at the reserve.
    Work,
    /// It takes something back or out.
    Relief,
}

impl Store {
    /// Opens the chain of `params` in `folder`, or begins it at genesis if the folder is fresh.
    ///
    /// # Errors
    /// By name: [`StoreError::Locked`], [`StoreError::ForeignFolder`], [`StoreError::WrongNetwork`],
    /// [`StoreError::WrongChain`], [`StoreError::FormatTooNew`], [`StoreError::FormatTooOld`],
    /// [`StoreError::Damaged`], [`StoreError::Full`]; else [`StoreError::Io`] or
    /// [`StoreError::Database`].
    pub fn open(folder: &Path, params: &Params, options: Options) -> Result<Self, StoreError> {
        if !folder.exists() {
            file::create_private_folder(folder)?;
        }
        // Judged before the lock file is made, too: a foreign folder gets nothing of ours.
        let mut found = folder::judge(folder, params)?;
        let lock = FolderLock::acquire(folder)?;
        if found == Found::Nothing {
            // Another process may have made it while we waited for the lock.
            found = folder::judge(folder, params)?;
        }
        let chain_folder = folder.join(CHAIN_FOLDER);
        let is_new = found == Found::Nothing;
        options.kill_points.pass(kill::OPEN_LOCKED);
        if is_new {
            file::create_private_folder(folder)?;
            create(folder, params, &options)?;
        }
        let dropped = Dropped::default();
        let path = folder::database(&chain_folder);
        let database = Database::open(&path, Mode::Existing, options.cache_bytes, &dropped)?;
        options.kill_points.pass(kill::OPEN_RECOVERED);
        let mut store = Self {
            database,
            params: params.clone(),
            kill_points: options.kill_points,
            undo_blocks: schema::UNDO_BLOCKS,
            pending_bytes: AtomicU64::new(0),
            writer: Mutex::new(Writer {
                durability: options.durability,
                unsynced_blocks: 0,
            }),
            volume: options.volume,
            path,
            was_full: AtomicBool::new(false),
            recovery: Recovery {
                previous: None,
                dropped: dropped.lines(),
            },
            _lock: lock,
        };
        let view = store.view()?;
        view.check_ends()?;
        let pending_bytes = view.pending_bytes()?;
        let previous = view.stop()?;
        drop(view);
        store.recovery.previous = (!is_new).then_some(previous);
        store.pending_bytes = AtomicU64::new(pending_bytes);
        store.mark_stop(Stop::Unclean)?;
        Ok(store)
    }

    /// How the store was found when it was opened.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Every kill point and how often it was passed.
    pub fn kill_points(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.kill_points.passes()
    }

    /// One moment of the store.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the tip cannot be read.
    pub fn view(&self) -> Result<View<'_>, StoreError> {
        View::new(self)
    }

    /// Changes when blocks become durable. Those connected so far are when this returns.
    ///
    /// # Errors
    /// The disk's refusal; the old rule holds on then.
    pub fn set_durability(&self, durability: Durability) -> Result<(), StoreError> {
        let mut writer = self.writer();
        // What is logged from now on must not stand on what is in no log.
        match writer.durability {
            Durability::Buffered => self.database.flush()?,
            Durability::EachBlock | Durability::Grouped { .. } => self.database.sync()?,
        }
        *writer = Writer {
            durability,
            unsynced_blocks: 0,
        };
        Ok(())
    }

    /// Whether new work is accepted. After a refused write this asks the database itself, by
    /// writing a row again that it has.
    #[must_use]
    pub fn disk(&self) -> DiskState {
        if space::check(self.volume.as_ref(), &self.path, 0).is_err() {
            return DiskState::Full;
        }
        if self.was_full.load(Ordering::Relaxed) && self.mark_stop(Stop::Unclean).is_err() {
            return DiskState::Full;
        }
        DiskState::Ok
    }

    /// Makes everything durable and empties the log, so that the next start has next to nothing to
    /// replay.
    /// Call it last.
    ///
    /// # Errors
    /// The disk's refusal; nothing acknowledged is lost by it.
    pub fn close(&self) -> Result<(), StoreError> {
        let mut writer = self.writer();
        self.database.flush()?;
        writer.unsynced_blocks = 0;
        self.mark_stop(Stop::Clean)
    }

    /// Rewrites all tables in their final form; for measuring.
    pub fn compact(&self) {
        for table in Table::ALL {
            self.database.db().compact_range_cf(
                self.database.table(table),
                None::<&[u8]>,
                None::<&[u8]>,
            );
        }
    }

    /// Bytes of a table's files, without what is still in write buffers.
    #[must_use]
    pub fn file_bytes(&self, table: Table) -> u64 {
        let size = rocksdb::properties::LIVE_SST_FILES_SIZE;
        let found = self
            .database
            .db()
            .property_int_value_cf(self.database.table(table), size);
        found.ok().flatten().unwrap_or_default()
    }

    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        // A panic in the middle of a write leaves at most an unwritten batch behind.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a batch that moves the tip, under the durability in force.
    pub(crate) fn write_tip(
        &self,
        writer: &mut Writer,
        batch: Batch<'_>,
        purpose: Purpose,
    ) -> Result<(), StoreError> {
        let unsynced_blocks = writer.unsynced_blocks.saturating_add(1);
        let sync = match writer.durability {
            Durability::Grouped { blocks } if unsynced_blocks < blocks => Sync::Logged,
            _ => Sync::Durable,
        };
        self.write_chain(writer, batch, purpose, sync)?;
        writer.unsynced_blocks = if sync == Sync::Durable {
            0
        } else {
            unsynced_blocks
        };
        Ok(())
    }

    /// Writes a batch to the chain's tables. They are all in the log or none is, or else a replay
    /// would find halves.
    pub(crate) fn write_chain(
        &self,
        writer: &Writer,
        batch: Batch<'_>,
        purpose: Purpose,
        sync: Sync,
    ) -> Result<(), StoreError> {
        let is_buffered = writer.durability == Durability::Buffered;
        self.write(
            batch,
            purpose,
            if is_buffered { Sync::Buffered } else { sync },
        )
    }

    /// Writes a batch about blocks that moves no tip, as durable as the blocks before it are.
    pub(crate) fn write_beside(&self, writer: &Writer, batch: Batch<'_>) -> Result<(), StoreError> {
        let sync = match writer.durability {
            Durability::Grouped { .. } => Sync::Logged,
            Durability::EachBlock | Durability::Buffered => Sync::Durable,
        };
        self.write_chain(writer, batch, Purpose::Relief, sync)
    }

    /// Writes a batch, if there is room for it.
    pub(crate) fn write(
        &self,
        batch: Batch<'_>,
        purpose: Purpose,
        sync: Sync,
    ) -> Result<(), StoreError> {
        if purpose == Purpose::Work {
            space::check(self.volume.as_ref(), &self.path, batch.bytes())?;
        }
        let written = self.database.write(batch.into_inner(), sync);
        let is_full = matches!(written, Err(StoreError::Full { .. }));
        if self.was_full.swap(is_full, Ordering::Relaxed) != is_full {
            tracing::warn!(is_full, "room on disk changed");
        }
        written
    }

    fn mark_stop(&self, stop: Stop) -> Result<(), StoreError> {
        let mut batch = self.database.batch();
        batch.put(Table::Meta, META_STOP, &stop);
        self.write(batch, Purpose::Relief, Sync::Durable)
    }
}

/// Makes the chain's folder under a temporary name and renames it when it is complete. What an
/// earlier attempt left is removed: nothing of value was ever under that name.
fn create(folder: &Path, params: &Params, options: &Options) -> Result<(), StoreError> {
    space::check(options.volume.as_ref(), folder, 0)?;
    let (new, done) = (folder.join(CHAIN_FOLDER_NEW), folder.join(CHAIN_FOLDER));
    if new.exists() {
        fs::remove_dir_all(&new).map_err(|error| StoreError::io("remove", &new, &error))?;
    }
    file::create_private_folder(&new)?;
    let stamp = Stamp::of(params).to_text();
    file::write_atomically(&new.join(STAMP_FILE), stamp.as_bytes())?;
    let path = folder::database(&new);
    let database = Database::open(
        &path,
        Mode::Create,
        options.cache_bytes,
        &Dropped::default(),
    )?;
    let batch = genesis_batch(&database, &params.genesis(), stamp)?;
    database.write(batch.into_inner(), Sync::Durable)?;
    database.flush()?;
    drop(database);
    options.kill_points.pass(kill::OPEN_CREATED);
    file::sync_folder(&new)?;
    file::rename(&new, &done)?;
    file::sync_folder(folder)
}

/// The store after genesis: one block, an empty state.
fn genesis_batch<'d>(
    database: &'d Database,
    genesis: &Block,
    stamp: String,
) -> Result<Batch<'d>, StoreError> {
    let (height, id) = (Height::new(0), genesis.id());
    let mut batch = database.batch();
    batch.put_bytes(Table::Meta, META_STAMP, stamp.into_bytes());
    batch.put(Table::Meta, META_STOP, &Stop::Unclean);
    batch.put(
        Table::Meta,
        META_TIP,
        &Tip {
            height,
            id,
            state_root: EMPTY_ROOT,
        },
    );
    batch.put(Table::Meta, META_ANCHORS, &Anchors::default());
    batch.put(Table::Chain, &schema::height_key(height), &id);
    let traits = BodyTraits::default();
    blocks::put_block(&mut batch, &id, genesis, Faults::default(), traits);
    Ok(batch)
}

#[cfg(test)]
mod tests;
