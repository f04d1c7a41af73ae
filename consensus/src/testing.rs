//! Builders for the tests of this and other crates: a state in memory, a chain on top of it, and
//! owners who sign what stands in its blocks.
//!
//! # Invariants
//! * Deterministic: no clock and no randomness; equal calls make equal chains.
//! * Blocks go through the four public functions like everybody else's; nothing is skipped.
//! * Builders stop at the first mistake: they are for tests alone.
//!
//! # Spec
//! docs/spec/11-state.md
//!
//! # Not here
//! Real storage (`store`), real templates (`node`).

#![allow(clippy::panic, clippy::arithmetic_side_effects)] // a test stops at its first mistake

use std::collections::{BTreeMap, BTreeSet};

use chain::record::Stamp;
use chain::units::RateEpoch;
use chain::{
    AccountId, Block, BlockId, Envelope, Hash32, Header, Height, Network, PublicKey, Timestamp,
    Transaction,
};
use genesis::{Params, Pow};

use crate::block::{CheckedBlock, check_block};
use crate::difficulty::Target;
use crate::envelope::{CheckedEnvelope, check_envelope};
use crate::error::{ApplyError, Rule, ViewError};
use crate::header::{HeaderContext, check_header};
use crate::pow::{self, Solver};
use crate::stamp::{self, StampSearch};
use crate::state::{StateDiff, StateKey, StateView, value};
use crate::transaction::{CheckedTransaction, check_transaction};
use crate::transition::{AppliedBlock, Draft, apply};

mod owner;
mod stake;
mod world;

pub use owner::{Owner, TestEnvelope};
pub use world::{World, alice, bob, coins, miner, operator, voter, voting};

/// The state, the tree and the headers of one chain in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryState {
    headers: Vec<Header>,
    values: BTreeMap<StateKey, Vec<u8>>,
    nodes: BTreeMap<Vec<u8>, Vec<u8>>,
    seen: BTreeMap<PublicKey, RateEpoch>,
}

impl MemoryState {
    /// The state after genesis.
    #[must_use]
    pub fn new(params: &Params) -> Self {
        Self {
            headers: vec![params.genesis().header],
            values: BTreeMap::new(),
            nodes: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Moves one block forward.
    pub fn connect(&mut self, applied: &AppliedBlock) {
        self.headers.push(applied.block().header);
        self.commit(applied.diff());
    }

    /// Moves one block back; `applied` is the tip.
    pub fn disconnect(&mut self, applied: &AppliedBlock) {
        let tip = self.headers.pop();
        assert_eq!(
            tip,
            Some(applied.block().header),
            "only the tip can be disconnected"
        );
        self.commit(applied.undo());
    }

    /// Commits a difference to the maps.
    pub fn commit(&mut self, diff: &StateDiff) {
        commit(&mut self.values, &diff.values);
        commit(&mut self.nodes, &diff.nodes);
        commit(&mut self.seen, &diff.seen);
    }

    /// All values.
    #[must_use]
    pub fn values(&self) -> &BTreeMap<StateKey, Vec<u8>> {
        &self.values
    }

    /// All tree nodes.
    #[must_use]
    pub fn nodes(&self) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        &self.nodes
    }

    /// All seen one-time keys.
    #[must_use]
    pub fn seen_keys(&self) -> &BTreeMap<PublicKey, RateEpoch> {
        &self.seen
    }

    /// The coins of all accounts, bonds and collaterals, counted one by one (base units).
    #[must_use]
    pub fn coins(&self) -> u128 {
        let values = self.values.iter();
        values
            .map(|(key, bytes)| value::coins(key, bytes).expect("a value of ours"))
            .map(|coins| u128::from(coins.base_units()))
            .sum()
    }
}

fn commit<K: Ord + Clone, V: Clone>(map: &mut BTreeMap<K, V>, diff: &BTreeMap<K, Option<V>>) {
    for (key, value) in diff {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}

impl StateView for MemoryState {
    fn value(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.values.get(key).cloned())
    }

    fn node(&self, node_key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.nodes.get(node_key).cloned())
    }

    fn seen(&self, one_time_key: &PublicKey) -> Result<Option<RateEpoch>, ViewError> {
        Ok(self.seen.get(one_time_key).copied())
    }

    fn seen_in(&self, epoch: RateEpoch) -> Result<Vec<PublicKey>, ViewError> {
        let of_epoch = self.seen.iter().filter(|(_, seen)| **seen == epoch);
        Ok(of_epoch.map(|(key, _)| *key).collect())
    }

    fn ancestor(&self, height: Height) -> Result<Option<Header>, ViewError> {
        let index = usize::try_from(height.get()).expect("a test chain is short");
        Ok(self.headers.get(index).copied())
    }

    fn tip_height(&self) -> Result<Height, ViewError> {
        let above_genesis = self.headers.len() - 1;
        Ok(Height::new(
            u64::try_from(above_genesis).expect("a test chain is short"),
        ))
    }
}

/// A chain in memory, and the blocks that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestChain {
    params: Params,
    state: MemoryState,
    applied: Vec<AppliedBlock>,
}

impl TestChain {
    /// The genesis of a network. On regtest blocks cost two hashes; elsewhere a real search.
    #[must_use]
    pub fn new(network: Network) -> Self {
        Self::with(Params::of(network))
    }

    /// The genesis of a network with other numbers.
    #[must_use]
    pub fn with(params: Params) -> Self {
        let state = MemoryState::new(&params);
        Self {
            params,
            state,
            applied: Vec::new(),
        }
    }

    /// Its numbers.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The state after its tip.
    #[must_use]
    pub fn state(&self) -> &MemoryState {
        &self.state
    }

    /// Its blocks above genesis.
    #[must_use]
    pub fn blocks(&self) -> &[AppliedBlock] {
        &self.applied
    }

    /// Header of its tip.
    #[must_use]
    pub fn tip(&self) -> Header {
        *self.state.headers.last().expect("genesis is always there")
    }

    /// Id of the block at `height`, if the chain is that long: a [`stamp::Branch`].
    #[must_use]
    pub fn id_at(&self, height: Height) -> Option<BlockId> {
        self.state
            .ancestor(height)
            .expect("memory answers")
            .map(|header| header.id())
    }

    /// What the next header is judged against.
    #[must_use]
    pub fn context(&self) -> HeaderContext {
        let mut headers = self.state.headers.iter().rev().copied();
        let parent = headers.next().expect("genesis is always there");
        HeaderContext::new(parent, headers.next()).expect("checked headers")
    }

    /// The time of the next block: a second after the tip.
    #[must_use]
    pub fn next_time(&self) -> Timestamp {
        self.tip()
            .time
            .checked_add(1_000)
            .expect("before the end of time")
    }

    /// An empty block on top.
    #[must_use]
    pub fn draft(&self) -> Draft<'_, MemoryState> {
        Draft::new(&self.state, &self.params).expect("memory answers")
    }

    /// Checks a transaction by itself, on this branch.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn check_transaction(&self, tx: &Transaction) -> Result<CheckedTransaction, Rule> {
        check_transaction(tx.clone(), &|height| self.id_at(height), &self.params)
    }

    /// Checks an envelope by itself, on this branch.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn check_envelope(&self, envelope: &Envelope) -> Result<CheckedEnvelope, Rule> {
        check_envelope(
            envelope.to_bytes(),
            &|height| self.id_at(height),
            &self.params,
        )
    }

    /// A solved block with these items, in this order, paid out to `payout`.
    ///
    /// # Panics
    /// If an item breaks a rule.
    #[must_use]
    pub fn build(&self, payout: AccountId, txs: &[Transaction], envelopes: &[Envelope]) -> Block {
        let mut draft = self.draft();
        for tx in txs {
            let checked = self.check_transaction(tx).expect("a valid transaction");
            draft
                .try_transaction(&checked)
                .expect("a transaction that fits");
        }
        for envelope in envelopes {
            let checked = self.check_envelope(envelope).expect("a valid envelope");
            draft.try_envelope(&checked).expect("an envelope that fits");
        }
        let mut block = draft
            .into_block(payout, self.next_time())
            .expect("memory answers");
        solve(&mut block.header, &self.params);
        block
    }

    /// The block without its context: header and body checks.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn check(&self, block: &Block) -> Result<CheckedBlock, Rule> {
        self.check_seen(block, &BTreeSet::new())
    }

    /// As [`Self::check`], with items that were verified before.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn check_seen(&self, block: &Block, seen: &BTreeSet<Hash32>) -> Result<CheckedBlock, Rule> {
        let now = block.header.time;
        let header = check_header(&block.header, &self.context(), &self.params, now)?;
        let branch = |height| self.id_at(height);
        check_block(block.body.clone(), &header, &branch, &self.params, seen)
    }

    /// All that a block has to pass, on top of the tip.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn apply(&self, block: &Block) -> Result<AppliedBlock, ApplyError> {
        apply(&self.state, self.check(block)?, &self.params)
    }

    /// Applies a block and makes it the tip.
    ///
    /// # Errors
    /// The first rule it breaks; the chain is as before.
    pub fn connect(&mut self, block: &Block) -> Result<&AppliedBlock, ApplyError> {
        let applied = self.apply(block)?;
        self.state.connect(&applied);
        self.applied.push(applied);
        Ok(self.applied.last().expect("just pushed"))
    }

    /// Takes the tip off.
    ///
    /// # Panics
    /// If only genesis is left.
    pub fn disconnect(&mut self) -> AppliedBlock {
        let applied = self.applied.pop().expect("a block above genesis");
        self.state.disconnect(&applied);
        applied
    }

    /// Builds a block and makes it the tip.
    ///
    /// # Panics
    /// If an item breaks a rule.
    pub fn mine(
        &mut self,
        payout: AccountId,
        txs: &[Transaction],
        envelopes: &[Envelope],
    ) -> &AppliedBlock {
        let block = self.build(payout, txs, envelopes);
        self.connect(&block)
            .expect("a block made of a draft applies")
    }

    /// Mines this many blocks without content.
    pub fn mine_empty(&mut self, payout: AccountId, blocks: u64) {
        for _ in 0..blocks {
            self.mine(payout, &[], &[]);
        }
    }

    /// The rate epoch of the next block.
    #[must_use]
    pub fn rate_epoch(&self) -> RateEpoch {
        self.params
            .rate_epoch(self.tip().height.next().expect("a test chain is short"))
    }

    /// A stamp for `commitment` that the next block accepts; needs a tip of height 7 or more.
    #[must_use]
    pub fn stamp(&self, commitment: [u8; 32], effort: u32) -> Stamp {
        let reference = stamp::reference_at(self.tip().height);
        let block = self.id_at(reference).expect("an ancestor");
        let search = StampSearch::new(commitment, reference, block, effort, [0; 16]);
        let mut search = search.expect("a test chain is short");
        let mut solver = Solver::new();
        loop {
            if let Some(stamp) = search.step(&mut solver) {
                return stamp;
            }
        }
    }
}

/// Searches the nonce (and the solution) that makes a header valid.
pub fn solve(header: &mut Header, params: &Params) {
    let target = Target::from_compact(header.target).expect("a computed target");
    let mut solver = (params.pow == Pow::EquiX).then(Solver::new);
    loop {
        let found = match &mut solver {
            Some(solver) => solver.attempt(header, target, params.pow),
            None => pow::check_pow(header, target, params.pow)
                .ok()
                .map(|()| header.solution),
        };
        if let Some(solution) = found {
            header.solution = solution;
            return;
        }
        header.nonce += 1;
    }
}

/// Names the body in the header anew after a change to it, and solves the header.
///
/// # Panics
/// If an envelope of the body is none.
pub fn reseal(block: &mut Block, params: &Params) {
    block.header.tx_root = block.body.tx_root();
    block.header.envelope_root = block.body.envelope_root().expect("envelopes");
    block.header.aux_root = block.body.aux.root();
    solve(&mut block.header, params);
}
