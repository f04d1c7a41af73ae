//! When somebody else writes where this device does.
//!
//! # Invariants
//! * A place that was lost is left for good; what was written there is written again elsewhere.
//! * Only a block settles a race of two envelopes that have both left.
//!
//! # Spec
//! docs/spec/09-messages.md §9.3
//!
//! # Not here
//! Writing again: [`crate::Messenger::tick`].

use chain::WireId;

use super::{Messenger, Position, Work};
use crate::change_set::{Change, OpenedMessage};
use crate::error::SendFailure;
use crate::event::Event;
use crate::ids::{ConversationId, MessageNumber, MessageRef};
use crate::log::{Origin, Seen};
use crate::outbox::Row;

impl Messenger {
    /// Notices when somebody else writes where this device does.
    pub(super) fn judge_own_chain(
        &mut self,
        message: &OpenedMessage,
        wire: WireId,
        position: Position,
        work: &mut Work,
    ) {
        let Some(found) = self.conversations.get(&message.conversation) else {
            return;
        };
        let Some(own) = found.own_chain_at(&message.writer) else {
            return;
        };
        let (was_retired, is_our_key) = (own.is_retired, own.announced == message.announced);
        let is_ours = found
            .log
            .get(&message.reference)
            .is_some_and(|entry| entry.origin == Origin::Outbox);
        if is_ours {
            // A settled row is gone; its envelopes are known to be ours.
            let is_foreign_wire = self
                .outbox
                .get(&message.reference)
                .is_some_and(|row| !row.wires.contains(&wire));
            if is_foreign_wire && !was_retired {
                self.leave_copied_chain(message, work);
            }
        } else if is_our_key {
            if !was_retired {
                self.leave_copied_chain(message, work);
            }
            if position.seen() == Seen::InBlock {
                let at_number = |row: &Row| row.is_at(&message.writer, message.number);
                self.fail_rows(&message.conversation, at_number, work);
            }
        } else if message.number == MessageNumber::new(0) && !was_retired {
            let is_sealed = self
                .outbox
                .values()
                .any(|row| row.is_at(&message.writer, message.number) && row.sealed.is_some());
            // In gossip alone the race is open, unless ours has not even begun.
            if position.seen() == Seen::InBlock || !is_sealed {
                self.retire(message, work);
                let in_chain = |row: &Row| row.is_in(&message.writer);
                self.fail_rows(&message.conversation, in_chain, work);
            }
        }
    }

    fn leave_copied_chain(&mut self, message: &OpenedMessage, work: &mut Work) {
        work.events.push(Event::ProfileCopied {
            conversation: message.conversation,
        });
        self.retire(message, work);
        // What was never sealed moves to the next chain: the copy may have used its numbers.
        let unsealed = |row: &Row| row.is_in(&message.writer) && row.wires.is_empty();
        self.fail_rows(&message.conversation, unsealed, work);
    }

    fn retire(&mut self, message: &OpenedMessage, work: &mut Work) {
        let (conversation, chain) = (message.conversation, message.writer);
        self.commit(
            work,
            Change::OwnChainRetired {
                conversation,
                chain,
            },
        );
    }

    fn fail_rows(
        &mut self,
        conversation: &ConversationId,
        which: impl Fn(&Row) -> bool,
        work: &mut Work,
    ) {
        let Some(found) = self.conversations.get(conversation) else {
            return;
        };
        let failing: Vec<MessageRef> = self
            .outbox
            .iter()
            .filter(|(_, row)| row.conversation() == Some(*conversation) && which(row))
            .filter(|(reference, _)| {
                found.log.get(reference).is_some_and(|entry| {
                    let is_safe = entry.place().is_some() && found.log.is_shown(reference);
                    entry.failure.is_none() && !is_safe
                })
            })
            .map(|(reference, _)| *reference)
            .collect();
        for reference in failing {
            self.commit(work, Change::Failed { reference });
            let reason = SendFailure::ChainConflict;
            let conversation = *conversation;
            work.events.push(Event::Failed {
                conversation,
                reference,
                reason,
            });
        }
    }
}
