//! Health and metrics: figures that cost nothing to read.
//!
//! # Invariants
//! Labels are bounded; nothing about a user's accounts or messages is a figure.
//!
//! # Spec
//! docs/spec/07-rpc.md §7
//!
//! # Not here
//! The listener: `rpc::http`.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use network::{Counter, Handle};
use rpc::{Health, HealthSource};

use crate::service::{Mailbox, tip_time};

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
        for (name, kind, value) in rows {
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
