//! Loose transactions and envelopes: from peers, from users, from blocks that left the chain.
//!
//! # Invariants
//! * An item is checked by itself and in the context of the tip before it is passed on.
//! * While we are catching up, items are neither judged nor passed on: our tip is the wrong one.
//!
//! # Spec
//! docs/spec/06-wire.md §6
//!
//! # Not here
//! What the mempool keeps: [`crate::mempool`].

use chain::{Block, EnvelopeBytes, Hash32, Timestamp, Transaction, codec};
use consensus::envelope::check_envelope;
use consensus::transaction::check_transaction;
use consensus::transition::Draft;
use consensus::{Carrier, Rule, Severity};

use super::{Action, Node, Token, Topic, Verdict};
use crate::ledger::{Ledger, LedgerError};
use crate::mempool::{Item, Refusal};
use crate::wire::Items;

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
            if let Err(Refusal::Rule(rule)) = self.admit(item)? {
                self.score(peer, &rule, Carrier::Loose, now);
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
            // What the new branch does not allow has no place here.
            if let Ok(item) = self.check(item)? {
                self.mempool.readmit(item);
            }
        }
        Ok(())
    }

    /// Drops what the new tip rules out for good.
    pub(super) fn drop_stale(&mut self) -> Result<(), LedgerError> {
        if self.mempool.is_empty() {
            return Ok(());
        }
        let view = self.engine.ledger().view()?;
        let mut draft = Draft::new(&view, self.engine.params())?;
        let dropped = self.mempool.select(&mut draft)?;
        if !dropped.is_empty() {
            self.outbox.push(Action::Dropped(dropped));
        }
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
        match self.admit(item)? {
            Ok(_) => self.verdict(token, Verdict::Accept),
            Err(Refusal::Rule(rule)) => {
                self.score(from, &rule, Carrier::Loose, now);
                let is_grave = rule.severity(Carrier::Loose) >= Severity::Serious;
                self.verdict(
                    token,
                    if is_grave {
                        Verdict::Reject
                    } else {
                        Verdict::Ignore
                    },
                )
            }
            Err(_) => self.verdict(token, Verdict::Ignore),
        }
    }

    fn submit(
        &mut self,
        item: Loose,
        topic: Topic,
        bytes: Vec<u8>,
    ) -> Result<ItemSubmission, LedgerError> {
        match self.admit(item)? {
            Ok(name) => {
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
