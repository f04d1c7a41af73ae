//! What the puzzle costs: to whoever verifies and to whoever solves.
//!
//! # Invariants
//! Ours and the bare library see the same challenges.
//!
//! # Not here
//! The search with all threads: `rows`.

#![forbid(unsafe_code)]
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use chain::hash::blake3;
use consensus::pow::{Solver, verify_solution};
use criterion::{Criterion, criterion_group, criterion_main};
use equix::{EquiXBuilder, RuntimeOption, Solution, SolverMemory};

/// Challenges and a solution each, in turn.
fn solved(count: u64) -> Vec<([u8; 32], [u8; 16])> {
    let mut solver = Solver::new();
    let challenges = (0u64..).map(|number| blake3(&number.to_le_bytes()));
    challenges
        .filter_map(|challenge| Some((challenge, solver.solve(&challenge).next()?)))
        .take(usize::try_from(count).expect("small"))
        .collect()
}

fn builder(runtime: RuntimeOption) -> EquiXBuilder {
    let mut builder = EquiXBuilder::new();
    builder.runtime(runtime);
    builder
}

fn verify(criterion: &mut Criterion) {
    let solved = solved(64);
    let mut turn = solved.iter().cycle();
    let mut next = || turn.next().expect("a cycle");
    let mut group = criterion.benchmark_group("proof of work, verify");
    group.bench_function("ours", |bench| {
        bench.iter(|| {
            let (challenge, solution) = next();
            assert!(verify_solution(challenge, solution));
        });
    });
    for (name, runtime) in [
        ("bare, interpreted", RuntimeOption::InterpretOnly),
        ("bare, compiled", RuntimeOption::TryCompile),
    ] {
        let builder = builder(runtime);
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let (challenge, solution) = next();
                let solution = Solution::try_from_bytes(solution).expect("in order");
                assert!(builder.verify(challenge, &solution).is_ok());
            });
        });
    }
    group.finish();
}

fn solve(criterion: &mut Criterion) {
    let challenges: Vec<[u8; 32]> = (0u64..64)
        .map(|number| blake3(&number.to_le_bytes()))
        .collect();
    let mut turn = challenges.iter().cycle();
    let mut next = || turn.next().expect("a cycle");
    let mut group = criterion.benchmark_group("proof of work, one nonce");
    group.sample_size(20);
    let mut solver = Solver::new();
    group.bench_function("ours", |bench| {
        bench.iter(|| solver.solve(black_box(next())).count());
    });
    for (name, runtime) in [
        ("bare, compiled", RuntimeOption::TryCompile),
        ("bare, interpreted", RuntimeOption::InterpretOnly),
    ] {
        let (builder, mut memory) = (builder(runtime), SolverMemory::new());
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let puzzle = builder.build(black_box(next()));
                puzzle.map(|puzzle| puzzle.solve_with_memory(&mut memory).len())
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = verify, solve
}
criterion_main!(benches);
