//! Headers, bodies and the blocks they make.
//!
//! # Invariants
//! * A header is [`Header::BYTES`] long; its id covers every byte, the challenge all but the
//!   solution.
//! * A body is named by three roots in the header; who sends a body that does not match them is at
//!   fault, the header is not.
//!
//! # Spec
//! docs/spec/02-blocks.md §1-2
//!
//! # Not here
//! Rules on any field: `consensus::{header, block}`. Relay forms of a block: `node::wire`.

use crate::address::AccountId;
use crate::codec::{self, List, SchemaRead, SchemaWrite};
use crate::envelope::EnvelopeBytes;
use crate::evidence::Evidence;
use crate::finality::FinalityGroup;
use crate::hash::{BlockId, Hash32, context, derive};
use crate::merkle;
use crate::transaction::Transaction;
use crate::units::{Amount, CheckpointNumber, CompactTarget, Height, Timestamp};
use crate::vote::IncludedVote;

/// Memory that the transactions of one body may take; a body of the largest size (1 MiB) full of
/// the smallest transactions (126 B on the wire, under 480 B in memory) stays below it.
const TRANSACTIONS_BYTES_MAX: usize = 4 << 20;
/// Memory that the list of envelopes of one body may take, without their contents.
const ENVELOPES_BYTES_MAX: usize = 2 << 20;
/// Memory of a list in the aux section, which is at most 64 KiB on the wire.
const AUX_LIST_BYTES_MAX: usize = 128 << 10;

/// What proof of work is done on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, SchemaRead, SchemaWrite)]
pub struct Header {
    /// Version of the rules; unknown bits are refused until an upgrade names them.
    pub version: u32,
    /// Height of this block.
    pub height: Height,
    /// Id of the block before.
    pub parent: BlockId,
    /// Miner's clock.
    pub time: Timestamp,
    /// Target that the proof-of-work hash must not exceed.
    pub target: CompactTarget,
    /// Solutions in the chain up to and including this block: parent's, plus one, plus uncles.
    pub pow_count: u64,
    /// Merkle root over the transactions' bytes.
    pub tx_root: Hash32,
    /// Merkle root over the envelopes' `wid`s.
    pub envelope_root: Hash32,
    /// Merkle root over the aux items.
    pub aux_root: Hash32,
    /// Root of the state after the **parent**.
    pub state_root: Hash32,
    /// Supply after the **parent**.
    pub supply: Amount,
    /// Highest justified checkpoint in the state after the **parent**.
    pub justified: CheckpointNumber,
    /// Highest finalized checkpoint in the state after the **parent**.
    pub finalized: CheckpointNumber,
    /// Account that the miner's reward goes to.
    pub payout: AccountId,
    /// Zero in version 1; reserved for oblivious pool shares.
    pub pow_commit: [u8; 16],
    /// First search counter.
    pub nonce: u64,
    /// Second search counter: pool or worker id.
    pub extra: u64,
    /// Equi-X solution of the challenge.
    pub solution: [u8; 16],
}

impl Header {
    /// Bytes of an encoded header.
    pub const BYTES: usize = 276;
    /// Where the nonce stands in the encoding; `extra` and the solution follow it.
    pub const NONCE_OFFSET: usize = 244;
    /// Bytes of the solution at its end.
    pub const SOLUTION_BYTES: usize = 16;

    /// Names the block.
    #[must_use]
    pub fn id(&self) -> BlockId {
        BlockId::from_bytes(derive(&context::BLOCK_ID, &[&codec::encode(self)]))
    }

    /// What the solution is for: the hash of everything before it.
    #[must_use]
    pub fn challenge(&self) -> [u8; 32] {
        let bytes = codec::encode(self);
        let before_solution = Self::BYTES.saturating_sub(Self::SOLUTION_BYTES);
        derive(
            &context::POW_CHALLENGE,
            &[bytes.get(..before_solution).unwrap_or_default()],
        )
    }

    /// The proof-of-work hash, read as a 256-bit big-endian number.
    #[must_use]
    pub fn pow_hash(&self) -> [u8; 32] {
        derive(&context::POW_HASH, &[&self.challenge(), &self.solution])
    }
}

/// A solved header that lost the race; it counts for the difficulty and earns a part.
pub type Uncle = Header;

/// The items that carry consensus itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Aux {
    /// Ascending by id.
    #[wincode(with = "List<Uncle, AUX_LIST_BYTES_MAX>")]
    pub uncles: Vec<Uncle>,
    /// Ascending by (back, bond).
    #[wincode(with = "List<IncludedVote, AUX_LIST_BYTES_MAX>")]
    pub votes: Vec<IncludedVote>,
    /// Ascending by target.
    #[wincode(with = "List<FinalityGroup, AUX_LIST_BYTES_MAX>")]
    pub finality: Vec<FinalityGroup>,
    /// Proofs of misbehaviour.
    #[wincode(with = "List<Evidence, AUX_LIST_BYTES_MAX>")]
    pub evidence: Vec<Evidence>,
}

impl Aux {
    /// Merkle root over all items, each prefixed by the number of its list.
    #[must_use]
    pub fn root(&self) -> Hash32 {
        let item = |list: u8, bytes: Vec<u8>| merkle::leaf(&[&[list], &bytes]);
        merkle::root(
            self.uncles
                .iter()
                .map(|uncle| item(0, codec::encode(uncle)))
                .chain(self.votes.iter().map(|vote| item(1, codec::encode(vote))))
                .chain(
                    self.finality
                        .iter()
                        .map(|group| item(2, codec::encode(group))),
                )
                .chain(
                    self.evidence
                        .iter()
                        .map(|proof| item(3, codec::encode(proof))),
                ),
        )
    }
}

/// What a block brings: transactions, envelopes, aux items. Rewards are state credits; there is no
/// coinbase.
#[derive(Clone, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Body {
    /// Applied in this order.
    #[wincode(with = "List<Transaction, TRANSACTIONS_BYTES_MAX>")]
    pub transactions: Vec<Transaction>,
    /// Applied in this order, after the transactions.
    #[wincode(with = "List<EnvelopeBytes, ENVELOPES_BYTES_MAX>")]
    pub envelopes: Vec<EnvelopeBytes>,
    /// Consensus' own items.
    pub aux: Aux,
}

impl Body {
    /// The largest body of any network (bytes); the rule in force may be tighter.
    pub const BYTES_MAX: usize = 1 << 20;

    /// Merkle root over the transactions' bytes.
    #[must_use]
    pub fn tx_root(&self) -> Hash32 {
        let leaves = self
            .transactions
            .iter()
            .map(|tx| merkle::leaf(&[&codec::encode(tx)]));
        merkle::root(leaves)
    }

    /// Merkle root over the envelopes' `wid`s.
    ///
    /// # Errors
    /// The first envelope that is none.
    pub fn envelope_root(&self) -> Result<Hash32, crate::EnvelopeError> {
        let leaves = self
            .envelopes
            .iter()
            .map(|bytes| Ok(merkle::leaf(&[bytes.parse()?.wid().as_bytes()])))
            .collect::<Result<Vec<_>, crate::EnvelopeError>>()?;
        Ok(merkle::root(leaves))
    }
}

/// A header and the body it names.
#[derive(Clone, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// The body.
    pub body: Body,
}

impl Block {
    /// The largest block of any network (bytes).
    pub const BYTES_MAX: usize = Header::BYTES + Body::BYTES_MAX;

    /// Names the block.
    #[must_use]
    pub fn id(&self) -> BlockId {
        self.header.id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_the_specified_size_and_its_id_covers_every_byte() {
        let header = Header::default();
        let bytes = codec::encode(&header);
        assert_eq!(bytes.len(), Header::BYTES);
        let mut ids = std::collections::BTreeSet::from([header.id()]);
        for position in 0..Header::BYTES {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            let changed: Header = codec::decode(&changed, Header::BYTES).expect("a header");
            assert!(ids.insert(changed.id()), "byte {position} is not covered");
        }
    }

    #[test]
    fn the_nonce_stands_at_its_offset() {
        let bytes = codec::encode(&Header {
            nonce: u64::MAX,
            ..Header::default()
        });
        let field = Header::NONCE_OFFSET..Header::NONCE_OFFSET + 8;
        assert!(bytes[field].iter().all(|byte| *byte == 0xff));
    }

    #[test]
    fn the_challenge_covers_all_but_the_solution() {
        let header = Header::default();
        let solved = Header {
            solution: [1; 16],
            ..header
        };
        assert_eq!(header.challenge(), solved.challenge());
        assert_ne!(header.pow_hash(), solved.pow_hash());
        let searched = Header { extra: 1, ..header };
        assert_ne!(header.challenge(), searched.challenge());
    }

    #[test]
    fn the_lists_of_the_aux_section_do_not_share_leaves() {
        let uncles = Aux {
            uncles: vec![Header::default()],
            ..Aux::default()
        };
        assert_ne!(uncles.root(), Aux::default().root());
    }
}
