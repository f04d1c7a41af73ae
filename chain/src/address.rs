//! Accounts and the text form of their names: bech32m with a network prefix.
//!
//! # Invariants
//! A parsed [`Address`] prints as the very text it came from (lower case).
//!
//! # Spec
//! docs/spec/01-encoding.md §5; BIP 350 for bech32m
//!
//! # Not here
//! Derivation of keys from words: `wallet`.

use std::fmt;
use std::str::FromStr;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Fe32, Hrp};

use crate::codec::{SchemaRead, SchemaWrite};
use crate::error::AddressError;
use crate::hash::{self, context};
use crate::network::Network;
use crate::signature::PublicKey;

/// The only address version there is.
const VERSION: Fe32 = Fe32::Q;

/// Names an account: 20 bytes of the hash of its public key.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite)]
#[repr(transparent)]
pub struct AccountId([u8; 20]);

impl AccountId {
    /// From raw bytes; any 20 bytes are an account.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl From<&PublicKey> for AccountId {
    fn from(key: &PublicKey) -> Self {
        let mut id = [0; 20];
        hash::derive_into(&context::ADDRESS, &[key.as_bytes()], &mut id);
        Self(id)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountId(")?;
        hash::write_hex(&self.0, f)?;
        f.write_str(")")
    }
}

/// An account on a named network, as people copy it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    network: Network,
    account: AccountId,
}

impl Address {
    /// The address of `account` on `network`.
    #[must_use]
    pub const fn new(network: Network, account: AccountId) -> Self {
        Self { network, account }
    }

    /// The network it belongs to.
    #[must_use]
    pub const fn network(&self) -> Network {
        self.network
    }

    /// The account, if the address belongs to `network`.
    ///
    /// # Errors
    /// [`AddressError::WrongNetwork`].
    pub fn account_on(&self, network: Network) -> Result<AccountId, AddressError> {
        if self.network == network {
            Ok(self.account)
        } else {
            Err(AddressError::WrongNetwork {
                expected: network,
                found: self.network,
            })
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use bech32::primitives::iter::{ByteIterExt, Fe32IterExt};
        let hrp = Hrp::parse(self.network.address_prefix()).map_err(|_| fmt::Error)?;
        let digits = self.account.0.iter().copied().bytes_to_fes();
        digits
            .with_checksum::<Bech32m>(&hrp)
            .with_witness_version(VERSION)
            .chars()
            .try_for_each(|character| fmt::Write::write_char(f, character))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let encoding = |reason: String| AddressError::Encoding { reason };
        let mut checked =
            CheckedHrpstring::new::<Bech32m>(text).map_err(|error| encoding(error.to_string()))?;
        let prefix = checked.hrp().to_lowercase();
        let network = Network::ALL
            .into_iter()
            .find(|network| network.address_prefix() == prefix)
            .ok_or(AddressError::UnknownPrefix)?;
        let version = checked
            .fe32_iter()
            .next()
            .ok_or(AddressError::Length { found: 0 })?;
        if version != VERSION {
            return Err(AddressError::UnknownVersion {
                found: version.to_u8(),
            });
        }
        checked.remove_witness_version();
        checked
            .validate_segwit_padding()
            .map_err(|error| encoding(error.to_string()))?;
        let payload: Vec<u8> = checked.byte_iter().collect();
        let account = payload
            .try_into()
            .map_err(|payload: Vec<u8>| AddressError::Length {
                found: payload.len(),
            })?;
        Ok(Self {
            network,
            account: AccountId(account),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> Address {
        Address::new(Network::Main, AccountId([7; 20]))
    }

    #[test]
    fn an_address_survives_the_round_trip_on_every_network() {
        for network in Network::ALL {
            let text = Address::new(network, AccountId([9; 20])).to_string();
            assert!(text.starts_with(network.address_prefix()));
            assert_eq!(
                text.parse::<Address>().map(|parsed| parsed.to_string()),
                Ok(text)
            );
        }
    }

    #[test]
    fn upper_case_is_read_and_mixed_case_is_not() {
        let text = address().to_string();
        assert_eq!(text.to_uppercase().parse(), Ok(address()));
        let mixed = text.replacen('q', "Q", 1);
        assert!(matches!(
            mixed.parse::<Address>(),
            Err(AddressError::Encoding { .. })
        ));
    }

    #[test]
    fn every_single_changed_character_is_noticed() {
        let text = address().to_string();
        for position in 4..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[position] = if bytes[position] == b'p' { b'z' } else { b'p' };
            let changed = String::from_utf8(bytes).expect("ascii");
            if changed != text {
                assert!(changed.parse::<Address>().is_err(), "{changed}");
            }
        }
    }

    #[test]
    fn foreign_prefixes_versions_and_lengths_are_named() {
        let hrp = |name| Hrp::parse(name).expect("a valid prefix");
        let bitcoin = bech32::segwit::encode_v1(hrp("bc"), &[7; 20]).expect("encodes");
        assert_eq!(bitcoin.parse::<Address>(), Err(AddressError::UnknownPrefix));
        let version = bech32::segwit::encode_v1(hrp("x3c"), &[7; 20]).expect("encodes");
        assert_eq!(
            version.parse::<Address>(),
            Err(AddressError::UnknownVersion { found: 1 })
        );
        let wrong = address().account_on(Network::Test);
        let expected = AddressError::WrongNetwork {
            expected: Network::Test,
            found: Network::Main,
        };
        assert_eq!(wrong, Err(expected));
    }
}
