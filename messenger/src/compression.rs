//! zstd for long texts, with limits that make a bomb harmless.
//!
//! # Invariants
//! * [`decompress`] writes at most [`OUTPUT_BYTES_MAX`] and at most [`RATIO_MAX`] times the input,
//!   and gives the decoder a window of at most 1 MiB.
//! * The input is one frame, complete and without anything after it.
//!
//! # Spec
//! docs/spec/09-messages.md §6.3
//!
//! # Not here
//! Which types may be compressed: [`crate::plaintext`].

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use crate::error::Refusal;

/// Shorter bodies are sent as they are: the gain would be within one size class (bytes).
pub(crate) const COMPRESS_FROM_BYTES: usize = 200;
/// The decoder's window, as a power of two: one author's text needs no more.
const WINDOW_LOG_MAX: u32 = 20;
/// A text that shrinks more than this is not a text.
const RATIO_MAX: usize = 16;
/// The most that a body may hold (bytes).
const OUTPUT_BYTES_MAX: usize = 1 << 20;
/// Level for senders: the knee of speed against size.
const LEVEL: i32 = 3;
/// Output is taken in pieces of this size (bytes).
const PIECE_BYTES: usize = 16 << 10;

/// The compressed form, unless a reader would refuse it.
pub(crate) fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    let compressed = zstd::bulk::compress(bytes, LEVEL).ok()?;
    (bytes.len() <= compressed.len().saturating_mul(RATIO_MAX)).then_some(compressed)
}

/// The original of a compressed body.
pub(crate) fn decompress(compressed: &[u8]) -> Result<Vec<u8>, Refusal> {
    let malformed = |_| Refusal::Compression {
        reason: "not a zstd frame",
    };
    let mut decoder = Decoder::new().map_err(malformed)?;
    decoder
        .set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))
        .map_err(malformed)?;
    let limit = OUTPUT_BYTES_MAX.min(compressed.len().saturating_mul(RATIO_MAX));
    let mut input = InBuffer::around(compressed);
    let mut output = Vec::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let before = input.pos();
        let mut room = OutBuffer::around(&mut piece[..]);
        let left = decoder.run(&mut input, &mut room).map_err(malformed)?;
        let written = room.as_slice();
        if output.len() + written.len() > limit {
            return Err(Refusal::Compression {
                reason: "expands beyond the limit",
            });
        }
        output.extend_from_slice(written);
        if left == 0 {
            break;
        }
        if written.is_empty() && input.pos() == before {
            return Err(Refusal::Compression {
                reason: "the frame is incomplete",
            });
        }
    }
    if input.pos() == compressed.len() {
        Ok(output)
    } else {
        Err(Refusal::Compression {
            reason: "bytes follow the frame",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(reason: &'static str) -> Result<Vec<u8>, Refusal> {
        Err(Refusal::Compression { reason })
    }

    fn prose() -> Vec<u8> {
        (0..400)
            .flat_map(|line: u32| format!("line {} of prose\n", line * line).into_bytes())
            .collect()
    }

    #[test]
    fn a_text_survives_compression() {
        let compressed = compress(&prose()).expect("compresses");
        assert!(compressed.len() < prose().len());
        assert_eq!(decompress(&compressed), Ok(prose()));
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let bomb = zstd::bulk::compress(&vec![0; 8 << 20], 3).expect("compresses");
        assert!(bomb.len() < 2048);
        assert!(decompress(&bomb).is_err());
        let dense = zstd::bulk::compress(&vec![b'a'; 50_000], 3).expect("compresses");
        assert_eq!(decompress(&dense), refused("expands beyond the limit"));
        assert_eq!(compress(&vec![b'a'; 50_000]), None);
    }

    #[test]
    fn a_large_window_is_refused() {
        // A frame header that asks for a window of 2^27 bytes, then an empty last block.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 0x01, 0x00, 0x00];
        assert_eq!(decompress(&frame), refused("not a zstd frame"));
        let modest = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 10 << 3, 0x01, 0x00, 0x00];
        assert_eq!(decompress(&modest), Ok(Vec::new()));
    }

    #[test]
    fn truncated_trailing_and_foreign_bytes_are_refused() {
        let compressed = compress(&prose()).expect("compresses");
        for len in [0, 1, 5, compressed.len() - 1] {
            assert!(decompress(&compressed[..len]).is_err(), "{len} bytes");
        }
        let followed = [&compressed[..], &[0]].concat();
        assert_eq!(decompress(&followed), refused("bytes follow the frame"));
        assert!(decompress(b"not compressed at all").is_err());
    }
}
