//! What a message says: the bodies of the plaintext types.
//!
//! # Invariants
//! * `Content::decode(code, &content.encode()?) == content` for every content that encodes.
//! * A type that this version does not know is kept as it is and never acted on.
//! * `Debug` shows no text.
//!
//! # Spec
//! docs/spec/09-messages.md §7
//!
//! # Not here
//! The frame around a body: [`crate::plaintext`]. Records of the self-conversation:
//! [`crate::self_record`].

use std::fmt;

use chain::{AccountId, PublicKey, Signature};

use crate::capability::Access;
use crate::delegation::Delegation;
use crate::error::{LayoutError, Refusal};
use crate::ids::{RefPrefix, Slot};
use crate::layout::{Reader, Writer};
use crate::self_record::SelfRecord;

/// Mentions in one text: more is shouting.
pub const MENTIONS_MAX: usize = 16;

/// Type codes of plaintexts.
pub(crate) mod code {
    pub(crate) const START: u8 = 0x01;
    pub(crate) const TEXT: u8 = 0x10;
    pub(crate) const REPLY: u8 = 0x11;
    pub(crate) const EDIT: u8 = 0x13;
    pub(crate) const ANNOUNCE: u8 = 0x15;
    pub(crate) const RESERVE: u8 = 0x30;
    pub(crate) const SELF_CONVERSATION: u8 = 0x40;
    pub(crate) const SELF_STATE: u8 = 0x41;
    pub(crate) const SELF_READ: u8 = 0x42;
    pub(crate) const SELF_DRAFT: u8 = 0x43;
    pub(crate) const SELF_CONTACT: u8 = 0x44;
    pub(crate) const SELF_DEVICE: u8 = 0x45;
    pub(crate) const SELF_INBOX: u8 = 0x46;
    pub(crate) const SELF_OWN: u8 = 0x48;
}

/// The body of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Begins a writer chain.
    Start(ChainStart),
    /// A text.
    Text(Text),
    /// A text in answer to a message.
    Reply {
        /// Which message.
        to: RefPrefix,
        /// The answer.
        text: Text,
    },
    /// Keeps a slot for somebody who was given write access to it.
    Reserve {
        /// Which slot.
        slot: Slot,
        /// What was given.
        access: Access,
        /// For whom, in the inviter's words.
        label: String,
    },
    /// A record of the self-conversation.
    Record(SelfRecord),
    /// A type that this version does not know: shown as such.
    Unsupported(Unsupported),
}

/// A body of an unknown type.
#[derive(Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// Type code.
    pub code: u8,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl fmt::Debug for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Unsupported(type {:#04x}, {} bytes)",
            self.code,
            self.body.len()
        )
    }
}

/// First message of a writer chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainStart {
    /// `S`: whoever holds the secret behind it writes the rest of the chain.
    pub announced: PublicKey,
    /// Who it is; nothing is "some writer".
    pub author: Option<AuthorClaim>,
    /// The device, in its owner's words.
    pub device: String,
}

/// An account's claim to a writer chain. The delegation is checked by the reader, who knows the
/// chain and the height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorClaim {
    /// Encoded [`Delegation`] of the session key.
    pub delegation: [u8; Delegation::BYTES],
    /// By the session key over the chain's place, `S` and its first one-time key.
    pub signature: Signature,
}

impl AuthorClaim {
    /// The account named by the delegation.
    #[must_use]
    pub fn account(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(&self.delegation[5..37]);
        PublicKey::from_bytes(key)
    }
}

/// A text with the accounts that it mentions.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// The words.
    pub text: String,
    /// In ascending order, without overlap.
    pub mentions: Vec<Mention>,
}

/// Part of a text that names an account.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mention {
    /// Who.
    pub account: AccountId,
    /// Where the name begins (UTF-8 bytes).
    pub offset_bytes: u16,
    /// How long it is (UTF-8 bytes).
    pub length_bytes: u16,
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Text({} bytes, {} mentions)",
            self.text.len(),
            self.mentions.len()
        )
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            mentions: Vec::new(),
        }
    }
}

impl Text {
    fn write(&self, writer: Writer) -> Result<Writer, LayoutError> {
        self.check_mentions()?;
        let count = u8::try_from(self.mentions.len()).expect("checked against the limit");
        let writer = self
            .mentions
            .iter()
            .fold(writer.u8(count), |writer, mention| {
                writer
                    .bytes(mention.account.as_bytes())
                    .u16(mention.offset_bytes)
                    .u16(mention.length_bytes)
            });
        writer.str16(&self.text)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, LayoutError> {
        let count = usize::from(reader.u8()?);
        if count > MENTIONS_MAX {
            return Err(LayoutError::TooMany {
                found: count,
                max: MENTIONS_MAX,
            });
        }
        let mentions = (0..count)
            .map(|_| {
                let account = AccountId::from_bytes(reader.array()?);
                let (offset_bytes, length_bytes) = (reader.u16()?, reader.u16()?);
                Ok(Mention {
                    account,
                    offset_bytes,
                    length_bytes,
                })
            })
            .collect::<Result<_, LayoutError>>()?;
        let text = Self {
            text: reader.str16()?,
            mentions,
        };
        text.check_mentions()?;
        Ok(text)
    }

    /// Mentions lie inside the text, on character borders, in order and apart from each other.
    fn check_mentions(&self) -> Result<(), LayoutError> {
        if self.mentions.len() > MENTIONS_MAX {
            return Err(LayoutError::TooMany {
                found: self.mentions.len(),
                max: MENTIONS_MAX,
            });
        }
        let mut free_from = 0;
        for mention in &self.mentions {
            let start = usize::from(mention.offset_bytes);
            let end = start + usize::from(mention.length_bytes);
            if start < free_from || self.text.get(start..end).is_none() {
                return Err(LayoutError::MentionOutside);
            }
            free_from = end;
        }
        Ok(())
    }
}

impl Content {
    /// The type code on the wire.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Start(_) => code::START,
            Self::Text(_) => code::TEXT,
            Self::Reply { .. } => code::REPLY,
            Self::Reserve { .. } => code::RESERVE,
            Self::Record(record) => record.code(),
            Self::Unsupported(unsupported) => unsupported.code,
        }
    }

    /// Whether bodies of the type may be compressed.
    pub(crate) const fn is_compressible(code: u8) -> bool {
        use code::{ANNOUNCE, EDIT, REPLY, SELF_DRAFT, TEXT};
        matches!(code, TEXT | REPLY | EDIT | ANNOUNCE | SELF_DRAFT)
    }

    /// The body.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, LayoutError> {
        let writer = Writer::new();
        let writer = match self {
            Self::Start(start) => start.write(writer)?,
            Self::Text(text) => text.write(writer)?,
            Self::Reply { to, text } => text.write(writer.bytes(to.as_bytes()))?,
            Self::Reserve {
                slot,
                access,
                label,
            } => writer.u32(slot.get()).u8(access.byte()).str8(label)?,
            Self::Record(record) => record.write(writer)?,
            Self::Unsupported(unsupported) => writer.bytes(&unsupported.body),
        };
        Ok(writer.into_bytes())
    }

    /// Reads the body of a type. An unknown type is no error.
    pub(crate) fn decode(code: u8, body: &[u8]) -> Result<Self, Refusal> {
        let mut reader = Reader::new(body);
        let content = match code {
            code::START => Self::Start(ChainStart::read(&mut reader)?),
            code::TEXT => Self::Text(Text::read(&mut reader)?),
            code::REPLY => {
                let to = RefPrefix::from_bytes(reader.array()?);
                Self::Reply {
                    to,
                    text: Text::read(&mut reader)?,
                }
            }
            code::RESERVE => {
                let slot = Slot::new(reader.u32()?);
                let access = reader.u8()?;
                let access = Access::from_byte(access).ok_or(LayoutError::UnknownValue {
                    field: "access",
                    found: access.into(),
                })?;
                Self::Reserve {
                    slot,
                    access,
                    label: reader.str8()?,
                }
            }
            _ => match SelfRecord::read(code, &mut reader)? {
                Some(record) => Self::Record(record),
                None => {
                    return Ok(Self::Unsupported(Unsupported {
                        code,
                        body: body.to_vec(),
                    }));
                }
            },
        };
        reader.finish()?;
        Ok(content)
    }
}

impl ChainStart {
    fn write(&self, writer: Writer) -> Result<Writer, LayoutError> {
        let writer = writer.bytes(self.announced.as_bytes());
        let writer = match &self.author {
            None => writer.u8(0),
            Some(claim) => writer
                .u8(1)
                .bytes(&claim.delegation)
                .bytes(claim.signature.as_bytes()),
        };
        writer.str8(&self.device)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, LayoutError> {
        let announced = PublicKey::from_bytes(reader.array()?);
        let author = match reader.u8()? {
            0 => None,
            1 => {
                let delegation = reader.array()?;
                let signature = Signature::from_bytes(reader.array()?);
                Some(AuthorClaim {
                    delegation,
                    signature,
                })
            }
            mode => {
                return Err(LayoutError::UnknownValue {
                    field: "author_mode",
                    found: mode.into(),
                });
            }
        };
        Ok(Self {
            announced,
            author,
            device: reader.str8()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(content: &Content) {
        let body = content.encode().expect("encodes");
        assert_eq!(Content::decode(content.code(), &body).as_ref(), Ok(content));
        let long = [&body[..], &[0]].concat();
        let trailing = Refusal::Layout(LayoutError::TrailingBytes);
        assert_eq!(Content::decode(content.code(), &long), Err(trailing));
        for len in 0..body.len() {
            assert!(
                Content::decode(content.code(), &body[..len]).is_err(),
                "{len} bytes"
            );
        }
    }

    fn mention(offset_bytes: u16, length_bytes: u16) -> Mention {
        Mention {
            account: AccountId::from_bytes([4; 20]),
            offset_bytes,
            length_bytes,
        }
    }

    #[test]
    fn every_supported_type_survives_the_round_trip() {
        let claim = AuthorClaim {
            delegation: [3; Delegation::BYTES],
            signature: Signature::from_bytes([4; 64]),
        };
        let announced = PublicKey::from_bytes([5; 32]);
        let device = "desk".to_owned();
        let mentioned = Text {
            text: "@anna и @борис".to_owned(),
            mentions: vec![mention(0, 5), mention(9, 11)],
        };
        for content in [
            Content::Start(ChainStart {
                announced,
                author: None,
                device: device.clone(),
            }),
            Content::Start(ChainStart {
                announced,
                author: Some(claim),
                device,
            }),
            Content::Text(Text::from("hello\n\tworld")),
            Content::Text(mentioned.clone()),
            Content::Reply {
                to: RefPrefix::from_bytes([6; 16]),
                text: mentioned,
            },
            Content::Reserve {
                slot: Slot::new(7),
                access: Access::Write,
                label: "bot".to_owned(),
            },
        ] {
            round_trip(&content);
        }
    }

    #[test]
    fn an_unknown_type_is_kept_as_it_is() {
        for code in [0x00, 0x12, 0x47, 0xff] {
            let content = Content::decode(code, &[1, 2, 3]).expect("kept");
            assert_eq!(
                content,
                Content::Unsupported(Unsupported {
                    code,
                    body: vec![1, 2, 3]
                })
            );
            assert_eq!(content.encode(), Ok(vec![1, 2, 3]));
        }
    }

    #[test]
    fn mentions_outside_the_text_are_refused() {
        for mentions in [
            vec![mention(0, 9)],
            vec![mention(1, 1)],
            vec![mention(0, 1)],
            vec![mention(4, 4), mention(0, 4)],
            vec![mention(0, 4), mention(2, 4)],
            vec![mention(0, 0); 17],
        ] {
            let text = Text {
                text: "жжжж".to_owned(),
                mentions,
            };
            assert!(Content::Text(text).encode().is_err());
        }
        let mut body = vec![1];
        body.extend([4; 20]);
        body.extend([0, 0, 9, 0, 1, 0, b'a']);
        let outside = Refusal::Layout(LayoutError::MentionOutside);
        assert_eq!(Content::decode(code::TEXT, &body), Err(outside));
    }

    #[test]
    fn unknown_author_modes_and_access_are_named() {
        let mut body = vec![5; 32];
        body.push(2);
        let mode = LayoutError::UnknownValue {
            field: "author_mode",
            found: 2,
        };
        assert_eq!(
            Content::decode(code::START, &body),
            Err(Refusal::Layout(mode))
        );
        let access = LayoutError::UnknownValue {
            field: "access",
            found: 0,
        };
        let body = [0; 6];
        assert_eq!(
            Content::decode(code::RESERVE, &body),
            Err(Refusal::Layout(access))
        );
    }

    #[test]
    fn debug_output_shows_no_text() {
        let shown = format!("{:?}", Content::Text(Text::from("hunter2")));
        assert_eq!(shown, "Text(Text(7 bytes, 0 mentions))");
        let unknown = Content::Unsupported(Unsupported {
            code: 0x12,
            body: b"hunter2".to_vec(),
        });
        assert_eq!(
            format!("{unknown:?}"),
            "Unsupported(Unsupported(type 0x12, 7 bytes))"
        );
    }
}
