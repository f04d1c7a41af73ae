//! The stream of confirmations and final checkpoints.
//!
//! # Invariants
//! * One watcher looks for all subscribers, at most [`LOOK_PACE`] after a vote was heard.
//! * What was called confirmed is called unconfirmed when it no longer is, as long as it can be
//!   undone; a subscriber reads what was before its subscription.
//!
//! # Spec
//! docs/spec/07-rpc.md §4
//!
//! # Not here
//! The counting of seats: `consensus::fork_choice`. Queues and their limits: `rpc::subscription`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chain::units::CheckpointNumber;
use chain::{BlockId, Height};
use consensus::fork_choice::{Checkpoint, HEARD_BLOCKS};
use genesis::{Params, law};
use rpc::subscription::{Publisher, channel};
use rpc::types::{FinalityEvent, Hex, SeatNews};
use rpc::{RpcFailure, Subscription};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::finality_reads::{Held, checkpoint_point};
use super::stake_reads::{Counted, seats_of};
use crate::engine::TipMove;
use crate::service::{Mailbox, Notice, Unavailable};

/// How often votes that were heard are looked for.
const LOOK_PACE: Duration = Duration::from_millis(250);
/// Blocks below the tip whose seats may still change without a move of the tip: votes are heard for
/// the newest, and those of the next few are included in what was heard of at once.
const WINDOW_BLOCKS: u64 = 2 * HEARD_BLOCKS;
/// Events that a slow subscriber may be behind before it is dropped: some minutes of blocks.
const EVENTS_MAX: usize = 1_024;

/// Looks out for confirmations once somebody asked for them, and until the node stops.
pub(super) struct FinalityWatch {
    events: broadcast::Sender<FinalityEvent>,
    is_running: Mutex<bool>,
}

impl FinalityWatch {
    pub(super) fn new() -> Self {
        let (events, _) = broadcast::channel(EVENTS_MAX);
        let is_running = Mutex::new(false);
        Self { events, is_running }
    }

    /// A stream of everything from now on.
    pub(super) fn subscribe(
        &self,
        mailbox: &Mailbox,
        params: &Arc<Params>,
    ) -> Subscription<FinalityEvent> {
        let (publisher, subscription) = channel();
        tokio::spawn(pass_on(self.events.subscribe(), publisher));
        let mut is_running = self
            .is_running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !*is_running {
            *is_running = true;
            let (mailbox, params) = (mailbox.clone(), Arc::clone(params));
            tokio::spawn(watch(mailbox, params, self.events.clone()));
        }
        subscription
    }
}

async fn pass_on(
    mut events: broadcast::Receiver<FinalityEvent>,
    publisher: Publisher<FinalityEvent>,
) {
    loop {
        let event = tokio::select! {
            () = publisher.closed() => return,
            event = events.recv() => event,
        };
        match event {
            Ok(event) => {
                if publisher.publish(event).is_err() {
                    return;
                }
            }
            Err(RecvError::Lagged(_)) => return publisher.close(RpcFailure::slow_subscriber()),
            Err(RecvError::Closed) => return publisher.close(RpcFailure::stopping()),
        }
    }
}

/// Looks at the tree after every move of the tip, and now and then for votes that were heard.
async fn watch(mailbox: Mailbox, params: Arc<Params>, events: broadcast::Sender<FinalityEvent>) {
    let mut notices = mailbox.listen();
    let mut announced: Option<Announced> = None;
    // The lowest height that may have changed since the last look.
    let mut changed = 0;
    loop {
        let (from, params_there) = (changed, Arc::clone(&params));
        let asked = mailbox.run(move |desk| {
            let tip = desk
                .node
                .engine()
                .tip()
                .map_or(0, |(height, _)| height.get());
            let oldest = tip.saturating_sub(law::UNDO_BLOCKS);
            let from = from.min(tip.saturating_sub(WINDOW_BLOCKS)).max(oldest);
            Picture {
                from: Height::new(from),
                blocks: seats_of(&desk.node, from..u64::MAX),
                held: Held::of(&desk.node, &params_there),
            }
        });
        match asked.await {
            Ok(picture) => {
                changed = u64::MAX;
                match &mut announced {
                    // What was before the first subscription is no news.
                    None => {
                        let mut first = Announced::default();
                        first.step(&picture, &params);
                        announced = Some(first);
                    }
                    Some(announced) => {
                        for event in announced.step(&picture, &params) {
                            // Nobody listening is no failure.
                            let _ = events.send(event);
                        }
                    }
                }
            }
            Err(Unavailable::Busy) => {}
            Err(Unavailable::Stopping) => return,
        }
        changed = changed.min(lowest_change(&mut notices).await);
    }
}

/// Waits for a move of the tip or for the next look; the lowest height that the move changed.
async fn lowest_change(notices: &mut broadcast::Receiver<Notice>) -> u64 {
    let moved = async {
        loop {
            match notices.recv().await {
                Ok(Notice::TipMoved(moves)) => return lowest_of(&moves),
                Ok(Notice::Pending(_) | Notice::VotesGathered) => {}
                // Some moves were missed.
                Err(RecvError::Lagged(_)) => return 0,
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    };
    let waited = tokio::time::timeout(LOOK_PACE, moved).await;
    waited.unwrap_or(u64::MAX)
}

fn lowest_of(moves: &[TipMove]) -> u64 {
    let heights = moves.iter().map(|step| match step {
        TipMove::Connected(block) | TipMove::Disconnected(block) => block.header.height.get(),
    });
    heights.min().unwrap_or(u64::MAX)
}

/// What the node's thread counts now.
struct Picture {
    /// Blocks of the best chain from this height on are in `blocks`.
    from: Height,
    blocks: Vec<Counted>,
    held: Held,
}

/// What subscribers were told.
#[derive(Debug, Default)]
struct Announced {
    confirmed: BTreeMap<Height, BlockId>,
    justified: CheckpointNumber,
    finalized: CheckpointNumber,
}

impl Announced {
    /// What is new in the picture.
    fn step(&mut self, picture: &Picture, params: &Params) -> Vec<FinalityEvent> {
        let now: BTreeMap<Height, &Counted> = picture
            .blocks
            .iter()
            .map(|block| (block.height, block))
            .collect();
        let is_enough = |block: &Counted| block.seats >= law::CONFIRMING_SEATS;
        let mut events = Vec::new();
        let told: Vec<(Height, BlockId)> = self
            .confirmed
            .range(picture.from..)
            .map(|(height, id)| (*height, *id))
            .collect();
        for (height, id) in told {
            let same = now.get(&height).filter(|block| block.id == id);
            if same.is_some_and(|block| is_enough(block)) {
                continue;
            }
            self.confirmed.remove(&height);
            events.push(FinalityEvent::Unconfirmed(SeatNews {
                height: height.get(),
                block: Hex(id),
                seats: same.map_or(0, |block| block.seats),
                best_chain: same.is_some(),
            }));
        }
        for block in picture.blocks.iter().filter(|block| is_enough(block)) {
            if self.confirmed.insert(block.height, block.id).is_none() {
                events.push(FinalityEvent::Confirmed(SeatNews {
                    height: block.height.get(),
                    block: Hex(block.id),
                    seats: block.seats,
                    best_chain: true,
                }));
            }
        }
        while self.confirmed.len() as u64 > law::UNDO_BLOCKS {
            self.confirmed.pop_first();
        }
        let point = |found: Checkpoint| checkpoint_point(params, found.number, found.id);
        if let Some(found) = higher(&mut self.justified, picture.held.justified) {
            events.push(FinalityEvent::Justified(point(found)));
        }
        if let Some(found) = higher(&mut self.finalized, picture.held.finalized) {
            events.push(FinalityEvent::Finalized(point(found)));
        }
        events
    }
}

/// The checkpoint found if it is higher than what was told, which it is from now on.
fn higher(told: &mut CheckpointNumber, found: Option<Checkpoint>) -> Option<Checkpoint> {
    let found = found.filter(|found| found.number > *told)?;
    *told = found.number;
    Some(found)
}

#[cfg(test)]
mod tests {
    use chain::Network;

    use super::*;

    fn block(height: u64, branch: u8, seats: u32) -> Counted {
        let (height, id) = (Height::new(height), BlockId::from_bytes([branch; 32]));
        Counted { height, id, seats }
    }

    fn look(announced: &mut Announced, from: u64, blocks: &[Counted]) -> Vec<(char, u64, u32)> {
        let picture = Picture {
            from: Height::new(from),
            blocks: blocks.to_vec(),
            held: Held::default(),
        };
        let events = announced.step(&picture, &Params::of(Network::Regtest));
        let short = |event| match event {
            FinalityEvent::Confirmed(news) => ('+', news.height, news.seats),
            FinalityEvent::Unconfirmed(news) => ('-', news.height, news.seats),
            other => panic!("{other:?}"),
        };
        events.into_iter().map(short).collect()
    }

    #[test]
    fn five_seats_confirm_once_and_a_reorganisation_takes_them_back() {
        let mut told = Announced::default();
        assert_eq!(look(&mut told, 0, &[block(1, 1, 4)]), []);
        let both = [block(1, 1, 5), block(2, 1, 8)];
        assert_eq!(look(&mut told, 0, &both), [('+', 1, 5), ('+', 2, 8)]);
        assert_eq!(look(&mut told, 0, &both), []);
        // Another branch from height 2 on, where nobody has voted for the block at 2.
        let other = [block(1, 1, 5), block(2, 2, 3), block(3, 2, 6)];
        assert_eq!(look(&mut told, 0, &other), [('-', 2, 0), ('+', 3, 6)]);
        // Back again; a shorter look does not judge what lies below it.
        assert_eq!(
            look(&mut told, 2, &[block(2, 1, 8)]),
            [('-', 3, 0), ('+', 2, 8)]
        );
        // A bond that voted twice counts no more.
        assert_eq!(
            look(&mut told, 1, &[block(1, 1, 3), block(2, 1, 8)]),
            [('-', 1, 3)]
        );
    }

    #[test]
    fn checkpoints_are_told_when_they_rise() {
        let params = Params::of(Network::Regtest);
        let held = |number| {
            let number = CheckpointNumber::new(number);
            Some(Checkpoint {
                number,
                id: BlockId::default(),
            })
        };
        let mut told = Announced::default();
        let mut step = |justified, finalized| {
            let picture = Picture {
                from: Height::new(0),
                blocks: Vec::new(),
                held: Held {
                    justified,
                    finalized,
                    ..Held::default()
                },
            };
            told.step(&picture, &params)
        };
        assert_eq!(step(None, None), []);
        let point = |number| {
            let number = CheckpointNumber::new(number);
            checkpoint_point(&params, number, BlockId::default())
        };
        let events = [
            FinalityEvent::Justified(point(3)),
            FinalityEvent::Finalized(point(2)),
        ];
        assert_eq!(step(held(3), held(2)), events);
        assert_eq!(step(held(3), held(2)), []);
        assert_eq!(step(held(4), held(2)), [FinalityEvent::Justified(point(4))]);
        assert_eq!(point(4).height, 16);
    }
}
