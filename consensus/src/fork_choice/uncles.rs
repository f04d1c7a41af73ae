//! What the uncles of a block add to its branch.
//!
//! # Invariants
//! * An uncle counts only where applying the block could take it: 1 to 6 blocks deep, its parent an
//!   ancestor, itself none, and in no ancestor's list. Work is thus counted once per branch, and
//!   naming another branch's headers gains nothing.
//! * The verdict depends on the branch alone, not on the order in which bodies came: it is reached
//!   when the bodies of all ancestors are known.
//!
//! # Spec
//! docs/spec/12-fork-choice.md §2, §5
//!
//! # Not here
//! The uncle's own header ([`crate::header`]); refusing the block for a wrong uncle
//! ([`crate::transition`]).

use chain::{BlockId, Header, Height};
use genesis::law;

use super::BlockTree;
use super::node::Node;
use crate::difficulty::Work;
use crate::header::CheckedHeader;

/// An uncle that a body names; its header holds after its own parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uncle {
    id: BlockId,
    height: Height,
    parent: BlockId,
    work: Work,
}

impl From<&CheckedHeader> for Uncle {
    fn from(checked: &CheckedHeader) -> Self {
        Self {
            id: *checked.id(),
            height: checked.header().height,
            parent: checked.header().parent,
            work: checked.work(),
        }
    }
}

impl BlockTree {
    /// Work of the uncles of `node` that its branch allows; the bodies of its ancestors are known.
    pub(super) fn uncle_work(&self, node: &Node) -> Work {
        let sum = node
            .uncles
            .iter()
            .filter(|uncle| self.may_include(&node.header, uncle))
            .fold(0u128, |sum, uncle| sum.saturating_add(uncle.work.get()));
        Work::new(sum).min(node.uncle_work_max)
    }

    fn may_include(&self, including: &Header, uncle: &Uncle) -> bool {
        let depth = including.height.get().checked_sub(uncle.height.get());
        let is_near = depth.is_some_and(|depth| (1..=law::UNCLE_DEPTH_MAX).contains(&depth));
        is_near
            && self.follows_branch(&including.parent, uncle)
            && self.ancestor(&including.parent, uncle.height) != Some(uncle.id)
            && !self.included_before(&including.parent, uncle)
    }

    /// Whether the uncle's parent is `tip` or an ancestor of it. Below the root nothing is known
    /// any more, and every branch of the tree has it in common.
    fn follows_branch(&self, tip: &BlockId, uncle: &Uncle) -> bool {
        let root_height = self.header(&self.root).map(|root| root.height);
        match uncle.height.checked_sub(1) {
            Some(height) if Some(height) < root_height => true,
            Some(height) => self.ancestor(tip, height) == Some(uncle.parent),
            None => false,
        }
    }

    fn included_before(&self, tip: &BlockId, uncle: &Uncle) -> bool {
        let first = self.nodes.get(tip);
        std::iter::successors(first, |node| self.nodes.get(&node.header.parent))
            .take_while(|node| node.header.height > uncle.height)
            .any(|node| node.uncles.iter().any(|earlier| earlier.id == uncle.id))
    }
}

/// Most work that the uncles counted by `header` can stand for; `works` are those of its ancestors,
/// the parent's first. An uncle at depth d carries the target of the ancestor at depth d, its
/// sibling, so nothing heavier than the heaviest of those ancestors can be included.
pub(super) fn uncle_work_max(
    header: &Header,
    parent_pow_count: u64,
    works: impl Iterator<Item = Work>,
) -> Work {
    let depths = (1..=law::UNCLE_DEPTH_MAX).zip(works);
    let (deepest, heaviest) = depths.fold((0, 0), |(_, heaviest), (depth, sibling)| {
        (depth, sibling.get().max(heaviest))
    });
    // Siblings below the root are not here. A target at most doubles from block to block, so
    // going down the work at most doubles, and one more for the rounding.
    let unseen = law::UNCLE_DEPTH_MAX
        .min(header.height.get())
        .saturating_sub(deepest);
    let allowance = (0..unseen).fold(heaviest, |work, _| work.saturating_mul(2).saturating_add(1));
    let solutions = header.pow_count.saturating_sub(parent_pow_count);
    let uncles = u128::from(solutions.saturating_sub(1));
    Work::new(allowance.saturating_mul(uncles))
}
