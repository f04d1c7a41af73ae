//! Capabilities: the keys of a conversation in the form in which they are handed over.
//!
//! # Invariants
//! * Holding a [`Capability`] means that the administrator vouched for its keys on this chain: the
//!   only constructors check the epoch certificate.
//! * `Capability::decode(b)?.encode() == b`.
//!
//! # Spec
//! docs/spec/09-messages.md §2.2
//!
//! # Not here
//! How a capability travels: [`crate::inbox`], [`crate::invite`].

use chain::{ChainId, PublicKey, Signature};

use crate::error::CapabilityError;
use crate::ids::{ConversationId, Generation, KeyEpoch, Slot};
use crate::keys::{EpochCertificate, ReadKey, SlotKey, WriteKey, conversation_id};
use crate::layout::{Reader, Writer};
use crate::secret::SecretBytes;

/// What a capability allows; the number stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Open all messages of a key epoch.
    Read,
    /// Write in one slot, and see only that slot.
    Write,
    /// Both.
    ReadWrite,
}

impl Access {
    /// The number on the wire.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Write => 2,
            Self::ReadWrite => 3,
        }
    }

    /// From the number on the wire.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Read),
            2 => Some(Self::Write),
            3 => Some(Self::ReadWrite),
            _ => None,
        }
    }

    /// Bytes of an encoded capability.
    #[must_use]
    pub const fn capability_bytes(self) -> usize {
        match self {
            Self::Read => 165,
            Self::Write => 205,
            Self::ReadWrite => 169,
        }
    }
}

/// The keys inside a capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Reading only.
    Read {
        /// Opens.
        read: ReadKey,
    },
    /// Writing only, in a slot that the inviter reserves.
    Write {
        /// Signs.
        write: WriteKey,
        /// Where.
        slot: Slot,
        /// Seals, and opens the own messages.
        slot_key: SlotKey,
        /// First generation that the holder may use.
        generation: Generation,
    },
    /// Both.
    ReadWrite {
        /// Opens.
        read: ReadKey,
        /// Signs.
        write: WriteKey,
        /// Where the search for a free slot begins.
        slot: Slot,
    },
}

/// Keys of one key epoch that the conversation's administrator vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    certificate: EpochCertificate,
    grant: Grant,
}

impl Capability {
    /// Puts keys under the certificate that covers them.
    ///
    /// # Errors
    /// [`CapabilityError::ForgedCertificate`] when the certificate is not about these keys.
    pub fn new(
        certificate: &EpochCertificate,
        grant: Grant,
        chain: &ChainId,
    ) -> Result<Self, CapabilityError> {
        let mut certificate = *certificate;
        if let Grant::Read { read } | Grant::ReadWrite { read, .. } = &grant {
            certificate.readers = read.commitment();
        }
        if let Grant::Write { write, .. } | Grant::ReadWrite { write, .. } = &grant {
            certificate.writers = write.writers();
        }
        certificate.check(chain)?;
        Ok(Self { certificate, grant })
    }

    /// Reads a capability and checks what the administrator says about its keys.
    ///
    /// # Errors
    /// An unknown kind, a wrong length, keys that the administrator did not sign.
    pub fn decode(bytes: &[u8], chain: &ChainId) -> Result<Self, CapabilityError> {
        let (&kind, _) = bytes.split_first().ok_or(CapabilityError::Empty)?;
        let access = Access::from_byte(kind).ok_or(CapabilityError::UnknownKind { found: kind })?;
        let expected = access.capability_bytes();
        if bytes.len() != expected {
            return Err(CapabilityError::Length {
                found: bytes.len(),
                expected,
            });
        }
        Self::read(access, Reader::new(bytes), chain)
    }

    fn read(
        access: Access,
        mut reader: Reader<'_>,
        chain: &ChainId,
    ) -> Result<Self, CapabilityError> {
        let _kind = reader.u8()?;
        let admin = PublicKey::from_bytes(reader.array()?);
        let epoch = KeyEpoch::new(reader.u32()?);
        let (mut writers, mut readers) = (PublicKey::default(), [0; 32]);
        let grant = match access {
            Access::Read => {
                let read = ReadKey::from_bytes(reader.array()?);
                writers = PublicKey::from_bytes(reader.array()?);
                Grant::Read { read }
            }
            Access::Write => {
                let write = WriteKey::from_bytes(reader.array()?);
                readers = reader.array()?;
                let slot = Slot::new(reader.u32()?);
                let slot_key = SlotKey::from_bytes(reader.array()?);
                let generation = Generation::new(reader.u32()?);
                Grant::Write {
                    write,
                    slot,
                    slot_key,
                    generation,
                }
            }
            Access::ReadWrite => {
                let read = ReadKey::from_bytes(reader.array()?);
                let write = WriteKey::from_bytes(reader.array()?);
                Grant::ReadWrite {
                    read,
                    write,
                    slot: Slot::new(reader.u32()?),
                }
            }
        };
        let signature = Signature::from_bytes(reader.array()?);
        let certificate = EpochCertificate {
            admin,
            epoch,
            writers,
            readers,
            signature,
        };
        reader.finish()?;
        Self::new(&certificate, grant, chain)
    }

    /// The bytes that are handed over. Whoever holds them has the keys.
    #[must_use]
    pub fn encode(&self) -> SecretBytes {
        let EpochCertificate {
            admin,
            epoch,
            writers,
            readers,
            signature,
        } = &self.certificate;
        let writer = Writer::new()
            .u8(self.access().byte())
            .bytes(admin.as_bytes())
            .u32(epoch.get());
        let writer = match &self.grant {
            Grant::Read { read } => writer.bytes(read.expose()).bytes(writers.as_bytes()),
            Grant::Write {
                write,
                slot,
                slot_key,
                generation,
            } => writer
                .bytes(write.expose())
                .bytes(readers)
                .u32(slot.get())
                .bytes(slot_key.expose())
                .u32(generation.get()),
            Grant::ReadWrite { read, write, slot } => writer
                .bytes(read.expose())
                .bytes(write.expose())
                .u32(slot.get()),
        };
        SecretBytes::new(writer.bytes(signature.as_bytes()).into_bytes())
    }

    /// What it allows.
    #[must_use]
    pub const fn access(&self) -> Access {
        match self.grant {
            Grant::Read { .. } => Access::Read,
            Grant::Write { .. } => Access::Write,
            Grant::ReadWrite { .. } => Access::ReadWrite,
        }
    }

    /// The conversation that it belongs to.
    #[must_use]
    pub fn conversation(&self) -> ConversationId {
        conversation_id(&self.certificate.admin)
    }

    /// What the administrator says about the keys.
    #[must_use]
    pub const fn certificate(&self) -> &EpochCertificate {
        &self.certificate
    }

    /// The keys.
    #[must_use]
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::ConversationRoot;

    fn chain() -> ChainId {
        ChainId::from_bytes([1; 32])
    }

    fn capabilities() -> Vec<Capability> {
        let root = ConversationRoot::from_bytes([7; 32]);
        let epoch = KeyEpoch::new(0);
        let (read, write) = (root.read_key(epoch), root.write_key(epoch));
        let slot = Slot::new(5);
        let slot_key = read.slot_key(slot);
        let grants = [
            Grant::Read { read: read.clone() },
            Grant::Write {
                write: write.clone(),
                slot,
                slot_key,
                generation: Generation::new(2),
            },
            Grant::ReadWrite { read, write, slot },
        ];
        let certificate = root.certify(epoch, &chain(), &[0; 32]);
        grants
            .into_iter()
            .map(|grant| Capability::new(&certificate, grant, &chain()).expect("certified"))
            .collect()
    }

    #[test]
    fn every_capability_survives_the_round_trip_in_its_exact_length() {
        let lengths: Vec<usize> = capabilities()
            .iter()
            .map(|capability| {
                let bytes = capability.encode();
                let decoded = Capability::decode(bytes.expose(), &chain());
                assert_eq!(decoded.as_ref(), Ok(capability));
                bytes.expose().len()
            })
            .collect();
        assert_eq!(lengths, [165, 205, 169]);
    }

    #[test]
    fn a_forged_certificate_is_refused_in_every_capability() {
        // Offsets of bytes that the certificate speaks about: administrator, epoch, keys, signature.
        for (capability, offsets) in capabilities().iter().zip([
            &[1, 33, 37, 69, 101, 164][..],
            &[1, 33, 37, 69, 141, 204],
            &[1, 33, 37, 69, 105, 168],
        ]) {
            for &offset in offsets {
                // Slot, slot key and generation are routing and are not certified.
                if capability.access() == Access::Write && offset == 141 {
                    continue;
                }
                let mut bytes = capability.encode().expose().to_vec();
                bytes[offset] ^= 1;
                let refused = Capability::decode(&bytes, &chain());
                assert_eq!(
                    refused,
                    Err(CapabilityError::ForgedCertificate),
                    "offset {offset}"
                );
            }
            let elsewhere = ChainId::from_bytes([9; 32]);
            assert!(Capability::decode(capability.encode().expose(), &elsewhere).is_err());
        }
    }

    #[test]
    fn wrong_kinds_and_lengths_are_named() {
        let bytes = capabilities()[0].encode().expose().to_vec();
        let decode = |bytes: &[u8]| Capability::decode(bytes, &chain()).err();
        assert_eq!(decode(&[]), Some(CapabilityError::Empty));
        assert_eq!(
            decode(&[4]),
            Some(CapabilityError::UnknownKind { found: 4 })
        );
        let short = CapabilityError::Length {
            found: 164,
            expected: 165,
        };
        assert_eq!(decode(&bytes[..164]), Some(short));
        let long = CapabilityError::Length {
            found: 166,
            expected: 165,
        };
        assert_eq!(decode(&[&bytes[..], &[0]].concat()), Some(long));
    }

    #[test]
    fn debug_output_shows_no_key() {
        for capability in capabilities() {
            let shown = format!("{capability:?}");
            assert!(shown.contains("redacted"));
            let ConversationKeysHex { read, write } = ConversationKeysHex::new();
            assert!(!shown.contains(&read) && !shown.contains(&write));
        }
    }

    struct ConversationKeysHex {
        read: String,
        write: String,
    }

    impl ConversationKeysHex {
        fn new() -> Self {
            let root = ConversationRoot::from_bytes([7; 32]);
            let epoch = KeyEpoch::new(0);
            let hex = |bytes: &[u8; 32]| data_encoding::HEXLOWER.encode(bytes);
            Self {
                read: hex(root.read_key(epoch).expose()),
                write: hex(root.write_key(epoch).expose()),
            }
        }
    }
}
