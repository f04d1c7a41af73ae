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
                .add_body(&id, &uncles, &[], Seen::BeforeRestart)
                .map_err(|error| damaged(error.to_string()))?;
        }
        if known.body == BodyPresence::Applied {
            self.tree
                .mark_applied(&id)
                .map_err(|error| damaged(error.to_string()))?;
        }
        Ok(())
    }

    pub(super) fn restore_mark(&mut self, id: &BlockId) -> Result<(), LedgerError> {
        match self.tree.invalidate(id, Fault::Invalid) {
            // It found no place.
            Ok(()) | Err(TreeError::UnknownBlock { .. }) => Ok(()),
            Err(error) => Err(damaged(error.to_string())),
        }
    }
}
