//! Reading envelopes: what went by before, what waits in the mempool, what is asked for again.
//!
//! # Invariants
//! * After a start the last blocks are read once more before anything new is: keys that came too
//!   early are not stored.
//! * Conversations that are found late are read from their birthday, in order, to the tip.
//!
//! # Spec
//! docs/spec/16-session.md §3, docs/spec/09-messages.md §12
//!
//! # Not here
//! What an envelope says: `messenger`. New blocks: `follow`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chain::record::AccountRecord;
use chain::{Envelope, Height, MessageId, Timestamp, WireId};
use messenger::keys::{ConversationRoot, InboxSecret, conversation_id};
use messenger::lookahead::Wanted;
use messenger::{ConversationId, Position};
use rand_core::CryptoRng;
use rpc::NodeApi;
use rpc::types::{
    EnvelopeBlock, EnvelopeEvent, GetAccount, GetEnvelope, GetEnvelopes, GetMempool, Hex,
    PendingEnvelope,
};

use crate::error::SessionError;
use crate::follow::{id_at, known};
use crate::session::Session;

/// Blocks asked for at once; the node answers fewer where they are large.
const PAGE_BLOCKS: u32 = 256;
/// Pages of a mempool, of 10,000 ids or 2 MiB each: more than its bytes allow.
const MEMPOOL_PAGES_MAX: usize = 64;
/// Conversations that a restore looks for beyond the last one found, like the gap of BIP44.
const ROOTS_AHEAD: u32 = 20;
/// Times that history may turn up further conversations whose history is to be read.
const HISTORY_ROUNDS_MAX: usize = 64;

/// Where reading stands; not stored, found again at every start.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Whether the blocks before the last stop were read again.
    is_read_again: bool,
    /// Envelopes that the node has in its mempool.
    pub(crate) pending: BTreeMap<MessageId, WireId>,
    /// Envelopes to put in once more.
    pub(crate) needed: VecDeque<Wanted>,
    /// Roots below this index are looked out for.
    roots_watched: u32,
    /// Roots below this index are to be looked out for.
    roots_wanted: u32,
    /// Whether the last sync reached the network's tip.
    pub(crate) is_at_tip: bool,
    /// Numbers of the account's bonds, as of the last time that the node was asked.
    pub(crate) own_bonds: BTreeSet<u32>,
}

impl Reading {
    /// A conversation of this root exists: the next ones may, too.
    pub(crate) fn root_found(&mut self, index: u32) {
        let beyond = index.saturating_add(1).saturating_add(ROOTS_AHEAD);
        self.roots_wanted = self.roots_wanted.max(beyond);
    }
}

impl Session {
    /// Takes what the node's stream of envelopes says. A block that came or went is followed at
    /// once, with everything that [`Session::sync`] does.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn hear(
        &mut self,
        event: EnvelopeEvent,
        node: &dyn NodeApi,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<(), SessionError> {
        match event {
            EnvelopeEvent::Pending(PendingEnvelope { raw, .. }) => {
                if !self.take_pending(&raw.envelope()?, now) {
                    return Ok(());
                }
                self.fetch_needed(node, now).await?;
                self.save(rng)?;
                self.push_outbox(node, now, rng).await
            }
            EnvelopeEvent::InBlock(_) | EnvelopeEvent::Disconnected(_) => {
                self.sync(node, now, rng).await
            }
        }
    }

    /// After a start: takes back what the chain took back meanwhile, looks out for the account's
    /// own roots and reads the last blocks again. False if the chain moved meanwhile.
    pub(crate) async fn read_again(
        &mut self,
        node: &dyn NodeApi,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<bool, SessionError> {
        if self.reading.is_read_again {
            return Ok(true);
        }
        self.revert_what_is_gone(node).await?;
        self.watch_roots()?;
        self.read_published_inbox(node).await?;
        let birthday = self.birthday();
        let from = match self.messenger.scanned() {
            Some(_) => self.messenger.resume_height().max(birthday),
            None => birthday,
        };
        if self.ledger.tip().is_some() && !self.read_blocks(node, from, now, rng).await? {
            return Ok(false);
        }
        self.reading.is_read_again = true;
        Ok(true)
    }

    pub(crate) async fn revert_what_is_gone(
        &mut self,
        node: &dyn NodeApi,
    ) -> Result<(), SessionError> {
        let marked: Vec<_> = self.messenger.canonical_blocks().collect();
        for (height, id) in marked {
            if id_at(node, height).await? == Some(id) {
                // Its ancestors are the chain's as well.
                return Ok(());
            }
            let (events, changes) = self.messenger.revert_block(height);
            self.note_messages(events, changes);
        }
        Ok(())
    }

    /// Looks out for conversations that the account may have created elsewhere.
    fn watch_roots(&mut self) -> Result<(), SessionError> {
        self.reading.roots_wanted = self.reading.roots_wanted.max(ROOTS_AHEAD);
        while self.reading.roots_watched < self.reading.roots_wanted {
            let index = self.reading.roots_watched;
            let root = self.conversation_root(index)?;
            if self
                .messenger
                .conversation(&conversation_id(&root.admin()))
                .is_some()
            {
                self.reading.root_found(index);
            }
            let (events, changes) = self.messenger.probe_roots([(index, root)]);
            self.note_messages(events, changes);
            self.reading.roots_watched = index.saturating_add(1);
        }
        Ok(())
    }

    /// Root of the account's conversation number `index`.
    pub(crate) fn conversation_root(&self, index: u32) -> Result<ConversationRoot, SessionError> {
        let root = self.keys.conversation_root(index)?;
        Ok(ConversationRoot::from_bytes(*root.expose()))
    }

    /// Secret of the account's inbox generation.
    pub(crate) fn inbox_secret(&self, generation: u32) -> Result<InboxSecret, SessionError> {
        let secret = self.keys.inbox_secret(generation)?;
        Ok(InboxSecret::from_bytes(*secret.expose()))
    }

    async fn read_published_inbox(&mut self, node: &dyn NodeApi) -> Result<(), SessionError> {
        let address = self.address().into();
        let account = node.chain_get_account(GetAccount { address }).await?;
        match account.record {
            Some(record) => self.read_inbox_of(&record.decode(AccountRecord::BYTES)?),
            None => Ok(()),
        }
    }

    /// Reads the inbox that the account's record on the chain names, if it does not already.
    pub(crate) fn read_inbox_of(&mut self, record: &AccountRecord) -> Result<(), SessionError> {
        let newest = record.inbox_generation;
        let is_ours = record.key == self.identity.public() && record.is_signed(&self.chain_id());
        if !is_ours {
            // What it says would replace the keys that invitations are sealed to.
            return Err(SessionError::BadAnswer {
                what: "an account record that its account did not sign",
            });
        }
        if self.messenger.inbox_generation() >= Some(newest) {
            return Ok(());
        }
        let oldest = newest.saturating_sub(1).max(1);
        for generation in oldest..=newest {
            let secret = self.inbox_secret(generation)?;
            let changes = self.messenger.add_inbox(generation, &secret);
            self.note_messages(Vec::new(), changes);
        }
        // Invitations may be as old as the account.
        let changes = self.messenger.set_inbox_unread(self.birthday());
        self.note_messages(Vec::new(), changes);
        Ok(())
    }

    /// Reads the history of conversations and inboxes whose keys came late; false if the chain
    /// moved meanwhile.
    pub(crate) async fn read_history(
        &mut self,
        node: &dyn NodeApi,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<bool, SessionError> {
        for _ in 0..HISTORY_ROUNDS_MAX {
            self.watch_roots()?;
            let unread: Vec<(ConversationId, Height)> = self.messenger.unread_history();
            let heights = unread.iter().map(|(_, height)| *height);
            let Some(from) = heights.chain(self.messenger.inbox_unread()).min() else {
                return Ok(true);
            };
            if !self.read_blocks(node, from, now, rng).await? {
                return Ok(false);
            }
            let mut changes = self.messenger.set_history_read(&unread);
            changes.merge(self.messenger.set_inbox_read());
            self.note_messages(Vec::new(), changes);
        }
        Err(SessionError::NoRest)
    }

    /// Reads the blocks from a height to the followed tip; false if the chain moved meanwhile.
    async fn read_blocks(
        &mut self,
        node: &dyn NodeApi,
        from: Height,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<bool, SessionError> {
        let Some(tip) = self.ledger.tip() else {
            return Ok(true);
        };
        let mut next = from.get();
        while next <= tip.height.get() {
            let asked = GetEnvelopes {
                from: next,
                count: PAGE_BLOCKS,
            };
            let Some(page) = known(node.chain_get_envelopes(asked).await)? else {
                return Ok(false);
            };
            let before = next;
            for block in &page.blocks {
                if next > tip.height.get() {
                    break;
                }
                let followed = self.ledger.followed(Height::new(next));
                if block.height != next || followed.is_some_and(|id| id != block.id.0) {
                    return Ok(false);
                }
                let envelopes = parsed(block)?;
                let (events, changes) = self.messenger.receive_block(
                    Height::new(block.height),
                    block.id.0,
                    &envelopes,
                    now,
                );
                self.note_messages(events, changes);
                self.fetch_needed(node, now).await?;
                if self.unsaved.is_large() {
                    self.save(rng)?;
                }
                next = next.saturating_add(1);
            }
            if next == before {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads what waits in the node's mempool and was not read before.
    pub(crate) async fn read_mempool(
        &mut self,
        node: &dyn NodeApi,
        now: Timestamp,
    ) -> Result<(), SessionError> {
        let mut waiting = BTreeSet::new();
        let mut after = None;
        // The first time all of it is news; later a few envelopes are.
        let raw = Some(self.reading.pending.is_empty());
        for _ in 0..MEMPOOL_PAGES_MAX {
            let count = None;
            let page = node.mempool_get(GetMempool { after, count, raw }).await?;
            waiting.extend(page.envelopes.iter().map(|id| id.0));
            for raw in page.raws.unwrap_or_default() {
                self.take_pending(&raw.envelope()?, now);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        self.reading.pending.retain(|id, _| waiting.contains(id));
        for id in waiting {
            if !self.reading.pending.contains_key(&id) {
                self.read_pending(id, node, now).await?;
            }
        }
        self.fetch_needed(node, now).await
    }

    async fn read_pending(
        &mut self,
        id: MessageId,
        node: &dyn NodeApi,
        now: Timestamp,
    ) -> Result<(), SessionError> {
        let asked = GetEnvelope { id: Hex(id) };
        if let Some(found) = known(node.chain_get_envelope(asked).await)?
            && found.in_block.is_none()
        {
            self.take_pending(&found.envelope.raw.envelope()?, now);
        }
        Ok(())
    }

    /// Takes an envelope that the node has in its mempool; whether it told us anything.
    pub(crate) fn take_pending(&mut self, envelope: &Envelope, now: Timestamp) -> bool {
        self.reading.pending.insert(envelope.mid(), envelope.wid());
        let (events, changes) = self.messenger.receive(envelope, Position::Pending, now);
        let is_news = !changes.is_empty() || !events.is_empty();
        self.note_messages(events, changes);
        is_news
    }

    /// Puts in once more what the messenger asks for.
    pub(crate) async fn fetch_needed(
        &mut self,
        node: &dyn NodeApi,
        now: Timestamp,
    ) -> Result<(), SessionError> {
        while let Some(wanted) = self.reading.needed.pop_front() {
            match wanted {
                Wanted::Pending(wire) => {
                    let mut pending = self.reading.pending.iter();
                    if let Some((&id, _)) = pending.find(|(_, known)| **known == wire) {
                        self.read_pending(id, node, now).await?;
                    }
                }
                Wanted::InBlock(place) => {
                    let from = place.height.get();
                    let asked = GetEnvelopes { from, count: 1 };
                    let page = known(node.chain_get_envelopes(asked).await)?;
                    let Some(block) = page.and_then(|page| page.blocks.into_iter().next()) else {
                        continue;
                    };
                    let Some(raw) = block.envelopes.get(usize::from(place.index)) else {
                        continue;
                    };
                    if block.height != from {
                        continue;
                    }
                    let position = Position::InBlock {
                        height: place.height,
                        block: block.id.0,
                        index: place.index,
                    };
                    let envelope = raw.envelope()?;
                    let (events, changes) = self.messenger.receive(&envelope, position, now);
                    self.note_messages(events, changes);
                }
            }
        }
        Ok(())
    }
}

fn parsed(block: &EnvelopeBlock) -> Result<Vec<Envelope>, SessionError> {
    let envelopes = block.envelopes.iter().map(|raw| raw.envelope());
    Ok(envelopes.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests;
