//! Laws of the codec that hold for all bytes: what is written is read back, what is read is
//! written back the same.
//!
//! # Spec
//! docs/spec/01-encoding.md §1
//!
//! # Not here
//! Memory while decoding: `heap.rs`. Named cases: `vectors/`.

#[path = "samples/decoders.rs"]
#[allow(dead_code)] // each test crate uses its part of the table
mod decoders;
#[path = "samples/seeded.rs"]
#[allow(dead_code)] // each test crate uses its part of the samples
mod seeded;

use chain::{AccountId, Address, Network};
use decoders::{DECODERS, Decoder, decode_address};
use proptest::prelude::*;
use seeded::Seeded;

fn assert_canonical(decoder: &Decoder, bytes: &[u8]) -> bool {
    let written = (decoder.recode)(bytes);
    if let Some(written) = &written {
        assert_eq!(written, bytes, "{} accepts a second encoding", decoder.name);
    }
    assert_eq!((decoder.decode)(bytes).is_ok(), written.is_some());
    written.is_some()
}

/// One small damage: a flipped bit, a replaced byte, a cut, an insertion, a length field set to an
/// edge, or a repeated stretch.
fn damage(seeded: &mut Seeded, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        bytes.push(seeded.bytes::<1>()[0]);
        return;
    }
    let at = seeded.index(bytes.len());
    match seeded.below(6) {
        0 => bytes[at] ^= 1 << seeded.below(8),
        1 => bytes[at] = seeded.bytes::<1>()[0],
        2 => bytes.truncate(at),
        3 => bytes.insert(at, seeded.bytes::<1>()[0]),
        4 => {
            let edge = seeded.number().to_le_bytes();
            let end = bytes.len().min(at + edge.len());
            bytes[at..end].copy_from_slice(&edge[..end - at]);
        }
        _ => {
            let stretch = bytes[at..bytes.len().min(at + 64)].to_vec();
            bytes.splice(at..at, stretch);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(seed: u64) {
        for decoder in &DECODERS {
            let bytes = Seeded::new(seed).encoded(decoder.name);
            prop_assert!(bytes.len() <= decoder.bytes_max, "{}", decoder.name);
            prop_assert!(assert_canonical(decoder, &bytes), "{}", decoder.name);
        }
    }

    #[test]
    fn damaged_bytes_are_refused_or_are_another_value(seed: u64, times in 1usize..4) {
        let mut seeded = Seeded::new(seed);
        for decoder in &DECODERS {
            let mut bytes = seeded.encoded(decoder.name);
            for _ in 0..times {
                damage(&mut seeded, &mut bytes);
            }
            assert_canonical(decoder, &bytes);
        }
    }

    #[test]
    fn random_bytes_are_refused_or_are_a_value(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        for decoder in &DECODERS {
            assert_canonical(decoder, &bytes);
        }
    }

    #[test]
    fn an_address_prints_as_it_was_read(account: [u8; 20], which in 0usize..4, flip in 0usize..60) {
        let address = Address::new(Network::ALL[which], AccountId::from_bytes(account));
        let text = address.to_string();
        prop_assert_eq!(decode_address(&text), Some(text.clone()));
        let mut damaged = text.clone().into_bytes();
        let at = flip % damaged.len();
        damaged[at] = damaged[at].wrapping_add(1);
        let damaged = String::from_utf8_lossy(&damaged).into_owned();
        if let Some(printed) = decode_address(&damaged) {
            prop_assert_eq!(printed, damaged.to_lowercase());
        }
    }

    #[test]
    fn random_text_is_no_address_or_prints_as_itself(text in ".{0,100}") {
        if let Some(printed) = decode_address(&text) {
            prop_assert_eq!(printed, text.to_lowercase());
        }
    }
}

#[test]
fn decoding_restores_the_value_and_not_only_its_bytes() {
    for seed in 0..200 {
        let bytes = Seeded::new(seed).encoded("block");
        let block: chain::Block =
            chain::codec::decode(&bytes, chain::Block::BYTES_MAX).expect("a block");
        let again: chain::Block =
            chain::codec::decode(&chain::codec::encode(&block), chain::Block::BYTES_MAX)
                .expect("a block");
        assert_eq!(block, again);
        assert_eq!(chain::codec::encoded_len(&block), bytes.len());
    }
}

#[test]
fn names_in_the_table_are_different() {
    let names: std::collections::BTreeSet<_> =
        DECODERS.iter().map(|decoder| decoder.name).collect();
    assert_eq!(names.len(), DECODERS.len());
}

/// A body whose list behind `before` empty lists holds as many copies of `item` as fit.
fn full_body(before: usize, item: &[u8]) -> Vec<u8> {
    const LISTS: usize = 6;
    let empty = [0; 8];
    let count = (chain::Body::BYTES_MAX - LISTS * 8) / item.len();
    let mut body = empty.repeat(before);
    body.extend(u64::try_from(count).expect("a count").to_le_bytes());
    body.extend(item.repeat(count));
    body.extend(empty.repeat(LISTS - 1 - before));
    body
}

#[test]
fn the_memory_limits_of_lists_never_refuse_what_the_byte_limit_allows() {
    let body = decoders::decoder("body");
    let smallest_transaction = {
        let mut bytes = vec![1, chain::transaction::kind::WAKE];
        bytes.extend([0; 56 + 4 + 64]);
        bytes
    };
    assert!(assert_canonical(body, &full_body(0, &smallest_transaction)));
    let smallest_envelope = {
        let mut bytes = 396u64.to_le_bytes().to_vec();
        bytes.extend([0; 396]);
        bytes
    };
    assert!(assert_canonical(body, &full_body(1, &smallest_envelope)));
}
