//! Rows 4, 5, 6, 8 and 9 of the goals and the restart of a node: ours and the bare reference in one
//! run, a table in docs/performance.md at the end.
//!
//! Usage: `cargo bench ... --bench rows -- [--messages N] [--rounds N] [--only ROWS] [--write]`
//!
//! # Invariants
//! * A row whose reference was restless is reported without a verdict.
//! * What cannot be measured is named with its reason; the run goes on.
//!
//! # Spec
//! docs/performance.md
//!
//! # Not here
//! Single functions: the criterion benches beside this folder.

#![forbid(unsafe_code)]

mod check;
mod disk;
mod import;
mod miner;
mod restart;
mod scan;
mod seal;

use std::path::{Path, PathBuf};
use std::process::Command;

use benches::history::{Admission, History};
use benches::machine;
use benches::report::Report;
use chain::Network;
use genesis::Params;

/// Messages of a block: near the smallest limit of a body.
const PER_BLOCK: u64 = 500;

/// How much is measured.
struct Size {
    messages: u64,
    rounds: usize,
    only: Option<String>,
    write: bool,
}

impl Size {
    fn of_arguments() -> Result<Self, String> {
        let mut size = Self {
            messages: 100_000,
            rounds: 5,
            only: None,
            write: false,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            let number = |text: String| text.parse().map_err(|_| format!("no number: {text}"));
            match argument.as_str() {
                // Cargo says so to every bench.
                "--bench" => {}
                "--messages" => size.messages = number(value()?)?,
                "--rounds" => size.rounds = usize::try_from(number(value()?)?).unwrap_or(5),
                "--only" => size.only = Some(value()?),
                "--write" => size.write = true,
                other => return Err(format!("unknown argument: {other}")),
            }
        }
        if size.messages < PER_BLOCK || size.rounds == 0 {
            return Err(format!("at least {PER_BLOCK} messages and one round"));
        }
        Ok(size)
    }

    fn includes(&self, row: &str) -> bool {
        let only = self.only.as_deref();
        only.is_none_or(|rows| rows.split(',').any(|wanted| wanted == row))
    }
}

fn main() {
    let size = match Size::of_arguments() {
        Ok(size) => size,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::exit(2);
        }
    };
    let mut report = Report {
        commit: commit(),
        machine: machine::description(),
        size: format!("{} messages, {} rounds", size.messages, size.rounds),
        findings: Vec::new(),
        missing: Vec::new(),
    };
    measure(&size, &mut report);
    println!("{:#}\n\n{}", report.to_json(), report.to_markdown());
    if size.write {
        let document = root().join("docs/performance.md");
        report
            .write_into(&document)
            .expect("a document with markers");
        println!("written to {}", document.display());
    }
}

fn measure(size: &Size, report: &mut Report) {
    if ["4", "5", "8"].into_iter().any(|row| size.includes(row)) {
        say("making the history that rows 4, 5 and 8 share");
        let params = params_with_the_epochs_of_main();
        let mut history = History::new(&params);
        history.mine_messages(Admission::Free, size.messages / PER_BLOCK, PER_BLOCK);
        history.store().close().expect("room on the disk");
        for (row, measure) in [
            ("4", check::measure as fn(&History, usize) -> _),
            ("5", import::measure),
            ("8", scan::measure),
        ] {
            if size.includes(row) {
                say(&format!("row {row}"));
                report.findings.extend(measure(&history, size.rounds));
            }
        }
    }
    if size.includes("6") {
        say("row 6");
        report.findings.extend(disk::measure(size.messages));
    }
    if size.includes("9") {
        say("row 9");
        report.findings.extend(miner::measure(size.rounds));
    }
    if size.includes("restart") {
        say("restart at 10,000 blocks");
        match restart::measure(&root(), size.rounds) {
            Ok(findings) => report.findings.extend(findings),
            Err(reason) => report.missing.push(format!("restart: {reason}")),
        }
    }
}

/// Regtest, whose blocks cost nothing to make, with the rate epochs of the real network: they
/// decide how many one-time keys are in the state.
fn params_with_the_epochs_of_main() -> Params {
    let main = Params::of(Network::Main);
    Params {
        rate_epoch_blocks: main.rate_epoch_blocks,
        rate_grace_blocks: main.rate_grace_blocks,
        ..Params::of(Network::Regtest)
    }
}

fn say(words: &str) {
    eprintln!("{words}");
}

fn root() -> PathBuf {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
    benches
        .parent()
        .expect("benches lies in the project")
        .to_path_buf()
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(root())
            .output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(id) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    // The document itself does not change what is measured.
    let changes = git(&[
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        "*.rs",
        "*.toml",
    ]);
    match changes.as_deref() {
        Some("") => id,
        _ => format!("{id} with changes"),
    }
}
