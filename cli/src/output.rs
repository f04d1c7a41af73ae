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
        return (
            exit,
            failure.code.number(),
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
        Some(
            SessionError::VaultRecord(_) | SessionError::ChangeSet(_) | SessionError::Messages(_),
        ) => (Exit::Folder, "vault_damaged"),
        Some(SessionError::NoProfile { .. }) => (Exit::Folder, "no_wallet"),
        Some(SessionError::ProfileExists { .. }) => (Exit::Folder, "wallet_exists"),
        Some(SessionError::OtherChain { .. }) => (Exit::Failed, "other_chain"),
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

/// `text` without control characters but line feeds: peers and nodes must not steer a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control() || *character == '\n')
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\nc\u{7}"), "a[31mb\nc");
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
