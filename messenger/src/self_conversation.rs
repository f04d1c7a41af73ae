//! The self-conversation: how the devices of an account keep each other up to date, and what a
//! restored device learns from it.
//!
//! # Invariants
//! * Records are folded in the order of the log, so all devices come to the same result; a record
//!   that waits to be written already counts on this device.
//! * Waiting records replace each other by what they are about: only the newest state is written.
//!
//! # Spec
//! docs/spec/09-messages.md §7.4
//!
//! # Not here
//! When the next record is written: [`crate::Messenger::tick`].

use std::collections::BTreeMap;

use chain::PublicKey;

use crate::ids::{ConversationId, WriterChainId};
use crate::keys::conversation_id;
use crate::self_record::{
    ContactState, DeviceChange, READ_MARKS_MAX, ReadMark, SelfRecord, StateBits,
};

/// What an account keeps about conversations, contacts and devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountRecords {
    /// Contacts by key.
    pub contacts: BTreeMap<PublicKey, Contact>,
    /// List states.
    pub states: BTreeMap<ConversationId, ListState>,
    /// Read marks: height and index of the last message read.
    pub read: BTreeMap<ConversationId, (u32, u16)>,
    /// Unsent texts.
    pub drafts: BTreeMap<ConversationId, String>,
    /// Devices by session key.
    pub devices: BTreeMap<PublicKey, DeviceState>,
    /// How far each inbox generation was read.
    pub inboxes: BTreeMap<u32, u32>,
    /// Writer chains of the account in the order in which it told of them.
    pub own: BTreeMap<ConversationId, Vec<WriterChainId>>,
}

/// What the owner thinks of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Known, verified or blocked.
    pub state: ContactState,
    /// What the owner calls it.
    pub petname: String,
}

/// How a conversation is kept in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListState {
    /// Pinned, muted, archived, left.
    pub bits: StateBits,
    /// Until when it is muted (milliseconds since 1970).
    pub mute_until_ms: u64,
}

/// A device of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceState {
    /// In the owner's words.
    pub name: String,
    /// Joined or revoked.
    pub change: DeviceChange,
}

impl AccountRecords {
    /// Takes one more record, newer than all before.
    pub(crate) fn apply(&mut self, record: &SelfRecord) {
        match record {
            // Joining is done when the record is received; nothing is left to fold.
            SelfRecord::Conversation { .. } => {}
            SelfRecord::State {
                conversation,
                bits,
                mute_until_ms,
            } => {
                let state = ListState {
                    bits: *bits,
                    mute_until_ms: *mute_until_ms,
                };
                self.states.insert(*conversation, state);
            }
            SelfRecord::Read(marks) => {
                for mark in marks {
                    let kept = self.read.entry(mark.conversation).or_default();
                    *kept = (*kept).max((mark.height, mark.index));
                }
            }
            SelfRecord::Draft { conversation, text } if text.0.is_empty() => {
                self.drafts.remove(conversation);
            }
            SelfRecord::Draft { conversation, text } => {
                self.drafts.insert(*conversation, text.0.clone());
            }
            SelfRecord::Contact {
                key,
                state,
                petname,
            } => {
                let contact = Contact {
                    state: *state,
                    petname: petname.clone(),
                };
                self.contacts.insert(*key, contact);
            }
            SelfRecord::Device {
                delegation,
                name,
                change,
            } => {
                let state = DeviceState {
                    name: name.clone(),
                    change: *change,
                };
                self.devices.insert(session_of(delegation), state);
            }
            SelfRecord::Inbox {
                generation,
                scanned_to,
            } => {
                let kept = self.inboxes.entry(*generation).or_default();
                *kept = (*kept).max(*scanned_to);
            }
            SelfRecord::Own {
                conversation,
                writer,
            } => {
                let chains = self.own.entry(*conversation).or_default();
                chains.retain(|known| known != writer);
                chains.push(*writer);
            }
        }
    }
}

/// What a record is about: a newer one replaces it. The order is the order of writing: what a
/// restore needs most comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Conversation(ConversationId),
    Own(ConversationId),
    Device(PublicKey),
    Contact(PublicKey),
    State(ConversationId),
    Inbox(u32),
    Read(ConversationId),
    Draft(ConversationId),
}

/// Records that wait to be written.
#[derive(Clone, Debug, Default)]
pub(crate) struct WaitingRecords {
    by_subject: BTreeMap<Subject, SelfRecord>,
}

impl WaitingRecords {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_subject.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &SelfRecord> {
        self.by_subject.values()
    }

    pub(crate) fn note(&mut self, record: &SelfRecord) {
        for (subject, record) in split(record) {
            self.by_subject.insert(subject, record);
        }
    }

    /// Forgets what was written, unless something newer waits by now.
    pub(crate) fn written(&mut self, record: &SelfRecord) {
        for (subject, record) in split(record) {
            if self.by_subject.get(&subject) == Some(&record) {
                self.by_subject.remove(&subject);
            }
        }
    }

    /// The record to write next; read marks go together.
    pub(crate) fn next(&self) -> Option<SelfRecord> {
        let (_, first) = self.by_subject.first_key_value()?;
        let SelfRecord::Read(_) = first else {
            return Some(first.clone());
        };
        let marks = self.by_subject.values().filter_map(|record| match record {
            SelfRecord::Read(marks) => Some(marks),
            _ => None,
        });
        Some(SelfRecord::Read(
            marks.flatten().copied().take(READ_MARKS_MAX).collect(),
        ))
    }
}

fn split(record: &SelfRecord) -> Vec<(Subject, SelfRecord)> {
    let subject = match record {
        SelfRecord::Read(marks) => {
            let one = |mark: &ReadMark| {
                (
                    Subject::Read(mark.conversation),
                    SelfRecord::Read(vec![*mark]),
                )
            };
            return marks.iter().map(one).collect();
        }
        SelfRecord::Conversation { capability, .. } => {
            let admin = capability
                .expose()
                .get(1..33)
                .and_then(|key| key.try_into().ok());
            let admin = PublicKey::from_bytes(admin.unwrap_or_default());
            Subject::Conversation(conversation_id(&admin))
        }
        SelfRecord::Own { conversation, .. } => Subject::Own(*conversation),
        SelfRecord::Device { delegation, .. } => Subject::Device(session_of(delegation)),
        SelfRecord::Contact { key, .. } => Subject::Contact(*key),
        SelfRecord::State { conversation, .. } => Subject::State(*conversation),
        SelfRecord::Inbox { generation, .. } => Subject::Inbox(*generation),
        SelfRecord::Draft { conversation, .. } => Subject::Draft(*conversation),
    };
    vec![(subject, record.clone())]
}

/// The session key inside an encoded delegation.
fn session_of(delegation: &[u8; crate::delegation::Delegation::BYTES]) -> PublicKey {
    let mut key = [0; 32];
    key.copy_from_slice(&delegation[37..69]);
    PublicKey::from_bytes(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::PrivateText;

    fn conversation(byte: u8) -> ConversationId {
        ConversationId::from_bytes([byte; 32])
    }

    fn mark(byte: u8, height: u32) -> SelfRecord {
        SelfRecord::Read(vec![ReadMark {
            conversation: conversation(byte),
            height,
            index: 0,
        }])
    }

    fn draft(text: &str) -> SelfRecord {
        SelfRecord::Draft {
            conversation: conversation(1),
            text: PrivateText(text.to_owned()),
        }
    }

    #[test]
    fn the_highest_read_mark_and_the_last_of_everything_else_win() {
        let mut records = AccountRecords::default();
        for record in [mark(1, 9), mark(1, 5), draft("a"), draft("b")] {
            records.apply(&record);
        }
        assert_eq!(records.read.get(&conversation(1)), Some(&(9, 0)));
        assert_eq!(
            records.drafts.get(&conversation(1)).map(String::as_str),
            Some("b")
        );
        records.apply(&draft(""));
        assert!(records.drafts.is_empty());
    }

    #[test]
    fn waiting_records_replace_each_other_and_go_out_by_importance() {
        let mut waiting = WaitingRecords::default();
        for record in [draft("a"), draft("b"), mark(1, 5), mark(2, 6)] {
            waiting.note(&record);
        }
        let own = SelfRecord::Own {
            conversation: conversation(1),
            writer: WriterChainId {
                epoch: crate::ids::KeyEpoch::new(0),
                slot: crate::ids::Slot::new(1),
                generation: crate::ids::Generation::new(0),
            },
        };
        waiting.note(&own);
        assert_eq!(waiting.next(), Some(own.clone()));
        waiting.written(&own);
        let Some(SelfRecord::Read(marks)) = waiting.next() else {
            panic!("read marks are next")
        };
        assert_eq!(marks.len(), 2);
        waiting.note(&mark(2, 7));
        waiting.written(&SelfRecord::Read(marks));
        // The newer mark was noted after the written ones were taken.
        assert_eq!(waiting.next(), Some(mark(2, 7)));
        waiting.written(&mark(2, 7));
        assert_eq!(waiting.next(), Some(draft("b")));
        waiting.written(&draft("b"));
        assert!(waiting.is_empty());
    }

    #[test]
    fn at_most_eight_read_marks_go_together() {
        let mut waiting = WaitingRecords::default();
        (0..20).for_each(|byte| waiting.note(&mark(byte, 1)));
        let Some(SelfRecord::Read(marks)) = waiting.next() else {
            panic!("read marks are next")
        };
        assert_eq!(marks.len(), READ_MARKS_MAX);
    }
}
