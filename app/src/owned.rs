//! What the account has bound: its bonds and masternodes, as the chain keeps them.
//!
//! # Invariants
//! * They go by their keys: a number may be another's after a reorganisation, a key is not.
//! * Everybody's are looked through once, at whatever blocks the node is meanwhile; what is read by
//!   key is of the followed tip, or is not taken.
//!
//! # Spec
//! docs/spec/16-session.md §8
//!
//! # Not here
//! Orders about them: `stake`. What they mean for the balance: `wallet`.

use std::collections::BTreeSet;

use chain::transaction::Order;
use chain::{AccountId, Amount, Block, BlockId, Height, PublicKey};
use rpc::NodeApi;
use rpc::types::{
    AddressText, BondStatus, GetBond, GetMasternode, GetOwned, Hex, MasternodeStatus,
};
use wallet::Ledger;

use crate::error::SessionError;
use crate::follow::{id_at, known};
use crate::session::Session;

/// Pages of bonds, and of masternodes, that are looked through: 262,144 of all owners together.
const PAGES_MAX: usize = 256;

/// Bonds and masternodes of one owner at one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The block.
    pub block: BlockId,
    /// Bonds that hold coins, ascending by number.
    pub bonds: Vec<BondStatus>,
    /// Masternodes, ascending by number.
    pub masternodes: Vec<MasternodeStatus>,
    /// Whether all of the node's list was looked through: else there may be more.
    pub is_complete: bool,
}

impl Owned {
    /// Coins in all of them.
    #[must_use]
    pub fn locked(&self) -> Amount {
        let bonds = self.bonds.iter().map(|bond| bond.amount.0);
        let collaterals = self.masternodes.iter().map(|node| node.collateral.0);
        let sum = bonds
            .chain(collaterals)
            .fold(0u64, |sum, amount| sum.saturating_add(amount.base_units()));
        Amount::from_base(sum)
    }
}

/// How far the node's list of everybody's bonds and masternodes was looked through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Listing {
    /// Not since the start.
    #[default]
    Unread,
    /// As far as [`PAGES_MAX`].
    Cut,
    /// To its end, or there was nothing to be found.
    Whole,
}

/// Keys of bonds and masternodes that are or were the account's; not stored.
#[derive(Debug, Default)]
pub(crate) struct OwnKeys {
    listing: Listing,
    /// Vote keys of bonds.
    votes: BTreeSet<PublicKey>,
    /// Operators' keys of masternodes.
    operators: BTreeSet<PublicKey>,
}

impl OwnKeys {
    /// What a wallet begins with. One that knows that nothing is locked, and whose chain holds no
    /// order of its own about stake, need not look through the list.
    pub(crate) fn of(ledger: &Ledger, account: &AccountId) -> Self {
        let is_bare = ledger.known_locked(account) == Some(Amount::ZERO) && !ledger.has_served();
        let listing = if is_bare {
            Listing::Whole
        } else {
            Listing::Unread
        };
        Self {
            listing,
            ..Self::default()
        }
    }

    /// Takes note of the account's orders in a block that was followed.
    pub(crate) fn note(&mut self, block: &Block, account: &AccountId) {
        let transactions = block.body.transactions.iter();
        for transaction in transactions.filter(|found| found.sender() == *account) {
            match &transaction.order {
                Order::Bond(order) => {
                    self.votes.insert(order.body.vote_key);
                }
                Order::MnRegister(order) => {
                    self.operators.insert(order.body.operator_key);
                }
                Order::Transfer(_)
                | Order::AccountRecord(_)
                | Order::Unbond(_)
                | Order::Wake(_)
                | Order::MnRevive(_)
                | Order::MnExit(_) => {}
            }
        }
    }
}

impl Session {
    /// The account's bonds and masternodes at the followed tip; nothing if the chain moved meanwhile.
    ///
    /// # Errors
    /// [`SessionError::Node`].
    pub async fn owned(&mut self, node: &dyn NodeApi) -> Result<Option<Owned>, SessionError> {
        let Some(tip) = self.ledger.tip() else {
            return Ok(None);
        };
        if self.own_keys.listing == Listing::Unread && !self.look_through(node).await? {
            return Ok(None);
        }
        let mut owned = Owned {
            block: tip.id,
            bonds: Vec::new(),
            masternodes: Vec::new(),
            is_complete: self.own_keys.listing == Listing::Whole,
        };
        for key in &self.own_keys.votes {
            let (bond, vote_key) = (None, Some(Hex(*key)));
            let found = known(node.chain_get_bond(GetBond { bond, vote_key }).await)?;
            // Once the bond is paid back the key may stand for another's.
            let found = found.filter(|bond| self.is_own(&bond.owner));
            owned.bonds.extend(found);
        }
        for key in &self.own_keys.operators {
            let (masternode, key) = (None, Some(Hex(*key)));
            let asked = GetMasternode { masternode, key };
            let found = known(node.chain_get_masternode(asked).await)?;
            let found = found.filter(|masternode| self.is_own(&masternode.owner));
            owned.masternodes.extend(found);
        }
        owned.bonds.sort_by_key(|bond| bond.bond);
        owned.masternodes.sort_by_key(|found| found.masternode);
        // The answers do not say which block they are of.
        let end = node.chain_get_tip().await?;
        Ok((end.id.0 == tip.id).then_some(owned))
    }

    fn is_own(&self, owner: &AddressText) -> bool {
        *owner == AddressText::from(self.address())
    }

    /// Looks through everybody's bonds and masternodes for the account's; false if the chain took
    /// the block back where that began. Blocks that come meanwhile do no harm: what the account
    /// orders in them is noted when they are followed.
    async fn look_through(&mut self, node: &dyn NodeApi) -> Result<bool, SessionError> {
        let (mut votes, mut operators) = (BTreeSet::new(), BTreeSet::new());
        let mut began = None;
        let mut bonds_from = Some(0);
        for _ in 0..PAGES_MAX {
            let Some(from) = bonds_from else { break };
            let page = node.chain_get_bonds(self.page(from)).await?;
            began = began.or(Some((Height::new(page.height), page.block.0)));
            votes.extend(page.bonds.iter().map(|bond| bond.vote_key.0));
            bonds_from = page.next;
        }
        let mut masternodes_from = Some(0);
        for _ in 0..PAGES_MAX {
            let Some(from) = masternodes_from else { break };
            let page = node.chain_get_masternodes(self.page(from)).await?;
            operators.extend(page.masternodes.iter().map(|found| found.operator_key.0));
            masternodes_from = page.next;
        }
        let Some((height, block)) = began else {
            return Ok(false);
        };
        if id_at(node, height).await? != Some(block) {
            return Ok(false);
        }
        let keys = &mut self.own_keys;
        keys.votes.extend(votes);
        keys.operators.extend(operators);
        keys.listing = match (bonds_from, masternodes_from) {
            (None, None) => Listing::Whole,
            _ => {
                tracing::warn!(
                    "more bonds or masternodes than are looked through: `locked` may \
                    leave out some of them"
                );
                Listing::Cut
            }
        };
        Ok(true)
    }

    fn page(&self, from: u32) -> GetOwned {
        GetOwned {
            address: AddressText::from(self.address()),
            from: Some(from),
        }
    }
}

#[cfg(test)]
mod tests;
