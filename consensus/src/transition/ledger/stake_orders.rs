//! Orders about bonds and masternodes.
//!
//! # Invariants
//! * Judging changes nothing; carrying out what was judged breaks no rule.
//! * A number is never given twice, and a key stands for one bond or one masternode at a time.
//!
//! # Spec
//! docs/spec/03-transactions.md §6, docs/spec/17-stake.md §1, docs/spec/18-finality.md §1
//!
//! # Not here
//! Nonce, fee and balance: [`super::orders`].

use chain::transaction::{self as tx, Order, Signed};
use chain::units::{BondId, MasternodeId, Term};
use chain::{AccountId, Height, PublicKey, Transaction};

use super::{Ledger, damaged};
use crate::error::{ApplyError, Rule, ViewError};
use crate::state::value::{
    Bond, Counters, Duty, LivePage, Masternode, PaymentQueue, Release, Standing,
};
use crate::state::{StateKey, StateView};

/// What an order changes besides its sender's account, ready to be written down.
pub(super) enum Effect {
    /// Nothing.
    None,
    /// A bond that is new or changed.
    Bond(BondId, Bond),
    /// A masternode that is new or changed.
    Masternode(MasternodeId, Masternode),
}

impl<V: StateView> Ledger<'_, V> {
    /// The rules of context of orders about bonds and masternodes.
    pub(super) fn judge_stake(&mut self, transaction: &Transaction) -> Result<Effect, ApplyError> {
        let order = &transaction.order;
        if !matches!(order, Order::Transfer(_) | Order::AccountRecord(_)) {
            self.begin()?;
        }
        match &transaction.order {
            Order::Transfer(_) | Order::AccountRecord(_) => Ok(Effect::None),
            Order::Bond(order) => self.judge_bond(order),
            Order::Unbond(order) => self.judge_unbond(order),
            Order::Wake(order) => self.judge_wake(order),
            Order::MnRegister(order) => self.judge_registration(order),
            Order::MnRevive(order) => self.judge_revival(order),
            Order::MnExit(order) => self.judge_exit(order),
        }
    }

    /// > "one vote_pk on at most one bond that still holds coin; bond_id = next"
    fn judge_bond(&self, order: &Signed<tx::Bond>) -> Result<Effect, ApplyError> {
        let body = &order.body;
        if let Some(bond) = self.overlay.get(&StateKey::VoteKey(body.vote_key))? {
            return Err(Rule::VoteKeyUsed { bond }.into());
        }
        let bond = Bond {
            owner: AccountId::from(&order.prefix.sender),
            key: body.vote_key,
            amount: body.amount,
            release: None,
            dormant: false,
            jailed_until: Term::new(0),
            duty: Duty::default(),
        };
        Ok(Effect::Bond(BondId::new(self.counters()?.bonds), bond))
    }

    /// > "sender = owner, not already; release at h+UNBOND"
    fn judge_unbond(&self, order: &Signed<tx::Unbond>) -> Result<Effect, ApplyError> {
        let id = order.body.bond;
        let mut bond = self.known_bond(id)?;
        check_owner(&bond.owner, &order.prefix.sender)?;
        check_staying(bond.release)?;
        bond.release = Some(self.release_height()?);
        Ok(Effect::Bond(id, bond))
    }

    /// > "owner or vote_pk"; only what sleeps is woken
    fn judge_wake(&self, order: &Signed<tx::Wake>) -> Result<Effect, ApplyError> {
        let (id, sender) = (order.body.bond, &order.prefix.sender);
        let mut bond = self.known_bond(id)?;
        if *sender != bond.key {
            check_owner(&bond.owner, sender)?;
        }
        if !bond.dormant {
            return Err(Rule::NotDormant { bond: id }.into());
        }
        bond.dormant = false;
        Ok(Effect::Bond(id, bond))
    }

    /// > "debit MN_COLLATERAL; keys distinct and unused"
    fn judge_registration(&self, order: &Signed<tx::MnRegister>) -> Result<Effect, ApplyError> {
        let body = &order.body;
        for key in [body.operator_key, body.voting_key] {
            if let Some(masternode) = self.overlay.get(&StateKey::MasternodeKey(key))? {
                return Err(Rule::MasternodeKeyUsed { masternode }.into());
            }
        }
        let masternode = Masternode {
            owner: AccountId::from(&order.prefix.sender),
            operator: body.operator_key,
            voting: body.voting_key,
            payout: body.payout,
            address: body.address,
            service: body.service,
            collateral: self.params.masternode_collateral,
            registered: self.height,
            last_paid: None,
            pose: 0,
            standing: Standing::Active,
            release: None,
            duty: Duty::default(),
            position: None,
        };
        let id = MasternodeId::new(self.counters()?.masternodes);
        Ok(Effect::Masternode(id, masternode))
    }

    /// > "sender = operator; banned; pose = 0", at the end of the queue
    fn judge_revival(&self, order: &Signed<tx::MnRevive>) -> Result<Effect, ApplyError> {
        let id = order.body.masternode;
        let mut masternode = self.known_masternode(id)?;
        if order.prefix.sender != masternode.operator {
            return Err(Rule::NotOwner.into());
        }
        if masternode.standing != Standing::Banned {
            return Err(Rule::NotBanned { masternode: id }.into());
        }
        check_staying(masternode.release)?;
        masternode.standing = Standing::Active;
        masternode.pose = 0;
        Ok(Effect::Masternode(id, masternode))
    }

    /// > "sender = owner; release at h+UNBOND and not in a roster; unpaid from now"
    fn judge_exit(&self, order: &Signed<tx::MnExit>) -> Result<Effect, ApplyError> {
        let id = order.body.masternode;
        let mut masternode = self.known_masternode(id)?;
        check_owner(&masternode.owner, &order.prefix.sender)?;
        check_staying(masternode.release)?;
        masternode.release = Some(self.release_height()?);
        Ok(Effect::Masternode(id, masternode))
    }

    /// Writes down what was judged.
    pub(super) fn carry_out(&mut self, effect: Effect) -> Result<(), ViewError> {
        match effect {
            Effect::None => Ok(()),
            Effect::Bond(id, bond) => self.write_bond(id, &bond),
            Effect::Masternode(id, masternode) => self.write_masternode(id, masternode),
        }
    }

    fn write_bond(&mut self, id: BondId, bond: &Bond) -> Result<(), ViewError> {
        let mut counters = self.counters()?;
        if id.get() == counters.bonds {
            counters.bonds = following(counters.bonds)?;
            self.overlay.set(StateKey::Counters, &counters);
            self.overlay.set(StateKey::VoteKey(bond.key), &id);
            self.set_live(StateKey::LiveBonds, id.get(), true)?;
        }
        if bond.release.is_some() {
            self.leaving.insert(Release::Bond(id));
        }
        self.overlay.set(StateKey::Bond(id), bond);
        Ok(())
    }

    fn write_masternode(
        &mut self,
        id: MasternodeId,
        mut masternode: Masternode,
    ) -> Result<(), ViewError> {
        let mut counters = self.counters()?;
        if id.get() == counters.masternodes {
            counters.masternodes = following(counters.masternodes)?;
            self.overlay.set(StateKey::Counters, &counters);
            for key in [masternode.operator, masternode.voting] {
                self.overlay.set(StateKey::MasternodeKey(key), &id);
            }
            self.set_live(StateKey::LiveMasternodes, id.get(), true)?;
        } else if masternode.release.is_some() {
            self.leaving.insert(Release::Masternode(id));
            masternode.position = None;
        } else {
            self.enqueue(id, &mut masternode)?;
        }
        self.ordered.insert(id);
        self.overlay.set(StateKey::Masternode(id), &masternode);
        Ok(())
    }

    /// Puts a masternode at the end of the payment queue; the caller writes it down.
    pub(super) fn enqueue(
        &mut self,
        id: MasternodeId,
        masternode: &mut Masternode,
    ) -> Result<(), ViewError> {
        let mut queue: PaymentQueue = self
            .overlay
            .get(&StateKey::PaymentQueue)?
            .unwrap_or_default();
        masternode.position = Some(queue.tail);
        self.overlay.set(StateKey::QueueEntry(queue.tail), &id);
        queue.tail = queue
            .tail
            .checked_add(1)
            .ok_or_else(|| damaged("the payment queue has no position left"))?;
        self.overlay.set(StateKey::PaymentQueue, &queue);
        Ok(())
    }

    /// Marks a number as given or as free of everything; `key` names the pages.
    pub(super) fn set_live(
        &mut self,
        key: fn(u32) -> StateKey,
        id: u32,
        is_alive: bool,
    ) -> Result<(), ViewError> {
        let (page, position) = LivePage::place(id);
        let key = key(page);
        let mut live: LivePage = self.overlay.get(&key)?.unwrap_or_default();
        live.set(position, is_alive);
        if live.is_empty() {
            self.overlay.remove(key);
        } else {
            self.overlay.set(key, &live);
        }
        Ok(())
    }

    pub(super) fn counters(&self) -> Result<Counters, ViewError> {
        Ok(self.overlay.get(&StateKey::Counters)?.unwrap_or_default())
    }

    pub(super) fn bond(&self, id: BondId) -> Result<Option<Bond>, ViewError> {
        self.overlay.get(&StateKey::Bond(id))
    }

    pub(super) fn masternode(&self, id: MasternodeId) -> Result<Option<Masternode>, ViewError> {
        self.overlay.get(&StateKey::Masternode(id))
    }

    fn known_bond(&self, id: BondId) -> Result<Bond, ApplyError> {
        let bond = self.bond(id)?;
        Ok(bond.ok_or(Rule::BondUnknown { bond: id })?)
    }

    fn known_masternode(&self, id: MasternodeId) -> Result<Masternode, ApplyError> {
        let masternode = self.masternode(id)?;
        Ok(masternode.ok_or(Rule::MasternodeUnknown { masternode: id })?)
    }

    /// When coins that leave now are paid back.
    pub(super) fn release_height(&self) -> Result<Height, ViewError> {
        let height = self.height.checked_add(self.params.unbond_blocks);
        height.ok_or_else(|| damaged("no height is left for a release"))
    }
}

fn check_owner(owner: &AccountId, sender: &PublicKey) -> Result<(), Rule> {
    if AccountId::from(sender) == *owner {
        Ok(())
    } else {
        Err(Rule::NotOwner)
    }
}

fn check_staying(release: Option<Height>) -> Result<(), Rule> {
    match release {
        Some(release) => Err(Rule::AlreadyLeaving { release }),
        None => Ok(()),
    }
}

/// Numbers outlast the coins: locking up the whole supply again and again, for as long as it takes
/// to leave, would use them up after more than a century.
fn following(number: u32) -> Result<u32, ViewError> {
    let next = number.checked_add(1);
    next.ok_or_else(|| damaged("no number is left for a bond or a masternode"))
}
