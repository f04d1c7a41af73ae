//! Coming into conversations and bringing others in.
//!
//! # Invariants
//! * Keys are taken only with their certificate, whichever way they come.
//! * A write grant is accompanied by a RESERVE message, so that no other device claims the slot.
//!
//! # Spec
//! docs/spec/09-messages.md §2, §10
//!
//! # Not here
//! Removing somebody: a later issue (rotation of keys).

use chain::record::AccountRecord;
use chain::{Height, Timestamp};
use rand_core::CryptoRng;

use super::{CONVERSATIONS_MAX, Messenger, Work};
use crate::access::ConversationKeys;
use crate::capability::{Access, Capability};
use crate::change_set::{Change, ChangeSet, StoredAccess};
use crate::content::Content;
use crate::error::{JoinError, SendError};
use crate::event::Event;
use crate::ids::{ConversationId, Generation, MessageRef, Slot, WriterChainId};
use crate::inbox::{InboxContent, SignedBy};
use crate::invite::InviteLink;
use crate::keys::{ConversationRoot, conversation_id};
use crate::layout::Writer;
use crate::lookahead::Watch;
use crate::plaintext::Attention;
use crate::secret::Secret32;
use crate::self_record::SelfRecord;

/// A slot where a newcomer with both keys begins to look for a free one: slot 0 is the creator's.
const FIRST_SLOT_OF_MEMBERS: Slot = Slot::new(1);

impl Messenger {
    /// Begins a conversation of our own from the account's root number `index`. Until a message of
    /// ours claims the root in a block ([`Messenger::claim_root`], [`Messenger::root_claim`]),
    /// another device of the account may take it too: no keys are handed over before.
    ///
    /// # Errors
    /// Too many conversations, the root is in use, or a restored profile is still silent.
    pub fn create_conversation(
        &mut self,
        index: u32,
        root: &ConversationRoot,
        name: &str,
        rng: &mut impl CryptoRng,
    ) -> Result<(ConversationId, ChangeSet), JoinError> {
        let mut work = Work::default();
        if self.is_quiet() {
            return Err(JoinError::Restored);
        }
        if name.is_empty() {
            return Err(JoinError::EmptyName);
        }
        Writer::new().str8(name)?;
        if self
            .conversations
            .contains_key(&conversation_id(&root.admin()))
        {
            return Err(JoinError::RootInUse { index });
        }
        let stored = Secret32::from_bytes(*root.expose());
        let access = StoredAccess::Root {
            index: Some(index),
            root: stored,
        };
        // A reorganisation may bring the first message into a lower block than the next one.
        let margin = u64::from(self.rates.blocks) + u64::from(self.rates.grace_blocks);
        let birthday = Height::new(self.next_height().get().saturating_sub(margin));
        let id = self.join_keys(access, birthday, name, &mut work)?;
        let mut aux_randomness = [0; 32];
        rng.fill_bytes(&mut aux_randomness);
        self.note_conversation(&id, &aux_randomness, &mut work);
        Ok((id, work.changes))
    }

    /// Writes the first message of a conversation of our own, which claims its root: the account's
    /// other devices look out for it.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn claim_root(
        &mut self,
        conversation: &ConversationId,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<(Vec<Event>, ChangeSet), SendError> {
        let mut work = Work::default();
        if self.root_claim(conversation).is_none() {
            self.begin_chain(conversation, now, rng, &mut work)?;
        }
        Ok(work.finish())
    }

    /// The first message of a conversation whose root is here: what claims the root.
    #[must_use]
    pub fn root_claim(&self, conversation: &ConversationId) -> Option<MessageRef> {
        let found = self.conversations.get(conversation)?;
        let first = first_chain(found);
        found.log.start(&first).filter(|_| found.keys.has_root())
    }

    /// Whether another device of the account claimed the root that this one began a conversation
    /// from: what is written here would go to people whom the other device invites.
    pub(super) fn has_lost_root(&self, conversation: &ConversationId) -> bool {
        let lost = || {
            let found = self.conversations.get(conversation)?;
            let first = first_chain(found);
            let own = found.own_chain_at(&first)?;
            let claim = found.log.get(&found.log.start(&first)?)?;
            Some(claim.announced != own.announced && claim.place().is_some())
        };
        *conversation != self.self_conversation && lost().unwrap_or_default()
    }

    /// Joins by a link. The history from the link's birthday on must then be read.
    ///
    /// # Errors
    /// Too many conversations, or keys of another key epoch.
    pub fn join(
        &mut self,
        link: &InviteLink,
    ) -> Result<(ConversationId, Vec<Event>, ChangeSet), JoinError> {
        let mut work = Work::default();
        let id = self.join_capability(&link.capability, link.birthday, &link.name, &mut work)?;
        let (events, changes) = work.finish();
        Ok((id, events, changes))
    }

    /// Joins by an invitation that came to the inbox.
    ///
    /// # Errors
    /// No such invitation; see also [`Messenger::join`].
    pub fn accept_invitation(
        &mut self,
        reference: &MessageRef,
    ) -> Result<(ConversationId, Vec<Event>, ChangeSet), JoinError> {
        let item = self
            .inbox
            .get(reference)
            .ok_or(JoinError::UnknownInvitation)?;
        let InboxContent::Invite {
            capability,
            birthday,
            name,
        } = &item.message.content
        else {
            return Err(JoinError::UnknownInvitation);
        };
        let capability = Capability::decode(capability.expose(), &self.chain)?;
        let (birthday, name) = (*birthday, name.clone());
        let mut work = Work::default();
        let id = self.join_capability(&capability, birthday, &name, &mut work)?;
        self.commit(
            &mut work,
            Change::InboxClosed {
                reference: *reference,
            },
        );
        let (events, changes) = work.finish();
        Ok((id, events, changes))
    }

    /// Puts an inbox message away.
    ///
    /// # Errors
    /// No such message.
    pub fn close_inbox_message(&mut self, reference: &MessageRef) -> Result<ChangeSet, JoinError> {
        if !self.inbox.contains_key(reference) {
            return Err(JoinError::UnknownInvitation);
        }
        let mut work = Work::default();
        self.commit(
            &mut work,
            Change::InboxClosed {
                reference: *reference,
            },
        );
        Ok(work.changes)
    }

    fn join_capability(
        &mut self,
        capability: &Capability,
        birthday: Height,
        name: &str,
        work: &mut Work,
    ) -> Result<ConversationId, JoinError> {
        let access = StoredAccess::Capability(capability.encode());
        let id = self.join_keys(access, birthday, name, work)?;
        // No signature is made: the capability brings its certificate.
        if !work.changes.is_empty() {
            self.note_conversation(&id, &[0; 32], work);
        }
        Ok(id)
    }

    /// Takes keys, together with those that are here already.
    pub(super) fn join_keys(
        &mut self,
        access: StoredAccess,
        birthday: Height,
        name: &str,
        work: &mut Work,
    ) -> Result<ConversationId, JoinError> {
        let keys = ConversationKeys::from_stored(&access, &self.chain)?;
        let id = keys.conversation();
        let mut is_news = true;
        match self.conversations.get(&id) {
            None if self.conversations.len() >= CONVERSATIONS_MAX => {
                return Err(JoinError::TooMany {
                    max: CONVERSATIONS_MAX,
                });
            }
            None => {}
            Some(known) => {
                let both = known.keys.with(&keys)?;
                is_news = both.access() != known.keys.access()
                    || both.has_root() != known.keys.has_root();
                let is_named = known.name.is_empty() && !name.is_empty();
                if !is_news && !is_named {
                    return Ok(id);
                }
            }
        }
        let root_index = keys.root_index();
        // What of its history went by is judged by the progress: that is stored along.
        if let Some(height) = self.scanned {
            self.commit(work, Change::Scanned { height });
        }
        self.commit(
            work,
            Change::Joined {
                access,
                birthday,
                name: name.to_owned(),
            },
        );
        if is_news {
            work.events.push(Event::ConversationFound {
                conversation: id,
                root_index,
            });
        }
        self.refresh(&id, work);
        Ok(id)
    }

    /// Looks out for conversations that the account may have created: the first message of each
    /// root is expected. For a restore, with roots up to the last used one and 20 more; roots of
    /// conversations that are here already make this profile their administrator.
    pub fn probe_roots(
        &mut self,
        roots: impl IntoIterator<Item = (u32, ConversationRoot)>,
    ) -> (Vec<Event>, ChangeSet) {
        let mut work = Work::default();
        for (index, root) in roots {
            let keys = ConversationKeys::from_root(Some(index), &root);
            let id = keys.conversation();
            if let Some(known) = self.conversations.get(&id) {
                let birthday = known.birthday;
                let root = Secret32::from_bytes(*root.expose());
                let access = StoredAccess::Root {
                    index: Some(index),
                    root,
                };
                // Keys of the same root and epoch are never in each other's way.
                let _joined = self.join_keys(access, birthday, "", &mut work);
                continue;
            }
            let mut trial =
                crate::conversation::Conversation::new(keys, String::new(), Height::default());
            let first = crate::ids::WriterChainId {
                epoch: trial.keys.epoch(),
                slot: Slot::default(),
                generation: Generation::default(),
            };
            let number = crate::ids::MessageNumber::default();
            if let Some(key) = trial.one_time_key(&first, number, None) {
                let went_by = self.lookahead.watch(key, Watch::Root { index });
                work.events.extend(went_by.map(Event::Needed));
                self.probed_roots.insert(index, root);
            }
        }
        work.finish()
    }

    /// Makes a capability for a new member. For [`Access::Write`] a slot is reserved by a message
    /// in the conversation; hand the capability over when that message is in a block.
    ///
    /// # Errors
    /// This profile does not hold the keys to hand over, or no slot is free.
    pub fn grant(
        &mut self,
        conversation: &ConversationId,
        access: Access,
        label: &str,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<(Capability, Vec<Event>, ChangeSet), SendError> {
        let found = self
            .conversations
            .get(conversation)
            .ok_or(SendError::UnknownConversation)?;
        if *conversation == self.self_conversation {
            return Err(SendError::UnknownConversation);
        }
        if self.has_lost_root(conversation) {
            return Err(SendError::RootLost);
        }
        let slot = match access {
            Access::Write => {
                // The message about the slot may itself begin a chain in a free one.
                let own_next = match found.own_chain(now) {
                    Some(_) => None,
                    None => Some(found.place_of_next_chain()?.slot),
                };
                found.free_slot(FIRST_SLOT_OF_MEMBERS, own_next)?
            }
            Access::Read | Access::ReadWrite => FIRST_SLOT_OF_MEMBERS,
        };
        let mut aux_randomness = [0; 32];
        rng.fill_bytes(&mut aux_randomness);
        let generation = Generation::default();
        let capability =
            found
                .keys
                .grant(access, slot, generation, &self.chain, &aux_randomness)?;
        let mut work = Work::default();
        if access == Access::Write {
            let reserve = Content::Reserve {
                slot,
                access,
                label: label.to_owned(),
            };
            self.write(
                conversation,
                reserve,
                Attention::Silent,
                now,
                rng,
                &mut work,
            )?;
        }
        let (events, changes) = work.finish();
        Ok((capability, events, changes))
    }

    /// A link for a new member; see [`Messenger::grant`].
    ///
    /// # Errors
    /// See [`Messenger::grant`].
    pub fn invite_by_link(
        &mut self,
        conversation: &ConversationId,
        access: Access,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<(InviteLink, Vec<Event>, ChangeSet), SendError> {
        let (birthday, name) = self.introduction(conversation)?;
        let (capability, events, changes) = self.grant(conversation, access, "", now, rng)?;
        Ok((
            InviteLink {
                capability,
                birthday,
                name,
            },
            events,
            changes,
        ))
    }

    /// An invitation to the inbox of the account of `record`, with a capability of
    /// [`Messenger::grant`].
    ///
    /// # Errors
    /// No such conversation; a forged record; no delegation where the device signs.
    pub fn invite_to_inbox(
        &mut self,
        conversation: &ConversationId,
        capability: &Capability,
        record: &AccountRecord,
        signed_by: SignedBy<'_>,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<(MessageRef, ChangeSet), SendError> {
        let (birthday, name) = self.introduction(conversation)?;
        let content = InboxContent::Invite {
            capability: capability.encode(),
            birthday,
            name,
        };
        let draft = self.draft_to_inbox(record, &content, signed_by, now, rng)?;
        let mut work = Work::default();
        let reference = self.record_inbox_written(draft, &mut work);
        Ok((reference, work.changes))
    }

    fn introduction(&self, conversation: &ConversationId) -> Result<(Height, String), SendError> {
        let found = self
            .conversations
            .get(conversation)
            .ok_or(SendError::UnknownConversation)?;
        Ok((found.birthday, found.name.clone()))
    }

    /// Tells the account's other devices about a conversation.
    fn note_conversation(
        &mut self,
        conversation: &ConversationId,
        aux_randomness: &[u8; 32],
        work: &mut Work,
    ) {
        let Some(found) = self.conversations.get(conversation) else {
            return;
        };
        let keys = &found.keys;
        let (access, slot) = (keys.access(), keys.first_slot());
        let generation = keys.first_generation(slot);
        let capability = keys.grant(access, slot, generation, &self.chain, aux_randomness);
        let Ok(capability) = capability else { return };
        let record = SelfRecord::Conversation {
            capability: capability.encode(),
            birthday: found.birthday,
            root_index: keys.root_index(),
            petname: found.name.clone(),
        };
        self.note(&record, work);
    }
}

/// The chain that the creator's device writes first.
fn first_chain(found: &crate::conversation::Conversation) -> WriterChainId {
    WriterChainId {
        epoch: found.keys.epoch(),
        slot: Slot::default(),
        generation: Generation::default(),
    }
}
