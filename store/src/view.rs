//! One moment of the store: what the rules read, and every look-up of a node.
//!
//! # Invariants
//! * All reads of a view show the same tip, whatever is written meanwhile.
//! * What is absent is `None`; what should be there and is not, or is not what was written, is
//!   [`StoreError::Damaged`] and never an answer.
//!
//! # Spec
//! docs/spec/13-storage.md §3-4
//!
//! # Not here
//! Reading everything at once ([`crate::verify`]); submissions ([`crate::pending`]); peers
//! ([`crate::peers`]).

use std::ops::Range;

use chain::codec::Decode;
use chain::units::RateEpoch;
use chain::{
    Block, BlockId, Body, EnvelopeBytes, Hash32, Header, Height, MessageId, PublicKey, Transaction,
    TxId,
};
use consensus::fork_choice::Anchors;
use consensus::{StateKey, StateView, ViewError};
use genesis::Params;
use rocksdb::{IteratorMode, ReadOptions, Snapshot};

use crate::database::database_error;
use crate::error::StoreError;
use crate::record;
use crate::schema::{
    self, BodyState, Location, META_ANCHORS, META_STOP, META_TIP, PREFIX_BYTES, Stop, StoredHeader,
    Table, Tip, block_key, height_key,
};
use crate::store::Store;
use crate::undo::UndoRecord;

/// Bytes that a scan reads ahead: two of the largest bodies.
const SCAN_BYTES: usize = 2 << 20;

/// Key and value of a row.
pub(crate) type Row = (Box<[u8]>, Box<[u8]>);

/// One moment of the store.
pub struct View<'s> {
    store: &'s Store,
    snapshot: Snapshot<'s>,
    tip: Tip,
}

impl<'s> View<'s> {
    pub(crate) fn new(store: &'s Store) -> Result<Self, StoreError> {
        let snapshot = store.database.db().snapshot();
        let nowhere = Tip {
            height: Height::new(0),
            id: BlockId::default(),
            state_root: Hash32::default(),
        };
        let mut view = Self {
            store,
            snapshot,
            tip: nowhere,
        };
        view.tip = view
            .get(Table::Meta, META_TIP)?
            .ok_or_else(|| StoreError::damaged("meta: there is no tip"))?;
        Ok(view)
    }

    /// The last block of the main chain.
    #[must_use]
    pub fn tip(&self) -> &Tip {
        &self.tip
    }

    /// The numbers of the network.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.store.params
    }

    /// Id of the main chain's block at `height`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and the disk's other refusals, as all functions here.
    pub fn id_at(&self, height: Height) -> Result<Option<BlockId>, StoreError> {
        self.get(Table::Chain, &height_key(height))
    }

    /// Header, body state and marks of a block of any branch.
    ///
    /// # Errors
    /// As [`View::id_at`].
    pub fn header(&self, id: &BlockId) -> Result<Option<StoredHeader>, StoreError> {
        let Some(height) = self.get(Table::Heights, id.as_bytes())? else {
            return Ok(None);
        };
        let key = block_key(height, id);
        let header = self.get(Table::Headers, &key)?;
        header
            .map(Some)
            .ok_or_else(|| record::damaged(Table::Headers, &key, "it is lost"))
    }

    /// Whether a header of that id was put.
    ///
    /// # Errors
    /// As [`View::id_at`].
    pub fn knows(&self, id: &BlockId) -> Result<bool, StoreError> {
        Ok(self.get::<Height>(Table::Heights, id.as_bytes())?.is_some())
    }

    /// Header of the main chain's block at `height`.
    ///
    /// # Errors
    /// As [`View::id_at`].
    pub fn header_at(&self, height: Height) -> Result<Option<Header>, StoreError> {
        let Some(id) = self.id_at(height)? else {
            return Ok(None);
        };
        let key = block_key(height, &id);
        let stored: Option<StoredHeader> = self.get(Table::Headers, &key)?;
        let lost = || record::damaged(Table::Headers, &key, "it is lost");
        stored.map(|stored| Some(stored.header)).ok_or_else(lost)
    }

    /// All headers at or above `height`, of every branch, ascending: what a block tree starts from.
    pub fn headers_from(
        &self,
        height: Height,
    ) -> impl Iterator<Item = Result<(BlockId, StoredHeader), StoreError>> {
        self.rows(Table::Headers, &height_key(height), None)
            .map(|row| {
                let (key, value) = row?;
                let (_, id) = schema::parse_block_key(&key)
                    .ok_or_else(|| record::damaged(Table::Headers, &key, "not a block's key"))?;
                Ok((id, record::open_value(Table::Headers, &key, &value)?))
            })
    }

    /// Body of a block of any branch.
    ///
    /// # Errors
    /// As [`View::id_at`].
    pub fn body(&self, id: &BlockId) -> Result<Option<Body>, StoreError> {
        Ok(self.block(id)?.map(|block| block.body))
    }

    /// A block of any branch, if its body is here.
    ///
    /// # Errors
    /// As [`View::id_at`].
    pub fn block(&self, id: &BlockId) -> Result<Option<Block>, StoreError> {
        let Some(StoredHeader { header, body, .. }) = self.header(id)? else {
            return Ok(None);
        };
        if body == BodyState::Missing {
            return Ok(None);
        }
        let key = block_key(header.height, id);
        let body = self.get(Table::Bodies, &key)?;
        let lost = || record::damaged(Table::Bodies, &key, "it is lost");
        body.map(|body| Some(Block { header, body }))
            .ok_or_else(lost)
    }

    /// The main chain's block at `height`.
    ///
    /// # Errors
    /// As [`View::id_at`].
    pub fn block_at(&self, height: Height) -> Result<Option<Block>, StoreError> {
        match self.id_at(height)? {
            Some(id) => self.block(&id),
            None => Ok(None),
        }
    }

    /// Bodies of the main chain in `heights`, ascending, read front to back.
    pub fn bodies(
        &self,
        heights: Range<Height>,
    ) -> impl Iterator<Item = Result<(Height, Body), StoreError>> {
        let end = height_key(heights.end);
        self.rows(Table::Bodies, &height_key(heights.start), Some(&end))
            .filter_map(|row| self.main_chain_body(row).transpose())
    }

    fn main_chain_body(
        &self,
        row: Result<Row, StoreError>,
    ) -> Result<Option<(Height, Body)>, StoreError> {
        let (key, value) = row?;
        let (height, id) = schema::parse_block_key(&key)
            .ok_or_else(|| record::damaged(Table::Bodies, &key, "not a block's key"))?;
        if self.id_at(height)? != Some(id) {
            return Ok(None);
        }
        Ok(Some((
            height,
            record::open_value(Table::Bodies, &key, &value)?,
        )))
    }

    /// A transaction of the main chain and where it stands.
    ///
    /// # Errors
    /// As [`View::id_at`].
    pub fn transaction(&self, id: &TxId) -> Result<Option<(Location, Transaction)>, StoreError> {
        self.find(Table::Transactions, id.as_bytes(), |body, position| {
            body.transactions
                .get(position)
                .filter(|found| found.id() == *id)
                .cloned()
        })
    }

    /// An envelope of the main chain and where it stands.
    ///
    /// # Errors
    /// As [`View::id_at`].
    pub fn envelope(
        &self,
        id: &MessageId,
    ) -> Result<Option<(Location, EnvelopeBytes)>, StoreError> {
        self.find(Table::Envelopes, id.as_bytes(), |body, position| {
            let found = body.envelopes.get(position)?;
            (found.parse().ok()?.mid() == *id).then(|| found.clone())
        })
    }

    /// Reads the body at each location under the prefix of `id` until one of them has the thing.
    fn find<T>(
        &self,
        table: Table,
        id: &[u8; 32],
        pick: impl Fn(&Body, usize) -> Option<T>,
    ) -> Result<Option<(Location, T)>, StoreError> {
        let mut from = id[..PREFIX_BYTES].to_vec();
        let mut to = from.clone();
        to.extend_from_slice(&[u8::MAX; 9]);
        from.extend_from_slice(&[0; 8]);
        for row in self.rows(table, &from, Some(&to)) {
            let (key, _) = row?;
            let location = schema::parse_index_key(&key)
                .ok_or_else(|| record::damaged(table, &key, "not a location"))?;
            let block = self
                .block_at(location.height)?
                .ok_or_else(|| record::damaged(table, &key, "it points to no block"))?;
            if let Some(found) = pick(&block.body, usize::from(location.position)) {
                return Ok(Some((location, found)));
            }
        }
        Ok(None)
    }

    /// What two nodes compare.
    ///
    /// # Errors
    /// [`ViewError`]: the state could not be read.
    pub fn state_hash(&self) -> Result<Hash32, ViewError> {
        consensus::state::state_hash(self, self.params())
    }

    /// The store that it is a moment of.
    pub(crate) fn store(&self) -> &'s Store {
        self.store
    }

    /// What the choice of the best block is bound to.
    ///
    /// # Errors
    /// As [`View::id_at`].
    pub fn anchors(&self) -> Result<Anchors, StoreError> {
        self.get(Table::Meta, META_ANCHORS)?
            .ok_or_else(|| StoreError::damaged("meta: there are no anchors"))
    }

    /// How the run before ended.
    pub(crate) fn stop(&self) -> Result<Stop, StoreError> {
        self.get(Table::Meta, META_STOP)?
            .ok_or_else(|| StoreError::damaged("meta: no stop mark"))
    }

    /// The way back from a main-chain block.
    pub(crate) fn undo(
        &self,
        height: Height,
        id: &BlockId,
    ) -> Result<Option<UndoRecord>, StoreError> {
        self.get(Table::Undo, &block_key(height, id))
    }

    /// One-time keys of the seen table's rows of `epoch`, ascending.
    pub(crate) fn seen_rows(&self, epoch: RateEpoch) -> Result<Vec<PublicKey>, StoreError> {
        let mut to = schema::epoch_key(epoch).to_vec();
        to.extend_from_slice(&[u8::MAX; 33]);
        self.rows(Table::Seen, &schema::epoch_key(epoch), Some(&to))
            .map(|row| {
                let (key, _) = row?;
                let (_, one_time_key) = schema::parse_seen_key(&key)
                    .ok_or_else(|| record::damaged(Table::Seen, &key, "not a seen key"))?;
                Ok(one_time_key)
            })
            .collect()
    }

    /// The payload of a row.
    pub(crate) fn bytes(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let cf = self.store.database.table(table);
        let found = self
            .snapshot
            .get_pinned_cf(cf, key)
            .map_err(|error| database_error(&error))?;
        found
            .map(|value| record::open(table, key, &value).map(<[u8]>::to_vec))
            .transpose()
    }

    /// The value of a row.
    pub(crate) fn get<T: Decode>(&self, table: Table, key: &[u8]) -> Result<Option<T>, StoreError> {
        let cf = self.store.database.table(table);
        let found = self
            .snapshot
            .get_pinned_cf(cf, key)
            .map_err(|error| database_error(&error))?;
        found
            .map(|value| record::open_value(table, key, &value))
            .transpose()
    }

    /// Whether a row is there, in tables that are all key.
    pub(crate) fn has(&self, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        let cf = self.store.database.table(table);
        let found = self
            .snapshot
            .get_pinned_cf(cf, key)
            .map_err(|error| database_error(&error))?;
        Ok(found.is_some())
    }

    /// Rows from `from` up to but not including `to`, ascending; leaves the cache alone.
    pub(crate) fn rows(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + use<'_, 's> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        options.set_readahead_size(SCAN_BYTES);
        options.set_iterate_lower_bound(from);
        if let Some(to) = to {
            options.set_iterate_upper_bound(to);
        }
        let cf = self.store.database.table(table);
        self.snapshot
            .iterator_cf_opt(cf, options, IteratorMode::Start)
            .map(|row| row.map_err(|error| database_error(&error)))
    }
}

impl std::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View")
            .field("tip", &self.tip)
            .finish_non_exhaustive()
    }
}

impl StateView for View<'_> {
    fn value(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.bytes(Table::Values, &schema::value_key(key))?)
    }

    fn node(&self, node_key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.bytes(Table::Nodes, node_key)?)
    }

    /// The table holds rows of the tip's rate epoch and, during its grace, of the one before.
    fn seen(&self, one_time_key: &PublicKey) -> Result<Option<RateEpoch>, ViewError> {
        let current = self.params().rate_epoch(self.tip.height);
        for epoch in [Some(current), current.checked_sub(1)]
            .into_iter()
            .flatten()
        {
            if self.has(Table::Seen, &schema::seen_key(epoch, one_time_key))? {
                return Ok(Some(epoch));
            }
        }
        Ok(None)
    }

    fn seen_in(&self, epoch: RateEpoch) -> Result<Vec<PublicKey>, ViewError> {
        Ok(self.seen_rows(epoch)?)
    }

    fn ancestor(&self, height: Height) -> Result<Option<Header>, ViewError> {
        if height > self.tip.height {
            return Ok(None);
        }
        Ok(self.header_at(height)?)
    }

    fn tip_height(&self) -> Result<Height, ViewError> {
        Ok(self.tip.height)
    }
}
