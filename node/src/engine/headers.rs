//! Headers as they come: one by one, or as a branch that is heavy enough only as a whole.
//!
//! # Invariants
//! The tree knows no header that the disk does not, and the disk forgets what the tree lets go of.
//!
//! # Spec
//! docs/spec/12-fork-choice.md §8
//!
//! # Not here
//! Pages of headers and their bringers: [`crate::protocol`].

use chain::{Header, Timestamp};
use consensus::HeaderContext;
use consensus::fork_choice::Insertion;
use consensus::header::{CheckedHeader, check_header};

use super::{Engine, Refusal};
use crate::ledger::{Ledger, LedgerError};

impl<L: Ledger> Engine<L> {
    /// Checks a header and remembers it.
    ///
    /// # Errors
    /// [`Refusal`]. [`Rule::TimeTooNew`] means: offer it again later.
    pub fn add_header(&mut self, header: &Header, now: Timestamp) -> Result<Insertion, Refusal> {
        let id = header.id();
        if self.tree.status(&id).is_some() {
            return Ok(Insertion::AlreadyKnown);
        }
        let unknown = Refusal::UnknownParent {
            parent: header.parent,
        };
        let context = self.tree.header_context(&header.parent).ok_or(unknown)?;
        let checked = check_header(header, &context, &self.params, now)?;
        let insertion = match self.joining() {
            // The operator wants a chain, however light.
            Some(_) => self.tree.insert_anyway(&checked)?,
            None => self.tree.insert(&checked)?,
        };
        if insertion == Insertion::Added
            && let Err(error) = self.ledger.put_header(header)
        {
            // The tree must not know what the disk does not.
            self.tree.forget_header(&id);
            return Err(error.into());
        }
        self.forget()?;
        Ok(insertion)
    }

    /// Checks a header of a branch that is too light to be taken header by header, and appends it
    /// to `branch`, whose first header has its parent in the tree.
    ///
    /// # Errors
    /// [`Refusal`]: it does not continue the branch, or breaks a rule.
    pub fn extend_branch(
        &self,
        branch: &mut Vec<CheckedHeader>,
        header: &Header,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let unknown = Refusal::UnknownParent {
            parent: header.parent,
        };
        let context = match branch.as_slice() {
            [] => self.tree.header_context(&header.parent),
            [.., last] if *last.id() != header.parent => None,
            [.., grandparent, last] => {
                HeaderContext::new(*last.header(), Some(*grandparent.header())).ok()
            }
            [last] => {
                let grandparent = self.tree.header(&last.header().parent).copied();
                HeaderContext::new(*last.header(), grandparent).ok()
            }
        };
        let context = context.ok_or(unknown)?;
        branch.push(check_header(header, &context, &self.params, now)?);
        Ok(())
    }

    /// Remembers a branch of checked headers if it is heavy enough as a whole.
    ///
    /// # Errors
    /// [`Refusal::TooLight`]: it is not, or not yet.
    pub fn add_branch(&mut self, branch: &[CheckedHeader]) -> Result<(), Refusal> {
        if let Err(error) = self.tree.insert_branch(branch) {
            self.forget()?;
            return Err(error.into());
        }
        let put = |checked: &CheckedHeader| self.ledger.put_header(checked.header());
        if let Err(error) = branch.iter().try_for_each(put) {
            // The tree must not know what the disk does not.
            let newest_first = branch.iter().rev();
            newest_first.for_each(|checked| self.tree.forget_header(checked.id()));
            self.forget()?;
            return Err(error.into());
        }
        Ok(self.forget()?)
    }

    /// Lets the disk forget what the tree let go of.
    pub(super) fn forget(&mut self) -> Result<(), LedgerError> {
        for id in self.tree.take_forgotten() {
            // It may have come again since.
            if self.tree.status(&id).is_none() {
                self.ledger.forget(&id)?;
            }
        }
        Ok(())
    }
}
