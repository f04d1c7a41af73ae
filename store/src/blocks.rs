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
use consensus::difficulty::Target;
use consensus::fork_choice::Fault;

use crate::database::{Batch, Sync};
use crate::error::StoreError;
use crate::schema::{BodyState, Faults, StoredHeader, Table, block_key};
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

    /// Keeps a block that is not on the main chain, or not yet; a second call changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Full`] and the disk's other refusals.
    pub fn put_block(&self, block: &Block) -> Result<(), StoreError> {
        let writer = self.writer();
        let mut batch = self.database.batch();
        put_body(&mut batch, &self.view()?, &block.id(), block)?;
        self.write_chain(&writer, batch, Purpose::Work, Sync::Logged)
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

/// Header and body of a block, unless its body is here already; marks stay.
pub(crate) fn put_body(
    batch: &mut Batch<'_>,
    view: &View<'_>,
    id: &BlockId,
    block: &Block,
) -> Result<(), StoreError> {
    match view.header(id)? {
        None => put_block(batch, id, block, Faults::default()),
        Some(StoredHeader {
            body: BodyState::Missing,
            faults,
            ..
        }) => put_block(batch, id, block, faults),
        Some(StoredHeader {
            body: BodyState::Stored { .. },
            ..
        }) => Ok(()),
    }
}

/// Header, height and body of a block.
pub(crate) fn put_block(
    batch: &mut Batch<'_>,
    id: &BlockId,
    block: &Block,
    faults: Faults,
) -> Result<(), StoreError> {
    let body = BodyState::Stored {
        uncle_work: uncle_work(&block.body),
    };
    put_header(
        batch,
        id,
        &StoredHeader {
            header: block.header,
            body,
            faults,
        },
    );
    batch.put(
        Table::Bodies,
        &block_key(block.header.height, id),
        &block.body,
    );
    Ok(())
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
