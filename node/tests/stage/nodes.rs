//! Real nodes on the own machine: RocksDB in a folder of their own, libp2p over loopback, regtest.
//!
//! # Invariants
//! Nothing here decides by time: every wait ends with what it waits for, or fails the test after a
//! deadline far beyond what a loaded machine needs.
//!
//! # Spec
//! docs/spec/06-wire.md §8
//!
//! # Not here
//! Peers that break the rules: `rogue.rs`.

#![allow(dead_code, reason = "each test file uses its part")]

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chain::{AccountId, BlockId, Envelope, Network, Timestamp};
use consensus::testing::TestEnvelope;
use genesis::Params;
use node::engine::Reorgs;
use node::{Clock, Config, RunningNode};
use rpc::NodeApi;
use rpc::types::{
    Acknowledgement, AddressText, BanStatus, Connect, Generate, PeerStatus, RawHex, Submit,
};
use store::{KillPoints, Options, Store};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const DEADLINE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);

/// A node that runs in this process.
pub(crate) struct Peer {
    pub(crate) api: Arc<dyn NodeApi>,
    pub(crate) clock: Clock,
    pub(crate) params: Params,
    running: RunningNode,
    number: u8,
    folder: TempDir,
}

/// Waits until `look` finds something.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let wait = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    match tokio::time::timeout(DEADLINE, wait).await {
        Ok(found) => found,
        Err(_) => panic!("waited in vain for: {what}"),
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// A day after genesis, whatever this machine's clock says.
fn clock(params: &Params) -> Clock {
    let clock = Clock::default();
    let genesis_ms = params.genesis_time.get();
    clock.set(Timestamp::new(genesis_ms + 24 * 60 * 60 * 1_000));
    clock
}

async fn run(
    folder: &TempDir,
    number: u8,
    params: &Params,
    clock: &Clock,
    join: Option<BlockId>,
) -> RunningNode {
    let config = Config {
        params: params.clone(),
        folder: folder.path().join("node"),
        p2p_listen: vec!["/ip4/127.0.0.1/tcp/0".parse().expect("an address")],
        connect: Vec::new(),
        lookup: network::Switch::On,
        mdns: network::Switch::Off,
        rpc_listen: loopback(),
        public_rpc_listen: None,
        metrics_listen: Some(loopback()),
        clock: clock.clone(),
        stake_key: None,
        operator_key: None,
        join,
        reorgs: Reorgs::Lawful,
        kill_points: KillPoints::none(),
        random: [number; 64],
    };
    node::start(config).await.expect("a node starts")
}

impl Peer {
    /// A fresh node; different numbers have different keys.
    pub(crate) async fn start(number: u8) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let params = Params::of(Network::Regtest);
        let clock = clock(&params);
        let running = run(&folder, number, &params, &clock, None).await;
        Self {
            api: running.api(),
            clock,
            params,
            running,
            number,
            folder,
        }
    }

    /// The same node after a clean stop.
    pub(crate) async fn restart(self) -> Self {
        self.restart_after(|_| ()).await.0
    }

    /// The same node after a clean stop, whose operator joins the chain through `block`.
    pub(crate) async fn restart_joining(self, block: BlockId) -> Self {
        self.restart_with(Some(block), |_| ()).await.0
    }

    /// The same node after a clean stop, during which `look` has the store for itself.
    pub(crate) async fn restart_after<T>(self, look: impl FnOnce(&Store) -> T) -> (Self, T) {
        self.restart_with(None, look).await
    }

    async fn restart_with<T>(
        self,
        join: Option<BlockId>,
        look: impl FnOnce(&Store) -> T,
    ) -> (Self, T) {
        let Self {
            api,
            clock,
            params,
            running,
            number,
            folder,
        } = self;
        // Whoever holds the interface holds the store, and its lock.
        drop(api);
        running.stop().await.expect("a clean stop");
        let store = Store::open(&folder.path().join("node"), &params, Options::default());
        let store = store.expect("nobody else has it");
        let seen = look(&store);
        store.close().expect("closed");
        drop(store);
        let running = run(&folder, number, &params, &clock, join).await;
        let peer = Self {
            api: running.api(),
            clock,
            params,
            running,
            number,
            folder,
        };
        (peer, seen)
    }

    pub(crate) fn id(&self) -> String {
        self.running.peer_id()
    }

    pub(crate) fn address(&self) -> String {
        let addresses = self.running.p2p_addresses();
        addresses.first().expect("it listens").clone()
    }

    /// Connects to `other` and waits until both know.
    pub(crate) async fn meet(&self, other: &Self) {
        let address = other.address();
        self.api
            .node_connect(Connect { address })
            .await
            .expect("dialled");
        self.knows(&other.id()).await;
        other.knows(&self.id()).await;
    }

    async fn knows(&self, peer: &str) {
        eventually("a connection", || async { self.standing(peer).await }).await;
    }

    /// How a connected peer stands here.
    pub(crate) async fn standing(&self, peer: &str) -> Option<PeerStatus> {
        let peers = self.api.node_get_peers().await.expect("answers");
        peers.into_iter().find(|known| known.peer_id == peer)
    }

    pub(crate) async fn score(&self, peer: &str) -> Option<u32> {
        self.standing(peer).await.map(|peer| peer.score)
    }

    pub(crate) async fn bans(&self) -> Vec<BanStatus> {
        self.api.node_list_banned().await.expect("answers")
    }

    pub(crate) async fn tip(&self) -> (u64, BlockId) {
        let tip = self.api.chain_get_tip().await.expect("answers");
        (tip.height, tip.id.0)
    }

    pub(crate) async fn follows(&self, other: &Self) {
        let tip = other.tip().await;
        eventually("the same tip", || async move {
            (self.tip().await == tip).then_some(())
        })
        .await;
    }

    pub(crate) async fn generate(&self, count: u32) {
        let account = AccountId::from_bytes([self.number; 20]);
        let address = AddressText::new(Network::Regtest, account);
        self.api
            .dev_generate(Generate { count, address })
            .await
            .expect("blocks");
    }

    /// An envelope that the next block takes.
    pub(crate) async fn envelope(&self, number: u64) -> Envelope {
        let next = chain::Height::new(self.tip().await.0 + 1);
        let epoch = self.params.rate_epoch(next);
        TestEnvelope::message(&self.params, epoch, number).envelope
    }

    pub(crate) async fn submit(&self, envelope: &Envelope, ack: Acknowledgement) {
        let submission = Self::submission(envelope, ack);
        self.api.envelope_submit(submission).await.expect("taken");
    }

    pub(crate) fn submission(envelope: &Envelope, ack: Acknowledgement) -> Submit {
        let raw = RawHex::new(envelope.to_bytes().as_slice());
        let ack = Some(ack);
        Submit { raw, ack }
    }

    pub(crate) async fn waiting_envelopes(&self) -> u32 {
        let mempool = self.api.mempool_get_info().await.expect("answers");
        mempool.envelopes
    }

    /// Waits until exactly so many envelopes wait here.
    pub(crate) async fn holds(&self, envelopes: u32) {
        eventually("envelopes in the mempool", || async move {
            (self.waiting_envelopes().await == envelopes).then_some(())
        })
        .await;
    }

    /// A figure of the metrics page.
    pub(crate) async fn figure(&self, name: &str) -> u64 {
        let address = self.running.metrics_address().expect("it is served");
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("open");
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut page = String::new();
        stream.read_to_string(&mut page).await.expect("text");
        let row = page.lines().find_map(|line| line.strip_prefix(name));
        let row = row.unwrap_or_else(|| panic!("no {name} in {page}"));
        row.trim().parse().expect("a number")
    }

    /// Neither scored nor banned whom it is connected to: `others`, and nobody else.
    pub(crate) async fn blames_nobody_of(&self, others: &[&Self]) {
        for other in others {
            assert_eq!(self.score(&other.id()).await, Some(0), "{}", other.number);
            let banned = self
                .bans()
                .await
                .iter()
                .any(|ban| ban.peer_id == other.id());
            assert!(!banned, "{}", other.number);
        }
    }
}
