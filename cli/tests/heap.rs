//! Memory while reading what peers and strangers send through the doors above `chain`: at most 16 times
//! the longest input.
//!
//! # Invariants
//! This file holds one test, so that nothing else allocates while it measures.
//!
//! # Spec
//! docs/spec/01-encoding.md §1, docs/spec/06-wire.md
//!
//! # Not here
//! The doors of `chain`: `chain/tests/heap.rs`.

#[path = "../../fuzz/src/doors.rs"]
#[allow(unreachable_pub)] // a library includes the same file
mod doors;

use std::path::Path;

use doors::DOORS;
// What `doors` finds one module above itself.
#[allow(clippy::single_component_path_imports)]
use node;
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The longest input that is made here (bytes); our own records may be longer.
const INPUT_BYTES_MAX: usize = 8 << 20;
/// Peak heap of a door, as a multiple of its longest input.
const HEAP_FACTOR_MAX: usize = 16;

#[test]
fn no_door_takes_more_than_sixteen_times_its_longest_input() {
    let mut measured = 0u64;
    for door in &DOORS {
        let limit = door.bytes_max * HEAP_FACTOR_MAX;
        let mut judge = |bytes: &[u8]| {
            HEAP.reset_peak_usage();
            let before = HEAP.current_usage();
            let written = (door.recode)(bytes);
            let peak = HEAP.peak_usage() - before;
            drop(written);
            measured += 1;
            assert!(
                peak <= limit,
                "{}: {peak} bytes, allowed {limit}",
                door.name
            );
        };
        let longest = door.bytes_max.min(INPUT_BYTES_MAX);
        for fill in [0, 1, 0xff] {
            judge(&vec![fill; longest]);
            judge(&vec![fill; longest + 1]);
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus-min");
        for entry in std::fs::read_dir(folder.join(door.name)).expect("a corpus") {
            let bytes = std::fs::read(entry.expect("an entry").path()).expect("an input");
            judge(&bytes);
            let step = (bytes.len() / 256).max(1);
            for at in (0..bytes.len().saturating_sub(8)).step_by(step) {
                for claim in [0xff, 8_192, 1 << 16, 1 << 20, 1 << 32, u64::MAX] {
                    let mut changed = bytes.clone();
                    changed[at..at + 8].copy_from_slice(&u64::to_le_bytes(claim));
                    judge(&changed);
                }
            }
        }
    }
    assert!(
        measured > 5_000,
        "{measured} inputs are too few to say anything"
    );
}
