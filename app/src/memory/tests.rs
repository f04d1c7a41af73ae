//! What a profile remembers across starts, crashes and rewrites.

use std::path::Path;

use chain::Timestamp;
use genesis::Params;
use messenger::{Beginning, ConversationId};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use store::{KillPoints, Vault};
use wallet::keys::Words;
use wallet::keystore::Cost;

use crate::error::SessionError;
use crate::record::Record;
use crate::session::{Opening, Owner, Session};

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
