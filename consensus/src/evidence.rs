//! Whether a proof of misbehaviour proves it: two signatures of one key that contradict each other.
//!
//! # Invariants
//! * A [`CheckedEvidence`] passed the rules of form and was signed twice by one key; whoever applies
//!   it compares the key with the one in his state.
//! * No committee and no roster is asked: a signature that nobody had a right to is a misdeed too.
//!
//! # Spec
//! docs/spec/02-blocks.md §9, docs/spec/17-stake.md §6, docs/spec/18-finality.md §6
//!
//! # Not here
//! What it costs: [`crate::transition`].

use chain::evidence::{DoubleVote, Evidence, FinalityConflict, SignedLink};
use chain::finality::FinalityVote;
use chain::units::{BondId, MasternodeId};
use chain::vote::Vote;
use chain::{BlockId, ChainId, Height, PublicKey, Signature};

use crate::error::{Rule, ViewError};
use crate::state::{StateView, value};

/// A contradiction that one key signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedEvidence {
    evidence: Evidence,
    key: PublicKey,
}

impl CheckedEvidence {
    /// The proof.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The key that signed both sides.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

/// What a block may prove once: a double vote per bond and height, a conflict per masternode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misdeed {
    /// Two votes of a bond at a height.
    DoubleVote(BondId, Height),
    /// Two finality votes of a masternode.
    FinalityConflict(MasternodeId),
}

/// What a proof is about.
#[must_use]
pub fn misdeed(evidence: &Evidence) -> Misdeed {
    match evidence {
        Evidence::DoubleVote(votes) => Misdeed::DoubleVote(votes.bond, votes.height),
        Evidence::FinalityConflict(links) => Misdeed::FinalityConflict(links.masternode),
    }
}

/// The key that whoever is accused signs with, if the state knows him.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn accused_key(
    view: &impl StateView,
    evidence: &Evidence,
) -> Result<Option<PublicKey>, ViewError> {
    Ok(match evidence {
        Evidence::DoubleVote(votes) => value::bond(view, votes.bond)?.map(|bond| bond.key),
        Evidence::FinalityConflict(links) => {
            value::masternode(view, links.masternode)?.map(|masternode| masternode.operator)
        }
    })
}

/// Checks a proof against the key of the accused.
///
/// # Errors
/// [`Rule::EvidenceForm`], [`Rule::EvidenceSignature`].
pub fn check_evidence(
    evidence: &Evidence,
    key: &PublicKey,
    chain: &ChainId,
) -> Result<CheckedEvidence, Rule> {
    check_form(evidence)?;
    let is_signed = match evidence {
        Evidence::DoubleVote(votes) => votes_of(votes)
            .iter()
            .all(|vote| vote.is_signed_by(key, chain)),
        Evidence::FinalityConflict(links) => links_of(links)
            .iter()
            .all(|vote| vote.is_signed_by(key, chain)),
    };
    if is_signed {
        Ok(CheckedEvidence {
            evidence: *evidence,
            key: *key,
        })
    } else {
        Err(Rule::EvidenceSignature)
    }
}

/// > "id_a < id_b"; "t1 = t2 and id1 < id2, or s1 < s2 and t2 < t1"
pub(crate) fn check_form(evidence: &Evidence) -> Result<(), Rule> {
    let is_canonical = match evidence {
        Evidence::DoubleVote(votes) => votes.block_a < votes.block_b,
        Evidence::FinalityConflict(links) => contradicts(&links.first, &links.second),
    };
    if is_canonical {
        Ok(())
    } else {
        Err(Rule::EvidenceForm)
    }
}

fn contradicts(first: &SignedLink, second: &SignedLink) -> bool {
    let double = first.target == second.target && first.target_id < second.target_id;
    let surround = first.source < second.source && second.target < first.target;
    double || surround
}

fn votes_of(votes: &DoubleVote) -> [Vote; 2] {
    let vote = |block: BlockId, signature: Signature| Vote {
        height: votes.height,
        block,
        bond: votes.bond,
        signature,
    };
    [
        vote(votes.block_a, votes.signature_a),
        vote(votes.block_b, votes.signature_b),
    ]
}

fn links_of(links: &FinalityConflict) -> [FinalityVote; 2] {
    [&links.first, &links.second].map(|link| FinalityVote {
        source: link.source,
        target: link.target,
        target_id: link.target_id,
        masternode: links.masternode,
        signature: link.signature,
    })
}

/// The proof that two votes of one bond are, if they contradict each other.
#[must_use]
pub fn double_vote(one: &Vote, other: &Vote) -> Option<Evidence> {
    let same_seat = one.bond == other.bond && one.height == other.height;
    if !same_seat || one.block == other.block {
        return None;
    }
    let (a, b) = if one.block < other.block {
        (one, other)
    } else {
        (other, one)
    };
    Some(Evidence::DoubleVote(DoubleVote {
        bond: a.bond,
        height: a.height,
        block_a: a.block,
        signature_a: a.signature,
        block_b: b.block,
        signature_b: b.signature,
    }))
}

/// The proof that two finality votes of one masternode are, if they contradict each other.
#[must_use]
pub fn finality_conflict(one: &FinalityVote, other: &FinalityVote) -> Option<Evidence> {
    if one.masternode != other.masternode {
        return None;
    }
    let link = |vote: &FinalityVote| SignedLink {
        source: vote.source,
        target: vote.target,
        target_id: vote.target_id,
        signature: vote.signature,
    };
    let pair = |first, second| {
        Evidence::FinalityConflict(FinalityConflict {
            masternode: one.masternode,
            first,
            second,
        })
    };
    let pairs = [pair(link(one), link(other)), pair(link(other), link(one))];
    pairs.into_iter().find(|pair| check_form(pair).is_ok())
}
