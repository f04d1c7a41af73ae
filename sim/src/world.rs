//! The simulated world: hosts, links and the queue of what happens next.
//!
//! # Invariants
//! * One thread, one queue, one generator: the run follows from its [`Plan`].
//! * Nodes are `node`'s own state machine; the world does what their shell would do, and nothing
//!   else enters a node.
//! * Only hosts with a scheme depart from that.
//!
//! # Spec
//! docs/ARCHITECTURE.md
//!
//! # Not here
//! What must hold ([`crate::invariant`]), what is counted ([`crate::tally`]).

mod carry;
mod mining;
mod trouble;
mod usage;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use chain::{Block, BlockId, Hash32, Timestamp};
use node::ledger::{Ledger, LedgerError};
use node::protocol::{Node, Topic};

use crate::HostId;
use crate::adversary;
use crate::chance::Chance;
use crate::error::{Failure, Invariant};
use crate::event::{Event, Message, Queue};
use crate::fault::Ailment;
use crate::host::{Host, name_of};
use crate::ledger::Memory;
use crate::links::Links;
use crate::plan::{Graph, Plan};
use crate::tally::Tally;

/// Between two ticks of a node: as its shell has it.
const TICK_MS: u64 = 500;
/// Between two looks at the invariants.
pub(crate) const CHECK_MS: u64 = 30_000;
/// Until everybody has heard everything, after the last disturbance.
pub(crate) const SETTLE_MS: u64 = 90_000;
/// Until everybody has the last block.
const LAST_BLOCK_MS: u64 = 30_000;

/// A block that somebody found.
#[derive(Clone, Debug)]
pub struct Found {
    /// When.
    pub at_ms: u64,
    /// Who.
    pub by: HostId,
    /// What.
    pub block: Block,
}

/// A ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banned {
    /// Who banned.
    pub by: HostId,
    /// Whom.
    pub whom: HostId,
    /// The last straw.
    pub reason: String,
}

/// The world.
pub struct World {
    pub(crate) plan: Plan,
    pub(crate) chance: Chance,
    pub(crate) queue: Queue,
    pub(crate) now_ms: u64,
    pub(crate) hosts: Vec<Host>,
    pub(crate) links: Links,
    pub(crate) tally: Tally,
    pub(crate) found: BTreeMap<BlockId, Found>,
    pub(crate) submitted: BTreeMap<Hash32, u64>,
    pub(crate) bans: Vec<Banned>,
    pub(crate) power_permille: u64,
    pub(crate) is_mining: bool,
    pub(crate) is_used: bool,
    /// Nothing is expected of the network before this moment.
    pub(crate) disturbed_until_ms: u64,
    /// Nothing is expected of these hosts before these moments.
    pub(crate) ailing_until_ms: BTreeMap<(HostId, Ailment), u64>,
    pub(crate) grown_since: (u64, u64),
    pub(crate) trace: blake3::Hasher,
    pub(crate) failure: Option<Failure>,
}

impl World {
    /// The world at virtual time zero.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let mut chance = Chance::new(plan.seed);
        let hosts = plan.hosts();
        let mut links = Links::new(hosts, plan.latency, plan.loss_permille, &mut chance);
        if plan.graph == Graph::Complete {
            links.complete(hosts);
        }
        let mut world = Self {
            chance,
            queue: Queue::default(),
            now_ms: 0,
            hosts: Vec::new(),
            links,
            tally: Tally::default(),
            found: BTreeMap::new(),
            submitted: BTreeMap::new(),
            bans: Vec::new(),
            power_permille: 1_000,
            is_mining: true,
            is_used: true,
            disturbed_until_ms: 0,
            ailing_until_ms: BTreeMap::new(),
            grown_since: (0, 0),
            trace: blake3::Hasher::new(),
            failure: None,
            plan,
        };
        for id in 0..hosts {
            let mut host = world.host_of_plan(id);
            let scheme = world.plan.schemes.iter().find(|(host, _)| *host == id);
            if let Some((_, scheme)) = scheme {
                host.adversary = Some(adversary::of(*scheme, &world.plan.params));
            }
            world.hosts.push(host);
        }
        world.plan_events();
        world
    }

    fn host_of_plan(&self, id: HostId) -> Host {
        let params = &self.plan.params;
        let start = consensus::difficulty::Target::from_compact(params.target_start);
        let hashes = crate::rules::hashes(start.expect("the start target is canonical"));
        let solution_ms = match params.retarget {
            genesis::Retarget::Asert { solution_ms, .. } => solution_ms,
            genesis::Retarget::Constant => crate::rules::SOLUTION_MS,
        };
        let share = self.plan.power_permille[id] as f64 / 1_000.0;
        let skew_ms = self.plan.skew_ms.get(id).copied().unwrap_or_default();
        Host::new(id, params, share * hashes / solution_ms as f64, skew_ms)
    }

    fn plan_events(&mut self) {
        for (index, (at_ms, _)) in self.plan.faults.iter().enumerate() {
            self.queue.push(*at_ms, Event::Fault(index));
        }
        for host in 0..self.hosts.len() {
            self.queue.push(0, Event::Start(host));
        }
        self.queue.push(CHECK_MS, Event::Check);
        if self.plan.use_every_ms > 0 {
            self.queue.push(0, Event::Use);
        }
    }

    /// Runs to the end of the plan, then lets everything settle, and looks at what must hold.
    pub fn run(&mut self) {
        self.run_until(self.plan.duration_ms);
        self.quiet_end();
        if self.failure.is_none()
            && let Err(failure) = self.check_end()
        {
            self.failure = Some(failure);
        }
        self.count_end();
    }

    /// Runs up to this moment or to the first failure.
    pub fn run_until(&mut self, end_ms: u64) {
        while self.failure.is_none()
            && let Some((at_ms, number, event)) = self.queue.pop_until(end_ms)
        {
            self.now_ms = at_ms;
            event.write_into(&mut self.trace, at_ms, number);
            self.happen(event);
        }
        self.now_ms = self.now_ms.max(end_ms);
    }

    /// No more faults, users or schemes; one last block, so that no tie is left.
    fn quiet_end(&mut self) {
        self.is_mining = false;
        self.is_used = false;
        self.mend_all();
        for host in &mut self.hosts {
            host.search += 1;
        }
        self.run_until(self.now_ms + SETTLE_MS);
        let miner = (0..self.hosts.len()).find(|host| self.plan.is_honest(*host));
        if let Some(miner) = miner
            && self.failure.is_none()
        {
            self.find(miner);
        }
        self.run_until(self.now_ms + LAST_BLOCK_MS);
    }

    /// Hash of everything that happened.
    #[must_use]
    pub fn trace(&self) -> String {
        self.trace.finalize().to_hex().to_string()
    }

    /// A host's node, if it is up.
    #[must_use]
    pub fn node(&self, host: HostId) -> Option<&Node<Memory>> {
        self.hosts.get(host)?.node.as_ref()
    }

    /// How many hosts there are.
    #[must_use]
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// Coins of each host's account (base units), as the first honest host has them.
    ///
    /// # Panics
    /// If that host's storage is down or damaged.
    #[must_use]
    pub fn balances(&self) -> Vec<u128> {
        let honest = (0..self.hosts.len()).find(|host| self.plan.is_honest(*host));
        let storage = &self.hosts[honest.unwrap_or_default()].storage;
        let view = storage.view().expect("an honest host is up at the end");
        let balance = |host: &Host| {
            let account = consensus::state::value::account(&view, &host.payout);
            u128::from(account.expect("a sound account").balance.base_units())
        };
        self.hosts.iter().map(balance).collect()
    }

    /// Who banned whom, in order.
    #[must_use]
    pub fn bans(&self) -> &[Banned] {
        &self.bans
    }

    /// What was counted.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What broke, if something did.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// All blocks that were found, by id.
    #[must_use]
    pub fn found(&self) -> &BTreeMap<BlockId, Found> {
        &self.found
    }

    /// Blocks of the best chain of the first honest host, above genesis.
    #[must_use]
    pub fn best_chain(&self) -> Vec<BlockId> {
        let honest = (0..self.hosts.len()).find(|host| self.plan.is_honest(*host));
        let Some(host) = honest.and_then(|host| self.hosts.get(host)) else {
            return Vec::new();
        };
        let heights = (1..).map_while(|height| {
            let at = host.storage.id_at(chain::Height::new(height));
            at.ok().flatten()
        });
        heights.collect()
    }

    /// Whether a host is up and honest.
    pub(crate) fn is_sound(&self, host: HostId) -> bool {
        self.plan.is_honest(host) && self.hosts[host].node.is_some()
    }

    pub(crate) fn sound_hosts(&self) -> Vec<HostId> {
        let all = 0..self.hosts.len();
        all.filter(|host| self.is_sound(*host)).collect()
    }

    pub(crate) fn clock(&self, host: HostId) -> Timestamp {
        self.hosts[host].clock(&self.plan.params, self.now_ms)
    }

    pub(crate) fn fail(&mut self, invariant: Invariant, detail: String) {
        let at_ms = self.now_ms;
        self.failure.get_or_insert(Failure {
            invariant,
            at_ms,
            detail,
        });
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Gossip {
                to,
                from,
                connection,
                message,
            } => {
                if self.links.connection(from, to) == Some(connection)
                    && !self.links.is_cut(from, to)
                {
                    self.gossip_arrives(to, from, message);
                }
            }
            Event::Question {
                to,
                asked,
                connection,
                protocol,
                bytes,
            } => {
                if self.links.connection(asked.by, to) == Some(connection)
                    && !self.links.is_cut(asked.by, to)
                {
                    self.question_arrives(to, asked, protocol, &bytes);
                }
            }
            Event::Answer { from, asked, bytes } => {
                if !self.links.is_cut(from, asked.by) {
                    let bytes = bytes.as_ref().map(|bytes| bytes.as_slice());
                    self.answer_arrives(from, asked, bytes);
                }
            }
            Event::NoAnswer { from, asked } => self.no_answer(from, asked),
            Event::Tick(host, life) => self.tick(host, life),
            Event::Solved(host, search) => {
                if self.hosts[host].search == search && self.is_mining {
                    self.hosts[host].searching = None;
                    self.find(host);
                    self.search(host);
                }
            }
            Event::Use => self.use_network(),
            Event::Fault(index) => self.fault(index),
            Event::Kill(host) => self.kill(host),
            Event::Start(host) => self.start(host),
            Event::Dial(one, other) => self.dial(one, other),
            Event::Silence(one, other) => {
                if self.links.is_cut(one, other) && self.links.is_cut(other, one) {
                    self.disconnect(one, other);
                }
            }
            Event::Check => self.check(),
        }
    }

    fn tick(&mut self, host: HostId, life: u64) {
        if self.hosts[host].life != life || self.hosts[host].node.is_none() {
            return;
        }
        let now = self.clock(host);
        self.act(host, |node| node.tick(now));
        if self.is_mining && (self.now_ms / TICK_MS).is_multiple_of(2) {
            self.scheme(host, |adversary, at_ms, chance| {
                adversary.second(at_ms, now, chance)
            });
        }
        self.search(host);
        self.queue
            .push(self.now_ms + TICK_MS, Event::Tick(host, life));
    }

    /// Lets a node do something, and then does what it left in its outbox.
    pub(crate) fn act<T>(
        &mut self,
        host: HostId,
        step: impl FnOnce(&mut Node<Memory>) -> Result<T, LedgerError>,
    ) -> Option<T> {
        let node = self.hosts[host].node.as_mut()?;
        match step(node) {
            Ok(done) => {
                self.carry_out(host);
                self.search(host);
                Some(done)
            }
            Err(error) => {
                self.storage_failed(host, &error);
                None
            }
        }
    }

    /// Lets a host's scheme do something, if it has one and is up.
    pub(crate) fn scheme(
        &mut self,
        host: HostId,
        step: impl FnOnce(&mut dyn adversary::Adversary, u64, &mut Chance) -> adversary::Release,
    ) {
        let now_ms = self.now_ms;
        let machine = &mut self.hosts[host];
        if machine.node.is_none() {
            return;
        }
        let Some(adversary) = machine.adversary.as_mut() else {
            return;
        };
        let release = step(adversary.as_mut(), now_ms, &mut self.chance);
        self.release(host, release);
    }

    /// Does what a scheme wants done: says things, and hands blocks to its own node.
    pub(crate) fn release(&mut self, host: HostId, release: adversary::Release) {
        for (topic, bytes) in release.gossip {
            self.publish(host, topic, bytes);
        }
        for block in release.submit {
            let now = self.clock(host);
            self.act(host, |node| node.submit_block(block, now));
        }
    }

    pub(crate) fn publish(&mut self, host: HostId, topic: Topic, bytes: Vec<u8>) {
        let message = Message::new(topic, bytes);
        if self.hosts[host].seen.insert(message.id, self.now_ms) {
            self.flood(host, &message, None);
        }
    }

    fn gossip_arrives(&mut self, to: HostId, from: HostId, message: Rc<Message>) {
        let now_ms = self.now_ms;
        let is_again = self.chance.happens(self.plan.duplicate_permille);
        let host = &mut self.hosts[to];
        if host.node.is_none() || (!host.seen.insert(message.id, now_ms) && !is_again) {
            return;
        }
        let token = host.token();
        host.messages.insert(token, (from, Rc::clone(&message)));
        let (peer, now) = (name_of(from), self.clock(to));
        let before = self.points(to, from);
        self.act(to, |node| match message.topic {
            Topic::Block => node.block_announced(&peer, token, &message.bytes, now),
            Topic::Transaction => node.transaction_gossiped(&peer, token, &message.bytes, now),
            Topic::Envelope => node.envelope_gossiped(&peer, token, message.bytes.clone(), now),
            Topic::Vote => node.vote_gossiped(&peer, token, &message.bytes, now),
            Topic::Finality => node.finality_vote_gossiped(&peer, token, &message.bytes, now),
        });
        self.count_points(to, from, before, || {
            format!("gossip of {:?}", message.topic)
        });
    }

    /// Points of an honest host against an honest peer.
    pub(crate) fn points(&self, host: HostId, peer: HostId) -> u32 {
        let node = self.node(host).filter(|_| self.plan.is_honest(host));
        let node = node.filter(|_| self.plan.is_honest(peer));
        node.map_or(0, |node| node.points(&name_of(peer), self.clock(host)))
    }

    /// Counts points that a step brought.
    pub(crate) fn count_points(
        &mut self,
        host: HostId,
        peer: HostId,
        before: u32,
        cause: impl FnOnce() -> String,
    ) {
        let brought = self.points(host, peer).saturating_sub(before);
        if brought > 0 {
            self.tally.race_points += u64::from(brought);
            let cause = format!(
                "{brought} points of {} against {} after {} ms for {}",
                name_of(host),
                name_of(peer),
                self.now_ms,
                cause()
            );
            self.tally.point_causes.push(cause);
        }
    }

    /// Hosts that a partition may separate.
    pub(crate) fn others(&self, group: &BTreeSet<HostId>) -> Vec<HostId> {
        let all = 0..self.hosts.len();
        all.filter(|host| !group.contains(host)).collect()
    }
}
