//! Adversaries that say what is not so.
//!
//! # Invariants
//! None of what they forge enters their own node: it would refuse it.
//!
//! # Spec
//! docs/spec/06-wire.md §8
//!
//! # Not here
//! What it costs them: `node::peers`.

use chain::{AccountId, Block, Header, Timestamp};
use consensus::difficulty::Target;
use consensus::pow;
use genesis::Params;
use node::protocol::{Protocol, Topic};

use super::{Adversary, Release, Reply, announced};
use crate::chance::Chance;
use crate::{rules, traffic};

/// Announcements without work in a second.
const FLOOD_PER_SECOND: usize = 20;
/// Longest nonsense (bytes).
const NONSENSE_BYTES_MAX: u64 = 2_000;
/// One-time keys of items that nobody ever sees; far above those of users.
const HIDDEN_NUMBERS: u64 = 1 << 63;

/// Announces blocks with an item that it hands out to nobody.
pub(super) struct BodyWithholder {
    params: Params,
    hidden: u64,
}

impl BodyWithholder {
    pub(super) fn new(params: &Params) -> Self {
        Self {
            params: params.clone(),
            hidden: HIDDEN_NUMBERS,
        }
    }
}

impl Adversary for BodyWithholder {
    fn found(&mut self, mut block: Block, _at_ms: u64, _now: Timestamp) -> Release {
        self.hidden += 1;
        let epoch = self.params.rate_epoch(block.header.height);
        let hidden = traffic::envelope(&self.params, epoch, self.hidden);
        block.body.envelopes.push(hidden);
        rules::reseal(&mut block, &self.params);
        Release {
            submit: Vec::new(),
            gossip: vec![announced(&block, false)],
        }
    }

    fn replies(&mut self, protocol: Protocol, _chance: &mut Chance) -> Reply {
        match protocol {
            Protocol::Bodies | Protocol::Missing => Reply::Silence,
            Protocol::Headers | Protocol::Mempool => Reply::Honest,
        }
    }
}

/// Says nonsense on every topic and answers with it.
#[derive(Default)]
pub(super) struct Garbage {
    last: Option<Block>,
}

impl Garbage {
    /// A real announcement with one bit wrong.
    fn damaged(&self, chance: &mut Chance) -> Option<(Topic, Vec<u8>)> {
        let (topic, mut bytes) = announced(self.last.as_ref()?, true);
        let at = chance.below(bytes.len() as u64) as usize;
        let bit = chance.below(8);
        *bytes.get_mut(at)? ^= 1 << bit;
        Some((topic, bytes))
    }
}

impl Adversary for Garbage {
    fn heard(&mut self, block: &Block, _at_ms: u64, _now: Timestamp) -> Release {
        self.last = Some(block.clone());
        Release::nothing()
    }

    fn second(&mut self, _at_ms: u64, _now: Timestamp, chance: &mut Chance) -> Release {
        let topics = [Topic::Block, Topic::Transaction, Topic::Envelope];
        let topic = topics[chance.below(topics.len() as u64) as usize];
        let len = chance.below(NONSENSE_BYTES_MAX) as usize;
        let nonsense = (topic, chance.bytes(len));
        let gossip = if chance.happens(500) {
            self.damaged(chance).unwrap_or(nonsense)
        } else {
            nonsense
        };
        Release {
            submit: Vec::new(),
            gossip: vec![gossip],
        }
    }

    fn replies(&mut self, _protocol: Protocol, chance: &mut Chance) -> Reply {
        let len = chance.below(NONSENSE_BYTES_MAX) as usize;
        Reply::Forged(chance.bytes(len))
    }
}

/// Announces blocks whose hashes meet no target.
pub(super) struct BadPow {
    params: Params,
    last: Option<Header>,
}

impl BadPow {
    pub(super) fn new(params: &Params) -> Self {
        Self {
            params: params.clone(),
            last: None,
        }
    }
}

impl Adversary for BadPow {
    fn heard(&mut self, block: &Block, _at_ms: u64, _now: Timestamp) -> Release {
        self.last = Some(block.header);
        Release::nothing()
    }

    fn second(&mut self, _at_ms: u64, _now: Timestamp, chance: &mut Chance) -> Release {
        let Some(header) = self.last else {
            return Release::nothing();
        };
        let target = Target::from_compact(header.target).expect("a checked header");
        let mut release = Release::nothing();
        while release.gossip.len() < FLOOD_PER_SECOND {
            let mut header = header;
            header.nonce = chance.below(u64::MAX);
            if pow::check_pow(&header, target, self.params.pow).is_err() {
                let body = chain::Body::default();
                release
                    .gossip
                    .push(announced(&Block { header, body }, true));
            }
        }
        release
    }
}

/// Names uncles that took next to no work.
pub(super) struct CheapUncle {
    params: Params,
    last: Option<Header>,
}

impl CheapUncle {
    pub(super) fn new(params: &Params) -> Self {
        Self {
            params: params.clone(),
            last: None,
        }
    }
}

impl Adversary for CheapUncle {
    fn heard(&mut self, block: &Block, _at_ms: u64, _now: Timestamp) -> Release {
        self.last = Some(block.header);
        Release::nothing()
    }

    fn found(&mut self, mut block: Block, _at_ms: u64, _now: Timestamp) -> Release {
        let parent = self.last.filter(|last| last.id() == block.header.parent);
        // Blocks 1 and 2 have no other target than the start's.
        let Some(parent) = parent.filter(|parent| parent.height.get() > 2) else {
            return Release::submit(block);
        };
        let mut uncle = Header {
            payout: AccountId::from_bytes([0xee; 20]),
            target: self.params.target_max,
            nonce: 0,
            ..parent
        };
        rules::solve(&mut uncle, &self.params);
        block.body.aux.uncles = vec![uncle];
        block.header.pow_count = parent.pow_count + 2;
        rules::reseal(&mut block, &self.params);
        Release {
            submit: Vec::new(),
            gossip: vec![announced(&block, true)],
        }
    }
}
