//! What the vault remembers: change sets, each with the kind of who made it.
//!
//! # Invariants
//! A record is sealed under the wallet's key at its position; the vault sees opaque bytes.
//!
//! # Spec
//! docs/spec/08-wallet.md §8
//!
//! # Not here
//! The log: `store::vault`. The seal: `wallet::vault_key`.

use wallet::ChangeSet;

use crate::error::SessionError;

/// Kind byte of a wallet's change set.
const WALLET: u8 = 0;

/// One remembered change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The wallet changed.
    Wallet(ChangeSet),
}

impl Record {
    /// `kind u8 | change set`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self::Wallet(changes) = self;
        let mut bytes = vec![WALLET];
        bytes.extend_from_slice(&changes.encode());
        bytes
    }

    /// Reads [`Self::encode`].
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, SessionError> {
        match bytes.split_first() {
            Some((&WALLET, changes)) => Ok(Self::Wallet(ChangeSet::decode(changes)?)),
            _ => Err(SessionError::RecordKind),
        }
    }
}
