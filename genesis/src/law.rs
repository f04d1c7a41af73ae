//! The constants that no network varies.
//!
//! # Spec
//! docs/spec/02-blocks.md, 03-transactions.md, 04-envelopes.md, 10-money.md
//!
//! # Not here
//! What differs between networks: [`crate::Params`].

use chain::Amount;

/// Version of the rules that headers carry.
pub const HEADER_VERSION: u32 = 1;

/// Cap C of the supply (base units). Emission approaches it and never reaches it.
pub const SUPPLY_CAP: Amount = Amount::MAX;
/// `E(S) = (C - S) >> 26`: with S = 0 a block mints 1.49 X3C; at 2.2 s per block half of the gap
/// to the cap closes in about 3.2 years.
pub const EMISSION_SHIFT: u32 = 26;
/// A reward unit is `u = E >> 6`; the shares of a block are whole numbers of it.
pub const REWARD_UNIT_SHIFT: u32 = 6;
/// Miner's share, in reward units.
pub const MINER_UNITS: u64 = 24;
/// Miner's extra share for an included uncle, in reward units.
pub const NEPHEW_UNITS: u64 = 1;
/// Miner's extra share for each seat of a newly included vote, in reward units.
pub const VOTE_MINER_UNITS: u64 = 1;
/// Voter's share for each seat, in reward units.
pub const VOTER_UNITS: u64 = 2;
/// Share of the masternode whose turn it is, in reward units.
pub const PAYEE_UNITS: u64 = 12;
/// Shared by the front roster's signers of a checkpoint, in reward units for each of its blocks.
pub const SIGNER_UNITS: u64 = 4;
/// Miner's share for including all of them, in reward units for each block of the checkpoint.
pub const SIGNATURE_MINER_UNITS: u64 = 1;
/// An uncle of depth d earns `(UNCLE_UNITS_BASE - 2 d) u`.
pub const UNCLE_UNITS_BASE: u64 = 14;

/// Price of a KiB is `S >> 37`: a fraction of the supply, so burning cannot exhaust the coin.
pub const PRICE_SHIFT: u32 = 37;
/// Lowest price of a KiB (base units), so that an empty supply does not make space free.
pub const PRICE_MIN: u64 = 1024;
/// Bytes that one unit of a transaction's size pays for.
pub const UNIT_BYTES: usize = 1024;
/// Extra units of an account record: it stays in the state.
pub const RECORD_EXTRA_UNITS: u64 = 16;
/// Extra units of a bond: it stays in the state and in the snapshots of terms.
pub const BOND_EXTRA_UNITS: u64 = 4;
/// Extra units of a bond's release: whoever makes the state smaller is not charged for it.
pub const UNBOND_EXTRA_UNITS: u64 = 0;
/// Extra units of waking a bond: nothing is added to the state.
pub const WAKE_EXTRA_UNITS: u64 = 0;
/// Extra units of a masternode's registration: it stays in the state, rosters and the queue.
pub const MN_REGISTER_EXTRA_UNITS: u64 = 16;
/// Extra units of a masternode's revival: to fail and come back costs as much as to come.
pub const MN_REVIVE_EXTRA_UNITS: u64 = 16;
/// Extra units of a masternode's exit: whoever makes the state smaller is not charged for it.
pub const MN_EXIT_EXTRA_UNITS: u64 = 0;

/// Smallest limit of a body (bytes).
pub const BODY_BYTES_MIN: u64 = 256 << 10;
/// Largest limit of a body (bytes): 1 MiB each 2 s is 4 Mbit/s, what a home line can relay.
pub const BODY_BYTES_MAX: u64 = 1 << 20;
/// Largest aux section (bytes).
pub const AUX_BYTES_MAX: usize = 64 << 10;
/// Most uncles in a block: more would let a miner buy difficulty.
pub const UNCLES_MAX: usize = 2;
/// Deepest uncle, in blocks below the including one.
pub const UNCLE_DEPTH_MAX: u64 = 6;
/// Most seats that the votes of a block may stand for: two heights' worth.
pub const VOTE_SEATS_MAX: usize = 16;
/// Seats of a height: enough that two block intervals confirm, few enough to fit a block.
pub const SEATS: u64 = 8;
/// Seats that make a block *confirmed* for its readers: more than half of them. No rule reads it.
pub const CONFIRMING_SEATS: u32 = 5;
/// Farthest block that a vote may be for, counted back from the including one.
pub const VOTE_BACK_MAX: u8 = 8;
/// Members in one stored page of a snapshot: an insertion point is found by reading one page.
pub const SNAPSHOT_PAGE_MEMBERS: usize = 1_024;
/// Ids in one page of a set of living bonds or masternodes: `page = id >> 10`.
pub const LIVE_PAGE_BITS: u32 = 10;
/// Highest level: votes multiply the work of a block by at most `2^8`.
pub const LEVEL_MAX: u32 = 8;
/// `level = log2(512 B / S)`: 512 makes the level 8 at half of the supply bonded.
pub const LEVEL_SCALE: u128 = 512;
/// Fewest seats in a term by which a bond's diligence is judged.
pub const DORMANCY_SEATS_MIN: u32 = 16;
/// A bond that voted with less than one in this many of its seats falls asleep.
pub const DORMANCY_DIVISOR: u32 = 4;
/// A double vote costs this part of the bond: a twentieth.
pub const VOTE_SLASH_DIVISOR: u64 = 20;
/// A double vote costs at least this part of the smallest bond: half of it.
pub const VOTE_SLASH_FLOOR_DIVISOR: u64 = 2;
/// Part of a slash that goes to the miner who brings the proof: a tenth, so that proving oneself
/// guilty never pays.
pub const EVIDENCE_REWARD_DIVISOR: u64 = 10;
/// Boundaries until a jailed bond may be in a snapshot again.
pub const JAIL_TERMS: u32 = 2;

/// Most members of a roster: 64 signatures for each checkpoint fit into the aux section.
pub const ROSTER_MEMBERS_MAX: usize = 64;
/// Checkpoints after its own in which signatures for a checkpoint may be included.
pub const FINALITY_WINDOW: u64 = 4;
/// Rosters kept by number: a window spans at most two boundaries, so four are ever referred to.
pub const ROSTERS_KEPT: u32 = 4;
/// Terms without a final checkpoint after which the silent members are left out.
pub const STALL_TERMS: u64 = 4;
/// A conflict of finality votes costs this part of the collateral at once: a twentieth.
pub const COLLATERAL_SLASH_DIVISOR: u64 = 20;
/// At its release a slashed collateral loses this many times the share of the front roster that was
/// slashed around the same time: all of it, once a third conspired.
pub const COLLUSION_FACTOR: u64 = 3;
/// Penalty of a front member that signed less than two thirds of a term.
pub const POSE_PENALTY: u32 = 50;
/// What a diligent term takes off the penalty.
pub const POSE_RELIEF: u32 = 10;
/// Penalty from which on a masternode is banned.
pub const POSE_BAN: u32 = 100;

/// Most finality signatures in a block.
pub const FINALITY_SIGNATURES_MAX: usize = 256;
/// Most proofs of misbehaviour in a block.
pub const EVIDENCE_MAX: usize = 4;

/// Stamps refer to heights that are multiples of this.
pub const STAMP_REFERENCE_STEP: u32 = 16;
/// A stamp's reference is at least this many blocks old, so that a reorg seldom voids it.
pub const STAMP_AGE_MIN: u64 = 8;
/// A stamp's reference is at most this many blocks old, so that work cannot be hoarded.
pub const STAMP_AGE_MAX: u64 = 96;
/// The stamp of a first account record is worth this many times the minimum effort.
pub const RECORD_STAMP_FACTOR: u32 = 16;

/// A retarget forgets a stall: the time between blocks counts as at most one half-life.
pub const RETARGET_HEIGHT_MIN: u64 = 3;
/// Lowest target: keeps `work` below 2^96.
pub const TARGET_MIN_BITS: u32 = 160;

/// Blocks whose undo records are kept.
pub const UNDO_BLOCKS: u64 = 8_192;
/// A reorg deeper than this needs the operator's word while nothing is final.
pub const REORG_BLOCKS_MAX: u64 = 4_096;
