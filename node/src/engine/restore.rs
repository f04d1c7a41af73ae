//! A block of the disk finds its place in the tree again, at a start.
//!
//! # Invariants
//! * What was applied is restored before everything else, marks last.
//! * What finds no place is forgotten by the disk too, unless it was applied.
//!
//! # Spec
//! docs/spec/12-fork-choice.md §1, §8
//!
//! # Not here
//! The order of these steps: [`Engine::open`].

use std::collections::BTreeMap;

use chain::BlockId;
use consensus::error::TreeError;
use consensus::fork_choice::{Fault, Seen};
use consensus::header::check_stored_header;

use super::{Engine, damaged};
use crate::ledger::{BodyPresence, KnownBlock, Ledger, LedgerError};

impl<L: Ledger> Engine<L> {
    pub(super) fn restore(&mut self, known: &KnownBlock) -> Result<(), LedgerError> {
        let header = &known.header;
        // A side branch from below the root, or above a block that found no place, is no longer
        // of interest.
        let Some(context) = self.tree.header_context(&header.parent) else {
            return self.ledger.forget(&header.id());
        };
        let checked = check_stored_header(header, &context, &self.params)
            .map_err(|rule| damaged(format!("the stored header {}: {rule}", header.id())))?;
        let id = *checked.id();
        // It was heavy enough when it came.
        match self.tree.insert_anyway(&checked) {
            Ok(_) => {}
            // Too many side headers.
            Err(TreeError::Full) if known.body != BodyPresence::Applied => {
                return self.ledger.forget(&id);
            }
            Err(error) => return Err(damaged(error.to_string())),
        }
        if known.body != BodyPresence::Absent {
            // One that does not hold will be named when the block is applied.
            let uncles = self
                .check_uncles(header, &self.ledger.uncles(&id)?)
                .unwrap_or_default();
            self.tree
                .add_body(&id, &uncles, &known.inclusions, Seen::BeforeRestart)
                .map_err(|error| damaged(error.to_string()))?;
        }
        if known.body == BodyPresence::Applied {
            self.tree
                .mark_applied(&id)
                .map_err(|error| damaged(error.to_string()))?;
        }
        if let Some(level) = known.level {
            self.tree
                .note_level(&id, level)
                .map_err(|error| damaged(error.to_string()))?;
        }
        Ok(())
    }

    /// Levels of the root's term and the next, whose snapshots were taken at or below the root.
    pub(super) fn restore_levels(&mut self) -> Result<(), LedgerError> {
        let root = self.tree.header(self.tree.root());
        let Some(root) = root.map(|root| root.height) else {
            return Ok(());
        };
        let mut levels = BTreeMap::new();
        let newest = self.params.term(root);
        for taken_in in [newest.checked_sub(1), Some(newest)].into_iter().flatten() {
            let Some(id) = self.ledger.id_at(self.params.term_start(taken_in))? else {
                continue;
            };
            let known = self.ledger.block(&id)?;
            if let Some(level) = known.and_then(|known| known.level) {
                let used_in = u64::from(taken_in.get()).saturating_add(1);
                levels.insert(used_in, level);
                if id == *self.tree.root() {
                    self.tree
                        .note_level(&id, level)
                        .map_err(|error| damaged(error.to_string()))?;
                }
            }
        }
        self.tree.set_levels_below(levels);
        Ok(())
    }

    /// Binds the choice of the best block to what was justified and final before, and marks what
    /// leaves it aside.
    pub(super) fn restore_anchors(&mut self, known: &[KnownBlock]) -> Result<(), LedgerError> {
        self.anchors = self.ledger.anchors()?;
        self.bind_tree()?;
        for block in known.iter().filter(|block| block.conflicts_with_finality) {
            let (id, height) = (block.header.id(), block.header.height);
            let on_its_way = self
                .anchors
                .finalized
                .is_some_and(|finalized| self.tree.ancestor(&finalized.id, height) == Some(id));
            if on_its_way {
                // The operator joined its chain, and the process ended before this was settled.
                self.ledger
                    .set_fault(&id, Fault::ConflictsWithFinality, false)?;
            } else {
                self.restore_mark(&id, Fault::ConflictsWithFinality)?;
            }
        }
        Ok(())
    }

    pub(super) fn restore_mark(&mut self, id: &BlockId, fault: Fault) -> Result<(), LedgerError> {
        match self.tree.invalidate(id, fault) {
            // It found no place.
            Ok(()) | Err(TreeError::UnknownBlock { .. } | TreeError::Root) => Ok(()),
            Err(error) => Err(damaged(error.to_string())),
        }
    }
}
