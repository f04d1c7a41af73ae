//! A process that ends at any kill point loses nothing that was acknowledged, and the next one
//! needs no help.
//!
//! # Invariants
//! * The process that is killed is a real one: this test starts itself again.
//! * That a kill happened is asserted, and that every point was reached.
//!
//! # Spec
//! docs/spec/13-storage.md §8
//!
//! # Not here
//! Kills of a whole node: the functional tests.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use chain::{BlockId, Height, Network, PublicKey, TxId};
use consensus::fork_choice::{Anchors, FinalBlock};
use consensus::testing::{Owner, TestChain};
use genesis::Params;
use store::{Ballot, Durability, KillPoints, Options, PendingId, PendingRow, Store, Vault, kill};

/// Names the folder and the kill point to the process that is to be killed.
const FOLDER: &str = "STORE_TEST_FOLDER";
const POINT: &str = "STORE_TEST_POINT";

/// What a process did, one line per acknowledgement, each durable before the next step.
struct Acknowledged(File);

impl Acknowledged {
    fn open(folder: &Path) -> Self {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("acknowledged"));
        Self(file.expect("writable"))
    }

    fn note(&mut self, line: &str) {
        writeln!(self.0, "{line}").expect("writable");
        self.0.sync_data().expect("writable");
    }

    fn lines(folder: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(folder.join("acknowledged")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

fn chain_of_three() -> TestChain {
    let mut memory = TestChain::new(Network::Regtest);
    memory.mine_empty(Owner::new(0).account(), 3);
    memory
}

fn anchors(number: u64) -> Anchors {
    Anchors {
        finalized: Some(FinalBlock {
            height: Height::new(number),
            id: BlockId::from_bytes([7; 32]),
        }),
        ..Anchors::default()
    }
}

fn waiting(number: u8) -> PendingRow {
    PendingRow {
        id: PendingId::Transaction(TxId::from_bytes([number; 32])),
        bytes: vec![number],
    }
}

fn key() -> PublicKey {
    PublicKey::from_bytes([5; 32])
}

/// Puts the ballot first and signs then, as a voter does; what is signed is noted down.
fn vote(store: &Store, acknowledged: &mut Acknowledged, height: u64) {
    let kept = store.view().and_then(|view| view.ballot(&key()));
    if kept.expect("readable").last_voted >= Some(Height::new(height)) {
        return;
    }
    let ballot = Ballot {
        last_voted: Some(Height::new(height)),
        ..Ballot::default()
    };
    store.put_ballot(&key(), &ballot).expect("room");
    acknowledged.note(&format!("vote {height}"));
}

/// Passes every point at least once.
fn script(folder: &Path, kill_points: &KillPoints) {
    let mut acknowledged = Acknowledged::open(folder);
    let memory = chain_of_three();
    let options = Options {
        kill_points: kill_points.clone(),
        ..Options::default()
    };
    let store = Store::open(&folder.join("node"), memory.params(), options).expect("undamaged");
    let blocks = memory.blocks();
    // The first block belongs to an import that ends before anybody is told.
    store.set_durability(Durability::Buffered).expect("room");
    for (number, applied) in (1u8..).zip(blocks) {
        store.connect(applied).expect("room");
        store.set_durability(Durability::EachBlock).expect("room");
        acknowledged.note(&format!("tip {number}"));
        store.put_pending(&[waiting(number)]).expect("room");
        acknowledged.note(&format!("pending {number}"));
        vote(&store, &mut acknowledged, number.into());
        store.put_anchors(&anchors(number.into())).expect("room");
        acknowledged.note(&format!("anchors {number}"));
    }
    store.disconnect(blocks[2].id()).expect("the tip");
    acknowledged.note("tip 2");
    let profile = folder.join("profile");
    let mut vault = Vault::create(&profile, kill_points.clone()).expect("a fresh folder");
    for number in 0..3 {
        vault.append(&[vec![number], vec![number]]).expect("room");
        acknowledged.note(&format!("vault {}", vault.next_sequence()));
    }
    vault.compact(&[vec![9]]).expect("room");
    acknowledged.note("compact");
}

/// What a new process finds is whole, and holds what was acknowledged.
fn inspect(folder: &Path, what: &str) {
    let lines = Acknowledged::lines(folder);
    let memory = chain_of_three();
    let params = Params::of(Network::Regtest);
    let store = Store::open(&folder.join("node"), &params, Options::default()).expect(what);
    let view = store.view().expect(what);
    view.verify().expect(what);
    let tip = view.tip().height.get();
    assert_eq!(
        Some(view.tip().id),
        memory.id_at(Height::new(tip)),
        "{what}"
    );
    // The write that was cut short may have happened or not.
    let last_tip = lines
        .iter()
        .rev()
        .find_map(|line| line.strip_prefix("tip "));
    let acknowledged: u64 = last_tip.map_or(0, |tip| tip.parse().expect("a number"));
    assert!(
        tip.abs_diff(acknowledged) <= 1,
        "{what}: tip {tip}, acknowledged {acknowledged}"
    );
    let last_anchors = lines
        .iter()
        .rev()
        .find_map(|line| line.strip_prefix("anchors "));
    let acknowledged: u64 = last_anchors.map_or(0, |number| number.parse().expect("a number"));
    let kept = view.anchors().expect(what).finalized;
    let kept = kept.map_or(0, |finalized| finalized.height.get());
    assert!(
        (acknowledged..=acknowledged + 1).contains(&kept),
        "{what}: anchors {kept}, acknowledged {acknowledged}"
    );
    let waits: Vec<_> = view.pending().map(|row| row.expect(what)).collect();
    for number in 1..=3 {
        if lines.contains(&format!("pending {number}")) {
            assert!(
                waits.contains(&waiting(number)),
                "{what}: submission {number} is lost"
            );
        }
    }
    let votes = lines.iter().filter_map(|line| line.strip_prefix("vote "));
    let votes: Vec<u64> = votes
        .map(|height| height.parse().expect("a number"))
        .collect();
    let signed = votes.last().copied().map(Height::new);
    let ballot = view.ballot(&key()).expect(what);
    assert!(
        ballot.last_voted >= signed,
        "{what}: {signed:?} was signed, {ballot:?} is kept"
    );
    let vault_lines: Vec<u64> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("vault "))
        .map(|next| next.parse().expect("a number"))
        .collect();
    if let Ok(vault) = Vault::open(&folder.join("profile"), KillPoints::none()) {
        let records: Vec<_> = vault
            .replay()
            .expect(what)
            .map(|record| record.expect(what))
            .collect();
        let next = vault_lines.last().copied().unwrap_or_default();
        assert!(vault.next_sequence() >= next, "{what}");
        let is_compact = records.len() == 1 && records[0].bytes == [9];
        assert!(
            is_compact || records.len() as u64 == vault.next_sequence(),
            "{what}"
        );
        assert!(
            vault.next_sequence().is_multiple_of(2) || is_compact,
            "{what}: half an append"
        );
    } else {
        assert_eq!(vault_lines, [], "{what}");
    }
}

#[test]
fn an_undisturbed_run_passes_every_point() {
    if let (Some(folder), Some(point)) = (std::env::var_os(FOLDER), std::env::var_os(POINT)) {
        // This is the process that is to be killed.
        let point = point.into_string().expect("a name");
        let armed = KillPoints::parse(&point, Network::Regtest, &kill::POINTS).expect("known");
        script(Path::new(&folder), &armed);
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let counted = KillPoints::none();
    script(folder.path(), &counted);
    for (point, passes) in counted.passes() {
        assert!(passes > 0, "{point} was not passed");
    }
    inspect(folder.path(), "undisturbed");
}

#[test]
fn a_kill_between_ballot_and_vote_never_lets_a_height_be_voted_for_twice() {
    let executable = std::env::current_exe().expect("this test runs");
    let mut lost = 0;
    for point in [kill::BALLOT_BEFORE_WRITE, kill::BALLOT_AFTER_WRITE] {
        for pass in 1..=3 {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let status = Command::new(&executable)
                .args(["--exact", "an_undisturbed_run_passes_every_point"])
                .env(FOLDER, folder.path())
                .env(POINT, format!("{point}:{pass}"))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .expect("this test can start itself");
            assert!(!status.success(), "{point}:{pass} killed nobody");
            // The next life votes for everything that it may.
            let params = Params::of(Network::Regtest);
            let node = folder.path().join("node");
            let store = Store::open(&node, &params, Options::default()).expect("undamaged");
            let mut acknowledged = Acknowledged::open(folder.path());
            (1..=3).for_each(|height| vote(&store, &mut acknowledged, height));
            let lines = Acknowledged::lines(folder.path());
            let votes = lines.iter().filter(|line| line.starts_with("vote "));
            let votes: Vec<_> = votes.cloned().collect();
            let mut distinct = votes.clone();
            distinct.dedup();
            assert_eq!(votes, distinct, "{point}:{pass}");
            lost += 3 - votes.len();
        }
    }
    // What was durable and not signed is lost, once for each kill after the write.
    assert_eq!(lost, 3);
}

#[test]
fn a_kill_at_any_point_loses_nothing_that_was_acknowledged() {
    let executable = std::env::current_exe().expect("this test runs");
    let mut kills = 0;
    for point in kill::POINTS {
        for pass in 1..=3 {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let status = Command::new(&executable)
                .args(["--exact", "an_undisturbed_run_passes_every_point"])
                .env(FOLDER, folder.path())
                .env(POINT, format!("{point}:{pass}"))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .expect("this test can start itself");
            let was_killed = status.code().is_none_or(|code| code != 0);
            // Every point is passed once; only the first pass is certain.
            assert!(was_killed || pass > 1, "{point}:{pass} killed nobody");
            kills += u32::from(was_killed);
            let what = format!("{point}:{pass}");
            inspect(folder.path(), &what);
            if was_killed {
                // And again where it stopped: a second start finds what the first one left.
                inspect(folder.path(), &what);
            }
        }
    }
    assert!(kills >= 20, "{kills} kills");
}
