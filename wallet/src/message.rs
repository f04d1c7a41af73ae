//! Texts signed by an account key, to show who wrote them outside the chain.
//!
//! # Invariants
//! * A signed text is bound to the chain and to the tag of signed texts: it can never be taken for
//!   an order, a record or a message of a conversation.
//! * The signature carries the public key, since an address is only its hash.
//!
//! # Spec
//! docs/spec/08-wallet.md §8
//!
//! # Not here
//! Signatures of orders: [`crate::build`].

use std::fmt;
use std::str::FromStr;

use chain::{AccountId, Address, ChainId, Network, PublicKey, Signature, signature};
use rand_core::CryptoRng;

use crate::error::MessageError;
use crate::keys::AccountKey;

/// Tag of signed texts.
const TAG: &str = "ChainChat/message/v1";
/// `public key 32 | signature 64`.
const BYTES: usize = 32 + Signature::BYTES;

/// A signature over a text, printed as 192 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageSignature {
    key: PublicKey,
    signature: Signature,
}

impl MessageSignature {
    /// Signs `text` by `key`.
    #[must_use]
    pub fn sign(text: &str, chain: &ChainId, key: &AccountKey, rng: &mut impl CryptoRng) -> Self {
        let mut aux_randomness = [0; 32];
        rng.fill_bytes(&mut aux_randomness);
        let body: [&[u8]; 1] = [text.as_bytes()];
        let signature = signature::sign(TAG, chain, &body, key.keypair(), &aux_randomness);
        Self {
            key: key.public(),
            signature,
        }
    }

    /// Checks that the holder of `address` signed `text`.
    ///
    /// # Errors
    /// [`MessageError::OtherAccount`], [`MessageError::Mismatch`].
    pub fn verify(
        &self,
        text: &str,
        chain: &ChainId,
        expected: &Address,
        network: Network,
    ) -> Result<(), MessageError> {
        let signer = Address::new(network, self.signer());
        if signer != *expected {
            return Err(MessageError::OtherAccount {
                signer,
                expected: *expected,
            });
        }
        if !signature::verify(TAG, chain, &[text.as_bytes()], &self.key, &self.signature) {
            return Err(MessageError::Mismatch);
        }
        Ok(())
    }

    /// Who claims to have signed.
    #[must_use]
    pub fn signer(&self) -> AccountId {
        AccountId::from(&self.key)
    }
}

impl fmt::Display for MessageSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.key.as_bytes().iter().chain(self.signature.as_bytes());
        bytes.try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for MessageSignature {
    type Err = MessageError;

    fn from_str(text: &str) -> Result<Self, MessageError> {
        let digits: Vec<u8> = text
            .chars()
            .map(|character| {
                character
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
            })
            .collect::<Option<_>>()
            .ok_or(MessageError::Malformed)?;
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| (byte << 4) | digit))
            .collect();
        if digits.len() != 2 * BYTES {
            return Err(MessageError::Malformed);
        }
        let (key, rest) = bytes
            .split_first_chunk::<32>()
            .ok_or(MessageError::Malformed)?;
        let signature = rest.first_chunk::<64>().ok_or(MessageError::Malformed)?;
        Ok(Self {
            key: PublicKey::from_bytes(*key),
            signature: Signature::from_bytes(*signature),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const NETWORK: Network = Network::Regtest;

    #[test]
    fn a_signed_text_is_bound_to_text_chain_and_account() {
        let chain = ChainId::from_bytes([1; 32]);
        let (alice, bob) = (testing::key(1), testing::key(2));
        let address = |key: &AccountKey| Address::new(NETWORK, key.account());
        let signed = MessageSignature::sign("I am Alice", &chain, &alice, &mut testing::rng(1));
        let signed: MessageSignature = signed.to_string().parse().expect("192 digits");
        let verify = |text, chain: &ChainId, who| signed.verify(text, chain, &who, NETWORK);
        assert_eq!(verify("I am Alice", &chain, address(&alice)), Ok(()));
        assert_eq!(
            verify("I am alice", &chain, address(&alice)),
            Err(MessageError::Mismatch)
        );
        let other = ChainId::from_bytes([2; 32]);
        assert_eq!(
            verify("I am Alice", &other, address(&alice)),
            Err(MessageError::Mismatch)
        );
        let refused = MessageError::OtherAccount {
            signer: address(&alice),
            expected: address(&bob),
        };
        assert_eq!(verify("I am Alice", &chain, address(&bob)), Err(refused));
    }

    #[test]
    fn a_signed_text_is_no_order() {
        let chain = ChainId::from_bytes([1; 32]);
        let alice = testing::key(1);
        let signed = MessageSignature::sign("x", &chain, &alice, &mut testing::rng(1));
        let tag = signature::tag::TRANSACTION;
        assert!(!signature::verify(
            tag,
            &chain,
            &[b"x"],
            &signed.key,
            &signed.signature
        ));
    }

    #[test]
    fn texts_that_are_no_signature_are_refused() {
        let good = "0".repeat(192);
        assert!(good.parse::<MessageSignature>().is_ok());
        for text in [
            "",
            "00",
            &good[1..],
            &format!("{good}00"),
            &good.replacen('0', "g", 1),
        ] {
            assert_eq!(
                text.parse::<MessageSignature>(),
                Err(MessageError::Malformed)
            );
        }
    }
}
