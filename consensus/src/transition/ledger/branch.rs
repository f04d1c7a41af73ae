//! What a block takes from its own branch: uncles, and the blocks that stamps refer to.
//!
//! # Invariants
//! Everything here is judged by the headers below the block; no clock has a say.
//!
//! # Spec
//! docs/spec/02-blocks.md §7, docs/spec/04-envelopes.md §6
//!
//! # Not here
//! The uncle's own header: [`crate::header`].

use std::collections::BTreeMap;

use chain::{BlockId, Header, Height, Timestamp};
use genesis::law;

use super::{Ledger, damaged};
use crate::error::{ApplyError, Rule, ViewError};
use crate::header::{self, HeaderContext};
use crate::reward;
use crate::state::value::RecentUncle;
use crate::state::{self, StateView};

impl<V: StateView> Ledger<'_, V> {
    /// Books an uncle for a block of time `including`.
    pub(in crate::transition) fn include_uncle(
        &mut self,
        uncle: &Header,
        including: Timestamp,
    ) -> Result<(), ApplyError> {
        let id = uncle.id();
        // > "depth d = h - uncle.height in 1..6"
        let depth = self.height.get().checked_sub(uncle.height.get());
        let Some(depth @ 1..=law::UNCLE_DEPTH_MAX) = depth else {
            return Err(Rule::UncleDepth {
                block: self.height,
                uncle: uncle.height,
            }
            .into());
        };
        // > "its parent is an ancestor of this block, itself is not, and no ancestor included it"
        let context = self.uncle_context(uncle)?.ok_or(Rule::UncleParent { id })?;
        if state::header_at(self.view(), uncle.height)?.id() == id {
            return Err(Rule::UncleIsAncestor { id }.into());
        }
        if self.recent_uncles.iter().any(|recent| recent.id == id) {
            return Err(Rule::UncleRepeated { id }.into());
        }
        let checked = header::check_uncle_header(uncle, &context, self.params, including)?;
        let work = self.uncle_work.checked_add(checked.work());
        let work = work.ok_or_else(|| damaged("the work of uncles exceeds 128 bits"))?;
        self.mint(
            &uncle.payout,
            reward::uncle_miner(self.parent_supply(), depth),
        )?;
        self.uncle_work = work;
        self.uncles = self.uncles.saturating_add(1);
        self.recent_uncles.push(RecentUncle {
            height: uncle.height,
            id,
        });
        Ok(())
    }

    /// The context of the uncle's own parent, if that is an ancestor of this block.
    fn uncle_context(&self, uncle: &Header) -> Result<Option<HeaderContext>, ViewError> {
        let Some(parent_height) = uncle.height.checked_sub(1) else {
            return Ok(None);
        };
        let parent = state::header_at(self.view(), parent_height)?;
        if parent.id() != uncle.parent {
            return Ok(None);
        }
        let grandparent = match parent_height.checked_sub(1) {
            Some(height) => Some(state::header_at(self.view(), height)?),
            None => None,
        };
        HeaderContext::new(parent, grandparent).map(Some)
    }
}

/// Ids of all blocks that a stamp in a block at `height` may refer to.
pub(super) fn references(
    view: &impl StateView,
    height: Height,
) -> Result<BTreeMap<Height, BlockId>, ViewError> {
    let oldest = height.get().saturating_sub(law::STAMP_AGE_MAX);
    let Some(youngest) = height.get().checked_sub(law::STAMP_AGE_MIN) else {
        return Ok(BTreeMap::new());
    };
    let is_step = |height: &u64| height.checked_rem(law::STAMP_REFERENCE_STEP.into()) == Some(0);
    (oldest..=youngest)
        .filter(is_step)
        .map(Height::new)
        .map(|height| Ok((height, state::header_at(view, height)?.id())))
        .collect()
}
