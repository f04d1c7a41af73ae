//! Following the chain: blocks come and go, the node says what accounts hold.
//!
//! # Invariants
//! * The followed chain has no gaps: a block connects to the tip alone, only the tip disconnects.
//! * The first block followed is not younger than the birthday.
//! * The newest [`FOLLOWED_BLOCKS_MAX`] blocks are remembered, and older ones that concern the
//!   wallet; a deeper reorganisation is refused by name and answered by [`Ledger::restart`].
//!
//! # Spec
//! docs/spec/08-wallet.md §4
//!
//! # Not here
//! Which chain is best: the node. When to ask it: `app`.

use chain::{AccountId, BlockId, Height};

use crate::activity::{BlockScan, Effect, Entry, Event};
use crate::change_set::{ChangeSet, FollowedBlock, Opening};
use crate::error::FollowError;
use crate::ledger::{AccountSnapshot, Ledger};

/// Blocks below the tip that can be disconnected: as many as nodes keep undo records for.
pub const FOLLOWED_BLOCKS_MAX: u64 = genesis::law::UNDO_BLOCKS;

impl Ledger {
    /// The tip's child is `block`.
    ///
    /// # Errors
    /// [`FollowError::NotNext`], [`FollowError::AfterBirthday`].
    pub fn connect(&self, block: &BlockScan) -> Result<ChangeSet, FollowError> {
        let (height, birthday) = (block.height, self.birthday);
        match self.tip() {
            Some(tip) if tip.height.next() != Some(height) || block.parent != tip.id => {
                return Err(FollowError::NotNext {
                    height,
                    tip: tip.id,
                    tip_height: tip.height,
                });
            }
            None if height > birthday => {
                return Err(FollowError::AfterBirthday { height, birthday });
            }
            Some(_) | None => {}
        }
        let entries = block.entries(&self.account_ids(), self.network());
        let followed = FollowedBlock {
            id: block.id,
            time: block.time,
            entries,
        };
        let mut changes = ChangeSet::default();
        changes.blocks.insert(height, Some(followed));
        self.forget_what_is_deep(height, &mut changes);
        Ok(changes)
    }

    /// The tip was disconnected: a reorganisation, step by step.
    ///
    /// # Errors
    /// [`FollowError::NothingFollowed`], [`FollowError::NotTip`], [`FollowError::TooDeep`].
    pub fn revert(&self, id: &BlockId) -> Result<ChangeSet, FollowError> {
        let tip = self.tip().ok_or(FollowError::NothingFollowed)?;
        if tip.id != *id {
            return Err(FollowError::NotTip { found: *id });
        }
        let below = tip.height.checked_sub(1);
        let parent_is_known = below.is_some_and(|height| self.blocks.contains_key(&height));
        let is_first = self.blocks.len() == 1 && tip.height <= self.birthday;
        if !parent_is_known && !is_first {
            return Err(FollowError::TooDeep { height: tip.height });
        }
        let mut changes = ChangeSet::default();
        changes.blocks.insert(tip.height, None);
        Ok(changes)
    }

    /// The node says what `account` holds after block `at`, which must be the followed tip: an
    /// answer about any other block says nothing about this chain.
    ///
    /// The first answer fixes what the account held before the first followed block. Later ones
    /// confirm the entries, or correct them by one more entry of the tip.
    ///
    /// # Errors
    /// [`FollowError::UnknownAccount`], [`FollowError::NothingFollowed`], [`FollowError::NotTip`].
    pub fn observe(
        &self,
        account: AccountId,
        at: &BlockId,
        snapshot: AccountSnapshot,
    ) -> Result<ChangeSet, FollowError> {
        if !self.accounts.contains_key(&account) {
            return Err(FollowError::UnknownAccount { account });
        }
        let tip = self.tip().ok_or(FollowError::NothingFollowed)?;
        if tip.id != *at {
            return Err(FollowError::NotTip { found: *at });
        }
        let mut changes = ChangeSet::default();
        if let Some(locked) = snapshot.locked
            && self.known_locked(&account) != Some(locked)
        {
            changes.locked.insert(account, locked);
        }
        let mut missing = Effect {
            balance: i128::from(snapshot.balance.base_units()),
            nonce: i128::from(snapshot.nonce),
        };
        missing.subtract(self.sums(&account));
        let (balance, nonce) = (clamped(missing.balance), clamped(missing.nonce));
        if !self.openings.contains_key(&account) {
            changes
                .openings
                .insert(account, Some(Opening { balance, nonce }));
        } else if missing != Effect::default() {
            let mut block = self
                .blocks
                .get(&tip.height)
                .cloned()
                .expect("the tip is remembered");
            block.entries.push(Entry {
                account,
                event: Event::Corrected { balance, nonce },
            });
            changes.blocks.insert(tip.height, Some(block));
        }
        Ok(changes)
    }

    /// Forgets the followed chain and what accounts held, to scan again from `birthday`. Accounts
    /// and own orders stay.
    #[must_use]
    pub fn restart(&self, birthday: Height) -> ChangeSet {
        ChangeSet {
            birthday: Some(birthday),
            openings: self
                .openings
                .keys()
                .map(|account| (*account, None))
                .collect(),
            blocks: self.blocks.keys().map(|height| (*height, None)).collect(),
            ..ChangeSet::default()
        }
    }

    /// What a new tip at `height` pushes out of reach of any reorganisation.
    fn forget_what_is_deep(&self, height: Height, changes: &mut ChangeSet) {
        let Some(deep) = height.checked_sub(FOLLOWED_BLOCKS_MAX) else {
            return;
        };
        if self
            .blocks
            .get(&deep)
            .is_some_and(|block| block.entries.is_empty())
        {
            changes.blocks.insert(deep, None);
        }
        for (id, order) in &self.orders {
            let settled_at = match self.included.get(id) {
                Some(&height) => height,
                None if order.nonce < self.chain_nonce(&order.account) => order.made_at,
                None => continue,
            };
            if settled_at <= deep {
                changes.orders.insert(*id, None);
            }
        }
    }
}

/// A difference of real amounts fits; a node that says otherwise is cut to size.
fn clamped(difference: i128) -> i64 {
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}
