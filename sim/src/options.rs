//! The options of the command line.
//!
//! # Invariants
//! What a run prints as its replay leads to the same run.
//!
//! # Spec
//! README.md
//!
//! # Not here
//! Printing and exit codes: the binary.

use crate::error::OptionsError;
use crate::plan::Plan;
use crate::scenario::{self, PROFILES, SCENARIOS, Size};

/// What `--help` prints.
pub const HELP: &str = "\
chainchat-sim: real nodes in virtual time

  chainchat-sim [--seed N | --seeds A..B] [--hours H] [--nodes K]
                [--profile safety|liveness|byzantine | --scenario NAME] [--show-plan]
  chainchat-sim figures [--seed N] [--hours H]

Prints one line per run; a failing run prints how to repeat it, and the exit code is 1.
figures: the figures of docs/consensus-figures.md; H hours for each row of its second table.
";

const MS_PER_HOUR: f64 = 3_600_000.0;
/// Longest run: a thousand years would not fit the queue's patience.
const HOURS_MAX: f64 = 100_000.0;
const HOSTS_MAX: usize = 1_000;

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Say how to use this.
    Help,
    /// Run plans.
    Run(Runs),
    /// Measure figures.
    Figures {
        /// What chance follows from.
        seed: u64,
        /// Virtual time of each network.
        duration_ms: u64,
    },
}

/// Plans by seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Runs {
    /// First seed.
    pub first_seed: u64,
    /// After the last seed.
    pub end_seed: u64,
    /// Virtual time of each.
    pub hours: f64,
    /// Hosts of each.
    pub hosts: usize,
    /// Profile or scenario.
    pub name: String,
    /// Whether the expanded plan is printed.
    pub shows_plan: bool,
}

impl Runs {
    /// The plan of a seed.
    #[must_use]
    pub fn plan(&self, seed: u64) -> Option<Plan> {
        let size = Size {
            seed,
            hosts: self.hosts,
            duration_ms: (self.hours * MS_PER_HOUR) as u64,
        };
        scenario::plan(&self.name, size)
    }

    /// How to repeat the run of a seed.
    #[must_use]
    pub fn replay(&self, seed: u64) -> String {
        let kind = if PROFILES.contains(&self.name.as_str()) {
            "profile"
        } else {
            "scenario"
        };
        format!(
            "chainchat-sim --seed {seed} --hours {} --nodes {} --{kind} {} --show-plan",
            self.hours, self.hosts, self.name
        )
    }
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// [`OptionsError`].
pub fn parse(arguments: &[String]) -> Result<Command, OptionsError> {
    let mut runs = Runs {
        first_seed: 1,
        end_seed: 2,
        hours: 0.25,
        hosts: 5,
        name: "safety".to_owned(),
        shows_plan: false,
    };
    let mut arguments = arguments.iter().map(String::as_str).peekable();
    let figures = arguments.next_if_eq(&"figures").is_some();
    if figures {
        runs.hours = 12.0;
    }
    while let Some(option) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_default();
        match option {
            "--help" | "-h" => return Ok(Command::Help),
            "--seed" => {
                runs.first_seed = number("--seed", value())?;
                runs.end_seed = runs.first_seed.saturating_add(1);
            }
            "--seeds" => (runs.first_seed, runs.end_seed) = range(value())?,
            "--hours" => runs.hours = hours(value())?,
            "--nodes" => {
                let text = value();
                runs.hosts = number("--nodes", text)?;
                if !(2..=HOSTS_MAX).contains(&runs.hosts) {
                    return Err(refused("--nodes", text));
                }
            }
            "--profile" => runs.name = name("--profile", value(), &PROFILES)?,
            "--scenario" => runs.name = name("--scenario", value(), &SCENARIOS)?,
            "--show-plan" => runs.shows_plan = true,
            other => {
                let option = other.to_owned();
                return Err(OptionsError::Unknown { option });
            }
        }
    }
    if figures {
        return Ok(Command::Figures {
            seed: runs.first_seed,
            duration_ms: (runs.hours * MS_PER_HOUR) as u64,
        });
    }
    Ok(Command::Run(runs))
}

fn refused(option: &'static str, value: &str) -> OptionsError {
    let value = value.to_owned();
    OptionsError::Value { option, value }
}

fn number<T: std::str::FromStr>(option: &'static str, text: &str) -> Result<T, OptionsError> {
    text.parse().map_err(|_| refused(option, text))
}

fn range(text: &str) -> Result<(u64, u64), OptionsError> {
    let ends = text.split_once("..");
    let ends = ends.and_then(|(first, end)| Some((first.parse().ok()?, end.parse().ok()?)));
    ends.filter(|(first, end)| first < end)
        .ok_or_else(|| refused("--seeds", text))
}

fn hours(text: &str) -> Result<f64, OptionsError> {
    let hours: f64 = number("--hours", text)?;
    let is_possible = hours > 0.0 && hours <= HOURS_MAX;
    is_possible
        .then_some(hours)
        .ok_or_else(|| refused("--hours", text))
}

fn name(option: &'static str, text: &str, names: &[&str]) -> Result<String, OptionsError> {
    if names.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(refused(option, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, OptionsError> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&arguments)
    }

    #[test]
    fn a_replay_leads_to_the_same_run() {
        let line = "--seeds 3..9 --hours 1.5 --nodes 7 --scenario stall";
        let Ok(Command::Run(runs)) = parsed(line) else {
            panic!("a line of options");
        };
        assert_eq!((runs.first_seed, runs.end_seed), (3, 9));
        let replay = runs.replay(4);
        let Ok(Command::Run(again)) = parsed(replay.trim_start_matches("chainchat-sim ")) else {
            panic!("{replay}");
        };
        let plans = (runs.plan(4), again.plan(4));
        assert_eq!(format!("{:?}", plans.0), format!("{:?}", plans.1));
        assert!(again.shows_plan);
    }

    #[test]
    fn figures_take_a_seed_and_hours() {
        let expected = Command::Figures {
            seed: 5,
            duration_ms: 7_200_000,
        };
        assert_eq!(parsed("figures --seed 5 --hours 2"), Ok(expected));
    }

    #[test]
    fn wrong_options_are_named() {
        let lines = [
            "--seed x",
            "--seeds 9..3",
            "--hours 0",
            "--hours NaN",
            "--nodes 1",
            "--profile calm",
            "--scenario",
        ];
        for line in lines {
            assert!(
                matches!(parsed(line), Err(OptionsError::Value { .. })),
                "{line}"
            );
        }
        let unknown = parsed("--fast");
        assert!(matches!(unknown, Err(OptionsError::Unknown { .. })));
        assert_eq!(parsed("--help"), Ok(Command::Help));
    }
}
