//! The numbers of simulated networks: main's pace and difficulty on a proof of work that costs some
//! dozens of hashes.
//!
//! # Invariants
//! * The rules are consensus' own: a header of these networks is checked like any other, hash
//!   against target. Only the numbers differ.
//! * The time that a solution takes is drawn; the work that it stands for is done.
//!
//! # Spec
//! docs/spec/05-networks.md
//!
//! # Not here
//! The numbers of real networks (`genesis`).

use chain::units::CompactTarget;
use chain::{Block, Header, Network};
use consensus::difficulty::Target;
use consensus::pow;
use genesis::{Params, Retarget};

/// Ideal time per solution on main.
pub const SOLUTION_MS: u64 = 2_000;
/// Half-life of the difficulty on main.
pub const HALF_LIFE_MS: u64 = 300_000;
/// 2^250: about 64 hashes per solution, so that a thousand simulated hours stay cheap.
const TARGET_START: CompactTarget = CompactTarget::new(0x2004_0000);

/// Main's retarget, epochs and future limit over regtest's proof of work and free envelopes.
#[must_use]
pub fn params(solution_ms: u64) -> Params {
    let main = Params::of(Network::Main);
    Params {
        retarget: Retarget::Asert {
            solution_ms,
            half_life_ms: HALF_LIFE_MS,
        },
        target_start: TARGET_START,
        future_limit_ms: main.future_limit_ms,
        term_blocks: main.term_blocks,
        lookback_blocks: main.lookback_blocks,
        unbond_blocks: main.unbond_blocks,
        rate_epoch_blocks: main.rate_epoch_blocks,
        rate_grace_blocks: main.rate_grace_blocks,
        ..Params::of(Network::Regtest)
    }
}

/// Hashes that a solution of `target` takes on average.
#[must_use]
pub fn hashes(target: Target) -> f64 {
    let bytes = target.to_be_bytes();
    let leading = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut mantissa = 0.0;
    for byte in bytes.iter().skip(leading).take(7) {
        mantissa = mantissa * 256.0 + f64::from(*byte);
    }
    // target = mantissa * 256^(32 - leading - 7); the chance of a hash is target / 256^32.
    let exponent = i32::try_from(leading + 7).unwrap_or(i32::MAX);
    256f64.powi(exponent) / mantissa
}

/// Searches the nonce of a header on a network with the hash-only proof of work.
pub fn solve(header: &mut Header, params: &Params) {
    let target = Target::from_compact(header.target).expect("a computed target is canonical");
    while pow::check_pow(header, target, params.pow).is_err() {
        header.nonce = header.nonce.wrapping_add(1);
    }
}

/// Names the body in the header anew after a change to it, and solves the header.
///
/// # Panics
/// If an envelope of the body is none.
pub fn reseal(block: &mut Block, params: &Params) {
    block.header.tx_root = block.body.tx_root();
    let envelope_root = block.body.envelope_root();
    block.header.envelope_root = envelope_root.expect("the body holds envelopes");
    block.header.aux_root = block.body.aux.root();
    solve(&mut block.header, params);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_fit_each_other() {
        for solution_ms in [1_500, SOLUTION_MS, 3_000, 5_000] {
            assert_eq!(params(solution_ms).check(), Ok(()));
        }
    }

    #[test]
    fn expected_hashes_are_the_work_without_its_rounding() {
        for compact in [0x2004_0000, 0x207f_ffff, 0x1f14_cab8] {
            let target = Target::from_compact(CompactTarget::new(compact)).expect("canonical");
            let (exact, work) = (hashes(target), target.work().get() as f64);
            assert!((exact - work).abs() <= 1.0, "{exact} {work}");
        }
    }

    #[test]
    fn a_solved_header_meets_its_target() {
        let params = params(SOLUTION_MS);
        let mut header = Header {
            target: params.target_start,
            ..Header::default()
        };
        solve(&mut header, &params);
        let target = Target::from_compact(header.target).expect("canonical");
        assert_eq!(pow::check_pow(&header, target, params.pow), Ok(()));
    }
}
