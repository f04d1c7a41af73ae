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
use app::{Session, SessionError, Stage};
use chain::Height;
use messenger::error::SendError;
use messenger::{ConversationId, Event, MessageRef};
use rpc::types::{EnvelopeEvent, FinalityEvent};
use rpc::{NodeApi, NodeClient, Subscription};
use serde_json::{Map, Value, json};

use super::show;
use crate::args::{NodeAccess, SharedArgs, WaitState};
use crate::commands::profile::{now, open, rng};
use crate::commands::waiting::too_late;
use crate::exit::{Exit, Failure};
use crate::{access, output};

/// How often a waiting command looks at the node even if it hears nothing.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// States whose times are told.
const TIMED: [Stage; 4] = [
    Stage::Delivered,
    Stage::InBlock,
    Stage::Confirmed,
    Stage::Final,
];

/// What came by one of the node's streams.
enum Heard {
    Envelope(EnvelopeEvent),
    Finality(FinalityEvent),
}

/// An open session that hears what its node says.
pub(super) struct Chat<'a> {
    pub(super) shared: &'a SharedArgs,
    pub(super) session: Session,
    pub(super) node: Arc<NodeClient>,
    events: Subscription<EnvelopeEvent>,
    confirmations: Subscription<FinalityEvent>,
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
        let confirmations = node.finality_subscribe().await?;
        let mut chat = Self {
            shared,
            session,
            node,
            events,
            confirmations,
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
        let heard = tokio::select! {
            event = self.events.next() => event.map(Heard::Envelope),
            event = self.confirmations.next() => event.map(Heard::Finality),
            () = tokio::time::sleep_until(until.into()) => return self.sync().await,
        };
        match heard {
            Ok(Heard::Envelope(event)) => {
                self.session
                    .hear(event, self.node.as_ref(), now(), &mut rng())
                    .await?;
                self.take_news();
                Ok(())
            }
            Ok(Heard::Finality(event)) => {
                self.session.hear_finality(&event);
                Ok(())
            }
            Err(failure) if failure.is_unreachable() => Err(failure.into()),
            Err(_) => {
                // Too slow for a stream, or the node stops: begin anew and read what was missed.
                self.listen().await?;
                self.sync().await
            }
        }
    }

    async fn listen(&mut self) -> Result<()> {
        self.events = self.node.envelope_subscribe().await?;
        self.confirmations = self.node.finality_subscribe().await?;
        Ok(())
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
    ) -> Result<(MessageRef, Stage, Map<String, Value>)> {
        let deadline = started + Duration::from_secs(seconds);
        let mut times = Map::new();
        loop {
            let (newest, stage, height) = self
                .session
                .message_stage(conversation, reference)
                .ok_or_else(|| SessionError::from(SendError::UnknownMessage))?;
            let elapsed = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            for reached in TIMED.into_iter().filter(|reached| *reached <= stage) {
                times
                    .entry(reached.name())
                    .or_insert_with(|| json!(elapsed));
            }
            if state.is_none_or(|wanted| stage >= Stage::from(wanted)) {
                return Ok((newest, stage, times));
            }
            if Instant::now() >= deadline {
                return Err(self.why_late(&newest, stage, height, state, seconds).await);
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

    async fn why_late(
        &self,
        newest: &MessageRef,
        stage: Stage,
        height: Option<Height>,
        state: Option<WaitState>,
        seconds: u64,
    ) -> anyhow::Error {
        if let (Some(wanted), Some(_)) = (state, height) {
            let (node, id) = (self.node.as_ref(), newest.to_string());
            return too_late(node, wanted.into(), height, &id, seconds).await;
        }
        let why = self.session.why_waiting(newest);
        let why = why.map_or(String::new(), |why| format!(" ({why})"));
        let state = stage.name();
        let detail = format!(
            "{newest} is {state} after {seconds} s{why}; it is sent again with the next command"
        );
        Failure::error(Exit::Failed, "timeout", detail)
    }

    /// Looks for the node anew: after a restart it may listen elsewhere, with another cookie.
    pub(super) async fn find_node(&mut self, access: &NodeAccess) -> Result<()> {
        self.node = access::client(self.shared, access)?;
        self.listen().await?;
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
