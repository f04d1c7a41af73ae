//! The vault: an append-only log of one user's change sets, opaque to us and encrypted by the
//! caller.
//!
//! ```text
//! file    header 40 B, then records
//! header  "X3CVAULT" | format u32 | zero u32 | acknowledged_bytes u64 | next_sequence u64 | check 8
//! record  len u32 | place u8 (1 more of this append follow, 2 last) | sequence u64 | check 8 | bytes
//! ```
//!
//! # Invariants
//! * [`Vault::append`] returns when all its records are durable; a crash leaves all or none of them.
//! * Sequence numbers count up without gaps, also across [`Vault::compact`].
//! * The header says how far the file was acknowledged. What is torn beyond that mark is cut and
//!   reported; what is wrong or missing before it is damage by name, and the file stays as it is.
//! * After a write that failed half-way nothing more is written until the vault is opened again.
//!
//! # Spec
//! docs/spec/13-storage.md §11
//!
//! # Not here
//! Encryption and the meaning of records (`app::session`, `wallet`, `messenger`). An older copy of
//! the whole file cannot be told from the file by itself; the session looks at the chain for that.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::file::{self, Create};
use crate::folder::FolderLock;
use crate::kill::{self, KillPoints};

/// Version of the layout.
pub const VAULT_FORMAT: u32 = 1;
/// Name of the file.
pub const VAULT_FILE: &str = "vault.log";
/// Largest record (bytes): a compacted session of a hundred thousand messages is smaller; reading
/// one back must fit into memory several times.
pub const RECORD_BYTES_MAX: usize = 64 << 20;

const MAGIC: &[u8; 8] = b"X3CVAULT";
const HEADER_BYTES: u64 = 40;
const RECORD_HEADER_BYTES: usize = 21;
const CHECK_BYTES: usize = 8;
/// Separates these hashes from all others; not a secret.
const CHECK_KEY: [u8; 32] = *b"ChainChat vault record check v01";
const MORE_FOLLOW: u8 = 1;
const LAST: u8 = 2;

/// A record as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultRecord {
    /// Its number; the first ever is 0.
    pub sequence: u64,
    /// The caller's bytes.
    pub bytes: Vec<u8>,
}

/// What a crash had left at the end of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// Bytes that were cut: an append that was never acknowledged.
    pub bytes: u64,
}

/// One user's log, held against all other processes.
#[derive(Debug)]
pub struct Vault {
    file: File,
    path: PathBuf,
    /// End of the last whole append.
    end: u64,
    next_sequence: u64,
    needs_reopening: bool,
    torn_tail: Option<TornTail>,
    kill_points: KillPoints,
    _lock: FolderLock,
}

impl Vault {
    /// Makes an empty vault in `folder`, which is made too if need be.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is one; [`StoreError::Locked`]; [`StoreError::Full`];
    /// [`StoreError::Io`].
    pub fn create(folder: &Path, kill_points: KillPoints) -> Result<Self, StoreError> {
        file::create_private_folder(folder)?;
        let lock = FolderLock::acquire(folder)?;
        let path = folder.join(VAULT_FILE);
        if path.exists() {
            return Err(StoreError::Exists { path });
        }
        file::write_atomically(&path, &header_bytes(HEADER_BYTES, 0))?;
        Self::open_locked(path, lock, kill_points)
    }

    /// Opens the vault in `folder`.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Locked`]; [`StoreError::Damaged`];
    /// [`StoreError::FormatTooNew`]; [`StoreError::Io`].
    pub fn open(folder: &Path, kill_points: KillPoints) -> Result<Self, StoreError> {
        let path = folder.join(VAULT_FILE);
        if !path.exists() {
            return Err(StoreError::Missing { path });
        }
        let lock = FolderLock::acquire(folder)?;
        Self::open_locked(path, lock, kill_points)
    }

    fn open_locked(
        path: PathBuf,
        lock: FolderLock,
        kill_points: KillPoints,
    ) -> Result<Self, StoreError> {
        file::remove_if_there(&compact_path(&path))?;
        let mut file = file::open_private_file(&path, Create::Never)?;
        let Survey {
            end,
            next_sequence,
            file_bytes,
        } = survey(&mut file, &path)?;
        let torn_tail = (file_bytes > end).then(|| TornTail {
            bytes: file_bytes - end,
        });
        if torn_tail.is_some() {
            file.set_len(end)
                .map_err(|error| StoreError::io("cut", &path, &error))?;
        }
        let needs_reopening = false;
        let mut vault = Self {
            file,
            path,
            end,
            next_sequence,
            needs_reopening,
            torn_tail,
            kill_points,
            _lock: lock,
        };
        vault.acknowledge()?;
        vault
            .file
            .sync_all()
            .map_err(|error| StoreError::io("sync", &vault.path, &error))?;
        Ok(vault)
    }

    /// What a crash had left, if anything.
    #[must_use]
    pub fn torn_tail(&self) -> Option<TornTail> {
        self.torn_tail
    }

    /// Number of the next record.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Bytes of the file: when to compact is the caller's choice.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.end
    }

    /// Appends records, all or none, and returns when they are durable; the number of the first
    /// is the answer. Appending nothing does nothing.
    ///
    /// # Errors
    /// [`StoreError::RecordTooLarge`] and [`StoreError::Full`]: nothing was appended and the vault
    /// works on. Any other: [`StoreError::NeedsReopening`] from then on.
    pub fn append(&mut self, records: &[Vec<u8>]) -> Result<u64, StoreError> {
        let first = self.next_sequence;
        if self.needs_reopening {
            return Err(StoreError::NeedsReopening);
        }
        if records.is_empty() {
            return Ok(first);
        }
        let bytes = encode_append(first, records)?;
        if let Err(error) = self.write_at_end(&bytes) {
            // Cut what was written of it; if even that fails, only a new start knows the truth.
            self.needs_reopening =
                !matches!(error, StoreError::Full { .. }) || self.file.set_len(self.end).is_err();
            return Err(error);
        }
        self.kill_points.pass(kill::VAULT_BEFORE_SYNC);
        // A failed sync may have dropped what it could not write, and the next would not say so.
        self.needs_reopening = true;
        self.file
            .sync_data()
            .map_err(|error| StoreError::io("sync", &self.path, &error))?;
        self.kill_points.pass(kill::VAULT_AFTER_SYNC);
        self.end = self.end.saturating_add(len_u64(&bytes));
        self.next_sequence = first.saturating_add(len_u64(records));
        self.acknowledge()?;
        self.needs_reopening = false;
        Ok(first)
    }

    /// Replaces all records by `records`, numbered on, atomically: a crash leaves the old vault or
    /// the new one.
    ///
    /// # Errors
    /// As [`Vault::append`]; the old records stay.
    pub fn compact(&mut self, records: &[Vec<u8>]) -> Result<(), StoreError> {
        if self.needs_reopening {
            return Err(StoreError::NeedsReopening);
        }
        let body = if records.is_empty() {
            Vec::new()
        } else {
            encode_append(self.next_sequence, records)?
        };
        let next_sequence = self.next_sequence.saturating_add(len_u64(records));
        let end = HEADER_BYTES.saturating_add(len_u64(&body));
        let path = compact_path(&self.path);
        file::remove_if_there(&path)?;
        let write = || -> Result<File, StoreError> {
            let mut new = file::create_private_file(&path)?;
            new.write_all(&header_bytes(end, next_sequence))
                .and_then(|()| new.write_all(&body))
                .map_err(|error| StoreError::io("write", &path, &error))?;
            new.sync_all()
                .map_err(|error| StoreError::io("sync", &path, &error))?;
            Ok(new)
        };
        let new = write().inspect_err(|_| {
            // The error that matters is the first one.
            let _ = file::remove_if_there(&path);
        })?;
        self.kill_points.pass(kill::VAULT_BEFORE_RENAME);
        // The old handle goes before the rename: some systems do not replace open files.
        self.needs_reopening = true;
        self.file = new;
        file::rename(&path, &self.path)?;
        file::sync_folder_of(&self.path)?;
        self.end = end;
        self.next_sequence = next_sequence;
        self.needs_reopening = false;
        Ok(())
    }

    /// All records, oldest first. Records appended later are not seen.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the file cannot be opened once more.
    pub fn replay(&self) -> Result<Replay, StoreError> {
        let mut file =
            File::open(&self.path).map_err(|error| StoreError::io("open", &self.path, &error))?;
        file.seek(SeekFrom::Start(HEADER_BYTES))
            .map_err(|error| StoreError::io("read", &self.path, &error))?;
        Ok(Replay {
            reader: BufReader::new(file),
            path: self.path.clone(),
            position: HEADER_BYTES,
            end: self.end,
            expected: None,
        })
    }

    fn write_at_end(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file
            .seek(SeekFrom::Start(self.end))
            .and_then(|_| self.file.write_all(bytes))
            .map_err(|error| StoreError::io("write", &self.path, &error))
    }

    /// Moves the mark up to the end. The mark itself becomes durable with the next sync: it may
    /// lag, it never leads.
    fn acknowledge(&mut self) -> Result<(), StoreError> {
        let header = header_bytes(self.end, self.next_sequence);
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(&header))
            .map_err(|error| StoreError::io("write", &self.path, &error))
    }
}

/// The records of a vault, oldest first.
#[derive(Debug)]
pub struct Replay {
    reader: BufReader<File>,
    path: PathBuf,
    position: u64,
    end: u64,
    expected: Option<u64>,
}

impl Iterator for Replay {
    type Item = Result<VaultRecord, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.position >= self.end {
            return None;
        }
        let at = self.position;
        let left = self.end - at;
        let read = read_record(&mut self.reader, left);
        let result = match read {
            Ok(Some((_, record))) if self.expected.is_none_or(|next| next == record.sequence) => {
                self.position += record_len(record.bytes.len());
                self.expected = record.sequence.checked_add(1);
                Ok(record)
            }
            Ok(_) => Err(damaged(&self.path, at)),
            Err(error) => Err(StoreError::io("read", &self.path, &error)),
        };
        if result.is_err() {
            self.position = self.end;
        }
        Some(result)
    }
}

/// What a file holds.
struct Survey {
    /// End of the last whole append.
    end: u64,
    next_sequence: u64,
    file_bytes: u64,
}

/// Reads the whole file once: every record up to the acknowledged mark must be good.
fn survey(file: &mut File, path: &Path) -> Result<Survey, StoreError> {
    let io = |error: &std::io::Error| StoreError::io("read", path, error);
    let file_bytes = file.metadata().map_err(|error| io(&error))?.len();
    let mut reader = BufReader::new(&mut *file);
    let mut header = [0; HEADER_BYTES as usize];
    reader
        .read_exact(&mut header)
        .map_err(|_| damaged(path, 0))?;
    let (acknowledged, acknowledged_sequence) = parse_header(&header, path)?;
    if acknowledged > file_bytes || acknowledged < HEADER_BYTES {
        return Err(StoreError::damaged(format!(
            "{}: {file_bytes} bytes where {acknowledged} were acknowledged",
            path.display()
        )));
    }
    let mut position = HEADER_BYTES;
    let mut whole = Survey {
        end: HEADER_BYTES,
        next_sequence: acknowledged_sequence,
        file_bytes,
    };
    let mut expected: Option<u64> = None;
    loop {
        let read = read_record(&mut reader, file_bytes - position).map_err(|error| io(&error))?;
        let good = read.filter(|(_, record)| expected.is_none_or(|next| next == record.sequence));
        let Some((place, record)) = good else { break };
        position += record_len(record.bytes.len());
        expected = record.sequence.checked_add(1);
        if place == LAST {
            whole.end = position;
            whole.next_sequence = expected.unwrap_or(u64::MAX);
        }
    }
    let reaches_mark = whole.end >= acknowledged && whole.next_sequence >= acknowledged_sequence;
    if reaches_mark {
        Ok(whole)
    } else {
        Err(damaged(path, position))
    }
}

/// The record at the reader's position, of which at most `left` bytes remain; nothing if there is
/// no good one.
fn read_record(reader: &mut impl Read, left: u64) -> std::io::Result<Option<(u8, VaultRecord)>> {
    if left < record_len(0) {
        return Ok(None);
    }
    let mut header = [0; RECORD_HEADER_BYTES];
    reader.read_exact(&mut header)?;
    let len = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    if len > RECORD_BYTES_MAX || record_len(len) > left {
        return Ok(None);
    }
    let mut bytes = vec![0; len];
    reader.read_exact(&mut bytes)?;
    let (fields, found) = header.split_at(RECORD_HEADER_BYTES - CHECK_BYTES);
    let place = fields[4];
    if check(&[fields, &bytes]) != found || !matches!(place, MORE_FOLLOW | LAST) {
        return Ok(None);
    }
    let mut sequence = [0; 8];
    sequence.copy_from_slice(&fields[5..13]);
    Ok(Some((
        place,
        VaultRecord {
            sequence: u64::from_le_bytes(sequence),
            bytes,
        },
    )))
}

fn encode_append(first: u64, records: &[Vec<u8>]) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let too_large = StoreError::RecordTooLarge {
            found: record.len(),
            max: RECORD_BYTES_MAX,
        };
        let len = u32::try_from(record.len()).map_err(|_| too_large.clone())?;
        if record.len() > RECORD_BYTES_MAX {
            return Err(too_large);
        }
        let start = bytes.len();
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.push(if index + 1 == records.len() {
            LAST
        } else {
            MORE_FOLLOW
        });
        let index = u64::try_from(index).unwrap_or(u64::MAX);
        bytes.extend_from_slice(&first.saturating_add(index).to_le_bytes());
        let check = check(&[&bytes[start..], record]);
        bytes.extend_from_slice(&check);
        bytes.extend_from_slice(record);
    }
    Ok(bytes)
}

fn header_bytes(acknowledged: u64, next_sequence: u64) -> [u8; HEADER_BYTES as usize] {
    let mut header = [0; HEADER_BYTES as usize];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VAULT_FORMAT.to_le_bytes());
    header[16..24].copy_from_slice(&acknowledged.to_le_bytes());
    header[24..32].copy_from_slice(&next_sequence.to_le_bytes());
    let check = check(&[&header[..32]]);
    header[32..].copy_from_slice(&check);
    header
}

fn parse_header(
    header: &[u8; HEADER_BYTES as usize],
    path: &Path,
) -> Result<(u64, u64), StoreError> {
    let (fields, found) = header.split_at(32);
    if fields[..8] != *MAGIC || check(&[fields]) != found {
        return Err(StoreError::damaged(format!(
            "{}: its header",
            path.display()
        )));
    }
    let u64_at = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&fields[at..at + 8]);
        u64::from_le_bytes(bytes)
    };
    let format = u32::from_le_bytes([fields[8], fields[9], fields[10], fields[11]]);
    if format > VAULT_FORMAT {
        return Err(StoreError::FormatTooNew {
            found: format,
            newest: VAULT_FORMAT,
        });
    }
    if format < VAULT_FORMAT {
        return Err(StoreError::FormatTooOld {
            found: format,
            oldest: VAULT_FORMAT,
        });
    }
    Ok((u64_at(16), u64_at(24)))
}

fn check(parts: &[&[u8]]) -> [u8; CHECK_BYTES] {
    let mut hasher = blake3::Hasher::new_keyed(&CHECK_KEY);
    parts.iter().for_each(|part| {
        hasher.update(part);
    });
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..CHECK_BYTES]);
    check
}

fn record_len(bytes: usize) -> u64 {
    u64::try_from(RECORD_HEADER_BYTES.saturating_add(bytes)).unwrap_or(u64::MAX)
}

fn len_u64<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

fn compact_path(path: &Path) -> PathBuf {
    path.with_extension("new")
}

fn damaged(path: &Path, at: u64) -> StoreError {
    StoreError::damaged(format!("{}: the record at byte {at}", path.display()))
}

#[cfg(test)]
mod tests;
