//! Block templates: what a miner is given to solve.
//!
//! # Invariants
//! * A template applies once it is solved, as long as its parent is the tip.
//! * Votes are picked so that they fill as many seats as a block may have; of equal choices the one
//!   whose votes soonest come too late.
//!
//! # Spec
//! docs/spec/15-mining.md §1
//!
//! # Not here
//! Who gets a template when ([`crate::service`]), the search (`miner`).

use chain::{AccountId, Block, Height, Timestamp};
use consensus::error::{ApplyError, ViewError};
use consensus::state::{StateView, value};
use consensus::transition::Draft;
use consensus::{CheckedVote, Rule};
use genesis::law;

use super::Node;
use crate::engine::{Alarm, Stops};
use crate::ledger::{Ledger, LedgerError};
use crate::votes::{FinalityPool, Offences, OpenTargets, VotePool, fullest};

/// Why there is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The node does not mine while this stands.
    #[error("no mining: {0}")]
    Alarm(Alarm),
    /// The clock is too far ahead for others to take our blocks.
    #[error("no mining: the clock is {offset_ms} ms ahead")]
    ClockOff {
        /// By so much.
        offset_ms: i64,
    },
    /// The storage failed or is full.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl From<ViewError> for TemplateError {
    fn from(error: ViewError) -> Self {
        Self::Ledger(error.into())
    }
}

impl<L: Ledger> Node<L> {
    /// The next block, complete but for its proof of work; the reward goes to `payout`.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn template(&mut self, payout: AccountId, now: Timestamp) -> Result<Block, TemplateError> {
        let alarm = self.alarm();
        if let Some(alarm) = alarm.filter(|alarm| alarm.stops() == Stops::Everything) {
            return Err(TemplateError::Alarm(*alarm));
        }
        if let Some(offset_ms) = self.clock_off_ms() {
            return Err(TemplateError::ClockOff { offset_ms });
        }
        self.read_targets()?;
        let tip = self.engine.tip()?.1;
        let tree = self.engine.tree();
        let is_stale = |header: &chain::Header| {
            tree.ancestor(&tip, header.height)
                .is_some_and(|on_chain| on_chain != header.id())
        };
        let uncles: Vec<_> = self
            .uncle_candidates
            .iter()
            .rev()
            .filter(|header| is_stale(header))
            .copied()
            .collect();
        let view = self.engine.ledger().view()?;
        let mut draft = Draft::new(&view, self.engine.params())?;
        for uncle in uncles {
            let _ = offered(draft.try_uncle(&uncle, now))?;
        }
        offer_evidence(&mut draft, &mut self.offences)?;
        offer_votes(&mut draft, &view, &self.votes)?;
        if let Some(open) = &self.open_targets {
            offer_finality_votes(&mut draft, open, &self.finality_votes)?;
        }
        self.mempool.select(&mut draft)?;
        let block = draft.into_block(payout, now)?;
        self.gathered_votes = 0;
        Ok(block)
    }
}

/// Whether an item found its place; what breaks a rule in this draft is left out.
fn offered(offered: Result<(), ApplyError>) -> Result<Result<(), Rule>, ViewError> {
    match offered {
        Ok(()) => Ok(Ok(())),
        Err(ApplyError::Rule(rule)) => Ok(Err(rule)),
        Err(ApplyError::View(error)) => Err(error),
    }
}

fn offer_evidence<V: StateView>(
    draft: &mut Draft<'_, V>,
    offences: &mut Offences,
) -> Result<(), ViewError> {
    let mut over = Vec::new();
    for proof in offences.iter() {
        match offered(draft.try_evidence(proof))? {
            // It is punished, or there is nothing left to take.
            Err(Rule::EvidenceKnown | Rule::EvidenceUnknown | Rule::EvidenceSignature) => {
                over.push(*proof.evidence())
            }
            Err(Rule::EvidenceCount { .. }) => break,
            _ => {}
        }
    }
    over.iter().for_each(|evidence| offences.remove(evidence));
    Ok(())
}

fn offer_votes<V: StateView>(
    draft: &mut Draft<'_, V>,
    view: &V,
    pool: &VotePool,
) -> Result<(), ViewError> {
    let next = draft.height();
    let mut votes: Vec<CheckedVote> = Vec::new();
    for back in (1..=u64::from(law::VOTE_BACK_MAX)).rev() {
        if let Some(height) = next.checked_sub(back) {
            votes.extend(waiting_at(view, pool, height)?);
        }
    }
    let seats: Vec<u32> = votes.iter().map(CheckedVote::seats).collect();
    let picked = fullest(&seats, law::VOTE_SEATS_MAX);
    let rest = (0..votes.len()).filter(|index| !picked.contains(index));
    // Should one that was picked not fit after all, others take its place.
    for vote in picked.iter().copied().chain(rest) {
        if let Some(vote) = votes.get(vote) {
            let _ = offered(draft.try_vote(vote))?;
        }
    }
    Ok(())
}

/// Votes for the block of the view's chain at `height` that no block includes yet.
fn waiting_at<V: StateView>(
    view: &V,
    pool: &VotePool,
    height: Height,
) -> Result<Vec<CheckedVote>, ViewError> {
    let mut votes = pool.at(height).peekable();
    let on_chain = match votes.peek() {
        Some(_) => view.ancestor(height)?.map(|header| header.id()),
        None => None,
    };
    let Some(on_chain) = on_chain else {
        return Ok(Vec::new());
    };
    let included = value::included_votes(view, height)?;
    let is_included = |vote: &&CheckedVote| {
        let mut booked = included.votes.iter();
        booked.any(|booked| booked.bond == vote.vote().bond)
    };
    Ok(votes
        .filter(|vote| vote.vote().block == on_chain && !is_included(vote))
        .copied()
        .collect())
}

fn offer_finality_votes<V: StateView>(
    draft: &mut Draft<'_, V>,
    open: &OpenTargets,
    pool: &FinalityPool,
) -> Result<(), ViewError> {
    // The oldest checkpoint closes first.
    for target in &open.targets {
        for vote in pool.for_target(target) {
            if let Err(Rule::FinalityCount { .. }) = offered(draft.try_finality_vote(&vote))? {
                return Ok(());
            }
        }
    }
    Ok(())
}
