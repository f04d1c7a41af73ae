//! How conversations, messages and contacts are printed.
//!
//! # Spec
//! docs/spec/14-commands.md §7
//!
//! # Not here
//! Control characters: `output` removes them.

use app::Stage;
use chain::{AccountId, Address, Network, PublicKey};
use messenger::content::Content;
use messenger::inbox::Sender;
use messenger::self_conversation::Contact;
use messenger::self_record::ContactState;
use messenger::view::{Author, ConversationView, Delivery, Mentioned, MessageView};
use messenger::{Access, Event, InviteLink, MessageRef};
use serde_json::{Value, json};

use crate::output::{in_line, indented};

/// Digits of an id in a line for people; as many name it in a command.
pub(super) const SHORT: usize = 12;

pub(crate) fn access_word(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "write",
        Access::ReadWrite => "read_write",
    }
}

/// Whether a message is one that people read: chain starts and reserved slots are not.
pub(crate) fn has_words(message: &MessageView) -> bool {
    match message.content {
        Content::Text(_) | Content::Reply { .. } | Content::Unsupported(_) => true,
        Content::Start(_) | Content::Reserve { .. } | Content::Record(_) => false,
    }
}

/// What the user must know beyond messages.
pub(crate) fn warning(event: &Event) -> Option<&'static str> {
    match event {
        Event::ProfileCopied { .. } => Some(
            "somebody else writes with this profile's keys: it was copied, or an old copy of it is in use; \
             what you write goes on in a new chain",
        ),
        Event::WriterForked { .. } => {
            Some("a member used one place for two messages; the one in the chain counts")
        }
        _ => None,
    }
}

pub(crate) fn message(message: &MessageView, stage: Stage, network: Network) -> Value {
    let mut value = json!({
        "id": message.reference.to_string(),
        "text": text_of(&message.content),
        "slot": message.writer.slot.get(),
        "number": message.number.get(),
        "own": message.is_own,
        "state": stage.name(),
        "sent_ms": message.sent.get(),
        "received_ms": message.received.get(),
    });
    if let Author::Account(key) = &message.author {
        value["author"] = json!(address_of(key, network));
    }
    if let Delivery::InBlock(place) = &message.delivery {
        value["height"] = json!(place.height.get());
        value["index"] = json!(place.index);
    }
    if let Delivery::Failed(failure) = &message.delivery {
        value["reason"] = json!(failure.to_string());
    }
    if let Some(Mentioned::Here(reference)) = &message.reply_to {
        value["reply_to"] = json!(reference.to_string());
    }
    if let Content::Unsupported(unknown) = &message.content {
        value["unsupported_type"] = json!(unknown.code);
    }
    value
}

pub(crate) fn line(message: &MessageView, stage: Stage, network: Network) -> String {
    let author = match (&message.author, message.is_own) {
        (_, true) => "you".to_owned(),
        (Author::Account(key), false) => address_of(key, network),
        (Author::SomeWriter, false) => "a member".to_owned(),
    };
    let text = match &message.content {
        Content::Unsupported(_) => "(a message that this version does not show)".to_owned(),
        content => indented(&text_of(content)),
    };
    let state = stage.name();
    let id = short(&message.reference);
    format!("{id}  {author}: {text}  [{state}]")
}

pub(crate) fn conversation(view: &ConversationView) -> Value {
    json!({
        "conversation": view.id.to_string(),
        "name": view.name,
        "access": access_word(view.access),
        "admin": view.is_admin,
        "birthday": view.birthday.get(),
    })
}

pub(crate) fn conversation_line(view: &ConversationView) -> String {
    let name = in_line(&view.name);
    format!("{}  {}  {name}", view.id, access_word(view.access))
}

pub(crate) fn invitation(
    reference: &MessageRef,
    link: &InviteLink,
    sender: &Sender,
    network: Network,
) -> Value {
    let mut value = json!({
        "conversation": link.capability.conversation().to_string(),
        "name": link.name,
        "access": access_word(link.capability.access()),
        "birthday": link.birthday.get(),
        "invitation": reference.to_string(),
    });
    if let Sender::Account(key) = sender {
        value["from"] = json!(address_of(key, network));
    }
    value
}

pub(crate) fn invitation_line(reference: &MessageRef, link: &InviteLink) -> String {
    let access = access_word(link.capability.access());
    let name = in_line(&link.name);
    format!("invited  {access}  {name}  (chat join --invitation {reference})")
}

pub(crate) fn contact(key: &PublicKey, contact: &Contact, network: Network) -> Value {
    json!({
        "address": address_of(key, network),
        "state": contact_word(contact.state),
        "name": contact.petname,
    })
}

pub(crate) fn contact_line(key: &PublicKey, contact: &Contact, network: Network) -> String {
    let (address, state) = (address_of(key, network), contact_word(contact.state));
    format!("{address}  {state}  {}", in_line(&contact.petname))
}

fn contact_word(state: ContactState) -> &'static str {
    match state {
        ContactState::Known => "known",
        ContactState::Verified => "verified",
        ContactState::Blocked => "blocked",
    }
}

fn address_of(key: &PublicKey, network: Network) -> String {
    Address::new(network, AccountId::from(key)).to_string()
}

fn text_of(content: &Content) -> String {
    match content {
        Content::Text(text) | Content::Reply { text, .. } => text.text.clone(),
        _ => String::new(),
    }
}

fn short(reference: &MessageRef) -> String {
    reference.to_string().chars().take(SHORT).collect()
}
