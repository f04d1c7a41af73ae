//! What must be kept: facts in the order in which they became true.
//!
//! # Invariants
//! * A profile is the sum of its change sets in order. Facts are never taken back: applying one
//!   twice, or a set again from its beginning, changes nothing.
//! * The caller stores a change set, synced, before anything made with it leaves the machine.
//! * Secrets are inside. `Debug` does not show them; whoever writes the bytes to disk encrypts them.
//!
//! # Spec
//! docs/spec/09-messages.md §12
//!
//! # Not here
//! The encrypted log on disk: the vault of `store`.

use chain::codec::{self, List, SchemaRead, SchemaWrite};
use chain::{BlockId, EnvelopeBytes, Height, PublicKey, Timestamp, WireId};

pub use crate::access::StoredAccess;
use crate::delegation::Delegation;
use crate::error::LoadError;
use crate::ids::{ConversationId, MessageNumber, MessageRef, WriterChainId};
use crate::secret::{Secret32, SecretBytes};

/// Bytes of one encoded change set: what one full block of our own messages leads to.
pub const CHANGE_SET_BYTES_MAX: usize = 64 << 20;
/// Memory of the list of changes in one set (bytes).
const CHANGES_BYTES_MAX: usize = 32 << 20;
/// Memory of a key encapsulation (bytes).
const ENCAPSULATION_BYTES: usize = 1120;

/// Facts to keep, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a change set that is not stored is lost with the next crash"]
pub struct ChangeSet {
    changes: Vec<Change>,
}

/// The form in which a change set is encoded.
#[derive(SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
struct Versioned {
    version: u8,
    #[wincode(with = "List<Change, CHANGES_BYTES_MAX>")]
    changes: Vec<Change>,
}

impl ChangeSet {
    /// Layout version of the encoded form.
    pub const VERSION: u8 = 1;

    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Facts in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// The same facts in the same order, at most `count_max` and about `bytes_max` bytes of texts and
    /// envelopes in each set, so that no set outgrows what is stored as one.
    #[must_use]
    pub fn split(self, count_max: usize, bytes_max: usize) -> Vec<Self> {
        let mut sets = Vec::new();
        let (mut open, mut bytes) = (Self::default(), 0usize);
        for change in self.changes {
            let size = change.variable_bytes();
            let is_full = open.len() >= count_max || bytes.saturating_add(size) > bytes_max;
            if is_full && !open.is_empty() {
                sets.push(std::mem::take(&mut open));
                bytes = 0;
            }
            bytes = bytes.saturating_add(size);
            open.push(change);
        }
        sets.extend((!open.is_empty()).then_some(open));
        sets
    }

    /// Appends what became true later.
    pub fn merge(&mut self, later: Self) {
        self.changes.extend(later.changes);
    }

    pub(crate) fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The bytes to store.
    #[must_use]
    pub fn encode(&self) -> SecretBytes {
        let versioned = Versioned {
            version: Self::VERSION,
            changes: self.changes.clone(),
        };
        SecretBytes::new(codec::encode(&versioned))
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// Another version, or bytes that are no change set.
    pub fn decode(bytes: &[u8]) -> Result<Self, LoadError> {
        match bytes.first() {
            Some(&Self::VERSION) | None => {}
            Some(&found) => return Err(LoadError::Version { found }),
        }
        let versioned: Versioned = codec::decode(bytes, CHANGE_SET_BYTES_MAX)?;
        Ok(Self {
            changes: versioned.changes,
        })
    }
}

/// How an envelope of ours was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub(crate) enum Sighting {
    /// In gossip.
    #[wincode(tag = 0)]
    Gossip,
    /// In a block, canonical or not.
    #[wincode(tag = 1)]
    Block {
        height: Height,
        index: u16,
        block: BlockId,
        wire: WireId,
    },
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub(crate) enum Change {
    /// The profile belongs to this account. Always the first.
    #[wincode(tag = 0)]
    Account {
        key: PublicKey,
        self_root: Secret32,
        session: Secret32,
        device: String,
    },
    /// The account reads this inbox generation.
    #[wincode(tag = 1)]
    InboxKey { generation: u32, secret: Secret32 },
    /// The account vouches for this device.
    #[wincode(tag = 2)]
    Delegated { delegation: [u8; Delegation::BYTES] },
    /// The account is in a conversation, or has more keys of it.
    #[wincode(tag = 3)]
    Joined {
        access: StoredAccess,
        birthday: Height,
        name: String,
    },
    /// A message was opened.
    #[wincode(tag = 4)]
    Opened(OpenedMessage),
    /// A message of ours or for us was seen.
    #[wincode(tag = 5)]
    Seen {
        conversation: Option<ConversationId>,
        reference: MessageRef,
        sighting: Sighting,
    },
    /// This block, or none, counts at a height at which something was seen.
    #[wincode(tag = 6)]
    Canonical {
        height: Height,
        block: Option<BlockId>,
    },
    /// This device begins a writer chain.
    #[wincode(tag = 7)]
    OwnChain {
        conversation: ConversationId,
        chain: WriterChainId,
        secret: Secret32,
        started: Timestamp,
    },
    /// This device writes nothing more in a chain.
    #[wincode(tag = 8)]
    OwnChainRetired {
        conversation: ConversationId,
        chain: WriterChainId,
    },
    /// This device wrote a message: its number and plaintext are fixed.
    #[wincode(tag = 9)]
    Written(OpenedMessage),
    /// An envelope is finished and may leave.
    #[wincode(tag = 10)]
    Sealed {
        reference: MessageRef,
        envelope: EnvelopeBytes,
    },
    /// A message cannot reach the chain.
    #[wincode(tag = 11)]
    Failed { reference: MessageRef },
    /// A failed message was written again, or needs no successor.
    #[wincode(tag = 12)]
    Resent {
        reference: MessageRef,
        replacement: Option<MessageRef>,
    },
    /// This device wrote to an inbox.
    #[wincode(tag = 13)]
    InboxWritten {
        #[wincode(with = "List<u8, ENCAPSULATION_BYTES>")]
        encapsulation: Vec<u8>,
        seal_key: Secret32,
        one_time_secret: Secret32,
        plaintext: SecretBytes,
    },
    /// Something came to the account's inbox.
    #[wincode(tag = 14)]
    InboxOpened {
        reference: MessageRef,
        plaintext: SecretBytes,
        received: Timestamp,
    },
    /// The owner decided about an inbox message.
    #[wincode(tag = 15)]
    InboxClosed { reference: MessageRef },
    /// A record waits to be written to the self-conversation.
    #[wincode(tag = 16)]
    RecordNoted { code: u8, body: SecretBytes },
    /// It was written, or something newer was.
    #[wincode(tag = 17)]
    RecordWritten { code: u8, body: SecretBytes },
    /// When the next record is written.
    #[wincode(tag = 18)]
    RecordDue { height: Option<Height> },
    /// The history of a conversation was read from its birthday on.
    #[wincode(tag = 22)]
    HistoryRead { conversation: ConversationId },
    /// From where on envelopes to the inbox went by before its key was here; nothing when they
    /// were read.
    #[wincode(tag = 23)]
    InboxUnread { from: Option<Height> },
    /// A record was written in this rate epoch.
    #[wincode(tag = 21)]
    RecordEpoch { rate_epoch: u32 },
    /// A restored profile sends nothing before this rate epoch, or before it has seen the tip.
    #[wincode(tag = 19)]
    QuietUntil { rate_epoch: Option<u32> },
    /// All blocks up to here were read.
    #[wincode(tag = 20)]
    Scanned { height: Height },
}

impl Change {
    /// Bytes beyond the fixed part.
    fn variable_bytes(&self) -> usize {
        match self {
            Self::Opened(message) | Self::Written(message) => message.plaintext.expose().len(),
            Self::Sealed { envelope, .. } => envelope.as_slice().len(),
            Self::InboxWritten {
                encapsulation,
                plaintext,
                ..
            } => encapsulation.len().saturating_add(plaintext.expose().len()),
            Self::InboxOpened { plaintext, .. } => plaintext.expose().len(),
            Self::RecordNoted { body, .. } | Self::RecordWritten { body, .. } => {
                body.expose().len()
            }
            _ => 0,
        }
    }
}

/// A message with its place.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub(crate) struct OpenedMessage {
    pub(crate) conversation: ConversationId,
    pub(crate) reference: MessageRef,
    pub(crate) writer: WriterChainId,
    pub(crate) number: MessageNumber,
    pub(crate) announced: PublicKey,
    pub(crate) one_time_key: PublicKey,
    /// Without padding.
    pub(crate) plaintext: SecretBytes,
    pub(crate) received: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_changes() -> ChangeSet {
        let mut set = ChangeSet::default();
        set.push(Change::Account {
            key: PublicKey::from_bytes([1; 32]),
            self_root: Secret32::from_bytes([0xab; 32]),
            session: Secret32::from_bytes([0xcd; 32]),
            device: "desk".to_owned(),
        });
        set.push(Change::RecordDue {
            height: Some(Height::new(7)),
        });
        set
    }

    #[test]
    fn a_change_set_survives_the_round_trip() {
        let set = some_changes();
        assert_eq!(ChangeSet::decode(set.encode().expose()), Ok(set));
        let empty = ChangeSet::default();
        assert_eq!(empty.encode().expose(), [1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert!(empty.is_empty());
    }

    #[test]
    fn other_versions_and_damage_are_named() {
        let mut bytes = some_changes().encode().expose().to_vec();
        bytes.pop();
        assert!(matches!(
            ChangeSet::decode(&bytes),
            Err(LoadError::Codec(_))
        ));
        bytes[0] = 2;
        assert_eq!(
            ChangeSet::decode(&bytes),
            Err(LoadError::Version { found: 2 })
        );
        assert!(matches!(ChangeSet::decode(&[]), Err(LoadError::Codec(_))));
    }

    #[test]
    fn a_split_set_keeps_every_fact_in_order() {
        let mut set = ChangeSet::default();
        for number in 0..10u8 {
            set.push(Change::InboxOpened {
                reference: MessageRef::from_bytes([number; 32]),
                plaintext: SecretBytes::new(vec![number; 100]),
                received: Timestamp::new(0),
            });
        }
        for (count_max, bytes_max, sets) in [(3, 10_000, 4), (100, 250, 5), (100, 50, 10)] {
            let parts = set.clone().split(count_max, bytes_max);
            assert_eq!(parts.len(), sets, "{count_max} facts, {bytes_max} bytes");
            let mut whole = ChangeSet::default();
            parts.into_iter().for_each(|part| whole.merge(part));
            assert_eq!(whole, set);
        }
        assert!(ChangeSet::default().split(1, 1).is_empty());
    }

    #[test]
    fn sets_are_merged_in_order() {
        let mut merged = ChangeSet::default();
        merged.merge(some_changes());
        merged.push(Change::Scanned {
            height: Height::new(1),
        });
        let mut later = ChangeSet::default();
        later.merge(merged.clone());
        assert_eq!(later, merged);
        assert_eq!(merged.changes().len(), 3);
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let shown = format!("{:?}", some_changes());
        assert!(shown.contains("redacted") && !shown.contains("171") && !shown.contains("205"));
    }
}
