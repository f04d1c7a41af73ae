//! Keeping the tree small: what is forgotten, and when.
//!
//! # Invariants
//! * The best chain, blocks that were applied, and the root stay.
//! * Invalid branches go first, then those with the least work behind them; a newcomer must be
//!   heavier than what it displaces.
//! * Headers that extend the best chain find room even if heavier branches fill the tree, so that
//!   a chain that can be downloaded is never starved by one that cannot.
//!
//! # Spec
//! docs/spec/12-fork-choice.md §8
//!
//! # Not here
//! What the disk forgets: `store`.

use std::collections::BTreeSet;

use chain::{BlockId, Height};
use genesis::law;

use super::BlockTree;
use super::node::{Content, Leaf, Node, Standing};
use crate::error::TreeError;

/// Blocks that the tree keeps below the applied tip: as many as can be undone.
pub const TREE_DEPTH_BLOCKS: u64 = law::UNDO_BLOCKS;
/// Most blocks in the tree, about 0.7 KiB each: the chain above the root and 32,768 more, which is
/// what a first download looks ahead (20 hours of blocks) and what side branches may take.
pub const BLOCKS_MAX: usize = 40_960;
/// Headers above the best block that are kept before anything else.
const EXTENSION_BLOCKS: u64 = 1_024;
/// The root moves this many blocks at a time: moving it looks at every block.
const ROOT_STEP_BLOCKS: u64 = 256;

impl BlockTree {
    /// Forgets what lies more than [`TREE_DEPTH_BLOCKS`] below the applied tip, and every branch
    /// that parts from the chain below there. Call it after each block; most calls do nothing.
    pub fn prune_behind(&mut self, tip: &BlockId) {
        let height_of = |id: &BlockId| self.header(id).map(|header| header.height.get());
        let (Some(tip_height), Some(root_height)) = (height_of(tip), height_of(&self.root)) else {
            return;
        };
        let height = tip_height.saturating_sub(TREE_DEPTH_BLOCKS);
        if height.saturating_sub(root_height) < ROOT_STEP_BLOCKS {
            return;
        }
        // During a reorg the tip may not be on the best chain; then the root waits.
        let root = self.ancestor(tip, Height::new(height));
        if let Some(root) = root.filter(|root| self.is_on_best_chain(root)) {
            self.move_root(root);
        }
    }

    fn move_root(&mut self, root: BlockId) {
        let mut kept = BTreeSet::new();
        let mut pending = vec![root];
        while let Some(id) = pending.pop() {
            kept.insert(id);
            pending.extend(
                self.nodes
                    .get(&id)
                    .into_iter()
                    .flat_map(|node| &node.children),
            );
        }
        let passed = self.best_chain_index(&root).unwrap_or_default();
        self.below_root = self
            .header(&root)
            .and_then(|header| self.header(&header.parent))
            .copied();
        let chain: BTreeSet<BlockId> = self.best_chain.iter().take(passed).copied().collect();
        let beside = |id: &&BlockId| !kept.contains(*id) && !chain.contains(*id);
        self.forgotten
            .extend(self.nodes.keys().filter(beside).copied());
        self.keep_levels_below(&root);
        self.nodes.retain(|id, _| kept.contains(id));
        self.leaves.retain(|leaf| kept.contains(&leaf.id));
        self.best_chain.drain(..passed);
        if let Some(node) = self.nodes.get_mut(&root) {
            node.jump = root;
        }
        self.root = root;
    }

    /// Forgets one block if there are too many.
    ///
    /// # Errors
    /// [`TreeError::Full`]: it is `newest`.
    pub(super) fn make_room(&mut self, newest: &BlockId) -> Result<(), TreeError> {
        if self.nodes.len() <= BLOCKS_MAX {
            return Ok(());
        }
        let dispensable = |leaf: &&Leaf| self.is_dispensable(&leaf.id);
        let weakest = self.leaves.iter().filter(dispensable);
        let beside = weakest.clone().find(|leaf| !self.extends_best_chain(leaf));
        let Some(Leaf { id, .. }) = beside.or(weakest.clone().next()).copied() else {
            return Ok(());
        };
        self.detach(&id);
        if id == *newest {
            Err(TreeError::Full)
        } else {
            self.forgotten.push(id);
            Ok(())
        }
    }

    /// Takes back the insertion of a header that nothing was built on and whose body is not known:
    /// the disk had no room for it.
    pub fn forget_header(&mut self, id: &BlockId) {
        let is_bare = |node: &Node| node.children.is_empty() && node.content == Content::Missing;
        if self.nodes.get(id).is_some_and(is_bare) {
            self.detach(id);
        }
    }

    fn is_dispensable(&self, id: &BlockId) -> bool {
        let applied = |content| matches!(content, Content::Applied(_));
        id != self.best()
            && self
                .nodes
                .get(id)
                .is_some_and(|node| !applied(node.content))
    }

    /// Whether the branch continues the best chain and is not far ahead of it.
    fn extends_best_chain(&self, leaf: &Leaf) -> bool {
        let best_height = self
            .header(self.best())
            .map_or(Height::default(), |best| best.height);
        let last = best_height.get().saturating_add(EXTENSION_BLOCKS);
        let is_near = self
            .header(&leaf.id)
            .is_some_and(|header| header.height > best_height && header.height.get() <= last);
        leaf.standing == Standing::Sound
            && is_near
            && self.ancestor(&leaf.id, best_height).as_ref() == Some(self.best())
    }

    /// Takes a leaf out of the tree, and the votes in it out of the count.
    fn detach(&mut self, id: &BlockId) {
        self.count_inclusions(id, false);
        let Some(node) = self.nodes.remove(id) else {
            return;
        };
        self.leaves.remove(&node.leaf(*id));
        if let Some(parent) = self.nodes.get_mut(&node.header.parent) {
            parent.children.retain(|child| child != id);
            if parent.children.is_empty() {
                self.leaves.insert(parent.leaf(node.header.parent));
            }
        }
    }
}
