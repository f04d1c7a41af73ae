//! The account's inbox, and messages to other inboxes.
//!
//! # Invariants
//! * Trial decryption happens here and nowhere else, at most once per inbox generation.
//! * Strangers fill the inbox up to a limit; contacts get through all the same.
//!
//! # Spec
//! docs/spec/09-messages.md §10
//!
//! # Not here
//! Sealing and opening: [`crate::inbox`]. Joining by an invitation: `membership`.

use chain::record::AccountRecord;
use chain::{Envelope, PublicKey, Timestamp};
use rand_core::CryptoRng;
use secp256k1::Keypair;

use super::{INBOX_MESSAGES_MAX, Messenger, Position, Work};
use crate::capability::Capability;
use crate::change_set::{Change, ChangeSet};
use crate::delegation::Scope;
use crate::error::{Refusal, SendError};
use crate::event::{Event, Folder};
use crate::ids::MessageRef;
use crate::inbox::{
    self, InboxContent, InboxDraft, InboxMessage, Mailbox, Sender, SenderKeys, SignedBy,
};
use crate::lookahead::Watch;
use crate::scalar;
use crate::secret::PrivateText;
use crate::self_record::ContactState;

impl Messenger {
    pub(super) fn take_inbox(
        &mut self,
        envelope: &Envelope,
        position: Position,
        now: Timestamp,
        work: &mut Work,
    ) {
        if let Some(Watch::Sent(reference)) = self.lookahead.get(&envelope.one_time_key).copied() {
            let wire = envelope.wid();
            if self
                .outbox
                .get(&reference)
                .is_some_and(|row| row.wires.contains(&wire))
            {
                self.follow(position, work);
                let before = self.standing_of_sent();
                self.see(None, reference, wire, position, work);
                self.tell_sent(&before, work);
            }
            return;
        }
        if self.inbox_secrets.is_empty() || self.check_envelope(envelope).is_err() {
            return;
        }
        let height = self.height_of(position);
        let mut opened = None;
        for (generation, secret) in self.inbox_secrets.iter().rev() {
            let mailbox = Mailbox {
                owner: self.account,
                generation: *generation,
            };
            match inbox::open(envelope, secret, mailbox, &self.chain, height) {
                Ok(None) => {}
                Ok(Some(message)) => opened = Some(message),
                Err(refusal) => work.events.push(Event::Refused { refusal }),
            }
            if opened.is_some() {
                break;
            }
        }
        if let Some(message) = opened {
            self.accept_inbox(message, now, work);
        }
    }

    fn accept_inbox(&mut self, message: InboxMessage, now: Timestamp, work: &mut Work) {
        if self.inbox.contains_key(&message.reference) {
            return;
        }
        let folder = self.folder(&message.sender);
        let open = self.inbox.values().filter(|item| !item.is_closed).count();
        // Contacts get through a full inbox: strangers must not shut them out.
        if open >= INBOX_MESSAGES_MAX && folder != Folder::Contacts {
            let refusal = Refusal::TooMany {
                what: "inbox messages",
                max: INBOX_MESSAGES_MAX,
            };
            work.events.push(Event::Refused { refusal });
            return;
        }
        let reference = message.reference;
        let event = match &message.content {
            InboxContent::Invite { capability, .. } => {
                if let Err(error) = Capability::decode(capability.expose(), &self.chain) {
                    work.events.push(Event::Refused {
                        refusal: error.into(),
                    });
                    return;
                }
                Event::Invited { reference, folder }
            }
            InboxContent::ContactRequest { .. } => Event::ContactRequested { reference, folder },
            InboxContent::Unsupported(_) => Event::UnsupportedInbox { reference },
        };
        let plaintext = message.bytes;
        self.commit(
            work,
            Change::InboxOpened {
                reference,
                plaintext,
                received: now,
            },
        );
        work.events.push(event);
    }

    fn folder(&self, sender: &Sender) -> Folder {
        let Sender::Account(key) = sender else {
            return Folder::Requests;
        };
        match self
            .records()
            .contacts
            .get(key)
            .map(|contact| contact.state)
        {
            Some(ContactState::Known | ContactState::Verified) => Folder::Contacts,
            Some(ContactState::Blocked) => Folder::Blocked,
            None => Folder::Requests,
        }
    }

    /// Introduces this account to another one.
    ///
    /// # Errors
    /// A forged record; no delegation where the device signs; a text that does not fit.
    pub fn request_contact(
        &mut self,
        name: &str,
        text: &str,
        record: &AccountRecord,
        signed_by: SignedBy<'_>,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<(MessageRef, ChangeSet), SendError> {
        let text = PrivateText(text.to_owned());
        let content = InboxContent::ContactRequest {
            name: name.to_owned(),
            text,
        };
        let draft = self.draft_to_inbox(record, &content, signed_by, now, rng)?;
        let mut work = Work::default();
        let reference = self.record_inbox_written(draft, &mut work);
        Ok((reference, work.changes))
    }

    /// A message to the inbox of the account of `record`. Changes nothing.
    pub(super) fn draft_to_inbox(
        &self,
        record: &AccountRecord,
        content: &InboxContent,
        signed_by: SignedBy<'_>,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<InboxDraft, SendError> {
        self.check_outbox()?;
        if !record.is_signed(&self.chain) {
            return Err(SendError::ForgedRecord);
        }
        let mut pair = match signed_by {
            SignedBy::Account(pair) => *pair,
            SignedBy::Device => scalar::keypair(&self.device.session),
            SignedBy::Nobody => scalar::keypair(&scalar::random(rng)),
        };
        let sender = self.sender_keys(signed_by, &pair)?;
        let mailbox = Mailbox {
            owner: record.key,
            generation: record.inbox_generation,
        };
        let key = record.inbox_key.as_bytes();
        let draft = InboxDraft::new(mailbox, key, &sender, content, now, &self.chain, rng)?;
        pair.non_secure_erase();
        Ok(draft)
    }

    pub(super) fn record_inbox_written(
        &mut self,
        draft: InboxDraft,
        work: &mut Work,
    ) -> MessageRef {
        let reference = draft.reference();
        let change = Change::InboxWritten {
            encapsulation: draft.encapsulation,
            seal_key: draft.seal_key,
            one_time_secret: draft.one_time_secret,
            plaintext: draft.plaintext.bytes,
        };
        self.commit(work, change);
        reference
    }

    fn sender_keys<'a>(
        &'a self,
        signed_by: SignedBy<'_>,
        pair: &'a Keypair,
    ) -> Result<SenderKeys<'a>, SendError> {
        let key = PublicKey::from(pair);
        match signed_by {
            SignedBy::Account(_) if key == self.account => Ok(SenderKeys {
                named: key,
                delegation: None,
                pair,
                anonymous: false,
            }),
            SignedBy::Account(_) => Err(SendError::NoDelegation),
            SignedBy::Nobody => Ok(SenderKeys {
                named: key,
                delegation: None,
                pair,
                anonymous: true,
            }),
            SignedBy::Device => {
                let delegation = self
                    .device
                    .delegation
                    .as_ref()
                    .ok_or(SendError::NoDelegation)?;
                delegation
                    .check_use(Scope::INVITE, None, self.next_height())
                    .map_err(|_| SendError::NoDelegation)?;
                let named = self.account;
                Ok(SenderKeys {
                    named,
                    delegation: Some(delegation),
                    pair,
                    anonymous: false,
                })
            }
        }
    }
}
