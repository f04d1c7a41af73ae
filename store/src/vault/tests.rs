use std::fs;

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn create(folder: &Path) -> Vault {
    Vault::create(folder, KillPoints::none()).expect("a fresh folder")
}

fn open(folder: &Path) -> Result<Vault, StoreError> {
    Vault::open(folder, KillPoints::none())
}

fn texts(vault: &Vault) -> Vec<(u64, String)> {
    let text = |record: VaultRecord| {
        (
            record.sequence,
            String::from_utf8(record.bytes).expect("the tests append text"),
        )
    };
    vault
        .replay()
        .expect("readable")
        .map(|record| text(record.expect("good")))
        .collect()
}

fn append(vault: &mut Vault, texts: &[&str]) -> u64 {
    let records: Vec<_> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    vault.append(&records).expect("room")
}

#[test]
fn records_come_back_in_order_with_their_numbers() {
    let folder = folder();
    let mut vault = create(folder.path());
    assert_eq!(append(&mut vault, &["a", "b"]), 0);
    assert_eq!(append(&mut vault, &[]), 2);
    assert_eq!(append(&mut vault, &["c", ""]), 2);
    drop(vault);
    let vault = open(folder.path()).expect("whole");
    assert_eq!(vault.torn_tail(), None);
    let expected = [(0, "a"), (1, "b"), (2, "c"), (3, "")];
    assert_eq!(
        texts(&vault),
        expected.map(|(sequence, text)| (sequence, text.to_owned()))
    );
}

#[test]
fn a_vault_is_made_once_opened_if_there_and_held_by_one() {
    let folder = folder();
    let path = folder.path().join(VAULT_FILE);
    assert_eq!(
        open(folder.path()).map(|_| ()),
        Err(StoreError::Missing { path: path.clone() })
    );
    let vault = create(folder.path());
    assert!(matches!(
        open(folder.path()),
        Err(StoreError::Locked { .. })
    ));
    drop(vault);
    let again = Vault::create(folder.path(), KillPoints::none()).map(|_| ());
    assert_eq!(again, Err(StoreError::Exists { path }));
    assert!(open(folder.path()).is_ok());
}

#[test]
fn an_append_torn_by_a_crash_is_cut_as_a_whole_and_reported() {
    let folder = folder();
    let path = folder.path().join(VAULT_FILE);
    let mut vault = create(folder.path());
    append(&mut vault, &["kept"]);
    let before = fs::read(&path).expect("readable");
    append(&mut vault, &["lost", "lost too"]);
    drop(vault);
    let after = fs::read(&path).expect("readable");
    for len in before.len()..after.len() {
        // The crash came before the acknowledgement: the old header stands before a part of the
        // new records.
        let mut torn = before.clone();
        torn.extend_from_slice(&after[before.len()..len]);
        fs::write(&path, &torn).expect("writable");
        let mut vault = open(folder.path()).expect("a torn tail is no damage");
        let bytes = u64::try_from(len - before.len()).expect("small");
        assert_eq!(
            vault.torn_tail(),
            (bytes > 0).then_some(TornTail { bytes }),
            "length {len}"
        );
        assert_eq!(texts(&vault), [(0, "kept".to_owned())]);
        assert_eq!(append(&mut vault, &["next"]), 1);
        drop(vault);
        let vault = open(folder.path()).expect("whole");
        assert_eq!(
            texts(&vault),
            [(0, "kept".to_owned()), (1, "next".to_owned())]
        );
    }
}

#[test]
fn a_synced_append_counts_even_if_the_mark_lags() {
    let folder = folder();
    let path = folder.path().join(VAULT_FILE);
    let mut vault = create(folder.path());
    let before = fs::read(&path).expect("readable");
    append(&mut vault, &["a", "b"]);
    drop(vault);
    let mut lagging = fs::read(&path).expect("readable");
    lagging[..before.len()].copy_from_slice(&before);
    fs::write(&path, &lagging).expect("writable");
    let vault = open(folder.path()).expect("whole");
    assert_eq!(vault.next_sequence(), 2);
    assert_eq!(vault.torn_tail(), None);
}

#[test]
fn every_flipped_bit_and_every_cut_of_what_was_acknowledged_is_named() {
    let folder = folder();
    let path = folder.path().join(VAULT_FILE);
    let mut vault = create(folder.path());
    append(&mut vault, &["first", "second"]);
    append(&mut vault, &["last"]);
    drop(vault);
    let good = fs::read(&path).expect("readable");
    let refused = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).expect("writable");
        let error = open(folder.path()).map(|_| ()).expect_err(what);
        assert!(
            matches!(error, StoreError::Damaged { .. }),
            "{what}: {error}"
        );
        assert_eq!(
            fs::read(&path).expect("readable"),
            bytes,
            "{what}: the file was changed"
        );
    };
    for bit in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        refused(&flipped, &format!("bit {bit}"));
    }
    for len in 0..good.len() {
        refused(&good[..len], &format!("length {len}"));
    }
    fs::write(&path, &good).expect("writable");
    assert!(open(folder.path()).is_ok());
}

#[test]
fn damage_that_appears_while_the_vault_is_open_ends_the_replay() {
    let folder = folder();
    let path = folder.path().join(VAULT_FILE);
    let mut vault = create(folder.path());
    append(&mut vault, &["one", "two", "three"]);
    let mut bytes = fs::read(&path).expect("readable");
    let at = bytes.len() - record_len(5) as usize - 1;
    bytes[at] ^= 1;
    fs::write(&path, &bytes).expect("writable");
    let records: Vec<_> = vault.replay().expect("readable").collect();
    assert_eq!(records.len(), 2);
    assert!(matches!(records[1], Err(StoreError::Damaged { .. })));
}

#[test]
fn compacting_replaces_the_records_and_numbers_on() {
    let folder = folder();
    let mut vault = create(folder.path());
    append(&mut vault, &["a", "b", "c"]);
    let before = vault.file_bytes();
    vault.compact(&[b"abc".to_vec()]).expect("room");
    assert!(vault.file_bytes() < before);
    assert_eq!(append(&mut vault, &["d"]), 4);
    assert_eq!(texts(&vault), [(3, "abc".to_owned()), (4, "d".to_owned())]);
    vault.compact(&[]).expect("room");
    assert_eq!(texts(&vault), []);
    drop(vault);
    let mut vault = open(folder.path()).expect("whole");
    assert_eq!(append(&mut vault, &["e"]), 5);
}

#[test]
fn an_unfinished_compaction_leaves_the_old_records() {
    let folder = folder();
    let mut vault = create(folder.path());
    append(&mut vault, &["a"]);
    drop(vault);
    fs::write(folder.path().join("vault.new"), b"half").expect("writable");
    let vault = open(folder.path()).expect("whole");
    assert_eq!(texts(&vault), [(0, "a".to_owned())]);
    assert!(!folder.path().join("vault.new").exists());
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let folder = folder();
    drop(create(folder.path()));
    let path = folder.path().join(VAULT_FILE);
    let mut bytes = fs::read(&path).expect("readable");
    bytes[8] += 1;
    let check = check(&[&bytes[..32]]);
    bytes[32..40].copy_from_slice(&check);
    fs::write(&path, &bytes).expect("writable");
    let refused = StoreError::FormatTooNew {
        found: VAULT_FORMAT + 1,
        newest: VAULT_FORMAT,
    };
    assert_eq!(open(folder.path()).map(|_| ()), Err(refused));
}

#[test]
fn a_record_beyond_the_limit_is_refused_and_the_vault_works_on() {
    let folder = folder();
    let mut vault = create(folder.path());
    let found = RECORD_BYTES_MAX + 1;
    let refused = StoreError::RecordTooLarge {
        found,
        max: RECORD_BYTES_MAX,
    };
    assert_eq!(vault.append(&[vec![0; found]]), Err(refused));
    assert_eq!(append(&mut vault, &["fits"]), 0);
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_vault() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let inside = folder.path().join("profile");
    let mut vault = create(&inside);
    vault.compact(&[b"x".to_vec()]).expect("room");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&inside), 0o700);
    for name in [VAULT_FILE, "lock"] {
        assert_eq!(mode(&inside.join(name)), 0o600, "{name}");
    }
}
