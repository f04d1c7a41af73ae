//! The search itself: threads that try nonces on the newest job.
//!
//! # Invariants
//! * One solver memory per thread, reused for every attempt; no allocation of ours per attempt.
//! * A new job is picked up between two nonces: within one solve (about 5 ms compiled).
//! * Threads never search the same header twice: each has its own `extra`.
//! * Dropping the [`Search`] ends its threads.
//!
//! # Spec
//! docs/spec/15-mining.md §2
//!
//! # Not here
//! Where jobs come from and solutions go to: [`crate::solo`]. The puzzle: `consensus::pow`.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use chain::hash::{context, derive};
use chain::{Header, codec};
use consensus::difficulty::Target;
use consensus::pow::{Solver, solution_meets_target};
use genesis::Pow;

/// What to search on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Names the job to whoever gave it.
    pub id: u64,
    /// Header whose nonce, extra and solution are searched.
    pub header: Header,
    /// The proof-of-work hash must not exceed it.
    pub target: Target,
}

/// A header that meets its job's target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The job.
    pub job: u64,
    /// The solved header.
    pub header: Header,
}

struct Shared {
    job: Mutex<Option<Job>>,
    changed: Condvar,
    // Grows with every new job; threads compare it between nonces.
    epoch: AtomicU64,
    attempts: AtomicU64,
    stopping: AtomicBool,
}

/// Running search threads.
pub struct Search {
    shared: Arc<Shared>,
    // Dropped after `shared.stopping` is set: rayon then waits for nobody, its threads end.
    _pool: rayon::ThreadPool,
}

/// The threads could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the mining threads did not start: {0}")]
pub struct StartError(#[from] rayon::ThreadPoolBuildError);

impl Search {
    /// Starts `threads` threads that wait for a job. Solutions go to `found`; while it is full they
    /// wait.
    ///
    /// # Errors
    /// [`StartError`]: the system refused the threads.
    pub fn start(
        threads: NonZeroUsize,
        pow: Pow,
        found: SyncSender<Found>,
    ) -> Result<Self, StartError> {
        let shared = Arc::new(Shared {
            job: Mutex::new(None),
            changed: Condvar::new(),
            epoch: AtomicU64::new(0),
            attempts: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        });
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .thread_name(|index| format!("miner-{index}"))
            .build()?;
        for worker in 0..threads.get() {
            let (shared, found) = (Arc::clone(&shared), found.clone());
            pool.spawn(move || work(&shared, worker as u64, pow, &found));
        }
        Ok(Self {
            shared,
            _pool: pool,
        })
    }

    /// Replaces the job; `None` pauses.
    pub fn set_job(&self, job: Option<Job>) {
        *lock(&self.shared.job) = job;
        self.shared.epoch.fetch_add(1, Ordering::Release);
        self.shared.changed.notify_all();
    }

    /// Solutions of the puzzle compared with a target so far.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.shared.attempts.load(Ordering::Relaxed)
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.set_job(None);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A job is a plain value: a panic elsewhere cannot leave it half-written.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(shared: &Shared, worker: u64, pow: Pow, found: &SyncSender<Found>) {
    let mut solver = Solver::new();
    while let Some((job, epoch)) = next_job(shared) {
        let header = search(shared, &mut solver, &job, epoch, worker, pow);
        let Some(header) = header else { continue };
        if found
            .send(Found {
                job: job.id,
                header,
            })
            .is_err()
        {
            return;
        }
        wait_for_change(shared, epoch);
    }
}

fn next_job(shared: &Shared) -> Option<(Job, u64)> {
    let mut job = lock(&shared.job);
    loop {
        if shared.stopping.load(Ordering::Acquire) {
            return None;
        }
        if let Some(job) = *job {
            return Some((job, shared.epoch.load(Ordering::Acquire)));
        }
        job = shared
            .changed
            .wait(job)
            .unwrap_or_else(PoisonError::into_inner);
    }
}

/// After a solution: whoever gave the job will give the next.
fn wait_for_change(shared: &Shared, epoch: u64) {
    let mut job = lock(&shared.job);
    while shared.epoch.load(Ordering::Acquire) == epoch {
        job = shared
            .changed
            .wait(job)
            .unwrap_or_else(PoisonError::into_inner);
    }
}

/// Tries nonces until one is solved or the job is stale.
fn search(
    shared: &Shared,
    solver: &mut Solver,
    job: &Job,
    epoch: u64,
    worker: u64,
    pow: Pow,
) -> Option<Header> {
    let mut header = Header {
        extra: job.header.extra.wrapping_add(worker),
        ..job.header
    };
    let mut before_solution = codec::encode(&header);
    before_solution.truncate(Header::NONCE_OFFSET + 16);
    for nonce in 0..u64::MAX {
        if shared.epoch.load(Ordering::Acquire) != epoch {
            return None;
        }
        let field = Header::NONCE_OFFSET..Header::NONCE_OFFSET + 8;
        before_solution[field].copy_from_slice(&nonce.to_le_bytes());
        let challenge = derive(&context::POW_CHALLENGE, &[&before_solution]);
        let mut tried = 0;
        let solution = match pow {
            Pow::EquiX => solver.solve(&challenge).find(|solution| {
                tried += 1;
                solution_meets_target(&challenge, solution, job.target)
            }),
            Pow::Blake3 => {
                tried += 1;
                Some([0; Header::SOLUTION_BYTES])
                    .filter(|none| solution_meets_target(&challenge, none, job.target))
            }
        };
        shared.attempts.fetch_add(tried, Ordering::Relaxed);
        if let Some(solution) = solution {
            header.nonce = nonce;
            header.solution = solution;
            return Some(header);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain::{Network, Timestamp};
    use consensus::pow::check_pow;
    use genesis::Params;
    use std::sync::mpsc::{Receiver, sync_channel};
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn start(pow: Pow) -> (Search, Receiver<Found>) {
        let (found, solutions) = sync_channel(4);
        let threads = NonZeroUsize::new(2).expect("not zero");
        (
            Search::start(threads, pow, found).expect("threads start"),
            solutions,
        )
    }

    fn job(id: u64, network: Network) -> Job {
        let params = Params::of(network);
        let target = Target::from_compact(params.target_max).expect("a valid target");
        let header = Header {
            time: Timestamp::new(id),
            target: params.target_max,
            extra: 7 << 8,
            ..Header::default()
        };
        Job { id, header, target }
    }

    #[test]
    fn solutions_pass_the_check_of_consensus() {
        for (network, pow) in [(Network::Regtest, Pow::Blake3), (Network::Dev, Pow::EquiX)] {
            let (search, solutions) = start(pow);
            let job = job(1, network);
            search.set_job(Some(job));
            let found = solutions.recv_timeout(PATIENCE).expect("a solution");
            assert_eq!(found.job, 1);
            assert_eq!(check_pow(&found.header, job.target, pow), Ok(()));
            assert_eq!(
                found.header.extra >> 8,
                7,
                "the giver's part of `extra` is kept"
            );
            assert!(search.attempts() > 0);
        }
    }

    #[test]
    fn a_new_job_replaces_an_unsolvable_one() {
        let (search, solutions) = start(Pow::EquiX);
        let hopeless = Target::from_compact(chain::units::CompactTarget::new(0x1601_0000));
        let target = hopeless.expect("a valid target");
        search.set_job(Some(Job {
            target,
            ..job(1, Network::Dev)
        }));
        search.set_job(Some(job(2, Network::Dev)));
        let found = solutions
            .recv_timeout(PATIENCE)
            .expect("a solution of the second job");
        assert_eq!(found.job, 2);
    }

    #[test]
    fn a_paused_search_finds_nothing_and_ends_when_dropped() {
        let (search, solutions) = start(Pow::Blake3);
        search.set_job(None);
        assert!(solutions.recv_timeout(Duration::from_millis(50)).is_err());
        drop(search);
        assert!(
            solutions.recv_timeout(PATIENCE).is_err(),
            "the senders are gone"
        );
    }
}
