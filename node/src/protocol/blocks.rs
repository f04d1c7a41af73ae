//! Blocks and headers as they come: announced, answered, parked, submitted.
//!
//! # Invariants
//! * A gossiped block goes on to others only after it was applied: whoever gets it from a neighbour
//!   may hold that neighbour to every rule.
//!
//! # Spec
//! docs/spec/06-wire.md §3.2, §4
//!
//! # Not here
//! Putting announced blocks together: [`super::assembly`]. Loose transactions and envelopes:
//! [`super::items`].

use chain::{Aux, Block, BlockId, Body, Header, Timestamp, codec};
use consensus::fork_choice::{BlockStatus, Insertion};
use consensus::{Carrier, Rule, Severity};
use genesis::law;

use super::assembly::Assembly;
use super::{Action, Node, Question, Token, Topic, Verdict};
use crate::engine::{Advance, Refusal};
use crate::ledger::{Ledger, LedgerError, Pace};
use crate::peers::Offence;
use crate::relay::{Contradiction, Reconstruction, new_items};
use crate::wire::BlockAnnouncement;

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
        let is_news = self.engine.tree().status(&id).is_none() && !self.parked.contains(&header);
        let fate = self.take_header(&header, Some(from), now)?;
        if is_news && (fate == HeaderFate::Known || self.parked.contains(&header)) {
            self.note_age(header.time, now);
        }
        match fate {
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
        if !self.is_of_interest(&header)? {
            return self.verdict(token, Verdict::Ignore);
        }
        // Before anything is spent on the items.
        let Some(since) = self.take_slot(&id, from, now) else {
            self.ask_for_bodies(now);
            return self.verdict(token, Verdict::Ignore);
        };
        let block = match Reconstruction::start(announcement, &self.mempool) {
            Ok(block) => block,
            // Perhaps two items share a short id.
            Err(Contradiction::Bytes) => {
                self.failed_assemblies.remember(id, from);
                self.ask_for_bodies(now);
                return self.verdict(token, Verdict::Ignore);
            }
            // It contradicts itself, and nobody passes on what was never put together.
            Err(_) => return self.reject_malformed(from, token, now),
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

    /// Whether a block that nobody asked for is worth its place on the disk: its branch may be the
    /// best, or it may be an uncle of the next block.
    fn is_of_interest(&self, header: &Header) -> Result<bool, LedgerError> {
        let next = self.engine.tip()?.0.get().saturating_add(1);
        let depth = next.saturating_sub(header.height.get());
        Ok(depth <= law::UNCLE_DEPTH_MAX || self.engine.tree().may_win(&header.id()))
    }

    /// A body that was asked for.
    pub(super) fn body_arrived(
        &mut self,
        peer: &str,
        id: BlockId,
        body: Body,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        if let Some(assembly) = self.assemblies.remove(&id) {
            self.verdict(assembly.token, Verdict::Ignore)?;
        }
        // Only blocks that were applied are handed out: whoever has this one to give judged it.
        self.remember_bringer(id, peer);
        let fresh = new_items(&body, &self.mempool);
        let aux = body.aux.clone();
        match self.engine.add_body(&id, body, &self.mempool) {
            Ok(advance) => {
                self.body_added(&id, &aux, advance, now)?;
                self.announce_if_new(&id, &fresh, now)
            }
            Err(Refusal::Rule(rule) | Refusal::Uncle(rule)) => {
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
            Ok(_) => self.judge_early_votes(block.header.height, &id)?,
            Err(Refusal::Ledger(error)) => return Err(error),
            Err(refusal) => return Ok(BlockSubmission::Refused(refusal)),
        }
        if self.engine.tree().status(&id) != Some(BlockStatus::HeaderOnly) {
            return Ok(BlockSubmission::AlreadyKnown);
        }
        let fresh = new_items(&block.body, &self.mempool);
        let aux = block.body.aux.clone();
        match self.engine.add_body(&id, block.body, &self.mempool) {
            Ok(advance) => {
                let condemned = advance
                    .condemned
                    .iter()
                    .find(|(condemned, _)| *condemned == id)
                    .cloned();
                self.body_added(&id, &aux, advance, now)?;
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

    /// A body was taken: its votes are looked at, and what follows from its moves is done.
    pub(super) fn body_added(
        &mut self,
        id: &BlockId,
        aux: &Aux,
        advance: Advance,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.settle(advance, now)?;
        if let Some(header) = self.engine.tree().header(id).copied() {
            self.witness(&header, aux)?;
        }
        Ok(())
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
        let latest = self.latest_time(now);
        if header.time > latest && self.parked.contains(header) {
            return Ok(HeaderFate::Waits);
        }
        match self.engine.add_header(header, now) {
            Ok(insertion) => {
                if insertion == Insertion::Added {
                    self.remember_uncle(*header);
                    self.judge_early_votes(header.height, &header.id())?;
                }
                Ok(HeaderFate::Known)
            }
            Err(Refusal::Ledger(error)) => Err(error),
            Err(Refusal::Rule(Rule::TimeTooNew { latest, .. })) => {
                // Valid but for its time: held against nobody.
                self.parked.park(*header, latest);
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
                | Refusal::Uncle(_)
                | Refusal::NotFollowed { .. }
                | Refusal::BeyondUndo { .. },
            ) => Ok(HeaderFate::Waits),
        }
    }

    /// Remembers who has the body of a parked header.
    pub(super) fn remember_early(&mut self, header: &Header, peer: &str) {
        self.parked.brought_by(header, peer);
    }

    /// The latest time that a header may have now.
    pub(super) fn latest_time(&self, now: Timestamp) -> Timestamp {
        let ahead_ms = self.engine.params().future_limit_ms;
        Timestamp::new(now.get().saturating_add(ahead_ms))
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

    pub(super) fn ask_missing(
        &mut self,
        peer: &str,
        id: BlockId,
        request: &crate::wire::MissingRequest,
    ) {
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
