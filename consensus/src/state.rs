//! The consensus state as the rules see it: keys, the view they read through, the difference they
//! hand back.
//!
//! # Invariants
//! * A [`StateView`] shows exactly one state: the one after its tip.
//! * `apply` hands out two [`StateDiff`]s: committing the first moves the state one block forward,
//!   committing the second moves it back, byte for byte, in every map.
//! * The tree holds exactly the nodes of the current version; what a block makes stale is removed
//!   in the same commit and lives on in its undo.
//!
//! # Spec
//! docs/spec/11-state.md
//!
//! # Not here
//! Where the maps are kept: `store`.

use std::collections::BTreeMap;

use chain::codec::{SchemaRead, SchemaWrite};
use chain::units::RateEpoch;
use chain::{AccountId, Header, Height, PublicKey};

use crate::error::ViewError;

/// Names a value of the state. The encoding is the storage key; its hash is the tree's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub enum StateKey {
    /// Balance and nonce of an account.
    #[wincode(tag = 0)]
    Account(AccountId),
    /// Record of an account.
    #[wincode(tag = 1)]
    Record(AccountId),
    /// Supply, minted and burned so far.
    #[wincode(tag = 2)]
    Supply,
    /// Price of a KiB in a rate epoch.
    #[wincode(tag = 3)]
    Price(RateEpoch),
    /// Body size of the block at this position of the current term.
    #[wincode(tag = 4)]
    BodySize(u32),
    /// Limit of a body in the current term.
    #[wincode(tag = 5)]
    BodyLimit,
    /// Justified and finalized checkpoint.
    #[wincode(tag = 6)]
    Finality,
    /// Uncles that recent blocks included.
    #[wincode(tag = 7)]
    RecentUncles,
}

/// What the rules read: the state after the tip, and the headers below it.
pub trait StateView {
    /// The encoded value under `key`.
    ///
    /// # Errors
    /// [`ViewError`]: the storage failed.
    fn value(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ViewError>;

    /// The encoded tree node under the encoded node key.
    ///
    /// # Errors
    /// [`ViewError`]: the storage failed.
    fn node(&self, node_key: &[u8]) -> Result<Option<Vec<u8>>, ViewError>;

    /// The rate epoch of the envelope that used `one_time_key`, if one in the includable window did.
    ///
    /// # Errors
    /// [`ViewError`]: the storage failed.
    fn seen(&self, one_time_key: &PublicKey) -> Result<Option<RateEpoch>, ViewError>;

    /// All one-time keys that envelopes of `epoch` used, ascending.
    ///
    /// # Errors
    /// [`ViewError`]: the storage failed.
    fn seen_in(&self, epoch: RateEpoch) -> Result<Vec<PublicKey>, ViewError>;

    /// Header of the tip or of its ancestor at `height`.
    ///
    /// # Errors
    /// [`ViewError`]: the storage failed.
    fn ancestor(&self, height: Height) -> Result<Option<Header>, ViewError>;

    /// Height of the tip.
    ///
    /// # Errors
    /// [`ViewError`]: the storage failed.
    fn tip_height(&self) -> Result<Height, ViewError>;
}

/// A change of all maps of the state; `None` removes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateDiff {
    /// Values by key.
    pub values: BTreeMap<StateKey, Option<Vec<u8>>>,
    /// Tree nodes by encoded node key.
    pub nodes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Seen one-time keys, outside the tree.
    pub seen: BTreeMap<PublicKey, Option<RateEpoch>>,
}
