//! Finality votes: for the open checkpoints of our chain, for others in their place, and for the
//! next ones.
//!
//! # Invariants
//! * Every vote here was signed by a member of a roster that our state knows; of a member and
//!   checkpoint two votes are kept at most.
//! * A quorum behind another block in the place of a final one is found as soon as its last vote
//!   is here.
//!
//! # Spec
//! docs/spec/06-wire.md §10, docs/spec/18-finality.md §4
//!
//! # Not here
//! Reading rosters out of a state: `consensus::finality`.

use std::collections::BTreeMap;

use chain::finality::FinalityVote;
use chain::units::{CheckpointNumber, MasternodeId};
use chain::{BlockId, ChainId};
use consensus::Rule;
use consensus::finality::{CheckedFinalityVote, Rosters, Target, check_finality_vote};
use consensus::state::value::OpenTarget;
use genesis::law;

/// How far above the newest open checkpoint a vote may be for: the next one, and one more.
pub const AHEAD_CHECKPOINTS: u32 = 2;
/// Closed checkpoints whose votes are kept, for those who contradict them later.
const CLOSED_CHECKPOINTS: u32 = 8;
/// Votes in all: two of each of 128 members for fourteen checkpoints.
pub const FINALITY_VOTES_MAX: usize =
    2 * 2 * law::ROSTER_MEMBERS_MAX * (law::FINALITY_WINDOW as usize + 10);

/// What finality votes are judged by after a tip; read once for each.
#[derive(Clone, Debug)]
pub struct OpenTargets {
    /// The tip.
    pub tip: BlockId,
    /// The checkpoint at or below the tip.
    pub newest: CheckpointNumber,
    /// Open checkpoints, ascending.
    pub targets: Vec<Target>,
    /// Rosters in office.
    pub in_office: Option<Rosters>,
}

/// What a vote is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// An open checkpoint of our chain.
    Open(CheckedFinalityVote),
    /// Another link in the place of an open checkpoint of our chain.
    Beside(CheckedFinalityVote),
    /// A checkpoint that is not open yet.
    Ahead(CheckedFinalityVote),
}

impl Verified {
    /// The vote.
    #[must_use]
    pub fn checked(&self) -> &CheckedFinalityVote {
        match self {
            Self::Open(checked) | Self::Beside(checked) | Self::Ahead(checked) => checked,
        }
    }
}

impl OpenTargets {
    /// The open checkpoint of this number.
    #[must_use]
    pub fn get(&self, number: CheckpointNumber) -> Option<&Target> {
        self.targets.iter().find(|target| target.number() == number)
    }

    /// Judges a vote by what is open, or else by the rosters in office. Nothing if it is for a
    /// checkpoint that is over or too far ahead.
    ///
    /// # Errors
    /// [`Rule::FinalityNotInRoster`], [`Rule::FinalitySignature`].
    pub fn verify(&self, vote: &FinalityVote, chain: &ChainId) -> Result<Option<Verified>, Rule> {
        if let Some(target) = self.get(vote.target) {
            let is_ours = (target.open.source, target.id) == (vote.source, vote.target_id);
            return Ok(Some(if is_ours {
                Verified::Open(check_finality_vote(vote, target, chain)?)
            } else {
                let other = other_link(vote, target.clone());
                Verified::Beside(check_finality_vote(vote, &other, chain)?)
            }));
        }
        let last = self.newest.get().saturating_add(AHEAD_CHECKPOINTS);
        let is_ahead = vote.target > self.newest && vote.target.get() <= last;
        let Some(rosters) = self.in_office.as_ref().filter(|_| is_ahead) else {
            return Ok(None);
        };
        let target = Target {
            open: OpenTarget {
                number: vote.target,
                source: vote.source,
                front: rosters.front.number,
                rear: rosters.rear.number,
                is_justified: false,
                signers: Vec::new(),
            },
            id: vote.target_id,
            front: rosters.front.clone(),
            rear: rosters.rear.clone(),
        };
        let checked = check_finality_vote(vote, &target, chain)?;
        Ok(Some(Verified::Ahead(checked)))
    }
}

/// The same rosters over another link.
fn other_link(vote: &FinalityVote, mut target: Target) -> Target {
    target.open.source = vote.source;
    target.id = vote.target_id;
    target
}

/// Finality votes.
#[derive(Debug, Default)]
pub struct FinalityPool(BTreeMap<(CheckpointNumber, MasternodeId), Vec<CheckedFinalityVote>>);

impl FinalityPool {
    /// Whether a vote says nothing that is not known: its member signed this link, or two others
    /// for this checkpoint.
    #[must_use]
    pub fn knows(&self, vote: &FinalityVote) -> bool {
        let known = self.0.get(&(vote.target, vote.masternode));
        let known = known.map_or(&[][..], Vec::as_slice);
        known.len() >= 2 || known.iter().any(|known| link(known.vote()) == link(vote))
    }

    /// Other votes of the same member, for whatever checkpoint.
    pub fn others(&self, vote: &FinalityVote) -> impl Iterator<Item = &CheckedFinalityVote> {
        let (member, link_of_vote) = (vote.masternode, link(vote));
        let all = self.0.iter().filter(move |((_, by), _)| *by == member);
        all.flat_map(|(_, checked)| checked)
            .filter(move |other| link(other.vote()) != link_of_vote)
    }

    /// Keeps a vote; says whether it found a place.
    pub fn add(&mut self, checked: CheckedFinalityVote) -> bool {
        let vote = checked.vote();
        if self.knows(vote) || self.len() >= FINALITY_VOTES_MAX {
            return false;
        }
        let place = self.0.entry((vote.target, vote.masternode)).or_default();
        place.push(checked);
        true
    }

    /// Votes that a block may include for an open checkpoint, the heaviest first.
    #[must_use]
    pub fn for_target(&self, target: &Target) -> Vec<CheckedFinalityVote> {
        let link_of_target = (target.open.source, target.number(), target.id);
        let mut votes: Vec<_> = self
            .of(target.number())
            .filter(|checked| link(checked.vote()) == link_of_target)
            .filter(|checked| !target.is_signed_by(checked.vote().masternode))
            .copied()
            .collect();
        let weight = |checked: &CheckedFinalityVote| {
            let member = target.member(checked.vote().masternode);
            member.map_or(0, |member| member.weight)
        };
        votes.sort_by_key(|checked| std::cmp::Reverse(weight(checked)));
        votes
    }

    /// A block other than the one of `target` behind which a quorum stands.
    #[must_use]
    pub fn quorum_beside(&self, target: &Target) -> Option<BlockId> {
        let mut signers: BTreeMap<_, Vec<MasternodeId>> = BTreeMap::new();
        for checked in self.of(target.number()) {
            let vote = checked.vote();
            if vote.target_id != target.id {
                let link = signers.entry((vote.source, vote.target_id)).or_default();
                link.push(vote.masternode);
            }
        }
        let mut links = signers.into_iter();
        let found = links.find(|(_, signers)| {
            let mut other = target.clone();
            other.open.signers.clone_from(signers);
            other.reaches_quorum()
        });
        found.map(|((_, id), _)| id)
    }

    /// Forgets votes for checkpoints that closed long before `newest`, the one at or below the tip.
    pub fn tip_moved(&mut self, newest: CheckpointNumber) {
        let window = u32::try_from(law::FINALITY_WINDOW).unwrap_or(u32::MAX);
        let behind = window.saturating_add(CLOSED_CHECKPOINTS);
        let oldest = CheckpointNumber::new(newest.get().saturating_sub(behind));
        let last = newest.get().saturating_add(AHEAD_CHECKPOINTS);
        self.0 = self.0.split_off(&(oldest, MasternodeId::new(0)));
        self.0.retain(|(number, _), _| number.get() <= last);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Votes for a checkpoint, ascending by member.
    fn of(&self, number: CheckpointNumber) -> impl Iterator<Item = &CheckedFinalityVote> {
        let of_target = (number, MasternodeId::new(0))..=(number, MasternodeId::new(u32::MAX));
        self.0.range(of_target).flat_map(|(_, checked)| checked)
    }
}

fn link(vote: &FinalityVote) -> (CheckpointNumber, CheckpointNumber, BlockId) {
    (vote.source, vote.target, vote.target_id)
}

#[cfg(test)]
mod tests;
