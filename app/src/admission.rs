//! The right to a place in a block: stamps of work, and payments.
//!
//! # Invariants
//! * A stamp refers to the youngest block that the next block accepts.
//! * A payment's order is in the vault together with the envelope that it pays for.
//!
//! # Spec
//! docs/spec/16-session.md §5, docs/spec/04-envelopes.md §5-6
//!
//! # Not here
//! The puzzle and its rules: `consensus::stamp`. Nonces and coins: `wallet`.

use std::collections::BTreeMap;

use chain::envelope::{Auth, SizeClass};
use chain::record::Stamp;
use chain::{CoreHash, Height};
use consensus::pow::Solver;
use consensus::stamp::{self, StampSearch};
use genesis::law;
use messenger::RateEpochs;
use messenger::compose::Unauthorised;
use rand_core::CryptoRng;
use rpc::NodeApi;
use wallet::order::{OrderId, OrderState, SignedOrder};
use wallet::plan::envelope_burn;

use crate::error::SessionError;
use crate::follow::id_at;
use crate::session::Session;

/// The largest class that a stamp admits (docs/spec/04-envelopes.md §5).
pub(crate) const STAMPED_CLASS_MAX: u8 = 1;
/// Nonces tried for a stamp, per unit of effort: a search succeeds after half a nonce per unit on
/// average, so this never ends without success but by a broken solver.
const TRIES_PER_EFFORT: u64 = 64;

impl Session {
    /// What gives a sealed envelope its place: a stamp for a small one, the account's coins for a
    /// large one.
    pub(crate) async fn authorise(
        &mut self,
        sealed: &Unauthorised,
        node: &dyn NodeApi,
        rng: &mut impl CryptoRng,
    ) -> Result<Auth, SessionError> {
        let core = sealed.core_hash();
        if sealed.class().get() <= STAMPED_CLASS_MAX {
            let effort = self.params.stamp_effort_min;
            let stamp = self.stamp(*core.as_bytes(), effort, node, rng).await?;
            return Ok(Auth::Stamp(stamp));
        }
        let burn = self.burn_of(sealed.class(), node).await?;
        let payer = self.account();
        let (payment, changes) =
            self.ledger
                .build_payment(payer, &core, burn, &self.identity, rng)?;
        self.note_wallet(changes);
        Ok(Auth::Clear(payment))
    }

    /// What an envelope of `class` burns in the next block; nothing where a stamp suffices.
    ///
    /// # Errors
    /// [`SessionError::Node`].
    pub async fn burn_of(
        &self,
        class: SizeClass,
        node: &dyn NodeApi,
    ) -> Result<chain::Amount, SessionError> {
        if class.get() <= STAMPED_CLASS_MAX {
            return Ok(chain::Amount::ZERO);
        }
        let tip = self.tip_height();
        let next = tip.next().unwrap_or(tip);
        let price = self.price(node, next, &mut BTreeMap::new()).await?;
        Ok(envelope_burn(class, price)?)
    }

    /// Searches a stamp on another thread.
    pub(crate) async fn stamp(
        &self,
        commitment: [u8; 32],
        effort: u32,
        node: &dyn NodeApi,
        rng: &mut impl CryptoRng,
    ) -> Result<Stamp, SessionError> {
        let reference = stamp::reference_at(self.tip_height());
        let what = "no block where a stamp must refer to one";
        let block = match self.ledger.followed(reference) {
            Some(block) => block,
            None => id_at(node, reference)
                .await?
                .ok_or(SessionError::BadAnswer { what })?,
        };
        let mut first_nonce = [0; 16];
        rng.fill_bytes(&mut first_nonce);
        let mut search = StampSearch::new(commitment, reference, block, effort, first_nonce)
            .ok_or(SessionError::BadAnswer { what })?;
        let found = tokio::task::spawn_blocking(move || {
            let mut solver = Solver::new();
            let tries = u64::from(effort).saturating_mul(TRIES_PER_EFFORT);
            (0..tries).find_map(|_| search.step(&mut solver))
        });
        found.await.ok().flatten().ok_or(SessionError::NoStamp)
    }

    /// Effort of the stamp of an account's first record.
    pub(crate) fn record_effort(&self) -> u32 {
        self.params
            .stamp_effort_min
            .saturating_mul(law::RECORD_STAMP_FACTOR)
    }

    /// Gives up payments whose envelope no later block can take: their nonces are free again.
    pub(crate) fn give_up_late_payments(&mut self, rates: RateEpochs) -> Result<(), SessionError> {
        let tip = self.tip_height();
        let is_late = |made_at: Height| rates.is_over(rates.for_next_block(made_at), tip);
        let late: Vec<CoreHash> = self
            .ledger
            .orders()
            .into_iter()
            .filter_map(|(id, order, state)| match (id, &order.signed) {
                (OrderId::Payment(core), SignedOrder::Payment(_))
                    if !matches!(state, OrderState::InBlock { .. }) && is_late(order.made_at) =>
                {
                    Some(core)
                }
                _ => None,
            })
            .collect();
        for core in late {
            let changes = self.ledger.discard_order(&OrderId::Payment(core))?;
            self.note_wallet(changes);
        }
        Ok(())
    }
}

/// Whether some block after `tip` may still include what bears this stamp.
pub(crate) fn is_stamp_alive(stamp: &Stamp, tip: Height) -> bool {
    let next = tip.get().saturating_add(1);
    next.saturating_sub(u64::from(stamp.reference)) <= law::STAMP_AGE_MAX
}

#[cfg(test)]
mod tests;
