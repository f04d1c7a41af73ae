//! What a profile remembers across starts, crashes and rewrites.

use std::path::Path;

use chain::Timestamp;
use genesis::Params;
use messenger::self_record::ContactState;
use messenger::{Beginning, ConversationId};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use store::{KillPoints, Vault};
use wallet::keys::Words;
use wallet::keystore::Cost;

use super::{FACTS_MAX, VAULT_RECORDS_MAX};
use crate::error::SessionError;
use crate::record::Record;
use crate::session::{Opening, Owner, Session};
use crate::testing::{Lie, ScriptedNode, User};

struct Bench {
    folder: tempfile::TempDir,
    params: Params,
    rng: ChaCha20Rng,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            params: Params::of(chain::Network::Regtest),
            rng: ChaCha20Rng::from_seed([7; 32]),
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn opening<'a>(&'a self, folder: &'a Path) -> Opening<'a> {
        Opening {
            folder,
            params: &self.params,
            password: "open sesame",
            kill_points: KillPoints::none(),
        }
    }

    fn create(&mut self, name: &str) -> Session {
        let words = Words::generate(&mut self.rng);
        let owner = Owner {
            words,
            birthday: chain::Height::new(0),
            beginning: Beginning::NewAccount,
        };
        let folder = self.path(name);
        let cost = Cost::FLOOR;
        let mut rng = self.rng.clone();
        Session::create(&self.opening(&folder), owner, cost, &mut rng).expect("a new profile")
    }

    fn open(&mut self, name: &str) -> Result<Session, SessionError> {
        let folder = self.path(name);
        let mut rng = self.rng.clone();
        Session::open(&self.opening(&folder), &mut rng)
    }
}

fn conversations(session: &Session) -> Vec<(ConversationId, String)> {
    let all = session.messenger().conversations();
    all.map(|view| (view.id, view.name)).collect()
}

#[test]
fn a_profile_opens_as_it_was_left_also_after_its_vault_was_rewritten() {
    let mut bench = Bench::new();
    let mut session = bench.create("a");
    let (address, session_key) = (session.address(), session.messenger().session_key());
    for name in ["kitchen", "garden"] {
        session
            .create_conversation(name, Timestamp::new(1), &mut bench.rng)
            .expect("begun");
    }
    let before = conversations(&session);
    assert_eq!(before.len(), 2);
    drop(session);
    let mut session = bench.open("a").expect("opens");
    assert_eq!(conversations(&session), before);
    session.compact(&mut bench.rng).expect("rewritten");
    session
        .create_conversation("attic", Timestamp::new(2), &mut bench.rng)
        .expect("a vault that was rewritten takes more");
    drop(session);
    let session = bench.open("a").expect("opens");
    assert_eq!(conversations(&session).len(), 3);
    assert_eq!(session.address(), address);
    assert_eq!(session.messenger().session_key(), session_key);
}

#[test]
fn what_a_crash_left_between_keystore_and_first_record_is_begun_again() {
    let mut bench = Bench::new();
    let session = bench.create("a");
    let address = session.address();
    drop(session);
    let vault = bench.path("a").join("vault");
    std::fs::remove_dir_all(&vault).expect("removed");
    drop(Vault::create(&vault, KillPoints::none()).expect("an empty vault"));
    let session = bench.open("a").expect("opens");
    assert_eq!(session.address(), address);
    drop(session);
    bench.open("a").expect("opens again");
}

#[test]
fn another_wallets_vault_is_refused() {
    let mut bench = Bench::new();
    drop(bench.create("a"));
    drop(bench.create("b"));
    let keystore = |name: &str| bench.path(name).join("keystore");
    std::fs::copy(keystore("b"), keystore("a")).expect("copied");
    let refused = bench.open("a").map(|_| ());
    assert!(
        matches!(refused, Err(SessionError::VaultRecord(_))),
        "{refused:?}"
    );
}

#[test]
fn a_record_of_an_unknown_kind_is_refused_by_name() {
    let messages = Record::Messenger(messenger::ChangeSet::default());
    let wallet = Record::Wallet(wallet::ChangeSet::default());
    for record in [messages, wallet] {
        assert_eq!(Record::decode(&record.encode()).ok(), Some(record));
    }
    for bytes in [&[][..], &[2], &[255, 1, 2]] {
        assert!(matches!(
            Record::decode(bytes),
            Err(SessionError::RecordKind)
        ));
    }
}

/// Notes a contact, unsaved; its key.
fn note_contact(session: &mut Session, number: u32, petname: &str) -> chain::PublicKey {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    let key = chain::PublicKey::from_bytes(key);
    let known = session
        .messenger
        .set_contact(key, ContactState::Known, petname);
    session.note_messages(Vec::new(), known.expect("it encodes"));
    key
}

/// Notes so many contacts, unsaved: one fact each.
fn note_contacts(session: &mut Session, count: usize) {
    for number in (0..u32::MAX).take(count) {
        note_contact(session, number, "somebody");
    }
}

/// Ends the process, lets the vault hold `records` in all, and opens the profile again.
fn fill_up_to(user: &mut User, records: u64) {
    let idle = Record::Wallet(wallet::ChangeSet::default());
    let missing = usize::try_from(records - user.session().records).expect("some thousands");
    let mut rng = user.rng.clone();
    let idle = std::iter::repeat_n(idle, missing);
    let sealed = user.session().seal_all(idle, &mut rng);
    user.close();
    let mut vault = Vault::open(&user.vault(), KillPoints::none()).expect("opens");
    vault.append(&sealed).expect("appended");
    drop(vault);
    user.reopen();
    assert_eq!(user.session().records, records);
}

/// Ends the process and counts what it left behind.
fn records_on_disk(user: &mut User) -> u64 {
    user.close();
    let vault = Vault::open(&user.vault(), KillPoints::none()).expect("opens");
    vault.replay().expect("readable").count() as u64
}

#[tokio::test]
async fn a_vault_of_too_many_records_rewrites_itself_and_remembers_everything() {
    let node = ScriptedNode::new();
    let mut user = User::new(16);
    let conversation = user.settle(&node).await;
    // The order stays in no block: it must survive as well.
    let submitted = user.send(&node, 1_000_000).await.expect("taken");
    fill_up_to(&mut user, VAULT_RECORDS_MAX - 1);
    let note = |user: &mut User, number: u32| {
        let mut rng = user.rng.clone();
        note_contact(user.session(), number, "somebody");
        user.session().save(&mut rng).expect("saved");
    };
    note(&mut user, 1);
    assert_eq!(
        user.session().records,
        VAULT_RECORDS_MAX,
        "not one too many"
    );
    note(&mut user, 2);
    let session = user.session();
    let (records, ledger) = (session.records, session.ledger().clone());
    assert!(records < 16, "{records} records");
    let log = session.messenger().log(&conversation, None, 100);
    assert_eq!(records_on_disk(&mut user), records);

    user.reopen();
    let session = user.session();
    assert_eq!(*session.ledger(), ledger);
    assert!(session.order_state(submitted.id()).is_some());
    assert_eq!(session.messenger().log(&conversation, None, 100), log);
    assert_eq!(session.messenger().records().contacts.len(), 2);
    // The file takes more, and goes on with its numbers.
    note(&mut user, 3);
    user.reopen();
    let contacts = user.session().messenger().records().contacts;
    assert_eq!(contacts.len(), 3);
    user.sync(&node).await;
}

#[test]
fn more_facts_than_one_record_takes_come_back_whole_and_in_order() {
    let mut user = User::new(17);
    let mut rng = user.rng.clone();
    let count = FACTS_MAX + 100;
    note_contacts(user.session(), count);
    // The first fact of the first record is overruled by the last one of the second.
    let changed = note_contact(user.session(), 0, "renamed");
    let before = user.session().records;
    user.session().save(&mut rng).expect("saved");
    assert_eq!(user.session().records, before + 2, "one save, two records");
    let expected = user.session().messenger().records();
    assert_eq!(expected.contacts.len(), count);
    // The second time from a vault that was rewritten.
    for _ in 0..2 {
        user.reopen();
        let found = user.session().messenger().records();
        assert_eq!(found, expected);
        assert_eq!(found.contacts[&changed].petname, "renamed");
        user.session().compact(&mut rng).expect("rewritten");
        assert_eq!(user.session().records, 3, "the wallet, and two of facts");
    }
}

#[tokio::test]
async fn what_grows_while_the_chain_is_followed_is_written_before_the_end_is_reached() {
    for (facts, is_written) in [(FACTS_MAX - 1_000, false), (FACTS_MAX, true)] {
        let node = ScriptedNode::new();
        let mut user = User::new(18);
        user.sync(&node).await;
        note_contacts(user.session(), facts);
        node.mine(1);
        // The block connects; what comes behind it fails, and the process ends.
        node.script().lie = Some(Lie::NoAccount);
        let failed = user.try_sync(&node).await;
        assert!(matches!(failed, Err(SessionError::Node(_))), "{failed:?}");
        assert_eq!(user.session().tip_height(), node.height());
        user.reopen();
        let contacts = user.session().messenger().records().contacts.len();
        assert_eq!(contacts, if is_written { facts } else { 0 });
    }
}
