//! `chainchat stake`: bonds.
//!
//! # Invariants
//! The vote key proves that it agrees and is used for nothing else here: votes are the node's.
//!
//! # Spec
//! docs/spec/14-commands.md §8
//!
//! # Not here
//! What an order costs and how it is signed: `wallet::stake`.

use std::path::Path;

use anyhow::Result;
use app::{Owned, Session, SessionError, Stage};
use chain::units::BondId;
use chain::{Amount, PublicKey};
use genesis::Params;
use rpc::types::{BondStatus, CommitteeStatus, GetBond, GetCommittee, Hex};
use rpc::{NodeApi, RpcFailure};
use serde_json::json;
use wallet::stake::StakeOrder;

use crate::args::stake::StakeCommand;
use crate::args::{NodeAccess, SharedArgs, Wait};
use crate::commands::keygen;
use crate::commands::profile::{now, open, rng};
use crate::commands::waiting::{if_told, settle};
use crate::{access, output, secrets};

pub(crate) async fn run(
    shared: &SharedArgs,
    access: &NodeAccess,
    command: &StakeCommand,
) -> Result<()> {
    match command {
        StakeCommand::Keygen { out } => keygen::run(shared, out),
        StakeCommand::Bond {
            amount,
            vote_key_file,
            wait,
        } => bond(shared, access, *amount, vote_key_file, *wait).await,
        StakeCommand::Unbond { bond, wait } => {
            let order = StakeOrder::Unbond(BondId::new(*bond));
            of_bond(shared, access, *bond, order, *wait).await
        }
        StakeCommand::Wake { bond, wait } => {
            let order = StakeOrder::Wake(BondId::new(*bond));
            of_bond(shared, access, *bond, order, *wait).await
        }
        StakeCommand::Status => status(shared, access).await,
    }
}

async fn bond(
    shared: &SharedArgs,
    access: &NodeAccess,
    amount: Amount,
    vote_key_file: &Path,
    wait: Wait,
) -> Result<()> {
    // Before a password is asked for.
    let vote_key = secrets::signing_key(vote_key_file)?;
    let mut session = open(shared)?;
    let node = access::client(shared, access)?;
    session.sync(node.as_ref(), now(), &mut rng()).await?;
    let order = StakeOrder::Bond {
        amount,
        vote_key: vote_key.keypair(),
    };
    let submitted = session
        .order_stake(node.as_ref(), order, &mut rng())
        .await?;
    let (id, stage) = settle(&mut session, node.as_ref(), submitted, wait).await?;
    let vote_key = Hex(PublicKey::from(vote_key.keypair()));
    let mut value = json!({
        "tx_id": id.to_string(),
        "state": stage.name(),
        "vote_key": vote_key.to_string(),
    });
    let mut text = format!("{id} {}", stage.name());
    if stage >= Stage::InBlock {
        // The chain has numbered it.
        let asked = GetBond {
            bond: None,
            vote_key: Some(vote_key),
        };
        if let Some(bond) = if_told(node.chain_get_bond(asked).await) {
            value["bond"] = json!(bond.bond);
            text = format!("{text}: bond {} of {amount} X3C", bond.bond);
        }
    }
    output::result(shared.json, &value, &text)
}

async fn of_bond(
    shared: &SharedArgs,
    access: &NodeAccess,
    bond: u32,
    order: StakeOrder<'_>,
    wait: Wait,
) -> Result<()> {
    let mut session = open(shared)?;
    let node = access::client(shared, access)?;
    session.sync(node.as_ref(), now(), &mut rng()).await?;
    let submitted = session
        .order_stake(node.as_ref(), order, &mut rng())
        .await?;
    let (id, stage) = settle(&mut session, node.as_ref(), submitted, wait).await?;
    let mut value = json!({ "tx_id": id.to_string(), "state": stage.name(), "bond": bond });
    let mut text = format!("{id} {}", stage.name());
    if stage >= Stage::InBlock {
        let asked = GetBond {
            bond: Some(bond),
            vote_key: None,
        };
        let found = if_told(node.chain_get_bond(asked).await);
        if let Some(height) = found.and_then(|bond| bond.release_height) {
            value["release_height"] = json!(height);
            text = format!("{text}: paid back at height {height}");
        }
    }
    output::result(shared.json, &value, &text)
}

/// What the account owns; the chain may move between two questions, so a few times.
pub(crate) async fn owned(session: &mut Session, node: &dyn NodeApi) -> Result<Owned> {
    const TRIES_MAX: usize = 8;
    for _ in 0..TRIES_MAX {
        session.sync(node, now(), &mut rng()).await?;
        if let Some(owned) = session.owned(node).await? {
            return Ok(owned);
        }
    }
    Err(SessionError::NoRest.into())
}

async fn status(shared: &SharedArgs, access: &NodeAccess) -> Result<()> {
    let mut session = open(shared)?;
    let node = access::client(shared, access)?;
    let owned = owned(&mut session, node.as_ref()).await?;
    let address = session.address();
    let locked = session.balance().locked;
    let (height, ahead) = seats_ahead(shared, node.as_ref(), &owned.bonds).await?;
    warn_if_cut(&owned);
    let value = json!({
        "address": address.to_string(),
        "height": height,
        "locked": locked.base_units().to_string(),
        "bonds": owned.bonds,
        "complete": owned.is_complete,
        "seats_ahead": ahead
            .iter()
            .map(|(height, seats)| json!({ "height": height, "seats": seats }))
            .collect::<Vec<_>>(),
    });
    let mut lines: Vec<String> = owned.bonds.iter().map(line).collect();
    if lines.is_empty() {
        lines.push("no bonds; make one with `chainchat stake bond`".to_owned());
    }
    let seats: u32 = ahead.iter().map(|(_, seats)| seats).sum();
    let heights = ahead.len();
    lines.push(format!(
        "{seats} seats of the next {heights} blocks' {}",
        heights * 8
    ));
    output::result(shared.json, &value, &lines.join("\n"))
}

/// Height of the tip, and how many seats these bonds hold at each height that is drawn already.
async fn seats_ahead(
    shared: &SharedArgs,
    node: &dyn NodeApi,
    bonds: &[BondStatus],
) -> Result<(u64, Vec<(u64, u32)>)> {
    let tip = node.chain_get_tip().await?.height;
    let lookback = Params::of(shared.network).lookback_blocks;
    let mut ahead = Vec::new();
    for height in tip.saturating_add(1)..=tip.saturating_add(lookback) {
        let asked = GetCommittee {
            height: Some(height),
        };
        let Some(committee) = if_drawn(node.chain_get_committee(asked).await)? else {
            break;
        };
        let own = committee
            .members
            .iter()
            .filter(|member| bonds.iter().any(|bond| bond.bond == member.bond));
        ahead.push((height, own.map(|member| member.seats).sum()));
    }
    Ok((tip, ahead))
}

/// A committee, or nothing where a reorganisation has made the chain shorter since its tip was read.
fn if_drawn(
    answer: Result<CommitteeStatus, RpcFailure>,
) -> Result<Option<CommitteeStatus>, RpcFailure> {
    match answer {
        Err(failure) if failure.reason == "not_drawn" => Ok(None),
        answer => answer.map(Some),
    }
}

/// Says that what is shown may not be all.
pub(crate) fn warn_if_cut(owned: &Owned) {
    if !owned.is_complete {
        output::warn(
            "there are more bonds or masternodes than were looked through: some of yours may be \
             missing here and in `locked`",
        );
    }
}

fn line(bond: &BondStatus) -> String {
    let mut line = format!(
        "bond {}: {} X3C, {}, voted {} of {} seats this term",
        bond.bond,
        bond.amount.0,
        bond.state.as_str(),
        bond.voted,
        bond.assigned
    );
    if let Some(height) = bond.release_height {
        line = format!("{line}, paid back at height {height}");
    }
    if let Some(height) = bond.jailed_until {
        line = format!("{line}, until height {height}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_ahead_end_where_the_chain_became_shorter() {
        let drawn = CommitteeStatus {
            height: 9,
            level: 0,
            weight: 0,
            members: Vec::new(),
            block: None,
            seats: None,
        };
        assert_eq!(if_drawn(Ok(drawn.clone())), Ok(Some(drawn)));
        let beyond = RpcFailure::bad_parameter("not_drawn", "seats are drawn up to height 8");
        assert_eq!(if_drawn(Err(beyond)), Ok(None));
        let gone = RpcFailure::unknown("committee_gone", "known for two terms");
        assert_eq!(if_drawn(Err(gone.clone())), Err(gone));
    }
}
