//! Blocks and headers as they come: announced, answered, parked, submitted.
//!
//! # Invariants
//! * A gossiped block goes on to others only after it was applied or stored as valid by itself.
//! * Items proposed by short ids are never held against the announcer: a mismatch of roots leads
//!   to asking for the whole body.
//!
//! # Spec
//! docs/spec/06-wire.md §3.2, §4
//!
//! # Not here
//! Loose transactions and envelopes: [`super::items`].

use std::collections::BTreeSet;

use chain::{Block, BlockId, Body, Header, Timestamp, codec};
use consensus::fork_choice::{BlockStatus, Insertion};
use consensus::{Carrier, Rule, Severity};

use super::{
    Action, Assembly, Node, PARKED_HEADERS_MAX, Parked, Question, RECONSTRUCTIONS_MAX, Token,
    Topic, Verdict,
};
use crate::engine::Refusal;
use crate::ledger::{Ledger, LedgerError, Pace};
use crate::peers::Offence;
use crate::relay::{Reconstruction, new_items};
use crate::wire::{BlockAnnouncement, Items};

/// What became of a block that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockSubmission {
    /// It is the tip now, or on the way there.
    Accepted,
    /// It was here before.
    AlreadyKnown,
    /// It was refused.
    Refused(Refusal),
}

impl<L: Ledger> Node<L> {
    /// A peer announces a block.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn block_announced(
        &mut self,
        from: &str,
        token: Token,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let Ok(announcement) =
            codec::decode::<BlockAnnouncement>(bytes, BlockAnnouncement::BYTES_MAX)
        else {
            return self.reject_malformed(from, token, now);
        };
        let header = announcement.header;
        let id = header.id();
        match self.take_header(&header, Some(from), now)? {
            HeaderFate::Known => {}
            HeaderFate::Waits => {
                self.remember_early(&header, from);
                return self.verdict(token, Verdict::Ignore);
            }
            HeaderFate::Light => return self.verdict(token, Verdict::Ignore),
            HeaderFate::Broken => return self.verdict(token, Verdict::Reject),
        }
        self.note_height(from, &header);
        if self.engine.tree().status(&id) != Some(BlockStatus::HeaderOnly) {
            // Its content is here: passing on another wording of it helps nobody.
            return self.verdict(token, Verdict::Ignore);
        }
        // Before anything is spent on the items.
        let Some(since) = self.take_slot(&id, from, now) else {
            self.ask_for_bodies(now);
            return self.verdict(token, Verdict::Ignore);
        };
        let Ok(block) = Reconstruction::start(announcement, &self.mempool) else {
            return self.reject_malformed(from, token, now);
        };
        self.assemble(
            Assembly {
                from: from.to_owned(),
                token,
                block,
                since,
                asked: now,
            },
            now,
        )
    }

    /// Whether `from` may have the block `id` put together, and since when somebody has. One that
    /// announced it with the wrong items, or will not deliver them, makes room for another.
    fn take_slot(&mut self, id: &BlockId, from: &str, now: Timestamp) -> Option<Timestamp> {
        if let Some(assembly) = self.assemblies.get(id) {
            let since = assembly.since;
            if assembly.from == from || !assembly.is_replaceable(now) {
                return None;
            }
            self.give_up_assembly(id);
            return Some(since);
        }
        if self.assemblies.len() >= RECONSTRUCTIONS_MAX {
            let replaceable = |(_, assembly): &(&BlockId, &Assembly)| assembly.is_replaceable(now);
            let oldest = self
                .assemblies
                .iter()
                .filter(replaceable)
                .min_by_key(|(_, assembly)| assembly.asked);
            let oldest = *oldest?.0;
            self.give_up_assembly(&oldest);
        }
        Some(now)
    }

    /// Completes an announced block or asks for what is missing.
    pub(super) fn assemble(
        &mut self,
        assembly: Assembly,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let id = *assembly.block.id();
        if let Some(request) = assembly.block.missing() {
            let peer = assembly.from.clone();
            self.assemblies.insert(id, assembly);
            self.ask_missing(&peer, id, &request);
            return Ok(());
        }
        let Assembly {
            from, token, block, ..
        } = assembly;
        let Some(body) = block.into_body() else {
            return self.verdict(token, Verdict::Ignore);
        };
        self.remember_bringer(id, &from);
        match self.engine.add_body(&id, body, &self.mempool) {
            Ok(advance) => {
                let is_condemned = advance
                    .condemned
                    .iter()
                    .any(|(condemned, _)| *condemned == id);
                self.settle(advance, now)?;
                let verdict = if is_condemned {
                    Verdict::Reject
                } else {
                    Verdict::Accept
                };
                self.verdict(token, verdict)
            }
            Err(Refusal::Rule(rule)) if rule.condemns_block() => {
                self.score(&from, &rule, rule.severity(Carrier::Block), now);
                self.verdict(token, Verdict::Reject)
            }
            Err(Refusal::Ledger(error)) => Err(error),
            Err(_) => {
                // Perhaps two items share a short id: ask for the body as a whole.
                self.ask_for_bodies(now);
                self.verdict(token, Verdict::Ignore)
            }
        }
    }

    /// The answer to a question for missing items.
    pub(super) fn missing_arrived(
        &mut self,
        peer: &str,
        id: BlockId,
        bytes: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        // Another announcer may have taken its place meanwhile.
        let is_from_peer = |assembly: &Assembly| assembly.from == peer;
        if !self.assemblies.get(&id).is_some_and(is_from_peer) {
            return Ok(());
        }
        let Some(mut assembly) = self.assemblies.remove(&id) else {
            return Ok(());
        };
        let items = bytes.map(|bytes| codec::decode::<Items>(bytes, Items::BYTES_MAX));
        match items {
            Some(Ok(items)) => {
                if assembly.block.fill(items).is_ok() {
                    return self.assemble(assembly, now);
                }
                self.peer_offended(peer, Offence::UselessAnswer, now);
            }
            Some(Err(_)) => self.peer_offended(peer, Offence::Malformed, now),
            None => {}
        }
        self.verdict(assembly.token, Verdict::Ignore)?;
        self.ask_for_bodies(now);
        Ok(())
    }

    pub(super) fn give_up_assembly(&mut self, id: &BlockId) {
        if let Some(assembly) = self.assemblies.remove(id) {
            let verdict = Verdict::Ignore;
            self.outbox.push(Action::Verdict {
                token: assembly.token,
                verdict,
            });
        }
    }

    /// A body that was asked for.
    pub(super) fn body_arrived(
        &mut self,
        peer: &str,
        id: BlockId,
        body: Body,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.give_up_assembly(&id);
        self.remember_bringer(id, peer);
        let fresh = new_items(&body, &self.mempool);
        match self.engine.add_body(&id, body, &self.mempool) {
            Ok(advance) => {
                self.settle(advance, now)?;
                self.announce_if_new(&id, &fresh, now)
            }
            Err(Refusal::Rule(rule)) => {
                self.score(peer, &rule, rule.severity(Carrier::Block), now);
                Ok(())
            }
            Err(Refusal::Ledger(error)) => Err(error),
            Err(_) => Ok(()),
        }
    }

    /// A block of our own, from a miner or over RPC: the same door.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn submit_block(
        &mut self,
        block: Block,
        now: Timestamp,
    ) -> Result<BlockSubmission, LedgerError> {
        let id = block.id();
        // Whoever hands it in is told of it, however far behind we are.
        self.engine.set_pace(Pace::AtTip)?;
        match self.engine.add_header(&block.header, now) {
            Ok(_) => {}
            Err(Refusal::Ledger(error)) => return Err(error),
            Err(refusal) => return Ok(BlockSubmission::Refused(refusal)),
        }
        if self.engine.tree().status(&id) != Some(BlockStatus::HeaderOnly) {
            return Ok(BlockSubmission::AlreadyKnown);
        }
        let fresh = new_items(&block.body, &self.mempool);
        match self.engine.add_body(&id, block.body, &self.mempool) {
            Ok(advance) => {
                let condemned = advance
                    .condemned
                    .iter()
                    .find(|(condemned, _)| *condemned == id)
                    .cloned();
                self.settle(advance, now)?;
                if let Some((_, rule)) = condemned {
                    return Ok(BlockSubmission::Refused(Refusal::Rule(rule)));
                }
                self.announce_if_new(&id, &fresh, now)?;
                Ok(BlockSubmission::Accepted)
            }
            Err(Refusal::Ledger(error)) => Err(error),
            Err(refusal) => Ok(BlockSubmission::Refused(refusal)),
        }
    }

    /// Gossips the tip if it is `id` and young: nobody needs to hear of history.
    fn announce_if_new(
        &mut self,
        id: &BlockId,
        fresh: &[chain::Hash32],
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        if self.engine.tip()?.1 != *id || self.is_catching_up(now)? {
            return Ok(());
        }
        let Some(body) = self.engine.ledger().body(id)? else {
            return Ok(());
        };
        let Some(header) = self.engine.tree().header(id) else {
            return Ok(());
        };
        let block = Block {
            header: *header,
            body,
        };
        let announcement = BlockAnnouncement::of(&block, |name| fresh.contains(name));
        let bytes = codec::encode(&announcement);
        self.outbox.push(Action::Publish {
            topic: Topic::Block,
            bytes,
        });
        Ok(())
    }

    /// Offers a header to the engine, on behalf of a peer or of a header that was parked.
    pub(super) fn take_header(
        &mut self,
        header: &Header,
        from: Option<&str>,
        now: Timestamp,
    ) -> Result<HeaderFate, LedgerError> {
        match self.engine.add_header(header, now) {
            Ok(insertion) => {
                if insertion == Insertion::Added {
                    self.remember_uncle(*header);
                }
                Ok(HeaderFate::Known)
            }
            Err(Refusal::Ledger(error)) => Err(error),
            Err(Refusal::Rule(Rule::TimeTooNew { .. })) => {
                // Valid but for its time: kept for a while, held against nobody.
                let is_new = self.parked.iter().all(|parked| parked.header != *header);
                if is_new && self.parked.len() < PARKED_HEADERS_MAX {
                    self.parked.push(Parked {
                        header: *header,
                        bringers: BTreeSet::new(),
                    });
                }
                Ok(HeaderFate::Waits)
            }
            Err(Refusal::Rule(rule)) => {
                if let Some(peer) = from {
                    self.score(peer, &rule, rule.severity(Carrier::Loose), now);
                }
                Ok(HeaderFate::Broken)
            }
            Err(Refusal::UnknownParent { .. }) => {
                if let Some(peer) = from {
                    let actions = self.sync.unknown_parent(peer, now);
                    self.follow(actions, now);
                }
                Ok(HeaderFate::Waits)
            }
            Err(Refusal::TooLight) => Ok(HeaderFate::Light),
            Err(
                Refusal::UnknownHeader { .. }
                | Refusal::NotFollowed { .. }
                | Refusal::BeyondUndo { .. },
            ) => Ok(HeaderFate::Waits),
        }
    }

    /// Remembers who has the body of a parked header.
    pub(super) fn remember_early(&mut self, header: &Header, peer: &str) {
        let mut parked = self.parked.iter_mut();
        if let Some(parked) = parked.find(|parked| parked.header == *header) {
            parked.bringers.insert(peer.to_owned());
        }
    }

    pub(super) fn score(&mut self, peer: &str, rule: &Rule, severity: Severity, now: Timestamp) {
        tracing::debug!(peer, %rule, ?severity, "a rule was broken");
        let ban = self
            .peers
            .broke_rule(peer, severity, &rule.to_string(), now);
        self.outbox.extend(ban.map(Action::Ban));
    }

    pub(super) fn verdict(&mut self, token: Token, verdict: Verdict) -> Result<(), LedgerError> {
        self.outbox.push(Action::Verdict { token, verdict });
        Ok(())
    }

    pub(super) fn reject_malformed(
        &mut self,
        from: &str,
        token: Token,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.peer_offended(from, Offence::Malformed, now);
        self.verdict(token, Verdict::Reject)
    }

    fn ask_missing(&mut self, peer: &str, id: BlockId, request: &crate::wire::MissingRequest) {
        let bytes = codec::encode(request);
        self.ask_with(peer, Question::Missing(id), bytes);
    }
}

/// What became of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFate {
    /// It is in the tree.
    Known,
    /// It is not, and nobody is to blame.
    Waits,
    /// Its branch is far behind ours, as far as it goes.
    Light,
    /// It breaks a rule.
    Broken,
}
