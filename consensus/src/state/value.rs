//! The values of the state: their encodings and their defaults.
//!
//! # Invariants
//! * Every value is in the canonical codec; an absent value stands for the default named here.
//! * An account without coins that has ordered nothing has no value. It cannot come back to that:
//!   the nonce of an account that spent is above zero, so no block removes an account.
//! * Values that are over are removed: bonds and masternodes that were paid back, snapshots that no
//!   height needs, offences, rings of what is open.
//!
//! # Spec
//! docs/spec/11-state.md §2
//!
//! # Not here
//! Which block changes what: `transition`.

use chain::codec::{self, Decode, SchemaRead, SchemaWrite};
use chain::record::AccountRecord;
use chain::units::{CheckpointNumber, RateEpoch};
use chain::{AccountId, Amount, BlockId, Height};
use genesis::law;

use super::{StateKey, StateView};
use crate::error::ViewError;
use crate::reward;

mod masternode;
mod stake;

pub use masternode::{
    Candidate, Masternode, OpenTarget, PaymentQueue, Roster, RosterHead, RosterMember, Standing,
    candidate, masternode, masternode_of_key, payment_queue, roster_head, slashed_in,
};
pub(crate) use masternode::{open_targets, roster};
pub(crate) use stake::snapshot_page;
pub use stake::{
    Bond, BookedVote, Counters, Duty, IncludedVotes, LivePage, Offences, Release, Releases,
    SnapshotHead, SnapshotMember, SnapshotPage, bond, bond_of_key, counters, included_votes,
    snapshot,
};

/// Coins and the count of orders of an account. Default: neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Account {
    /// Spendable coins.
    pub balance: Amount,
    /// Orders so far: transactions and transparent payments.
    pub nonce: u64,
}

/// Where all coins came from and went. Default: none were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Supply {
    /// All coins there are: minted less burned.
    pub supply: Amount,
    /// Base units ever minted; may exceed the cap, since burned coins are minted again.
    pub minted: u64,
    /// Base units ever burned.
    pub burned: u64,
}

/// Price of a rate epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct EpochPrice {
    /// The epoch.
    pub epoch: RateEpoch,
    /// Price of a KiB in it.
    pub kib: Amount,
}

/// Prices of the previous, the current and the next rate epoch, ascending.
pub type Prices = Vec<EpochPrice>;

/// Highest checkpoints of each kind. Default: genesis for both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Finality {
    /// Justified.
    pub justified: CheckpointNumber,
    /// Finalized.
    pub finalized: CheckpointNumber,
}

/// An uncle that a block included and that is not yet too deep to be offered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct RecentUncle {
    /// The uncle's own height.
    pub height: Height,
    /// The uncle.
    pub id: BlockId,
}

/// In the order of their inclusion. Default: none.
pub type RecentUncles = Vec<RecentUncle>;

/// Reads a value that we wrote ourselves.
pub(crate) fn decode<T: Decode>(key: &StateKey, bytes: &[u8]) -> Result<T, ViewError> {
    codec::decode(bytes, bytes.len()).map_err(|error| ViewError::Damaged {
        reason: format!("value of {key:?}: {error}"),
    })
}

/// Coins that a value holds: a balance, what is left of a bond or of a collateral.
pub(crate) fn coins(key: &StateKey, bytes: &[u8]) -> Result<Amount, ViewError> {
    match key {
        StateKey::Account(_) => decode(key, bytes).map(|account: Account| account.balance),
        StateKey::Bond(_) => decode(key, bytes).map(|bond: Bond| bond.amount),
        StateKey::Masternode(_) => {
            decode(key, bytes).map(|masternode: Masternode| masternode.collateral)
        }
        _ => Ok(Amount::ZERO),
    }
}

fn read<T: Decode>(view: &impl StateView, key: &StateKey) -> Result<Option<T>, ViewError> {
    view.value(key)?
        .map(|bytes| decode(key, &bytes))
        .transpose()
}

/// Coins and nonce of `account`.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn account(view: &impl StateView, account: &AccountId) -> Result<Account, ViewError> {
    Ok(read(view, &StateKey::Account(*account))?.unwrap_or_default())
}

/// Record of `account`, if it ever made one.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn record(
    view: &impl StateView,
    account: &AccountId,
) -> Result<Option<AccountRecord>, ViewError> {
    read(view, &StateKey::Record(*account))
}

/// Supply after the tip.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn supply(view: &impl StateView) -> Result<Supply, ViewError> {
    Ok(read(view, &StateKey::Supply)?.unwrap_or_default())
}

/// Prices of the previous, the current and the next rate epoch, ascending; current is the epoch of
/// the block after the tip. Default: epochs 0 and 1 at the price of the genesis supply.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn prices(view: &impl StateView) -> Result<Prices, ViewError> {
    Ok(read(view, &StateKey::Prices)?.unwrap_or_else(first_prices))
}

/// Prices of the two epochs that began before there was a block to take a supply from.
fn first_prices() -> Prices {
    let kib = reward::kib_price(Amount::ZERO);
    [0, 1]
        .map(|epoch| EpochPrice {
            epoch: RateEpoch::new(epoch),
            kib,
        })
        .to_vec()
}

/// Largest body of a block after the tip in its current term (bytes).
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn body_limit(view: &impl StateView) -> Result<u64, ViewError> {
    Ok(read(view, &StateKey::BodyLimit)?.unwrap_or(law::BODY_BYTES_MIN))
}

/// Body size (bytes) of the block at this position of its term; genesis has an empty body.
pub(crate) fn body_size(view: &impl StateView, position: u32) -> Result<u64, ViewError> {
    let empty = || codec::encoded_len(&chain::Body::default());
    match read(view, &StateKey::BodySize(position))? {
        Some(size) => Ok(size),
        None => Ok(u64::try_from(empty()).unwrap_or(u64::MAX)),
    }
}

/// Highest justified and finalized checkpoint after the tip.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn finality(view: &impl StateView) -> Result<Finality, ViewError> {
    Ok(read(view, &StateKey::Finality)?.unwrap_or_default())
}

/// Uncles that ancestors included and that are not yet too deep to be offered again.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn recent_uncles(view: &impl StateView) -> Result<RecentUncles, ViewError> {
    Ok(read(view, &StateKey::RecentUncles)?.unwrap_or_default())
}
