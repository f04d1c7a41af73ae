//! Starting and stopping a node: store, state machine, network, listeners, in this order and back.
//!
//! # Invariants
//! * Nothing listens before the store is open and consistent.
//! * A clean stop closes the store last, so that the next start knows it was clean.
//!
//! # Spec
//! docs/spec/13-storage.md §1, docs/spec/14-commands.md §4
//!
//! # Not here
//! Flags and files of settings: `cli`.

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chain::{BlockId, Height};
use genesis::{Params, ParamsError};
use network::{Ban, BanSubject, Handle, NodeKey, Switch};
use rpc::{Cookie, Entrance, HealthServer, NodeApi, Server, ServerConfig};
use store::peers::PeerRow;
use store::{GroupSender, KillPoints, Options, Store, StoreError, View};
use tokio::task::JoinHandle;

use super::desk::Desk;
use super::keys::Keys;
use super::{Command, Mailbox};
use crate::api::Api;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::engine::{Refusal, Reorgs};
use crate::key_file::{KeyFileError, KeyLock};
use crate::ledger::LedgerError;
use crate::protocol::Node;

/// How often the state machine is told that time has passed.
const TICK: Duration = Duration::from_millis(500);
/// How often the addresses that work are kept for the next start.
const ADDRESSES_PACE: Duration = Duration::from_secs(60);
/// Times that closing the store is tried again, a tick apart: ten seconds in all.
const CLOSE_TRIES: usize = 20;
/// File of the node's network identity.
const NODE_KEY_FILE: &str = "node.key";

/// What a node is told at start.
#[derive(Debug)]
pub struct Config {
    /// The network's numbers.
    pub params: Params,
    /// The data folder.
    pub folder: PathBuf,
    /// Where to listen for peers.
    pub p2p_listen: Vec<network::Address>,
    /// Peers to stay connected to.
    pub connect: Vec<network::Address>,
    /// Whether other peers are sought than those to stay connected to.
    pub lookup: Switch,
    /// Whether peers are sought in the local network.
    pub mdns: Switch,
    /// Where the private RPC listens.
    pub rpc_listen: SocketAddr,
    /// Where the public RPC listens, if anywhere.
    pub public_rpc_listen: Option<SocketAddr>,
    /// Where health and metrics are served, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
    /// The clock.
    pub clock: Clock,
    /// File of the key that votes, if this node votes.
    pub stake_key: Option<PathBuf>,
    /// File of the key that signs checkpoints, if this node does.
    pub operator_key: Option<PathBuf>,
    /// A block of the chain that the operator wants to be on, whatever was final here before.
    pub join: Option<BlockId>,
    /// Whether reorgs deeper than the law are made.
    pub reorgs: Reorgs,
    /// Where a test wants the process to end.
    pub kill_points: KillPoints,
    /// Randomness for the cookie and a new node key.
    pub random: [u8; 64],
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The network's numbers contradict each other.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// The data folder was refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store's content was refused.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The peer-to-peer network did not start.
    #[error(transparent)]
    Network(#[from] network::NetworkError),
    /// A listener did not start.
    #[error(transparent)]
    Server(#[from] rpc::ServerError),
    /// The cookie could not be written.
    #[error(transparent)]
    Cookie(#[from] rpc::CookieError),
    /// The node's key file is not one.
    #[error("{path} is not a node key: 64 hexadecimal digits")]
    NodeKey {
        /// The file.
        path: PathBuf,
    },
    /// A key file was refused.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The chain to be joined was refused.
    #[error("the chain of {block} cannot be joined: {refusal}")]
    Join {
        /// The block.
        block: BlockId,
        /// Why.
        refusal: Refusal,
    },
    /// The folder holds another chain than the one to be trusted.
    #[error(
        "the block at height {height} in this folder is not the one to be trusted; \
         use another folder, or another word"
    )]
    OtherChain {
        /// Height of the trusted block.
        height: Height,
    },
    /// A file could not be read.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
}

/// Why a node ended by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndError {
    /// The store failed or is damaged.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The node's thread ended in the middle of its work: a defect of the node.
    #[error("the node's thread did not end by itself: {reason}")]
    Aborted {
        /// The runtime's words.
        reason: String,
    },
}

/// A node that runs.
pub struct RunningNode {
    api: Arc<dyn NodeApi>,
    mailbox: Mailbox,
    network: Handle,
    store: Arc<Store>,
    folder: PathBuf,
    server: Server,
    public: Option<Server>,
    health: Option<HealthServer>,
    thread: JoinHandle<Result<(), LedgerError>>,
    pumps: Vec<JoinHandle<()>>,
    stop_asked: Arc<tokio::sync::Notify>,
    /// Durable submissions are taken for as long as this lives.
    group: Arc<GroupSender>,
    committing: JoinHandle<()>,
    clock: Clock,
    /// Until the very end, nobody else signs with our keys.
    _keys: Vec<KeyLock>,
}

/// Starts a node.
///
/// # Errors
/// [`StartError`]; whatever was started is stopped again.
pub async fn start(config: Config) -> Result<RunningNode, StartError> {
    config.params.check()?;
    tracing::info!(network = %config.params.network, folder = %config.folder.display(), "starting");
    let keys = Keys::open(&config)?;
    let options = Options {
        kill_points: config.kill_points.clone(),
        ..Options::default()
    };
    let store = Arc::new(Store::open(&config.folder, &config.params, options)?);
    tracing::info!("the store is open");
    refuse_other_chain(&config.params, &store)?;
    for words in &store.recovery().dropped {
        tracing::warn!(
            words,
            "the last run left an unfinished record; it will be fetched again"
        );
    }
    let mut node = Node::open(Disk::new(Arc::clone(&store)), config.params.clone())?;
    tracing::info!("the block tree is rebuilt");
    let keys = keys.hand_over(&mut node)?;
    node.set_reorgs(config.reorgs);
    if let Some(block) = config.join {
        node.join(&block, config.clock.now())
            .map_err(|refusal| StartError::Join { block, refusal })?;
    }
    let (mailbox, commands) = Mailbox::new(config.clock.clone());
    let mut desk = Desk::new(node, Arc::clone(&store), mailbox.board.clone());
    desk.resume()?;
    let (handle, mut events) = network::start(network_config(&config, &store)?).await?;
    desk.network = Some(handle.clone());
    let stop_asked = Arc::new(tokio::sync::Notify::new());
    let (group, submissions) = store::group_commit();
    let group = Arc::new(group);
    let committed = Arc::clone(&store);
    let committing =
        tokio::task::spawn_blocking(
            move || {
                while submissions.commit_next(&committed).is_some() {}
            },
        );
    let api: Arc<dyn NodeApi> = Arc::new(Api::new(
        mailbox.clone(),
        Arc::clone(&store),
        config.params.clone(),
        handle.clone(),
        Arc::clone(&stop_asked),
        Arc::downgrade(&group),
    ));
    let thread = tokio::task::spawn_blocking(move || desk.serve(commands));
    let to_thread = mailbox.clone();
    let events = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if to_thread.send(Command::Network(event)).await.is_err() {
                break;
            }
        }
    });
    let to_thread = mailbox.clone();
    let ticks = tokio::spawn(async move {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            if to_thread.send(Command::Tick).await.is_err() {
                break;
            }
        }
    });
    let addresses = tokio::spawn(keep_addresses(
        handle.clone(),
        Arc::clone(&store),
        config.clock.clone(),
    ));
    let [cookie_random, _] = halves(&config.random);
    let cookie = Cookie::new(&cookie_random);
    cookie.write(&config.folder)?;
    let network = config.params.network;
    let private = ServerConfig::new(network, config.rpc_listen, Entrance::Private(cookie));
    let server = Server::start(private, Arc::clone(&api)).await?;
    let public = match config.public_rpc_listen {
        Some(listen) => {
            let public = ServerConfig::new(network, listen, Entrance::Public);
            Some(Server::start(public, Arc::clone(&api)).await?)
        }
        None => None,
    };
    let health = match config.metrics_listen {
        Some(listen) => {
            let source = Arc::new(crate::api::Figures::new(mailbox.clone(), handle.clone()));
            Some(HealthServer::start(listen, source).await?)
        }
        None => None,
    };
    tracing::info!(rpc = %server.address(), peer = %handle.peer_id(), "ready");
    Ok(RunningNode {
        api,
        mailbox,
        network: handle,
        store,
        folder: config.folder,
        server,
        public,
        health,
        thread,
        pumps: vec![events, ticks, addresses],
        stop_asked,
        group,
        committing,
        clock: config.clock,
        _keys: keys,
    })
}

impl RunningNode {
    /// The node's methods, for whoever lives in the same process.
    #[must_use]
    pub fn api(&self) -> Arc<dyn NodeApi> {
        Arc::clone(&self.api)
    }

    /// The node's name among its peers.
    #[must_use]
    pub fn peer_id(&self) -> String {
        self.network.peer_id().to_string()
    }

    /// Addresses that peers can reach the node at, with its name.
    #[must_use]
    pub fn p2p_addresses(&self) -> Vec<String> {
        let peer = self.network.peer_id();
        self.network
            .listening()
            .iter()
            .map(|a| a.with_peer(peer).to_string())
            .collect()
    }

    /// Where the private RPC listens.
    #[must_use]
    pub fn rpc_address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Where the public RPC listens.
    #[must_use]
    pub fn public_rpc_address(&self) -> Option<SocketAddr> {
        self.public.as_ref().map(Server::address)
    }

    /// Where health and metrics are served.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.health.as_ref().map(HealthServer::address)
    }

    /// Completes when `node_stop` was called or the node's thread ended by itself.
    ///
    /// # Errors
    /// [`EndError`]: the thread ended because it could not go on.
    pub async fn wait(&mut self) -> Result<(), EndError> {
        tokio::select! {
            () = self.stop_asked.notified() => Ok(()),
            ended = &mut self.thread => how_it_ended(ended),
        }
    }

    /// Stops: listeners, network, state machine, store.
    ///
    /// # Errors
    /// [`StoreError`]: the store could not be closed cleanly.
    pub async fn stop(self) -> Result<(), StoreError> {
        self.server.stop().await;
        if let Some(public) = self.public {
            public.stop().await;
        }
        if let Some(health) = self.health {
            health.stop().await;
        }
        keep_good_addresses(&self.network, &self.store, &self.clock).await;
        // Both may have ended by themselves.
        let _ = self.network.stop();
        let _ = self.mailbox.send(Command::Stop).await;
        if !self.thread.is_finished() {
            let _ = self.thread.await;
        }
        drop(self.group);
        // A commit that failed was told to those who waited for it.
        let _ = self.committing.await;
        for pump in self.pumps {
            pump.abort();
            // Aborted: it holds nothing any more.
            let _ = pump.await;
        }
        if let Err(error) = Cookie::remove(&self.folder) {
            tracing::debug!(%error, "the cookie stays behind");
        }
        close(&self.store).await
    }
}

/// A folder with another chain than the one to be trusted is left as it is.
fn refuse_other_chain(params: &Params, store: &Store) -> Result<(), StartError> {
    let view = store.view()?;
    for (height, trusted) in &params.trusted {
        let found = view.id_at(*height)?;
        if found.is_some_and(|found| found != *trusted) {
            return Err(StartError::OtherChain { height: *height });
        }
    }
    Ok(())
}

fn how_it_ended(
    ended: Result<Result<(), LedgerError>, tokio::task::JoinError>,
) -> Result<(), EndError> {
    match ended {
        Ok(ended) => Ok(ended?),
        Err(error) => Err(EndError::Aborted {
            reason: error.to_string(),
        }),
    }
}

/// Closes the store. A disk that was full a moment ago needs a while to take writes again, so a
/// refusal is not the last word.
async fn close(store: &Store) -> Result<(), StoreError> {
    for _ in 0..CLOSE_TRIES {
        if store.close().is_ok() {
            return Ok(());
        }
        tokio::time::sleep(TICK).await;
    }
    store.close()
}

/// Keeps the addresses that work, now and then: the process may end without a word.
async fn keep_addresses(network: Handle, store: Arc<Store>, clock: Clock) {
    let mut interval = tokio::time::interval(ADDRESSES_PACE);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        keep_good_addresses(&network, &store, &clock).await;
    }
}

async fn keep_good_addresses(network: &Handle, store: &Store, clock: &Clock) {
    let Ok(addresses) = network.good_addresses().await else {
        return;
    };
    let now = clock.now();
    let row = PeerRow {
        seen: now,
        answered: Some(now),
        failures: 0,
    };
    let rows: Vec<_> = addresses
        .iter()
        .map(|address| (address.to_string(), row))
        .collect();
    if let Err(error) = store.put_peers(&rows) {
        tracing::debug!(%error, "addresses of peers were not kept");
    }
}

/// Addresses that worked, the latest first.
fn known_addresses(view: &View<'_>) -> Result<Vec<network::Address>, StoreError> {
    let mut rows: Vec<_> = view.peers()?.into_iter().collect();
    rows.sort_by_key(|(_, row)| Reverse(row.answered));
    let addresses = rows.iter().filter_map(|(address, _)| address.parse().ok());
    Ok(addresses
        .take(network::limits::GOOD_ADDRESSES_MAX)
        .collect())
}

fn network_config(config: &Config, store: &Store) -> Result<network::Config, StartError> {
    let key = node_key(&config.folder, &config.random)?;
    let view = store.view()?;
    let now = config.clock.now();
    let bans = view.bans()?.into_iter().filter_map(|(subject, row)| {
        let left_ms = row.until.get().checked_sub(now.get())?;
        let subject = BanSubject::Peer(subject.parse().ok()?);
        Some(Ban {
            subject,
            lasting: Duration::from_millis(left_ms),
        })
    });
    let mut wanted = network::Config::new(config.params.chain_id(), key);
    wanted.listen.clone_from(&config.p2p_listen);
    wanted.connect.clone_from(&config.connect);
    if config.lookup == Switch::On {
        wanted.known_addresses = known_addresses(&view)?;
    }
    wanted.bans = bans.collect();
    wanted.lookup = config.lookup;
    wanted.mdns = config.mdns;
    Ok(wanted)
}

fn node_key(folder: &Path, random: &[u8; 64]) -> Result<NodeKey, StartError> {
    let path = folder.join(NODE_KEY_FILE);
    let hex = data_encoding::HEXLOWER;
    if path.exists() {
        let text = std::fs::read_to_string(&path).map_err(|error| StartError::Io {
            path: path.clone(),
            error,
        })?;
        let bytes = hex.decode(text.trim().as_bytes()).ok();
        let bytes: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
        return bytes
            .map(NodeKey::from_bytes)
            .ok_or(StartError::NodeKey { path });
    }
    let [_, key] = halves(random);
    store::write_atomically(&path, format!("{}\n", hex.encode(&key)).as_bytes())?;
    Ok(NodeKey::from_bytes(key))
}

fn halves(random: &[u8; 64]) -> [[u8; 32]; 2] {
    let (first, second) = random.split_at(32);
    let half = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).expect("half of 64 bytes");
    [half(first), half(second)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_that_panics_is_an_error_and_no_clean_end() {
        let clean = tokio::task::spawn_blocking(|| Ok(()));
        assert!(how_it_ended(clean.await).is_ok());
        let full = tokio::task::spawn_blocking(|| Err(LedgerError::Full));
        assert!(matches!(
            how_it_ended(full.await),
            Err(EndError::Ledger(LedgerError::Full))
        ));
        let panicked = tokio::task::spawn_blocking(|| panic!("on purpose"));
        assert!(matches!(
            how_it_ended(panicked.await),
            Err(EndError::Aborted { .. })
        ));
    }
}
