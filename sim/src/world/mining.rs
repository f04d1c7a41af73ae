//! Mining: a Poisson process over real work.
//!
//! # Invariants
//! * The time to a solution is exponential with the real work of the real next target; a new tip
//!   or another hash power draws it anew, which changes nothing for a process without memory.
//! * A found block is the node's own template, solved.
//!
//! # Spec
//! docs/spec/15-mining.md
//!
//! # Not here
//! The search that people run: `miner`.

use chain::{BlockId, Timestamp};
use consensus::difficulty::Target;
use node::protocol::TemplateError;

use super::{Found, World};
use crate::HostId;
use crate::adversary::Release;
use crate::event::Event;
use crate::rules;

impl World {
    /// Begins a search on the host's tip, unless one is under way.
    pub(super) fn search(&mut self, host: HostId) {
        if !self.is_mining {
            return;
        }
        let Some((tip, hashes)) = self.task(host) else {
            return;
        };
        let machine = &mut self.hosts[host];
        let adversary = machine.adversary.as_mut();
        let factor = adversary.map_or(1_000, |adversary| {
            adversary.power_permille(self.now_ms, hashes)
        });
        let power_permille = factor * self.power_permille / 1_000;
        if machine.searching == Some((tip, power_permille)) {
            return;
        }
        machine.searching = Some((tip, power_permille));
        machine.hashes = hashes;
        machine.search += 1;
        let power = machine.power * power_permille as f64 / 1_000.0;
        if power > 0.0 {
            let wait_ms = self.chance.exponential() * hashes / power;
            let at_ms = self.now_ms.saturating_add(wait_ms.ceil() as u64);
            let event = Event::Solved(host, machine.search);
            self.queue.push(at_ms, event);
        }
    }

    /// What a host mines on, and how many hashes the next block takes on average.
    fn task(&mut self, host: HostId) -> Option<(BlockId, f64)> {
        let machine = &mut self.hosts[host];
        let own = machine.node.as_ref()?;
        let workshop = machine.adversary.as_mut();
        let workshop = workshop.and_then(|adversary| adversary.workshop());
        let engine = match workshop {
            Some(workshop) => workshop.engine(),
            None => own.engine(),
        };
        let tip = engine.tip().ok()?.1;
        if machine
            .searching
            .is_some_and(|(searched, _)| searched == tip)
        {
            return Some((tip, machine.hashes));
        }
        let context = engine.tree().header_context(&tip)?;
        let target = Target::from_compact(context.next_target(&self.plan.params))?;
        Some((tip, rules::hashes(target)))
    }

    /// A host finds the next block.
    pub(super) fn find(&mut self, host: HostId) {
        let now = self.clock(host);
        let machine = &mut self.hosts[host];
        let adversary = machine.adversary.as_mut();
        let ahead_ms = adversary.map_or(0, |adversary| adversary.stamp_ahead_ms());
        let stamp = Timestamp::new(now.get() + ahead_ms);
        let payout = machine.payout;
        let workshop = machine.adversary.as_mut();
        let workshop = workshop.and_then(|adversary| adversary.workshop());
        let template = match (workshop, machine.node.as_mut()) {
            (Some(workshop), Some(_)) => workshop.template(payout, stamp),
            (None, Some(node)) => node.template(payout, stamp),
            (_, None) => return,
        };
        let mut block = match template {
            Ok(block) => block,
            Err(TemplateError::Ledger(error)) => return self.storage_failed(host, &error),
            // It does not mine for now.
            Err(_) => return,
        };
        rules::solve(&mut block.header, &self.plan.params);
        let found = Found {
            at_ms: self.now_ms,
            by: host,
            block: block.clone(),
        };
        self.found.insert(block.header.id(), found);
        self.tally.found += 1;
        if self.hosts[host].adversary.is_some() {
            self.scheme(host, |adversary, at_ms, _| {
                adversary.found(block, at_ms, now)
            });
        } else {
            self.release(host, Release::submit(block));
        }
    }
}
