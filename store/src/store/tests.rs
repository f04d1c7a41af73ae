use std::sync::atomic::AtomicU64;

use chain::Network;

use super::*;
use crate::pending::{PendingId, PendingRow};
use crate::space::Space;
use crate::testing::{Twins, quick};

fn regtest() -> Params {
    Params::of(Network::Regtest)
}

fn open(folder: &Path, params: &Params) -> Result<Store, StoreError> {
    Store::open(folder, params, quick())
}

fn refusal(folder: &Path, params: &Params) -> StoreError {
    open(folder, params).map(|_| ()).expect_err("refused")
}

/// Every file below a folder with its bytes, but for lock files.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .file_name()
                .is_some_and(|name| name != "lock" && name != "LOCK")
            {
                let bytes = fs::read(&path).expect("readable");
                found.push((path, bytes));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_fresh_folder_begins_at_genesis_and_opens_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a/node");
    let store = open(&path, &regtest()).expect("fresh");
    assert_eq!(
        *store.recovery(),
        Recovery {
            previous: None,
            dropped: Vec::new()
        }
    );
    let view = store.view().expect("a tip");
    assert_eq!(view.tip().id, regtest().genesis_id());
    let memory = consensus::testing::TestChain::new(Network::Regtest);
    let expected = consensus::state::state_hash(memory.state(), &regtest());
    assert_eq!(view.state_hash(), expected);
    drop(view);
    store.close().expect("writable");
    drop(store);
    let store = open(&path, &regtest()).expect("closed");
    assert_eq!(store.recovery().previous, Some(Stop::Clean));
    drop(store);
    let store = open(&path, &regtest()).expect("not closed");
    assert_eq!(store.recovery().previous, Some(Stop::Unclean));
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_enter_the_folder() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("node");
    fs::create_dir(&path).expect("writable");
    let _store = open(&path, &regtest()).expect("fresh");
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn refusals_have_names_and_change_nothing() {
    let Twins { folder, store, .. } = Twins::with_blocks(2);
    let refused = refusal(folder.path(), &regtest());
    assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
    assert!(refused.refuses_folder());
    drop(store);

    let before = files(folder.path());
    let refused = refusal(folder.path(), &Params::of(Network::Dev));
    let expected = StoreError::WrongNetwork {
        expected: Network::Dev,
        found: Network::Regtest,
    };
    assert_eq!(refused, expected);
    let mut other = regtest();
    other.genesis_time = chain::Timestamp::new(1);
    let refused = refusal(folder.path(), &other);
    let expected = StoreError::WrongChain {
        expected: other.chain_id(),
        found: regtest().chain_id(),
    };
    assert_eq!(refused, expected);
    assert_eq!(files(folder.path()), before);

    let stamp = folder.path().join(CHAIN_FOLDER).join(STAMP_FILE);
    let text = fs::read(&stamp).expect("readable");
    let newer = Stamp {
        format: schema::FORMAT + 1,
        ..Stamp::of(&regtest())
    }
    .to_text();
    fs::write(&stamp, newer).expect("writable");
    let before = files(folder.path());
    let expected = StoreError::FormatTooNew {
        found: schema::FORMAT + 1,
        newest: schema::FORMAT,
    };
    assert_eq!(refusal(folder.path(), &regtest()), expected);
    assert_eq!(files(folder.path()), before);

    fs::write(&stamp, b"ChainChat chain folder\n").expect("writable");
    let refused = refusal(folder.path(), &regtest());
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    fs::write(&stamp, text).expect("writable");
    assert!(open(folder.path(), &regtest()).is_ok());
}

#[test]
fn a_foreign_folder_is_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("thesis.odt"), b"years of work").expect("writable");
    fs::create_dir(folder.path().join("pictures")).expect("writable");
    let refused = refusal(folder.path(), &regtest());
    assert!(
        matches!(refused, StoreError::ForeignFolder { .. }),
        "{refused}"
    );
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 2);
}

#[test]
fn an_interrupted_beginning_is_begun_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let new = folder.path().join(CHAIN_FOLDER_NEW);
    fs::create_dir_all(folder::database(&new)).expect("writable");
    fs::write(folder::database(&new).join("MANIFEST-000001"), b"half").expect("writable");
    let store = open(folder.path(), &regtest()).expect("nothing of value was there");
    assert_eq!(store.view().expect("a tip").tip().height, Height::new(0));
    assert!(!new.exists());
}

#[test]
fn a_lost_database_file_is_damage_not_a_fresh_start() {
    let Twins {
        folder,
        chain,
        store,
    } = Twins::with_blocks(3);
    store.close().expect("writable");
    drop(store);
    let database = folder::database(&folder.path().join(CHAIN_FOLDER));
    let lost = |kind: &str| {
        let mut paths = fs::read_dir(&database)
            .expect("readable")
            .map(|entry| entry.expect("readable").path());
        paths
            .find(|path| path.to_string_lossy().contains(kind))
            .expect("there")
    };
    for kind in ["CURRENT", "MANIFEST", ".sst"] {
        let path = lost(kind);
        let bytes = fs::read(&path).expect("readable");
        fs::remove_file(&path).expect("there");
        let refused = refusal(folder.path(), &regtest());
        assert!(
            matches!(refused, StoreError::Damaged { .. }),
            "{kind}: {refused}"
        );
        fs::write(&path, bytes).expect("writable");
    }
    let store = open(folder.path(), &regtest()).expect("all there again");
    assert_eq!(store.view().expect("a tip").tip().id, chain.tip().id());
}

#[test]
fn a_flipped_bit_in_any_file_ends_in_the_same_state_or_a_named_error() {
    let Twins {
        folder,
        chain,
        store,
    } = Twins::with_blocks(24);
    let expected = store.view().expect("a tip").state_hash().expect("readable");
    store.close().expect("writable");
    drop(store);
    let good = files(folder.path());
    let total: usize = good.iter().map(|(_, bytes)| bytes.len()).sum();
    let (mut named, mut harmless) = (0, 0);
    for step in 0..40 {
        // Spread over all files by their sizes.
        let mut at = total * step / 40;
        let (path, bytes) = good
            .iter()
            .find(|(_, bytes)| {
                let is_here = at < bytes.len();
                at -= if is_here { 0 } else { bytes.len() };
                is_here
            })
            .expect("within the total");
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (step % 8);
        fs::write(path, flipped).expect("writable");
        let checked = open(folder.path(), chain.params()).and_then(|store| {
            let view = store.view()?;
            view.verify()?;
            Ok((view.state_hash()?, *view.tip()))
        });
        match checked {
            Ok((hash, tip)) => {
                assert_eq!(
                    (hash, tip.id),
                    (expected, chain.tip().id()),
                    "{path:?} byte {at}"
                );
                harmless += 1;
            }
            Err(StoreError::Damaged { .. } | StoreError::Database { .. }) => named += 1,
            Err(other) => panic!("{path:?} byte {at}: {other}"),
        }
        // The run may have written new files; all of them go.
        fs::remove_dir_all(folder.path().join(CHAIN_FOLDER)).expect("there");
        for (path, bytes) in &good {
            fs::create_dir_all(path.parent().expect("a file")).expect("writable");
            fs::write(path, bytes).expect("writable");
        }
    }
    assert!(
        named > 0 && named + harmless == 40,
        "{named} named, {harmless} harmless"
    );
}

#[test]
fn a_torn_or_damaged_log_leads_back_to_a_block_and_is_reported() {
    let Twins {
        folder,
        chain,
        store,
    } = Twins::with_blocks(24);
    // Not closed: the blocks are in the log alone.
    drop(store);
    let database = folder::database(&folder.path().join(CHAIN_FOLDER));
    let log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "log");
    let path = files(&database)
        .into_iter()
        .map(|(path, _)| path)
        .filter(log)
        .max_by_key(|path| fs::metadata(path).expect("there").len())
        .expect("a log");
    let good = files(folder.path());
    let bytes = fs::read(&path).expect("readable");
    assert!(bytes.len() > 20_000);
    for cut in [bytes.len() - 1, bytes.len() * 2 / 3, bytes.len() / 3] {
        for is_flip in [false, true] {
            let mut damaged = bytes.clone();
            if is_flip {
                damaged[cut] ^= 16;
            } else {
                damaged.truncate(cut);
            }
            fs::write(&path, &damaged).expect("writable");
            let store = open(folder.path(), chain.params()).expect("a prefix is left");
            assert!(
                !store.recovery().dropped.is_empty(),
                "cut {cut}, flip {is_flip}"
            );
            let view = store.view().expect("a tip");
            view.verify().expect("undamaged");
            let height = view.tip().height;
            assert_eq!(Some(view.tip().id), chain.id_at(height));
            drop(view);
            let missing = usize::try_from(height.get()).expect("small");
            for applied in &chain.blocks()[missing..] {
                store.connect(applied).expect("fetched again");
            }
            let hash = consensus::state::state_hash(chain.state(), chain.params());
            assert_eq!(store.view().expect("a tip").state_hash(), hash);
            drop(store);
            fs::remove_dir_all(folder.path().join(CHAIN_FOLDER)).expect("there");
            for (path, bytes) in &good {
                fs::create_dir_all(path.parent().expect("a file")).expect("writable");
                fs::write(path, bytes).expect("writable");
            }
        }
    }
}

#[derive(Debug)]
struct Fake(AtomicU64);

impl Volume for Fake {
    fn space(&self, _: &Path) -> Option<Space> {
        Some(Space {
            free_bytes: self.0.load(Ordering::Relaxed),
            total_bytes: 1 << 40,
        })
    }
}

#[test]
fn a_full_disk_stops_new_work_keeps_answering_and_goes_on_when_there_is_room() {
    let Twins {
        folder,
        mut chain,
        store,
    } = Twins::with_blocks(5);
    drop(store);
    let volume = Arc::new(Fake(AtomicU64::new(u64::MAX)));
    let options = Options {
        volume: volume.clone(),
        ..quick()
    };
    let store = Store::open(folder.path(), chain.params(), options).expect("room");
    assert_eq!(store.disk(), DiskState::Ok);
    let applied = chain
        .mine(consensus::testing::Owner::new(3).account(), &[], &[])
        .clone();

    volume.0.store(space::RESERVE_BYTES_MAX, Ordering::Relaxed);
    let row = PendingRow {
        id: PendingId::Transaction(chain::TxId::from_bytes([1; 32])),
        bytes: vec![0; 100],
    };
    for refused in [
        store.connect(&applied),
        store.put_block(applied.block(), &[]),
        store.put_headers(&[applied.block().header]),
        store.put_pending(std::slice::from_ref(&row)),
    ] {
        assert!(
            matches!(refused, Err(StoreError::Full { .. })),
            "{refused:?}"
        );
    }
    volume
        .0
        .store(space::RESERVE_BYTES_MAX - 1, Ordering::Relaxed);
    assert_eq!(store.disk(), DiskState::Full);
    let view = store.view().expect("a tip");
    assert_eq!(view.tip().height, Height::new(5));
    view.verify().expect("undamaged");
    // Taking back and out uses the reserve.
    let tip = chain.blocks()[4].clone();
    store.disconnect(tip.id()).expect("the reserve is for this");
    store
        .remove_pending(&[row.id])
        .expect("the reserve is for this");

    volume.0.store(u64::MAX, Ordering::Relaxed);
    assert_eq!(store.disk(), DiskState::Ok);
    store.connect(&tip).expect("room");
    store.connect(&applied).expect("room");
    store.put_pending(&[row]).expect("room");
}

#[test]
fn going_back_to_each_block_makes_everything_durable() {
    let mut twins = Twins::with_blocks(3);
    assert_eq!(twins.store.writer().unsynced_blocks, 3);
    twins
        .store
        .set_durability(Durability::EachBlock)
        .expect("writable");
    assert_eq!(twins.store.writer().unsynced_blocks, 0);
    twins.connect();
    assert_eq!(twins.store.writer().unsynced_blocks, 0);
    twins
        .store
        .set_durability(Durability::Grouped { blocks: 2 })
        .expect("writable");
    let mut counts = Vec::new();
    for _ in 0..4 {
        twins.connect();
        counts.push(twins.store.writer().unsynced_blocks);
    }
    assert_eq!(counts, [1, 0, 1, 0]);
}
