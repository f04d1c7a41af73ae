//! Votes of stakers: those that blocks may include, and those for blocks that are not here yet.
//!
//! # Invariants
//! * Of a bond at a height two votes are kept at most: with the second the misdeed is proved, and
//!   more says nothing more.
//! * Of votes for unknown blocks one is kept for each bond and height, [`EARLY_VOTES_MAX`] in all.
//! * A vote stays after a block included it: another branch may need it.
//!
//! # Spec
//! docs/spec/06-wire.md §10, docs/spec/17-stake.md §4
//!
//! # Not here
//! Committees ([`super::Committees`]); what is done with a proof ([`super::Offences`]).

use std::collections::BTreeMap;

use chain::units::BondId;
use chain::vote::Vote;
use chain::{BlockId, Height};
use consensus::CheckedVote;
use genesis::law;

/// How far below the best block a vote may be for: no block may include what is older.
pub const BEHIND_BLOCKS: u64 = law::VOTE_BACK_MAX as u64;
/// How far above the best block a vote for an unknown block may be: the next one, and one more that
/// was found before the next one came here.
pub const AHEAD_BLOCKS: u64 = 2;
/// Votes for unknown blocks: eleven heights of eight seats are 88; the rest is for committees of
/// branches that were the best a moment ago.
pub const EARLY_VOTES_MAX: usize = 256;
/// Votes in all (108 B each): eight seats at each height between the oldest and the highest header
/// ahead, on some branches. Beyond that newcomers are dropped.
pub const VOTES_MAX: usize = 8_192;

/// Votes of stakers.
#[derive(Debug, Default)]
pub struct VotePool {
    checked: BTreeMap<(Height, BondId), Vec<CheckedVote>>,
    early: BTreeMap<(Height, BondId), Vote>,
}

impl VotePool {
    /// Whether a vote says nothing that is not known: its bond voted for this block, or for two
    /// others at this height.
    #[must_use]
    pub fn knows(&self, vote: &Vote) -> bool {
        let place = (vote.height, vote.bond);
        let known = self.checked.get(&place).map_or(&[][..], Vec::as_slice);
        let is_early = self
            .early
            .get(&place)
            .is_some_and(|early| early.block == vote.block);
        is_early || known.len() >= 2 || known.iter().any(|known| known.vote().block == vote.block)
    }

    /// Votes of the same bond at the same height for other blocks.
    pub fn contradictions(&self, vote: &Vote) -> impl Iterator<Item = Vote> {
        let place = (vote.height, vote.bond);
        let block = vote.block;
        let checked = self.checked.get(&place).into_iter().flatten();
        checked
            .map(|checked| *checked.vote())
            .chain(self.early.get(&place).copied())
            .filter(move |other| other.block != block)
    }

    /// Keeps a vote for a block that is here; says whether it found a place.
    pub fn add(&mut self, checked: CheckedVote) -> bool {
        if self.knows(checked.vote()) || self.len() >= VOTES_MAX {
            return false;
        }
        let vote = checked.vote();
        let place = self.checked.entry((vote.height, vote.bond)).or_default();
        place.push(checked);
        true
    }

    /// Keeps a vote for a block that is not here yet; says whether it found a place.
    pub fn add_early(&mut self, vote: Vote) -> bool {
        let place = (vote.height, vote.bond);
        if self.early.len() >= EARLY_VOTES_MAX || self.early.contains_key(&place) {
            return false;
        }
        self.early.insert(place, vote);
        true
    }

    /// Hands out the early votes for a block that came.
    pub fn take_early(&mut self, height: Height, block: &BlockId) -> Vec<Vote> {
        let of_height = (height, BondId::new(0))..=(height, BondId::new(u32::MAX));
        let votes = self.early.range(of_height).map(|(_, vote)| *vote);
        let votes: Vec<Vote> = votes.filter(|vote| vote.block == *block).collect();
        for vote in &votes {
            self.early.remove(&(vote.height, vote.bond));
        }
        votes
    }

    /// Forgets what no block above `best` may include, and early votes that are too far ahead.
    pub fn best_moved(&mut self, best: Height) {
        let oldest = Height::new(best.get().saturating_sub(BEHIND_BLOCKS));
        let newest = Height::new(best.get().saturating_add(AHEAD_BLOCKS));
        self.checked = self.checked.split_off(&(oldest, BondId::new(0)));
        self.early
            .retain(|(height, _), _| (oldest..=newest).contains(height));
    }

    /// Votes for blocks at `height`, ascending by bond.
    pub fn at(&self, height: Height) -> impl Iterator<Item = &CheckedVote> {
        let of_height = (height, BondId::new(0))..=(height, BondId::new(u32::MAX));
        self.checked
            .range(of_height)
            .flat_map(|(_, checked)| checked)
    }

    /// How many votes for known blocks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.checked.values().map(Vec::len).sum()
    }

    /// Whether there is none for a known block.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.checked.is_empty()
    }

    /// How many early votes there are.
    #[must_use]
    pub fn early_len(&self) -> usize {
        self.early.len()
    }
}

/// Picks votes that together have as many seats as fit, of equal sums the one whose votes come
/// first; `seats` are those of the votes in the order of preference. Returns their indexes.
#[must_use]
pub(crate) fn fullest(seats: &[u32], seats_max: usize) -> Vec<usize> {
    let mut filled: Vec<Option<Vec<usize>>> = vec![None; seats_max.saturating_add(1)];
    if let Some(nothing) = filled.first_mut() {
        *nothing = Some(Vec::new());
    }
    for (index, seats) in seats.iter().enumerate() {
        let seats = usize::try_from(*seats).unwrap_or(usize::MAX);
        for sum in (seats..=seats_max).rev() {
            let before = filled.get(sum.saturating_sub(seats)).cloned().flatten();
            let place = filled.get_mut(sum);
            if let (Some(mut picked), Some(place @ None)) = (before, place) {
                picked.push(index);
                *place = Some(picked);
            }
        }
    }
    filled
        .into_iter()
        .rev()
        .flatten()
        .next()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain::Network;
    use consensus::stake::check_vote;
    use consensus::testing::{Owner, TestChain};

    fn vote(height: u64, bond: u32, block: u8) -> Vote {
        Vote {
            height: Height::new(height),
            block: BlockId::from_bytes([block; 32]),
            bond: BondId::new(bond),
            ..Vote::default()
        }
    }

    /// A chain whose bond 0 votes alone at height 24.
    fn chain() -> TestChain {
        let mut chain = TestChain::new(Network::Regtest);
        let (miner, voter) = (Owner::new(1), Owner::new(2));
        chain.mine_empty(miner.account(), 2);
        let amount = chain::Amount::from_x3c(1).expect("below the cap");
        let bond = chain.bond(&miner, 0, &voter, amount);
        chain.mine(miner.account(), &[bond], &[]);
        chain.mine_empty(miner.account(), 22);
        chain
    }

    fn checked(chain: &TestChain, block: u8) -> CheckedVote {
        let (height, block) = (Height::new(24), BlockId::from_bytes([block; 32]));
        let vote = Owner::new(2).vote(chain.params(), height, block, BondId::new(0));
        let committee = chain.committee(height);
        check_vote(&vote, &committee, &chain.params().chain_id()).expect("a member")
    }

    #[test]
    fn of_a_bond_and_height_two_votes_are_kept() {
        let chain = chain();
        let mut pool = VotePool::default();
        assert!(pool.add(checked(&chain, 1)));
        assert!(!pool.add(checked(&chain, 1)), "a duplicate");
        assert!(pool.knows(checked(&chain, 1).vote()));
        assert_eq!(pool.contradictions(checked(&chain, 1).vote()).count(), 0);
        let second = checked(&chain, 2);
        let contradicted: Vec<_> = pool.contradictions(second.vote()).collect();
        assert_eq!(contradicted, [*checked(&chain, 1).vote()]);
        assert!(pool.add(second));
        assert!(
            pool.knows(checked(&chain, 3).vote()),
            "it proves nothing new"
        );
        assert!(!pool.add(checked(&chain, 3)));
        assert_eq!((pool.len(), pool.at(Height::new(24)).count()), (2, 2));
        pool.best_moved(Height::new(24 + BEHIND_BLOCKS));
        assert_eq!(pool.len(), 2);
        pool.best_moved(Height::new(25 + BEHIND_BLOCKS));
        assert!(pool.is_empty());
    }

    #[test]
    fn the_257th_early_vote_finds_no_place() {
        let mut pool = VotePool::default();
        for bond in 0..EARLY_VOTES_MAX as u32 {
            assert!(pool.add_early(vote(9, bond, 1)));
        }
        assert!(!pool.add_early(vote(9, EARLY_VOTES_MAX as u32, 1)));
        assert!(!pool.add_early(vote(9, 0, 2)), "one for a bond and height");
        assert!(pool.knows(&vote(9, 0, 1)));
        assert!(!pool.knows(&vote(9, 0, 2)));
        assert_eq!(pool.contradictions(&vote(9, 0, 2)).count(), 1);
        assert_eq!(pool.early_len(), EARLY_VOTES_MAX);
        assert_eq!(pool.take_early(Height::new(9), &BlockId::default()), []);
        let block = BlockId::from_bytes([1; 32]);
        let taken = pool.take_early(Height::new(9), &block);
        assert_eq!(taken.len(), EARLY_VOTES_MAX);
        assert_eq!(pool.early_len(), 0);
    }

    #[test]
    fn early_votes_are_forgotten_when_their_height_is_out_of_reach() {
        let mut pool = VotePool::default();
        for height in [9, 10, 18, 20, 21] {
            assert!(pool.add_early(vote(height, 0, 1)));
        }
        pool.best_moved(Height::new(18));
        let kept: Vec<u64> = pool.early.keys().map(|(height, _)| height.get()).collect();
        assert_eq!(kept, [10, 18, 20]);
    }

    #[test]
    fn a_block_is_filled_with_as_many_seats_as_fit() {
        assert_eq!(fullest(&[8, 8, 8], 16), [0, 1]);
        assert_eq!(fullest(&[7, 5, 4, 8], 16), [0, 1, 2]);
        assert_eq!(fullest(&[7, 6, 5, 8], 16), [0, 3], "fifteen is the most");
        assert_eq!(fullest(&[1; 20], 16), (0..16).collect::<Vec<_>>());
        assert_eq!(fullest(&[3], 2), [0; 0]);
        assert_eq!(fullest(&[], 16), [0; 0]);
    }
}
