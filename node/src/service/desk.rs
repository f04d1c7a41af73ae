//! What the node's thread owns: the state machine, and the tokens of the network.
//!
//! # Invariants
//! * Every action of the state machine is carried out in order, right after the step that left it.
//! * Tokens and templates kept here are bounded; the oldest are forgotten.
//!
//! # Spec
//! docs/spec/06-wire.md §3
//!
//! # Not here
//! What the actions mean: [`crate::protocol`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chain::{AccountId, Block, Timestamp};
use network::{
    Ban, BanSubject, Event, Handle, MessageToken, PeerId, PublicationId, RequestId, ResponseToken,
};
use store::peers::BanRow;
use store::{PendingId, Store};

use super::kept::Kept;
use super::{Board, Command, Notice};
use crate::disk::Disk;
use crate::engine::TipMove;
use crate::ledger::LedgerError;
use crate::peers::Offence;
use crate::protocol::{Action, Node, Protocol, QuestionId, TemplateError, Token, Topic, Verdict};

/// Templates whose solutions are still accepted.
const JOBS_MAX: usize = 64;
/// Tokens of messages and questions under way; the network forgets them by itself after a while.
const TOKENS_MAX: usize = 4_096;

/// Messages of ours that are remembered until the network had its chance to say that they reached
/// nobody.
const PUBLICATIONS_MAX: usize = 64;

/// A connected peer as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerView {
    /// Its name.
    pub peer: String,
    /// Where it is.
    pub address: network::Address,
    /// Who dialled.
    pub direction: network::Direction,
    /// Points against it.
    pub score: u32,
}

/// Everything that the node's thread owns.
pub(crate) struct Desk {
    pub(crate) node: Node<Disk>,
    pub(crate) store: Arc<Store>,
    /// Nothing until it has started.
    pub(crate) network: Option<Handle>,
    pub(super) kept: Kept,
    board: Board,
    messages: BTreeMap<Token, MessageToken>,
    responses: BTreeMap<Token, ResponseToken>,
    questions: BTreeMap<RequestId, QuestionId>,
    next_token: Token,
    peers: BTreeMap<PeerId, (network::Address, network::Direction)>,
    jobs: BTreeMap<u64, Block>,
    next_job: u64,
    published: BTreeMap<PublicationId, (network::Topic, Vec<u8>)>,
    unheard: Vec<(network::Topic, Vec<u8>)>,
    pub(super) fatal: Option<LedgerError>,
}

impl Desk {
    pub(crate) fn new(node: Node<Disk>, store: Arc<Store>, board: Board) -> Self {
        Self {
            node,
            store,
            network: None,
            kept: Kept::default(),
            board,
            messages: BTreeMap::new(),
            responses: BTreeMap::new(),
            questions: BTreeMap::new(),
            next_token: 0,
            peers: BTreeMap::new(),
            jobs: BTreeMap::new(),
            next_job: 0,
            published: BTreeMap::new(),
            unheard: Vec::new(),
            fatal: None,
        }
    }

    /// The thread: takes commands until it is told to stop or the store is damaged.
    pub(crate) fn serve(
        mut self,
        mut commands: tokio::sync::mpsc::Receiver<Command>,
    ) -> Result<(), LedgerError> {
        while let Some(command) = commands.blocking_recv() {
            match command {
                Command::Stop => break,
                Command::Tick => {
                    let ticked = self.node.tick(self.now());
                    self.noted(ticked);
                    self.offer_kept();
                    self.publish_unheard();
                }
                Command::Network(event) => self.network_event(event),
                Command::Work(work) => work(&mut self),
            }
            self.carry_out();
            if let Some(error) = self.fatal.take() {
                tracing::error!(%error, "the store is damaged; the node stops");
                return Err(error);
            }
        }
        Ok(())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.board.clock.now()
    }

    /// Takes note of a failure of the disk: full is a state, everything else is the end.
    pub(crate) fn noted<T>(&mut self, result: Result<T, LedgerError>) -> Option<T> {
        match result {
            Ok(value) => {
                self.board.figures.disk_full.store(false, Ordering::Relaxed);
                Some(value)
            }
            Err(LedgerError::Full) => {
                if !self.board.figures.disk_full.swap(true, Ordering::Relaxed) {
                    tracing::error!("the disk is full; no new work until space is freed");
                }
                None
            }
            Err(error) => {
                self.fatal = Some(error);
                None
            }
        }
    }

    pub(crate) fn peers(&self) -> Vec<PeerView> {
        let now = self.now();
        self.peers
            .iter()
            .map(|(peer, (address, direction))| PeerView {
                peer: peer.to_string(),
                address: *address,
                direction: *direction,
                score: self.node.points(&peer.to_string(), now),
            })
            .collect()
    }

    /// A template for a miner; what the disk said is noted.
    pub(crate) fn template(&mut self, payout: AccountId) -> Result<Block, TemplateError> {
        let now = self.now();
        match self.node.template(payout, now) {
            Err(TemplateError::Ledger(error)) => {
                self.noted::<()>(Err(error));
                Err(LedgerError::Full.into())
            }
            Ok(block) => {
                self.board.figures.disk_full.store(false, Ordering::Relaxed);
                Ok(block)
            }
            refused => refused,
        }
    }

    /// Remembers a template and names it.
    pub(crate) fn keep_job(&mut self, block: Block) -> u64 {
        if self.jobs.len() >= JOBS_MAX {
            self.jobs.pop_first();
        }
        let job = self.next_job;
        self.next_job += 1;
        self.jobs.insert(job, block);
        job
    }

    /// The template of a job.
    pub(crate) fn job(&self, job: u64) -> Option<&Block> {
        self.jobs.get(&job)
    }

    fn token(&mut self) -> Token {
        self.next_token += 1;
        self.next_token
    }

    fn network_event(&mut self, event: Event) {
        let now = self.now();
        let result = match event {
            Event::PeerConnected {
                peer,
                address,
                direction,
            } => {
                self.peers.insert(peer, (address, direction));
                self.count_peers();
                self.node.peer_connected(&peer.to_string(), now);
                Ok(())
            }
            Event::PeerDisconnected { peer } => {
                self.peers.remove(&peer);
                self.count_peers();
                self.node.peer_disconnected(&peer.to_string());
                Ok(())
            }
            Event::Gossip {
                token,
                from,
                topic,
                bytes,
            } => {
                let name = self.token();
                if self.messages.len() >= TOKENS_MAX {
                    self.messages.pop_first();
                }
                self.messages.insert(name, token);
                let from = from.to_string();
                match topic {
                    network::Topic::Block => self.node.block_announced(&from, name, &bytes, now),
                    network::Topic::Tx => self.node.transaction_gossiped(&from, name, &bytes, now),
                    network::Topic::Envelope => {
                        self.node.envelope_gossiped(&from, name, bytes, now)
                    }
                    network::Topic::Vote => self.node.vote_gossiped(&from, name, &bytes, now),
                    network::Topic::Finality => {
                        self.node.finality_vote_gossiped(&from, name, &bytes, now)
                    }
                }
            }
            Event::Request {
                peer,
                protocol,
                bytes,
                token,
            } => {
                let name = self.token();
                if self.responses.len() >= TOKENS_MAX {
                    self.responses.pop_first();
                }
                self.responses.insert(name, token);
                let asked = self
                    .node
                    .asked(&peer.to_string(), name, ours(protocol), &bytes, now);
                self.carry_out();
                // Dropping an unused token declines.
                self.responses.remove(&name);
                asked
            }
            Event::Response {
                request, result, ..
            } => match self.questions.remove(&request) {
                Some(question) => self.node.answered(question, result.ok().as_deref(), now),
                None => Ok(()),
            },
            Event::Misbehaviour { peer, .. } => {
                self.node
                    .peer_offended(&peer.to_string(), Offence::Malformed, now);
                Ok(())
            }
            Event::Unpublished { publication, .. } => {
                // Nobody listened yet, or queues were full: said again at the next tick. Whoever is
                // not here yet will ask for headers and for the mempool when it comes.
                let lost = self.published.remove(&publication);
                if !self.peers.is_empty() && self.unheard.len() < PUBLICATIONS_MAX {
                    self.unheard.extend(lost);
                }
                Ok(())
            }
            Event::DialFailed { address, reason } => {
                tracing::debug!(%address, reason, "no connection");
                Ok(())
            }
            _ => Ok(()),
        };
        self.noted(result);
    }

    fn count_peers(&self) {
        let peers = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
        self.board.figures.peers.store(peers, Ordering::Relaxed);
    }

    /// Does what the state machine left in its outbox.
    pub(crate) fn carry_out(&mut self) {
        for action in self.node.take_actions() {
            match action {
                Action::Verdict { token, verdict } => self.finish_message(token, theirs(verdict)),
                Action::Publish { topic, bytes } => self.publish(topic, bytes),
                Action::Ask {
                    question,
                    peer,
                    protocol,
                    bytes,
                } => {
                    self.ask(question, &peer, protocol, bytes);
                }
                Action::Answer { token, bytes } => {
                    if let (Some(network), Some(token)) =
                        (&self.network, self.responses.remove(&token))
                        && let Err(error) = network.respond(token, bytes)
                    {
                        tracing::debug!(%error, "an answer was not sent");
                    }
                }
                Action::Ban(ban) => self.ban(&ban),
                Action::Disconnect(peer) => self.disconnect(&peer),
                Action::ReorgRefused => Board::count(&self.board.figures.reorgs_refused, 1),
                // The engine said it loudly; `Node::alarm` shows it for as long as it stands.
                Action::Alarm(_) => Board::count(&self.board.figures.alarms, 1),
                Action::VotesGathered => self.board.tell(Notice::VotesGathered),
                Action::TipMoved(moves) => self.tip_moved(moves),
                Action::Pending(name) => {
                    if let Some(item) = self.node.mempool().get(&name) {
                        self.board.tell(Notice::Pending(Arc::new(item.clone())));
                    }
                }
                Action::Dropped(ids) => self.forget(&ids),
                Action::Displaced(ids) => self.keep(&ids),
            }
        }
        let items = u32::try_from(self.node.mempool().len()).unwrap_or(u32::MAX);
        self.board
            .figures
            .mempool_items
            .store(items, Ordering::Relaxed);
    }

    /// What will never be in a block need not last longer than a crash.
    pub(crate) fn forget(&self, ids: &[PendingId]) {
        tracing::debug!(items = ids.len(), "items are over without a block");
        if let Err(error) = self.store.remove_pending(ids) {
            tracing::warn!(%error, "durable submissions that are over were not removed");
        }
    }

    fn tip_moved(&mut self, moves: Vec<TipMove>) {
        self.kept.tip_moved();
        let figures = &self.board.figures;
        for step in &moves {
            match step {
                TipMove::Connected(_) => Board::count(&figures.blocks_connected, 1),
                TipMove::Disconnected(_) => Board::count(&figures.blocks_disconnected, 1),
            }
        }
        self.board.tell(Notice::TipMoved(Arc::new(moves)));
    }

    fn finish_message(&mut self, token: Token, verdict: network::Verdict) {
        if let (Some(network), Some(token)) = (&self.network, self.messages.remove(&token))
            && let Err(error) = network.verdict(token, verdict)
        {
            tracing::debug!(%error, "a verdict was not given");
        }
    }

    fn publish(&mut self, topic: Topic, bytes: Vec<u8>) {
        if topic == Topic::Block {
            let figures = &self.board.figures;
            Board::count(&figures.announcement_bytes, bytes.len() as u64);
        }
        let topic = match topic {
            Topic::Block => network::Topic::Block,
            Topic::Transaction => network::Topic::Tx,
            Topic::Envelope => network::Topic::Envelope,
            Topic::Vote => network::Topic::Vote,
            Topic::Finality => network::Topic::Finality,
        };
        self.gossip(topic, bytes);
    }

    fn publish_unheard(&mut self) {
        let unheard = std::mem::take(&mut self.unheard);
        if self.peers.is_empty() {
            return;
        }
        for (topic, bytes) in unheard {
            self.gossip(topic, bytes);
        }
    }

    fn gossip(&mut self, topic: network::Topic, bytes: Vec<u8>) {
        let Some(network) = &self.network else { return };
        match network.publish(topic, bytes.clone()) {
            Ok(publication) => {
                if self.published.len() >= PUBLICATIONS_MAX {
                    self.published.pop_first();
                }
                self.published.insert(publication, (topic, bytes));
            }
            Err(error) => tracing::debug!(%error, "a message of ours was not published"),
        }
    }

    fn ask(&mut self, question: QuestionId, peer: &str, protocol: Protocol, bytes: Vec<u8>) {
        let protocol = match protocol {
            Protocol::Headers => network::Protocol::Headers,
            Protocol::Bodies => network::Protocol::Bodies,
            Protocol::Mempool => network::Protocol::Mempool,
            Protocol::Missing => network::Protocol::Missing,
        };
        let asked = match (&self.network, peer.parse()) {
            (Some(network), Ok(peer)) => network.request(peer, protocol, bytes).ok(),
            _ => None,
        };
        match asked {
            Some(request) => {
                self.questions.insert(request, question);
            }
            None => {
                let failed = self.node.answered(question, None, self.now());
                self.noted(failed);
            }
        }
    }

    fn disconnect(&self, peer: &str) {
        if let (Some(network), Ok(peer)) = (&self.network, peer.parse())
            && let Err(error) = network.disconnect(peer)
        {
            tracing::debug!(%error, "a peer was not disconnected");
        }
    }

    fn ban(&mut self, ban: &crate::peers::Ban) {
        tracing::warn!(peer = %ban.peer, reason = %ban.reason, "a peer is banned");
        Board::count(&self.board.figures.bans, 1);
        let row = BanRow::new(ban.until, &ban.reason);
        if let Err(error) = self.store.put_ban(&ban.peer, &row) {
            tracing::warn!(%error, "a ban will not survive a restart");
        }
        let lasting = Duration::from_millis(ban.until.get().saturating_sub(self.now().get()));
        if let (Some(network), Ok(peer)) = (&self.network, ban.peer.parse()) {
            let subject = BanSubject::Peer(peer);
            if let Err(error) = network.ban(Ban { subject, lasting }) {
                tracing::warn!(%error, "a ban was not enforced");
            }
        }
    }
}

fn ours(protocol: network::Protocol) -> Protocol {
    match protocol {
        network::Protocol::Headers => Protocol::Headers,
        network::Protocol::Bodies => Protocol::Bodies,
        network::Protocol::Mempool => Protocol::Mempool,
        network::Protocol::Missing => Protocol::Missing,
    }
}

fn theirs(verdict: Verdict) -> network::Verdict {
    match verdict {
        Verdict::Accept => network::Verdict::Accept,
        Verdict::Ignore => network::Verdict::Ignore,
        Verdict::Reject => network::Verdict::Reject,
    }
}
