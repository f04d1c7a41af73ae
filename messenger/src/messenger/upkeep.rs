//! The course of things: tips, reorganisations, second attempts.
//!
//! # Invariants
//! A reverted block takes back where messages stand, never that they exist.
//!
//! # Spec
//! docs/spec/09-messages.md §4, §9
//!
//! # Not here
//! Following the chain: the session.

use chain::{Height, Timestamp};
use rand_core::CryptoRng;

use super::{Messenger, Quiet, Work};
use crate::change_set::{Change, ChangeSet};
use crate::content::Content;
use crate::event::Event;
use crate::ids::{ConversationId, MessageRef};
use crate::outbox::{Payload, SETTLED_BLOCKS};

/// Blocks without anything of ours after which the progress is stored all the same: what is read
/// again after a crash.
const PROGRESS_BLOCKS: u64 = 64;

impl Messenger {
    /// Takes notice that a block was read.
    pub(super) fn advance(&mut self, height: Height, work: &mut Work) {
        if self.scanned.is_some_and(|scanned| scanned >= height) {
            return;
        }
        let is_worth_it = !work.changes.is_empty() || height.get().is_multiple_of(PROGRESS_BLOCKS);
        if is_worth_it {
            self.commit(work, Change::Scanned { height });
        } else {
            self.scanned = Some(height);
        }
        self.settle(height);
    }

    /// Forgets rows that no reorganisation can bring back.
    fn settle(&mut self, tip: Height) {
        let Some(depth) = tip.get().checked_sub(SETTLED_BLOCKS) else {
            return;
        };
        let (conversations, canonical) = (&self.conversations, &self.canonical);
        self.outbox.retain(|reference, row| {
            let place = match &row.payload {
                Payload::Inbox { sightings, .. } => sightings.place(canonical),
                Payload::Chain { conversation, .. } => conversations
                    .get(conversation)
                    .and_then(|found| found.log.get(reference))
                    .and_then(crate::log::Entry::place),
            };
            place.is_none_or(|place| place.height.get() > depth)
        });
    }

    /// Takes a block back: messages that stood in it fall back to delivered.
    pub fn revert_block(&mut self, height: Height) -> (Vec<Event>, ChangeSet) {
        let mut work = Work::default();
        if self.canonical.contains_key(&height) {
            self.set_canonical(height, None, &mut work);
        }
        if self.scanned.is_some_and(|scanned| scanned >= height) {
            let below = height.checked_sub(1).unwrap_or(height);
            if work.changes.is_empty() {
                self.scanned = Some(below);
            } else {
                self.commit(&mut work, Change::Scanned { height: below });
            }
        }
        work.finish()
    }

    /// The session has read all blocks up to the tip `height` and the mempool: messages may leave.
    /// A restored profile still waits for the next rate epoch.
    pub fn set_at_tip(&mut self, height: Height) -> ChangeSet {
        let mut work = Work::default();
        self.advance(height, &mut work);
        self.is_at_tip = true;
        if self.quiet == Quiet::UntilTip {
            let next = self
                .rates
                .for_next_block(height)
                .checked_add(1)
                .unwrap_or_default();
            let rate_epoch = Some(next.get());
            self.commit(&mut work, Change::QuietUntil { rate_epoch });
        }
        work.changes
    }

    /// The session fell behind or lost its node: nothing leaves until [`Messenger::set_at_tip`].
    pub fn set_behind(&mut self) {
        self.is_at_tip = false;
    }

    pub(super) fn is_quiet(&self) -> bool {
        match self.quiet {
            Quiet::No => false,
            Quiet::UntilTip => true,
            Quiet::UntilEpoch(epoch) => {
                self.rates
                    .for_next_block(self.scanned.unwrap_or_default())
                    .get()
                    < epoch
            }
        }
    }

    /// What is to be done from time to time, after each block at least: failed messages are written
    /// again, and the self-conversation gets its next record.
    pub fn tick(&mut self, now: Timestamp, rng: &mut impl CryptoRng) -> (Vec<Event>, ChangeSet) {
        let mut work = Work::default();
        if self.is_at_tip {
            for (conversation, reference) in self.failed_rows() {
                self.write_again(conversation, reference, now, rng, &mut work);
            }
        }
        self.write_next_record(now, rng, &mut work);
        work.finish()
    }

    /// Failed messages without a successor, in the order in which they were written.
    fn failed_rows(&self) -> Vec<(ConversationId, MessageRef)> {
        let mut failed: Vec<_> = self
            .outbox
            .iter()
            .filter_map(|(reference, row)| {
                let conversation = row.conversation()?;
                let entry = self.conversations.get(&conversation)?.log.get(reference)?;
                entry.failure?;
                Some((row.order(), conversation, *reference))
            })
            .collect();
        failed.sort_unstable();
        failed
            .into_iter()
            .map(|(_, conversation, reference)| (conversation, reference))
            .collect()
    }

    fn write_again(
        &mut self,
        conversation: ConversationId,
        reference: MessageRef,
        now: Timestamp,
        rng: &mut impl CryptoRng,
        work: &mut Work,
    ) {
        let entry = self
            .conversations
            .get(&conversation)
            .and_then(|found| found.log.get(&reference));
        let Some(entry) = entry else { return };
        let plaintext = entry.plaintext.clone();
        let replacement = match plaintext.content {
            // The next chain has a start of its own.
            Content::Start(_) => None,
            // Others than the intended would read it there.
            _ if self.has_lost_root(&conversation) => None,
            content => {
                let attention = plaintext.attention;
                match self.write(&conversation, content, attention, now, rng, work) {
                    Ok(replacement) => Some(replacement),
                    // Tried again at the next tick: the new chain has no place yet.
                    Err(_) => return,
                }
            }
        };
        self.commit(
            work,
            Change::Resent {
                reference,
                replacement,
            },
        );
        if let Some(replacement) = replacement {
            work.events.push(Event::Resent {
                conversation,
                reference,
                replacement,
            });
        }
    }

    /// Conversations whose blocks went by before their keys were here, with the height to begin at.
    /// The session reads from the lowest of them to the tip, in order, then says so with
    /// [`Messenger::set_history_read`]. What is found on the way is in the next answer.
    #[must_use]
    pub fn unread_history(&self) -> Vec<(ConversationId, Height)> {
        self.conversations
            .values()
            .filter_map(|found| Some((found.id(), found.unread_from?)))
            .collect()
    }

    /// The blocks from the heights of an earlier [`Messenger::unread_history`] up to the tip were
    /// put in.
    pub fn set_history_read(&mut self, read: &[(ConversationId, Height)]) -> ChangeSet {
        let mut work = Work::default();
        for (conversation, from) in read {
            let found = self.conversations.get(conversation);
            if found.is_some_and(|found| found.unread_from == Some(*from)) {
                let conversation = *conversation;
                self.commit(&mut work, Change::HistoryRead { conversation });
            }
        }
        work.changes
    }

    /// Expects whole writer chains of a conversation from now on: after a gap that reading its
    /// history again did not fill.
    pub fn widen(&mut self, conversation: &ConversationId) -> Vec<Event> {
        let mut work = Work::default();
        if let Some(found) = self.conversations.get_mut(conversation) {
            found.widen();
        }
        self.refresh(conversation, &mut work);
        work.events
    }
}
