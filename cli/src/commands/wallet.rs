//! `chainchat wallet`: keys and coins.
//!
//! # Invariants
//! Words and passwords come from files, standard input or a prompt; they are shown by `words`
//! alone.
//!
//! # Spec
//! docs/spec/14-commands.md §6
//!
//! # Not here
//! What the wallet does: `app` and `wallet`.

use anyhow::Result;
use app::{Owner, Session, Submitted};
use chain::{AccountId, Address, Amount, Height, Network, TxId};
use genesis::Params;
use messenger::Beginning;
use rpc::NodeApi;
use serde_json::json;
use wallet::history::{RowKind, RowPlace};
use wallet::keys::Words;
use wallet::keystore::Cost;
use wallet::order::OrderId;
use wallet::{CreditSource, Duty, HistoryRow};

use crate::access;
use crate::args::{NodeAccess, SharedArgs, Wait, WalletCommand};
use crate::commands::profile::{now, open, open_with, rng, with_opening};
use crate::commands::waiting::settle;
use crate::exit::{Exit, Failure};
use crate::{output, secrets};

/// Rows of history that are printed.
const HISTORY_ROWS_MAX: usize = 10_000;

pub(crate) async fn run(
    shared: &SharedArgs,
    node: &NodeAccess,
    command: &WalletCommand,
) -> Result<()> {
    match command {
        WalletCommand::New => create(shared, node).await,
        WalletCommand::Restore {
            words_file,
            birthday,
        } => restore(shared, words_file, Height::new(*birthday)),
        WalletCommand::Address => {
            let address = open(shared)?.address().to_string();
            output::result(shared.json, &json!({ "address": address }), &address)
        }
        WalletCommand::Words => {
            let words = open(shared)?.words();
            output::result(shared.json, &json!({ "words": *words }), &words)
        }
        WalletCommand::Balance => balance(shared, node).await,
        WalletCommand::Send { to, amount, wait } => send(shared, node, to, *amount, *wait).await,
        WalletCommand::History { csv } => history(shared, node, *csv).await,
        WalletCommand::Discard { tx } => discard(shared, tx),
        WalletCommand::Backup { out } => {
            open(shared)?.backup(out)?;
            let file = out.display().to_string();
            output::result(
                shared.json,
                &json!({ "file": file }),
                &format!("written to {file}"),
            )
        }
        WalletCommand::Sign => sign(shared),
        WalletCommand::Passwd { new_password_file } => {
            let old = secrets::password(shared.password_file.as_deref(), "Password")?;
            let session = open_with(shared, &old)?;
            let new = secrets::new_password(new_password_file.as_deref())?;
            session.change_password(&old, &new, Cost::DEFAULT, &mut rng())?;
            output::result(
                shared.json,
                &json!({ "changed": true }),
                "the password is changed",
            )
        }
    }
}

async fn create(shared: &SharedArgs, node: &NodeAccess) -> Result<()> {
    // A new wallet needs no history: it begins at the node's tip, or at genesis without a node.
    let node = access::client(shared, node)?;
    let birthday = match node.chain_get_tip().await {
        Ok(tip) => {
            check_network(shared, node.as_ref()).await?;
            Height::new(tip.height)
        }
        Err(failure) => {
            output::warn(&format!(
                "no node was asked ({}): the wallet begins at height 0",
                failure.detail
            ));
            Height::new(0)
        }
    };
    let words = Words::generate(&mut rng());
    make(shared, words, birthday, Beginning::NewAccount)
}

/// Refuses a node of another network: a wallet for the wrong one is easily made and hardly noticed.
async fn check_network(shared: &SharedArgs, node: &dyn NodeApi) -> Result<()> {
    let expected = Params::of(shared.network).chain_id();
    let status = node.node_get_info().await?;
    if status.chain_id.0 == expected {
        return Ok(());
    }
    let detail = format!(
        "the node is on network {}, not on {}; add --network",
        status.network.as_str(),
        shared.network.name()
    );
    Err(Failure::error(Exit::Usage, "other_network", detail))
}

fn restore(shared: &SharedArgs, words: &std::path::Path, birthday: Height) -> Result<()> {
    let words = Words::parse(&secrets::text(words)?)
        .map_err(|error| Failure::error(Exit::Usage, "bad_words", error.to_string()))?;
    make(shared, words, birthday, Beginning::Restored)
}

fn make(shared: &SharedArgs, words: Words, birthday: Height, beginning: Beginning) -> Result<()> {
    let owner = Owner {
        words,
        birthday,
        beginning,
    };
    let password = secrets::new_password(shared.password_file.as_deref())?;
    let session = with_opening(shared, &password, |opening| {
        Ok(Session::create(opening, owner, Cost::DEFAULT, &mut rng())?)
    })?;
    let address = session.address().to_string();
    let text = format!(
        "{address}\nWrite down the words (`chainchat wallet words`): they are the only way back."
    );
    let value = json!({ "address": address, "birthday_height": birthday.get() });
    output::result(shared.json, &value, &text)
}

async fn balance(shared: &SharedArgs, access: &NodeAccess) -> Result<()> {
    let mut session = open(shared)?;
    let node = access::client(shared, access)?;
    session.sync(node.as_ref(), now(), &mut rng()).await?;
    let balance = session.balance();
    let base = |amount: Amount| amount.base_units().to_string();
    let value = json!({
        "confirmed": base(balance.confirmed),
        "pending": base(balance.pending),
        "locked": base(balance.locked),
    });
    let text = format!(
        "confirmed {} X3C\npending   {} X3C (on the way out)\nlocked    {} X3C",
        balance.confirmed, balance.pending, balance.locked
    );
    output::result(shared.json, &value, &text)
}

async fn send(
    shared: &SharedArgs,
    access: &NodeAccess,
    to: &Address,
    amount: Amount,
    wait: Wait,
) -> Result<()> {
    let mut rng = rng();
    let mut session = open(shared)?;
    let node = access::client(shared, access)?;
    session.sync(node.as_ref(), now(), &mut rng).await?;
    let submitted = session.send(node.as_ref(), to, amount, &mut rng).await?;
    ordered(shared, &mut session, node.as_ref(), submitted, wait).await
}

/// Waits for what was ordered as long as was asked for, and says how far it came.
pub(crate) async fn ordered(
    shared: &SharedArgs,
    session: &mut Session,
    node: &dyn NodeApi,
    submitted: Submitted,
    wait: Wait,
) -> Result<()> {
    let (id, stage) = settle(session, node, submitted, wait).await?;
    let state = stage.name();
    let value = json!({ "tx_id": id.to_string(), "state": state });
    output::result(shared.json, &value, &format!("{id} {state}"))
}

fn discard(shared: &SharedArgs, id: &TxId) -> Result<()> {
    open(shared)?.discard(id, &mut rng())?;
    let value = json!({ "discarded": id.to_string() });
    output::result(
        shared.json,
        &value,
        "given up; its coins and its place are free again",
    )
}

async fn history(shared: &SharedArgs, access: &NodeAccess, csv: bool) -> Result<()> {
    let mut session = open(shared)?;
    let node = access::client(shared, access)?;
    session.sync(node.as_ref(), now(), &mut rng()).await?;
    let ledger = session.ledger();
    let rows = ledger.history(HISTORY_ROWS_MAX);
    if shared.json {
        let values: Vec<_> = rows
            .iter()
            .map(|row| row_json(row, shared.network))
            .collect();
        return output::result(true, &json!(values), "");
    }
    let header = if csv {
        wallet::HistoryRow::CSV_HEADER
    } else {
        "height\tin X3C\tout X3C\twhat"
    };
    println!("{header}");
    for row in &rows {
        if csv {
            println!("{}", row.csv_line(ledger).trim_end());
        } else {
            println!("{}", row_line(row, shared.network));
        }
    }
    Ok(())
}

/// One row for people.
fn row_line(row: &HistoryRow, network: Network) -> String {
    let place = match row.place {
        RowPlace::Block { height, .. } => height.to_string(),
        place => place.name().to_owned(),
    };
    let what = row_words(row.kind);
    let other = row.counterparty.map_or(String::new(), |account| {
        format!(" {}", Address::new(network, account))
    });
    format!("{place}\t{}\t{}\t{what}{other}", row.credit, row.debit)
}

const fn row_words(kind: RowKind) -> &'static str {
    match kind {
        RowKind::Sent => "sent to",
        RowKind::Received => "received from",
        RowKind::Record => "account record published",
        RowKind::Service(Duty::Bond) => "coins bonded",
        RowKind::Service(Duty::Unbond) => "bond to be paid back",
        RowKind::Service(Duty::Wake) => "bond woken",
        RowKind::Service(Duty::Register) => "masternode registered, collateral locked",
        RowKind::Service(Duty::Revive) => "masternode revived",
        RowKind::Service(Duty::Exit) => "masternode retires",
        RowKind::Envelope => "message paid for",
        RowKind::Reward(CreditSource::Mining) => "block mined",
        RowKind::Reward(CreditSource::Uncle) => "uncle mined",
        RowKind::Reward(CreditSource::Votes) => "votes for blocks",
        RowKind::Reward(CreditSource::Masternode) => "masternode duty",
        RowKind::Correction => {
            "rewards of stake, coins paid back, and what else the chain alone knows"
        }
        RowKind::Opening => "held before the wallet began to follow",
    }
}

/// One row; amounts in base units.
fn row_json(row: &HistoryRow, network: Network) -> serde_json::Value {
    let address = |account: AccountId| Address::new(network, account).to_string();
    let base = |amount: Amount| amount.base_units().to_string();
    let mut value = json!({
        "kind": row.kind.name(),
        "state": row.place.name(),
        "account": address(row.account),
        "credit": base(row.credit),
        "debit": base(row.debit),
        "fee": base(row.fee),
        "tip": base(row.tip),
    });
    if let RowPlace::Block { height, id, time } = row.place {
        value["height"] = json!(height.get());
        value["block"] = json!(id.to_string());
        value["time_ms"] = json!(time.get());
    }
    if let Some(counterparty) = row.counterparty {
        value["counterparty"] = json!(address(counterparty));
    }
    if let RowKind::Service(duty) = row.kind {
        value["service"] = json!(duty.name());
    }
    match row.order {
        Some(OrderId::Transaction(tx)) => value["order"] = json!(tx.to_string()),
        Some(OrderId::Payment(core)) => value["order"] = json!(core.to_string()),
        None => {}
    }
    value
}

fn sign(shared: &SharedArgs) -> Result<()> {
    let session = open(shared)?;
    let text = secrets::text(std::path::Path::new("-"))?;
    let signature = session.sign(&text, &mut rng()).to_string();
    let value = json!({ "address": session.address().to_string(), "signature": signature });
    output::result(shared.json, &value, &signature)
}
