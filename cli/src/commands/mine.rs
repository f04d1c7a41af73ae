//! `chainchat mine`: mining for a node over its RPC.
//!
//! # Spec
//! docs/spec/15-mining.md
//!
//! # Not here
//! The search: `miner`.

use std::num::NonZeroUsize;

use anyhow::Result;
use genesis::Params;
use miner::MiningReport;
use rpc::types::AddressText;

use crate::access;
use crate::args::{MineArgs, SharedArgs};
use crate::commands::node::log_to_stderr;
use crate::exit::{Exit, Failure};

pub(crate) async fn run(shared: &SharedArgs, args: &MineArgs) -> Result<()> {
    log_to_stderr("info")?;
    args.address.account_on(shared.network)?;
    let node = access::client(shared, &args.node)?;
    // Later the miner waits for a node that goes away; one that was never there is a mistake.
    rpc::NodeApi::chain_get_tip(node.as_ref()).await?;
    let pow = Params::of(shared.network).pow;
    let address = AddressText::from(args.address);
    tokio::select! {
        ended = miner::mine(node, address, threads(args.threads), pow, say) => Ok(ended?),
        _ = tokio::signal::ctrl_c() => {
            Err(Failure::error(Exit::Interrupted, "interrupted", "mining was stopped"))
        }
    }
}

/// As many as asked for; by default one less than the machine has, so that it stays usable.
pub(crate) fn threads(asked: Option<usize>) -> NonZeroUsize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let wanted = asked
        .filter(|threads| *threads > 0)
        .unwrap_or(cores.saturating_sub(1));
    NonZeroUsize::new(wanted).unwrap_or(NonZeroUsize::MIN)
}

/// One line about how mining goes.
pub(crate) fn say(report: &MiningReport) {
    let per_second = |milli: u64| format!("{}.{}", milli / 1_000, milli % 1_000 / 100);
    tracing::info!(
        rate_10s = per_second(report.rates.ten_seconds_milli),
        rate_60s = per_second(report.rates.minute_milli),
        rate_15min = per_second(report.rates.quarter_milli),
        accepted = report.accepted,
        stale = report.stale,
        rejected = report.rejected,
        "mining (solutions per second)"
    );
}
