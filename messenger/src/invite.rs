//! Invite links: a capability as a text that people paste.
//!
//! # Invariants
//! * Whoever holds the text has the keys: [`InviteLink`] shows nothing in `Debug`, and the text is
//!   made by an explicit call.
//! * A link that parses has keys that the conversation's administrator certified.
//!
//! # Spec
//! docs/spec/09-messages.md §2.3
//!
//! # Not here
//! Invitations to an inbox: [`crate::inbox`].

use std::fmt;

use chain::hash::blake3;
use chain::{ChainId, Height};
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use crate::capability::{Access, Capability};
use crate::error::InviteLinkError;
use crate::layout::{Reader, Writer};
use crate::self_record::narrow;

const PREFIX: &str = "x3c:invite/1#";
/// The largest capability, birthday, name and checksum (bytes).
const BYTES_MAX: usize = Access::Write.capability_bytes() + 4 + 256 + CHECKSUM_BYTES;
/// The prefix and the base64url digits of [`BYTES_MAX`] (characters).
const TEXT_MAX: usize = PREFIX.len() + BYTES_MAX.div_ceil(3) * 4;
const CHECKSUM_BYTES: usize = 4;

/// Keys of a conversation and what a newcomer needs to begin.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteLink {
    /// The keys.
    pub capability: Capability,
    /// Nothing in the conversation is older.
    pub birthday: Height,
    /// What the inviter calls it.
    pub name: String,
}

impl InviteLink {
    /// The text that is handed over; a bearer secret.
    ///
    /// # Errors
    /// A name that does not fit 255 bytes or holds a control character.
    pub fn to_secret_text(&self) -> Result<Zeroizing<String>, InviteLinkError> {
        let writer = Writer::new()
            .bytes(self.capability.encode().expose())
            .u32(narrow(self.birthday))
            .str8(&self.name)?;
        let mut bytes = Zeroizing::new(writer.into_bytes());
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        Ok(Zeroizing::new(format!(
            "{PREFIX}{}",
            BASE64URL_NOPAD.encode(&bytes)
        )))
    }

    /// Reads a link; white space around it is ignored.
    ///
    /// # Errors
    /// Another kind of text, a cut or mistyped link, keys that the administrator did not certify.
    pub fn parse(text: &str, chain: &ChainId) -> Result<Self, InviteLinkError> {
        let text = text.trim();
        if text.len() > TEXT_MAX {
            return Err(InviteLinkError::TooLong {
                found: text.len(),
                max: TEXT_MAX,
            });
        }
        let digits = text.strip_prefix(PREFIX).ok_or(InviteLinkError::Prefix)?;
        let bytes = BASE64URL_NOPAD
            .decode(digits.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| InviteLinkError::Encoding)?;
        let (content, found) = bytes
            .split_last_chunk::<CHECKSUM_BYTES>()
            .ok_or(InviteLinkError::Checksum)?;
        if checksum(content) != *found {
            return Err(InviteLinkError::Checksum);
        }
        let mut reader = Reader::new(content);
        let kind = reader.clone().u8()?;
        // An unknown kind has no length: the capability's own error names it.
        let len = Access::from_byte(kind).map_or(content.len(), Access::capability_bytes);
        let capability = Capability::decode(reader.bytes(len)?, chain)?;
        let birthday = Height::new(reader.u32()?.into());
        let name = reader.str8()?;
        reader.finish()?;
        Ok(Self {
            capability,
            birthday,
            name,
        })
    }
}

impl fmt::Debug for InviteLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteLink(redacted)")
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = blake3(bytes);
    let (checksum, _) = digest.split_first_chunk().expect("32 bytes hold 4");
    *checksum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::Grant;
    use crate::error::CapabilityError;
    use crate::ids::KeyEpoch;
    use crate::keys::ConversationRoot;

    fn chain() -> ChainId {
        ChainId::from_bytes([1; 32])
    }

    fn link(name: &str) -> InviteLink {
        let root = ConversationRoot::from_bytes([7; 32]);
        let epoch = KeyEpoch::new(0);
        let certificate = root.certify(epoch, &chain(), &[0; 32]);
        let grant = Grant::Read {
            read: root.read_key(epoch),
        };
        let capability = Capability::new(&certificate, grant, &chain()).expect("certified");
        InviteLink {
            capability,
            birthday: Height::new(77),
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_link_survives_the_round_trip() {
        for name in ["", "Дом", &"a".repeat(255)] {
            let text = link(name).to_secret_text().expect("encodes");
            assert!(text.starts_with("x3c:invite/1#"));
            assert!(text.len() <= TEXT_MAX);
            assert_eq!(
                InviteLink::parse(&format!(" {}\n", *text), &chain()),
                Ok(link(name))
            );
        }
        assert!(link(&"a".repeat(256)).to_secret_text().is_err());
    }

    #[test]
    fn cut_mistyped_and_foreign_texts_are_named() {
        let text = link("home").to_secret_text().expect("encodes");
        let parse = |text: &str| InviteLink::parse(text, &chain()).err();
        assert_eq!(parse("https://example.org"), Some(InviteLinkError::Prefix));
        assert_eq!(parse("x3c:invite/1#"), Some(InviteLinkError::Checksum));
        assert_eq!(parse("x3c:invite/1#***"), Some(InviteLinkError::Encoding));
        for cut in 1..text.len() - PREFIX.len() {
            let refused = parse(&text[..text.len() - cut]);
            let is_named = matches!(
                refused,
                Some(InviteLinkError::Checksum | InviteLinkError::Encoding)
            );
            assert!(is_named, "{cut} characters cut: {refused:?}");
        }
        let long = "a".repeat(TEXT_MAX + 1);
        let expected = InviteLinkError::TooLong {
            found: TEXT_MAX + 1,
            max: TEXT_MAX,
        };
        assert_eq!(parse(&long), Some(expected));
        let elsewhere = InviteLink::parse(&text, &ChainId::from_bytes([2; 32]));
        let forged = InviteLinkError::Capability(CapabilityError::ForgedCertificate);
        assert_eq!(elsewhere, Err(forged));
    }

    #[test]
    fn debug_output_shows_no_key() {
        assert_eq!(format!("{:?}", link("home")), "InviteLink(redacted)");
    }
}
