//! Headers of a peer's branch that is too light so far: collected until the branch is heavy enough
//! to be remembered, or ends.
//!
//! # Invariants
//! * Nothing of such a branch is in the tree or on the disk before it is heavy enough as a whole.
//! * At most [`LIGHT_BRANCHES_MAX`] branches of [`LIGHT_HEADERS_MAX`] headers are collected at once,
//!   one per peer, and each only while its peer answers with full pages.
//! * A lighter chain is no fault: its bringer is scored for broken rules alone.
//!
//! # Spec
//! docs/spec/06-wire.md §3, docs/spec/12-fork-choice.md §8
//!
//! # Not here
//! How heavy is enough (`consensus::fork_choice`).

use chain::{BlockId, Header, Timestamp};
use consensus::header::CheckedHeader;
use consensus::{Carrier, Rule};

use super::Node;
use crate::engine::Refusal;
use crate::ledger::{Ledger, LedgerError};

/// Branches collected at once, each of another peer.
const LIGHT_BRANCHES_MAX: usize = 2;
/// Headers of one branch, about 5 MB: twice as many blocks as can be undone, so that a chain of half
/// the difficulty that parts as deep as one may is still weighed whole.
const LIGHT_HEADERS_MAX: usize = 16_384;

/// Checked headers, linked, the lowest first; the parent of the first is in the tree.
#[derive(Debug, Default)]
pub(super) struct LightBranch(Vec<CheckedHeader>);

impl LightBranch {
    /// Its last header.
    pub(super) fn tip(&self) -> BlockId {
        self.0.last().map(|last| *last.id()).unwrap_or_default()
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
                let ahead = last.filter(|last| self.engine.tree().may_win(&last.id()));
                self.last_header.insert(peer.to_owned(), branch.tip());
                ahead.map(|header| header.height)
            }
            Err(Refusal::Ledger(error)) => return Err(error),
            Err(Refusal::TooLight) if is_whole && is_full && self.has_room_for_light() => {
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
        if !goes_on {
            self.last_header.remove(peer);
        }
        let actions = self.sync.headers_arrived(peer, height, goes_on, now);
        self.follow(actions, now);
        self.keep_pace()
    }

    fn has_room_for_light(&self) -> bool {
        self.light_branches.len() < LIGHT_BRANCHES_MAX
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
