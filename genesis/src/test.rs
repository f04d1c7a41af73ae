//! Public trials: main with smaller rosters and a shorter release of bonds.
//!
//! # Spec
//! docs/spec/05-networks.md

use chain::{Network, Timestamp};

use crate::params::Params;

/// Parameters of test.
pub(crate) fn params() -> Params {
    let main = crate::main::params();
    Params {
        network: Network::Test,
        roster_members_min: 4,
        roster_share_min_percent: 1,
        unbond_blocks: 8_192,
        // 2026-11-20 00:00:01 UTC: one second apart from main, so that the chains differ.
        genesis_time: Timestamp::new(1_795_132_801_000),
        ..main
    }
}
