//! Why an item is not taken, and how long that holds.
//!
//! # Invariants
//! A refusal lasts only if no later block of this chain may take the item.
//!
//! # Spec
//! docs/spec/06-wire.md §9, docs/spec/13-storage.md §9
//!
//! # Not here
//! The rules themselves and what they say about a sender: `consensus::Rule`.

use chain::{Amount, Height};
use consensus::error::ApplyError;
use consensus::{Rule, ViewError};
use genesis::Params;

use super::{NEXT_EPOCH_BLOCKS, ORDERS_PER_ACCOUNT_MAX};

/// Why an item is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It breaks a rule in the context of the tip.
    #[error(transparent)]
    Rule(#[from] Rule),
    /// These very bytes wait already.
    #[error("already known")]
    AlreadyKnown,
    /// Another item uses the same one-time key, message or nonce.
    #[error("another waiting item excludes it")]
    Conflict,
    /// The account has too many orders waiting.
    #[error("the account has {ORDERS_PER_ACCOUNT_MAX} orders waiting")]
    TooManyOrders,
    /// It waits for others, and the balance does not cover all that waits.
    #[error("balance {balance} does not cover what waits")]
    Uncovered {
        /// Confirmed coins of the payer.
        balance: Amount,
    },
    /// Too much waits for orders that are not here.
    #[error("too many orders wait for earlier ones")]
    TooManyGaps,
    /// Everything else here is worth more.
    #[error("the mempool is full")]
    Full,
    /// Our own state failed.
    #[error(transparent)]
    View(#[from] ViewError),
}

impl Refusal {
    /// Whether no later block of this chain takes the item either.
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        matches!(self, Self::Rule(rule) if rules_out(rule))
    }
}

impl From<ApplyError> for Refusal {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Rule(rule) => Self::Rule(rule),
            ApplyError::View(view) => Self::View(view),
        }
    }
}

/// The word of the next block about an item, unless a block after it may say otherwise soon.
///
/// # Errors
/// [`Refusal::Rule`] and [`Refusal::View`].
pub(crate) fn unless_it_waits(
    judged: Result<(), ApplyError>,
    params: &Params,
) -> Result<(), Refusal> {
    match judged {
        Err(ApplyError::Rule(Rule::EpochAhead { height, epoch })) => {
            if begins_soon(height, epoch, params) {
                Ok(())
            } else {
                Err(Rule::EpochAhead { height, epoch }.into())
            }
        }
        Err(ApplyError::Rule(Rule::NonceAhead { expected, found })) => {
            // A gap may be filled by what is still under way; a wide one will not.
            let gap = found.saturating_sub(expected);
            if gap < ORDERS_PER_ACCOUNT_MAX as u64 {
                Ok(())
            } else {
                Err(Rule::NonceAhead { expected, found }.into())
            }
        }
        Err(ApplyError::Rule(rule)) if waits(&rule) => Ok(()),
        other => Ok(other?),
    }
}

/// Whether an item stays here while this rule refuses it: a block soon may take it.
pub(super) const fn waits(rule: &Rule) -> bool {
    matches!(
        rule,
        Rule::NonceAhead { .. }
            | Rule::EpochAhead { .. }
            | Rule::StampTooYoung { .. }
            | Rule::BodyLimit { .. }
            | Rule::StampLane { .. }
    )
}

/// Whether this rule refuses an item for good. What depends on the branch, on coins or on prices may
/// be otherwise some blocks later; what is wrong by itself, used up or too late may not.
pub(crate) const fn rules_out(rule: &Rule) -> bool {
    !(waits(rule)
        || matches!(
            rule,
            Rule::StampReference { .. }
                | Rule::StampHash
                | Rule::StampSolution
                | Rule::BalanceTooLow { .. }
                | Rule::FeeAboveMax { .. }
                | Rule::ClearPrice { .. }
                | Rule::RecordGeneration { .. }
                | Rule::RecordLink
        ))
}

fn begins_soon(height: Height, epoch: chain::units::RateEpoch, params: &Params) -> bool {
    let start = params.rate_epoch_start(epoch).get();
    start.saturating_sub(height.get()) <= NEXT_EPOCH_BLOCKS
}
