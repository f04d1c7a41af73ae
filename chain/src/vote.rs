//! Votes of stakers for blocks: the gossiped form and the one that a block includes.
//!
//! # Invariants
//! Both forms carry the same signature, over (height, block id, bond).
//!
//! # Spec
//! docs/spec/02-blocks.md §2.2
//!
//! # Not here
//! Seats, inclusion and slashing: `consensus`.

use crate::codec::{SchemaRead, SchemaWrite};
use crate::hash::{BlockId, ChainId};
use crate::signature::{self, PublicKey, Signature, tag};
use crate::units::{BondId, Height};

/// One bond's signature for one block, as it is gossiped (108 B).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Vote {
    /// Height of the block voted for.
    pub height: Height,
    /// The block voted for.
    pub block: BlockId,
    /// Who votes.
    pub bond: BondId,
    /// By the bond's vote key.
    pub signature: Signature,
}

impl Vote {
    /// Bytes that the signature covers.
    #[must_use]
    pub fn signed_bytes(height: Height, block: &BlockId, bond: BondId) -> Vec<u8> {
        let mut bytes = height.get().to_le_bytes().to_vec();
        bytes.extend_from_slice(block.as_bytes());
        bytes.extend_from_slice(&bond.get().to_le_bytes());
        bytes
    }

    /// Whether the signature is `key`'s.
    #[must_use]
    pub fn is_signed_by(&self, key: &PublicKey, chain: &ChainId) -> bool {
        let body = Self::signed_bytes(self.height, &self.block, self.bond);
        signature::verify(tag::VOTE, chain, &[&body], key, &self.signature)
    }
}

/// A vote inside a block (69 B): the block voted for is the ancestor `back` heights below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct IncludedVote {
    /// 1..=8.
    pub back: u8,
    /// Who votes.
    pub bond: BondId,
    /// By the bond's vote key.
    pub signature: Signature,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::encoded_len;
    use secp256k1::Keypair;

    #[test]
    fn sizes_are_the_specified_ones() {
        assert_eq!(encoded_len(&Vote::default()), 8 + 32 + 4 + 64);
        assert_eq!(encoded_len(&IncludedVote::default()), 69);
    }

    #[test]
    fn a_vote_is_bound_to_height_block_and_bond() {
        let keypair = Keypair::from_secret_bytes([5; 32]).expect("a valid secret");
        let (key, chain) = (PublicKey::from(&keypair), ChainId::default());
        let (height, block, bond) = (Height::new(9), BlockId::default(), BondId::new(2));
        let body = Vote::signed_bytes(height, &block, bond);
        let signature = signature::sign(tag::VOTE, &chain, &[&body], &keypair, &[0; 32]);
        let vote = Vote {
            height,
            block,
            bond,
            signature,
        };
        assert!(vote.is_signed_by(&key, &chain));
        assert!(
            !Vote {
                height: Height::new(10),
                ..vote
            }
            .is_signed_by(&key, &chain)
        );
        assert!(
            !Vote {
                bond: BondId::new(3),
                ..vote
            }
            .is_signed_by(&key, &chain)
        );
        let other = BlockId::from_bytes([1; 32]);
        assert!(
            !Vote {
                block: other,
                ..vote
            }
            .is_signed_by(&key, &chain)
        );
    }
}
