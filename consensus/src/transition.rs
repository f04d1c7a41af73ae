//! The state transition: what a block that is valid by itself does to the state after its parent.
//!
//! # Invariants
//! * The steps run in the order of the spec; the first failure makes the block invalid.
//! * Credits are added last: nothing that is earned or received in a block can be spent in it.
//! * After every block, in every build, the coins in accounts, bonds and collaterals together
//!   changed by exactly what was minted less what was burned, and the supply is at most the cap.
//! * An [`AppliedBlock`] is made only here; committing its undo after its diff changes nothing.
//!
//! # Spec
//! docs/spec/11-state.md §4
//!
//! # Not here
//! Committing differences: `store`. Which block to apply: [`crate::fork_choice`].

use chain::{Amount, Block, BlockId, Body, Hash32, Header, Height, MessageId, TxId, WireId};
use genesis::Params;

use crate::block::CheckedBlock;
use crate::difficulty::Work;
use crate::envelope::CheckedEnvelope;
use crate::error::{ApplyError, Rule, ViewError};
use crate::fork_choice::Inclusion;
use crate::state::{self, StateDiff, StateKey, StateView, value};
use crate::transaction::CheckedTransaction;

mod draft;
mod ledger;
mod settlement;

pub use draft::Draft;
use ledger::Ledger;

/// A block that is valid in the context of its parent, and what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedBlock {
    id: BlockId,
    block: Block,
    transaction_ids: Vec<TxId>,
    wire_ids: Vec<WireId>,
    message_ids: Vec<MessageId>,
    uncle_work: Work,
    inclusions: Vec<Inclusion>,
    level: Option<u32>,
    minted: Amount,
    burned: Amount,
    state_root: Hash32,
    diff: StateDiff,
    undo: StateDiff,
}

impl AppliedBlock {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &BlockId {
        &self.id
    }

    /// Its height.
    #[must_use]
    pub fn height(&self) -> Height {
        self.block.header.height
    }

    /// The block.
    #[must_use]
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// Ids of its transactions, in order.
    #[must_use]
    pub fn transaction_ids(&self) -> &[TxId] {
        &self.transaction_ids
    }

    /// Ids of the exact bytes of its envelopes, in order.
    #[must_use]
    pub fn wire_ids(&self) -> &[WireId] {
        &self.wire_ids
    }

    /// Ids of the contents of its envelopes, in order.
    #[must_use]
    pub fn message_ids(&self) -> &[MessageId] {
        &self.message_ids
    }

    /// Work of the uncles that it includes.
    #[must_use]
    pub fn uncle_work(&self) -> Work {
        self.uncle_work
    }

    /// The votes that it includes, with the seats they have, in order.
    #[must_use]
    pub fn inclusions(&self) -> &[Inclusion] {
        &self.inclusions
    }

    /// If it is the first block of a term: the level of the term after.
    #[must_use]
    pub fn level(&self) -> Option<u32> {
        self.level
    }

    /// Coins that it made.
    #[must_use]
    pub fn minted(&self) -> Amount {
        self.minted
    }

    /// Coins that it destroyed.
    #[must_use]
    pub fn burned(&self) -> Amount {
        self.burned
    }

    /// Root of the state after it; the header of the next block shows it.
    #[must_use]
    pub fn state_root(&self) -> &Hash32 {
        &self.state_root
    }

    /// From the state after its parent to the state after it.
    #[must_use]
    pub fn diff(&self) -> &StateDiff {
        &self.diff
    }

    /// The way back.
    #[must_use]
    pub fn undo(&self) -> &StateDiff {
        &self.undo
    }
}

/// Applies a block to the state after its parent, which `view` must show.
///
/// # Errors
/// [`ApplyError::Rule`]: the block is invalid. [`ApplyError::View`]: our own state failed or is
/// another one.
pub fn apply<V: StateView>(
    view: &V,
    block: CheckedBlock,
    params: &Params,
) -> Result<AppliedBlock, ApplyError> {
    let header = *block.header.header();
    let id = *block.id();
    // Step 1 follows from the parent's state alone; the ledger does it before it matters.
    let mut ledger = Ledger::open(view, params)?;
    if header.parent != *ledger.parent_id() {
        let other = ViewError::OtherTip {
            tip: *ledger.parent_id(),
            parent: header.parent,
        };
        return Err(other.into());
    }
    // Step 0.
    check_parent_fields(view, &header)?;
    ledger.check_body_limit(block.body_bytes)?;
    // Steps 2-4.
    ledger.include_evidence(&block.aux.evidence)?;
    ledger.include_votes(&block.aux.votes)?;
    ledger.include_groups(&block.aux.finality)?;
    // Step 5.
    for uncle in &block.aux.uncles {
        ledger.include_uncle(uncle, header.time)?;
    }
    let expected = ledger.solution_count();
    if header.pow_count != expected {
        return Err(Rule::SolutionCount {
            expected,
            found: header.pow_count,
        }
        .into());
    }
    // Steps 6 and 7.
    for tx in &block.transactions {
        ledger.execute(tx)?;
    }
    for envelope in &block.envelopes {
        ledger.include_envelope(envelope)?;
    }
    // Steps 8 and 9.
    let inclusions = ledger.inclusions();
    let outcome = ledger.close(&header.payout, block.body_bytes)?;
    let level = level_shown(&outcome.difference.diff, &header, params)?;
    let transaction_ids = block.transactions.iter().map(|tx| *tx.id()).collect();
    let wire_ids = block
        .envelopes
        .iter()
        .map(|envelope| *envelope.wire_id())
        .collect();
    let message_ids = block
        .envelopes
        .iter()
        .map(|envelope| *envelope.message_id())
        .collect();
    let body = Body {
        transactions: block
            .transactions
            .into_iter()
            .map(CheckedTransaction::into_transaction)
            .collect(),
        envelopes: block
            .envelopes
            .into_iter()
            .map(CheckedEnvelope::into_bytes)
            .collect(),
        aux: block.aux,
    };
    Ok(AppliedBlock {
        id,
        block: Block { header, body },
        transaction_ids,
        wire_ids,
        message_ids,
        uncle_work: outcome.uncle_work,
        inclusions,
        level,
        minted: outcome.minted,
        burned: outcome.burned,
        state_root: outcome.difference.root,
        diff: outcome.difference.diff,
        undo: outcome.difference.undo,
    })
}

/// Level of the snapshot that the block took, if it begins a term.
fn level_shown(
    diff: &StateDiff,
    header: &Header,
    params: &Params,
) -> Result<Option<u32>, ViewError> {
    let term = params.term(header.height);
    if params.term_start(term) != header.height {
        return Ok(None);
    }
    let taken = diff.values.get(&StateKey::Snapshot(term));
    let Some(bytes) = taken.and_then(Option::as_ref) else {
        return Ok(Some(0));
    };
    let head: value::SnapshotHead = value::decode(&StateKey::Snapshot(term), bytes)?;
    Ok(Some(head.level.into()))
}

/// The four fields of a header that describe the state after its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ParentFields {
    state_root: Hash32,
    supply: Amount,
    finality: value::Finality,
}

impl ParentFields {
    fn of(view: &impl StateView) -> Result<Self, ViewError> {
        Ok(Self {
            state_root: state::root(view)?,
            supply: value::supply(view)?.supply,
            finality: value::finality(view)?,
        })
    }
}

/// > "the four parent fields equal P's"
fn check_parent_fields(view: &impl StateView, header: &Header) -> Result<(), ApplyError> {
    let expected = ParentFields::of(view)?;
    let rule = if header.supply != expected.supply {
        Rule::SupplyField {
            expected: expected.supply,
            found: header.supply,
        }
    } else if header.justified != expected.finality.justified {
        let expected = expected.finality.justified;
        Rule::JustifiedField {
            expected,
            found: header.justified,
        }
    } else if header.finalized != expected.finality.finalized {
        let expected = expected.finality.finalized;
        Rule::FinalizedField {
            expected,
            found: header.finalized,
        }
    } else if header.state_root != expected.state_root {
        Rule::StateRoot {
            expected: expected.state_root,
            found: header.state_root,
        }
    } else {
        return Ok(());
    };
    Err(rule.into())
}

#[cfg(test)]
mod tests;
