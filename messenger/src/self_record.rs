//! Records of the self-conversation: what an account tells its own devices.
//!
//! # Invariants
//! Unknown states and bits are refused, never guessed; `Debug` shows no draft and no key.
//!
//! # Spec
//! docs/spec/09-messages.md §7.4
//!
//! # Not here
//! When records are written and how they are folded: [`crate::self_conversation`].

use chain::{Height, PublicKey};

use crate::capability::Access;
use crate::content::code;
use crate::delegation::Delegation;
use crate::error::LayoutError;
use crate::ids::{ConversationId, Generation, KeyEpoch, Slot, WriterChainId};
use crate::layout::{Reader, Writer};
use crate::secret::{PrivateText, SecretBytes};

/// Read marks in one record.
pub const READ_MARKS_MAX: usize = 8;

/// `root_index` on the wire of a conversation that somebody else created.
const NO_ROOT: u32 = u32::MAX;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelfRecord {
    /// The account is in a conversation.
    Conversation {
        /// Encoded [`crate::Capability`]; checked when it is used.
        capability: SecretBytes,
        /// Nothing of it is older.
        birthday: Height,
        /// Index of its root, if the account created it.
        root_index: Option<u32>,
        /// What the owner calls it.
        petname: String,
    },
    /// How a conversation is kept in the list.
    State {
        /// Which.
        conversation: ConversationId,
        /// Pinned, muted, archived, left.
        bits: StateBits,
        /// Until when it is muted (milliseconds since 1970).
        mute_until_ms: u64,
    },
    /// How far conversations were read; the highest mark wins.
    Read(Vec<ReadMark>),
    /// An unsent text.
    Draft {
        /// Where.
        conversation: ConversationId,
        /// Empty removes it.
        text: PrivateText,
    },
    /// What the owner thinks of an account.
    Contact {
        /// Whose key.
        key: PublicKey,
        /// Known, verified or blocked.
        state: ContactState,
        /// What the owner calls it.
        petname: String,
    },
    /// A device joined or was revoked.
    Device {
        /// Encoded delegation of its session key.
        delegation: [u8; Delegation::BYTES],
        /// In the owner's words.
        name: String,
        /// Joined or revoked.
        change: DeviceChange,
    },
    /// How far an inbox generation was read.
    Inbox {
        /// Which generation.
        generation: u32,
        /// Up to this height.
        scanned_to: u32,
    },
    /// The account writes here; the last one of a conversation wins.
    Own {
        /// In which conversation.
        conversation: ConversationId,
        /// Which writer chain.
        writer: WriterChainId,
    },
}

/// A set of list states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateBits(u16);

impl StateBits {
    /// Stays on top.
    pub const PINNED: Self = Self(1);
    /// Does not notify.
    pub const MUTED: Self = Self(2);
    /// Out of the list.
    pub const ARCHIVED: Self = Self(4);
    /// The account no longer takes part.
    pub const LEFT: Self = Self(8);

    /// From the wire; nothing if a bit is unknown.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Option<Self> {
        if bits & !0x0f == 0 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// The bits on the wire.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether everything in `other` is set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// How far a conversation was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadMark {
    /// Which conversation.
    pub conversation: ConversationId,
    /// Height of the last message read.
    pub height: u32,
    /// Its index in that block.
    pub index: u16,
}

/// What the owner thinks of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactState {
    /// In the list.
    Known,
    /// Keys were compared.
    Verified,
    /// Nothing of it is shown.
    Blocked,
}

/// What happened to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChange {
    /// It may write for the account.
    Added,
    /// No longer.
    Revoked,
}

impl SelfRecord {
    /// The type code on the wire.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Conversation { .. } => code::SELF_CONVERSATION,
            Self::State { .. } => code::SELF_STATE,
            Self::Read(_) => code::SELF_READ,
            Self::Draft { .. } => code::SELF_DRAFT,
            Self::Contact { .. } => code::SELF_CONTACT,
            Self::Device { .. } => code::SELF_DEVICE,
            Self::Inbox { .. } => code::SELF_INBOX,
            Self::Own { .. } => code::SELF_OWN,
        }
    }

    pub(crate) fn write(&self, writer: Writer) -> Result<Writer, LayoutError> {
        match self {
            Self::Conversation {
                capability,
                birthday,
                root_index,
                petname,
            } => writer
                .bytes(capability.expose())
                .u32(narrow(*birthday))
                .u32(root_index.unwrap_or(NO_ROOT))
                .str8(petname),
            Self::State {
                conversation,
                bits,
                mute_until_ms,
            } => Ok(writer
                .bytes(conversation.as_bytes())
                .u16(bits.bits())
                .u64(*mute_until_ms)),
            Self::Read(marks) => {
                let count = u8::try_from(marks.len()).unwrap_or(u8::MAX);
                check_count(count.into())?;
                Ok(marks.iter().fold(writer.u8(count), |writer, mark| {
                    writer
                        .bytes(mark.conversation.as_bytes())
                        .u32(mark.height)
                        .u16(mark.index)
                }))
            }
            Self::Draft { conversation, text } => {
                writer.bytes(conversation.as_bytes()).str16(&text.0)
            }
            Self::Contact {
                key,
                state,
                petname,
            } => {
                let state = match state {
                    ContactState::Known => 1,
                    ContactState::Verified => 2,
                    ContactState::Blocked => 3,
                };
                writer.bytes(key.as_bytes()).u8(state).str8(petname)
            }
            Self::Device {
                delegation,
                name,
                change,
            } => {
                let change = match change {
                    DeviceChange::Added => 1,
                    DeviceChange::Revoked => 2,
                };
                Ok(writer.bytes(delegation).str8(name)?.u8(change))
            }
            Self::Inbox {
                generation,
                scanned_to,
            } => Ok(writer.u32(*generation).u32(*scanned_to)),
            Self::Own {
                conversation,
                writer: chain,
            } => Ok(writer
                .bytes(conversation.as_bytes())
                .u32(chain.slot.get())
                .u32(chain.epoch.get())
                .u32(chain.generation.get())),
        }
    }

    /// Reads a record, or nothing for a type that is no known record.
    pub(crate) fn read(code: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, LayoutError> {
        let unknown = |field, found: u16| LayoutError::UnknownValue {
            field,
            found: found.into(),
        };
        let record = match code {
            code::SELF_CONVERSATION => Self::read_conversation(reader)?,
            code::SELF_STATE => {
                let conversation = read_conversation_id(reader)?;
                let bits = reader.u16()?;
                let bits = StateBits::from_bits(bits).ok_or(unknown("bits", bits))?;
                Self::State {
                    conversation,
                    bits,
                    mute_until_ms: reader.u64()?,
                }
            }
            code::SELF_READ => {
                let count = usize::from(reader.u8()?);
                check_count(count)?;
                let marks = (0..count).map(|_| {
                    let conversation = read_conversation_id(reader)?;
                    Ok(ReadMark {
                        conversation,
                        height: reader.u32()?,
                        index: reader.u16()?,
                    })
                });
                Self::Read(marks.collect::<Result<_, LayoutError>>()?)
            }
            code::SELF_DRAFT => {
                let conversation = read_conversation_id(reader)?;
                Self::Draft {
                    conversation,
                    text: PrivateText(reader.str16()?),
                }
            }
            code::SELF_CONTACT => {
                let key = PublicKey::from_bytes(reader.array()?);
                let state = match reader.u8()? {
                    1 => ContactState::Known,
                    2 => ContactState::Verified,
                    3 => ContactState::Blocked,
                    found => return Err(unknown("state", found.into())),
                };
                Self::Contact {
                    key,
                    state,
                    petname: reader.str8()?,
                }
            }
            code::SELF_DEVICE => {
                let (delegation, name) = (reader.array()?, reader.str8()?);
                let change = match reader.u8()? {
                    1 => DeviceChange::Added,
                    2 => DeviceChange::Revoked,
                    found => return Err(unknown("op", found.into())),
                };
                Self::Device {
                    delegation,
                    name,
                    change,
                }
            }
            code::SELF_INBOX => Self::Inbox {
                generation: reader.u32()?,
                scanned_to: reader.u32()?,
            },
            code::SELF_OWN => {
                let conversation = read_conversation_id(reader)?;
                let slot = Slot::new(reader.u32()?);
                let epoch = KeyEpoch::new(reader.u32()?);
                let generation = Generation::new(reader.u32()?);
                Self::Own {
                    conversation,
                    writer: WriterChainId {
                        epoch,
                        slot,
                        generation,
                    },
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(record))
    }

    fn read_conversation(reader: &mut Reader<'_>) -> Result<Self, LayoutError> {
        let kind = reader.clone().u8()?;
        let access = Access::from_byte(kind).ok_or(LayoutError::UnknownValue {
            field: "capability",
            found: kind.into(),
        })?;
        let capability = SecretBytes::new(reader.bytes(access.capability_bytes())?.to_vec());
        let birthday = Height::new(reader.u32()?.into());
        let root_index = Some(reader.u32()?).filter(|&index| index != NO_ROOT);
        Ok(Self::Conversation {
            capability,
            birthday,
            root_index,
            petname: reader.str8()?,
        })
    }
}

fn read_conversation_id(reader: &mut Reader<'_>) -> Result<ConversationId, LayoutError> {
    reader.array().map(ConversationId::from_bytes)
}

fn check_count(count: usize) -> Result<(), LayoutError> {
    if count > READ_MARKS_MAX {
        Err(LayoutError::TooMany {
            found: count,
            max: READ_MARKS_MAX,
        })
    } else {
        Ok(())
    }
}

/// Heights are u32 in messages; at one block a second that is enough for 136 years.
pub(crate) fn narrow(height: Height) -> u32 {
    u32::try_from(height.get()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;
    use crate::error::Refusal;

    fn records() -> Vec<SelfRecord> {
        let conversation = ConversationId::from_bytes([1; 32]);
        let mark = ReadMark {
            conversation,
            height: 5,
            index: 6,
        };
        let mut capability = vec![9; Access::Write.capability_bytes()];
        capability[0] = Access::Write.byte();
        vec![
            SelfRecord::Conversation {
                capability: SecretBytes::new(capability),
                birthday: Height::new(7),
                root_index: Some(3),
                petname: "дом".to_owned(),
            },
            SelfRecord::State {
                conversation,
                bits: StateBits::PINNED.with(StateBits::LEFT),
                mute_until_ms: 8,
            },
            SelfRecord::Read(vec![mark; READ_MARKS_MAX]),
            SelfRecord::Draft {
                conversation,
                text: PrivateText("unsent".to_owned()),
            },
            SelfRecord::Contact {
                key: PublicKey::from_bytes([2; 32]),
                state: ContactState::Blocked,
                petname: "x".to_owned(),
            },
            SelfRecord::Device {
                delegation: [3; Delegation::BYTES],
                name: "phone".to_owned(),
                change: DeviceChange::Revoked,
            },
            SelfRecord::Inbox {
                generation: 1,
                scanned_to: 2,
            },
            SelfRecord::Own {
                conversation,
                writer: WriterChainId {
                    epoch: KeyEpoch::new(1),
                    slot: Slot::new(2),
                    generation: Generation::new(3),
                },
            },
        ]
    }

    #[test]
    fn every_record_survives_the_round_trip_and_no_truncation_does() {
        for record in records() {
            let content = Content::Record(record);
            let body = content.encode().expect("encodes");
            assert_eq!(
                Content::decode(content.code(), &body).as_ref(),
                Ok(&content)
            );
            for len in 0..body.len() {
                assert!(Content::decode(content.code(), &body[..len]).is_err());
            }
            let long = [&body[..], &[0]].concat();
            assert!(Content::decode(content.code(), &long).is_err());
        }
    }

    #[test]
    fn unknown_states_bits_and_counts_are_refused() {
        let mut state = vec![1; 32];
        state.extend([16, 0]);
        state.extend([0; 8]);
        let mut contact = vec![2; 32];
        contact.extend([4, 0]);
        for (code, body) in [
            (code::SELF_STATE, state),
            (code::SELF_READ, vec![9]),
            (code::SELF_CONTACT, contact),
            (code::SELF_CONVERSATION, vec![0; 300]),
        ] {
            let refused = Content::decode(code, &body);
            assert!(matches!(
                refused,
                Err(Refusal::Layout(
                    LayoutError::UnknownValue { .. } | LayoutError::TooMany { .. }
                ))
            ));
        }
    }

    #[test]
    fn debug_output_shows_no_draft_and_no_capability() {
        let shown = format!("{:?}", records());
        assert!(!shown.contains("unsent"));
        assert!(shown.contains("SecretBytes(205 bytes, redacted)"));
    }
}
