//! From texts to envelopes: write, seal, finish.
//!
//! # Invariants
//! * Writing fixes number and plaintext and comes first; sealing changes nothing; finishing signs
//!   and remembers the bytes. Each change set is stored before the next step leaves the machine.
//! * A message waits until the start of its writer chain was seen outside.
//! * A call that fails has changed nothing.
//!
//! # Spec
//! docs/spec/09-messages.md §9
//!
//! # Not here
//! What authorises an envelope: the session.

use chain::envelope::{Auth, SizeClass};
use chain::{EnvelopeBytes, Height, Timestamp};
use rand_core::CryptoRng;

use super::{Messenger, Quiet, Work};
use crate::change_set::{Change, ChangeSet, OpenedMessage};
use crate::compose::Unauthorised;
use crate::content::{Content, Text};
use crate::error::SendError;
use crate::event::Event;
use crate::ids::{ConversationId, MessageNumber, MessageRef, RefPrefix};
use crate::outbox::{OUTBOX_MAX, Payload, Row};
use crate::plaintext::{Attention, Plaintext};
use crate::scalar;
use crate::self_record::SelfRecord;
use crate::view::{Delivery, OutboxItem, Step, Wait};
use crate::writing::{Composed, OwnChain};

/// Messages of a chain that may be on their way at a time: readers expect no more.
const ON_THE_WAY_MAX: u32 = crate::conversation::NUMBERS_AHEAD - 8;

/// What a member says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A text.
    Text(Text),
    /// A text in answer to a message of the same conversation.
    Reply {
        /// Which message.
        to: MessageRef,
        /// The answer.
        text: Text,
    },
}

impl Messenger {
    /// Writes a message into the outbox. It has its name and its place from now on.
    ///
    /// # Errors
    /// See [`SendError`]; nothing has changed then.
    pub fn send(
        &mut self,
        conversation: &ConversationId,
        message: &Outgoing,
        attention: Attention,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<(MessageRef, Vec<Event>, ChangeSet), SendError> {
        let found = self
            .conversations
            .get(conversation)
            .ok_or(SendError::UnknownConversation)?;
        let (Outgoing::Text(text) | Outgoing::Reply { text, .. }) = message;
        if text.text.is_empty() {
            return Err(SendError::EmptyText);
        }
        let content = match message {
            Outgoing::Text(text) => Content::Text(text.clone()),
            Outgoing::Reply { to, text } => {
                found.log.get(to).ok_or(SendError::UnknownMessage)?;
                Content::Reply {
                    to: to.prefix(),
                    text: text.clone(),
                }
            }
        };
        let mut work = Work::default();
        let reference = self.write(conversation, content, attention, now, rng, &mut work)?;
        let (events, changes) = work.finish();
        Ok((reference, events, changes))
    }

    /// The size class that a message will have, which decides what it costs. Links to earlier
    /// messages never raise it.
    ///
    /// # Errors
    /// An empty text, or one that does not fit.
    pub fn class_of(message: &Outgoing, attention: Attention) -> Result<SizeClass, SendError> {
        let content = match message {
            Outgoing::Text(text) => Content::Text(text.clone()),
            Outgoing::Reply { to, text } => Content::Reply {
                to: to.prefix(),
                text: text.clone(),
            },
        };
        check_fits(&content, attention, Timestamp::default())
    }

    /// Puts a message into an own writer chain, beginning a new chain where one is needed.
    pub(super) fn write(
        &mut self,
        conversation: &ConversationId,
        content: Content,
        attention: Attention,
        sent: Timestamp,
        rng: &mut impl CryptoRng,
        work: &mut Work,
    ) -> Result<MessageRef, SendError> {
        self.check_outbox()?;
        if self.has_lost_root(conversation) {
            return Err(SendError::RootLost);
        }
        check_fits(&content, attention, sent)?;
        let own = match self.usable_chain(conversation, sent)? {
            Some(own) => own,
            None => self.begin_chain(conversation, sent, rng, work)?,
        };
        let found = self
            .conversations
            .get_mut(conversation)
            .ok_or(SendError::UnknownConversation)?;
        let composed = found.compose(&own, content, attention, sent)?;
        Ok(self.record_written(conversation, composed, sent, work))
    }

    pub(super) fn check_outbox(&self) -> Result<(), SendError> {
        // Rows in blocks stay for a while: counting is for the full case only.
        if self.outbox.len() < OUTBOX_MAX {
            return Ok(());
        }
        let waiting = self
            .outbox
            .iter()
            .filter(|(reference, row)| self.is_waiting(reference, row))
            .count();
        if waiting < OUTBOX_MAX {
            Ok(())
        } else {
            Err(SendError::OutboxFull { max: OUTBOX_MAX })
        }
    }

    fn usable_chain(
        &self,
        conversation: &ConversationId,
        now: Timestamp,
    ) -> Result<Option<OwnChain>, SendError> {
        let found = self
            .conversations
            .get(conversation)
            .ok_or(SendError::UnknownConversation)?;
        Ok(found.own_chain(now).cloned())
    }

    /// Begins the next writer chain of this device: its start is the first message in it.
    pub(super) fn begin_chain(
        &mut self,
        conversation: &ConversationId,
        now: Timestamp,
        rng: &mut impl CryptoRng,
        work: &mut Work,
    ) -> Result<OwnChain, SendError> {
        let height = self.next_height();
        // A delegation is used only if it still holds when the start is in a block.
        let blocks = u64::from(self.rates.blocks) * 2 + u64::from(self.rates.grace_blocks);
        let last = Height::new(height.get().saturating_add(blocks));
        let is_self = *conversation == self.self_conversation;
        let found = self
            .conversations
            .get_mut(conversation)
            .ok_or(SendError::UnknownConversation)?;
        let writer = found.place_of_next_chain()?;
        let own = OwnChain::new(writer, scalar::random(rng), now);
        let mut aux_randomness = [0; 32];
        rng.fill_bytes(&mut aux_randomness);
        // Only the account's own devices are in the self-conversation: nobody need be told who.
        let device = (!is_self).then_some(&self.device);
        let composed =
            found.compose_start(&own, device, (height, last), &self.chain, &aux_randomness)?;
        let previous = found
            .own
            .last()
            .filter(|own| !own.is_retired)
            .map(|own| own.writer);
        let conversation = *conversation;
        if let Some(chain) = previous {
            self.commit(
                work,
                Change::OwnChainRetired {
                    conversation,
                    chain,
                },
            );
        }
        let (chain, secret) = (writer, own.secret.clone());
        self.commit(
            work,
            Change::OwnChain {
                conversation,
                chain,
                secret,
                started: now,
            },
        );
        self.record_written(&conversation, composed, now, work);
        if !is_self {
            self.note(
                &SelfRecord::Own {
                    conversation,
                    writer,
                },
                work,
            );
        }
        Ok(OwnChain {
            next: MessageNumber::new(1),
            ..own
        })
    }

    fn record_written(
        &mut self,
        conversation: &ConversationId,
        composed: Composed,
        now: Timestamp,
        work: &mut Work,
    ) -> MessageRef {
        let Composed {
            reference,
            writer,
            number,
            announced,
            one_time_key,
            encoded,
        } = composed;
        let conversation = *conversation;
        let message = OpenedMessage {
            conversation,
            reference,
            writer,
            number,
            announced,
            one_time_key,
            plaintext: encoded.bytes,
            received: now,
        };
        self.commit(work, Change::Written(message));
        if self
            .standing(&conversation, [reference])
            .contains_key(&reference)
        {
            let delivery = Delivery::Queued;
            work.events.push(Event::Shown {
                conversation,
                reference,
                delivery,
            });
        }
        self.refresh(&conversation, work);
        reference
    }

    /// Everything that is not in a block yet, oldest message of each chain first, with its next
    /// step.
    #[must_use]
    pub fn outbox(&self) -> Vec<OutboxItem> {
        let mut rows: Vec<(&MessageRef, &Row)> = self
            .outbox
            .iter()
            .filter(|(reference, row)| self.is_waiting(reference, row))
            .collect();
        rows.sort_by_key(|(_, row)| row.order());
        rows.into_iter()
            .map(|(reference, row)| OutboxItem {
                reference: *reference,
                conversation: row.conversation(),
                kind: row.kind(),
                class: row.class(),
                step: self.step(row),
            })
            .collect()
    }

    /// Whether a row still has to reach a block.
    pub(super) fn is_waiting(&self, reference: &MessageRef, row: &Row) -> bool {
        match &row.payload {
            Payload::Inbox { sightings, .. } => sightings.place(&self.canonical).is_none(),
            Payload::Chain { conversation, .. } => self
                .conversations
                .get(conversation)
                .and_then(|found| found.log.get(reference))
                .is_some_and(|entry| entry.failure.is_none() && entry.place().is_none()),
        }
    }

    fn step(&self, row: &Row) -> Step {
        if let Some(wait) = self.wait(row) {
            return Step::Wait(wait);
        }
        let tip = self.scanned.unwrap_or_default();
        match &row.sealed {
            Some(sealed) if !self.rates.is_over(sealed.rate_epoch, tip) => {
                Step::Send(sealed.bytes.clone())
            }
            _ => Step::Seal,
        }
    }

    fn wait(&self, row: &Row) -> Option<Wait> {
        if !self.is_at_tip {
            return Some(Wait::Tip);
        }
        match self.quiet {
            Quiet::No => {}
            Quiet::UntilTip => return Some(Wait::Tip),
            Quiet::UntilEpoch(epoch) => {
                let until = self.rates.first_height(chain::units::RateEpoch::new(epoch));
                if self.next_height() < until {
                    return Some(Wait::Restored { until });
                }
            }
        }
        let Payload::Chain {
            conversation,
            writer,
            number,
            ..
        } = &row.payload
        else {
            return None;
        };
        if *number == MessageNumber::new(0) {
            return None;
        }
        let found = self.conversations.get(conversation)?;
        let own = found.own_chain_at(writer)?;
        let is_out = |reference: &MessageRef| {
            found
                .log
                .get(reference)
                .filter(|entry| entry.announced == own.announced && entry.is_out())
                .map(|entry| entry.number)
        };
        let newest_out = found
            .log
            .of_writer(writer)
            .filter_map(|reference| is_out(&reference))
            .max();
        let start = found.log.start(writer).and_then(|start| is_out(&start));
        match (start, newest_out) {
            (None, _) => Some(Wait::ChainStart),
            (_, Some(newest)) if number.get() > newest.get() + ON_THE_WAY_MAX => {
                Some(Wait::EarlierMessages)
            }
            _ => None,
        }
    }

    /// Seals a message of the outbox in the rate epoch of the next block. Nothing changes; the
    /// result cannot leave before [`Messenger::finish`].
    ///
    /// # Errors
    /// No such message, or it waits.
    pub fn seal(&mut self, reference: &MessageRef) -> Result<Unauthorised, SendError> {
        let row = self
            .outbox
            .get(reference)
            .ok_or(SendError::UnknownMessage)?;
        if !self.is_waiting(reference, row) {
            return Err(SendError::UnknownMessage);
        }
        if let Some(wait) = self.wait(row) {
            return Err(SendError::Waits(wait));
        }
        let rate_epoch = self.rates.for_next_block(self.scanned.unwrap_or_default());
        match &row.payload {
            Payload::Inbox { draft, .. } => Ok(draft.seal(&self.chain, rate_epoch)),
            Payload::Chain {
                conversation,
                writer,
                number,
                encoded,
            } => {
                let (writer, number) = (*writer, *number);
                let found = self
                    .conversations
                    .get_mut(conversation)
                    .ok_or(SendError::UnknownConversation)?;
                let own = found
                    .own_chain_at(&writer)
                    .cloned()
                    .ok_or(SendError::UnknownMessage)?;
                let secret = found
                    .signing_secret(&own, number)
                    .ok_or(SendError::ReadOnly)?;
                let key = found
                    .chain_key(&writer, number)
                    .ok_or(SendError::ReadOnly)?;
                let sealed =
                    Unauthorised::message(encoded, key.expose(), secret, &self.chain, rate_epoch);
                debug_assert_eq!(sealed.reference(), *reference);
                Ok(sealed)
            }
        }
    }

    /// Authorises and signs a sealed message. The bytes may leave when the change set is stored,
    /// and are the ones to send again until they are too old.
    ///
    /// # Errors
    /// The message is no longer waiting.
    pub fn finish(
        &mut self,
        sealed: Unauthorised,
        auth: Auth,
        aux_randomness: &[u8; 32],
    ) -> Result<(EnvelopeBytes, ChangeSet), SendError> {
        let reference = sealed.reference();
        let row = self
            .outbox
            .get(&reference)
            .ok_or(SendError::UnknownMessage)?;
        if !self.is_waiting(&reference, row) {
            return Err(SendError::UnknownMessage);
        }
        let envelope = sealed
            .authorise(auth, &self.chain, aux_randomness)
            .to_bytes();
        let mut work = Work::default();
        self.commit(
            &mut work,
            Change::Sealed {
                reference,
                envelope: envelope.clone(),
            },
        );
        Ok((envelope, work.changes))
    }
}

/// Refuses what would not encode, before a chain is begun for it.
fn check_fits(
    content: &Content,
    attention: Attention,
    sent: Timestamp,
) -> Result<SizeClass, SendError> {
    let content = content.clone();
    let trial = Plaintext {
        attention,
        sent,
        previous: RefPrefix::NONE,
        parents: Vec::new(),
        content,
    };
    Ok(trial.encode()?.class)
}
