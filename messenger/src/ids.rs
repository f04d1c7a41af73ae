//! Names and coordinates: which conversation, which writer chain, which message.
//!
//! # Invariants
//! A [`ConversationId`] and a [`MessageRef`] are known to members only and never stand on the chain.
//!
//! # Spec
//! docs/spec/09-messages.md §2, §4
//!
//! # Not here
//! Names of envelopes as outsiders see them: `chain::{MessageId, WireId}`.

use std::fmt;
use std::str::FromStr;

use chain::codec::{SchemaRead, SchemaWrite};
use data_encoding::HEXLOWER;

/// Declares a 32-byte name that prints as lower-case hexadecimal digits.
macro_rules! identifier {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite)]
        #[wincode(crate = "chain::codec::wincode")]
        #[repr(transparent)]
        pub struct $name([u8; 32]);

        impl $name {
            /// From raw bytes; any 32 bytes are a name.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = NameParseError;

            fn from_str(text: &str) -> Result<Self, NameParseError> {
                let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| NameParseError)?;
                bytes.try_into().map(Self).map_err(|_| NameParseError)
            }
        }
    )*};
}

identifier! {
    /// Names a conversation: hash of its administrator key.
    ConversationId;
    /// Names a message, whichever envelope carries it: hash of one-time key and plaintext.
    MessageRef;
}

/// A text is not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a name: 64 lower-case hexadecimal digits are expected")]
pub struct NameParseError;

/// The first 16 bytes of a [`MessageRef`], as messages mention each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefPrefix([u8; 16]);

impl RefPrefix {
    /// Mentions no message.
    pub const NONE: Self = Self([0; 16]);

    /// From the wire.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for RefPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RefPrefix({})", HEXLOWER.encode(&self.0))
    }
}

impl MessageRef {
    /// How other messages mention this one.
    #[must_use]
    pub fn prefix(&self) -> RefPrefix {
        let (prefix, _) = self.0.split_first_chunk::<16>().expect("32 bytes hold 16");
        RefPrefix(*prefix)
    }
}

/// Declares a counter.
macro_rules! counter {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite,
        )]
        #[wincode(crate = "chain::codec::wincode")]
        #[repr(transparent)]
        pub struct $name(u32);

        impl $name {
            /// From the raw number.
            #[must_use]
            pub const fn new(raw: u32) -> Self {
                Self(raw)
            }

            /// The raw number.
            #[must_use]
            pub const fn get(self) -> u32 {
                self.0
            }

            /// The next one; the last one has no next and stays.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

counter! {
    /// Generation of a conversation's keys; a removal of a member starts the next one.
    KeyEpoch;
    /// Place for one writing device in a conversation.
    Slot;
    /// Which of a slot's writer chains.
    Generation;
    /// Position of a message in its writer chain, the `n` of the specification.
    MessageNumber;
}

/// Names a writer chain inside its conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite)]
#[wincode(crate = "chain::codec::wincode")]
pub struct WriterChainId {
    /// Which keys.
    pub epoch: KeyEpoch,
    /// Whose place.
    pub slot: Slot,
    /// Which chain of that place.
    pub generation: Generation,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_printed() {
        let reference = MessageRef::from_bytes([0xa5; 32]);
        assert_eq!(reference.to_string().parse(), Ok(reference));
        assert_eq!(reference.prefix().as_bytes(), &[0xa5; 16]);
        for text in [
            "",
            "a5",
            &"A5".repeat(32),
            &"a5".repeat(33),
            &"g5".repeat(32),
        ] {
            assert_eq!(
                text.parse::<ConversationId>(),
                Err(NameParseError),
                "{text}"
            );
        }
    }
}
