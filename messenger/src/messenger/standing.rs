//! How far messages have come, and what of that changes.
//!
//! # Invariants
//! Every change of a message's standing leads to one event, whatever caused it.
//!
//! # Spec
//! docs/spec/09-messages.md §4, §11
//!
//! # Not here
//! Which message counts: [`crate::log`].

use std::collections::BTreeMap;

use chain::{BlockId, Height};

use super::{Messenger, Position, Work};
use crate::change_set::{Change, OpenedMessage};
use crate::event::Event;
use crate::ids::{ConversationId, MessageRef};
use crate::outbox::{Payload, Row};
use crate::view::Delivery;

/// Messages of a log, and how far each has come.
pub(super) type Standing = BTreeMap<MessageRef, Delivery>;

impl Messenger {
    /// The block of an envelope of ours counts: the session follows its chain.
    pub(super) fn follow(&mut self, position: Position, work: &mut Work) {
        if let Position::InBlock { height, block, .. } = position {
            self.set_canonical(height, Some(block), work);
        }
    }

    /// Standing of a message and of all that depends on it.
    pub(super) fn standing_at(&self, message: &OpenedMessage) -> Standing {
        let Some(found) = self.conversations.get(&message.conversation) else {
            return Standing::new();
        };
        let (writer, key) = (&message.writer, &message.one_time_key);
        let dependents = found.log.dependents(writer, message.number, key);
        self.standing(&message.conversation, dependents)
    }

    /// Lets another block, or none, count at a height, and tells what that moves.
    pub(super) fn set_canonical(
        &mut self,
        height: Height,
        block: Option<BlockId>,
        work: &mut Work,
    ) {
        if self.canonical.get(&height) == block.as_ref() {
            return;
        }
        let ids: Vec<ConversationId> = self.conversations.keys().copied().collect();
        let standing = |messenger: &Self| -> Vec<(ConversationId, Standing)> {
            let of = |id: &ConversationId| {
                let log = &messenger.conversations.get(id)?.log;
                Some((
                    *id,
                    messenger.standing(id, log.dependents_of_height(height)),
                ))
            };
            ids.iter().filter_map(of).collect()
        };
        let before = standing(self);
        let sent_before = self.standing_of_sent();
        self.commit(work, Change::Canonical { height, block });
        for ((id, before), (_, after)) in before.iter().zip(&standing(self)) {
            tell(*id, before, after, &mut work.events);
        }
        self.tell_sent(&sent_before, work);
    }

    /// Which of these messages are in the log, and how far they have come.
    pub(super) fn standing(
        &self,
        conversation: &ConversationId,
        references: impl IntoIterator<Item = MessageRef>,
    ) -> Standing {
        let Some(found) = self.conversations.get(conversation) else {
            return Standing::new();
        };
        references
            .into_iter()
            .filter(|reference| found.log.is_shown(reference))
            .filter_map(|reference| Some((reference, self.delivery(found.log.get(&reference)?))))
            .collect()
    }

    pub(super) fn standing_of_sent(&self) -> Standing {
        let sent = |(reference, row): (&MessageRef, &Row)| match &row.payload {
            Payload::Inbox { sightings, .. } => {
                Some((*reference, self.delivery_of_sent(sightings)))
            }
            Payload::Chain { .. } => None,
        };
        self.outbox.iter().filter_map(sent).collect()
    }

    pub(super) fn tell_sent(&self, before: &Standing, work: &mut Work) {
        for (reference, delivery) in self.standing_of_sent() {
            if before.get(&reference) != Some(&delivery) {
                work.events.push(Event::Moved {
                    conversation: None,
                    reference,
                    delivery,
                });
            }
        }
    }
}

/// Events for the difference between two standings.
pub(super) fn tell(
    conversation: ConversationId,
    before: &Standing,
    after: &Standing,
    events: &mut Vec<Event>,
) {
    for reference in before
        .keys()
        .filter(|reference| !after.contains_key(reference))
    {
        events.push(Event::Withdrawn {
            conversation,
            reference: *reference,
        });
    }
    for (&reference, &delivery) in after {
        match before.get(&reference) {
            None => events.push(Event::Shown {
                conversation,
                reference,
                delivery,
            }),
            Some(old) if *old != delivery => {
                let conversation = Some(conversation);
                events.push(Event::Moved {
                    conversation,
                    reference,
                    delivery,
                });
            }
            Some(_) => {}
        }
    }
}
