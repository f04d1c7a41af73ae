//! How far the blocks have come that hold something of ours: confirmed by stake, final.
//!
//! # Invariants
//! * Nothing of this is stored: seats and checkpoints are the node's, and asked for again after
//!   every start and every step of the chain.
//! * A word about a block counts only while that very block is followed: after a reorganisation
//!   what it held falls back by itself.
//!
//! # Spec
//! docs/spec/16-session.md §7
//!
//! # Not here
//! Whether something is in a block: `messenger` and `wallet`.

use std::collections::{BTreeMap, BTreeSet};

use chain::{BlockId, Height, TxId};
use genesis::law;
use messenger::view::Delivery;
use messenger::{ConversationId, MessageRef};
use rpc::limits::SEAT_BLOCKS_MAX;
use rpc::types::{CheckpointPoint, FinalityEvent, GetSeats, SeatNews};
use rpc::{NodeApi, RpcFailure};
use wallet::order::OrderState;

use crate::error::SessionError;
use crate::session::Session;

/// Blocks on top of a block after which its seats change no more but by a reorganisation: votes are
/// included by the eight blocks above it, and twice that leaves room for those that come late. What
/// was said with fewer blocks on top is asked again.
const SETTLED_BLOCKS: u64 = 2 * law::VOTE_BACK_MAX as u64;

/// How far something of ours has come. Later stages are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It will never be in a block under this name.
    Failed,
    /// Written, not outside yet.
    Queued,
    /// The network has it.
    Delivered,
    /// A block holds it.
    InBlock,
    /// Stakers voted for the block with enough seats.
    Confirmed,
    /// The block is final.
    Final,
}

impl Stage {
    /// The word for it in commands and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Queued => "queued",
            Self::Delivered => "delivered",
            Self::InBlock => "in_block",
            Self::Confirmed => "confirmed",
            Self::Final => "final",
        }
    }
}

/// What the node said about a block that is not final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    block: BlockId,
    seats: u32,
    /// The followed tip when this was said, or below.
    tip: Height,
}

/// What the node said about blocks.
#[derive(Debug, Default)]
pub(crate) struct Confirmations {
    /// The newest final block.
    finalized: Option<(Height, BlockId)>,
    /// Seats by block, for blocks that are not final.
    seats: BTreeMap<Height, Counted>,
}

impl Confirmations {
    /// The answer to a question that was asked at `tip`.
    fn take(&mut self, height: Height, block: BlockId, seats: u32, tip: Height) {
        self.seats.insert(height, Counted { block, seats, tip });
    }

    /// News may have waited unheard while the chain grew: they settle nothing.
    fn hear(&mut self, news: &SeatNews, seats: u32) {
        let height = Height::new(news.height);
        self.take(height, news.block.0, seats, height);
    }

    fn finalize(&mut self, point: &CheckpointPoint) {
        self.finalized = Some((Height::new(point.height), point.id.0));
    }
}

impl Session {
    /// How far the block at `height` of the followed chain has come.
    #[must_use]
    pub fn stage_of_block(&self, height: Height) -> Stage {
        let known = &self.confirmations;
        let is_followed = |at: Height, id: BlockId| match self.ledger.followed(at) {
            Some(followed) => followed == id,
            // Older than what the wallet remembers, or not followed yet.
            None => at < self.tip_height(),
        };
        match known.finalized {
            Some((at, id)) if height <= at && is_followed(at, id) => return Stage::Final,
            _ => {}
        }
        let seats = known.seats.get(&height);
        let seats = seats.filter(|counted| is_followed(height, counted.block));
        match seats {
            Some(counted) if counted.seats >= law::CONFIRMING_SEATS => Stage::Confirmed,
            _ => Stage::InBlock,
        }
    }

    /// How far a message has come.
    #[must_use]
    pub fn stage_of(&self, delivery: &Delivery) -> Stage {
        match delivery {
            Delivery::Failed(_) => Stage::Failed,
            Delivery::Queued => Stage::Queued,
            Delivery::Delivered => Stage::Delivered,
            Delivery::InBlock(place) => self.stage_of_block(place.height),
        }
    }

    /// How far a message has come, or its successor if it had to be written again; and the block
    /// that holds it.
    #[must_use]
    pub fn message_stage(
        &self,
        conversation: Option<&ConversationId>,
        reference: &MessageRef,
    ) -> Option<(MessageRef, Stage, Option<Height>)> {
        let (newest, delivery) = self.delivery(conversation, reference)?;
        let height = match &delivery {
            Delivery::InBlock(place) => Some(place.height),
            _ => None,
        };
        Some((newest, self.stage_of(&delivery), height))
    }

    /// How far an own transaction has come, and the block that holds it; [`Stage::Failed`] if
    /// another order took its place.
    #[must_use]
    pub fn order_stage(&self, id: &TxId) -> Option<(Stage, Option<Height>)> {
        Some(match self.order_state(id)? {
            OrderState::Pending | OrderState::Waiting { .. } => (Stage::Queued, None),
            OrderState::Superseded => (Stage::Failed, None),
            OrderState::InBlock { height } => (self.stage_of_block(height), Some(height)),
        })
    }

    /// Takes what the node's stream of confirmations says.
    pub fn hear_finality(&mut self, event: &FinalityEvent) {
        match event {
            FinalityEvent::Confirmed(news) => self.confirmations.hear(news, news.seats),
            FinalityEvent::Unconfirmed(news) => {
                let seats = if news.best_chain { news.seats } else { 0 };
                self.confirmations.hear(news, seats);
            }
            FinalityEvent::Finalized(point) => self.confirmations.finalize(point),
            FinalityEvent::Justified(_) => {}
        }
    }

    /// Asks the node how far the blocks have come that hold something of ours.
    ///
    /// # Errors
    /// [`SessionError::Node`].
    pub async fn look_at_confirmations(&mut self, node: &dyn NodeApi) -> Result<(), SessionError> {
        let status = node.chain_get_finality().await?;
        self.confirmations.finalize(&status.finalized);
        let finalized = Height::new(status.finalized.height);
        let wanted = self.heights_of_ours(finalized);
        let known = &mut self.confirmations.seats;
        known.retain(|height, _| wanted.contains(height));
        let is_settled = |height: &Height| {
            let known = self.confirmations.seats.get(height);
            known.is_some_and(|counted| {
                // Deep now is not enough: it must have been when this was said.
                let was_deep = counted.tip.get().saturating_sub(height.get()) > SETTLED_BLOCKS;
                was_deep && self.ledger.followed(*height) == Some(counted.block)
            })
        };
        let open: Vec<Height> = wanted.into_iter().filter(|at| !is_settled(at)).collect();
        self.read_seats(&open, node).await?;
        Ok(())
    }

    /// Heights, above what is final, of blocks that hold something of ours; as far down as a
    /// reorganisation may reach.
    fn heights_of_ours(&self, finalized: Height) -> BTreeSet<Height> {
        let deepest = self.tip_height().get().saturating_sub(law::UNDO_BLOCKS);
        let messages = self.messenger.canonical_blocks().map(|(height, _)| height);
        let orders = self.ledger.orders().into_iter();
        let orders = orders.filter_map(|(_, _, state)| match state {
            OrderState::InBlock { height } => Some(height),
            _ => None,
        });
        messages
            .chain(orders)
            .filter(|height| *height > finalized && height.get() >= deepest)
            .collect()
    }

    /// Reads the seats of these blocks, ascending; blocks near each other come with one question.
    async fn read_seats(
        &mut self,
        heights: &[Height],
        node: &dyn NodeApi,
    ) -> Result<(), RpcFailure> {
        let tip = self.tip_height();
        let mut rest = heights;
        while let Some(first) = rest.first() {
            let end = first.get().saturating_add(SEAT_BLOCKS_MAX.into());
            let (now, later) = rest.split_at(rest.partition_point(|height| height.get() < end));
            let last = now.last().unwrap_or(first);
            let count = last.get().saturating_sub(first.get()).saturating_add(1);
            let asked = GetSeats {
                from: first.get(),
                count: u32::try_from(count).unwrap_or(SEAT_BLOCKS_MAX),
            };
            let page = node.chain_get_seats(asked).await?;
            for block in page.blocks {
                // A node that counts no more does not take back what it said before.
                let height = Height::new(block.height);
                if let (Some(seats), Ok(_)) = (block.seats, now.binary_search(&height)) {
                    self.confirmations.take(height, block.id.0, seats, tip);
                }
            }
            rest = later;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
