//! The shape of a vector file, and the readable twin of a value: its fields by name.
//!
//! # Invariants
//! Integers of up to 32 bits are JSON numbers, wider ones are decimal strings (JSON readers lose
//! digits above 2^53); bytes are lower-case hex.

use serde::Serialize;
use serde_json::{Map, Value};

/// One file.
#[derive(Serialize)]
pub(crate) struct Document {
    /// What the bytes are.
    pub(crate) about: &'static str,
    /// Where the layout is specified.
    pub(crate) spec: &'static str,
    /// Bytes with their meaning.
    pub(crate) must_accept: Vec<Accept>,
    /// Bytes without one.
    pub(crate) must_reject: Vec<Reject>,
}

/// Bytes that must be read as these fields and named so.
#[derive(Serialize)]
pub(crate) struct Accept {
    /// What is special about it.
    pub(crate) name: String,
    /// Name of the type.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// The encoding.
    pub(crate) bytes: String,
    /// The readable twin.
    pub(crate) fields: Value,
    /// Hashes, ids and verdicts that follow from it.
    pub(crate) derived: Value,
}

/// Bytes that must be refused.
#[derive(Serialize)]
pub(crate) struct Reject {
    /// What is wrong.
    pub(crate) name: String,
    /// Name of the type.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// The bytes.
    pub(crate) bytes: String,
    /// Name of the error's variant.
    pub(crate) reason: &'static str,
}

impl Reject {
    /// Bytes of `kind` that must be refused for `reason`.
    pub(crate) fn new(name: &str, kind: &'static str, bytes: &[u8], reason: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            bytes: hex(bytes),
            reason,
        }
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// The bytes behind [`hex`].
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER
        .decode(text.as_bytes())
        .expect("lower-case hex")
}

/// An object from its members.
pub(crate) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(Map::from_iter(
        members.map(|(name, value)| (name.to_owned(), value)),
    ))
}

/// Bytes as hex.
pub(crate) fn bytes(bytes: &[u8]) -> Value {
    Value::String(hex(bytes))
}

/// A 64-bit integer as a decimal string.
pub(crate) fn wide(number: u64) -> Value {
    Value::String(number.to_string())
}

/// A list.
pub(crate) fn list<T>(items: &[T], twin: impl Fn(&T) -> Value) -> Value {
    Value::Array(items.iter().map(twin).collect())
}

/// The usual damage to fixed-size bytes: cut, continued, missing.
pub(crate) fn wrong_lengths(kind: &'static str, encoded: &[u8]) -> Vec<Reject> {
    let mut long = encoded.to_vec();
    long.push(0);
    vec![
        Reject::new(
            "the last byte is missing",
            kind,
            &encoded[..encoded.len() - 1],
            "Malformed",
        ),
        Reject::new("a byte too many", kind, &long, "TooLong"),
        Reject::new("no bytes", kind, &[], "Malformed"),
    ]
}
