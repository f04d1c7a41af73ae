//! The store and a state in memory, driven by the same random script, agree after every step.
//!
//! # Invariants
//! Every block goes through the rules of consensus twice: in memory and on top of the store.
//!
//! # Spec
//! docs/spec/13-storage.md §5
//!
//! # Not here
//! Damage and refusals: beside the modules that name them.

use chain::units::{CheckpointNumber, RateEpoch};
use chain::{Amount, Block, BlockId, Envelope, Height, Network, PublicKey, Transaction};
use consensus::fork_choice::{Anchors, Checkpoint, FinalBlock};
use consensus::testing::{Owner, TestChain, TestEnvelope};
use consensus::{StateView, state, transition};
use proptest::prelude::*;
use store::{Ballot, BodyState, BodyTraits, Durability, Options, Store};

/// One step of a script.
#[derive(Clone, Debug)]
enum Step {
    /// A block with this many envelopes, of the epoch before where they are still accepted, and
    /// transfers to this many owners.
    Connect {
        envelopes: u8,
        transfers: u8,
        previous_epoch: bool,
    },
    /// This many blocks without content.
    ConnectEmpty(u8),
    /// So many blocks back, or as many as there are.
    Disconnect(u8),
    /// A key of ours signs for the tip.
    Vote,
    /// The choice of the best block is bound to something.
    Bind(u8),
    /// The process ends without closing the store.
    Kill,
    /// The process ends in order.
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let connect =
        (0..5u8, 0..4u8, any::<bool>()).prop_map(|(envelopes, transfers, previous_epoch)| {
            Step::Connect {
                envelopes,
                transfers,
                previous_epoch,
            }
        });
    let step = prop_oneof![
        8 => connect,
        2 => (1..9u8).prop_map(Step::ConnectEmpty),
        4 => (1..7u8).prop_map(Step::Disconnect),
        2 => Just(Step::Vote),
        1 => any::<u8>().prop_map(Step::Bind),
        1 => Just(Step::Kill),
        1 => Just(Step::Close),
    ];
    prop::collection::vec(step, 1..40)
}

struct Twins {
    folder: tempfile::TempDir,
    memory: TestChain,
    store: Option<Store>,
    /// Never falls, so that a branch does not repeat the content of the one before.
    numbers: u64,
    /// The highest tip that was signed for: a reorg does not lower it.
    voted: Option<Height>,
    anchors: Anchors,
}

/// Blocks before a script begins: from here on the bonds of the first of them vote.
const TRUNK_BLOCKS: u64 = 24;

impl Twins {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let memory = TestChain::new(Network::Regtest);
        let mut twins = Self {
            folder,
            memory,
            store: None,
            numbers: 0,
            voted: None,
            anchors: Anchors::default(),
        };
        twins.open();
        (0..TRUNK_BLOCKS).for_each(|_| twins.connect(0, 0, false));
        twins
    }

    fn open(&mut self) {
        self.store = None;
        let options = Options {
            durability: Durability::Grouped { blocks: 64 },
            ..Options::default()
        };
        let store = Store::open(self.folder.path(), self.memory.params(), options);
        self.store = Some(store.expect("undamaged"));
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("open between steps")
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Connect {
                envelopes,
                transfers,
                previous_epoch,
            } => {
                self.connect(envelopes, transfers, previous_epoch);
            }
            Step::ConnectEmpty(count) => (0..count).for_each(|_| self.connect(0, 0, false)),
            Step::Disconnect(count) => {
                let most = self.memory.tip().height.get();
                for _ in 0..u64::from(count).min(most) {
                    let applied = self.memory.disconnect();
                    let block = self.store().disconnect(applied.id()).expect("the tip");
                    assert_eq!(block, *applied.block());
                }
            }
            Step::Vote => {
                let tip = Some(self.memory.tip().height);
                let ballot = Ballot {
                    last_voted: tip,
                    ..Ballot::default()
                };
                let put = self.store().put_ballot(&PublicKey::default(), &ballot);
                put.expect("room");
                self.voted = self.voted.max(tip);
            }
            Step::Bind(number) => {
                let id = BlockId::from_bytes([number; 32]);
                let checkpoint = Checkpoint {
                    number: CheckpointNumber::new(number.into()),
                    id,
                };
                let height = Height::new(number.into());
                self.anchors = Anchors {
                    justified: (number > 9).then_some(checkpoint),
                    finalized: Some(FinalBlock { height, id }),
                    contradiction: (number > 99).then_some(id),
                    settled: height,
                };
                self.store().put_anchors(&self.anchors).expect("room");
            }
            Step::Kill => self.open(),
            Step::Close => {
                self.store().close().expect("writable");
                self.open();
            }
        }
    }

    fn connect(&mut self, envelopes: u8, transfers: u8, previous_epoch: bool) {
        let params = self.memory.params().clone();
        let next = self.memory.tip().height.next().expect("short");
        let current = self.memory.rate_epoch();
        let previous = current
            .checked_sub(1)
            .filter(|epoch| params.accepts_epoch(next, *epoch));
        let epoch: RateEpoch = previous.filter(|_| previous_epoch).unwrap_or(current);
        let envelopes: Vec<_> = (0..envelopes)
            .map(|_| {
                self.numbers += 1;
                TestEnvelope::message(&params, epoch, self.numbers).envelope
            })
            .collect();
        let payer = Owner::new(0);
        let account = state::value::account(self.memory.state(), &payer.account());
        let account = account.expect("memory answers");
        let transfers = if account.balance == Amount::ZERO {
            0
        } else {
            transfers
        };
        let transfers: Vec<_> = (0..u64::from(transfers))
            .map(|index| {
                self.numbers += 1;
                let payee = Owner::new(1 + self.numbers % 50).account();
                let prefix = payer.prefix(account.nonce + index, Amount::from_base(10_000));
                payer.transfer(&params, prefix, &[(payee, Amount::from_base(7))])
            })
            .collect();
        let block = self.build(&transfers, &envelopes);
        let checked = self.memory.check(&block).expect("valid by itself");
        let view = self.store().view().expect("a tip");
        let applied = transition::apply(&view, checked, &params).expect("valid on the store");
        drop(view);
        self.store().connect(&applied).expect("room");
        assert_eq!(
            *self.memory.connect(&block).expect("valid in memory"),
            applied
        );
    }

    /// A block with these items, a bond while it is young, and all votes for the block before.
    fn build(&self, transfers: &[Transaction], envelopes: &[Envelope]) -> Block {
        let (memory, payer) = (&self.memory, Owner::new(0));
        let height = memory.tip().height;
        let account = state::value::account(memory.state(), &payer.account());
        let amount = Amount::from_x3c(1).expect("below the cap");
        let fee = Amount::from_base(1_000_000);
        let has_coins = Some(account.expect("memory answers").balance) >= amount.checked_add(fee);
        let bonds =
            (has_coins && transfers.is_empty() && height.get() % 2 == 1 && height.get() < 9)
                .then(|| memory.bond(&payer, 0, &Owner::new(1_000 + height.get()), amount));
        let voters: Vec<Owner> = (1_000..1_010).map(Owner::new).collect();
        let voter = |_, key: &_| voters.iter().find(|voter| voter.key() == *key).cloned();
        let votes = memory.votes_for(height, voter);
        memory.build_with(payer.account(), |draft| {
            for tx in transfers.iter().chain(&bonds) {
                let tx = memory.check_transaction(tx).expect("valid");
                draft.try_transaction(&tx).expect("it fits");
            }
            for envelope in envelopes {
                let envelope = memory.check_envelope(envelope).expect("valid");
                draft.try_envelope(&envelope).expect("it fits");
            }
            for vote in &votes {
                draft.try_vote(vote).expect("it fits");
            }
        })
    }

    /// What the header rows say of bodies is what applying the blocks showed.
    fn assert_traits(&self) {
        let view = self.store().view().expect("a tip");
        for applied in self.memory.blocks() {
            let stored = view.header(applied.id()).expect("readable").expect("put");
            let traits = BodyTraits::of_applied(applied);
            assert_eq!(
                traits.inclusions.len(),
                applied.block().body.aux.votes.len()
            );
            assert_eq!(stored.body, BodyState::Stored(traits));
        }
    }

    /// Every map of the state is the same, row by row, and nothing else is in the store.
    fn assert_equal(&self) {
        let (view, memory) = (self.store().view().expect("a tip"), self.memory.state());
        assert_eq!(view.tip_height(), memory.tip_height());
        for (key, value) in memory.values() {
            assert_eq!(
                view.value(key).as_ref(),
                Ok(&Some(value.clone())),
                "{key:?}"
            );
        }
        for (key, node) in memory.nodes() {
            assert_eq!(view.node(key).as_ref(), Ok(&Some(node.clone())));
        }
        for (key, epoch) in memory.seen_keys() {
            assert_eq!(view.seen(key), Ok(Some(*epoch)));
            assert_eq!(view.seen_in(*epoch), memory.seen_in(*epoch));
        }
        let height = self.memory.tip().height;
        for height in [height.get() / 2, height.get(), height.get() + 1].map(Height::new) {
            assert_eq!(view.ancestor(height), memory.ancestor(height));
        }
        let ballot = view.ballot(&PublicKey::default()).expect("readable");
        assert_eq!(ballot.last_voted, self.voted);
        let hash = state::state_hash(memory, self.memory.params());
        assert_eq!(view.state_hash(), hash);
        assert_eq!(view.anchors(), Ok(self.anchors));
        self.assert_traits();
        let verified = view.verify().expect("undamaged");
        assert_eq!(verified.values, memory.values().len() as u64);
        assert_eq!(verified.nodes, memory.nodes().len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_store_and_a_state_in_memory_agree_after_every_step(steps in steps()) {
        let mut twins = Twins::new();
        for step in &steps {
            twins.take(step);
            twins.assert_equal();
        }
    }
}
