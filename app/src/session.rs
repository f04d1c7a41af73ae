//! The open wallet of one user.
//!
//! # Invariants
//! * [`Session::remember`] is the only way a change becomes part of the state: vault first.
//! * A session follows one chain, the one its wallet was made for.
//!
//! # Spec
//! docs/spec/08-wallet.md §7-8
//!
//! # Not here
//! Following the chain: `follow`. Payments: `orders`. Files: `profile`.

use std::path::Path;

use chain::{AccountId, Address, ChainId, Height, Network};
use genesis::Params;
use rand_core::CryptoRng;
use store::KillPoints;
use wallet::keys::{AccountKey, KeyTree, Seed, Words};
use wallet::keystore::Cost;
use wallet::ledger::Balance;
use wallet::message::MessageSignature;
use wallet::vault_key::VaultKey;
use wallet::{ChangeSet, Ledger};
use zeroize::Zeroizing;

use crate::error::SessionError;
use crate::profile::Profile;
use crate::record::Record;

/// Bytes of a vault above which it is rewritten as one snapshot.
const VAULT_BYTES_MAX: u64 = 16 << 20;

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

/// The open wallet of one user.
#[derive(Debug)]
pub struct Session {
    pub(crate) profile: Profile,
    pub(crate) params: Params,
    pub(crate) ledger: Ledger,
    pub(crate) identity: AccountKey,
    pub(crate) unsaved: ChangeSet,
    seed: Seed,
    vault_key: VaultKey,
}

impl Session {
    /// Makes a wallet from fresh or given words.
    ///
    /// # Errors
    /// [`SessionError`]; nothing that was in the folder is touched.
    pub fn create(
        opening: &Opening<'_>,
        words: Words,
        birthday: Height,
        cost: Cost,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, SessionError> {
        let seed = Seed {
            words,
            passphrase: Zeroizing::new(String::new()),
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
        let network = opening.params.network;
        let identity = KeyTree::new(&seed.words, &seed.passphrase, network, 0)?.account_key(0)?;
        let (mut ledger, mut beginning) =
            Ledger::create(network, opening.params.chain_id(), birthday);
        let account = ledger.add_account(0, identity.public());
        ledger.apply(account.clone());
        beginning.merge(account);
        let vault_key = seed.vault_key()?;
        let params = opening.params.clone();
        let unsaved = ChangeSet::default();
        let mut session = Self {
            profile,
            params,
            ledger,
            identity,
            unsaved,
            seed,
            vault_key,
        };
        session.append(&beginning, rng)?;
        Ok(session)
    }

    /// Opens the wallet in a folder.
    ///
    /// # Errors
    /// [`SessionError`]: see its variants.
    pub fn open(opening: &Opening<'_>) -> Result<Self, SessionError> {
        let (profile, seed) = Profile::open(
            opening.folder,
            opening.password,
            opening.kill_points.clone(),
        )?;
        let network = opening.params.network;
        let identity = KeyTree::new(&seed.words, &seed.passphrase, network, 0)?.account_key(0)?;
        let vault_key = seed.vault_key()?;
        let mut merged = ChangeSet::default();
        for record in profile.vault.replay()? {
            let record = record?;
            let bytes = vault_key.open(record.sequence, &record.bytes)?;
            let Record::Wallet(changes) = Record::decode(&bytes)?;
            merged.merge(changes);
        }
        let chain = opening.params.chain_id();
        let ledger = if merged.is_empty() {
            // The process ended between keystore and first record: begin as `create` does.
            let (mut ledger, _) = Ledger::create(network, chain, seed.birthday);
            ledger.apply(ledger.add_account(0, identity.public()));
            ledger
        } else {
            Ledger::load(network, chain, merged)?
        };
        let params = opening.params.clone();
        let unsaved = ChangeSet::default();
        Ok(Self {
            profile,
            params,
            ledger,
            identity,
            unsaved,
            seed,
            vault_key,
        })
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

    /// Writes a change to the vault, synced, and then makes it part of the state.
    ///
    /// # Errors
    /// [`SessionError::Store`]; the state is as before.
    pub(crate) fn remember(
        &mut self,
        changes: ChangeSet,
        rng: &mut impl CryptoRng,
    ) -> Result<(), SessionError> {
        let mut all = std::mem::take(&mut self.unsaved);
        all.merge(changes.clone());
        if let Err(error) = self.append(&all, rng) {
            // What was applied already stays to be saved; the new change is not applied.
            self.unsaved = all;
            return Err(error);
        }
        self.ledger.apply(changes);
        Ok(())
    }

    /// Makes a change part of the state that the chain can tell again; it is written with the next
    /// [`Self::remember`] or [`Self::save`].
    pub(crate) fn note(&mut self, changes: ChangeSet) {
        self.unsaved.merge(changes.clone());
        self.ledger.apply(changes);
    }

    /// Writes what was noted.
    ///
    /// # Errors
    /// [`SessionError::Store`].
    pub fn save(&mut self, rng: &mut impl CryptoRng) -> Result<(), SessionError> {
        if self.unsaved.is_empty() {
            return Ok(());
        }
        let unsaved = std::mem::take(&mut self.unsaved);
        self.append(&unsaved, rng)
            .inspect_err(|_| self.unsaved = unsaved.clone())?;
        if self.profile.vault.file_bytes() > VAULT_BYTES_MAX {
            self.compact(rng)?;
        }
        Ok(())
    }

    fn append(
        &mut self,
        changes: &ChangeSet,
        rng: &mut impl CryptoRng,
    ) -> Result<(), SessionError> {
        let record = Record::Wallet(changes.clone()).encode();
        let sequence = self.profile.vault.next_sequence();
        let sealed = self.vault_key.seal(sequence, &record, rng);
        self.profile.vault.append(&[sealed])?;
        Ok(())
    }

    fn compact(&mut self, rng: &mut impl CryptoRng) -> Result<(), SessionError> {
        let first = self.profile.vault.next_sequence();
        let sealed: Vec<Vec<u8>> = (first..)
            .zip(self.ledger.snapshot())
            .map(|(sequence, changes)| {
                self.vault_key
                    .seal(sequence, &Record::Wallet(changes).encode(), rng)
            })
            .collect();
        self.profile.vault.compact(&sealed)?;
        Ok(())
    }
}
