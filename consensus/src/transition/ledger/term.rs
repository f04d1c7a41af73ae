//! The beginning of a block: what is due at every height, and what a boundary between two terms
//! changes.
//!
//! # Invariants
//! * Everything here follows from the state before the block: drafts and blocks begin alike, and it
//!   does not matter when, as long as nothing else has looked at bonds and masternodes.
//! * A boundary walks over living bonds and masternodes only, by the pages of those alive.
//!
//! # Spec
//! docs/spec/11-state.md §4, docs/spec/17-stake.md §2, docs/spec/18-finality.md §2-3
//!
//! # Not here
//! The rules of rosters: [`crate::finality`].

use chain::Amount;
use chain::units::{BondId, CheckpointNumber, MasternodeId, Term};
use genesis::law;

use super::Ledger;
use super::masternodes::silence;
use crate::error::ViewError;
use crate::finality::{Boundary, Handover, handover, heaviest};
use crate::stake;
use crate::state::value::{
    Bond, Candidate, LivePage, Masternode, Roster, RosterMember, SnapshotHead, SnapshotMember,
    SnapshotPage, Standing,
};
use crate::state::{StateKey, StateView, value};

impl<V: StateView> Ledger<'_, V> {
    /// Step 1 but for the body limit, once: before anything that it may change is looked at, and at
    /// the latest when the books close.
    pub(super) fn begin(&mut self) -> Result<(), ViewError> {
        if self.has_begun {
            return Ok(());
        }
        self.has_begun = true;
        let term = self.params.term(self.height);
        if self.params.term_start(term) == self.height {
            self.turn_term(term)?;
        }
        self.book_seats()?;
        self.release_due()
    }

    /// The first block of a term, `k`.
    fn turn_term(&mut self, term: Term) -> Result<(), ViewError> {
        let ended = Term::new(term.get().saturating_sub(1));
        let (members, bonded) = self.judge_bonds(term, ended)?;
        let roster = self.judge_masternodes(ended)?;
        self.admit_newcomers()?;
        self.turn_rosters(ended)?;
        self.write_snapshot(term, &members, bonded)?;
        let supply = self.parent_supply();
        let candidate = Candidate { supply, roster };
        self.overlay.set(StateKey::Candidate, &candidate);
        // > "drop old snapshots": terms k and k + 1 use those of k - 1 and k, votes for the blocks
        // before the boundary that of k - 2.
        if let Some(old) = term.checked_sub(3) {
            self.drop_snapshot(old)?;
        }
        self.forget_slashes(term);
        Ok(())
    }

    /// Puts silent bonds to sleep; members of the snapshot of `term` and their coins.
    fn judge_bonds(
        &mut self,
        term: Term,
        ended: Term,
    ) -> Result<(Vec<SnapshotMember>, Amount), ViewError> {
        let (mut members, mut bonded) = (Vec::new(), Amount::ZERO);
        for id in self.living(StateKey::LiveBonds, self.counters()?.bonds)? {
            let id = BondId::new(id);
            let key = StateKey::Bond(id);
            let bond: Option<Bond> = self.overlay.get(&key)?;
            let mut bond = bond.ok_or_else(|| super::damaged("a living bond is not there"))?;
            let (assigned, voted) = bond.duty.of(ended);
            let dormant = stake::dormancy(assigned, voted).unwrap_or(bond.dormant);
            if dormant != bond.dormant {
                bond.dormant = dormant;
                self.overlay.set(key, &bond);
            }
            if bond.is_eligible(term) {
                bonded = super::sum(bonded, bond.amount)?;
                members.push(SnapshotMember {
                    bond: id,
                    key: bond.key,
                    weight: bond.weight(),
                });
            }
        }
        Ok((members, bonded))
    }

    /// Judges the diligence of all masternodes; the roster that those still serving make.
    fn judge_masternodes(&mut self, ended: Term) -> Result<Roster, ViewError> {
        let mut members = Vec::new();
        for id in self.living(StateKey::LiveMasternodes, self.counters()?.masternodes)? {
            let id = MasternodeId::new(id);
            let masternode: Option<Masternode> = self.masternode(id)?;
            let mut masternode =
                masternode.ok_or_else(|| super::damaged("a living masternode is not there"))?;
            self.judge_diligence(id, &mut masternode, ended);
            if masternode.is_serving() {
                members.push(RosterMember {
                    masternode: id,
                    key: masternode.operator,
                    weight: masternode.weight(),
                });
            }
        }
        Ok(heaviest(members))
    }

    /// Numbers below `made` that are alive, ascending.
    fn living(&self, key: fn(u32) -> StateKey, made: u32) -> Result<Vec<u32>, ViewError> {
        let mut living = Vec::new();
        for page in 0..made.div_ceil(1 << law::LIVE_PAGE_BITS) {
            if let Some(live) = self.overlay.get::<LivePage>(&key(page))? {
                living.extend(live.ids(page));
            }
        }
        Ok(living)
    }

    fn write_snapshot(
        &mut self,
        term: Term,
        members: &[SnapshotMember],
        bonded: Amount,
    ) -> Result<(), ViewError> {
        let before = match term.checked_sub(1) {
            Some(before) => self
                .overlay
                .get::<SnapshotHead>(&StateKey::Snapshot(before))?,
            None => None,
        };
        let before = before.map_or(0, |head| head.level);
        let mut head = SnapshotHead {
            supply: self.parent_supply(),
            bonded,
            level: stake::level_after(before, bonded, self.parent_supply()),
            weight: 0,
            pages: Vec::new(),
        };
        for (page, members) in (0..).zip(members.chunks(law::SNAPSHOT_PAGE_MEMBERS)) {
            let weights = members.iter().map(|member| member.weight);
            let weight = weights.fold(0, u64::saturating_add);
            head.weight = head.weight.saturating_add(weight);
            head.pages.push(weight);
            let members = members.to_vec();
            let key = StateKey::SnapshotPage(term, page);
            self.overlay.set(key, &SnapshotPage { members });
        }
        self.overlay.set(StateKey::Snapshot(term), &head);
        Ok(())
    }

    fn drop_snapshot(&mut self, term: Term) -> Result<(), ViewError> {
        let key = StateKey::Snapshot(term);
        if let Some(head) = self.overlay.get::<SnapshotHead>(&key)? {
            let pages = u32::try_from(head.pages.len()).unwrap_or(u32::MAX);
            for page in 0..pages {
                self.overlay.remove(StateKey::SnapshotPage(term, page));
            }
            self.overlay.remove(key);
        }
        Ok(())
    }

    /// Follows the rules of rosters, with the candidate of the boundary before.
    fn turn_rosters(&mut self, ended: Term) -> Result<(), ViewError> {
        let mut head = self.roster_head()?;
        let Candidate { supply, roster } = value::candidate(self.view())?;
        let mut candidate = roster;
        let mut diligent = Vec::new();
        let mut sitting = Vec::new();
        for member in candidate.members {
            let masternode = self.masternode(member.masternode)?;
            // > "slashed: in no later roster"
            let Some(masternode) = masternode
                .filter(|masternode| !matches!(masternode.standing, Standing::Slashed { .. }))
            else {
                continue;
            };
            if silence(&masternode, ended, self.params) != Some(true) {
                diligent.push(member);
            }
            sitting.push(member);
        }
        candidate.members = sitting;
        let first = self.params.term_checkpoints().saturating_mul(ended.get());
        let gap = self
            .height
            .get()
            .saturating_sub(head.last_final_height.get());
        let boundary = Boundary {
            is_on: head.front.is_some(),
            is_final: self.finality()?.finalized >= CheckpointNumber::new(first),
            is_stalled: gap > self.params.term_blocks.saturating_mul(law::STALL_TERMS),
            supply,
            candidate,
            diligent: Roster {
                number: 0,
                members: diligent,
            },
        };
        let before = head.front;
        let (roster, rear) = match handover(boundary, self.params) {
            Handover::Keep => return Ok(()),
            Handover::End => {
                (head.front, head.rear) = (None, None);
                self.overlay.set(StateKey::RosterHead, &head);
                return Ok(());
            }
            Handover::Begin(roster) => {
                head.last_final_height = self.height;
                (roster, None)
            }
            Handover::Follow(roster) => {
                head.dynasty = head.dynasty.saturating_add(1);
                (roster, before)
            }
            Handover::Restart(roster) => (roster, None),
        };
        head.made = head.made.saturating_add(1);
        head.front = Some(head.made);
        head.rear = rear.or(head.front);
        head.front_weight = roster.weight();
        let roster = Roster {
            number: head.made,
            ..roster
        };
        self.overlay.set(Roster::state_key(head.made), &roster);
        self.overlay.set(StateKey::RosterHead, &head);
        Ok(())
    }
}
