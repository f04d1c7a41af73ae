//! Loose transactions and envelopes: from peers, from users, from blocks that left the chain.
//!
//! # Invariants
//! * An item is checked by itself and in the context of the tip before it is passed on; what the
//!   context rules out costs no signature.
//! * Coming late is held against nobody while a race or another branch may explain it, nor in an
//!   answer to our own question.
//! * While we are catching up, items are neither judged nor passed on: our tip is the wrong one.
//!
//! # Spec
//! docs/spec/06-wire.md §7, §8
//!
//! # Not here
//! What the mempool keeps: [`crate::mempool`].

use chain::{Block, EnvelopeBytes, Hash32, Timestamp, Transaction, WireId, codec};
use consensus::envelope::check_envelope;
use consensus::transaction::check_transaction;
use consensus::transition::Draft;
use consensus::{Carrier, Rule, Severity};
use store::PendingId;

use super::overtaken::was_in_time_lately;
use super::{Action, Node, Token, Topic, Verdict};
use crate::ledger::{Ledger, LedgerError};
use crate::mempool::{Item, Refusal, unless_it_waits};
use crate::wire::{Items, envelope_name, transaction_name};

/// Items remembered that came another way than by gossip: some thousands from a user or a mempool
/// between two blocks.
const UNSPREAD_MAX: usize = 16_384;

/// What became of an item that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemSubmission {
    /// It waits for a block and is on its way to peers.
    Accepted(Hash32),
    /// It was refused.
    Refused(Refusal),
}

impl<L: Ledger> Node<L> {
    /// A peer gossips a transaction.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn transaction_gossiped(
        &mut self,
        from: &str,
        token: Token,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        match codec::decode(bytes, Transaction::BYTES_MAX) {
            Ok(transaction) => self.gossiped(from, token, Loose::Transaction(transaction), now),
            Err(_) => self.reject_malformed(from, token, now),
        }
    }

    /// A peer gossips an envelope.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn envelope_gossiped(
        &mut self,
        from: &str,
        token: Token,
        bytes: Vec<u8>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.gossiped(from, token, Loose::Envelope(EnvelopeBytes::new(bytes)), now)
    }

    /// A user hands in a transaction.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn submit_transaction(
        &mut self,
        transaction: Transaction,
    ) -> Result<ItemSubmission, LedgerError> {
        let bytes = codec::encode(&transaction);
        self.submit(Loose::Transaction(transaction), Topic::Transaction, bytes)
    }

    /// A user hands in an envelope.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn submit_envelope(
        &mut self,
        envelope: EnvelopeBytes,
    ) -> Result<ItemSubmission, LedgerError> {
        let bytes = envelope.as_slice().to_vec();
        self.submit(Loose::Envelope(envelope), Topic::Envelope, bytes)
    }

    pub(super) fn items_arrived(
        &mut self,
        peer: &str,
        items: Items,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        if self.is_catching_up(now)? {
            return Ok(());
        }
        let transactions = items.transactions.into_iter().map(Loose::Transaction);
        for item in transactions.chain(items.envelopes.into_iter().map(Loose::Envelope)) {
            let name = item.name();
            match self.admit(item)? {
                Ok(name) => self.remember_unspread(name),
                Err(Refusal::Rule(rule)) => {
                    let severity = self.blame(&name, &rule)?;
                    // It told us what it has when we asked; that its tip is another is no offence.
                    if severity > Severity::Minor {
                        self.score(peer, &rule, severity, now);
                    }
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Takes back what a disconnected block held.
    pub(super) fn readmit(&mut self, block: &Block) -> Result<(), LedgerError> {
        let transactions = block
            .body
            .transactions
            .iter()
            .cloned()
            .map(Loose::Transaction);
        let envelopes = block.body.envelopes.iter().cloned().map(Loose::Envelope);
        for item in transactions.chain(envelopes) {
            let id = item.pending_id();
            match self.check(item)? {
                Ok(item) => self.mempool.readmit(item),
                // What the new branch does not allow has no place here.
                Err(rule) => self.mempool.not_readmitted(id, &rule),
            }
        }
        Ok(())
    }

    /// Drops what the new tip rules out for good.
    pub(super) fn drop_stale(&mut self) -> Result<(), LedgerError> {
        let mempool = &self.mempool;
        self.unspread.retain(|name| mempool.get(name).is_some());
        if self.mempool.is_empty() {
            return Ok(());
        }
        let view = self.engine.ledger().view()?;
        self.mempool.tip_moved(&view)?;
        let mut draft = Draft::new(&view, self.engine.params())?;
        self.mempool.select(&mut draft)?;
        Ok(())
    }

    fn gossiped(
        &mut self,
        from: &str,
        token: Token,
        item: Loose,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        if self.is_catching_up(now)? {
            return self.verdict(token, Verdict::Ignore);
        }
        let name = item.name();
        match self.admit(item)? {
            Ok(_) => self.verdict(token, Verdict::Accept),
            Err(Refusal::Rule(rule)) => {
                let severity = self.blame(&name, &rule)?;
                self.score(from, &rule, severity, now);
                let verdict = if severity > Severity::Minor {
                    Verdict::Reject
                } else {
                    Verdict::Ignore
                };
                self.verdict(token, verdict)
            }
            // Gossip may have taken our own publication for a copy of this message: what it carries
            // goes on from here once, by the one or by the other.
            Err(Refusal::AlreadyKnown) if self.unspread.remove(&name) => {
                self.verdict(token, Verdict::Accept)
            }
            Err(_) => self.verdict(token, Verdict::Ignore),
        }
    }

    fn remember_unspread(&mut self, name: Hash32) {
        if self.unspread.len() < UNSPREAD_MAX {
            self.unspread.insert(name);
        }
    }

    /// What a refused item says about who brought it: what the rule says, less what its way here
    /// explains.
    fn blame(&self, name: &Hash32, rule: &Rule) -> Result<Severity, LedgerError> {
        let severity = rule.severity(Carrier::Loose);
        let is_excused = severity == Severity::Minor
            && (self.overtaken.contains(name)
                || was_in_time_lately(rule, self.engine.params())
                || self.knows_of_more()?);
        Ok(if is_excused {
            Severity::Harmless
        } else {
            severity
        })
    }

    /// Whether a block is on its way here that others may have already.
    fn knows_of_more(&self) -> Result<bool, LedgerError> {
        let height = self.engine.tip()?.0;
        let tree = self.engine.tree();
        let best = tree.header(tree.best_header());
        Ok(best.is_some_and(|best| best.height > height))
    }

    fn submit(
        &mut self,
        item: Loose,
        topic: Topic,
        bytes: Vec<u8>,
    ) -> Result<ItemSubmission, LedgerError> {
        match self.admit(item)? {
            Ok(name) => {
                self.remember_unspread(name);
                self.outbox.push(Action::Publish { topic, bytes });
                Ok(ItemSubmission::Accepted(name))
            }
            Err(Refusal::AlreadyKnown) => {
                // Perhaps it reached nobody the first time.
                self.outbox.push(Action::Publish { topic, bytes });
                Ok(ItemSubmission::Refused(Refusal::AlreadyKnown))
            }
            Err(refusal) => Ok(ItemSubmission::Refused(refusal)),
        }
    }

    fn admit(&mut self, item: Loose) -> Result<Result<Hash32, Refusal>, LedgerError> {
        if self.mempool.get(&item.name()).is_some() {
            return Ok(Err(Refusal::AlreadyKnown));
        }
        match self.screen(&item)? {
            Ok(()) => {}
            Err(Refusal::View(error)) => return Err(error.into()),
            Err(refusal) => return Ok(Err(refusal)),
        }
        let item = match self.check(item)? {
            Ok(item) => item,
            Err(rule) => return Ok(Err(rule.into())),
        };
        let view = self.engine.ledger().view()?;
        match self.mempool.add(item, &view, self.engine.params()) {
            Ok(name) => {
                self.outbox.push(Action::Pending(name));
                Ok(Ok(name))
            }
            Err(Refusal::View(error)) => Err(error.into()),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// What the context says before a signature is worth verifying: no table lookup costs as much.
    fn screen(&self, item: &Loose) -> Result<Result<(), Refusal>, LedgerError> {
        let view = self.engine.ledger().view()?;
        let params = self.engine.params();
        let mut draft = Draft::new(&view, params)?;
        let screened = match item {
            Loose::Transaction(transaction) => draft.screen_transaction(transaction),
            Loose::Envelope(bytes) => match bytes.parse() {
                Ok(envelope) => draft.screen_envelope(&envelope),
                // The check that follows names the fault.
                Err(_) => Ok(()),
            },
        };
        Ok(unless_it_waits(screened, params))
    }

    fn check(&self, item: Loose) -> Result<Result<Item, Rule>, LedgerError> {
        let tip = self.engine.tip()?.1;
        let branch = self.engine.branch_above(tip);
        let params = self.engine.params();
        Ok(match item {
            Loose::Transaction(transaction) => {
                check_transaction(transaction, &branch, params).map(Item::Transaction)
            }
            Loose::Envelope(bytes) => check_envelope(bytes, &branch, params).map(Item::Envelope),
        })
    }
}

/// An unchecked item.
enum Loose {
    Transaction(Transaction),
    Envelope(EnvelopeBytes),
}

impl Loose {
    /// Names the exact bytes, as [`Item::name`] does.
    fn name(&self) -> Hash32 {
        match self {
            Self::Transaction(transaction) => transaction_name(transaction),
            Self::Envelope(bytes) => envelope_name(bytes),
        }
    }

    /// Names its row among the durable submissions, as [`Item::pending_id`] does.
    fn pending_id(&self) -> PendingId {
        match self {
            Self::Transaction(transaction) => PendingId::Transaction(transaction.id()),
            Self::Envelope(_) => PendingId::Envelope(WireId::from_bytes(*self.name().as_bytes())),
        }
    }
}

#[cfg(test)]
mod tests;
