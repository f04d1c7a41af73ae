//! Which headers are worth remembering: those of branches that could still catch up.
//!
//! # Invariants
//! * A header is taken by itself only if its bound reaches the score that the best chain had
//!   [`LIGHT_BLOCKS`] below its end. Stamps far apart drive the target of an old fork to its
//!   floor within a few blocks; without this rule headers, and bodies with them, would cost next
//!   to nothing there.
//! * A branch that reaches it further up is taken as a whole, whatever its first headers weigh.
//!
//! # Spec
//! docs/spec/12-fork-choice.md §8
//!
//! # Not here
//! Collecting such a branch from a peer (`node::protocol`).

use chain::{BlockId, Header};

use super::node::Node;
use super::weight::{Score, weight};
use super::{BlockTree, Insertion, LEVEL};
use crate::difficulty::Work;
use crate::error::TreeError;
use crate::header::CheckedHeader;

/// A branch may be behind the best chain by the weight of this many of its newest blocks: about
/// ten minutes of them. In that time stamps can lower a target by a factor of eight, no more.
pub const LIGHT_BLOCKS: usize = 288;

impl BlockTree {
    /// Whether the headers up to this one allow for a score no lower than the best: whoever shows
    /// it may be ahead of us.
    #[must_use]
    pub fn may_win(&self, id: &BlockId) -> bool {
        let best = self.score(self.best()).unwrap_or_default();
        self.nodes.get(id).is_some_and(|node| node.bound >= best)
    }

    /// Adds linked headers of which the first has its parent in the tree, if the last of them is
    /// heavy enough; the others need not be.
    ///
    /// # Errors
    /// [`TreeError::TooLight`], or as [`BlockTree::insert`]; none of them is in the tree that was
    /// not before.
    pub fn insert_branch(&mut self, branch: &[CheckedHeader]) -> Result<(), TreeError> {
        let bound = self.bound_of(branch)?;
        if bound < self.light_limit() {
            return Err(TreeError::TooLight);
        }
        let mut inserted = Vec::new();
        for checked in branch {
            match self.insert_anyway(checked) {
                Ok(Insertion::Added) => inserted.push(*checked.id()),
                Ok(Insertion::AlreadyKnown) => {}
                Err(error) => {
                    let newest_first = inserted.iter().rev();
                    newest_first.for_each(|id| self.forget_header(id));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The least bound that a header must have to be taken by itself.
    pub(super) fn light_limit(&self) -> Score {
        let index = self.best_chain.len().saturating_sub(1 + LIGHT_BLOCKS);
        let block = self.best_chain.get(index);
        block.and_then(|id| self.score(id)).unwrap_or_default()
    }

    /// Bound of a header above `parent`, which is in the tree.
    pub(super) fn bound_above(
        &self,
        checked: &CheckedHeader,
        parent: &Node,
    ) -> Result<(Score, Work), TreeError> {
        let works = self.works_down_from(parent);
        let before = Before {
            bound: parent.bound,
            pow_count: parent.header.pow_count,
        };
        bound_after(checked, before, works)
    }

    /// Bound of the last of linked headers that are not in the tree yet.
    fn bound_of(&self, branch: &[CheckedHeader]) -> Result<Score, TreeError> {
        let mut before: Option<Before> = None;
        for (index, checked) in branch.iter().enumerate() {
            let first_parent = branch.first().map(|first| first.header().parent);
            let base = first_parent.and_then(|id| self.nodes.get(&id)).ok_or(
                TreeError::UnknownParent {
                    parent: first_parent.unwrap_or_default(),
                },
            )?;
            let newer = branch.get(..index).unwrap_or_default();
            let works = newer
                .iter()
                .rev()
                .map(CheckedHeader::work)
                .chain(self.works_down_from(base));
            let below = before.unwrap_or(Before {
                bound: base.bound,
                pow_count: base.header.pow_count,
            });
            let (bound, _) = bound_after(checked, below, works)?;
            before = Some(Before {
                bound,
                pow_count: checked.header().pow_count,
            });
        }
        Ok(before.map(|before| before.bound).unwrap_or_default())
    }

    /// Works of a block and its ancestors, as far as the tree goes.
    fn works_down_from<'t>(&'t self, block: &'t Node) -> impl Iterator<Item = Work> + 't {
        let down = |node: &&'t Node| self.nodes.get(&node.header.parent);
        std::iter::successors(Some(block), down).map(|node| node.work)
    }
}

/// What the block before a header contributes to its bound.
#[derive(Clone, Copy)]
struct Before {
    bound: Score,
    pow_count: u64,
}

/// Bound of a header, and the most work of uncles in it.
fn bound_after(
    checked: &CheckedHeader,
    before: Before,
    works: impl Iterator<Item = Work>,
) -> Result<(Score, Work), TreeError> {
    let header: &Header = checked.header();
    let uncles = super::uncles::uncle_work_max(header, before.pow_count, works);
    let bound = weight(checked.work(), LEVEL, LEVEL)
        .and_then(|heaviest| before.bound.checked_add(heaviest)?.checked_add_work(uncles))
        .ok_or(TreeError::ScoreOverflow)?;
    Ok((bound, uncles))
}
