//! Blocks in and out: one atomic batch each, which moves the tip, the state, the indexes and the
//! way back together.
//!
//! # Invariants
//! * A batch is written whole or not at all; there is no second write that belongs to it.
//! * [`Store::disconnect`] restores every table as it was before [`Store::connect`], but for the
//!   block itself, which stays as a side block, and for undo records that fell out of the window.
//! * What a change claims is checked before it is written, and the tip after it was.
//!
//! # Spec
//! docs/spec/13-storage.md §5
//!
//! # Not here
//! Side branches ([`crate::blocks`]); whether a block is valid and what it changes (`consensus`).

use std::collections::BTreeSet;

use chain::units::RateEpoch;
use chain::{Block, BlockId, Body, Height, PublicKey, codec};
use consensus::{AppliedBlock, StateDiff};

use crate::blocks;
use crate::contents::{self, Contents};
use crate::database::Batch;
use crate::error::StoreError;
use crate::kill;
use crate::pending::{self, PendingId};
use crate::schema::{self, Location, META_TIP, Table, Tip, block_key, height_key};
use crate::store::{Purpose, Store};
use crate::undo::{self, Blob, Closed, SeenChange, UndoRecord, Waited};
use crate::view::View;

impl Store {
    /// Moves the tip to a block that was applied to the state after the tip.
    ///
    /// # Errors
    /// [`StoreError::NotOnTip`]; [`StoreError::Full`]; [`StoreError::Damaged`]. Nothing was written
    /// then.
    pub fn connect(&self, applied: &AppliedBlock) -> Result<(), StoreError> {
        let mut writer = self.writer();
        let view = self.view()?;
        let tip = next_tip(view.tip(), applied)?;
        let contents = Contents::of_applied(applied)?;
        let mut batch = self.database.batch();
        blocks::put_applied(&mut batch, &view, applied)?;
        batch.put(Table::Chain, &height_key(tip.height), applied.id());
        put_state(&mut batch, applied.diff());
        let seen = SeenChange::of(applied.diff(), applied.undo())?;
        let closed = put_seen(&mut batch, &view, &seen, &contents)?;
        let waited = remove_waited(&mut batch, &view, &contents)?;
        let (values, nodes) = undo::befores(applied.diff(), applied.undo())?;
        let record = UndoRecord {
            values,
            nodes,
            closed,
            waited: waited.rows,
        };
        batch.put(Table::Undo, &block_key(tip.height, applied.id()), &record);
        self.prune_undo(&mut batch, &view, tip.height)?;
        index(&contents, tip.height, |table, key| batch.mark(table, key))?;
        batch.put(Table::Meta, META_TIP, &tip);
        drop(view);

        self.kill_points.pass(kill::COMMIT_BEFORE_WRITE);
        self.write_tip(&mut writer, batch, Purpose::Work)?;
        self.kill_points.pass(kill::COMMIT_AFTER_WRITE);
        self.pending_shrank(waited.bytes);
        self.check_tip(&tip)
    }

    /// Takes the tip back to its parent and hands out the block that left the chain, so that what
    /// it held can wait again. What had a durable row before it was included has it again.
    ///
    /// # Errors
    /// [`StoreError::NotTheTip`]; [`StoreError::UndoGone`] for genesis and for blocks whose undo
    /// record is no longer kept; [`StoreError::Damaged`]. Nothing was written then.
    pub fn disconnect(&self, id: &BlockId) -> Result<Block, StoreError> {
        let mut writer = self.writer();
        let view = self.view()?;
        let tip = *view.tip();
        if tip.id != *id {
            return Err(StoreError::NotTheTip {
                tip: tip.id,
                asked: *id,
            });
        }
        let gone = StoreError::UndoGone { height: tip.height };
        let record = view.undo(tip.height, id)?.ok_or_else(|| gone.clone())?;
        let height = tip.height.checked_sub(1).ok_or(gone)?;
        let block = view
            .block(id)?
            .ok_or_else(|| StoreError::damaged("the tip has no body"))?;
        let contents = Contents::of(&block.body)?;
        let parent = Tip {
            height,
            id: block.header.parent,
            state_root: block.header.state_root,
        };

        let mut batch = self.database.batch();
        batch.delete(Table::Chain, &height_key(tip.height));
        batch.delete(Table::Undo, &block_key(tip.height, id));
        restore_state(&mut batch, &record);
        restore_seen(&mut batch, &view, &record, &contents)?;
        let bytes = restore_waited(&mut batch, &record, &block.body, &contents)?;
        index(&contents, tip.height, |table, key| batch.delete(table, key))?;
        batch.put(Table::Meta, META_TIP, &parent);
        drop(view);

        self.kill_points.pass(kill::DISCONNECT_BEFORE_WRITE);
        self.write_tip(&mut writer, batch, Purpose::Relief)?;
        self.kill_points.pass(kill::DISCONNECT_AFTER_WRITE);
        self.pending_grew(bytes);
        self.check_tip(&parent)?;
        Ok(block)
    }

    fn prune_undo(
        &self,
        batch: &mut Batch<'_>,
        view: &View<'_>,
        tip: Height,
    ) -> Result<(), StoreError> {
        let Some(height) = tip
            .checked_sub(self.undo_blocks)
            .filter(|height| height.get() > 0)
        else {
            return Ok(());
        };
        let id = view
            .id_at(height)?
            .ok_or_else(|| StoreError::damaged(format!("chain: no block at height {height}")))?;
        batch.delete(Table::Undo, &block_key(height, &id));
        Ok(())
    }

    /// The other half of the assertion that a batch moved the tip where it said.
    fn check_tip(&self, expected: &Tip) -> Result<(), StoreError> {
        if self.view()?.tip() == expected {
            Ok(())
        } else {
            Err(StoreError::damaged("the tip is not the one just written"))
        }
    }
}

/// The tip that `applied` leads to, if it stands on `tip`.
fn next_tip(tip: &Tip, applied: &AppliedBlock) -> Result<Tip, StoreError> {
    let header = &applied.block().header;
    if header.parent != tip.id || Some(header.height) != tip.height.next() {
        return Err(StoreError::NotOnTip {
            tip: tip.id,
            parent: header.parent,
        });
    }
    if header.state_root != tip.state_root || header.id() != *applied.id() {
        return Err(StoreError::Inconsistent {
            what: "a block on another state",
        });
    }
    Ok(Tip {
        height: header.height,
        id: *applied.id(),
        state_root: *applied.state_root(),
    })
}

fn put_state(batch: &mut Batch<'_>, diff: &StateDiff) {
    for (key, value) in &diff.values {
        put_or_delete(batch, Table::Values, &schema::value_key(key), value.clone());
    }
    for (key, node) in &diff.nodes {
        put_or_delete(batch, Table::Nodes, key, node.clone());
    }
}

fn restore_state(batch: &mut Batch<'_>, record: &UndoRecord) {
    let bytes = |blob: &Option<Blob>| blob.clone().map(|Blob(bytes)| bytes);
    for before in &record.values {
        let key = schema::value_key(&before.key);
        put_or_delete(batch, Table::Values, &key, bytes(&before.value));
    }
    for before in &record.nodes {
        put_or_delete(batch, Table::Nodes, &before.key.0, bytes(&before.node));
    }
}

fn put_or_delete(batch: &mut Batch<'_>, table: Table, key: &[u8], payload: Option<Vec<u8>>) {
    match payload {
        Some(payload) => batch.put_bytes(table, key, payload),
        None => batch.delete(table, key),
    }
}

/// Writes the change of the seen table. It can be restored from bodies only if it follows from
/// them: a block adds what its body brings, and closes epochs as a whole.
fn put_seen(
    batch: &mut Batch<'_>,
    view: &View<'_>,
    change: &SeenChange,
    contents: &Contents,
) -> Result<Vec<Closed>, StoreError> {
    let mut closed = Vec::new();
    for epoch in change.epochs() {
        let removed = change.removed_from(epoch);
        if view.seen_rows(epoch)? != removed {
            return Err(StoreError::Inconsistent {
                what: "a rate epoch closed in part",
            });
        }
        let (from, to) = epoch_range(epoch);
        batch.delete_range(Table::Seen, &from, &to);
        closed.push(Closed::of(epoch, &removed));
    }
    // An envelope of an epoch that ends with this very block leaves no row.
    if !change
        .added
        .is_subset(&undo::rows_of_body(&contents.seen, &closed))
    {
        return Err(StoreError::Inconsistent {
            what: "a seen key that no envelope brought",
        });
    }
    for (epoch, key) in &change.added {
        batch.mark(Table::Seen, &schema::seen_key(*epoch, key));
    }
    Ok(closed)
}

fn restore_seen(
    batch: &mut Batch<'_>,
    view: &View<'_>,
    record: &UndoRecord,
    contents: &Contents,
) -> Result<(), StoreError> {
    for (epoch, key) in undo::rows_of_body(&contents.seen, &record.closed) {
        batch.delete(Table::Seen, &schema::seen_key(epoch, &key));
    }
    let below = view.tip().height.checked_sub(1).unwrap_or_default();
    for closed in &record.closed {
        let keys = keys_of_bodies(view, closed.epoch, below)?;
        if Closed::of(closed.epoch, &keys) != *closed {
            let epoch = closed.epoch;
            return Err(StoreError::damaged(format!(
                "the bodies of rate epoch {epoch} changed"
            )));
        }
        keys.iter()
            .for_each(|key| batch.mark(Table::Seen, &schema::seen_key(closed.epoch, key)));
    }
    Ok(())
}

/// Keys of the seen table from the first of `epoch` up to the first of the next.
fn epoch_range(epoch: RateEpoch) -> ([u8; 4], Vec<u8>) {
    let from = schema::epoch_key(epoch);
    let to = match epoch.checked_add(1) {
        Some(next) => schema::epoch_key(next).to_vec(),
        None => vec![u8::MAX; 37],
    };
    (from, to)
}

/// One-time keys that the main chain's envelopes of `epoch` used up to `tip`, ascending.
pub(crate) fn keys_of_bodies(
    view: &View<'_>,
    epoch: RateEpoch,
    tip: Height,
) -> Result<Vec<PublicKey>, StoreError> {
    let start = view.params().rate_epoch_start(epoch);
    let window = view
        .params()
        .rate_epoch_blocks
        .saturating_add(view.params().rate_grace_blocks);
    let end = start
        .checked_add(window)
        .unwrap_or(tip)
        .min(tip.next().unwrap_or(tip));
    let mut keys = BTreeSet::new();
    for entry in view.bodies(start..end) {
        let (_, body) = entry?;
        let rows = contents::seen_rows(&body)?;
        keys.extend(
            rows.into_iter()
                .filter(|row| row.0 == epoch)
                .map(|row| row.1),
        );
    }
    Ok(keys.into_iter().collect())
}

/// Rows of the pending table that a block made superfluous.
struct Superfluous {
    rows: Vec<Waited>,
    bytes: u64,
}

fn remove_waited(
    batch: &mut Batch<'_>,
    view: &View<'_>,
    contents: &Contents,
) -> Result<Superfluous, StoreError> {
    let mut found = Superfluous {
        rows: Vec::new(),
        bytes: 0,
    };
    if view.has_no_pending() {
        return Ok(found);
    }
    let mut remove = |id: PendingId, waited: Waited| -> Result<(), StoreError> {
        if let Some(bytes) = view.pending_len(&id)? {
            batch.delete(Table::Pending, &id.key());
            found.rows.push(waited);
            found.bytes = found.bytes.saturating_add(bytes);
        }
        Ok(())
    };
    for (index, id) in contents.transactions.iter().enumerate() {
        let position = contents::position(index)?;
        remove(PendingId::Transaction(*id), Waited::Transaction(position))?;
    }
    for (index, id) in contents.envelopes.iter().enumerate() {
        let position = contents::position(index)?;
        remove(PendingId::Envelope(*id), Waited::Envelope(position))?;
    }
    Ok(found)
}

/// Puts the rows back and returns their bytes.
fn restore_waited(
    batch: &mut Batch<'_>,
    record: &UndoRecord,
    body: &Body,
    contents: &Contents,
) -> Result<u64, StoreError> {
    let mut restored = 0u64;
    for waited in &record.waited {
        let row = match *waited {
            Waited::Transaction(position) => {
                let position = usize::from(position);
                contents
                    .transactions
                    .get(position)
                    .zip(body.transactions.get(position))
                    .map(|(id, transaction)| {
                        (PendingId::Transaction(*id), codec::encode(transaction))
                    })
            }
            Waited::Envelope(position) => {
                let position = usize::from(position);
                contents
                    .envelopes
                    .get(position)
                    .zip(body.envelopes.get(position))
                    .map(|(id, envelope)| (PendingId::Envelope(*id), envelope.as_slice().to_vec()))
            }
        };
        let (id, bytes) = row.ok_or_else(|| StoreError::damaged("undo names what no body has"))?;
        restored = restored.saturating_add(pending::row_bytes(&bytes));
        batch.put_bytes(Table::Pending, &id.key(), bytes);
    }
    Ok(restored)
}

/// Calls `write` with the index row of everything in a block at `height`.
fn index(
    contents: &Contents,
    height: Height,
    mut write: impl FnMut(Table, &[u8]),
) -> Result<(), StoreError> {
    for (index, id) in contents.transactions.iter().enumerate() {
        let location = Location {
            height,
            position: contents::position(index)?,
        };
        write(
            Table::Transactions,
            &schema::index_key(id.as_bytes(), location),
        );
    }
    for (index, id) in contents.messages.iter().enumerate() {
        let location = Location {
            height,
            position: contents::position(index)?,
        };
        write(
            Table::Envelopes,
            &schema::index_key(id.as_bytes(), location),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
