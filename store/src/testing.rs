//! A store next to the same chain in memory, for the tests of this crate.
//!
//! # Invariants
//! Deterministic: equal calls make equal chains.
//!
//! # Spec
//! docs/spec/13-storage.md
//!
//! # Not here
//! Blocks and states in memory: `consensus::testing`.

use chain::{Amount, Envelope, Network, Transaction};
use consensus::testing::{Owner, TestChain, TestEnvelope};
use consensus::{AppliedBlock, state};
use tempfile::TempDir;

use crate::schema::Table;
use crate::store::{Durability, Options, Store};

/// A store and its twin in memory.
pub(crate) struct Twins {
    pub folder: TempDir,
    pub chain: TestChain,
    pub store: Store,
}

/// Options that do not wait for the disk.
pub(crate) fn quick() -> Options {
    Options {
        durability: Durability::Grouped { blocks: 1_000 },
        ..Options::default()
    }
}

impl Twins {
    /// Both at genesis.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let chain = TestChain::new(Network::Regtest);
        let store = Store::open(folder.path(), chain.params(), quick()).expect("a fresh folder");
        Self {
            folder,
            chain,
            store,
        }
    }

    /// Both after this many blocks with content.
    pub(crate) fn with_blocks(count: u64) -> Self {
        let mut twins = Self::new();
        (0..count).for_each(|_| twins.connect());
        twins
    }

    /// Opens the store anew; the process ended without closing it.
    pub(crate) fn reopen(self) -> Self {
        let Self {
            folder,
            chain,
            store,
        } = self;
        drop(store);
        let store = Store::open(folder.path(), chain.params(), quick()).expect("undamaged");
        Self {
            folder,
            chain,
            store,
        }
    }

    /// A block with two envelopes and, once there are coins, a transfer.
    pub(crate) fn mine(&mut self) -> AppliedBlock {
        let (txs, envelopes) = (self.transfers(), self.envelopes());
        self.chain
            .mine(Owner::new(0).account(), &txs, &envelopes)
            .clone()
    }

    /// The same on both sides.
    pub(crate) fn connect(&mut self) {
        let applied = self.mine();
        self.store.connect(&applied).expect("a valid block");
    }

    /// The same on both sides.
    pub(crate) fn disconnect(&mut self) {
        let applied = self.chain.disconnect();
        let block = self.store.disconnect(applied.id()).expect("the tip");
        assert_eq!(block, *applied.block());
    }

    fn transfers(&self) -> Vec<Transaction> {
        let (payer, payee) = (Owner::new(0), Owner::new(1));
        let account = state::value::account(self.chain.state(), &payer.account());
        let account = account.expect("memory answers");
        if account.balance == Amount::ZERO {
            return Vec::new();
        }
        let prefix = payer.prefix(account.nonce, Amount::from_base(10_000));
        vec![payer.transfer(
            self.chain.params(),
            prefix,
            &[(payee.account(), Amount::from_base(5))],
        )]
    }

    fn envelopes(&self) -> Vec<Envelope> {
        let epoch = self.chain.rate_epoch();
        let height = self.chain.tip().height.get();
        let message = |number| TestEnvelope::message(self.chain.params(), epoch, number).envelope;
        vec![message(2 * height), message(2 * height + 1)]
    }

    /// Both show the same state.
    pub(crate) fn assert_equal(&self) {
        let view = self.store.view().expect("a tip");
        let memory = state::state_hash(self.chain.state(), self.chain.params());
        assert_eq!(view.state_hash(), memory);
        assert_eq!(view.tip().id, self.chain.tip().id());
    }

    /// Writes a raw record past all checks.
    pub(crate) fn put_raw(&self, table: Table, key: &[u8], value: &[u8]) {
        let database = &self.store.database;
        database
            .db()
            .put_cf(database.table(table), key, value)
            .expect("writable");
    }

    /// Removes a raw record past all checks.
    pub(crate) fn delete_raw(&self, table: Table, key: &[u8]) {
        let database = &self.store.database;
        database
            .db()
            .delete_cf(database.table(table), key)
            .expect("writable");
    }

    /// All rows of a table.
    pub(crate) fn rows(&self, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
        let view = self.store.view().expect("a tip");
        let rows = view.rows(table, &[], None);
        rows.map(|row| {
            row.map(|(key, value)| (key.into(), value.into()))
                .expect("readable")
        })
        .collect()
    }
}
