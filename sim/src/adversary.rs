//! Hosts that do not keep to the rules of good behaviour.
//!
//! # Invariants
//! * An adversary has a real node of its own; what it does differently goes through the hooks of
//!   [`Adversary`] and through nothing else.
//! * It cannot make work: its blocks are solved like everybody's.
//!
//! # Spec
//! docs/spec/06-wire.md §8
//!
//! # Not here
//! Adversaries with stake (double votes, hoarded votes, signers of two checkpoints): they come
//! with stake, as further [`Scheme`]s.

mod forger;
mod private;

use chain::{Block, Timestamp, codec};
use genesis::Params;
use node::protocol::{Action, Node, Protocol, Topic};
use node::wire::BlockAnnouncement;

use crate::chance::Chance;
use crate::ledger::Memory;
use crate::plan::Scheme;

/// What an adversary lets out.
#[derive(Clone, Debug, Default)]
pub struct Release {
    /// Blocks for its own node, which treats them like a miner's.
    pub submit: Vec<Block>,
    /// What it says to its peers itself.
    pub gossip: Vec<(Topic, Vec<u8>)>,
}

impl Release {
    /// Nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// A block in the honest way.
    #[must_use]
    pub fn submit(block: Block) -> Self {
        Self {
            submit: vec![block],
            gossip: Vec::new(),
        }
    }

    /// Blocks with everything that is in them, said to peers and kept by the own node.
    #[must_use]
    pub fn shown(blocks: Vec<Block>) -> Self {
        let gossip = blocks.iter().map(|block| announced(block, true)).collect();
        Self {
            submit: blocks,
            gossip,
        }
    }
}

/// The announcement of a block, with all items or with none.
fn announced(block: &Block, with_items: bool) -> (Topic, Vec<u8>) {
    let announcement = BlockAnnouncement::of(block, |_| with_items);
    (Topic::Block, codec::encode(&announcement))
}

/// How an adversary treats a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Like everybody.
    Honest,
    /// With these bytes.
    Forged(Vec<u8>),
    /// Not at all.
    Silence,
}

/// The hooks. All of them are those of an honest host unless a scheme says otherwise.
pub trait Adversary {
    /// Which part of its hash power it uses (permille), if the next block takes so many hashes.
    fn power_permille(&mut self, _at_ms: u64, _hashes: f64) -> u64 {
        1_000
    }

    /// How far ahead of its clock it stamps blocks.
    fn stamp_ahead_ms(&self) -> u64 {
        0
    }

    /// The node that it mines on, if it is not the one that its peers see.
    fn workshop(&mut self) -> Option<&mut Node<Memory>> {
        None
    }

    /// It found a block.
    fn found(&mut self, block: Block, _at_ms: u64, _now: Timestamp) -> Release {
        Release::submit(block)
    }

    /// The node that its peers see connected a block.
    fn heard(&mut self, _block: &Block, _at_ms: u64, _now: Timestamp) -> Release {
        Release::nothing()
    }

    /// Another second.
    fn second(&mut self, _at_ms: u64, _now: Timestamp, _chance: &mut Chance) -> Release {
        Release::nothing()
    }

    /// Whether its node's action leaves the machine.
    fn lets_out(&self, _action: &Action) -> bool {
        true
    }

    /// How it treats a question.
    fn replies(&mut self, _protocol: Protocol, _chance: &mut Chance) -> Reply {
        Reply::Honest
    }
}

/// The adversary of a scheme.
pub(crate) fn of(scheme: Scheme, params: &Params) -> Box<dyn Adversary> {
    match scheme {
        Scheme::PrivateChain { from_ms, until_ms } => {
            Box::new(private::PrivateChain::new(params, from_ms, until_ms))
        }
        Scheme::Selfish => Box::new(private::Selfish::new(params)),
        Scheme::BodyWithholder => Box::new(forger::BodyWithholder::new(params)),
        Scheme::Garbage => Box::new(forger::Garbage::default()),
        Scheme::BadPow => Box::new(forger::BadPow::new(params)),
        Scheme::CheapUncle => Box::new(forger::CheapUncle::new(params)),
        Scheme::Timewarp { ahead_ms } => Box::new(Timewarp { ahead_ms }),
        Scheme::Hopper => Box::new(Hopper::new(params)),
    }
}

/// Stamps its blocks ahead of time.
struct Timewarp {
    ahead_ms: u64,
}

impl Adversary for Timewarp {
    fn stamp_ahead_ms(&self) -> u64 {
        self.ahead_ms
    }
}

/// Comes when blocks are easier than this many thousandths of the start difficulty.
const COME_PERMILLE: f64 = 1_150.0;
/// Leaves when they are harder than this.
const LEAVE_PERMILLE: f64 = 1_500.0;

/// Mines while it is easy and leaves the hard blocks to the others.
struct Hopper {
    start_hashes: f64,
    is_here: bool,
}

impl Hopper {
    fn new(params: &Params) -> Self {
        let start = consensus::difficulty::Target::from_compact(params.target_start);
        let start = start.expect("the start target is canonical");
        Self {
            start_hashes: crate::rules::hashes(start),
            is_here: false,
        }
    }
}

impl Adversary for Hopper {
    fn power_permille(&mut self, _at_ms: u64, hashes: f64) -> u64 {
        let difficulty = 1_000.0 * hashes / self.start_hashes;
        if difficulty < COME_PERMILLE {
            self.is_here = true;
        } else if difficulty > LEAVE_PERMILLE {
            self.is_here = false;
        }
        if self.is_here { 1_000 } else { 0 }
    }
}
