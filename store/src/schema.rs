//! Every table and key of the chain's database on one screen.
//!
//! | table | key | payload | rows |
//! |---|---|---|---|
//! | meta | name | see [`Tip`], [`Stop`], `Anchors`, the stamp's text | 4 |
//! | headers | height, id | [`StoredHeader`] | every header accepted |
//! | heights | id | height | same |
//! | chain | height | id | main chain |
//! | bodies | height, id | `Body` | every body kept, side branches too |
//! | undo | height, id | `undo::UndoRecord` | main chain, the last [`UNDO_BLOCKS`] |
//! | values | `StateKey` | encoded value | state after the tip |
//! | nodes | encoded node key | encoded node | tree of the state after the tip |
//! | seen | rate epoch, one-time key | none | includable rate epochs |
//! | transactions | `TxId` prefix, height, position | none | main chain |
//! | envelopes | `mid` prefix, height, position | none | main chain |
//! | pending | kind, id | the thing's bytes | durable submissions |
//! | peers | address | [`crate::peers::PeerRow`] | at most `peers::PEERS_MAX` |
//! | bans | subject | [`crate::peers::BanRow`] | at most `peers::BANS_MAX` |
//! | ballots | public key | [`crate::ballots::Ballot`] | one for each key that signed here |
//!
//! # Invariants
//! * Numbers in keys are big-endian, so that the order of keys is the order of heights: bodies are
//!   written and read front to back, and old rows go by range.
//! * Payloads are in the canonical codec and sealed by [`crate::record`]; tables without payload
//!   have empty values.
//! * A prefix never names anything: whoever finds a location reads the body there and compares.
//! * Any change of a table, key or payload raises [`FORMAT`].
//!
//! # Spec
//! docs/spec/13-storage.md §2-3
//!
//! # Not here
//! Tuning of tables ([`crate::database`]); what a batch holds ([`crate::commit`]).

use chain::codec::{self, List, SchemaRead, SchemaWrite};
use chain::units::RateEpoch;
use chain::{BlockId, Hash32, Header, Height, PublicKey};
use consensus::AppliedBlock;
use consensus::fork_choice::Inclusion;
use genesis::law;
pub use genesis::law::UNDO_BLOCKS;

/// Version of everything below.
pub const FORMAT: u32 = 2;
/// Oldest version that can still be opened. What format 1 did not keep about votes cannot be made
/// up for without the states that the blocks were applied to: such a chain is fetched anew.
pub const FORMAT_OLDEST: u32 = 2;

/// A column family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Tip, stamp, how the last run ended.
    Meta,
    /// Headers in the order of their heights.
    Headers,
    /// Where a header is found.
    Heights,
    /// Ids of the main chain.
    Chain,
    /// Bodies in the order of their heights.
    Bodies,
    /// The way back from recent blocks.
    Undo,
    /// Values of the state.
    Values,
    /// Nodes of the state's tree.
    Nodes,
    /// One-time keys of includable rate epochs.
    Seen,
    /// Where transactions are found.
    Transactions,
    /// Where envelopes are found.
    Envelopes,
    /// Submissions that were acknowledged as durable.
    Pending,
    /// Addresses of peers.
    Peers,
    /// Who is banned until when.
    Bans,
    /// What the node's own keys have signed.
    Ballots,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 15] = [
        Self::Meta,
        Self::Headers,
        Self::Heights,
        Self::Chain,
        Self::Bodies,
        Self::Undo,
        Self::Values,
        Self::Nodes,
        Self::Seen,
        Self::Transactions,
        Self::Envelopes,
        Self::Pending,
        Self::Peers,
        Self::Bans,
        Self::Ballots,
    ];

    /// Name on disk.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Headers => "headers",
            Self::Heights => "heights",
            Self::Chain => "chain",
            Self::Bodies => "bodies",
            Self::Undo => "undo",
            Self::Values => "values",
            Self::Nodes => "nodes",
            Self::Seen => "seen",
            Self::Transactions => "transactions",
            Self::Envelopes => "envelopes",
            Self::Pending => "pending",
            Self::Peers => "peers",
            Self::Bans => "bans",
            Self::Ballots => "ballots",
        }
    }

    /// Number in checksums; never reused.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Whether rows have a sealed payload; the others are all key.
    #[must_use]
    pub const fn has_payload(self) -> bool {
        !matches!(self, Self::Seen | Self::Transactions | Self::Envelopes)
    }
}

/// Meta key of the [`Tip`].
pub const META_TIP: &[u8] = b"tip";
/// Meta key of the [`Stop`].
pub const META_STOP: &[u8] = b"stop";
/// Meta key of the [`consensus::fork_choice::Anchors`].
pub const META_ANCHORS: &[u8] = b"anchors";
/// Meta key of the stamp, the same text as in the folder's stamp file.
pub const META_STAMP: &[u8] = b"stamp";

/// The last block of the main chain and the state after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Tip {
    /// Its height.
    pub height: Height,
    /// Its id.
    pub id: BlockId,
    /// Root of the state after it.
    pub state_root: Hash32,
}

/// How the last run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub enum Stop {
    /// It has not: the process was killed or lost power.
    #[wincode(tag = 0)]
    Unclean,
    /// [`crate::Store::close`] returned.
    #[wincode(tag = 1)]
    Clean,
}

/// Memory of the votes that a block includes: each has a seat at least.
const INCLUSIONS_BYTES_MAX: usize = law::VOTE_SEATS_MAX * size_of::<Inclusion>();

/// What a node that starts must know about a body without reading it, to weigh its branch.
#[derive(Clone, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct BodyTraits {
    /// Summed work of the included uncles (hashes).
    pub uncle_work: u128,
    /// The votes that it includes, as the block tree counts them.
    #[wincode(with = "List<Inclusion, INCLUSIONS_BYTES_MAX>")]
    pub inclusions: Vec<Inclusion>,
    /// Once the first block of a term was applied: the level of the term after.
    pub level: Option<u32>,
}

impl BodyTraits {
    /// What applying a block showed.
    #[must_use]
    pub fn of_applied(applied: &AppliedBlock) -> Self {
        Self {
            uncle_work: applied.uncle_work().get(),
            inclusions: applied.inclusions().to_vec(),
            level: applied.level(),
        }
    }
}

/// Whether a block's body is in the bodies table.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub enum BodyState {
    /// Not yet received, or dropped.
    #[wincode(tag = 0)]
    Missing,
    /// In the bodies table.
    #[wincode(tag = 1)]
    Stored(BodyTraits),
}

/// What is known for good against a block; neither mark implies the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct Faults {
    /// It breaks a rule of the chain, or an operator said so.
    pub invalid: bool,
    /// Its branch leaves a final block aside; it may be valid.
    pub conflicts_with_finality: bool,
}

/// A header and what goes with it.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct StoredHeader {
    /// The header.
    pub header: Header,
    /// Whether its body is here.
    pub body: BodyState,
    /// What is known against it.
    pub faults: Faults,
}

/// Where a transaction or an envelope stands on the main chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Height of its block.
    pub height: Height,
    /// Index in the block's list of its kind.
    pub position: u16,
}

/// Key of headers, bodies and undo records.
#[must_use]
pub fn block_key(height: Height, id: &BlockId) -> [u8; 40] {
    let mut key = [0; 40];
    key[..8].copy_from_slice(&height_key(height));
    key[8..].copy_from_slice(id.as_bytes());
    key
}

/// Height and id in a [`block_key`].
#[must_use]
pub fn parse_block_key(key: &[u8]) -> Option<(Height, BlockId)> {
    let (height, id) = key.split_first_chunk::<8>()?;
    let id: [u8; 32] = id.try_into().ok()?;
    Some((
        Height::new(u64::from_be_bytes(*height)),
        BlockId::from_bytes(id),
    ))
}

/// Key of the main chain's ids, and the front of every [`block_key`] of this height.
#[must_use]
pub fn height_key(height: Height) -> [u8; 8] {
    height.get().to_be_bytes()
}

/// Key of a state value.
#[must_use]
pub fn value_key(key: &consensus::StateKey) -> Vec<u8> {
    codec::encode(key)
}

/// Key of a seen one-time key.
#[must_use]
pub fn seen_key(epoch: RateEpoch, one_time_key: &PublicKey) -> [u8; 36] {
    let mut key = [0; 36];
    key[..4].copy_from_slice(&epoch_key(epoch));
    key[4..].copy_from_slice(one_time_key.as_bytes());
    key
}

/// Rate epoch and one-time key in a [`seen_key`].
#[must_use]
pub fn parse_seen_key(key: &[u8]) -> Option<(RateEpoch, PublicKey)> {
    let (epoch, one_time_key) = key.split_first_chunk::<4>()?;
    let one_time_key: [u8; 32] = one_time_key.try_into().ok()?;
    let epoch = RateEpoch::new(u32::from_be_bytes(*epoch));
    Some((epoch, PublicKey::from_bytes(one_time_key)))
}

/// The front of every [`seen_key`] of this epoch.
#[must_use]
pub fn epoch_key(epoch: RateEpoch) -> [u8; 4] {
    epoch.get().to_be_bytes()
}

/// Bytes of an id that its index keeps.
pub const PREFIX_BYTES: usize = 8;

/// Key of an index of ids: 8 bytes of the id, 6 of the height, 2 of the position.
///
/// 2^48 blocks of 2 s are 17 million years; a body of 1 MiB holds fewer than 2^13 things.
#[must_use]
pub fn index_key(id: &[u8; 32], location: Location) -> [u8; 16] {
    let mut key = [0; 16];
    key[..PREFIX_BYTES].copy_from_slice(&id[..PREFIX_BYTES]);
    key[8..14].copy_from_slice(&height_key(location.height)[2..]);
    key[14..].copy_from_slice(&location.position.to_be_bytes());
    key
}

/// Location in an [`index_key`].
#[must_use]
pub fn parse_index_key(key: &[u8]) -> Option<Location> {
    let key: &[u8; 16] = key.try_into().ok()?;
    let mut height = [0; 8];
    height[2..].copy_from_slice(&key[8..14]);
    Some(Location {
        height: Height::new(u64::from_be_bytes(height)),
        position: u16::from_be_bytes([key[14], key[15]]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_of_tables_are_frozen() {
        let names: Vec<String> = Table::ALL
            .iter()
            .map(|table| format!("{} {}", table.number(), table.name()))
            .collect();
        let frozen = "0 meta,1 headers,2 heights,3 chain,4 bodies,5 undo,6 values,7 nodes,8 seen,\
                      9 transactions,10 envelopes,11 pending,12 peers,13 bans,14 ballots";
        assert_eq!(names.join(","), frozen);
    }

    #[test]
    fn keys_sort_like_heights_and_read_back() {
        let id = BlockId::from_bytes([9; 32]);
        let keys = [0, 1, 255, 256, 1 << 40].map(|height| block_key(Height::new(height), &id));
        assert!(keys.is_sorted());
        assert_eq!(parse_block_key(&keys[3]), Some((Height::new(256), id)));
        let otk = PublicKey::from_bytes([3; 32]);
        let key = seen_key(RateEpoch::new(258), &otk);
        assert_eq!(key[..4], [0, 0, 1, 2]);
        assert_eq!(parse_seen_key(&key), Some((RateEpoch::new(258), otk)));
    }

    #[test]
    fn a_location_survives_its_key() {
        let location = Location {
            height: Height::new(0x0203_0405_0607),
            position: 0x0809,
        };
        let key = index_key(&[0xee; 32], location);
        assert_eq!(
            key,
            [
                0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 2, 3, 4, 5, 6, 7, 8, 9
            ]
        );
        assert_eq!(parse_index_key(&key), Some(location));
        assert_eq!(parse_index_key(&key[1..]), None);
        assert_eq!(parse_block_key(&key), None);
        assert_eq!(parse_seen_key(&key), None);
    }
}
