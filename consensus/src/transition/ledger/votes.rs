//! Votes: which a block may include, what they earn, and what is kept of them.
//!
//! # Invariants
//! * Votes are judged by the committees of the state before the block, which nothing in the block
//!   changes: their order does not matter.
//! * A vote of a height is included at most once on a branch, whoever includes it.
//!
//! # Spec
//! docs/spec/17-stake.md §4-5, docs/spec/02-blocks.md §9
//!
//! # Not here
//! Who has a seat: [`crate::stake`].

use std::collections::BTreeMap;

use chain::units::BondId;
use chain::vote::{IncludedVote, Vote};
use chain::{Height, PublicKey};
use genesis::law;
use rayon::prelude::*;

use super::Ledger;
use crate::error::{ApplyError, Rule, ViewError};
use crate::fork_choice::Inclusion;
use crate::reward;
use crate::stake::{CheckedVote, Committee, Seat, committee_at};
use crate::state::value::{self, BookedVote, IncludedVotes};
use crate::state::{self, StateKey, StateView};

impl<V: StateView> Ledger<'_, V> {
    /// Includes the votes of a block, which are in order.
    pub(in crate::transition) fn include_votes(
        &mut self,
        votes: &[IncludedVote],
    ) -> Result<(), ApplyError> {
        let mut signed: Vec<(Vote, PublicKey)> = Vec::with_capacity(votes.len());
        for included in votes {
            let bond = included.bond;
            let height = self.height.checked_sub(included.back.into());
            let height = height.ok_or(Rule::VoteWithoutSeat { bond })?;
            let seat = self.judge_vote(height, bond)?;
            self.votes.insert((height, bond), seat.seats);
            let vote = Vote {
                height,
                block: state::header_at(self.view(), height)?.id(),
                bond,
                signature: included.signature,
            };
            signed.push((vote, seat.key));
        }
        let chain = self.params.chain_id();
        let forged = signed
            .par_iter()
            .find_first(|(vote, key)| !vote.is_signed_by(key, &chain));
        match forged {
            Some((vote, _)) => Err(Rule::VoteSignature { bond: vote.bond }.into()),
            None => Ok(()),
        }
    }

    /// Includes a vote whose signature was checked, and says how it stands in the block.
    pub(in crate::transition) fn include_checked_vote(
        &mut self,
        checked: &CheckedVote,
    ) -> Result<IncludedVote, ApplyError> {
        let vote = checked.vote();
        let too_far = Rule::VoteBlock {
            height: vote.height,
        };
        let back = self.height.get().checked_sub(vote.height.get());
        let back = back.and_then(|back| u8::try_from(back).ok());
        let back = back.filter(|back| (1..=law::VOTE_BACK_MAX).contains(back));
        let back = back.ok_or(too_far.clone())?;
        if state::header_at(self.view(), vote.height)?.id() != vote.block {
            return Err(too_far.into());
        }
        let seat = self.judge_vote(vote.height, vote.bond)?;
        if seat.key != *checked.key() {
            return Err(Rule::VoteSignature { bond: vote.bond }.into());
        }
        self.votes.insert((vote.height, vote.bond), seat.seats);
        Ok(IncludedVote {
            back,
            bond: vote.bond,
            signature: vote.signature,
        })
    }

    /// A vote for the ancestor at `height`, but for its signature.
    fn judge_vote(&mut self, height: Height, bond: BondId) -> Result<Seat, ApplyError> {
        let seat = self.committee(height)?.seat(bond).copied();
        let seat = seat.ok_or(Rule::VoteWithoutSeat { bond })?;
        // > "not included by an ancestor"
        let before = value::included_votes(self.view(), height)?;
        let is_repeated = before.votes.iter().any(|booked| booked.bond == bond);
        if is_repeated || self.votes.contains_key(&(height, bond)) {
            return Err(Rule::VoteRepeated { bond }.into());
        }
        // > "<= 16 seats of votes"
        let found = self.seats().saturating_add(seat.seats.into());
        let found = usize::try_from(found).unwrap_or(usize::MAX);
        if found > law::VOTE_SEATS_MAX {
            return Err(Rule::VoteSeats {
                max: law::VOTE_SEATS_MAX,
                found,
            }
            .into());
        }
        Ok(seat)
    }

    fn committee(&mut self, height: Height) -> Result<&Committee, ViewError> {
        match self.committees.entry(height) {
            std::collections::btree_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let committee = committee_at(self.overlay.view(), self.params, height)?;
                Ok(entry.insert(committee))
            }
        }
    }

    /// The votes so far, as the block tree counts them.
    pub(in crate::transition) fn inclusions(&self) -> Vec<Inclusion> {
        let inclusion = |((height, bond), seats): (&(Height, BondId), &u32)| {
            let back = self.height.get().checked_sub(height.get())?;
            Some(Inclusion {
                back: u8::try_from(back).ok()?,
                bond: *bond,
                seats: *seats,
            })
        };
        let mut inclusions: Vec<_> = self.votes.iter().filter_map(inclusion).collect();
        inclusions.sort_unstable_by_key(|inclusion| (inclusion.back, inclusion.bond));
        inclusions
    }

    /// Seats of the votes so far.
    fn seats(&self) -> u64 {
        let seats = self.votes.values().map(|seats| u64::from(*seats));
        seats.fold(0, u64::saturating_add)
    }

    /// Pays the voters and keeps what was included; says for how many seats.
    pub(super) fn settle_votes(&mut self) -> Result<u64, ViewError> {
        let supply = self.parent_supply();
        let mut heights: BTreeMap<Height, Vec<BookedVote>> = BTreeMap::new();
        for ((height, bond), seats) in self.votes.clone() {
            heights
                .entry(height)
                .or_default()
                .push(BookedVote { bond, seats });
            // > "voter 2u per seat", to nobody if the bond is gone
            if let Some(bond) = self.bond(bond)? {
                self.mint(&bond.owner, reward::voter(supply, seats.into()))?;
            }
        }
        for (height, votes) in heights {
            let mut included = value::included_votes(self.view(), height)?;
            included.votes.extend(votes);
            included.votes.sort_unstable();
            self.overlay
                .set(IncludedVotes::state_key(height), &included);
        }
        Ok(self.seats())
    }

    /// Books the seats of the height that no later block may include votes for.
    ///
    /// > "booked when the window of a height closes"
    pub(super) fn book_seats(&mut self) -> Result<(), ViewError> {
        let distance = u64::from(law::VOTE_BACK_MAX).saturating_add(1);
        let Some(height) = self.height.checked_sub(distance) else {
            return Ok(());
        };
        let committee = self.committee(height)?.clone();
        let included = value::included_votes(self.view(), height)?;
        let term = self.params.term(self.height);
        for (id, seat) in committee.members() {
            let has_voted = included.votes.iter().any(|booked| booked.bond == id);
            if let Some(mut bond) = self.bond(id)? {
                let done = if has_voted { seat.seats } else { 0 };
                bond.duty = bond.duty.with(term, seat.seats, done);
                self.overlay.set(StateKey::Bond(id), &bond);
            }
        }
        Ok(())
    }
}
