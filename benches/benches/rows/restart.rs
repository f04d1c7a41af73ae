//! The restart of a real node process at 10,000 blocks, after an orderly stop and after a kill.

use std::path::Path;
use std::process::{Command, Stdio};

use benches::report::{Finding, Limit};
use benches::rounds::Series;
use serde_json::Value;

/// Runs `benches/restart.py` and reads what it found.
///
/// # Errors
/// Why it could not be run.
pub(crate) fn measure(root: &Path, rounds: usize) -> Result<Vec<Finding>, String> {
    let output = Command::new("python3")
        .arg(root.join("benches/restart.py"))
        .args(["--rounds", &rounds.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("python3 does not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("benches/restart.py ended with {}", output.status));
    }
    let found: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("benches/restart.py does not speak JSON: {error}"))?;
    [
        (
            "after_stop_s",
            "restart at 10,000 blocks after an orderly stop, until RPC answers",
        ),
        (
            "after_kill_s",
            "restart at 10,000 blocks after SIGKILL, until RPC answers",
        ),
    ]
    .into_iter()
    .map(|(key, what)| {
        let seconds = found[key].as_array().ok_or(format!("{key} is missing"))?;
        let seconds = seconds.iter().filter_map(Value::as_f64).collect();
        let series = Series::of("restart", seconds);
        if series.figures.is_empty() {
            return Err(format!("{key} is empty"));
        }
        Ok(Finding::absolute(
            "restart",
            what,
            "s",
            series,
            Limit::AtMost(5.0),
        ))
    })
    .collect()
}
