//! Whether a header is valid after its parent: everything that can be judged before any body.
//!
//! # Invariants
//! * A [`CheckedHeader`] passed every rule of this file in the context of its own parent; only
//!   this file makes one.
//! * Proof of work is checked before everything that needs the parent: whoever wants more of us
//!   than one hash has paid for it.
//! * A header from the future is not invalid: [`Rule::TimeTooNew`] asks to wait.
//!
//! # Spec
//! docs/spec/02-blocks.md §3
//!
//! # Not here
//! The four fields that describe the state after the parent, which only [`crate::transition`] can
//! judge; the roots and the exact solution count ([`crate::block`]); how deep an uncle may lie.

use chain::units::CompactTarget;
use chain::{BlockId, Header, Height, Timestamp};
use genesis::{Params, law};

use crate::difficulty::{self, Pace, Target, Work};
use crate::error::{Rule, ViewError};
use crate::pow;

/// Most solutions that one block adds to the count: itself and its uncles.
const SOLUTIONS_PER_BLOCK_MAX: u64 = 1 + law::UNCLES_MAX as u64;

/// What a header is judged against: its parent and, for the retarget, its grandparent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderContext {
    parent: Header,
    parent_id: BlockId,
    parent_target: Target,
    pace: Option<Pace>,
}

impl HeaderContext {
    /// The context that children of `parent` are judged in. `grandparent` is the parent of
    /// `parent`; below [`law::RETARGET_HEIGHT_MIN`] it may be missing.
    ///
    /// # Errors
    /// [`ViewError::Damaged`]: the two headers come from our own storage or tree and cannot have
    /// passed the checks.
    pub fn new(parent: Header, grandparent: Option<Header>) -> Result<Self, ViewError> {
        let damaged = |reason: &str| {
            let reason = format!("header at height {}: {reason}", parent.height);
            Err(ViewError::Damaged { reason })
        };
        let Some(parent_target) = Target::from_compact(parent.target) else {
            return damaged("its target is not canonical");
        };
        let child_height = parent.height.get().saturating_add(1);
        let pace = if child_height < law::RETARGET_HEIGHT_MIN {
            None
        } else {
            let Some(grandparent) = grandparent else {
                return damaged("its parent is missing");
            };
            if parent.parent != grandparent.id() {
                return damaged("it does not follow the header given as its parent");
            }
            let elapsed_ms = parent.time.get().checked_sub(grandparent.time.get());
            let solutions = parent.pow_count.checked_sub(grandparent.pow_count);
            match (elapsed_ms, solutions) {
                (Some(elapsed_ms @ 1..), Some(solutions @ 1..=SOLUTIONS_PER_BLOCK_MAX)) => {
                    Some(Pace {
                        elapsed_ms,
                        solutions,
                    })
                }
                _ => return damaged("its time or solution count does not grow as it must"),
            }
        };
        Ok(Self {
            parent,
            parent_id: parent.id(),
            parent_target,
            pace,
        })
    }

    /// The parent.
    #[must_use]
    pub fn parent(&self) -> &Header {
        &self.parent
    }

    /// The parent's id.
    #[must_use]
    pub fn parent_id(&self) -> &BlockId {
        &self.parent_id
    }

    /// The target that the next header must carry.
    #[must_use]
    pub fn next_target(&self, params: &Params) -> CompactTarget {
        difficulty::next_target(self, params)
    }

    pub(crate) fn parent_target(&self) -> Target {
        self.parent_target
    }

    pub(crate) fn pace(&self) -> Option<Pace> {
        self.pace
    }
}

/// A header that passed every rule that needs no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedHeader {
    header: Header,
    id: BlockId,
    work: Work,
}

impl CheckedHeader {
    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &BlockId {
        &self.id
    }

    /// The work it stands for.
    #[must_use]
    pub fn work(&self) -> Work {
        self.work
    }
}

/// Checks a header that reached us at `now` by the local clock.
///
/// # Errors
/// The first rule it breaks. [`Rule::TimeTooNew`] comes last: such a header is valid but for its
/// time, and to be parked.
pub fn check_header(
    header: &Header,
    context: &HeaderContext,
    params: &Params,
    now: Timestamp,
) -> Result<CheckedHeader, Rule> {
    let checked = check_stored_header(header, context, params)?;
    // > "time <= local clock + the future limit"
    let latest = Timestamp::new(now.get().saturating_add(params.future_limit_ms));
    if header.time > latest {
        return Err(Rule::TimeTooNew {
            latest,
            found: header.time,
        });
    }
    Ok(checked)
}

/// Checks an uncle in the context of its own parent, for a block of time `including`. The local
/// clock has no say: every node must come to the same verdict at any time.
///
/// # Errors
/// The first rule it breaks.
pub fn check_uncle_header(
    uncle: &Header,
    context: &HeaderContext,
    params: &Params,
    including: Timestamp,
) -> Result<CheckedHeader, Rule> {
    let checked = check_timeless(uncle, context, params)?;
    // > "time <= this block's time + the future limit"
    let latest = Timestamp::new(including.get().saturating_add(params.future_limit_ms));
    if uncle.time > latest {
        return Err(Rule::UncleTimeTooNew {
            latest,
            found: uncle.time,
        });
    }
    Ok(checked)
}

/// Checks a header that our own disk hands back at start. It was in time once, whatever the clock
/// says today; every other rule is checked again.
///
/// # Errors
/// The first rule it breaks: the disk is damaged.
pub fn check_stored_header(
    header: &Header,
    context: &HeaderContext,
    params: &Params,
) -> Result<CheckedHeader, Rule> {
    let checked = check_timeless(header, context, params)?;
    // Not for uncles: whether a block is valid must not depend on what a node was told.
    let trusted = params.trusted.get(&header.height);
    if trusted.is_some_and(|trusted| trusted != checked.id()) {
        return Err(Rule::NotTrusted {
            height: header.height,
        });
    }
    Ok(checked)
}

/// Every rule but the upper bound of the time, cheapest first.
fn check_timeless(
    header: &Header,
    context: &HeaderContext,
    params: &Params,
) -> Result<CheckedHeader, Rule> {
    check_constants(header)?;
    let target = claimed_target(header, params)?;
    pow::check_pow(header, target, params.pow)?;
    check_place(header, context)?;
    check_pow_count(header, context)?;
    // > "header.target must equal the computed value"
    let expected = context.next_target(params);
    if header.target != expected {
        return Err(Rule::Target {
            expected,
            found: header.target,
        });
    }
    // > "time > the parent's time"
    if header.time <= context.parent.time {
        return Err(Rule::TimeNotAfterParent {
            parent: context.parent.time,
            found: header.time,
        });
    }
    Ok(CheckedHeader {
        header: *header,
        id: header.id(),
        work: target.work(),
    })
}

/// Fields that have one value in version 1.
fn check_constants(header: &Header) -> Result<(), Rule> {
    if header.version != law::HEADER_VERSION {
        let expected = law::HEADER_VERSION;
        return Err(Rule::HeaderVersion {
            expected,
            found: header.version,
        });
    }
    if header.pow_commit != [0; 16] {
        return Err(Rule::PowCommit);
    }
    Ok(())
}

/// The target that the header claims. A claim above the network's limit is refused before any
/// hash, so that nobody picks a target that every hash meets.
fn claimed_target(header: &Header, params: &Params) -> Result<Target, Rule> {
    Target::from_compact(header.target)
        .filter(|_| header.target <= params.target_max)
        .ok_or(Rule::TargetRange {
            found: header.target,
            max: params.target_max,
        })
}

/// Parent and height.
fn check_place(header: &Header, context: &HeaderContext) -> Result<(), Rule> {
    if header.parent != context.parent_id {
        let expected = context.parent_id;
        return Err(Rule::HeaderParent {
            expected,
            found: header.parent,
        });
    }
    match context.parent.height.next() {
        Some(expected) if expected == header.height => Ok(()),
        expected => Err(Rule::HeaderHeight {
            expected: expected.unwrap_or(Height::new(u64::MAX)),
            found: header.height,
        }),
    }
}

/// > "parent's + 1 + uncles": without the aux list only the range is known.
fn check_pow_count(header: &Header, context: &HeaderContext) -> Result<(), Rule> {
    let parent = context.parent.pow_count;
    match header.pow_count.checked_sub(parent) {
        Some(1..=SOLUTIONS_PER_BLOCK_MAX) => Ok(()),
        _ => Err(Rule::PowCount {
            parent,
            found: header.pow_count,
        }),
    }
}

#[cfg(test)]
mod tests;
