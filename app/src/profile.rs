//! The user's folder: one keystore, one vault.
//!
//! # Invariants
//! * Nothing is ever overwritten by accident: a folder with a wallet refuses another.
//! * The keystore is replaced by rename; a crash leaves the old or the new one.
//!
//! # Spec
//! docs/spec/16-session.md §1
//!
//! # Not here
//! Keys and ledger: [`crate::session`].

use std::io::Read;
use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use store::{KillPoints, StoreError, Vault, write_atomically};
use wallet::keys::Seed;
use wallet::keystore::{self, Cost};
use zeroize::Zeroizing;

use crate::error::SessionError;

const KEYSTORE_FILE: &str = "keystore";
const VAULT_FOLDER: &str = "vault";

/// A user's folder, held against other processes by its vault.
#[derive(Debug)]
pub(crate) struct Profile {
    folder: PathBuf,
    pub(crate) vault: Vault,
}

impl Profile {
    /// Makes a new profile.
    pub(crate) fn create(
        folder: &Path,
        seed: &Seed,
        password: &str,
        cost: Cost,
        kill_points: KillPoints,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, SessionError> {
        let exists = || SessionError::ProfileExists {
            folder: folder.to_owned(),
        };
        let vault_folder = folder.join(VAULT_FOLDER);
        if folder.join(KEYSTORE_FILE).exists() {
            return Err(exists());
        }
        let sealed = keystore::seal(&seed.to_bytes()?, password, cost, rng)?;
        store::file::create_private_folder(folder)?;
        let vault = if vault_folder.exists() {
            // Left behind by a beginning that was interrupted, if nothing was ever written to it.
            let vault = Vault::open(&vault_folder, kill_points)?;
            if vault.replay()?.next().is_some() {
                return Err(exists());
            }
            vault
        } else {
            Vault::create(&vault_folder, kill_points)?
        };
        // Last: a folder with a keystore is a whole profile.
        write_atomically(&folder.join(KEYSTORE_FILE), &sealed)?;
        Ok(Self {
            folder: folder.to_owned(),
            vault,
        })
    }

    /// Opens a profile and its keystore.
    pub(crate) fn open(
        folder: &Path,
        password: &str,
        kill_points: KillPoints,
    ) -> Result<(Self, Seed), SessionError> {
        let seed = Self::read_seed(folder, password)?;
        let vault = Vault::open(&folder.join(VAULT_FOLDER), kill_points)?;
        Ok((
            Self {
                folder: folder.to_owned(),
                vault,
            },
            seed,
        ))
    }

    /// Replaces the keystore by one under another password.
    pub(crate) fn change_password(
        &self,
        old: &str,
        new: &str,
        cost: Cost,
        rng: &mut impl CryptoRng,
    ) -> Result<(), SessionError> {
        let seed = Self::read_seed(&self.folder, old)?;
        let sealed = keystore::seal(&seed.to_bytes()?, new, cost, rng)?;
        write_atomically(&self.folder.join(KEYSTORE_FILE), &sealed)?;
        Ok(())
    }

    /// Copies the encrypted keystore to a file that must not exist.
    pub(crate) fn backup(&self, to: &Path) -> Result<(), SessionError> {
        if to.exists() {
            return Err(StoreError::Exists {
                path: to.to_owned(),
            }
            .into());
        }
        let sealed = read_keystore(&self.folder)?;
        write_atomically(to, &sealed)?;
        Ok(())
    }

    fn read_seed(folder: &Path, password: &str) -> Result<Seed, SessionError> {
        let sealed = read_keystore(folder)?;
        let seed: Zeroizing<Vec<u8>> = keystore::open(&sealed, password)?;
        Ok(Seed::from_bytes(&seed)?)
    }
}

fn read_keystore(folder: &Path) -> Result<Vec<u8>, SessionError> {
    let path = folder.join(KEYSTORE_FILE);
    let io = |error: &std::io::Error| StoreError::io("read", &path, error);
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(SessionError::NoProfile {
                folder: folder.to_owned(),
            });
        }
        Err(error) => return Err(io(&error).into()),
    };
    let mut sealed = Vec::new();
    let limit = keystore::BYTES_MAX as u64 + 1;
    file.take(limit)
        .read_to_end(&mut sealed)
        .map_err(|error| io(&error))?;
    Ok(sealed)
}
