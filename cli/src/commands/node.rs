//! `chainchat node`: a full node, perhaps with a miner in it.
//!
//! # Invariants
//! `endpoints.json` is there exactly while every listener is bound.
//!
//! # Spec
//! docs/spec/14-commands.md §4
//!
//! # Not here
//! Everything that a node does: `node`.

use std::path::Path;

use anyhow::{Context, Result};
use genesis::Params;
use network::Switch;
use node::engine::Reorgs;
use node::{Clock, Config, KeyFileError, RunningNode, StartError};
use rand_core::TryRng;
use rpc::types::AddressText;
use store::{KillPoints, write_atomically};

use crate::access::{ENDPOINTS_FILE, Endpoints};
use crate::args::{NodeArgs, SharedArgs};
use crate::commands::mine::{say, threads};
use crate::config::{KILL_AT_VARIABLE, NodeSettings, folder};
use crate::exit::{Exit, Failure};

pub(crate) async fn run(shared: &SharedArgs, args: &NodeArgs) -> Result<()> {
    let folder = folder(shared, "node")?;
    let settings = NodeSettings::load(shared, args, &folder, std::env::vars())?;
    log_to_stderr(&settings.log_level)?;
    let mut params = Params::of(shared.network);
    params.trusted.extend(args.trust);
    let miner = settings
        .miner_address
        .as_deref()
        .map(|text| {
            let address: chain::Address = text.parse()?;
            address.account_on(shared.network)?;
            Ok::<_, chain::AddressError>(AddressText::from(address))
        })
        .transpose()
        .map_err(|error| Failure::error(Exit::Usage, "bad_address", error.to_string()))?;
    let config = Config {
        join: args.join,
        reorgs: if args.accept_reorg {
            Reorgs::Accepted
        } else {
            Reorgs::Lawful
        },
        ..node_config(&settings, params.clone(), &folder)?
    };
    let mut running = node::start(config).await.map_err(refused)?;
    // Before anybody is told that the node is there, so that no early signal ends it uncleanly.
    let asked_to_stop = asked_to_stop()?;
    announce(shared, &params, &running, &folder)?;
    let mining = match miner.filter(|_| settings.mine) {
        Some(address) => {
            let threads = threads(Some(settings.threads));
            let mining = miner::mine(running.api(), address, threads, params.pow, say);
            Some(tokio::spawn(async move {
                if let Err(error) = mining.await {
                    tracing::error!(%error, "mining ended");
                }
            }))
        }
        None => None,
    };
    let ended = tokio::select! {
        ended = running.wait() => ended.context("the node stopped"),
        () = asked_to_stop => Ok(()),
    };
    if let Some(mining) = mining {
        mining.abort();
    }
    // Gone already if somebody cleaned up behind us.
    let _ = std::fs::remove_file(folder.join(ENDPOINTS_FILE));
    let closed = running.stop().await;
    ended?;
    closed.context("the store was not closed cleanly")
}

fn node_config(settings: &NodeSettings, params: Params, folder: &Path) -> Result<Config> {
    let usage = |error: String| Failure::error(Exit::Usage, "bad_multiaddr", error);
    let addresses = |texts: &[String]| {
        texts
            .iter()
            .map(|text| {
                text.parse()
                    .map_err(|error: network::ParseError| usage(format!("{text}: {error}")))
            })
            .collect::<Result<Vec<network::Address>>>()
    };
    let kill_points = match std::env::var(KILL_AT_VARIABLE) {
        Ok(text) => KillPoints::parse(&text, params.network, &store::kill::POINTS)
            .map_err(|error| Failure::error(Exit::Usage, "bad_kill_point", error.to_string()))?,
        Err(_) => KillPoints::none(),
    };
    let mut random = [0; 64];
    getrandom::SysRng
        .try_fill_bytes(&mut random)
        .context("the system gives no randomness")?;
    Ok(Config {
        params,
        folder: folder.to_owned(),
        p2p_listen: addresses(&settings.p2p_listen)?,
        connect: addresses(&settings.connect)?,
        lookup: switch(!settings.connect_only),
        mdns: switch(settings.mdns),
        rpc_listen: settings.rpc_listen,
        public_rpc_listen: settings.public_rpc_listen,
        metrics_listen: settings.metrics_listen,
        clock: Clock::shifted(settings.mock_time_offset_ms),
        stake_key: settings.stake_key.clone(),
        operator_key: settings.operator_key.clone(),
        join: None,
        reorgs: Reorgs::Lawful,
        kill_points,
        random,
    })
}

/// Writes `endpoints.json` and prints the line that scripts wait for.
fn announce(
    shared: &SharedArgs,
    params: &Params,
    running: &RunningNode,
    folder: &Path,
) -> Result<()> {
    let endpoints = Endpoints {
        pid: std::process::id(),
        network: shared.network.name().to_owned(),
        chain_id: params.chain_id().to_string(),
        peer_id: running.peer_id(),
        p2p: running.p2p_addresses(),
        rpc: format!("http://{}", running.rpc_address()),
        public_rpc: running
            .public_rpc_address()
            .map(|address| format!("http://{address}")),
        metrics: running
            .metrics_address()
            .map(|address| format!("http://{address}")),
    };
    let json = serde_json::to_string(&endpoints)?;
    write_atomically(&folder.join(ENDPOINTS_FILE), json.as_bytes())?;
    println!("ready {json}");
    Ok(())
}

fn switch(is_on: bool) -> Switch {
    if is_on { Switch::On } else { Switch::Off }
}

fn refused(error: StartError) -> anyhow::Error {
    let exit = match &error {
        StartError::Store(_)
        | StartError::Ledger(_)
        | StartError::NodeKey { .. }
        | StartError::OtherChain { .. } => Exit::Folder,
        StartError::KeyFile(error) => key_file_refusal(error).0,
        _ => Exit::Failed,
    };
    let reason = match &error {
        StartError::Store(store::StoreError::Locked { .. }) => "locked",
        StartError::Store(_) | StartError::Ledger(_) => "folder",
        StartError::NodeKey { .. } => "node_key",
        StartError::OtherChain { .. } => "other_chain",
        StartError::KeyFile(error) => key_file_refusal(error).1,
        _ => "start",
    };
    Failure::error(exit, reason, error.to_string())
}

/// Exit and word for a key file that was not made or not used.
pub(crate) const fn key_file_refusal(error: &KeyFileError) -> (Exit, &'static str) {
    match error {
        KeyFileError::Locked { .. } => (Exit::Folder, "key_locked"),
        KeyFileError::Exposed { .. } => (Exit::Folder, "key_exposed"),
        KeyFileError::NotAKey { .. } => (Exit::Folder, "key_damaged"),
        KeyFileError::Exists { .. } => (Exit::Usage, "file_exists"),
        KeyFileError::Missing { .. } => (Exit::Usage, "no_key_file"),
        _ => (Exit::Usage, "bad_file"),
    }
}

/// Log lines on standard error, one per event.
pub(crate) fn log_to_stderr(level: &str) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(level)
        .map_err(|error| Failure::error(Exit::Usage, "bad_log_level", error.to_string()))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init()
        .map_err(|error| anyhow::anyhow!("the log cannot be set up: {error}"))
}

/// Completes when the system or the user asks the process to stop; listens from now on.
#[cfg(unix)]
fn asked_to_stop() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("no signals can be awaited")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("no signals can be awaited")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Completes when the user asks the process to stop; listens from now on.
#[cfg(not(unix))]
fn asked_to_stop() -> Result<impl Future<Output = ()>> {
    let asked = tokio::spawn(tokio::signal::ctrl_c());
    Ok(async move {
        if !matches!(asked.await, Ok(Ok(()))) {
            std::future::pending().await
        }
    })
}
