//! The state in memory as the rules read it.
//!
//! # Invariants
//! A view shows one state: the storage cannot change while it is held.
//!
//! # Spec
//! docs/spec/11-state.md
//!
//! # Not here
//! How the state changes: the ledger.

use std::cell::Ref;

use chain::units::RateEpoch;
use chain::{Header, Height, PublicKey};
use consensus::{StateKey, StateView, ViewError};

use super::Storage;

/// A state that stands still.
pub struct View<'a>(pub(super) Ref<'a, Storage>);

impl StateView for View<'_> {
    fn value(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.0.state.values.get(key).cloned())
    }

    fn node(&self, node_key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.0.state.nodes.get(node_key).cloned())
    }

    fn seen(&self, one_time_key: &PublicKey) -> Result<Option<RateEpoch>, ViewError> {
        Ok(self.0.state.seen.get(one_time_key).copied())
    }

    fn seen_in(&self, epoch: RateEpoch) -> Result<Vec<PublicKey>, ViewError> {
        let of_epoch = self.0.state.seen.iter();
        let of_epoch = of_epoch.filter(|(_, seen)| **seen == epoch);
        Ok(of_epoch.map(|(key, _)| *key).collect())
    }

    fn ancestor(&self, height: Height) -> Result<Option<Header>, ViewError> {
        let index = usize::try_from(height.get()).unwrap_or(usize::MAX);
        Ok(self.0.state.headers.get(index).copied())
    }

    fn tip_height(&self) -> Result<Height, ViewError> {
        Ok(self.0.tip().height)
    }
}
