//! Health and metrics: figures that cost the node's thread next to nothing.
//!
//! # Invariants
//! * Labels are bounded; nothing about a user's accounts or messages is a figure.
//! * The node's thread says what it holds in memory; what stands on the disk is read elsewhere.
//!
//! # Spec
//! docs/spec/07-rpc.md §7
//!
//! # Not here
//! The listener: `rpc::http`.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use chain::Height;
use consensus::ViewError;
use consensus::finality::rosters;
use consensus::stake;
use consensus::state::value;
use genesis::law;
use network::{Counter, Handle};
use rpc::{Health, HealthSource};
use store::{Store, View};

use super::finality_reads::Held;
use super::stake_reads::seats_of;
use crate::service::{Desk, Mailbox, tip_time};

/// Votes are starved if blocks include less than one in this many of the seats drawn: two thirds
/// that sleep or are cut off leave more than that, an eclipse does not.
const STARVATION_DIVISOR: u64 = 4;

/// Where health and metrics come from.
pub(crate) struct Figures {
    mailbox: Mailbox,
    network: Handle,
}

impl Figures {
    pub(crate) fn new(mailbox: Mailbox, network: Handle) -> Self {
        Self { mailbox, network }
    }

    async fn tip(&self) -> Option<(u64, u64, u64)> {
        let asked = self.mailbox.run(|desk| {
            let (height, id) = desk.node.engine().tip().ok()?;
            let behind = desk.node.blocks_behind(height);
            let age_ms = desk
                .now()
                .get()
                .saturating_sub(tip_time(&desk.node, &id).get());
            Some((height.get(), behind, age_ms))
        });
        asked.await.ok().flatten()
    }

    async fn stake(&self) -> StakeFigures {
        let asked = self.mailbox.run(|desk| Counts::of(desk));
        let Ok((counts, store)) = asked.await else {
            return StakeFigures::default();
        };
        let task = tokio::task::spawn_blocking(move || {
            let view = store.view().map_err(ViewError::from)?;
            StakeFigures::of(&view, &counts)
        });
        match task.await {
            Ok(Ok(figures)) => figures,
            // The next scrape tells more; a damaged store ends the node by itself.
            Ok(Err(_)) | Err(_) => StakeFigures::default(),
        }
    }
}

/// What only the node's thread knows.
#[derive(Clone, Copy, Debug)]
struct Counts {
    parent_seats: u64,
    held: Held,
}

impl Counts {
    fn of(desk: &Desk) -> (Self, Arc<Store>) {
        let engine = desk.node.engine();
        let tip = engine.tip().map_or(0, |(height, _)| height.get());
        let parent = seats_of(&desk.node, tip.saturating_sub(1)..tip);
        let counts = Self {
            parent_seats: parent.first().map_or(0, |parent| parent.seats.into()),
            held: Held::of(&desk.node, engine.params()),
        };
        (counts, Arc::clone(&desk.store))
    }
}

/// Stake and finality at the tip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct StakeFigures {
    /// Seats that count for the tip's parent.
    parent_seats: u64,
    /// Seats drawn for the blocks below the tip that the next block may still include votes for.
    window_seats: u64,
    /// Those of them whose votes blocks include.
    window_voted: u64,
    level: u64,
    gap_blocks: u64,
    justified: u64,
    finalized: u64,
    front_members: u64,
}

impl StakeFigures {
    fn of(view: &View<'_>, counts: &Counts) -> Result<Self, ViewError> {
        let (params, tip) = (view.params(), view.tip().height);
        let heights = tip.get().saturating_sub(law::VOTE_BACK_MAX.into()).max(1)..tip.get();
        let mut figures = Self {
            level: stake::level(view, params, tip)?.into(),
            parent_seats: counts.parent_seats,
            ..Self::default()
        };
        for height in heights.clone().map(Height::new) {
            let committee = stake::committee_at(view, params, height)?;
            let seats = committee.members().map(|(_, seat)| u64::from(seat.seats));
            figures.window_seats += seats.sum::<u64>();
            let included = value::included_votes(view, height)?.votes;
            let seats = included.iter().map(|vote| u64::from(vote.seats));
            figures.window_voted += seats.sum::<u64>();
        }
        let (shown, held) = (value::finality(view)?, counts.held);
        let justified = held
            .justified
            .map_or(shown.justified, |held| held.number.max(shown.justified));
        let finalized = held
            .finalized
            .map_or(shown.finalized, |held| held.number.max(shown.finalized));
        figures.justified = justified.get().into();
        figures.finalized = finalized.get().into();
        figures.gap_blocks = tip
            .get()
            .saturating_sub(params.checkpoint_height(finalized).get());
        figures.front_members =
            rosters(view)?.map_or(0, |rosters| rosters.front.members.len() as u64);
        Ok(figures)
    }

    /// Whether far fewer votes than seats reach the blocks of our chain.
    const fn is_starved(&self) -> bool {
        self.window_voted.saturating_mul(STARVATION_DIVISOR) < self.window_seats
    }

    fn rows(&self) -> [(&'static str, &'static str, u64); 9] {
        [
            ("chainchat_parent_seats", "gauge", self.parent_seats),
            ("chainchat_window_seats", "gauge", self.window_seats),
            ("chainchat_window_seats_voted", "gauge", self.window_voted),
            (
                "chainchat_vote_starvation",
                "gauge",
                u64::from(self.is_starved()),
            ),
            ("chainchat_level", "gauge", self.level),
            ("chainchat_finality_gap_blocks", "gauge", self.gap_blocks),
            ("chainchat_justified_checkpoint", "gauge", self.justified),
            ("chainchat_finalized_checkpoint", "gauge", self.finalized),
            ("chainchat_front_members", "gauge", self.front_members),
        ]
    }
}

#[async_trait]
impl HealthSource for Figures {
    async fn health(&self) -> Health {
        let peers = self.mailbox.board.figures.peers.load(Ordering::Relaxed);
        match self.tip().await {
            Some((_, blocks_behind, tip_age_ms)) => Health {
                peers,
                blocks_behind,
                tip_age_ms,
            },
            None => Health {
                peers,
                blocks_behind: u64::MAX,
                tip_age_ms: u64::MAX,
            },
        }
    }

    async fn metrics(&self) -> String {
        let figures = &self.mailbox.board.figures;
        let (height, behind, age_ms) = self.tip().await.unwrap_or_default();
        let rows = [
            ("chainchat_tip_height", "gauge", height),
            ("chainchat_blocks_behind", "gauge", behind),
            ("chainchat_tip_age_ms", "gauge", age_ms),
            (
                "chainchat_peers",
                "gauge",
                u64::from(figures.peers.load(Ordering::Relaxed)),
            ),
            (
                "chainchat_mempool_items",
                "gauge",
                u64::from(figures.mempool_items.load(Ordering::Relaxed)),
            ),
            (
                "chainchat_disk_full",
                "gauge",
                u64::from(figures.disk_full.load(Ordering::Relaxed)),
            ),
            (
                "chainchat_blocks_connected_total",
                "counter",
                figures.blocks_connected.load(Ordering::Relaxed),
            ),
            (
                "chainchat_blocks_disconnected_total",
                "counter",
                figures.blocks_disconnected.load(Ordering::Relaxed),
            ),
            (
                "chainchat_reorgs_refused_total",
                "counter",
                figures.reorgs_refused.load(Ordering::Relaxed),
            ),
            (
                "chainchat_alarms_total",
                "counter",
                figures.alarms.load(Ordering::Relaxed),
            ),
            (
                "chainchat_bans_total",
                "counter",
                figures.bans.load(Ordering::Relaxed),
            ),
            (
                "chainchat_announcement_bytes_total",
                "counter",
                figures.announcement_bytes.load(Ordering::Relaxed),
            ),
        ];
        let mut text = String::new();
        let stake = self.stake().await.rows();
        for (name, kind, value) in rows.into_iter().chain(stake) {
            // Writing to a string cannot fail.
            let _ = write!(text, "# TYPE {name} {kind}\n{name} {value}\n");
        }
        for counter in Counter::ALL {
            let name = format!("chainchat_network_{}_total", counter.name());
            let value = self.network.counter(counter);
            let _ = write!(text, "# TYPE {name} counter\n{name} {value}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_are_starved_below_a_quarter_of_the_seats_and_never_without_a_committee() {
        let figures = |window_seats, window_voted| StakeFigures {
            window_seats,
            window_voted,
            ..StakeFigures::default()
        };
        assert!(!figures(0, 0).is_starved());
        assert!(figures(64, 15).is_starved());
        assert!(!figures(64, 16).is_starved());
    }
}
