//! The one canonical codec: the bincode format with fixed-width little-endian integers, u64
//! lengths and one-byte tags.
//!
//! # Invariants
//! * [`decode`] looks at the length first and reads the whole input: no trailing bytes.
//! * `encode(decode(b)) == b` for every accepted `b`; there is one encoding per value.
//! * A claimed length is checked against an allocation limit before memory is taken: lists name
//!   their own limit ([`List`]), everything else lives under [`ALLOCATION_BYTES_MAX`].
//! * No recursive types: their depth would be the stack's.
//!
//! # Spec
//! docs/spec/01-encoding.md §1
//!
//! # Not here
//! Envelopes have a hand-written layout ([`crate::envelope`]); to this codec they are opaque bytes.

use wincode::config::{self, Configuration};
use wincode::int_encoding::{FixInt, LittleEndian};
use wincode::len::{BincodeLen, UseIntLen};

/// The format crate, for the paths that the derive macros emit:
/// `#[wincode(crate = "chain::codec::wincode")]`.
pub use wincode;
pub use wincode::{SchemaRead, SchemaWrite};

use crate::error::CodecError;

/// Allocation limit of a list that names none of its own (bytes in memory).
pub const ALLOCATION_BYTES_MAX: usize = 16 << 10;

/// The format: see the module head.
pub type Format = Configuration<true, ALLOCATION_BYTES_MAX, BincodeLen, LittleEndian, FixInt, u8>;

/// Schema of a `Vec<T>` whose elements may take at most `BYTES` of memory:
/// `#[wincode(with = "List<Header, 4096>")]`.
pub type List<T, const BYTES: usize> = wincode::containers::Vec<T, UseIntLen<u64, BYTES>>;

/// A type with a canonical encoding.
pub trait Encode: SchemaWrite<Format, Src = Self> {}
impl<T: SchemaWrite<Format, Src = T> + ?Sized> Encode for T {}

/// A type that can be read back from its canonical encoding.
pub trait Decode: for<'de> SchemaRead<'de, Format, Dst = Self> + Sized {}
impl<T: for<'de> SchemaRead<'de, Format, Dst = T>> Decode for T {}

/// The canonical bytes of `value`.
///
/// # Panics
/// Never for values that [`decode`] can return; a list beyond its own limit is a defect of the
/// caller, who builds it under the same constant.
#[must_use]
pub fn encode<T: Encode + ?Sized>(value: &T) -> Vec<u8> {
    config::serialize(value, Format::new()).expect("lists are built within their limits")
}

/// Bytes that [`encode`] would return, without building them.
#[must_use]
pub fn encoded_len<T: Encode + ?Sized>(value: &T) -> usize {
    let size = config::serialized_size(value, Format::new()).expect("lists are within limits");
    usize::try_from(size).expect("an in-memory value is smaller than the address space")
}

/// Reads exactly one `T` from `bytes`, of which there may be at most `bytes_max`.
///
/// # Errors
/// [`CodecError::TooLong`] before anything is read; [`CodecError::Malformed`] for everything else.
pub fn decode<T: Decode>(bytes: &[u8], bytes_max: usize) -> Result<T, CodecError> {
    if bytes.len() > bytes_max {
        return Err(CodecError::TooLong {
            found: bytes.len(),
            max: bytes_max,
        });
    }
    config::deserialize_exact(bytes, Format::new()).map_err(|error| CodecError::Malformed {
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
    enum Shape {
        #[wincode(tag = 0)]
        Dot,
        #[wincode(tag = 3)]
        Line(u32),
    }

    #[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
    struct Page {
        #[wincode(with = "List<u64, 64>")]
        numbers: Vec<u64>,
    }

    #[test]
    fn the_layout_is_fixed_width_little_endian_with_byte_tags() {
        assert_eq!(encode(&Shape::Line(0x0102_0304)), [3, 4, 3, 2, 1]);
        assert_eq!(encode(&Shape::Dot), [0]);
        assert_eq!(encode(&vec![7u8]), [1, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(encode(&Some(5u16)), [1, 5, 0]);
    }

    #[test]
    fn the_length_is_checked_before_anything_is_read() {
        let refused = decode::<Shape>(&[9, 9], 1);
        assert_eq!(refused, Err(CodecError::TooLong { found: 2, max: 1 }));
    }

    #[test]
    fn trailing_missing_and_unknown_bytes_are_refused() {
        for bytes in [&[0u8, 0][..], &[3, 1, 2], &[1], &[]] {
            assert!(matches!(
                decode::<Shape>(bytes, 64),
                Err(CodecError::Malformed { .. })
            ));
        }
        assert!(decode::<bool>(&[2], 1).is_err());
        assert!(decode::<Option<u8>>(&[2, 0], 2).is_err());
    }

    #[test]
    fn a_list_cannot_claim_more_memory_than_its_limit() {
        let page = Page {
            numbers: vec![1; 8],
        };
        assert_eq!(decode::<Page>(&encode(&page), 1024), Ok(page));
        let mut long = 9u64.to_le_bytes().to_vec();
        long.extend([0; 72]);
        assert!(decode::<Page>(&long, 1024).is_err());
        assert!(decode::<Page>(&u64::MAX.to_le_bytes(), 1024).is_err());
    }
}
