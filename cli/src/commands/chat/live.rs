//! An open session that hears what its node says.
//!
//! # Invariants
//! The stream of events is open before the first look, so that nothing falls between.
//!
//! # Spec
//! docs/spec/16-session.md §3
//!
//! # Not here
//! What the commands do with it: [`super`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use app::{Session, SessionError};
use messenger::error::SendError;
use messenger::view::Delivery;
use messenger::{ConversationId, Event, MessageRef};
use rpc::types::EnvelopeEvent;
use rpc::{NodeApi, NodeClient, Subscription};
use serde_json::{Map, Value, json};

use super::show;
use crate::args::{NodeAccess, SharedArgs, WaitState};
use crate::commands::profile::{now, open, rng};
use crate::exit::{Exit, Failure};
use crate::{access, output};

/// How often a waiting command looks at the node even if it hears nothing.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// An open session that hears what its node says.
pub(super) struct Chat<'a> {
    pub(super) shared: &'a SharedArgs,
    pub(super) session: Session,
    pub(super) node: Arc<NodeClient>,
    events: Subscription<EnvelopeEvent>,
    /// What is new and not printed yet.
    pub(super) news: Vec<Event>,
}

impl<'a> Chat<'a> {
    /// Opens the profile and follows the node to its tip.
    pub(super) async fn open(shared: &'a SharedArgs, node: &NodeAccess) -> Result<Self> {
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

    pub(super) async fn sync(&mut self) -> Result<()> {
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
    pub(super) async fn hear(&mut self, deadline: Option<Instant>) -> Result<()> {
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
    pub(super) fn find(&self, wanted: &str) -> Result<ConversationId> {
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

    /// The message of a conversation with this id, or with an id that begins so.
    pub(super) fn message(
        &self,
        conversation: &ConversationId,
        wanted: &str,
    ) -> Result<MessageRef> {
        let log = self.session.messenger().log(conversation, None, usize::MAX);
        one_of(log.into_iter().map(|message| message.reference), wanted)
            .ok_or_else(|| SessionError::from(SendError::UnknownMessage).into())
    }

    /// Waits until a message has come as far as `state`; the times at which it got there.
    pub(super) async fn wait_for(
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

    /// Looks for the node anew: after a restart it may listen elsewhere, with another cookie.
    pub(super) async fn find_node(&mut self, access: &NodeAccess) -> Result<()> {
        self.node = access::client(self.shared, access)?;
        self.events = self.node.envelope_subscribe().await?;
        self.sync().await
    }
}

/// The only one of `references` whose id begins with the digits `wanted`.
pub(super) fn one_of(
    references: impl IntoIterator<Item = MessageRef>,
    wanted: &str,
) -> Option<MessageRef> {
    let begins = |reference: &MessageRef| reference.to_string().starts_with(wanted);
    let mut found = references.into_iter().filter(begins);
    match (found.next(), found.next()) {
        (Some(reference), None) if wanted.len() >= show::SHORT => Some(reference),
        _ => None,
    }
}

/// Whether the network has a message.
const fn is_out(delivery: &Delivery) -> bool {
    matches!(delivery, Delivery::Delivered | Delivery::InBlock(_))
}
