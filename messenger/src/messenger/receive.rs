//! From envelopes to messages.
//!
//! # Invariants
//! * An envelope is verified before anything of it is opened, cached or remembered: its chain, the
//!   signature of its one-time key, then the seal, then the plaintext.
//! * The same envelopes in any order, with losses made good and blocks reverted, lead to the same
//!   log.
//!
//! # Spec
//! docs/spec/09-messages.md §4, §5, §10
//!
//! # Not here
//! The rules of consensus, which the node checks: kind, class, rate epoch, authorisation.

use chain::envelope::EnvelopeKind;
use chain::{BlockId, Envelope, Height, PublicKey, Timestamp, WireId};

use super::standing::tell;
use super::{Messenger, Work};
use crate::change_set::{Change, ChangeSet, OpenedMessage, Sighting, StoredAccess};
use crate::content::{ChainStart, Content};
use crate::conversation::Conversation;
use crate::error::Refusal;
use crate::event::Event;
use crate::ids::{ConversationId, MessageRef, RefPrefix};
use crate::log::{InBlock, Place, Seen};
use crate::lookahead::{Coordinates, Wanted, Watch};
use crate::outbox::{Payload, Row};
use crate::plaintext::{self, Plaintext};
use crate::seal;
use crate::secret::SecretBytes;
use crate::writing::AuthoredPlace;

/// Where an envelope was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// In gossip: the node has it in its mempool.
    Pending,
    /// In a block of the chain that the session follows.
    InBlock {
        /// Height of the block.
        height: Height,
        /// Its id.
        block: BlockId,
        /// Index among its envelopes.
        index: u16,
    },
}

impl Position {
    pub(super) const fn seen(self) -> Seen {
        match self {
            Self::Pending => Seen::Gossip,
            Self::InBlock { .. } => Seen::InBlock,
        }
    }

    const fn sighting(self, wire: WireId) -> Sighting {
        match self {
            Self::Pending => Sighting::Gossip,
            Self::InBlock {
                height,
                block,
                index,
            } => Sighting::Block {
                height,
                index,
                block,
                wire,
            },
        }
    }

    const fn wanted(self, wire: WireId) -> Wanted {
        match self {
            Self::Pending => Wanted::Pending(wire),
            Self::InBlock { height, index, .. } => Wanted::InBlock(Place { height, index }),
        }
    }
}

impl Messenger {
    /// Takes an envelope from gossip or from a block. Whatever is not for this profile costs one
    /// probe and leaves no trace but 8 bytes in the ring.
    pub fn receive(
        &mut self,
        envelope: &Envelope,
        position: Position,
        now: Timestamp,
    ) -> (Vec<Event>, ChangeSet) {
        let mut work = Work::default();
        self.take(envelope, position, now, &mut work);
        work.finish()
    }

    /// Takes a whole block of the chain that the session follows, in order, and goes back inside it
    /// where a message stands before the start of its writer chain.
    pub fn receive_block(
        &mut self,
        height: Height,
        block: BlockId,
        envelopes: &[Envelope],
        now: Timestamp,
    ) -> (Vec<Event>, ChangeSet) {
        let mut work = Work::default();
        if self
            .canonical
            .get(&height)
            .is_some_and(|known| *known != block)
        {
            self.set_canonical(height, Some(block), &mut work);
        }
        for (index, envelope) in (0..=u16::MAX).zip(envelopes) {
            self.take(
                envelope,
                Position::InBlock {
                    height,
                    block,
                    index,
                },
                now,
                &mut work,
            );
        }
        while let Some(index) = take_needed_at(height, &mut work.events) {
            if let Some(envelope) = envelopes.get(usize::from(index)) {
                self.take(
                    envelope,
                    Position::InBlock {
                        height,
                        block,
                        index,
                    },
                    now,
                    &mut work,
                );
            }
        }
        self.advance(height, &mut work);
        work.finish()
    }

    /// Probes the one-time keys of a block for a fast scan of history: the indexes of those that are
    /// expected. Their envelopes go to [`Messenger::receive`]; the rest is remembered in the ring.
    /// Inbox envelopes have random keys and are not found this way.
    pub fn probe_block<'a>(
        &mut self,
        height: Height,
        one_time_keys: impl IntoIterator<Item = &'a PublicKey>,
    ) -> Vec<u16> {
        let mut expected = Vec::new();
        for (index, key) in (0..=u16::MAX).zip(one_time_keys) {
            if self.expects(key) {
                expected.push(index);
            } else {
                self.lookahead
                    .remember(key, Wanted::InBlock(Place { height, index }));
            }
        }
        expected
    }

    pub(super) fn take(
        &mut self,
        envelope: &Envelope,
        position: Position,
        now: Timestamp,
        work: &mut Work,
    ) {
        match envelope.kind {
            EnvelopeKind::Message => self.take_message(envelope, position, now, work),
            EnvelopeKind::Inbox => self.take_inbox(envelope, position, now, work),
            EnvelopeKind::Blob => {}
        }
    }

    fn take_message(
        &mut self,
        envelope: &Envelope,
        position: Position,
        now: Timestamp,
        work: &mut Work,
    ) {
        let key = &envelope.one_time_key;
        match self.lookahead.get(key).copied() {
            None => self
                .lookahead
                .remember(key, position.wanted(envelope.wid())),
            Some(Watch::Sent(_)) => {}
            Some(Watch::Root { index }) => {
                // Only whoever holds the root can have signed under its first one-time key.
                if self.check_envelope(envelope).is_ok() && self.adopt_root(index, position, work) {
                    self.take_message(envelope, position, now, work);
                }
            }
            Some(Watch::Message(coordinates)) => {
                let opened = self.open(envelope, &coordinates, position, now);
                match opened {
                    Ok((message, plaintext)) => {
                        self.accept(message, &plaintext, envelope.wid(), position, work);
                    }
                    Err(refusal) => work.events.push(Event::Refused { refusal }),
                }
            }
        }
    }

    pub(super) fn check_envelope(&self, envelope: &Envelope) -> Result<(), Refusal> {
        if envelope.net != self.chain.net() {
            return Err(Refusal::OtherChain);
        }
        if envelope.is_signed(&self.chain) {
            Ok(())
        } else {
            Err(Refusal::Forged)
        }
    }

    fn open(
        &mut self,
        envelope: &Envelope,
        coordinates: &Coordinates,
        position: Position,
        now: Timestamp,
    ) -> Result<(OpenedMessage, Plaintext), Refusal> {
        self.check_envelope(envelope)?;
        let Coordinates {
            conversation,
            writer,
            number,
            announced,
        } = *coordinates;
        let height = self.height_of(position);
        let found = self
            .conversations
            .get_mut(&conversation)
            .ok_or(Refusal::NotSealedForUs)?;
        let key = found
            .chain_key(&writer, number)
            .ok_or(Refusal::NotSealedForUs)?;
        let associated = envelope.associated_data();
        let padded = seal::open(key.expose(), &associated, &envelope.salt, &envelope.body)?;
        let (plaintext, unpadded) = Plaintext::decode(&padded)?;
        let announced = match (&plaintext.content, announced) {
            (Content::Start(start), None) if envelope.class == plaintext::start_class() => {
                let place = AuthoredPlace {
                    conversation,
                    writer,
                    announced: start.announced,
                    one_time_key: envelope.one_time_key,
                };
                if plaintext.previous != RefPrefix::NONE {
                    return Err(Refusal::MisplacedStart);
                }
                self.check_start(start, &place, height)?;
                start.announced
            }
            (Content::Start(_), _) | (_, None) => return Err(Refusal::MisplacedStart),
            (_, Some(announced)) => announced,
        };
        let reference = plaintext::reference(&envelope.one_time_key, &padded);
        let message = OpenedMessage {
            conversation,
            reference,
            writer,
            number,
            announced,
            one_time_key: envelope.one_time_key,
            plaintext: SecretBytes::new(padded[..unpadded].to_vec()),
            received: now,
        };
        Ok((message, plaintext))
    }

    fn check_start(
        &self,
        start: &ChainStart,
        place: &AuthoredPlace,
        height: Height,
    ) -> Result<(), Refusal> {
        if !start.announced.is_on_curve() {
            return Err(Refusal::AnnouncedOffCurve);
        }
        match &start.author {
            None => Ok(()),
            Some(claim) => place.check(claim, &self.chain, height).map(|_account| ()),
        }
    }

    /// The height that delegations are judged at: the block's, or the next one's.
    pub(super) fn height_of(&self, position: Position) -> Height {
        match position {
            Position::InBlock { height, .. } => height,
            Position::Pending => self.next_height(),
        }
    }

    pub(super) fn next_height(&self) -> Height {
        self.scanned
            .map_or(Height::new(0), |tip| tip.next().unwrap_or(tip))
    }

    /// Puts an opened message into its log and tells what changed.
    fn accept(
        &mut self,
        message: OpenedMessage,
        plaintext: &Plaintext,
        wire: WireId,
        position: Position,
        work: &mut Work,
    ) {
        let id = message.conversation;
        let Some(found) = self.conversations.get(&id) else {
            return;
        };
        let log = &found.log;
        let (writer, number, key) = (message.writer, message.number, message.one_time_key);
        let is_known = log.get(&message.reference).is_some();
        if !is_known && !log.has_room(&key, position.seen()) {
            let max = crate::log::VARIANTS_MAX;
            let refusal = Refusal::TooMany {
                what: "messages under one key",
                max,
            };
            work.events.push(Event::Refused { refusal });
            return;
        }
        let was_forked = log.is_forked(&key);
        self.follow(position, work);
        let before = self.standing_at(&message);
        let reference = message.reference;
        if !is_known {
            self.commit(work, Change::Opened(message.clone()));
        }
        self.see(Some(id), reference, wire, position, work);
        tell(id, &before, &self.standing_at(&message), &mut work.events);
        let is_forked = |found: &Conversation| found.log.is_forked(&key);
        if !was_forked && self.conversations.get(&id).is_some_and(is_forked) {
            work.events.push(Event::WriterForked {
                conversation: id,
                writer,
                number,
            });
        }
        self.judge_own_chain(&message, wire, position, work);
        if id == self.self_conversation && !is_known {
            self.act_on_record(&plaintext.content, work);
        }
        self.refresh(&id, work);
    }

    /// Records where an envelope was seen, if that is news.
    pub(super) fn see(
        &mut self,
        conversation: Option<ConversationId>,
        reference: MessageRef,
        wire: WireId,
        position: Position,
        work: &mut Work,
    ) {
        let sightings = match conversation {
            Some(id) => self
                .conversations
                .get(&id)
                .and_then(|found| found.log.get(&reference))
                .map(|entry| &entry.sightings),
            None => match self.outbox.get(&reference) {
                Some(Row {
                    payload: Payload::Inbox { sightings, .. },
                    ..
                }) => Some(sightings),
                _ => None,
            },
        };
        let Some(sightings) = sightings else { return };
        let is_news = match position {
            Position::Pending => !sightings.is_gossiped,
            Position::InBlock {
                height,
                block,
                index,
            } => {
                let place = Place { height, index };
                !sightings.contains(&InBlock { place, block, wire })
            }
        };
        if is_news {
            let sighting = position.sighting(wire);
            self.commit(
                work,
                Change::Seen {
                    conversation,
                    reference,
                    sighting,
                },
            );
        }
    }

    /// Takes a conversation whose root the account derives, once its first message was seen.
    fn adopt_root(&mut self, index: u32, position: Position, work: &mut Work) -> bool {
        let Some(root) = self.probed_roots.get(&index) else {
            return false;
        };
        let root = crate::secret::Secret32::from_bytes(*root.expose());
        let access = StoredAccess::Root {
            index: Some(index),
            root,
        };
        let birthday = self.height_of(position);
        self.join_keys(access, birthday, "", work).is_ok()
    }
}

/// Takes out the next wish for an envelope of this very block.
fn take_needed_at(height: Height, events: &mut Vec<Event>) -> Option<u16> {
    let index_of = |event: &Event| match event {
        Event::Needed(Wanted::InBlock(place)) if place.height == height => Some(place.index),
        _ => None,
    };
    let position = events.iter().position(|event| index_of(event).is_some())?;
    index_of(&events.remove(position))
}
