//! Why a session did not do what it was asked.
//!
//! # Invariants
//! Every message says what happened; the variants keep apart what the user, the node and the disk
//! can do about it.
//!
//! # Spec
//! docs/spec/14-commands.md §3
//!
//! # Not here
//! Exit codes: `cli`.

use chain::{Address, Amount, Height};
use messenger::error::{DelegationError, JoinError, LoadError, SendError};
use rpc::RpcFailure;
use store::StoreError;
use thiserror::Error;
use wallet::vault_key::VaultRecordError;
use wallet::{
    BuildError, ChangeSetError, DiscardError, FollowError, KeyError, KeystoreError, PlanError,
};

/// Why a session did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The password does not open the keystore, or the keystore is damaged; the words say which.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// Words or derived keys were refused.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The profile's folder or vault was refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record of the vault belongs to another wallet or place.
    #[error("the vault is damaged: {0}")]
    VaultRecord(#[from] VaultRecordError),
    /// A record of the vault opens, but does not decode.
    #[error("the vault is damaged: {0}")]
    ChangeSet(#[from] ChangeSetError),
    /// A record of the vault is of no kind that this program knows.
    #[error("the vault holds a record of an unknown kind; use a newer program")]
    RecordKind,
    /// There is no wallet in the folder.
    #[error("no wallet in {folder}; make one with `chainchat wallet new`")]
    NoProfile {
        /// The folder.
        folder: std::path::PathBuf,
    },
    /// There is a wallet in the folder already.
    #[error("{folder} holds a wallet already; nothing was overwritten")]
    ProfileExists {
        /// The folder.
        folder: std::path::PathBuf,
    },
    /// The node refused, or cannot be reached.
    #[error(transparent)]
    Node(#[from] RpcFailure),
    /// The node is on another network than the wallet.
    #[error("the node follows chain {found}, the wallet belongs to {expected}")]
    OtherChain {
        /// The wallet's chain.
        expected: chain::ChainId,
        /// The node's chain.
        found: chain::ChainId,
    },
    /// The profile is for another network than the one asked for.
    #[error("the profile belongs to network {found}; add --network {found}")]
    OtherProfile {
        /// Name of its network.
        found: &'static str,
    },
    /// The node answered with what no honest node answers.
    #[error("the node's answer contradicts itself: {what}")]
    BadAnswer {
        /// What does not fit.
        what: &'static str,
    },
    /// The chain moved faster than it could be followed.
    #[error("the chain kept moving while it was followed; try again")]
    NoRest,
    /// The payment cannot be made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The order could not be signed.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The order cannot be given up.
    #[error(transparent)]
    Discard(#[from] DiscardError),
    /// The chain could not be followed.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// The vault's records about conversations contradict themselves.
    #[error("the vault is damaged: {0}")]
    Messages(#[from] LoadError),
    /// The message was not written.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The conversation was not joined.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The account's word for this device was not taken.
    #[error(transparent)]
    Delegation(#[from] DelegationError),
    /// A message above the size that a stamp admits burns coins.
    #[error("the message burns {burn} X3C and the account can spend {spendable} X3C; shorten it")]
    CannotPay {
        /// What it burns.
        burn: Amount,
        /// What there is.
        spendable: Amount,
    },
    /// Nobody can write to an inbox that was not published.
    #[error("{address} has published no account record; ask its owner to `chainchat chat publish`")]
    NoRecord {
        /// Whose.
        address: Address,
    },
    /// The network does not have the message yet that claims the conversation's keys.
    #[error("the conversation is not on its way to the chain yet; try again in a moment")]
    NotClaimed,
    /// The node is behind the chain that was followed, or still syncing.
    #[error("the node is still syncing (it is at height {height}); try again when it is done")]
    NodeBehind {
        /// The node's height.
        height: Height,
    },
    /// The search for a stamp ended without one.
    #[error("no stamp was found; try again")]
    NoStamp,
}
