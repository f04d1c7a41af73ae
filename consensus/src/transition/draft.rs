//! A block under construction: what a miner's template is made of, and what the mempool asks
//! whether an item would be valid in the next block.
//!
//! # Invariants
//! * A draft runs the very rules of [`super::apply`]; a block made of it always applies, once it is
//!   solved.
//! * An item that is refused leaves no trace.
//! * Items may be offered in any order. In the block all transactions come before all envelopes,
//!   so an account that paid for an envelope of the draft orders nothing more in it.
//!
//! # Spec
//! docs/spec/11-state.md §4
//!
//! # Not here
//! Which items to offer, and when to start anew: `node`.

use chain::finality::{FinalityGroup, FinalitySignature};
use chain::vote::IncludedVote;
use chain::{
    AccountId, Aux, Block, BlockId, Body, Envelope, Header, Height, Timestamp, Transaction, WireId,
    codec, merkle,
};
use genesis::{Params, law};

use super::ParentFields;
use super::ledger::Ledger;
use crate::envelope::CheckedEnvelope;
use crate::error::{ApplyError, Rule, ViewError};
use crate::evidence::CheckedEvidence;
use crate::finality::CheckedFinalityVote;
use crate::header::HeaderContext;
use crate::stake::CheckedVote;
use crate::state::StateView;
use crate::transaction::CheckedTransaction;

/// The next block, as far as it goes.
pub struct Draft<'v, V> {
    ledger: Ledger<'v, V>,
    body: Body,
    wire_ids: Vec<WireId>,
    body_bytes: u64,
    /// The block must not be older than the time that its uncles were judged for.
    time_min: Timestamp,
}

impl<'v, V: StateView> Draft<'v, V> {
    /// An empty block after the view's tip.
    ///
    /// # Errors
    /// [`ViewError`]: the state failed.
    pub fn new(view: &'v V, params: &'v Params) -> Result<Self, ViewError> {
        let ledger = Ledger::open(view, params)?;
        let time_min = Timestamp::new(ledger.parent().time.get().saturating_add(1));
        let body = Body::default();
        let body_bytes = bytes_u64(codec::encoded_len(&body));
        Ok(Self {
            ledger,
            body,
            wire_ids: Vec::new(),
            body_bytes,
            time_min,
        })
    }

    /// Height of the block.
    #[must_use]
    pub fn height(&self) -> Height {
        self.ledger.height()
    }

    /// The block before.
    #[must_use]
    pub fn parent(&self) -> &Header {
        self.ledger.parent()
    }

    /// Id of the block before.
    #[must_use]
    pub fn parent_id(&self) -> &BlockId {
        self.ledger.parent_id()
    }

    /// Bytes of the body so far.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Most bytes that the body may have.
    #[must_use]
    pub fn body_bytes_max(&self) -> u64 {
        self.ledger.body_limit()
    }

    /// Bytes of stamped items so far.
    #[must_use]
    pub fn stamped_bytes(&self) -> u64 {
        self.ledger.stamped_bytes()
    }

    /// Most bytes that stamped items may take.
    #[must_use]
    pub fn stamped_bytes_max(&self) -> u64 {
        self.ledger.stamped_limit()
    }

    /// What the draft holds so far.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Whether a transaction would break a rule of context, before its signature is verified.
    ///
    /// # Errors
    /// The first rule it breaks, or a failure of the state.
    pub fn screen_transaction(&mut self, transaction: &Transaction) -> Result<(), ApplyError> {
        self.ledger.screen_transaction(transaction)
    }

    /// Whether an envelope would break a rule of context, before its signature is verified.
    ///
    /// # Errors
    /// The first rule it breaks, or a failure of the state.
    pub fn screen_envelope(&self, envelope: &Envelope) -> Result<(), ApplyError> {
        self.ledger.screen_envelope(envelope)
    }

    /// Adds a transaction after those before.
    ///
    /// # Errors
    /// The first rule it breaks, or a failure of the state; the draft is as before.
    pub fn try_transaction(&mut self, tx: &CheckedTransaction) -> Result<(), ApplyError> {
        let body_bytes = self.body_with(tx.bytes())?;
        self.ledger.execute(tx)?;
        self.body_bytes = body_bytes;
        self.body.transactions.push(tx.transaction().clone());
        Ok(())
    }

    /// Adds an envelope after those before.
    ///
    /// # Errors
    /// The first rule it breaks, or a failure of the state; the draft is as before.
    pub fn try_envelope(&mut self, envelope: &CheckedEnvelope) -> Result<(), ApplyError> {
        let body_bytes = self.body_with(codec::encoded_len(envelope.bytes()))?;
        self.ledger.include_envelope(envelope)?;
        self.body_bytes = body_bytes;
        self.wire_ids.push(*envelope.wire_id());
        self.body.envelopes.push(envelope.bytes().clone());
        Ok(())
    }

    /// Adds an uncle, for a block that is not older than `now`.
    ///
    /// # Errors
    /// The first rule it breaks, or a failure of the state; the draft is as before.
    pub fn try_uncle(&mut self, uncle: &Header, now: Timestamp) -> Result<(), ApplyError> {
        let uncles = &mut self.body.aux.uncles;
        let found = uncles.len().saturating_add(1);
        if found > law::UNCLES_MAX {
            return Err(Rule::UncleCount {
                max: law::UNCLES_MAX,
                found,
            }
            .into());
        }
        let now = self.time_min.max(now);
        let body_bytes = self.body_with(Header::BYTES)?;
        self.ledger.include_uncle(uncle, now)?;
        self.body_bytes = body_bytes;
        self.time_min = now;
        self.body.aux.uncles.push(*uncle);
        Ok(())
    }

    /// Adds a vote.
    ///
    /// # Errors
    /// The first rule it breaks, or a failure of the state; the draft is as before.
    pub fn try_vote(&mut self, vote: &CheckedVote) -> Result<(), ApplyError> {
        let body_bytes = self.body_with(codec::encoded_len(&IncludedVote::default()))?;
        let included = self.ledger.include_checked_vote(vote)?;
        self.body_bytes = body_bytes;
        self.body.aux.votes.push(included);
        Ok(())
    }

    /// Adds a finality vote.
    ///
    /// # Errors
    /// The first rule it breaks, or a failure of the state; the draft is as before.
    pub fn try_finality_vote(&mut self, checked: &CheckedFinalityVote) -> Result<(), ApplyError> {
        let vote = checked.vote();
        let groups = &self.body.aux.finality;
        let group = groups.iter().position(|group| group.target == vote.target);
        let signature = FinalitySignature {
            masternode: vote.masternode,
            signature: vote.signature,
        };
        let mut bytes = codec::encoded_len(&signature);
        if group.is_none() {
            bytes = bytes.saturating_add(codec::encoded_len(&FinalityGroup::default()));
        }
        let body_bytes = self.body_with(bytes)?;
        self.ledger.include_checked_finality_vote(checked)?;
        self.body_bytes = body_bytes;
        let groups = &mut self.body.aux.finality;
        match group.and_then(|group| groups.get_mut(group)) {
            Some(group) => group.signatures.push(signature),
            None => groups.push(FinalityGroup {
                target: vote.target,
                signatures: vec![signature],
            }),
        }
        Ok(())
    }

    /// Adds a proof of misbehaviour.
    ///
    /// # Errors
    /// The first rule it breaks, or a failure of the state; the draft is as before.
    pub fn try_evidence(&mut self, checked: &CheckedEvidence) -> Result<(), ApplyError> {
        let body_bytes = self.body_with(codec::encoded_len(checked.evidence()))?;
        self.ledger.include_checked_evidence(checked)?;
        self.body_bytes = body_bytes;
        self.body.aux.evidence.push(*checked.evidence());
        Ok(())
    }

    fn body_with(&self, bytes: usize) -> Result<u64, Rule> {
        let body_bytes = self.body_bytes.saturating_add(bytes_u64(bytes));
        self.ledger
            .check_body_limit(body_bytes)
            .map(|()| body_bytes)
    }

    /// The block, complete but for the proof of work: nonce, extra and solution are zero.
    ///
    /// Its time is `now`, or the earliest valid one if the clock is behind.
    ///
    /// # Errors
    /// [`ViewError`]: the state failed.
    pub fn into_block(self, payout: AccountId, now: Timestamp) -> Result<Block, ViewError> {
        let (view, params) = (self.ledger.view(), self.ledger.params());
        let parent = *self.ledger.parent();
        let grandparent = match parent.height.checked_sub(1) {
            Some(height) => view.ancestor(height)?,
            None => None,
        };
        let context = HeaderContext::new(parent, grandparent)?;
        let fields = ParentFields::of(view)?;
        let body = Body {
            aux: in_order(self.body.aux),
            ..self.body
        };
        let leaves = self
            .wire_ids
            .iter()
            .map(|wire_id| merkle::leaf(&[wire_id.as_bytes()]));
        let header = Header {
            version: law::HEADER_VERSION,
            height: self.ledger.height(),
            parent: *self.ledger.parent_id(),
            time: self.time_min.max(now),
            target: context.next_target(params),
            pow_count: self.ledger.solution_count(),
            tx_root: body.tx_root(),
            envelope_root: merkle::root(leaves),
            aux_root: body.aux.root(),
            state_root: fields.state_root,
            supply: fields.supply,
            justified: fields.finality.justified,
            finalized: fields.finality.finalized,
            payout,
            ..Header::default()
        };
        Ok(Block { header, body })
    }
}

/// Aux items as a block has them; nothing in them depends on the order they were offered in.
fn in_order(mut aux: Aux) -> Aux {
    aux.uncles.sort_by_key(Header::id);
    aux.votes.sort_by_key(|vote| (vote.back, vote.bond));
    aux.finality.sort_by_key(|group| group.target);
    for group in &mut aux.finality {
        group
            .signatures
            .sort_by_key(|signature| signature.masternode);
    }
    aux
}

fn bytes_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
