//! Random histories: blocks come and go, orders are made, included, superseded and given up, the
//! node is asked now and then. Whatever happens, the ledger equals its own replay and the truth.

use proptest::prelude::*;

use super::*;
use crate::activity::{BlockScan, Credit, CreditSource, ScannedPayment, ScannedTransaction};
use crate::order::{OrderState, SignedOrder};
use crate::testing::{self, PRICE, Story, chain_id};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// A block with a reward, one that no block explains, a payment to us, as many of our orders
    /// as `orders` allows, and perhaps one of another device with our words.
    Connect {
        reward: u64,
        unexplained: u64,
        received: u64,
        orders: usize,
        other_device: bool,
    },
    /// The tip goes.
    Revert,
    /// The node is asked.
    Observe,
    /// A transfer is made and kept, if we can pay.
    Send { amount: u64 },
    /// A payment for an envelope is made and kept, if we can pay.
    Pay { content: u8 },
    /// One of the live orders is given up.
    Discard { which: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..90_000u64, 0..3u64, 0..2_000u64, 0..4usize, any::<bool>()).prop_map(
            |(reward, unexplained, received, orders, other_device)| Step::Connect {
                reward, unexplained, received, orders, other_device,
            }
        ),
        3 => Just(Step::Revert),
        2 => Just(Step::Observe),
        3 => (1..50_000u64).prop_map(|amount| Step::Send { amount }),
        2 => (0..6u8).prop_map(|content| Step::Pay { content }),
        1 => any::<usize>().prop_map(|which| Step::Discard { which }),
    ]
}

/// What the chain really holds for our account after a block.
#[derive(Clone, Copy)]
struct Truth {
    balance: u64,
    nonce: u64,
}

/// A story and the truth after each of its blocks.
struct World {
    story: Story,
    truth: Vec<Truth>,
    blocks: Vec<BlockScan>,
}

impl World {
    const OPENING: Truth = Truth {
        balance: 200_000,
        nonce: 3,
    };

    fn new() -> Self {
        let mut story = Story::new();
        story.observe(Self::OPENING.balance, Self::OPENING.nonce);
        Self {
            story,
            truth: vec![Self::OPENING],
            blocks: vec![],
        }
    }

    fn now(&self) -> Truth {
        *self.truth.last().expect("genesis stays")
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Connect {
                reward,
                unexplained,
                received,
                orders,
                other_device,
            } => {
                self.connect(reward, unexplained, received, orders, other_device);
            }
            Step::Revert if self.blocks.is_empty() => {}
            Step::Revert => {
                self.story.revert();
                self.truth.pop();
                self.blocks.pop();
            }
            Step::Observe => self.observe(),
            Step::Send { amount } => {
                let request = self.story.request(testing::key(2).account(), amount);
                if self.story.ledger.plan_transfer(&request).is_ok() {
                    self.story.send(testing::key(2).account(), amount);
                }
            }
            Step::Pay { content } => {
                let core = chain::CoreHash::from_bytes([content; 32]);
                let (payer, burn) = (self.story.account(), Amount::from_base(PRICE));
                let random = &mut testing::rng(content);
                let ledger = &self.story.ledger;
                if let Ok((_, changes)) =
                    ledger.build_payment(payer, &core, burn, &self.story.key, random)
                {
                    self.story.keep(changes);
                }
            }
            Step::Discard { which } => {
                let live: Vec<OrderId> = self.live();
                if let Some(id) = live.get(which % live.len().max(1)) {
                    let changes = self.story.ledger.discard_order(id).expect("in no block");
                    self.story.keep(changes);
                }
            }
        }
    }

    fn observe(&mut self) {
        let Truth { balance, nonce } = self.now();
        self.story.observe(balance, nonce);
        let account = self.story.account();
        assert_eq!(
            self.story.ledger.balance(&account).confirmed.base_units(),
            balance
        );
        assert_eq!(self.story.ledger.chain_nonce(&account), nonce);
    }

    fn live(&self) -> Vec<OrderId> {
        let orders = self.story.ledger.orders();
        let live = orders.iter().filter(|(_, _, state)| {
            matches!(state, OrderState::Pending | OrderState::Waiting { .. })
        });
        live.map(|(id, _, _)| *id).collect()
    }

    fn connect(
        &mut self,
        reward: u64,
        unexplained: u64,
        received: u64,
        orders: usize,
        other: bool,
    ) {
        let account = self.story.account();
        let mut truth = self.now();
        let mut block = self.story.next_block();
        let fee = Amount::from_base(PRICE);
        if received > 0 {
            let transaction =
                testing::transfer(&testing::key(2), block.height.get(), &[(account, received)]);
            block.transactions.push(ScannedTransaction {
                index: 0,
                transaction,
                fee,
            });
            truth.balance += received;
        }
        if other && orders == 0 && truth.balance > 10 * PRICE {
            let to = testing::key(3).account();
            let transaction = testing::transfer(&self.story.key, truth.nonce, &[(to, 9)]);
            block.transactions.push(ScannedTransaction {
                index: 1,
                transaction,
                fee,
            });
            truth.balance -= 9 + PRICE;
            truth.nonce += 1;
        }
        for id in self.live().into_iter().take(orders) {
            let (order, _) = self.story.ledger.order(&id).expect("own");
            if order.nonce != truth.nonce || truth.balance < order.reserve.base_units() {
                break;
            }
            truth.nonce += 1;
            match (id, &order.signed) {
                (OrderId::Payment(core), SignedOrder::Payment(payment)) => {
                    truth.balance -= payment.burn.base_units();
                    block.payments.push(ScannedPayment {
                        index: 0,
                        core,
                        payment: *payment,
                    });
                }
                (_, SignedOrder::Transaction(transaction)) => {
                    let kept =
                        order.reserve.base_units() - transaction.prefix().max_fee.base_units();
                    truth.balance -= kept + PRICE;
                    let transaction = transaction.clone();
                    block.transactions.push(ScannedTransaction {
                        index: 2,
                        transaction,
                        fee,
                    });
                }
                (OrderId::Transaction(_), SignedOrder::Payment(_)) => panic!("kept under its kind"),
            }
        }
        let (source, amount) = (CreditSource::Mining, Amount::from_base(reward));
        block.credits.push(Credit {
            account,
            source,
            amount,
        });
        truth.balance += reward + unexplained;
        self.story.connect(&block);
        self.truth.push(truth);
        self.blocks.push(block);
    }

    /// The same chain, read by a wallet that never saw another branch and never asked again.
    fn fresh_replay(&self) -> Ledger {
        let mut fresh = Story::new();
        fresh.observe(Self::OPENING.balance, Self::OPENING.nonce);
        for block in &self.blocks {
            fresh.connect(block);
        }
        fresh.ledger
    }

    fn check(&self) {
        let ledger = &self.story.ledger;
        let account = self.story.account();
        let mut live: Vec<u64> = ledger
            .live_orders(&account)
            .map(|order| order.nonce)
            .collect();
        let before = live.len();
        live.sort_unstable();
        live.dedup();
        assert_eq!(live.len(), before, "two live orders share a nonce");
        let next = ledger.next_nonce(&account);
        assert!(!live.contains(&next) && next >= ledger.chain_nonce(&account));

        let rows = ledger.history(usize::MAX);
        let settled = rows.iter().filter(|row| {
            use crate::history::RowPlace;
            matches!(row.place, RowPlace::Block { .. } | RowPlace::Before)
        });
        let sum = settled.fold(0i128, |sum, row| {
            sum + i128::from(row.credit.base_units()) - i128::from(row.debit.base_units())
        });
        assert_eq!(
            sum,
            ledger.sums(&account).balance,
            "history adds up to the balance"
        );
    }

    /// Merging all change sets, through their bytes, gives the same wallet as living through them.
    fn check_replay(&self) {
        let mut merged = ChangeSet::default();
        for changes in &self.story.kept {
            let read = ChangeSet::decode(&changes.encode()).expect("round trip");
            assert_eq!(read, *changes);
            merged.merge(read);
        }
        let load = |changes| Ledger::load(Network::Regtest, chain_id(), changes);
        assert_eq!(load(merged).as_ref(), Ok(&self.story.ledger));
        let mut snapshot = ChangeSet::default();
        for part in self.story.ledger.snapshot() {
            snapshot.merge(part);
        }
        assert_eq!(load(snapshot).as_ref(), Ok(&self.story.ledger));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_ledger_is_its_replay_and_agrees_with_the_node(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        let mut world = World::new();
        for step in &steps {
            world.run(step);
            world.check();
        }
        world.check_replay();
        world.observe();
        world.check_replay();
    }

    #[test]
    fn after_any_reorganisation_the_sums_are_those_of_a_fresh_replay(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        let mut world = World::new();
        let account = world.story.account();
        for step in &steps {
            let step = match step.clone() {
                Step::Connect { reward, received, orders, other_device, .. } => {
                    Step::Connect { reward, unexplained: 0, received, orders, other_device }
                }
                step => step,
            };
            world.run(&step);
            let ledger = &world.story.ledger;
            let truth = world.now();
            prop_assert_eq!(ledger.balance(&account).confirmed.base_units(), truth.balance);
            prop_assert_eq!(ledger.chain_nonce(&account), truth.nonce);
        }
        let fresh = world.fresh_replay();
        let ledger = &world.story.ledger;
        prop_assert_eq!(&fresh.blocks, &ledger.blocks);
        prop_assert_eq!(&fresh.totals, &ledger.totals);
        prop_assert_eq!(&fresh.included, &ledger.included);
        prop_assert_eq!(&fresh.openings, &ledger.openings);
    }

    #[test]
    fn merging_is_associative(
        steps in proptest::collection::vec(step(), 3..30),
        cut in any::<(usize, usize)>(),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.run(step);
        }
        let kept = &world.story.kept;
        let (first, second) = (cut.0 % kept.len(), cut.1 % kept.len());
        let merge = |parts: &[ChangeSet]| parts.iter().cloned().fold(
            ChangeSet::default(),
            |mut sum, part| { sum.merge(part); sum },
        );
        let (low, high) = (first.min(second), first.max(second));
        let parts = [merge(&kept[..low]), merge(&kept[low..high]), merge(&kept[high..])];
        let mut right = parts[1].clone();
        right.merge(parts[2].clone());
        prop_assert_eq!(merge(&parts), merge(&[parts[0].clone(), right]));
        prop_assert_eq!(merge(&parts), merge(kept));
    }
}
