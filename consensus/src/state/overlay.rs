//! What a block under way has changed so far, on top of the state before it.
//!
//! # Invariants
//! * Reads show the block's own changes first; the view itself is never touched.
//! * [`Overlay::finish`] names only what differs from the view.
//!
//! # Spec
//! docs/spec/11-state.md §4
//!
//! # Not here
//! The rules: `transition`.

use std::collections::BTreeMap;

use chain::codec::{self, Decode, Encode};
use chain::units::RateEpoch;
use chain::{Hash32, Height, PublicKey};

use super::{StateDiff, StateKey, StateView, tree, value};
use crate::error::ViewError;

/// A state under construction.
pub(crate) struct Overlay<'v, V> {
    view: &'v V,
    values: BTreeMap<StateKey, Option<Vec<u8>>>,
    seen: BTreeMap<PublicKey, Option<RateEpoch>>,
}

/// Both ways between two states, and the root of the second.
pub(crate) struct Difference {
    pub diff: StateDiff,
    pub undo: StateDiff,
    pub root: Hash32,
}

impl<'v, V: StateView> Overlay<'v, V> {
    pub(crate) fn new(view: &'v V) -> Self {
        Self {
            view,
            values: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    pub(crate) fn view(&self) -> &'v V {
        self.view
    }

    /// The value under `key` as it stands now.
    pub(crate) fn get<T: Decode>(&self, key: &StateKey) -> Result<Option<T>, ViewError> {
        if let Some(now) = self.values.get(key) {
            let bytes = now.as_ref();
            return bytes.map(|bytes| value::decode(key, bytes)).transpose();
        }
        self.view
            .value(key)?
            .map(|bytes| value::decode(key, &bytes))
            .transpose()
    }

    pub(crate) fn set(&mut self, key: StateKey, value: &impl Encode) {
        self.values.insert(key, Some(codec::encode(value)));
    }

    /// Removes a value that is over; nothing happens if there is none.
    pub(crate) fn remove(&mut self, key: StateKey) {
        self.values.insert(key, None);
    }

    /// The rate epoch of the envelope that used `key`, this block's included.
    pub(crate) fn seen(&self, key: &PublicKey) -> Result<Option<RateEpoch>, ViewError> {
        match self.seen.get(key) {
            Some(now) => Ok(*now),
            None => self.view.seen(key),
        }
    }

    pub(crate) fn mark_seen(&mut self, key: PublicKey, epoch: RateEpoch) {
        self.seen.insert(key, Some(epoch));
    }

    /// Forgets the keys of an epoch that no later block may include.
    pub(crate) fn forget_seen_in(&mut self, epoch: RateEpoch) -> Result<(), ViewError> {
        for key in self.view.seen_in(epoch)? {
            self.seen.insert(key, None);
        }
        self.seen.retain(|_, now| *now != Some(epoch));
        Ok(())
    }

    /// The changes as two differences; `height` is the tip's plus one.
    pub(crate) fn finish(self, height: Height) -> Result<Difference, ViewError> {
        let (mut diff, mut undo) = (StateDiff::default(), StateDiff::default());
        for (key, after) in self.values {
            let before = self.view.value(&key)?;
            if before != after {
                undo.values.insert(key, before);
                diff.values.insert(key, after);
            }
        }
        for (key, after) in self.seen {
            undo.seen.insert(key, self.view.seen(&key)?);
            diff.seen.insert(key, after);
        }
        let tree = tree::update(self.view, height, &diff.values)?;
        diff.nodes = tree.nodes;
        undo.nodes = tree.undo;
        Ok(Difference {
            diff,
            undo,
            root: tree.root,
        })
    }
}
