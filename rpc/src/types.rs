//! The JSON objects of the node's methods: answers here, parameters and events beside.
//!
//! # Invariants
//! * Names on the wire are a contract: add members, rename none.
//! * Parameters refuse unknown members, answers tolerate them.
//! * Raw numbers carry their unit last; `time_ms` and `expires_ms` are milliseconds since 1970.
//!
//! # Spec
//! docs/spec/07-rpc.md §3-4
//!
//! # Not here
//! Which method takes which: [`crate::api`]. How `chain`'s types become these: [`view`].

use chain::{AccountId, BlockId, ChainId, Hash32, Header, MessageId, PublicKey, TxId, WireId};

use crate::schema::{answers, words};

pub mod event;
pub mod parameters;
pub mod scalar;
pub mod stake;
pub mod view;

pub use event::{
    BlockEnvelopes, EnvelopeEvent, FinalityEvent, Head, IncludedEnvelope, PendingEnvelope, SeatNews,
};
pub use parameters::{
    BlockReference, Connect, Generate, GetAccount, GetBlock, GetBond, GetCommittee, GetEnvelope,
    GetEnvelopes, GetHeader, GetMasternode, GetMempool, GetOwned, GetSeats, GetStateHash,
    GetTemplate, GetTransaction, SetTime, Submit, SubmitBlock, SubmitSolution, Unsubscribe,
};
pub use scalar::{AddressText, BaseUnits, Hex, RawHex, SubscriptionName};
pub use stake::{
    AlarmStatus, BlockSeats, BondPage, BondState, BondStatus, CheckpointPoint, CommitteeMember,
    CommitteeStatus, DutyStatus, FinalityStatus, MasternodePage, MasternodeState, MasternodeStatus,
    RosterSums, SeatPage,
};

words! {
    /// Whether the disk takes new work.
    DiskState {
        /// It does.
        Ok = "ok",
        /// It is full; the node goes on when space is freed.
        Full = "full",
    }

    /// Who opened a connection.
    Direction {
        /// The peer.
        Inbound = "inbound",
        /// This node.
        Outbound = "outbound",
    }

    /// What a connection runs over.
    Transport {
        /// TCP with noise.
        Tcp = "tcp",
        /// QUIC.
        Quic = "quic",
    }

    /// How much is promised of something submitted.
    Acknowledgement {
        /// It is in the mempool; a crash of this node may lose it.
        Accepted = "accepted",
        /// It is synced to this node's disk.
        Durable = "durable",
    }

    /// Kind of a transaction.
    TransactionKind {
        /// Coins to other accounts.
        Transfer = "transfer",
        /// Coins locked for voting.
        Bond = "bond",
        /// A bond to be released.
        Unbond = "unbond",
        /// A dormant bond that votes again.
        Wake = "wake",
        /// A new masternode.
        MnRegister = "mn_register",
        /// A banned masternode that serves again.
        MnRevive = "mn_revive",
        /// A masternode that retires.
        MnExit = "mn_exit",
        /// A new account record.
        AccountRecord = "account_record",
    }

    /// Kind of an envelope.
    EnvelopeKindWord {
        /// A message of a writer chain.
        Message = "message",
        /// A first contact.
        Inbox = "inbox",
        /// A chunk of a file.
        Blob = "blob",
    }

    /// What authorises an envelope.
    AuthWord {
        /// Nothing; regtest only.
        None = "none",
        /// A rate-limit proof.
        RateLimit = "rate_limit",
        /// A proof-of-work stamp.
        Stamp = "stamp",
        /// An anonymous credit.
        Credit = "credit",
        /// A transparent payment.
        Clear = "clear",
    }
}

answers! {
    /// What a node is and how it is doing.
    NodeStatus {
        /// `main`, `test`, `dev` or `regtest`.
        network: String,
        /// Id of the genesis block.
        chain_id: Hex<ChainId>,
        /// Version of the software.
        version: String,
        /// Name of the node among its peers.
        peer_id: String,
        /// Multiaddrs that the node listens on.
        listen: Vec<String>,
        /// End of the best chain.
        tip: BlockPoint,
        /// Connected peers.
        peers: u32,
        /// Whether blocks known to exist are still missing.
        syncing: bool,
        /// Whether the disk takes new work.
        disk: DiskState,
        /// What keeps the node from mining and voting, while it does.
        alarm: Option<AlarmStatus>,
        /// The stake key that the node votes with, if it has one.
        voter: Option<DutyStatus>,
        /// The operator's key that the node signs checkpoints with, if it has one.
        signer: Option<DutyStatus>,
    }

    /// A place in a chain.
    BlockPoint {
        /// Height.
        height: u64,
        /// Block id.
        id: Hex<BlockId>,
    }

    /// A connected peer.
    PeerStatus {
        /// Its name.
        peer_id: String,
        /// Its multiaddr.
        address: String,
        /// Who opened the connection.
        direction: Direction,
        /// Misbehaviour so far; 100 is a ban.
        score: u32,
        /// What the connection runs over.
        transport: Transport,
    }

    /// A banned peer.
    BanStatus {
        /// Its name.
        peer_id: String,
        /// Its last multiaddr.
        address: Option<String>,
        /// The rule it broke.
        reason: String,
        /// When the ban ends (ms since 1970).
        until_ms: u64,
    }

    /// End of the best chain.
    Tip {
        /// Height.
        height: u64,
        /// Block id.
        id: Hex<BlockId>,
        /// The header's time (ms since 1970).
        time_ms: u64,
    }

    /// A header.
    HeaderView {
        /// Block id.
        id: Hex<BlockId>,
        /// Version of the rules.
        version: u32,
        /// Height.
        height: u64,
        /// Id of the block before.
        parent: Hex<BlockId>,
        /// Miner's clock (ms since 1970).
        time_ms: u64,
        /// Proof-of-work target in its stored, compact form.
        target: u32,
        /// Solutions in the chain up to here.
        pow_count: u64,
        /// Merkle root over the transactions.
        tx_root: Hex<Hash32>,
        /// Merkle root over the envelopes.
        envelope_root: Hex<Hash32>,
        /// Merkle root over uncles, votes and evidence.
        aux_root: Hex<Hash32>,
        /// State root after the parent.
        state_root: Hex<Hash32>,
        /// Supply after the parent.
        supply: BaseUnits,
        /// Justified checkpoint after the parent.
        justified: u32,
        /// Finalized checkpoint after the parent.
        finalized: u32,
        /// Who gets the miner's reward.
        payout: AddressText,
        /// First search counter.
        nonce: u64,
        /// Second search counter.
        extra: u64,
        /// Equi-X solution.
        solution: Hex<[u8; 16]>,
        /// The encoded header.
        raw: RawHex,
    }

    /// A header and where it stands.
    HeaderStatus {
        /// The header.
        header: HeaderView,
        /// Whether the block is in the best chain.
        best_chain: bool,
    }

    /// A block: with `raw` the whole encoded block, without it the decoded parts.
    BlockView {
        /// The header.
        header: HeaderView,
        /// Whether the block is in the best chain.
        best_chain: bool,
        /// Bytes of the encoded block.
        bytes: u64,
        /// The encoded block.
        raw: Option<RawHex>,
        /// Transactions in their order.
        transactions: Option<Vec<TransactionView>>,
        /// Envelopes in their order.
        envelopes: Option<Vec<EnvelopeView>>,
        /// Included uncles.
        uncles: Option<Vec<Hex<BlockId>>>,
        /// Included votes of stakers.
        votes: Option<u32>,
        /// Included finality signatures.
        finality_signatures: Option<u32>,
        /// Included proofs of misbehaviour.
        evidence: Option<u32>,
    }

    /// Where something stands in the best chain.
    Placement {
        /// Height of the block.
        height: u64,
        /// Its id.
        block: Hex<BlockId>,
        /// Position among its transactions or envelopes.
        index: u32,
        /// Blocks from this one to the tip, both counted.
        confirmations: u64,
    }

    /// One credit of a transfer.
    OutputView {
        /// Who is paid.
        to: AddressText,
        /// How much.
        amount: BaseUnits,
    }

    /// What a bond is made of.
    BondView {
        /// Signs the bond's votes.
        vote_key: Hex<PublicKey>,
        /// How much is locked.
        amount: BaseUnits,
    }

    /// What a masternode is registered with.
    RegistrationView {
        /// Signs the orders that keep it in service.
        operator_key: Hex<PublicKey>,
        /// Signs its finality votes.
        voting_key: Hex<PublicKey>,
        /// Who gets its rewards.
        payout: AddressText,
        /// Where it is reached: IP address and port.
        service_address: String,
        /// What it offers there, as bits.
        service: u32,
    }

    /// A transaction.
    TransactionView {
        /// Transaction id.
        id: Hex<TxId>,
        /// Its kind.
        kind: TransactionKind,
        /// Who pays.
        sender: AddressText,
        /// The sender's count of orders before.
        nonce: u64,
        /// Largest burned fee the sender accepts.
        max_fee: BaseUnits,
        /// What the miner gets.
        tip: BaseUnits,
        /// Credits, of a transfer.
        outputs: Option<Vec<OutputView>>,
        /// The new bond, of a bond.
        bond: Option<BondView>,
        /// Number of the bond that is released or woken.
        bond_id: Option<u32>,
        /// The new masternode, of a registration.
        registration: Option<RegistrationView>,
        /// Number of the masternode that is revived or retires.
        masternode_id: Option<u32>,
        /// The encoded transaction.
        raw: RawHex,
    }

    /// A transaction and where it stands.
    TransactionStatus {
        /// The transaction.
        transaction: TransactionView,
        /// Its place in the best chain; absent while it waits in the mempool.
        in_block: Option<Placement>,
    }

    /// An envelope as outsiders see it.
    EnvelopeView {
        /// Message id (`mid`).
        id: Hex<MessageId>,
        /// Id of the exact bytes (`wid`).
        wid: Hex<WireId>,
        /// Its kind.
        kind: EnvelopeKindWord,
        /// Size class; the plaintext is padded to 256 bytes shifted left by it.
        class: u8,
        /// What authorises it.
        auth: AuthWord,
        /// Rate epoch that its price and limits hold for.
        rate_epoch: u32,
        /// One-time key.
        one_time_key: Hex<PublicKey>,
        /// The encoded envelope.
        raw: RawHex,
    }

    /// An envelope and where it stands.
    EnvelopeStatus {
        /// The envelope.
        envelope: EnvelopeView,
        /// Its place in the best chain; absent while it waits in the mempool.
        in_block: Option<Placement>,
    }

    /// The envelopes of consecutive blocks of the best chain.
    EnvelopePage {
        /// Ascending by height, without gaps.
        blocks: Vec<EnvelopeBlock>,
        /// Height to go on from; absent at the tip.
        next: Option<u64>,
    }

    /// The envelopes of one block.
    EnvelopeBlock {
        /// Height.
        height: u64,
        /// Block id.
        id: Hex<BlockId>,
        /// Id of the block before: a reader that holds another one follows a reorg.
        parent: Hex<BlockId>,
        /// The header's time (ms since 1970).
        time_ms: u64,
        /// Encoded envelopes in their order.
        envelopes: Vec<RawHex>,
    }

    /// An account in the state of the tip.
    AccountStatus {
        /// Its address.
        address: AddressText,
        /// Its id.
        account: Hex<AccountId>,
        /// Height of the state.
        height: u64,
        /// Block of the state.
        block: Hex<BlockId>,
        /// Coins.
        balance: BaseUnits,
        /// Orders in the chain.
        nonce: u64,
        /// Nonce for the next order, after those that wait in the mempool.
        next_nonce: u64,
        /// The encoded account record, if there is one.
        record: Option<RawHex>,
    }

    /// Money at the tip.
    SupplyStatus {
        /// Height of the state.
        height: u64,
        /// Coins there are.
        supply: BaseUnits,
        /// Coins ever made.
        minted: BaseUnits,
        /// Coins ever burned.
        burned: BaseUnits,
        /// Emission of the next block.
        reward_next: BaseUnits,
        /// Burn price of a KiB in the current rate epoch.
        price_per_kib: BaseUnits,
    }

    /// A hash over the whole consensus state.
    StateHash {
        /// Height of the state.
        height: u64,
        /// Block of the state.
        id: Hex<BlockId>,
        /// The hash; equal on every node at this block.
        state_hash: Hex<Hash32>,
    }

    /// A block that was taken in.
    SubmittedBlock {
        /// Block id.
        id: Hex<BlockId>,
    }

    /// A transaction that was taken in.
    SubmittedTransaction {
        /// Transaction id.
        id: Hex<TxId>,
        /// What is promised.
        ack: Acknowledgement,
    }

    /// An envelope that was taken in.
    SubmittedEnvelope {
        /// Message id (`mid`).
        id: Hex<MessageId>,
        /// Id of the exact bytes (`wid`).
        wid: Hex<WireId>,
        /// What is promised.
        ack: Acknowledgement,
    }

    /// How full the mempool is.
    MempoolStatus {
        /// Transactions.
        transactions: u32,
        /// Envelopes.
        envelopes: u32,
        /// Bytes taken.
        bytes: u64,
        /// Bytes allowed.
        bytes_max: u64,
    }

    /// Ids of what waits in the mempool, ascending in byte order over both lists.
    MempoolPage {
        /// Transaction ids.
        transactions: Vec<Hex<TxId>>,
        /// Message ids of envelopes.
        envelopes: Vec<Hex<MessageId>>,
        /// The encoded envelopes in the order of their ids, if they were asked for.
        raws: Option<Vec<RawHex>>,
        /// Last id of this page if there are more: the next page's `after`.
        next: Option<Hex<Hash32>>,
    }

    /// Work for a miner.
    Template {
        /// Names the template; a solution repeats it.
        job: String,
        /// The encoded header; nonce, extra and solution are zero.
        header: Hex<[u8; Header::BYTES]>,
        /// Largest proof-of-work hash that solves it, as a 256-bit big-endian number.
        target: Hex<[u8; 32]>,
        /// Height of the block.
        height: u64,
        /// When the template is stale at the latest (ms since 1970).
        expires_ms: u64,
    }

    /// Blocks that were made.
    Generated {
        /// Their ids, ascending by height.
        ids: Vec<Hex<BlockId>>,
    }

    /// A place in the code where a test can kill the process.
    KillPoint {
        /// Its name, for `X3C_KILL_AT=name:n`.
        name: String,
        /// How often it was passed since the start.
        passes: u64,
    }
}
