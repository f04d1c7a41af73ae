//! What the node does when something happens: a step function over engine, mempool, sync and the
//! peer book.
//!
//! # Invariants
//! * No socket, clock or runtime: what happened, the time and what to draw on come in; what to do
//!   is left in an outbox of [`Action`]s, in order.
//! * Every gossip message gets exactly one verdict; every question of a peer one answer or none.
//! * A peer is scored only for what no honest peer does: context that may differ between honest
//!   nodes weighs little or nothing (`Rule::severity`).
//! * Nobody is told of a block that a power cut could take back: only far behind the tip are commits
//!   grouped.
//! * Everything remembered about peers and blocks under way is bounded by a constant here.
//!
//! # Spec
//! docs/spec/06-wire.md §3-5, §8
//!
//! # Not here
//! Tokens, sockets and timers ([`crate::service`]); the rules (`consensus`).

mod answers;
mod assembly;
mod blocks;
mod checkpoints;
mod confirm;
mod items;
mod light;
mod offset;
mod overtaken;
mod parking;
mod repeat;
mod template;
mod votes;
mod watch;
mod witness;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chain::{BlockId, Hash32, Header, Timestamp};
use genesis::Params;
use store::PendingId;

use crate::engine::{Advance, Alarm, Engine, TipMove};
use crate::ledger::{Ledger, LedgerError, Pace};
use crate::mempool::{Departure, Mempool};
use crate::peers::{Ban, Offence, PeerBook, PeerName};
use crate::sync::{Sync, SyncAction};
use crate::voter::{FinalitySigner, Voter};
use crate::votes::{Committees, FinalityPool, Forgeries, Offences, OpenTargets, VotePool};
use assembly::{Assembly, FailedAssemblies};
use blocks::HeaderFate;
use light::{LightBranch, LightBudgets};
use offset::Ages;
use overtaken::Overtaken;
use parking::{Parked, Parking};
use watch::Watch;

pub use blocks::BlockSubmission;
pub use items::ItemSubmission;
pub use template::TemplateError;
pub use votes::VoteSubmission;
pub use watch::{SEATS_WANTED, WATCHED_BLOCKS};

/// Announced blocks that wait for missing items.
pub const RECONSTRUCTIONS_MAX: usize = 16;
/// Blocks whose bringer is remembered until they are applied.
const BRINGERS_MAX: usize = 256;
/// Solved headers remembered as possible uncles.
const UNCLE_CANDIDATES_MAX: usize = 64;
/// A tip older than this means that we are still catching up, and items are not judged yet.
const CATCHING_UP_MS: u64 = 60_000;

/// Further behind than this, commits need not be durable one by one: more than gossip loses on the
/// way, so that a node at the tip does not change its pace.
pub const FAR_BEHIND_BLOCKS: u64 = 128;

/// A topic of gossip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Announced blocks.
    Block,
    /// Transactions.
    Transaction,
    /// Envelopes.
    Envelope,
    /// Votes of stakers.
    Vote,
    /// Finality votes of masternodes.
    Finality,
}

/// A protocol of questions and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Headers after a locator.
    Headers,
    /// Bodies by id.
    Bodies,
    /// Inventory and items of the mempool.
    Mempool,
    /// Items of an announced block.
    Missing,
}

/// What becomes of a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Accept,
    /// It stays here, nobody is to blame.
    Ignore,
    /// It stays here and counts against who brought it.
    Reject,
}

/// The shell's name for a gossip message or a peer's question.
pub type Token = u64;

/// Our name for a question of ours.
pub type QuestionId = u64;

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Give a verdict on a gossip message.
    Verdict {
        /// The message.
        token: Token,
        /// The verdict.
        verdict: Verdict,
    },
    /// Gossip something of ours.
    Publish {
        /// Where.
        topic: Topic,
        /// What.
        bytes: Vec<u8>,
    },
    /// Ask a peer.
    Ask {
        /// Our name for the question.
        question: QuestionId,
        /// Whom.
        peer: PeerName,
        /// How.
        protocol: Protocol,
        /// What.
        bytes: Vec<u8>,
    },
    /// Answer a peer's question.
    Answer {
        /// The question.
        token: Token,
        /// The answer.
        bytes: Vec<u8>,
    },
    /// Ban a peer.
    Ban(Ban),
    /// End the connections with a peer, who may come back.
    Disconnect(PeerName),
    /// The tip moved; listeners are told.
    TipMoved(Vec<TipMove>),
    /// A heavier branch was left aside for the depth of the reorg; the operator is to look.
    ReorgRefused,
    /// The operator has to look.
    Alarm(Alarm),
    /// Two more votes than the last template held are here: miners want a new one.
    VotesGathered,
    /// An item entered the mempool; listeners are told.
    Pending(Hash32),
    /// Items left the mempool that no later block takes.
    Dropped(Vec<PendingId>),
    /// Items left the mempool that may be offered again later.
    Displaced(Vec<PendingId>),
}

/// A question of ours under way.
#[derive(Clone, Debug)]
enum Question {
    Headers,
    Bodies(Vec<BlockId>),
    Inventory,
    Items,
    Missing(BlockId),
}

/// The node's state machine.
pub struct Node<L: Ledger> {
    engine: Engine<L>,
    mempool: Mempool,
    sync: Sync,
    peers: PeerBook,
    connected: BTreeSet<PeerName>,
    questions: BTreeMap<QuestionId, (PeerName, Question)>,
    next_question: QuestionId,
    last_header: BTreeMap<PeerName, BlockId>,
    light_branches: BTreeMap<PeerName, LightBranch>,
    light_budgets: LightBudgets,
    assemblies: BTreeMap<BlockId, Assembly>,
    failed_assemblies: FailedAssemblies,
    /// Who answered our question with the body of a block that is not applied yet.
    bringers: BTreeMap<BlockId, PeerName>,
    parked: Parking,
    overtaken: Overtaken,
    /// Waiting items that did not come by gossip, and so were not passed on by it.
    unspread: BTreeSet<Hash32>,
    uncle_candidates: VecDeque<Header>,
    voter: Option<Voter>,
    signer: Option<FinalitySigner>,
    /// Somebody came who has not heard what voter and signer said.
    is_repeat_due: bool,
    /// Of the newest announced blocks: they show how far our clock is off.
    ages: Ages,
    votes: VotePool,
    finality_votes: FinalityPool,
    offences: Offences,
    committees: Committees,
    /// What finality votes are judged by after the tip.
    open_targets: Option<OpenTargets>,
    forgeries: Forgeries,
    /// Votes that came since the last template.
    gathered_votes: u32,
    watch: Watch,
    outbox: Vec<Action>,
}

impl<L: Ledger> Node<L> {
    /// A node over what the ledger holds.
    ///
    /// # Errors
    /// [`LedgerError`]: see [`Engine::open`].
    pub fn open(ledger: L, params: Params) -> Result<Self, LedgerError> {
        Ok(Self {
            engine: Engine::open(ledger, params)?,
            mempool: Mempool::default(),
            sync: Sync::default(),
            peers: PeerBook::default(),
            connected: BTreeSet::new(),
            questions: BTreeMap::new(),
            next_question: 0,
            last_header: BTreeMap::new(),
            light_branches: BTreeMap::new(),
            light_budgets: LightBudgets::default(),
            assemblies: BTreeMap::new(),
            failed_assemblies: FailedAssemblies::default(),
            bringers: BTreeMap::new(),
            parked: Parking::default(),
            overtaken: Overtaken::default(),
            unspread: BTreeSet::new(),
            uncle_candidates: VecDeque::new(),
            voter: None,
            signer: None,
            is_repeat_due: false,
            ages: Ages::default(),
            votes: VotePool::default(),
            finality_votes: FinalityPool::default(),
            offences: Offences::default(),
            committees: Committees::default(),
            open_targets: None,
            forgeries: Forgeries::default(),
            gathered_votes: 0,
            watch: Watch::default(),
            outbox: Vec::new(),
        })
    }

    /// What is to be done, in order; the outbox is empty afterwards.
    pub fn take_actions(&mut self) -> Vec<Action> {
        let departed = self.mempool.take_departed().into_iter();
        let (dropped, displaced): (Vec<_>, Vec<_>) =
            departed.partition(|(_, departure)| *departure == Departure::ForGood);
        let ids = |departed: Vec<(PendingId, _)>| departed.into_iter().map(|(id, _)| id).collect();
        if !dropped.is_empty() {
            self.outbox.push(Action::Dropped(ids(dropped)));
        }
        if !displaced.is_empty() {
            self.outbox.push(Action::Displaced(ids(displaced)));
        }
        std::mem::take(&mut self.outbox)
    }

    /// The engine, for reading.
    pub fn engine(&self) -> &Engine<L> {
        &self.engine
    }

    /// The mempool, for reading.
    pub fn mempool(&self) -> &Mempool {
        &self.mempool
    }

    /// A peer's score.
    #[must_use]
    pub fn points(&self, peer: &str, now: Timestamp) -> u32 {
        self.peers.score(peer, now)
    }

    /// Whether blocks are known to exist that are not here.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn is_syncing(&self) -> Result<bool, LedgerError> {
        let height = self.engine.tip()?.0;
        // One block may always be on its way.
        let slack = height.checked_add(2).unwrap_or(height);
        Ok(self.sync.best_height().is_some_and(|best| best > slack))
    }

    /// Blocks that some peer has above our `height`.
    #[must_use]
    pub fn blocks_behind(&self, height: chain::Height) -> u64 {
        let best = self.sync.best_height().unwrap_or(height);
        best.get().saturating_sub(height.get())
    }

    /// Treats a block and its descendants as invalid, at the operator's word.
    ///
    /// # Errors
    /// [`crate::engine::Refusal`].
    pub fn invalidate(
        &mut self,
        id: &BlockId,
        now: Timestamp,
    ) -> Result<(), crate::engine::Refusal> {
        let advance = self.engine.invalidate(id, &self.mempool)?;
        Ok(self.settle(advance, now)?)
    }

    /// Takes back [`Self::invalidate`].
    ///
    /// # Errors
    /// [`crate::engine::Refusal`].
    pub fn reconsider(
        &mut self,
        id: &BlockId,
        now: Timestamp,
    ) -> Result<(), crate::engine::Refusal> {
        let advance = self.engine.reconsider(id, &self.mempool)?;
        Ok(self.settle(advance, now)?)
    }

    /// A peer is here.
    pub fn peer_connected(&mut self, peer: &str, now: Timestamp) {
        self.connected.insert(peer.to_owned());
        self.is_repeat_due = true;
        self.peers.met(peer, now);
        let actions = self.sync.connected(peer, now);
        self.follow(actions, now);
        self.ask(peer, Question::Inventory);
    }

    /// A peer is gone.
    pub fn peer_disconnected(&mut self, peer: &str) {
        self.connected.remove(peer);
        self.parked.forget_peer(peer);
        self.sync.disconnected(peer);
        self.last_header.remove(peer);
        self.light_branches.remove(peer);
        self.questions.retain(|_, (asked, _)| asked != peer);
        let orphaned: Vec<BlockId> = self
            .assemblies
            .iter()
            .filter(|(_, assembly)| assembly.from == peer)
            .map(|(id, _)| *id)
            .collect();
        for id in orphaned {
            self.give_up_assembly(&id);
        }
    }

    /// A peer broke a rule of the wire.
    pub fn peer_offended(&mut self, peer: &str, offence: Offence, now: Timestamp) {
        let ban = self.peers.offended(peer, offence, now);
        self.outbox.extend(ban.map(Action::Ban));
    }

    /// Time has passed.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn tick(&mut self, now: Timestamp) -> Result<(), LedgerError> {
        let actions = self.sync.tick(now);
        self.follow(actions, now);
        self.keep_pace()?;
        let latest = self.latest_time(now);
        for Parked { header, bringers } in self.parked.take_due(latest) {
            let fate = self.take_header(&header, None, now)?;
            for peer in bringers {
                match fate {
                    // Asked for what follows this header, they would have nothing to say.
                    HeaderFate::Known => self.note_height(&peer, &header),
                    HeaderFate::Light => {}
                    HeaderFate::Waits => self.remember_early(&header, &peer),
                    HeaderFate::Broken => {}
                }
            }
        }
        // A commit that failed for lack of room is tried again.
        self.join_if_here(now)?;
        self.resume(now)?;
        self.ask_for_bodies(now);
        self.confirm(now)
    }

    /// Goes on where a commit, or the last run, ended early.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn resume(&mut self, now: Timestamp) -> Result<(), LedgerError> {
        let advance = self.engine.advance(&self.mempool);
        self.settle(advance, now)
    }

    /// Lets commits be grouped while far behind, and makes all of them durable at the tip.
    fn keep_pace(&mut self) -> Result<(), LedgerError> {
        let behind = self.blocks_behind(self.engine.tip()?.0);
        match self.engine.pace() {
            Pace::AtTip if behind > FAR_BEHIND_BLOCKS => self.engine.set_pace(Pace::FarBehind),
            Pace::FarBehind if !self.is_syncing()? => self.engine.set_pace(Pace::AtTip),
            Pace::AtTip | Pace::FarBehind => Ok(()),
        }
    }

    /// Sends what sync wants sent.
    fn follow(&mut self, actions: Vec<SyncAction>, now: Timestamp) {
        for action in actions {
            match action {
                SyncAction::RequestHeaders { peer } => self.ask(&peer, Question::Headers),
                SyncAction::RequestBodies { peer, ids } => {
                    self.ask(&peer, Question::Bodies(ids));
                }
                SyncAction::Slow { peer } => self.peer_offended(&peer, Offence::Slow, now),
            }
        }
    }

    fn ask_for_bodies(&mut self, now: Timestamp) {
        let assembling = |id: &BlockId| {
            let assembly = self.assemblies.get(id);
            assembly.is_some_and(|assembly| !assembly.is_overdue(now))
        };
        let wanted = self
            .engine
            .wanted(crate::sync::BODIES_IN_FLIGHT_MAX, assembling);
        let actions = self.sync.assign(&wanted, now);
        self.follow(actions, now);
    }

    /// Draws the consequences of moves: mempool, listeners, scores; and then says what stopped
    /// them, if something did.
    fn settle(&mut self, advance: Advance, now: Timestamp) -> Result<(), LedgerError> {
        for (id, rule) in advance.condemned {
            tracing::warn!(block = %id, %rule, "a block is invalid");
            if let Some(peer) = self.bringers.remove(&id) {
                let severity = rule.severity(consensus::Carrier::Block);
                let ban = self
                    .peers
                    .broke_rule(&peer, severity, &rule.to_string(), now);
                self.outbox.extend(ban.map(Action::Ban));
            }
        }
        for _ in advance.too_deep {
            self.outbox.push(Action::ReorgRefused);
        }
        self.outbox
            .extend(advance.alarms.into_iter().map(Action::Alarm));
        let ended = advance.stopped.map_or(Ok(()), Err);
        if advance.moves.is_empty() {
            return ended;
        }
        // The moves were made, whatever the storage says from here on: all hear of them.
        let paced = self.keep_pace();
        for step in &advance.moves {
            if let TipMove::Connected(block) = step {
                self.mempool.block_connected(&block.body);
                self.overtaken.block_connected(&block.body);
                self.bringers.remove(&block.id());
            }
        }
        let mut readmitted = Ok(());
        for step in &advance.moves {
            if let TipMove::Disconnected(block) = step {
                self.remember_uncle(block.header);
                readmitted = readmitted.and(self.readmit(block));
            }
        }
        let cleared = self.drop_stale();
        let settled = self.settle_votes(&advance.moves);
        let seen = self.watch(now);
        let watched = self.watch_moves(&advance.moves, now);
        self.outbox.push(Action::TipMoved(advance.moves));
        let outcomes = [paced, readmitted, cleared, settled, seen, watched];
        outcomes.into_iter().collect::<Result<(), _>>()?;
        match self.confirm(now) {
            // The blocks were taken; the next tick tries again, and says so.
            Err(LedgerError::Full) => {}
            confirmed => confirmed?,
        }
        ended
    }

    /// A peer showed a header: its height counts if its branch could be better than ours, since
    /// a high branch of little work says nothing about what we lack.
    fn note_height(&mut self, peer: &str, header: &Header) {
        if self.engine.tree().may_win(&header.id()) {
            self.sync.has_height(peer, header.height);
        }
    }

    fn remember_uncle(&mut self, header: Header) {
        if self.uncle_candidates.contains(&header) {
            return;
        }
        if self.uncle_candidates.len() >= UNCLE_CANDIDATES_MAX {
            self.uncle_candidates.pop_front();
        }
        self.uncle_candidates.push_back(header);
    }

    fn remember_bringer(&mut self, id: BlockId, peer: &str) {
        if self.bringers.len() >= BRINGERS_MAX {
            self.bringers.pop_first();
        }
        self.bringers.insert(id, peer.to_owned());
    }

    /// Whether our tip is old and others have more.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn is_catching_up(&self, now: Timestamp) -> Result<bool, LedgerError> {
        let tip = self.engine.tip()?.1;
        let time = self
            .engine
            .tree()
            .header(&tip)
            .map(|header| header.time)
            .unwrap_or_default();
        let is_old = now.get().saturating_sub(time.get()) > CATCHING_UP_MS;
        Ok(is_old && self.is_syncing()?)
    }
}

#[cfg(test)]
mod tests;
