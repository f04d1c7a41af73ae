//! Templates, solutions, and blocks made at once on private networks.
//!
//! # Spec
//! docs/spec/15-mining.md §1
//!
//! # Not here
//! The search: `miner`.

use chain::{AccountId, Block, Header};
use consensus::difficulty::Target;
use consensus::pow::Solver;
use rpc::types::{Generate, Generated, Hex, SubmitSolution, SubmittedBlock, Template};
use rpc::{ErrorCode, RpcFailure};

use super::{Api, ledger, unavailable};
use crate::protocol::TemplateError;
use crate::service::Mailbox;

/// Why there are no templates while the node stands still for its operator.
pub(super) const ALARM: &str = "alarm";
/// A template is worth searching this long: then transactions and time have moved on.
const TEMPLATE_LIFE_MS: u64 = 30_000;
/// Most blocks that one call of `dev_generate` makes.
const GENERATE_MAX: u32 = 20_000;
/// Nonces tried per generated block: on private networks a handful is enough.
const NONCES_MAX: u64 = 10_000_000;

/// Work for `payout`.
pub(super) async fn template(mailbox: &Mailbox, payout: AccountId) -> Result<Template, RpcFailure> {
    mailbox
        .run(move |desk| {
            let now = desk.now();
            let block = desk.template(payout)?;
            let header = block.header;
            let job = desk.keep_job(block);
            Ok((job, header, now))
        })
        .await
        .map_err(unavailable)?
        .map(
            |(job, header, now): (u64, Header, chain::Timestamp)| Template {
                job: job.to_string(),
                header: Hex(encoded(&header)),
                target: Hex(target(&header).to_be_bytes()),
                height: header.height.get(),
                expires_ms: now.get().saturating_add(TEMPLATE_LIFE_MS),
            },
        )
        .map_err(no_template)
}

/// There is no work for now.
fn no_template(error: TemplateError) -> RpcFailure {
    match error {
        TemplateError::Ledger(error) => ledger(error),
        other => RpcFailure::new(ErrorCode::Busy, ALARM, other.to_string()),
    }
}

impl Api {
    pub(super) async fn submit_solution(
        &self,
        solved: SubmitSolution,
    ) -> Result<SubmittedBlock, RpcFailure> {
        let stale = || RpcFailure::rejected("stale_job", "the template is gone; ask for a new one");
        let job: u64 = solved.job.parse().map_err(|_| stale())?;
        let known = self
            .mailbox
            .run(move |desk| desk.job(job).cloned())
            .await
            .map_err(unavailable)?;
        let mut block: Block = known.ok_or_else(stale)?;
        block.header.nonce = solved.nonce;
        block.header.extra = solved.extra;
        block.header.solution = solved.solution.0;
        self.submit_block(block).await
    }

    pub(super) async fn generate(&self, asked: Generate) -> Result<Generated, RpcFailure> {
        let payout = asked.address.account_on(self.network())?;
        if asked.count > GENERATE_MAX {
            return Err(RpcFailure::bad_parameter(
                "too_many_blocks",
                format!("at most {GENERATE_MAX} blocks in one call"),
            ));
        }
        let mut ids = Vec::new();
        let mut solver = Solver::new();
        for _ in 0..asked.count {
            let block = self
                .mailbox
                .run(move |desk| desk.template(payout))
                .await
                .map_err(unavailable)?
                .map_err(no_template)?;
            let pow = self.params.pow;
            let solving = tokio::task::spawn_blocking(move || solve(block, solver, pow));
            let (solved, back) = solving
                .await
                .map_err(|_| RpcFailure::internal("the search was interrupted"))?;
            solver = back;
            let block = solved.ok_or_else(|| {
                RpcFailure::new(
                    ErrorCode::Busy,
                    "no_solution",
                    "no solution was found; try again",
                )
            })?;
            ids.push(self.submit_block(block).await?.id);
        }
        Ok(Generated { ids })
    }
}

fn solve(mut block: Block, mut solver: Solver, pow: genesis::Pow) -> (Option<Block>, Solver) {
    let target = target(&block.header);
    for nonce in 0..NONCES_MAX {
        block.header.nonce = nonce;
        if let Some(solution) = solver.attempt(&block.header, target, pow) {
            block.header.solution = solution;
            return (Some(block), solver);
        }
    }
    (None, solver)
}

fn target(header: &Header) -> Target {
    Target::from_compact(header.target).expect("a template's target is computed, not claimed")
}

fn encoded(header: &Header) -> [u8; Header::BYTES] {
    let bytes = chain::codec::encode(header);
    <[u8; Header::BYTES]>::try_from(bytes.as_slice()).expect("a header has a fixed size")
}
