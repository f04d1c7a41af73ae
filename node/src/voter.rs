//! Our own voter and finality signer: what their keys sign, and what they never do.
//!
//! # Invariants
//! * Nothing is signed before the ballot that says so is durable: an [`Intent`] carries the ballot
//!   that its owner keeps first. What was kept and not signed is lost, never signed twice.
//! * A height is voted for once, whatever happens to the chain; a link of checkpoints never
//!   contradicts one signed before.
//! * A key that somebody else signs with, too, signs nothing more in this run.
//! * No disk, clock or generator: signatures are deterministic, and the same twice.
//!
//! # Spec
//! docs/spec/17-stake.md §4, docs/spec/18-finality.md §4
//!
//! # Not here
//! When they are asked, and by which view of the chain: `protocol::confirm`. Ballots on the disk:
//! `store`. Whether a vote is valid: `consensus`.

mod key;
mod signer;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chain::signature::tag;
use chain::units::BondId;
use chain::vote::Vote;
use chain::{BlockId, ChainId, Height, PublicKey, Timestamp};
use consensus::fork_choice::HEARD_BLOCKS;
use secp256k1::Keypair;

use crate::ledger::Ballot;
use key::SigningKey;
use watch::Watch;

pub(crate) use signer::Link;
pub use signer::{FinalitySigner, SignerStatus};
pub use watch::{Arrival, Stage, StopReason};
pub(crate) use watch::{Patience, Seating};

/// A block that is further ahead of the clock is not voted for yet.
const AHEAD_MS_MAX: u64 = 10_000;
/// With a clock that is off by as much as this, nothing is signed: our idea of which blocks came in
/// time is not that of others.
pub const CLOCK_OFF_MS: u64 = 8_000;
/// Votes of this run that are remembered, to know them from others by the same key.
const SIGNED_KEPT: usize = 64;
/// Votes, or finality votes, of this run that are kept to be said again: those of several bonds for
/// as many heights as blocks include votes for, or of several masternodes for all open checkpoints.
const SAID_KEPT: usize = 64;
/// Numbers that are remembered of bonds or masternodes with a key: it has one or two on a chain, and
/// other ones on other branches. With more than that, what is met next starts anew.
const MET_MAX: usize = 64;

/// Why nothing is signed for the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Blocks are known to exist that are not here.
    CatchingUp,
    /// Our clock is ahead of that of those who find blocks.
    ClockOff {
        /// By so much.
        offset_ms: i64,
    },
    /// An alarm stands that the operator has to look at.
    Alarm,
}

/// A voter as its operator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoterStatus {
    /// The vote key.
    pub key: PublicKey,
    /// What it is doing.
    pub stage: Stage,
    /// Why it signs nothing for the moment, if that is so.
    pub pause: Option<Pause>,
    /// Highest height that the key has voted for.
    pub last_voted: Option<Height>,
    /// Votes signed in this run.
    pub votes_cast: u64,
}

/// A block of our best chain that may be voted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Its height.
    pub(crate) height: Height,
    /// The block.
    pub(crate) block: BlockId,
    /// Bonds with our key that hold seats there.
    pub(crate) bonds: Vec<BondId>,
}

/// What is to be signed once its ballot is durable.
#[derive(Debug)]
#[must_use = "its ballot is to be kept, then it is to be signed"]
pub(crate) struct Intent {
    /// What has to be kept first.
    pub(crate) ballot: Ballot,
    votes: Vec<(Height, BlockId, BondId)>,
}

/// Votes for blocks with one key.
#[derive(Debug)]
pub struct Voter {
    key: SigningKey,
    /// Differs from start to start.
    start_draw: u64,
    watch: Watch,
    pause: Option<Pause>,
    ballot: Ballot,
    /// Whether the ballot says more than what was kept of it.
    is_unkept: bool,
    /// Bonds that vote with our key, as far as we have met them, on whichever branch: there the
    /// number may be another's, so a number is a hint and the signature decides.
    bonds: BTreeSet<BondId>,
    /// What this run voted for, the newest.
    signed: BTreeMap<Height, BlockId>,
    /// The newest votes of this run, as they were said.
    said: VecDeque<Vote>,
    /// Blocks near the tip that we have no seat for.
    seatless: BTreeMap<Height, BlockId>,
    votes_cast: u64,
}

impl Voter {
    /// A voter with this key; it begins with `Node::set_voter`.
    #[must_use]
    pub fn new(key: Keypair) -> Self {
        Self {
            key: SigningKey::new(key),
            start_draw: 0,
            watch: Watch::default(),
            pause: None,
            ballot: Ballot::default(),
            is_unkept: false,
            bonds: BTreeSet::new(),
            signed: BTreeMap::new(),
            said: VecDeque::new(),
            seatless: BTreeMap::new(),
            votes_cast: 0,
        }
    }

    /// With something that differs from start to start: two voters with one key that start
    /// together should not end listening together.
    #[must_use]
    pub fn with_start_draw(self, draw: u64) -> Self {
        Self {
            start_draw: draw,
            ..self
        }
    }

    pub(crate) fn start_draw(&self) -> u64 {
        self.start_draw
    }

    /// The key that it votes with.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        self.key.public()
    }

    /// What an operator sees of it.
    #[must_use]
    pub fn status(&self) -> VoterStatus {
        VoterStatus {
            key: *self.key(),
            stage: self.watch.stage(),
            pause: self.pause,
            last_voted: self.ballot.last_voted,
            votes_cast: self.votes_cast,
        }
    }

    /// Begins to listen: at this tip, for so long, with what the key has signed before.
    pub(crate) fn begin(&mut self, ballot: Ballot, tip: Height, patience: Patience) {
        self.ballot = self.ballot.joined(ballot);
        self.watch = Watch::begin(tip, patience);
    }

    /// Whether it has still to listen.
    pub(crate) fn is_listening(&self) -> bool {
        self.watch.is_listening()
    }

    pub(crate) fn set_pause(&mut self, pause: Option<Pause>) {
        self.pause = pause;
    }

    /// A bond votes with our key.
    pub(crate) fn meet(&mut self, bond: BondId) {
        meet(&mut self.bonds, bond);
    }

    /// Whether a bond is known to vote with our key on some branch.
    pub(crate) fn is_ours(&self, bond: BondId) -> bool {
        self.bonds.contains(&bond)
    }

    /// What is not kept yet of what the key has signed, and should be.
    pub(crate) fn unkept(&self) -> Option<&Ballot> {
        self.is_unkept.then_some(&self.ballot)
    }

    /// The ballot is durable.
    pub(crate) fn kept(&mut self) {
        self.is_unkept = false;
    }

    /// A block of ours was connected, with votes by our key in it, and perhaps a seat for it.
    pub(crate) fn block_connected(
        &mut self,
        height: Height,
        arrival: Arrival,
        seating: Seating,
        votes: &[(Height, Option<BlockId>)],
    ) {
        // A vote of our own from an earlier life would look like another's silence.
        let seating = if Some(height) > self.ballot.last_voted {
            seating
        } else {
            Seating::Unseated
        };
        if arrival == Arrival::Late {
            self.watch.late_block(height);
        }
        for (height, block) in votes {
            self.heard(*height, block.as_ref(), arrival);
        }
        if arrival == Arrival::Live {
            self.watch.live_block(height, seating);
        }
    }

    /// A vote by our key was heard, or found in a block. One that we did not sign raises what may
    /// not be voted for again; if it is no earlier life's, somebody else signs with our key.
    pub(crate) fn heard(&mut self, height: Height, block: Option<&BlockId>, arrival: Arrival) {
        let ours = self.signed.get(&height);
        let contradicts = ours.zip(block).is_some_and(|(ours, block)| ours != block);
        let is_new = Some(height) > self.ballot.last_voted;
        if is_new {
            self.ballot.last_voted = Some(height);
            self.is_unkept = true;
        }
        if contradicts || (is_new && self.watch.is_of_this_time(height, arrival)) {
            self.watch.stop(StopReason::SecondVoter { height });
        }
    }

    /// Heights at which blocks may be voted for while the tip is at `tip`, ascending.
    pub(crate) fn open_heights(&self, tip: Height) -> impl Iterator<Item = Height> + use<> {
        let oldest = tip.get().saturating_sub(HEARD_BLOCKS);
        let above = [self.ballot.last_voted, self.watch.floor()];
        let above = above.into_iter().flatten().max();
        let first = above.map_or(1, |height| height.get().saturating_add(1));
        let is_open = self.watch.stage() == Stage::Active && self.pause.is_none();
        let open = is_open.then_some(first.max(oldest)..=tip.get());
        open.into_iter().flatten().map(Height::new)
    }

    /// Whether it is known that we have no seat for a block.
    pub(crate) fn is_seatless(&self, height: Height, block: &BlockId) -> bool {
        self.seatless.get(&height) == Some(block)
    }

    /// Whether the clock is far enough for a vote for a block of this time.
    pub(crate) fn is_time_for(time: Timestamp, now: Timestamp) -> bool {
        time.get() <= now.get().saturating_add(AHEAD_MS_MAX)
    }

    /// What to sign of these blocks, which ascend by height.
    pub(crate) fn intend(&mut self, candidates: Vec<Candidate>, tip: Height) -> Option<Intent> {
        let oldest = Height::new(tip.get().saturating_sub(HEARD_BLOCKS));
        self.seatless = self.seatless.split_off(&oldest);
        let open: BTreeSet<Height> = self.open_heights(tip).collect();
        let mut intent = Intent {
            ballot: self.ballot,
            votes: Vec::new(),
        };
        for candidate in candidates {
            let Candidate { height, block, .. } = candidate;
            if candidate.bonds.is_empty() {
                self.seatless.insert(height, block);
            }
            for bond in &candidate.bonds {
                meet(&mut self.bonds, *bond);
            }
            if !open.contains(&height) || intent.ballot.last_voted >= Some(height) {
                continue;
            }
            for bond in candidate.bonds {
                intent.votes.push((height, block, bond));
                intent.ballot.last_voted = Some(height);
            }
        }
        (!intent.votes.is_empty()).then_some(intent)
    }

    /// Signs what was intended; its ballot is durable.
    pub(crate) fn sign(&mut self, intent: Intent, chain: &ChainId) -> Vec<Vote> {
        self.ballot = self.ballot.joined(intent.ballot);
        self.is_unkept = false;
        let mut votes = Vec::new();
        for (height, block, bond) in intent.votes {
            self.remember(height, block);
            let body = Vote::signed_bytes(height, &block, bond);
            let signature = self.key.sign(tag::VOTE, chain, &body);
            let vote = Vote {
                height,
                block,
                bond,
                signature,
            };
            keep_said(&mut self.said, vote);
            votes.push(vote);
        }
        votes
    }

    /// Votes of this run, ascending, that may be said once more: none of a voter that does not vote.
    pub(crate) fn said(&self) -> impl Iterator<Item = &Vote> {
        let is_active = self.watch.stage() == Stage::Active && self.pause.is_none();
        self.said.iter().filter(move |_| is_active)
    }

    fn remember(&mut self, height: Height, block: BlockId) {
        self.votes_cast = self.votes_cast.saturating_add(1);
        self.signed.insert(height, block);
        while self.signed.len() > SIGNED_KEPT {
            self.signed.pop_first();
        }
    }
}

fn keep_said<T>(said: &mut VecDeque<T>, vote: T) {
    if said.len() >= SAID_KEPT {
        said.pop_front();
    }
    said.push_back(vote);
}

fn meet<T: Ord>(met: &mut BTreeSet<T>, number: T) {
    if met.len() >= MET_MAX && !met.contains(&number) {
        met.clear();
    }
    met.insert(number);
}

#[cfg(test)]
mod tests;
