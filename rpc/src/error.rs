//! What can go wrong: [`RpcFailure`] for callers, [`ServerError`] and [`CookieError`] for the
//! process that serves.
//!
//! # Invariants
//! * Every failure carries a stable machine word (`reason`) and a sentence that says what to do
//!   (`detail`); on the wire they are `error.data.reason` and `error.data.detail`.
//! * The number of a code never changes its meaning.
//!
//! # Spec
//! docs/spec/07-rpc.md §5
//!
//! # Not here
//! The rules behind `rejected`: `consensus::error`.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::PathBuf;

use jsonrpsee::types::ErrorObjectOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits;

/// Declares the code table.
macro_rules! codes {
    ($(
        #[doc = $doc:literal] $(#[doc = $more:literal])* $name:ident = $number:literal;
    )*) => {
        /// The class of a failure, a number on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = $doc] $(#[doc = $more])* $name,)*
            /// A number that this version does not know.
            Other(i32),
        }

        impl ErrorCode {
            /// The whole table.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> i32 {
                match self {
                    $(Self::$name => $number,)*
                    Self::Other(number) => number,
                }
            }

            /// The class of a number.
            #[must_use]
            pub const fn from_number(number: i32) -> Self {
                match number {
                    $($number => Self::$name,)*
                    other => Self::Other(other),
                }
            }

            /// What the number means, in a few words: `error.message` on the wire.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $doc.trim_ascii().trim_end_matches('.'),)*
                    Self::Other(_) => "unknown error",
                }
            }
        }
    };
}

codes! {
    /// bad address or unknown id.
    BadAddress = -5;
    /// insufficient funds.
    InsufficientFunds = -6;
    /// bad parameter.
    BadParameter = -8;
    /// no peers.
    NotConnected = -9;
    /// unlock needed.
    UnlockNeeded = -13;
    /// wrong passphrase.
    WrongPassphrase = -14;
    /// disk full or damaged.
    Disk = -20;
    /// cannot decode.
    Undecodable = -22;
    /// verification failed.
    VerificationFailed = -25;
    /// rejected.
    Rejected = -26;
    /// already in the chain.
    AlreadyInChain = -27;
    /// warming up.
    WarmingUp = -28;
    /// rate limit reached.
    RateLimited = -32005;
    /// too many subscriptions.
    TooManySubscriptions = -32006;
    /// request too large.
    RequestTooLarge = -32007;
    /// response too large.
    ResponseTooLarge = -32008;
    /// busy.
    Busy = -32009;
    /// batch too long.
    BatchTooLong = -32010;
    /// no node reachable.
    /// Made by clients, never sent.
    Unreachable = -32050;
    /// no or bad cookie.
    Unauthorized = -32051;
    /// foreign host or origin.
    Forbidden = -32052;
    /// no answer in time.
    /// Made by clients, never sent.
    Timeout = -32053;
    /// subscription ended.
    SubscriptionEnded = -32054;
    /// invalid request.
    InvalidRequest = -32600;
    /// no such method.
    MethodNotFound = -32601;
    /// invalid parameters.
    InvalidParams = -32602;
    /// internal error.
    Internal = -32603;
    /// not JSON.
    ParseError = -32700;
    /// messaging.
    /// Further numbers follow downwards.
    Messaging = -33000;
}

/// Why a call did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason} ({number}): {detail}", number = .code.number())]
#[non_exhaustive]
pub struct RpcFailure {
    /// The class.
    pub code: ErrorCode,
    /// The machine word; scripts compare it.
    pub reason: Cow<'static, str>,
    /// The sentence for people.
    pub detail: String,
}

/// `error.data` on the wire.
#[derive(Serialize, Deserialize)]
struct FailureData {
    reason: String,
    detail: String,
}

impl RpcFailure {
    /// Any failure.
    pub fn new(
        code: ErrorCode,
        reason: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            code,
            reason: reason.into(),
            detail: detail.into(),
        }
    }

    /// The thing asked for does not exist here; `reason` says which kind: `unknown_block`.
    pub fn unknown(reason: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadAddress, reason, detail)
    }

    /// A parameter that has the right type and the wrong value.
    pub fn bad_parameter(reason: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadParameter, reason, detail)
    }

    /// A raw object that cannot be decoded.
    pub fn undecodable(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::Undecodable, "undecodable", detail)
    }

    /// A well-formed object that a rule or a policy refuses; `reason` names it.
    pub fn rejected(reason: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::Rejected, reason, detail)
    }

    /// A fault of this side.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, "internal", detail)
    }

    /// The subscriber read more slowly than events came.
    #[must_use]
    pub fn slow_subscriber() -> Self {
        Self::new(
            ErrorCode::SubscriptionEnded,
            "slow_subscriber",
            "events came faster than they were read; subscribe again and read what is missing",
        )
    }

    /// The node ends the subscription because it stops.
    #[must_use]
    pub fn stopping() -> Self {
        Self::new(
            ErrorCode::SubscriptionEnded,
            "stopping",
            "the node is stopping; subscribe again when it is back",
        )
    }

    /// Whether no node answered at all: `chainchat` exits with 4, otherwise with 5.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.code == ErrorCode::Unreachable
    }

    pub(crate) fn unreachable(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unreachable, "unreachable", detail)
    }

    pub(crate) fn invalid_params(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidParams, "invalid_params", detail)
    }
}

impl From<RpcFailure> for ErrorObjectOwned {
    fn from(failure: RpcFailure) -> Self {
        let data = FailureData {
            reason: failure.reason.into_owned(),
            detail: failure.detail,
        };
        ErrorObjectOwned::owned(failure.code.number(), failure.code.meaning(), Some(data))
    }
}

/// Reads an error object, also one of a server that sends no reason.
impl From<&ErrorObjectOwned> for RpcFailure {
    fn from(object: &ErrorObjectOwned) -> Self {
        let code = ErrorCode::from_number(object.code());
        let data = object
            .data()
            .and_then(|data| serde_json::from_str(data.get()).ok());
        match data {
            Some(FailureData { reason, detail }) => Self::new(code, reason, detail),
            None => Self::new(code, "unnamed", object.message()),
        }
    }
}

/// The beginning of an untrusted text, for an error message.
pub(crate) fn quote(text: &str) -> String {
    match text.char_indices().nth(limits::QUOTE_CHARS_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Why a listener cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address is taken, forbidden or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
}

/// Why a cookie file cannot be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CookieError {
    /// The cookie's name is a symbolic link: somebody wants the secret written elsewhere.
    #[error("{path} is a symbolic link; remove it")]
    Link {
        /// The cookie file.
        path: PathBuf,
    },
    /// The file is not `__cookie__:` and 64 hexadecimal digits.
    #[error("{path} is not a cookie file")]
    Malformed {
        /// The cookie file.
        path: PathBuf,
    },
    /// The operating system refuses.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// `read`, `write` or `remove`.
        action: &'static str,
        /// The cookie file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_stands_once_and_is_read_back() {
        let numbers: std::collections::BTreeSet<i32> =
            ErrorCode::ALL.iter().map(|code| code.number()).collect();
        assert_eq!(numbers.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_number(code.number()), *code);
            assert!(!code.meaning().is_empty());
        }
        assert_eq!(ErrorCode::from_number(-4711), ErrorCode::Other(-4711));
    }

    #[test]
    fn a_failure_survives_the_wire() {
        let failure = RpcFailure::rejected("low_fee", "raise max_fee to 12");
        let object = ErrorObjectOwned::from(failure.clone());
        assert_eq!(object.code(), -26);
        assert_eq!(
            object.data().map(|data| data.get()),
            Some(r#"{"reason":"low_fee","detail":"raise max_fee to 12"}"#)
        );
        assert_eq!(RpcFailure::from(&object), failure);
    }

    #[test]
    fn an_error_without_data_is_read_by_its_code() {
        let object = ErrorObjectOwned::owned(-32700, "Parse error", None::<()>);
        let failure = RpcFailure::from(&object);
        assert_eq!(
            (failure.code, failure.reason.as_ref()),
            (ErrorCode::ParseError, "unnamed")
        );
    }

    #[test]
    fn quotes_are_cut_between_characters() {
        let long = "\u{1f980}".repeat(limits::QUOTE_CHARS_MAX + 1);
        assert_eq!(quote(&long).chars().count(), limits::QUOTE_CHARS_MAX + 3);
        assert_eq!(quote("short"), "short");
    }
}
