//! `chainchat stake` and `chainchat masternode` as people type them.
//!
//! # Invariants
//! Keys come from files; only their names are arguments.
//!
//! # Spec
//! docs/spec/14-commands.md §8-9
//!
//! # Not here
//! What the commands do: `commands::stake`, `commands::masternode`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Wait;

#[derive(Debug, Subcommand)]
pub(crate) enum StakeCommand {
    /// Make a key that votes; it holds no coins.
    Keygen {
        /// File to write; it must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Lock coins so that a key may vote for blocks.
    Bond {
        /// Amount in X3C, for example 100.
        #[arg(long, value_name = "X3C")]
        amount: chain::Amount,
        /// File with the key that votes: 64 hexadecimal digits.
        #[arg(long, value_name = "FILE")]
        vote_key_file: PathBuf,
        #[command(flatten)]
        wait: Wait,
    },
    /// Release a bond; its coins come back after the network's time of release.
    Unbond {
        /// Number of the bond.
        #[arg(long, value_name = "N")]
        bond: u32,
        #[command(flatten)]
        wait: Wait,
    },
    /// Wake a bond that fell asleep because it did not vote.
    Wake {
        /// Number of the bond.
        #[arg(long, value_name = "N")]
        bond: u32,
        #[command(flatten)]
        wait: Wait,
    },
    /// This account's bonds, and their seats at the heights to come.
    Status,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MasternodeCommand {
    /// Make a key that signs checkpoints; it holds no coins.
    Keygen {
        /// File to write; it must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Lock the collateral and register a masternode.
    Register(RegisterArgs),
    /// Put a banned masternode back into service; its operator's own account pays the fee.
    Revive {
        /// Number of the masternode.
        #[arg(long, value_name = "N")]
        masternode: u32,
        /// File with the operator's key: 64 hexadecimal digits.
        #[arg(long, value_name = "FILE")]
        operator_key_file: PathBuf,
        #[command(flatten)]
        wait: Wait,
    },
    /// Retire a masternode; its collateral comes back after the network's time of release.
    Exit {
        /// Number of the masternode.
        #[arg(long, value_name = "N")]
        masternode: u32,
        #[command(flatten)]
        wait: Wait,
    },
    /// This account's masternodes, and where finality stands.
    Status,
}

#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    /// File with the key that signs checkpoints: 64 hexadecimal digits.
    #[arg(long, value_name = "FILE")]
    pub(crate) operator_key_file: PathBuf,
    /// File with the key for votes about the network; without it, the file named like the
    /// operator's with `.voting` at its end, which is made if it does not exist.
    #[arg(long, value_name = "FILE")]
    pub(crate) voting_key_file: Option<PathBuf>,
    /// Account that gets the rewards; this wallet's by default.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) payout: Option<chain::Address>,
    /// Where the masternode is reached, IP:PORT; nowhere by default.
    #[arg(long, value_name = "ADDR")]
    pub(crate) service_address: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) wait: Wait,
}
