//! Committees that were drawn lately, so that a vote that somebody sends reads no state.
//!
//! # Invariants
//! * A committee is remembered by all that it follows from, so it never has to be forgotten for
//!   being wrong; the oldest goes when there are too many.
//! * That none is known is not remembered: the next block may change it.
//!
//! # Spec
//! docs/spec/06-wire.md §10
//!
//! # Not here
//! Drawing: `consensus::stake`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use chain::{BlockId, Height};
use consensus::stake::Committee;

use crate::engine::{CommitteeKey, Engine};
use crate::ledger::{Ledger, LedgerError};

/// Committees remembered: eleven heights that votes may be for, on five branches. A branch costs a
/// block's work for each of them.
pub const COMMITTEES_MAX: usize = 64;

/// The last committees drawn.
#[derive(Debug, Default)]
pub struct Committees {
    known: BTreeMap<CommitteeKey, Arc<Committee>>,
    // Oldest first.
    order: VecDeque<CommitteeKey>,
}

impl Committees {
    /// The committee of a block at `height` above `parent`; nothing if only that branch's own state
    /// knows it.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn get<L: Ledger>(
        &mut self,
        engine: &Engine<L>,
        parent: &BlockId,
        height: Height,
    ) -> Result<Option<Arc<Committee>>, LedgerError> {
        let Some(key) = engine.committee_key(parent, height)? else {
            return Ok(None);
        };
        if let Some(known) = self.known.get(&key) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(drawn) = engine.committee_of(&key)? else {
            return Ok(None);
        };
        let drawn = Arc::new(drawn);
        self.remember(key, Arc::clone(&drawn));
        Ok(Some(drawn))
    }

    fn remember(&mut self, key: CommitteeKey, committee: Arc<Committee>) {
        if self.order.len() >= COMMITTEES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(key);
        self.known.insert(key, committee);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_committees_are_remembered() {
        let mut committees = Committees::default();
        let key = |number| CommitteeKey {
            height: Height::new(number),
            drawn_by: None,
        };
        let last = COMMITTEES_MAX as u64;
        for number in 0..=last {
            committees.remember(key(number), Arc::default());
        }
        assert_eq!(committees.known.len(), COMMITTEES_MAX);
        assert!(!committees.known.contains_key(&key(0)));
        assert!(committees.known.contains_key(&key(last)));
    }
}
