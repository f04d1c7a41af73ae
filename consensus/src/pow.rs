//! Proof of work: an Equi-X solution whose hash meets a target. Serves blocks, pool shares and
//! stamps.
//!
//! # Invariants
//! * Verifying interprets the puzzle's program and never compiles it; only [`Solver`] compiles.
//! * A challenge whose program cannot be built has no solution, on every machine: to the verifier
//!   and to the solver it is an invalid nonce.
//! * The cheap hash is compared with the target before the puzzle is looked at.
//!
//! # Spec
//! docs/spec/02-blocks.md §4
//!
//! # Not here
//! Which target is right: [`crate::difficulty`]. The search over nonces: `miner`. The effort of a
//! stamp: [`crate::stamp`].

use chain::Header;
use chain::hash::{context, derive};
use equix::{EquiXBuilder, Runtime, RuntimeOption, Solution, SolutionArray, SolverMemory};
use genesis::Pow;

use crate::difficulty::Target;
use crate::error::Rule;

/// Bytes of an Equi-X solution.
pub const SOLUTION_BYTES: usize = Header::SOLUTION_BYTES;

/// The solution field on networks whose proof of work has no puzzle.
const NO_SOLUTION: [u8; SOLUTION_BYTES] = [0; SOLUTION_BYTES];

/// Whether `solution` solves the Equi-X puzzle of `challenge`. About 45 us.
#[must_use]
pub fn verify_solution(challenge: &[u8; 32], solution: &[u8; SOLUTION_BYTES]) -> bool {
    // The order of a solution's parts is checked without the puzzle.
    let Ok(solution) = Solution::try_from_bytes(solution) else {
        return false;
    };
    let mut builder = EquiXBuilder::new();
    builder.runtime(RuntimeOption::InterpretOnly);
    builder.verify(challenge, &solution).is_ok()
}

/// Whether the proof-of-work hash of `solution` is at most `target`; says nothing about whether it
/// solves the puzzle.
#[must_use]
pub fn solution_meets_target(
    challenge: &[u8; 32],
    solution: &[u8; SOLUTION_BYTES],
    target: Target,
) -> bool {
    target.is_met_by(&derive(&context::POW_HASH, &[challenge, solution]))
}

/// Checks the proof of work of `header` against `target`, which is the header's own or, for a
/// pool's share, an easier one.
///
/// # Errors
/// [`Rule::PowHash`], [`Rule::PowSolution`].
pub fn check_pow(header: &Header, target: Target, pow: Pow) -> Result<(), Rule> {
    let challenge = header.challenge();
    // > "pow_hash is checked first, Equi-X second": a flood of bad headers costs a hash each.
    if !solution_meets_target(&challenge, &header.solution, target) {
        return Err(Rule::PowHash);
    }
    let solved = match pow {
        Pow::EquiX => verify_solution(&challenge, &header.solution),
        Pow::Blake3 => header.solution == NO_SOLUTION,
    };
    if solved {
        Ok(())
    } else {
        Err(Rule::PowSolution)
    }
}

/// How a [`Solver`] runs the puzzle's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SolverRuntime {
    /// As machine code: 205-267 solutions/s per thread.
    Compiled,
    /// Step by step, where the machine or its policy allows no code generation: 17-19 solutions/s.
    Interpreted,
}

/// Finds solutions. One per thread: it holds 1.8 MiB of working memory, which every attempt
/// reuses.
pub struct Solver {
    memory: SolverMemory,
    builder: EquiXBuilder,
}

impl Solver {
    /// A solver that compiles where the machine allows it.
    #[must_use]
    pub fn new() -> Self {
        let mut builder = EquiXBuilder::new();
        builder.runtime(RuntimeOption::TryCompile);
        Self {
            memory: SolverMemory::new(),
            builder,
        }
    }

    /// The solutions of the puzzle of `challenge`: at most eight, two on average, often none.
    pub fn solve(
        &mut self,
        challenge: &[u8; 32],
    ) -> impl Iterator<Item = [u8; SOLUTION_BYTES]> + use<> {
        let solutions = match self.builder.build(challenge) {
            Ok(puzzle) => puzzle.solve_with_memory(&mut self.memory),
            Err(_) => SolutionArray::new(),
        };
        solutions.into_iter().map(|solution| solution.to_bytes())
    }

    /// Tries the nonce that `header` carries: a solution whose hash meets `target`.
    pub fn attempt(
        &mut self,
        header: &Header,
        target: Target,
        pow: Pow,
    ) -> Option<[u8; SOLUTION_BYTES]> {
        let challenge = header.challenge();
        let meets = |solution: &_| solution_meets_target(&challenge, solution, target);
        match pow {
            Pow::EquiX => self.solve(&challenge).find(meets),
            Pow::Blake3 => Some(NO_SOLUTION).filter(meets),
        }
    }

    /// How this machine runs puzzles: a miner that cannot compile should tell its operator.
    #[must_use]
    pub fn runtime(&self) -> SolverRuntime {
        // Whether compiling works depends on the machine, not on the challenge; of three, at
        // least one has a program.
        let compiled = [[0u8; 32], [1; 32], [2; 32]].iter().any(|challenge| {
            let puzzle = self.builder.build(challenge);
            puzzle.is_ok_and(|puzzle| puzzle.runtime() == Runtime::Compiled)
        });
        if compiled {
            SolverRuntime::Compiled
        } else {
            SolverRuntime::Interpreted
        }
    }
}

impl Default for Solver {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
