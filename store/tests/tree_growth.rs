//! After 10,000 blocks with churn and reorganisations the tree takes about as many bytes as a fresh
//! import of the same chain.
//!
//! # Invariants
//! Blocks go through the rules; the reorganisations really happen and are counted.
//!
//! # Spec
//! docs/spec/13-storage.md §5, docs/decisions/0002-stale-tree-nodes-live-in-the-undo.md
//!
//! # Not here
//! Whether both show the same state after every step: `model.rs`.

use std::path::Path;

use chain::{Amount, Network, Transaction};
use consensus::testing::{Owner, TestChain};
use consensus::{AppliedBlock, state};
use store::{Durability, Options, Store, Table};

/// Blocks of the final chain.
const BLOCKS: u64 = 10_000;
/// A reorganisation happens after so many blocks...
const REORG_EVERY: u64 = 50;
/// ...and takes back one block more each time, up to this many.
const REORG_DEPTH_MAX: u64 = 12;
/// Owners that are paid in turn; there is always somebody new among them.
const PAYEES: u64 = 4_000;

fn open(folder: &Path, chain: &TestChain) -> Store {
    let options = Options {
        durability: Durability::Grouped { blocks: 1_000 },
        ..Options::default()
    };
    Store::open(folder, chain.params(), options).expect("a fresh folder")
}

/// One or two transfers, to others on every branch.
fn transfers(chain: &TestChain, number: u64) -> Vec<Transaction> {
    let payer = Owner::new(0);
    let account = state::value::account(chain.state(), &payer.account()).expect("memory answers");
    if account.balance == Amount::ZERO {
        return Vec::new();
    }
    let count = 1 + number % 2;
    (0..count)
        .map(|index| {
            let prefix = payer.prefix(account.nonce + index, Amount::from_base(10_000));
            let payee = Owner::new(1 + (number * 7 + index) % PAYEES).account();
            payer.transfer(chain.params(), prefix, &[(payee, Amount::from_base(3))])
        })
        .collect()
}

/// Rows of values and nodes, and the bytes of the tables that hold them, in their final form.
fn tree(store: &Store) -> (u64, u64, u64) {
    store.close().expect("room on the disk");
    store.compact();
    let verified = store.view().and_then(|view| view.verify()).expect("whole");
    let bytes = store.file_bytes(Table::Values) + store.file_bytes(Table::Nodes);
    (verified.values, verified.nodes, bytes)
}

#[test]
fn after_10_000_blocks_and_many_reorganisations_the_tree_is_as_small_as_after_an_import() {
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a temporary folder"));
    let mut chain = TestChain::new(Network::Regtest);
    let grown = open(folders[0].path(), &chain);
    let (mut number, mut reorganisations, mut taken_back) = (0, 0, 0);
    while chain.tip().height.get() < BLOCKS {
        number += 1;
        let transfers = transfers(&chain, number);
        let applied = chain.mine(Owner::new(0).account(), &transfers, &[]);
        grown.connect(applied).expect("room on the disk");
        if number % REORG_EVERY == 0 {
            reorganisations += 1;
            for _ in 0..1 + reorganisations % REORG_DEPTH_MAX {
                let applied = chain.disconnect();
                grown.disconnect(applied.id()).expect("the tip");
                taken_back += 1;
            }
        }
    }
    assert!(reorganisations >= 100 && taken_back >= 500);

    let imported = open(folders[1].path(), &chain);
    let connect = |applied: &AppliedBlock| imported.connect(applied).expect("room on the disk");
    chain.blocks().iter().for_each(connect);
    let hash = |store: &Store| store.view().expect("a tip").state_hash().expect("readable");
    assert_eq!(hash(&grown), hash(&imported));

    let (values, nodes, bytes) = tree(&grown);
    let (fresh_values, fresh_nodes, fresh_bytes) = tree(&imported);
    println!(
        "{reorganisations} reorganisations took back {taken_back} blocks; {values} values and \
         {nodes} nodes in {bytes} bytes, {fresh_bytes} bytes after an import"
    );
    assert!(values > PAYEES / 2, "{values} values are no churn");
    assert!(fresh_bytes > 0);
    assert_eq!((values, nodes), (fresh_values, fresh_nodes));
    assert!(bytes <= 2 * fresh_bytes);
}
