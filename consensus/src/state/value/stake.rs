//! Values of stake: bonds, snapshots of them, and the votes that were included.
//!
//! # Invariants
//! * Lists ascend by id; an id occurs once.
//! * A [`Duty`] of another term reads as zero, so that no boundary has to reset it.
//!
//! # Spec
//! docs/spec/17-stake.md, docs/spec/11-state.md §2
//!
//! # Not here
//! Seats and levels: [`crate::stake`].

use chain::codec::{List, SchemaRead, SchemaWrite};
use chain::units::{BondId, MasternodeId, Term};
use chain::{AccountId, Amount, Height, PublicKey};
use genesis::law;

use super::read;
use crate::error::ViewError;
use crate::state::{StateKey, StateView};

/// How many bonds and masternodes there ever were: the next ids. Default: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Counters {
    /// Bonds ever made.
    pub bonds: u32,
    /// Masternodes ever registered.
    pub masternodes: u32,
}

/// What somebody had to do in a term and what he did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Duty {
    term: Term,
    assigned: u32,
    done: u32,
}

impl Duty {
    /// Assigned and done in `term`.
    #[must_use]
    pub const fn of(&self, term: Term) -> (u32, u32) {
        if self.term.get() == term.get() {
            (self.assigned, self.done)
        } else {
            (0, 0)
        }
    }

    /// With one more entry in `term`; what another term holds is forgotten.
    #[must_use]
    pub const fn with(&self, term: Term, assigned: u32, done: u32) -> Self {
        let before = self.of(term);
        Self {
            term,
            assigned: before.0.saturating_add(assigned),
            done: before.1.saturating_add(done),
        }
    }
}

/// Coins that vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Bond {
    /// Who paid for it and gets it back.
    pub owner: AccountId,
    /// The key that votes.
    pub key: PublicKey,
    /// Coins that are left of it.
    pub amount: Amount,
    /// When it is paid back, once its owner has ordered that.
    pub release: Option<Height>,
    /// Whether it is left out of snapshots because it did not vote.
    pub dormant: bool,
    /// First boundary at which a snapshot may hold it again after a slash; 0 without one.
    pub jailed_until: Term,
    /// Seats of the term, and how many of them voted.
    pub duty: Duty,
}

impl Bond {
    /// Its weight in the lottery: whole coins.
    #[must_use]
    pub const fn weight(&self) -> u64 {
        weight(self.amount)
    }

    /// Whether the snapshot of `term` holds it.
    #[must_use]
    pub const fn is_eligible(&self, term: Term) -> bool {
        self.release.is_none()
            && !self.dormant
            && self.jailed_until.get() <= term.get()
            && self.weight() > 0
    }
}

/// > "weight = floor(amount/COIN)"
pub(crate) const fn weight(amount: Amount) -> u64 {
    // The divisor is a constant above zero.
    match amount.base_units().checked_div(Amount::COIN) {
        Some(coins) => coins,
        None => 0,
    }
}

/// Ids of one page that are alive, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct LivePage {
    bits: [u8; Self::BYTES],
}

impl LivePage {
    const BYTES: usize = (1 << law::LIVE_PAGE_BITS) / 8;

    /// Page and position of an id.
    #[must_use]
    pub const fn place(id: u32) -> (u32, u32) {
        let position = id & ((1 << law::LIVE_PAGE_BITS) - 1);
        (id >> law::LIVE_PAGE_BITS, position)
    }

    /// Marks a position as alive or not; positions beyond the page do not exist.
    pub fn set(&mut self, position: u32, is_alive: bool) {
        let byte = usize::try_from(position >> 3).unwrap_or(usize::MAX);
        if let Some(byte) = self.bits.get_mut(byte) {
            let bit = 1u8 << (position & 7);
            if is_alive {
                *byte |= bit;
            } else {
                *byte &= !bit;
            }
        }
    }

    /// Whether nobody is alive.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bits.iter().all(|byte| *byte == 0)
    }

    /// Ids of page `page` that are alive, ascending.
    pub fn ids(&self, page: u32) -> impl Iterator<Item = u32> {
        let is_alive = |position: &u32| {
            let byte = usize::try_from(*position >> 3).ok();
            let byte = byte.and_then(|byte| self.bits.get(byte));
            byte.is_some_and(|byte| byte >> (position & 7) & 1 == 1)
        };
        let positions = (0..1 << law::LIVE_PAGE_BITS).filter(is_alive);
        positions.map(move |position| page << law::LIVE_PAGE_BITS | position)
    }
}

impl Default for LivePage {
    fn default() -> Self {
        Self {
            bits: [0; Self::BYTES],
        }
    }
}

/// Heights at which a bond was proved to have voted twice, ascending, as far as they could be
/// proved again. Each costs a twentieth at least, so nobody affords more than a few hundred.
pub type Offences = Vec<Height>;

/// Memory of the weights of a snapshot's pages: 131,072 pages, more bonds than there are coins.
const PAGE_WEIGHTS_BYTES_MAX: usize = 1 << 20;

/// Sums of a snapshot of all bonds at a boundary.
#[derive(Clone, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct SnapshotHead {
    /// Supply at the boundary.
    pub supply: Amount,
    /// Coins of the members.
    pub bonded: Amount,
    /// How far votes multiply the work of blocks in the term that uses it.
    pub level: u8,
    /// Weight of all members.
    pub weight: u64,
    /// Weight of the members of each page.
    #[wincode(with = "List<u64, PAGE_WEIGHTS_BYTES_MAX>")]
    pub pages: Vec<u64>,
}

/// A bond in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct SnapshotMember {
    /// The bond.
    pub bond: BondId,
    /// The key that votes.
    pub key: PublicKey,
    /// Weight in the lottery.
    pub weight: u64,
}

/// Memory of a page of members.
const PAGE_BYTES_MAX: usize = law::SNAPSHOT_PAGE_MEMBERS * size_of::<SnapshotMember>();

/// Up to 1,024 members of a snapshot, ascending by bond.
#[derive(Clone, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct SnapshotPage {
    /// The members.
    #[wincode(with = "List<SnapshotMember, PAGE_BYTES_MAX>")]
    pub members: Vec<SnapshotMember>,
}

/// A bond whose vote a block included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct BookedVote {
    /// Who voted.
    pub bond: BondId,
    /// How many seats that stands for.
    pub seats: u32,
}

/// Votes for one height that blocks included. Default: none, for height 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct IncludedVotes {
    /// The height voted for.
    pub height: Height,
    /// Ascending by bond.
    pub votes: Vec<BookedVote>,
}

impl IncludedVotes {
    /// Heights whose votes are kept: eight that the next block may add to, one to be booked.
    const SLOTS: u64 = law::VOTE_BACK_MAX as u64 + 1;

    /// Where the votes for `height` are kept.
    #[must_use]
    pub fn state_key(height: Height) -> StateKey {
        let slot = height.get().checked_rem(Self::SLOTS).unwrap_or_default();
        StateKey::IncludedVotes(u8::try_from(slot).unwrap_or(u8::MAX))
    }
}

/// What is due at a height: a bond before a masternode of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub enum Release {
    /// Coins of a bond.
    #[wincode(tag = 0)]
    Bond(BondId),
    /// Collateral of a masternode.
    #[wincode(tag = 1)]
    Masternode(MasternodeId),
}

/// Memory of the releases of one height. All but those put off were ordered in one block, by
/// transactions of 126 bytes in a body of 1 MiB: 8,322 at most; two rosters hold 128.
const RELEASES_BYTES_MAX: usize = 16_384 * size_of::<Release>();

/// What is due at one height, ascending. Default: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Releases {
    /// What is due.
    #[wincode(with = "List<Release, RELEASES_BYTES_MAX>")]
    pub due: Vec<Release>,
}

/// How many bonds and masternodes there ever were.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn counters(view: &impl StateView) -> Result<Counters, ViewError> {
    Ok(read(view, &StateKey::Counters)?.unwrap_or_default())
}

/// A bond, until it is paid back.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn bond(view: &impl StateView, id: BondId) -> Result<Option<Bond>, ViewError> {
    read(view, &StateKey::Bond(id))
}

/// The bond that holds coins under a vote key.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn bond_of_key(view: &impl StateView, key: &PublicKey) -> Result<Option<BondId>, ViewError> {
    read(view, &StateKey::VoteKey(*key))
}

/// Sums of the snapshot taken at the boundary of `term`, while a height may need it.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn snapshot(view: &impl StateView, term: Term) -> Result<Option<SnapshotHead>, ViewError> {
    read(view, &StateKey::Snapshot(term))
}

/// A page of that snapshot.
pub(crate) fn snapshot_page(
    view: &impl StateView,
    term: Term,
    page: u32,
) -> Result<SnapshotPage, ViewError> {
    Ok(read(view, &StateKey::SnapshotPage(term, page))?.unwrap_or_default())
}

/// Votes for the block at `height` that blocks included, while more may be.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn included_votes(view: &impl StateView, height: Height) -> Result<IncludedVotes, ViewError> {
    let kept: Option<IncludedVotes> = read(view, &IncludedVotes::state_key(height))?;
    let of_height = kept.filter(|kept| kept.height == height);
    Ok(of_height.unwrap_or(IncludedVotes {
        height,
        votes: Vec::new(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duty_of_another_term_reads_as_zero() {
        let (first, second) = (Term::new(3), Term::new(4));
        let duty = Duty::default().with(first, 5, 2).with(first, 1, 1);
        assert_eq!((duty.of(first), duty.of(second)), ((6, 3), (0, 0)));
        assert_eq!(duty.with(second, 1, 0).of(second), (1, 0));
        assert_eq!(duty.with(second, 1, 0).of(first), (0, 0));
    }

    #[test]
    fn a_page_of_the_living_lists_its_ids() {
        let mut page = LivePage::default();
        assert!(page.is_empty());
        for id in [2_048, 2_055, 3_071] {
            let (number, position) = LivePage::place(id);
            assert_eq!(number, 2);
            page.set(position, true);
        }
        assert_eq!(page.ids(2).collect::<Vec<_>>(), [2_048, 2_055, 3_071]);
        page.set(7, false);
        page.set(1 << 20, true);
        assert_eq!(page.ids(2).collect::<Vec<_>>(), [2_048, 3_071]);
    }
}
