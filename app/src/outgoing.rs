//! The outbox: sealing, authorising, sending, and sending again.
//!
//! # Invariants
//! * Finished bytes are in the vault before the node sees them; the same bytes are sent again until
//!   a block holds them or no block can take them any more.
//! * A message that the node does not take waits; it is neither lost nor in the way of others.
//!
//! # Spec
//! docs/spec/16-session.md §4, docs/spec/09-messages.md §9
//!
//! # Not here
//! Numbers, keys and states: `messenger`. Stamps and payments: `admission`.

use chain::envelope::Auth;
use chain::{EnvelopeBytes, Timestamp};
use messenger::MessageRef;
use messenger::view::Step;
use rand_core::CryptoRng;
use rpc::types::{Acknowledgement, RawHex, Submit};
use rpc::{ErrorCode, NodeApi, RpcFailure};
use wallet::order::{OrderId, OrderState};

use crate::admission::is_stamp_alive;
use crate::error::SessionError;
use crate::session::{Session, rate_epochs};

/// Rounds over the outbox: the start of a chain lets its messages go, and each of them some more.
const ROUNDS_MAX: usize = 64;
/// Characters kept of a node's reason.
const REFUSAL_CHARS_MAX: usize = 300;

impl Session {
    /// Takes every message of the outbox as far as it comes today.
    ///
    /// # Errors
    /// [`SessionError::Node`] if the node is gone, [`SessionError::Store`]. What the node refuses
    /// stays in the outbox.
    pub(crate) async fn push_outbox(
        &mut self,
        node: &dyn NodeApi,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<(), SessionError> {
        self.give_up_late_payments(rate_epochs(&self.params))?;
        for _ in 0..ROUNDS_MAX {
            let mut has_moved = false;
            for item in self.messenger.outbox() {
                let bytes = match item.step {
                    Step::Wait(_) => continue,
                    Step::Send(bytes) if self.is_alive(&bytes) => bytes,
                    Step::Send(_) | Step::Seal => {
                        match self.finish(&item.reference, node, rng).await {
                            Ok(bytes) => bytes,
                            Err(error) if is_gone(&error) => return Err(error),
                            Err(error) => {
                                // Too few coins, or its turn has passed: it waits for better days.
                                self.refused.insert(item.reference, error.to_string());
                                continue;
                            }
                        }
                    }
                };
                has_moved |= self
                    .submit_envelope(&item.reference, &bytes, node, now)
                    .await?;
            }
            if !has_moved {
                break;
            }
        }
        self.save(rng)
    }

    /// Remembers why a message waits, in few words: they are the node's.
    pub(crate) fn note_refusal(&mut self, reference: MessageRef, failure: &RpcFailure) {
        let words = failure.detail.chars().take(REFUSAL_CHARS_MAX).collect();
        self.refused.insert(reference, words);
    }

    /// Why a message waits, in the words of the node or the wallet; nothing if it only waits for its
    /// turn.
    #[must_use]
    pub fn why_waiting(&self, reference: &MessageRef) -> Option<&str> {
        self.refused.get(reference).map(String::as_str)
    }

    /// Whether a block can still take these bytes; their rate epoch is the messenger's to judge.
    fn is_alive(&self, bytes: &EnvelopeBytes) -> bool {
        let parsed = bytes.parse();
        match parsed.map(|envelope| (envelope.core_hash(), envelope.auth)) {
            Ok((_, Auth::Stamp(stamp))) => is_stamp_alive(&stamp, self.tip_height()),
            // Another order of the account took the payment's nonce: it needs another payment.
            Ok((core, Auth::Clear(_))) => {
                let order = self.ledger.order(&OrderId::Payment(core));
                order.is_some_and(|(_, state)| state != OrderState::Superseded)
            }
            Ok(_) => true,
            Err(_) => false,
        }
    }

    /// Seals, authorises and signs a message, and writes it all down.
    async fn finish(
        &mut self,
        reference: &MessageRef,
        node: &dyn NodeApi,
        rng: &mut impl CryptoRng,
    ) -> Result<EnvelopeBytes, SessionError> {
        let sealed = self.messenger.seal(reference)?;
        let auth = self.authorise(&sealed, node, rng).await?;
        let mut aux_randomness = [0; 32];
        rng.fill_bytes(&mut aux_randomness);
        let (bytes, changes) = self.messenger.finish(sealed, auth, &aux_randomness)?;
        self.note_messages(Vec::new(), changes);
        self.save(rng)?;
        Ok(bytes)
    }

    /// Hands an envelope to the node; whether the node has it only now.
    async fn submit_envelope(
        &mut self,
        reference: &MessageRef,
        bytes: &EnvelopeBytes,
        node: &dyn NodeApi,
        now: Timestamp,
    ) -> Result<bool, SessionError> {
        let Ok(envelope) = bytes.parse() else {
            return Ok(false);
        };
        if self.reading.pending.get(&envelope.mid()) == Some(&envelope.wid()) {
            return Ok(false);
        }
        let submit = Submit {
            raw: RawHex::new(bytes.as_slice()),
            ack: Some(Acknowledgement::Durable),
        };
        match node.envelope_submit(submit).await {
            Ok(_) => {
                self.refused.remove(reference);
                self.take_pending(&envelope, now);
                Ok(true)
            }
            Err(failure) if failure.is_unreachable() => Err(failure.into()),
            // The block that holds it is read with the next step.
            Err(failure) if failure.code == ErrorCode::AlreadyInChain => Ok(false),
            Err(failure) => {
                // Refused today, perhaps not tomorrow; its state says that it still waits.
                self.note_refusal(*reference, &failure);
                Ok(false)
            }
        }
    }
}

/// Whether there is no point in going on: no disk, or no node.
fn is_gone(error: &SessionError) -> bool {
    match error {
        SessionError::Store(_) => true,
        SessionError::Node(failure) => failure.is_unreachable(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
