//! Random lives of bonds and masternodes with random reorgs: every block can be undone in every
//! map, no coin appears or vanishes, drafts and blocks agree.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::world::{World, coins, operator, voter, voting};
use super::*;

/// One step of a script.
#[derive(Clone, Debug)]
enum Step {
    /// Blocks with everybody's votes and signatures.
    Pass(u64),
    /// A block with these items, whether they fit or not.
    Mine(Vec<Item>),
    /// So many blocks are taken off.
    Disconnect(u64),
    /// Bonds and masternodes of these numbers fall silent, all others do their duty.
    Silence(BTreeSet<u32>),
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
    Votes { back: u64 },
    Signatures,
}

fn items() -> impl Strategy<Value = Item> {
    let number = || 0..5u32;
    prop_oneof![
        2 => (0..8u32, 1..4u64).prop_map(|(key, amount)| Item::Bond { key, amount }),
        1 => number().prop_map(Item::Unbond),
        1 => number().prop_map(Item::Wake),
        1 => (0..6u32).prop_map(|key| Item::Register { key }),
        1 => number().prop_map(Item::Revive),
        1 => number().prop_map(Item::Exit),
        2 => (number(), 0..60u64).prop_map(|(bond, age)| Item::DoubleVote { bond, age }),
        1 => number().prop_map(Item::Conflict),
        4 => (0..9u64).prop_map(|back| Item::Votes { back }),
        3 => Just(Item::Signatures),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..16u64).prop_map(Step::Pass),
        6 => proptest::collection::vec(items(), 0..8).prop_map(Step::Mine),
        2 => (1..14u64).prop_map(Step::Disconnect),
        1 => proptest::collection::btree_set(0..5u32, 0..4).prop_map(Step::Silence),
    ];
    proptest::collection::vec(step, 1..30)
}

struct Run {
    world: World,
    below: Vec<MemoryState>,
    accepted: BTreeSet<&'static str>,
}

impl Run {
    fn new() -> Self {
        Self {
            world: World::new(&[1, 2, 3], 3),
            below: Vec::new(),
            accepted: BTreeSet::new(),
        }
    }

    fn step(&mut self, step: &Step, position: usize) {
        match step {
            Step::Pass(blocks) => {
                for _ in 0..*blocks {
                    self.below.push(self.world.chain.state().clone());
                    self.world.step(&[]);
                    self.check_coins();
                }
            }
            Step::Mine(items) => self.mine(items, position),
            Step::Disconnect(blocks) => {
                for _ in 0..*blocks {
                    let Some(before) = self.below.pop() else {
                        return;
                    };
                    self.world.chain.disconnect();
                    assert_eq!(self.world.chain.state(), &before);
                }
            }
            Step::Silence(numbers) => {
                self.world.silent_bonds = numbers.clone();
                self.world.silent_masternodes = numbers.clone();
            }
        }
    }

    fn mine(&mut self, items: &[Item], position: usize) {
        let chain = &self.world.chain;
        let mut draft = chain.draft();
        for item in items {
            let before = (draft.body_bytes(), draft.body().clone());
            match offer(chain, &mut draft, item) {
                Ok(Some(name)) => {
                    self.accepted.insert(name);
                }
                Ok(None) => {}
                Err(ApplyError::Rule(_)) => {
                    assert_eq!((draft.body_bytes(), draft.body().clone()), before);
                }
                Err(ApplyError::View(error)) => panic!("memory answers, yet: {error}"),
            }
        }
        let bytes = draft.body_bytes();
        let mut block = draft
            .into_block(miner(), chain.next_time())
            .expect("memory");
        assert_eq!(bytes, codec::encoded_len(&block.body) as u64);
        block.header.extra = position as u64;
        solve(&mut block.header, chain.params());
        self.below.push(chain.state().clone());
        let applied = self
            .world
            .chain
            .connect(&block)
            .expect("a block made of a draft applies");
        assert_eq!(applied.block(), &block);
        self.check_coins();
    }

    /// > "balances + bonds + collaterals = supply = minted - burned", counted one by one
    fn check_coins(&self) {
        let Supply {
            supply,
            minted,
            burned,
        } = supply(&self.world.chain);
        assert_eq!(supply.base_units(), minted - burned);
        assert_eq!(
            self.world.chain.state().coins(),
            u128::from(supply.base_units())
        );
    }
}

/// Offers an item; the name of what was accepted.
fn offer(
    chain: &TestChain,
    draft: &mut Draft<'_, MemoryState>,
    item: &Item,
) -> Result<Option<&'static str>, ApplyError> {
    let mut order = |tx: Transaction| draft.try_transaction(&chain.check_transaction(&tx)?);
    match item {
        Item::Bond { key, amount } => {
            order(chain.bond(&alice(), 0, &voter(*key), coins(*amount)))?;
            Ok(Some("bond"))
        }
        Item::Unbond(bond) => order(chain.unbond(&alice(), *bond)).map(|()| Some("unbond")),
        Item::Wake(bond) => order(chain.wake(&alice(), *bond)).map(|()| Some("wake")),
        Item::Register { key } => {
            order(chain.register(&alice(), 0, &operator(*key), &voting(*key)))?;
            Ok(Some("register"))
        }
        Item::Revive(id) => order(chain.revive(&operator(*id), *id)).map(|()| Some("revive")),
        Item::Exit(id) => order(chain.exit(&alice(), *id)).map(|()| Some("exit")),
        Item::DoubleVote { bond, age } => {
            let height = (chain.height() + 2).saturating_sub(*age);
            draft.try_evidence(&chain.double_vote(&voter(*bond), *bond, height))?;
            Ok(Some("double vote"))
        }
        Item::Conflict(id) => {
            draft.try_evidence(&chain.finality_conflict(&operator(*id), *id))?;
            Ok(Some("conflict"))
        }
        Item::Votes { back } => {
            let height = Height::new(chain.height().saturating_sub(*back));
            let mut name = None;
            for (bond, seat) in chain.committee(height).members() {
                let keys = (0..8).map(voter).find(|voter| voter.key() == seat.key);
                let Some(voter) = keys else { continue };
                let block = chain.id_at(height).expect("an ancestor");
                let vote = voter.vote(chain.params(), height, block, bond);
                let committee = chain.committee(height);
                let id = chain.params().chain_id();
                draft.try_vote(&crate::stake::check_vote(&vote, &committee, &id)?)?;
                name = Some("vote");
                // One that is refused leaves no trace of itself; those before it stay.
                break;
            }
            Ok(name)
        }
        Item::Signatures => {
            let targets = chain.targets();
            let votes = targets.iter().flat_map(|target| {
                chain.finality_votes_for(target, |_, key| {
                    let mut operators = (0..6).map(operator);
                    operators.find(|operator| operator.key() == *key)
                })
            });
            match votes.last() {
                Some(vote) => {
                    draft.try_finality_vote(&vote)?;
                    Ok(Some("signature"))
                }
                None => Ok(None),
            }
        }
    }
}

/// A quarter of the usual number of cases, which PROPTEST_CASES sets: each mines hundreds of blocks.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases.div_ceil(4),
        max_shrink_iters: 200,
        ..usual
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_life_of_stake_can_be_undone_and_leaves_no_trace(script in steps()) {
        let mut run = Run::new();
        for (position, step) in script.iter().enumerate() {
            run.step(step, position);
        }
        // The same blocks, without the detours, end in the same state.
        let mut direct = TestChain::new(Network::Regtest);
        for applied in run.world.chain.blocks() {
            let again = direct.connect(applied.block()).expect("it applied before");
            prop_assert_eq!(again, applied);
        }
        prop_assert_eq!(direct.state(), run.world.chain.state());
        // The root follows from the values alone.
        let mut fresh = MemoryState::new(run.world.chain.params());
        let values = run.world.chain.state().values();
        let all = values.iter().map(|(key, value)| (*key, Some(value.clone())));
        let update = state::tree::update(&fresh, Height::new(1), &all.collect());
        let root = update.expect("memory").root;
        prop_assert_eq!(state::root(run.world.chain.state()), Ok(root));
        fresh.commit(&StateDiff::default());
        // All the way down.
        while !run.world.chain.blocks().is_empty() {
            run.world.chain.disconnect();
        }
        prop_assert_eq!(run.world.chain.state(), &fresh);
    }
}

#[test]
fn scripts_do_exercise_every_item() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut accepted = BTreeSet::new();
    for _ in 0..60 {
        let script = steps().new_tree(&mut runner).expect("a script").current();
        let mut run = Run::new();
        for (position, step) in script.iter().enumerate() {
            run.step(step, position);
        }
        accepted.extend(run.accepted);
    }
    let expected = [
        "bond",
        "conflict",
        "double vote",
        "exit",
        "register",
        "signature",
        "unbond",
        "vote",
    ];
    let missing: Vec<_> = expected
        .iter()
        .filter(|name| !accepted.contains(*name))
        .collect();
    assert!(missing.is_empty(), "never accepted: {missing:?}");
}
