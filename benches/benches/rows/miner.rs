//! Row 9: the search with one and with all threads against the bare compiled puzzle, and how soon a
//! new job is searched.

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use benches::machine::{self, Ticks};
use benches::report::{Finding, Limit};
use benches::rounds::{Series, interleave, median};
use chain::Header;
use chain::units::CompactTarget;
use consensus::difficulty::Target;
use equix::{EquiXBuilder, RuntimeOption, SolverMemory};
use genesis::Pow;
use miner::{Found, Job, Search};

/// How long one measurement of the search lasts.
const SPAN: Duration = Duration::from_secs(3);
/// New jobs given while an old one is searched.
const SWITCHES: usize = 100;

/// Measures the search.
pub(crate) fn measure(rounds: usize) -> Vec<Finding> {
    let threads = machine::cores();
    let [one, all, bare, bare_all] = interleave(
        rounds,
        [
            ("one thread", Box::new(|| search_rate(1))),
            ("all threads", Box::new(|| search_rate(threads))),
            ("bare compiled puzzle", Box::new(|| bare_rate(1))),
            (
                "bare compiled puzzle, all threads",
                Box::new(|| bare_rate(threads)),
            ),
        ],
    );
    let unit = "solutions/s";
    let scaling = format!("search with {threads} threads against one");
    let free_cores = format!("the bare puzzle with {threads} threads against one");
    let nearly_all = Limit::AtLeast(0.98);
    let of_cores = Limit::AtLeast(0.95 * threads as f64);
    let mut findings = vec![
        Finding::ratio(
            "9",
            "search with one thread",
            unit,
            [&one, &bare],
            nearly_all,
        ),
        Finding::ratio(
            "9",
            "search with all threads",
            unit,
            [&all, &bare_all],
            nearly_all,
        ),
        Finding::ratio("9", scaling, unit, [&all, &one], of_cores),
        Finding::ratio("9", free_cores, unit, [&bare_all, &bare], of_cores),
    ];
    findings.extend(switching());
    findings
}

/// A job that is never solved.
fn hopeless(id: u64) -> Job {
    let target = Target::from_compact(CompactTarget::new(0x1601_0000));
    job(id, target.expect("a valid target"))
}

fn job(id: u64, target: Target) -> Job {
    let header = Header {
        time: chain::Timestamp::new(id),
        extra: 7 << 8,
        ..Header::default()
    };
    Job { id, header, target }
}

fn start(threads: usize) -> (Search, Receiver<Found>) {
    let threads = NonZeroUsize::new(threads).expect("a machine has cores");
    let (found, solutions) = sync_channel(4);
    let search = Search::start(threads, Pow::EquiX, found);
    (search.expect("threads start"), solutions)
}

/// Solutions per second between two moments at which the count grew.
fn search_rate(threads: usize) -> f64 {
    let (search, _solutions) = start(threads);
    search.set_job(Some(hopeless(1)));
    let (first, begin) = next_count(&search, 0);
    std::thread::sleep(SPAN);
    let (last, end) = next_count(&search, search.attempts());
    (last - first) as f64 / (end - begin).as_secs_f64()
}

/// Waits for the count to pass `before`.
fn next_count(search: &Search, before: u64) -> (u64, Instant) {
    loop {
        let now = search.attempts();
        if now > before {
            return (now, Instant::now());
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// The same nonces of the same headers, by the library alone.
fn bare_rate(threads: usize) -> f64 {
    let one = |worker: u64| {
        let mut header = hopeless(1).header;
        header.extra += worker;
        let (mut memory, mut builder) = (SolverMemory::new(), EquiXBuilder::new());
        builder.runtime(RuntimeOption::TryCompile);
        let (begin, mut solutions) = (Instant::now(), 0);
        while begin.elapsed() < SPAN {
            let puzzle = builder.build(&header.challenge());
            solutions += puzzle.map_or(0, |puzzle| puzzle.solve_with_memory(&mut memory).len());
            header.nonce += 1;
        }
        solutions as f64 / begin.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads as u64)
            .map(|worker| scope.spawn(move || one(worker)))
            .collect();
        let rates = workers.into_iter().map(|worker| worker.join());
        rates.map(|rate| rate.expect("no panic")).sum()
    })
}

/// From a new job to its first solution, where its first nonce has one, less the time of that
/// nonce: how long the old job was still searched.
fn switching() -> Vec<Finding> {
    let easy = Target::from_compact(CompactTarget::new(0x207f_ffff)).expect("a valid target");
    let easy: Vec<(Job, Duration)> = (2u64..)
        .filter_map(|id| {
            let job = job(id, easy);
            let mut solver = consensus::pow::Solver::new();
            // Compiling and memory are warm in the search, too.
            let _ = solver.attempt(&job.header, job.target, Pow::EquiX);
            let begin = Instant::now();
            let solution = solver.attempt(&job.header, job.target, Pow::EquiX);
            solution.map(|_| (job, begin.elapsed()))
        })
        .take(SWITCHES)
        .collect();
    let (search, solutions) = start(1);
    let mut waits_ms = Vec::new();
    let before = Ticks::now();
    for (turn, (job, own)) in easy.into_iter().enumerate() {
        search.set_job(Some(hopeless(1)));
        // At another place of the old nonce each time.
        std::thread::sleep(Duration::from_micros(20_000 + 137 * turn as u64));
        let begin = Instant::now();
        search.set_job(Some(job));
        let found = solutions
            .recv_timeout(Duration::from_secs(60))
            .expect("an easy job");
        assert_eq!(found.job, job.id);
        waits_ms.push(begin.elapsed().saturating_sub(own).as_secs_f64() * 1_000.0);
    }
    waits_ms.sort_by(f64::total_cmp);
    let worst = waits_ms[waits_ms.len() - 1 - waits_ms.len() / 100];
    let others = before.zip(Ticks::now());
    let one = |figure: f64| Series {
        others: others.map_or(0.0, |(before, now)| now.others_share_since(before)),
        ..Series::of("wait", vec![figure])
    };
    let limit = Limit::AtMost(20.0);
    let middle = one(median(&waits_ms));
    vec![
        Finding::absolute("9", "a new job is searched after, p50", "ms", middle, limit),
        Finding::absolute(
            "9",
            "a new job is searched after, p99",
            "ms",
            one(worst),
            limit,
        ),
    ]
}
