//! What can be wrong with bytes, before any rule of consensus is asked.
//!
//! # Invariants
//! One variant per reason; messages are lower-case; no variant carries unbounded peer input.
//!
//! # Spec
//! docs/spec/01-encoding.md §1
//!
//! # Not here
//! Rule violations of well-formed things: `consensus::error`.

use thiserror::Error;

/// Why bytes are not the canonical encoding of the type asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// More bytes than the caller allows for this type; nothing was read.
    #[error("{found} bytes where at most {max} are allowed")]
    TooLong {
        /// Bytes offered.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The bytes end early, go on after the value, or hold a tag or a length that does not exist.
    #[error("malformed encoding: {reason}")]
    Malformed {
        /// The codec's words.
        reason: String,
    },
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Not bech32m: checksum, character set, mixed case, padding or an older checksum kind.
    #[error("not a bech32m address: {reason}")]
    Encoding {
        /// What the bech32m decoder says.
        reason: String,
    },
    /// A well-formed text of some other system.
    #[error("the prefix belongs to no ChainChat network")]
    UnknownPrefix,
    /// The address belongs to another ChainChat network than the one in use.
    #[error("an address of network {found} where {expected} is in use")]
    WrongNetwork {
        /// The network in use.
        expected: crate::Network,
        /// The address's network.
        found: crate::Network,
    },
    /// A version this software does not know.
    #[error("address version {found} is not known")]
    UnknownVersion {
        /// Version found.
        found: u8,
    },
    /// The payload is not 20 bytes.
    #[error("an address payload of {found} bytes, expected 20")]
    Length {
        /// Payload bytes found.
        found: usize,
    },
}

/// Why bytes are not an envelope.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The length is not the one that kind, class and auth demand.
    #[error("an envelope of {found} bytes, expected {expected}")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes that kind, class and auth demand (the shortest envelope if they are unreadable).
        expected: usize,
    },
    /// Layout version.
    #[error("envelope version {found} is not known")]
    Version {
        /// Version found.
        found: u8,
    },
    /// Kind byte.
    #[error("envelope kind {found} is not known")]
    Kind {
        /// Kind found.
        found: u8,
    },
    /// Class byte.
    #[error("size class {found} is not known")]
    Class {
        /// Class found.
        found: u8,
    },
    /// Auth byte.
    #[error("auth kind {found} is not known")]
    Auth {
        /// Auth kind found.
        found: u8,
    },
}
