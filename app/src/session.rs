//! One user's open session: wallet, conversations and the log that remembers both.
//!
//! # Invariants
//! A session follows one chain, the one its wallet was made for.
//!
//! # Spec
//! docs/spec/16-session.md
//!
//! # Not here
//! Following the chain: `follow`. Payments: `orders`. Conversations: `conversations`. Files:
//! `profile`. What is written to the vault and when: `memory`.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use chain::{AccountId, Address, ChainId, Height, Network};
use genesis::Params;
use messenger::{Beginning, Event, MessageRef, Messenger, NewProfile, RateEpochs};
use rand_core::CryptoRng;
use store::KillPoints;
use wallet::keys::{AccountKey, KeyTree, Seed, Words};
use wallet::keystore::Cost;
use wallet::ledger::Balance;
use wallet::message::MessageSignature;
use wallet::vault_key::VaultKey;
use wallet::{ChangeSetError, Ledger};
use zeroize::Zeroizing;

use crate::confirmation::Confirmations;
use crate::error::SessionError;
use crate::memory::{Recalled, Unsaved};
use crate::owned::OwnKeys;
use crate::profile::Profile;
use crate::reading::Reading;

/// What other members see of this device. The machine's own name would tell them too much.
const DEVICE_LABEL: &str = "computer";

/// What a session is opened with.
#[derive(Clone, Debug)]
pub struct Opening<'a> {
    /// The profile's folder.
    pub folder: &'a Path,
    /// The network's numbers.
    pub params: &'a Params,
    /// The password.
    pub password: &'a str,
    /// Where a test wants the process to end.
    pub kill_points: KillPoints,
}

/// Whose session a new one is.
#[derive(Debug)]
pub struct Owner {
    /// The recovery words.
    pub words: Words,
    /// No coin and no message of theirs is older.
    pub birthday: Height,
    /// Whether the words may have been used before.
    pub beginning: Beginning,
}

/// One user's open session.
#[derive(Debug)]
pub struct Session {
    pub(crate) profile: Profile,
    pub(crate) params: Params,
    pub(crate) ledger: Ledger,
    pub(crate) messenger: Messenger,
    pub(crate) identity: AccountKey,
    pub(crate) keys: KeyTree,
    pub(crate) vault_key: VaultKey,
    pub(crate) unsaved: Unsaved,
    pub(crate) reading: Reading,
    pub(crate) confirmations: Confirmations,
    pub(crate) own_keys: OwnKeys,
    /// What happened since the caller last asked.
    pub(crate) news: VecDeque<Event>,
    /// Records in the vault.
    pub(crate) records: u64,
    /// Messages that were written again, with their successors.
    pub(crate) resent: BTreeMap<MessageRef, MessageRef>,
    /// Why messages of the outbox wait, where it is not for their turn.
    pub(crate) refused: BTreeMap<MessageRef, String>,
    seed: Seed,
}

impl Session {
    /// Makes a profile.
    ///
    /// # Errors
    /// [`SessionError`]; nothing that was in the folder is touched.
    pub fn create(
        opening: &Opening<'_>,
        owner: Owner,
        cost: Cost,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, SessionError> {
        let Owner {
            words,
            birthday,
            beginning,
        } = owner;
        let passphrase = Zeroizing::new(String::new());
        let seed = Seed {
            words,
            passphrase,
            birthday,
        };
        let kill_points = opening.kill_points.clone();
        let profile = Profile::create(
            opening.folder,
            &seed,
            opening.password,
            cost,
            kill_points,
            rng,
        )?;
        Self::assemble(
            profile,
            seed,
            opening.params,
            Recalled::default(),
            beginning,
            rng,
        )
    }

    /// Opens the profile in a folder.
    ///
    /// # Errors
    /// [`SessionError`]: see its variants.
    pub fn open(opening: &Opening<'_>, rng: &mut impl CryptoRng) -> Result<Self, SessionError> {
        let kill_points = opening.kill_points.clone();
        let (profile, seed) = Profile::open(opening.folder, opening.password, kill_points)?;
        let recalled = Recalled::from_vault(&profile.vault, &seed.vault_key()?)?;
        // Without a record of the messenger nobody knows what was written under these words.
        Self::assemble(
            profile,
            seed,
            opening.params,
            recalled,
            Beginning::Restored,
            rng,
        )
    }

    /// Puts a session together from what the vault remembers, and begins what it does not: the
    /// process may have ended between the keystore and the first record.
    fn assemble(
        profile: Profile,
        seed: Seed,
        params: &Params,
        recalled: Recalled,
        beginning: Beginning,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, SessionError> {
        let (network, chain) = (params.network, params.chain_id());
        let keys = KeyTree::new(&seed.words, &seed.passphrase, network, 0)?;
        let identity = keys.account_key(0)?;
        let mut unsaved = Unsaved::default();
        let ledger = if recalled.wallet.is_empty() {
            let (mut ledger, first) = Ledger::create(network, chain, seed.birthday);
            let account = ledger.add_account(0, identity.public());
            ledger.apply(account.clone());
            unsaved.wallet.merge(first);
            unsaved.wallet.merge(account);
            ledger
        } else {
            Ledger::load(network, chain, recalled.wallet).map_err(of_which_network)?
        };
        let rates = rate_epochs(params);
        let messenger = if recalled.messages.is_empty() {
            let profile = NewProfile {
                account: identity.public(),
                self_root: messenger::keys::ConversationRoot::from_bytes(
                    *keys.self_root()?.expose(),
                ),
                device: DEVICE_LABEL.to_owned(),
                beginning,
            };
            let (messenger, first) = Messenger::create(&profile, chain, rates, rng);
            unsaved.messages.merge(first);
            messenger
        } else {
            Messenger::load(chain, rates, recalled.messages)?
        };
        let vault_key = seed.vault_key()?;
        let own_keys = OwnKeys::of(&ledger, &identity.account());
        let mut session = Self {
            profile,
            params: params.clone(),
            ledger,
            messenger,
            identity,
            keys,
            vault_key,
            unsaved,
            reading: Reading::default(),
            confirmations: Confirmations::default(),
            own_keys,
            news: VecDeque::new(),
            records: recalled.records,
            resent: BTreeMap::new(),
            refused: BTreeMap::new(),
            seed,
        };
        session.save(rng)?;
        Ok(session)
    }

    /// The account's address.
    #[must_use]
    pub fn address(&self) -> Address {
        Address::new(self.network(), self.account())
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.identity.account()
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> Network {
        self.params.network
    }

    /// The chain.
    #[must_use]
    pub fn chain_id(&self) -> ChainId {
        self.ledger.chain_id()
    }

    /// No coin of this wallet is older than this height.
    #[must_use]
    pub fn birthday(&self) -> Height {
        self.ledger.birthday()
    }

    /// Coins by state, as of the followed tip.
    #[must_use]
    pub fn balance(&self) -> Balance {
        self.ledger.balance(&self.account())
    }

    /// The ledger, for reading.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The conversations, for reading.
    #[must_use]
    pub fn messenger(&self) -> &Messenger {
        &self.messenger
    }

    /// What happened to conversations and messages since this was last asked.
    pub fn take_news(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.news).into()
    }

    /// The recovery words, for the one screen that shows them.
    #[must_use]
    pub fn words(&self) -> Zeroizing<String> {
        self.seed.words.reveal()
    }

    /// Signs a text with the account's key.
    #[must_use]
    pub fn sign(&self, text: &str, rng: &mut impl CryptoRng) -> MessageSignature {
        MessageSignature::sign(text, &self.chain_id(), &self.identity, rng)
    }

    /// Copies the encrypted keystore to a file that must not exist.
    ///
    /// # Errors
    /// [`SessionError::Store`].
    pub fn backup(&self, to: &Path) -> Result<(), SessionError> {
        self.profile.backup(to)
    }

    /// Seals the keystore under another password.
    ///
    /// # Errors
    /// [`SessionError::Keystore`] if `old` is wrong.
    pub fn change_password(
        &self,
        old: &str,
        new: &str,
        cost: Cost,
        rng: &mut impl CryptoRng,
    ) -> Result<(), SessionError> {
        self.profile.change_password(old, new, cost, rng)
    }
}

/// A wallet of another network is no damage: which one it is tells what to do.
fn of_which_network(error: ChangeSetError) -> SessionError {
    let networks = [Network::Main, Network::Test, Network::Dev, Network::Regtest];
    match error {
        ChangeSetError::ForeignChain { found, .. } => networks
            .into_iter()
            .find(|network| Params::of(*network).chain_id() == found)
            .map_or(SessionError::ChangeSet(error), |network| {
                let found = network.name();
                SessionError::OtherProfile { found }
            }),
        error => error.into(),
    }
}

/// The network's rate epochs as the messenger takes them.
pub(crate) fn rate_epochs(params: &Params) -> RateEpochs {
    let blocks = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    RateEpochs {
        blocks: blocks(params.rate_epoch_blocks),
        grace_blocks: blocks(params.rate_grace_blocks),
    }
}
