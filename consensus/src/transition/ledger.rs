//! The books of one block: every step that reads or changes the state, for blocks and drafts alike.
//!
//! # Invariants
//! * A method that takes one item and names a broken rule has changed nothing. Those that take the
//!   lists of a finished block end with the ledger at the first fault.
//! * Received and earned coins wait in `credits` until the books are closed.
//!
//! # Spec
//! docs/spec/11-state.md §4
//!
//! # Not here
//! The order of the steps: [`super::apply`]. What each kind of item does: the files below.

use std::collections::{BTreeMap, BTreeSet};

use chain::units::{BondId, CheckpointNumber, MasternodeId, RateEpoch};
use chain::{AccountId, Amount, BlockId, Header, Height};
use genesis::Params;

use super::settlement;
use crate::difficulty::Work;
use crate::error::{Rule, ViewError};
use crate::evidence::Misdeed;
use crate::finality::Target;
use crate::reward;
use crate::stake::Committee;
use crate::state::overlay::{Difference, Overlay};
use crate::state::value::{Account, Prices, RecentUncles, Release, Supply};
use crate::state::{self, StateKey, StateView, value};

mod branch;
mod checkpoints;
mod envelopes;
mod evidence;
mod masternodes;
mod orders;
mod releases;
mod stake_orders;
mod term;
mod votes;

/// The state of a block under way.
pub(super) struct Ledger<'v, V> {
    overlay: Overlay<'v, V>,
    params: &'v Params,
    parent: Header,
    parent_id: BlockId,
    height: Height,
    supply: Supply,
    prices: Prices,
    body_limit: u64,
    /// Blocks that a stamp may refer to at this height.
    references: BTreeMap<Height, BlockId>,
    recent_uncles: RecentUncles,
    uncles: u64,
    uncle_work: Work,
    credits: BTreeMap<AccountId, Amount>,
    /// Accounts that transfers of this block bring to life.
    created: BTreeSet<AccountId>,
    /// Payments for envelopes so far: in a block all transactions come before them.
    payments: BTreeMap<AccountId, u64>,
    stamped_bytes: u64,
    /// Whether step 1 was done: it may cost a walk over all bonds, and most of what is asked of a
    /// draft does not depend on it.
    has_begun: bool,
    /// Committees of the heights that were asked about.
    committees: BTreeMap<Height, Committee>,
    /// Seats of the votes that this block includes, by height and bond.
    votes: BTreeMap<(Height, BondId), u32>,
    /// Open checkpoints, once they were asked about.
    targets: Option<Vec<Target>>,
    /// Finality signatures that this block includes.
    signatures: BTreeSet<(CheckpointNumber, MasternodeId)>,
    /// What the evidence of this block proves.
    misdeeds: BTreeSet<Misdeed>,
    /// Masternodes that transactions of this block ordered something about.
    ordered: BTreeSet<MasternodeId>,
    /// What leaves `UNBOND` blocks from now.
    leaving: BTreeSet<Release>,
    /// Masternodes that were due and still sit in a roster.
    put_off: BTreeSet<Release>,
    minted: Amount,
    burned: Amount,
    tips: Amount,
    /// Miner's part of slashes.
    bounty: Amount,
    /// Miner's share for finality signatures.
    signature_share: Amount,
}

/// What closing the books brings.
pub(super) struct Outcome {
    pub(super) difference: Difference,
    pub(super) uncle_work: Work,
    pub(super) minted: Amount,
    pub(super) burned: Amount,
}

impl<'v, V: StateView> Ledger<'v, V> {
    /// Opens the books of the block after the view's tip.
    pub(super) fn open(view: &'v V, params: &'v Params) -> Result<Self, ViewError> {
        let parent = state::tip(view)?;
        let height = parent
            .height
            .next()
            .ok_or_else(|| damaged("no height after the tip"))?;
        let mut ledger = Self {
            overlay: Overlay::new(view),
            params,
            parent,
            parent_id: parent.id(),
            height,
            supply: value::supply(view)?,
            prices: value::prices(view)?,
            body_limit: value::body_limit(view)?,
            references: branch::references(view, height)?,
            recent_uncles: value::recent_uncles(view)?,
            uncles: 0,
            uncle_work: Work::ZERO,
            credits: BTreeMap::new(),
            created: BTreeSet::new(),
            payments: BTreeMap::new(),
            stamped_bytes: 0,
            has_begun: false,
            committees: BTreeMap::new(),
            votes: BTreeMap::new(),
            targets: None,
            signatures: BTreeSet::new(),
            misdeeds: BTreeSet::new(),
            ordered: BTreeSet::new(),
            leaving: BTreeSet::new(),
            put_off: BTreeSet::new(),
            minted: Amount::ZERO,
            burned: Amount::ZERO,
            tips: Amount::ZERO,
            bounty: Amount::ZERO,
            signature_share: Amount::ZERO,
        };
        let term = params.term(height);
        if params.term_start(term) == height {
            ledger.body_limit = settlement::body_limit_after(view, params)?;
            ledger.overlay.set(StateKey::BodyLimit, &ledger.body_limit);
        }
        Ok(ledger)
    }

    pub(super) fn view(&self) -> &'v V {
        self.overlay.view()
    }

    pub(super) fn params(&self) -> &'v Params {
        self.params
    }

    pub(super) fn parent(&self) -> &Header {
        &self.parent
    }

    pub(super) fn parent_id(&self) -> &BlockId {
        &self.parent_id
    }

    pub(super) fn height(&self) -> Height {
        self.height
    }

    pub(super) fn body_limit(&self) -> u64 {
        self.body_limit
    }

    pub(super) fn stamped_bytes(&self) -> u64 {
        self.stamped_bytes
    }

    /// > "the network's share of a block"
    pub(super) fn stamped_limit(&self) -> u64 {
        let share = self
            .body_limit
            .saturating_mul(self.params.stamp_share_percent);
        share.checked_div(100).unwrap_or_default()
    }

    /// > "pow_count: parent's + 1 + uncles"
    pub(super) fn solution_count(&self) -> u64 {
        self.parent
            .pow_count
            .saturating_add(1)
            .saturating_add(self.uncles)
    }

    /// > "body <= clamp(2 * median body size of the last full term, 256 KiB, 1 MiB)"
    pub(super) fn check_body_limit(&self, found: u64) -> Result<(), Rule> {
        let limit = self.body_limit;
        if found <= limit {
            Ok(())
        } else {
            Err(Rule::BodyLimit { limit, found })
        }
    }

    /// Settles votes and signatures, pays masternode and miner, adds all credits, and hands back
    /// both ways.
    pub(super) fn close(
        mut self,
        payout: &AccountId,
        body_bytes: u64,
    ) -> Result<Outcome, ViewError> {
        self.begin()?;
        let seats = self.settle_votes()?;
        self.settle_signatures()?;
        self.pay_masternode()?;
        let supply = self.parent_supply();
        self.mint(payout, reward::miner(supply, self.uncles, seats))?;
        self.mint(payout, self.signature_share)?;
        self.credit(payout, self.tips)?;
        self.credit(payout, self.bounty)?;
        self.turn_checkpoint()?;
        self.plan_releases()?;
        for (account_id, credit) in std::mem::take(&mut self.credits) {
            let mut account = self.account(&account_id)?;
            account.balance = sum(account.balance, credit)?;
            self.overlay.set(StateKey::Account(account_id), &account);
        }
        let after = settlement::supply_after(self.supply, self.minted, self.burned)?;
        self.overlay.set(StateKey::Supply, &after);
        settlement::turn_epoch(
            &mut self.overlay,
            self.height,
            &self.prices,
            after,
            self.params,
        )?;
        settlement::keep_body_size(&mut self.overlay, self.height, body_bytes, self.params);
        settlement::keep_uncles(&mut self.overlay, self.height, self.recent_uncles);
        let difference = self.overlay.finish(self.height)?;
        settlement::check_conservation(&difference, self.minted, self.burned)?;
        Ok(Outcome {
            difference,
            uncle_work: self.uncle_work,
            minted: self.minted,
            burned: self.burned,
        })
    }

    fn parent_supply(&self) -> Amount {
        self.supply.supply
    }

    fn mint(&mut self, to: &AccountId, amount: Amount) -> Result<(), ViewError> {
        let minted = sum(self.minted, amount)?;
        self.credit(to, amount)?;
        self.minted = minted;
        Ok(())
    }

    /// Nothing is no credit: it would bring an account to life that has nothing.
    fn credit(&mut self, to: &AccountId, amount: Amount) -> Result<(), ViewError> {
        if amount > Amount::ZERO {
            let before = self.credits.get(to).copied().unwrap_or_default();
            self.credits.insert(*to, sum(before, amount)?);
        }
        Ok(())
    }

    fn account(&self, id: &AccountId) -> Result<Account, ViewError> {
        Ok(self
            .overlay
            .get(&StateKey::Account(*id))?
            .unwrap_or_default())
    }

    fn price(&self, epoch: RateEpoch) -> Option<Amount> {
        self.prices
            .iter()
            .find(|price| price.epoch == epoch)
            .map(|price| price.kib)
    }
}

/// > "nonce = account.nonce"
fn check_nonce(expected: u64, found: u64) -> Result<(), Rule> {
    match found.cmp(&expected) {
        std::cmp::Ordering::Less => Err(Rule::NonceUsed { expected, found }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(Rule::NonceAhead { expected, found }),
    }
}

fn next_nonce(nonce: u64) -> Result<u64, ViewError> {
    nonce
        .checked_add(1)
        .ok_or_else(|| damaged("an account has no nonce left"))
}

fn bytes_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// A sum that the supply's cap bounds, if our own books are right.
fn sum(a: Amount, b: Amount) -> Result<Amount, ViewError> {
    a.checked_add(b)
        .ok_or_else(|| damaged("a sum of coins exceeds the cap"))
}

fn damaged(reason: &str) -> ViewError {
    ViewError::Damaged {
        reason: reason.to_owned(),
    }
}
