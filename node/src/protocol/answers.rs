//! Questions: ours and what comes of them, and those of peers.
//!
//! # Invariants
//! * A question ends once: by its answer, by a failure, or with its peer.
//! * Only blocks that were applied are handed out: a peer may hold us to every rule for them.
//! * Answers stay below their byte limits whatever is asked.
//!
//! # Spec
//! docs/spec/06-wire.md §3.3, §4
//!
//! # Not here
//! Whom to ask for what: [`crate::sync`].

use std::collections::BTreeSet;

use chain::{Block, BlockId, Header, Height, Timestamp, codec};
use consensus::fork_choice::BlockStatus;

use super::blocks::HeaderFate;
use super::light::LightBranch;
use super::{Action, Node, Protocol, Question, QuestionId, Token};
use crate::ledger::{Ledger, LedgerError};
use crate::mempool::Item;
use crate::peers::Offence;
use crate::relay::items_at;
use crate::wire::{
    BODIES_BYTES_MAX, BodiesRequest, BodiesResponse, HEADERS_MAX, HeadersRequest, HeadersResponse,
    INVENTORY_MAX, ITEMS_BYTES_MAX, Items, LOCATOR_MAX, MempoolRequest, MempoolResponse,
    MissingRequest,
};

impl<L: Ledger> Node<L> {
    pub(super) fn ask(&mut self, peer: &str, question: Question) {
        let bytes = match &question {
            Question::Headers => {
                let tree = self.engine.tree();
                let from = self.last_header.get(peer).unwrap_or(tree.best_header());
                let mut locator = match self.light_branches.get(peer) {
                    Some(branch) => vec![branch.tip()],
                    None => tree.locator(from),
                };
                locator.truncate(LOCATOR_MAX - 1);
                locator.push(self.engine.params().genesis_id());
                codec::encode(&HeadersRequest { locator })
            }
            Question::Bodies(ids) => codec::encode(&BodiesRequest { ids: ids.clone() }),
            Question::Inventory => codec::encode(&MempoolRequest::Inventory),
            Question::Items | Question::Missing(_) => return,
        };
        self.ask_with(peer, question, bytes);
    }

    pub(super) fn ask_with(&mut self, peer: &str, question: Question, bytes: Vec<u8>) {
        let protocol = match &question {
            Question::Headers => Protocol::Headers,
            Question::Bodies(_) => Protocol::Bodies,
            Question::Inventory | Question::Items => Protocol::Mempool,
            Question::Missing(_) => Protocol::Missing,
        };
        let id = self.next_question;
        self.next_question = id.wrapping_add(1);
        self.questions.insert(id, (peer.to_owned(), question));
        self.outbox.push(Action::Ask {
            question: id,
            peer: peer.to_owned(),
            protocol,
            bytes,
        });
    }

    /// A question of ours ended: with an answer, or with none.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn answered(
        &mut self,
        question: QuestionId,
        answer: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let Some((peer, question)) = self.questions.remove(&question) else {
            return Ok(());
        };
        match question {
            Question::Headers => self.headers_answered(&peer, answer, now)?,
            Question::Bodies(asked) => self.bodies_answered(&peer, &asked, answer, now)?,
            Question::Inventory => self.inventory_answered(&peer, answer, now),
            Question::Items => self.items_answered(&peer, answer, now)?,
            Question::Missing(id) => self.missing_arrived(&peer, id, answer, now)?,
        }
        self.ask_for_bodies(now);
        Ok(())
    }

    fn headers_answered(
        &mut self,
        peer: &str,
        answer: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let light = self.light_branches.remove(peer);
        let Some(bytes) = answer else {
            self.sync.headers_failed(peer);
            return Ok(());
        };
        let Ok(HeadersResponse { headers }) = codec::decode(bytes, HeadersResponse::BYTES_MAX)
        else {
            self.sync.headers_failed(peer);
            self.peer_offended(peer, Offence::Malformed, now);
            return Ok(());
        };
        let is_full = headers.len() == HEADERS_MAX;
        if let Some(light) = light.filter(|light| light.is_continued_by(&headers)) {
            return self.light_headers(peer, light, &headers, is_full, now);
        }
        let mut last: Option<Header> = None;
        let mut is_news = false;
        for (index, header) in headers.iter().enumerate() {
            is_news |= self.engine.tree().status(&header.id()).is_none();
            match self.take_header(header, None, now)? {
                HeaderFate::Known => last = Some(*header),
                HeaderFate::Light => {
                    let rest = &headers[index..];
                    return self.light_headers(peer, LightBranch::default(), rest, is_full, now);
                }
                // An unknown parent in the middle of an answer must not lead to another question.
                HeaderFate::Waits | HeaderFate::Broken => {
                    self.remember_early(header, peer);
                    self.judge_headers(peer, header, now);
                    break;
                }
            }
        }
        let got_all = last.as_ref() == headers.last();
        // Headers that another peer brought meanwhile are no news, but lead to some if they go
        // beyond what this peer's answers reached; the same ones again lead nowhere.
        let reached = self.last_header.remove(peer);
        let reached = reached.and_then(|id| Some(self.engine.tree().header(&id)?.height));
        let has_more = |header: &Header| {
            let goes_on = is_news || Some(header.height) > reached;
            is_full && got_all && goes_on
        };
        let next = last.filter(has_more);
        if let Some(header) = next {
            self.last_header.insert(peer.to_owned(), header.id());
        }
        let ahead = last.filter(|header| self.engine.tree().may_win(&header.id()));
        let height = ahead.map(|header| header.height);
        let actions = self.sync.headers_arrived(peer, height, next.is_some(), now);
        self.follow(actions, now);
        self.keep_pace()?;
        Ok(())
    }

    /// Scores the header that ended an answer early, if a rule says so.
    fn judge_headers(&mut self, peer: &str, header: &Header, now: Timestamp) {
        if let Err(crate::engine::Refusal::Rule(rule)) = self.engine.add_header(header, now) {
            let severity = rule.severity(consensus::Carrier::Loose);
            self.score(peer, &rule, severity, now);
        }
    }

    fn bodies_answered(
        &mut self,
        peer: &str,
        asked: &[BlockId],
        answer: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let Some(bytes) = answer else {
            self.sync.bodies_failed(peer, asked);
            return Ok(());
        };
        let Ok(BodiesResponse { bodies }) = codec::decode(bytes, BodiesResponse::BYTES_MAX) else {
            self.sync.bodies_failed(peer, asked);
            self.peer_offended(peer, Offence::Malformed, now);
            return Ok(());
        };
        if bodies.len() > asked.len() {
            self.peer_offended(peer, Offence::UselessAnswer, now);
        }
        let had: BTreeSet<BlockId> = asked
            .iter()
            .zip(&bodies)
            .filter(|(_, body)| body.is_some())
            .map(|(id, _)| *id)
            .collect();
        // A short answer is full of bytes; what it left out may be asked for again.
        let answered = &asked[..bodies.len().min(asked.len())];
        let left_out = &asked[answered.len()..];
        self.sync.bodies_arrived(peer, answered, &had);
        self.sync.bodies_left_out(peer, left_out);
        for (id, body) in asked.iter().zip(bodies) {
            if let Some(body) = body {
                self.body_arrived(peer, *id, body, now)?;
            }
        }
        Ok(())
    }

    fn inventory_answered(&mut self, peer: &str, answer: Option<&[u8]>, now: Timestamp) {
        let Some(bytes) = answer else { return };
        match codec::decode(bytes, MempoolResponse::BYTES_MAX) {
            Ok(MempoolResponse::Inventory(names)) => {
                let unknown: Vec<_> = names
                    .into_iter()
                    .filter(|name| self.mempool.get(name).is_none())
                    .collect();
                if !unknown.is_empty() {
                    let bytes = codec::encode(&MempoolRequest::Items(unknown));
                    self.ask_with(peer, Question::Items, bytes);
                }
            }
            Ok(MempoolResponse::Items(_)) => {
                self.peer_offended(peer, Offence::UselessAnswer, now);
            }
            Err(_) => self.peer_offended(peer, Offence::Malformed, now),
        }
    }

    fn items_answered(
        &mut self,
        peer: &str,
        answer: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let Some(bytes) = answer else { return Ok(()) };
        match codec::decode(bytes, MempoolResponse::BYTES_MAX) {
            Ok(MempoolResponse::Items(items)) => return self.items_arrived(peer, items, now),
            // Names again would lead to the same question, and so on for ever.
            Ok(MempoolResponse::Inventory(_)) => {
                self.peer_offended(peer, Offence::UselessAnswer, now);
            }
            Err(_) => self.peer_offended(peer, Offence::Malformed, now),
        }
        Ok(())
    }

    /// A peer asks. No answer is left in the outbox if there is none to give.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn asked(
        &mut self,
        from: &str,
        token: Token,
        protocol: Protocol,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let answer = match protocol {
            Protocol::Headers => codec::decode(bytes, HeadersRequest::BYTES_MAX)
                .ok()
                .map(|request: HeadersRequest| self.headers_after(&request.locator))
                .transpose()?
                .map(|headers| codec::encode(&HeadersResponse { headers })),
            Protocol::Bodies => codec::decode(bytes, BodiesRequest::BYTES_MAX)
                .ok()
                .map(|request: BodiesRequest| self.bodies_of(&request.ids))
                .transpose()?
                .map(|bodies| codec::encode(&bodies)),
            Protocol::Mempool => codec::decode(bytes, MempoolRequest::BYTES_MAX)
                .ok()
                .map(|request| codec::encode(&self.mempool_page(&request))),
            Protocol::Missing => match codec::decode(bytes, MissingRequest::BYTES_MAX)
                .ok()
                .filter(MissingRequest::is_ascending)
            {
                Some(request) => {
                    let Some(items) = self.missing_of(&request)? else {
                        return Ok(());
                    };
                    Some(codec::encode(&items))
                }
                None => None,
            },
        };
        match answer {
            Some(bytes) => self.outbox.push(Action::Answer { token, bytes }),
            None => self.peer_offended(from, Offence::Malformed, now),
        }
        Ok(())
    }

    fn headers_after(&self, locator: &[BlockId]) -> Result<Vec<Header>, LedgerError> {
        if let Some(headers) = self.engine.tree().headers_after(locator, HEADERS_MAX) {
            return Ok(headers);
        }
        // The chains part below the tree: the ledger knows the rest.
        let ledger = self.engine.ledger();
        for id in locator {
            let Some(known) = ledger.block(id)? else {
                continue;
            };
            let start = known.header.height;
            if ledger.id_at(start)? == Some(*id) {
                return self.stored_headers(start);
            }
        }
        Ok(Vec::new())
    }

    fn stored_headers(&self, after: Height) -> Result<Vec<Header>, LedgerError> {
        let ledger = self.engine.ledger();
        let mut headers = Vec::new();
        let mut height = after;
        while headers.len() < HEADERS_MAX {
            let Some(next) = height.next() else { break };
            let Some(id) = ledger.id_at(next)? else { break };
            let Some(known) = ledger.block(&id)? else {
                break;
            };
            headers.push(known.header);
            height = next;
        }
        Ok(headers)
    }

    fn bodies_of(&self, ids: &[BlockId]) -> Result<BodiesResponse, LedgerError> {
        let mut bodies = Vec::new();
        let mut bytes = 0;
        for id in ids {
            let body = if self.is_applied(id)? {
                self.engine.ledger().body(id)?
            } else {
                None
            };
            bytes += body.as_ref().map_or(0, codec::encoded_len);
            if bytes > BODIES_BYTES_MAX && !bodies.is_empty() {
                break;
            }
            bodies.push(body);
        }
        Ok(BodiesResponse { bodies })
    }

    fn is_applied(&self, id: &BlockId) -> Result<bool, LedgerError> {
        match self.engine.tree().status(id) {
            Some(status) => Ok(status == BlockStatus::Applied),
            None => {
                let known = self.engine.ledger().block(id)?;
                Ok(known.is_some_and(|known| {
                    known.body == crate::ledger::BodyPresence::Applied && !known.is_invalid
                }))
            }
        }
    }

    fn mempool_page(&self, request: &MempoolRequest) -> MempoolResponse {
        match request {
            MempoolRequest::Inventory => {
                let names = self.mempool.names().take(INVENTORY_MAX).copied().collect();
                MempoolResponse::Inventory(names)
            }
            MempoolRequest::Items(names) => {
                let mut items = Items::default();
                let mut bytes = 0;
                for item in names.iter().filter_map(|name| self.mempool.get(name)) {
                    bytes += item.bytes() + 8;
                    if bytes > ITEMS_BYTES_MAX {
                        break;
                    }
                    match item {
                        Item::Transaction(tx) => items.transactions.push(tx.transaction().clone()),
                        Item::Envelope(envelope) => items.envelopes.push(envelope.bytes().clone()),
                    }
                }
                MempoolResponse::Items(items)
            }
        }
    }

    fn missing_of(&self, request: &MissingRequest) -> Result<Option<Items>, LedgerError> {
        if !self.is_applied(&request.block)? {
            return Ok(None);
        }
        let Some(body) = self.engine.ledger().body(&request.block)? else {
            return Ok(None);
        };
        Ok(items_at(
            &Block {
                header: Header::default(),
                body,
            },
            request,
        ))
    }
}
