//! What is measured, one question per file of `benches/`, and what the answers share.
//!
//! ```
//! use benches::history::{Admission, History};
//! use chain::Network;
//! use genesis::Params;
//!
//! let mut history = History::new(&Params::of(Network::Regtest));
//! history.mine_messages(Admission::Free, 2, 3); // two blocks of three messages
//! assert_eq!(history.messages(), 6);
//!
//! let mut copy = History::new(history.params());
//! for block in history.blocks() {
//!     copy.import(block.clone()); // every rule, on top of another store
//! }
//! assert_eq!(copy.tip(), history.tip());
//! ```
//!
//! # Invariants
//! * A bench runs our code and a bare reference in the same run; ratios are quoted, never one wall
//!   time. Nothing depends on this crate.
//! * Set-up is deterministic: equal calls make equal chains.
//!
//! # Spec
//! docs/performance.md
//!
//! # Not here
//! Assertions about time: tests make none.

#![forbid(unsafe_code)]

pub mod bare;
pub mod correspondence;
pub mod history;
pub mod machine;
pub mod report;
pub mod rounds;
