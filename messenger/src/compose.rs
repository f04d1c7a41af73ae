//! Envelopes in the making: sealed first, authorised by others, signed last.
//!
//! # Invariants
//! * An [`Unauthorised`] is sealed and cannot leave: the signature is made by
//!   [`Unauthorised::authorise`], over content and authorisation together.
//! * Sealing the same plaintext again in the same rate epoch gives the same bytes.
//!
//! # Spec
//! docs/spec/09-messages.md §5, §9
//!
//! # Not here
//! Stamps, proofs and payments: the session. Persistence of the finished envelope:
//! [`crate::messenger`].

use chain::envelope::{Auth, EnvelopeKind, SizeClass};
use chain::units::RateEpoch;
use chain::{ChainId, CoreHash, Envelope, Height, PublicKey, Signature};

use crate::ids::MessageRef;
use crate::plaintext::EncodedPlaintext;
use crate::scalar;
use crate::seal;
use crate::secret::Secret32;

/// The network's rate epochs, from `genesis`: in which blocks an envelope may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateEpochs {
    /// Blocks of one rate epoch; at least 1.
    pub blocks: u32,
    /// Blocks of the next epoch that still take envelopes of the last one.
    pub grace_blocks: u32,
}

impl RateEpochs {
    /// The rate epoch of `height`.
    #[must_use]
    pub fn of(self, height: Height) -> RateEpoch {
        let number = height.get() / u64::from(self.blocks.max(1));
        RateEpoch::new(u32::try_from(number).unwrap_or(u32::MAX))
    }

    /// The epoch that an envelope made at the tip `tip` is sealed in: that of the next block.
    #[must_use]
    pub fn for_next_block(self, tip: Height) -> RateEpoch {
        self.of(tip.next().unwrap_or(tip))
    }

    /// Whether no block after `tip` takes envelopes of `epoch` any more.
    #[must_use]
    pub fn is_over(self, epoch: RateEpoch, tip: Height) -> bool {
        let blocks = u64::from(self.blocks.max(1));
        let end = (u64::from(epoch.get()) + 1) * blocks + u64::from(self.grace_blocks);
        tip.get().saturating_add(1) >= end
    }

    /// First height of `epoch`.
    #[must_use]
    pub fn first_height(self, epoch: RateEpoch) -> Height {
        Height::new(u64::from(epoch.get()) * u64::from(self.blocks.max(1)))
    }
}

/// A sealed envelope that has no right to a place in a block yet.
#[derive(Clone, Debug)]
pub struct Unauthorised {
    reference: MessageRef,
    envelope: Envelope,
    one_time_secret: Secret32,
}

impl Unauthorised {
    /// Seals a message of a writer chain.
    pub(crate) fn message(
        plaintext: &EncodedPlaintext,
        key: &[u8; 32],
        one_time_secret: Secret32,
        chain: &ChainId,
        rate_epoch: RateEpoch,
    ) -> Self {
        let one_time_key = scalar::public_key(&one_time_secret);
        let mut envelope = blank(
            EnvelopeKind::Message,
            plaintext.class,
            one_time_key,
            chain,
            rate_epoch,
        );
        let padded = plaintext.padded();
        (envelope.salt, envelope.body) = seal::seal(key, &envelope.associated_data(), &padded);
        let reference = crate::plaintext::reference(&one_time_key, &padded);
        Self {
            reference,
            envelope,
            one_time_secret,
        }
    }

    /// Takes over an envelope that [`crate::inbox`] sealed.
    pub(crate) const fn sealed(
        reference: MessageRef,
        envelope: Envelope,
        one_time_secret: Secret32,
    ) -> Self {
        Self {
            reference,
            envelope,
            one_time_secret,
        }
    }

    /// The message inside.
    #[must_use]
    pub const fn reference(&self) -> MessageRef {
        self.reference
    }

    /// Kind of the envelope.
    #[must_use]
    pub const fn kind(&self) -> EnvelopeKind {
        self.envelope.kind
    }

    /// Size class: decides between stamp and payment, and the price.
    #[must_use]
    pub const fn class(&self) -> SizeClass {
        self.envelope.class
    }

    /// The rate epoch it may be included in.
    #[must_use]
    pub const fn rate_epoch(&self) -> RateEpoch {
        self.envelope.rate_epoch
    }

    /// What a stamp, a proof or a payment commits to.
    #[must_use]
    pub fn core_hash(&self) -> CoreHash {
        self.envelope.core_hash()
    }

    /// Adds the authorisation and signs everything by the one-time key.
    #[must_use]
    pub fn authorise(self, auth: Auth, chain: &ChainId, aux_randomness: &[u8; 32]) -> Envelope {
        let mut envelope = self.envelope;
        envelope.auth = auth;
        let mut pair = scalar::keypair(&self.one_time_secret);
        envelope.sign(chain, &pair, aux_randomness);
        pair.non_secure_erase();
        envelope
    }
}

/// An envelope before sealing.
pub(crate) fn blank(
    kind: EnvelopeKind,
    class: SizeClass,
    one_time_key: PublicKey,
    chain: &ChainId,
    rate_epoch: RateEpoch,
) -> Envelope {
    Envelope {
        kind,
        class,
        net: chain.net(),
        rate_epoch,
        one_time_key,
        salt: [0; 16],
        body: Vec::new(),
        auth: Auth::None,
        signature: Signature::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCHS: RateEpochs = RateEpochs {
        blocks: 300,
        grace_blocks: 60,
    };

    #[test]
    fn an_epoch_takes_envelopes_until_the_end_of_its_grace() {
        let epoch = RateEpoch::new(1);
        assert_eq!(EPOCHS.of(Height::new(599)), epoch);
        assert_eq!(EPOCHS.for_next_block(Height::new(299)), epoch);
        assert_eq!(EPOCHS.first_height(epoch), Height::new(300));
        // Heights 300..660 take it: after tip 658 one block is left, after 659 none.
        assert!(!EPOCHS.is_over(epoch, Height::new(658)));
        assert!(EPOCHS.is_over(epoch, Height::new(659)));
    }

    #[test]
    fn the_signature_covers_content_and_authorisation() {
        let chain = ChainId::from_bytes([1; 32]);
        let envelope = blank(
            EnvelopeKind::Message,
            SizeClass::SMALLEST,
            scalar::public_key(&Secret32::from_bytes([5; 32])),
            &chain,
            RateEpoch::new(4),
        );
        let sealed = Unauthorised::sealed(
            MessageRef::from_bytes([0; 32]),
            envelope,
            Secret32::from_bytes([5; 32]),
        );
        let core = sealed.core_hash();
        let mut signed = sealed.authorise(Auth::None, &chain, &[0; 32]);
        assert_eq!(signed.core_hash(), core);
        assert!(signed.is_signed(&chain));
        signed.auth = Auth::Stamp(chain::record::Stamp::default());
        assert!(!signed.is_signed(&chain));
    }
}
