//! The one place where facts become state.
//!
//! # Invariants
//! Applying a change twice is the same as once. Only damage makes a change fail.
//!
//! # Spec
//! docs/spec/09-messages.md §12
//!
//! # Not here
//! Which changes are made: the other files of this folder.

use chain::Height;

use super::{INBOX_GENERATIONS_MAX, InboxItem, Messenger, Quiet};
use crate::access::ConversationKeys;
use crate::change_set::{Change, OpenedMessage, Sighting, StoredAccess};
use crate::content::Content;
use crate::conversation::Conversation;
use crate::delegation::Delegation;
use crate::error::{LoadError, SendFailure};
use crate::ids::{ConversationId, MessageRef};
use crate::inbox::{self, InboxDraft};
use crate::keys::InboxSecret;
use crate::log::{Entry, InBlock, Origin, Place, Sightings};
use crate::lookahead::{Coordinates, Watch};
use crate::outbox::{Payload, Row};
use crate::plaintext::{EncodedPlaintext, Plaintext};
use crate::scalar;
use crate::secret::Secret32;
use crate::self_record::SelfRecord;
use crate::writing::OwnChain;

const fn damaged(reason: &'static str) -> LoadError {
    LoadError::Damaged { reason }
}

impl Messenger {
    pub(super) fn apply(&mut self, change: &Change) -> Result<(), LoadError> {
        match change {
            Change::Account { .. } => {}
            Change::InboxKey { generation, secret } => {
                let secret = InboxSecret::from_bytes(*secret.expose());
                self.inbox_secrets.insert(*generation, secret);
                while self.inbox_secrets.len() > INBOX_GENERATIONS_MAX {
                    self.inbox_secrets.pop_first();
                }
            }
            Change::InboxUnread { from } => self.inbox_unread = *from,
            Change::Delegated { delegation } => {
                let delegation = Delegation::decode(delegation, &self.chain)
                    .map_err(|_| damaged("a stored delegation is forged"))?;
                self.device.delegation = Some(delegation);
            }
            Change::Joined {
                access,
                birthday,
                name,
            } => self.apply_joined(access, *birthday, name)?,
            Change::Opened(message) => {
                self.apply_message(message, Origin::Network)?;
            }
            Change::Written(message) => self.apply_written(message)?,
            Change::Seen {
                conversation,
                reference,
                sighting,
            } => {
                self.apply_seen(conversation.as_ref(), reference, sighting)?;
            }
            Change::Canonical { height, block } => {
                match block {
                    Some(block) => self.canonical.insert(*height, *block),
                    None => self.canonical.remove(height),
                };
                for conversation in self.conversations.values_mut() {
                    conversation.log.set_canonical(*height, &self.canonical);
                }
            }
            Change::OwnChain {
                conversation,
                chain,
                secret,
                started,
            } => {
                check_scalar(secret)?;
                let own = &mut self.conversation_mut(conversation)?.own;
                if !own.iter().any(|known| known.secret == *secret) {
                    own.push(OwnChain::new(*chain, secret.clone(), *started));
                }
            }
            Change::OwnChainRetired {
                conversation,
                chain,
            } => {
                let own = &mut self.conversation_mut(conversation)?.own;
                own.iter_mut()
                    .filter(|known| known.writer == *chain)
                    .for_each(|known| known.is_retired = true);
            }
            Change::Sealed {
                reference,
                envelope,
            } => {
                if let Some(row) = self.outbox.get_mut(reference) {
                    row.finish(envelope.clone());
                }
            }
            Change::Failed { reference } => {
                let conversation = self.outbox.get(reference).and_then(Row::conversation);
                if let Some(conversation) = conversation {
                    let log = &mut self.conversation_mut(&conversation)?.log;
                    log.set_failed(reference, SendFailure::ChainConflict);
                }
            }
            Change::Resent { reference, .. } => {
                self.outbox.remove(reference);
            }
            Change::InboxWritten {
                encapsulation,
                seal_key,
                one_time_secret,
                plaintext,
            } => {
                check_scalar(one_time_secret)?;
                let draft = InboxDraft {
                    encapsulation: encapsulation.clone(),
                    seal_key: seal_key.clone(),
                    one_time_secret: one_time_secret.clone(),
                    plaintext: EncodedPlaintext::of_inbox(plaintext.clone())
                        .ok_or(damaged("an inbox message of no class"))?,
                };
                let (key, reference) = (draft.one_time_key(), draft.reference());
                self.lookahead.watch(key, Watch::Sent(reference));
                let payload = Payload::Inbox {
                    draft,
                    sightings: Sightings::default(),
                };
                self.outbox
                    .entry(reference)
                    .or_insert_with(|| Row::new(payload));
            }
            Change::InboxOpened {
                reference,
                plaintext,
                received,
            } => {
                let message = inbox::reread(*reference, plaintext)
                    .map_err(|_| damaged("a stored inbox message is malformed"))?;
                let item = InboxItem {
                    message,
                    received: *received,
                    is_closed: false,
                };
                self.inbox.entry(*reference).or_insert(item);
            }
            Change::InboxClosed { reference } => {
                if let Some(item) = self.inbox.get_mut(reference) {
                    item.is_closed = true;
                }
            }
            Change::RecordNoted { code, body } => self.waiting.note(&record(*code, body.expose())?),
            Change::RecordWritten { code, body } => {
                self.waiting.written(&record(*code, body.expose())?);
            }
            Change::HistoryRead { conversation } => {
                self.conversation_mut(conversation)?.unread_from = None;
            }
            Change::RecordDue { height } => self.record_due = *height,
            Change::RecordEpoch { rate_epoch } => {
                self.record_due = None;
                self.record_epoch = Some(*rate_epoch);
            }
            Change::QuietUntil { rate_epoch } => {
                self.quiet = rate_epoch.map_or(Quiet::UntilTip, Quiet::UntilEpoch);
            }
            Change::Scanned { height } => self.scanned = Some(*height),
        }
        Ok(())
    }

    fn conversation_mut(&mut self, id: &ConversationId) -> Result<&mut Conversation, LoadError> {
        self.conversations
            .get_mut(id)
            .ok_or(damaged("no such conversation"))
    }

    fn apply_joined(
        &mut self,
        access: &StoredAccess,
        birthday: Height,
        name: &str,
    ) -> Result<(), LoadError> {
        let keys = ConversationKeys::from_stored(access, &self.chain)
            .map_err(|_| damaged("a stored capability is forged"))?;
        let went_by = self.scanned.is_some_and(|scanned| birthday <= scanned);
        let unread_from = went_by.then_some(birthday);
        match self.conversations.get_mut(&keys.conversation()) {
            None => {
                let mut conversation = Conversation::new(keys, name.to_owned(), birthday);
                conversation.unread_from = unread_from;
                self.conversations.insert(conversation.id(), conversation);
            }
            Some(known) => {
                let keys = known
                    .keys
                    .with(&keys)
                    .map_err(|_| damaged("keys of two key epochs"))?;
                // The root alone opens nothing that both keys do not.
                if keys.access() != known.keys.access() {
                    known.unread_from = unread_from;
                }
                known.set_keys(keys);
                known.birthday = known.birthday.min(birthday);
                if known.name.is_empty() {
                    name.clone_into(&mut known.name);
                }
            }
        }
        Ok(())
    }

    fn apply_message(&mut self, message: &OpenedMessage, origin: Origin) -> Result<(), LoadError> {
        let (plaintext, _) = Plaintext::decode(message.plaintext.expose())
            .map_err(|_| damaged("a stored message is malformed"))?;
        let is_start = matches!(plaintext.content, Content::Start(_));
        if let Content::Record(SelfRecord::Own {
            conversation,
            writer,
        }) = &plaintext.content
            && message.conversation == self.self_conversation
        {
            self.told_chains
                .entry(*conversation)
                .or_default()
                .insert(*writer);
        }
        let entry = Entry::new(
            (message.writer, message.number),
            message.announced,
            message.one_time_key,
            plaintext,
            message.received,
            origin,
        );
        self.conversation_mut(&message.conversation)?
            .insert(message.reference, entry);
        let coordinates = Coordinates {
            conversation: message.conversation,
            writer: message.writer,
            number: message.number,
            announced: (!is_start).then_some(message.announced),
        };
        self.lookahead
            .watch(message.one_time_key, Watch::Message(coordinates));
        Ok(())
    }

    fn apply_written(&mut self, message: &OpenedMessage) -> Result<(), LoadError> {
        self.apply_message(message, Origin::Outbox)?;
        let own = &mut self.conversation_mut(&message.conversation)?.own;
        let chain = own
            .iter_mut()
            .find(|own| own.writer == message.writer && own.announced == message.announced)
            .ok_or(damaged("a message of no own chain"))?;
        chain.next = chain.next.max(message.number.next());
        let payload = Payload::Chain {
            conversation: message.conversation,
            writer: message.writer,
            number: message.number,
            encoded: EncodedPlaintext::from_bytes(message.plaintext.clone())
                .ok_or(damaged("a message of no class"))?,
        };
        self.outbox
            .entry(message.reference)
            .or_insert_with(|| Row::new(payload));
        Ok(())
    }

    fn apply_seen(
        &mut self,
        conversation: Option<&ConversationId>,
        reference: &MessageRef,
        sighting: &Sighting,
    ) -> Result<(), LoadError> {
        let in_block = match *sighting {
            Sighting::Gossip => None,
            Sighting::Block {
                height,
                index,
                block,
                wire,
            } => Some(InBlock {
                place: Place { height, index },
                block,
                wire,
            }),
        };
        let Some(conversation) = conversation else {
            if let Some(Row {
                payload: Payload::Inbox { sightings, .. },
                ..
            }) = self.outbox.get_mut(reference)
            {
                match in_block {
                    None => sightings.is_gossiped = true,
                    Some(in_block) => sightings.add(in_block),
                }
            }
            return Ok(());
        };
        let log = &mut self
            .conversations
            .get_mut(conversation)
            .ok_or(damaged("no such conversation"))?
            .log;
        match in_block {
            None => log.set_gossiped(reference),
            Some(in_block) => log.set_in_block(reference, in_block, &self.canonical),
        }
        Ok(())
    }
}

pub(super) fn check_scalar(secret: &Secret32) -> Result<(), LoadError> {
    if scalar::is_scalar(secret) {
        Ok(())
    } else {
        Err(damaged("a stored secret is no scalar"))
    }
}

fn record(code: u8, body: &[u8]) -> Result<SelfRecord, LoadError> {
    match Content::decode(code, body) {
        Ok(Content::Record(record)) => Ok(record),
        _ => Err(damaged("a stored record is malformed")),
    }
}
