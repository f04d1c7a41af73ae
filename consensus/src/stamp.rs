//! Stamps: Equi-X work in the place of a fee, dated by a recent block.
//!
//! # Invariants
//! * A stamp is bound to what it admits (an envelope's core or a record's transaction), to a block
//!   of the branch, and to its declared effort.
//! * A [`DatedStamp`] was verified against one block; whoever applies it compares that block with
//!   the branch. A verdict is never carried over to another branch.
//! * Stamps are Equi-X on every network, whatever blocks are mined with.
//!
//! # Spec
//! docs/spec/04-envelopes.md §6
//!
//! # Not here
//! The puzzle itself: [`crate::pow`]. Minimum efforts: `genesis`.

use chain::hash::{blake3, context, derive};
use chain::record::Stamp;
use chain::{BlockId, Height};
use genesis::law;

use crate::error::Rule;
use crate::pow::{self, Solver};

/// The blocks below the one under judgement. Must know the last [`law::STAMP_AGE_MAX`] of them.
pub trait Branch: Sync {
    /// Id of the ancestor at `height`, if there is one.
    fn id_at(&self, height: Height) -> Option<BlockId>;
}

impl<F: Fn(Height) -> Option<BlockId> + Sync> Branch for F {
    fn id_at(&self, height: Height) -> Option<BlockId> {
        self(height)
    }
}

/// The block that a stamp refers to: its work was verified against exactly this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatedStamp {
    reference: Height,
    block: BlockId,
}

impl DatedStamp {
    /// Height of the block.
    #[must_use]
    pub fn reference(&self) -> Height {
        self.reference
    }

    /// The block.
    #[must_use]
    pub fn block(&self) -> &BlockId {
        &self.block
    }
}

/// What the solution of a stamp is for:
/// `c = KDF("ChainChat v1 pow", commitment | block_id(ref) | effort u32 | nonce16)`.
#[must_use]
pub fn challenge(commitment: &[u8; 32], reference: &BlockId, stamp: &Stamp) -> [u8; 32] {
    let effort = stamp.effort.to_le_bytes();
    derive(
        &context::STAMP,
        &[commitment, reference.as_bytes(), &effort, &stamp.nonce],
    )
}

/// Height that a stamp made at this tip refers to: the youngest one that the next block accepts.
#[must_use]
pub fn reference_at(tip: Height) -> Height {
    let old_enough = tip.get().saturating_sub(law::STAMP_AGE_MIN);
    let step = u64::from(law::STAMP_REFERENCE_STEP);
    let beyond = old_enough.checked_rem(step).unwrap_or_default();
    Height::new(old_enough.saturating_sub(beyond))
}

/// Checks a stamp whole, against the id of the block that it refers to.
///
/// # Errors
/// [`Rule::StampHash`], [`Rule::StampSolution`].
pub fn verify_stamp(commitment: &[u8; 32], stamp: &Stamp, reference: &BlockId) -> Result<(), Rule> {
    check_hash(commitment, stamp, reference)?;
    check_solution(commitment, stamp, reference)
}

/// The half that costs a hash. A random forgery of effort e passes with probability 1/e.
pub(crate) fn check_hash(
    commitment: &[u8; 32],
    stamp: &Stamp,
    reference: &BlockId,
) -> Result<(), Rule> {
    if is_worth(&challenge(commitment, reference, stamp), stamp) {
        Ok(())
    } else {
        Err(Rule::StampHash)
    }
}

/// The half that costs the puzzle, about 45 us.
pub(crate) fn check_solution(
    commitment: &[u8; 32],
    stamp: &Stamp,
    reference: &BlockId,
) -> Result<(), Rule> {
    let challenge = challenge(commitment, reference, stamp);
    if pow::verify_solution(&challenge, &stamp.solution) {
        Ok(())
    } else {
        Err(Rule::StampSolution)
    }
}

/// Declared effort and the height referred to, before any hash.
pub(crate) fn check_claim(stamp: &Stamp, effort_min: u32) -> Result<(), Rule> {
    // > "effort >= the minimum"
    if stamp.effort < effort_min {
        return Err(Rule::StampEffort {
            min: effort_min,
            found: stamp.effort,
        });
    }
    // > "ref % 16 = 0"
    if stamp.reference.checked_rem(law::STAMP_REFERENCE_STEP) != Some(0) {
        return Err(Rule::StampReferenceStep {
            found: stamp.reference,
        });
    }
    Ok(())
}

/// The block that a stamp refers to, on the branch that it is checked for.
pub(crate) fn date(stamp: &Stamp, branch: &impl Branch) -> Result<DatedStamp, Rule> {
    let reference = Height::new(u64::from(stamp.reference));
    let block = branch
        .id_at(reference)
        .ok_or(Rule::StampReference { height: reference })?;
    Ok(DatedStamp { reference, block })
}

/// Whether a block at `height` may include a stamp that refers to `reference`.
///
/// # Errors
/// [`Rule::StampTooYoung`], [`Rule::StampTooOld`].
pub fn check_age(reference: u32, height: Height) -> Result<(), Rule> {
    // > "8 <= h - ref <= 96"
    match height.get().checked_sub(u64::from(reference)) {
        Some(age) if age > law::STAMP_AGE_MAX => Err(Rule::StampTooOld { height, reference }),
        Some(age) if age >= law::STAMP_AGE_MIN => Ok(()),
        _ => Err(Rule::StampTooYoung { height, reference }),
    }
}

/// > "u64(LE u32(blake3(c|sol)\[..4\])) * effort <= 0xffff_ffff"
fn is_worth(challenge: &[u8; 32], stamp: &Stamp) -> bool {
    let digest = blake3(&[challenge.as_slice(), &stamp.solution].concat());
    let [a, b, c, d, ..] = digest;
    let score = u64::from(u32::from_le_bytes([a, b, c, d]));
    score
        .checked_mul(u64::from(stamp.effort))
        .is_some_and(|score| score <= u64::from(u32::MAX))
}

/// The search for a stamp, one nonce at a time, so that the caller may stop between any two.
#[derive(Clone, Debug)]
pub struct StampSearch {
    commitment: [u8; 32],
    block: BlockId,
    stamp: Stamp,
}

impl StampSearch {
    /// A search for a stamp of `effort` on `commitment`, dated by the block `block` at `reference`,
    /// from `first_nonce` on. Different first nonces search different places.
    ///
    /// Nothing if the height is beyond what a stamp can name.
    #[must_use]
    pub fn new(
        commitment: [u8; 32],
        reference: Height,
        block: BlockId,
        effort: u32,
        first_nonce: [u8; 16],
    ) -> Option<Self> {
        let reference = u32::try_from(reference.get()).ok()?;
        let stamp = Stamp {
            effort,
            reference,
            nonce: first_nonce,
            solution: [0; 16],
        };
        Some(Self {
            commitment,
            block,
            stamp,
        })
    }

    /// Tries one nonce (2 solutions on average; about `effort / 2` steps to success).
    pub fn step(&mut self, solver: &mut Solver) -> Option<Stamp> {
        let tried = self.stamp;
        self.stamp.nonce = u128::from_le_bytes(tried.nonce)
            .wrapping_add(1)
            .to_le_bytes();
        let challenge = challenge(&self.commitment, &self.block, &tried);
        solver
            .solve(&challenge)
            .map(|solution| Stamp { solution, ..tried })
            .find(|stamp| is_worth(&challenge, stamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMITMENT: [u8; 32] = [7; 32];

    fn block() -> BlockId {
        BlockId::from_bytes([9; 32])
    }

    fn found(effort: u32) -> Stamp {
        let reference = Height::new(32);
        let mut search = StampSearch::new(COMMITMENT, reference, block(), effort, [0; 16])
            .expect("a height of 32 bits");
        let mut solver = Solver::new();
        (0..10_000)
            .find_map(|_| search.step(&mut solver))
            .expect("10,000 nonces suffice")
    }

    #[test]
    fn a_found_stamp_verifies_and_is_bound_to_content_block_effort_and_nonce() {
        let stamp = found(4);
        assert_eq!((stamp.effort, stamp.reference), (4, 32));
        assert_eq!(verify_stamp(&COMMITMENT, &stamp, &block()), Ok(()));
        let other_nonce = Stamp {
            nonce: [0xaa; 16],
            ..stamp
        };
        let cheaper = Stamp { effort: 1, ..stamp };
        for (commitment, stamp, block) in [
            ([8; 32], stamp, block()),
            (COMMITMENT, stamp, BlockId::from_bytes([8; 32])),
            (COMMITMENT, other_nonce, block()),
            (COMMITMENT, cheaper, block()),
        ] {
            assert!(verify_stamp(&commitment, &stamp, &block).is_err());
        }
    }

    #[test]
    fn the_hash_is_judged_before_the_solution() {
        let garbage = Stamp {
            effort: u32::MAX,
            solution: [0xff; 16],
            ..Stamp::default()
        };
        assert_eq!(
            verify_stamp(&COMMITMENT, &garbage, &block()),
            Err(Rule::StampHash)
        );
        let worth_nothing = Stamp {
            effort: 1,
            ..garbage
        };
        assert_eq!(
            verify_stamp(&COMMITMENT, &worth_nothing, &block()),
            Err(Rule::StampSolution)
        );
    }

    #[test]
    fn effort_is_what_the_hash_is_multiplied_by() {
        let stamp = found(1);
        let challenge = challenge(&COMMITMENT, &block(), &stamp);
        let digest = blake3(&[challenge.as_slice(), &stamp.solution].concat());
        let score = u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]);
        let worth = u32::MAX / score;
        assert!(is_worth(
            &challenge,
            &Stamp {
                effort: worth,
                ..stamp
            }
        ));
        if worth < u32::MAX {
            assert!(!is_worth(
                &challenge,
                &Stamp {
                    effort: worth + 1,
                    ..stamp
                }
            ));
        }
    }

    #[test]
    fn the_reference_of_a_new_stamp_is_accepted_by_the_next_block() {
        let heights = [0, 7, 8, 23, 24, 39, 40].map(Height::new).map(reference_at);
        assert_eq!(heights, [0, 0, 0, 0, 16, 16, 32].map(Height::new));
        for tip in 7..1_000 {
            let reference = u32::try_from(reference_at(Height::new(tip)).get()).expect("small");
            assert_eq!(
                check_age(reference, Height::new(tip + 1)),
                Ok(()),
                "tip {tip}"
            );
        }
    }

    #[test]
    fn a_stamp_is_accepted_from_8_to_96_blocks() {
        let verdicts = [23, 24, 112, 113].map(|height| check_age(16, Height::new(height)));
        let height = Height::new(23);
        assert_eq!(
            verdicts[0],
            Err(Rule::StampTooYoung {
                height,
                reference: 16
            })
        );
        assert_eq!(verdicts[1], Ok(()));
        assert_eq!(verdicts[2], Ok(()));
        let height = Height::new(113);
        assert_eq!(
            verdicts[3],
            Err(Rule::StampTooOld {
                height,
                reference: 16
            })
        );
        assert!(check_age(u32::MAX, Height::new(5)).is_err());
    }

    #[test]
    fn claims_are_refused_before_any_hash() {
        let stamp = Stamp {
            effort: 5,
            reference: 17,
            ..Stamp::default()
        };
        assert_eq!(
            check_claim(&stamp, 6),
            Err(Rule::StampEffort { min: 6, found: 5 })
        );
        assert_eq!(
            check_claim(&stamp, 5),
            Err(Rule::StampReferenceStep { found: 17 })
        );
        assert_eq!(
            check_claim(
                &Stamp {
                    reference: 32,
                    ..stamp
                },
                5
            ),
            Ok(())
        );
        let nothing = |_: Height| None;
        let unknown = Rule::StampReference {
            height: Height::new(17),
        };
        assert_eq!(date(&stamp, &nothing), Err(unknown));
    }
}
