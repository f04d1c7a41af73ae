//! The numbers of each network: what consensus computes with and never chooses itself.
//!
//! ```
//! use chain::Network;
//! use genesis::Params;
//!
//! let main = Params::of(Network::Main);
//! assert_eq!(main.rate_epoch_blocks, 300);
//! assert_ne!(main.chain_id(), Params::of(Network::Test).chain_id());
//! ```
//!
//! # Invariants
//! * A constant stands here once, with its unit, its derivation and its spec section.
//! * The four sets of [`Params`] satisfy [`Params::check`].
//!
//! # Spec
//! docs/spec/05-networks.md
//!
//! # Not here
//! Formulas (`consensus`), limits of the transport (`network`).

#![forbid(unsafe_code)]
// `main` is the network of that name.
#![allow(special_module_name)]

mod activation;
mod dev;
pub mod law;
mod main;
mod params;
mod regtest;
mod test;

pub use activation::Activation;
pub use params::{FreeEnvelopes, Params, ParamsError, Pow, Retarget};
