//! What an account holds of one conversation's keys, whichever way they came.
//!
//! # Invariants
//! * Keys only grow: reading and writing are put together, never taken away.
//! * Whoever can pass keys on can prove them: the administrator's certificate is kept beside them,
//!   or made from the root.
//!
//! # Spec
//! docs/spec/09-messages.md §2
//!
//! # Not here
//! The encoded form that travels: [`crate::capability`].

use chain::codec::{SchemaRead, SchemaWrite};
use chain::{ChainId, PublicKey};

use crate::capability::{Access, Capability, Grant};
use crate::error::{CapabilityError, JoinError, SendError};
use crate::ids::{ConversationId, Generation, KeyEpoch, Slot, WriterChainId};
use crate::keys::{
    ConversationRoot, EpochCertificate, ReadKey, SlotKey, WriteKey, conversation_id,
};
use crate::secret::{Secret32, SecretBytes};
use crate::writer_chain::ChainKey;

/// Keys as a change set keeps them.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub enum StoredAccess {
    /// The root: the account created the conversation.
    #[wincode(tag = 0)]
    Root {
        /// Which of the account's roots; nothing for the self-conversation.
        index: Option<u32>,
        /// The root.
        root: Secret32,
    },
    /// An encoded [`Capability`].
    #[wincode(tag = 1)]
    Capability(SecretBytes),
}

/// The keys of one conversation.
#[derive(Clone, Debug)]
pub(crate) struct ConversationKeys {
    conversation: ConversationId,
    epoch: KeyEpoch,
    /// `W`.
    writers: PublicKey,
    /// Nothing for the creator, who makes it from the root.
    certificate: Option<EpochCertificate>,
    root: Option<(Option<u32>, ConversationRoot)>,
    read: Option<ReadKey>,
    write: Option<WriteKey>,
    granted: Option<GrantedSlot>,
    /// Where the search for a free slot begins.
    first_slot: Slot,
}

/// The one slot of a member without the read key.
#[derive(Clone, Debug)]
struct GrantedSlot {
    slot: Slot,
    key: SlotKey,
    generation: Generation,
}

impl ConversationKeys {
    pub(crate) fn from_root(index: Option<u32>, root: &ConversationRoot) -> Self {
        let epoch = KeyEpoch::default();
        let write = root.write_key(epoch);
        Self {
            conversation: conversation_id(&root.admin()),
            epoch,
            writers: write.writers(),
            certificate: None,
            root: Some((index, root.clone())),
            read: Some(root.read_key(epoch)),
            write: Some(write),
            granted: None,
            first_slot: Slot::default(),
        }
    }

    pub(crate) fn from_capability(capability: &Capability) -> Self {
        let certificate = *capability.certificate();
        let mut keys = Self {
            conversation: capability.conversation(),
            epoch: certificate.epoch,
            writers: certificate.writers,
            certificate: Some(certificate),
            root: None,
            read: None,
            write: None,
            granted: None,
            first_slot: Slot::default(),
        };
        match capability.grant() {
            Grant::Read { read } => keys.read = Some(read.clone()),
            Grant::Write {
                write,
                slot,
                slot_key,
                generation,
            } => {
                keys.write = Some(write.clone());
                keys.first_slot = *slot;
                keys.granted = Some(GrantedSlot {
                    slot: *slot,
                    key: slot_key.clone(),
                    generation: *generation,
                });
            }
            Grant::ReadWrite { read, write, slot } => {
                keys.read = Some(read.clone());
                keys.write = Some(write.clone());
                keys.first_slot = *slot;
            }
        }
        keys
    }

    pub(crate) fn from_stored(
        stored: &StoredAccess,
        chain: &ChainId,
    ) -> Result<Self, CapabilityError> {
        Ok(match stored {
            StoredAccess::Root { index, root } => {
                Self::from_root(*index, &ConversationRoot::from_bytes(*root.expose()))
            }
            StoredAccess::Capability(bytes) => {
                Self::from_capability(&Capability::decode(bytes.expose(), chain)?)
            }
        })
    }

    /// Both sets of keys together.
    pub(crate) fn with(&self, other: &Self) -> Result<Self, JoinError> {
        if self.conversation != other.conversation || self.epoch != other.epoch {
            return Err(JoinError::OtherEpoch);
        }
        let mut keys = self.clone();
        keys.certificate = self.certificate.or(other.certificate);
        keys.root = self.root.clone().or_else(|| other.root.clone());
        keys.read = self.read.clone().or_else(|| other.read.clone());
        keys.write = self.write.clone().or_else(|| other.write.clone());
        keys.granted = self.granted.clone().or_else(|| other.granted.clone());
        if self.write.is_none() {
            keys.first_slot = other.first_slot;
        }
        Ok(keys)
    }

    pub(crate) const fn conversation(&self) -> ConversationId {
        self.conversation
    }

    pub(crate) const fn epoch(&self) -> KeyEpoch {
        self.epoch
    }

    pub(crate) const fn writers(&self) -> &PublicKey {
        &self.writers
    }

    pub(crate) const fn write_key(&self) -> Option<&WriteKey> {
        self.write.as_ref()
    }

    pub(crate) const fn first_slot(&self) -> Slot {
        self.first_slot
    }

    pub(crate) fn root_index(&self) -> Option<u32> {
        self.root.as_ref().and_then(|(index, _)| *index)
    }

    pub(crate) const fn has_root(&self) -> bool {
        self.root.is_some()
    }

    /// What may be done; a conversation without any key does not exist.
    pub(crate) const fn access(&self) -> Access {
        match (&self.read, &self.write) {
            (Some(_), Some(_)) => Access::ReadWrite,
            (None, Some(_)) => Access::Write,
            (_, None) => Access::Read,
        }
    }

    /// The only slot that is known without the read key.
    pub(crate) fn only_slot(&self) -> Option<Slot> {
        if self.read.is_some() {
            None
        } else {
            self.granted.as_ref().map(|granted| granted.slot)
        }
    }

    /// First generation of a slot that may have been used under our keys.
    pub(crate) fn first_generation(&self, slot: Slot) -> Generation {
        match &self.granted {
            Some(granted) if self.read.is_none() && granted.slot == slot => granted.generation,
            _ => Generation::default(),
        }
    }

    /// `ck_0` of a chain, if our keys reach it.
    pub(crate) fn first_chain_key(&self, writer: &WriterChainId) -> Option<ChainKey> {
        if writer.epoch != self.epoch {
            return None;
        }
        let slot_key = match (&self.read, &self.granted) {
            (Some(read), _) => read.slot_key(writer.slot),
            (None, Some(granted)) if granted.slot == writer.slot => granted.key.clone(),
            _ => return None,
        };
        Some(ChainKey::first(&slot_key, &self.conversation, writer))
    }

    /// A capability for somebody else, or for the account's other devices.
    pub(crate) fn grant(
        &self,
        access: Access,
        slot: Slot,
        generation: Generation,
        chain: &ChainId,
        aux_randomness: &[u8; 32],
    ) -> Result<Capability, SendError> {
        let read = || self.read.clone().ok_or(SendError::WriteOnly);
        let write = || self.write.clone().ok_or(SendError::ReadOnly);
        let grant = match access {
            Access::Read => Grant::Read { read: read()? },
            Access::Write => {
                // With the read key any slot's key is derived; without it only the own one is here.
                let slot_key = match (&self.read, &self.granted) {
                    (Some(read), _) => read.slot_key(slot),
                    (None, Some(granted)) if granted.slot == slot => granted.key.clone(),
                    _ => return Err(SendError::WriteOnly),
                };
                Grant::Write {
                    write: write()?,
                    slot,
                    slot_key,
                    generation,
                }
            }
            Access::ReadWrite => Grant::ReadWrite {
                read: read()?,
                write: write()?,
                slot,
            },
        };
        let certificate = match (&self.certificate, &self.root) {
            (Some(certificate), _) => *certificate,
            (None, Some((_, root))) => root.certify(self.epoch, chain, aux_randomness),
            (None, None) => return Err(SendError::UnknownConversation),
        };
        Ok(Capability::new(&certificate, grant, chain).expect("the certificate covers own keys"))
    }
}
