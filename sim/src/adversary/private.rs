//! Adversaries that mine where nobody sees it.
//!
//! # Invariants
//! The private node is a real one, which no peer talks to; the public node hears of a private block
//! when it is shown.
//!
//! # Spec
//! docs/spec/12-fork-choice.md
//!
//! # Not here
//! Who wins: fork choice.

use std::collections::{BTreeSet, VecDeque};

use chain::{Block, BlockId, Timestamp};
use genesis::Params;
use node::protocol::Node;

use super::{Adversary, Release};
use crate::chance::Chance;
use crate::ledger::Memory;

fn private_node(params: &Params) -> Node<Memory> {
    Node::open(Memory::new(params), params.clone()).expect("a fresh storage in memory opens")
}

/// Lets the private node know a block; nobody listens to what it says.
fn tell(node: &mut Node<Memory>, block: &Block, now: Timestamp) {
    node.submit_block(block.clone(), now)
        .expect("a storage in memory without a trap does not fail");
    node.take_actions();
}

/// Mines a branch of its own for a time and shows it then, whether or not it is heavier.
pub(super) struct PrivateChain {
    private: Node<Memory>,
    from_ms: u64,
    until_ms: u64,
    is_private: bool,
    kept: Vec<Block>,
}

impl PrivateChain {
    pub(super) fn new(params: &Params, from_ms: u64, until_ms: u64) -> Self {
        Self {
            private: private_node(params),
            from_ms,
            until_ms,
            is_private: false,
            kept: Vec::new(),
        }
    }
}

impl Adversary for PrivateChain {
    fn power_permille(&mut self, _at_ms: u64, _hashes: f64) -> u64 {
        if self.is_private { 1_000 } else { 0 }
    }

    fn workshop(&mut self) -> Option<&mut Node<Memory>> {
        self.is_private.then_some(&mut self.private)
    }

    fn found(&mut self, block: Block, _at_ms: u64, now: Timestamp) -> Release {
        tell(&mut self.private, &block, now);
        self.kept.push(block);
        Release::nothing()
    }

    fn heard(&mut self, block: &Block, _at_ms: u64, now: Timestamp) -> Release {
        if !self.is_private {
            tell(&mut self.private, block, now);
        }
        Release::nothing()
    }

    fn second(&mut self, at_ms: u64, _now: Timestamp, _chance: &mut Chance) -> Release {
        self.is_private = (self.from_ms..self.until_ms).contains(&at_ms);
        if self.is_private {
            return Release::nothing();
        }
        Release::shown(std::mem::take(&mut self.kept))
    }
}

/// Keeps its lead to itself and shows just enough to make others' work void.
pub(super) struct Selfish {
    private: Node<Memory>,
    kept: VecDeque<Block>,
    own: BTreeSet<BlockId>,
    /// Its branch is public and as long as the others': the next block decides.
    is_racing: bool,
}

impl Selfish {
    pub(super) fn new(params: &Params) -> Self {
        Self {
            private: private_node(params),
            kept: VecDeque::new(),
            own: BTreeSet::new(),
            is_racing: false,
        }
    }

    fn show(&mut self, up_to: u64) -> Release {
        let is_due = |block: &Block| block.header.height.get() <= up_to;
        let count = self.kept.iter().take_while(|block| is_due(block)).count();
        Release::shown(self.kept.drain(..count).collect())
    }
}

impl Adversary for Selfish {
    fn workshop(&mut self) -> Option<&mut Node<Memory>> {
        Some(&mut self.private)
    }

    fn found(&mut self, block: Block, _at_ms: u64, now: Timestamp) -> Release {
        tell(&mut self.private, &block, now);
        self.own.insert(block.header.id());
        self.kept.push_back(block);
        if std::mem::take(&mut self.is_racing) {
            return self.show(u64::MAX);
        }
        Release::nothing()
    }

    fn heard(&mut self, block: &Block, _at_ms: u64, now: Timestamp) -> Release {
        if self.own.contains(&block.header.id()) {
            return Release::nothing();
        }
        tell(&mut self.private, block, now);
        let public = block.header.height.get();
        let Some(best) = self.kept.back().map(|block| block.header.height.get()) else {
            self.is_racing = false;
            return Release::nothing();
        };
        let last = self.kept.back().map(|block| block.header.id());
        let tip = self.private.engine().tip().ok().map(|(_, tip)| tip);
        if tip != last {
            // The others' branch is heavier: its own is lost.
            self.kept.clear();
            self.is_racing = false;
            return Release::nothing();
        }
        match best.saturating_sub(public) {
            0 => {
                self.is_racing = true;
                self.show(u64::MAX)
            }
            1 => self.show(u64::MAX),
            _ => self.show(public),
        }
    }
}
