//! Random chains with random reorgs: revert after apply restores every map, templates always
//! apply, no coin appears or vanishes, and the order of arrival leaves no trace.

use proptest::prelude::*;

use super::*;

/// One step of a script.
#[derive(Clone, Debug)]
enum Step {
    /// A block with these items.
    Mine(Vec<Item>),
    /// A reorg: so many blocks are taken off; they become candidates for uncles.
    Disconnect(usize),
}

/// One item that is offered to a draft, whether it fits or not.
#[derive(Clone, Debug)]
enum Item {
    Transfer {
        from: u64,
        to: u64,
        amount: u64,
        tip: u64,
        nonce_ahead: u64,
    },
    Record {
        owner: u64,
    },
    Free {
        key: u64,
        epoch_ahead: u32,
    },
    Paid {
        payer: u64,
        key: u64,
        class: u8,
    },
    Uncle {
        index: usize,
    },
}

fn items() -> impl Strategy<Value = Item> {
    let owner = || 0..4u64;
    prop_oneof![
        4 => (owner(), 0..6u64, 0..200_000_000u64, 0..5_000u64, 0..10u64).prop_map(
            |(from, to, amount, tip, luck)| {
                Item::Transfer { from, to, amount, tip, nonce_ahead: u64::from(luck == 0) }
            }
        ),
        1 => owner().prop_map(|owner| Item::Record { owner }),
        3 => (0..30u64, 0..4u32).prop_map(|(key, luck)| {
            Item::Free { key, epoch_ahead: u32::from(luck == 0) }
        }),
        2 => (owner(), 0..30u64, 0..4u8).prop_map(|(payer, key, class)| {
            Item::Paid { payer, key, class }
        }),
        1 => (0..8usize).prop_map(|index| Item::Uncle { index }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => proptest::collection::vec(items(), 0..8).prop_map(Step::Mine),
        1 => (1..5usize).prop_map(Step::Disconnect),
    ];
    proptest::collection::vec(step, 1..24)
}

/// Short epochs, so that scripts cross windows, prices and terms.
fn params() -> Params {
    Params {
        rate_epoch_blocks: 4,
        rate_grace_blocks: 1,
        ..Params::of(Network::Regtest)
    }
}

/// A chain, the states below its tip, and headers that lost.
struct Run {
    chain: TestChain,
    below: Vec<MemoryState>,
    losers: Vec<Header>,
    accepted: usize,
}

impl Run {
    fn new() -> Self {
        let chain = TestChain::with(params());
        Self {
            chain,
            below: Vec::new(),
            losers: Vec::new(),
            accepted: 0,
        }
    }

    fn step(&mut self, step: &Step, position: usize) {
        match step {
            Step::Mine(items) => self.mine(items, position),
            Step::Disconnect(blocks) => {
                for _ in 0..(*blocks).min(self.below.len()) {
                    self.losers.push(self.chain.tip());
                    self.chain.disconnect();
                    assert_eq!(Some(self.chain.state()), self.below.pop().as_ref());
                }
            }
        }
    }

    fn mine(&mut self, items: &[Item], position: usize) {
        let now = self.chain.next_time();
        let mut draft = self.chain.draft();
        let mut accepted = 0;
        for item in items {
            let before = (draft.body_bytes(), draft.body().clone());
            match self.offer(&mut draft, item) {
                Ok(()) => accepted += 1,
                Err(ApplyError::Rule(_)) => {
                    assert_eq!((draft.body_bytes(), draft.body().clone()), before);
                }
                Err(ApplyError::View(error)) => panic!("memory answers, yet: {error}"),
            }
        }
        let payout = Owner::new(position as u64 % 4).account();
        let bytes = draft.body_bytes();
        let mut block = draft.into_block(payout, now).expect("memory");
        assert_eq!(bytes, codec::encoded_len(&block.body) as u64);
        // Blocks of two branches differ even if nothing else does.
        block.header.extra = position as u64;
        solve(&mut block.header, self.chain.params());
        self.below.push(self.chain.state().clone());
        let applied = self
            .chain
            .connect(&block)
            .expect("a block made of a draft applies");
        assert_eq!(applied.block(), &block);
        self.accepted += accepted;
        self.check_coins();
    }

    /// > "supply = minted - burned at every block", counted over all accounts
    fn check_coins(&self) {
        let Supply {
            supply,
            minted,
            burned,
        } = supply(&self.chain);
        assert_eq!(supply.base_units(), minted - burned);
        assert_eq!(self.chain.state().coins(), u128::from(supply.base_units()));
    }

    fn offer(&self, draft: &mut Draft<'_, MemoryState>, item: &Item) -> Result<(), ApplyError> {
        let chain = &self.chain;
        match item {
            Item::Transfer {
                from,
                to,
                amount,
                tip,
                nonce_ahead,
            } => {
                let from = Owner::new(*from);
                let nonce = account(chain, &from).nonce + nonce_ahead;
                let prefix = Prefix {
                    tip: base(*tip),
                    ..from.prefix(nonce, MAX_FEE)
                };
                let outputs = [(Owner::new(*to).account(), base(*amount))];
                let tx = from.transfer(chain.params(), prefix, &outputs);
                draft.try_transaction(&chain.check_transaction(&tx)?)
            }
            Item::Record { owner } => {
                let owner = Owner::new(*owner);
                let before = value::record(chain.state(), &owner.account())?;
                let record = owner.record(chain.params(), before.as_ref());
                let prefix = owner.prefix(account(chain, &owner).nonce, MAX_FEE);
                let tx = owner.set_record(chain.params(), prefix, record, None);
                draft.try_transaction(&chain.check_transaction(&tx)?)
            }
            Item::Free { key, epoch_ahead } => {
                let epoch = chain.rate_epoch().checked_add(*epoch_ahead).expect("small");
                let made = TestEnvelope::message(chain.params(), epoch, *key);
                draft.try_envelope(&chain.check_envelope(&made.envelope)?)
            }
            Item::Paid { payer, key, class } => {
                let payer = Owner::new(*payer);
                let class = SizeClass::new(*class).expect("a class");
                let (epoch, kind) = (chain.rate_epoch(), EnvelopeKind::Message);
                let mut made = TestEnvelope::new(chain.params(), epoch, kind, class, *key);
                let burn = base(1024 * reward::burn_units(class));
                let nonce = account(chain, &payer).nonce;
                payer.pay(chain.params(), &mut made, nonce, burn);
                draft.try_envelope(&chain.check_envelope(&made.envelope)?)
            }
            Item::Uncle { index } => match self.losers.iter().rev().nth(*index) {
                Some(loser) => draft.try_uncle(loser, chain.next_time()),
                None => Ok(()),
            },
        }
    }
}

proptest! {
    // More with PROPTEST_CASES.
    #![proptest_config(ProptestConfig { max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_script_can_be_undone_and_leaves_no_trace(script in steps()) {
        let mut run = Run::new();
        for (position, step) in script.iter().enumerate() {
            run.step(step, position);
        }
        // The same blocks, without the detours, end in the same state.
        let mut direct = TestChain::with(params());
        for applied in run.chain.blocks() {
            let again = direct.connect(applied.block()).expect("it applied before");
            prop_assert_eq!(again, applied);
        }
        prop_assert_eq!(direct.state(), run.chain.state());
        let hash = |chain: &TestChain| state::state_hash(chain.state(), chain.params());
        prop_assert_eq!(hash(&direct), hash(&run.chain));
        // All the way down.
        run.step(&Step::Disconnect(usize::MAX), script.len());
        prop_assert_eq!(run.chain.state(), &MemoryState::new(&params()));
    }
}

#[test]
fn scripts_do_exercise_items_reorgs_and_uncles() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut accepted, mut uncles, mut reorgs) = (0, 0, 0);
    for _ in 0..40 {
        let script = steps().new_tree(&mut runner).expect("a script").current();
        let mut run = Run::new();
        for (position, step) in script.iter().enumerate() {
            run.step(step, position);
        }
        reorgs += script
            .iter()
            .filter(|step| matches!(step, Step::Disconnect(_)))
            .count();
        accepted += run.accepted;
        let blocks = run.chain.blocks().iter();
        uncles += blocks
            .map(|applied| applied.block().body.aux.uncles.len())
            .sum::<usize>();
    }
    assert!(accepted > 100, "{accepted} items accepted");
    assert!(uncles > 5, "{uncles} uncles included");
    assert!(reorgs > 20, "{reorgs} reorgs");
}
