//! Kill points: places where a test may end the process as a power cut would.
//!
//! # Invariants
//! * Unarmed, a pass is counted; armed, the process aborts at the n-th pass without unwinding.
//! * Only the private networks can arm one.
//!
//! # Spec
//! docs/spec/13-storage.md §8
//!
//! # Not here
//! Where the text comes from: `cli` reads `X3C_KILL_AT`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chain::Network;

use crate::error::KillPointError;

/// The folder is locked and its stamp fits; the database is still closed.
pub const OPEN_LOCKED: &str = "store.open.locked";
/// A new database is complete under its temporary name.
pub const OPEN_CREATED: &str = "store.open.created";
/// The database has replayed its log; nothing of it is checked yet.
pub const OPEN_RECOVERED: &str = "store.open.recovered";
/// A block's batch is complete in memory.
pub const COMMIT_BEFORE_WRITE: &str = "store.commit.before_write";
/// A block's batch is written, the caller does not know yet.
pub const COMMIT_AFTER_WRITE: &str = "store.commit.after_write";
/// The batch that takes the tip back is complete in memory.
pub const DISCONNECT_BEFORE_WRITE: &str = "store.disconnect.before_write";
/// The batch that takes the tip back is written, the caller does not know yet.
pub const DISCONNECT_AFTER_WRITE: &str = "store.disconnect.after_write";
/// The anchors' batch is complete in memory.
pub const ANCHORS_BEFORE_WRITE: &str = "store.anchors.before_write";
/// The anchors are written, the caller does not know yet.
pub const ANCHORS_AFTER_WRITE: &str = "store.anchors.after_write";
/// Durable submissions are gathered in memory.
pub const PENDING_BEFORE_WRITE: &str = "store.pending.before_write";
/// Durable submissions are synced, their senders do not know yet.
pub const PENDING_AFTER_WRITE: &str = "store.pending.after_write";
/// What a key is about to sign is complete in memory.
pub const BALLOT_BEFORE_WRITE: &str = "store.ballot.before_write";
/// What a key is about to sign is synced, the signer does not know yet.
pub const BALLOT_AFTER_WRITE: &str = "store.ballot.after_write";
/// Records are appended to the vault and not synced.
pub const VAULT_BEFORE_SYNC: &str = "vault.append.before_sync";
/// Records are synced, the caller does not know yet.
pub const VAULT_AFTER_SYNC: &str = "vault.append.after_sync";
/// The vault's compact copy is synced under its temporary name.
pub const VAULT_BEFORE_RENAME: &str = "vault.compact.before_rename";

/// All kill points of this crate.
pub const POINTS: [&str; 16] = [
    OPEN_LOCKED,
    OPEN_CREATED,
    OPEN_RECOVERED,
    COMMIT_BEFORE_WRITE,
    COMMIT_AFTER_WRITE,
    DISCONNECT_BEFORE_WRITE,
    DISCONNECT_AFTER_WRITE,
    ANCHORS_BEFORE_WRITE,
    ANCHORS_AFTER_WRITE,
    PENDING_BEFORE_WRITE,
    PENDING_AFTER_WRITE,
    BALLOT_BEFORE_WRITE,
    BALLOT_AFTER_WRITE,
    VAULT_BEFORE_SYNC,
    VAULT_AFTER_SYNC,
    VAULT_BEFORE_RENAME,
];

/// Counts the passes of every point, and at most one of them ends the process. Clones share both.
#[derive(Clone, Debug)]
pub struct KillPoints {
    points: Arc<[Point]>,
    /// Index of the armed point and the pass that it waits for.
    armed: Option<(usize, u64)>,
}

#[derive(Debug)]
struct Point {
    name: &'static str,
    passes: AtomicU64,
}

impl Default for KillPoints {
    fn default() -> Self {
        Self::none()
    }
}

impl KillPoints {
    /// Nothing armed; counts the points of this crate.
    #[must_use]
    pub fn none() -> Self {
        Self {
            points: points(&POINTS),
            armed: None,
        }
    }

    /// Arms `point:n`, where `point` is one of `known`: [`POINTS`] and those of other crates.
    ///
    /// # Errors
    /// [`KillPointError`]: a public network, an unknown point, or not of that form.
    pub fn parse(
        text: &str,
        network: Network,
        known: &[&'static str],
    ) -> Result<Self, KillPointError> {
        if !matches!(network, Network::Dev | Network::Regtest) {
            return Err(KillPointError::Network { network });
        }
        let (name, pass) = text.rsplit_once(':').ok_or(KillPointError::Syntax)?;
        let pass: u64 = pass.parse().map_err(|_| KillPointError::Syntax)?;
        if pass == 0 {
            return Err(KillPointError::Syntax);
        }
        let unknown = || KillPointError::Unknown {
            point: name.to_owned(),
        };
        let index = known
            .iter()
            .position(|known| *known == name)
            .ok_or_else(unknown)?;
        Ok(Self {
            points: points(known),
            armed: Some((index, pass)),
        })
    }

    /// Counts a pass, and ends the process if it is the one that was asked for.
    pub fn pass(&self, name: &'static str) {
        let Some(index) = self.points.iter().position(|point| point.name == name) else {
            return;
        };
        let before = self.points[index].passes.fetch_add(1, Ordering::Relaxed);
        if self.armed == Some((index, before.saturating_add(1))) {
            tracing::error!(point = name, "kill point reached");
            std::process::abort();
        }
    }

    /// Every point and how often it was passed.
    pub fn passes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.points
            .iter()
            .map(|point| (point.name, point.passes.load(Ordering::Relaxed)))
    }
}

fn points(names: &[&'static str]) -> Arc<[Point]> {
    names
        .iter()
        .map(|name| Point {
            name,
            passes: AtomicU64::new(0),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_point_is_a_known_name_and_a_count() {
        let parse = |text| KillPoints::parse(text, Network::Regtest, &POINTS);
        assert!(parse("store.commit.before_write:3").is_ok());
        for text in [
            "",
            "store.commit.before_write",
            "store.commit.before_write:0",
            "vault:-1",
        ] {
            assert_eq!(
                parse(text).map(|_| ()),
                Err(KillPointError::Syntax),
                "{text}"
            );
        }
        let unknown = KillPointError::Unknown {
            point: "store.nowhere".to_owned(),
        };
        assert_eq!(parse("store.nowhere:1").map(|_| ()), Err(unknown));
    }

    #[test]
    fn public_networks_have_no_kill_points() {
        for network in [Network::Main, Network::Test] {
            let refused = KillPoints::parse("store.open.locked:1", network, &POINTS);
            assert_eq!(
                refused.map(|_| ()),
                Err(KillPointError::Network { network })
            );
        }
    }

    #[test]
    fn passes_are_counted_and_only_the_armed_one_ends_the_process() {
        let armed = KillPoints::parse("store.open.locked:2", Network::Dev, &POINTS).expect("known");
        for points in [KillPoints::none(), armed] {
            let shared = points.clone();
            shared.pass(COMMIT_BEFORE_WRITE);
            shared.pass(COMMIT_BEFORE_WRITE);
            shared.pass(OPEN_LOCKED);
            shared.pass("another crate's");
            let passed: Vec<_> = points.passes().filter(|(_, passes)| *passes > 0).collect();
            assert_eq!(passed, [(OPEN_LOCKED, 1), (COMMIT_BEFORE_WRITE, 2)]);
            assert_eq!(points.passes().count(), POINTS.len());
        }
    }
}
