//! Finality votes of masternodes: the gossiped form and the groups that a block includes.
//!
//! # Invariants
//! In a group the source and the target's id follow from the including chain; only the gossiped
//! form carries them.
//!
//! # Spec
//! docs/spec/02-blocks.md §2.3
//!
//! # Not here
//! Rosters, justification and slashing: `consensus`.

use crate::codec::{List, SchemaRead, SchemaWrite};
use crate::hash::{BlockId, ChainId};
use crate::signature::{self, PublicKey, Signature, tag};
use crate::units::{CheckpointNumber, MasternodeId};

/// One masternode's signature for the link source -> target (108 B).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct FinalityVote {
    /// Justified checkpoint in the state after the target block.
    pub source: CheckpointNumber,
    /// Checkpoint voted for.
    pub target: CheckpointNumber,
    /// Its block.
    pub target_id: BlockId,
    /// Who votes.
    pub masternode: MasternodeId,
    /// By the masternode's operator key.
    pub signature: Signature,
}

impl FinalityVote {
    /// Bytes that the signature covers.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = self.source.get().to_le_bytes().to_vec();
        bytes.extend_from_slice(&self.target.get().to_le_bytes());
        bytes.extend_from_slice(self.target_id.as_bytes());
        bytes.extend_from_slice(&self.masternode.get().to_le_bytes());
        bytes
    }

    /// Whether the signature is `key`'s.
    #[must_use]
    pub fn is_signed_by(&self, key: &PublicKey, chain: &ChainId) -> bool {
        let body = self.signed_bytes();
        signature::verify(tag::FINALITY, chain, &[&body], key, &self.signature)
    }
}

/// Memory of a group's signatures: at most 256 of them stand in a block.
const SIGNATURES_BYTES_MAX: usize = 256 * size_of::<FinalitySignature>();

/// All signatures for one checkpoint that a block includes.
#[derive(Clone, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct FinalityGroup {
    /// Checkpoint voted for.
    pub target: CheckpointNumber,
    /// Ascending by masternode.
    #[wincode(with = "List<FinalitySignature, SIGNATURES_BYTES_MAX>")]
    pub signatures: Vec<FinalitySignature>,
}

/// One signature of a group (68 B).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct FinalitySignature {
    /// Who votes.
    pub masternode: MasternodeId,
    /// By the masternode's operator key.
    pub signature: Signature,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::encoded_len;
    use secp256k1::Keypair;

    #[test]
    fn sizes_are_the_specified_ones() {
        assert_eq!(encoded_len(&FinalityVote::default()), 4 + 4 + 32 + 4 + 64);
        let signatures = vec![FinalitySignature::default(); 3];
        let group = FinalityGroup {
            target: CheckpointNumber::new(1),
            signatures,
        };
        assert_eq!(encoded_len(&group), 4 + 8 + 3 * 68);
    }

    #[test]
    fn a_finality_vote_is_bound_to_its_link() {
        let keypair = Keypair::from_secret_bytes([5; 32]).expect("a valid secret");
        let (key, chain) = (PublicKey::from(&keypair), ChainId::default());
        let mut vote = FinalityVote {
            target: CheckpointNumber::new(4),
            ..Default::default()
        };
        let body = vote.signed_bytes();
        vote.signature = signature::sign(tag::FINALITY, &chain, &[&body], &keypair, &[0; 32]);
        assert!(vote.is_signed_by(&key, &chain));
        let moved = FinalityVote {
            source: CheckpointNumber::new(1),
            ..vote
        };
        assert!(!moved.is_signed_by(&key, &chain));
    }
}
