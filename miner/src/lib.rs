//! Mining with a CPU: the search on all threads, fed by a node's templates.
//!
//! # Invariants
//! * The miner knows a node by its RPC contract only; embedded or remote makes no difference.
//! * What it sends is checked by consensus like anybody's block.
//!
//! # Spec
//! docs/spec/15-mining.md
//!
//! # Not here
//! Templates (`node`), the puzzle (`consensus::pow`), pools (a later capability).

#![forbid(unsafe_code)]

pub mod rates;
pub mod search;
pub mod solo;

pub use rates::{RateMeter, Rates};
pub use search::{Found, Job, Search};
pub use solo::{MiningReport, SoloError, mine};
