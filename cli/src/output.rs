//! What is printed: JSON for scripts, lines for people, reasons on standard error.
//!
//! # Invariants
//! Text that came from elsewhere is printed without control characters.
//!
//! # Spec
//! docs/spec/14-commands.md §3
//!
//! # Not here
//! Log lines: `tracing`.

use std::io::Write;
use std::process::ExitCode;

use app::SessionError;
use messenger::error::SendError;
use serde_json::{Value, json};
use store::StoreError;
use wallet::PlanError;

use crate::exit::{Exit, Failure};

/// Prints one result: `value` under `--json`, `text` otherwise.
pub(crate) fn result(json: bool, value: &Value, text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{value}")?;
    } else {
        writeln!(out, "{}", printable(text))?;
    }
    out.flush()?;
    Ok(())
}

/// Says something that is no result.
pub(crate) fn warn(text: &str) {
    // Nobody may be reading.
    let _ = writeln!(std::io::stderr().lock(), "warning: {}", printable(text));
}

/// Says why the command failed and returns its exit code.
pub(crate) fn fail(error: &anyhow::Error, json: bool) -> ExitCode {
    let (exit, code, reason, detail) = explain(error);
    let line = if json {
        json!({ "code": code, "reason": reason, "detail": detail }).to_string()
    } else {
        format!("error: {detail}")
    };
    // Nobody may be reading.
    let _ = writeln!(std::io::stderr().lock(), "{}", printable(&line));
    ExitCode::from(exit.code())
}

/// Whether the reason is that no node answers.
pub(crate) fn is_unreachable(error: &anyhow::Error) -> bool {
    explain(error).0 == Exit::NoNode
}

fn explain(error: &anyhow::Error) -> (Exit, i32, String, String) {
    if let Some(SessionError::Store(locked @ StoreError::Locked { .. })) =
        error.downcast_ref::<SessionError>()
    {
        let detail = format!("{locked}; end that process first (perhaps `chat follow`)");
        return (Exit::Folder, 3, "locked".to_owned(), detail);
    }
    if let Some(failure) = error.downcast_ref::<Failure>() {
        let code = i32::from(failure.exit.code());
        return (
            failure.exit,
            code,
            failure.reason.to_owned(),
            failure.detail.clone(),
        );
    }
    let rpc = error.downcast_ref::<rpc::RpcFailure>().or_else(|| {
        match error.downcast_ref::<SessionError>() {
            Some(SessionError::Node(failure)) => Some(failure),
            _ => None,
        }
    });
    if let Some(failure) = rpc {
        let exit = if failure.is_unreachable() {
            Exit::NoNode
        } else {
            Exit::Rpc
        };
        let code = match exit {
            Exit::NoNode => i32::from(exit.code()),
            _ => failure.code.number(),
        };
        return (
            exit,
            code,
            failure.reason.to_string(),
            failure.detail.clone(),
        );
    }
    let (exit, reason) = match error.downcast_ref::<SessionError>() {
        Some(SessionError::Keystore(wallet::KeystoreError::WrongPassword)) => {
            (Exit::Folder, "wrong_password")
        }
        Some(SessionError::Keystore(_)) => (Exit::Folder, "keystore_damaged"),
        Some(SessionError::Store(_)) => (Exit::Folder, "folder"),
        Some(SessionError::OtherProfile { .. }) => (Exit::Usage, "other_network"),
        Some(SessionError::RecordKind) => (Exit::Folder, "vault_of_another_version"),
        Some(SessionError::NodeBehind { .. }) => (Exit::Failed, "node_syncing"),
        Some(SessionError::NotClaimed) => (Exit::Failed, "not_yet"),
        Some(SessionError::Discard(_)) => (Exit::Failed, "not_discarded"),
        Some(
            SessionError::VaultRecord(_) | SessionError::ChangeSet(_) | SessionError::Messages(_),
        ) => (Exit::Folder, "vault_damaged"),
        Some(SessionError::NoProfile { .. }) => (Exit::Folder, "no_wallet"),
        Some(SessionError::ProfileExists { .. }) => (Exit::Folder, "wallet_exists"),
        Some(SessionError::OtherChain { .. }) => (Exit::Failed, "other_chain"),
        Some(SessionError::Plan(PlanError::BondTooSmall { .. })) => (Exit::Failed, "bond_amount"),
        Some(SessionError::Plan(PlanError::SameKeys)) => (Exit::Failed, "masternode_keys"),
        Some(SessionError::Plan(_) | SessionError::CannotPay { .. }) => {
            (Exit::Failed, "cannot_pay")
        }
        Some(SessionError::NoRecord { .. }) => (Exit::Failed, "no_record"),
        Some(SessionError::Send(SendError::ReadOnly)) => (Exit::Failed, "read_only"),
        Some(SessionError::Send(SendError::WriteOnly)) => (Exit::Failed, "write_only"),
        Some(SessionError::Send(_)) => (Exit::Failed, "not_sent"),
        Some(SessionError::Join(_)) => (Exit::Failed, "not_joined"),
        _ => (Exit::Failed, "failed"),
    };
    (
        exit,
        i32::from(exit.code()),
        reason.to_owned(),
        format!("{error:#}"),
    )
}

/// `text` without control characters but line feeds: peers and nodes must not steer a terminal, nor
/// turn its direction.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| !is_steering(*character) || *character == '\n')
        .collect()
}

/// `text` from elsewhere as a part of a line: it cannot begin another one.
pub(crate) fn in_line(text: &str) -> String {
    printable(text).replace('\n', " ")
}

/// `text` from elsewhere that may have lines of its own: they are indented.
pub(crate) fn indented(text: &str) -> String {
    printable(text).replace('\n', "\n    ")
}

/// Control characters, and those of Unicode's bidirectional algorithm (UAX #9, section 2).
fn is_steering(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\nc\u{7}"), "a[31mb\nc");
        assert_eq!(printable("a\u{202e}b\u{2066}"), "ab");
        assert_eq!(in_line("Bank\ninvited"), "Bank invited");
        assert_eq!(indented("a\nyou: b"), "a\n    you: b");
    }

    #[test]
    fn failures_map_to_the_documented_exit_codes() {
        let unreachable =
            rpc::RpcFailure::new(rpc::ErrorCode::Unreachable, "no_node", "nobody is there");
        assert_eq!(explain(&unreachable.into()).0, Exit::NoNode);
        let rejected = rpc::RpcFailure::rejected("conflict", "no");
        let (exit, code, reason, _) = explain(&SessionError::Node(rejected).into());
        assert_eq!((exit, code, reason.as_str()), (Exit::Rpc, -26, "conflict"));
        let missing = SessionError::NoProfile {
            folder: "here".into(),
        };
        assert_eq!(explain(&missing.into()).0.code(), 3);
        let usage = Failure::error(Exit::Usage, "bad", "no");
        assert_eq!(explain(&usage).0.code(), 2);
    }
}
