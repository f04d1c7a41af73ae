//! The command line as people type it; `config` gives it its meaning.
//!
//! # Invariants
//! * No secret is ever an argument: words, passwords, keys and links come from files, standard
//!   input or a prompt.
//! * Names and habits are a contract (docs/spec/14-commands.md); scripts rely on them.
//!
//! # Spec
//! docs/spec/14-commands.md
//!
//! # Not here
//! Defaults that depend on the network, files and the environment: `config`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) mod stake;

use stake::{MasternodeCommand, StakeCommand};

/// ChainChat: encrypted chat messages in the blocks of a purpose-built chain.
#[derive(Debug, Parser)]
#[command(name = "chainchat", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) shared: SharedArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct SharedArgs {
    /// Network: main, test, dev or regtest.
    #[arg(long, global = true, default_value = "main")]
    pub(crate) network: chain::Network,
    /// This command's own folder: a node's, or a wallet's and messenger's profile.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) datadir: Option<PathBuf>,
    /// Password from the first line of this file; `-` is standard input.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Machine-readable output on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a full node.
    Node(Box<NodeArgs>),
    /// Mine for a node over its RPC.
    Mine(MineArgs),
    /// Keys and coins.
    Wallet {
        #[command(flatten)]
        node: NodeAccess,
        #[command(subcommand)]
        command: WalletCommand,
    },
    /// Conversations.
    Chat {
        #[command(flatten)]
        node: NodeAccess,
        #[command(subcommand)]
        command: ChatCommand,
    },
    /// Bonds: coins that vote for blocks.
    Stake {
        #[command(flatten)]
        node: NodeAccess,
        #[command(subcommand)]
        command: StakeCommand,
    },
    /// Masternodes: they make blocks final.
    Masternode {
        #[command(flatten)]
        node: NodeAccess,
        #[command(subcommand)]
        command: MasternodeCommand,
    },
    /// Call a method of a node.
    Rpc(RpcArgs),
    /// Show or generate the node's configuration file.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Where the node is that a command talks to.
#[derive(Debug, Clone, Args)]
pub(crate) struct NodeAccess {
    /// Address of the node's RPC, `http://HOST:PORT` or `ws://HOST:PORT`.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) rpc: Option<String>,
    /// Cookie file of the node.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) rpc_cookie: Option<PathBuf>,
    /// Take address and cookie from this node's data folder.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) node_datadir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// Configuration file; by default `node.toml` in the data folder, if there is one.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Address to listen on for peers, as a multiaddress; may repeat.
    #[arg(long, value_name = "MULTIADDR")]
    pub(crate) p2p_listen: Vec<String>,
    /// Peer to stay connected to, as a multiaddress; may repeat.
    #[arg(long, value_name = "MULTIADDR")]
    pub(crate) connect: Vec<String>,
    /// Address of the RPC listener.
    #[arg(long, value_name = "ADDR")]
    pub(crate) rpc_listen: Option<SocketAddr>,
    /// Address of the read-only RPC listener for the public; none by default.
    #[arg(long, value_name = "ADDR")]
    pub(crate) public_rpc_listen: Option<SocketAddr>,
    /// Address for health and metrics; none by default.
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Mine on this machine.
    #[arg(long, requires = "miner_address")]
    pub(crate) mine: bool,
    /// Account that mined coins go to.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) miner_address: Option<chain::Address>,
    /// Mining threads; by default one less than the cores.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Vote with the key in this file; no other process may use it meanwhile.
    #[arg(long, value_name = "FILE")]
    pub(crate) stake_key: Option<PathBuf>,
    /// Sign checkpoints with the operator key in this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) operator_key: Option<PathBuf>,
    /// Find peers in the local network.
    #[arg(long)]
    pub(crate) mdns: bool,
    /// Look for no other peers than those to stay connected to: for a node behind sentries.
    #[arg(long)]
    pub(crate) connect_only: bool,
    /// Follow no chain but the one with this block, which somebody named whom you trust.
    #[arg(long, value_name = "HEIGHT:BLOCK", value_parser = trusted_block)]
    pub(crate) trust: Option<(chain::Height, chain::BlockId)>,
    /// Follow the chain of this block, whatever was final here before.
    #[arg(long, value_name = "BLOCK", value_parser = block_id)]
    pub(crate) join: Option<chain::BlockId>,
    /// Go back more than 4,096 blocks if a heavier chain asks for it, for as long as this runs.
    #[arg(long)]
    pub(crate) accept_reorg: bool,
    /// Log level: error, warn, info, debug or trace, or a filter of `tracing`.
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Shift the clock; dev and regtest only.
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    pub(crate) mock_time_offset: Option<i64>,
}

#[derive(Debug, Args)]
pub(crate) struct MineArgs {
    #[command(flatten)]
    pub(crate) node: NodeAccess,
    /// Account that mined coins go to.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: chain::Address,
    /// Mining threads; by default one less than the cores.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WalletCommand {
    /// Make a new wallet.
    New,
    /// Make a wallet from its 24 (or 12) words.
    Restore {
        /// File with the words; `-` is standard input.
        #[arg(long, value_name = "FILE")]
        words_file: PathBuf,
        /// Height below which the wallet has no history.
        #[arg(long, value_name = "HEIGHT", default_value_t = 0)]
        birthday: u64,
    },
    /// Print the wallet's address.
    Address,
    /// Print the wallet's words.
    Words,
    /// Coins by state.
    Balance,
    /// Send coins.
    Send {
        /// Receiver.
        #[arg(long, value_name = "ADDRESS")]
        to: chain::Address,
        /// Amount in X3C, for example 1.5.
        #[arg(long, value_name = "X3C")]
        amount: chain::Amount,
        #[command(flatten)]
        wait: Wait,
    },
    /// Credits and debits.
    History {
        /// Comma-separated values instead of a table.
        #[arg(long)]
        csv: bool,
    },
    /// Give up an order that is in no block, for example one that the account can no longer pay.
    Discard {
        /// The order, as `wallet send` printed it.
        #[arg(value_parser = tx_id)]
        tx: chain::TxId,
    },
    /// Copy the encrypted wallet to a file.
    Backup {
        /// File to write; it must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Sign the text on standard input with the account's key.
    Sign,
    /// Change the password.
    Passwd {
        /// New password from the first line of this file.
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ChatCommand {
    /// Start a conversation.
    New {
        /// Its name, seen by its members.
        name: String,
    },
    /// Publish this account's record with a fresh inbox key, so that others can invite it.
    Publish {
        #[command(flatten)]
        wait: Wait,
    },
    /// All conversations, and invitations that wait for an answer.
    List,
    /// Hand out keys, by a link or to an account's inbox.
    Invite {
        /// Conversation id or name.
        conversation: String,
        /// Which keys.
        #[arg(long)]
        access: AccessWord,
        /// Account whose inbox gets the keys; without it a link is made.
        #[arg(long, value_name = "ADDRESS")]
        to: Option<chain::Address>,
        /// File that the link is written to; it must not exist.
        #[arg(long, value_name = "FILE", conflicts_with = "to")]
        out: Option<PathBuf>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Join by a link, or by an invitation to this account's inbox.
    Join {
        /// File with the link; `-` is standard input. A link holds keys: never an argument.
        #[arg(long, value_name = "FILE", required_unless_present = "invitation")]
        link_file: Option<PathBuf>,
        /// Invitation that `chat list` shows.
        #[arg(long, value_name = "ID", conflicts_with = "link_file")]
        invitation: Option<String>,
    },
    /// Send a message.
    Send {
        /// Conversation id or name.
        conversation: String,
        /// The text.
        #[arg(
            long,
            conflicts_with = "text_file",
            required_unless_present = "text_file"
        )]
        text: Option<String>,
        /// File with the text; `-` is standard input.
        #[arg(long, value_name = "FILE")]
        text_file: Option<PathBuf>,
        /// Message that this one answers.
        #[arg(long, value_name = "ID")]
        reply_to: Option<String>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Print messages.
    Read {
        /// Conversation id or name.
        conversation: String,
        /// At most this many, the newest.
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Only messages after this one.
        #[arg(long, value_name = "ID")]
        after: Option<String>,
    },
    /// Print messages as they come.
    Follow {
        /// Conversation id or name.
        conversation: String,
    },
    /// Known accounts.
    Contacts,
}

/// Keys of a conversation that an invitation hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum AccessWord {
    /// Read only.
    Read,
    /// Write only.
    Write,
    /// Read and write.
    ReadWrite,
}

/// How long a command that sends something stays.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Wait {
    /// Wait until what was sent is in this state.
    #[arg(long = "wait", value_name = "STATE")]
    pub(crate) state: Option<WaitState>,
    /// Give up waiting after this many seconds.
    #[arg(long = "timeout", value_name = "SECONDS", default_value_t = 120)]
    pub(crate) seconds: u64,
}

#[derive(Debug, Args)]
pub(crate) struct RpcArgs {
    #[command(flatten)]
    pub(crate) node: NodeAccess,
    /// Method, for example chain_getTip.
    pub(crate) method: String,
    /// Parameters as a JSON object.
    pub(crate) params: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print a configuration file with every setting at its default.
    Generate,
    /// Print the configuration in force for this data folder.
    Show,
}

fn block_id(text: &str) -> Result<chain::BlockId, String> {
    let parsed = text.parse::<rpc::types::Hex<chain::BlockId>>();
    parsed.map(|hex| hex.0).map_err(|error| error.to_string())
}

fn trusted_block(text: &str) -> Result<(chain::Height, chain::BlockId), String> {
    let (height, id) = text.split_once(':').ok_or("HEIGHT:BLOCK is expected")?;
    let height: u64 = height.parse().map_err(|_| "the height is no number")?;
    Ok((chain::Height::new(height), block_id(id)?))
}

fn tx_id(text: &str) -> Result<chain::TxId, String> {
    let parsed = text.parse::<rpc::types::Hex<chain::TxId>>();
    parsed.map(|hex| hex.0).map_err(|error| error.to_string())
}

/// How far something sent has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum WaitState {
    /// The network has it.
    Delivered,
    /// A block holds it.
    InBlock,
    /// Stakers confirmed the block.
    Confirmed,
    /// The block is final.
    Final,
}
