//! Envelopes: whether the next block may include them, and what they pay.
//!
//! # Invariants
//! An envelope that breaks a rule has changed nothing.
//!
//! # Spec
//! docs/spec/04-envelopes.md §7
//!
//! # Not here
//! Envelopes by themselves: [`crate::envelope`].

use chain::envelope::{Auth, ClearPayment, SizeClass};
use chain::units::RateEpoch;
use chain::{AccountId, Envelope, PublicKey};

use super::{Ledger, bytes_u64, check_nonce, damaged, next_nonce, sum};
use crate::envelope::{Admission, CheckedEnvelope, check_window};
use crate::error::{ApplyError, Rule};
use crate::reward;
use crate::stamp::{self, DatedStamp};
use crate::state::value::Account;
use crate::state::{StateKey, StateView};

/// Bytes of the length that stands before an envelope in a body.
const LENGTH_BYTES: u64 = 8;

impl<V: StateView> Ledger<'_, V> {
    /// Includes an envelope.
    pub(in crate::transition) fn include_envelope(
        &mut self,
        envelope: &CheckedEnvelope,
    ) -> Result<(), ApplyError> {
        let (epoch, key) = (envelope.rate_epoch(), *envelope.one_time_key());
        self.judge_place(epoch, &key)?;
        match envelope.admission() {
            Admission::Free => {}
            Admission::Stamp(dated) => {
                let bytes = bytes_u64(envelope.bytes().as_slice().len());
                let bytes = bytes.saturating_add(LENGTH_BYTES);
                self.stamped_bytes = self.lane_with(dated, bytes)?;
            }
            Admission::Clear(payment) => {
                let account = self.judge_payment(payment, epoch, envelope.class())?;
                let payer = AccountId::from(&payment.payer);
                self.burned = sum(self.burned, payment.burn)?;
                self.overlay.set(StateKey::Account(payer), &account);
                let payments = self.payments.entry(payer).or_default();
                *payments = payments.saturating_add(1);
            }
        }
        self.overlay.mark_seen(key, epoch);
        Ok(())
    }

    /// Rate epoch and one-time key.
    fn judge_place(&self, epoch: RateEpoch, key: &PublicKey) -> Result<(), ApplyError> {
        check_window(epoch, self.height, self.params)?;
        match self.overlay.seen(key)? {
            Some(epoch) => Err(Rule::OneTimeKeySeen { epoch }.into()),
            None => Ok(()),
        }
    }

    /// The payer's account after the payment.
    fn judge_payment(
        &self,
        payment: &ClearPayment,
        epoch: RateEpoch,
        class: SizeClass,
    ) -> Result<Account, ApplyError> {
        // > "exact amount burn_units(cls) * kib_E"
        let kib = self
            .price(epoch)
            .ok_or_else(|| damaged("an includable epoch has no price"))?;
        let price = reward::fee(reward::burn_units(class), kib);
        let expected = price.ok_or_else(|| damaged("an envelope costs more than the cap"))?;
        if payment.burn != expected {
            return Err(Rule::ClearPrice {
                expected,
                found: payment.burn,
            }
            .into());
        }
        let Account { balance, nonce } = self.account(&AccountId::from(&payment.payer))?;
        check_nonce(nonce, payment.nonce)?;
        let rest = balance
            .checked_sub(payment.burn)
            .ok_or(Rule::BalanceTooLow { balance })?;
        Ok(Account {
            balance: rest,
            nonce: next_nonce(nonce)?,
        })
    }

    /// Bytes of stamped items with one more: its block must be ours, old enough, and the lane wide
    /// enough.
    pub(super) fn lane_with(&self, dated: &DatedStamp, bytes: u64) -> Result<u64, Rule> {
        let height = dated.reference();
        let reference = u32::try_from(height.get()).unwrap_or(u32::MAX);
        stamp::check_age(reference, self.height)?;
        if self.references.get(&height) != Some(dated.block()) {
            return Err(Rule::StampReference { height });
        }
        let (limit, found) = (
            self.stamped_limit(),
            self.stamped_bytes.saturating_add(bytes),
        );
        if found <= limit {
            Ok(found)
        } else {
            Err(Rule::StampLane { limit, found })
        }
    }

    /// The contextual rules of an envelope, before its signature is worth verifying.
    pub(in crate::transition) fn screen_envelope(
        &self,
        envelope: &Envelope,
    ) -> Result<(), ApplyError> {
        self.judge_place(envelope.rate_epoch, &envelope.one_time_key)?;
        match &envelope.auth {
            Auth::Stamp(stamp) => Ok(stamp::check_age(stamp.reference, self.height)?),
            Auth::Clear(payment) => self
                .judge_payment(payment, envelope.rate_epoch, envelope.class)
                .map(|_| ()),
            Auth::None | Auth::RateLimit(_) | Auth::Credit(_) => Ok(()),
        }
    }
}
