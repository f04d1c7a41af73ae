//! Unit and functional tests: trivial difficulty, hash-only proof of work, short epochs.
//!
//! # Spec
//! docs/spec/05-networks.md

use std::collections::BTreeMap;

use chain::units::CompactTarget;
use chain::{Amount, Height, Network, Timestamp};

use crate::activation::Activation;
use crate::params::{FreeEnvelopes, Params, Pow, Retarget};

/// Parameters of regtest.
pub(crate) fn params() -> Params {
    Params {
        network: Network::Regtest,
        pow: Pow::Blake3,
        retarget: Retarget::Constant,
        // Every second hash is a solution.
        target_start: CompactTarget::new(0x207f_ffff),
        target_max: CompactTarget::new(0x207f_ffff),
        // Blocks may be generated faster than time passes.
        future_limit_ms: 7_200_000,
        term_blocks: 12,
        lookback_blocks: 2,
        checkpoint_blocks: 4,
        bond_min: Amount::from_base(Amount::COIN),
        masternode_collateral: Amount::from_base(4 * Amount::COIN),
        roster_members_min: 1,
        roster_share_min_percent: 0,
        unbond_blocks: 48,
        rate_epoch_blocks: 16,
        rate_grace_blocks: 3,
        stamp_effort_min: 1,
        stamp_share_percent: 100,
        free_envelopes: FreeEnvelopes::Allowed,
        active_from: Activation::from_height(Height::new(0)),
        genesis_time: Timestamp::new(1_795_132_803_000),
        trusted: BTreeMap::new(),
    }
}
