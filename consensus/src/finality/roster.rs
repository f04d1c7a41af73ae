//! Rosters: who qualifies, and how one follows another.
//!
//! # Invariants
//! * Weights are summed with 128 bits: nothing overflows.
//! * What happens at a boundary follows from [`handover`] alone.
//!
//! # Spec
//! docs/spec/18-finality.md §2-3
//!
//! # Not here
//! Reading masternodes out of the state: [`crate::transition`].

use chain::units::MasternodeId;
use chain::{Amount, PublicKey};
use genesis::{Params, law};

use crate::error::ViewError;
use crate::state::StateView;
use crate::state::value::{self, Roster, RosterMember};

impl Roster {
    /// Weight of all members.
    #[must_use]
    pub fn weight(&self) -> u64 {
        let weights = self.members.iter().map(|member| member.weight);
        weights.fold(0, u64::saturating_add)
    }

    /// The member of this number.
    #[must_use]
    pub fn member(&self, masternode: MasternodeId) -> Option<&RosterMember> {
        let index = self
            .members
            .binary_search_by_key(&masternode, |member| member.masternode)
            .ok()?;
        self.members.get(index)
    }

    /// The key that a member signs with.
    #[must_use]
    pub fn key(&self, masternode: MasternodeId) -> Option<&PublicKey> {
        self.member(masternode).map(|member| &member.key)
    }

    /// Weight of those members whom `is_signer` names.
    #[must_use]
    pub fn signed_weight(&self, is_signer: impl Fn(MasternodeId) -> bool) -> u64 {
        let members = self.members.iter();
        members
            .filter(|member| is_signer(member.masternode))
            .fold(0, |sum, member| sum.saturating_add(member.weight))
    }
}

/// Rosters in office.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rosters {
    /// Signs and earns.
    pub front: Roster,
    /// The front of the dynasty before: a checkpoint needs it too.
    pub rear: Roster,
}

/// Rosters in office after the tip, or nothing while finality is off.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn rosters(view: &impl StateView) -> Result<Option<Rosters>, ViewError> {
    let head = value::roster_head(view)?;
    let Some((front, rear)) = head.front.zip(head.rear) else {
        return Ok(None);
    };
    Ok(Some(Rosters {
        front: in_office(view, front)?,
        rear: in_office(view, rear)?,
    }))
}

/// A roster that something refers to.
pub(super) fn in_office(view: &impl StateView, number: u32) -> Result<Roster, ViewError> {
    value::roster(view, number)?.ok_or_else(|| ViewError::Damaged {
        reason: format!("roster {number} is gone, but something refers to it"),
    })
}

/// > "the 64 heaviest, ties by smaller mn_id", ascending by masternode
pub(crate) fn heaviest(mut members: Vec<RosterMember>) -> Roster {
    members.sort_by_key(|member| (std::cmp::Reverse(member.weight), member.masternode));
    members.truncate(law::ROSTER_MEMBERS_MAX);
    members.sort_by_key(|member| member.masternode);
    Roster { number: 0, members }
}

/// > "qualifies iff >= MN_MIN members and its weight >= MN_SHARE of S_k"; never without a member
#[must_use]
pub fn qualifies(roster: &Roster, supply: Amount, params: &Params) -> bool {
    let members = u32::try_from(roster.members.len()).unwrap_or(u32::MAX);
    let weight = u128::from(roster.weight());
    let has = weight
        .saturating_mul(Amount::COIN.into())
        .saturating_mul(100);
    let share = u128::from(params.roster_share_min_percent);
    let needs = u128::from(supply.base_units()).saturating_mul(share);
    members >= params.roster_members_min.max(1) && has >= needs
}

/// > "3*signed > 2*W", strictly
pub(crate) fn reaches_two_thirds(signed: u64, weight: u64) -> bool {
    let (signed, weight) = (u128::from(signed), u128::from(weight));
    signed.saturating_mul(3) > weight.saturating_mul(2)
}

/// What a boundary does to the rosters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handover {
    /// Nothing.
    Keep,
    /// Finality turns on, front and rear are the same.
    Begin(Roster),
    /// The front becomes the rear, this one the front.
    Follow(Roster),
    /// The front was silent for too long: front and rear are the same again.
    Restart(Roster),
    /// Finality turns off.
    End,
}

/// What a boundary knows when it decides about the rosters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// Whether rosters are in office.
    pub is_on: bool,
    /// Whether a checkpoint of the term that ended, or a later one, is final.
    pub is_final: bool,
    /// Whether more than four terms have passed without a final checkpoint.
    pub is_stalled: bool,
    /// Supply when the candidate was made.
    pub supply: Amount,
    /// The candidate.
    pub candidate: Roster,
    /// The candidate without members that were silent in the last full term.
    pub diligent: Roster,
}

/// The rules of a boundary, in their order.
#[must_use]
pub fn handover(boundary: Boundary, params: &Params) -> Handover {
    let Boundary {
        is_on,
        is_final,
        is_stalled,
        supply,
        candidate,
        diligent,
    } = boundary;
    let is_fit = qualifies(&candidate, supply, params);
    match (is_on, is_final, is_fit) {
        // > "(1) off: if it qualifies front = rear = candidate"
        (false, _, true) => Handover::Begin(candidate),
        (false, _, false) => Handover::Keep,
        // > "(2) on, and finalized.n >= TERM*k/E: rear = front, front = candidate; else both empty"
        (true, true, true) => Handover::Follow(candidate),
        (true, true, false) => Handover::End,
        // > "(3) on, otherwise, and stalled, and the candidate without silent members qualifies"
        (true, false, _) if is_stalled && qualifies(&diligent, supply, params) => {
            Handover::Restart(diligent)
        }
        // Nobody is left who could replace those who do not sign: they must not sit for ever.
        (true, false, false) if is_stalled => Handover::End,
        (true, false, _) => Handover::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain::Network;

    fn member(masternode: u32, weight: u64) -> RosterMember {
        RosterMember {
            masternode: MasternodeId::new(masternode),
            key: PublicKey::default(),
            weight,
        }
    }

    fn roster(weights: &[u64]) -> Roster {
        let members = (0..).zip(weights).map(|(id, weight)| member(id, *weight));
        Roster {
            number: 0,
            members: members.collect(),
        }
    }

    fn coins(x3c: u64) -> Amount {
        Amount::from_x3c(x3c).expect("below the cap")
    }

    #[test]
    fn the_heaviest_sit_and_ties_go_to_the_elder() {
        let members = (0..70).map(|id| member(id, if id == 69 { 9 } else { 5 }));
        let roster = heaviest(members.collect());
        let ids: Vec<u32> = roster.members.iter().map(|m| m.masternode.get()).collect();
        assert_eq!(ids, (0..63).chain([69]).collect::<Vec<_>>());
        assert_eq!(
            roster.member(MasternodeId::new(69)).expect("sits").weight,
            9
        );
        assert_eq!(roster.key(MasternodeId::new(64)), None);
    }

    #[test]
    fn a_roster_qualifies_by_members_and_by_share() {
        let main = Params::of(Network::Main);
        let thirteen = roster(&[10_000; 13]);
        assert!(qualifies(&thirteen, coins(2_600_000), &main));
        assert!(!qualifies(&thirteen, coins(2_600_001), &main));
        assert!(!qualifies(&roster(&[10_000; 12]), coins(1), &main));
        let lax = Params {
            roster_members_min: 0,
            roster_share_min_percent: 0,
            ..main
        };
        assert!(!qualifies(&roster(&[]), coins(0), &lax));
        assert!(qualifies(&roster(&[1]), Amount::MAX, &lax));
    }

    #[test]
    fn two_thirds_are_not_enough() {
        assert!(!reaches_two_thirds(2, 3));
        assert!(reaches_two_thirds(3, 4));
        assert!(!reaches_two_thirds(0, 0));
        assert!(reaches_two_thirds(u64::MAX, u64::MAX));
    }

    #[test]
    fn the_rules_of_a_boundary_have_an_order() {
        let main = Params::of(Network::Regtest);
        let (fit, unfit, diligent) = (roster(&[4, 4]), roster(&[]), roster(&[4]));
        let decide = |is_on, is_final, is_stalled, candidate: &Roster, diligent: &Roster| {
            let boundary = Boundary {
                is_on,
                is_final,
                is_stalled,
                supply: coins(1),
                candidate: candidate.clone(),
                diligent: diligent.clone(),
            };
            handover(boundary, &main)
        };
        let begin = Handover::Begin(fit.clone());
        assert_eq!(decide(false, false, true, &fit, &diligent), begin);
        assert_eq!(decide(false, true, true, &unfit, &unfit), Handover::Keep);
        let follow = Handover::Follow(fit.clone());
        assert_eq!(decide(true, true, true, &fit, &diligent), follow);
        assert_eq!(decide(true, true, false, &unfit, &unfit), Handover::End);
        let restart = Handover::Restart(diligent.clone());
        assert_eq!(decide(true, false, true, &fit, &diligent), restart);
        assert_eq!(decide(true, false, true, &fit, &unfit), Handover::Keep);
        assert_eq!(decide(true, false, true, &unfit, &unfit), Handover::End);
        assert_eq!(decide(true, false, false, &unfit, &unfit), Handover::Keep);
        assert_eq!(decide(true, false, false, &fit, &diligent), Handover::Keep);
    }
}
