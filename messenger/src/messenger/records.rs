//! The account's records: noted here, written to the self-conversation one per rate epoch.
//!
//! # Invariants
//! At most one envelope per rate epoch goes to the self-conversation, at a random height, and only
//! when something changed: its rhythm tells nothing of what the account does.
//!
//! # Spec
//! docs/spec/09-messages.md §7.4
//!
//! # Not here
//! The fold of records: [`crate::self_conversation`].

use chain::{Height, PublicKey, Timestamp};
use rand_core::CryptoRng;

use super::{Messenger, Work};
use crate::change_set::{Change, ChangeSet, StoredAccess};
use crate::content::Content;
use crate::delegation::Delegation;
use crate::error::LayoutError;
use crate::event::Event;
use crate::ids::ConversationId;
use crate::outbox::Payload;
use crate::plaintext::Attention;
use crate::secret::PrivateText;
use crate::secret::SecretBytes;
use crate::self_conversation::AccountRecords;
use crate::self_record::{ContactState, DeviceChange, ReadMark, SelfRecord, StateBits, narrow};

impl Messenger {
    /// What the account keeps about conversations, contacts and devices, with what waits to be
    /// written.
    #[must_use]
    pub fn records(&self) -> AccountRecords {
        let mut records = AccountRecords::default();
        if let Some(own) = self.conversations.get(&self.self_conversation) {
            for (_, entry) in own.log.iter() {
                if let Content::Record(record) = &entry.plaintext.content {
                    records.apply(record);
                }
            }
        }
        self.waiting.iter().for_each(|record| records.apply(record));
        records
    }

    /// Sets what the owner thinks of an account.
    ///
    /// # Errors
    /// A name that does not fit 255 bytes or holds a control character.
    pub fn set_contact(
        &mut self,
        key: PublicKey,
        state: ContactState,
        petname: &str,
    ) -> Result<ChangeSet, LayoutError> {
        self.keep(&SelfRecord::Contact {
            key,
            state,
            petname: petname.to_owned(),
        })
    }

    /// Sets how a conversation is kept in the list.
    pub fn set_state(
        &mut self,
        conversation: ConversationId,
        bits: StateBits,
        mute_until: Timestamp,
    ) -> ChangeSet {
        let mute_until_ms = mute_until.get();
        self.keep(&SelfRecord::State {
            conversation,
            bits,
            mute_until_ms,
        })
        .expect("numbers always encode")
    }

    /// Marks a conversation as read up to a place; an earlier mark changes nothing.
    pub fn mark_read(
        &mut self,
        conversation: ConversationId,
        height: Height,
        index: u16,
    ) -> ChangeSet {
        let height = narrow(height);
        let known = self
            .records()
            .read
            .get(&conversation)
            .copied()
            .unwrap_or_default();
        if known >= (height, index) {
            return ChangeSet::default();
        }
        self.keep(&SelfRecord::Read(vec![ReadMark {
            conversation,
            height,
            index,
        }]))
        .expect("one mark always encodes")
    }

    /// Keeps an unsent text; an empty one removes it.
    ///
    /// # Errors
    /// A text that does not fit or holds a control character.
    pub fn set_draft(
        &mut self,
        conversation: ConversationId,
        text: &str,
    ) -> Result<ChangeSet, LayoutError> {
        self.keep(&SelfRecord::Draft {
            conversation,
            text: PrivateText(text.to_owned()),
        })
    }

    /// Tells the account's other devices how far an inbox generation was read.
    pub fn mark_inbox_scanned(&mut self, generation: u32, scanned_to: Height) -> ChangeSet {
        let scanned_to = narrow(scanned_to);
        self.keep(&SelfRecord::Inbox {
            generation,
            scanned_to,
        })
        .expect("numbers always encode")
    }

    fn keep(&mut self, record: &SelfRecord) -> Result<ChangeSet, LayoutError> {
        Content::Record(record.clone()).encode()?;
        let mut work = Work::default();
        self.note(record, &mut work);
        Ok(work.changes)
    }

    pub(super) fn note_device(&mut self, delegation: [u8; Delegation::BYTES], work: &mut Work) {
        let name = self.device.label.clone();
        self.note(
            &SelfRecord::Device {
                delegation,
                name,
                change: DeviceChange::Added,
            },
            work,
        );
    }

    /// Lets a record wait to be written.
    pub(super) fn note(&mut self, record: &SelfRecord, work: &mut Work) {
        if let Some((code, body)) = encoded(record) {
            self.commit(work, Change::RecordNoted { code, body });
        }
    }

    /// Acts on what another device of the account wrote.
    pub(super) fn act_on_record(&mut self, content: &Content, work: &mut Work) {
        let Content::Record(record) = content else {
            return;
        };
        if let SelfRecord::Conversation {
            capability,
            birthday,
            root_index,
            petname,
        } = record
        {
            let access = StoredAccess::Capability(capability.clone());
            // A record that does not hold is the account's own mistake: there is nobody to tell.
            let _joined = self.join_keys(access, *birthday, petname, work);
            if let Some(index) = root_index
                && let Some(root) = self.probed_roots.get(index).cloned()
            {
                let (events, changes) = self.probe_roots([(*index, root)]);
                work.events.extend(events);
                work.changes.merge(changes);
            }
        }
        work.events.push(Event::RecordsChanged);
    }

    /// Writes the next record when its time has come, and chooses the time of the one after.
    pub(super) fn write_next_record(
        &mut self,
        now: Timestamp,
        rng: &mut impl CryptoRng,
        work: &mut Work,
    ) {
        let id = self.self_conversation;
        let Some(tip) = self.scanned.filter(|_| self.is_at_tip) else {
            return;
        };
        if self.waiting.is_empty() || self.is_quiet() || self.has_record_on_the_way() {
            return;
        }
        let has_chain = self
            .conversations
            .get(&id)
            .is_some_and(|own| own.own_chain(now).is_some());
        let epoch = self.rates.for_next_block(tip);
        let Some(due) = self.record_due else {
            let begin = if self.record_epoch == Some(epoch.get()) {
                self.rates
                    .first_height(epoch.checked_add(1).unwrap_or(epoch))
            } else {
                tip
            };
            let height = Some(self.random_height_from(begin, rng));
            self.commit(work, Change::RecordDue { height });
            return;
        };
        if tip < due {
            return;
        }
        let is_written = match self.waiting.next().filter(|_| has_chain) {
            None => self.begin_chain(&id, now, rng, work).is_ok(),
            Some(record) => self.write_record(&record, now, rng, work),
        };
        if is_written {
            self.commit(
                work,
                Change::RecordEpoch {
                    rate_epoch: epoch.get(),
                },
            );
        }
    }

    fn write_record(
        &mut self,
        record: &SelfRecord,
        now: Timestamp,
        rng: &mut impl CryptoRng,
        work: &mut Work,
    ) -> bool {
        let id = self.self_conversation;
        let content = Content::Record(record.clone());
        let is_written = self
            .write(&id, content, Attention::Silent, now, rng, work)
            .is_ok();
        if let Some((code, body)) = encoded(record).filter(|_| is_written) {
            self.commit(work, Change::RecordWritten { code, body });
        }
        is_written
    }

    /// Whether the last record is not in a block yet: its successor would share its rate epoch.
    fn has_record_on_the_way(&self) -> bool {
        self.outbox.iter().any(|(reference, row)| {
            matches!(row.payload, Payload::Chain { conversation, .. }
                if conversation == self.self_conversation)
                && self.is_waiting(reference, row)
        })
    }

    /// A height between `begin` and the end of its rate epoch.
    fn random_height_from(&self, begin: Height, rng: &mut impl CryptoRng) -> Height {
        let epoch = self.rates.of(begin);
        let end = self
            .rates
            .first_height(epoch.checked_add(1).unwrap_or(epoch));
        let room = end.get().saturating_sub(begin.get()).max(1);
        Height::new(begin.get().saturating_add(rng.next_u64() % room))
    }
}

fn encoded(record: &SelfRecord) -> Option<(u8, SecretBytes)> {
    let body = Content::Record(record.clone()).encode().ok()?;
    Some((record.code(), SecretBytes::new(body)))
}
