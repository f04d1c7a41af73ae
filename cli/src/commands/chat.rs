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
//! What the session does: `app`. The open session: `live`. How messages are printed: `show`.

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use app::Stage;
use chain::Address;
use messenger::content::Text;
use messenger::view::MessageView;
use messenger::{Access, ConversationId, Event, InviteLink, MessageRef, Outgoing};
use serde_json::{Value, json};

use crate::args::{AccessWord, ChatCommand, NodeAccess, SharedArgs, Wait, WaitState};
use crate::commands::profile::{now, rng};
use crate::commands::wallet::ordered;
use crate::exit::{Exit, Failure};
use crate::{output, secrets};

mod live;
mod show;

/// Messages whose next states `chat follow` looks out for: where nothing becomes final, hundreds
/// of blocks' worth.
const TOLD_MAX: usize = 1_024;

use live::{Chat, LOOK};

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
        } => join(shared, node, link_file.as_deref(), invitation.as_deref()).await,
        ChatCommand::Send {
            conversation,
            text,
            text_file,
            reply_to,
            wait,
        } => {
            let text = match (text, text_file) {
                (Some(text), _) => text.clone(),
                (None, Some(file)) => trimmed(&secrets::text(file)?),
                (None, None) => String::new(),
            };
            let mut chat = Chat::open(shared, node).await?;
            let conversation = chat.find(conversation)?;
            let reply_to = match reply_to {
                Some(wanted) => Some(chat.message(&conversation, wanted)?),
                None => None,
            };
            chat.send(&conversation, text, reply_to, *wait).await
        }
        ChatCommand::Read {
            conversation,
            limit,
            after,
        } => {
            let chat = Chat::open(shared, node).await?;
            let conversation = chat.find(conversation)?;
            let after = match after {
                Some(wanted) => Some(chat.message(&conversation, wanted)?),
                None => None,
            };
            chat.read(&conversation, *limit, after.as_ref())
        }
        ChatCommand::Follow { conversation } => follow(shared, node, conversation).await,
        ChatCommand::Contacts => contacts(shared, node).await,
    }
}

impl Chat<'_> {
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
        let (id, stage, times) = self
            .wait_for(
                Some(conversation),
                &reference,
                wait.state,
                started,
                wait.seconds,
            )
            .await?;
        let state = stage.name();
        let mut value = json!({ "id": id.to_string(), "state": state, "times_ms": times });
        let mut line = format!("{id} {state}");
        if stage == Stage::Queued
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
        let (id, stage, _) = self
            .wait_for(None, &reference, wait.state, started, wait.seconds)
            .await?;
        let state = stage.name();
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
        let mut messages = messenger.log(conversation, after, usize::MAX);
        messages.retain(show::has_words);
        let first = messages.len().saturating_sub(limit);
        let network = self.shared.network;
        let shown = messages.get(first..).unwrap_or_default();
        let stage = |message: &MessageView| self.session.stage_of(&message.delivery);
        let values: Vec<Value> = shown
            .iter()
            .map(|message| show::message(message, stage(message), network))
            .collect();
        let lines: Vec<String> = shown
            .iter()
            .map(|message| show::line(message, stage(message), network))
            .collect();
        output::result(self.shared.json, &json!(values), &lines.join("\n"))
    }

    /// Prints what is new, for ever; a node that goes away is waited for.
    async fn follow(&mut self, conversation: &ConversationId, access: &NodeAccess) -> Result<()> {
        let mut told = self.stages(conversation);
        loop {
            self.print_news(conversation, &mut told)?;
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

    /// How far the newest messages have come, of those that may come further.
    fn stages(&self, conversation: &ConversationId) -> Told {
        let log = self.session.messenger().log(conversation, None, usize::MAX);
        let stages = log
            .iter()
            .map(|message| (message.reference, self.session.stage_of(&message.delivery)));
        let open = stages.filter(|(_, stage)| *stage < Stage::Final);
        let mut told: Told = open.collect();
        forget_oldest(&mut told);
        told
    }

    /// Prints what is new in a conversation: messages, and how far they have come since they were
    /// printed.
    fn print_news(&mut self, conversation: &ConversationId, told: &mut Told) -> Result<()> {
        let mut news = Vec::new();
        for event in std::mem::take(&mut self.news) {
            match event {
                Event::Shown {
                    conversation: place,
                    reference,
                    ..
                } if place == *conversation => news.push(reference),
                Event::Moved {
                    conversation: Some(place),
                    reference,
                    ..
                } if place == *conversation => news.push(reference),
                _ => {}
            }
        }
        for (reference, stage) in told.iter() {
            let now = self.session.message_stage(Some(conversation), reference);
            // A message that was written again is printed under its new name.
            let now = now.filter(|(newest, ..)| newest == reference);
            if now.is_some_and(|(_, now, _)| now != *stage) && !news.contains(reference) {
                news.push(*reference);
            }
        }
        for reference in news {
            let messenger = self.session.messenger();
            let Some(message) = messenger.message(conversation, &reference) else {
                continue;
            };
            let stage = self.session.stage_of(&message.delivery);
            told.retain(|(known, _)| *known != reference);
            if stage < Stage::Final {
                told.push_back((reference, stage));
            }
            if show::has_words(&message) {
                let network = self.shared.network;
                let value = show::message(&message, stage, network);
                let line = show::line(&message, stage, network);
                output::result(self.shared.json, &value, &line)?;
            }
        }
        forget_oldest(told);
        std::io::stdout().flush()?;
        Ok(())
    }
}

/// Messages that may come further, with how far they had come when they were printed; the newest
/// last.
type Told = VecDeque<(MessageRef, Stage)>;

fn forget_oldest(told: &mut Told) {
    let excess = told.len().saturating_sub(TOLD_MAX);
    told.drain(..excess);
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
    invitation: Option<&str>,
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
        (None, Some(wanted)) => {
            let waiting: Vec<MessageRef> = chat.session.invitations().map(|(id, ..)| id).collect();
            let reference = live::one_of(waiting, wanted).ok_or_else(|| {
                Failure::error(
                    Exit::Failed,
                    "not_joined",
                    "no such invitation in this profile; see `chat list`",
                )
            })?;
            chat.session.accept_invitation(&reference, rng)?
        }
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
