//! Whether an envelope is valid by itself: layout, admission table, work, signatures.
//!
//! # Invariants
//! * A [`CheckedEnvelope`] passed every rule of this file; only this file makes one.
//! * Cheapest first: layout and table, chain, the stamp's hash, the envelope's signature, and only
//!   then what else is costly: the stamp's puzzle or the payer's signature.
//! * The work of a stamp holds for one block of one branch; see [`DatedStamp`].
//!
//! # Spec
//! docs/spec/04-envelopes.md §5-6
//!
//! # Not here
//! Rate epoch, one-time keys in use, price and payer's balance: [`crate::transition`].

use chain::envelope::{Auth, ClearPayment, EnvelopeKind, SizeClass};
use chain::hash::{context, derive};
use chain::units::RateEpoch;
use chain::{
    ChainId, CoreHash, Envelope, EnvelopeBytes, Hash32, Height, MessageId, PublicKey, WireId,
};
use genesis::{FreeEnvelopes, Params};

use crate::error::Rule;
use crate::stamp::{self, Branch, DatedStamp};

/// What gives a checked envelope its place in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Nothing; the network allows it.
    Free,
    /// A stamp, verified against this block.
    Stamp(DatedStamp),
    /// A payment, signed by its payer.
    Clear(ClearPayment),
}

/// An envelope that is valid by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedEnvelope {
    bytes: EnvelopeBytes,
    kind: EnvelopeKind,
    class: SizeClass,
    rate_epoch: RateEpoch,
    one_time_key: PublicKey,
    admission: Admission,
    message_id: MessageId,
    wire_id: WireId,
    verified_id: Hash32,
}

impl CheckedEnvelope {
    /// The exact bytes.
    #[must_use]
    pub fn bytes(&self) -> &EnvelopeBytes {
        &self.bytes
    }

    /// What it is for.
    #[must_use]
    pub fn kind(&self) -> EnvelopeKind {
        self.kind
    }

    /// Padded size.
    #[must_use]
    pub fn class(&self) -> SizeClass {
        self.class
    }

    /// Period in which it may be included.
    #[must_use]
    pub fn rate_epoch(&self) -> RateEpoch {
        self.rate_epoch
    }

    /// Its one-time key.
    #[must_use]
    pub fn one_time_key(&self) -> &PublicKey {
        &self.one_time_key
    }

    /// What admits it.
    #[must_use]
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Names its content.
    #[must_use]
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    /// Names its exact bytes.
    #[must_use]
    pub fn wire_id(&self) -> &WireId {
        &self.wire_id
    }

    /// Names these exact bytes, verified against this stamp's block: key of a
    /// [`crate::block::VerifiedSet`].
    #[must_use]
    pub fn verified_id(&self) -> &Hash32 {
        &self.verified_id
    }

    /// The bytes, no longer marked as checked.
    #[must_use]
    pub fn into_bytes(self) -> EnvelopeBytes {
        self.bytes
    }
}

/// Checks an envelope by itself.
///
/// # Errors
/// The first rule it breaks.
pub fn check_envelope(
    bytes: EnvelopeBytes,
    branch: &impl Branch,
    params: &Params,
) -> Result<CheckedEnvelope, Rule> {
    let chain = params.chain_id();
    Parsed::new(bytes)?
        .shape(branch, params, &chain)?
        .prove(&chain)
}

/// An envelope whose layout was read: enough for the root of a body.
pub(crate) struct Parsed {
    bytes: EnvelopeBytes,
    envelope: Envelope,
    core: CoreHash,
    message_id: MessageId,
    wire_id: WireId,
}

impl Parsed {
    pub(crate) fn new(bytes: EnvelopeBytes) -> Result<Self, Rule> {
        let envelope = bytes.parse()?;
        let (core, message_id, wire_id) = envelope.names();
        Ok(Self {
            bytes,
            envelope,
            core,
            message_id,
            wire_id,
        })
    }

    pub(crate) fn wire_id(&self) -> &WireId {
        &self.wire_id
    }

    /// The cheap checks.
    pub(crate) fn shape(
        self,
        branch: &impl Branch,
        params: &Params,
        chain: &ChainId,
    ) -> Result<Shaped, Rule> {
        let envelope = self.envelope;
        check_table(&envelope, params)?;
        if envelope.net != chain.net() {
            return Err(Rule::EnvelopeNet);
        }
        // > "BLOB salt zero"
        if envelope.kind == EnvelopeKind::Blob && envelope.salt != [0; 16] {
            return Err(Rule::BlobSalt);
        }
        let admission = match &envelope.auth {
            Auth::None => Admission::Free,
            Auth::Stamp(stamp) => {
                stamp::check_claim(stamp, params.stamp_effort_min)?;
                let dated = stamp::date(stamp, branch)?;
                stamp::check_hash(self.core.as_bytes(), stamp, dated.block())?;
                Admission::Stamp(dated)
            }
            Auth::Clear(payment) => Admission::Clear(*payment),
            Auth::RateLimit(_) | Auth::Credit(_) => {
                return Err(Rule::AdmissionInactive {
                    auth: envelope.auth.byte(),
                });
            }
        };
        let reference = match &admission {
            Admission::Stamp(dated) => *dated.block().as_bytes(),
            Admission::Free | Admission::Clear(_) => [0; 32],
        };
        let parts: [&[u8]; 3] = [&[1], &reference, self.wire_id.as_bytes()];
        let checked = CheckedEnvelope {
            bytes: self.bytes,
            kind: envelope.kind,
            class: envelope.class,
            rate_epoch: envelope.rate_epoch,
            one_time_key: envelope.one_time_key,
            admission,
            message_id: self.message_id,
            wire_id: self.wire_id,
            verified_id: Hash32::from_bytes(derive(&context::VERIFIED, &parts)),
        };
        Ok(Shaped {
            envelope,
            core: self.core,
            checked,
        })
    }
}

/// An envelope that lacks only the costly checks.
pub(crate) struct Shaped {
    envelope: Envelope,
    core: CoreHash,
    checked: CheckedEnvelope,
}

impl Shaped {
    pub(crate) fn verified_id(&self) -> &Hash32 {
        &self.checked.verified_id
    }

    pub(crate) fn one_time_key(&self) -> &PublicKey {
        &self.checked.one_time_key
    }

    pub(crate) fn rate_epoch(&self) -> RateEpoch {
        self.checked.rate_epoch
    }

    /// For an envelope whose very bytes were proved before, against the same block.
    pub(crate) fn proved_before(self) -> CheckedEnvelope {
        self.checked
    }

    /// The costly checks: the signature over content and admission, then the admission.
    pub(crate) fn prove(self, chain: &ChainId) -> Result<CheckedEnvelope, Rule> {
        let envelope = &self.envelope;
        if !envelope.is_signed_over(&self.core, chain) {
            // Verifying lifts the key already; only a failure is worth asking twice.
            let on_curve = envelope.one_time_key.is_on_curve();
            return Err(if on_curve {
                Rule::EnvelopeSignature
            } else {
                Rule::OneTimeKeyOffCurve
            });
        }
        let core = &self.core;
        match (&envelope.auth, &self.checked.admission) {
            (Auth::Stamp(stamp), Admission::Stamp(dated)) => {
                stamp::check_solution(core.as_bytes(), stamp, dated.block())?;
            }
            (Auth::Clear(payment), _) if !payment.is_signed(core, chain) => {
                return Err(Rule::ClearSignature);
            }
            _ => {}
        }
        Ok(self.checked)
    }
}

/// Largest class of each kind that an admission covers; nothing if it covers none.
fn class_max(kind: EnvelopeKind, auth: &Auth) -> Option<u8> {
    let is_blob = kind == EnvelopeKind::Blob;
    match auth {
        Auth::None | Auth::RateLimit(_) => (!is_blob).then_some(2),
        Auth::Stamp(_) => (!is_blob).then_some(1),
        Auth::Credit(_) | Auth::Clear(_) => Some(8),
    }
}

/// Kind, class and admission, as the table of the spec pairs them.
fn check_table(envelope: &Envelope, params: &Params) -> Result<(), Rule> {
    let (kind, class, auth) = (envelope.kind, envelope.class.get(), envelope.auth.byte());
    if class_max(kind, &envelope.auth).is_none_or(|max| class > max) {
        return Err(Rule::Admission { kind, class, auth });
    }
    // > "NONE: MSG and INBOX cls 0-2, regtest only"
    if envelope.auth == Auth::None && params.free_envelopes == FreeEnvelopes::Refused {
        return Err(Rule::FreeEnvelope);
    }
    Ok(())
}

/// Whether a block at `height` may include envelopes of `epoch`.
///
/// # Errors
/// [`Rule::EpochPast`], [`Rule::EpochAhead`].
pub fn check_window(epoch: RateEpoch, height: Height, params: &Params) -> Result<(), Rule> {
    // > "height h accepts epoch E iff 300E <= h < 300(E+1)+60"
    if params.accepts_epoch(height, epoch) {
        Ok(())
    } else if epoch > params.rate_epoch(height) {
        Err(Rule::EpochAhead { height, epoch })
    } else {
        Err(Rule::EpochPast { height, epoch })
    }
}

#[cfg(test)]
mod tests;
