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
