//! One module per command.
//!
//! # Spec
//! docs/spec/14-commands.md
//!
//! # Not here
//! Parsing: [`crate::args`].

pub(crate) mod chat;
pub(crate) mod config;
pub(crate) mod keygen;
pub(crate) mod masternode;
pub(crate) mod mine;
pub(crate) mod node;
pub(crate) mod profile;
pub(crate) mod rpc;
pub(crate) mod stake;
pub(crate) mod waiting;
pub(crate) mod wallet;
