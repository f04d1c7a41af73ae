//! Values of masternodes: themselves, the queue of their payments, rosters, open checkpoints.
//!
//! # Invariants
//! * Members of rosters and signers ascend by masternode.
//! * A masternode stands in the payment queue at most once: an entry counts only if the masternode
//!   names its position.
//!
//! # Spec
//! docs/spec/18-finality.md, docs/spec/11-state.md §2
//!
//! # Not here
//! Who is in a roster and when a checkpoint is final: [`crate::finality`].

use chain::codec::{List, SchemaRead, SchemaWrite};
use chain::transaction::ServiceAddress;
use chain::units::{CheckpointNumber, MasternodeId, Term};
use chain::{AccountId, Amount, Height, PublicKey};
use genesis::law;

use super::read;
use super::stake::{Duty, weight};
use crate::error::ViewError;
use crate::state::{StateKey, StateView};

/// Whether a masternode is paid and may enter a roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub enum Standing {
    /// It does its duty.
    #[wincode(tag = 0)]
    Active,
    /// It did not; its operator may revive it.
    #[wincode(tag = 1)]
    Banned,
    /// It contradicted itself; there is no way back.
    #[wincode(tag = 2)]
    Slashed {
        /// Block with the proof.
        height: Height,
        /// Weight of the front roster then: what the weight of all slashed is compared with.
        front_weight: u64,
    },
}

/// Somebody who signs checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Masternode {
    /// Who paid the collateral and gets it back.
    pub owner: AccountId,
    /// The key that signs checkpoints and revives.
    pub operator: PublicKey,
    /// The key for later votes about the network itself.
    pub voting: PublicKey,
    /// Who earns.
    pub payout: AccountId,
    /// Where its service is reached.
    pub address: ServiceAddress,
    /// What it offers.
    pub service: u32,
    /// Coins that are left of its collateral.
    pub collateral: Amount,
    /// Block that registered it.
    pub registered: Height,
    /// Last block whose payee it was, if any.
    pub last_paid: Option<Height>,
    /// Penalty for terms of silence.
    pub pose: u32,
    /// Whether it is paid and may enter a roster.
    pub standing: Standing,
    /// When its collateral is paid back, once it leaves.
    pub release: Option<Height>,
    /// Checkpoints of the term that it had to sign as a front member, and those it signed.
    pub duty: Duty,
    /// Its place in the payment queue, if it has one.
    pub position: Option<u64>,
}

impl Masternode {
    /// Its weight in a roster: whole coins of collateral.
    #[must_use]
    pub const fn weight(&self) -> u64 {
        weight(self.collateral)
    }

    /// Whether it is paid and may enter a roster.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.standing == Standing::Active && self.release.is_none()
    }
}

/// The payment queue: entries from `head` to before `tail`. Default: empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct PaymentQueue {
    /// Position of the next one to be paid.
    pub head: u64,
    /// Position of the next one to enter.
    pub tail: u64,
    /// Masternodes below this number have entered.
    pub entered: u32,
    /// Masternodes below this number enter at the next boundary.
    pub next: u32,
}

/// A member of a roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct RosterMember {
    /// The masternode.
    pub masternode: MasternodeId,
    /// The key that signs.
    pub key: PublicKey,
    /// Weight of the signature.
    pub weight: u64,
}

/// Memory of a roster.
const ROSTER_BYTES_MAX: usize = law::ROSTER_MEMBERS_MAX * size_of::<RosterMember>();

/// Who signs checkpoints. Default: nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Roster {
    /// Rosters are numbered in the order in which they took office; a candidate has none yet: 0.
    pub number: u32,
    /// Ascending by masternode.
    #[wincode(with = "List<RosterMember, ROSTER_BYTES_MAX>")]
    pub members: Vec<RosterMember>,
}

impl Roster {
    /// Where the roster of this number is kept.
    #[must_use]
    pub fn state_key(number: u32) -> StateKey {
        let slot = number.checked_rem(law::ROSTERS_KEPT).unwrap_or_default();
        StateKey::Roster(u8::try_from(slot).unwrap_or(u8::MAX))
    }
}

/// The roster that may take office at the next boundary. Default: nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Candidate {
    /// Supply at the boundary that it was made at.
    pub supply: Amount,
    /// Who would sign.
    pub roster: Roster,
}

/// Rosters in office, and how they came there. Default: finality is off and never was on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct RosterHead {
    /// Number of the front roster, while finality is on.
    pub front: Option<u32>,
    /// Number of the rear roster: the front of the dynasty before.
    pub rear: Option<u32>,
    /// Rosters that ever took office; they are numbered from 1.
    pub made: u32,
    /// Regular hand-overs so far.
    pub dynasty: u32,
    /// Block that finalized last, or that turned finality on.
    pub last_final_height: Height,
    /// Weight of the last front roster, also after it left office.
    pub front_weight: u64,
}

/// Memory of the signers of a target: front and rear.
const SIGNERS_BYTES_MAX: usize = 2 * law::ROSTER_MEMBERS_MAX * size_of::<MasternodeId>();

/// A checkpoint whose signatures blocks may include.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct OpenTarget {
    /// The checkpoint.
    pub number: CheckpointNumber,
    /// Highest justified checkpoint in the state after its block.
    pub source: CheckpointNumber,
    /// Number of the front roster then.
    pub front: u32,
    /// Number of the rear roster then.
    pub rear: u32,
    /// Whether both rosters signed with more than two thirds.
    pub is_justified: bool,
    /// Members whose signatures blocks included, ascending.
    #[wincode(with = "List<MasternodeId, SIGNERS_BYTES_MAX>")]
    pub signers: Vec<MasternodeId>,
}

impl OpenTarget {
    /// Where the target of this number is kept.
    #[must_use]
    pub fn state_key(number: CheckpointNumber) -> StateKey {
        let slot = u64::from(number.get()).checked_rem(law::FINALITY_WINDOW);
        StateKey::OpenTarget(u8::try_from(slot.unwrap_or_default()).unwrap_or(u8::MAX))
    }
}

/// A masternode, until its collateral is paid back.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn masternode(
    view: &impl StateView,
    id: MasternodeId,
) -> Result<Option<Masternode>, ViewError> {
    read(view, &StateKey::Masternode(id))
}

/// The masternode that uses a key, as operator or for voting.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn masternode_of_key(
    view: &impl StateView,
    key: &PublicKey,
) -> Result<Option<MasternodeId>, ViewError> {
    read(view, &StateKey::MasternodeKey(*key))
}

/// The payment queue.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn payment_queue(view: &impl StateView) -> Result<PaymentQueue, ViewError> {
    Ok(read(view, &StateKey::PaymentQueue)?.unwrap_or_default())
}

/// Rosters in office.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn roster_head(view: &impl StateView) -> Result<RosterHead, ViewError> {
    Ok(read(view, &StateKey::RosterHead)?.unwrap_or_default())
}

/// The roster that may take office at the next boundary.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn candidate(view: &impl StateView) -> Result<Candidate, ViewError> {
    Ok(read(view, &StateKey::Candidate)?.unwrap_or_default())
}

/// The roster of this number, while something refers to it.
pub(crate) fn roster(view: &impl StateView, number: u32) -> Result<Option<Roster>, ViewError> {
    let kept: Option<Roster> = read(view, &Roster::state_key(number))?;
    Ok(kept.filter(|roster| roster.number == number))
}

/// Targets that the next block may include signatures for, ascending.
pub(crate) fn open_targets(view: &impl StateView) -> Result<Vec<OpenTarget>, ViewError> {
    let mut open = Vec::new();
    for slot in 0..law::FINALITY_WINDOW {
        let slot = u8::try_from(slot).unwrap_or(u8::MAX);
        let target: Option<OpenTarget> = read(view, &StateKey::OpenTarget(slot))?;
        open.extend(target);
    }
    open.sort_by_key(|target| target.number);
    Ok(open)
}

/// Weight of the masternodes slashed in a term, while it may still count.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn slashed_in(view: &impl StateView, term: Term) -> Result<u64, ViewError> {
    Ok(read(view, &StateKey::SlashedIn(term))?.unwrap_or_default())
}
