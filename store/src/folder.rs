//! A data folder: who holds it, whose it is, and whether it is ours at all.
//!
//! # Invariants
//! * One process holds a folder at a time; the system releases the lock when the process ends,
//!   however it ends. The lock file names the holder and is never removed.
//! * A folder is judged before anything in it is written, but for the lock file.
//! * The stamp is text, so that a person can read it and a program of any version can refuse it.
//!
//! # Spec
//! docs/spec/13-storage.md §1, §7
//!
//! # Not here
//! The database inside ([`crate::database`]); `.cookie` and `endpoints.json` are `cli`'s.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use chain::{ChainId, Network};
use genesis::Params;

use crate::error::StoreError;
use crate::file::{self, Create};
use crate::schema::{FORMAT, FORMAT_OLDEST};

/// Name of the lock file.
pub const LOCK_FILE: &str = "lock";
/// Folder of the chain's database inside a node's data folder. To fetch the chain anew, a user
/// removes it.
pub const CHAIN_FOLDER: &str = "chain";
/// The same while it is being made.
pub(crate) const CHAIN_FOLDER_NEW: &str = "chain.new";
/// The stamp inside the chain's folder.
pub const STAMP_FILE: &str = "stamp";
/// The database inside the chain's folder.
pub(crate) const DATABASE_FOLDER: &str = "database";

/// Longest stamp or lock file that is read (bytes); ours are shorter than 300.
const TEXT_BYTES_MAX: u64 = 1024;
/// Files that a person or a script may have put into a folder before its first use: settings, keys,
/// the output of the program itself. Hidden files belong to `cli`.
const EARLY_EXTENSIONS: [&str; 6] = ["toml", "key", "json", "log", "txt", "pid"];

/// Holds a folder against all other processes until dropped.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
}

impl FolderLock {
    /// Takes the folder, which must exist.
    ///
    /// # Errors
    /// [`StoreError::Locked`] with the holder's process id where it can be read.
    pub fn acquire(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(LOCK_FILE);
        let mut file = file::open_private_file(&path, Create::IfMissing)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = read_text(&mut file)
                    .ok()
                    .and_then(|text| text.trim().parse().ok());
                return Err(StoreError::Locked {
                    folder: folder.to_path_buf(),
                    pid,
                });
            }
            Err(TryLockError::Error(error)) => {
                return Err(StoreError::io("lock", &path, &error));
            }
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            writeln!(file, "{}", std::process::id())
        };
        // The lock holds without the name in it; a full disk must not keep a node from starting.
        if let Err(error) = write(&mut file) {
            tracing::warn!(path = %path.display(), %error, "the lock file does not name its holder");
        }
        Ok(Self { file })
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing the file would do; doing it in words keeps the field in use.
        let _ = self.file.unlock();
    }
}

fn read_text(file: &mut File) -> std::io::Result<String> {
    let mut text = String::new();
    file.take(TEXT_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// What the chain's folder says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Version of the schema.
    pub format: u32,
    /// Network.
    pub network: Network,
    /// Chain.
    pub chain: ChainId,
}

/// First line of every stamp.
const STAMP_TITLE: &str = "ChainChat chain folder";

impl Stamp {
    /// The stamp of a folder made by this program for `params`.
    pub(crate) fn of(params: &Params) -> Self {
        Self {
            format: FORMAT,
            network: params.network,
            chain: params.chain_id(),
        }
    }

    /// The text, with a check in its last line.
    pub(crate) fn to_text(self) -> String {
        let Self {
            format,
            network,
            chain,
        } = self;
        let body = format!("{STAMP_TITLE}\nformat {format}\nnetwork {network}\nchain {chain}\n");
        let check = text_check(&body);
        format!("{body}check {check}\n")
    }

    /// Reads the text. The format comes first: what follows it is the business of that format.
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        let damaged = |what: &str| StoreError::damaged(format!("stamp: {what}"));
        let (body, check) = text
            .trim_end_matches('\n')
            .rsplit_once("\ncheck ")
            .ok_or_else(|| damaged("it has no check"))?;
        let body = format!("{body}\n");
        if text_check(&body) != check {
            return Err(damaged("its check does not hold"));
        }
        let mut lines = body.lines();
        if lines.next() != Some(STAMP_TITLE) {
            return Err(damaged("unknown title"));
        }
        let mut field = |name: &str| {
            let line = lines.next().unwrap_or_default();
            line.strip_prefix(name)
                .and_then(|rest| rest.strip_prefix(' '))
                .ok_or_else(|| damaged(&format!("no {name}")))
        };
        let format = field("format")?
            .parse()
            .map_err(|_| damaged("format is not a number"))?;
        check_format(format)?;
        let network = field("network")?
            .parse()
            .map_err(|_| damaged("unknown network"))?;
        let chain = parse_hex(field("chain")?).ok_or_else(|| damaged("chain is not an id"))?;
        Ok(Self {
            format,
            network,
            chain,
        })
    }

    /// Whether a folder with this stamp may be used under `params`.
    pub(crate) fn check(&self, params: &Params) -> Result<(), StoreError> {
        check_format(self.format)?;
        let expected = Self::of(params);
        if self.network != expected.network {
            let (expected, found) = (expected.network, self.network);
            return Err(StoreError::WrongNetwork { expected, found });
        }
        if self.chain != expected.chain {
            let (expected, found) = (expected.chain, self.chain);
            return Err(StoreError::WrongChain { expected, found });
        }
        Ok(())
    }
}

fn check_format(found: u32) -> Result<(), StoreError> {
    if found > FORMAT {
        return Err(StoreError::FormatTooNew {
            found,
            newest: FORMAT,
        });
    }
    if found < FORMAT_OLDEST {
        return Err(StoreError::FormatTooOld {
            found,
            oldest: FORMAT_OLDEST,
        });
    }
    Ok(())
}

fn text_check(body: &str) -> String {
    blake3::hash(body.as_bytes()).to_hex()[..16].to_owned()
}

fn parse_hex(text: &str) -> Option<ChainId> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (position, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * position..2 * position + 2)?, 16).ok()?;
    }
    Some(ChainId::from_bytes(bytes))
}

/// What a data folder holds, judged by its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing of a chain: one may be made.
    Nothing,
    /// A chain of ours.
    Chain,
}

/// Judges the folder without touching it.
pub(crate) fn judge(folder: &Path, params: &Params) -> Result<Found, StoreError> {
    let chain = folder.join(CHAIN_FOLDER);
    let foreign = |found: String| StoreError::ForeignFolder {
        folder: folder.to_path_buf(),
        found,
    };
    if fs::symlink_metadata(&chain).is_err() {
        refuse_foreign(folder)?;
        return Ok(Found::Nothing);
    }
    let stamp = chain.join(STAMP_FILE);
    let text = match File::open(&stamp) {
        Ok(mut file) => {
            read_text(&mut file).map_err(|error| StoreError::damaged(format!("stamp: {error}")))?
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(foreign(format!("{CHAIN_FOLDER} without a {STAMP_FILE}")));
        }
        Err(error) => return Err(StoreError::io("open", &stamp, &error)),
    };
    Stamp::parse(&text)?.check(params)?;
    Ok(Found::Chain)
}

fn refuse_foreign(folder: &Path) -> Result<(), StoreError> {
    let entries = fs::read_dir(folder).map_err(|error| StoreError::io("read", folder, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| StoreError::io("read", folder, &error))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_ours = name == LOCK_FILE || name == CHAIN_FOLDER_NEW;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        let is_early = name.starts_with('.')
            || extension.is_some_and(|found| EARLY_EXTENSIONS.contains(&found));
        if !is_ours && (is_folder || !is_early) {
            let folder = folder.to_path_buf();
            return Err(StoreError::ForeignFolder {
                folder,
                found: name.into_owned(),
            });
        }
    }
    Ok(())
}

/// Path of the database inside a chain's folder.
pub(crate) fn database(chain_folder: &Path) -> PathBuf {
    chain_folder.join(DATABASE_FOLDER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> Params {
        Params::of(Network::Regtest)
    }

    #[test]
    fn a_held_folder_names_its_holder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let held = FolderLock::acquire(folder.path()).expect("free");
        let expected = StoreError::Locked {
            folder: folder.path().to_path_buf(),
            pid: cfg!(unix).then(std::process::id),
        };
        assert_eq!(
            FolderLock::acquire(folder.path()).map(|_| ()),
            Err(expected)
        );
        drop(held);
        assert!(FolderLock::acquire(folder.path()).is_ok());
    }

    #[test]
    fn a_stamp_reads_back_and_every_flipped_bit_is_noticed() {
        let text = Stamp::of(&params()).to_text();
        assert_eq!(Stamp::parse(&text), Ok(Stamp::of(&params())));
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Ok(flipped) = String::from_utf8(bytes) else {
                continue;
            };
            if let Ok(stamp) = Stamp::parse(&flipped) {
                // Only line ends at the very end carry no meaning.
                assert_eq!(stamp, Stamp::of(&params()), "bit {bit}");
            }
        }
    }

    #[test]
    fn another_network_chain_or_format_is_refused_by_name() {
        let ours = Stamp::of(&params());
        let other = Stamp {
            network: Network::Dev,
            ..ours
        };
        let refused = StoreError::WrongNetwork {
            expected: Network::Regtest,
            found: Network::Dev,
        };
        assert_eq!(other.check(&params()), Err(refused));
        let other = Stamp {
            chain: ChainId::from_bytes([1; 32]),
            ..ours
        };
        let refused = StoreError::WrongChain {
            expected: ours.chain,
            found: other.chain,
        };
        assert_eq!(other.check(&params()), Err(refused));
        let newer = Stamp {
            format: FORMAT + 1,
            ..ours
        }
        .to_text();
        let refused = StoreError::FormatTooNew {
            found: FORMAT + 1,
            newest: FORMAT,
        };
        assert_eq!(Stamp::parse(&newer), Err(refused));
        let older = Stamp { format: 0, ..ours }.to_text();
        let refused = StoreError::FormatTooOld {
            found: 0,
            oldest: FORMAT_OLDEST,
        };
        assert_eq!(Stamp::parse(&older), Err(refused));
    }

    #[test]
    fn foreign_folders_are_told_from_fresh_ones() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(judge(folder.path(), &params()), Ok(Found::Nothing));
        for early in [".cookie", "node.log", "config.toml", "lock"] {
            fs::write(folder.path().join(early), b"").expect("writable");
        }
        assert_eq!(judge(folder.path(), &params()), Ok(Found::Nothing));
        for foreign in ["letter.doc", "CURRENT"] {
            let path = folder.path().join(foreign);
            fs::write(&path, b"").expect("writable");
            assert!(matches!(
                judge(folder.path(), &params()),
                Err(StoreError::ForeignFolder { found, .. }) if found == foreign
            ));
            fs::remove_file(path).expect("there");
        }
        fs::create_dir(folder.path().join(CHAIN_FOLDER)).expect("writable");
        let refused = judge(folder.path(), &params()).expect_err("no stamp");
        assert!(matches!(refused, StoreError::ForeignFolder { .. }));
    }
}
