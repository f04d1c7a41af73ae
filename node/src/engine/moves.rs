//! Moving the tip to the best block, step by step.
//!
//! # Invariants
//! * After each step the tree hears of the state that was reached before the next one is chosen.
//! * A reorg deeper than the law is not made and stops nothing: its branch is left aside, with an
//!   alarm, and the tip goes on growing.
//! * Nothing moves while the node stands still for its operator.
//!
//! # Spec
//! docs/spec/12-fork-choice.md §6
//!
//! # Not here
//! Which block is the best (`consensus::fork_choice`); why a node stands still: [`super::guard`].

use chain::{Block, BlockId};
use consensus::Rule;
use consensus::block::{CheckedBlock, VerifiedSet};
use consensus::error::{ApplyError, TreeError};
use consensus::fork_choice::{BlockStatus, Fault, ReorgLimit, TipChange};
use consensus::transition::apply;

use super::{Advance, Engine, Refusal, ReorgRefused, TipMove, damaged};
use crate::ledger::{Ledger, LedgerError};

impl<L: Ledger> Engine<L> {
    /// Moves the tip to the best block, as far as bodies, the law and the storage allow. If the
    /// storage stops it, the tip is where the last commit left it, and a later call goes on.
    #[must_use = "the moves that were made have consequences"]
    pub fn advance(&mut self, verified: &impl VerifiedSet) -> Advance {
        let mut advance = Advance::default();
        advance.stopped = self.advance_into(&mut advance, verified).err();
        self.refresh_alarm();
        advance.alarms = self.take_raised();
        advance
    }

    fn advance_into(
        &mut self,
        advance: &mut Advance,
        verified: &impl VerifiedSet,
    ) -> Result<(), LedgerError> {
        if self.must_note {
            self.note_state()?;
        }
        self.weigh_light_branches_anew();
        while !self.stands_still() {
            let tip = self.tip()?.1;
            let Some(change) = self.lawful_change(&tip, advance)? else {
                continue;
            };
            if change.is_empty() {
                break;
            }
            for _ in &change.disconnect {
                let block = self.ledger.disconnect()?;
                self.moved_back_from(block.header.height);
                advance.moves.push(TipMove::Disconnected(block));
            }
            let target = *self.tree.best();
            for id in &change.connect {
                match self.connect(id, verified)? {
                    Ok(block) => advance.moves.push(TipMove::Connected(block)),
                    Err(rule) => {
                        advance.condemned.push((*id, rule));
                        self.condemn(id)?;
                        break;
                    }
                }
                self.note_state()?;
                if *self.tree.best() != target || self.stands_still() {
                    break;
                }
            }
        }
        let tip = self.tip()?.1;
        self.tree.prune_behind(&tip);
        let best_is_behind = |block: &CheckedBlock| self.tree.status(block.id()).is_some();
        self.checked.retain(|_, block| best_is_behind(block));
        self.forget()
    }

    /// The way to the best block; nothing if it is not to be gone, and the choice is to be made
    /// anew.
    fn lawful_change(
        &mut self,
        tip: &BlockId,
        advance: &mut Advance,
    ) -> Result<Option<TipChange>, LedgerError> {
        // A tip is marked only at the operator's word, which is the consent that the law asks for.
        let status = self.tree.status(tip);
        let has_consent = matches!(
            status,
            Some(BlockStatus::Invalid | BlockStatus::ConflictsWithFinality)
        );
        let limit = if has_consent {
            ReorgLimit::Lifted
        } else {
            self.reorg_limit()?
        };
        match self.tree.tip_change(tip, limit) {
            Ok(change) if !has_consent && self.tree.is_suspicious(&change) => {
                self.leave_light_branch(&change);
                Ok(None)
            }
            Ok(change) => Ok(Some(change)),
            Err(TreeError::ReorgTooDeep { depth_blocks }) => {
                let branch = self.leave_aside(tip)?;
                tracing::error!(
                    %branch,
                    depth_blocks,
                    "a heavier branch parts deeper than a node may go back; it is not followed"
                );
                advance.too_deep.push(ReorgRefused {
                    branch,
                    depth_blocks,
                });
                Ok(None)
            }
            Err(error) => Err(damaged(error.to_string())),
        }
    }

    /// Takes the best block's branch out of the choice, in memory alone: our own chain is what gets
    /// extended and downloaded from here on. A restart looks at it anew.
    fn leave_aside(&mut self, tip: &BlockId) -> Result<BlockId, LedgerError> {
        let change = self
            .tree
            .tip_change(tip, ReorgLimit::Lifted)
            .map_err(|error| damaged(error.to_string()))?;
        let no_branch = || damaged(format!("nothing is better than the tip {tip}"));
        let branch = *change.connect.first().ok_or_else(no_branch)?;
        self.tree
            .invalidate(&branch, Fault::ConflictsWithFinality)
            .map_err(|error| damaged(error.to_string()))?;
        Ok(branch)
    }

    fn connect(
        &mut self,
        id: &BlockId,
        verified: &impl VerifiedSet,
    ) -> Result<Result<Block, Rule>, LedgerError> {
        let checked = match self.checked.get(id) {
            Some(block) => block.clone(),
            None => match self.load(id, verified)? {
                Ok(block) => block,
                Err(rule) => return Ok(Err(rule)),
            },
        };
        let applied = {
            let view = self.ledger.view()?;
            match apply(&view, checked, &self.params) {
                Ok(applied) => applied,
                Err(ApplyError::Rule(rule)) => return Ok(Err(rule)),
                Err(ApplyError::View(error)) => return Err(error.into()),
            }
        };
        self.ledger.connect(&applied)?;
        self.must_note = true;
        self.checked.remove(id);
        self.moved_on_to(applied.height());
        let noted = self
            .tree
            .mark_applied(id)
            .and_then(|()| self.tree.correct_inclusions(id, applied.inclusions()))
            .and_then(|()| match applied.level() {
                Some(level) => self.tree.note_level(id, level),
                None => Ok(()),
            });
        noted.map_err(|error| damaged(error.to_string()))?;
        Ok(Ok(applied.block().clone()))
    }

    /// A stored body, checked again: holding the type is the proof that the check ran.
    fn load(
        &self,
        id: &BlockId,
        verified: &impl VerifiedSet,
    ) -> Result<Result<CheckedBlock, Rule>, LedgerError> {
        let body = self
            .ledger
            .body(id)?
            .ok_or_else(|| damaged(format!("the body of {id} is gone from the disk")))?;
        match self.check_body(id, &body, verified) {
            Ok((block, _)) => Ok(Ok(block)),
            Err(Refusal::Rule(rule) | Refusal::Uncle(rule)) => Ok(Err(rule)),
            Err(Refusal::Ledger(error)) => Err(error),
            Err(other) => Err(damaged(other.to_string())),
        }
    }
}
