//! Open checkpoints, and the votes for them.
//!
//! # Invariants
//! * A [`Target`] carries all that a vote for it is judged by; checking one reads no state.
//! * A [`CheckedFinalityVote`] was signed by a key of a roster; whoever applies it compares the key
//!   with the one in his own target.
//!
//! # Spec
//! docs/spec/18-finality.md §4-5
//!
//! # Not here
//! Whether a block may include it: [`crate::transition`].

use chain::finality::FinalityVote;
use chain::units::{CheckpointNumber, MasternodeId};
use chain::{BlockId, ChainId, PublicKey};
use genesis::Params;

use super::reaches_two_thirds;
use super::roster::in_office;
use crate::error::{Rule, ViewError};
use crate::state::value::{self, OpenTarget, Roster, RosterMember};
use crate::state::{self, StateView};

/// A checkpoint that the next block may include signatures for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What the state keeps of it.
    pub open: OpenTarget,
    /// Its block on this branch.
    pub id: BlockId,
    /// The front roster after its block.
    pub front: Roster,
    /// The rear roster after its block.
    pub rear: Roster,
}

impl Target {
    /// The checkpoint.
    #[must_use]
    pub fn number(&self) -> CheckpointNumber {
        self.open.number
    }

    /// The member of either roster.
    #[must_use]
    pub fn member(&self, masternode: MasternodeId) -> Option<&RosterMember> {
        let front = self.front.member(masternode);
        front.or_else(|| self.rear.member(masternode))
    }

    /// Whether blocks included the signature of a masternode.
    #[must_use]
    pub fn is_signed_by(&self, masternode: MasternodeId) -> bool {
        self.open.signers.binary_search(&masternode).is_ok()
    }

    /// Whether more than two thirds of both rosters signed.
    #[must_use]
    pub fn reaches_quorum(&self) -> bool {
        [&self.front, &self.rear].into_iter().all(|roster| {
            let signed = roster.signed_weight(|masternode| self.is_signed_by(masternode));
            reaches_two_thirds(signed, roster.weight())
        })
    }

    /// What a member of it signs, without the signature.
    #[must_use]
    pub fn vote(&self, masternode: MasternodeId) -> FinalityVote {
        FinalityVote {
            source: self.open.source,
            target: self.open.number,
            target_id: self.id,
            masternode,
            signature: chain::Signature::default(),
        }
    }
}

/// Checkpoints that the block after the tip may include signatures for, ascending.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn open_targets(view: &impl StateView, params: &Params) -> Result<Vec<Target>, ViewError> {
    let open = value::open_targets(view)?.into_iter();
    open.map(|open| {
        let height = params.checkpoint_height(open.number);
        Ok(Target {
            id: state::header_at(view, height)?.id(),
            front: in_office(view, open.front)?,
            rear: in_office(view, open.rear)?,
            open,
        })
    })
    .collect()
}

/// A finality vote signed by a member of a roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedFinalityVote {
    vote: FinalityVote,
    key: PublicKey,
}

impl CheckedFinalityVote {
    /// The vote.
    #[must_use]
    pub fn vote(&self) -> &FinalityVote {
        &self.vote
    }

    /// The key that signed it.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

/// Checks a finality vote against an open target of the branch that it names.
///
/// # Errors
/// [`Rule::FinalityTarget`] if it is for another link, [`Rule::FinalityNotInRoster`],
/// [`Rule::FinalitySignature`].
pub fn check_finality_vote(
    vote: &FinalityVote,
    target: &Target,
    chain: &ChainId,
) -> Result<CheckedFinalityVote, Rule> {
    let masternode = vote.masternode;
    let member = member_for(vote, target)?;
    if !vote.is_signed_by(&member.key, chain) {
        return Err(Rule::FinalitySignature { masternode });
    }
    Ok(CheckedFinalityVote {
        vote: *vote,
        key: member.key,
    })
}

/// The member that a vote for this very link is by.
pub(crate) fn member_for(vote: &FinalityVote, target: &Target) -> Result<RosterMember, Rule> {
    let masternode = vote.masternode;
    let link = (vote.source, vote.target, vote.target_id);
    if link != (target.open.source, target.open.number, target.id) {
        return Err(Rule::FinalityTarget {
            target: vote.target,
        });
    }
    let member = target.member(masternode).copied();
    member.ok_or(Rule::FinalityNotInRoster { masternode })
}
