//! Vectors of addresses on the four networks.

use bech32::primitives::iter::{ByteIterExt, Fe32IterExt};
use bech32::{Bech32, Bech32m, Fe32, Hrp};
use chain::{AccountId, Address, AddressError, Network, PublicKey};
use serde_json::{Value, json};

use crate::transactions::keypair;
use crate::twin::{bytes, object};

/// The name of the reason why `text` is no address.
pub(crate) fn reason(text: &str) -> Result<(), &'static str> {
    match text.parse::<Address>() {
        Ok(_) => Ok(()),
        Err(AddressError::Encoding { .. }) => Err("Encoding"),
        Err(AddressError::UnknownPrefix) => Err("UnknownPrefix"),
        Err(AddressError::UnknownVersion { .. }) => Err("UnknownVersion"),
        Err(AddressError::Length { .. }) => Err("Length"),
        Err(_) => Err("a reason that this function does not know"),
    }
}

fn digits(version: Fe32, payload: &[u8]) -> Vec<Fe32> {
    std::iter::once(version)
        .chain(payload.iter().copied().bytes_to_fes())
        .collect()
}

fn text<Ck: bech32::Checksum>(prefix: &str, digits: Vec<Fe32>) -> String {
    let prefix = Hrp::parse(prefix).expect("a valid prefix");
    digits
        .into_iter()
        .with_checksum::<Ck>(&prefix)
        .chars()
        .collect()
}

fn encoded(prefix: &str, version: Fe32, payload: &[u8]) -> String {
    text::<Bech32m>(prefix, digits(version, payload))
}

/// An address with one digit after its last byte.
fn continued(digit: Fe32) -> String {
    let mut digits = digits(Fe32::Q, &[7; 20]);
    digits.push(digit);
    text::<Bech32m>("x3c", digits)
}

/// 19 bytes end inside a digit; here the bits behind the last byte are set.
fn padded() -> String {
    let mut digits = digits(Fe32::Q, &[0; 19]);
    digits.pop();
    digits.push(Fe32::P);
    text::<Bech32m>("x3c", digits)
}

/// `address.json`
pub(crate) fn addresses() -> Value {
    let key = PublicKey::from(&keypair());
    let accounts = [
        AccountId::from(&key),
        AccountId::from_bytes([0; 20]),
        AccountId::from_bytes([0xff; 20]),
    ];
    let mut accepted = Vec::new();
    for network in Network::ALL {
        for account in accounts {
            accepted.push(object([
                ("network", json!(network.name())),
                ("prefix", json!(network.address_prefix())),
                ("account", bytes(account.as_bytes())),
                ("text", json!(Address::new(network, account).to_string())),
                (
                    "key",
                    if account == accounts[0] {
                        bytes(key.as_bytes())
                    } else {
                        Value::Null
                    },
                ),
            ]));
        }
    }
    let rejected: Vec<Value> = rejects()
        .into_iter()
        .map(|(name, text, reason)| {
            object([
                ("name", json!(name)),
                ("text", json!(text)),
                ("reason", json!(reason)),
            ])
        })
        .collect();
    object([
        (
            "about",
            json!(
                "addresses: bech32m, version 0, 20 bytes; capital letters throughout are read as small ones"
            ),
        ),
        ("spec", json!("docs/spec/01-encoding.md §5")),
        ("must_accept", Value::Array(accepted)),
        ("must_reject", Value::Array(rejected)),
    ])
}

fn rejects() -> Vec<(&'static str, String, &'static str)> {
    let good = Address::new(Network::Main, AccountId::from_bytes([7; 20])).to_string();
    let last = good.len() - 1;
    let mut changed = good.clone().into_bytes();
    changed[last] = if changed[last] == b'q' { b'p' } else { b'q' };
    let changed = String::from_utf8(changed).expect("ascii");
    let mut swapped = good.clone().into_bytes();
    let at = (10..last)
        .find(|&at| swapped[at] != swapped[at + 1])
        .expect("different digits");
    swapped.swap(at, at + 1);
    let swapped = String::from_utf8(swapped).expect("ascii");
    vec![
        ("no text", String::new(), "Encoding"),
        ("no separator", good.replace('1', ""), "Encoding"),
        ("the last character changed", changed, "Encoding"),
        ("two neighbours swapped", swapped, "Encoding"),
        (
            "a character is missing",
            good[..last].to_owned(),
            "Encoding",
        ),
        ("mixed case", good.replacen('q', "Q", 1), "Encoding"),
        ("a space in front", format!(" {good}"), "Encoding"),
        (
            "a character outside the alphabet",
            good.replacen('q', "b", 1),
            "Encoding",
        ),
        (
            "the checksum of bech32",
            text::<Bech32>("x3c", digits(Fe32::Q, &[7; 20])),
            "Encoding",
        ),
        ("padding bits that are not zero", padded(), "Encoding"),
        ("a digit of padding", continued(Fe32::Q), "Encoding"),
        (
            "a digit that is not zero behind the last byte",
            continued(Fe32::L),
            "Encoding",
        ),
        (
            "another system's prefix",
            encoded("bc", Fe32::Q, &[7; 20]),
            "UnknownPrefix",
        ),
        (
            "no network's prefix",
            encoded("xx3c", Fe32::Q, &[7; 20]),
            "UnknownPrefix",
        ),
        (
            "version 1",
            encoded("x3c", Fe32::P, &[7; 20]),
            "UnknownVersion",
        ),
        (
            "version 31",
            encoded("x3c", Fe32::L, &[7; 20]),
            "UnknownVersion",
        ),
        ("19 bytes", encoded("x3c", Fe32::Q, &[7; 19]), "Length"),
        ("21 bytes", encoded("x3c", Fe32::Q, &[7; 21]), "Length"),
        ("32 bytes", encoded("x3c", Fe32::Q, &[7; 32]), "Length"),
        (
            "a version and nothing else",
            encoded("x3c", Fe32::Q, &[]),
            "Length",
        ),
    ]
}
