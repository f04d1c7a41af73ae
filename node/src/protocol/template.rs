//! Block templates: what a miner is given to solve.
//!
//! # Invariants
//! A template applies once it is solved, as long as its parent is the tip.
//!
//! # Spec
//! docs/spec/15-mining.md §1
//!
//! # Not here
//! Who gets a template when ([`crate::service`]), the search (`miner`).

use chain::{AccountId, Block, Timestamp};
use consensus::error::ApplyError;
use consensus::transition::Draft;

use super::Node;
use crate::ledger::{Ledger, LedgerError};

impl<L: Ledger> Node<L> {
    /// The next block, complete but for its proof of work; the reward goes to `payout`.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn template(&mut self, payout: AccountId, now: Timestamp) -> Result<Block, LedgerError> {
        let tip = self.engine.tip()?.1;
        let tree = self.engine.tree();
        let is_stale = |header: &chain::Header| {
            tree.ancestor(&tip, header.height)
                .is_some_and(|on_chain| on_chain != header.id())
        };
        let uncles: Vec<_> = self
            .uncle_candidates
            .iter()
            .rev()
            .filter(|header| is_stale(header))
            .copied()
            .collect();
        let view = self.engine.ledger().view()?;
        let mut draft = Draft::new(&view, self.engine.params())?;
        for uncle in uncles {
            match draft.try_uncle(&uncle, now) {
                Ok(()) | Err(ApplyError::Rule(_)) => {}
                Err(ApplyError::View(error)) => return Err(error.into()),
            }
        }
        self.mempool.select(&mut draft)?;
        Ok(draft.into_block(payout, now)?)
    }
}
