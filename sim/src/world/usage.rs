//! People who use the network.
//!
//! # Invariants
//! An account is used at its own host alone.
//!
//! # Spec
//! docs/spec/03-transactions.md
//!
//! # Not here
//! How items are made: [`crate::traffic`].

use node::ledger::Ledger;
use node::protocol::ItemSubmission;

use super::World;
use crate::HostId;
use crate::event::Event;
use crate::traffic;

/// Of a thousand uses, those that hand in an envelope; the others transfer coins.
const ENVELOPES_PERMILLE: u64 = 600;
/// Of a thousand transfers, those that are handed in again while they wait.
const AGAIN_PERMILLE: u64 = 250;

impl World {
    pub(super) fn use_network(&mut self) {
        if !self.is_used {
            return;
        }
        let wait_ms = self.chance.exponential() * self.plan.use_every_ms as f64;
        let at_ms = self.now_ms + (wait_ms.ceil() as u64).max(1);
        self.queue.push(at_ms, Event::Use);
        let hosts = self.sound_hosts();
        let Some(host) = self.chance.pick(&hosts).copied() else {
            return;
        };
        if self.chance.happens(ENVELOPES_PERMILLE) {
            self.send_message(host);
        } else {
            self.send_coins(host);
        }
    }

    fn send_message(&mut self, host: HostId) {
        let Some(node) = self.node(host) else { return };
        let Ok((tip, _)) = node.engine().tip() else {
            return;
        };
        let next = tip.next().unwrap_or(tip);
        let epoch = self.plan.params.rate_epoch(next);
        self.tally.messages_made += 1;
        let number = (self.plan.seed << 24) | self.tally.messages_made;
        let bytes = traffic::envelope(&self.plan.params, epoch, number);
        let submitted = self.act(host, |node| node.submit_envelope(bytes));
        self.remember_submission(submitted);
    }

    fn send_coins(&mut self, host: HostId) {
        let others = self.hosts.len() as u64;
        let to = self.hosts[self.chance.below(others) as usize].payout;
        let again = self.chance.happens(AGAIN_PERMILLE);
        let machine = &mut self.hosts[host];
        let account = match machine.storage.view() {
            Ok(view) => consensus::state::value::account(&view, &machine.payout),
            Err(_) => return,
        };
        let Ok(account) = account else { return };
        let (params, keypair) = (&self.plan.params, &machine.keypair);
        let transfer = machine.purse.transfer(params, keypair, account, to, again);
        if let Some(transfer) = transfer {
            self.tally.transfers_made += 1;
            let submitted = self.act(host, |node| node.submit_transaction(transfer));
            self.remember_submission(submitted);
        }
    }

    fn remember_submission(&mut self, submitted: Option<ItemSubmission>) {
        if let Some(ItemSubmission::Accepted(name)) = submitted {
            self.submitted.entry(name).or_insert(self.now_ms);
        }
    }
}
