//! Own writing: which chain is ours, which message comes next, and who signs for it.
//!
//! # Invariants
//! * A number of a chain is used for one plaintext, ever: what is composed is recorded in the same
//!   change set that moves the chain on, and only recorded plaintexts are sealed.
//! * The scalar `s` of a chain is fresh randomness and never derived, so that no other member and no
//!   restored profile can continue the chain.
//!
//! # Spec
//! docs/spec/09-messages.md §3.2, §7.1
//!
//! # Not here
//! Sealing and sending: [`crate::outbox`].

use chain::{ChainId, Height, PublicKey, Timestamp, signature};

use crate::content::{AuthorClaim, ChainStart, Content};
use crate::context;
use crate::conversation::{Conversation, SLOTS_MAX};
use crate::delegation::{Delegation, Scope};
use crate::error::{Refusal, SendError};
use crate::ids::{
    ConversationId, Generation, MessageNumber, MessageRef, RefPrefix, Slot, WriterChainId,
};
use crate::layout::Writer;
use crate::plaintext::{self, Attention, EncodedPlaintext, PARENTS_MAX, Plaintext};
use crate::scalar;
use crate::secret::Secret32;
use crate::writer_chain::{CHAIN_MESSAGES_MAX, one_time_secret};

/// Age at which a writer chain ends (milliseconds): 30 days.
pub const CHAIN_AGE_MAX_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// A writer chain of this device.
#[derive(Clone, Debug)]
pub(crate) struct OwnChain {
    pub(crate) writer: WriterChainId,
    /// `s`.
    pub(crate) secret: Secret32,
    /// `S`.
    pub(crate) announced: PublicKey,
    pub(crate) started: Timestamp,
    /// The number of the next message.
    pub(crate) next: MessageNumber,
    pub(crate) is_retired: bool,
}

/// The session key of this device and the account's word for it.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) session: Secret32,
    pub(crate) delegation: Option<Delegation>,
    pub(crate) label: String,
}

/// A message that has its place in a chain and its final plaintext.
#[derive(Clone, Debug)]
pub(crate) struct Composed {
    pub(crate) reference: MessageRef,
    pub(crate) writer: WriterChainId,
    pub(crate) number: MessageNumber,
    pub(crate) announced: PublicKey,
    pub(crate) one_time_key: PublicKey,
    pub(crate) encoded: EncodedPlaintext,
}

/// What an author signs: the chain, at this place, announced by this key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuthoredPlace {
    pub(crate) conversation: ConversationId,
    pub(crate) writer: WriterChainId,
    pub(crate) announced: PublicKey,
    pub(crate) one_time_key: PublicKey,
}

impl AuthoredPlace {
    pub(crate) fn sign(
        &self,
        session: &Secret32,
        delegation: &Delegation,
        chain: &ChainId,
        aux_randomness: &[u8; 32],
    ) -> AuthorClaim {
        let mut pair = scalar::keypair(session);
        let body = self.signed_bytes();
        let signature =
            signature::sign(context::TAG_AUTHOR, chain, &[&body], &pair, aux_randomness);
        pair.non_secure_erase();
        AuthorClaim {
            delegation: delegation.encode(chain),
            signature,
        }
    }

    /// The account behind a claim.
    pub(crate) fn check(
        &self,
        claim: &AuthorClaim,
        chain: &ChainId,
        height: Height,
    ) -> Result<PublicKey, Refusal> {
        let delegation = Delegation::decode(&claim.delegation, chain)?;
        delegation.check_use(Scope::POST, Some(&self.conversation), height)?;
        let session = &delegation.terms().session;
        let body = self.signed_bytes();
        if signature::verify(
            context::TAG_AUTHOR,
            chain,
            &[&body],
            session,
            &claim.signature,
        ) {
            Ok(*delegation.account())
        } else {
            Err(Refusal::ForgedAuthor)
        }
    }

    fn signed_bytes(&self) -> Vec<u8> {
        Writer::new()
            .bytes(self.conversation.as_bytes())
            .u32(self.writer.epoch.get())
            .u32(self.writer.slot.get())
            .u32(self.writer.generation.get())
            .bytes(self.announced.as_bytes())
            .bytes(self.one_time_key.as_bytes())
            .into_bytes()
    }
}

impl OwnChain {
    pub(crate) fn new(writer: WriterChainId, secret: Secret32, started: Timestamp) -> Self {
        let announced = scalar::public_key(&secret);
        let next = MessageNumber::new(0);
        Self {
            writer,
            secret,
            announced,
            started,
            next,
            is_retired: false,
        }
    }

    fn is_spent(&self, now: Timestamp) -> bool {
        let age_ms = now.get().saturating_sub(self.started.get());
        self.next.get() >= CHAIN_MESSAGES_MAX || age_ms > CHAIN_AGE_MAX_MS
    }
}

impl Conversation {
    /// The chain that the next message goes to, if there is one that takes it.
    pub(crate) fn own_chain(&self, now: Timestamp) -> Option<&OwnChain> {
        let last = self.own.last().filter(|chain| !chain.is_retired)?;
        if !last.is_spent(now) {
            return Some(last);
        }
        // Its age alone does not end a chain whose start is not in a block yet.
        let may_go_on = last.next.get() < CHAIN_MESSAGES_MAX && !self.is_started(last);
        may_go_on.then_some(last)
    }

    /// Whether a chain of ours is the one that counts at its place, in a block.
    fn is_started(&self, own: &OwnChain) -> bool {
        let start = self
            .log
            .start(&own.writer)
            .and_then(|start| self.log.get(&start));
        start.is_some_and(|entry| entry.place().is_some() && entry.announced == own.announced)
    }

    /// Where the next chain of this device begins: never where anything was written before.
    pub(crate) fn place_of_next_chain(&self) -> Result<WriterChainId, SendError> {
        if self.keys.write_key().is_none() {
            return Err(SendError::ReadOnly);
        }
        let epoch = self.keys.epoch();
        if let Some(slot) = self.keys.only_slot() {
            let first = self.keys.first_generation(slot);
            return self.next_generation(slot, first);
        }
        match self.own.last() {
            Some(last) if !last.is_retired && !self.is_started(last) => {
                return Err(SendError::StartNotInBlock);
            }
            Some(last) if self.is_started(last) => {
                let next = self.next_generation(last.writer.slot, Generation::default());
                // Another member's gossip about our slot does not hold us up.
                if next.is_ok() {
                    return next;
                }
            }
            _ => {}
        }
        let slot = self.free_slot(self.keys.first_slot(), None)?;
        Ok(WriterChainId {
            epoch,
            slot,
            generation: Generation::default(),
        })
    }

    /// The generation after the newest one of a slot, once the start of that is in a block.
    fn next_generation(&self, slot: Slot, first: Generation) -> Result<WriterChainId, SendError> {
        let epoch = self.keys.epoch();
        let Some(newest) = self.newest_generation(slot) else {
            return Ok(WriterChainId {
                epoch,
                slot,
                generation: first,
            });
        };
        let newest = WriterChainId {
            epoch,
            slot,
            generation: newest,
        };
        let start = self
            .log
            .start(&newest)
            .and_then(|start| self.log.get(&start));
        match start.and_then(crate::log::Entry::place) {
            Some(_) => Ok(WriterChainId {
                generation: newest.generation.next(),
                ..newest
            }),
            None => Err(SendError::StartNotInBlock),
        }
    }

    /// The lowest free slot from `first` on, another one than `taken`.
    pub(crate) fn free_slot(&self, first: Slot, taken: Option<Slot>) -> Result<Slot, SendError> {
        (first.get()..SLOTS_MAX)
            .map(Slot::new)
            .find(|slot| Some(*slot) != taken && self.is_free(*slot))
            .ok_or(SendError::NoFreeSlot { max: SLOTS_MAX })
    }

    /// Message 0 of a new chain: announces `S`, and says who writes if a delegation allows it from
    /// the first to the last of `heights`, at which the start may be included.
    pub(crate) fn compose_start(
        &mut self,
        own: &OwnChain,
        device: Option<&Device>,
        heights: (Height, Height),
        chain: &ChainId,
        aux_randomness: &[u8; 32],
    ) -> Result<Composed, SendError> {
        let number = MessageNumber::new(0);
        let one_time_key = self
            .one_time_key(&own.writer, number, None)
            .ok_or(SendError::ReadOnly)?;
        let place = AuthoredPlace {
            conversation: self.id(),
            writer: own.writer,
            announced: own.announced,
            one_time_key,
        };
        let author = device.and_then(|device| {
            let delegation = device.delegation.as_ref()?;
            for height in [heights.0, heights.1] {
                let place = Some(&place.conversation);
                delegation.check_use(Scope::POST, place, height).ok()?;
            }
            Some(place.sign(&device.session, delegation, chain, aux_randomness))
        });
        let label = device.map_or_else(String::new, |device| device.label.clone());
        let start = ChainStart {
            announced: own.announced,
            author,
            device: label,
        };
        let plaintext = Plaintext {
            attention: Attention::Silent,
            sent: own.started,
            previous: RefPrefix::NONE,
            parents: Vec::new(),
            content: Content::Start(start),
        };
        Self::composed(own, number, one_time_key, plaintext)
    }

    /// The next message of an own chain.
    pub(crate) fn compose(
        &mut self,
        own: &OwnChain,
        content: Content,
        attention: Attention,
        sent: Timestamp,
    ) -> Result<Composed, SendError> {
        let mut number = own.next;
        // A number without a key is skipped by everybody; it does not occur in practice.
        let one_time_key = loop {
            if number.get() >= CHAIN_MESSAGES_MAX {
                return Err(SendError::StartNotInBlock);
            }
            match self.one_time_key(&own.writer, number, Some(&own.announced)) {
                Some(key) => break key,
                None => number = number.next(),
            }
        };
        let previous = self
            .log
            .last_of(&own.writer, &own.announced)
            .map_or(RefPrefix::NONE, |reference| reference.prefix());
        let parents = self.log.heads(PARENTS_MAX);
        let plaintext = Plaintext {
            attention,
            sent,
            previous,
            parents,
            content,
        };
        Self::composed(own, number, one_time_key, plaintext)
    }

    fn composed(
        own: &OwnChain,
        number: MessageNumber,
        one_time_key: PublicKey,
        plaintext: Plaintext,
    ) -> Result<Composed, SendError> {
        let encoded = plaintext.encode()?;
        let reference = plaintext::reference(&one_time_key, &encoded.padded());
        let (writer, announced) = (own.writer, own.announced);
        Ok(Composed {
            reference,
            writer,
            number,
            announced,
            one_time_key,
            encoded,
        })
    }

    /// The secret that signs message `number` of an own chain.
    pub(crate) fn signing_secret(
        &mut self,
        own: &OwnChain,
        number: MessageNumber,
    ) -> Option<Secret32> {
        let key = self.chain_key(&own.writer, number)?;
        let signing = self.keys.write_key()?.signing_secret();
        let announcer = (number != MessageNumber::new(0)).then_some(&own.secret);
        one_time_secret(
            &signing,
            announcer,
            self.keys.writers(),
            &key,
            &own.writer,
            number,
        )
    }

    /// The own chain at a place, by the key it announces.
    pub(crate) fn own_chain_at(&self, writer: &WriterChainId) -> Option<&OwnChain> {
        self.own.iter().find(|own| own.writer == *writer)
    }
}
