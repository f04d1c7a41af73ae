//! The lottery: which bonds hold the seats of a height.
//!
//! # Invariants
//! * Seats follow from the snapshot of the term before and from one earlier block; the miner of
//!   that block could draw again only by mining another.
//! * Drawing reads the head of a snapshot and the pages that were hit, eight at most.
//!
//! # Spec
//! docs/spec/17-stake.md §3
//!
//! # Not here
//! Votes: [`super::vote`].

use std::collections::BTreeMap;

use chain::hash::{context, derive};
use chain::units::{BondId, Term};
use chain::{BlockId, Height, PublicKey};
use genesis::{Params, law};

use super::snapshot_term;
use crate::error::ViewError;
use crate::state::value::{self, SnapshotHead, SnapshotMember};
use crate::state::{self, StateView};

/// What a bond may do at a height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The key that votes.
    pub key: PublicKey,
    /// How often the bond was drawn, 1 to 8.
    pub seats: u32,
}

/// The bonds that vote for the block at a height. Empty if the state has no snapshot for it, or if
/// nobody had bonded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committee {
    height: Height,
    members: BTreeMap<BondId, Seat>,
}

impl Committee {
    /// The height it votes for.
    #[must_use]
    pub fn height(&self) -> Height {
        self.height
    }

    /// Whether nobody votes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Seats of a bond; 0 if it was not drawn.
    #[must_use]
    pub fn seats(&self, bond: BondId) -> u32 {
        self.members.get(&bond).map_or(0, |seat| seat.seats)
    }

    /// The key that a member votes with.
    #[must_use]
    pub fn key(&self, bond: BondId) -> Option<&PublicKey> {
        self.members.get(&bond).map(|seat| &seat.key)
    }

    /// The seats of a member.
    #[must_use]
    pub fn seat(&self, bond: BondId) -> Option<&Seat> {
        self.members.get(&bond)
    }

    /// All members, ascending by bond.
    pub fn members(&self) -> impl Iterator<Item = (BondId, &Seat)> {
        self.members.iter().map(|(bond, seat)| (*bond, seat))
    }
}

/// The committee of `height` on the branch where `lottery_block` lies `LOOKBACK` below it. `view`
/// shows any state whose snapshots that branch shares: a branch differs in its lottery block alone
/// while it left this one after the boundary of the snapshot.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn committee(
    view: &impl StateView,
    params: &Params,
    height: Height,
    lottery_block: &BlockId,
) -> Result<Committee, ViewError> {
    let mut committee = Committee {
        height,
        members: BTreeMap::new(),
    };
    let Some(term) = snapshot_term(params, height) else {
        return Ok(committee);
    };
    let Some(head) = value::snapshot(view, term)? else {
        return Ok(committee);
    };
    let seed = seed(lottery_block, height);
    let mut pages = BTreeMap::new();
    for draw in 0..law::SEATS {
        let Some(member) = drawn(view, term, &head, &seed, draw, &mut pages)? else {
            continue;
        };
        let seat = committee.members.entry(member.bond).or_insert(Seat {
            key: member.key,
            seats: 0,
        });
        seat.seats = seat.seats.saturating_add(1);
    }
    Ok(committee)
}

/// The committee of `height` on the branch of the view's tip; empty if the lottery block lies above
/// the tip.
///
/// # Errors
/// [`ViewError`]: the storage failed or is damaged.
pub fn committee_at(
    view: &impl StateView,
    params: &Params,
    height: Height,
) -> Result<Committee, ViewError> {
    let none = Committee {
        height,
        members: BTreeMap::new(),
    };
    let Some(lottery) = height.checked_sub(params.lookback_blocks) else {
        return Ok(none);
    };
    // Headers are not read for a height that has no snapshot.
    let term = snapshot_term(params, height);
    let is_drawn = match term {
        Some(term) => value::snapshot(view, term)?.is_some(),
        None => false,
    };
    if !is_drawn || lottery > view.tip_height()? {
        return Ok(none);
    }
    let block = state::header_at(view, lottery)?.id();
    committee(view, params, height, &block)
}

/// > "seed(h) = H("lottery", id(ancestor of h at height h-LOOKBACK) | h u64)"
fn seed(lottery_block: &BlockId, height: Height) -> [u8; 32] {
    let height = height.get().to_le_bytes();
    derive(&context::LOTTERY, &[lottery_block.as_bytes(), &height])
}

/// > "r_i = u64 LE of H("seat", seed | i u32)[0..8]; pos = (r_i * W) >> 64"
fn position(seed: &[u8; 32], draw: u64, weight: u64) -> u64 {
    let draw = u32::try_from(draw).unwrap_or(u32::MAX).to_le_bytes();
    let hash = derive(&context::SEAT, &[seed, &draw]);
    let random = hash.first_chunk().copied().map(u64::from_le_bytes);
    let scaled = u128::from(random.unwrap_or_default()).saturating_mul(weight.into()) >> 64u32;
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// The member that a draw hits: the first whose inclusive prefix sum exceeds the position.
fn drawn(
    view: &impl StateView,
    term: Term,
    head: &SnapshotHead,
    seed: &[u8; 32],
    draw: u64,
    pages: &mut BTreeMap<u32, Vec<SnapshotMember>>,
) -> Result<Option<SnapshotMember>, ViewError> {
    if head.weight == 0 {
        return Ok(None);
    }
    let position = position(seed, draw, head.weight);
    let hit = hit(head.pages.iter().copied(), position);
    let (page, rest) = hit.ok_or_else(|| damaged(term))?;
    let number = u32::try_from(page).map_err(|_| damaged(term))?;
    let members = match pages.entry(number) {
        std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
        std::collections::btree_map::Entry::Vacant(entry) => {
            entry.insert(value::snapshot_page(view, term, number)?.members)
        }
    };
    let hit = self::hit(members.iter().map(|member| member.weight), rest);
    let member = hit.and_then(|(index, _)| members.get(index)).copied();
    member.map(Some).ok_or_else(|| damaged(term))
}

/// The first of `weights` whose inclusive prefix sum exceeds `position`, and how far into it the
/// position lies.
fn hit(weights: impl Iterator<Item = u64>, position: u64) -> Option<(usize, u64)> {
    let mut rest = position;
    for (index, weight) in weights.enumerate() {
        match rest.checked_sub(weight) {
            Some(behind) => rest = behind,
            None => return Some((index, rest)),
        }
    }
    None
}

fn damaged(term: Term) -> ViewError {
    ViewError::Damaged {
        reason: format!("the pages of snapshot {term} do not add up to its weight"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::value::SnapshotPage;
    use crate::state::{StateDiff, StateKey};
    use crate::testing::MemoryState;
    use chain::{Network, codec};

    #[test]
    fn a_position_hits_the_first_prefix_sum_above_it() {
        let hits: Vec<_> = (0..7).map(|at| hit([2, 0, 3, 1].into_iter(), at)).collect();
        let expected = [(0, 0), (0, 1), (2, 0), (2, 1), (2, 2), (3, 0)].map(Some);
        assert_eq!(hits[..6], expected);
        assert_eq!(hits[6], None);
    }

    #[test]
    fn positions_lie_below_the_weight() {
        let seed = seed(&BlockId::from_bytes([7; 32]), Height::new(9));
        for weight in [1, 2, 1_000, u64::MAX] {
            assert!((0..1_000).all(|draw| position(&seed, draw, weight) < weight));
        }
    }

    /// A state with nothing but a snapshot of these weights at the boundary of term 1.
    fn snapshot_of(weights: &[u64]) -> (Params, MemoryState) {
        let params = Params::of(Network::Regtest);
        let term = Term::new(1);
        let mut head = SnapshotHead::default();
        let mut diff = StateDiff::default();
        let members: Vec<SnapshotMember> = (0..)
            .zip(weights)
            .map(|(id, weight)| SnapshotMember {
                bond: BondId::new(id),
                key: PublicKey::default(),
                weight: *weight,
            })
            .collect();
        for (page, members) in (0..).zip(members.chunks(law::SNAPSHOT_PAGE_MEMBERS)) {
            head.pages
                .push(members.iter().map(|member| member.weight).sum());
            let members = members.to_vec();
            let page = (
                StateKey::SnapshotPage(term, page),
                Some(codec::encode(&SnapshotPage { members })),
            );
            diff.values.extend([page]);
        }
        head.weight = head.pages.iter().sum();
        let head = (StateKey::Snapshot(term), Some(codec::encode(&head)));
        diff.values.extend([head]);
        let mut state = MemoryState::new(&params);
        state.commit(&diff);
        (params, state)
    }

    /// How often each bond was drawn in this many committees.
    fn drawn_seats(weights: &[u64], committees: u32) -> Vec<u64> {
        let (params, state) = snapshot_of(weights);
        let mut seats = vec![0; weights.len()];
        for number in 0..committees {
            let block = BlockId::from_bytes(chain::hash::blake3(&number.to_le_bytes()));
            let drawn = committee(&state, &params, Height::new(24), &block).expect("memory");
            let members: u32 = drawn.members().map(|(_, seat)| seat.seats).sum();
            assert_eq!(u64::from(members), law::SEATS);
            for (bond, seat) in drawn.members() {
                seats[bond.get() as usize] += u64::from(seat.seats);
            }
        }
        seats
    }

    /// Sum of squared deviations, each in units of what is expected.
    fn chi_square_thousandths(seats: &[u64], weights: &[u64]) -> u64 {
        let (draws, total) = (seats.iter().sum::<u64>(), weights.iter().sum::<u64>());
        let parts = seats.iter().zip(weights).map(|(seats, weight)| {
            let expected = draws * weight / total;
            seats.abs_diff(expected).pow(2) * 1_000 / expected
        });
        parts.sum()
    }

    #[test]
    fn seats_follow_weight() {
        let weights = [1, 3, 6, 20, 70];
        let seats = drawn_seats(&weights, 5_000);
        // Four degrees of freedom: one in a thousand fair lotteries exceeds 18.5.
        assert!(
            chi_square_thousandths(&seats, &weights) < 18_500,
            "{seats:?}"
        );
        // Any number of bonds: three pages, all of the same weight.
        let weights = [5; 2_500];
        let seats = drawn_seats(&weights, 5_000);
        let by_page: Vec<u64> = seats.chunks(1_024).map(|page| page.iter().sum()).collect();
        let pages = [1_024, 1_024, 452];
        assert!(
            chi_square_thousandths(&by_page, &pages) < 13_800,
            "{by_page:?}"
        );
        assert!(seats[2_499] > 0 && seats[1_023] > 0 && seats[1_024] > 0);
    }

    #[test]
    fn a_committee_changes_with_the_lottery_block_and_the_height() {
        let (params, state) = snapshot_of(&[1; 100]);
        let draw = |height, byte| {
            let block = BlockId::from_bytes([byte; 32]);
            let drawn = committee(&state, &params, Height::new(height), &block).expect("memory");
            drawn.members().map(|(bond, _)| bond).collect::<Vec<_>>()
        };
        assert_eq!(draw(24, 1), draw(24, 1));
        assert_ne!(draw(24, 1), draw(24, 2));
        assert_ne!(draw(24, 1), draw(25, 1));
        assert!(draw(36, 1).is_empty(), "there is no snapshot of term 2");
        assert!(draw(23, 1).is_empty());
        // The tip is genesis: no lottery block is known.
        let at_tip = committee_at(&state, &params, Height::new(24)).expect("memory");
        assert!(at_tip.is_empty());
    }

    #[test]
    fn nobody_is_drawn_by_weight_zero_and_torn_pages_are_our_own_damage() {
        let (params, state) = snapshot_of(&[]);
        let block = BlockId::default();
        let drawn = committee(&state, &params, Height::new(24), &block).expect("memory");
        assert!(drawn.is_empty());
        let (params, mut state) = snapshot_of(&[1, 2]);
        let torn = StateDiff {
            values: [(StateKey::SnapshotPage(Term::new(1), 0), None)].into(),
            ..StateDiff::default()
        };
        state.commit(&torn);
        let refused = committee(&state, &params, Height::new(24), &block);
        assert!(matches!(refused, Err(ViewError::Damaged { .. })));
    }

    /// Changes only with the rules: then spec and these numbers change together.
    #[test]
    fn the_lottery_has_frozen_draws() {
        let seed = seed(&BlockId::from_bytes([7; 32]), Height::new(9));
        let draws: Vec<u64> = (0..8).map(|draw| position(&seed, draw, 1_000)).collect();
        assert_eq!(draws, [154, 317, 405, 416, 934, 242, 318, 619]);
    }
}
