//! Kill points: places where a test may end the process as a power cut would.
//!
//! # Invariants
//! * Unarmed, a pass does nothing; armed, the process aborts at the n-th pass without unwinding.
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
/// Durable submissions are gathered in memory.
pub const PENDING_BEFORE_WRITE: &str = "store.pending.before_write";
/// Durable submissions are synced, their senders do not know yet.
pub const PENDING_AFTER_WRITE: &str = "store.pending.after_write";
/// Records are appended to the vault and not synced.
pub const VAULT_BEFORE_SYNC: &str = "vault.append.before_sync";
/// Records are synced, the caller does not know yet.
pub const VAULT_AFTER_SYNC: &str = "vault.append.after_sync";
/// The vault's compact copy is synced under its temporary name.
pub const VAULT_BEFORE_RENAME: &str = "vault.compact.before_rename";

/// All kill points of this crate.
pub const POINTS: [&str; 12] = [
    OPEN_LOCKED,
    OPEN_CREATED,
    OPEN_RECOVERED,
    COMMIT_BEFORE_WRITE,
    COMMIT_AFTER_WRITE,
    DISCONNECT_BEFORE_WRITE,
    DISCONNECT_AFTER_WRITE,
    PENDING_BEFORE_WRITE,
    PENDING_AFTER_WRITE,
    VAULT_BEFORE_SYNC,
    VAULT_AFTER_SYNC,
    VAULT_BEFORE_RENAME,
];

/// At most one armed kill point; clones share the count.
#[derive(Clone, Debug, Default)]
pub struct KillPoints(Option<Arc<Armed>>);

#[derive(Debug)]
struct Armed {
    point: &'static str,
    passes_left: AtomicU64,
}

impl KillPoints {
    /// Nothing armed.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
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
        let (name, passes) = text.rsplit_once(':').ok_or(KillPointError::Syntax)?;
        let passes: u64 = passes.parse().map_err(|_| KillPointError::Syntax)?;
        if passes == 0 {
            return Err(KillPointError::Syntax);
        }
        let unknown = || KillPointError::Unknown {
            point: name.to_owned(),
        };
        let point = known
            .iter()
            .find(|point| **point == name)
            .ok_or_else(unknown)?;
        Ok(Self(Some(Arc::new(Armed {
            point,
            passes_left: AtomicU64::new(passes),
        }))))
    }

    /// Ends the process if this is the pass that was asked for.
    pub fn pass(&self, point: &'static str) {
        let Some(armed) = &self.0 else { return };
        if armed.point != point {
            return;
        }
        if armed.passes_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            tracing::error!(point, "kill point reached");
            std::process::abort();
        }
    }
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
    fn passes_of_other_points_and_earlier_passes_do_nothing() {
        KillPoints::none().pass(OPEN_LOCKED);
        let armed = KillPoints::parse("store.open.locked:2", Network::Dev, &POINTS).expect("known");
        armed.pass(COMMIT_BEFORE_WRITE);
        armed.pass(OPEN_LOCKED);
    }
}
