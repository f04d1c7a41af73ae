//! What the vault remembers: change sets, each with the kind of who made it.
//!
//! # Invariants
//! A record is sealed under the wallet's key at its position; the vault sees opaque bytes.
//!
//! # Spec
//! docs/spec/16-session.md §1
//!
//! # Not here
//! The log: `store::vault`. The seal: `wallet::vault_key`.

use zeroize::Zeroizing;

use crate::error::SessionError;

/// Kind byte of a wallet's change set.
const WALLET: u8 = 0;
/// Kind byte of a messenger's change set.
const MESSENGER: u8 = 1;

/// One remembered change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The wallet changed.
    Wallet(wallet::ChangeSet),
    /// The messenger changed.
    Messenger(messenger::ChangeSet),
}

impl Record {
    /// `kind u8 | change set`.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let (kind, changes) = match self {
            Self::Wallet(changes) => (WALLET, Zeroizing::new(changes.encode())),
            Self::Messenger(changes) => (
                MESSENGER,
                Zeroizing::new(changes.encode().expose().to_vec()),
            ),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(changes.len().saturating_add(1)));
        bytes.push(kind);
        bytes.extend_from_slice(&changes);
        bytes
    }

    /// Reads [`Self::encode`].
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, SessionError> {
        match bytes.split_first() {
            Some((&WALLET, changes)) => Ok(Self::Wallet(wallet::ChangeSet::decode(changes)?)),
            Some((&MESSENGER, changes)) => {
                Ok(Self::Messenger(messenger::ChangeSet::decode(changes)?))
            }
            _ => Err(SessionError::RecordKind),
        }
    }
}
