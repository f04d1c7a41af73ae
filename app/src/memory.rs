//! What a session writes down, and when.
//!
//! # Invariants
//! * Nothing leaves the machine before the changes behind it are synced in the vault: every caller
//!   that sends calls [`Session::save`] first.
//! * What only repeats the chain is written now and then; a crash makes it read again.
//!
//! # Spec
//! docs/spec/16-session.md §1-2
//!
//! # Not here
//! The log itself: `store::vault`. Its records: `record`.

use messenger::Event;
use rand_core::CryptoRng;
use store::Vault;
use wallet::vault_key::VaultKey;

use crate::error::SessionError;
use crate::record::Record;
use crate::session::Session;

/// Records of a vault above which it is rewritten into few large ones.
const VAULT_RECORDS_MAX: u64 = 8192;
/// Facts and bytes of the messenger in one record: far below what a record and its decoder take.
const FACTS_MAX: usize = 16_384;
const FACT_BYTES_MAX: usize = 8 << 20;
/// Events that are kept for a caller who does not ask; the oldest go first.
const NEWS_MAX: usize = 65_536;

/// Changes that are part of the state and not yet in the vault.
#[derive(Debug, Default)]
pub(crate) struct Unsaved {
    pub(crate) wallet: wallet::ChangeSet,
    pub(crate) messages: messenger::ChangeSet,
}

impl Unsaved {
    /// Whether it should be written before more is added.
    pub(crate) fn is_large(&self) -> bool {
        self.messages.len() >= FACTS_MAX
    }
}

/// All that a vault remembers.
#[derive(Debug, Default)]
pub(crate) struct Recalled {
    pub(crate) wallet: wallet::ChangeSet,
    pub(crate) messages: Vec<messenger::ChangeSet>,
    /// Records in the vault.
    pub(crate) records: u64,
}

impl Recalled {
    pub(crate) fn from_vault(vault: &Vault, key: &VaultKey) -> Result<Self, SessionError> {
        let mut recalled = Self::default();
        for record in vault.replay()? {
            let record = record?;
            recalled.records = recalled.records.saturating_add(1);
            match Record::decode(&key.open(record.sequence, &record.bytes)?)? {
                Record::Wallet(changes) => recalled.wallet.merge(changes),
                Record::Messenger(changes) => recalled.messages.push(changes),
            }
        }
        Ok(recalled)
    }
}

impl Session {
    /// Takes a change of the wallet into the state; it is written with the next [`Self::save`].
    pub(crate) fn note_wallet(&mut self, changes: wallet::ChangeSet) {
        self.unsaved.wallet.merge(changes.clone());
        self.ledger.apply(changes);
    }

    /// Takes down what a call of the messenger changed and what it told.
    pub(crate) fn note_messages(&mut self, events: Vec<Event>, changes: messenger::ChangeSet) {
        self.unsaved.messages.merge(changes);
        for event in events {
            match &event {
                Event::Needed(wanted) => self.reading.needed.push_back(*wanted),
                Event::ConversationFound {
                    root_index: Some(index),
                    ..
                } => self.reading.root_found(*index),
                Event::Resent {
                    reference,
                    replacement,
                    ..
                } => {
                    self.resent.insert(*reference, *replacement);
                }
                Event::Refused { refusal } => tracing::warn!(%refusal, "an envelope was refused"),
                _ => {}
            }
            if matches!(event, Event::Refused { .. } | Event::Needed(_)) {
                continue;
            }
            if self.news.len() >= NEWS_MAX {
                self.news.pop_front();
            }
            self.news.push_back(event);
        }
    }

    /// Writes what was noted, synced.
    ///
    /// # Errors
    /// [`SessionError::Store`]; what was noted stays to be saved.
    pub fn save(&mut self, rng: &mut impl CryptoRng) -> Result<(), SessionError> {
        let Unsaved { wallet, messages } = &self.unsaved;
        let mut records = Vec::new();
        if !wallet.is_empty() {
            records.push(Record::Wallet(wallet.clone()));
        }
        let messages = messages.clone().split(FACTS_MAX, FACT_BYTES_MAX);
        records.extend(messages.into_iter().map(Record::Messenger));
        if records.is_empty() {
            return Ok(());
        }
        let sealed = self.seal_all(records, rng);
        self.profile.vault.append(&sealed)?;
        self.unsaved = Unsaved::default();
        self.records = self.records.saturating_add(sealed.len() as u64);
        if self.records > VAULT_RECORDS_MAX
            && let Err(error) = self.compact(rng)
        {
            // What was to be saved is saved; a smaller file can wait for room on the disk.
            tracing::warn!(%error, "the vault was not rewritten");
            self.records = 0;
        }
        Ok(())
    }

    /// Rewrites the vault: the wallet as one snapshot, the messenger's facts in few records.
    fn compact(&mut self, rng: &mut impl CryptoRng) -> Result<(), SessionError> {
        let recalled = Recalled::from_vault(&self.profile.vault, &self.vault_key)?;
        let mut facts = messenger::ChangeSet::default();
        recalled
            .messages
            .into_iter()
            .for_each(|set| facts.merge(set));
        let messages = facts.split(FACTS_MAX, FACT_BYTES_MAX);
        let messages = messages.into_iter().map(Record::Messenger);
        let wallet = self.ledger.snapshot().into_iter().map(Record::Wallet);
        let sealed = self.seal_all(wallet.chain(messages), rng);
        self.profile.vault.compact(&sealed)?;
        self.records = sealed.len() as u64;
        Ok(())
    }

    fn seal_all(
        &self,
        records: impl IntoIterator<Item = Record>,
        rng: &mut impl CryptoRng,
    ) -> Vec<Vec<u8>> {
        let first = self.profile.vault.next_sequence();
        (first..)
            .zip(records)
            .map(|(sequence, record)| self.vault_key.seal(sequence, &record.encode(), rng))
            .collect()
    }
}

#[cfg(test)]
mod tests;
