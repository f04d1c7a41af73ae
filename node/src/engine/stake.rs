//! What stake and finality tell the block tree: votes, levels, checkpoints.
//!
//! # Invariants
//! * A vote counts in the tree with the seats of the committee of its height, if the snapshot is
//!   one that the vote's branch shares with our state; else it is believed with one seat until
//!   the block that includes it is applied.
//! * The tree hears of checkpoints from states that were reached, and from nowhere else; what it is
//!   told the ledger keeps before.
//!
//! # Spec
//! docs/spec/12-fork-choice.md §2-3, docs/spec/17-stake.md §3
//!
//! # Not here
//! Votes that are heard ([`crate::votes`]); the law (`consensus::stake`, `consensus::finality`).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chain::units::BondId;
use chain::vote::{IncludedVote, Vote};
use chain::{BlockId, Header, Height};
use consensus::fork_choice::{Anchors, Checkpoint, FinalBlock, Inclusion};
use consensus::stake::{self, Committee, check_vote};
use consensus::state::value;

use super::Engine;
use crate::ledger::{Ledger, LedgerError};

/// What a committee follows from: equal keys, equal committees, whatever our own state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitteeKey {
    /// The height it votes for.
    pub height: Height,
    /// The first block of the term whose snapshot is used, and the block of the lottery; nothing
    /// where there is no snapshot, and so nobody votes.
    pub drawn_by: Option<(BlockId, BlockId)>,
}

impl<L: Ledger> Engine<L> {
    /// The committee of a block at `height` above `parent`; nothing if only that branch's own state
    /// knows it. For a height above the next one `parent` may be any block below it on its branch.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn committee(
        &self,
        parent: &BlockId,
        height: Height,
    ) -> Result<Option<Committee>, LedgerError> {
        match self.committee_key(parent, height)? {
            Some(key) => self.committee_of(&key),
            None => Ok(None),
        }
    }

    /// What the committee of a block at `height` above `parent` follows from; nothing if only that
    /// branch's own state knows it. Reads no state.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn committee_key(
        &self,
        parent: &BlockId,
        height: Height,
    ) -> Result<Option<CommitteeKey>, LedgerError> {
        let Some(term) = stake::snapshot_term(&self.params, height) else {
            return Ok(Some(CommitteeKey {
                height,
                drawn_by: None,
            }));
        };
        let start = self.params.term_start(term);
        let boundary = self.ancestor_of(parent, start)?;
        if boundary.is_none() || boundary != self.ledger.id_at(start)? {
            return Ok(None);
        }
        let lottery = match height.checked_sub(self.params.lookback_blocks) {
            Some(height) => self.ancestor_of(parent, height)?,
            None => None,
        };
        let drawn_by = boundary.zip(lottery);
        Ok(drawn_by.map(|drawn_by| CommitteeKey {
            height,
            drawn_by: Some(drawn_by),
        }))
    }

    /// The committee that follows from `key`; nothing if the snapshot is gone, or not there yet.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn committee_of(&self, key: &CommitteeKey) -> Result<Option<Committee>, LedgerError> {
        let Some((_, lottery)) = key.drawn_by else {
            return Ok(Some(Committee::default()));
        };
        if !self.has_snapshot(key.height)? {
            return Ok(None);
        }
        let view = self.ledger.view()?;
        let drawn = stake::committee(&view, &self.params, key.height, &lottery)?;
        Ok(Some(drawn))
    }

    fn has_snapshot(&self, height: Height) -> Result<bool, LedgerError> {
        let Some(term) = stake::snapshot_term(&self.params, height) else {
            return Ok(false);
        };
        Ok(value::snapshot(&self.ledger.view()?, term)?.is_some())
    }

    /// Whether somebody votes for the block of our chain at `height`.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn has_committee(&self, height: Height) -> Result<bool, LedgerError> {
        let Some(term) = stake::snapshot_term(&self.params, height) else {
            return Ok(false);
        };
        let head = value::snapshot(&self.ledger.view()?, term)?;
        Ok(head.is_some_and(|head| head.weight > 0))
    }

    /// Blocks since a checkpoint became final on our chain; nothing while finality is off.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn finality_gap_blocks(&self) -> Result<Option<u64>, LedgerError> {
        let head = value::roster_head(&self.ledger.view()?)?;
        let height = self.tip()?.0.get();
        let gap = || height.saturating_sub(head.last_final_height.get());
        Ok(head.front.map(|_| gap()))
    }

    /// A vote for `id` was heard, verified against the committee of its height. Says whether it
    /// counts; what is not in the tree does not.
    pub fn hear_vote(&mut self, id: &BlockId, bond: BondId, seats: u32) -> bool {
        self.tree.hear_vote(id, bond, seats).unwrap_or(false)
    }

    /// Two votes of `bond` for different blocks at `height` are known.
    pub fn note_double_vote(&mut self, height: Height, bond: BondId) {
        self.tree.note_double_vote(height, bond);
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

    /// Tells the tree what the state after the tip shows about finality; the ledger keeps it first.
    pub(super) fn note_state(&mut self) -> Result<(), LedgerError> {
        self.must_note = true;
        let is_beside = self.is_beside_finality()?;
        if self.joining().is_none() && !is_beside {
            let finality = value::finality(&self.ledger.view()?)?;
            let anchors = self.anchors_after(finality)?;
            self.keep_anchors(anchors)?;
            self.bind_tree()?;
        }
        self.must_note = false;
        Ok(())
    }

    /// Whether the tip is on a branch that is about to be left.
    fn is_beside_finality(&self) -> Result<bool, LedgerError> {
        let Some(finalized) = self.anchors.finalized else {
            return Ok(false);
        };
        let on_chain = self.ledger.id_at(finalized.height)?;
        Ok(on_chain.is_some_and(|id| id != finalized.id))
    }

    /// The anchors, with what a state of our chain shows.
    fn anchors_after(&self, shown: value::Finality) -> Result<Anchors, LedgerError> {
        let mut anchors = self.anchors;
        let justified = anchors.justified.map(|known| known.number);
        if shown.justified > justified.unwrap_or_default() {
            let height = self.params.checkpoint_height(shown.justified);
            anchors.justified = self.ledger.id_at(height)?.map(|id| Checkpoint {
                number: shown.justified,
                id,
            });
        }
        let height = self.params.checkpoint_height(shown.finalized);
        let known = anchors.finalized.map(|finalized| finalized.height);
        if height > known.unwrap_or_default()
            && let Some(id) = self.ledger.id_at(height)?
        {
            anchors.finalized = Some(FinalBlock { height, id });
        }
        Ok(anchors)
    }
}
