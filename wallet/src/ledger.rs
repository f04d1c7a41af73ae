//! Whose coins: the wallet's state, added up from change sets.
//!
//! # Invariants
//! * The state changes through [`Ledger::apply`] alone. Every other method takes `&self` and hands
//!   back a [`ChangeSet`]: the session keeps it first and applies it then.
//! * Balance and nonce of an account are its opening plus the effects of all entries of the
//!   followed chain. Disconnecting a block takes exactly its entries back, so after any
//!   reorganisation the sums equal those of a wallet that never saw the other branch.
//! * The node's account state is the authority: where it differs, the difference becomes an entry
//!   of the tip, and history still adds up to the balance.
//!
//! # Spec
//! docs/spec/08-wallet.md §4
//!
//! # Not here
//! Following the chain: [`crate::follow`]. Own orders: [`crate::order`].

use std::collections::{BTreeMap, BTreeSet};

use chain::{AccountId, Amount, BlockId, ChainId, Height, Network, PublicKey};

use crate::activity::{Effect, Entry, Event};
use crate::change_set::{AccountOrigin, ChangeSet, FollowedBlock, Opening};
use crate::error::ChangeSetError;
use crate::order::{OrderId, PendingOrder};

/// Blocks in one part of a [`Ledger::snapshot`].
const SNAPSHOT_BLOCKS_MAX: usize = 65_536;

/// What an account holds and has ordered, after one block, as a node says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountSnapshot {
    /// Coins that the account can spend.
    pub balance: Amount,
    /// Orders of the account so far.
    pub nonce: u64,
    /// Coins of the account that are bound elsewhere (bonds, collateral); if nobody could say, what
    /// was known stays.
    pub locked: Option<Amount>,
}

/// The last block that the wallet has followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its height.
    pub height: Height,
    /// Its id.
    pub id: BlockId,
}

/// Coins of one account or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// In the account at the followed tip.
    pub confirmed: Amount,
    /// The most that own orders on their way will take from `confirmed`.
    pub pending: Amount,
    /// Bound elsewhere; not part of `confirmed`.
    pub locked: Amount,
    /// `confirmed` without `pending`: what a new order may use.
    pub spendable: Amount,
}

/// The wallet's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    pub(crate) network: Network,
    pub(crate) chain: ChainId,
    pub(crate) birthday: Height,
    pub(crate) accounts: BTreeMap<AccountId, AccountOrigin>,
    pub(crate) openings: BTreeMap<AccountId, Opening>,
    pub(crate) locked: BTreeMap<AccountId, Amount>,
    pub(crate) blocks: BTreeMap<Height, FollowedBlock>,
    pub(crate) orders: BTreeMap<OrderId, PendingOrder>,
    /// Derived: effects of all entries in `blocks`.
    pub(crate) totals: BTreeMap<AccountId, Effect>,
    /// Derived: own orders in `blocks`.
    pub(crate) included: BTreeMap<OrderId, Height>,
}

impl Ledger {
    /// A new wallet without accounts, whose coins are all younger than `birthday`.
    #[must_use]
    pub fn create(network: Network, chain: ChainId, birthday: Height) -> (Self, ChangeSet) {
        let ledger = Self {
            network,
            chain,
            birthday,
            accounts: BTreeMap::new(),
            openings: BTreeMap::new(),
            locked: BTreeMap::new(),
            blocks: BTreeMap::new(),
            orders: BTreeMap::new(),
            totals: BTreeMap::new(),
            included: BTreeMap::new(),
        };
        let beginning = ChangeSet {
            chain: Some(chain),
            birthday: Some(birthday),
            ..ChangeSet::default()
        };
        (ledger, beginning)
    }

    /// The wallet that `changes`, all kept change sets merged in order, add up to.
    ///
    /// # Errors
    /// [`ChangeSetError::NoBeginning`], [`ChangeSetError::ForeignChain`].
    pub fn load(
        network: Network,
        chain: ChainId,
        changes: ChangeSet,
    ) -> Result<Self, ChangeSetError> {
        let (Some(found), Some(birthday)) = (changes.chain, changes.birthday) else {
            return Err(ChangeSetError::NoBeginning);
        };
        if found != chain {
            return Err(ChangeSetError::ForeignChain {
                expected: chain,
                found,
            });
        }
        let (mut ledger, _) = Self::create(network, chain, birthday);
        ledger.apply(changes);
        Ok(ledger)
    }

    /// Brings the state up to date with a change set that this wallet made.
    pub fn apply(&mut self, changes: ChangeSet) {
        self.birthday = changes.birthday.unwrap_or(self.birthday);
        self.accounts.extend(changes.accounts);
        self.locked.extend(changes.locked);
        for (account, opening) in changes.openings {
            replace(&mut self.openings, account, opening);
        }
        for (id, order) in changes.orders {
            replace(&mut self.orders, id, order);
        }
        for (height, block) in changes.blocks {
            if let Some(before) = self.blocks.remove(&height) {
                self.forget_entries(&before.entries);
            }
            if let Some(block) = block {
                self.count_entries(height, &block.entries);
                self.blocks.insert(height, block);
            }
        }
    }

    /// The whole state as change sets, to be kept in the place of all that came before. There are
    /// several parts only for a wallet with very many blocks of its own.
    #[must_use]
    pub fn snapshot(&self) -> Vec<ChangeSet> {
        let some = |(height, block): (&Height, &FollowedBlock)| (*height, Some(block.clone()));
        let first = ChangeSet {
            chain: Some(self.chain),
            birthday: Some(self.birthday),
            accounts: self.accounts.clone(),
            openings: self
                .openings
                .iter()
                .map(|(id, opening)| (*id, Some(*opening)))
                .collect(),
            locked: self.locked.clone(),
            orders: self
                .orders
                .iter()
                .map(|(id, order)| (*id, Some(order.clone())))
                .collect(),
            blocks: self
                .blocks
                .iter()
                .take(SNAPSHOT_BLOCKS_MAX)
                .map(some)
                .collect(),
        };
        let mut parts = vec![first];
        let mut rest = self.blocks.iter().skip(SNAPSHOT_BLOCKS_MAX).peekable();
        while rest.peek().is_some() {
            let blocks = rest.by_ref().take(SNAPSHOT_BLOCKS_MAX).map(some).collect();
            parts.push(ChangeSet {
                blocks,
                ..ChangeSet::default()
            });
        }
        parts
    }

    /// Takes up the account of a derived key.
    #[must_use]
    pub fn add_account(&self, index: u32, key: PublicKey) -> ChangeSet {
        self.add(AccountId::from(&key), AccountOrigin::Derived { index, key })
    }

    /// Takes up an account to watch. An account with a key here stays one with a key.
    #[must_use]
    pub fn watch_account(&self, account: AccountId) -> ChangeSet {
        match self.accounts.get(&account) {
            Some(_) => ChangeSet::default(),
            None => self.add(account, AccountOrigin::Watched),
        }
    }

    fn add(&self, account: AccountId, origin: AccountOrigin) -> ChangeSet {
        let mut changes = ChangeSet::default();
        if self.accounts.get(&account) != Some(&origin) {
            changes.accounts.insert(account, origin);
        }
        changes
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> Network {
        self.network
    }

    /// The chain that signatures are made for.
    #[must_use]
    pub fn chain_id(&self) -> ChainId {
        self.chain
    }

    /// No coins of the wallet are older than this height.
    #[must_use]
    pub fn birthday(&self) -> Height {
        self.birthday
    }

    /// The wallet's accounts.
    #[must_use]
    pub fn accounts(&self) -> &BTreeMap<AccountId, AccountOrigin> {
        &self.accounts
    }

    /// The last block followed, if there is one.
    #[must_use]
    pub fn tip(&self) -> Option<Tip> {
        self.blocks.last_key_value().map(|(height, block)| Tip {
            height: *height,
            id: block.id,
        })
    }

    /// The followed block at `height`, if it is remembered: how the session finds a fork.
    #[must_use]
    pub fn followed(&self, height: Height) -> Option<BlockId> {
        self.blocks.get(&height).map(|block| block.id)
    }

    /// Coins of one account; nothing of accounts that are none of the wallet's.
    #[must_use]
    pub fn balance(&self, account: &AccountId) -> Balance {
        if !self.accounts.contains_key(account) {
            return Balance::default();
        }
        let confirmed = amount(self.sums(account).balance);
        let pending = self.live_orders(account).fold(0u64, |sum, order| {
            sum.saturating_add(order.reserve.base_units())
        });
        let spendable = confirmed.base_units().saturating_sub(pending);
        Balance {
            confirmed,
            pending: Amount::from_base(pending),
            locked: self.locked.get(account).copied().unwrap_or_default(),
            spendable: Amount::from_base(spendable),
        }
    }

    /// Coins of all accounts together.
    #[must_use]
    pub fn balance_of_all(&self) -> Balance {
        let add =
            |a: Amount, b: Amount| Amount::from_base(a.base_units().saturating_add(b.base_units()));
        self.accounts
            .keys()
            .fold(Balance::default(), |sum, account| {
                let one = self.balance(account);
                Balance {
                    confirmed: add(sum.confirmed, one.confirmed),
                    pending: add(sum.pending, one.pending),
                    locked: add(sum.locked, one.locked),
                    spendable: add(sum.spendable, one.spendable),
                }
            })
    }

    /// Coins of an account that are bound elsewhere, if a node ever said.
    #[must_use]
    pub fn known_locked(&self, account: &AccountId) -> Option<Amount> {
        self.locked.get(account).copied()
    }

    /// Whether an own order on the followed chain was about a bond or a masternode.
    #[must_use]
    pub fn has_served(&self) -> bool {
        let entries = self.blocks.values().flat_map(|block| &block.entries);
        let is_served = |entry: &Entry| matches!(entry.event, Event::Served { .. });
        entries.into_iter().any(is_served)
    }

    /// Orders of `account` on the followed chain: what the next block expects as nonce.
    #[must_use]
    pub fn chain_nonce(&self, account: &AccountId) -> u64 {
        u64::try_from(self.sums(account).nonce.max(0)).unwrap_or(u64::MAX)
    }

    /// Opening and entries together; may be below zero while a correction is due.
    pub(crate) fn sums(&self, account: &AccountId) -> Effect {
        let mut sums = self.totals.get(account).copied().unwrap_or_default();
        if let Some(opening) = self.openings.get(account) {
            let (balance, nonce) = (i128::from(opening.balance), i128::from(opening.nonce));
            sums.add(Effect { balance, nonce });
        }
        sums
    }

    pub(crate) fn account_ids(&self) -> BTreeSet<AccountId> {
        self.accounts.keys().copied().collect()
    }

    fn count_entries(&mut self, height: Height, entries: &[Entry]) {
        for entry in entries {
            self.totals
                .entry(entry.account)
                .or_default()
                .add(entry.event.effect());
            if let Some(id) = order_id(&entry.event) {
                self.included.insert(id, height);
            }
        }
    }

    fn forget_entries(&mut self, entries: &[Entry]) {
        for entry in entries {
            if let Some(total) = self.totals.get_mut(&entry.account) {
                total.subtract(entry.event.effect());
                if *total == Effect::default() {
                    self.totals.remove(&entry.account);
                }
            }
            if let Some(id) = order_id(&entry.event) {
                self.included.remove(&id);
            }
        }
    }
}

/// The own order that an entry says is included.
fn order_id(event: &Event) -> Option<OrderId> {
    match event {
        Event::Sent { tx, .. } | Event::RecordSet { tx, .. } | Event::Served { tx, .. } => {
            Some(OrderId::Transaction(*tx))
        }
        Event::EnvelopePaid { core, .. } => Some(OrderId::Payment(*core)),
        Event::Received { .. } | Event::Earned { .. } | Event::Corrected { .. } => None,
    }
}

/// A sum of base units as coins: nothing below zero.
fn amount(base_units: i128) -> Amount {
    Amount::from_base(u64::try_from(base_units.max(0)).unwrap_or(u64::MAX))
}

fn replace<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => {
            map.insert(key, value);
        }
        None => {
            map.remove(&key);
        }
    }
}

#[cfg(test)]
mod prop;
#[cfg(test)]
mod tests;
