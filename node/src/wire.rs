//! What nodes say to each other: the payloads of gossip topics and request protocols.
//!
//! # Invariants
//! * Every payload has a byte limit here; decoding checks it before it allocates.
//! * A block is announced by short ids, salted by the block's own id: nobody can prepare colliding
//!   items ahead of the block, and a short id is a hint, never an identity (the roots decide).
//!
//! # Spec
//! docs/spec/06-wire.md §3
//!
//! # Not here
//! Framing, topics' names, transport limits: `network`.

use chain::block::{Aux, Body, Header};
use chain::codec::{self, List, SchemaRead, SchemaWrite};
use chain::hash::{Context, derive};
use chain::{Block, BlockId, EnvelopeBytes, Hash32, Transaction};

/// blake3 context of short ids.
static SHORT_ID_CONTEXT: Context = Context::new("x3c/shortid");

/// Headers in one answer: 2,000 of 276 B stay below 1 MiB.
pub const HEADERS_MAX: usize = 2_000;
/// Ids in a locator: enough for exponential steps through 2^40 blocks.
pub const LOCATOR_MAX: usize = 64;
/// Bodies asked for at once: four of nearly the largest size fill an answer.
pub const BODIES_MAX: usize = 16;
/// Bytes of bodies in one answer, so that the whole stays below 4 MiB; no body alone is larger.
pub const BODIES_BYTES_MAX: usize = (4 << 20) - 64;
/// Items of a mempool inventory or request: their names stay below 64 KiB.
pub const INVENTORY_MAX: usize = 2_040;
/// Bytes of items in one answer to a mempool or missing-items request.
pub const ITEMS_BYTES_MAX: usize = (2 << 20) - 64;
/// Items of one block: the largest body full of the smallest items stays below this.
pub const BLOCK_ITEMS_MAX: usize = 8_000;

const ID_BYTES: usize = size_of::<Hash32>();

/// First bytes of a salted hash: names an item inside one announced block.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite,
)]
#[wincode(crate = "chain::codec::wincode")]
#[repr(transparent)]
pub struct ShortId([u8; 8]);

impl ShortId {
    /// The short id of `item` (a transaction's leaf name or an envelope's `wid`) in `block`.
    #[must_use]
    pub fn of(block: &BlockId, item: &Hash32) -> Self {
        let [a, b, c, d, e, f, g, h, ..] =
            derive(&SHORT_ID_CONTEXT, &[block.as_bytes(), item.as_bytes()]);
        Self([a, b, c, d, e, f, g, h])
    }
}

/// Names the exact bytes of a transaction, signature included: its Merkle leaf.
#[must_use]
pub fn transaction_name(transaction: &Transaction) -> Hash32 {
    chain::merkle::leaf(&[&codec::encode(transaction)])
}

/// Names the exact bytes of an envelope, whether or not they parse.
#[must_use]
pub fn envelope_name(bytes: &EnvelopeBytes) -> Hash32 {
    match bytes.parse() {
        Ok(envelope) => Hash32::from_bytes(*envelope.wid().as_bytes()),
        Err(_) => Hash32::default(),
    }
}

/// Topic `block`: a block for peers that know most of its content.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct BlockAnnouncement {
    /// The header.
    pub header: Header,
    /// Transactions in order, by salted short id.
    #[wincode(with = "List<ShortId, { BLOCK_ITEMS_MAX * size_of::<ShortId>() }>")]
    pub transactions: Vec<ShortId>,
    /// Envelopes in order, by salted short id.
    #[wincode(with = "List<ShortId, { BLOCK_ITEMS_MAX * size_of::<ShortId>() }>")]
    pub envelopes: Vec<ShortId>,
    /// Whole transactions that the sender thinks are new to others, by position.
    #[wincode(
        with = "List<PrefilledTransaction, { PREFILLED_ITEMS_MAX * size_of::<PrefilledTransaction>() }>"
    )]
    pub new_transactions: Vec<PrefilledTransaction>,
    /// Whole envelopes that the sender thinks are new to others, by position.
    #[wincode(
        with = "List<PrefilledEnvelope, { PREFILLED_ITEMS_MAX * size_of::<PrefilledEnvelope>() }>"
    )]
    pub new_envelopes: Vec<PrefilledEnvelope>,
    /// Consensus' own items, always whole.
    pub aux: Aux,
}

/// Prefilled items of either kind: as many of the smallest transactions as their bytes allow, and
/// some more. What the lists take in memory follows from it, whatever an item's size there.
const PREFILLED_ITEMS_MAX: usize = 512;

/// A whole transaction and its position in the block.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct PrefilledTransaction {
    /// Position in the body's list.
    pub position: u32,
    /// The transaction.
    pub transaction: Transaction,
}

/// A whole envelope and its position in the block.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct PrefilledEnvelope {
    /// Position in the body's list.
    pub position: u32,
    /// The envelope.
    pub envelope: EnvelopeBytes,
}

impl BlockAnnouncement {
    /// Bytes of the largest announcement: short ids of a full block, aux, prefilled items.
    pub const BYTES_MAX: usize = 256 << 10;
    /// Bytes of prefilled items that a sender adds at most.
    pub const PREFILLED_BYTES_MAX: usize = 48 << 10;

    /// Announces `block`; items for which `is_new` holds are sent whole while they fit.
    #[must_use]
    pub fn of(block: &Block, mut is_new: impl FnMut(&Hash32) -> bool) -> Self {
        let id = block.id();
        let mut budget = Self::PREFILLED_BYTES_MAX;
        let mut announcement = Self {
            header: block.header,
            transactions: Vec::with_capacity(block.body.transactions.len()),
            envelopes: Vec::with_capacity(block.body.envelopes.len()),
            new_transactions: Vec::new(),
            new_envelopes: Vec::new(),
            aux: block.body.aux.clone(),
        };
        for (position, transaction) in (0u32..).zip(&block.body.transactions) {
            let name = transaction_name(transaction);
            announcement.transactions.push(ShortId::of(&id, &name));
            let bytes = codec::encoded_len(transaction);
            let has_room = announcement.new_transactions.len() < PREFILLED_ITEMS_MAX;
            if has_room && bytes <= budget && is_new(&name) {
                budget -= bytes;
                let transaction = transaction.clone();
                announcement.new_transactions.push(PrefilledTransaction {
                    position,
                    transaction,
                });
            }
        }
        for (position, envelope) in (0u32..).zip(&block.body.envelopes) {
            let name = envelope_name(envelope);
            announcement.envelopes.push(ShortId::of(&id, &name));
            let bytes = envelope.as_slice().len();
            let has_room = announcement.new_envelopes.len() < PREFILLED_ITEMS_MAX;
            if has_room && bytes <= budget && is_new(&name) {
                budget -= bytes;
                let envelope = envelope.clone();
                announcement
                    .new_envelopes
                    .push(PrefilledEnvelope { position, envelope });
            }
        }
        announcement
    }
}

/// Request on protocol `headers`.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct HeadersRequest {
    /// Ids of the asker's best chain, newest first, in growing steps.
    #[wincode(with = "List<BlockId, { LOCATOR_MAX * ID_BYTES }>")]
    pub locator: Vec<BlockId>,
}

/// Answer on protocol `headers`: the best chain after the first known id of the locator.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct HeadersResponse {
    /// Consecutive headers, at most [`HEADERS_MAX`]; fewer means that was all.
    #[wincode(with = "List<Header, { HEADERS_MAX * size_of::<Header>() }>")]
    pub headers: Vec<Header>,
}

impl HeadersRequest {
    /// Largest request (bytes).
    pub const BYTES_MAX: usize = 8 + LOCATOR_MAX * ID_BYTES;
}

impl HeadersResponse {
    /// Largest answer (bytes).
    pub const BYTES_MAX: usize = 8 + HEADERS_MAX * Header::BYTES;
}

/// Request on protocol `bodies`.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct BodiesRequest {
    /// Blocks whose bodies are wanted, in the order of the answer.
    #[wincode(with = "List<BlockId, { BODIES_MAX * ID_BYTES }>")]
    pub ids: Vec<BlockId>,
}

/// Answer on protocol `bodies`.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct BodiesResponse {
    /// For the first ids of the request, in order; `None` where the body is not had.
    #[wincode(with = "List<Option<Body>, { BODIES_MAX * size_of::<Option<Body>>() }>")]
    pub bodies: Vec<Option<Body>>,
}

impl BodiesRequest {
    /// Largest request (bytes).
    pub const BYTES_MAX: usize = 8 + BODIES_MAX * ID_BYTES;
}

impl BodiesResponse {
    /// Largest answer (bytes).
    pub const BYTES_MAX: usize = 64 + BODIES_BYTES_MAX;
}

/// Request on protocol `mempool`.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub enum MempoolRequest {
    /// Names of everything pending.
    #[wincode(tag = 0)]
    Inventory,
    /// The items with these names.
    #[wincode(tag = 1)]
    Items(#[wincode(with = "List<Hash32, { INVENTORY_MAX * ID_BYTES }>")] Vec<Hash32>),
}

/// Answer on protocol `mempool`.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub enum MempoolResponse {
    /// Names, transactions and envelopes mixed.
    #[wincode(tag = 0)]
    Inventory(#[wincode(with = "List<Hash32, { INVENTORY_MAX * ID_BYTES }>")] Vec<Hash32>),
    /// Items, as many as fit.
    #[wincode(tag = 1)]
    Items(Items),
}

impl MempoolRequest {
    /// Largest request (bytes).
    pub const BYTES_MAX: usize = 16 + INVENTORY_MAX * ID_BYTES;
}

impl MempoolResponse {
    /// Largest answer (bytes).
    pub const BYTES_MAX: usize = 64 + ITEMS_BYTES_MAX;
}

/// Request on protocol `missing`: items of an announced block by position.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct MissingRequest {
    /// The announced block.
    pub block: BlockId,
    /// Positions in its list of transactions, strictly ascending.
    #[wincode(with = "List<u32, { BLOCK_ITEMS_MAX * 4 }>")]
    pub transactions: Vec<u32>,
    /// Positions in its list of envelopes, strictly ascending.
    #[wincode(with = "List<u32, { BLOCK_ITEMS_MAX * 4 }>")]
    pub envelopes: Vec<u32>,
}

impl MissingRequest {
    /// Largest request (bytes).
    pub const BYTES_MAX: usize = 64 + 2 * 4 * BLOCK_ITEMS_MAX;

    /// Whether each position is named once, in order: then the answer is no larger than the block.
    #[must_use]
    pub fn is_ascending(&self) -> bool {
        let ascends = |positions: &[u32]| positions.is_sorted_by(|before, after| before < after);
        ascends(&self.transactions) && ascends(&self.envelopes)
    }
}

/// Transactions and envelopes in the order asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Items {
    /// Transactions.
    #[wincode(with = "List<Transaction, { BLOCK_ITEMS_MAX * size_of::<Transaction>() }>")]
    pub transactions: Vec<Transaction>,
    /// Envelopes.
    #[wincode(with = "List<EnvelopeBytes, { BLOCK_ITEMS_MAX * size_of::<EnvelopeBytes>() }>")]
    pub envelopes: Vec<EnvelopeBytes>,
}

impl Items {
    /// Largest answer on protocol `missing` (bytes).
    pub const BYTES_MAX: usize = 64 + ITEMS_BYTES_MAX;
}

#[cfg(test)]
mod tests {
    use chain::Signature;
    use chain::transaction::{Order, Output, Prefix, Signed, Transfer};

    use super::*;

    #[test]
    fn short_ids_depend_on_the_block() {
        let item = Hash32::from_bytes([1; 32]);
        let here = ShortId::of(&BlockId::default(), &item);
        assert_ne!(here, ShortId::of(&BlockId::from_bytes([1; 32]), &item));
        assert_eq!(codec::encoded_len(&here), 8);
    }

    #[test]
    fn limits_hold_what_they_promise() {
        let headers = vec![Header::default(); HEADERS_MAX];
        let bytes = codec::encode(&HeadersResponse { headers });
        assert_eq!(bytes.len(), HeadersResponse::BYTES_MAX);
        assert!(codec::decode::<HeadersResponse>(&bytes, HeadersResponse::BYTES_MAX).is_ok());
        let ids = vec![BlockId::default(); BODIES_MAX];
        assert_eq!(
            codec::encode(&BodiesRequest { ids }).len(),
            BodiesRequest::BYTES_MAX
        );
        let locator = vec![BlockId::default(); LOCATOR_MAX];
        assert_eq!(
            codec::encode(&HeadersRequest { locator }).len(),
            HeadersRequest::BYTES_MAX
        );
        let names = MempoolRequest::Items(vec![Hash32::default(); INVENTORY_MAX]);
        assert!(codec::encode(&names).len() <= MempoolRequest::BYTES_MAX);
    }

    /// Nothing smaller than a transfer to one account can be paid for.
    fn smallest_transaction() -> Transaction {
        let transfer = Signed {
            prefix: Prefix::default(),
            body: Transfer {
                outputs: vec![Output::default()],
            },
            signature: Signature::from_bytes([0; 64]),
        };
        Transaction {
            version: Transaction::VERSION,
            order: Order::Transfer(transfer),
        }
    }

    fn block_of_small_items(transactions: usize, envelopes: usize) -> Block {
        let body = Body {
            transactions: vec![smallest_transaction(); transactions],
            envelopes: vec![EnvelopeBytes::new(vec![0; 140]); envelopes],
            ..Body::default()
        };
        Block {
            body,
            ..Block::default()
        }
    }

    #[test]
    fn every_valid_block_can_be_announced() {
        let smallest = codec::encoded_len(&smallest_transaction());
        for transactions in [182, 183, 311, 512, 513, Body::BYTES_MAX / smallest] {
            for envelopes in [0, 113, 600] {
                let block = block_of_small_items(transactions, envelopes);
                let announcement = BlockAnnouncement::of(&block, |_| true);
                let bytes = codec::encode(&announcement);
                assert!(bytes.len() <= BlockAnnouncement::BYTES_MAX);
                let read = codec::decode::<BlockAnnouncement>(&bytes, BlockAnnouncement::BYTES_MAX);
                assert_eq!(read, Ok(announcement));
            }
        }
    }

    #[test]
    fn one_more_than_the_limit_is_refused() {
        let mut bytes = ((LOCATOR_MAX + 1) as u64).to_le_bytes().to_vec();
        bytes.extend(vec![0; (LOCATOR_MAX + 1) * 32]);
        assert!(codec::decode::<HeadersRequest>(&bytes, 1 << 20).is_err());
    }

    #[test]
    fn an_announcement_of_known_items_is_small() {
        let envelope = EnvelopeBytes::new(vec![0; 436]);
        let body = Body {
            envelopes: vec![envelope; 500],
            ..Body::default()
        };
        let block = Block {
            body,
            ..Block::default()
        };
        let known = codec::encode(&BlockAnnouncement::of(&block, |_| false));
        assert!(known.len() * 10 <= codec::encode(&block).len());
        let new = codec::encode(&BlockAnnouncement::of(&block, |_| true));
        assert!(new.len() > known.len() && new.len() <= BlockAnnouncement::BYTES_MAX);
        assert!(codec::decode::<BlockAnnouncement>(&new, BlockAnnouncement::BYTES_MAX).is_ok());
    }
}
