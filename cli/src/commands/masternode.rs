//! `chainchat masternode`: masternodes.
//!
//! # Invariants
//! A key that is made here is in its file, synced, before the order that registers it is signed.
//!
//! # Spec
//! docs/spec/14-commands.md §9
//!
//! # Not here
//! Signing checkpoints: the node. What an order costs: `wallet::stake`.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Result;
use app::{Reviving, SessionError, Stage};
use chain::PublicKey;
use chain::transaction::ServiceAddress;
use chain::units::MasternodeId;
use genesis::Params;
use rpc::NodeApi;
use rpc::types::{FinalityStatus, GetMasternode, Hex, MasternodeStatus};
use serde_json::json;
use wallet::PlanError;
use wallet::stake::{Registration, StakeOrder};

use crate::args::stake::{MasternodeCommand, RegisterArgs};
use crate::args::{NodeAccess, SharedArgs, Wait};
use crate::commands::keygen;
use crate::commands::profile::{now, open, rng};
use crate::commands::stake::{owned, warn_if_cut};
use crate::commands::waiting::{if_told, settle, wait_for_foreign};
use crate::exit::{Exit, Failure};
use crate::{access, output, secrets};

pub(crate) async fn run(
    shared: &SharedArgs,
    access: &NodeAccess,
    command: &MasternodeCommand,
) -> Result<()> {
    match command {
        MasternodeCommand::Keygen { out } => keygen::run(shared, out),
        MasternodeCommand::Register(args) => register(shared, access, args).await,
        MasternodeCommand::Revive {
            masternode,
            operator_key_file,
            wait,
        } => revive(shared, access, *masternode, operator_key_file, *wait).await,
        MasternodeCommand::Exit { masternode, wait } => {
            exit(shared, access, *masternode, *wait).await
        }
        MasternodeCommand::Status => status(shared, access).await,
    }
}

async fn register(shared: &SharedArgs, access: &NodeAccess, args: &RegisterArgs) -> Result<()> {
    let operator_key = secrets::signing_key(&args.operator_key_file)?;
    let payout = match args.payout {
        Some(address) => Some(
            address
                .account_on(shared.network)
                .map_err(|error| Failure::error(Exit::Usage, "bad_address", error.to_string()))?,
        ),
        None => None,
    };
    let mut session = open(shared)?;
    let node = access::client(shared, access)?;
    session.sync(node.as_ref(), now(), &mut rng()).await?;
    let voting_file = match &args.voting_key_file {
        Some(file) => file.clone(),
        None => voting_file_beside(&args.operator_key_file)?,
    };
    let voting_key = secrets::signing_key(&voting_file)?;
    let order = StakeOrder::Register(Registration {
        operator_key: operator_key.keypair(),
        voting_key: voting_key.keypair(),
        payout: payout.unwrap_or_else(|| session.account()),
        address: service_address(args.service_address),
        service: 0,
    });
    let submitted = session
        .order_stake(node.as_ref(), order, &mut rng())
        .await?;
    let (id, stage) = settle(&mut session, node.as_ref(), submitted, args.wait).await?;
    let operator_key = Hex(PublicKey::from(operator_key.keypair()));
    let mut value = json!({
        "tx_id": id.to_string(),
        "state": stage.name(),
        "operator_key": operator_key.to_string(),
        "voting_key": Hex(PublicKey::from(voting_key.keypair())).to_string(),
        "voting_key_file": voting_file.display().to_string(),
    });
    let mut text = format!("{id} {}", stage.name());
    if stage >= Stage::InBlock {
        // The chain has numbered it.
        let asked = GetMasternode {
            masternode: None,
            key: Some(operator_key),
        };
        if let Some(found) = if_told(node.chain_get_masternode(asked).await) {
            value["masternode"] = json!(found.masternode);
            text = format!("{text}: masternode {}", found.masternode);
        }
    }
    text = format!("{text}\nthe voting key is in {}", voting_file.display());
    output::result(shared.json, &value, &text)
}

/// The voting key's file beside the operator's, made if there is none: an order that is repeated
/// after a failure finds the same key.
fn voting_file_beside(operator_file: &Path) -> Result<PathBuf> {
    let mut name = operator_file.as_os_str().to_owned();
    name.push(".voting");
    let file = PathBuf::from(name);
    if !file.exists() {
        keygen::make(&file)?;
        output::warn(&format!(
            "a voting key was made: {}; keep it",
            file.display()
        ));
    }
    Ok(file)
}

/// The address as it stands in the order; without one, none of any network.
fn service_address(address: Option<SocketAddr>) -> ServiceAddress {
    let Some(address) = address else {
        return ServiceAddress::default();
    };
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    ServiceAddress {
        ip: ip.octets(),
        port: address.port(),
    }
}

async fn revive(
    shared: &SharedArgs,
    access: &NodeAccess,
    masternode: u32,
    operator_key_file: &Path,
    wait: Wait,
) -> Result<()> {
    let operator_key = secrets::signing_key(operator_key_file)?;
    let node = access::client(shared, access)?;
    let params = Params::of(shared.network);
    let reviving = Reviving {
        masternode: MasternodeId::new(masternode),
        operator: operator_key.keypair(),
    };
    let ordered = reviving.order(&params, node.as_ref(), &mut rng()).await;
    let id = match ordered {
        Err(SessionError::Plan(PlanError::InsufficientFunds { needed, available })) => {
            let payer = reviving.payer(&params);
            let detail = format!(
                "the operator's account {payer} has {available} X3C and needs {needed}: send it \
                 some with `chainchat wallet send --to {payer} --amount ...`"
            );
            return Err(Failure::error(Exit::Failed, "cannot_pay", detail));
        }
        ordered => ordered?,
    };
    let stage = wait_for_foreign(node.as_ref(), &id, wait).await?;
    let value = json!({
        "tx_id": id.to_string(),
        "state": stage.name(),
        "masternode": masternode,
    });
    output::result(shared.json, &value, &format!("{id} {}", stage.name()))
}

async fn exit(shared: &SharedArgs, access: &NodeAccess, masternode: u32, wait: Wait) -> Result<()> {
    let mut session = open(shared)?;
    let node = access::client(shared, access)?;
    session.sync(node.as_ref(), now(), &mut rng()).await?;
    let order = StakeOrder::Exit(MasternodeId::new(masternode));
    let submitted = session
        .order_stake(node.as_ref(), order, &mut rng())
        .await?;
    let (id, stage) = settle(&mut session, node.as_ref(), submitted, wait).await?;
    let mut value = json!({
        "tx_id": id.to_string(),
        "state": stage.name(),
        "masternode": masternode,
    });
    let mut text = format!("{id} {}", stage.name());
    if stage >= Stage::InBlock {
        let asked = GetMasternode {
            masternode: Some(masternode),
            key: None,
        };
        let found = if_told(node.chain_get_masternode(asked).await);
        if let Some(height) = found.and_then(|found| found.release_height) {
            value["release_height"] = json!(height);
            text = format!("{text}: paid back at height {height}");
        }
    }
    output::result(shared.json, &value, &text)
}

async fn status(shared: &SharedArgs, access: &NodeAccess) -> Result<()> {
    let mut session = open(shared)?;
    let node = access::client(shared, access)?;
    let owned = owned(&mut session, node.as_ref()).await?;
    let finality = node.chain_get_finality().await?;
    warn_if_cut(&owned);
    let mut lines: Vec<String> = owned.masternodes.iter().map(line).collect();
    if lines.is_empty() {
        lines.push("no masternodes; make one with `chainchat masternode register`".to_owned());
    }
    lines.push(finality_line(&finality));
    let value = json!({
        "address": session.address().to_string(),
        "locked": session.balance().locked.base_units().to_string(),
        "masternodes": owned.masternodes,
        "complete": owned.is_complete,
        "finality": finality,
    });
    output::result(shared.json, &value, &lines.join("\n"))
}

fn line(found: &MasternodeStatus) -> String {
    let office = match (found.front, found.rear) {
        (true, true) => "in both rosters",
        (true, false) => "in the front roster",
        (false, true) => "in the rear roster",
        (false, false) if found.candidate => "a candidate",
        (false, false) => "in no roster",
    };
    let mut line = format!(
        "masternode {}: {} X3C, {}, {office}, signed {} of {} checkpoints this term, penalty {}",
        found.masternode,
        found.collateral.0,
        found.state.as_str(),
        found.signed,
        found.assigned,
        found.penalty
    );
    if let Some(height) = found.release_height {
        line = format!("{line}, paid back at height {height}");
    }
    line
}

fn finality_line(finality: &FinalityStatus) -> String {
    if finality.front.members == 0 {
        return "finality is off: no masternodes are in office".to_owned();
    }
    format!(
        "final up to height {}, {} blocks below the tip; {} masternodes in office",
        finality.finalized.height, finality.gap_blocks, finality.front.members
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_mapped_into_ipv6() {
        let of = |text: &str| service_address(text.parse().ok());
        let four = of("192.0.2.7:31210");
        assert_eq!(four.ip[10..], [0xff, 0xff, 192, 0, 2, 7]);
        assert_eq!(four.port, 31_210);
        assert_eq!(of("[::1]:9").ip[15], 1);
        assert_eq!(service_address(None), ServiceAddress::default());
    }

    #[test]
    fn a_voting_key_is_made_once_beside_the_operators() {
        let folder = tempfile::tempdir().expect("a folder");
        let operator = folder.path().join("operator.key");
        let made = voting_file_beside(&operator).expect("made");
        assert_eq!(made, folder.path().join("operator.key.voting"));
        let text = std::fs::read_to_string(&made).expect("read");
        assert_eq!(text.trim_end().len(), 64);
        assert_eq!(voting_file_beside(&operator).expect("found"), made);
        assert_eq!(std::fs::read_to_string(&made).expect("read"), text);
    }
}
