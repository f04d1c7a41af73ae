//! One frozen hash per table and file: the format on disk cannot change unseen.
//!
//! # Invariants
//! `conformance.toml` holds a line for every table, the vault's file and the folder's stamp, after
//! the same short life. It is written again only by `X3C_BLESS=1 cargo nextest run --workspace -E
//! 'package(chainchat-store)'`; a changed line is a changed format and needs a new
//! `schema::FORMAT`, unless what the chain itself holds has changed.
//!
//! # Spec
//! docs/spec/13-storage.md §3, §11
//!
//! # Not here
//! Encodings of the chain's own types: `chain/conformance.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use chain::units::CheckpointNumber;
use chain::{Amount, BlockId, Hash32, Height, Network, PublicKey, Timestamp, TxId};
use consensus::testing::{Owner, TestChain, TestEnvelope};
use store::{
    Ballot, BanRow, KillPoints, Options, PeerRow, PendingId, PendingRow, Store, Vault, folder,
    vault,
};

const HEAD: &str = "\
# blake3 over all rows of each table, and over each file, after the same short life.
# A changed line is a changed format. Written by X3C_BLESS=1; see tests/conformance.rs.
";

/// Twenty blocks, which close a rate epoch, and a row in every table.
fn live(path: &Path) -> BTreeMap<String, Hash32> {
    let mut memory = TestChain::new(Network::Regtest);
    let params = memory.params().clone();
    let store = Store::open(path, &params, Options::default()).expect("a fresh folder");
    let (miner, payee) = (Owner::new(0), Owner::new(1));
    for number in 0..20 {
        let message = TestEnvelope::message(&params, memory.rate_epoch(), number).envelope;
        let prefix = miner.prefix(number.saturating_sub(1), Amount::from_base(10_000));
        let outputs = [(payee.account(), Amount::from_base(5))];
        let transfer = miner.transfer(&params, prefix, &outputs);
        let transfers = if number == 0 { vec![] } else { vec![transfer] };
        let applied = memory.mine(miner.account(), &transfers, &[message]);
        store.connect(applied).expect("room");
    }
    let id = PendingId::Transaction(TxId::from_bytes([1; 32]));
    store
        .put_pending(&[PendingRow {
            id,
            bytes: vec![1, 2, 3],
        }])
        .expect("room");
    let seen = Timestamp::new(3);
    let peer = PeerRow {
        seen,
        answered: Some(Timestamp::new(2)),
        failures: 1,
    };
    store
        .put_peers(&[("/ip4/10.0.0.1/tcp/1".to_owned(), peer)])
        .expect("room");
    store
        .put_ban("somebody", &BanRow::new(Timestamp::new(4), "a reason"))
        .expect("room");
    let ballot = Ballot {
        last_voted: Some(Height::new(7)),
        max_source: Some(CheckpointNumber::new(1)),
        max_target: Some(CheckpointNumber::new(2)),
        target_id: Some(BlockId::from_bytes([8; 32])),
    };
    store
        .put_ballot(&PublicKey::from_bytes([6; 32]), &ballot)
        .expect("room");
    let digest = store.view().expect("a tip").digest().expect("readable");
    digest
        .into_iter()
        .map(|(table, hash)| (table.name().to_owned(), hash))
        .collect()
}

fn file_hash(path: &Path) -> Hash32 {
    Hash32::from_bytes(chain::hash::blake3(&std::fs::read(path).expect("readable")))
}

#[test]
fn every_table_and_file_has_the_frozen_hash() {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let (node, profile) = (
        temporary.path().join("node"),
        temporary.path().join("profile"),
    );
    let mut current = live(&node);
    let stamp = node.join(folder::CHAIN_FOLDER).join(folder::STAMP_FILE);
    current.insert("stamp file".to_owned(), file_hash(&stamp));
    let mut vault = Vault::create(&profile, KillPoints::none()).expect("a fresh folder");
    vault
        .append(&[b"one".to_vec(), b"two".to_vec()])
        .expect("room");
    current.insert(
        "vault file".to_owned(),
        file_hash(&profile.join(vault::VAULT_FILE)),
    );

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance.toml");
    let lines = current
        .iter()
        .map(|(name, hash)| format!("\"{name}\" = \"{hash}\"\n"));
    let text = HEAD.to_owned() + &lines.collect::<String>();
    if std::env::var_os("X3C_BLESS").is_some() {
        std::fs::write(&path, &text).expect("conformance.toml can be written");
    }
    let frozen = std::fs::read_to_string(&path).expect("conformance.toml is part of the project");
    assert_eq!(
        text, frozen,
        "a format on disk changed; see the head of this file"
    );
}
