//! Ten thousand random scripts of blocks with stake in them, connected and taken back: every table
//! of the store is as it was.
//!
//! # Invariants
//! Every block goes through the rules twice, in memory and on top of the store, and both agree.
//!
//! # Spec
//! docs/spec/13-storage.md §5, docs/spec/17-stake.md, docs/spec/18-finality.md
//!
//! # Not here
//! Kills and restarts: `model.rs`, `kill_points.rs`.

use std::collections::{BTreeMap, BTreeSet};

use chain::units::CheckpointNumber;
use chain::{Block, BlockId, Hash32, Height, Transaction};
use consensus::error::ApplyError;
use consensus::state::{self, value};
use consensus::testing::{
    MemoryState, TestEnvelope, World, alice, bob, coins, miner, operator, solve, voter, voting,
};
use consensus::transition::{self, Draft};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use store::schema::Table;
use store::{Durability, Options, Store};

/// Scripts of each of the four tests below.
const SCRIPTS: u32 = 2_500;
/// Scripts that start from one block; then the chain grows by one.
const SCRIPTS_PER_BLOCK: u32 = 40;

/// One step of a script.
#[derive(Clone, Debug)]
enum Step {
    /// A block with these items, as far as they fit.
    Connect(Vec<Item>),
    /// So many blocks in which everybody does his duty.
    Pass(u8),
    /// So many blocks of the script are taken back.
    Disconnect(u8),
}

/// One item that is offered to a draft.
#[derive(Clone, Debug)]
enum Item {
    Bond { key: u32, amount: u64 },
    Unbond(u32),
    Wake(u32),
    Register { key: u32 },
    Revive(u32),
    Exit(u32),
    DoubleVote { bond: u32, age: u64 },
    Conflict(u32),
    Votes,
    Signatures,
    Transfer(u64),
    Envelopes(u8),
}

fn item() -> impl Strategy<Value = Item> {
    let number = || 0..6u32;
    prop_oneof![
        2 => (0..12u32, 1..4u64).prop_map(|(key, amount)| Item::Bond { key, amount }),
        1 => number().prop_map(Item::Unbond),
        1 => number().prop_map(Item::Wake),
        1 => (0..8u32).prop_map(|key| Item::Register { key }),
        1 => number().prop_map(Item::Revive),
        1 => number().prop_map(Item::Exit),
        2 => (number(), 0..60u64).prop_map(|(bond, age)| Item::DoubleVote { bond, age }),
        1 => number().prop_map(Item::Conflict),
        5 => Just(Item::Votes),
        5 => Just(Item::Signatures),
        2 => (1..9u64).prop_map(Item::Transfer),
        2 => (1..4u8).prop_map(Item::Envelopes),
    ]
}

fn script() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        60 => prop::collection::vec(item(), 0..6).prop_map(Step::Connect),
        9 => (1..4u8).prop_map(Step::Pass),
        // Over the end of a term, and of a release.
        1 => (12..60u8).prop_map(Step::Pass),
        30 => (1..5u8).prop_map(Step::Disconnect),
    ];
    prop::collection::vec(step, 1..6)
}

/// A world in memory and the same on disk.
struct Stage {
    world: World,
    store: Store,
    /// Digests of all tables below the blocks of the running script.
    below: Vec<(BTreeMap<Table, Hash32>, MemoryState)>,
    /// Blocks that left the chain.
    left: BTreeSet<(Height, BlockId)>,
    /// Never falls: what a script mines, no other mined before.
    numbers: u64,
    accepted: BTreeSet<&'static str>,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// At a height at which committees vote, rosters sign, a bond sleeps, and a bond and a
    /// masternode wait for their release.
    fn new(start: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut world = World::new(&[1, 2, 3, 1], 4);
        world.silent_bonds.insert(2);
        world.to(100);
        let orders = [world.chain.unbond(&alice(), 3)];
        world.step(&orders);
        let orders = [world.chain.exit(&alice(), 3)];
        world.step(&orders);
        world.to(start);
        let options = Options {
            durability: Durability::Buffered,
            ..Options::default()
        };
        let params = world.chain.params();
        let store = Store::open(folder.path(), params, options).expect("a fresh folder");
        for applied in world.chain.blocks() {
            store.connect(applied).expect("a valid block");
        }
        Self {
            world,
            store,
            below: Vec::new(),
            left: BTreeSet::new(),
            numbers: 0,
            accepted: BTreeSet::new(),
            _folder: folder,
        }
    }

    fn digest(&self) -> BTreeMap<Table, Hash32> {
        let view = self.store.view().expect("a tip");
        view.digest().expect("readable").into_iter().collect()
    }

    /// Connects a block on both sides.
    fn connect(&mut self, block: &Block) {
        let chain = &mut self.world.chain;
        let checked = chain.check(block).expect("valid by itself");
        let view = self.store.view().expect("a tip");
        let applied = transition::apply(&view, checked, chain.params());
        let applied = applied.expect("valid on the store");
        drop(view);
        self.store.connect(&applied).expect("room");
        let in_memory = chain.connect(block).expect("valid in memory");
        assert_eq!(applied, *in_memory);
        let view = self.store.view().expect("a tip");
        let hash = state::state_hash(chain.state(), chain.params());
        assert_eq!(view.state_hash(), hash);
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Connect(items) => {
                let block = self.build(items);
                self.remember();
                self.connect(&block);
            }
            Step::Pass(count) => {
                for _ in 0..*count {
                    self.remember();
                    let block = self.world.build(&[]);
                    self.connect(&block);
                }
            }
            Step::Disconnect(count) => (0..*count).for_each(|_| self.disconnect()),
        }
    }

    fn remember(&mut self) {
        let state = self.world.chain.state().clone();
        self.below.push((self.digest(), state));
    }

    /// Takes one block of the script back: every table is as it was, but for what is kept of side
    /// branches.
    fn disconnect(&mut self) {
        let Some((before, state)) = self.below.pop() else {
            return;
        };
        let applied = self.world.chain.disconnect();
        let block = self.store.disconnect(applied.id()).expect("the tip");
        assert_eq!(block, *applied.block());
        assert_eq!(*self.world.chain.state(), state);
        self.left.insert((applied.height(), *applied.id()));
        let after = self.digest();
        let side = [Table::Headers, Table::Heights, Table::Bodies];
        for (table, digest) in before {
            if !side.contains(&table) {
                assert_eq!(after[&table], digest, "{table:?}");
            }
        }
    }

    /// Takes the script back whole, and forgets its blocks: every table is as it was.
    fn rewind(&mut self, base: &BTreeMap<Table, Hash32>) {
        while !self.below.is_empty() {
            self.disconnect();
        }
        for (_, id) in std::mem::take(&mut self.left).into_iter().rev() {
            self.store.remove_side_block(&id).expect("a side block");
        }
        assert_eq!(self.digest(), *base);
    }

    /// A block of those items that fit.
    fn build(&mut self, items: &[Item]) -> Block {
        let Self {
            world,
            numbers,
            accepted,
            ..
        } = self;
        let mut draft = world.chain.draft();
        for item in items {
            match offer(world, &mut draft, item, numbers) {
                Ok(Some(name)) => {
                    accepted.insert(name);
                }
                Ok(None) | Err(ApplyError::Rule(_)) => {}
                Err(ApplyError::View(error)) => panic!("memory answers, yet: {error}"),
            }
        }
        let time = world.chain.next_time();
        let mut block = draft.into_block(miner(), time).expect("memory answers");
        *numbers += 1;
        block.header.extra = *numbers;
        solve(&mut block.header, world.chain.params());
        block
    }
}

/// Offers an item; the name of what was accepted.
fn offer(
    world: &World,
    draft: &mut Draft<'_, MemoryState>,
    item: &Item,
    numbers: &mut u64,
) -> Result<Option<&'static str>, ApplyError> {
    let chain = &world.chain;
    let mut order = |tx: Transaction, name| {
        draft.try_transaction(&chain.check_transaction(&tx)?)?;
        Ok(Some(name))
    };
    match *item {
        Item::Bond { key, amount } => {
            let tx = chain.bond(&alice(), 0, &voter(key), coins(amount));
            order(tx, "bond")
        }
        Item::Unbond(bond) => order(chain.unbond(&alice(), bond), "unbond"),
        Item::Wake(bond) => order(chain.wake(&alice(), bond), "wake"),
        Item::Register { key } => {
            let tx = chain.register(&alice(), 0, &operator(key), &voting(key));
            order(tx, "register")
        }
        Item::Revive(id) => order(chain.revive(&operator(id), id), "revive"),
        Item::Exit(id) => order(chain.exit(&alice(), id), "exit"),
        Item::Transfer(amount) => {
            let account = value::account(chain.state(), &alice().account())?;
            let prefix = alice().prefix(account.nonce, coins(1));
            let to = [(bob().account(), chain::Amount::from_base(amount))];
            order(alice().transfer(chain.params(), prefix, &to), "transfer")
        }
        Item::DoubleVote { bond, age } => {
            let height = (chain.height() + 2).saturating_sub(age);
            draft.try_evidence(&chain.double_vote(&voter(bond), bond, height))?;
            Ok(Some("double vote"))
        }
        Item::Conflict(id) => {
            draft.try_evidence(&chain.finality_conflict(&operator(id), id))?;
            Ok(Some("conflict"))
        }
        Item::Votes => {
            let votes = world.votes();
            votes.iter().try_for_each(|vote| draft.try_vote(vote))?;
            Ok((!votes.is_empty()).then_some("vote"))
        }
        Item::Signatures => {
            let signatures = world.signatures();
            let mut each = signatures.iter();
            each.try_for_each(|signature| draft.try_finality_vote(signature))?;
            Ok((!signatures.is_empty()).then_some("signature"))
        }
        Item::Envelopes(count) => {
            for _ in 0..count {
                *numbers += 1;
                let epoch = chain.rate_epoch();
                let made = TestEnvelope::message(chain.params(), epoch, *numbers);
                draft.try_envelope(&chain.check_envelope(&made.envelope)?)?;
            }
            Ok(Some("envelope"))
        }
    }
}

/// Runs the scripts that follow from `start`, on a chain that begins at this height and grows.
fn scripts_from(start: u64) -> Stage {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&start.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut stage = Stage::new(start);
    for number in 0..SCRIPTS {
        let script = script().new_tree(&mut runner).expect("a script").current();
        let base = stage.digest();
        for step in &script {
            stage.take(step);
        }
        stage.rewind(&base);
        if number % SCRIPTS_PER_BLOCK == 0 {
            let block = stage.world.build(&[]);
            stage.connect(&block);
        }
    }
    stage
}

fn assert_much_was_accepted(stage: &Stage) {
    let all = [
        "bond",
        "unbond",
        "wake",
        "register",
        "exit",
        "transfer",
        "double vote",
        "conflict",
        "vote",
        "signature",
        "envelope",
    ];
    let missing: Vec<_> = all
        .iter()
        .filter(|name| !stage.accepted.contains(*name))
        .collect();
    assert!(missing.is_empty(), "never accepted: {missing:?}");
    let finality = value::finality(stage.world.chain.state()).expect("memory answers");
    assert!(finality.finalized > CheckpointNumber::new(0));
}

#[test]
fn scripts_with_releases_ahead_leave_every_table_as_it_was() {
    assert_much_was_accepted(&scripts_from(104));
}

#[test]
fn scripts_at_the_releases_leave_every_table_as_it_was() {
    assert_much_was_accepted(&scripts_from(140));
}

#[test]
fn scripts_after_the_releases_leave_every_table_as_it_was() {
    assert_much_was_accepted(&scripts_from(181));
}

#[test]
fn scripts_on_a_longer_chain_leave_every_table_as_it_was() {
    assert_much_was_accepted(&scripts_from(250));
}
