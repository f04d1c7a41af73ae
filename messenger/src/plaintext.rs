//! The frame of a message: type, flags, time, links to earlier messages, body, padding.
//!
//! # Invariants
//! * A frame that [`Plaintext::decode`] accepts has known flags only, ends in zeros only, and its
//!   body is read to the last byte.
//! * The encoded bytes of a message are made once and kept: compression is not reproducible across
//!   versions, the name of a message is.
//!
//! # Spec
//! docs/spec/09-messages.md §6
//!
//! # Not here
//! Bodies: [`crate::content`]. Sealing: [`crate::seal`].

use chain::envelope::SizeClass;
use chain::hash::{blake3, derive};
use chain::{PublicKey, Timestamp};
use zeroize::Zeroizing;

use crate::compression::{self, COMPRESS_FROM_BYTES};
use crate::content::{Content, code};
use crate::context;
use crate::error::{LayoutError, Refusal};
use crate::ids::{MessageRef, RefPrefix};
use crate::layout::{Reader, Writer};
use crate::secret::SecretBytes;

/// Links to seen heads in one message.
pub(crate) const PARENTS_MAX: usize = 4;
/// The body is compressed.
const FLAG_COMPRESSED: u8 = 1;
/// The receiver is not notified.
const FLAG_SILENT: u8 = 2;
/// Type, flags, time, previous, count of parents, length of the body (bytes).
const FRAME_BYTES: usize = 1 + 1 + 8 + 16 + 1 + 4;

/// Whether a message asks for attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attention {
    /// The receiver is notified.
    #[default]
    Notify,
    /// The receiver is not.
    Silent,
}

/// A message before sealing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plaintext {
    pub(crate) attention: Attention,
    /// The writer's clock.
    pub(crate) sent: Timestamp,
    /// The writer's previous message in the chain; none at its start.
    pub(crate) previous: RefPrefix,
    /// Heads of the conversation that the writer had seen.
    pub(crate) parents: Vec<RefPrefix>,
    pub(crate) content: Content,
}

/// A message as it is sealed, without its padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EncodedPlaintext {
    pub(crate) bytes: SecretBytes,
    pub(crate) class: SizeClass,
}

impl Plaintext {
    /// The bytes and the size class that holds them. Parents are links of convenience: as many are
    /// kept, from the front, as do not raise the class.
    pub(crate) fn encode(mut self) -> Result<EncodedPlaintext, LayoutError> {
        let body = Zeroizing::new(self.content.encode()?);
        let (flags, body) = self.smaller_form(body);
        let bare = FRAME_BYTES + body.len();
        let too_long = LayoutError::BodyTooLong {
            found: bare,
            max: SizeClass::LARGEST.plaintext_len(),
        };
        let class = match self.content {
            Content::Start(_) => start_class(),
            _ => SizeClass::holding(bare).ok_or(too_long.clone())?,
        };
        let room = class.plaintext_len().checked_sub(bare).ok_or(too_long)?;
        self.parents.truncate(PARENTS_MAX.min(room / 16));
        let bytes = self.write(flags, &body);
        Ok(EncodedPlaintext {
            bytes: SecretBytes::new(bytes),
            class,
        })
    }

    fn write(&self, flags: u8, body: &[u8]) -> Vec<u8> {
        let count = u8::try_from(self.parents.len()).expect("truncated to the limit");
        let writer = Writer::new()
            .u8(self.content.code())
            .u8(flags)
            .u64(self.sent.get())
            .bytes(self.previous.as_bytes())
            .u8(count);
        let writer = self
            .parents
            .iter()
            .fold(writer, |writer, parent| writer.bytes(parent.as_bytes()));
        let len = u32::try_from(body.len()).expect("a body fits the largest class");
        writer.u32(len).bytes(body).into_bytes()
    }

    /// Flags and body, compressed if that lowers the size class.
    fn smaller_form(&self, body: Zeroizing<Vec<u8>>) -> (u8, Zeroizing<Vec<u8>>) {
        let flags = match self.attention {
            Attention::Notify => 0,
            Attention::Silent => FLAG_SILENT,
        };
        let worthwhile =
            Content::is_compressible(self.content.code()) && body.len() >= COMPRESS_FROM_BYTES;
        let class = |len: usize| SizeClass::holding(FRAME_BYTES + len);
        let compressed = worthwhile.then(|| compression::compress(&body)).flatten();
        match compressed.map(Zeroizing::new) {
            // A body beyond every class has none; a class is smaller than none.
            Some(small)
                if class(small.len())
                    .is_some_and(|to| class(body.len()).is_none_or(|from| to < from)) =>
            {
                (flags | FLAG_COMPRESSED, small)
            }
            _ => (flags, body),
        }
    }

    /// Reads a padded plaintext; tells how many bytes come before the padding.
    pub(crate) fn decode(padded: &[u8]) -> Result<(Self, usize), Refusal> {
        let mut reader = Reader::new(padded);
        let (code, flags) = (reader.u8()?, reader.u8()?);
        if flags & !(FLAG_COMPRESSED | FLAG_SILENT) != 0 {
            return Err(Refusal::UnknownFlags { found: flags });
        }
        let sent = Timestamp::new(reader.u64()?);
        let previous = RefPrefix::from_bytes(reader.array()?);
        let count = usize::from(reader.u8()?);
        if count > PARENTS_MAX {
            return Err(LayoutError::TooMany {
                found: count,
                max: PARENTS_MAX,
            }
            .into());
        }
        let parents = (0..count)
            .map(|_| reader.array().map(RefPrefix::from_bytes))
            .collect::<Result<_, LayoutError>>()?;
        let len = usize::try_from(reader.u32()?).map_err(|_| LayoutError::TooShort)?;
        let body = reader.bytes(len)?;
        let unpadded = padded.len() - reader.clone().remainder().len();
        reader.finish_with_zeros()?;
        let content = if flags & FLAG_COMPRESSED == 0 {
            Content::decode(code, body)?
        } else if Content::is_compressible(code) {
            Content::decode(code, &Zeroizing::new(compression::decompress(body)?))?
        } else {
            return Err(Refusal::Compression {
                reason: "the type is never compressed",
            });
        };
        let attention = if flags & FLAG_SILENT == 0 {
            Attention::Notify
        } else {
            Attention::Silent
        };
        Ok((
            Self {
                attention,
                sent,
                previous,
                parents,
                content,
            },
            unpadded,
        ))
    }
}

impl EncodedPlaintext {
    /// Takes bytes that were encoded before; the class follows from type and length.
    pub(crate) fn from_bytes(bytes: SecretBytes) -> Option<Self> {
        let class = match bytes.expose().first() {
            Some(&code::START) => start_class(),
            _ => SizeClass::holding(bytes.expose().len())?,
        };
        Some(Self { bytes, class })
    }

    /// Takes the plaintext of an inbox message that was encoded before.
    pub(crate) fn of_inbox(bytes: SecretBytes) -> Option<Self> {
        let class = SizeClass::holding(bytes.expose().len())?;
        Some(Self { bytes, class })
    }

    /// The bytes that are sealed: zeros up to the size class.
    pub(crate) fn padded(&self) -> Zeroizing<Vec<u8>> {
        let mut padded = Zeroizing::new(Vec::with_capacity(self.class.plaintext_len()));
        padded.extend_from_slice(self.bytes.expose());
        padded.resize(self.class.plaintext_len(), 0);
        padded
    }
}

/// Reads a padded plaintext and says its type: for fuzzing and for the tests of others.
///
/// # Errors
/// What a reader would refuse it for.
pub fn check(padded: &[u8]) -> Result<u8, Refusal> {
    Plaintext::decode(padded).map(|(plaintext, _)| plaintext.content.code())
}

/// Every chain start has the same size, whoever writes it.
pub(crate) fn start_class() -> SizeClass {
    SizeClass::new(1).expect("class 1 exists")
}

/// `ref`: names the message in whichever envelope it travels.
pub(crate) fn reference(one_time_key: &PublicKey, padded: &[u8]) -> MessageRef {
    let parts: [&[u8]; 2] = [one_time_key.as_bytes(), &blake3(padded)];
    MessageRef::from_bytes(derive(&context::REFERENCE, &parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{ChainStart, Text, Unsupported};

    fn text(text: &str) -> Plaintext {
        Plaintext {
            attention: Attention::Notify,
            sent: Timestamp::new(1_700_000_000_000),
            previous: RefPrefix::from_bytes([1; 16]),
            parents: vec![RefPrefix::from_bytes([2; 16]); 2],
            content: Content::Text(Text::from(text)),
        }
    }

    fn padded(plaintext: Plaintext) -> Vec<u8> {
        plaintext.encode().expect("encodes").padded().to_vec()
    }

    #[test]
    fn a_message_survives_the_round_trip() {
        for attention in [Attention::Notify, Attention::Silent] {
            let plaintext = Plaintext {
                attention,
                ..text("hello")
            };
            let encoded = plaintext.clone().encode().expect("encodes");
            assert_eq!(encoded.class, SizeClass::SMALLEST);
            let unpadded = encoded.bytes.expose().len();
            assert_eq!(
                Plaintext::decode(&encoded.padded()),
                Ok((plaintext, unpadded))
            );
            assert_eq!(
                EncodedPlaintext::from_bytes(encoded.bytes.clone()),
                Some(encoded)
            );
        }
    }

    #[test]
    fn a_long_text_is_compressed_when_that_lowers_the_class() {
        let prose: String = (0..60)
            .map(|line: u32| format!("line {} of prose\n", line * line))
            .collect();
        let plain = Plaintext {
            parents: Vec::new(),
            ..text(&prose)
        };
        let encoded = plain.clone().encode().expect("encodes");
        assert!(prose.len() > 1024);
        assert!(encoded.class.plaintext_len() <= 512);
        assert_eq!(encoded.bytes.expose()[1], FLAG_COMPRESSED);
        let decoded = Plaintext::decode(&encoded.padded()).map(|(decoded, _)| decoded);
        assert_eq!(decoded, Ok(plain));
        let incompressible: String = (0..300u32)
            .map(|n| {
                char::from_u32(0x4e00 + n.wrapping_mul(2_654_435_761) % 20_000)
                    .expect("a character")
            })
            .collect();
        let encoded = text(&incompressible).encode().expect("encodes");
        assert_eq!(encoded.bytes.expose()[1] & FLAG_COMPRESSED, 0);
    }

    #[test]
    fn parents_never_raise_the_class() {
        let room = SizeClass::SMALLEST.plaintext_len() - FRAME_BYTES - 3;
        for (spare, kept) in [(0, 0), (15, 0), (16, 1), (40, 2), (200, 4)] {
            let mut plaintext = text(&"a".repeat(room - spare));
            plaintext.parents = vec![RefPrefix::from_bytes([2; 16]); 4];
            let encoded = plaintext.encode().expect("encodes");
            assert_eq!(encoded.class, SizeClass::SMALLEST);
            let (decoded, _) = Plaintext::decode(&encoded.padded()).expect("decodes");
            assert_eq!(decoded.parents.len(), kept, "{spare} bytes to spare");
        }
    }

    #[test]
    fn a_chain_start_always_has_class_one() {
        let start = ChainStart {
            announced: PublicKey::from_bytes([5; 32]),
            author: None,
            device: String::new(),
        };
        let plaintext = Plaintext {
            content: Content::Start(start),
            ..text("")
        };
        assert_eq!(plaintext.encode().expect("encodes").class.get(), 1);
    }

    #[test]
    fn unknown_flags_padding_and_lengths_are_refused() {
        let good = padded(text("hello"));
        let with = |position: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[position] = value;
            Plaintext::decode(&bytes)
        };
        assert_eq!(with(1, 4), Err(Refusal::UnknownFlags { found: 4 }));
        let compressed = Err(Refusal::Compression {
            reason: "not a zstd frame",
        });
        assert_eq!(with(1, FLAG_COMPRESSED), compressed);
        let parents = LayoutError::TooMany { found: 5, max: 4 };
        assert_eq!(with(26, 5), Err(Refusal::Layout(parents)));
        assert_eq!(
            with(255, 1),
            Err(Refusal::Layout(LayoutError::NonZeroPadding))
        );
        assert_eq!(with(61, 1), Err(Refusal::Layout(LayoutError::TooShort)));
        for len in 0..64 {
            assert!(Plaintext::decode(&good[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn only_text_types_may_be_compressed() {
        let unknown = Content::Unsupported(Unsupported {
            code: 0x12,
            body: vec![0; 8],
        });
        let mut bytes = padded(Plaintext {
            content: unknown,
            ..text("")
        });
        bytes[1] = FLAG_COMPRESSED;
        let refused = Refusal::Compression {
            reason: "the type is never compressed",
        };
        assert_eq!(Plaintext::decode(&bytes), Err(refused));
    }

    #[test]
    fn a_text_beyond_its_length_field_is_refused() {
        let long = text(&"a".repeat(65_536)).encode();
        assert_eq!(
            long,
            Err(LayoutError::TextTooLong {
                found: 65_536,
                max: 65_535
            })
        );
        // Not a text by the rule of compression, and too long without it.
        let dense = text(&"ab".repeat(32_767)).encode();
        assert_eq!(
            dense,
            Err(LayoutError::BodyTooLong {
                found: 65_568,
                max: 65_536
            })
        );
    }
}
