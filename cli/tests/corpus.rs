//! The committed fuzz corpus of the doors above `chain`, replayed: what is accepted is written back.
//!
//! # Invariants
//! Every door has a folder under `fuzz/corpus-min`, and none is empty.
//!
//! # Spec
//! docs/spec/06-wire.md, docs/spec/08-wallet.md, docs/spec/09-messages.md
//!
//! # Not here
//! The doors of `chain`: `chain/tests/corpus.rs`. The fuzz targets: `fuzz/fuzz_targets`.

#[path = "../../fuzz/src/doors.rs"]
#[allow(dead_code)] // the limits are for `heap.rs`
#[allow(unreachable_pub)] // a library includes the same file
mod doors;

use std::path::{Path, PathBuf};

use doors::DOORS;
// What `doors` finds one module above itself.
#[allow(clippy::single_component_path_imports)]
use node;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus-min")
        .join(target);
    let entries = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{} cannot be read: {error}", folder.display()));
    let mut inputs: Vec<_> = entries
        .map(|entry| entry.expect("a readable entry").path())
        .map(|path| {
            (
                path.clone(),
                std::fs::read(&path).expect("a readable input"),
            )
        })
        .collect();
    inputs.sort();
    inputs
}

#[test]
fn every_committed_input_is_refused_or_written_back_the_same() {
    for door in &DOORS {
        let inputs = corpus(door.name);
        assert!(!inputs.is_empty(), "{} has no corpus", door.name);
        let mut accepted = 0;
        for (path, bytes) in inputs {
            if let Some(written) = (door.recode)(&bytes) {
                assert_eq!(written, bytes, "{}", path.display());
                accepted += 1;
            }
            let expected = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("value"));
            assert!(
                !expected || accepted > 0,
                "{} is not accepted",
                path.display()
            );
        }
    }
}

#[test]
fn every_committed_input_with_one_byte_changed_keeps_the_law() {
    for door in &DOORS {
        for (path, bytes) in corpus(door.name) {
            let step = (bytes.len() / 200).max(1);
            for at in (0..bytes.len()).step_by(step) {
                for change in [0x01, 0x80, 0xff] {
                    let mut changed = bytes.clone();
                    changed[at] ^= change;
                    if let Some(written) = (door.recode)(&changed) {
                        assert_eq!(written, changed, "{}: byte {at}", path.display());
                    }
                }
                let cut = &bytes[..at];
                if let Some(written) = (door.recode)(cut) {
                    assert_eq!(written, cut, "{}: cut at {at}", path.display());
                }
            }
        }
    }
}
