//! Holding the store against itself: the ends at every start, everything on demand.
//!
//! # Invariants
//! * The check at a start reads a fixed number of records, however long the chain is.
//! * The full check reads every record once: what it does not name is as it was written, the main
//!   chain is whole, and all tables tell the same story.
//!
//! # Spec
//! docs/spec/13-storage.md §7
//!
//! # Not here
//! The rules of the chain: blocks in here have passed them (`consensus`).

use chain::units::RateEpoch;
use chain::{BlockId, Body, Hash32, Header, Height, codec};
use consensus::StateKey;

use crate::commit::keys_of_bodies;
use crate::contents::{self, Contents};
use crate::error::StoreError;
use crate::folder::Stamp;
use crate::record;
use crate::schema::{
    self, BodyState, Location, META_STAMP, StoredHeader, Table, block_key, height_key,
};
use crate::undo::UndoRecord;
use crate::view::View;

/// What a full check has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Blocks of the main chain.
    pub blocks: u64,
    /// Headers of all branches.
    pub headers: u64,
    /// Transactions and envelopes of the main chain.
    pub items: u64,
    /// Values of the state.
    pub values: u64,
    /// Nodes of the state's tree.
    pub nodes: u64,
}

impl View<'_> {
    /// What every start looks at: stamp, both ends of the chain, the root of the state.
    pub(crate) fn check_ends(&self) -> Result<(), StoreError> {
        let stamp = self.bytes(Table::Meta, META_STAMP)?.unwrap_or_default();
        if String::from_utf8(stamp).ok().as_deref() != Some(&*Stamp::of(self.params()).to_text()) {
            return Err(StoreError::damaged("meta: the stamp is not the folder's"));
        }
        let tip = *self.tip();
        let genesis = Height::new(0);
        if self.id_at(genesis)? != Some(self.params().genesis_id()) {
            return Err(StoreError::damaged("chain: it does not begin at genesis"));
        }
        if self.id_at(tip.height)? != Some(tip.id) {
            return Err(StoreError::damaged("chain: its last block is not the tip"));
        }
        let above = height_key(tip.height.next().unwrap_or(tip.height));
        if tip.height.next().is_some() && self.rows(Table::Chain, &above, None).next().is_some() {
            return Err(StoreError::damaged("chain: it goes on above the tip"));
        }
        self.check_main_block(tip.height, &tip.id)?;
        if tip.height > genesis {
            self.undo(tip.height, &tip.id)?
                .ok_or_else(|| StoreError::damaged("undo: none for the tip"))?;
        }
        self.check_root()
    }

    /// Reads everything and holds it against everything else.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] naming the first thing that does not fit.
    pub fn verify(&self) -> Result<Verified, StoreError> {
        self.check_ends()?;
        let (blocks, items) = self.verify_main_chain()?;
        let headers = self.verify_branches()?;
        self.verify_seen()?;
        self.verify_undo()?;
        let values = self.verify_payloads(Table::Values, |key| {
            codec::decode::<StateKey>(key, key.len()).is_ok()
        })?;
        let nodes = self.verify_payloads(Table::Nodes, |_| true)?;
        self.anchors()?;
        self.pending_bytes()?;
        self.peers()?;
        self.bans()?;
        self.ballots()?;
        Ok(Verified {
            blocks,
            headers,
            items,
            values,
            nodes,
        })
    }

    fn check_root(&self) -> Result<(), StoreError> {
        if consensus::state::root(self)? == self.tip().state_root {
            Ok(())
        } else {
            Err(StoreError::damaged(
                "nodes: the root is not the one of the tip",
            ))
        }
    }

    /// A main-chain block with its header and body, which must belong to each other, to its height
    /// and to the block before.
    fn check_main_block(&self, height: Height, id: &BlockId) -> Result<(Header, Body), StoreError> {
        let wrong = |what: &str| {
            StoreError::damaged(format!("the block at height {height} ({id}): {what}"))
        };
        let block = self.block(id)?.ok_or_else(|| wrong("it has no body"))?;
        let header = block.header;
        if block.id() != *id || header.height != height {
            return Err(wrong("its header is another one's"));
        }
        if let Some(below) = height.checked_sub(1)
            && self.id_at(below)? != Some(header.parent)
        {
            return Err(wrong("the block before is not its parent"));
        }
        let body = block.body;
        let roots = (body.tx_root(), body.envelope_root().ok(), body.aux.root());
        if roots != (header.tx_root, Some(header.envelope_root), header.aux_root) {
            return Err(wrong("its body is another one's"));
        }
        Ok((header, body))
    }

    /// Every block of the main chain, and that the indexes hold exactly what is in them.
    fn verify_main_chain(&self) -> Result<(u64, u64), StoreError> {
        let (mut blocks, mut transactions, mut envelopes) = (0u64, 0u64, 0u64);
        for row in self.rows(Table::Chain, &[], None) {
            let (key, value) = row?;
            let height = Height::new(blocks);
            if *key != height_key(height) {
                return Err(record::damaged(
                    Table::Chain,
                    &key,
                    "a height is missing before it",
                ));
            }
            let id: BlockId = record::open_value(Table::Chain, &key, &value)?;
            let (_, body) = self.check_main_block(height, &id)?;
            let contents = Contents::of(&body)?;
            transactions += self.check_index(Table::Transactions, height, &contents)?;
            envelopes += self.check_index(Table::Envelopes, height, &contents)?;
            blocks += 1;
        }
        for (table, expected) in [
            (Table::Transactions, transactions),
            (Table::Envelopes, envelopes),
        ] {
            self.check_count(table, expected)?;
        }
        Ok((blocks, transactions + envelopes))
    }

    /// That an index names everything of a body; returns how much that is.
    fn check_index(
        &self,
        table: Table,
        height: Height,
        contents: &Contents,
    ) -> Result<u64, StoreError> {
        let ids: Vec<&[u8; 32]> = if table == Table::Transactions {
            contents
                .transactions
                .iter()
                .map(chain::TxId::as_bytes)
                .collect()
        } else {
            contents
                .messages
                .iter()
                .map(chain::MessageId::as_bytes)
                .collect()
        };
        for (index, id) in ids.iter().enumerate() {
            let location = Location {
                height,
                position: contents::position(index)?,
            };
            let key = schema::index_key(id, location);
            if !self.has(table, &key)? {
                return Err(record::damaged(table, &key, "it is lost"));
            }
        }
        Ok(u64::try_from(ids.len()).unwrap_or(u64::MAX))
    }

    /// Headers, heights and bodies of all branches.
    fn verify_branches(&self) -> Result<u64, StoreError> {
        let (mut headers, mut bodies) = (0u64, 0u64);
        for entry in self.headers_from(Height::new(0)) {
            let (id, StoredHeader { header, body, .. }) = entry?;
            let key = block_key(header.height, &id);
            if header.id() != id || self.get(Table::Heights, id.as_bytes())? != Some(header.height)
            {
                return Err(record::damaged(
                    Table::Headers,
                    &key,
                    "it is filed under another id",
                ));
            }
            if body != BodyState::Missing {
                self.block(&id)?;
                bodies += 1;
            }
            headers += 1;
        }
        self.check_count(Table::Heights, headers)?;
        self.check_count(Table::Bodies, bodies)?;
        Ok(headers)
    }

    /// The seen table holds the one-time keys of the includable epochs and nothing else.
    fn verify_seen(&self) -> Result<(), StoreError> {
        let tip = self.tip().height;
        let next = tip.next().unwrap_or(tip);
        let current = self.params().rate_epoch(next);
        let mut rows = 0u64;
        for epoch in [current.checked_sub(1), Some(current)]
            .into_iter()
            .flatten()
        {
            if self.params().accepts_epoch(next, epoch) {
                rows += self.verify_seen_in(epoch)?;
            }
        }
        self.check_count(Table::Seen, rows)
    }

    fn verify_seen_in(&self, epoch: RateEpoch) -> Result<u64, StoreError> {
        let rows = self.seen_rows(epoch)?;
        if rows != keys_of_bodies(self, epoch, self.tip().height)? {
            let what = format!("seen: rate epoch {epoch} is not what its bodies hold");
            return Err(StoreError::damaged(what));
        }
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }

    /// The way back from each of the last blocks, and no other.
    fn verify_undo(&self) -> Result<(), StoreError> {
        let tip = self.tip().height.get();
        let kept = self.store().undo_blocks.min(tip);
        for height in (tip - kept + 1..=tip).map(Height::new) {
            let id = self.id_at(height)?.unwrap_or_default();
            let undo: Option<UndoRecord> = self.undo(height, &id)?;
            undo.ok_or_else(|| StoreError::damaged(format!("undo: none at height {height}")))?;
        }
        self.check_count(Table::Undo, kept)
    }

    /// Every record of a table opens under a key that makes sense.
    fn verify_payloads(
        &self,
        table: Table,
        is_key: impl Fn(&[u8]) -> bool,
    ) -> Result<u64, StoreError> {
        let mut rows = 0;
        for row in self.rows(table, &[], None) {
            let (key, value) = row?;
            record::open(table, &key, &value)?;
            if !is_key(&key) {
                return Err(record::damaged(table, &key, "not a key of this table"));
            }
            rows += 1;
        }
        Ok(rows)
    }

    fn check_count(&self, table: Table, expected: u64) -> Result<(), StoreError> {
        let mut found = 0u64;
        for row in self.rows(table, &[], None) {
            row?;
            found += 1;
        }
        if found == expected {
            return Ok(());
        }
        let name = table.name();
        Err(StoreError::damaged(format!(
            "{name}: {found} rows where {expected} belong"
        )))
    }

    /// A hash over all rows of each table.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and the disk's other refusals.
    pub fn digest(&self) -> Result<Vec<(Table, Hash32)>, StoreError> {
        let digest_of = |table| {
            let mut hasher = blake3::Hasher::new();
            for row in self.rows(table, &[], None) {
                let (key, value) = row?;
                for part in [key, value] {
                    hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
                    hasher.update(&part);
                }
            }
            Ok((table, Hash32::from_bytes(*hasher.finalize().as_bytes())))
        };
        Table::ALL.into_iter().map(digest_of).collect()
    }

    /// Bytes of keys and values of the state's tree: what a fresh import would write.
    ///
    /// # Errors
    /// As [`View::digest`].
    pub fn tree_bytes(&self) -> Result<u64, StoreError> {
        self.rows(Table::Nodes, &[], None)
            .try_fold(0u64, |sum, row| {
                let (key, value) = row?;
                let bytes = u64::try_from(key.len() + value.len()).unwrap_or(u64::MAX);
                Ok(sum.saturating_add(bytes))
            })
    }
}

#[cfg(test)]
mod tests;
