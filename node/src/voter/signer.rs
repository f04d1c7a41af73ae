//! The finality signer: signs open checkpoints with an operator key.
//!
//! # Invariants
//! * Links are signed with rising targets and sources that never fall: no two of them contradict
//!   each other, neither at one target nor by one around the other.
//! * Everything that the module above promises.
//!
//! # Spec
//! docs/spec/18-finality.md §4, docs/spec/02-blocks.md §2.4
//!
//! # Not here
//! Which checkpoints are open and who is a member: `consensus::finality`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chain::finality::FinalityVote;
use chain::signature::tag;
use chain::units::{CheckpointNumber, MasternodeId};
use chain::{BlockId, ChainId, Height, PublicKey};
use consensus::finality::Target;
use secp256k1::Keypair;

use super::key::SigningKey;
use super::watch::{Patience, Seating, Watch};
use super::{Arrival, Pause, SIGNED_KEPT, Stage, StopReason, keep_said, meet};
use crate::ledger::Ballot;

/// A signer as its operator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignerStatus {
    /// The operator key.
    pub key: PublicKey,
    /// What it is doing.
    pub stage: Stage,
    /// Why it signs nothing for the moment, if that is so.
    pub pause: Option<Pause>,
    /// Highest source that the key has signed.
    pub max_source: Option<CheckpointNumber>,
    /// Highest checkpoint that the key has signed.
    pub max_target: Option<CheckpointNumber>,
    /// Finality votes signed in this run.
    pub votes_cast: u64,
}

/// A link that our key signed, heard or found in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) source: CheckpointNumber,
    pub(crate) target: CheckpointNumber,
    pub(crate) target_id: Option<BlockId>,
}

/// What is to be signed once its ballot is durable.
#[derive(Debug)]
#[must_use = "its ballot is to be kept, then it is to be signed"]
pub(crate) struct FinalityIntent {
    /// What has to be kept first.
    pub(crate) ballot: Ballot,
    votes: Vec<FinalityVote>,
}

/// Signs checkpoints with one key.
#[derive(Debug)]
pub struct FinalitySigner {
    key: SigningKey,
    watch: Watch,
    pause: Option<Pause>,
    checkpoint_blocks: u64,
    ballot: Ballot,
    /// Whether the ballot says more than what was kept of it.
    is_unkept: bool,
    /// Masternodes that sign with our key, as far as we have met them, on whichever branch.
    masternodes: BTreeSet<MasternodeId>,
    /// What this run signed, the newest.
    signed: BTreeMap<CheckpointNumber, BlockId>,
    /// The newest finality votes of this run, as they were said.
    said: VecDeque<FinalityVote>,
    /// The tip at which there was nothing to sign.
    idle_at: Option<BlockId>,
    votes_cast: u64,
}

impl FinalitySigner {
    /// A signer with this key; it begins with `Node::set_signer`.
    #[must_use]
    pub fn new(key: Keypair) -> Self {
        Self {
            key: SigningKey::new(key),
            watch: Watch::default(),
            pause: None,
            checkpoint_blocks: 1,
            ballot: Ballot::default(),
            is_unkept: false,
            masternodes: BTreeSet::new(),
            signed: BTreeMap::new(),
            said: VecDeque::new(),
            idle_at: None,
            votes_cast: 0,
        }
    }

    /// The key that it signs with.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        self.key.public()
    }

    /// What an operator sees of it.
    #[must_use]
    pub fn status(&self) -> SignerStatus {
        SignerStatus {
            key: *self.key(),
            stage: self.watch.stage(),
            pause: self.pause,
            max_source: self.ballot.max_source,
            max_target: self.ballot.max_target,
            votes_cast: self.votes_cast,
        }
    }

    /// Begins to listen: at this tip, for two checkpoints, with what the key has signed before.
    pub(crate) fn begin(&mut self, ballot: Ballot, tip: Height, checkpoint_blocks: u64) {
        self.ballot = self.ballot.joined(ballot);
        self.checkpoint_blocks = checkpoint_blocks;
        self.watch = Watch::begin(tip, Patience::of_signer(checkpoint_blocks));
    }

    pub(crate) fn set_pause(&mut self, pause: Option<Pause>) {
        if self.pause != pause {
            self.idle_at = None;
        }
        self.pause = pause;
    }

    /// A masternode signs with our key.
    pub(crate) fn meet(&mut self, masternode: MasternodeId) {
        meet(&mut self.masternodes, masternode);
    }

    /// Whether a masternode is known to sign with our key on some branch.
    pub(crate) fn is_ours(&self, masternode: MasternodeId) -> bool {
        self.masternodes.contains(&masternode)
    }

    /// What is not kept yet of what the key has signed, and should be.
    pub(crate) fn unkept(&self) -> Option<&Ballot> {
        self.is_unkept.then_some(&self.ballot)
    }

    /// The ballot is durable.
    pub(crate) fn kept(&mut self) {
        self.is_unkept = false;
    }

    /// A block of ours was connected, with signatures by our key in it.
    pub(crate) fn block_connected(&mut self, height: Height, arrival: Arrival, links: &[Link]) {
        if arrival == Arrival::Late {
            self.watch.late_block(height);
        }
        for link in links {
            self.heard(link, arrival);
        }
        if arrival == Arrival::Live {
            self.watch.live_block(height, Seating::Unseated);
        }
    }

    /// A link with our signature was heard, or found in a block. One that we did not sign raises
    /// what may not be contradicted; if it is no earlier life's, somebody else signs with our key.
    pub(crate) fn heard(&mut self, link: &Link, arrival: Arrival) {
        let at_highest = self.ballot.max_target == Some(link.target);
        let ours = self.signed.get(&link.target).copied();
        let ours = ours.or(self.ballot.target_id.filter(|_| at_highest));
        let contradicts = ours
            .zip(link.target_id)
            .is_some_and(|(one, other)| one != other);
        let is_new = Some(link.target) > self.ballot.max_target;
        if is_new {
            self.ballot = self.ballot.joined(Ballot {
                last_voted: None,
                max_source: Some(link.source),
                max_target: Some(link.target),
                target_id: link.target_id,
            });
            self.is_unkept = true;
        }
        let height = self.height_of(link.target);
        if contradicts || (is_new && self.watch.is_of_this_time(height, arrival)) {
            let target = link.target;
            self.watch.stop(StopReason::SecondSigner { target });
        }
    }

    /// Whether it is worth reading which checkpoints are open.
    pub(crate) fn is_due(&self, tip: &BlockId) -> bool {
        let is_active = self.watch.stage() == Stage::Active && self.pause.is_none();
        is_active && self.idle_at != Some(*tip)
    }

    /// What to sign of these checkpoints, which ascend and are open after the tip.
    pub(crate) fn intend(
        &mut self,
        targets: &[Target],
        tip: (Height, BlockId),
    ) -> Option<FinalityIntent> {
        if !self.is_due(&tip.1) {
            return None;
        }
        let mut intent = FinalityIntent {
            ballot: self.ballot,
            votes: Vec::new(),
        };
        for target in targets {
            let height = self.height_of(target.number());
            // A member signs once its best chain has the block after.
            if height >= tip.0 || Some(height) <= self.watch.floor() {
                continue;
            }
            let unsigned: BTreeSet<MasternodeId> = self
                .memberships(target)
                .filter(|masternode| !target.is_signed_by(*masternode))
                .collect();
            for masternode in &unsigned {
                meet(&mut self.masternodes, *masternode);
            }
            if unsigned.is_empty() {
                continue;
            }
            let Some(ballot) = extended(&intent.ballot, target) else {
                tracing::debug!(
                    target = %target.number(),
                    source = %target.open.source,
                    "a checkpoint is not signed: it would contradict what was signed before"
                );
                continue;
            };
            intent.ballot = ballot;
            intent
                .votes
                .extend(unsigned.into_iter().map(|id| target.vote(id)));
        }
        if intent.votes.is_empty() {
            self.idle_at = Some(tip.1);
            return None;
        }
        Some(intent)
    }

    /// Signs what was intended; its ballot is durable.
    pub(crate) fn sign(&mut self, intent: FinalityIntent, chain: &ChainId) -> Vec<FinalityVote> {
        self.ballot = self.ballot.joined(intent.ballot);
        self.is_unkept = false;
        let mut votes = Vec::new();
        for vote in intent.votes {
            self.remember(vote.target, vote.target_id);
            let signature = self.key.sign(tag::FINALITY, chain, &vote.signed_bytes());
            let vote = FinalityVote { signature, ..vote };
            keep_said(&mut self.said, vote);
            votes.push(vote);
        }
        votes
    }

    /// Finality votes of this run, ascending, that may be said once more: none of a signer that does
    /// not sign.
    pub(crate) fn said(&self) -> impl Iterator<Item = &FinalityVote> {
        let is_active = self.watch.stage() == Stage::Active && self.pause.is_none();
        self.said.iter().filter(move |_| is_active)
    }

    fn memberships(&self, target: &Target) -> impl Iterator<Item = MasternodeId> {
        let members = target.front.members.iter().chain(&target.rear.members);
        members
            .filter(|member| member.key == *self.key())
            .map(|member| member.masternode)
    }

    fn height_of(&self, target: CheckpointNumber) -> Height {
        Height::new(u64::from(target.get()).saturating_mul(self.checkpoint_blocks))
    }

    fn remember(&mut self, target: CheckpointNumber, id: BlockId) {
        self.votes_cast = self.votes_cast.saturating_add(1);
        self.signed.insert(target, id);
        while self.signed.len() > SIGNED_KEPT {
            self.signed.pop_first();
        }
    }
}

/// The ballot after this target is signed; nothing if that would contradict it. With a target above
/// all before, no link lies around the new one; with a source at or above all before, the new one
/// lies around none.
fn extended(ballot: &Ballot, target: &Target) -> Option<Ballot> {
    let (source, number) = (Some(target.open.source), Some(target.number()));
    let fits = number > ballot.max_target && source >= ballot.max_source;
    fits.then_some(Ballot {
        last_voted: ballot.last_voted,
        max_source: source,
        max_target: number,
        target_id: Some(target.id),
    })
}

#[cfg(test)]
mod tests;
