//! Headers of a peer's branch that is too light so far: collected until the branch is heavy enough
//! to be remembered, or ends.
//!
//! # Invariants
//! * Nothing of such a branch is in the tree or on the disk before it is heavy enough as a whole.
//! * At most [`LIGHT_BRANCHES_MAX`] branches of [`LIGHT_HEADERS_MAX`] headers are collected at once,
//!   one per peer, and each only while its peer answers with full pages. Of too many the one with
//!   the least work per header goes: to keep a place costs as much as to mine.
//! * A peer has [`LIGHT_BUDGET_HEADERS`] such headers verified in [`LIGHT_BUDGET_MS`].
//! * A lighter chain is no fault: its bringer is scored for broken rules alone.
//!
//! # Spec
//! docs/spec/06-wire.md §3, docs/spec/12-fork-choice.md §8
//!
//! # Not here
//! How heavy is enough (`consensus::fork_choice`).

use std::collections::BTreeMap;

use chain::{BlockId, Header, Timestamp};
use consensus::header::CheckedHeader;
use consensus::{Carrier, Rule};

use super::Node;
use crate::engine::Refusal;
use crate::ledger::{Ledger, LedgerError};
use crate::peers::PeerName;

/// Branches collected at once, each of another peer: 20 MB in all.
const LIGHT_BRANCHES_MAX: usize = 4;
/// Headers of one branch, about 5 MB: twice as many blocks as can be undone, so that a chain of half
/// the difficulty that parts as deep as one may is still weighed whole.
const LIGHT_HEADERS_MAX: usize = 16_384;

/// Headers of light branches that are verified for one peer in [`LIGHT_BUDGET_MS`]: two whole branches,
/// two seconds of one core.
const LIGHT_BUDGET_HEADERS: usize = 2 * LIGHT_HEADERS_MAX;
const LIGHT_BUDGET_MS: u64 = 600_000;
/// Peers whose budgets are remembered; of more, the least used is forgotten.
const LIGHT_BUDGETS_MAX: usize = 256;

/// What was verified for peers lately.
#[derive(Debug, Default)]
pub(super) struct LightBudgets(BTreeMap<PeerName, Spent>);

#[derive(Clone, Copy, Debug)]
struct Spent {
    since: Timestamp,
    headers: usize,
}

impl LightBudgets {
    /// Whether this many headers of `peer` may be verified now; counts them if so.
    fn spend(&mut self, peer: &str, headers: usize, now: Timestamp) -> bool {
        self.0
            .retain(|_, spent| now.get().abs_diff(spent.since.get()) < LIGHT_BUDGET_MS);
        if self.0.len() >= LIGHT_BUDGETS_MAX && !self.0.contains_key(peer) {
            let least = self.0.iter().min_by_key(|(_, spent)| spent.headers);
            if let Some(least) = least.map(|(name, _)| name.clone()) {
                self.0.remove(&least);
            }
        }
        let spent = self.0.entry(peer.to_owned()).or_insert(Spent {
            since: now,
            headers: 0,
        });
        let total = spent.headers.saturating_add(headers);
        let may = total <= LIGHT_BUDGET_HEADERS;
        if may {
            spent.headers = total;
        }
        may
    }
}

/// Checked headers, linked, the lowest first; the parent of the first is in the tree.
#[derive(Debug, Default)]
pub(super) struct LightBranch(Vec<CheckedHeader>);

impl LightBranch {
    /// Its last header.
    pub(super) fn tip(&self) -> BlockId {
        self.0.last().map(|last| *last.id()).unwrap_or_default()
    }

    /// Mean work of its headers.
    fn density(&self) -> u128 {
        let works = self.0.iter().map(|checked| checked.work().get());
        let sum = works.fold(0, u128::saturating_add);
        let count = u128::try_from(self.0.len()).unwrap_or(u128::MAX);
        sum.checked_div(count).unwrap_or_default()
    }

    /// Whether a page of headers goes on where this ends.
    pub(super) fn is_continued_by(&self, page: &[Header]) -> bool {
        page.first().map(|first| first.parent) == self.0.last().map(|last| *last.id())
    }
}

impl<L: Ledger> Node<L> {
    /// A page of headers of a branch that is not heavy enough without them; `is_full` says that
    /// there are more.
    pub(super) fn light_headers(
        &mut self,
        peer: &str,
        mut branch: LightBranch,
        page: &[Header],
        is_full: bool,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        if !self.light_budgets.spend(peer, page.len(), now) {
            tracing::debug!(peer, "too many headers of light branches");
            let actions = self.sync.headers_arrived(peer, None, false, now);
            self.follow(actions, now);
            return Ok(());
        }
        let room = LIGHT_HEADERS_MAX.saturating_sub(branch.0.len());
        let mut is_whole = page.len() <= room;
        for header in page.iter().take(room) {
            match self.engine.extend_branch(&mut branch.0, header, now) {
                Ok(()) => {}
                Err(Refusal::Ledger(error)) => return Err(error),
                Err(refusal) => {
                    self.judge_light(peer, &refusal, now);
                    is_whole = false;
                    break;
                }
            }
        }
        let last = branch.0.last().map(|last| *last.header());
        let height = match self.engine.add_branch(&branch.0) {
            Ok(()) => {
                for checked in &branch.0 {
                    self.judge_early_votes(checked.header().height, checked.id())?;
                }
                let ahead = last.filter(|last| self.engine.tree().may_win(&last.id()));
                if is_whole && is_full {
                    self.last_header.insert(peer.to_owned(), branch.tip());
                }
                ahead.map(|header| header.height)
            }
            Err(Refusal::Ledger(error)) => return Err(error),
            Err(Refusal::TooLight) if is_whole && is_full && self.make_room_for(&branch) => {
                self.light_branches.insert(peer.to_owned(), branch);
                None
            }
            Err(_) => {
                let actions = self.sync.headers_arrived(peer, None, false, now);
                self.follow(actions, now);
                return Ok(());
            }
        };
        let goes_on = is_whole && is_full;
        let actions = self.sync.headers_arrived(peer, height, goes_on, now);
        self.follow(actions, now);
        self.keep_pace()
    }

    /// Whether a branch may be kept; one of less work per header makes room for it.
    fn make_room_for(&mut self, branch: &LightBranch) -> bool {
        if self.light_branches.len() < LIGHT_BRANCHES_MAX {
            return true;
        }
        let densities = self.light_branches.iter();
        let densities = densities.map(|(peer, held)| (held.density(), peer.clone()));
        let Some((density, peer)) = densities.min() else {
            return true;
        };
        if density < branch.density() {
            self.light_branches.remove(&peer);
            return true;
        }
        false
    }

    fn judge_light(&mut self, peer: &str, refusal: &Refusal, now: Timestamp) {
        match refusal {
            // Its time will come; the branch is weighed without it.
            Refusal::Rule(Rule::TimeTooNew { .. }) => {}
            Refusal::Rule(rule) => {
                self.score(peer, rule, rule.severity(Carrier::Loose), now);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_has_a_budget_of_light_headers() {
        let mut budgets = LightBudgets::default();
        let at = |ms| Timestamp::new(1_000_000 + ms);
        for _ in 0..16 {
            assert!(budgets.spend("a", 2_000, at(0)));
        }
        assert!(!budgets.spend("a", 2_000, at(LIGHT_BUDGET_MS - 1)));
        assert!(budgets.spend("b", 2_000, at(1)), "another peer has its own");
        assert!(budgets.spend("a", 2_000, at(LIGHT_BUDGET_MS)));
        for number in 0..2 * LIGHT_BUDGETS_MAX {
            budgets.spend(&number.to_string(), 1, at(LIGHT_BUDGET_MS));
        }
        assert!(budgets.0.len() <= LIGHT_BUDGETS_MAX);
        assert!(budgets.0.contains_key("a"), "who spent most is remembered");
    }
}
