//! Questions about the state: lists, logs, single messages.
//!
//! # Spec
//! docs/spec/09-messages.md §11
//!
//! # Not here
//! The shapes of the answers: [`crate::view`].

use std::collections::BTreeMap;

use super::Messenger;
use crate::content::{ChainStart, Content, Unsupported};
use crate::conversation::Conversation;
use crate::ids::{ConversationId, MessageNumber, MessageRef, WriterChainId};
use crate::log::{Entry, Origin, Sightings};
use crate::outbox::Payload;
use crate::view::{
    Author, Continuity, ConversationView, Delivery, InboxView, Mentioned, MessageView,
};

impl Messenger {
    /// All conversations but the self-conversation.
    pub fn conversations(&self) -> impl Iterator<Item = ConversationView> {
        self.conversations
            .values()
            .filter(|found| found.id() != self.self_conversation)
            .map(view_of)
    }

    /// One conversation.
    #[must_use]
    pub fn conversation(&self, id: &ConversationId) -> Option<ConversationView> {
        self.conversations.get(id).map(view_of)
    }

    /// Messages of a conversation in the order of reading, after a given one, at most `count_max`.
    /// Chain starts and other messages without words are among them.
    #[must_use]
    pub fn log(
        &self,
        conversation: &ConversationId,
        after: Option<&MessageRef>,
        count_max: usize,
    ) -> Vec<MessageView> {
        let Some(found) = self.conversations.get(conversation) else {
            return Vec::new();
        };
        let mut is_after = after.is_none();
        reading_order(found.log.iter())
            .into_iter()
            .filter(|(reference, _)| {
                let is_shown = is_after;
                is_after |= Some(reference) == after;
                is_shown
            })
            .take(count_max)
            .map(|(reference, entry)| self.view(found, reference, entry))
            .collect()
    }

    /// One message, also one that is not in the log any more.
    #[must_use]
    pub fn message(
        &self,
        conversation: &ConversationId,
        reference: &MessageRef,
    ) -> Option<MessageView> {
        let found = self.conversations.get(conversation)?;
        Some(self.view(found, *reference, found.log.get(reference)?))
    }

    /// How far an inbox message of this device has come.
    #[must_use]
    pub fn sent_delivery(&self, reference: &MessageRef) -> Option<Delivery> {
        match &self.outbox.get(reference)?.payload {
            Payload::Inbox { sightings, .. } => Some(self.delivery_of_sent(sightings)),
            Payload::Chain { .. } => None,
        }
    }

    /// Inbox messages that the owner has not decided about.
    pub fn inbox(&self) -> impl Iterator<Item = InboxView> {
        self.inbox
            .values()
            .filter(|item| !item.is_closed)
            .map(|item| InboxView {
                reference: item.message.reference,
                sender: item.message.sender,
                sent: item.message.sent,
                received: item.received,
                content: item.message.content.clone(),
            })
    }

    /// Numbers that are missing in the middle of writer chains: messages that were lost or never
    /// sent.
    #[must_use]
    pub fn gaps(&self, conversation: &ConversationId) -> Vec<(WriterChainId, Vec<MessageNumber>)> {
        self.conversations
            .get(conversation)
            .map_or_else(Vec::new, Conversation::gaps)
    }

    /// How far a message has come.
    pub(super) fn delivery(&self, entry: &Entry) -> Delivery {
        match (entry.place(), entry.failure) {
            (Some(place), _) => Delivery::InBlock(place),
            (None, Some(failure)) => Delivery::Failed(failure),
            (None, None) if entry.is_out() || entry.origin == Origin::Network => {
                Delivery::Delivered
            }
            (None, None) => Delivery::Queued,
        }
    }

    pub(super) fn delivery_of_sent(&self, sightings: &Sightings) -> Delivery {
        match sightings.place(&self.canonical) {
            Some(place) => Delivery::InBlock(place),
            None if sightings.is_empty() => Delivery::Queued,
            None => Delivery::Delivered,
        }
    }

    fn view(&self, found: &Conversation, reference: MessageRef, entry: &Entry) -> MessageView {
        let start = found
            .log
            .start(&entry.writer)
            .and_then(|start| found.log.get(&start));
        let start = start.filter(|start| start.announced == entry.announced);
        let start = match start.map(|start| &start.plaintext.content) {
            Some(Content::Start(start)) => Some(start),
            _ => None,
        };
        let claim = start.and_then(|start| start.author.as_ref());
        let author = claim.map_or(Author::SomeWriter, |claim| Author::Account(claim.account()));
        let reply_to = match &entry.plaintext.content {
            Content::Reply { to, .. } => Some(match found.log.resolve(to) {
                Some(reference) => Mentioned::Here(reference),
                None => Mentioned::Unknown(*to),
            }),
            _ => None,
        };
        MessageView {
            reference,
            conversation: found.id(),
            writer: entry.writer,
            number: entry.number,
            author,
            device: start.map_or_else(String::new, |ChainStart { device, .. }| device.clone()),
            is_own: self.is_own(found, entry, author),
            sent: entry.plaintext.sent,
            received: entry.received,
            delivery: self.delivery(entry),
            attention: entry.plaintext.attention,
            continuity: continuity(found, entry),
            reply_to,
            content: self.shown_content(found, &entry.plaintext.content),
        }
    }

    /// Records mean something in the self-conversation only.
    fn shown_content(&self, found: &Conversation, content: &Content) -> Content {
        match content {
            Content::Record(record) if found.id() != self.self_conversation => {
                let body = content.encode().unwrap_or_default();
                Content::Unsupported(Unsupported {
                    code: record.code(),
                    body,
                })
            }
            content => content.clone(),
        }
    }

    fn is_own(&self, found: &Conversation, entry: &Entry, author: Author) -> bool {
        let is_known_chain = || {
            found
                .own_chain_at(&entry.writer)
                .is_some_and(|own| own.announced == entry.announced)
        };
        entry.origin == Origin::Outbox
            || found.id() == self.self_conversation
            || author == Author::Account(self.account)
            || is_known_chain()
            || self.has_written(&found.id(), &entry.writer)
    }

    /// Whether the account told itself that it writes there.
    fn has_written(&self, conversation: &ConversationId, writer: &WriterChainId) -> bool {
        self.told_chains
            .get(conversation)
            .is_some_and(|chains| chains.contains(writer))
    }
}

/// The canonical order, but for messages of one writer chain inside one block, or in none: they
/// stand in the order of their numbers, for whoever makes a block may shuffle them.
fn reading_order<'a>(
    log: impl Iterator<Item = (MessageRef, &'a Entry)>,
) -> Vec<(MessageRef, &'a Entry)> {
    let mut messages: Vec<_> = log.collect();
    let height = |entry: &Entry| entry.place().map(|place| place.height);
    for together in messages.chunk_by_mut(|(_, one), (_, next)| height(one) == height(next)) {
        let mut seats: BTreeMap<WriterChainId, Vec<usize>> = BTreeMap::new();
        for (seat, (_, entry)) in together.iter().enumerate() {
            seats.entry(entry.writer).or_default().push(seat);
        }
        for seats in seats.values().filter(|seats| seats.len() > 1) {
            let mut chain: Vec<_> = seats.iter().map(|seat| together[*seat]).collect();
            chain.sort_by_key(|(_, entry)| entry.number);
            for (seat, message) in seats.iter().zip(chain) {
                together[*seat] = message;
            }
        }
    }
    messages
}

/// Whether the previous message of the writer is here, and is the one in the log.
fn continuity(found: &Conversation, entry: &Entry) -> Continuity {
    let previous = entry.plaintext.previous;
    if entry.number == MessageNumber::new(0) {
        // A start that follows on anything was refused.
        return Continuity::Linked;
    }
    let is_earlier = |reference: MessageRef| {
        let earlier = found.log.get(&reference);
        earlier.is_some_and(|earlier| {
            earlier.writer == entry.writer
                && earlier.number < entry.number
                && found.log.is_shown(&reference)
        })
    };
    if found.log.resolve(&previous).is_some_and(is_earlier) {
        Continuity::Linked
    } else {
        Continuity::Broken
    }
}

fn view_of(found: &Conversation) -> ConversationView {
    ConversationView {
        id: found.id(),
        name: found.name.clone(),
        access: found.keys.access(),
        is_admin: found.keys.has_root(),
        birthday: found.birthday,
    }
}
