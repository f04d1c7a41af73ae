//! `chainchat chat`: conversations.
//!
//! # Invariants
//! * A link holds keys: it is read from a file or standard input, and written to a file or standard
//!   output, never an argument.
//! * Keys to write are printed or sent only when the message that keeps their slot is in a block.
//!
//! # Spec
//! docs/spec/14-commands.md §7
//!
//! # Not here
//! What the session does: `app`. How messages are printed: `show`.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use app::{Session, SessionError};
use chain::Address;
use messenger::content::Text;
use messenger::error::SendError;
use messenger::view::Delivery;
use messenger::{Access, ConversationId, Event, InviteLink, MessageRef, Outgoing};
use rpc::types::EnvelopeEvent;
use rpc::{NodeApi, NodeClient, Subscription};
use serde_json::{Map, Value, json};

use crate::args::{AccessWord, ChatCommand, NodeAccess, SharedArgs, Wait, WaitState};
use crate::commands::profile::{check_wait, now, open, rng};
use crate::commands::wallet::ordered;
use crate::exit::{Exit, Failure};
use crate::{access, output, secrets};

mod show;

/// How often a waiting command looks at the node even if it hears nothing.
const LOOK: Duration = Duration::from_secs(2);

pub(crate) async fn run(
    shared: &SharedArgs,
    node: &NodeAccess,
    command: &ChatCommand,
) -> Result<()> {
    match command {
        ChatCommand::New { name } => create(shared, node, name).await,
        ChatCommand::Publish { wait } => publish(shared, node, *wait).await,
        ChatCommand::List => list(shared, node).await,
        ChatCommand::Invite {
            conversation,
            access,
            to,
            out,
            wait,
        } => {
            let mut chat = Chat::open(shared, node).await?;
            let conversation = chat.find(conversation)?;
            match to {
                Some(to) => chat.hand_over(&conversation, *access, to, *wait).await,
                None => {
                    chat.link(&conversation, *access, out.as_deref(), *wait)
                        .await
                }
            }
        }
        ChatCommand::Join {
            link_file,
            invitation,
        } => join(shared, node, link_file.as_deref(), invitation.as_ref()).await,
        ChatCommand::Send {
            conversation,
            text,
            text_file,
            reply_to,
            wait,
        } => {
            check_wait(wait.state)?;
            let text = match (text, text_file) {
                (Some(text), _) => text.clone(),
                (None, Some(file)) => trimmed(&secrets::text(file)?),
                (None, None) => String::new(),
            };
            let mut chat = Chat::open(shared, node).await?;
            let conversation = chat.find(conversation)?;
            chat.send(&conversation, text, *reply_to, *wait).await
        }
        ChatCommand::Read {
            conversation,
            limit,
            after,
        } => {
            let chat = Chat::open(shared, node).await?;
            let conversation = chat.find(conversation)?;
            chat.read(&conversation, *limit, after.as_ref())
        }
        ChatCommand::Follow { conversation } => follow(shared, node, conversation).await,
        ChatCommand::Contacts => contacts(shared, node).await,
    }
}

/// An open session that hears what its node says.
struct Chat<'a> {
    shared: &'a SharedArgs,
    session: Session,
    node: Arc<NodeClient>,
    events: Subscription<EnvelopeEvent>,
    news: Vec<Event>,
}

impl<'a> Chat<'a> {
    /// Opens the profile and follows the node to its tip.
    async fn open(shared: &'a SharedArgs, node: &NodeAccess) -> Result<Self> {
        let session = open(shared)?;
        let node = access::client(shared, node)?;
        // Before the first look, so that nothing falls between.
        let events = node.envelope_subscribe().await?;
        let mut chat = Self {
            shared,
            session,
            node,
            events,
            news: Vec::new(),
        };
        chat.sync().await?;
        Ok(chat)
    }

    async fn sync(&mut self) -> Result<()> {
        self.session
            .sync(self.node.as_ref(), now(), &mut rng())
            .await?;
        self.take_news();
        Ok(())
    }

    /// Keeps what is new for whoever prints it, and warns of what the user must know.
    fn take_news(&mut self) {
        let news = self.session.take_news();
        for event in &news {
            if let Some(warning) = show::warning(event) {
                output::warn(warning);
            }
        }
        self.news.extend(news);
    }

    /// Waits for the next event, at most until `deadline`, and takes it in.
    async fn hear(&mut self, deadline: Option<Instant>) -> Result<()> {
        let look = Instant::now() + LOOK;
        let until = deadline.map_or(look, |deadline| deadline.min(look));
        match tokio::time::timeout_at(until.into(), self.events.next()).await {
            Ok(Ok(event)) => {
                self.session
                    .hear(event, self.node.as_ref(), now(), &mut rng())
                    .await?;
                self.take_news();
                Ok(())
            }
            Ok(Err(failure)) if failure.is_unreachable() => Err(failure.into()),
            Ok(Err(_)) => {
                // Too slow for the stream, or the node stops: begin anew and read what was missed.
                self.events = self.node.envelope_subscribe().await?;
                self.sync().await
            }
            Err(_) => self.sync().await,
        }
    }

    /// The conversation with this id or name.
    fn find(&self, wanted: &str) -> Result<ConversationId> {
        let all = self.session.messenger().conversations();
        let by_id = wanted.parse::<ConversationId>().ok();
        let mut found = all.filter(|view| Some(view.id) == by_id || view.name == wanted);
        match (found.next(), found.next()) {
            (Some(view), None) => Ok(view.id),
            (Some(_), Some(_)) => Err(Failure::error(
                Exit::Failed,
                "ambiguous",
                "several conversations have this name; take an id from `chat list`",
            )),
            (None, _) => Err(Failure::error(
                Exit::Failed,
                "unknown_conversation",
                "no such conversation in this profile; see `chat list`",
            )),
        }
    }

    /// Waits until a message has come as far as `state`; the times at which it got there.
    async fn wait_for(
        &mut self,
        conversation: Option<&ConversationId>,
        reference: &MessageRef,
        state: Option<WaitState>,
        started: Instant,
        seconds: u64,
    ) -> Result<(MessageRef, Delivery, Map<String, Value>)> {
        let deadline = started + Duration::from_secs(seconds);
        let mut times = Map::new();
        loop {
            let (newest, delivery) = self
                .session
                .delivery(conversation, reference)
                .ok_or_else(|| SessionError::from(SendError::UnknownMessage))?;
            let elapsed = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            if is_out(&delivery) {
                times.entry("delivered").or_insert_with(|| json!(elapsed));
            }
            if matches!(delivery, Delivery::InBlock(_)) {
                times.entry("in_block").or_insert_with(|| json!(elapsed));
            }
            let has_arrived = match state {
                None => true,
                Some(WaitState::Delivered) => is_out(&delivery),
                Some(_) => matches!(delivery, Delivery::InBlock(_)),
            };
            if has_arrived {
                return Ok((newest, delivery, times));
            }
            if Instant::now() >= deadline {
                let state = show::state_word(&delivery);
                let why = self.session.why_waiting(&newest);
                let why = why.map_or(String::new(), |why| format!(" ({why})"));
                return Err(Failure::error(
                    Exit::Failed,
                    "timeout",
                    format!(
                        "{newest} is {state} after {seconds} s{why}; it is sent again with the next command"
                    ),
                ));
            }
            if let Err(error) = self.hear(Some(deadline)).await {
                // Told only that the node is gone, the user would say it twice.
                let detail = format!(
                    "{newest} is written down and sent with the next command; do not repeat it ({error:#})"
                );
                return Err(if output::is_unreachable(&error) {
                    Failure::error(Exit::NoNode, "stored_not_sent", detail)
                } else {
                    error
                });
            }
        }
    }

    async fn send(
        &mut self,
        conversation: &ConversationId,
        text: String,
        reply_to: Option<MessageRef>,
        wait: Wait,
    ) -> Result<()> {
        let text = Text::from(text.as_str());
        let message = match reply_to {
            Some(to) => Outgoing::Reply { to, text },
            None => Outgoing::Text(text),
        };
        let started = Instant::now();
        let node = Arc::clone(&self.node);
        let reference = self
            .session
            .say(conversation, &message, node.as_ref(), now(), &mut rng())
            .await?;
        let (id, delivery, times) = self
            .wait_for(
                Some(conversation),
                &reference,
                wait.state,
                started,
                wait.seconds,
            )
            .await?;
        let state = show::state_word(&delivery);
        let mut value = json!({ "id": id.to_string(), "state": state, "times_ms": times });
        let mut line = format!("{id} {state}");
        if delivery == Delivery::Queued
            && let Some(why) = self.session.why_waiting(&id)
        {
            value["detail"] = json!(why);
            line = format!("{line}: {why}");
        }
        output::result(self.shared.json, &value, &line)
    }

    /// Keys for somebody else; for the write key alone its slot is kept first.
    async fn granted(
        &mut self,
        conversation: &ConversationId,
        access: AccessWord,
        wait: Wait,
    ) -> Result<messenger::Capability> {
        let started = Instant::now();
        let granted = self
            .session
            .grant(conversation, access.into(), now(), &mut rng())?;
        self.sync().await?;
        if let Some(reserved_by) = granted.reserved_by {
            let state = Some(WaitState::InBlock);
            self.wait_for(
                Some(conversation),
                &reserved_by,
                state,
                started,
                wait.seconds,
            )
            .await?;
        }
        Ok(granted.capability)
    }

    async fn link(
        &mut self,
        conversation: &ConversationId,
        access: AccessWord,
        out: Option<&Path>,
        wait: Wait,
    ) -> Result<()> {
        check_wait(wait.state)?;
        // Before a slot is kept for nobody.
        let mut opened = match out {
            Some(file) => Some(secrets::new_private_file(file)?),
            None => None,
        };
        let granted = self.granted(conversation, access, wait).await;
        if let (Err(_), Some(file)) = (&granted, out) {
            std::fs::remove_file(file)?;
        }
        let link = self.session.link(conversation, granted?)?;
        let text = link.to_secret_text()?;
        match (out, &mut opened) {
            (Some(file), Some(opened)) => {
                writeln!(opened, "{}", *text)?;
                opened.sync_all()?;
                let file = file.display().to_string();
                let said = format!("the link is in {file}; whoever has it has the keys");
                output::result(self.shared.json, &json!({ "file": file }), &said)
            }
            _ => output::result(self.shared.json, &json!({ "link": *text }), &text),
        }
    }

    async fn hand_over(
        &mut self,
        conversation: &ConversationId,
        access: AccessWord,
        to: &Address,
        wait: Wait,
    ) -> Result<()> {
        check_wait(wait.state)?;
        let node = Arc::clone(&self.node);
        // Before a slot is kept for somebody who cannot be reached.
        self.session.record_of(to, node.as_ref()).await?;
        let capability = self.granted(conversation, access, wait).await?;
        let started = Instant::now();
        let reference = self
            .session
            .hand_over(
                conversation,
                &capability,
                to,
                node.as_ref(),
                now(),
                &mut rng(),
            )
            .await?;
        self.sync().await?;
        let (id, delivery, _) = self
            .wait_for(None, &reference, wait.state, started, wait.seconds)
            .await?;
        let state = show::state_word(&delivery);
        let value = json!({ "message_id": id.to_string(), "state": state });
        output::result(self.shared.json, &value, &format!("{id} {state}"))
    }

    fn read(
        &self,
        conversation: &ConversationId,
        limit: usize,
        after: Option<&MessageRef>,
    ) -> Result<()> {
        let messenger = self.session.messenger();
        if after.is_some_and(|after| messenger.message(conversation, after).is_none()) {
            return Err(SessionError::from(SendError::UnknownMessage).into());
        }
        let mut messages = messenger.log(conversation, after, usize::MAX);
        messages.retain(show::has_words);
        let first = messages.len().saturating_sub(limit);
        let network = self.shared.network;
        let shown = messages.get(first..).unwrap_or_default();
        let values: Vec<Value> = shown
            .iter()
            .map(|message| show::message(message, network))
            .collect();
        let lines: Vec<String> = shown
            .iter()
            .map(|message| show::line(message, network))
            .collect();
        output::result(self.shared.json, &json!(values), &lines.join("\n"))
    }

    /// Prints what is new, for ever; a node that goes away is waited for.
    async fn follow(&mut self, conversation: &ConversationId, access: &NodeAccess) -> Result<()> {
        loop {
            self.print_news(conversation)?;
            match self.hear(None).await {
                Err(error) if output::is_unreachable(&error) => {
                    output::warn("the node is gone; trying again until it is back");
                    while let Err(error) = self.find_node(access).await {
                        if !output::is_unreachable(&error) {
                            return Err(error);
                        }
                        tokio::time::sleep(LOOK).await;
                    }
                }
                heard => heard?,
            }
        }
    }

    /// Looks for the node anew: after a restart it may listen elsewhere, with another cookie.
    async fn find_node(&mut self, access: &NodeAccess) -> Result<()> {
        self.node = access::client(self.shared, access)?;
        self.events = self.node.envelope_subscribe().await?;
        self.sync().await
    }

    /// Prints what is new in a conversation.
    fn print_news(&mut self, conversation: &ConversationId) -> Result<()> {
        for event in std::mem::take(&mut self.news) {
            let reference = match event {
                Event::Shown {
                    conversation: place,
                    reference,
                    ..
                } if place == *conversation => reference,
                Event::Moved {
                    conversation: Some(place),
                    reference,
                    ..
                } if place == *conversation => reference,
                _ => continue,
            };
            let messenger = self.session.messenger();
            let Some(message) = messenger.message(conversation, &reference) else {
                continue;
            };
            if show::has_words(&message) {
                let network = self.shared.network;
                let value = show::message(&message, network);
                output::result(self.shared.json, &value, &show::line(&message, network))?;
            }
        }
        std::io::stdout().flush()?;
        Ok(())
    }
}

async fn create(shared: &SharedArgs, node: &NodeAccess, name: &str) -> Result<()> {
    let mut chat = Chat::open(shared, node).await?;
    let id = chat
        .session
        .create_conversation(name, now(), &mut rng())?
        .to_string();
    // The message that claims its keys for this account leaves.
    chat.sync().await?;
    output::result(shared.json, &json!({ "conversation": id }), &id)
}

async fn publish(shared: &SharedArgs, access: &NodeAccess, wait: Wait) -> Result<()> {
    check_wait(wait.state)?;
    let mut chat = Chat::open(shared, access).await?;
    let node = Arc::clone(&chat.node);
    let submitted = chat.session.publish(node.as_ref(), &mut rng()).await?;
    ordered(shared, &mut chat.session, node.as_ref(), submitted, wait).await
}

async fn list(shared: &SharedArgs, node: &NodeAccess) -> Result<()> {
    let chat = Chat::open(shared, node).await?;
    let session = &chat.session;
    let mut values = Vec::new();
    let mut lines = Vec::new();
    for view in session.messenger().conversations() {
        values.push(show::conversation(&view));
        lines.push(show::conversation_line(&view));
    }
    for (reference, link, sender) in session.invitations() {
        values.push(show::invitation(&reference, &link, &sender, shared.network));
        lines.push(show::invitation_line(&reference, &link));
    }
    output::result(shared.json, &json!(values), &lines.join("\n"))
}

async fn join(
    shared: &SharedArgs,
    node: &NodeAccess,
    link_file: Option<&Path>,
    invitation: Option<&MessageRef>,
) -> Result<()> {
    let link = match link_file {
        Some(file) => Some(secrets::text(file)?),
        None => None,
    };
    let mut chat = Chat::open(shared, node).await?;
    let rng = &mut rng();
    let id = match (link, invitation) {
        (Some(link), _) => {
            let link = InviteLink::parse(&link, &chat.session.chain_id())
                .map_err(|error| Failure::error(Exit::Usage, "bad_link", error.to_string()))?;
            chat.session.join(&link, rng)?
        }
        (None, Some(reference)) => chat.session.accept_invitation(reference, rng)?,
        (None, None) => return Ok(()),
    };
    chat.sync().await?;
    let access = chat
        .session
        .messenger()
        .conversation(&id)
        .map_or("", |view| show::access_word(view.access));
    let value = json!({ "conversation": id.to_string(), "access": access });
    output::result(shared.json, &value, &format!("{id} {access}"))
}

async fn follow(shared: &SharedArgs, node: &NodeAccess, conversation: &str) -> Result<()> {
    let mut chat = Chat::open(shared, node).await?;
    let conversation = chat.find(conversation)?;
    tokio::select! {
        ended = chat.follow(&conversation, node) => ended,
        _ = tokio::signal::ctrl_c() => {
            Err(Failure::error(Exit::Interrupted, "interrupted", "no longer following"))
        }
    }
}

async fn contacts(shared: &SharedArgs, node: &NodeAccess) -> Result<()> {
    let chat = Chat::open(shared, node).await?;
    let records = chat.session.messenger().records();
    let network = shared.network;
    let mut values = Vec::new();
    let mut lines = Vec::new();
    for (key, contact) in &records.contacts {
        values.push(show::contact(key, contact, network));
        lines.push(show::contact_line(key, contact, network));
    }
    output::result(shared.json, &json!(values), &lines.join("\n"))
}

/// Whether the network has a message.
const fn is_out(delivery: &Delivery) -> bool {
    matches!(delivery, Delivery::Delivered | Delivery::InBlock(_))
}

/// A text from a file without the line feed that ends files.
fn trimmed(text: &str) -> String {
    text.strip_suffix('\n').unwrap_or(text).to_owned()
}

impl From<AccessWord> for Access {
    fn from(word: AccessWord) -> Self {
        match word {
            AccessWord::Read => Self::Read,
            AccessWord::Write => Self::Write,
            AccessWord::ReadWrite => Self::ReadWrite,
        }
    }
}
