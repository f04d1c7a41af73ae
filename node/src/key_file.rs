//! Files of vote keys and operator keys: made once, and held by one process at a time.
//!
//! # Invariants
//! * A file is created new, for its owner alone, and never overwritten; a link in its place is not
//!   followed.
//! * Nothing is read from a file that others may read. Nobody signs votes with one that another
//!   process holds; the system gives the hold back when the process ends, however it ends.
//! * A file that was made is durable, with its name.
//! * What is read is erased when dropped.
//!
//! # Spec
//! docs/spec/14-commands.md §10
//!
//! # Not here
//! What the keys sign: [`crate::voter`]. Copies of a file: no lock sees them, so a voter listens
//! before it signs.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use chain::PublicKey;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use secp256k1::Keypair;
use zeroize::Zeroizing;

/// Bytes of a secret key.
const SECRET_BYTES: usize = 32;
/// Longest file that is read (bytes); ours are 65.
const TEXT_BYTES_MAX: u64 = 256;

/// Why a key file was not made or not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// There is something where the file was to be made.
    #[error("{path} already exists and is left as it is")]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// There is no such file.
    #[error("{path} does not exist")]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// Another process signs with this key, or this one does already.
    #[error("{path} is in use by another process: a key signs in one node at a time")]
    Locked {
        /// The path.
        path: PathBuf,
    },
    /// Others than the owner may read the file.
    #[error("others may read {path} (mode {mode:03o}); make it 600, or use another key")]
    Exposed {
        /// The path.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The content is no secret key.
    #[error(
        "{path} is not a key file: it holds 64 hexadecimal digits of a secret key, nothing else"
    )]
    NotAKey {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action} {path}: {reason}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
}

impl KeyFileError {
    fn io(action: &'static str, path: &Path, error: &std::io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_path_buf(),
            reason: error.to_string(),
        }
    }
}

/// A key file that this process holds, and the key in it.
#[derive(Debug)]
pub struct KeyFile {
    secret: Secret,
    lock: KeyLock,
}

/// Holds a key file against all other processes until dropped.
#[derive(Debug)]
pub struct KeyLock(File);

impl Drop for KeyLock {
    fn drop(&mut self) {
        // Closing the file would do; doing it in words keeps the field in use.
        let _ = self.0.unlock();
    }
}

struct Secret(Zeroizing<[u8; SECRET_BYTES]>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

impl Secret {
    fn keypair(&self) -> Option<Keypair> {
        Keypair::from_secret_bytes(*self.0).ok()
    }
}

impl KeyFile {
    /// Makes a key file out of 32 random bytes and returns the public key. Of all 32 bytes, all but
    /// one in 2^127 are a key; the caller draws again after [`KeyFileError::NotAKey`].
    ///
    /// # Errors
    /// [`KeyFileError::Exists`], [`KeyFileError::NotAKey`] or [`KeyFileError::Io`]; nothing is left
    /// behind.
    pub fn create(path: &Path, secret: &[u8; SECRET_BYTES]) -> Result<PublicKey, KeyFileError> {
        let not_a_key = || KeyFileError::NotAKey {
            path: path.to_path_buf(),
        };
        let secret = Secret(Zeroizing::new(*secret));
        let mut keypair = secret.keypair().ok_or_else(not_a_key)?;
        let public = PublicKey::from(&keypair);
        keypair.non_secure_erase();
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => KeyFileError::Exists {
                path: path.to_path_buf(),
            },
            _ => KeyFileError::io("create", path, &error),
        })?;
        let mut text = Zeroizing::new(HEXLOWER.encode(&*secret.0));
        text.push('\n');
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| sync_folder_of(path));
        written.map_err(|error| {
            // The error that matters is the first one.
            let _ = std::fs::remove_file(path);
            KeyFileError::io("write", path, &error)
        })?;
        Ok(public)
    }

    /// Opens a key file and holds it.
    ///
    /// # Errors
    /// [`KeyFileError`], by the first thing that is wrong.
    pub fn open(path: &Path) -> Result<Self, KeyFileError> {
        // Reading is enough to hold it; a key may lie on a medium that nobody writes to.
        let file = open_private(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(KeyFileError::Locked {
                    path: path.to_path_buf(),
                });
            }
            Err(TryLockError::Error(error)) => {
                return Err(KeyFileError::io("lock", path, &error));
            }
        }
        let lock = KeyLock(file);
        let secret = read_secret(path, &lock.0)?;
        Ok(Self { secret, lock })
    }

    /// The key in a file that is not held, for an order that names it: no vote is signed with it. The
    /// caller erases it.
    ///
    /// # Errors
    /// [`KeyFileError`], by the first thing that is wrong; never [`KeyFileError::Locked`].
    pub fn read(path: &Path) -> Result<Keypair, KeyFileError> {
        let secret = read_secret(path, &open_private(path)?)?;
        Ok(secret.keypair().expect("it was checked when it was read"))
    }

    /// The key. `Keypair` is `Copy`: a copy must be erased by who makes it.
    #[must_use]
    pub fn keypair(&self) -> Keypair {
        self.secret
            .keypair()
            .expect("it was checked when it was read")
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut keypair = self.keypair();
        let public = PublicKey::from(&keypair);
        keypair.non_secure_erase();
        public
    }

    /// Erases the key from memory and goes on holding the file.
    #[must_use]
    pub fn into_lock(self) -> KeyLock {
        self.lock
    }
}

/// Makes a new name in the folder of `path` outlast a power cut.
#[cfg(unix)]
fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Folders cannot be synced here; the system journals names.
#[cfg(not(unix))]
fn sync_folder_of(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Opens a file that only its owner may read.
fn open_private(path: &Path) -> Result<File, KeyFileError> {
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => KeyFileError::Missing {
            path: path.to_path_buf(),
        },
        _ => KeyFileError::io("open", path, &error),
    })?;
    refuse_exposed(path, &file)?;
    Ok(file)
}

fn refuse_exposed(path: &Path, file: &File) -> Result<(), KeyFileError> {
    let metadata = file
        .metadata()
        .map_err(|error| KeyFileError::io("examine", path, &error))?;
    if !metadata.is_file() {
        return Err(KeyFileError::NotAKey {
            path: path.to_path_buf(),
        });
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Exposed {
                path: path.to_path_buf(),
                mode,
            });
        }
    }
    Ok(())
}

fn read_secret(path: &Path, file: &File) -> Result<Secret, KeyFileError> {
    let not_a_key = || KeyFileError::NotAKey {
        path: path.to_path_buf(),
    };
    let capacity = usize::try_from(TEXT_BYTES_MAX).unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(capacity));
    match file.take(TEXT_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::InvalidData => return Err(not_a_key()),
        Err(error) => return Err(KeyFileError::io("read", path, &error)),
    }
    let digits = text.trim().as_bytes();
    if digits.len() != 2 * SECRET_BYTES {
        return Err(not_a_key());
    }
    let mut secret = Secret(Zeroizing::new([0; SECRET_BYTES]));
    HEXLOWER_PERMISSIVE
        .decode_mut(digits, &mut *secret.0)
        .map_err(|_| not_a_key())?;
    let mut keypair = secret.keypair().ok_or_else(not_a_key)?;
    keypair.non_secure_erase();
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    fn make_private(path: &Path) {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let private = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(path, private).expect("ours");
        }
        #[cfg(not(unix))]
        let _ = path;
    }

    #[test]
    fn a_key_that_was_made_reads_back_and_is_not_printed() {
        let folder = folder();
        let path = folder.path().join("stake.key");
        let public = KeyFile::create(&path, &[0x5a; 32]).expect("a fresh file");
        let text = std::fs::read_to_string(&path).expect("readable");
        assert_eq!(text, format!("{}\n", "5a".repeat(32)));
        let file = KeyFile::open(&path).expect("a key file");
        assert_eq!(file.public(), public);
        assert_eq!(PublicKey::from(&file.keypair()), public);
        let printed = format!("{file:?}");
        assert!(
            !printed.contains("5a5a") && !printed.contains("90, 90"),
            "{printed}"
        );
    }

    #[test]
    fn a_key_file_is_never_overwritten() {
        let folder = folder();
        let path = folder.path().join("stake.key");
        KeyFile::create(&path, &[1; 32]).expect("a fresh file");
        let exists = KeyFileError::Exists { path: path.clone() };
        assert_eq!(KeyFile::create(&path, &[2; 32]), Err(exists));
        let text = std::fs::read_to_string(&path).expect("readable");
        assert_eq!(text.trim(), "01".repeat(32));
    }

    #[test]
    fn what_is_no_secret_key_is_refused_and_leaves_no_file() {
        let folder = folder();
        let path = folder.path().join("stake.key");
        let refused = Err(KeyFileError::NotAKey { path: path.clone() });
        assert_eq!(KeyFile::create(&path, &[0; 32]), refused);
        assert!(!path.exists());
        let long = "01".repeat(33);
        for text in [
            "",
            "01",
            "no key",
            &long,
            &"00".repeat(32),
            &"0g".repeat(32),
            "\u{fffd}",
        ] {
            std::fs::write(&path, text).expect("writable");
            make_private(&path);
            let refused = refused.clone().map(|_: PublicKey| ());
            assert_eq!(KeyFile::open(&path).map(|_| ()), refused, "{text}");
            assert_eq!(KeyFile::read(&path).map(|_| ()), refused, "{text}");
        }
        let missing = folder.path().join("nothing");
        let opened = KeyFile::open(&missing).map(|_| ());
        let refused = Err(KeyFileError::Missing {
            path: missing.clone(),
        });
        assert_eq!(opened, refused);
        assert_eq!(KeyFile::read(&missing).map(|_| ()), refused);
    }

    #[test]
    fn one_holder_at_a_time() {
        let folder = folder();
        let path = folder.path().join("stake.key");
        KeyFile::create(&path, &[1; 32]).expect("a fresh file");
        let held = KeyFile::open(&path).expect("free").into_lock();
        let locked = Err(KeyFileError::Locked { path: path.clone() });
        assert_eq!(KeyFile::open(&path).map(|_| ()), locked);
        // An order that names the key may be made meanwhile.
        let read = KeyFile::read(&path).expect("a key file");
        assert_eq!(read.to_secret_bytes(), [1; 32]);
        drop(held);
        assert!(KeyFile::open(&path).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_of_a_bare_name_is_the_present_one() {
        assert!(sync_folder_of(Path::new("stake.key")).is_ok());
        let folder = folder();
        assert!(sync_folder_of(&folder.path().join("stake.key")).is_ok());
        let nowhere = folder.path().join("nothing").join("stake.key");
        assert!(sync_folder_of(&nowhere).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused_and_links_are_not_followed_by_create() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = folder();
        let path = folder.path().join("stake.key");
        KeyFile::create(&path, &[1; 32]).expect("a fresh file");
        let set = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, permissions).expect("ours");
        };
        for mode in [0o640, 0o604, 0o620] {
            set(mode);
            let exposed = KeyFileError::Exposed {
                path: path.clone(),
                mode,
            };
            assert_eq!(KeyFile::open(&path).map(|_| ()), Err(exposed.clone()));
            assert_eq!(KeyFile::read(&path).map(|_| ()), Err(exposed));
        }
        set(0o400);
        assert!(KeyFile::open(&path).is_ok());
        let link = folder.path().join("link");
        symlink(folder.path().join("elsewhere"), &link).expect("links are possible");
        let refused = KeyFile::create(&link, &[1; 32]);
        assert_eq!(refused, Err(KeyFileError::Exists { path: link }));
        assert!(!folder.path().join("elsewhere").exists());
    }
}
