//! Waiting until something sent has come as far as the user wants.
//!
//! # Invariants
//! Waiting ends: by the state, by what makes it impossible, or by time, with a word for which.
//!
//! # Spec
//! docs/spec/14-commands.md §6-9
//!
//! # Not here
//! Messages: [`super::chat`]. What the states mean: `app::Stage`.

use std::time::{Duration, Instant};

use anyhow::Result;
use app::{Session, Stage, Submitted};
use chain::{Height, TxId};
use rpc::types::{GetCommittee, GetSeats, GetTransaction, Hex};
use rpc::{ErrorCode, NodeApi, RpcFailure};

use crate::args::{Wait, WaitState};
use crate::commands::profile::{now, rng};
use crate::exit::{Exit, Failure};
use crate::output;

/// How often a waiting command looks again.
const LOOK: Duration = Duration::from_millis(300);

impl From<WaitState> for Stage {
    fn from(state: WaitState) -> Self {
        match state {
            WaitState::Delivered => Self::Delivered,
            WaitState::InBlock => Self::InBlock,
            WaitState::Confirmed => Self::Confirmed,
            WaitState::Final => Self::Final,
        }
    }
}

/// Waits for an own order as long as was asked for; how far it came.
pub(crate) async fn settle(
    session: &mut Session,
    node: &dyn NodeApi,
    submitted: Submitted,
    wait: Wait,
) -> Result<(TxId, Stage)> {
    let id = *submitted.id();
    let mut stage = match submitted {
        Submitted::Delivered(_) => Stage::Delivered,
        Submitted::Queued(_) => Stage::Queued,
    };
    if let (Some(wanted), Stage::Delivered) = (wait.state, stage) {
        stage = wait_for_order(session, node, &id, wanted.into(), wait.seconds)
            .await
            .map_err(|error| error.context(format!("{id} was ordered; do not order it again")))?;
    }
    if stage == Stage::Queued {
        output::warn("it is written down and sent with the next command; do not order it again");
    }
    Ok((id, stage))
}

/// What the node adds about an order that is in a block already. Without an answer the order stands
/// all the same: that is said and is no failure of the command.
pub(crate) fn if_told<T>(answer: Result<T, RpcFailure>) -> Option<T> {
    match answer {
        Ok(told) => Some(told),
        Err(failure) => {
            output::warn(&format!(
                "it is in a block; what it made was not read: {}",
                failure.detail
            ));
            None
        }
    }
}

/// Follows the chain until an own order is as far as `wanted`.
async fn wait_for_order(
    session: &mut Session,
    node: &dyn NodeApi,
    id: &TxId,
    wanted: Stage,
    seconds: u64,
) -> Result<Stage> {
    if wanted <= Stage::Delivered {
        return Ok(Stage::Delivered);
    }
    let (started, timeout) = (Instant::now(), Duration::from_secs(seconds));
    loop {
        session.sync(node, now(), &mut rng()).await?;
        let (stage, height) = match session.order_stage(id) {
            Some((Stage::Failed, _)) | None => return Err(superseded()),
            Some(found) => found,
        };
        if stage >= wanted {
            return Ok(stage);
        }
        if started.elapsed() >= timeout {
            return Err(too_late(node, wanted, height, &id.to_string(), seconds).await);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Asks the node until a transaction that no wallet here follows is as far as was asked for.
pub(crate) async fn wait_for_foreign(node: &dyn NodeApi, id: &TxId, wait: Wait) -> Result<Stage> {
    let wanted = wait.state.map_or(Stage::Delivered, Stage::from);
    let (started, timeout) = (Instant::now(), Duration::from_secs(wait.seconds));
    if wanted <= Stage::Delivered {
        return Ok(Stage::Delivered);
    }
    loop {
        let found = match node
            .chain_get_transaction(GetTransaction { id: Hex(*id) })
            .await
        {
            Err(failure) if failure.code == ErrorCode::BadAddress => return Err(superseded()),
            found => found?,
        };
        let height = found.in_block.map(|place| Height::new(place.height));
        let stage = match height {
            Some(height) => stage_at(node, height).await?,
            None => Stage::Delivered,
        };
        if stage >= wanted {
            return Ok(stage);
        }
        if started.elapsed() >= timeout {
            return Err(too_late(node, wanted, height, &id.to_string(), wait.seconds).await);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// How far the best chain's block at a height has come.
async fn stage_at(node: &dyn NodeApi, height: Height) -> Result<Stage> {
    let asked = GetSeats {
        from: height.get(),
        count: 1,
    };
    let page = node.chain_get_seats(asked).await?;
    Ok(match page.blocks.first() {
        Some(block) if block.is_final => Stage::Final,
        Some(block) if block.seats >= Some(genesis::law::CONFIRMING_SEATS) => Stage::Confirmed,
        _ => Stage::InBlock,
    })
}

fn superseded() -> anyhow::Error {
    Failure::error(
        Exit::Failed,
        "superseded",
        "another order took its place, or its stamp became too old; look at the history",
    )
}

/// Why the wait for `id`, which is in the block at `height` if anywhere, ended: a block that nobody
/// holds a seat for is confirmed by nobody, and without rosters nothing becomes final.
pub(crate) async fn too_late(
    node: &dyn NodeApi,
    wanted: Stage,
    height: Option<Height>,
    id: &str,
    seconds: u64,
) -> anyhow::Error {
    let Some(height) = height else {
        let detail = format!(
            "{id} is in no block after {seconds} s; it is sent again with the next command"
        );
        return Failure::error(Exit::Failed, "timeout", detail);
    };
    let place = format!(
        "{id} is in the block at height {height}, and not {}",
        wanted.name()
    );
    if wanted == Stage::Confirmed {
        let asked = GetCommittee {
            height: Some(height.get()),
        };
        if let Ok(committee) = node.chain_get_committee(asked).await
            && committee.members.is_empty()
        {
            let detail = format!(
                "{place} after {seconds} s: nobody holds a seat for that block, since no stake was \
                 bonded; count blocks, or wait for `final`"
            );
            return Failure::error(Exit::Failed, "no_committee", detail);
        }
    }
    if wanted == Stage::Final
        && let Ok(finality) = node.chain_get_finality().await
        && finality.front.members == 0
    {
        let detail = format!(
            "{place} after {seconds} s: no masternodes are in office, so nothing becomes final; \
             count blocks"
        );
        return Failure::error(Exit::Failed, "no_finality", detail);
    }
    let detail = format!("{place} after {seconds} s; it may still become so");
    Failure::error(Exit::Failed, "timeout", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_in_a_block_stands_without_the_node_saying_more() {
        assert_eq!(if_told(Ok(7)), Some(7));
        let gone = RpcFailure::unknown("unknown_bond", "a reorganisation took it back");
        assert_eq!(if_told::<u32>(Err(gone)), None);
    }
}
