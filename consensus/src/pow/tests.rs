//! The puzzle against vectors of our own, so that a change of the library shows before it splits
//! the chain.

use chain::units::CompactTarget;

use super::*;

fn target(raw: u32) -> Target {
    Target::from_compact(CompactTarget::new(raw)).expect("a canonical target")
}

/// `N` bytes from their hexadecimal digits.
fn bytes<const N: usize>(digits: &str) -> [u8; N] {
    assert_eq!(digits.len(), 2 * N, "{digits}");
    std::array::from_fn(|index| {
        u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).expect("hexadecimal digits")
    })
}

/// A challenge and its solutions, or nothing if it has no program.
type Vector = ([u8; 32], Option<Vec<[u8; SOLUTION_BYTES]>>);

/// The rows of `equix.txt`.
fn vectors() -> Vec<Vector> {
    let rows = include_str!("equix.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let (challenge, solutions) = line.split_once(" -> ").expect("a row has a result");
        let solutions = match solutions {
            "no program" => None,
            "no solution" => Some(Vec::new()),
            found => Some(found.split(' ').map(bytes).collect()),
        };
        (bytes(challenge), solutions)
    })
    .collect()
}

/// Solutions of `challenge` by the given runtime alone, as the library orders them.
fn solutions_by(runtime: RuntimeOption, challenge: &[u8; 32]) -> Option<Vec<[u8; SOLUTION_BYTES]>> {
    let puzzle = EquiXBuilder::new().runtime(runtime).build(challenge).ok()?;
    Some(
        puzzle
            .solve()
            .into_iter()
            .map(|solution| solution.to_bytes())
            .collect(),
    )
}

#[test]
fn the_puzzles_solutions_are_the_committed_ones() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 52);
    assert_eq!(
        vectors
            .iter()
            .filter(|(_, solutions)| solutions.is_none())
            .count(),
        4
    );
    let mut solver = Solver::new();
    for (challenge, expected) in vectors {
        let found: Vec<_> = solver.solve(&challenge).collect();
        assert_eq!(found, expected.clone().unwrap_or_default());
        assert!(
            found
                .iter()
                .all(|solution| verify_solution(&challenge, solution))
        );
        // Step by step the puzzle has the same solutions, or as little a program.
        assert_eq!(
            solutions_by(RuntimeOption::InterpretOnly, &challenge),
            expected
        );
    }
}

#[test]
fn compiled_and_interpreted_programs_agree_where_the_machine_compiles() {
    if Solver::new().runtime() == SolverRuntime::Interpreted {
        // Then every other test here has run interpreted.
        return;
    }
    for (challenge, expected) in vectors() {
        assert_eq!(
            solutions_by(RuntimeOption::CompileOnly, &challenge),
            expected
        );
        let compiled = EquiXBuilder::new()
            .runtime(RuntimeOption::CompileOnly)
            .build(&challenge);
        for bytes in expected.iter().flatten() {
            let solution = Solution::try_from_bytes(bytes).expect("a well-ordered solution");
            assert!(
                compiled
                    .as_ref()
                    .is_ok_and(|puzzle| puzzle.verify(&solution).is_ok())
            );
        }
    }
}

#[test]
fn a_challenge_without_a_program_has_no_solution() {
    let vectors = vectors();
    let solution = vectors
        .iter()
        .find_map(|(_, solutions)| solutions.clone()?.pop());
    let solution = solution.expect("some challenge has a solution");
    for (challenge, _) in vectors.iter().filter(|(_, solutions)| solutions.is_none()) {
        assert_eq!(Solver::new().solve(challenge).count(), 0);
        assert!(!verify_solution(challenge, &solution));
        assert!(!verify_solution(challenge, &[0; SOLUTION_BYTES]));
    }
}

#[test]
fn a_solution_belongs_to_its_challenge_and_cannot_be_varied() {
    let (challenge, solutions) = vectors().swap_remove(0);
    let solution = solutions.and_then(|solutions| solutions.first().copied());
    let solution = solution.expect("the first challenge has a solution");
    assert!(verify_solution(&challenge, &solution));
    for bit in 0..8 * SOLUTION_BYTES {
        let mut changed = solution;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!verify_solution(&challenge, &changed), "bit {bit}");
    }
    for byte in 0..32 {
        let mut changed = challenge;
        changed[byte] ^= 1;
        assert!(!verify_solution(&changed, &solution), "byte {byte}");
    }
    // The same eight indexes in another order: both halves swapped, both pairs of a half, a pair.
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = solution;
    for swapped in [
        [i, j, k, l, m, n, o, p, a, b, c, d, e, f, g, h],
        [e, f, g, h, a, b, c, d, i, j, k, l, m, n, o, p],
        [c, d, a, b, e, f, g, h, i, j, k, l, m, n, o, p],
    ] {
        assert!(!verify_solution(&challenge, &swapped));
    }
}

#[test]
fn the_hash_is_taken_over_challenge_and_solution() {
    let (challenge, solution) = ([3; 32], [4; SOLUTION_BYTES]);
    let mut both = challenge.to_vec();
    both.extend_from_slice(&solution);
    let hash = blake3::derive_key("x3c/powhash", &both);
    for raw in [
        0x207f_ffff,
        0x2040_0000,
        0x2020_0000,
        0x2010_0000,
        0x2004_0000,
    ] {
        let target = target(raw);
        let meets = solution_meets_target(&challenge, &solution, target);
        assert_eq!(meets, target.is_met_by(&hash));
    }
    let header = Header {
        solution,
        ..Header::default()
    };
    assert_eq!(
        header.pow_hash(),
        derive(&context::POW_HASH, &[&header.challenge(), &header.solution])
    );
}

#[test]
fn an_attempt_finds_what_the_check_accepts() {
    let target = target(0x207f_ffff);
    let mut solver = Solver::new();
    for pow in [Pow::EquiX, Pow::Blake3] {
        let mut found = 0;
        for nonce in 0..20 {
            let header = Header {
                nonce,
                ..Header::default()
            };
            let Some(solution) = solver.attempt(&header, target, pow) else {
                continue;
            };
            let header = Header { solution, ..header };
            assert_eq!(check_pow(&header, target, pow), Ok(()));
            assert_eq!(solution == NO_SOLUTION, pow == Pow::Blake3);
            found += 1;
        }
        assert!(found > 0);
    }
}

#[test]
fn bad_pow_flood_never_reaches_the_puzzle() {
    // Neither the hash nor the puzzle is met: the verdict names the hash, which comes first.
    let target = target(0x1501_0000);
    for nonce in 0..2_000 {
        let header = Header {
            nonce,
            solution: [1; SOLUTION_BYTES],
            ..Header::default()
        };
        for pow in [Pow::EquiX, Pow::Blake3] {
            assert_eq!(check_pow(&header, target, pow), Err(Rule::PowHash));
        }
    }
}
