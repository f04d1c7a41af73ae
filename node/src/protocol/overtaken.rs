//! Races between blocks and loose items: what a block overtook on its way is held against nobody.
//!
//! # Invariants
//! * Judged by exact bytes: whoever makes new items that come too late is scored for them.
//! * Bounded by the items of [`RACE_BLOCKS`] blocks.
//!
//! # Spec
//! docs/spec/06-wire.md §8
//!
//! # Not here
//! How much a broken rule weighs otherwise (`consensus::Rule::severity`).

use std::collections::{BTreeSet, VecDeque};

use chain::{Body, Hash32};
use consensus::Rule;
use genesis::{Params, law};

use crate::wire::{envelope_name, transaction_name};

/// How many blocks may pass while an item is on its way: gossip remembers a message for a minute,
/// and at two seconds per solution that is thirty blocks.
pub(super) const RACE_BLOCKS: u64 = 32;

/// Names of what the last blocks took.
#[derive(Debug, Default)]
pub(super) struct Overtaken {
    blocks: VecDeque<BTreeSet<Hash32>>,
}

impl Overtaken {
    /// A block is on the chain.
    pub(super) fn block_connected(&mut self, body: &Body) {
        if self.blocks.len() as u64 >= RACE_BLOCKS {
            self.blocks.pop_front();
        }
        let transactions = body.transactions.iter().map(transaction_name);
        let envelopes = body.envelopes.iter().map(envelope_name);
        self.blocks
            .push_back(transactions.chain(envelopes).collect());
    }

    /// Whether one of the last blocks took the item of this name.
    pub(super) fn contains(&self, name: &Hash32) -> bool {
        self.blocks.iter().any(|block| block.contains(name))
    }
}

/// Whether a block that came in the last moments made the difference: before it the item would have
/// been in time.
pub(super) fn was_in_time_lately(rule: &Rule, params: &Params) -> bool {
    match rule {
        Rule::EpochPast { height, epoch } => (1..=RACE_BLOCKS).any(|blocks| {
            let before = height.checked_sub(blocks);
            before.is_some_and(|before| params.accepts_epoch(before, *epoch))
        }),
        Rule::StampTooOld { height, reference } => {
            let age = height.get().saturating_sub(u64::from(*reference));
            age <= law::STAMP_AGE_MAX + RACE_BLOCKS
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use chain::units::RateEpoch;
    use chain::{EnvelopeBytes, Height, Network};

    use super::*;

    fn body(number: u64) -> Body {
        let params = Params::of(Network::Regtest);
        let epoch = RateEpoch::new(0);
        let made = consensus::testing::TestEnvelope::message(&params, epoch, number);
        Body {
            envelopes: vec![made.envelope.to_bytes()],
            ..Body::default()
        }
    }

    fn name(body: &Body) -> Hash32 {
        body.envelopes
            .first()
            .map(envelope_name)
            .unwrap_or_default()
    }

    #[test]
    fn only_the_last_blocks_are_remembered_and_only_exact_bytes() {
        let mut overtaken = Overtaken::default();
        let first = body(1);
        overtaken.block_connected(&first);
        assert!(overtaken.contains(&name(&first)));
        let mut bytes = first.envelopes[0].as_slice().to_vec();
        *bytes.last_mut().expect("not empty") ^= 1;
        assert!(!overtaken.contains(&envelope_name(&EnvelopeBytes::new(bytes))));
        for _ in 1..RACE_BLOCKS {
            overtaken.block_connected(&Body::default());
        }
        assert!(overtaken.contains(&name(&first)));
        overtaken.block_connected(&Body::default());
        assert!(!overtaken.contains(&name(&first)));
    }

    #[test]
    fn lateness_by_a_few_blocks_is_told_from_lateness_by_many() {
        let params = Params::of(Network::Regtest);
        let past = |height| Rule::EpochPast {
            height: Height::new(height),
            epoch: RateEpoch::new(0),
        };
        let end = (0..)
            .find(|height| !params.accepts_epoch(Height::new(*height), RateEpoch::new(0)))
            .expect("an epoch ends");
        assert!(was_in_time_lately(&past(end), &params));
        assert!(was_in_time_lately(&past(end - 1 + RACE_BLOCKS), &params));
        assert!(!was_in_time_lately(&past(end + RACE_BLOCKS), &params));
        let old = |height| Rule::StampTooOld {
            height: Height::new(height),
            reference: 16,
        };
        let last = 16 + law::STAMP_AGE_MAX;
        assert!(was_in_time_lately(&old(last + RACE_BLOCKS), &params));
        assert!(!was_in_time_lately(&old(last + RACE_BLOCKS + 1), &params));
        assert!(!was_in_time_lately(&Rule::StampNotFirst, &params));
    }
}
