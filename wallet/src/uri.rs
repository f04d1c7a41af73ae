//! Payment requests as links: `x3c:ADDRESS?amount=&label=&message=`.
//!
//! # Invariants
//! * `parse(print(request)) == request` for every request that [`PaymentUri::parse`] returns.
//! * Texts are shown to people: control characters and invisible direction marks are refused.
//! * A parameter that the writer marks as required (`req-…`) and nobody here knows refuses the
//!   link; other unknown parameters are ignored.
//!
//! # Spec
//! docs/spec/08-wallet.md §7; RFC 3986 for the percent encoding
//!
//! # Not here
//! Invitations to conversations (`x3c:invite/…`): `messenger`.

use std::fmt;
use std::str::FromStr;

use chain::{Address, Amount};

use crate::error::UriError;

/// The longest link that is read: what a QR code holds comfortably.
pub const URI_BYTES_MAX: usize = 2_048;
/// Scheme of every ChainChat link.
const SCHEME: &str = "x3c:";

/// A request to pay an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentUri {
    /// Who asks. Which network it belongs to is the caller's to check.
    pub address: Address,
    /// How much, if the writer says.
    pub amount: Option<Amount>,
    /// A name for the address.
    pub label: Option<String>,
    /// What the payment is for.
    pub message: Option<String>,
}

impl PaymentUri {
    /// Reads a link.
    ///
    /// # Errors
    /// [`UriError`].
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let found = text.len();
        if found > URI_BYTES_MAX {
            return Err(UriError::TooLong {
                found,
                max: URI_BYTES_MAX,
            });
        }
        let (scheme, rest) = text
            .split_at_checked(SCHEME.len())
            .ok_or(UriError::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(UriError::Scheme);
        }
        if rest.to_ascii_lowercase().starts_with("invite/") {
            return Err(UriError::Invitation);
        }
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self {
            address: address.parse()?,
            amount: None,
            label: None,
            message: None,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "amount" => set(&mut uri.amount, "amount", value.parse()?)?,
                "label" => set(&mut uri.label, "label", decoded("label", value)?)?,
                "message" => set(&mut uri.message, "message", decoded("message", value)?)?,
                _ if name.starts_with("req-") => return Err(UriError::Required),
                _ => {}
            }
        }
        Ok(uri)
    }
}

impl FromStr for PaymentUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

impl fmt::Display for PaymentUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.address)?;
        let amount = self.amount.map(|amount| amount.to_string());
        let parameters = [
            ("amount", amount.as_ref()),
            ("label", self.label.as_ref()),
            ("message", self.message.as_ref()),
        ];
        let mut separator = '?';
        for (name, value) in parameters {
            let Some(value) = value else { continue };
            write!(f, "{separator}{name}=")?;
            write_encoded(value, f)?;
            separator = '&';
        }
        Ok(())
    }
}

fn set<T>(field: &mut Option<T>, parameter: &'static str, value: T) -> Result<(), UriError> {
    match field.replace(value) {
        Some(_) => Err(UriError::Repeated { parameter }),
        None => Ok(()),
    }
}

/// Percent-decodes text for people.
fn decoded(parameter: &'static str, value: &str) -> Result<String, UriError> {
    let unreadable = UriError::Text { parameter };
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (high, low) = (digit(), digit());
        let (Some(high), Some(low)) = (high, low) else {
            return Err(unreadable);
        };
        bytes.push(u8::try_from(high * 16 + low).expect("two hex digits are a byte"));
    }
    let text = String::from_utf8(bytes).map_err(|_| unreadable.clone())?;
    if text
        .chars()
        .any(|character| character.is_control() || is_direction_mark(character))
    {
        return Err(unreadable);
    }
    Ok(text)
}

/// Marks that change the order in which text is shown, so that it reads as something else.
fn is_direction_mark(character: char) -> bool {
    matches!(
        character,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

fn write_encoded(value: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                fmt::Write::write_char(f, char::from(byte))?;
            }
            _ => write!(f, "%{byte:02X}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain::{AccountId, AddressError, Network};
    use proptest::prelude::*;

    fn address() -> Address {
        Address::new(Network::Main, AccountId::from_bytes([7; 20]))
    }

    #[test]
    fn a_table_of_links_that_are_read() {
        let plain = PaymentUri {
            address: address(),
            amount: None,
            label: None,
            message: None,
        };
        let amount = Some("1.5".parse().expect("an amount"));
        let label = Some("Zoë & co".to_owned());
        let table = [
            (format!("x3c:{}", address()), plain.clone()),
            (
                format!("X3C:{}", address().to_string().to_uppercase()),
                plain.clone(),
            ),
            (format!("x3c:{}?", address()), plain.clone()),
            (format!("x3c:{}?unknown=1&&x", address()), plain.clone()),
            (
                format!("x3c:{}?amount=1.5", address()),
                PaymentUri {
                    amount,
                    ..plain.clone()
                },
            ),
            (
                format!("x3c:{}?message=&label=Zo%c3%AB%20%26%20co", address()),
                PaymentUri {
                    label,
                    message: Some(String::new()),
                    ..plain
                },
            ),
        ];
        for (text, expected) in table {
            assert_eq!(PaymentUri::parse(&text), Ok(expected.clone()), "{text}");
            assert_eq!(PaymentUri::parse(&expected.to_string()), Ok(expected));
        }
    }

    #[test]
    fn a_table_of_links_that_are_refused() {
        let query = |query: &str| format!("x3c:{}?{query}", address());
        let text = |parameter| UriError::Text { parameter };
        let long = "x".repeat(URI_BYTES_MAX + 1);
        let table = [
            (
                long,
                UriError::TooLong {
                    found: URI_BYTES_MAX + 1,
                    max: URI_BYTES_MAX,
                },
            ),
            (String::new(), UriError::Scheme),
            ("x3€:".to_owned(), UriError::Scheme),
            (address().to_string(), UriError::Scheme),
            (format!("bitcoin:{}", address()), UriError::Scheme),
            ("x3c:invite/1#abc".to_owned(), UriError::Invitation),
            (
                query("amount=1,5"),
                UriError::Amount(chain::units::AmountParseError),
            ),
            (
                query("amount=-1"),
                UriError::Amount(chain::units::AmountParseError),
            ),
            (
                query("amount="),
                UriError::Amount(chain::units::AmountParseError),
            ),
            (
                query("amount=1&amount=2"),
                UriError::Repeated {
                    parameter: "amount",
                },
            ),
            (
                query("label=a&label=a"),
                UriError::Repeated { parameter: "label" },
            ),
            (query("label=%4"), text("label")),
            (query("label=%zz"), text("label")),
            (query("label=%+1"), text("label")),
            (query("message=%ff"), text("message")),
            (query("message=%0a"), text("message")),
            (query("message=%E2%80%AEgnp.exe"), text("message")),
            (query("req-later=1"), UriError::Required),
        ];
        for (text, expected) in table {
            assert_eq!(PaymentUri::parse(&text), Err(expected), "{text}");
        }
        let foreign = PaymentUri::parse("x3c:bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4");
        assert!(matches!(
            foreign,
            Err(UriError::Address(AddressError::Encoding { .. }))
        ));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(
            amount in proptest::option::of(0..=Amount::MAX.base_units()),
            label in proptest::option::of("[^\\p{C}]{0,40}"),
        ) {
            let amount = amount.map(Amount::from_base);
            let uri = PaymentUri { address: address(), amount, label, message: None };
            prop_assert_eq!(PaymentUri::parse(&uri.to_string()), Ok(uri));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,80}") {
            let _ = PaymentUri::parse(&text);
            let _ = PaymentUri::parse(&format!("x3c:{}?{text}", address()));
        }
    }
}
