//! Private nets that behave like main within a minute: demos and acceptance tests.
//!
//! # Spec
//! docs/spec/05-networks.md

use std::collections::BTreeMap;

use chain::units::CompactTarget;
use chain::{Amount, Height, Network, Timestamp};

use crate::activation::Activation;
use crate::params::{FreeEnvelopes, Params, Pow, Retarget};

/// Parameters of dev.
pub(crate) fn params() -> Params {
    Params {
        network: Network::Dev,
        pow: Pow::EquiX,
        retarget: Retarget::Asert {
            solution_ms: 1_000,
            half_life_ms: 60_000,
        },
        // 2^256 / 197: one solution in 1 s at 197 solutions/s, one CPU thread.
        target_start: CompactTarget::new(0x2001_4cab),
        target_max: CompactTarget::new(0x2004_0000),
        future_limit_ms: 10_000,
        term_blocks: 16,
        lookback_blocks: 4,
        checkpoint_blocks: 4,
        bond_min: Amount::from_base(Amount::COIN),
        masternode_collateral: Amount::from_base(4 * Amount::COIN),
        roster_members_min: 1,
        roster_share_min_percent: 0,
        unbond_blocks: 64,
        rate_epoch_blocks: 32,
        rate_grace_blocks: 6,
        stamp_effort_min: 16,
        stamp_share_percent: 100,
        free_envelopes: FreeEnvelopes::Refused,
        active_from: Activation::from_height(Height::new(0)),
        genesis_time: Timestamp::new(1_795_132_802_000),
        trusted: BTreeMap::new(),
    }
}
