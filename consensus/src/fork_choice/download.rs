//! Which bodies are worth asking for.
//!
//! # Invariants
//! * Every branch whose headers allow for a higher score than the best is offered, the most
//!   promising first; a branch whose bodies never come cannot take more than half of the places.
//! * The bound decides about downloads and about nothing else.
//!
//! # Spec
//! docs/spec/12-fork-choice.md §5
//!
//! # Not here
//! Whom to ask, and for how long to wait: `node::sync`.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chain::{BlockId, Height};

use super::node::{Content, Standing};
use super::weight::Score;
use super::{BlockTree, Leaf};

/// Branches that are looked at for one answer: more have never competed at once, but spam may.
const BRANCHES_MAX: usize = 16;

/// A branch with bodies missing.
struct Branch {
    /// Score of the known part plus the bound of the rest.
    bound: Score,
    arrival: Reverse<u64>,
    tip: BlockId,
    tip_height: Height,
    /// Height of the first block that cannot be scored for want of a body.
    first_height: Height,
}

impl BlockTree {
    /// Up to `limit` blocks whose bodies are missing from branches that could become the best, the
    /// lowest of the most promising branch first. Blocks that are `asked_for` already, or that
    /// nobody seems to have, are passed over.
    #[must_use]
    pub fn wanted_bodies(
        &self,
        limit: usize,
        asked_for: impl Fn(&BlockId) -> bool,
    ) -> Vec<BlockId> {
        let mut branches = self.promising_branches();
        branches.sort_by_key(|branch| Reverse((branch.bound, branch.arrival)));
        let mut lists: Vec<_> = branches
            .iter()
            .map(|branch| self.missing_bodies(branch, limit, &asked_for).into_iter())
            .collect();
        let mut wanted = Vec::new();
        let mut listed = BTreeSet::new();
        let mut take = |list: &mut std::vec::IntoIter<BlockId>, share: usize| {
            let left = limit.saturating_sub(wanted.len());
            let new = list.filter(|id| listed.insert(*id));
            wanted.extend(new.take(left.div_ceil(share)));
        };
        // Each branch in turn gets half of the places left; what remains goes to the others before
        // it goes to the first.
        for list in &mut lists {
            take(list, 2);
        }
        if let Some((first, others)) = lists.split_first_mut() {
            for list in others.iter_mut().chain([first]) {
                take(list, 1);
            }
        }
        wanted
    }

    /// The heaviest chain of headers, whether or not their bodies are known: what to ask peers for
    /// the continuation of.
    #[must_use]
    pub fn best_header(&self) -> &BlockId {
        match self.leaves.last() {
            Some(Leaf {
                standing: Standing::Sound,
                id,
                ..
            }) => id,
            _ => self.best(),
        }
    }

    fn promising_branches(&self) -> Vec<Branch> {
        let best_score = self.score(self.best()).unwrap_or_default();
        let heaviest_first = self.leaves.iter().rev();
        heaviest_first
            .take_while(|leaf| leaf.standing == Standing::Sound && leaf.bound > best_score)
            .filter_map(|leaf| self.branch_of(leaf))
            .filter(|branch| branch.bound > best_score)
            .take(BRANCHES_MAX)
            .collect()
    }

    /// The branch that ends in `leaf`; nothing if all of its bodies are known.
    fn branch_of(&self, leaf: &Leaf) -> Option<Branch> {
        let scored = self.nearest_ancestor(&leaf.id, |node| node.score.is_some())?;
        let node = self.nodes.get(&scored)?;
        if scored == leaf.id {
            return None;
        }
        Some(Branch {
            bound: node
                .score?
                .checked_add(leaf.bound.checked_sub(node.bound)?)?,
            arrival: leaf.arrival,
            tip: leaf.id,
            tip_height: self.header(&leaf.id)?.height,
            first_height: node.header.height.next()?,
        })
    }

    /// The lowest blocks of a branch without bodies, at most `limit`.
    fn missing_bodies(
        &self,
        branch: &Branch,
        limit: usize,
        asked_for: impl Fn(&BlockId) -> bool,
    ) -> Vec<BlockId> {
        let is_missing = |id: &BlockId| {
            self.nodes
                .get(id)
                .is_some_and(|node| node.content == Content::Missing)
        };
        (branch.first_height.get()..=branch.tip_height.get())
            .filter_map(|height| self.ancestor(&branch.tip, Height::new(height)))
            .filter(|id| is_missing(id) && !asked_for(id))
            .take(limit)
            .collect()
    }
}
