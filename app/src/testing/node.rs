//! A node that follows a script: a chain in memory, a mempool, and faults on demand.
//!
//! # Invariants
//! * Blocks connect, a nonce counts once, and accounts pay what they order, as on a real chain; work,
//!   signatures and stamps are not checked.
//! * It departs from an honest node only by its [`Door`] and its [`Lie`].
//!
//! # Spec
//! docs/spec/07-rpc.md §3
//!
//! # Not here
//! Rules: `consensus`. What users do: [`super::User`].

mod stake;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use chain::envelope::Auth;
use chain::record::AccountRecord;
use chain::transaction::Order;
use chain::vote::IncludedVote;
use chain::{
    AccountId, Amount, Block, Body, EnvelopeBytes, Hash32, Header, Height, MessageId, Network,
    PublicKey, Timestamp, Transaction,
};
use consensus::{reward, transaction};
use genesis::Params;
use rpc::types::view::{BlockForm, BlockSelector};
use rpc::types::{
    AccountStatus, BanStatus, BaseUnits, BlockPoint, BlockReference, BlockView, BondPage,
    BondStatus, CommitteeStatus, Connect, DiskState, EnvelopeBlock, EnvelopeEvent, EnvelopePage,
    EnvelopeStatus, EnvelopeView, FinalityEvent, FinalityStatus, Generate, Generated, GetAccount,
    GetBlock, GetBond, GetCommittee, GetEnvelope, GetEnvelopes, GetHeader, GetMasternode,
    GetMempool, GetOwned, GetSeats, GetStateHash, GetTemplate, GetTransaction, Head, HeaderStatus,
    HeaderView, Hex, KillPoint, MasternodePage, MasternodeStatus, MempoolPage, MempoolStatus,
    NodeStatus, PeerStatus, RawHex, SeatPage, SetTime, StateHash, Submit, SubmitBlock,
    SubmitSolution, SubmittedBlock, SubmittedEnvelope, SubmittedTransaction, SupplyStatus,
    Template, Tip, TransactionStatus,
};
use rpc::{ErrorCode, NodeApi, RpcFailure, Subscription};

const NETWORK: Network = Network::Regtest;

/// What becomes of something that is handed in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Door {
    /// It is taken.
    #[default]
    Open,
    /// The connection goes before the node has it.
    Shut,
    /// The node has it; the connection goes before the answer is there.
    AnswerLost,
    /// The node refuses it.
    Refuses(RpcFailure),
}

/// How the node departs from the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Pages of envelopes hold no block and promise more.
    EmptyPages,
    /// Every page of envelopes begins at genesis.
    FirstPageAgain,
    /// Blocks of a page say that they are one higher.
    WrongHeights,
    /// The mempool has a further page for ever.
    EndlessMempool,
    /// The list of bonds has one.
    EndlessBonds,
    /// The block asked for is the one below.
    BlockBelow,
    /// Nobody is told what an account holds.
    NoAccount,
    /// A block comes without its bytes.
    BlockWithoutBytes,
    /// A block's body also holds what waits, and its header does not name that.
    ForeignBody,
}

/// What an account has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) balance: u64,
    pub(crate) nonce: u64,
    pub(crate) record: Option<AccountRecord>,
    /// Coins in its bonds; they count as one.
    pub(crate) bonded: u64,
    /// Key of that bond.
    pub(crate) vote_key: PublicKey,
}

type State = BTreeMap<AccountId, Account>;

/// The node's state, and what a test wants of it.
pub(crate) struct Script {
    params: Params,
    /// Blocks by height, with the state after each.
    chain: Vec<(Block, State)>,
    blocks_made: u64,
    transactions: Vec<Transaction>,
    envelopes: BTreeMap<MessageId, EnvelopeBytes>,
    /// Everything that was handed in, also what the node did not get.
    pub(crate) handed_in: Vec<RawHex>,
    pub(crate) door: Door,
    pub(crate) lie: Option<Lie>,
    pub(crate) is_syncing: bool,
    /// Seats that voted for the block of each height, on any branch.
    pub(crate) seats: BTreeMap<u64, u32>,
    /// Height of the final block.
    pub(crate) finalized: u64,
    /// Votes that the next block includes.
    pub(crate) votes: Vec<IncludedVote>,
    /// Who holds the seats of every height: bond and seats.
    pub(crate) committee: Vec<(u32, u32)>,
    /// Whether a block comes with every question about bonds.
    pub(crate) is_restless: bool,
    /// Pages of bonds that were asked for.
    pub(crate) lists_asked: usize,
    /// Questions about seats.
    pub(crate) seats_asked: usize,
    /// Pages of envelopes and of the mempool that were asked for.
    pub(crate) pages_asked: usize,
}

impl Script {
    fn tip(&self) -> &(Block, State) {
        self.chain.last().expect("there is a genesis")
    }

    fn tip_height(&self) -> u64 {
        self.tip().0.header.height.get()
    }

    pub(crate) fn account_mut(&mut self, account: AccountId) -> &mut Account {
        let (_, state) = self.chain.last_mut().expect("there is a genesis");
        state.entry(account).or_default()
    }

    fn mine(&mut self) {
        let (parent, mut state) = self.tip().clone();
        let height = parent.header.height.next().expect("far from the end");
        self.transactions
            .sort_by_key(|tx| (tx.sender(), tx.prefix().nonce));
        let mut body = Body::default();
        body.aux.votes = std::mem::take(&mut self.votes);
        for tx in std::mem::take(&mut self.transactions) {
            if take_transaction(&mut state, &tx) {
                body.transactions.push(tx);
            } else {
                self.transactions.push(tx);
            }
        }
        for (id, bytes) in std::mem::take(&mut self.envelopes) {
            let envelope = bytes.parse().expect("an envelope");
            let is_timely = self.params.accepts_epoch(height, envelope.rate_epoch);
            if is_timely && take_payment(&mut state, &envelope.auth) {
                body.envelopes.push(bytes);
            } else {
                self.envelopes.insert(id, bytes);
            }
        }
        self.blocks_made += 1;
        let header = Header {
            height,
            parent: parent.id(),
            time: Timestamp::new(parent.header.time.get() + 2_000),
            tx_root: body.tx_root(),
            envelope_root: body.envelope_root().expect("envelopes"),
            // Another branch has other blocks.
            extra: self.blocks_made,
            ..Header::default()
        };
        self.chain.push((Block { header, body }, state));
    }

    fn block(&self, height: u64) -> Result<&Block, RpcFailure> {
        let found = usize::try_from(height)
            .ok()
            .and_then(|at| self.chain.get(at));
        found
            .map(|(block, _)| block)
            .ok_or_else(|| RpcFailure::unknown("unknown_block", "above the tip"))
    }

    fn select(&self, selector: BlockSelector) -> Result<&Block, RpcFailure> {
        match selector {
            BlockSelector::Height(height) => self.block(height.get()),
            BlockSelector::Id(_) => Err(unscripted()),
        }
    }

    fn node_get_info(&mut self) -> Result<NodeStatus, RpcFailure> {
        let height = self.tip_height();
        let id = Hex(self.tip().0.id());
        Ok(NodeStatus {
            network: NETWORK.name().to_owned(),
            chain_id: Hex(self.params.chain_id()),
            version: "scripted".to_owned(),
            peer_id: String::new(),
            listen: Vec::new(),
            tip: BlockPoint { height, id },
            peers: 1,
            syncing: self.is_syncing,
            disk: DiskState::Ok,
            alarm: None,
            voter: None,
            signer: None,
        })
    }

    fn chain_get_tip(&mut self) -> Result<Tip, RpcFailure> {
        let (block, _) = self.tip();
        Ok(Tip {
            height: self.tip_height(),
            id: Hex(block.id()),
            time_ms: block.header.time.get(),
        })
    }

    fn chain_get_header(&mut self, asked: GetHeader) -> Result<HeaderStatus, RpcFailure> {
        let header = HeaderView::new(&self.select(asked.block()?)?.header, NETWORK);
        let best_chain = true;
        Ok(HeaderStatus { header, best_chain })
    }

    fn chain_get_block(&mut self, asked: GetBlock) -> Result<BlockView, RpcFailure> {
        let mut block = self.select(asked.block()?)?.clone();
        match self.lie {
            Some(Lie::BlockBelow) => {
                let below = block.header.height.get().saturating_sub(1);
                block = self.block(below)?.clone();
            }
            Some(Lie::ForeignBody) => {
                block.body.transactions.extend(self.transactions.clone());
            }
            _ => {}
        }
        let view = BlockView::new(&block, NETWORK, true, BlockForm::Raw);
        let mut view = view.map_err(|error| RpcFailure::internal(error.to_string()))?;
        if self.lie == Some(Lie::BlockWithoutBytes) {
            view.raw = None;
        }
        Ok(view)
    }

    fn chain_get_envelope(&mut self, asked: GetEnvelope) -> Result<EnvelopeStatus, RpcFailure> {
        let found = self.envelopes.get(&asked.id.0);
        let bytes = found.ok_or_else(|| RpcFailure::unknown("unknown_envelope", "not waiting"))?;
        let envelope = EnvelopeView::new(&bytes.parse().expect("an envelope"));
        let in_block = None;
        Ok(EnvelopeStatus { envelope, in_block })
    }

    fn chain_get_envelopes(&mut self, asked: GetEnvelopes) -> Result<EnvelopePage, RpcFailure> {
        self.pages_asked += 1;
        let (from, count) = match self.lie {
            Some(Lie::EmptyPages) => (asked.from, 0),
            Some(Lie::FirstPageAgain) => (0, asked.count),
            _ => (asked.from, asked.count),
        };
        let end = from.saturating_add(u64::from(count));
        let blocks = (from..end).map_while(|height| self.block(height).ok());
        let mut blocks: Vec<_> = blocks.map(envelope_block).collect();
        if self.lie == Some(Lie::WrongHeights) {
            blocks.iter_mut().for_each(|block| block.height += 1);
        }
        let next = Some(from + blocks.len() as u64).filter(|next| *next <= self.tip_height());
        Ok(EnvelopePage { blocks, next })
    }

    fn chain_get_account(&mut self, asked: GetAccount) -> Result<AccountStatus, RpcFailure> {
        if self.lie == Some(Lie::NoAccount) {
            return Err(unscripted());
        }
        let account = asked.address.account_on(NETWORK)?;
        let (block, state) = self.tip();
        let found = state.get(&account).cloned().unwrap_or_default();
        Ok(AccountStatus {
            address: asked.address,
            account: Hex(account),
            height: self.tip_height(),
            block: Hex(block.id()),
            balance: BaseUnits(Amount::from_base(found.balance)),
            nonce: found.nonce,
            next_nonce: found.nonce,
            record: found.record.as_ref().map(RawHex::encoding),
        })
    }

    fn chain_get_supply(&mut self) -> Result<SupplyStatus, RpcFailure> {
        let nothing = BaseUnits(Amount::ZERO);
        Ok(SupplyStatus {
            height: self.tip_height(),
            supply: nothing,
            minted: nothing,
            burned: nothing,
            reward_next: nothing,
            price_per_kib: BaseUnits(reward::kib_price(Amount::ZERO)),
        })
    }

    fn mempool_get(&mut self, _: GetMempool) -> Result<MempoolPage, RpcFailure> {
        self.pages_asked += 1;
        let raws = self.envelopes.values();
        let more = Hex(Hash32::from_bytes([0; 32]));
        Ok(MempoolPage {
            transactions: self.transactions.iter().map(|tx| Hex(tx.id())).collect(),
            envelopes: self.envelopes.keys().map(|id| Hex(*id)).collect(),
            raws: Some(raws.map(|raw| RawHex::new(raw.as_slice())).collect()),
            next: (self.lie == Some(Lie::EndlessMempool)).then_some(more),
        })
    }

    /// Whether something reaches the node.
    fn enter(&mut self, raw: &RawHex) -> Result<(), RpcFailure> {
        self.handed_in.push(raw.clone());
        match &self.door {
            Door::Open | Door::AnswerLost => Ok(()),
            Door::Shut => Err(gone()),
            Door::Refuses(failure) => Err(failure.clone()),
        }
    }

    /// Whether its answer reaches the user.
    fn leave(&self) -> Result<(), RpcFailure> {
        match &self.door {
            Door::AnswerLost => Err(gone()),
            _ => Ok(()),
        }
    }

    fn tx_submit(&mut self, submit: Submit) -> Result<SubmittedTransaction, RpcFailure> {
        self.enter(&submit.raw)?;
        let transaction: Transaction = submit.raw.decode(Transaction::BYTES_MAX)?;
        let id = transaction.id();
        if !self.transactions.iter().any(|waiting| waiting.id() == id) {
            self.transactions.push(transaction);
        }
        self.leave()?;
        let ack = submit.ack.expect("the session asks for one");
        Ok(SubmittedTransaction { id: Hex(id), ack })
    }

    fn envelope_submit(&mut self, submit: Submit) -> Result<SubmittedEnvelope, RpcFailure> {
        self.enter(&submit.raw)?;
        let envelope = submit.raw.envelope()?;
        let (id, wid) = (envelope.mid(), envelope.wid());
        self.envelopes.insert(id, envelope.to_bytes());
        self.leave()?;
        let ack = submit.ack.expect("the session asks for one");
        let (id, wid) = (Hex(id), Hex(wid));
        Ok(SubmittedEnvelope { id, wid, ack })
    }
}

fn envelope_block(block: &Block) -> EnvelopeBlock {
    let envelopes = block.body.envelopes.iter();
    EnvelopeBlock {
        height: block.header.height.get(),
        id: Hex(block.id()),
        parent: Hex(block.header.parent),
        time_ms: block.header.time.get(),
        envelopes: envelopes.map(|raw| RawHex::new(raw.as_slice())).collect(),
    }
}

fn gone() -> RpcFailure {
    RpcFailure::new(
        ErrorCode::Unreachable,
        "unreachable",
        "the connection is gone",
    )
}

fn unscripted() -> RpcFailure {
    RpcFailure::internal("the script does not say")
}

/// Takes `base_units` from an account if `nonce` is its next one.
fn pay(state: &mut State, payer: AccountId, nonce: u64, base_units: u64) -> bool {
    let account = state.entry(payer).or_default();
    let rest = account.balance.checked_sub(base_units);
    match rest.filter(|_| account.nonce == nonce) {
        Some(rest) => {
            (account.balance, account.nonce) = (rest, nonce + 1);
            true
        }
        None => false,
    }
}

fn take_transaction(state: &mut State, tx: &Transaction) -> bool {
    let (sender, prefix) = (tx.sender(), tx.prefix());
    match &tx.order {
        Order::Transfer(order) => {
            let outputs = &order.body.outputs;
            let new = outputs
                .iter()
                .filter(|output| !state.contains_key(&output.to));
            let units = transaction::base_units(tx) + new.count() as u64;
            let fee = reward::fee(units, reward::kib_price(Amount::ZERO)).expect("payable");
            let paid: u64 = outputs
                .iter()
                .map(|output| output.amount.base_units())
                .sum();
            if !pay(state, sender, prefix.nonce, paid + fee.base_units()) {
                return false;
            }
            for output in outputs {
                state.entry(output.to).or_default().balance += output.amount.base_units();
            }
            true
        }
        Order::AccountRecord(order) => {
            let is_next = pay(state, sender, prefix.nonce, 0);
            if is_next {
                state.entry(sender).or_default().record = Some(order.body.record.clone());
            }
            is_next
        }
        Order::Bond(order) => {
            let units = transaction::base_units(tx);
            let fee = reward::fee(units, reward::kib_price(Amount::ZERO)).expect("payable");
            let bonded = order.body.amount.base_units();
            let is_next = pay(state, sender, prefix.nonce, bonded + fee.base_units());
            if is_next {
                let account = state.entry(sender).or_default();
                account.bonded += bonded;
                account.vote_key = order.body.vote_key;
            }
            is_next
        }
        // No test of this crate orders anything else.
        _ => false,
    }
}

fn take_payment(state: &mut State, auth: &Auth) -> bool {
    match auth {
        Auth::Clear(payment) => {
            let (payer, burn) = (AccountId::from(&payment.payer), payment.burn.base_units());
            pay(state, payer, payment.nonce, burn)
        }
        _ => true,
    }
}

/// A node that follows a script.
pub(crate) struct ScriptedNode(Mutex<Script>);

impl ScriptedNode {
    /// A node at genesis.
    pub(crate) fn new() -> Self {
        let params = Params::of(NETWORK);
        Self(Mutex::new(Script {
            chain: vec![(params.genesis(), State::new())],
            params,
            blocks_made: 0,
            transactions: Vec::new(),
            envelopes: BTreeMap::new(),
            handed_in: Vec::new(),
            door: Door::Open,
            lie: None,
            is_syncing: false,
            seats: BTreeMap::new(),
            finalized: 0,
            votes: Vec::new(),
            committee: Vec::new(),
            is_restless: false,
            lists_asked: 0,
            seats_asked: 0,
            pages_asked: 0,
        }))
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().expect("not poisoned")
    }

    /// Gives an account coins, as of the tip.
    pub(crate) fn fund(&self, account: AccountId, amount: Amount) {
        self.script().account_mut(account).balance += amount.base_units();
    }

    /// An account as of the tip.
    pub(crate) fn account(&self, account: AccountId) -> Account {
        self.script().account_mut(account).clone()
    }

    /// Makes blocks with everything that waits and fits.
    pub(crate) fn mine(&self, blocks: usize) {
        let mut script = self.script();
        (0..blocks).for_each(|_| script.mine());
    }

    /// Takes the blocks above `height` back.
    pub(crate) fn rewind(&self, height: usize) {
        self.script().chain.truncate(height + 1);
    }

    /// Puts a transaction into the mempool that somebody else sent.
    pub(crate) fn put(&self, transaction: Transaction) {
        self.script().transactions.push(transaction);
    }

    /// Loses what waits, as after a restart.
    pub(crate) fn forget_what_waits(&self) {
        let mut script = self.script();
        script.transactions.clear();
        script.envelopes.clear();
    }

    /// Everything that was handed in so far; forgotten here.
    pub(crate) fn take_handed_in(&self) -> Vec<RawHex> {
        std::mem::take(&mut self.script().handed_in)
    }

    /// Height of the tip.
    pub(crate) fn height(&self) -> Height {
        Height::new(self.script().tip_height())
    }
}

macro_rules! node_api {
    (
        scripted { $($name:ident($($parameters:ty)?) -> $answer:ty;)* }
        unscripted { $($other:ident($($other_parameters:ty)?) -> $other_answer:ty;)* }
    ) => {
        #[async_trait]
        impl NodeApi for ScriptedNode {
            $(
                async fn $name(&self $(, asked: $parameters)?) -> Result<$answer, RpcFailure> {
                    self.script().$name($({ let asked: $parameters = asked; asked })?)
                }
            )*
            $(
                async fn $other(
                    &self $(, _: $other_parameters)?
                ) -> Result<$other_answer, RpcFailure> {
                    Err(unscripted())
                }
            )*
        }
    };
}

node_api! {
    scripted {
        node_get_info() -> NodeStatus;
        chain_get_tip() -> Tip;
        chain_get_header(GetHeader) -> HeaderStatus;
        chain_get_block(GetBlock) -> BlockView;
        chain_get_envelope(GetEnvelope) -> EnvelopeStatus;
        chain_get_envelopes(GetEnvelopes) -> EnvelopePage;
        chain_get_account(GetAccount) -> AccountStatus;
        chain_get_supply() -> SupplyStatus;
        chain_get_finality() -> FinalityStatus;
        chain_get_bond(GetBond) -> BondStatus;
        chain_get_bonds(GetOwned) -> BondPage;
        chain_get_masternodes(GetOwned) -> MasternodePage;
        chain_get_seats(GetSeats) -> SeatPage;
        chain_get_committee(GetCommittee) -> CommitteeStatus;
        mempool_get(GetMempool) -> MempoolPage;
        tx_submit(Submit) -> SubmittedTransaction;
        envelope_submit(Submit) -> SubmittedEnvelope;
    }
    unscripted {
        node_get_peers() -> Vec<PeerStatus>;
        node_connect(Connect) -> ();
        node_list_banned() -> Vec<BanStatus>;
        node_stop() -> ();
        chain_get_transaction(GetTransaction) -> TransactionStatus;
        chain_get_masternode(GetMasternode) -> MasternodeStatus;
        chain_get_state_hash(GetStateHash) -> StateHash;
        chain_submit_block(SubmitBlock) -> SubmittedBlock;
        mempool_get_info() -> MempoolStatus;
        mining_get_template(GetTemplate) -> Template;
        mining_submit_solution(SubmitSolution) -> SubmittedBlock;
        dev_generate(Generate) -> Generated;
        dev_invalidate_block(BlockReference) -> ();
        dev_reconsider_block(BlockReference) -> ();
        dev_set_time(SetTime) -> ();
        dev_kill_points() -> Vec<KillPoint>;
        chain_subscribe_heads() -> Subscription<Head>;
        envelope_subscribe() -> Subscription<EnvelopeEvent>;
        finality_subscribe() -> Subscription<FinalityEvent>;
        mining_subscribe_template(GetTemplate) -> Subscription<Template>;
    }
}
