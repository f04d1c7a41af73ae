//! The node's methods over the node's thread and the store.
//!
//! # Invariants
//! * Reads look at one moment of the store; a call that needs two things reads them from one view.
//! * Failures carry a stable reason and a sentence that says what to do.
//! * Nothing here decides what is valid: blocks and items go to the node's thread like a peer's.
//!
//! # Spec
//! docs/spec/07-rpc.md
//!
//! # Not here
//! Shapes, authorisation and limits: `rpc`.

mod chain_reads;
mod duties;
mod figures;
mod finality_reads;
mod finality_stream;
mod mining;
mod stake_reads;
mod streams;
mod submissions;

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use chain::Network;
use genesis::Params;
use network::Handle;
use rpc::types::{
    AccountStatus, BanStatus, BlockReference, BlockView, BondPage, BondStatus, CommitteeStatus,
    Connect, Direction, DiskState, EnvelopeEvent, EnvelopePage, EnvelopeStatus, FinalityEvent,
    FinalityStatus, Generate, Generated, GetAccount, GetBlock, GetBond, GetCommittee, GetEnvelope,
    GetEnvelopes, GetHeader, GetMasternode, GetMempool, GetOwned, GetSeats, GetStateHash,
    GetTemplate, GetTransaction, Head, HeaderStatus, Hex, KillPoint, MasternodePage,
    MasternodeStatus, MempoolPage, MempoolStatus, NodeStatus, PeerStatus, SeatPage, SetTime,
    StateHash, Submit, SubmitBlock, SubmitSolution, SubmittedBlock, SubmittedEnvelope,
    SubmittedTransaction, SupplyStatus, Template, Tip, TransactionStatus, Transport,
};
use rpc::{ErrorCode, NodeApi, RpcFailure, Subscription};
use store::{GroupSender, Store, StoreError, View};
use tokio::sync::Notify;

use crate::ledger::LedgerError;
use crate::service::{Mailbox, Unavailable};
use duties::Duties;

pub(crate) use figures::Figures;

/// The node's methods.
pub(crate) struct Api {
    mailbox: Mailbox,
    store: Arc<Store>,
    params: Arc<Params>,
    handle: Handle,
    stop_asked: Arc<Notify>,
    /// To the thread that commits durable submissions; gone when the node stops.
    group: Weak<GroupSender>,
    finality: finality_stream::FinalityWatch,
}

impl Api {
    pub(crate) fn new(
        mailbox: Mailbox,
        store: Arc<Store>,
        params: Params,
        handle: Handle,
        stop_asked: Arc<Notify>,
        group: Weak<GroupSender>,
    ) -> Self {
        Self {
            mailbox,
            store,
            params: Arc::new(params),
            handle,
            stop_asked,
            group,
            finality: finality_stream::FinalityWatch::new(),
        }
    }

    fn network(&self) -> Network {
        self.params.network
    }

    /// Runs `read` over one view of the store, where it may wait for the disk.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&View<'_>, &Params) -> Result<T, RpcFailure> + Send + 'static,
    ) -> Result<T, RpcFailure> {
        let (store, params) = (Arc::clone(&self.store), Arc::clone(&self.params));
        let task = tokio::task::spawn_blocking(move || {
            let view = store.view().map_err(disk)?;
            read(&view, &params)
        });
        task.await
            .map_err(|_| RpcFailure::internal("the read was interrupted"))?
    }
}

#[async_trait]
impl NodeApi for Api {
    async fn node_get_info(&self) -> Result<NodeStatus, RpcFailure> {
        let asked = self
            .mailbox
            .run(|desk| (desk.node.is_syncing(), Duties::of(&desk.node)));
        let (is_syncing, duties) = asked.await.map_err(unavailable)?;
        let syncing = is_syncing.map_err(ledger)?;
        let peer = self.handle.peer_id();
        let listen = self.handle.listening();
        let status = NodeStatus {
            network: self.network().name().to_owned(),
            chain_id: Hex(self.params.chain_id()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            peer_id: peer.to_string(),
            listen: listen
                .iter()
                .map(|address| address.with_peer(peer).to_string())
                .collect(),
            tip: self.tip_point().await?,
            peers: self
                .mailbox
                .board
                .figures
                .peers
                .load(std::sync::atomic::Ordering::Relaxed),
            syncing,
            disk: self.disk_state(),
            alarm: duties.alarm,
            voter: duties.voter,
            signer: duties.signer,
        };
        Ok(status)
    }

    async fn node_get_peers(&self) -> Result<Vec<PeerStatus>, RpcFailure> {
        let peers = self
            .mailbox
            .run(|desk| desk.peers())
            .await
            .map_err(unavailable)?;
        let status = |peer: crate::service::PeerView| PeerStatus {
            peer_id: peer.peer,
            address: peer.address.to_string(),
            direction: match peer.direction {
                network::Direction::Inbound => Direction::Inbound,
                network::Direction::Outbound => Direction::Outbound,
            },
            score: peer.score,
            transport: match peer.address.transport() {
                network::Transport::Tcp => Transport::Tcp,
                network::Transport::Quic => Transport::Quic,
            },
        };
        Ok(peers.into_iter().map(status).collect())
    }

    async fn node_connect(&self, parameters: Connect) -> Result<(), RpcFailure> {
        let address: network::Address = parameters
            .address
            .parse()
            .map_err(|error| RpcFailure::unknown("bad_multiaddr", format!("{error}")))?;
        self.handle
            .dial(address)
            .map_err(|error| RpcFailure::new(ErrorCode::NotConnected, "no_dial", error.to_string()))
    }

    async fn node_list_banned(&self) -> Result<Vec<BanStatus>, RpcFailure> {
        let now = self.mailbox.board.clock.now();
        self.read(move |view, _| {
            let bans = view.bans().map_err(disk)?;
            Ok(bans
                .into_iter()
                .filter(|(_, ban)| ban.until > now)
                .map(|(peer_id, ban)| BanStatus {
                    peer_id,
                    address: None,
                    reason: ban.reason(),
                    until_ms: ban.until.get(),
                })
                .collect())
        })
        .await
    }

    async fn node_stop(&self) -> Result<(), RpcFailure> {
        self.stop_asked.notify_one();
        Ok(())
    }

    async fn chain_get_tip(&self) -> Result<Tip, RpcFailure> {
        self.get_tip().await
    }

    async fn chain_get_header(&self, parameters: GetHeader) -> Result<HeaderStatus, RpcFailure> {
        self.get_header(parameters).await
    }

    async fn chain_get_block(&self, parameters: GetBlock) -> Result<BlockView, RpcFailure> {
        self.get_block(parameters).await
    }

    async fn chain_get_transaction(
        &self,
        parameters: GetTransaction,
    ) -> Result<TransactionStatus, RpcFailure> {
        self.get_transaction(parameters).await
    }

    async fn chain_get_envelope(
        &self,
        parameters: GetEnvelope,
    ) -> Result<EnvelopeStatus, RpcFailure> {
        self.get_envelope(parameters).await
    }

    async fn chain_get_envelopes(
        &self,
        parameters: GetEnvelopes,
    ) -> Result<EnvelopePage, RpcFailure> {
        self.get_envelopes(parameters).await
    }

    async fn chain_get_account(&self, parameters: GetAccount) -> Result<AccountStatus, RpcFailure> {
        self.get_account(parameters).await
    }

    async fn chain_get_supply(&self) -> Result<SupplyStatus, RpcFailure> {
        self.get_supply().await
    }

    async fn chain_get_finality(&self) -> Result<FinalityStatus, RpcFailure> {
        self.get_finality().await
    }

    async fn chain_get_bond(&self, parameters: GetBond) -> Result<BondStatus, RpcFailure> {
        self.get_bond(parameters).await
    }

    async fn chain_get_bonds(&self, parameters: GetOwned) -> Result<BondPage, RpcFailure> {
        self.get_bonds(parameters).await
    }

    async fn chain_get_masternode(
        &self,
        parameters: GetMasternode,
    ) -> Result<MasternodeStatus, RpcFailure> {
        self.get_masternode(parameters).await
    }

    async fn chain_get_masternodes(
        &self,
        parameters: GetOwned,
    ) -> Result<MasternodePage, RpcFailure> {
        self.get_masternodes(parameters).await
    }

    async fn chain_get_committee(
        &self,
        parameters: GetCommittee,
    ) -> Result<CommitteeStatus, RpcFailure> {
        self.get_committee(parameters).await
    }

    async fn chain_get_seats(&self, parameters: GetSeats) -> Result<SeatPage, RpcFailure> {
        self.get_seats(parameters).await
    }

    async fn chain_get_state_hash(
        &self,
        parameters: GetStateHash,
    ) -> Result<StateHash, RpcFailure> {
        self.get_state_hash(parameters).await
    }

    async fn chain_submit_block(
        &self,
        parameters: SubmitBlock,
    ) -> Result<SubmittedBlock, RpcFailure> {
        self.submit_block(parameters.raw.decode(chain::Block::BYTES_MAX)?)
            .await
    }

    async fn tx_submit(&self, parameters: Submit) -> Result<SubmittedTransaction, RpcFailure> {
        self.submit_transaction(parameters).await
    }

    async fn envelope_submit(&self, parameters: Submit) -> Result<SubmittedEnvelope, RpcFailure> {
        self.submit_envelope(parameters).await
    }

    async fn mempool_get_info(&self) -> Result<MempoolStatus, RpcFailure> {
        self.mempool_info().await
    }

    async fn mempool_get(&self, parameters: GetMempool) -> Result<MempoolPage, RpcFailure> {
        self.mempool_page(parameters).await
    }

    async fn mining_get_template(&self, parameters: GetTemplate) -> Result<Template, RpcFailure> {
        let payout = parameters.address.account_on(self.network())?;
        mining::template(&self.mailbox, payout).await
    }

    async fn mining_submit_solution(
        &self,
        parameters: SubmitSolution,
    ) -> Result<SubmittedBlock, RpcFailure> {
        self.submit_solution(parameters).await
    }

    async fn dev_generate(&self, parameters: Generate) -> Result<Generated, RpcFailure> {
        self.generate(parameters).await
    }

    async fn dev_invalidate_block(&self, parameters: BlockReference) -> Result<(), RpcFailure> {
        let Hex(id) = parameters.id;
        self.mark_block(move |node, now| node.invalidate(&id, now))
            .await
    }

    async fn dev_reconsider_block(&self, parameters: BlockReference) -> Result<(), RpcFailure> {
        let Hex(id) = parameters.id;
        self.mark_block(move |node, now| node.reconsider(&id, now))
            .await
    }

    async fn dev_set_time(&self, parameters: SetTime) -> Result<(), RpcFailure> {
        self.mailbox
            .board
            .clock
            .set(chain::Timestamp::new(parameters.ms));
        Ok(())
    }

    async fn dev_kill_points(&self) -> Result<Vec<KillPoint>, RpcFailure> {
        Ok(self
            .store
            .kill_points()
            .map(|(name, passes)| KillPoint {
                name: name.to_owned(),
                passes,
            })
            .collect())
    }

    async fn chain_subscribe_heads(&self) -> Result<Subscription<Head>, RpcFailure> {
        Ok(streams::heads(&self.mailbox))
    }

    async fn envelope_subscribe(&self) -> Result<Subscription<EnvelopeEvent>, RpcFailure> {
        Ok(streams::envelopes(&self.mailbox))
    }

    async fn finality_subscribe(&self) -> Result<Subscription<FinalityEvent>, RpcFailure> {
        Ok(self.finality.subscribe(&self.mailbox, &self.params))
    }

    async fn mining_subscribe_template(
        &self,
        parameters: GetTemplate,
    ) -> Result<Subscription<Template>, RpcFailure> {
        let payout = parameters.address.account_on(self.network())?;
        Ok(streams::templates(&self.mailbox, payout))
    }
}

impl Api {
    fn disk_state(&self) -> DiskState {
        let refused = self
            .mailbox
            .board
            .figures
            .disk_full
            .load(std::sync::atomic::Ordering::Relaxed);
        match self.store.disk() {
            store::DiskState::Ok if !refused => DiskState::Ok,
            _ => DiskState::Full,
        }
    }
}

/// The disk failed; its words say how.
pub(crate) fn disk(error: StoreError) -> RpcFailure {
    match error {
        StoreError::Full { .. } => RpcFailure::new(
            ErrorCode::Disk,
            "disk_full",
            "free some space; the node goes on then",
        ),
        other => RpcFailure::new(ErrorCode::Disk, "disk", other.to_string()),
    }
}

/// The state failed.
pub(crate) fn ledger(error: LedgerError) -> RpcFailure {
    match error {
        LedgerError::Full => RpcFailure::new(
            ErrorCode::Disk,
            "disk_full",
            "free some space; the node goes on then",
        ),
        other => RpcFailure::new(ErrorCode::Disk, "disk", other.to_string()),
    }
}

/// The node's thread did not take the call.
pub(crate) fn unavailable(why: Unavailable) -> RpcFailure {
    match why {
        Unavailable::Busy => RpcFailure::new(
            ErrorCode::Busy,
            "busy",
            "the node has too much to do; try again soon",
        ),
        Unavailable::Stopping => RpcFailure::stopping(),
    }
}
