//! The network for people and real coins.
//!
//! # Spec
//! docs/spec/05-networks.md

use std::collections::BTreeMap;

use chain::units::CompactTarget;
use chain::{Amount, Height, Network, Timestamp};

use crate::activation::Activation;
use crate::params::{FreeEnvelopes, Params, Pow, Retarget};

/// Parameters of main.
pub(crate) fn params() -> Params {
    Params {
        network: Network::Main,
        pow: Pow::EquiX,
        // 2 s: the shortest interval at which fewer than 10 % of solutions become uncles.
        retarget: Retarget::Asert {
            solution_ms: 2_000,
            half_life_ms: 300_000,
        },
        // 2^256 / 3152: one solution in 2 s at 1,576 solutions/s, about eight CPU threads.
        target_start: CompactTarget::new(0x1f14_cab8),
        // 2^250.
        target_max: CompactTarget::new(0x2004_0000),
        // Clocks of home computers agree to a few seconds.
        future_limit_ms: 10_000,
        // About 38 minutes.
        term_blocks: 1_024,
        lookback_blocks: 16,
        checkpoint_blocks: 4,
        bond_min: Amount::from_base(100 * Amount::COIN),
        masternode_collateral: Amount::from_base(10_000 * Amount::COIN),
        roster_members_min: 13,
        roster_share_min_percent: 5,
        // About 13 days.
        unbond_blocks: 524_288,
        // About 11 minutes.
        rate_epoch_blocks: 300,
        rate_grace_blocks: 60,
        // About half a second of one thread (judgement).
        stamp_effort_min: 128,
        // Until rate-limit proofs are live, stamps are the only free admission.
        stamp_share_percent: 100,
        free_envelopes: FreeEnvelopes::Refused,
        active_from: Activation::from_height(Height::new(0)),
        // 2026-11-20 00:00 UTC.
        genesis_time: Timestamp::new(1_795_132_800_000),
        trusted: BTreeMap::new(),
    }
}
