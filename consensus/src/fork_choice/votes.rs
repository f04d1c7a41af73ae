//! Seats that stakers gave to blocks, and the level up to which they multiply work.
//!
//! # Invariants
//! * A seat counts for a block if its bond's vote was heard in time, or stands in a block of the
//!   tree that is not invalid. It counts once, however often it was seen.
//! * A bond that voted twice at one height counts there only where its vote was included: what was
//!   merely heard cannot stand on two branches.
//! * A score is always what [`weight`](super::weight::weight) makes of the seats counted now.
//!
//! # Spec
//! docs/spec/12-fork-choice.md §2
//!
//! # Not here
//! Who has a seat and whether a vote is signed ([`crate::stake`]); hearing votes (`node`).

use std::collections::BTreeMap;

use chain::codec::{SchemaRead, SchemaWrite};
use chain::units::BondId;
use chain::{BlockId, Height};
use genesis::law;

use super::BlockTree;
use super::node::{Node, Standing};
use crate::error::TreeError;

/// A vote counts by being heard until the best chain is this many blocks above what it is for.
pub const HEARD_BLOCKS: u64 = 8;

/// A vote that a body includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Inclusion {
    /// For the ancestor this many blocks below the including one.
    pub back: u8,
    /// Whose vote it is.
    pub bond: BondId,
    /// Seats that the bond has there.
    pub seats: u32,
}

/// One bond's vote for one block.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    seats: u32,
    is_heard: bool,
    /// Blocks in good standing that include it.
    inclusions: u32,
}

/// All votes for one block; a committee has eight seats, so these are few.
#[derive(Clone, Debug, Default)]
pub(super) struct Votes {
    by_bond: BTreeMap<BondId, Counted>,
}

impl Votes {
    /// Seats that count, given who voted twice at this height.
    fn seats(&self, voted_twice: impl Fn(BondId) -> bool) -> u32 {
        let counts = |(bond, vote): &(&BondId, &Counted)| {
            vote.inclusions > 0 || (vote.is_heard && !voted_twice(**bond))
        };
        let seats = self.by_bond.iter().filter(counts);
        seats.fold(0, |sum: u32, (_, vote)| sum.saturating_add(vote.seats))
    }
}

impl BlockTree {
    /// A vote for `id` was heard, verified against the committee of its height. Says whether it
    /// counts; what comes too late does not.
    ///
    /// # Errors
    /// [`TreeError::UnknownBlock`].
    pub fn hear_vote(&mut self, id: &BlockId, bond: BondId, seats: u32) -> Result<bool, TreeError> {
        let best_height = self.header(self.best()).map(|best| best.height);
        let node = self
            .nodes
            .get_mut(id)
            .ok_or(TreeError::UnknownBlock { id: *id })?;
        let last = node.header.height.get().saturating_add(HEARD_BLOCKS);
        if best_height.is_some_and(|best| best.get() > last) {
            return Ok(false);
        }
        let vote = node.votes.by_bond.entry(bond).or_default();
        vote.seats = vote.seats.max(seats);
        vote.is_heard = true;
        self.recount(*id);
        Ok(true)
    }

    /// Two votes of `bond` for different blocks at `height` are known.
    pub fn note_double_vote(&mut self, height: Height, bond: BondId) {
        if !self.voted_twice.insert((height, bond)) {
            return;
        }
        let voted =
            |node: &Node| node.header.height == height && node.votes.by_bond.contains_key(&bond);
        let ids: Vec<BlockId> = self
            .nodes
            .iter()
            .filter(|(_, node)| voted(node))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.recount(id);
        }
    }

    /// The votes that the block `id` includes, now that it was applied: in place of what was
    /// believed of them before.
    ///
    /// # Errors
    /// [`TreeError::UnknownBlock`].
    pub fn correct_inclusions(
        &mut self,
        id: &BlockId,
        inclusions: &[Inclusion],
    ) -> Result<(), TreeError> {
        let node = self
            .nodes
            .get_mut(id)
            .ok_or(TreeError::UnknownBlock { id: *id })?;
        let same = |one: &Inclusion| inclusions.contains(one);
        if node.inclusions.len() == inclusions.len() && node.inclusions.iter().all(same) {
            return Ok(());
        }
        self.count_inclusions(id, false);
        if let Some(node) = self.nodes.get_mut(id) {
            node.inclusions = inclusions.to_vec();
        }
        self.refresh_own_inclusions(id);
        Ok(())
    }

    /// Seats that count for a block of the tree.
    #[must_use]
    pub fn seats(&self, id: &BlockId) -> Option<u32> {
        self.nodes.get(id).map(|node| node.seats)
    }

    /// Level of a block of the tree.
    #[must_use]
    pub fn level(&self, id: &BlockId) -> Option<u32> {
        self.nodes.get(id).map(|node| node.level)
    }

    /// The first block of a term was applied, and with it the snapshot that gives `level` to the
    /// term after.
    ///
    /// # Errors
    /// [`TreeError::UnknownBlock`].
    pub fn note_level(&mut self, id: &BlockId, level: u32) -> Result<(), TreeError> {
        let node = self
            .nodes
            .get_mut(id)
            .ok_or(TreeError::UnknownBlock { id: *id })?;
        if node.level_after_next != Some(level) {
            node.level_after_next = Some(level);
            self.rescore(*id, Changed::Level);
        }
        Ok(())
    }

    /// Counts or, if the block turned out invalid, discounts the votes that `id` includes.
    pub(super) fn count_inclusions(&mut self, id: &BlockId, is_counted: bool) {
        let Some(node) = self.nodes.get_mut(id) else {
            return;
        };
        if node.counts_inclusions == is_counted {
            return;
        }
        node.counts_inclusions = is_counted;
        let (inclusions, height) = (node.inclusions.clone(), node.header.height);
        let parent = node.header.parent;
        for inclusion in inclusions {
            let target = height
                .checked_sub(inclusion.back.into())
                .and_then(|height| self.ancestor(&parent, height));
            let Some(node) = target.and_then(|target| self.nodes.get_mut(&target)) else {
                continue;
            };
            let vote = node.votes.by_bond.entry(inclusion.bond).or_default();
            vote.seats = vote.seats.max(inclusion.seats);
            vote.inclusions = if is_counted {
                vote.inclusions.saturating_add(1)
            } else {
                vote.inclusions.saturating_sub(1)
            };
            if let Some(target) = target {
                self.recount(target);
            }
        }
    }

    /// Brings seats and scores up to date after the votes for `id` changed.
    fn recount(&mut self, id: BlockId) {
        let Some(node) = self.nodes.get(&id) else {
            return;
        };
        let height = node.header.height;
        let voted_twice = |bond| self.voted_twice.contains(&(height, bond));
        let seats = node.votes.seats(voted_twice);
        if seats == node.seats {
            return;
        }
        if let Some(node) = self.nodes.get_mut(&id) {
            node.seats = seats;
        }
        self.rescore(id, Changed::Seats);
    }

    /// Level of a block above `parent`: its snapshot is the one taken a term before its own. Where
    /// that block was not applied yet, the parent's level stands for it.
    pub(super) fn level_above(&self, parent: &BlockId, height: Height) -> Level {
        let boundary = self.level_source(height);
        let Some(boundary) = boundary else {
            return Level::Known(0);
        };
        let is_below_root = self
            .header(&self.root)
            .is_some_and(|root| boundary < root.height);
        let noted = if is_below_root {
            self.level_below_root(height)
        } else {
            let source = self.ancestor(parent, boundary);
            let source = source.and_then(|id| self.nodes.get(&id));
            source.and_then(|node| node.level_after_next)
        };
        match noted {
            Some(level) => Level::Known(level),
            None => Level::Guessed(self.level(parent).unwrap_or_default()),
        }
    }

    /// The highest level that a block can turn out to have, its parent being at most at
    /// `parent_max`: a level rises by one from a term to the next at most.
    pub(super) fn level_max(&self, level: Level, parent_max: u32, height: Height) -> u32 {
        let begins_term = height.get().checked_rem(self.term_blocks) == Some(0);
        match level {
            Level::Known(level) => level,
            Level::Guessed(_) => parent_max
                .saturating_add(u32::from(begins_term))
                .min(law::LEVEL_MAX),
        }
    }

    /// Height of the block whose snapshot gives the level at `height`; none in the first two terms.
    fn level_source(&self, height: Height) -> Option<Height> {
        let term = height.get().checked_div(self.term_blocks)?;
        let source = term.checked_sub(1).filter(|source| *source > 0)?;
        source.checked_mul(self.term_blocks).map(Height::new)
    }

    /// Levels of terms whose snapshots lie below the root, for a tree whose root is not genesis.
    /// Call it before the first header is inserted: bounds are not computed again.
    pub fn set_levels_below(&mut self, levels: BTreeMap<u64, u32>) {
        self.levels_below = levels;
    }

    /// What the disk knew about a term from below the root; the nearest term stands for one that
    /// it no longer knew.
    fn level_below_root(&self, height: Height) -> Option<u32> {
        let term = height.get().checked_div(self.term_blocks)?;
        let after = self.levels_below.range(term..).next();
        let before = self.levels_below.range(..term).next_back();
        after.or(before).map(|(_, level)| *level)
    }

    /// Keeps the levels that `root`'s descendants will need once it is the root.
    pub(super) fn keep_levels_below(&mut self, root: &BlockId) {
        let mut cursor = Some(*root);
        while let Some(node) = cursor.and_then(|id| self.nodes.get(&id)) {
            if let Some(level) = node.level_after_next {
                let term = node.header.height.get().checked_div(self.term_blocks);
                let used_in = term.unwrap_or_default().saturating_add(1);
                self.levels_below.insert(used_in, level);
            }
            cursor = self
                .nodes
                .contains_key(&node.header.parent)
                .then_some(node.header.parent);
        }
        let oldest = self
            .header(root)
            .and_then(|root| root.height.get().checked_div(self.term_blocks))
            .unwrap_or_default();
        self.levels_below.retain(|term, _| *term >= oldest);
        let root_height = self
            .header(root)
            .map_or(Height::default(), |root| root.height);
        self.voted_twice
            .retain(|(height, _)| *height >= root_height);
    }

    /// Computes the scores of `id` and its descendants anew, and the best block with them.
    fn rescore(&mut self, id: BlockId, changed: Changed) {
        let (mut pending, mut rescored) = (vec![id], Vec::new());
        let mut has_fallen = false;
        while let Some(id) = pending.pop() {
            let Some(node) = self.nodes.get(&id) else {
                continue;
            };
            // Nothing above it has a score either, and there may be a whole download of headers.
            if changed == Changed::Seats && node.score.is_none() {
                continue;
            }
            pending.extend_from_slice(&node.children);
            if id == self.root {
                continue;
            }
            if changed == Changed::Level {
                let level = self.level_above(&node.header.parent, node.header.height);
                if let Some(node) = self.nodes.get_mut(&id) {
                    node.level = level.get();
                }
            }
            let Some((score, ballots)) = self.nodes.get(&id).and_then(|node| self.score_of(node))
            else {
                continue;
            };
            if let Some(node) = self.nodes.get_mut(&id) {
                has_fallen |= node.score.is_some_and(|before| score < before);
                node.score = Some(score);
                node.ballots = ballots;
            }
            rescored.push(id);
        }
        // What only rises can be overtaken by nothing but itself.
        if has_fallen {
            self.choose_anew();
        } else {
            rescored.into_iter().for_each(|id| self.choose(id));
        }
    }

    /// Votes in blocks of an invalid branch count no more; those of one that counts again, do.
    pub(super) fn refresh_inclusions(&mut self, id: &BlockId) {
        let mut pending = vec![*id];
        while let Some(id) = pending.pop() {
            let Some(node) = self.nodes.get(&id) else {
                continue;
            };
            pending.extend_from_slice(&node.children);
            self.refresh_own_inclusions(&id);
        }
    }

    /// As [`Self::refresh_inclusions`], for the votes in one block.
    pub(super) fn refresh_own_inclusions(&mut self, id: &BlockId) {
        let stands =
            |node: &Node| node.standing != Standing::Invalid && node.content.seen().is_some();
        let is_counted = self.nodes.get(id).is_some_and(stands);
        self.count_inclusions(id, is_counted);
    }
}

/// Why scores are computed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changed {
    /// A block has other seats.
    Seats,
    /// A snapshot gives a level, on which blocks without bodies depend too.
    Level,
}

/// How sure a level is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// The block that gives it was applied.
    Known(u32),
    /// It was not: the level of the term before.
    Guessed(u32),
}

impl Level {
    /// What scores are computed with.
    pub(super) fn get(self) -> u32 {
        match self {
            Self::Known(level) | Self::Guessed(level) => level,
        }
    }
}
