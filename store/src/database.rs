//! RocksDB: opened with one set of options, written by whole batches, its errors told apart.
//!
//! # Invariants
//! * All tables are flushed together, so the tables on disk always show one moment; the log is
//!   replayed up to its first damaged record. What is recovered is a prefix of what was written.
//! * The database checks every block that it reads, and every file that it opens.
//! * Memory is bounded: one cache for blocks, filters and indexes, one limit for all write buffers.
//!
//! # Spec
//! docs/spec/13-storage.md §3, §5
//!
//! # Not here
//! What a batch means ([`crate::commit`]); which table holds what ([`crate::schema`]).

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use chain::codec::Encode;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType,
    DBRecoveryMode, ErrorKind, InfoLogger, LogLevel, Options, WriteBatch, WriteOptions,
};

use crate::error::StoreError;
use crate::record;
use crate::schema::Table;

/// Cache of blocks, filters and indexes (bytes): the tree's upper levels and the seen keys of a
/// window fit; a node must stay below 300 MB with ten million messages.
pub(crate) const CACHE_BYTES: usize = 64 << 20;
/// All write buffers together (bytes): about a minute of full blocks; replayed in well under the
/// five seconds that a restart may take.
const BUFFERS_BYTES: usize = 64 << 20;
/// Write buffer of the bodies (bytes): sixteen of the largest.
const BODIES_BUFFER_BYTES: usize = 16 << 20;
/// Write buffer of each other table (bytes).
const BUFFER_BYTES: usize = 8 << 20;
/// The log is cut by flushing once it is this long (bytes): bounds the replay.
const LOG_BYTES_MAX: u64 = 128 << 20;
/// Open files: below the usual limit of 1,024 per process, which sockets share.
const OPEN_FILES_MAX: i32 = 256;
/// Bits of a filter per key: one probe in a hundred for an absent key reads a block.
const FILTER_BITS: f64 = 10.0;
/// Flushing and compacting threads: one each.
const BACKGROUND_JOBS: i32 = 2;
/// Written data is handed to the system in pieces of this size (bytes), not in one stall.
const SYNC_STEP_BYTES: u64 = 1 << 20;
/// Lines about a replayed log that are kept for the report.
const DROPPED_LINES_MAX: usize = 16;

/// What a write survives when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sync {
    /// A power cut: it waited for the disk.
    Durable,
    /// A kill: it is in the log.
    Logged,
    /// Nothing yet: it is in a write buffer alone.
    Buffered,
}

/// The open database.
#[derive(Debug)]
pub(crate) struct Database(DB);

/// Lines in which the database says what it could not replay.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dropped(Arc<Mutex<Vec<String>>>);

impl Dropped {
    fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < DROPPED_LINES_MAX {
            lines.push(line.to_owned());
        }
    }

    /// The lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Whether a database is to be made or must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The folder is new and ours.
    Create,
    /// A missing file is damage.
    Existing,
}

impl Database {
    /// Opens the database in `path`; `dropped` collects what the log had lost.
    pub(crate) fn open(
        path: &Path,
        mode: Mode,
        cache_bytes: usize,
        dropped: &Dropped,
    ) -> Result<Self, StoreError> {
        let cache = Cache::new_lru_cache(cache_bytes);
        let options = database_options(mode, dropped.clone());
        let tables = Table::ALL.map(|table| {
            ColumnFamilyDescriptor::new(table.name(), table_options(Some(table), &cache))
        });
        // The database insists on a table named "default"; ours have names that say something.
        let default = ColumnFamilyDescriptor::new(
            rocksdb::DEFAULT_COLUMN_FAMILY_NAME,
            table_options(None, &cache),
        );
        let db = DB::open_cf_descriptors(&options, path, tables.into_iter().chain([default]))
            .map_err(|error| opening_error(&error))?;
        Ok(Self(db))
    }

    pub(crate) fn db(&self) -> &DB {
        &self.0
    }

    pub(crate) fn table(&self, table: Table) -> &ColumnFamily {
        self.0
            .cf_handle(table.name())
            .expect("every table is opened with the database")
    }

    pub(crate) fn batch(&self) -> Batch<'_> {
        Batch {
            database: self,
            inner: WriteBatch::default(),
        }
    }

    /// Writes the batch: all of it or nothing.
    pub(crate) fn write(&self, batch: WriteBatch, sync: Sync) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(sync == Sync::Durable);
        options.disable_wal(sync == Sync::Buffered);
        self.0
            .write_opt(batch, &options)
            .map_err(|error| database_error(&error))
    }

    /// Makes everything written so far durable.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.0
            .flush_wal(true)
            .map_err(|error| database_error(&error))
    }

    /// Moves everything out of the log into tables.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        let tables: Vec<_> = Table::ALL.iter().map(|table| self.table(*table)).collect();
        let mut options = rocksdb::FlushOptions::default();
        options.set_wait(true);
        self.0
            .flush_cfs_opt(&tables, &options)
            .map_err(|error| database_error(&error))
    }
}

/// Writes under construction.
pub(crate) struct Batch<'d> {
    database: &'d Database,
    inner: WriteBatch,
}

impl Batch<'_> {
    /// Puts `value`, sealed.
    pub(crate) fn put(&mut self, table: Table, key: &[u8], value: &impl Encode) {
        let sealed = record::seal_value(table, key, value);
        self.inner.put_cf(self.database.table(table), key, sealed);
    }

    /// Puts bytes that are encoded already, sealed.
    pub(crate) fn put_bytes(&mut self, table: Table, key: &[u8], payload: Vec<u8>) {
        let sealed = record::seal(table, key, payload);
        self.inner.put_cf(self.database.table(table), key, sealed);
    }

    /// Puts a row of a table that is all key.
    pub(crate) fn mark(&mut self, table: Table, key: &[u8]) {
        debug_assert!(!table.has_payload());
        self.inner.put_cf(self.database.table(table), key, []);
    }

    pub(crate) fn delete(&mut self, table: Table, key: &[u8]) {
        self.inner.delete_cf(self.database.table(table), key);
    }

    /// Deletes all keys in `from..to`.
    pub(crate) fn delete_range(&mut self, table: Table, from: &[u8], to: &[u8]) {
        self.inner
            .delete_range_cf(self.database.table(table), from, to);
    }

    /// Bytes that the log will grow by.
    pub(crate) fn bytes(&self) -> u64 {
        u64::try_from(self.inner.size_in_bytes()).unwrap_or(u64::MAX)
    }

    pub(crate) fn into_inner(self) -> WriteBatch {
        self.inner
    }
}

fn database_options(mode: Mode, dropped: Dropped) -> Options {
    let mut options = Options::default();
    options.create_if_missing(mode == Mode::Create);
    options.create_missing_column_families(mode == Mode::Create);
    options.set_error_if_exists(mode == Mode::Create);
    options.set_paranoid_checks(true);
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_atomic_flush(true);
    options.set_db_write_buffer_size(BUFFERS_BYTES);
    options.set_max_total_wal_size(LOG_BYTES_MAX);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_background_jobs(BACKGROUND_JOBS);
    options.set_bytes_per_sync(SYNC_STEP_BYTES);
    // Statistics are `node`'s business; the database's own would only take memory and log lines.
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_log_level(LogLevel::Warn);
    options.set_info_logger(InfoLogger::new_callback_logger(
        LogLevel::Warn,
        move |level, line| {
            let line = line.trim_end();
            if line.contains("dropping ") {
                dropped.push(line);
            }
            match level {
                LogLevel::Error | LogLevel::Fatal => tracing::error!(line, "database"),
                // Settings, line by line.
                LogLevel::Header => tracing::debug!(line, "database"),
                _ => tracing::warn!(line, "database"),
            }
        },
    ));
    options
}

fn table_options(table: Option<Table>, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    // Filters pay where absent keys are asked for.
    if matches!(
        table,
        Some(Table::Heights | Table::Values | Table::Seen | Table::Pending | Table::Headers)
    ) {
        blocks.set_bloom_filter(FILTER_BITS, false);
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    // Bodies are sealed content, ids and one-time keys are hashes: nothing to gain there.
    options.set_compression_type(match table {
        Some(Table::Bodies | Table::Seen | Table::Chain) => DBCompressionType::None,
        _ => DBCompressionType::Lz4,
    });
    options.set_write_buffer_size(match table {
        Some(Table::Bodies) => BODIES_BUFFER_BYTES,
        _ => BUFFER_BYTES,
    });
    options
}

/// What an error says that comes while files are opened and the log is replayed.
fn opening_error(error: &rocksdb::Error) -> StoreError {
    let reason: &str = error.as_ref();
    if is_full(reason) {
        return StoreError::Full {
            free_bytes: None,
            reserve_bytes: 0,
        };
    }
    match error.kind() {
        // A table, a file or a setting is not there that this program wrote.
        ErrorKind::Corruption | ErrorKind::InvalidArgument | ErrorKind::NotFound => {
            StoreError::damaged(reason)
        }
        ErrorKind::IOError if reason.contains("No such file") => StoreError::damaged(reason),
        _ => StoreError::Database {
            reason: reason.to_owned(),
        },
    }
}

/// What an error says that comes while the database is in use.
pub(crate) fn database_error(error: &rocksdb::Error) -> StoreError {
    let reason: &str = error.as_ref();
    if is_full(reason) {
        return StoreError::Full {
            free_bytes: None,
            reserve_bytes: 0,
        };
    }
    match error.kind() {
        ErrorKind::Corruption => StoreError::damaged(reason),
        ErrorKind::IOError if reason.contains("No such file") => StoreError::damaged(reason),
        _ => StoreError::Database {
            reason: reason.to_owned(),
        },
    }
}

/// The database knows why a write failed and keeps it in its words alone.
fn is_full(reason: &str) -> bool {
    reason.contains("No space left on device")
        || reason.contains("not enough space on the disk")
        || reason.contains("Space limit reached")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_file_is_damage_when_the_database_is_opened() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("db");
        let open = |mode| Database::open(&path, mode, CACHE_BYTES, &Dropped::default());
        let missing = open(Mode::Existing).expect_err("nothing is there");
        assert!(matches!(missing, StoreError::Damaged { .. }), "{missing}");
        drop(open(Mode::Create).expect("a fresh folder"));
        let twice = open(Mode::Create).expect_err("it exists");
        assert!(matches!(twice, StoreError::Damaged { .. }), "{twice}");
        std::fs::remove_file(path.join("CURRENT")).expect("there");
        let lost = open(Mode::Existing).expect_err("CURRENT is lost");
        assert!(matches!(lost, StoreError::Damaged { .. }), "{lost}");
    }

    #[test]
    fn full_disks_are_told_from_other_refusals() {
        assert!(is_full(
            "IO error: No space left on device: While appending to file: x.log"
        ));
        assert!(!is_full(
            "IO error: Input/output error: While appending to file: x.log"
        ));
    }
}
