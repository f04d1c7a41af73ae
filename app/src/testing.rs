//! For this crate's own tests: a user with a real profile on disk, over a node that follows a script.
//!
//! # Invariants
//! Keys, vault, stamps and payments are the real ones; only the far end is played.
//!
//! # Spec
//! docs/spec/16-session.md
//!
//! # Not here
//! The far end: [`node`].

use chain::transaction::{Order, Output, Prefix, Signed, Transfer};
use chain::{AccountId, Address, Amount, Height, Network, Signature, Timestamp, Transaction};
use genesis::Params;
use messenger::content::Text;
use messenger::{Beginning, ConversationId, MessageRef, Outgoing};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use store::KillPoints;
use wallet::keys::Words;
use wallet::keystore::Cost;
use wallet::stake::StakeOrder;

use crate::error::SessionError;
use crate::orders::Submitted;
use crate::owned::Owned;
use crate::session::{Opening, Owner, Session};

pub(crate) mod node;

pub(crate) use node::{Door, Lie, ScriptedNode};

/// The user's clock in all tests.
pub(crate) const NOW: Timestamp = Timestamp::new(1_795_132_900_000);
/// What a user begins with.
pub(crate) const FUNDS: Amount = Amount::from_base(100 * Amount::COIN);

/// Somebody who is paid and never seen.
pub(crate) fn payee() -> Address {
    Address::new(Network::Regtest, AccountId::from_bytes([7; 20]))
}

/// A user and their profile.
pub(crate) struct User {
    folder: tempfile::TempDir,
    params: Params,
    pub(crate) rng: ChaCha20Rng,
    open: Option<Session>,
}

impl User {
    /// A new profile whose words follow from `seed`.
    pub(crate) fn new(seed: u8) -> Self {
        let mut user = Self {
            folder: tempfile::tempdir().expect("a folder"),
            params: Params::of(Network::Regtest),
            rng: ChaCha20Rng::from_seed([seed; 32]),
            open: None,
        };
        let owner = Owner {
            words: Words::generate(&mut user.rng),
            birthday: Height::new(0),
            beginning: Beginning::NewAccount,
        };
        let mut rng = user.rng.clone();
        let session = Session::create(&user.opening(), owner, Cost::FLOOR, &mut rng);
        (user.open, user.rng) = (Some(session.expect("a new profile")), rng);
        user
    }

    fn opening(&self) -> Opening<'_> {
        Opening {
            folder: self.folder.path(),
            params: &self.params,
            password: "open sesame",
            kill_points: KillPoints::none(),
        }
    }

    /// The vault's folder.
    pub(crate) fn vault(&self) -> std::path::PathBuf {
        self.folder.path().join("vault")
    }

    /// Ends the process: what was not saved is gone.
    pub(crate) fn close(&mut self) {
        self.open = None;
    }

    /// Another process opens the profile.
    pub(crate) fn reopen(&mut self) {
        self.close();
        let mut rng = self.rng.clone();
        let session = Session::open(&self.opening(), &mut rng).expect("opens");
        (self.open, self.rng) = (Some(session), rng);
    }

    pub(crate) fn session(&mut self) -> &mut Session {
        self.open.as_mut().expect("open")
    }

    fn parts(&mut self) -> (&mut Session, &mut ChaCha20Rng) {
        (self.open.as_mut().expect("open"), &mut self.rng)
    }

    pub(crate) fn account(&mut self) -> AccountId {
        self.session().account()
    }

    pub(crate) async fn try_sync(&mut self, node: &ScriptedNode) -> Result<(), SessionError> {
        let (session, rng) = self.parts();
        session.sync(node, NOW, rng).await
    }

    pub(crate) async fn sync(&mut self, node: &ScriptedNode) {
        self.try_sync(node).await.expect("followed");
    }

    pub(crate) async fn send(
        &mut self,
        node: &ScriptedNode,
        base_units: u64,
    ) -> Result<Submitted, SessionError> {
        let (session, rng) = self.parts();
        let amount = Amount::from_base(base_units);
        session.send(node, &payee(), amount, rng).await
    }

    pub(crate) async fn order_stake(
        &mut self,
        node: &ScriptedNode,
        order: StakeOrder<'_>,
    ) -> Result<Submitted, SessionError> {
        let (session, rng) = self.parts();
        session.order_stake(node, order, rng).await
    }

    /// What the account has bound, read at the followed tip.
    pub(crate) async fn owned(&mut self, node: &ScriptedNode) -> Option<Owned> {
        self.session().owned(node).await.expect("answers")
    }

    /// Publishes the account's record.
    pub(crate) async fn publish(&mut self, node: &ScriptedNode) -> Submitted {
        let (session, rng) = self.parts();
        session.publish(node, rng).await.expect("published")
    }

    /// A transfer that another wallet of the same words signed.
    pub(crate) fn order_elsewhere(&mut self, nonce: u64, base_units: u64) -> Transaction {
        let (session, _) = self.parts();
        let prefix = Prefix {
            sender: session.identity.public(),
            nonce,
            max_fee: Amount::from_base(Amount::COIN),
            tip: Amount::ZERO,
        };
        let to = payee().account_on(Network::Regtest).expect("its network");
        let amount = Amount::from_base(base_units);
        let order = Order::Transfer(Signed {
            prefix,
            body: Transfer {
                outputs: vec![Output { to, amount }],
            },
            signature: Signature::default(),
        });
        let chain = session.chain_id();
        Transaction::signed(order, &chain, session.identity.keypair(), &[0; 32])
    }

    /// Funds the account and begins a conversation whose start is in a block.
    pub(crate) async fn settle(&mut self, node: &ScriptedNode) -> ConversationId {
        node.fund(self.account(), FUNDS);
        self.sync(node).await;
        let (session, rng) = self.parts();
        let begun = session.create_conversation("kitchen", NOW, rng);
        self.sync(node).await;
        node.mine(1);
        self.sync(node).await;
        begun.expect("begun")
    }

    /// Says a text of `bytes` letters that do not compress.
    pub(crate) async fn say(
        &mut self,
        conversation: &ConversationId,
        bytes: usize,
        node: &ScriptedNode,
    ) -> MessageRef {
        let (session, rng) = self.parts();
        let letter = |rng: &mut ChaCha20Rng| char::from(b'!' + (rng.next_u32() % 94) as u8);
        let text = (0..bytes).map(|_| letter(rng)).collect();
        let mentions = Vec::new();
        let outgoing = Outgoing::Text(Text { text, mentions });
        let said = session.say(conversation, &outgoing, node, NOW, rng).await;
        said.expect("written")
    }
}
