//! Leaves of the JSON forms: identifiers, raw objects, amounts and addresses.
//!
//! # Invariants
//! * Hexadecimal is lower-case and of the exact length; amounts are decimal strings of base units
//!   without sign or leading zeros.
//! * None of these types is a consensus type; [`Hex`] and [`BaseUnits`] hold one, and who wants it
//!   takes it out.
//!
//! # Spec
//! docs/spec/07-rpc.md §2
//!
//! # Not here
//! Objects: [`super`]. The binary forms: `chain`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use chain::codec::{self, Decode, Encode};
use chain::{
    AccountId, Address, Amount, BlockId, ChainId, Envelope, Hash32, MessageId, Network, PublicKey,
    TxId, WireId,
};

use crate::error::{RpcFailure, quote};
use crate::schema::{Described, SchemaBook};

/// Something of fixed length that is written in hexadecimal.
pub trait HexForm: Copy {
    /// Its bytes.
    type Bytes: AsRef<[u8]> + for<'a> TryFrom<&'a [u8]>;
    /// How many there are.
    const BYTES: usize;

    /// From its bytes.
    fn from_bytes(bytes: Self::Bytes) -> Self;

    /// Its bytes.
    fn to_bytes(self) -> Self::Bytes;
}

/// Gives `chain`'s identifiers a hexadecimal form.
macro_rules! hex_forms {
    ($($type:ident[$bytes:literal];)*) => {$(
        impl HexForm for $type {
            type Bytes = [u8; $bytes];
            const BYTES: usize = $bytes;

            fn from_bytes(bytes: Self::Bytes) -> Self {
                $type::from_bytes(bytes)
            }

            fn to_bytes(self) -> Self::Bytes {
                *self.as_bytes()
            }
        }
    )*};
}

hex_forms! {
    BlockId[32];
    TxId[32];
    WireId[32];
    MessageId[32];
    ChainId[32];
    Hash32[32];
    PublicKey[32];
    AccountId[20];
}

impl<const N: usize> HexForm for [u8; N] {
    type Bytes = Self;
    const BYTES: usize = N;

    fn from_bytes(bytes: Self) -> Self {
        bytes
    }

    fn to_bytes(self) -> Self {
        self
    }
}

/// A `T` in lower-case hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hex<T>(pub T);

/// The text is not the hexadecimal form asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {digits} lower-case hexadecimal digits")]
pub struct HexError {
    /// Digits expected.
    pub digits: usize,
}

impl<T: HexForm> FromStr for Hex<T> {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        let error = HexError {
            digits: 2 * T::BYTES,
        };
        if text.len() != error.digits {
            return Err(error);
        }
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| error)?;
        T::Bytes::try_from(bytes.as_slice())
            .map(|bytes| Self(T::from_bytes(bytes)))
            .map_err(|_| error)
    }
}

impl<T: HexForm> fmt::Display for Hex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(self.0.to_bytes().as_ref()))
    }
}

impl<T: HexForm> Serialize for Hex<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T: HexForm> Deserialize<'de> for Hex<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

impl<T: HexForm> Described for Hex<T> {
    fn schema(_: &mut SchemaBook) -> Value {
        let digits = 2 * T::BYTES;
        let pattern = format!("^[0-9a-f]{{{digits}}}$");
        json!({ "type": "string", "pattern": pattern, "examples": ["0b".repeat(T::BYTES)] })
    }
}

/// The binary form of an object in lower-case hexadecimal. Clones share the text.
#[derive(Clone, PartialEq, Eq)]
pub struct RawHex(Arc<str>);

impl RawHex {
    /// The hexadecimal form of `bytes`.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(HEXLOWER.encode(bytes).into())
    }

    /// The canonical encoding of `value`.
    #[must_use]
    pub fn encoding<T: Encode>(value: &T) -> Self {
        Self::new(&codec::encode(value))
    }

    /// The digits; hexadecimal only if this side made them.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes, of which there may be at most `bytes_max`.
    ///
    /// # Errors
    /// `undecodable` (-22).
    pub fn bytes(&self, bytes_max: usize) -> Result<Vec<u8>, RpcFailure> {
        if self.0.len() > bytes_max.saturating_mul(2) {
            let detail = format!(
                "{} digits, at most {} bytes are allowed",
                self.0.len(),
                bytes_max
            );
            return Err(RpcFailure::undecodable(detail));
        }
        HEXLOWER
            .decode(self.0.as_bytes())
            .map_err(|_| RpcFailure::undecodable("not lower-case hexadecimal digits in pairs"))
    }

    /// The object of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// `undecodable` (-22).
    pub fn decode<T: Decode>(&self, bytes_max: usize) -> Result<T, RpcFailure> {
        let bytes = self.bytes(bytes_max)?;
        codec::decode(&bytes, bytes_max).map_err(|error| RpcFailure::undecodable(error.to_string()))
    }

    /// The envelope.
    ///
    /// # Errors
    /// `undecodable` (-22).
    pub fn envelope(&self) -> Result<Envelope, RpcFailure> {
        let bytes = self.bytes(Envelope::BYTES_MAX)?;
        Envelope::parse(&bytes).map_err(|error| RpcFailure::undecodable(error.to_string()))
    }
}

impl fmt::Debug for RawHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawHex({} digits)", self.0.len())
    }
}

impl Serialize for RawHex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Takes any text: whether it is an object is for [`RawHex::bytes`] to say, with its own code.
impl<'de> Deserialize<'de> for RawHex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

impl Described for RawHex {
    fn schema(_: &mut SchemaBook) -> Value {
        json!({ "type": "string", "pattern": "^([0-9a-f]{2})*$", "examples": ["00ff"] })
    }
}

/// Coins as a decimal string of base units; 1 X3C is 100000000 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BaseUnits(pub Amount);

impl Serialize for BaseUnits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.base_units())
    }
}

impl<'de> Deserialize<'de> for BaseUnits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        match text.parse::<u64>() {
            Ok(base_units) if base_units.to_string() == text => {
                Ok(Self(Amount::from_base(base_units)))
            }
            _ => Err(D::Error::custom("expected a decimal string of base units")),
        }
    }
}

impl Described for BaseUnits {
    fn schema(_: &mut SchemaBook) -> Value {
        json!({ "type": "string", "pattern": "^(0|[1-9][0-9]*)$", "examples": ["150000000"] })
    }
}

/// An address as people copy it: bech32m with the prefix of its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressText(String);

impl AddressText {
    /// The address of `account` on `network`.
    #[must_use]
    pub fn new(network: Network, account: AccountId) -> Self {
        Self::from(Address::new(network, account))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The account, if the text is an address of `network`.
    ///
    /// # Errors
    /// `bad_address` (-5).
    pub fn account_on(&self, network: Network) -> Result<AccountId, RpcFailure> {
        let parsed = self
            .0
            .parse::<Address>()
            .and_then(|address| address.account_on(network));
        parsed.map_err(|error| RpcFailure::unknown("bad_address", quote(&error.to_string())))
    }
}

impl From<Address> for AddressText {
    fn from(address: Address) -> Self {
        Self(address.to_string())
    }
}

/// From a text that somebody typed; nothing is checked here.
impl From<String> for AddressText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Serialize for AddressText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Takes any text: whether it is an address is for [`AddressText::account_on`] to say.
impl<'de> Deserialize<'de> for AddressText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl Described for AddressText {
    fn schema(_: &mut SchemaBook) -> Value {
        let example = Self::new(Network::Regtest, AccountId::from_bytes([7; 20]));
        json!({ "type": "string", "examples": [example.0] })
    }
}

/// What a subscription is called on its connection: a number that the server has drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubscriptionName(pub u64);

impl Described for SubscriptionName {
    fn schema(_: &mut SchemaBook) -> Value {
        json!({ "type": "integer", "minimum": 0, "examples": [1] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn identifiers_are_exactly_their_lower_case_digits() {
        let id = Hex(BlockId::from_bytes([0xab; 32]));
        let text = "ab".repeat(32);
        assert_eq!(serde_json::to_value(id).ok(), Some(json!(text)));
        assert_eq!(text.parse(), Ok(id));
        let long = "ab".repeat(33);
        for wrong in [
            "",
            "AB",
            &text.to_uppercase(),
            &long,
            &text[1..],
            &"\u{e9}".repeat(32),
        ] {
            assert_eq!(
                wrong.parse::<Hex<BlockId>>(),
                Err(HexError { digits: 64 }),
                "{wrong}"
            );
        }
    }

    #[test]
    fn amounts_are_canonical_decimal_strings() {
        let read = |text: &str| serde_json::from_str::<BaseUnits>(text).ok();
        assert_eq!(read("\"0\""), Some(BaseUnits(Amount::ZERO)));
        assert_eq!(
            read("\"150000000\""),
            Some(BaseUnits(Amount::from_base(150_000_000)))
        );
        for wrong in [
            "150", "1.5", "\"1.5\"", "\"-1\"", "\"+1\"", "\"01\"", "\"\"", "null", "\"1e3\"",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn raw_objects_are_bounded_before_they_are_decoded() {
        let raw: RawHex = serde_json::from_str("\"00ff\"").expect("a text");
        assert_eq!(raw.bytes(2), Ok(vec![0, 255]));
        for (text, bytes_max) in [("00ff", 1), ("0", 9), ("zz", 9), ("00FF", 9), ("\u{e9}", 9)] {
            let failure = RawHex(text.into()).bytes(bytes_max).expect_err(text);
            assert_eq!(
                (failure.code, failure.reason.as_ref()),
                (ErrorCode::Undecodable, "undecodable")
            );
        }
        assert!(RawHex::new(&[1, 2, 3]).envelope().is_err());
        let height = RawHex::encoding(&chain::Height::new(7));
        assert_eq!(height.decode::<chain::Height>(8), Ok(chain::Height::new(7)));
    }

    #[test]
    fn an_address_of_another_network_is_a_bad_address() {
        let account = AccountId::from_bytes([7; 20]);
        let address = AddressText::new(Network::Dev, account);
        assert_eq!(address.account_on(Network::Dev), Ok(account));
        let failure = address
            .account_on(Network::Main)
            .expect_err("another network");
        assert_eq!(
            (failure.code.number(), failure.reason.as_ref()),
            (-5, "bad_address")
        );
        assert!(
            AddressText::from("\u{434}\u{43e}\u{43c}".to_owned())
                .account_on(Network::Dev)
                .is_err()
        );
    }
}
