//! Memory while decoding what strangers send: at most 16 times the longest input of the type.
//!
//! # Invariants
//! This file holds one test, so that nothing else allocates while it measures.
//!
//! # Spec
//! docs/spec/01-encoding.md §1
//!
//! # Not here
//! What is accepted: `properties.rs`.

#[path = "samples/decoders.rs"]
#[allow(dead_code)] // each test crate uses its part of the table
mod decoders;
#[path = "samples/seeded.rs"]
#[allow(dead_code)] // each test crate uses its part of the samples
mod seeded;

use decoders::{DECODERS, Decoder};
use peak_alloc::PeakAlloc;
use seeded::Seeded;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Peak heap of a decoder, as a multiple of its longest input.
const HEAP_FACTOR_MAX: usize = 16;
/// Damaged inputs per type.
const DAMAGED: u64 = 300;

/// Bytes that were taken at the worst moment of decoding `bytes`.
fn peak_heap(decoder: &Decoder, bytes: &[u8]) -> usize {
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let _ = (decoder.decode)(bytes);
    HEAP.peak_usage() - before
}

/// The densest bodies: lists full of the smallest items that the wire can carry.
fn dense_bodies() -> Vec<Vec<u8>> {
    let seeded = |name: &str| Seeded::new(7).encoded(name);
    let aux = seeded("aux");
    let empty = 0u64.to_le_bytes();
    let smallest_transaction = {
        let mut bytes = vec![1, chain::transaction::kind::WAKE];
        bytes.extend([0; 56]);
        bytes.extend([0; 4]);
        bytes.extend([0; 64]);
        bytes
    };
    let full = |item: &[u8], count: usize| {
        let mut bytes = u64::try_from(count)
            .expect("a count")
            .to_le_bytes()
            .to_vec();
        bytes.extend(item.repeat(count));
        bytes
    };
    let body_max = chain::Body::BYTES_MAX;
    let mut bodies = Vec::new();
    for (item, behind) in [(&smallest_transaction[..], 40), (&empty[..], 48)] {
        for count in [
            1000,
            5000,
            8000,
            20_000,
            80_000,
            (body_max - behind) / item.len(),
        ] {
            let mut body = Vec::new();
            if behind == 48 {
                body.extend(empty);
            }
            body.extend(full(item, count));
            if behind == 40 {
                body.extend(empty);
            }
            body.extend(&aux);
            body.truncate(body_max);
            bodies.push(body);
        }
    }
    bodies
}

/// Every place of `bytes` that may be a length, set to numbers that cost much memory if believed.
fn false_lengths(bytes: &[u8], each: &mut dyn FnMut(&[u8])) {
    let claims = [
        0xff,
        0xff_ff,
        66_988,
        1 << 17,
        1 << 20,
        1 << 21,
        1 << 32,
        u64::MAX >> 1,
        u64::MAX,
    ];
    let step = (bytes.len() / 512).max(1);
    for at in (0..bytes.len().saturating_sub(8)).step_by(step) {
        let mut changed = bytes.to_vec();
        for claim in claims {
            changed[at..at + 8].copy_from_slice(&u64::to_le_bytes(claim));
            each(&changed);
        }
    }
}

#[test]
fn no_decoder_takes_more_than_sixteen_times_its_longest_input() {
    let mut measured = 0u64;
    for decoder in &DECODERS {
        let limit = decoder.bytes_max * HEAP_FACTOR_MAX;
        let mut highest = 0;
        let mut judge = |bytes: &[u8]| {
            let peak = peak_heap(decoder, bytes);
            highest = highest.max(peak);
            measured += 1;
            assert!(
                peak <= limit,
                "{}: {peak} bytes, allowed {limit}",
                decoder.name
            );
        };
        judge(&vec![0xff; decoder.bytes_max]);
        judge(&vec![0; decoder.bytes_max]);
        judge(&vec![1; decoder.bytes_max + 1]);
        judge(&u64::MAX.to_le_bytes());
        for seed in 0..DAMAGED {
            let mut seeded = Seeded::new(seed);
            let mut bytes = seeded.encoded(decoder.name);
            judge(&bytes);
            let at = seeded.index(bytes.len());
            bytes[at] = 0xff;
            judge(&bytes);
            bytes.truncate(at);
            judge(&bytes);
        }
        for seed in 0..4 {
            false_lengths(&Seeded::new(seed).encoded(decoder.name), &mut judge);
        }
        if decoder.name == "body" {
            for body in dense_bodies() {
                judge(&body);
            }
        }
        assert!(highest > 0, "{}: nothing was measured", decoder.name);
    }
    assert!(
        measured > 10_000,
        "{measured} inputs are too few to say anything"
    );
}
