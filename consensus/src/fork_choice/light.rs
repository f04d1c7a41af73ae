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
use super::{BlockTree, Insertion};
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
    ) -> Result<Bound, TreeError> {
        let works = self.works_down_from(parent);
        let before = Before::from(parent);
        let level = self.level_above(&checked.header().parent, checked.header().height);
        bound_after(
            checked,
            before,
            works,
            self.level_max(level, before.level_max, checked.header().height),
        )
    }

    /// Bound of the last of linked headers that are not in the tree yet.
    fn bound_of(&self, branch: &[CheckedHeader]) -> Result<Score, TreeError> {
        let Some(first) = branch.first() else {
            return Ok(Score::ZERO);
        };
        let base_id = first.header().parent;
        let base = self
            .nodes
            .get(&base_id)
            .ok_or(TreeError::UnknownParent { parent: base_id })?;
        let mut below = Before::from(base);
        for (index, checked) in branch.iter().enumerate() {
            let newer = branch.get(..index).unwrap_or_default();
            let works = newer
                .iter()
                .rev()
                .map(CheckedHeader::work)
                .chain(self.works_down_from(base));
            let height = checked.header().height;
            let level = self.level_above(&base_id, height);
            let level_max = self.level_max(level, below.level_max, height);
            let bound = bound_after(checked, below, works, level_max)?;
            below = Before {
                bound: bound.score,
                pow_count: checked.header().pow_count,
                level_max,
            };
        }
        Ok(below.bound)
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
    level_max: u32,
}

impl From<&Node> for Before {
    fn from(node: &Node) -> Self {
        Self {
            bound: node.bound,
            pow_count: node.header.pow_count,
            level_max: node.level_max,
        }
    }
}

/// How heavy a block can turn out to be.
#[derive(Clone, Copy)]
pub(super) struct Bound {
    /// Highest score that the headers down to the root allow.
    pub(super) score: Score,
    /// Most work of uncles in this block.
    pub(super) uncle_work_max: Work,
    /// Highest level of this block.
    pub(super) level_max: u32,
}

/// Bound of a header.
fn bound_after(
    checked: &CheckedHeader,
    before: Before,
    works: impl Iterator<Item = Work>,
    level_max: u32,
) -> Result<Bound, TreeError> {
    let header: &Header = checked.header();
    let uncle_work_max = super::uncles::uncle_work_max(header, before.pow_count, works);
    let score = weight(checked.work(), level_max, level_max)
        .and_then(|heaviest| {
            before
                .bound
                .checked_add(heaviest)?
                .checked_add_work(uncle_work_max)
        })
        .ok_or(TreeError::ScoreOverflow)?;
    Ok(Bound {
        score,
        uncle_work_max,
        level_max,
    })
}
