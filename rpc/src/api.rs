//! The methods of a node: the one list that the trait [`NodeApi`], the server, the client and the
//! published document are made from.
//!
//! # Invariants
//! * A method stands here once; whatever is served, called or documented is expanded from here.
//! * Callers hold an `Arc<dyn NodeApi>` and cannot tell an embedded node from a remote one.
//!
//! # Spec
//! docs/spec/07-rpc.md §3-4
//!
//! # Not here
//! The objects: [`crate::types`]. Doors, limits and errors: [`crate::server`], [`crate::error`].

use async_trait::async_trait;

use crate::error::RpcFailure;
use crate::subscription::Subscription;
use crate::types::{
    AccountStatus, BanStatus, BlockReference, BlockView, BondPage, BondStatus, CommitteeStatus,
    Connect, EnvelopeEvent, EnvelopePage, EnvelopeStatus, FinalityEvent, FinalityStatus, Generate,
    Generated, GetAccount, GetBlock, GetBond, GetCommittee, GetEnvelope, GetEnvelopes, GetHeader,
    GetMasternode, GetMempool, GetOwned, GetSeats, GetStateHash, GetTemplate, GetTransaction, Head,
    HeaderStatus, KillPoint, MasternodePage, MasternodeStatus, MempoolPage, MempoolStatus,
    NodeStatus, PeerStatus, SeatPage, SetTime, StateHash, Submit, SubmitBlock, SubmitSolution,
    SubmittedBlock, SubmittedEnvelope, SubmittedTransaction, SupplyStatus, Template, Tip,
    TransactionStatus,
};

/// Who may call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Everybody: also on the public listener, where a call costs `tokens` of the caller's rate.
    Public {
        /// Price of a call; the size of the answer is charged besides.
        tokens: u32,
    },
    /// Who holds the cookie.
    Private,
    /// Who holds the cookie, on dev and regtest only.
    Development,
}

/// Reads.
pub(crate) const READ: Audience = Audience::Public { tokens: 1 };
/// What costs a check of signatures, a sync of the disk or a walk over the state.
pub(crate) const WORK: Audience = Audience::Public { tokens: 5 };
/// What steers the node or tells about its surroundings.
pub(crate) const PRIVATE: Audience = Audience::Private;
/// What would be an attack on a network with other people's coins.
pub(crate) const DEVELOPMENT: Audience = Audience::Development;

/// Hands the list to the macro `$define`. A call reads
/// `"name on the wire" AUDIENCE name_in_rust(parameters) -> answer`, a subscription
/// `"subscribe" / "unsubscribe" AUDIENCE name_in_rust(parameters) -> event`.
macro_rules! node_methods {
    ($define:ident) => {
        $define! {
            calls {
                /// What this node is and how it is doing.
                "node_getInfo" PRIVATE node_get_info() -> NodeStatus;
                /// Connected peers.
                "node_getPeers" PRIVATE node_get_peers() -> Vec<PeerStatus>;
                /// Connects to a peer and keeps the address; answers when the peer has answered.
                "node_connect" PRIVATE node_connect(Connect) -> ();
                /// Banned peers.
                "node_listBanned" PRIVATE node_list_banned() -> Vec<BanStatus>;
                /// Stops the node cleanly; answers before it stops.
                "node_stop" PRIVATE node_stop() -> ();
                /// End of the best chain.
                "chain_getTip" READ chain_get_tip() -> Tip;
                /// A header by height or id.
                "chain_getHeader" READ chain_get_header(GetHeader) -> HeaderStatus;
                /// A block by height or id.
                "chain_getBlock" READ chain_get_block(GetBlock) -> BlockView;
                /// A transaction of the best chain or the mempool.
                "chain_getTransaction" READ
                    chain_get_transaction(GetTransaction) -> TransactionStatus;
                /// An envelope of the best chain or the mempool.
                "chain_getEnvelope" READ chain_get_envelope(GetEnvelope) -> EnvelopeStatus;
                /// The envelopes of consecutive blocks of the best chain.
                "chain_getEnvelopes" READ chain_get_envelopes(GetEnvelopes) -> EnvelopePage;
                /// Balance, nonce and record of an account at the tip.
                "chain_getAccount" READ chain_get_account(GetAccount) -> AccountStatus;
                /// Supply, emission and price at the tip.
                "chain_getSupply" READ chain_get_supply() -> SupplyStatus;
                /// Justified and final checkpoint, level and rosters at the tip.
                "chain_getFinality" READ chain_get_finality() -> FinalityStatus;
                /// A bond by its number or vote key.
                "chain_getBond" READ chain_get_bond(GetBond) -> BondStatus;
                /// Bonds of an owner.
                "chain_getBonds" WORK chain_get_bonds(GetOwned) -> BondPage;
                /// A masternode by its number or by one of its keys.
                "chain_getMasternode" READ
                    chain_get_masternode(GetMasternode) -> MasternodeStatus;
                /// Masternodes of an owner.
                "chain_getMasternodes" WORK chain_get_masternodes(GetOwned) -> MasternodePage;
                /// Who votes for the block at a height, also of the next few heights.
                "chain_getCommittee" READ chain_get_committee(GetCommittee) -> CommitteeStatus;
                /// Seats that voted for consecutive blocks of the best chain.
                "chain_getSeats" READ chain_get_seats(GetSeats) -> SeatPage;
                /// A hash over the whole consensus state after a block.
                "chain_getStateHash" WORK chain_get_state_hash(GetStateHash) -> StateHash;
                /// Takes in a block as if a peer had sent it.
                "chain_submitBlock" PRIVATE chain_submit_block(SubmitBlock) -> SubmittedBlock;
                /// Takes a transaction into the mempool and relays it.
                "tx_submit" WORK tx_submit(Submit) -> SubmittedTransaction;
                /// Takes an envelope into the mempool and relays it.
                "envelope_submit" WORK envelope_submit(Submit) -> SubmittedEnvelope;
                /// How full the mempool is.
                "mempool_getInfo" PRIVATE mempool_get_info() -> MempoolStatus;
                /// Ids of what waits in the mempool.
                "mempool_get" PRIVATE mempool_get(GetMempool) -> MempoolPage;
                /// Work for a miner whose reward goes to the address.
                "mining_getTemplate" PRIVATE mining_get_template(GetTemplate) -> Template;
                /// Takes in the solution of a template.
                "mining_submitSolution" PRIVATE
                    mining_submit_solution(SubmitSolution) -> SubmittedBlock;
                /// Makes blocks at once.
                "dev_generate" DEVELOPMENT dev_generate(Generate) -> Generated;
                /// Treats a block and its descendants as invalid.
                "dev_invalidateBlock" DEVELOPMENT dev_invalidate_block(BlockReference) -> ();
                /// Takes back `dev_invalidateBlock`.
                "dev_reconsiderBlock" DEVELOPMENT dev_reconsider_block(BlockReference) -> ();
                /// Sets the node's clock; it runs on from there.
                "dev_setTime" DEVELOPMENT dev_set_time(SetTime) -> ();
                /// Places in the code where a test can kill the process.
                "dev_killPoints" DEVELOPMENT dev_kill_points() -> Vec<KillPoint>;
            }
            subscriptions {
                /// Every new end of the best chain.
                "chain_subscribeHeads" / "chain_unsubscribeHeads" READ
                    chain_subscribe_heads() -> Head;
                /// Envelopes that enter the mempool, join and leave the best chain.
                "envelope_subscribe" / "envelope_unsubscribe" READ
                    envelope_subscribe() -> EnvelopeEvent;
                /// Blocks that stakers confirm, checkpoints that become justified and final.
                "finality_subscribe" / "finality_unsubscribe" READ
                    finality_subscribe() -> FinalityEvent;
                /// Work for a miner, anew whenever better work is there.
                "mining_subscribeTemplate" / "mining_unsubscribeTemplate" PRIVATE
                    mining_subscribe_template(GetTemplate) -> Template;
            }
        }
    };
}

pub(crate) use node_methods;

macro_rules! define_trait {
    (
        calls { $(
            $(#[doc = $doc:literal])+ $wire:literal $audience:ident
                $name:ident($($parameters:ty)?) -> $answer:ty;
        )* }
        subscriptions { $(
            $(#[doc = $stream_doc:literal])+ $subscribe:literal / $unsubscribe:literal
                $stream_audience:ident $stream:ident($($stream_parameters:ty)?) -> $event:ty;
        )* }
    ) => {
        /// A node, embedded or remote. One method per method of the contract; a failure is what
        /// the wire would carry.
        #[async_trait]
        pub trait NodeApi: Send + Sync + 'static {
            $(
                $(#[doc = $doc])+
                async fn $name(
                    &self $(, parameters: $parameters)?
                ) -> Result<$answer, RpcFailure>;
            )*
            $(
                $(#[doc = $stream_doc])+
                async fn $stream(
                    &self $(, parameters: $stream_parameters)?
                ) -> Result<Subscription<$event>, RpcFailure>;
            )*
        }
    };
}

node_methods!(define_trait);

#[cfg(test)]
pub(crate) mod mock;
