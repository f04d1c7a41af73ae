//! Reading and writing the hand-made layouts of messages: little-endian numbers, fixed arrays and
//! short texts.
//!
//! # Invariants
//! * A read never goes beyond the input and never allocates more than the input's length.
//! * Texts are UTF-8 without control characters, except line feed and tab.
//!
//! # Spec
//! docs/spec/09-messages.md §6.2
//!
//! # Not here
//! The canonical codec of consensus data and change sets: `chain::codec`.

use crate::error::LayoutError;

/// Takes fields from the front of a byte string.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], LayoutError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(LayoutError::TooShort)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], LayoutError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(LayoutError::TooShort)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, LayoutError> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, LayoutError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, LayoutError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, LayoutError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn str8(&mut self) -> Result<String, LayoutError> {
        let len = self.u8()?;
        self.text(len.into())
    }

    pub(crate) fn str16(&mut self) -> Result<String, LayoutError> {
        let len = self.u16()?;
        self.text(len.into())
    }

    fn text(&mut self, len: usize) -> Result<String, LayoutError> {
        let text = std::str::from_utf8(self.bytes(len)?).map_err(|_| LayoutError::NotUtf8)?;
        check_characters(text)?;
        Ok(text.to_owned())
    }

    /// Everything that is left.
    pub(crate) fn remainder(self) -> &'a [u8] {
        self.rest
    }

    /// Ends the reading: nothing may be left.
    pub(crate) fn finish(self) -> Result<(), LayoutError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(LayoutError::TrailingBytes)
        }
    }

    /// Ends the reading: only padding may be left.
    pub(crate) fn finish_with_zeros(self) -> Result<(), LayoutError> {
        let folded = self.rest.iter().fold(0, |folded, byte| folded | byte);
        if folded == 0 {
            Ok(())
        } else {
            Err(LayoutError::NonZeroPadding)
        }
    }
}

/// Refuses control characters, except line feed and tab.
pub(crate) fn check_characters(text: &str) -> Result<(), LayoutError> {
    let forbidden = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    if text.chars().any(forbidden) {
        Err(LayoutError::ControlCharacter)
    } else {
        Ok(())
    }
}

/// Appends fields to a byte string.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u8(self, number: u8) -> Self {
        self.bytes(&[number])
    }

    pub(crate) fn u16(self, number: u16) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    pub(crate) fn u32(self, number: u32) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    pub(crate) fn u64(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    pub(crate) fn str8(self, text: &str) -> Result<Self, LayoutError> {
        check_characters(text)?;
        let len = u8::try_from(text.len()).map_err(|_| LayoutError::TextTooLong {
            found: text.len(),
            max: u8::MAX.into(),
        })?;
        Ok(self.u8(len).bytes(text.as_bytes()))
    }

    pub(crate) fn str16(self, text: &str) -> Result<Self, LayoutError> {
        check_characters(text)?;
        let len = u16::try_from(text.len()).map_err(|_| LayoutError::TextTooLong {
            found: text.len(),
            max: u16::MAX.into(),
        })?;
        Ok(self.u16(len).bytes(text.as_bytes()))
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = Writer::new()
            .u8(1)
            .u16(2)
            .u32(3)
            .u64(4)
            .str8("a\n\tж")
            .expect("fits");
        let bytes = bytes.str16("").expect("fits").bytes(&[9; 3]).into_bytes();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(2));
        assert_eq!(reader.u32(), Ok(3));
        assert_eq!(reader.u64(), Ok(4));
        assert_eq!(reader.str8().as_deref(), Ok("a\n\tж"));
        assert_eq!(reader.str16().as_deref(), Ok(""));
        assert_eq!(reader.clone().finish(), Err(LayoutError::TrailingBytes));
        assert_eq!(reader.array(), Ok([9; 3]));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn short_input_bad_utf8_and_control_characters_are_named() {
        assert_eq!(Reader::new(&[3, b'a']).str8(), Err(LayoutError::TooShort));
        assert_eq!(Reader::new(&[1, 0xff]).str8(), Err(LayoutError::NotUtf8));
        for text in ["\u{0}", "a\rb", "\u{7f}", "\u{85}", "\u{1b}[0m"] {
            let bytes = [&[text.len() as u8], text.as_bytes()].concat();
            assert_eq!(
                Reader::new(&bytes).str8(),
                Err(LayoutError::ControlCharacter)
            );
            assert!(Writer::new().str8(text).is_err());
        }
        let long = "a".repeat(256);
        let expected = LayoutError::TextTooLong {
            found: 256,
            max: 255,
        };
        assert_eq!(Writer::new().str8(&long).err(), Some(expected));
    }

    #[test]
    fn padding_is_zeros_only() {
        assert_eq!(Reader::new(&[0, 0]).finish_with_zeros(), Ok(()));
        assert_eq!(
            Reader::new(&[0, 1]).finish_with_zeros(),
            Err(LayoutError::NonZeroPadding)
        );
    }
}
