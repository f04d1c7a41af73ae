//! The consensus state as the rules see it: keys, the view they read through, the difference they
//! hand back, and the hash that two nodes compare.
//!
//! # Invariants
//! * A [`StateView`] shows exactly one state: the one after its tip. The state after genesis is
//!   empty; an absent value stands for its default ([`value`]).
//! * `apply` hands out two [`StateDiff`]s: committing the first moves the state one block forward,
//!   committing the second moves it back, byte for byte, in every map.
//! * A value that is over is removed: a released bond, a snapshot that no height needs.
//! * The tree holds exactly the nodes of the current version, which is the tip's height; what a
//!   block makes stale is removed in the same commit and lives on in its undo.
//!
//! # Spec
//! docs/spec/11-state.md
//!
//! # Not here
//! Where the maps are kept: `store`.

use std::collections::BTreeMap;

use chain::codec::{SchemaRead, SchemaWrite};
use chain::hash::{context, derive};
use chain::units::{BondId, MasternodeId, RateEpoch, Term};
use chain::{AccountId, Hash32, Header, Height, PublicKey};
use genesis::Params;

use crate::error::ViewError;

pub(crate) mod overlay;
pub mod tree;
pub mod value;

pub use tree::root;
pub use value::{Account, EpochPrice, Finality, RecentUncle, Supply};

/// Names a value of the state. The encoding is the storage key; its hash is the tree's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub enum StateKey {
    /// Balance and nonce of an account: [`Account`].
    #[wincode(tag = 0)]
    Account(AccountId),
    /// Record of an account: [`chain::record::AccountRecord`].
    #[wincode(tag = 1)]
    Record(AccountId),
    /// Supply, minted and burned so far: [`Supply`].
    #[wincode(tag = 2)]
    Supply,
    /// Prices of the rate epochs that blocks may still ask for: [`value::Prices`].
    #[wincode(tag = 3)]
    Prices,
    /// Body size (bytes, u64) of the block at this position of its term.
    #[wincode(tag = 4)]
    BodySize(u32),
    /// Limit of a body (bytes, u64) in the current term.
    #[wincode(tag = 5)]
    BodyLimit,
    /// Justified and finalized checkpoint: [`Finality`].
    #[wincode(tag = 6)]
    Finality,
    /// Uncles that recent blocks included: [`value::RecentUncles`].
    #[wincode(tag = 7)]
    RecentUncles,
    /// Bonds and masternodes ever made: [`value::Counters`].
    #[wincode(tag = 8)]
    Counters,
    /// A bond: [`value::Bond`].
    #[wincode(tag = 9)]
    Bond(BondId),
    /// The bond ([`BondId`]) that holds coins under this vote key.
    #[wincode(tag = 10)]
    VoteKey(PublicKey),
    /// Which bonds of a page are there: [`value::LivePage`].
    #[wincode(tag = 11)]
    LiveBonds(u32),
    /// Which masternodes of a page are there: [`value::LivePage`].
    #[wincode(tag = 12)]
    LiveMasternodes(u32),
    /// Heights at which a bond voted twice: [`value::Offences`].
    #[wincode(tag = 13)]
    BondOffences(BondId),
    /// Sums of the snapshot at the boundary of a term: [`value::SnapshotHead`].
    #[wincode(tag = 14)]
    Snapshot(Term),
    /// A page of that snapshot: [`value::SnapshotPage`].
    #[wincode(tag = 15)]
    SnapshotPage(Term, u32),
    /// Votes included for the height in this slot of a ring: [`value::IncludedVotes`].
    #[wincode(tag = 16)]
    IncludedVotes(u8),
    /// A masternode: [`value::Masternode`].
    #[wincode(tag = 17)]
    Masternode(MasternodeId),
    /// The masternode ([`MasternodeId`]) that uses this key.
    #[wincode(tag = 18)]
    MasternodeKey(PublicKey),
    /// Ends of the payment queue: [`value::PaymentQueue`].
    #[wincode(tag = 19)]
    PaymentQueue,
    /// The masternode ([`MasternodeId`]) at a position of the payment queue.
    #[wincode(tag = 20)]
    QueueEntry(u64),
    /// The roster that may take office at the next boundary: [`value::Candidate`].
    #[wincode(tag = 21)]
    Candidate,
    /// Rosters in office: [`value::RosterHead`].
    #[wincode(tag = 22)]
    RosterHead,
    /// The roster in this slot of a ring: [`value::Roster`].
    #[wincode(tag = 23)]
    Roster(u8),
    /// The open checkpoint in this slot of a ring: [`value::OpenTarget`].
    #[wincode(tag = 24)]
    OpenTarget(u8),
    /// What is paid back at a height: [`value::Releases`].
    #[wincode(tag = 25)]
    Releases(Height),
    /// Weight (u64) of the masternodes slashed in a term.
    #[wincode(tag = 26)]
    SlashedIn(Term),
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

impl<V: StateView + ?Sized> StateView for &V {
    fn value(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ViewError> {
        (**self).value(key)
    }

    fn node(&self, node_key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        (**self).node(node_key)
    }

    fn seen(&self, one_time_key: &PublicKey) -> Result<Option<RateEpoch>, ViewError> {
        (**self).seen(one_time_key)
    }

    fn seen_in(&self, epoch: RateEpoch) -> Result<Vec<PublicKey>, ViewError> {
        (**self).seen_in(epoch)
    }

    fn ancestor(&self, height: Height) -> Result<Option<Header>, ViewError> {
        (**self).ancestor(height)
    }

    fn tip_height(&self) -> Result<Height, ViewError> {
        (**self).tip_height()
    }
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

/// Header of the tip.
///
/// # Errors
/// [`ViewError`]: the storage failed or has no such header.
pub fn tip(view: &impl StateView) -> Result<Header, ViewError> {
    let height = view.tip_height()?;
    header_at(view, height)
}

/// Header of the tip or of its ancestor at `height`, which must be one.
pub(crate) fn header_at(view: &impl StateView, height: Height) -> Result<Header, ViewError> {
    view.ancestor(height)?.ok_or_else(|| ViewError::Damaged {
        reason: format!("no header at height {height}, at or below the tip"),
    })
}

/// What two nodes compare: root of the tree, seen one-time keys, tip.
///
/// `H("state", state root | H("seen", (epoch u32 | count u64 | keys)*) | tip id)`, over the rate
/// epochs that the next block may include, ascending, each with its keys ascending.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn state_hash(view: &impl StateView, params: &Params) -> Result<Hash32, ViewError> {
    let tip = tip(view)?;
    let mut seen = Vec::new();
    for epoch in includable_epochs(tip.height, params) {
        let keys = view.seen_in(epoch)?;
        let count = u64::try_from(keys.len()).unwrap_or(u64::MAX);
        seen.extend_from_slice(&epoch.get().to_le_bytes());
        seen.extend_from_slice(&count.to_le_bytes());
        keys.iter()
            .for_each(|key| seen.extend_from_slice(key.as_bytes()));
    }
    let seen = derive(&context::SEEN, &[&seen]);
    let (root, id) = (root(view)?, tip.id());
    let parts: [&[u8]; 3] = [root.as_bytes(), &seen, id.as_bytes()];
    Ok(Hash32::from_bytes(derive(&context::STATE, &parts)))
}

/// Rate epochs whose envelopes the block after `tip` may include, ascending.
pub(crate) fn includable_epochs(tip: Height, params: &Params) -> Vec<RateEpoch> {
    let Some(next) = tip.next() else {
        return Vec::new();
    };
    let current = params.rate_epoch(next);
    let before = current.checked_sub(1);
    before
        .into_iter()
        .chain([current])
        .filter(|epoch| params.accepts_epoch(next, *epoch))
        .collect()
}

#[cfg(test)]
mod tests;
