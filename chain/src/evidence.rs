//! Proofs that a staker or a masternode signed what it must not.
//!
//! # Invariants
//! Evidence is self-contained: two signatures and what they are over.
//!
//! # Spec
//! docs/spec/02-blocks.md §2.4
//!
//! # Not here
//! What it costs: `consensus`.

use crate::codec::{SchemaRead, SchemaWrite};
use crate::hash::BlockId;
use crate::signature::Signature;
use crate::units::{BondId, CheckpointNumber, Height, MasternodeId};

/// One proof of misbehaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub enum Evidence {
    /// Two votes of one bond at one height.
    #[wincode(tag = 0)]
    DoubleVote(DoubleVote),
    /// Two finality votes of one masternode that contradict each other.
    #[wincode(tag = 1)]
    FinalityConflict(FinalityConflict),
}

/// Two votes of one bond at one height for different blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct DoubleVote {
    /// Who voted twice.
    pub bond: BondId,
    /// At this height.
    pub height: Height,
    /// The smaller block id.
    pub block_a: BlockId,
    /// Signature for it.
    pub signature_a: Signature,
    /// The larger block id.
    pub block_b: BlockId,
    /// Signature for it.
    pub signature_b: Signature,
}

/// Two links of one masternode: a double vote or a surround vote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct FinalityConflict {
    /// Who signed both.
    pub masternode: MasternodeId,
    /// First link.
    pub first: SignedLink,
    /// Second link.
    pub second: SignedLink,
}

/// A finality vote without its masternode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct SignedLink {
    /// Source checkpoint.
    pub source: CheckpointNumber,
    /// Target checkpoint.
    pub target: CheckpointNumber,
    /// The target's block.
    pub target_id: BlockId,
    /// Signature over the link.
    pub signature: Signature,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::encoded_len;

    #[test]
    fn sizes_are_the_specified_ones() {
        let double = Evidence::DoubleVote(DoubleVote::default());
        assert_eq!(encoded_len(&double), 1 + 4 + 8 + 2 * (32 + 64));
        let conflict = Evidence::FinalityConflict(FinalityConflict::default());
        assert_eq!(encoded_len(&conflict), 1 + 4 + 2 * (4 + 4 + 32 + 64));
    }
}
