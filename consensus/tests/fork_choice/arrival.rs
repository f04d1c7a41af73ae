//! The order in which headers and bodies arrive does not change the tip, whatever the engine does
//! in between.

use std::collections::BTreeSet;

use chain::BlockId;
use consensus::fork_choice::{BlockStatus, Fault, ReorgLimit, Score, Seen};
use consensus::header::CheckedHeader;
use consensus::{BlockTree, TreeError};
use proptest::prelude::*;

use crate::forge::{Forge, SPACING_MS};

/// What a test generates for one block.
#[derive(Clone, Debug)]
struct Plan {
    /// Chooses the parent among genesis and the blocks before.
    parent: prop::sample::Index,
    /// Uncles that the header counts and the body includes, siblings of the parent.
    uncles: u64,
    /// Whether applying it fails.
    breaks_a_rule: bool,
    /// Places of header and body in two orders of arrival.
    order: [[u32; 2]; 2],
}

fn plan() -> impl Strategy<Value = Plan> {
    let uncles = prop_oneof![6 => Just(0u64), 2 => Just(1), 1 => Just(2)];
    let breaks_a_rule = prop::bool::weighted(0.1);
    let index = any::<prop::sample::Index>();
    (index, uncles, breaks_a_rule, any::<[[u32; 2]; 2]>()).prop_map(
        |(parent, uncles, breaks_a_rule, order)| Plan {
            parent,
            uncles,
            breaks_a_rule,
            order,
        },
    )
}

/// Blocks of a generated tree.
struct Tree {
    forge: Forge,
    blocks: Vec<(CheckedHeader, Plan)>,
    /// For each block those that it includes.
    uncles: Vec<Vec<CheckedHeader>>,
}

impl Tree {
    fn grown(plans: &[Plan]) -> Self {
        let mut forge = Forge::new();
        let mut ids = vec![forge.genesis()];
        let mut blocks: Vec<(CheckedHeader, Plan)> = Vec::new();
        let mut uncles = Vec::new();
        for plan in plans {
            // The newest of two draws makes for longer branches.
            let parent = plan
                .parent
                .index(ids.len())
                .max(plan.order[0][0] as usize % ids.len());
            let grandparent = parent
                .checked_sub(1)
                .map(|index| blocks[index].0.header().parent);
            let included: Vec<_> = grandparent
                .map(|id| (0..plan.uncles).map(move |_| id))
                .into_iter()
                .flatten()
                .map(|id| forge.child(&id, 0, SPACING_MS))
                .collect();
            let header = forge.child(&ids[parent], included.len() as u64, SPACING_MS);
            uncles.push(included);
            ids.push(*header.id());
            blocks.push((header, plan.clone()));
        }
        Self {
            forge,
            blocks,
            uncles,
        }
    }

    fn uncle_work(&self, index: usize) -> u128 {
        self.uncles[index]
            .iter()
            .map(|uncle| uncle.work().get())
            .sum()
    }

    fn breaks_a_rule(&self, id: &BlockId) -> bool {
        self.blocks
            .iter()
            .any(|(header, plan)| header.id() == id && plan.breaks_a_rule)
    }

    /// Delivers everything in one of the two orders. `after_each` runs after each delivery.
    fn delivered(&self, order: usize, mut after_each: impl FnMut(&mut BlockTree)) -> BlockTree {
        let mut tree = self.forge.tree();
        let mut deliveries: Vec<(u32, usize, bool)> = Vec::new();
        for (index, (_, plan)) in self.blocks.iter().enumerate() {
            let [header, body] = plan.order[order];
            deliveries.push((header, index, false));
            deliveries.push((body, index, true));
        }
        deliveries.sort_unstable();
        // What cannot be placed yet waits, as a node's orphans do; above a block that broke a rule
        // it waits in vain.
        loop {
            let before = deliveries.len();
            deliveries.retain(|(_, index, is_body)| {
                let (header, _) = &self.blocks[*index];
                let result = if *is_body {
                    tree.add_body(header.id(), &self.uncles[*index], &[], Seen::BeforeRestart)
                } else {
                    tree.insert(header).map(drop)
                };
                after_each(&mut tree);
                match result {
                    Ok(()) | Err(TreeError::Rule(_)) => false,
                    Err(TreeError::UnknownParent { .. } | TreeError::UnknownBlock { .. }) => true,
                    Err(other) => panic!("{other}"),
                }
            });
            if deliveries.len() == before {
                break;
            }
        }
        assert!(
            deliveries
                .iter()
                .all(|(_, index, _)| self.descends_from_broken(*index))
        );
        tree
    }

    fn ancestors(&self, index: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(index), |index| {
            let parent = self.blocks[*index].0.header().parent;
            self.blocks
                .iter()
                .position(|(header, _)| *header.id() == parent)
        })
    }

    fn descends_from_broken(&self, index: usize) -> bool {
        self.ancestors(index)
            .any(|ancestor| self.blocks[ancestor].1.breaks_a_rule)
    }

    /// The best block by definition: every branch is summed up and compared.
    fn best_by_definition(&self, may_follow: impl Fn(usize) -> bool) -> BlockId {
        let score = |index: usize| -> u128 {
            self.ancestors(index)
                .map(|ancestor| self.blocks[ancestor].0.work().get() + self.uncle_work(ancestor))
                .sum()
        };
        let candidates = (0..self.blocks.len()).filter(|index| may_follow(*index));
        let ranked =
            candidates.map(|index| (score(index), std::cmp::Reverse(*self.blocks[index].0.id())));
        ranked.max().map_or(self.forge.genesis(), |(_, id)| id.0)
    }
}

/// An engine that follows the tree after every delivery: it applies what it is told to, and marks
/// what breaks a rule.
struct Engine {
    tip: BlockId,
}

impl Engine {
    fn follow(&mut self, blocks: &Tree, tree: &mut BlockTree) {
        'again: loop {
            let change = tree
                .tip_change(&self.tip, ReorgLimit::Law)
                .expect("a way to the best");
            for id in &change.disconnect {
                assert_eq!(*id, self.tip);
                self.tip = tree.header(id).expect("it is in the tree").parent;
            }
            for id in &change.connect {
                assert_eq!(tree.header(id).expect("it is in the tree").parent, self.tip);
                if blocks.breaks_a_rule(id) {
                    tree.invalidate(id, Fault::Invalid)
                        .expect("it is in the tree");
                    continue 'again;
                }
                tree.mark_applied(id).expect("its body is known");
                self.tip = *id;
            }
            assert_eq!(self.tip, *tree.best());
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_order_of_arrival_does_not_change_the_tip(
        plans in prop::collection::vec(plan(), 1..40),
    ) {
        let blocks = Tree::grown(&plans);
        let expected = blocks.best_by_definition(|_| true);
        let [one, other] = [0, 1].map(|order| blocks.delivered(order, |_| {}));
        prop_assert_eq!(*one.best(), expected);
        prop_assert_eq!(*other.best(), expected);
        prop_assert_eq!(one.score(&expected), other.score(&expected));
        prop_assert!(one.wanted_bodies(100, |_| false).is_empty());
        prop_assert!(other.wanted_bodies(100, |_| false).is_empty());
    }

    #[test]
    fn neither_does_what_the_engine_applies_in_between(
        plans in prop::collection::vec(plan(), 1..40),
    ) {
        let blocks = Tree::grown(&plans);
        let expected = blocks.best_by_definition(|index| !blocks.descends_from_broken(index));
        for order in [0, 1] {
            let mut engine = Engine { tip: blocks.forge.genesis() };
            let tree = blocks.delivered(order, |tree| engine.follow(&blocks, tree));
            prop_assert_eq!(*tree.best(), expected);
            prop_assert_eq!(engine.tip, expected);
        }
    }

    #[test]
    fn reconsidering_restores_what_invalidating_changed(
        plans in prop::collection::vec(plan(), 1..40),
        chosen in any::<prop::sample::Index>(),
        missing in any::<prop::sample::Index>(),
    ) {
        let blocks = Tree::grown(&plans);
        let mut tree = blocks.forge.tree();
        let missing = *blocks.blocks[missing.index(plans.len())].0.id();
        for ((header, _), uncles) in blocks.blocks.iter().zip(&blocks.uncles) {
            prop_assert!(tree.insert(header).is_ok());
            if *header.id() != missing {
                prop_assert!(tree.add_body(header.id(), uncles, &[], Seen::BeforeRestart).is_ok());
            }
        }
        let observed = |tree: &BlockTree| -> Vec<(Option<BlockStatus>, Option<Score>)> {
            let ids = blocks.blocks.iter().map(|(header, _)| header.id());
            ids.map(|id| (tree.status(id), tree.score(id))).collect()
        };
        let (best, best_header, before) = (*tree.best(), *tree.best_header(), observed(&tree));
        let wanted = tree.wanted_bodies(100, |_| false);

        let chosen = chosen.index(plans.len());
        let id = *blocks.blocks[chosen].0.id();
        prop_assert!(tree.invalidate(&id, Fault::Invalid).is_ok());
        let condemned: BTreeSet<BlockId> = (0..plans.len())
            .filter(|index| blocks.ancestors(*index).any(|ancestor| ancestor == chosen))
            .map(|index| *blocks.blocks[index].0.id())
            .collect();
        for (header, _) in &blocks.blocks {
            let is_invalid = tree.status(header.id()) == Some(BlockStatus::Invalid);
            prop_assert_eq!(is_invalid, condemned.contains(header.id()));
        }
        prop_assert!(!condemned.contains(tree.best()));
        prop_assert!(!condemned.contains(tree.best_header()));
        prop_assert!(tree.wanted_bodies(100, |_| false).iter().all(|id| !condemned.contains(id)));

        prop_assert!(tree.reconsider(&id, Fault::Invalid).is_ok());
        prop_assert_eq!(*tree.best(), best);
        prop_assert_eq!(*tree.best_header(), best_header);
        prop_assert_eq!(observed(&tree), before);
        prop_assert_eq!(tree.wanted_bodies(100, |_| false), wanted);
    }
}
