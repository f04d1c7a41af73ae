//! Proofs of misbehaviour that wait for a block.
//!
//! # Invariants
//! * One proof for each misdeed, at most [`OFFENCES_MAX`] in all; a newcomer finds no place then.
//! * A proof leaves with the block that includes it, comes back with its disconnection, and is
//!   forgotten when no block may include it any more.
//!
//! # Spec
//! docs/spec/06-wire.md §10, docs/spec/02-blocks.md §2.4
//!
//! # Not here
//! What a misdeed costs: `consensus`.

use std::collections::BTreeMap;

use chain::Height;
use chain::evidence::Evidence;
use consensus::CheckedEvidence;
use consensus::evidence::{Misdeed, misdeed};

/// Proofs that wait: sixteen blocks' worth. Each one is a loss for somebody, so more have never
/// been there at once.
pub const OFFENCES_MAX: usize = 64;

/// Proofs by misdeed.
#[derive(Debug, Default)]
pub struct Offences(BTreeMap<Misdeed, CheckedEvidence>);

impl Offences {
    /// Keeps a proof; says whether it is news and found a place.
    pub fn add(&mut self, proof: CheckedEvidence) -> bool {
        let misdeed = misdeed(proof.evidence());
        if self.0.len() >= OFFENCES_MAX || self.0.contains_key(&misdeed) {
            return false;
        }
        self.0.insert(misdeed, proof);
        true
    }

    /// Whether a misdeed is proved already.
    #[must_use]
    pub fn proves(&self, misdeed: &Misdeed) -> bool {
        self.0.contains_key(misdeed)
    }

    /// A block includes a proof of this misdeed, or none will.
    pub fn remove(&mut self, evidence: &Evidence) {
        self.0.remove(&misdeed(evidence));
    }

    /// Forgets double votes at and below a height: nothing can be proved about them any more.
    pub fn forget_up_to(&mut self, height: Height) {
        self.0.retain(|misdeed, _| match misdeed {
            Misdeed::DoubleVote(_, voted) => *voted > height,
            Misdeed::FinalityConflict(_) => true,
        });
    }

    /// All proofs.
    pub fn iter(&self) -> impl Iterator<Item = &CheckedEvidence> {
        self.0.values()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain::Network;
    use consensus::testing::{Owner, TestChain};

    #[test]
    fn proofs_are_bounded_single_and_forgotten() {
        let chain = TestChain::new(Network::Regtest);
        let proof = |bond, height| chain.double_vote(&Owner::new(1), bond, height);
        let mut offences = Offences::default();
        assert!(offences.add(proof(1, 30)));
        assert!(!offences.add(proof(1, 30)), "proved already");
        for bond in 2..=OFFENCES_MAX as u32 {
            assert!(offences.add(proof(bond, 31)));
        }
        assert!(!offences.add(proof(100, 31)), "no place");
        assert!(offences.proves(&misdeed(proof(1, 30).evidence())));
        offences.remove(proof(1, 30).evidence());
        assert!(offences.add(proof(100, 32)));
        offences.forget_up_to(Height::new(31));
        assert_eq!(offences.len(), 1);
        offences.forget_up_to(Height::new(32));
        assert!(offences.is_empty());
        assert!(offences.add(chain.finality_conflict(&Owner::new(2), 0)));
        offences.forget_up_to(Height::new(1_000));
        assert_eq!(offences.len(), 1, "a masternode is slashed at any time");
    }
}
