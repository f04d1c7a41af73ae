//! `chainchat config` and `chainchat completions`.
//!
//! # Spec
//! docs/spec/14-commands.md §2
//!
//! # Not here
//! What the settings mean: [`crate::config`].

use std::io::Write;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::args::{Cli, Command, ConfigCommand, SharedArgs};
use crate::config::{NodeSettings, folder};
use crate::output;

pub(crate) fn run(shared: &SharedArgs, command: &ConfigCommand) -> Result<()> {
    let settings = match command {
        ConfigCommand::Generate => NodeSettings::for_network(shared.network),
        ConfigCommand::Show => {
            let folder = folder(shared, "node")?;
            NodeSettings::load(shared, &no_flags()?, &folder, std::env::vars())?
        }
    };
    let text = toml::to_string_pretty(&settings).context("settings are always writable")?;
    output::result(
        shared.json,
        &serde_json::to_value(&settings)?,
        text.trim_end(),
    )
}

fn no_flags() -> Result<crate::args::NodeArgs> {
    let cli = <Cli as clap::Parser>::try_parse_from(["chainchat", "node"])?;
    match cli.command {
        Command::Node(args) => Ok(*args),
        _ => anyhow::bail!("`node` parses as another command"),
    }
}

pub(crate) fn completions(shell: clap_complete::Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "chainchat", &mut script);
    // Whoever reads may have read enough.
    let _ = std::io::stdout().write_all(&script);
}
