//! Keys that vote and sign checkpoints, from their files to the state machine.
//!
//! # Invariants
//! The files are held before anything is signed, and until the node has ended.
//!
//! # Spec
//! docs/spec/14-commands.md §4
//!
//! # Not here
//! The files ([`crate::key_file`]); what is signed ([`crate::voter`]).

use crate::disk::Disk;
use crate::key_file::{KeyFile, KeyFileError, KeyLock};
use crate::ledger::LedgerError;
use crate::protocol::Node;
use crate::voter::{FinalitySigner, Voter};

use super::Config;

/// Key files that this process holds.
pub(super) struct Keys {
    stake: Option<KeyFile>,
    operator: Option<KeyFile>,
}

impl Keys {
    /// Opens the files that the configuration names.
    pub(super) fn open(config: &Config) -> Result<Self, KeyFileError> {
        let open = |path: &Option<_>| path.as_deref().map(KeyFile::open).transpose();
        Ok(Self {
            stake: open(&config.stake_key)?,
            operator: open(&config.operator_key)?,
        })
    }

    /// Sets voter and signer to work, and returns what holds their files.
    pub(super) fn hand_over(self, node: &mut Node<Disk>) -> Result<Vec<KeyLock>, LedgerError> {
        let mut locks = Vec::new();
        if let Some(file) = self.stake {
            let mut keypair = file.keypair();
            let voter = Voter::new(keypair);
            keypair.non_secure_erase();
            tracing::info!(key = ?voter.key(), "the voter listens");
            node.set_voter(voter)?;
            locks.push(file.into_lock());
        }
        if let Some(file) = self.operator {
            let mut keypair = file.keypair();
            let signer = FinalitySigner::new(keypair);
            keypair.non_secure_erase();
            tracing::info!(key = ?signer.key(), "the finality signer listens");
            node.set_signer(signer)?;
            locks.push(file.into_lock());
        }
        Ok(locks)
    }
}
