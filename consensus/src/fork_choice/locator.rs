//! Finding where two nodes' chains part, and what the other one lacks.
//!
//! # Invariants
//! A locator has at most [`LOCATOR_IDS_MAX`] ids, the highest block first.
//!
//! # Spec
//! docs/spec/12-fork-choice.md §7
//!
//! # Not here
//! Headers below the root: `store`. The messages: `node::wire`.

use chain::{BlockId, Header, Height};

use super::BlockTree;

/// Most ids in a locator: ten close ones, then one per doubling of the distance; 2^54 blocks have
/// room below.
pub const LOCATOR_IDS_MAX: usize = 64;
/// Ids without a gap at the start of a locator: where most forks are.
const DENSE_IDS: usize = 10;

impl BlockTree {
    /// Ids of `from` and of ancestors at growing distances, down to the root. A node appends what
    /// it knows below the root, at least genesis.
    #[must_use]
    pub fn locator(&self, from: &BlockId) -> Vec<BlockId> {
        let Some(top) = self.header(from).map(|header| header.height.get()) else {
            return vec![self.root];
        };
        let root_height = self
            .header(&self.root)
            .map_or(0, |header| header.height.get());
        let mut ids = Vec::new();
        let (mut height, mut step) = (top, 1u64);
        while height > root_height && ids.len() < LOCATOR_IDS_MAX.saturating_sub(1) {
            ids.extend(self.ancestor(from, Height::new(height)));
            if ids.len() >= DENSE_IDS {
                step = step.saturating_mul(2);
            }
            height = height.saturating_sub(step);
        }
        ids.push(self.root);
        ids
    }

    /// Up to `limit` headers of the best chain after the first id of `locator` that is on it.
    /// Nothing if none is: the chains part below the root, and the store knows more.
    #[must_use]
    pub fn headers_after(&self, locator: &[BlockId], limit: usize) -> Option<Vec<Header>> {
        let ids = locator.iter().take(LOCATOR_IDS_MAX);
        let common = ids.copied().find(|id| self.is_on_best_chain(id))?;
        let first = self.best_chain_index(&common)?.saturating_add(1);
        let after = self.best_chain.iter().skip(first).take(limit);
        Some(after.filter_map(|id| self.header(id).copied()).collect())
    }
}
