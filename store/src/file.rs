//! Small files that are whole or not there, for their owner's eyes only.
//!
//! # Invariants
//! * [`write_atomically`] leaves either the old bytes or the new ones, also after a power cut.
//! * On Unix folders are created 0700 and files 0600, and a link in the place of the file is
//!   replaced, not followed. Other systems inherit what the folder grants.
//!
//! # Spec
//! docs/spec/13-storage.md §1
//!
//! # Not here
//! What a keystore holds (`wallet`); encryption is the caller's.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// Replaces the content of `path` by `bytes`, readable by the owner only: written under a temporary
/// name, synced, renamed, folder synced.
///
/// # Errors
/// [`StoreError::Full`] or [`StoreError::Io`]; the old content stays.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = temporary_name(path);
    remove_if_there(&temporary)?;
    let write = || -> Result<(), StoreError> {
        let mut file = create_private_file(&temporary)?;
        file.write_all(bytes)
            .map_err(|error| StoreError::io("write", &temporary, &error))?;
        file.sync_all()
            .map_err(|error| StoreError::io("sync", &temporary, &error))
    };
    if let Err(error) = write().and_then(|()| rename(&temporary, path)) {
        // The error that matters is the first one.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_folder_of(path)
}

/// Creates `folder` and what is missing above it, and lets only the owner enter it.
///
/// # Errors
/// [`StoreError::Io`].
pub fn create_private_folder(folder: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(folder).map_err(|error| StoreError::io("create", folder, &error))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
            .map_err(|error| StoreError::io("make private", folder, &error))?;
    }
    Ok(())
}

/// Creates a file that only the owner may read; fails if anything has its name.
pub(crate) fn create_private_file(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .map_err(|error| StoreError::io("create", path, &error))
}

/// Opens a file for reading and writing without following a link, creating it where
/// `create` says so.
pub(crate) fn open_private_file(path: &Path, create: Create) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(create == Create::IfMissing);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
        options.mode(0o600).custom_flags(no_follow);
    }
    options.open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => StoreError::Missing {
            path: path.to_path_buf(),
        },
        _ => StoreError::io("open", path, &error),
    })
}

/// Whether opening may create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Create {
    /// The file must be there.
    Never,
    /// It is made if it is not.
    IfMissing,
}

pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(|error| StoreError::io("rename", from, &error))
}

/// Makes the names in the folder of `path` durable.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), StoreError> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => sync_folder(folder),
        _ => sync_folder(Path::new(".")),
    }
}

/// Makes the names in `folder` durable. Other systems than Unix journal names by themselves and
/// cannot open a folder as a file.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    if cfg!(unix) {
        let opened = File::open(folder).map_err(|error| StoreError::io("open", folder, &error))?;
        opened
            .sync_all()
            .map_err(|error| StoreError::io("sync", folder, &error))?;
    }
    Ok(())
}

pub(crate) fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(StoreError::io("remove", path, &error))
        }
        _ => Ok(()),
    }
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("key");
        write_atomically(&path, b"one").expect("writable");
        fs::write(folder.path().join("key.new"), b"left by a crash").expect("writable");
        write_atomically(&path, b"two").expect("writable");
        assert_eq!(fs::read(&path).expect("readable"), b"two");
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    #[test]
    fn a_refused_write_keeps_the_old_bytes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("key");
        fs::create_dir(&path).expect("writable");
        fs::write(path.join("inside"), b"kept").expect("writable");
        assert!(matches!(
            write_atomically(&path, b"x"),
            Err(StoreError::Io { .. })
        ));
        assert_eq!(fs::read(path.join("inside")).expect("readable"), b"kept");
        assert!(!folder.path().join("key.new").exists());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_and_links_are_replaced_not_followed() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().expect("a temporary folder");
        let victim = folder.path().join("victim");
        let private = folder.path().join("a/b");
        fs::write(&victim, b"untouched").expect("writable");
        create_private_folder(&private).expect("writable");
        let path = private.join("key");
        symlink(&victim, &path).expect("links are possible");
        assert!(open_private_file(&path, Create::IfMissing).is_err());
        write_atomically(&path, b"secret").expect("writable");
        let mode = |path: &Path| {
            fs::symlink_metadata(path)
                .expect("there")
                .permissions()
                .mode()
        };
        assert_eq!(mode(&path) & 0o777, 0o600);
        assert_eq!(mode(&private) & 0o777, 0o700);
        assert_eq!(fs::read(&victim).expect("readable"), b"untouched");
    }
}
