//! Delegations: an account says that a device's session key may speak for it.
//!
//! # Invariants
//! * A [`Delegation`] was signed by the account it names, on this chain: the only constructors sign
//!   or check. Its scope has no unknown bit and never includes spending or delegating further.
//! * It holds at heights `not_before..=not_after`, in its conversation or, without one, in all.
//!
//! # Spec
//! docs/spec/09-messages.md §8
//!
//! # Not here
//! The account key: `wallet`. Revocation on the chain: a later transaction kind.

use chain::{ChainId, Height, PublicKey, Signature, signature};
use secp256k1::Keypair;

use crate::context;
use crate::error::DelegationError;
use crate::ids::ConversationId;
use crate::layout::{Reader, Writer};

/// What a session key may do for its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope(u16);

impl Scope {
    /// Write messages.
    pub const POST: Self = Self(1);
    /// Send to inboxes.
    pub const INVITE: Self = Self(2);
    /// Send receipts.
    pub const RECEIPTS: Self = Self(4);
    /// Change the profile.
    pub const PROFILE: Self = Self(8);
    /// Everything that may be delegated.
    pub const ALL: Self = Self(15);

    /// From the wire; nothing if a bit is unknown.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Option<Self> {
        if bits & !Self::ALL.0 == 0 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// The bits on the wire.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether everything in `other` is allowed.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What an account is asked to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelegationTerms {
    /// Who speaks for the account.
    pub session: PublicKey,
    /// First height at which it holds.
    pub not_before: u32,
    /// Last height at which it holds.
    pub not_after: u32,
    /// What the session key may do.
    pub scope: Scope,
    /// Only there, or everywhere.
    pub conversation: Option<ConversationId>,
    /// Fresh randomness: two delegations are never the same bytes.
    pub nonce: [u8; 16],
}

/// A signed delegation (191 B).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delegation {
    account: PublicKey,
    terms: DelegationTerms,
    signature: Signature,
}

impl Delegation {
    /// Bytes of an encoded delegation.
    pub const BYTES: usize = 191;
    /// The only layout version there is.
    const VERSION: u8 = 1;

    /// Signs the terms by the account's keypair.
    #[must_use]
    pub fn signed(
        terms: DelegationTerms,
        chain: &ChainId,
        account: &Keypair,
        aux_randomness: &[u8; 32],
    ) -> Self {
        let key = PublicKey::from(account);
        let body = Self::signed_bytes(&key, &terms, chain);
        let signature = signature::sign(
            context::TAG_DELEGATION,
            chain,
            &[&body],
            account,
            aux_randomness,
        );
        Self {
            account: key,
            terms,
            signature,
        }
    }

    /// Reads a delegation and checks the account's signature.
    ///
    /// # Errors
    /// A wrong length, version or chain, an unknown scope bit, a forged signature.
    pub fn decode(bytes: &[u8; Self::BYTES], chain: &ChainId) -> Result<Self, DelegationError> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8()?;
        if version != Self::VERSION {
            return Err(DelegationError::Version { found: version });
        }
        if reader.array::<4>()? != chain.net() {
            return Err(DelegationError::OtherChain);
        }
        let account = PublicKey::from_bytes(reader.array()?);
        let session = PublicKey::from_bytes(reader.array()?);
        let (not_before, not_after) = (reader.u32()?, reader.u32()?);
        let bits = reader.u16()?;
        let scope = Scope::from_bits(bits).ok_or(DelegationError::UnknownScope { found: bits })?;
        let conversation = reader.array::<32>()?;
        let conversation =
            (conversation != [0; 32]).then(|| ConversationId::from_bytes(conversation));
        let nonce = reader.array()?;
        let terms = DelegationTerms {
            session,
            not_before,
            not_after,
            scope,
            conversation,
            nonce,
        };
        let signature = Signature::from_bytes(reader.array()?);
        reader.finish()?;
        let body = Self::signed_bytes(&account, &terms, chain);
        if signature::verify(
            context::TAG_DELEGATION,
            chain,
            &[&body],
            &account,
            &signature,
        ) {
            Ok(Self {
                account,
                terms,
                signature,
            })
        } else {
            Err(DelegationError::Forged)
        }
    }

    /// The bytes that travel.
    #[must_use]
    pub fn encode(&self, chain: &ChainId) -> [u8; Self::BYTES] {
        let mut bytes = Self::signed_bytes(&self.account, &self.terms, chain);
        bytes.extend_from_slice(self.signature.as_bytes());
        bytes.try_into().expect("the layout has 191 bytes")
    }

    /// Who delegates.
    #[must_use]
    pub const fn account(&self) -> &PublicKey {
        &self.account
    }

    /// What is delegated.
    #[must_use]
    pub const fn terms(&self) -> &DelegationTerms {
        &self.terms
    }

    /// Refuses a use outside time, scope and place. `place` is nothing for an inbox, which only a
    /// delegation for all conversations covers.
    ///
    /// # Errors
    /// [`DelegationError::Expired`], [`DelegationError::OutOfScope`], [`DelegationError::Elsewhere`].
    pub fn check_use(
        &self,
        scope: Scope,
        place: Option<&ConversationId>,
        height: Height,
    ) -> Result<(), DelegationError> {
        let DelegationTerms {
            not_before,
            not_after,
            ..
        } = self.terms;
        let holds = u64::from(not_before) <= height.get() && height.get() <= u64::from(not_after);
        if !holds {
            return Err(DelegationError::Expired {
                height,
                not_before,
                not_after,
            });
        }
        if !self.terms.scope.covers(scope) {
            return Err(DelegationError::OutOfScope {
                found: self.terms.scope,
                needed: scope,
            });
        }
        match (&self.terms.conversation, place) {
            (None, _) => Ok(()),
            (Some(bound), Some(place)) if bound == place => Ok(()),
            (Some(_), _) => Err(DelegationError::Elsewhere),
        }
    }

    fn signed_bytes(account: &PublicKey, terms: &DelegationTerms, chain: &ChainId) -> Vec<u8> {
        let place = terms
            .conversation
            .map_or([0; 32], |conversation| *conversation.as_bytes());
        Writer::new()
            .u8(Self::VERSION)
            .bytes(&chain.net())
            .bytes(account.as_bytes())
            .bytes(terms.session.as_bytes())
            .u32(terms.not_before)
            .u32(terms.not_after)
            .u16(terms.scope.bits())
            .bytes(&place)
            .bytes(&terms.nonce)
            .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keypair(byte: u8) -> Keypair {
        Keypair::from_secret_bytes([byte; 32]).expect("a valid secret")
    }

    fn chain() -> ChainId {
        ChainId::from_bytes([1; 32])
    }

    fn terms() -> DelegationTerms {
        DelegationTerms {
            session: PublicKey::from(&keypair(6)),
            not_before: 10,
            not_after: 20,
            scope: Scope::POST,
            conversation: Some(ConversationId::from_bytes([4; 32])),
            nonce: [5; 16],
        }
    }

    fn delegation() -> Delegation {
        Delegation::signed(terms(), &chain(), &keypair(5), &[0; 32])
    }

    #[test]
    fn a_delegation_survives_the_round_trip_and_no_flipped_byte_does() {
        let bytes = delegation().encode(&chain());
        assert_eq!(Delegation::decode(&bytes, &chain()), Ok(delegation()));
        for position in 0..bytes.len() {
            let mut changed = bytes;
            changed[position] ^= 1;
            assert!(
                Delegation::decode(&changed, &chain()).is_err(),
                "byte {position}"
            );
        }
        let elsewhere = ChainId::from_bytes([2; 32]);
        assert_eq!(
            Delegation::decode(&bytes, &elsewhere),
            Err(DelegationError::OtherChain)
        );
    }

    #[test]
    fn unknown_scopes_and_versions_are_named() {
        let mut bytes = delegation().encode(&chain());
        bytes[77] = 0x10;
        let unknown = DelegationError::UnknownScope { found: 0x10 };
        assert_eq!(Delegation::decode(&bytes, &chain()), Err(unknown));
        bytes[0] = 2;
        let version = DelegationError::Version { found: 2 };
        assert_eq!(Delegation::decode(&bytes, &chain()), Err(version));
    }

    #[test]
    fn a_session_key_cannot_delegate_further() {
        // The session key signs in the account's place: the signature is not the account's.
        let mut forged = Delegation::signed(terms(), &chain(), &keypair(6), &[0; 32]);
        forged.account = *delegation().account();
        let bytes = forged.encode(&chain());
        assert_eq!(
            Delegation::decode(&bytes, &chain()),
            Err(DelegationError::Forged)
        );
    }

    #[test]
    fn uses_outside_time_scope_and_place_are_named() {
        let place = ConversationId::from_bytes([4; 32]);
        let other = ConversationId::from_bytes([3; 32]);
        let check =
            |scope, place, height| delegation().check_use(scope, place, Height::new(height));
        assert_eq!(check(Scope::POST, Some(&place), 10), Ok(()));
        assert_eq!(check(Scope::POST, Some(&place), 20), Ok(()));
        for height in [9, 21] {
            let refused = check(Scope::POST, Some(&place), height);
            assert!(matches!(refused, Err(DelegationError::Expired { .. })));
        }
        let refused = check(Scope::INVITE, Some(&place), 15);
        assert!(matches!(refused, Err(DelegationError::OutOfScope { .. })));
        assert_eq!(
            check(Scope::POST, Some(&other), 15),
            Err(DelegationError::Elsewhere)
        );
        assert_eq!(
            check(Scope::POST, None, 15),
            Err(DelegationError::Elsewhere)
        );
    }
}
