//! Solo mining: a node's templates in, solved blocks out.
//!
//! # Invariants
//! * The newest template is searched; a solution of an older one is still offered once.
//! * A lost node is no reason to end: the subscription is opened again after a pause.
//!
//! # Spec
//! docs/spec/15-mining.md §2-3
//!
//! # Not here
//! The threads: [`crate::search`].

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use chain::{Header, codec};
use consensus::difficulty::Target;
use genesis::Pow;
use rpc::types::{AddressText, GetTemplate, Hex, SubmitSolution, Template};
use rpc::{NodeApi, RpcFailure};

use crate::rates::{RateMeter, Rates};
use crate::search::{Found, Job, Search, StartError};

/// Solutions that wait to be sent; one thread finds one in seconds.
const SOLUTIONS_MAX: usize = 16;
/// How often solutions are looked for.
const POLL: Duration = Duration::from_millis(5);
/// Pause before a lost node is asked again.
const RETRY: Duration = Duration::from_secs(2);
/// How often a report is handed out.
const REPORT: Duration = Duration::from_secs(10);

/// How mining goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MiningReport {
    /// Solutions tried per second.
    pub rates: Rates,
    /// Blocks that the node took.
    pub accepted: u64,
    /// Solutions that came too late.
    pub stale: u64,
    /// Solutions that the node refused otherwise.
    pub rejected: u64,
}

/// Why mining ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SoloError {
    /// The threads did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The node refused to give work, and will go on refusing.
    #[error(transparent)]
    Node(#[from] RpcFailure),
}

/// Mines for `address` until the future is dropped or the node refuses work for good.
///
/// # Errors
/// [`SoloError`].
pub async fn mine(
    node: Arc<dyn NodeApi>,
    address: AddressText,
    threads: NonZeroUsize,
    pow: Pow,
    mut report: impl FnMut(&MiningReport) + Send,
) -> Result<(), SoloError> {
    let (found, solutions) = sync_channel(SOLUTIONS_MAX);
    let search = Search::start(threads, pow, found)?;
    let mut tally = Tally::new();
    loop {
        let asked = node
            .mining_subscribe_template(GetTemplate {
                address: address.clone(),
            })
            .await;
        let mut templates = match asked {
            Ok(templates) => templates,
            Err(failure) if failure.is_unreachable() => {
                search.set_job(None);
                tokio::time::sleep(RETRY).await;
                continue;
            }
            Err(failure) => return Err(failure.into()),
        };
        loop {
            tokio::select! {
                template = templates.next() => match template {
                    Ok(template) => {
                        search.set_job(job(&template));
                    }
                    Err(failure) => {
                        tracing::info!(reason = %failure.reason, "no templates; asking again");
                        search.set_job(None);
                        break;
                    }
                },
                () = tokio::time::sleep(POLL) => {}
            }
            for found in solutions.try_iter().collect::<Vec<_>>() {
                tally.send(&found, &node).await;
            }
            tally.count(&search, &mut report);
        }
        tokio::time::sleep(RETRY).await;
    }
}

struct Tally {
    report: MiningReport,
    meter: RateMeter,
    started: Instant,
    counted: u64,
    reported: Instant,
}

impl Tally {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            report: MiningReport::default(),
            meter: RateMeter::default(),
            started: now,
            counted: 0,
            reported: now,
        }
    }

    fn count(&mut self, search: &Search, report: &mut impl FnMut(&MiningReport)) {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let attempts = search.attempts();
        self.meter
            .add(attempts.saturating_sub(self.counted), now_ms);
        self.counted = attempts;
        if self.reported.elapsed() >= REPORT {
            self.reported = Instant::now();
            self.report.rates = self.meter.rates(now_ms);
            report(&self.report);
        }
    }

    async fn send(&mut self, found: &Found, node: &Arc<dyn NodeApi>) {
        let solution = SubmitSolution {
            job: found.job.to_string(),
            nonce: found.header.nonce,
            extra: found.header.extra,
            solution: Hex(found.header.solution),
        };
        match node.mining_submit_solution(solution).await {
            Ok(block) => {
                self.report.accepted += 1;
                tracing::info!(block = %block.id, height = found.header.height.get(), "mined");
            }
            Err(failure) if failure.reason == "stale_job" => self.report.stale += 1,
            Err(failure) => {
                self.report.rejected += 1;
                tracing::warn!(reason = %failure.reason, detail = %failure.detail, "refused");
            }
        }
    }
}

fn job(template: &Template) -> Option<Job> {
    let Hex(bytes) = &template.header;
    let header: Header = codec::decode(bytes, Header::BYTES).ok()?;
    Some(Job {
        id: template.job.parse().ok()?,
        header,
        target: Target::from_compact(header.target)?,
    })
}
