//! The node's configuration: file, then environment, then flags; parsed first, given meaning once.
//!
//! # Invariants
//! * An unknown key in the file or the environment is an error, never ignored.
//! * Every key with a quantity carries its unit.
//! * No secret is ever a setting.
//!
//! # Spec
//! docs/spec/14-commands.md §2
//!
//! # Not here
//! What the node does with it: `node::Config`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chain::Network;
use serde::{Deserialize, Serialize};

use crate::args::{NodeArgs, SharedArgs};
use crate::exit::{Exit, Failure};

/// Name of the file in the data folder.
pub(crate) const FILE_NAME: &str = "node.toml";
/// Prefix of environment variables: `X3C_RPC_LISTEN` sets `rpc_listen`.
const ENVIRONMENT_PREFIX: &str = "X3C";
/// Environment variable that belongs to fault tests, not to the configuration.
pub(crate) const KILL_AT_VARIABLE: &str = "X3C_KILL_AT";

/// Everything a node can be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NodeSettings {
    /// Addresses to listen on for peers, as multiaddresses.
    pub(crate) p2p_listen: Vec<String>,
    /// Peers to stay connected to, as multiaddresses.
    pub(crate) connect: Vec<String>,
    /// Address of the RPC listener.
    pub(crate) rpc_listen: SocketAddr,
    /// Address of the read-only RPC listener for the public.
    pub(crate) public_rpc_listen: Option<SocketAddr>,
    /// Address for health and metrics.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Mine on this machine.
    pub(crate) mine: bool,
    /// Account that mined coins go to.
    pub(crate) miner_address: Option<String>,
    /// Mining threads; 0 is one less than the cores.
    pub(crate) threads: usize,
    /// File of the key that votes.
    pub(crate) stake_key: Option<PathBuf>,
    /// File of the key that signs checkpoints.
    pub(crate) operator_key: Option<PathBuf>,
    /// Find peers in the local network.
    pub(crate) mdns: bool,
    /// Look for no other peers than those in `connect`.
    pub(crate) connect_only: bool,
    /// Log level or filter.
    pub(crate) log_level: String,
    /// Shift of the clock (milliseconds); dev and regtest only.
    pub(crate) mock_time_offset_ms: i64,
}

/// First port of a network; the services follow in a row.
const fn base_port(network: Network) -> u16 {
    match network {
        Network::Main => 31_210,
        Network::Test => 32_210,
        Network::Dev => 33_210,
        Network::Regtest => 34_210,
    }
}

/// Default address of a node's RPC listener.
pub(crate) const fn default_rpc(network: Network) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), base_port(network) + 1)
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self::for_network(Network::Main)
    }
}

impl NodeSettings {
    /// The defaults of a network.
    pub(crate) fn for_network(network: Network) -> Self {
        let port = base_port(network);
        Self {
            p2p_listen: vec![
                format!("/ip4/0.0.0.0/tcp/{port}"),
                format!("/ip4/0.0.0.0/udp/{port}/quic-v1"),
            ],
            connect: Vec::new(),
            rpc_listen: default_rpc(network),
            public_rpc_listen: None,
            metrics_listen: None,
            mine: false,
            miner_address: None,
            threads: 0,
            stake_key: None,
            operator_key: None,
            mdns: false,
            connect_only: false,
            log_level: "info".to_owned(),
            mock_time_offset_ms: 0,
        }
    }

    /// File, environment and flags over the defaults.
    ///
    /// # Errors
    /// An unreadable file, an unknown key or a value of the wrong kind: a usage failure.
    pub(crate) fn load(
        shared: &SharedArgs,
        args: &NodeArgs,
        folder: &Path,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self> {
        let usage = |detail: String| Failure::error(Exit::Usage, "bad_configuration", detail);
        let defaults = toml::to_string(&Self::for_network(shared.network))
            .context("defaults are always writable")?;
        let mut sources = config::Config::builder()
            .add_source(config::File::from_str(&defaults, config::FileFormat::Toml));
        let in_folder = folder.join(FILE_NAME);
        let named = args
            .config
            .clone()
            .or_else(|| in_folder.exists().then_some(in_folder));
        if let Some(file) = named {
            sources = sources.add_source(
                config::File::from(file)
                    .format(config::FileFormat::Toml)
                    .required(true),
            );
        }
        let environment: config::Map<_, _> = environment
            .filter(|(name, _)| name != KILL_AT_VARIABLE)
            .collect();
        let settings: Self = sources
            .add_source(
                config::Environment::with_prefix(ENVIRONMENT_PREFIX)
                    .source(Some(environment))
                    .try_parsing(true)
                    .list_separator(",")
                    .with_list_parse_key("p2p_listen")
                    .with_list_parse_key("connect"),
            )
            .build()
            .map_err(|error| usage(error.to_string()))?
            .try_deserialize()
            .map_err(|error| usage(error.to_string()))?;
        settings.overridden_by(args).checked(shared.network)
    }

    fn overridden_by(mut self, args: &NodeArgs) -> Self {
        let replace = |list: &mut Vec<String>, given: &[String]| {
            if !given.is_empty() {
                *list = given.to_vec();
            }
        };
        replace(&mut self.p2p_listen, &args.p2p_listen);
        replace(&mut self.connect, &args.connect);
        self.rpc_listen = args.rpc_listen.unwrap_or(self.rpc_listen);
        self.public_rpc_listen = args.public_rpc_listen.or(self.public_rpc_listen);
        self.metrics_listen = args.metrics_listen.or(self.metrics_listen);
        self.mine |= args.mine;
        if let Some(address) = args.miner_address {
            self.miner_address = Some(address.to_string());
        }
        self.threads = args.threads.unwrap_or(self.threads);
        let replace = |path: &mut Option<PathBuf>, given: &Option<PathBuf>| {
            if given.is_some() {
                path.clone_from(given);
            }
        };
        replace(&mut self.stake_key, &args.stake_key);
        replace(&mut self.operator_key, &args.operator_key);
        self.mdns |= args.mdns;
        self.connect_only |= args.connect_only;
        if let Some(level) = &args.log_level {
            self.log_level.clone_from(level);
        }
        self.mock_time_offset_ms = args.mock_time_offset.unwrap_or(self.mock_time_offset_ms);
        self
    }

    fn checked(self, network: Network) -> Result<Self> {
        let usage = |detail: &str| Err(Failure::error(Exit::Usage, "bad_configuration", detail));
        if self.mine && self.miner_address.is_none() {
            return usage("mining needs `miner_address`: the account that mined coins go to");
        }
        if self.stake_key.is_some() && self.stake_key == self.operator_key {
            return usage("`stake_key` and `operator_key` are files of two keys");
        }
        let is_private = matches!(network, Network::Dev | Network::Regtest);
        if self.mock_time_offset_ms != 0 && !is_private {
            return usage("the clock can be shifted on dev and regtest only");
        }
        Ok(self)
    }
}

/// The folder to use: the given one, or the platform's place for `network`.
///
/// # Errors
/// The platform names no home for program data.
pub(crate) fn folder(shared: &SharedArgs, kind: &str) -> Result<PathBuf> {
    if let Some(folder) = &shared.datadir {
        return Ok(folder.clone());
    }
    let places = directories::ProjectDirs::from("", "", "ChainChat").ok_or_else(|| {
        Failure::error(
            Exit::Usage,
            "no_home",
            "no home folder is known; name one with --datadir",
        )
    })?;
    Ok(places.data_dir().join(shared.network.name()).join(kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn parse(line: &[&str]) -> (SharedArgs, NodeArgs) {
        let cli = crate::args::Cli::parse_from(line);
        match cli.command {
            crate::args::Command::Node(args) => (cli.shared, *args),
            other => panic!("{other:?}"),
        }
    }

    fn no_variables() -> impl Iterator<Item = (String, String)> {
        std::iter::empty()
    }

    #[test]
    fn variables_are_read_and_unknown_ones_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (shared, args) = parse(&["chainchat", "node"]);
        let load = |name: &str, value: &str| {
            let variables = [(name.to_owned(), value.to_owned())];
            NodeSettings::load(&shared, &args, folder.path(), variables.into_iter())
        };
        assert_eq!(load("X3C_THREADS", "3").expect("loads").threads, 3);
        assert!(load("X3C_THREDAS", "3").is_err());
        assert!(load(KILL_AT_VARIABLE, "store.commit.before_write:1").is_ok());
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = "rpc_listen = \"127.0.0.1:1\"\nthreads = 3\n";
        std::fs::write(folder.path().join(FILE_NAME), file).expect("written");
        let (shared, args) = parse(&[
            "chainchat",
            "node",
            "--network",
            "dev",
            "--rpc-listen",
            "127.0.0.1:0",
        ]);
        let settings =
            NodeSettings::load(&shared, &args, folder.path(), no_variables()).expect("loads");
        assert_eq!(
            settings.rpc_listen,
            "127.0.0.1:0".parse().expect("an address")
        );
        assert_eq!(settings.threads, 3);
        assert_eq!(
            settings.p2p_listen,
            NodeSettings::for_network(Network::Dev).p2p_listen
        );
    }

    #[test]
    fn key_files_are_settings_and_two_of_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = "stake_key = \"one.key\"\n";
        std::fs::write(folder.path().join(FILE_NAME), file).expect("written");
        let load = |operator: &str| {
            let line = ["chainchat", "node", "--operator-key", operator];
            let (shared, args) = parse(&line);
            NodeSettings::load(&shared, &args, folder.path(), no_variables())
        };
        let settings = load("two.key").expect("loads");
        assert_eq!(settings.stake_key, Some(PathBuf::from("one.key")));
        assert_eq!(settings.operator_key, Some(PathBuf::from("two.key")));
        assert!(load("one.key").is_err(), "one file for two duties");
    }

    #[test]
    fn unknown_keys_are_errors() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(FILE_NAME), "rcp_listen = \"x\"\n").expect("written");
        let (shared, args) = parse(&["chainchat", "node"]);
        let error =
            NodeSettings::load(&shared, &args, folder.path(), no_variables()).expect_err("a typo");
        assert!(error.to_string().contains("rcp_listen"), "{error}");
    }

    #[test]
    fn the_clock_of_main_cannot_be_shifted() {
        let folder = tempfile::tempdir().expect("a folder");
        let (shared, args) = parse(&["chainchat", "node", "--mock-time-offset", "-5"]);
        assert!(NodeSettings::load(&shared, &args, folder.path(), no_variables()).is_err());
    }

    #[test]
    fn ports_are_the_documented_ones() {
        assert_eq!(default_rpc(Network::Main).port(), 31_211);
        assert_eq!(default_rpc(Network::Regtest).port(), 34_211);
    }
}
