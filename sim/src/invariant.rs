//! What must hold, while a run goes on and at its end.
//!
//! # Invariants
//! A check reads and never changes a node.
//!
//! # Spec
//! docs/ARCHITECTURE.md
//!
//! # Not here
//! The names of what must hold: [`crate::error::Invariant`]. Checks of votes, committees and
//! finalized blocks join these once consensus knows stake.

use std::collections::{BTreeMap, BTreeSet};

use chain::{BlockId, Hash32, Height, Timestamp};
use consensus::fork_choice::BLOCKS_MAX;
use node::engine::Engine;
use node::ledger::{Ledger, LedgerError};
use node::peers::MINOR_POINTS_PER_MINUTE_MAX;
use node::{mempool, wire};

use crate::HostId;
use crate::error::{Failure, Invariant};
use crate::event::Event;
use crate::host::{Held, held, name_of};
use crate::ledger::Memory;
use crate::world::{CHECK_MS, World};

/// Over this time the growth of the chain is looked at.
const GROWTH_MS: u64 = 600_000;
/// Longest chain that is imported again in another order: the block tree then still knows all.
const REORDERED_BLOCKS_MAX: usize = 8_000;
/// Points that races may bring an honest peer at once: what `node::peers` allows in a minute.
const RACE_POINTS_MAX: u64 = MINOR_POINTS_PER_MINUTE_MAX as u64;
/// Headers from any time of the run are in time.
const END_OF_TIME: Timestamp = Timestamp::new(u64::MAX / 2);

/// What does not hold, and what was found.
pub(crate) type Checked = Result<(), (Invariant, String)>;

impl World {
    /// Looks at a running world.
    pub(crate) fn check(&mut self) {
        self.queue.push(self.now_ms + CHECK_MS, Event::Check);
        self.tally.checks += 1;
        let checked = self.check_hosts().and_then(|()| self.check_together());
        if let Err((invariant, detail)) = checked {
            self.fail(invariant, detail);
        }
    }

    fn check_hosts(&self) -> Checked {
        for host in self.sound_hosts() {
            self.check_supply(host)?;
            self.check_memory(host)?;
            self.check_scores(host)?;
        }
        Ok(())
    }

    fn check_together(&mut self) -> Checked {
        let is_disturbed = self.now_ms < self.disturbed_until_ms;
        let is_anybody_well = !self.well_hosts().is_empty();
        if is_disturbed || !is_anybody_well || self.power_permille != 1_000 {
            self.grown_since = (self.now_ms, self.height());
            return Ok(());
        }
        self.check_agreement()?;
        self.check_growth()
    }

    /// The height of the highest tip of the well.
    fn height(&self) -> u64 {
        let well = self.well_hosts().into_iter();
        let heights = well.filter_map(|host| Some(self.hosts[host].storage.tip().ok()?.0.get()));
        heights.max().unwrap_or_default()
    }

    /// Hosts that are sound and that no fault keeps from following the others.
    fn well_hosts(&self) -> Vec<HostId> {
        let mut hosts = self.sound_hosts();
        let ailing = self.ailing_until_ms.iter();
        let ailing: BTreeSet<HostId> = ailing
            .filter(|(_, until_ms)| self.now_ms < **until_ms)
            .map(|((host, _), _)| *host)
            .collect();
        hosts.retain(|host| !ailing.contains(host));
        hosts
    }

    fn check_supply(&self, host: HostId) -> Checked {
        let storage = &self.hosts[host].storage;
        let read = || -> Result<_, LedgerError> {
            let supply = consensus::state::value::supply(&storage.view()?)?;
            Ok((supply, storage.coins()?))
        };
        let broken = |detail| Err((Invariant::SupplyAddsUp, detail));
        match read() {
            Ok((supply, coins)) => {
                let counted = supply.minted.checked_sub(supply.burned);
                let found = supply.supply.base_units();
                if counted == Some(found) && coins == u128::from(found) {
                    return Ok(());
                }
                broken(format!("{}: {supply:?}, coins {coins}", name_of(host)))
            }
            Err(error) => broken(format!("{}: {error}", name_of(host))),
        }
    }

    fn check_memory(&self, host: HostId) -> Checked {
        let Some(node) = self.node(host) else {
            return Ok(());
        };
        let (bytes, blocks) = (node.mempool().bytes(), node.engine().tree().len());
        if bytes <= mempool::BYTES_MAX && blocks <= BLOCKS_MAX {
            return Ok(());
        }
        let detail = format!("{}: {bytes} bytes wait, {blocks} blocks", name_of(host));
        Err((Invariant::MemoryBounded, detail))
    }

    fn check_scores(&self, host: HostId) -> Checked {
        (0..self.hosts.len()).try_for_each(|peer| self.check_score(host, peer))
    }

    /// Honest hosts have next to no points against honest peers, but for unanswered questions.
    pub(crate) fn check_score(&self, host: HostId, peer: HostId) -> Checked {
        let Some(node) = self.node(host).filter(|_| self.plan.is_honest(host)) else {
            return Ok(());
        };
        let points = u64::from(node.points(&name_of(peer), self.clock(host)));
        let unanswered = self.hosts[host].unanswered.get(&peer);
        let unanswered = unanswered.copied().unwrap_or_default();
        if points <= unanswered + RACE_POINTS_MAX || !self.plan.is_honest(peer) {
            return Ok(());
        }
        let (host, peer) = (name_of(host), name_of(peer));
        let detail =
            format!("{host}: {points} points against {peer}, {unanswered} questions unanswered");
        Err((Invariant::HonestUnscored, detail))
    }

    /// Undisturbed hosts agree but for the last blocks.
    fn check_agreement(&self) -> Checked {
        let Some(depth) = self.plan.agreed_below_blocks else {
            return Ok(());
        };
        let Some(agreed) = self.height().checked_sub(depth).map(Height::new) else {
            return Ok(());
        };
        let mut first: Option<(HostId, Option<BlockId>)> = None;
        for host in self.well_hosts() {
            let id = self.hosts[host].storage.id_at(agreed).ok().flatten();
            let (other, expected) = *first.get_or_insert((host, id));
            if id.is_none() || id != expected {
                let hosts = [self.describe(host), self.describe(other)];
                let detail = format!("at height {agreed}: {}", hosts.join("; "));
                return Err((Invariant::NodesAgree, detail));
            }
        }
        Ok(())
    }

    /// Where a host stands, for whoever looks at a failure.
    fn describe(&self, host: HostId) -> String {
        let Some(node) = self.node(host) else {
            return format!("{} is down", name_of(host));
        };
        let tree = node.engine().tree();
        let height = |id: &BlockId| tree.header(id).map(|header| header.height.get());
        let tip = self.hosts[host]
            .storage
            .tip()
            .map(|(height, _)| height.get());
        let (best, header) = (height(tree.best()), height(tree.best_header()));
        let wanted = node.engine().wanted(64, |_| false).len();
        let peers = self.links.peers(host);
        let peers: Vec<HostId> = peers.into_iter().map(|(peer, _)| peer).collect();
        format!(
            "{}: tip {tip:?}, best {best:?}, best header {header:?}, wants {wanted} bodies, \
             peers {peers:?}",
            name_of(host)
        )
    }

    fn check_growth(&mut self) -> Checked {
        let (since_ms, before) = self.grown_since;
        if !self.is_mining || self.now_ms < since_ms + GROWTH_MS {
            return Ok(());
        }
        let height = self.height();
        let least = before + self.plan.blocks_per_ten_minutes_min;
        self.grown_since = (self.now_ms, height);
        if height >= least {
            return Ok(());
        }
        let detail = format!("from height {before} to {height} in ten minutes");
        Err((Invariant::ChainGrows, detail))
    }

    /// A host is up again: it has what was durable.
    pub(crate) fn check_restart(&mut self, host: HostId, before: Held) {
        let storage = &self.hosts[host].storage;
        let after = held(storage, &self.plan.params);
        let marked = storage.block(&before.tip).ok().flatten();
        let is_marked = marked.is_some_and(|tip| tip.is_invalid);
        if after != Ok(before) && !is_marked {
            let detail = format!("{}: {before:?}, then {after:?}", name_of(host));
            self.fail(Invariant::RestartKeepsState, detail);
        }
    }

    /// Looks at a world that has come to rest.
    pub(crate) fn check_end(&mut self) -> Result<(), Failure> {
        let at_ms = self.now_ms;
        self.tally.checks += 1;
        let checked = self
            .check_hosts()
            .and_then(|()| self.check_convergence())
            .and_then(|()| self.check_reimport())
            .and_then(|()| self.check_order());
        checked.map_err(|(invariant, detail)| Failure {
            invariant,
            at_ms,
            detail,
        })
    }

    fn check_convergence(&self) -> Checked {
        let mut first: Option<(HostId, Held)> = None;
        for host in (0..self.hosts.len()).filter(|host| self.plan.is_honest(*host)) {
            let diverged = |detail| Err((Invariant::NodesConverge, detail));
            if !self.is_sound(host) {
                return diverged(format!("{} is not up", name_of(host)));
            }
            match held(&self.hosts[host].storage, &self.plan.params) {
                Ok(holds) => {
                    let (other, expected) = *first.get_or_insert((host, holds));
                    if holds != expected {
                        let hosts = [self.describe(host), self.describe(other)];
                        return diverged(hosts.join("; "));
                    }
                }
                Err(error) => return diverged(format!("{}: {error}", name_of(host))),
            }
        }
        Ok(())
    }

    fn check_reimport(&self) -> Checked {
        let broken = |detail| Err((Invariant::LedgerEqualsReimport, detail));
        let chain = self.best_chain();
        let imported = match self.import(&chain) {
            Ok(engine) => engine.into_ledger(),
            Err(error) => return broken(error.to_string()),
        };
        for host in self.sound_hosts() {
            if let Some(map) = self.hosts[host].storage.difference(&imported) {
                return broken(format!("{} differs in its {map}", name_of(host)));
            }
        }
        Ok(())
    }

    /// Imports what an honest host knows in an order of chance, and compares the winners.
    fn check_order(&mut self) -> Checked {
        let Some(host) = self.sound_hosts().first().copied() else {
            return Ok(());
        };
        let storage = self.hosts[host].storage.clone();
        let known: BTreeSet<BlockId> = self
            .found
            .keys()
            .filter(|id| storage.body(id).ok().flatten().is_some())
            .copied()
            .collect();
        if known.len() > REORDERED_BLOCKS_MAX {
            return Ok(());
        }
        let order = self.shuffled(&known);
        let broken = |detail| Err((Invariant::OrderIsIrrelevant, detail));
        let engine = match self.import(&order) {
            Ok(engine) => engine,
            Err(error) => return broken(error.to_string()),
        };
        let Some(node) = self.node(host) else {
            return Ok(());
        };
        let (one, other) = (node.engine().tree(), engine.tree());
        let scores = (one.score(one.best()), other.score(other.best()));
        if scores.0 == scores.1 {
            return Ok(());
        }
        broken(format!(
            "scores {scores:?} of {} and {}",
            one.best(),
            other.best()
        ))
    }

    /// The blocks in an order of chance, parents first.
    fn shuffled(&mut self, known: &BTreeSet<BlockId>) -> Vec<BlockId> {
        let mut children: BTreeMap<BlockId, Vec<BlockId>> = BTreeMap::new();
        for id in known {
            let parent = self.found[id].block.header.parent;
            children.entry(parent).or_default().push(*id);
        }
        let mut open = children
            .remove(&self.plan.params.genesis_id())
            .unwrap_or_default();
        let mut order = Vec::new();
        while !open.is_empty() {
            let index = self.chance.below(open.len() as u64) as usize;
            let id = open.swap_remove(index);
            open.extend(children.remove(&id).unwrap_or_default());
            order.push(id);
        }
        order
    }

    /// A fresh engine that was offered these found blocks in this order.
    fn import(&self, order: &[BlockId]) -> Result<Engine<Memory>, LedgerError> {
        let params = &self.plan.params;
        let mut engine = Engine::open(Memory::new(params), params.clone())?;
        for found in order.iter().filter_map(|id| self.found.get(id)) {
            let (header, body) = (&found.block.header, found.block.body.clone());
            // What is refused here was refused there; the comparison tells.
            if engine.add_header(header, END_OF_TIME).is_ok() {
                let nothing: BTreeSet<Hash32> = BTreeSet::new();
                let added = engine.add_body(&header.id(), body, &nothing);
                if let Ok(advance) = added
                    && let Some(error) = advance.stopped
                {
                    return Err(error);
                }
            }
        }
        Ok(engine)
    }

    /// Counts what the best chain holds.
    pub(crate) fn count_end(&mut self) {
        let end_ms = self.plan.duration_ms;
        self.tally.duration_ms = end_ms;
        self.tally.found = self.found.values().filter(|f| f.at_ms <= end_ms).count() as u64;
        let mut times = Vec::new();
        let mut waiting = std::mem::take(&mut self.submitted);
        for id in self.best_chain() {
            let Some(found) = self.found.get(&id) else {
                continue;
            };
            let body = &found.block.body;
            if found.at_ms <= end_ms {
                times.push(found.at_ms);
                self.tally.uncles += body.aux.uncles.len() as u64;
            }
            let transactions = body.transactions.iter().map(wire::transaction_name);
            let names = transactions.chain(body.envelopes.iter().map(wire::envelope_name));
            for name in names {
                if let Some(at_ms) = waiting.remove(&name) {
                    // A block may take what was handed in before only.
                    let waited_ms = found.at_ms.saturating_sub(at_ms);
                    self.tally.in_block_ms.push(waited_ms);
                }
            }
        }
        self.tally.not_in_block = waiting.len() as u64;
        self.tally.on_chain = times.len() as u64;
        let ends = (times.first(), times.last());
        if let (Some(first), Some(last)) = ends {
            self.tally.chain_ms = last - first;
        }
        self.tally.close();
    }
}
