//! The `chainchat` program: flags and files in, one started thing out.
//!
//! # Invariants
//! * Nothing here decides anything about blocks, coins or messages.
//! * What a script needs goes to standard output, everything else to standard error.
//!
//! # Spec
//! docs/spec/14-commands.md
//!
//! # Not here
//! Everything else: `node`, `app`, `miner`.

#![forbid(unsafe_code)]

mod access;
mod args;
mod commands;
mod config;
mod exit;
mod output;
mod secrets;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command, MasternodeCommand, StakeCommand};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.shared.json;
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&error.into(), json),
    };
    let ended = runtime.block_on(run(cli));
    // Threads that wait for work must not keep a program that has failed.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::fail(&error, json),
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let shared = cli.shared;
    match cli.command {
        Command::Node(args) => commands::node::run(&shared, &args).await,
        Command::Mine(args) => commands::mine::run(&shared, &args).await,
        Command::Wallet { node, command } => commands::wallet::run(&shared, &node, &command).await,
        Command::Chat { node, command } => commands::chat::run(&shared, &node, &command).await,
        Command::Stake(StakeCommand::Keygen { out })
        | Command::Masternode(MasternodeCommand::Keygen { out }) => {
            commands::keygen::run(&shared, &out)
        }
        Command::Rpc(args) => commands::rpc::run(&shared, &args).await,
        Command::Config(command) => commands::config::run(&shared, &command),
        Command::Completions { shell } => {
            commands::config::completions(shell);
            Ok(())
        }
    }
}
