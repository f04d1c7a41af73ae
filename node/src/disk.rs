//! The engine's storage on a real disk.
//!
//! # Invariants
//! The store's words are carried on: full is full, damaged is damaged, and neither blames a peer.
//!
//! # Spec
//! docs/spec/13-storage.md
//!
//! # Not here
//! Tables and batches: `store`.

use std::sync::Arc;

use chain::{Block, BlockId, Body, Header, Height, PublicKey};
use consensus::ViewError;
use consensus::fork_choice::{Anchors, Fault, Inclusion};
use consensus::transition::AppliedBlock;
use store::schema::{BodyState, StoredHeader};
use store::{Ballot, Durability, Store, StoreError, View};

use crate::ledger::{BodyPresence, KnownBlock, Ledger, LedgerError, Pace};

/// Blocks between two waits for the disk while far behind: a wait costs as much as some blocks, and
/// this many are fetched again within a second.
const GROUP_BLOCKS: u32 = 64;

/// A store as the engine sees it.
#[derive(Clone, Debug)]
pub(crate) struct Disk(Arc<Store>);

impl Disk {
    /// Over an open store.
    #[must_use]
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self(store)
    }

    fn known(&self, id: &BlockId, stored: &StoredHeader) -> Result<KnownBlock, StoreError> {
        let mut known = KnownBlock {
            is_invalid: stored.faults.invalid,
            conflicts_with_finality: stored.faults.conflicts_with_finality,
            ..KnownBlock::bare(stored.header)
        };
        if let BodyState::Stored(traits) = &stored.body {
            // What is on the main chain was applied; a side body may not have been, and is checked
            // again before it is followed.
            let on_chain = self.0.view()?.id_at(stored.header.height)? == Some(*id);
            known.body = if on_chain {
                BodyPresence::Applied
            } else {
                BodyPresence::Known
            };
            known.inclusions.clone_from(&traits.inclusions);
            known.level = traits.level;
        }
        Ok(known)
    }
}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full { .. } => Self::Full,
            other => Self::View(ViewError::from(other)),
        }
    }
}

impl Ledger for Disk {
    type View<'a> = View<'a>;

    fn view(&self) -> Result<View<'_>, LedgerError> {
        Ok(self.0.view()?)
    }

    fn tip(&self) -> Result<(Height, BlockId), LedgerError> {
        let view = self.0.view()?;
        Ok((view.tip().height, view.tip().id))
    }

    fn id_at(&self, height: Height) -> Result<Option<BlockId>, LedgerError> {
        Ok(self.0.view()?.id_at(height)?)
    }

    fn block(&self, id: &BlockId) -> Result<Option<KnownBlock>, LedgerError> {
        match self.0.view()?.header(id)? {
            Some(stored) => Ok(Some(self.known(id, &stored)?)),
            None => Ok(None),
        }
    }

    fn body(&self, id: &BlockId) -> Result<Option<Body>, LedgerError> {
        Ok(self.0.view()?.body(id)?)
    }

    fn blocks_from(&self, height: Height) -> Result<Vec<KnownBlock>, LedgerError> {
        let view = self.0.view()?;
        let mut blocks = Vec::new();
        for row in view.headers_from(height) {
            let (id, stored) = row?;
            blocks.push(self.known(&id, &stored)?);
        }
        Ok(blocks)
    }

    fn uncles(&self, id: &BlockId) -> Result<Vec<Header>, LedgerError> {
        let view = self.0.view()?;
        let without = |stored: StoredHeader| match stored.body {
            BodyState::Stored(traits) => traits.uncle_work == 0,
            BodyState::Missing => false,
        };
        if view.header(id)?.is_some_and(without) {
            return Ok(Vec::new());
        }
        Ok(view
            .body(id)?
            .map(|body| body.aux.uncles)
            .unwrap_or_default())
    }

    fn put_header(&mut self, header: &Header) -> Result<(), LedgerError> {
        Ok(self.0.put_headers(std::slice::from_ref(header))?)
    }

    fn put_body(
        &mut self,
        id: &BlockId,
        body: &Body,
        inclusions: &[Inclusion],
    ) -> Result<(), LedgerError> {
        let Some(known) = self.0.view()?.header(id)? else {
            let reason = format!("the header of {id} is gone from the disk");
            return Err(ViewError::Damaged { reason }.into());
        };
        let block = Block {
            header: known.header,
            body: body.clone(),
        };
        Ok(self.0.put_block(&block, inclusions)?)
    }

    fn forget(&mut self, id: &BlockId) -> Result<(), LedgerError> {
        Ok(self.0.remove_side_block(id)?)
    }

    fn connect(&mut self, block: &AppliedBlock) -> Result<(), LedgerError> {
        Ok(self.0.connect(block)?)
    }

    fn disconnect(&mut self) -> Result<Block, LedgerError> {
        let tip = self.tip()?.1;
        Ok(self.0.disconnect(&tip)?)
    }

    fn set_pace(&mut self, pace: Pace) -> Result<(), LedgerError> {
        let durability = match pace {
            Pace::AtTip => Durability::EachBlock,
            // Logged: a kill loses nothing at either pace.
            Pace::FarBehind => Durability::Grouped {
                blocks: GROUP_BLOCKS,
            },
        };
        Ok(self.0.set_durability(durability)?)
    }

    fn set_fault(&mut self, id: &BlockId, fault: Fault, is_set: bool) -> Result<(), LedgerError> {
        let marked = if is_set {
            self.0.mark(id, fault)
        } else {
            self.0.unmark(id, fault)
        };
        Ok(marked?)
    }

    fn ballot(&self, key: &PublicKey) -> Result<Ballot, LedgerError> {
        Ok(self.0.view()?.ballot(key)?)
    }

    fn put_ballot(&mut self, key: &PublicKey, ballot: &Ballot) -> Result<(), LedgerError> {
        Ok(self.0.put_ballot(key, ballot)?)
    }

    fn anchors(&self) -> Result<Anchors, LedgerError> {
        Ok(self.0.view()?.anchors()?)
    }

    fn put_anchors(&mut self, anchors: &Anchors) -> Result<(), LedgerError> {
        Ok(self.0.put_anchors(anchors)?)
    }
}
