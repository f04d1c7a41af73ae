//! What the wallet must remember, as deltas that merge: the wallet never touches a disk, it hands
//! these back and the session keeps them.
//!
//! # Invariants
//! * Every field is a map from a key to its newest value; [`ChangeSet::merge`] lets the later value
//!   win. Merging is associative, the empty set is neutral, and applying a merged set equals
//!   applying its parts in order.
//! * A value that is gone is remembered as gone (`None`), never by absence.
//! * `encode(decode(b)) == b`; keys are strictly ascending in the encoding.
//!
//! # Spec
//! docs/spec/08-wallet.md §4
//!
//! # Not here
//! The state that change sets add up to: [`crate::Ledger`]. Where they are kept: the vault.

use std::collections::BTreeMap;

use chain::codec::{self, List, SchemaRead, SchemaWrite};
use chain::{AccountId, Amount, BlockId, ChainId, Height, PublicKey, Timestamp};

use crate::activity::Entry;
use crate::error::ChangeSetError;
use crate::order::{OrderId, PendingOrder};

/// Format version of an encoded change set.
const VERSION: u8 = 1;
/// Encoded change set (bytes). The wallet reads back only what its own vault kept; the limit stops
/// a damaged length, it is not a peer's.
pub const CHANGE_SET_BYTES_MAX: usize = 256 << 20;
/// Memory of one list (bytes): some 80,000 blocks; a snapshot puts at most 65,536 in one set.
const LIST_BYTES_MAX: usize = 8 << 20;
/// Memory of the entries of one block (bytes): one account's part of a body of 1 MiB.
const ENTRIES_BYTES_MAX: usize = 4 << 20;

/// A delta of the wallet's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeSet {
    /// The chain that the wallet is on; named once, checked when loading.
    pub chain: Option<ChainId>,
    /// No coins are older than this height.
    pub birthday: Option<Height>,
    /// The wallet's accounts.
    pub accounts: BTreeMap<AccountId, AccountOrigin>,
    /// What accounts held before the first followed block.
    pub openings: BTreeMap<AccountId, Option<Opening>>,
    /// Coins bound elsewhere, as the node last said.
    pub locked: BTreeMap<AccountId, Amount>,
    /// The followed chain: the newest blocks, and older ones that concern the wallet.
    pub blocks: BTreeMap<Height, Option<FollowedBlock>>,
    /// Own orders that may not be deep in the chain yet.
    pub orders: BTreeMap<OrderId, Option<PendingOrder>>,
}

/// How the wallet came to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub enum AccountOrigin {
    /// Derived from the words at this index.
    #[wincode(tag = 0)]
    Derived {
        /// Last level of the path.
        index: u32,
        /// The public key.
        key: PublicKey,
    },
    /// Watched: no key here.
    #[wincode(tag = 1)]
    Watched,
}

/// What an account held before the first followed block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Opening {
    /// Base units; below zero only if the blocks handed in lacked debits.
    pub balance: i64,
    /// Orders before.
    pub nonce: i64,
}

/// A block of the followed chain.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct FollowedBlock {
    /// Its id.
    pub id: BlockId,
    /// The miner's clock.
    pub time: Timestamp,
    /// What it did to the wallet's accounts.
    #[wincode(with = "List<Entry, ENTRIES_BYTES_MAX>")]
    pub entries: Vec<Entry>,
}

impl ChangeSet {
    /// Adds a later change set: its values win.
    pub fn merge(&mut self, later: Self) {
        self.chain = later.chain.or(self.chain);
        self.birthday = later.birthday.or(self.birthday);
        self.accounts.extend(later.accounts);
        self.openings.extend(later.openings);
        self.locked.extend(later.locked);
        self.blocks.extend(later.blocks);
        self.orders.extend(later.orders);
    }

    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether nothing is lost by keeping this later, merged with what follows: only blocks that
    /// do not concern the wallet came or went, and they can be followed again.
    #[must_use]
    pub fn is_progress_only(&self) -> bool {
        let idle = |block: &Option<FollowedBlock>| {
            block.as_ref().is_none_or(|block| block.entries.is_empty())
        };
        let blocks = self.blocks.clone();
        self.blocks.values().all(idle)
            && Self {
                blocks,
                ..Self::default()
            } == *self
    }

    /// The bytes that the session keeps: a version byte and the canonical encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(codec::encode(&Stored::from(self)));
        bytes
    }

    /// Reads [`ChangeSet::encode`].
    ///
    /// # Errors
    /// [`ChangeSetError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ChangeSetError> {
        match bytes.split_first() {
            Some((&VERSION, rest)) => {
                codec::decode::<Stored>(rest, CHANGE_SET_BYTES_MAX)?.try_into()
            }
            found => Err(ChangeSetError::UnknownVersion {
                found: found.map(|(&byte, _)| byte),
            }),
        }
    }
}

/// The encoded form: maps as lists of rows.
#[derive(SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
struct Stored {
    chain: Option<ChainId>,
    birthday: Option<Height>,
    #[wincode(with = "List<Row<AccountId, AccountOrigin>, LIST_BYTES_MAX>")]
    accounts: Vec<Row<AccountId, AccountOrigin>>,
    #[wincode(with = "List<Row<AccountId, Option<Opening>>, LIST_BYTES_MAX>")]
    openings: Vec<Row<AccountId, Option<Opening>>>,
    #[wincode(with = "List<Row<AccountId, Amount>, LIST_BYTES_MAX>")]
    locked: Vec<Row<AccountId, Amount>>,
    #[wincode(with = "List<Row<Height, Option<FollowedBlock>>, LIST_BYTES_MAX>")]
    blocks: Vec<Row<Height, Option<FollowedBlock>>>,
    #[wincode(with = "List<Row<OrderId, Option<PendingOrder>>, LIST_BYTES_MAX>")]
    orders: Vec<Row<OrderId, Option<PendingOrder>>>,
}

/// One pair of a map.
#[derive(SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
struct Row<K, V> {
    key: K,
    value: V,
}

fn rows<K: Clone, V: Clone>(map: &BTreeMap<K, V>) -> Vec<Row<K, V>> {
    map.iter()
        .map(|(key, value)| Row {
            key: key.clone(),
            value: value.clone(),
        })
        .collect()
}

fn map<K: Ord, V>(
    list: &'static str,
    rows: Vec<Row<K, V>>,
) -> Result<BTreeMap<K, V>, ChangeSetError> {
    if rows.windows(2).any(|pair| pair[0].key >= pair[1].key) {
        return Err(ChangeSetError::Order { list });
    }
    Ok(rows.into_iter().map(|row| (row.key, row.value)).collect())
}

impl From<&ChangeSet> for Stored {
    fn from(changes: &ChangeSet) -> Self {
        Self {
            chain: changes.chain,
            birthday: changes.birthday,
            accounts: rows(&changes.accounts),
            openings: rows(&changes.openings),
            locked: rows(&changes.locked),
            blocks: rows(&changes.blocks),
            orders: rows(&changes.orders),
        }
    }
}

impl TryFrom<Stored> for ChangeSet {
    type Error = ChangeSetError;

    fn try_from(stored: Stored) -> Result<Self, ChangeSetError> {
        Ok(Self {
            chain: stored.chain,
            birthday: stored.birthday,
            accounts: map("accounts", stored.accounts)?,
            openings: map("openings", stored.openings)?,
            locked: map("locked", stored.locked)?,
            blocks: map("blocks", stored.blocks)?,
            orders: map("orders", stored.orders)?,
        })
    }
}

#[cfg(test)]
mod tests;
