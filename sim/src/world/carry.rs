//! Doing what nodes leave in their outboxes.
//!
//! # Invariants
//! Actions are carried out in order, right after the step that left them.
//!
//! # Spec
//! docs/spec/06-wire.md §3
//!
//! # Not here
//! What the actions mean: `node::protocol`.

use std::rc::Rc;

use node::engine::TipMove;
use node::peers::Ban;
use node::protocol::{Action, Protocol, QuestionId, Verdict};
use node::sync::{BODIES_TIMEOUT_MS, HEADERS_TIMEOUT_MS};

use super::{Banned, World};
use crate::HostId;
use crate::adversary::Reply;
use crate::error::Invariant;
use crate::event::{Asked, Event, Message};
use crate::host::{host_of, name_of};

/// Gossip tokens kept by a shell; the oldest are forgotten, as in the real one.
const TOKENS_MAX: usize = 4_096;

impl World {
    pub(super) fn carry_out(&mut self, host: HostId) {
        let Some(node) = self.hosts[host].node.as_mut() else {
            return;
        };
        for action in node.take_actions() {
            let adversary = self.hosts[host].adversary.as_ref();
            if adversary.is_none_or(|adversary| adversary.lets_out(&action)) {
                self.do_action(host, action);
            }
        }
    }

    fn do_action(&mut self, host: HostId, action: Action) {
        match action {
            Action::Verdict { token, verdict } => {
                let machine = &mut self.hosts[host];
                if machine.messages.len() > TOKENS_MAX {
                    machine.messages.pop_first();
                }
                let message = machine.messages.remove(&token);
                if verdict == Verdict::Accept
                    && let Some((from, message)) = message
                {
                    self.flood(host, &message, Some(from));
                }
            }
            Action::Publish { topic, bytes } => self.publish(host, topic, bytes),
            Action::Ask {
                question,
                peer,
                protocol,
                bytes,
            } => {
                if let Some(peer) = host_of(&peer) {
                    self.ask(host, peer, question, protocol, bytes);
                }
            }
            Action::Answer { token, bytes } => {
                if let Some(asked) = self.hosts[host].questions.remove(&token) {
                    self.answer(host, asked, Some(Rc::new(bytes)));
                }
            }
            Action::Ban(ban) => self.ban(host, &ban),
            Action::Disconnect(peer) => {
                if let Some(peer) = host_of(&peer) {
                    self.disconnect(host, peer);
                }
            }
            Action::ReorgRefused => {
                if self.plan.is_honest(host) {
                    let detail = format!("{} refused a reorg", name_of(host));
                    self.fail(Invariant::NoReorgRefused, detail);
                }
            }
            Action::TipMoved(moves) => self.tip_moved(host, &moves),
            Action::Pending(_)
            | Action::Dropped(_)
            | Action::Displaced(_)
            | Action::VotesGathered
            | Action::Alarm(_) => {}
        }
    }

    /// Sends gossip to all peers but the one it came from.
    pub(super) fn flood(&mut self, host: HostId, message: &Rc<Message>, from: Option<HostId>) {
        for (peer, connection) in self.links.peers(host) {
            if Some(peer) == from {
                continue;
            }
            let Some(travel_ms) = self.links.travel_ms(host, peer, &mut self.chance) else {
                self.tally.lost_messages += 1;
                continue;
            };
            let arrival_ms = self.links.in_order(host, peer, self.now_ms + travel_ms);
            let event = Event::Gossip {
                to: peer,
                from: host,
                connection,
                message: Rc::clone(message),
            };
            self.queue.push(arrival_ms, event);
        }
    }

    fn ask(
        &mut self,
        host: HostId,
        peer: HostId,
        question: QuestionId,
        protocol: Protocol,
        bytes: Vec<u8>,
    ) {
        let asked = Asked {
            by: host,
            life: self.hosts[host].life,
            question,
        };
        self.hosts[host].open.insert(question);
        let Some(connection) = self.links.connection(host, peer) else {
            let event = Event::Answer {
                from: host,
                asked,
                bytes: None,
            };
            return self.queue.push(self.now_ms, event);
        };
        let timeout_ms = match protocol {
            Protocol::Bodies => BODIES_TIMEOUT_MS,
            Protocol::Headers | Protocol::Mempool | Protocol::Missing => HEADERS_TIMEOUT_MS,
        };
        let unanswered = Event::NoAnswer { from: peer, asked };
        self.queue.push(self.now_ms + timeout_ms, unanswered);
        if let Some(travel_ms) = self.links.travel_ms(host, peer, &mut self.chance) {
            let event = Event::Question {
                to: peer,
                asked,
                connection,
                protocol,
                bytes: Rc::new(bytes),
            };
            self.queue.push(self.now_ms + travel_ms, event);
        } else {
            self.tally.lost_messages += 1;
        }
    }

    pub(super) fn question_arrives(
        &mut self,
        to: HostId,
        asked: Asked,
        protocol: Protocol,
        bytes: &[u8],
    ) {
        let host = &mut self.hosts[to];
        if host.node.is_none() {
            return;
        }
        let chance = &mut self.chance;
        let adversary = host.adversary.as_mut();
        match adversary.map_or(Reply::Honest, |adversary| {
            adversary.replies(protocol, chance)
        }) {
            Reply::Honest => {}
            Reply::Forged(bytes) => return self.answer(to, asked, Some(Rc::new(bytes))),
            Reply::Silence => return,
        }
        let token = host.token();
        host.questions.insert(token, asked);
        let (peer, now) = (name_of(asked.by), self.clock(to));
        self.act(to, |node| node.asked(&peer, token, protocol, bytes, now));
        // A question that was not answered is declined, unless the host went down over it.
        if self.hosts[to].questions.remove(&token).is_some() {
            self.answer(to, asked, None);
        }
    }

    fn answer(&mut self, host: HostId, asked: Asked, bytes: Option<Rc<Vec<u8>>>) {
        match self.links.travel_ms(host, asked.by, &mut self.chance) {
            Some(travel_ms) => {
                let event = Event::Answer {
                    from: host,
                    asked,
                    bytes,
                };
                self.queue.push(self.now_ms + travel_ms, event);
            }
            None => self.tally.lost_messages += 1,
        }
    }

    pub(super) fn answer_arrives(&mut self, from: HostId, asked: Asked, bytes: Option<&[u8]>) {
        let host = &mut self.hosts[asked.by];
        if host.life != asked.life || !host.open.remove(&asked.question) {
            return;
        }
        let now = self.clock(asked.by);
        let before = self.points(asked.by, from);
        self.act(asked.by, |node| node.answered(asked.question, bytes, now));
        self.count_points(asked.by, from, before, || "an answer".to_owned());
    }

    pub(super) fn no_answer(&mut self, from: HostId, asked: Asked) {
        let host = &mut self.hosts[asked.by];
        if host.life != asked.life || !host.open.remove(&asked.question) {
            return;
        }
        *host.unanswered.entry(from).or_default() += 1;
        self.tally.unanswered += 1;
        let now = self.clock(asked.by);
        self.act(asked.by, |node| node.answered(asked.question, None, now));
    }

    fn ban(&mut self, host: HostId, ban: &Ban) {
        let Some(peer) = host_of(&ban.peer) else {
            return;
        };
        self.bans.push(Banned {
            by: host,
            whom: peer,
            reason: ban.reason.clone(),
        });
        if self.plan.is_honest(host) && self.plan.is_honest(peer) {
            let detail = format!("{} banned {}: {}", name_of(host), ban.peer, ban.reason);
            self.fail(Invariant::HonestUnbanned, detail);
        }
        self.links.bar(host, peer);
        self.disconnect(host, peer);
    }

    fn tip_moved(&mut self, host: HostId, moves: &[TipMove]) {
        if self.plan.is_honest(host) {
            let is_back = |step: &&TipMove| matches!(step, TipMove::Disconnected(_));
            let depth = moves.iter().filter(is_back).count() as u64;
            // Blocks below the last one may have waited here for their branch to win.
            if let Some(TipMove::Connected(block)) = moves.last()
                && let Some(found) = self.found.get(&block.header.id())
                && found.by != host
            {
                self.tally.propagation_ms.push(self.now_ms - found.at_ms);
            }
            self.tally.reorg(depth);
        }
        let now = self.clock(host);
        for step in moves {
            if let TipMove::Connected(block) = step {
                self.scheme(host, |adversary, at_ms, _| {
                    adversary.heard(block, at_ms, now)
                });
            }
        }
    }
}
