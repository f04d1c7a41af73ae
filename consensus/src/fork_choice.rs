//! The best chain: a bounded tree of headers in memory that knows which branch is heaviest, what to
//! download to find out, and how to get there from here.
//!
//! The engine's loop:
//!
//! ```text
//! insert(header) .. add_body(id) .. tip_change(from)
//!     revert each of `disconnect`; apply each of `connect`:
//!         it holds  -> mark_applied(id)
//!         it breaks -> invalidate(id, Fault::Invalid), then ask for the tip change again
//! prune_behind(tip)
//! ```
//!
//! # Invariants
//! * The best block is the maximum of (score, seats, first seen, smaller id) over the blocks whose bodies
//!   are known down to the root and that neither are nor descend from a faulty block. The order in
//!   which headers and bodies arrive does not matter, but for ties.
//! * A score never exceeds the bound that was computed from headers alone, so a branch that could
//!   win is always downloaded.
//! * At most [`BLOCKS_MAX`] blocks are held; the best chain is never forgotten.
//!
//! # Spec
//! docs/spec/12-fork-choice.md
//!
//! # Not here
//! Whether a header is valid ([`crate::header`]) or a body is ([`crate::transition`]); the parking
//! of headers without a parent or from the future, timeouts, peers (`node::sync`); which flags and
//! works survive a restart (`store`).

mod anchor;
mod download;
mod light;
mod locator;
mod node;
mod room;
mod tip;
mod uncles;
mod votes;
mod weight;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chain::units::BondId;
use chain::{BlockId, Header, Height};

use crate::difficulty::{Target, Work};
use crate::error::{Rule, TreeError, ViewError};
use crate::header::{CheckedHeader, HeaderContext};

pub use anchor::{Anchors, Checkpoint, FinalBlock, GUARD_BLOCKS};
pub use light::LIGHT_BLOCKS;
pub use locator::LOCATOR_IDS_MAX;
pub use node::{BlockStatus, Fault, Seen};
pub use room::{BLOCKS_MAX, TREE_DEPTH_BLOCKS};
pub use tip::{ReorgLimit, TipChange};
pub use votes::{HEARD_BLOCKS, Inclusion};
pub use weight::{Score, weight};

use node::{Content, Leaf, Node, Rank, Standing};
use uncles::Uncle;
use votes::Votes;

/// What became of an inserted header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insertion {
    /// It is in the tree now.
    Added,
    /// It was before.
    AlreadyKnown,
}

/// The tree of blocks above a root that nobody disputes.
#[derive(Clone, Debug)]
pub struct BlockTree {
    nodes: BTreeMap<BlockId, Node>,
    /// Blocks without children, the most dispensable first.
    leaves: BTreeSet<Leaf>,
    root: BlockId,
    /// The root's parent, for the retarget of the root's children.
    below_root: Option<Header>,
    /// From the root to the best block, one per height.
    best_chain: VecDeque<BlockId>,
    /// Blocks inserted so far; numbers the next one.
    arrivals: u64,
    /// Blocks that the tree held and holds no more, until somebody asks for them.
    forgotten: Vec<BlockId>,
    term_blocks: u64,
    /// Levels of terms whose snapshots lie below the root.
    levels_below: BTreeMap<u64, u32>,
    /// Who is known to have voted twice, and where.
    voted_twice: BTreeSet<(Height, BondId)>,
    justified: Option<Checkpoint>,
    finalized: Option<BlockId>,
    /// First blocks of branches that are no candidates for now.
    aside: BTreeSet<BlockId>,
}

impl BlockTree {
    /// A tree of one block: genesis, or a block of our own disk with its parent. The root counts
    /// as applied; scores are measured from it.
    ///
    /// # Errors
    /// [`ViewError::Damaged`]: the two headers do not belong to a valid chain.
    pub fn new(
        root: Header,
        below_root: Option<Header>,
        term_blocks: u64,
    ) -> Result<Self, ViewError> {
        let id = *HeaderContext::new(root, below_root)?.parent_id();
        let node = Node {
            header: root,
            work: Target::from_compact(root.target).map_or(Work::ZERO, Target::work),
            children: Vec::new(),
            jump: id,
            bound: Score::ZERO,
            uncle_work_max: Work::ZERO,
            level_max: 0,
            content: Content::Applied(Seen::BeforeRestart),
            uncles: Vec::new(),
            inclusions: Vec::new(),
            counts_inclusions: false,
            votes: Votes::default(),
            seats: 0,
            level: 0,
            level_after_next: None,
            score: Some(Score::ZERO),
            ballots: 0,
            invalid: false,
            conflicts_with_finality: false,
            standing: Standing::Sound,
            arrival: 0,
        };
        Ok(Self {
            leaves: BTreeSet::from([node.leaf(id)]),
            nodes: BTreeMap::from([(id, node)]),
            root: id,
            below_root,
            best_chain: VecDeque::from([id]),
            arrivals: 1,
            forgotten: Vec::new(),
            term_blocks,
            levels_below: BTreeMap::new(),
            voted_twice: BTreeSet::new(),
            justified: None,
            finalized: None,
            aside: BTreeSet::new(),
        })
    }

    /// Adds a header above a block of the tree.
    ///
    /// # Errors
    /// [`TreeError::UnknownParent`]; [`Rule::InvalidAncestor`] or
    /// [`TreeError::ConflictsWithFinality`] above a faulty block; [`TreeError::TooLight`] if its
    /// branch is too far behind; [`TreeError::Full`] if everything else is heavier;
    /// [`TreeError::ScoreOverflow`].
    pub fn insert(&mut self, checked: &CheckedHeader) -> Result<Insertion, TreeError> {
        if let Some(parent) = self.nodes.get(&checked.header().parent)
            && !self.nodes.contains_key(checked.id())
            && parent.standing == Standing::Sound
            && self.bound_above(checked, parent)?.score < self.light_limit()
        {
            return Err(TreeError::TooLight);
        }
        self.insert_anyway(checked)
    }

    /// [`Self::insert`] however light: for a branch that is heavy enough further up, and for
    /// blocks of our own disk that were applied.
    ///
    /// # Errors
    /// As [`Self::insert`], but for [`TreeError::TooLight`].
    pub fn insert_anyway(&mut self, checked: &CheckedHeader) -> Result<Insertion, TreeError> {
        let (id, header) = (*checked.id(), *checked.header());
        if self.nodes.contains_key(&id) {
            return Ok(Insertion::AlreadyKnown);
        }
        let unknown_parent = TreeError::UnknownParent {
            parent: header.parent,
        };
        let parent = self.nodes.get(&header.parent).ok_or(unknown_parent)?;
        match parent.standing {
            Standing::Sound => {}
            Standing::Invalid => return Err(Rule::InvalidAncestor.into()),
            Standing::ConflictsWithFinality => return Err(TreeError::ConflictsWithFinality),
        }
        let finalized = self.finalized.and_then(|id| self.header(&id));
        if finalized.is_some_and(|finalized| header.height <= finalized.height) {
            return Err(TreeError::ConflictsWithFinality);
        }
        let bound = self.bound_above(checked, parent)?;
        let level = self.level_above(&header.parent, header.height).get();
        let node = Node {
            header,
            work: checked.work(),
            children: Vec::new(),
            jump: self.jump_above(&header.parent, parent),
            bound: bound.score,
            uncle_work_max: bound.uncle_work_max,
            level_max: bound.level_max,
            content: Content::Missing,
            uncles: Vec::new(),
            inclusions: Vec::new(),
            counts_inclusions: false,
            votes: Votes::default(),
            seats: 0,
            level,
            level_after_next: None,
            score: None,
            ballots: 0,
            invalid: false,
            conflicts_with_finality: false,
            standing: Standing::Sound,
            arrival: self.arrivals,
        };
        self.arrivals = self.arrivals.saturating_add(1);
        self.attach(id, node);
        self.make_room(&id)?;
        Ok(Insertion::Added)
    }

    /// Records that the body of `id` is here and matches its header. `uncles` are those that it
    /// includes and that passed [`check_uncle_header`](crate::header::check_uncle_header). They
    /// count as far as the branch and the header allow: more comes from uncles that applying the
    /// block will refuse. `inclusions` are the votes in it: verified where the committee was known,
    /// believed where only applying the block can tell. A second call changes nothing: the first
    /// sight counts.
    ///
    /// # Errors
    /// [`TreeError::UnknownBlock`].
    pub fn add_body(
        &mut self,
        id: &BlockId,
        uncles: &[CheckedHeader],
        inclusions: &[Inclusion],
        seen: Seen,
    ) -> Result<(), TreeError> {
        let node = self
            .nodes
            .get_mut(id)
            .ok_or(TreeError::UnknownBlock { id: *id })?;
        if node.content == Content::Missing {
            node.content = Content::Known(seen);
            node.uncles = uncles.iter().map(Uncle::from).collect();
            node.inclusions = inclusions.to_vec();
            self.connect(*id);
            self.refresh_own_inclusions(id);
        }
        Ok(())
    }

    /// Records that `id` was applied to the state after its parent and broke no rule.
    ///
    /// # Errors
    /// [`TreeError::UnknownBlock`]: it is not in the tree with its body.
    pub fn mark_applied(&mut self, id: &BlockId) -> Result<(), TreeError> {
        let node = self.nodes.get_mut(id);
        match node.map(|node| &mut node.content) {
            Some(content @ &mut (Content::Known(seen) | Content::Applied(seen))) => {
                *content = Content::Applied(seen);
                Ok(())
            }
            Some(Content::Missing) | None => Err(TreeError::UnknownBlock { id: *id }),
        }
    }

    /// Marks a block as faulty; no branch through it is followed any more.
    ///
    /// # Errors
    /// [`TreeError::UnknownBlock`], [`TreeError::Root`].
    pub fn invalidate(&mut self, id: &BlockId, fault: Fault) -> Result<(), TreeError> {
        if *id == self.root {
            return Err(TreeError::Root);
        }
        let node = self
            .nodes
            .get_mut(id)
            .ok_or(TreeError::UnknownBlock { id: *id })?;
        node.set_fault(fault, true);
        self.refresh_standing(*id);
        self.refresh_inclusions(id);
        self.choose_anew();
        Ok(())
    }

    /// Takes the mark `fault` from a block and its ancestors, so that it counts again. Marks of
    /// its descendants are verdicts of their own and stay.
    ///
    /// # Errors
    /// [`TreeError::UnknownBlock`].
    pub fn reconsider(&mut self, id: &BlockId, fault: Fault) -> Result<(), TreeError> {
        if !self.nodes.contains_key(id) {
            return Err(TreeError::UnknownBlock { id: *id });
        }
        let mut cursor = *id;
        let mut topmost = *id;
        while let Some(node) = self.nodes.get_mut(&cursor) {
            if node.set_fault(fault, false) {
                topmost = cursor;
            }
            cursor = node.header.parent;
        }
        self.refresh_standing(topmost);
        self.refresh_inclusions(&topmost);
        self.choose_anew();
        Ok(())
    }

    /// The best block.
    #[must_use]
    pub fn best(&self) -> &BlockId {
        self.best_chain.back().unwrap_or(&self.root)
    }

    /// The block that every other one descends from.
    #[must_use]
    pub fn root(&self) -> &BlockId {
        &self.root
    }

    /// The header of a block of the tree.
    #[must_use]
    pub fn header(&self, id: &BlockId) -> Option<&Header> {
        self.nodes.get(id).map(|node| &node.header)
    }

    /// What is known about a block of the tree.
    #[must_use]
    pub fn status(&self, id: &BlockId) -> Option<BlockStatus> {
        self.nodes.get(id).map(Node::status)
    }

    /// Score of a block whose body is known, as are those of all its ancestors.
    #[must_use]
    pub fn score(&self, id: &BlockId) -> Option<Score> {
        self.nodes.get(id).and_then(|node| node.score)
    }

    /// What children of `parent` are judged in, if the tree knows it.
    #[must_use]
    pub fn header_context(&self, parent: &BlockId) -> Option<HeaderContext> {
        let header = self.header(parent)?;
        let grandparent = self.header(&header.parent).or(self.below_root.as_ref());
        HeaderContext::new(*header, grandparent.copied()).ok()
    }

    /// The ancestor of `id` at `height`, which may be `id` itself; nothing below the root.
    #[must_use]
    pub fn ancestor(&self, id: &BlockId, height: Height) -> Option<BlockId> {
        let at_or_below = |node: &Node| node.header.height <= height;
        let found = self.nearest_ancestor(id, at_or_below)?;
        (self.header(&found)?.height == height).then_some(found)
    }

    /// Blocks that the tree has let go of since the last question: the disk need not keep them
    /// either. Those of the chain below the root are not among them.
    pub fn take_forgotten(&mut self) -> Vec<BlockId> {
        std::mem::take(&mut self.forgotten)
    }

    /// Blocks held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: there is always the root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Puts a node into the tree as its parent's youngest child.
    fn attach(&mut self, id: BlockId, node: Node) {
        if let Some(parent) = self.nodes.get_mut(&node.header.parent) {
            self.leaves.remove(&parent.leaf(node.header.parent));
            parent.children.push(id);
        }
        self.leaves.insert(node.leaf(id));
        self.nodes.insert(id, node);
    }

    /// Scores `id` and its descendants as far as bodies are known from the root on.
    fn connect(&mut self, id: BlockId) {
        let mut pending = vec![id];
        while let Some(id) = pending.pop() {
            let Some(node) = self.nodes.get(&id) else {
                continue;
            };
            let Some((score, ballots)) = self.score_of(node) else {
                continue;
            };
            pending.extend_from_slice(&node.children);
            if let Some(node) = self.nodes.get_mut(&id) {
                node.score = Some(score);
                node.ballots = ballots;
            }
            self.choose(id);
        }
    }

    /// Score and ballots of a block by its parent's, if both bodies are known.
    fn score_of(&self, node: &Node) -> Option<(Score, u64)> {
        let parent = self.nodes.get(&node.header.parent)?;
        let (below, _) = (parent.score?, node.content.seen()?);
        let score = weight(node.work, node.seats, node.level)
            .and_then(|weight| {
                below
                    .checked_add(weight)?
                    .checked_add_work(self.uncle_work(node))
            })
            .expect("a score is at most the bound, which did not overflow");
        Some((score, parent.ballots.saturating_add(node.seats.into())))
    }

    /// Brings the standing of `id` and its descendants up to date with the faults above them.
    fn refresh_standing(&mut self, id: BlockId) {
        let mut pending = vec![id];
        while let Some(id) = pending.pop() {
            let Some(node) = self.nodes.get(&id) else {
                continue;
            };
            let inherited = self
                .nodes
                .get(&node.header.parent)
                .map(|parent| parent.standing);
            let Some(node) = self.nodes.get_mut(&id) else {
                continue;
            };
            let was_leaf = self.leaves.remove(&node.leaf(id));
            node.standing = node
                .own_standing()
                .min(inherited.unwrap_or(Standing::Sound));
            if was_leaf {
                self.leaves.insert(node.leaf(id));
            }
            pending.extend_from_slice(&node.children);
        }
    }

    /// Makes `id` the best block if it beats the one there is.
    fn choose(&mut self, id: BlockId) {
        let rank = |id: &BlockId| self.nodes.get(id).and_then(|node| node.rank(id));
        if rank(&id) > rank(self.best())
            && self.descends_from(&id, &self.anchor())
            && !self.is_aside(&id)
        {
            self.set_best(id);
        }
    }

    /// Chooses among all blocks above the anchor, after marks or the anchor have changed.
    fn choose_anew(&mut self) {
        let mut pending = vec![self.anchor()];
        let mut best: Option<Rank> = None;
        while let Some(id) = pending.pop() {
            let Some(node) = self.nodes.get(&id).filter(|_| !self.aside.contains(&id)) else {
                continue;
            };
            best = best.max(node.rank(&id));
            pending.extend_from_slice(&node.children);
        }
        if let Some(Rank { id, .. }) = best {
            self.set_best(id.0);
        }
    }

    fn set_best(&mut self, best: BlockId) {
        let mut path = Vec::new();
        let mut cursor = best;
        while let Some(node) = self.nodes.get(&cursor) {
            if self.is_on_best_chain(&cursor) {
                break;
            }
            path.push(cursor);
            cursor = node.header.parent;
        }
        let common = self.best_chain_index(&cursor).unwrap_or_default();
        self.best_chain.truncate(common.saturating_add(1));
        self.best_chain.extend(path.into_iter().rev());
    }

    fn is_on_best_chain(&self, id: &BlockId) -> bool {
        let index = self.best_chain_index(id);
        index.and_then(|index| self.best_chain.get(index)) == Some(id)
    }

    /// Where on the best chain a block of this block's height is.
    fn best_chain_index(&self, id: &BlockId) -> Option<usize> {
        let height = self.header(id)?.height.get();
        let root_height = self.header(&self.root)?.height.get();
        usize::try_from(height.checked_sub(root_height)?).ok()
    }

    /// The nearest of `from` and its ancestors that `holds`, where `holds` is true of every
    /// ancestor of a block that it is true of. Takes logarithmic time by the nodes' jumps.
    fn nearest_ancestor(&self, from: &BlockId, holds: impl Fn(&Node) -> bool) -> Option<BlockId> {
        let mut cursor = *from;
        loop {
            let node = self.nodes.get(&cursor)?;
            if holds(node) {
                return Some(cursor);
            }
            if cursor == self.root {
                return None;
            }
            cursor = match self.nodes.get(&node.jump) {
                Some(far) if !holds(far) => node.jump,
                _ => node.header.parent,
            };
        }
    }

    /// Where a child of `parent` jumps to: if the parent's jump and the one after it are equally
    /// long, over both; else to the parent. Jumps thus double in length (a skew-binary list).
    fn jump_above(&self, parent_id: &BlockId, parent: &Node) -> BlockId {
        let length =
            |from: &Node, to: &Node| from.header.height.get().checked_sub(to.header.height.get());
        let both = || {
            let first = self.nodes.get(&parent.jump)?;
            let second = self.nodes.get(&first.jump)?;
            (length(parent, first)? == length(first, second)?).then_some(first.jump)
        };
        both().unwrap_or(*parent_id)
    }
}
