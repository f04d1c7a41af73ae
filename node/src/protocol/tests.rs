//! Several nodes in one thread: what one says is carried to the others by hand.

use std::collections::BTreeMap;

use chain::{AccountId, Amount, Block, Height, Network, PublicKey};
use consensus::fork_choice::{Anchors, Fault, Inclusion};
use consensus::testing::MemoryState;
use consensus::transition::AppliedBlock;
use genesis::Params;

use super::*;
use crate::ledger::{Ballot, BodyPresence, KnownBlock};
use crate::peers::BAN_SCORE;
use crate::wire::BlockAnnouncement;

mod confirm;
mod guard;
mod hostile;
mod light;
mod staked;
mod votes;

/// A ledger that forgets everything when it is dropped.
pub(super) struct Memory {
    state: MemoryState,
    applied: Vec<AppliedBlock>,
    known: BTreeMap<BlockId, KnownBlock>,
    bodies: BTreeMap<BlockId, chain::Body>,
    genesis: BlockId,
    /// Heights at which the pace changed.
    paces: Vec<(Pace, u64)>,
    full_for: Option<Write>,
    ballots: BTreeMap<PublicKey, Ballot>,
    /// Ballots written so far.
    ballots_put: u64,
    /// The power goes right after a ballot is written.
    cut_after_ballot: bool,
    anchors: Anchors,
}

/// What a full disk has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    Header,
    Connect,
    Ballot,
    Anchors,
}

impl Memory {
    fn new(params: &Params) -> Self {
        let genesis = params.genesis();
        let known = KnownBlock {
            body: BodyPresence::Applied,
            ..KnownBlock::bare(genesis.header)
        };
        Self {
            state: MemoryState::new(params),
            applied: Vec::new(),
            known: BTreeMap::from([(genesis.id(), known)]),
            bodies: BTreeMap::from([(genesis.id(), genesis.body.clone())]),
            genesis: genesis.id(),
            paces: Vec::new(),
            full_for: None,
            ballots: BTreeMap::new(),
            ballots_put: 0,
            cut_after_ballot: false,
            anchors: Anchors::default(),
        }
    }

    fn room_for(&self, write: Write) -> Result<(), LedgerError> {
        if self.full_for == Some(write) {
            Err(LedgerError::Full)
        } else {
            Ok(())
        }
    }

    fn set_body(&mut self, id: &BlockId, body: BodyPresence, inclusions: &[Inclusion]) {
        if let Some(known) = self.known.get_mut(id) {
            known.body = body;
            known.inclusions = inclusions.to_vec();
        }
    }
}

impl Ledger for Memory {
    type View<'a> = &'a MemoryState;

    fn view(&self) -> Result<&MemoryState, LedgerError> {
        Ok(&self.state)
    }

    fn tip(&self) -> Result<(Height, BlockId), LedgerError> {
        let tip = self.applied.last();
        Ok(tip.map_or((Height::new(0), self.genesis), |tip| {
            (tip.height(), *tip.id())
        }))
    }

    fn id_at(&self, height: Height) -> Result<Option<BlockId>, LedgerError> {
        let Some(above) = height.get().checked_sub(1) else {
            return Ok(Some(self.genesis));
        };
        Ok(usize::try_from(above)
            .ok()
            .and_then(|at| self.applied.get(at))
            .map(|block| *block.id()))
    }

    fn block(&self, id: &BlockId) -> Result<Option<KnownBlock>, LedgerError> {
        Ok(self.known.get(id).cloned())
    }

    fn body(&self, id: &BlockId) -> Result<Option<chain::Body>, LedgerError> {
        Ok(self.bodies.get(id).cloned())
    }

    fn blocks_from(&self, height: Height) -> Result<Vec<KnownBlock>, LedgerError> {
        let mut blocks: Vec<_> = self.known.values().cloned().collect();
        blocks.retain(|block| block.header.height >= height);
        blocks.sort_by_key(|block| block.header.height);
        Ok(blocks)
    }

    fn uncles(&self, id: &BlockId) -> Result<Vec<Header>, LedgerError> {
        Ok(self
            .bodies
            .get(id)
            .map(|body| body.aux.uncles.clone())
            .unwrap_or_default())
    }

    fn put_header(&mut self, header: &Header) -> Result<(), LedgerError> {
        self.room_for(Write::Header)?;
        let known = || KnownBlock::bare(*header);
        self.known.entry(header.id()).or_insert_with(known);
        Ok(())
    }

    fn put_body(
        &mut self,
        id: &BlockId,
        body: &chain::Body,
        inclusions: &[Inclusion],
    ) -> Result<(), LedgerError> {
        self.bodies.insert(*id, body.clone());
        self.set_body(id, BodyPresence::Known, inclusions);
        Ok(())
    }

    fn forget(&mut self, id: &BlockId) -> Result<(), LedgerError> {
        assert!(self.applied.iter().all(|block| block.id() != id));
        self.known.remove(id);
        self.bodies.remove(id);
        Ok(())
    }

    fn connect(&mut self, block: &AppliedBlock) -> Result<(), LedgerError> {
        self.room_for(Write::Connect)?;
        self.state.connect(block);
        self.bodies.insert(*block.id(), block.block().body.clone());
        self.set_body(block.id(), BodyPresence::Applied, block.inclusions());
        if let Some(known) = self.known.get_mut(block.id()) {
            known.level = block.level();
        }
        self.applied.push(block.clone());
        Ok(())
    }

    fn disconnect(&mut self) -> Result<Block, LedgerError> {
        let applied = self.applied.pop().expect("a block above genesis");
        self.state.disconnect(&applied);
        if let Some(known) = self.known.get_mut(applied.id()) {
            // As on the disk: a body off the chain is checked again before it is followed.
            known.body = BodyPresence::Known;
        }
        Ok(applied.block().clone())
    }

    fn set_pace(&mut self, pace: Pace) -> Result<(), LedgerError> {
        self.paces.push((pace, self.tip()?.0.get()));
        Ok(())
    }

    fn set_fault(&mut self, id: &BlockId, fault: Fault, is_set: bool) -> Result<(), LedgerError> {
        if let Some(known) = self.known.get_mut(id) {
            match fault {
                Fault::Invalid => known.is_invalid = is_set,
                Fault::ConflictsWithFinality => known.conflicts_with_finality = is_set,
            }
        }
        Ok(())
    }

    fn ballot(&self, key: &PublicKey) -> Result<Ballot, LedgerError> {
        Ok(self.ballots.get(key).copied().unwrap_or_default())
    }

    fn put_ballot(&mut self, key: &PublicKey, ballot: &Ballot) -> Result<(), LedgerError> {
        self.room_for(Write::Ballot)?;
        let kept = self.ballots.entry(*key).or_default();
        *kept = kept.joined(*ballot);
        self.ballots_put += 1;
        if self.cut_after_ballot {
            let reason = "the power is gone".to_owned();
            return Err(consensus::ViewError::Damaged { reason }.into());
        }
        Ok(())
    }

    fn anchors(&self) -> Result<Anchors, LedgerError> {
        Ok(self.anchors)
    }

    fn put_anchors(&mut self, anchors: &Anchors) -> Result<(), LedgerError> {
        self.room_for(Write::Anchors)?;
        self.anchors = *anchors;
        Ok(())
    }
}

/// Nodes by name, all connected to each other.
pub(super) struct Net {
    nodes: BTreeMap<String, Node<Memory>>,
    pub(super) now: Timestamp,
    bans: Vec<Ban>,
}

impl Net {
    pub(super) fn new(names: &[&str]) -> Self {
        Self::with(&Params::of(Network::Regtest), names)
    }

    /// A net with other numbers than regtest's.
    fn with(params: &Params, names: &[&str]) -> Self {
        let now = Timestamp::new(params.genesis_time.get() + 1_000_000);
        let fresh = || Node::open(Memory::new(params), params.clone()).expect("memory answers");
        let nodes = names
            .iter()
            .map(|name| ((*name).to_owned(), fresh()))
            .collect();
        Self {
            nodes,
            now,
            bans: Vec::new(),
        }
    }

    pub(super) fn node(&mut self, name: &str) -> &mut Node<Memory> {
        self.nodes.get_mut(name).expect("a node of this name")
    }

    fn connect(&mut self, one: &str, other: &str) {
        let now = self.now;
        self.node(one).peer_connected(other, now);
        self.node(other).peer_connected(one, now);
        self.carry();
    }

    /// A solved block on top of `name`'s tip; `stamp` makes siblings differ.
    pub(super) fn solved(&mut self, name: &str, stamp: u8) -> Block {
        self.now = Timestamp::new(self.now.get() + 1_000);
        let now = self.now;
        let payout = AccountId::from_bytes([stamp; 20]);
        let block = self
            .node(name)
            .template(payout, now)
            .expect("memory answers");
        solve(block)
    }

    pub(super) fn mine(&mut self, name: &str, stamp: u8) -> BlockId {
        let block = self.solved(name, stamp);
        let (id, now) = (block.id(), self.now);
        let submitted = self
            .node(name)
            .submit_block(block, now)
            .expect("memory answers");
        assert_eq!(submitted, BlockSubmission::Accepted);
        self.carry();
        id
    }

    /// Carries everything that is said until nobody says anything more.
    fn carry(&mut self) {
        let now = self.now;
        loop {
            let mut said = Vec::new();
            for (name, node) in &mut self.nodes {
                said.extend(
                    node.take_actions()
                        .into_iter()
                        .map(|action| (name.clone(), action)),
                );
            }
            if said.is_empty() {
                return;
            }
            for (from, action) in said {
                self.deliver(&from, action, now);
            }
        }
    }

    fn deliver(&mut self, from: &str, action: Action, now: Timestamp) {
        match action {
            Action::Publish {
                topic: Topic::Block,
                bytes,
            } => {
                let others: Vec<_> = self.node(from).connected.iter().cloned().collect();
                for other in others {
                    self.node(&other)
                        .block_announced(from, 0, &bytes, now)
                        .expect("answers");
                }
            }
            Action::Publish {
                topic: Topic::Vote,
                bytes,
            } => {
                let others: Vec<_> = self.node(from).connected.iter().cloned().collect();
                for other in others {
                    self.node(&other)
                        .vote_gossiped(from, 0, &bytes, now)
                        .expect("answers");
                }
            }
            Action::Ask {
                question,
                peer,
                protocol,
                bytes,
            } => {
                let answer = match self.nodes.get_mut(&peer) {
                    Some(node) => {
                        let waiting = node.take_actions();
                        node.asked(from, 7, protocol, &bytes, now).expect("answers");
                        let mut after = node.take_actions();
                        let at = after
                            .iter()
                            .position(|action| matches!(action, Action::Answer { token: 7, .. }));
                        let answer = at.map(|at| after.remove(at));
                        node.outbox.extend(waiting.into_iter().chain(after));
                        answer
                    }
                    None => None,
                };
                let bytes = match answer {
                    Some(Action::Answer { bytes, .. }) => Some(bytes),
                    _ => None,
                };
                self.node(from)
                    .answered(question, bytes.as_deref(), now)
                    .expect("answers");
            }
            Action::Ban(ban) => self.bans.push(ban),
            _ => {}
        }
    }

    fn tip(&mut self, name: &str) -> BlockId {
        self.node(name).engine().tip().expect("memory answers").1
    }

    fn root(&mut self, name: &str) -> chain::Hash32 {
        let view = self
            .node(name)
            .engine()
            .ledger()
            .view()
            .expect("memory answers");
        consensus::state::root(&view).expect("memory answers")
    }
}

fn solve(mut block: Block) -> Block {
    let target = consensus::difficulty::Target::from_compact(block.header.target);
    let target = target.expect("a valid target");
    let mut solver = consensus::pow::Solver::new();
    while solver
        .attempt(&block.header, target, genesis::Pow::Blake3)
        .is_none()
    {
        block.header.nonce += 1;
    }
    block
}

#[test]
fn a_late_node_fetches_the_chain_and_follows_new_blocks() {
    let mut net = Net::new(&["alice", "bob"]);
    for _ in 0..20 {
        net.mine("alice", 1);
    }
    net.connect("alice", "bob");
    assert_eq!(net.tip("bob"), net.tip("alice"));
    let id = net.mine("alice", 1);
    assert_eq!(net.tip("bob"), id);
    assert_eq!(net.root("bob"), net.root("alice"));
    assert_eq!(net.bans, []);
}

#[test]
fn two_halves_agree_on_the_heavier_branch() {
    let mut net = Net::new(&["alice", "bob"]);
    for _ in 0..3 {
        net.mine("alice", 1);
    }
    for _ in 0..5 {
        net.mine("bob", 2);
    }
    assert_ne!(net.tip("alice"), net.tip("bob"));
    net.connect("alice", "bob");
    assert_eq!(net.tip("alice"), net.tip("bob"));
    assert_eq!(net.root("alice"), net.root("bob"));
    assert_eq!(net.bans, []);
}

#[test]
fn garbage_bans_and_an_invalid_body_bans_whoever_handed_it_out() {
    let mut net = Net::new(&["alice"]);
    let now = net.now;
    net.node("alice").peer_connected("mallory", now);
    net.node("alice")
        .block_announced("mallory", 1, b"no block", now)
        .expect("answers");
    net.carry();
    assert_eq!(
        net.bans.first().map(|ban| ban.peer.as_str()),
        Some("mallory")
    );
    assert!(net.node("alice").points("mallory", now) >= BAN_SCORE);

    let mut block = net.solved("alice", 1);
    block.header.supply = chain::Amount::from_base(1);
    let block = solve(block);
    let now = net.now;
    let alice = net.node("alice");
    alice.peer_connected("trudy", now);
    alice
        .take_header(&block.header, Some("trudy"), now)
        .expect("answers");
    // Asked for it, a node hands out only what it applied.
    alice
        .body_arrived("trudy", block.id(), block.body, now)
        .expect("answers");
    let actions = alice.take_actions();
    let is_ban = |action: &Action| matches!(action, Action::Ban(ban) if ban.peer == "trudy");
    assert!(actions.iter().any(is_ban), "{actions:?}");
}

#[test]
fn a_block_from_the_future_waits_and_costs_nobody_anything() {
    let mut net = Net::new(&["alice", "bob"]);
    let ahead = Params::of(Network::Regtest).future_limit_ms + 30_000;
    let present = net.now;
    net.now = Timestamp::new(present.get() + ahead);
    let block = net.solved("bob", 2);
    let future = net.now;
    net.node("bob")
        .submit_block(block, future)
        .expect("memory answers");
    net.node("bob").take_actions();
    net.now = present;
    net.connect("alice", "bob");
    assert_ne!(net.tip("alice"), net.tip("bob"));
    assert_eq!(net.node("alice").points("bob", present), 0);
    net.now = future;
    net.node("alice").tick(future).expect("memory answers");
    net.carry();
    assert_eq!(net.tip("alice"), net.tip("bob"));
}

#[test]
fn a_node_reopens_where_it_was() {
    let mut net = Net::new(&["alice"]);
    for _ in 0..4 {
        net.mine("alice", 1);
    }
    let tip = net.tip("alice");
    net.node("alice")
        .invalidate(&tip, Timestamp::new(0))
        .expect("a known block");
    let parent = net.tip("alice");
    assert_ne!(parent, tip);
    let node = net.nodes.remove("alice").expect("a node of this name");
    let params = node.engine.params().clone();
    let reopened = Node::open(node.engine.into_ledger(), params).expect("memory answers");
    assert_eq!(reopened.engine().tip().expect("memory answers").1, parent);
    assert_eq!(
        *reopened.engine().tree().best(),
        parent,
        "the mark survived"
    );
}

#[test]
fn far_behind_commits_are_grouped_and_at_the_tip_each_is_durable() {
    let mut net = Net::new(&["alice", "bob"]);
    let far = FAR_BEHIND_BLOCKS + 2;
    for _ in 0..far {
        net.mine("alice", 1);
    }
    net.connect("alice", "bob");
    assert_eq!(net.tip("bob"), net.tip("alice"));
    let paces = net.node("bob").engine().ledger().paces.clone();
    let [(Pace::FarBehind, 0), (Pace::AtTip, height)] = paces[..] else {
        panic!("{paces:?}");
    };
    // The first height that is synced by the switch is at most two blocks, which are on their way,
    // below the tip.
    assert!((far - 2..=far).contains(&height), "{height} of {far}");
    assert_eq!(net.node("alice").engine().ledger().paces, [], "at the tip");
    net.mine("alice", 1);
    assert_eq!(net.node("bob").engine().pace(), Pace::AtTip);
}

#[test]
fn a_block_that_is_handed_in_is_durable_however_far_behind_we_are() {
    let mut net = Net::new(&["alice", "bob"]);
    for _ in 0..=FAR_BEHIND_BLOCKS {
        net.mine("alice", 1);
    }
    let block = net.solved("bob", 2);
    let (now, height) = (net.now, Height::new(FAR_BEHIND_BLOCKS + 1));
    let bob = net.node("bob");
    bob.peer_connected("alice", now);
    bob.sync.has_height("alice", height);
    bob.tick(now).expect("memory answers");
    assert_eq!(bob.engine().pace(), Pace::FarBehind);
    let submitted = bob.submit_block(block, now).expect("memory answers");
    assert_eq!(submitted, BlockSubmission::Accepted);
    let paces = &bob.engine().ledger().paces;
    assert_eq!(paces[..2], [(Pace::FarBehind, 0), (Pace::AtTip, 0)]);
}

#[test]
fn a_parked_block_is_fetched_in_its_time_from_whoever_announced_it() {
    let mut net = Net::new(&["alice", "bob"]);
    net.connect("alice", "bob");
    net.mine("bob", 2);
    let present = net.now;
    let ahead = Params::of(Network::Regtest).future_limit_ms + 30_000;
    net.now = Timestamp::new(present.get() + ahead);
    let block = net.solved("bob", 2);
    let future = net.now;
    let bob = net.node("bob");
    bob.submit_block(block, future).expect("memory answers");
    net.now = present;
    net.carry();
    assert_ne!(net.tip("alice"), net.tip("bob"));
    net.now = future;
    // Headers were polled a moment ago: nobody is asked for news at this tick.
    net.node("alice").sync.tick(future);
    net.node("alice").tick(future).expect("memory answers");
    net.carry();
    assert_eq!(net.tip("alice"), net.tip("bob"));
    assert_eq!(net.node("alice").points("bob", future), 0);
}
