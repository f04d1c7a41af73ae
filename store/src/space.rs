//! How much room is left on the volume, and how much of it is kept in reserve.
//!
//! # Invariants
//! * New work (blocks, submissions) never eats into the reserve; reverting, expiring and compacting
//!   may.
//! * Where the system does not tell how much is free, only a refused write counts as full.
//!
//! # Spec
//! docs/spec/13-storage.md §6
//!
//! # Not here
//! What a node does about it: `node`.

use std::fmt;
use std::path::Path;

use crate::error::StoreError;

/// Most that is kept free (bytes): a compaction of the largest level-0 files, a full set of write
/// buffers and a few hundred reverted blocks fit into it.
pub const RESERVE_BYTES_MAX: u64 = 256 << 20;
/// On small volumes the reserve is the volume divided by this.
pub const RESERVE_FRACTION: u64 = 10;

/// Room on a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that this process may still write.
    pub free_bytes: u64,
    /// Size of the volume.
    pub total_bytes: u64,
}

impl Space {
    /// Bytes that are kept free on a volume of this size.
    #[must_use]
    pub const fn reserve_bytes(&self) -> u64 {
        let share = self.total_bytes / RESERVE_FRACTION;
        if share < RESERVE_BYTES_MAX {
            share
        } else {
            RESERVE_BYTES_MAX
        }
    }
}

/// Tells how much room there is; a fake one lets tests fill a disk that is not full.
pub trait Volume: Send + Sync + fmt::Debug {
    /// Room on the volume that holds `folder`, or nothing where the system does not tell.
    fn space(&self, folder: &Path) -> Option<Space>;
}

/// The operating system's word.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemVolume;

impl Volume for SystemVolume {
    #[cfg(unix)]
    fn space(&self, folder: &Path) -> Option<Space> {
        let volume = rustix::fs::statvfs(folder).ok()?;
        Some(Space {
            free_bytes: volume.f_bavail.saturating_mul(volume.f_frsize),
            total_bytes: volume.f_blocks.saturating_mul(volume.f_frsize),
        })
    }

    #[cfg(not(unix))]
    fn space(&self, _: &Path) -> Option<Space> {
        None
    }
}

/// Whether `bytes` more fit on the volume of `folder` above its reserve.
pub(crate) fn check(volume: &dyn Volume, folder: &Path, bytes: u64) -> Result<(), StoreError> {
    let Some(space) = volume.space(folder) else {
        return Ok(());
    };
    let reserve_bytes = space.reserve_bytes();
    if space.free_bytes < reserve_bytes.saturating_add(bytes) {
        return Err(StoreError::Full {
            free_bytes: Some(space.free_bytes),
            reserve_bytes,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fixed(Option<Space>);

    impl Volume for Fixed {
        fn space(&self, _: &Path) -> Option<Space> {
            self.0
        }
    }

    #[test]
    fn the_reserve_is_a_tenth_of_small_volumes_and_capped_on_large_ones() {
        let space = |total_bytes| Space {
            free_bytes: 0,
            total_bytes,
        };
        assert_eq!(space(64 << 20).reserve_bytes(), (64 << 20) / 10);
        assert_eq!(space(1 << 40).reserve_bytes(), RESERVE_BYTES_MAX);
    }

    #[test]
    fn work_stops_at_the_reserve() {
        let volume = Fixed(Some(Space {
            free_bytes: 150,
            total_bytes: 1000,
        }));
        assert_eq!(check(&volume, Path::new("."), 50), Ok(()));
        let full = StoreError::Full {
            free_bytes: Some(150),
            reserve_bytes: 100,
        };
        assert_eq!(check(&volume, Path::new("."), 51), Err(full));
    }

    #[test]
    fn a_system_that_does_not_tell_stops_nothing() {
        assert_eq!(check(&Fixed(None), Path::new("."), u64::MAX), Ok(()));
    }

    #[cfg(unix)]
    #[test]
    fn the_system_knows_the_volume_of_a_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let space = SystemVolume.space(folder.path()).expect("the system tells");
        assert!(space.free_bytes <= space.total_bytes);
        assert!(space.total_bytes > 0);
    }
}
