//! What stake and finality tell the block tree: votes, levels, checkpoints.
//!
//! # Invariants
//! * A vote counts in the tree with the seats of the committee of its height, if the snapshot is
//!   one that the vote's branch shares with our state; else it is believed with one seat until
//!   the block that includes it is applied.
//! * The tree hears of levels and checkpoints from states that were reached, and from nowhere else.
//!
//! # Spec
//! docs/spec/12-fork-choice.md §2-3, docs/spec/17-stake.md §3
//!
//! # Not here
//! Votes that are heard (`node::protocol`); the law (`consensus::stake`, `consensus::finality`).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chain::vote::{IncludedVote, Vote};
use chain::{BlockId, Header, Height};
use consensus::error::TreeError;
use consensus::fork_choice::{Checkpoint, Inclusion};
use consensus::stake::{self, Committee, check_vote};
use consensus::state::value;

use super::{Engine, damaged};
use crate::ledger::{BodyPresence, KnownBlock, Ledger, LedgerError};

/// Blocks below the tip whose votes are counted again after a start.
const RESTORED_VOTES_BLOCKS: u64 = 64;

impl<L: Ledger> Engine<L> {
    /// The committee of a block at `height` above `parent`; nothing if only that branch's own state
    /// knows it.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn committee(
        &self,
        parent: &BlockId,
        height: Height,
    ) -> Result<Option<Committee>, LedgerError> {
        let view = self.ledger.view()?;
        let Some(term) = stake::snapshot_term(&self.params, height) else {
            return Ok(Some(Committee::default()));
        };
        let boundary = self.params.term_start(term);
        let is_shared = self.ancestor_of(parent, boundary)? == self.ledger.id_at(boundary)?;
        if !is_shared || value::snapshot(&view, term)?.is_none() {
            return Ok(None);
        }
        let lottery = height.checked_sub(self.params.lookback_blocks);
        let lottery = match lottery {
            Some(height) => self.ancestor_of(parent, height)?,
            None => None,
        };
        match lottery {
            Some(block) => Ok(Some(stake::committee(&view, &self.params, height, &block)?)),
            None => Ok(None),
        }
    }

    /// The ancestor of a block of the tree; below the root there is only our own chain.
    fn ancestor_of(&self, id: &BlockId, height: Height) -> Result<Option<BlockId>, LedgerError> {
        match self.tree.ancestor(id, height) {
            Some(ancestor) => Ok(Some(ancestor)),
            None => {
                let root = self.tree.header(self.tree.root());
                let is_below = root.is_some_and(|root| height < root.height);
                if is_below {
                    self.ledger.id_at(height)
                } else {
                    Ok(None)
                }
            }
        }
    }

    /// The votes in a body, with what each is worth. What a known committee refutes is left out:
    /// applying the block will name the rule.
    pub(super) fn inclusions(
        &self,
        header: &Header,
        votes: &[IncludedVote],
    ) -> Result<Vec<Inclusion>, LedgerError> {
        let chain = self.params.chain_id();
        let mut committees: BTreeMap<u8, Option<Committee>> = BTreeMap::new();
        let mut inclusions = Vec::new();
        for included in votes {
            let IncludedVote {
                back,
                bond,
                signature,
            } = *included;
            let Some(height) = header.height.checked_sub(back.into()) else {
                continue;
            };
            let Some(block) = self.tree.ancestor(&header.parent, height) else {
                continue;
            };
            let committee = match committees.entry(back) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => place.insert(self.committee(&header.parent, height)?),
            };
            let vote = Vote {
                height,
                block,
                bond,
                signature,
            };
            let seats = match committee.as_ref() {
                Some(committee) => match check_vote(&vote, committee, &chain) {
                    Ok(checked) => checked.seats(),
                    Err(_) => continue,
                },
                None => 1,
            };
            inclusions.push(Inclusion { back, bond, seats });
        }
        Ok(inclusions)
    }

    /// Tells the tree what the state after `id`, the tip, shows.
    pub(super) fn note_state(&mut self, id: &BlockId, height: Height) -> Result<(), LedgerError> {
        let (level, finality) = {
            let view = self.ledger.view()?;
            let term = self.params.term(height);
            let level = if self.params.term_start(term) == height {
                let head = value::snapshot(&view, term)?;
                Some(head.map_or(0, |head| head.level.into()))
            } else {
                None
            };
            (level, value::finality(&view)?)
        };
        if let Some(level) = level {
            self.tree
                .note_level(id, level)
                .map_err(|error| damaged(error.to_string()))?;
        }
        let at = |number| self.ledger.id_at(self.params.checkpoint_height(number));
        if let Some(id) = at(finality.justified)? {
            let number = finality.justified;
            self.tree.justify(Checkpoint { number, id });
        }
        if let Some(id) = at(finality.finalized)?
            && self.tree.finalized() != Some(&id)
        {
            match self.tree.finalize(&id) {
                // Deeper than the tree: everything in it descends from there.
                Ok(_) | Err(TreeError::UnknownBlock { .. }) => {}
                Err(error) => return Err(damaged(error.to_string())),
            }
        }
        Ok(())
    }

    /// After a start: levels of the chain's terms, as far as snapshots are kept; votes that its
    /// newest blocks include; checkpoints.
    pub(super) fn restore_stake(&mut self, known: &[KnownBlock]) -> Result<(), LedgerError> {
        let (tip_height, tip) = self.tip()?;
        let mut levels: BTreeMap<u64, u32> = BTreeMap::new();
        {
            let view = self.ledger.view()?;
            let newest = self.params.term(tip_height).get();
            for term in newest.saturating_sub(2)..=newest {
                let term = chain::units::Term::new(term);
                if let Some(head) = value::snapshot(&view, term)? {
                    let used_in = u64::from(term.get()).saturating_add(1);
                    levels.insert(used_in, head.level.into());
                }
            }
        }
        let on_chain = known
            .iter()
            .filter(|block| block.body == BodyPresence::Applied);
        for block in on_chain.clone() {
            let height = block.header.height;
            let term = self.params.term(height);
            if self.params.term_start(term) != height {
                continue;
            }
            // Older snapshots are gone: the oldest one that is kept stands for them.
            let used_in = u64::from(term.get()).saturating_add(1);
            let kept = levels.range(used_in..).next();
            let level = kept.map_or(0, |(_, level)| *level);
            self.tree
                .note_level(&block.header.id(), level)
                .map_err(|error| damaged(error.to_string()))?;
        }
        self.tree.set_levels_below(levels);
        let oldest = tip_height.get().saturating_sub(RESTORED_VOTES_BLOCKS);
        for block in on_chain.filter(|block| block.header.height.get() > oldest) {
            let id = block.header.id();
            let Some(body) = self.ledger.body(&id)? else {
                continue;
            };
            let seats = self.seats_by_back(&block.header, &body.aux.votes)?;
            self.tree
                .restore_seats(&id, &seats)
                .map_err(|error| damaged(error.to_string()))?;
        }
        self.note_state(&tip, tip_height)
    }

    fn seats_by_back(
        &self,
        header: &Header,
        votes: &[IncludedVote],
    ) -> Result<Vec<u8>, LedgerError> {
        let mut seats = vec![0u8; usize::from(genesis::law::VOTE_BACK_MAX)];
        for inclusion in self.inclusions(header, votes)? {
            let index = usize::from(inclusion.back).checked_sub(1);
            if let Some(sum) = index.and_then(|index| seats.get_mut(index)) {
                *sum = sum.saturating_add(u8::try_from(inclusion.seats).unwrap_or(u8::MAX));
            }
        }
        Ok(seats)
    }
}
