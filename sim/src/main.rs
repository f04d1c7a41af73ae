//! The simulator's command line.
//!
//! # Invariants
//! The exit code is 1 if a run broke an invariant, 2 if the options make no run.
//!
//! # Spec
//! README.md
//!
//! # Not here
//! The options: [`sim::options`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use sim::options::{Command, HELP, Runs, parse};
use sim::tally::Tally;
use sim::{Outcome, simulate, study};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match parse(&arguments) {
        Ok(Command::Help) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Command::Figures { seed, duration_ms }) => {
            let commit = commit().unwrap_or_else(|| "unknown".to_owned());
            print!("Commit {commit}. {}", study::figures(seed, duration_ms));
            ExitCode::SUCCESS
        }
        Ok(Command::Run(runs)) => run(&runs),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// The commit of the working tree that this runs in, if it is one.
fn commit() -> Option<String> {
    let mut git = std::process::Command::new("git");
    let described = git
        .args(["describe", "--always", "--dirty"])
        .output()
        .ok()?;
    let name = String::from_utf8(described.stdout).ok()?;
    described.status.success().then(|| name.trim().to_owned())
}

/// Runs all seeds on all cores; what is printed comes in the order of their end.
fn run(runs: &Runs) -> ExitCode {
    let seeds = runs.first_seed..runs.end_seed;
    let outcomes: Vec<Outcome> = seeds
        .into_par_iter()
        .filter_map(|seed| runs.plan(seed))
        .map(simulate)
        .inspect(|outcome| show(runs, outcome))
        .collect();
    let mut total = Tally::default();
    for outcome in &outcomes {
        total.add_all(&outcome.tally);
    }
    let broken = outcomes.iter().filter(|run| run.failure.is_some()).count();
    if outcomes.len() > 1 {
        println!("all {} runs, {broken} broken: {total}", outcomes.len());
    }
    if broken == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn show(runs: &Runs, outcome: &Outcome) {
    let seed = outcome.plan.seed;
    let plan = if runs.shows_plan || outcome.failure.is_some() {
        outcome.plan.to_string()
    } else {
        String::new()
    };
    let trace = outcome.trace.get(..16).unwrap_or("none");
    let failure = outcome.failure.as_ref().map(|failure| {
        let name = &runs.name;
        let replay = runs.replay(seed);
        format!("BROKEN seed {seed}, {name}: {failure}\n  replay: {replay}\n")
    });
    print!(
        "{plan}seed {seed} {}: {}; trace {trace}\n{}",
        runs.name,
        outcome.tally,
        failure.unwrap_or_default()
    );
}
