//! The keys of a conversation: one to read, one to write, and the root that its creator holds.
//!
//! # Invariants
//! * The read key opens a key epoch and signs nothing; the write key signs and opens nothing.
//! * Secret types are zeroed when dropped and print nothing of their value.
//! * [`EpochCertificate::check`] is the only way from somebody's claim about keys to keys that the
//!   administrator vouches for.
//!
//! # Spec
//! docs/spec/09-messages.md §2
//!
//! # Not here
//! Derivation of a [`ConversationRoot`] from words: `wallet`. Handing keys over: [`crate::capability`].

use chain::hash::{Context, derive, derive_into};
use chain::{ChainId, PublicKey, Signature, signature};
use x_wing::{DecapsulationKeyRejectNonContrib, Decapsulator, KeyExport};
use zeroize::Zeroize;

use crate::context;
use crate::error::CapabilityError;
use crate::ids::{ConversationId, KeyEpoch, Slot};
use crate::scalar;
use crate::secret::Secret32;

/// Declares a secret of 32 bytes with a meaning.
macro_rules! secret_key {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(Secret32);

        impl $name {
            /// Takes the bytes over.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(Secret32::from_bytes(bytes))
            }

            /// The bytes, for derivations and capabilities.
            #[must_use]
            pub const fn expose(&self) -> &[u8; 32] {
                self.0.expose()
            }
        }
    )*};
}

secret_key! {
    /// What a conversation's creator holds: everything else is derived from it.
    ConversationRoot;
    /// Opens all messages of one key epoch.
    ReadKey;
    /// Signs messages of one key epoch, together with a slot.
    WriteKey;
    /// Opens and seals the messages of one slot.
    SlotKey;
    /// Opens what is sent to one generation of an account's inbox.
    InboxSecret;
}

impl ConversationRoot {
    /// The administrator key `A`.
    #[must_use]
    pub fn admin(&self) -> PublicKey {
        scalar::public_key(&self.admin_secret())
    }

    /// The read key of `epoch`.
    #[must_use]
    pub fn read_key(&self, epoch: KeyEpoch) -> ReadKey {
        ReadKey::from_bytes(self.of_epoch(&context::READ, epoch))
    }

    /// The write key of `epoch`.
    #[must_use]
    pub fn write_key(&self, epoch: KeyEpoch) -> WriteKey {
        WriteKey::from_bytes(self.of_epoch(&context::WRITE, epoch))
    }

    /// Vouches for the keys of `epoch`.
    #[must_use]
    pub fn certify(
        &self,
        epoch: KeyEpoch,
        chain: &ChainId,
        aux_randomness: &[u8; 32],
    ) -> EpochCertificate {
        let writers = self.write_key(epoch).writers();
        let readers = self.read_key(epoch).commitment();
        let mut pair = scalar::keypair(&self.admin_secret());
        let body = EpochCertificate::signed_bytes(epoch, &writers, &readers);
        let signature = signature::sign(context::TAG_EPOCH, chain, &[&body], &pair, aux_randomness);
        pair.non_secure_erase();
        EpochCertificate {
            admin: self.admin(),
            epoch,
            writers,
            readers,
            signature,
        }
    }

    fn admin_secret(&self) -> Secret32 {
        // A root whose administrator scalar is zero occurs with probability 2^-256 and cannot be
        // searched for; it would be unusable, not unsafe.
        wide_scalar(&context::ADMIN, self.expose()).expect("blake3 does not hash to zero")
    }

    fn of_epoch(&self, context: &Context, epoch: KeyEpoch) -> [u8; 32] {
        derive(context, &[self.expose(), &epoch.get().to_le_bytes()])
    }
}

impl ReadKey {
    /// `R`: what the administrator signs for this key.
    #[must_use]
    pub fn commitment(&self) -> [u8; 32] {
        derive(&context::READ_COMMITMENT, &[&self.encapsulation_key()])
    }

    /// `EK`: where strangers encrypt to in public-write conversations.
    #[must_use]
    pub fn encapsulation_key(&self) -> [u8; 1216] {
        let mut secret = derive(&context::DECAPSULATION, &[self.expose()]);
        let key = DecapsulationKeyRejectNonContrib::from(secret);
        secret.zeroize();
        key.encapsulation_key().to_bytes().into()
    }

    /// The key of one slot.
    #[must_use]
    pub fn slot_key(&self, slot: Slot) -> SlotKey {
        let mut slots = derive(&context::SLOTS, &[self.expose()]);
        let key = derive(&context::SLOT, &[&slots, &slot.get().to_le_bytes()]);
        slots.zeroize();
        SlotKey::from_bytes(key)
    }
}

impl WriteKey {
    /// `W`: the key that all writers' one-time keys are made from.
    #[must_use]
    pub fn writers(&self) -> PublicKey {
        scalar::public_key(&self.signing_secret())
    }

    /// `w`, the scalar behind [`WriteKey::writers`].
    pub(crate) fn signing_secret(&self) -> Secret32 {
        wide_scalar(&context::SIGN, self.expose()).expect("blake3 does not hash to zero")
    }
}

impl InboxSecret {
    /// What the account publishes in its record.
    #[must_use]
    pub fn encapsulation_key(&self) -> [u8; 1216] {
        let key = DecapsulationKeyRejectNonContrib::from(*self.expose());
        key.encapsulation_key().to_bytes().into()
    }
}

/// Name of the conversation of an administrator key.
#[must_use]
pub fn conversation_id(admin: &PublicKey) -> ConversationId {
    ConversationId::from_bytes(derive(&context::CONVERSATION_ID, &[admin.as_bytes()]))
}

fn wide_scalar(context: &Context, secret: &[u8; 32]) -> Option<Secret32> {
    let mut wide = [0; 64];
    derive_into(context, &[secret], &mut wide);
    let key = scalar::from_wide(&wide).map(scalar::into_secret);
    wide.zeroize();
    key
}

/// The administrator's statement that a key epoch has these writers and these readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochCertificate {
    /// Who vouches: the administrator key `A`.
    pub admin: PublicKey,
    /// For which key epoch.
    pub epoch: KeyEpoch,
    /// `W`.
    pub writers: PublicKey,
    /// `R`.
    pub readers: [u8; 32],
    /// By the administrator.
    pub signature: Signature,
}

impl EpochCertificate {
    /// Refuses a statement that the administrator did not sign, or keys that are no keys.
    ///
    /// # Errors
    /// [`CapabilityError::ForgedCertificate`].
    pub fn check(&self, chain: &ChainId) -> Result<(), CapabilityError> {
        let body = Self::signed_bytes(self.epoch, &self.writers, &self.readers);
        let signed = signature::verify(
            context::TAG_EPOCH,
            chain,
            &[&body],
            &self.admin,
            &self.signature,
        );
        if signed && self.writers.is_on_curve() {
            Ok(())
        } else {
            Err(CapabilityError::ForgedCertificate)
        }
    }

    fn signed_bytes(epoch: KeyEpoch, writers: &PublicKey, readers: &[u8; 32]) -> Vec<u8> {
        let mut bytes = epoch.get().to_le_bytes().to_vec();
        bytes.extend_from_slice(writers.as_bytes());
        bytes.extend_from_slice(readers);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> ConversationRoot {
        ConversationRoot::from_bytes([7; 32])
    }

    #[test]
    fn epochs_and_purposes_have_different_keys() {
        let (first, second) = (KeyEpoch::new(0), KeyEpoch::new(1));
        assert_ne!(root().read_key(first), root().read_key(second));
        assert_ne!(root().write_key(first), root().write_key(second));
        assert_ne!(
            root().read_key(first).expose(),
            root().write_key(first).expose()
        );
        let read = root().read_key(first);
        assert_ne!(read.slot_key(Slot::new(0)), read.slot_key(Slot::new(1)));
    }

    #[test]
    fn a_certificate_is_bound_to_every_field_and_to_the_chain() {
        let chain = ChainId::from_bytes([1; 32]);
        let certificate = root().certify(KeyEpoch::new(3), &chain, &[0; 32]);
        assert_eq!(certificate.check(&chain), Ok(()));
        let other =
            ConversationRoot::from_bytes([8; 32]).certify(KeyEpoch::new(3), &chain, &[0; 32]);
        let forged = [
            EpochCertificate {
                admin: other.admin,
                ..certificate
            },
            EpochCertificate {
                epoch: KeyEpoch::new(4),
                ..certificate
            },
            EpochCertificate {
                writers: other.writers,
                ..certificate
            },
            EpochCertificate {
                readers: other.readers,
                ..certificate
            },
            EpochCertificate {
                signature: other.signature,
                ..certificate
            },
        ];
        for certificate in forged {
            assert_eq!(
                certificate.check(&chain),
                Err(CapabilityError::ForgedCertificate)
            );
        }
        let elsewhere = ChainId::from_bytes([2; 32]);
        assert_eq!(
            certificate.check(&elsewhere),
            Err(CapabilityError::ForgedCertificate)
        );
    }

    #[test]
    fn debug_output_of_keys_is_redacted() {
        let shown = format!("{:?}", root());
        assert_eq!(shown, "ConversationRoot(Secret32(redacted))");
    }
}
