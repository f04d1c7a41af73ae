//! Streams of events: heads, envelopes, templates.
//!
//! # Invariants
//! A subscriber that is slower than the events is dropped with a reason; nobody waits for it.
//!
//! # Spec
//! docs/spec/07-rpc.md §4
//!
//! # Not here
//! Queues and their limits: `rpc::subscription`.

use std::sync::Arc;
use std::time::Duration;

use chain::{AccountId, Block};
use rpc::subscription::{Publisher, Queued, channel};
use rpc::types::{
    BlockEnvelopes, EnvelopeEvent, Head, Hex, IncludedEnvelope, PendingEnvelope, RawHex, Template,
};
use rpc::{RpcFailure, Subscription};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::mining;
use crate::engine::TipMove;
use crate::mempool::Item;
use crate::service::{Mailbox, Notice};

/// A template is made anew for new items at most this often.
const TEMPLATE_PACE: Duration = Duration::from_millis(500);
/// ... and for new votes at most this often.
const VOTES_PACE: Duration = Duration::from_millis(100);
/// A template is made anew without any news this often, so that its time moves.
const TEMPLATE_REFRESH: Duration = Duration::from_secs(15);

/// Every new end of the best chain.
pub(super) fn heads(mailbox: &Mailbox) -> Subscription<Head> {
    stream(mailbox, |notice| match notice {
        Notice::TipMoved(moves) => head(&moves).into_iter().collect(),
        Notice::Pending(_) | Notice::VotesGathered => Vec::new(),
    })
}

/// Envelopes that come, are included and fall back.
pub(super) fn envelopes(mailbox: &Mailbox) -> Subscription<EnvelopeEvent> {
    stream(mailbox, |notice| match notice {
        Notice::TipMoved(moves) => moves.iter().map(moved).collect(),
        Notice::Pending(item) => pending(&item).into_iter().collect(),
        Notice::VotesGathered => Vec::new(),
    })
}

/// Work for a miner, anew whenever better work is there. While the node may not mine, the stream
/// ends, and a new one waits a while before it ends too.
pub(super) fn templates(mailbox: &Mailbox, payout: AccountId) -> Subscription<Template> {
    let (publisher, subscription) = channel();
    let mailbox = mailbox.clone();
    tokio::spawn(async move {
        let mut notices = mailbox.listen();
        let mut has_begun = false;
        loop {
            let template = match mining::template(&mailbox, payout).await {
                Ok(template) => template,
                Err(failure) => {
                    if failure.reason == mining::ALARM && !has_begun {
                        tokio::time::sleep(TEMPLATE_REFRESH).await;
                    }
                    return publisher.close(failure);
                }
            };
            if publisher.publish(template).is_err() {
                return;
            }
            has_begun = true;
            tokio::select! {
                () = publisher.closed() => return,
                () = better_work(&mut notices) => {}
                () = tokio::time::sleep(TEMPLATE_REFRESH) => {}
            }
        }
    });
    subscription
}

/// Completes at once when the tip moves, a moment after new items came, and a shorter one after
/// votes did.
async fn better_work(notices: &mut tokio::sync::broadcast::Receiver<Notice>) {
    let made = Instant::now();
    let mut due: Option<Instant> = None;
    loop {
        let is_due = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let notice = tokio::select! {
            () = is_due => return,
            notice = notices.recv() => notice,
        };
        let wanted = match notice {
            Ok(Notice::TipMoved(_)) | Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => return std::future::pending().await,
            Ok(Notice::Pending(_)) => Instant::now() + TEMPLATE_PACE,
            Ok(Notice::VotesGathered) => made + VOTES_PACE,
        };
        due = Some(due.map_or(wanted, |due| due.min(wanted)));
    }
}

fn stream<T: Queued + Send + 'static>(
    mailbox: &Mailbox,
    map: impl Fn(Notice) -> Vec<T> + Send + 'static,
) -> Subscription<T> {
    let (publisher, subscription) = channel();
    let mut notices = mailbox.listen();
    tokio::spawn(async move {
        loop {
            let notice = tokio::select! {
                () = publisher.closed() => return,
                notice = notices.recv() => notice,
            };
            match notice {
                Ok(notice) => {
                    if !publish_all(&publisher, map(notice)) {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => return publisher.close(RpcFailure::slow_subscriber()),
                Err(RecvError::Closed) => return publisher.close(RpcFailure::stopping()),
            }
        }
    });
    subscription
}

fn publish_all<T: Queued>(publisher: &Publisher<T>, events: Vec<T>) -> bool {
    events
        .into_iter()
        .all(|event| publisher.publish(event).is_ok())
}

fn head(moves: &Arc<Vec<TipMove>>) -> Option<Head> {
    let TipMove::Connected(tip) = moves.iter().rev().find(|step| is_connected(step))? else {
        return None;
    };
    let first = moves.iter().find_map(|step| match step {
        TipMove::Connected(block) => Some(block),
        TipMove::Disconnected(_) => None,
    })?;
    Some(Head {
        height: tip.header.height.get(),
        id: Hex(tip.id()),
        parent: Hex(tip.header.parent),
        time_ms: tip.header.time.get(),
        fork_height: first.header.height.get().saturating_sub(1),
    })
}

fn is_connected(step: &TipMove) -> bool {
    matches!(step, TipMove::Connected(_))
}

fn moved(step: &TipMove) -> EnvelopeEvent {
    match step {
        TipMove::Connected(block) => EnvelopeEvent::InBlock(named(block)),
        TipMove::Disconnected(block) => EnvelopeEvent::Disconnected(named(block)),
    }
}

fn named(block: &Block) -> BlockEnvelopes {
    let envelopes = block
        .body
        .envelopes
        .iter()
        .filter_map(|bytes| bytes.parse().ok());
    BlockEnvelopes {
        height: block.header.height.get(),
        block: Hex(block.id()),
        time_ms: block.header.time.get(),
        envelopes: envelopes
            .map(|envelope| IncludedEnvelope {
                id: Hex(envelope.mid()),
                wid: Hex(envelope.wid()),
            })
            .collect(),
    }
}

fn pending(item: &Arc<Item>) -> Option<EnvelopeEvent> {
    let Item::Envelope(envelope) = item.as_ref() else {
        return None;
    };
    Some(EnvelopeEvent::Pending(PendingEnvelope {
        id: Hex(*envelope.message_id()),
        wid: Hex(*envelope.wire_id()),
        raw: RawHex::new(envelope.bytes().as_slice()),
    }))
}
