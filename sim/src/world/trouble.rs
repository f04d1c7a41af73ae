//! Carrying out faults, connecting, stopping and starting.
//!
//! # Invariants
//! A fault is counted when it happened: a trap that nothing fell into is none.
//!
//! # Spec
//! docs/ARCHITECTURE.md
//!
//! # Not here
//! Which faults there are: [`crate::fault`].

use node::ledger::LedgerError;

use super::{SETTLE_MS, TICK_MS, World};
use crate::HostId;
use crate::error::Invariant;
use crate::event::Event;
use crate::fault::{Ailment, Cut, Fault};
use crate::host::{held, name_of};

/// How long two hosts that do not hear each other stay connected: two missed pings.
const SILENCE_MS: u64 = 30_000;
/// A process that ended starts again within this time.
const DOWN_MS: (u64, u64) = (1_000, 10_000);
/// Hosts that lost each other connect within this time.
const REDIAL_MS: (u64, u64) = (500, 5_000);
/// Between two kills of a restart storm.
const STORM_MS: u64 = 4_000;

impl World {
    pub(super) fn fault(&mut self, index: usize) {
        let Some((_, fault)) = self.plan.faults.get(index).cloned() else {
            return;
        };
        if !matches!(fault, Fault::CrashAt(..) | Fault::Kill(_)) {
            self.tally.faults.add(fault.name());
        }
        match fault {
            Fault::CrashAt(host, step, side, passes) => {
                self.hosts[host].storage.set_trap(step, side, passes);
            }
            Fault::Kill(host) => self.kill(host),
            Fault::RestartStorm(hosts, times) => {
                let kills = (0..times).flat_map(|_| hosts.iter());
                for (number, host) in (0..).zip(kills) {
                    let at_ms = self.now_ms + number * STORM_MS;
                    self.queue.push(at_ms, Event::Kill(*host));
                }
            }
            Fault::Partition(group, cut) => {
                match (cut, group.first()) {
                    (Cut::OneWay, Some(host)) if group.len() == 1 => {
                        self.ail(*host, Ailment::Partition, u64::MAX);
                    }
                    _ => self.disturbed_until_ms = u64::MAX,
                }
                for one in &group {
                    for other in self.others(&group) {
                        self.cut_off(*one, other, cut);
                    }
                }
            }
            Fault::Heal => {
                self.links.heal();
                self.disturbed_until_ms = self.now_ms + SETTLE_MS;
                self.recover(&[Ailment::Partition]);
                self.redial_all();
            }
            Fault::Skew(host, skew_ms) => {
                self.hosts[host].skew_ms = skew_ms;
                self.ail(host, Ailment::Clock, u64::MAX);
            }
            Fault::SlowLinks(host, factor) => {
                self.links.slow_down(host, factor);
                self.ail(host, Ailment::Links, u64::MAX);
            }
            Fault::LossyLinks(host, permille) => {
                self.links.make_lossy(host, permille);
                self.ail(host, Ailment::Links, u64::MAX);
            }
            Fault::Mend => {
                self.links.mend();
                self.reset_clocks();
                self.recover(&[Ailment::Links, Ailment::Clock]);
            }
            Fault::HashPower(permille) => {
                self.power_permille = permille;
                self.disturb();
                for host in 0..self.hosts.len() {
                    self.search(host);
                }
            }
        }
    }

    fn cut_off(&mut self, one: HostId, other: HostId, cut: Cut) {
        self.links.cut(one, other);
        if cut == Cut::BothWays {
            self.links.cut(other, one);
            let at_ms = self.now_ms + SILENCE_MS;
            self.queue.push(at_ms, Event::Silence(one, other));
        }
    }

    /// Nothing is expected of a host before this moment.
    fn ail(&mut self, host: HostId, ailment: Ailment, until_ms: u64) {
        let until = self.ailing_until_ms.entry((host, ailment)).or_default();
        *until = until_ms.max(*until);
    }

    /// What ails hosts is over soon.
    fn recover(&mut self, from: &[Ailment]) {
        for ((_, ailment), until_ms) in &mut self.ailing_until_ms {
            if from.contains(ailment) {
                *until_ms = self.now_ms + SETTLE_MS;
            }
        }
    }

    /// Nothing is expected of the network for a while.
    fn disturb(&mut self) {
        let until_ms = self.now_ms + SETTLE_MS;
        self.disturbed_until_ms = self.disturbed_until_ms.max(until_ms);
    }

    fn reset_clocks(&mut self) {
        for (host, machine) in self.hosts.iter_mut().enumerate() {
            machine.skew_ms = self.plan.skew_ms.get(host).copied().unwrap_or_default();
        }
    }

    /// Takes back all faults that last.
    pub(super) fn mend_all(&mut self) {
        self.links.heal();
        self.links.mend();
        self.links.lose_nothing();
        self.reset_clocks();
        self.recover(&[Ailment::Partition, Ailment::Links, Ailment::Clock]);
        self.disturbed_until_ms = self.now_ms + SETTLE_MS;
        for machine in &mut self.hosts {
            machine.storage.clear_trap();
        }
        self.redial_all();
    }

    fn redial_all(&mut self) {
        for (one, other) in self.links.topology().collect::<Vec<_>>() {
            self.redial(one, other);
        }
    }

    fn redial(&mut self, one: HostId, other: HostId) {
        let wait_ms = self.chance.between(REDIAL_MS.0, REDIAL_MS.1);
        let at_ms = self.now_ms + wait_ms;
        self.queue.push(at_ms, Event::Dial(one, other));
    }

    pub(super) fn dial(&mut self, one: HostId, other: HostId) {
        let are_up = self.hosts[one].node.is_some() && self.hosts[other].node.is_some();
        if !are_up || !self.links.open(one, other) {
            return;
        }
        for (host, peer) in [(one, other), (other, one)] {
            let now = self.clock(host);
            self.act(host, |node| {
                node.peer_connected(&name_of(peer), now);
                Ok(())
            });
        }
    }

    pub(super) fn disconnect(&mut self, one: HostId, other: HostId) {
        if !self.links.close(one, other) {
            return;
        }
        for (host, peer) in [(one, other), (other, one)] {
            self.act(host, |node| {
                node.peer_disconnected(&name_of(peer));
                Ok(())
            });
        }
    }

    /// A host's storage failed: by a fault, or else the run has.
    pub(super) fn storage_failed(&mut self, host: HostId, error: &LedgerError) {
        if let Some((step, side)) = self.hosts[host].storage.crashed() {
            self.tally.faults.add("crash at a commit step");
            *self.tally.crashes.entry((step, side)).or_default() += 1;
            self.go_down(host);
        } else {
            let detail = format!("{}: {error}", name_of(host));
            self.fail(Invariant::StorageHolds, detail);
        }
    }

    pub(super) fn kill(&mut self, host: HostId) {
        if self.hosts[host].node.is_some() {
            self.tally.faults.add("kill");
            self.go_down(host);
        }
    }

    /// The power goes: what was not durable is lost, by chance all or a part of it.
    fn go_down(&mut self, host: HostId) {
        self.hosts[host].stop();
        let until_ms = self.now_ms + DOWN_MS.1 + SETTLE_MS;
        self.ail(host, Ailment::Down, until_ms);
        for (peer, _) in self.links.peers(host) {
            self.disconnect(host, peer);
        }
        let machine = &mut self.hosts[host];
        let lost = self.chance.between(0, machine.storage.volatile_steps());
        self.tally.steps_lost += lost;
        machine.storage.power_up(lost);
        machine.durable = held(&machine.storage, &self.plan.params).ok();
        let wait_ms = self.chance.between(DOWN_MS.0, DOWN_MS.1);
        let at_ms = self.now_ms + wait_ms;
        self.queue.push(at_ms, Event::Start(host));
    }

    pub(super) fn start(&mut self, host: HostId) {
        if self.hosts[host].node.is_some() {
            return;
        }
        if let Err(error) = self.hosts[host].start(&self.plan.params) {
            return self.storage_failed(host, &error);
        }
        if let Some(before) = self.hosts[host].durable.take() {
            self.tally.restarts += 1;
            self.check_restart(host, before);
        }
        let life = self.hosts[host].life;
        // Ticks of different hosts do not fall together.
        let first_ms = self.now_ms + TICK_MS + (host as u64 * 37) % TICK_MS;
        self.queue.push(first_ms, Event::Tick(host, life));
        let touches = |(one, other): &(HostId, HostId)| *one == host || *other == host;
        let pairs: Vec<_> = self.links.topology().filter(touches).collect();
        for (one, other) in pairs {
            if self.now_ms == 0 {
                self.queue.push(1, Event::Dial(one, other));
            } else {
                self.redial(one, other);
            }
        }
        self.search(host);
    }
}
