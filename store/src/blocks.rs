//! Headers and bodies of all branches, and what is known against them.
//!
//! # Invariants
//! * A header is kept once; what is known of it (body, marks) survives putting it again.
//! * A block of the main chain is never forgotten.
//!
//! # Spec
//! docs/spec/13-storage.md §3, §5
//!
//! # Not here
//! Moving the tip ([`crate::commit`]); which branches are worth keeping (`node::sync`).

use chain::{Block, BlockId, Body, Header};
use consensus::AppliedBlock;
use consensus::difficulty::Target;
use consensus::fork_choice::{Anchors, Fault, Inclusion};

use crate::database::{Batch, Sync};
use crate::error::StoreError;
use crate::kill;
use crate::schema::{BodyState, BodyTraits, Faults, META_ANCHORS, StoredHeader, Table, block_key};
use crate::store::{Purpose, Store};
use crate::view::View;

impl Store {
    /// Keeps headers that were checked; those already known keep their bodies and marks.
    ///
    /// # Errors
    /// [`StoreError::Full`] and the disk's other refusals.
    pub fn put_headers(&self, headers: &[Header]) -> Result<(), StoreError> {
        let writer = self.writer();
        let view = self.view()?;
        let mut batch = self.database.batch();
        for header in headers {
            if !view.knows(&header.id())? {
                let record = StoredHeader {
                    header: *header,
                    body: BodyState::Missing,
                    faults: Faults::default(),
                };
                put_header(&mut batch, &header.id(), &record);
            }
        }
        self.write_chain(&writer, batch, Purpose::Work, Sync::Logged)
    }

    /// Keeps a block that is not on the main chain, or not yet, with the votes that it includes as
    /// far as they can be judged; a second call changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Full`] and the disk's other refusals.
    pub fn put_block(&self, block: &Block, inclusions: &[Inclusion]) -> Result<(), StoreError> {
        let writer = self.writer();
        let (id, known) = (block.id(), self.view()?.header(&block.id())?);
        let faults = match known {
            Some(known) if known.body != BodyState::Missing => return Ok(()),
            Some(known) => known.faults,
            None => Faults::default(),
        };
        let traits = BodyTraits {
            uncle_work: uncle_work(&block.body),
            inclusions: inclusions.to_vec(),
            level: None,
        };
        let mut batch = self.database.batch();
        put_block(&mut batch, &id, block, faults, traits);
        self.write_chain(&writer, batch, Purpose::Work, Sync::Logged)
    }

    /// Keeps what the choice of the best block is bound to. It is as durable as the blocks before
    /// it: a power cut never leaves it without them.
    ///
    /// # Errors
    /// The disk's refusal; what was kept before is still there.
    pub fn put_anchors(&self, anchors: &Anchors) -> Result<(), StoreError> {
        let writer = self.writer();
        let mut batch = self.database.batch();
        batch.put(Table::Meta, META_ANCHORS, anchors);
        self.kill_points.pass(kill::ANCHORS_BEFORE_WRITE);
        self.write_beside(&writer, batch)?;
        self.kill_points.pass(kill::ANCHORS_AFTER_WRITE);
        Ok(())
    }

    /// Forgets a block that is not on the main chain, header and body.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] for a block of the main chain.
    pub fn remove_side_block(&self, id: &BlockId) -> Result<(), StoreError> {
        let writer = self.writer();
        let view = self.view()?;
        let Some(StoredHeader { header, .. }) = view.header(id)? else {
            return Ok(());
        };
        if view.id_at(header.height)? == Some(*id) {
            return Err(StoreError::Inconsistent {
                what: "a main-chain block was to be forgotten",
            });
        }
        let key = block_key(header.height, id);
        let mut batch = self.database.batch();
        batch.delete(Table::Headers, &key);
        batch.delete(Table::Bodies, &key);
        batch.delete(Table::Heights, id.as_bytes());
        self.write_chain(&writer, batch, Purpose::Relief, Sync::Logged)
    }

    /// Remembers for good what is wrong with a block.
    ///
    /// # Errors
    /// [`StoreError::UnknownBlock`], or the disk's refusal.
    pub fn mark(&self, id: &BlockId, fault: Fault) -> Result<(), StoreError> {
        self.set_fault(id, fault, true)
    }

    /// Takes back what [`Store::mark`] remembered.
    ///
    /// # Errors
    /// [`StoreError::UnknownBlock`], or the disk's refusal.
    pub fn unmark(&self, id: &BlockId, fault: Fault) -> Result<(), StoreError> {
        self.set_fault(id, fault, false)
    }

    fn set_fault(&self, id: &BlockId, fault: Fault, is_set: bool) -> Result<(), StoreError> {
        let writer = self.writer();
        let unknown = StoreError::UnknownBlock { id: *id };
        let mut record = self.view()?.header(id)?.ok_or(unknown)?;
        match fault {
            Fault::Invalid => record.faults.invalid = is_set,
            Fault::ConflictsWithFinality => record.faults.conflicts_with_finality = is_set,
        }
        let mut batch = self.database.batch();
        put_header(&mut batch, id, &record);
        self.write_chain(&writer, batch, Purpose::Relief, Sync::Durable)
    }
}

/// Header and body of a block that was applied; marks stay. If its body is here already, what
/// applying it showed takes the place of what was believed of it.
pub(crate) fn put_applied(
    batch: &mut Batch<'_>,
    view: &View<'_>,
    applied: &AppliedBlock,
) -> Result<(), StoreError> {
    let (id, block) = (applied.id(), applied.block());
    let traits = BodyTraits::of_applied(applied);
    match view.header(id)? {
        Some(known) if known.body != BodyState::Missing => {
            let body = BodyState::Stored(traits);
            if known.body != body {
                put_header(batch, id, &StoredHeader { body, ..known });
            }
        }
        known => {
            let faults = known.map_or(Faults::default(), |known| known.faults);
            put_block(batch, id, block, faults, traits);
        }
    }
    Ok(())
}

/// Header, height and body of a block.
pub(crate) fn put_block(
    batch: &mut Batch<'_>,
    id: &BlockId,
    block: &Block,
    faults: Faults,
    traits: BodyTraits,
) {
    put_header(
        batch,
        id,
        &StoredHeader {
            header: block.header,
            body: BodyState::Stored(traits),
            faults,
        },
    );
    batch.put(
        Table::Bodies,
        &block_key(block.header.height, id),
        &block.body,
    );
}

fn put_header(batch: &mut Batch<'_>, id: &BlockId, record: &StoredHeader) {
    batch.put(Table::Headers, &block_key(record.header.height, id), record);
    batch.put(Table::Heights, id.as_bytes(), &record.header.height);
}

/// Work that the uncles of a body claim. A side block may name anything as its uncle, so what does
/// not parse stands for nothing here; applying the block judges it.
fn uncle_work(body: &Body) -> u128 {
    let works = body.aux.uncles.iter().filter_map(|uncle: &Header| {
        Target::from_compact(uncle.target).map(|target| target.work().get())
    });
    works.fold(0, u128::saturating_add)
}

#[cfg(test)]
mod tests;
