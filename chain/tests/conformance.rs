//! One frozen hash per encoded type: a wire format cannot change unseen.
//!
//! # Invariants
//! `conformance.toml` holds a line for every decoder and nothing else. It is written again only by
//! `X3C_BLESS=1 cargo test -p chainchat-chain`; a changed line is a changed protocol and needs a
//! decision record.
//!
//! # Spec
//! docs/spec/01-encoding.md §1
//!
//! # Not here
//! Bytes that a person can read: `vectors/`.

use std::collections::BTreeMap;
use std::path::Path;

#[path = "samples/decoders.rs"]
#[allow(dead_code)] // each test crate uses its part of the table
mod decoders;
#[path = "samples/seeded.rs"]
#[allow(dead_code)] // each test crate uses its part of the samples
mod seeded;

use decoders::DECODERS;
use seeded::Seeded;

/// Values that one hash covers: enough that every variant and every edge number occurs.
const SAMPLES: u64 = 256;

const HEAD: &str = "\
# blake3 over the encodings of 256 seeded values per type, each behind its u64 length.
# A changed line is a changed protocol. Written by X3C_BLESS=1; see tests/conformance.rs.
";

fn fingerprint(name: &str) -> String {
    let mut all = Vec::new();
    for seed in 0..SAMPLES {
        let bytes = Seeded::new(seed).encoded(name);
        all.extend_from_slice(&u64::try_from(bytes.len()).expect("a length").to_le_bytes());
        all.extend_from_slice(&bytes);
    }
    data_encoding::HEXLOWER.encode(&chain::hash::blake3(&all))
}

fn frozen(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let (name, hash) = line.split_once(" = ").expect("a line is name = \"hash\"");
            (name.to_owned(), hash.trim_matches('"').to_owned())
        })
        .collect()
}

#[test]
fn every_encoded_type_has_the_frozen_hash() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance.toml");
    let current: BTreeMap<String, String> = DECODERS
        .iter()
        .map(|decoder| (decoder.name.to_owned(), fingerprint(decoder.name)))
        .collect();
    if std::env::var_os("X3C_BLESS").is_some() {
        let lines = current
            .iter()
            .map(|(name, hash)| format!("{name} = \"{hash}\"\n"));
        let text = HEAD.to_owned() + &lines.collect::<String>();
        std::fs::write(&path, text).expect("conformance.toml can be written");
    }
    let text = std::fs::read_to_string(&path).expect("conformance.toml is part of the project");
    assert_eq!(
        current,
        frozen(&text),
        "a wire format changed; see the head of this file"
    );
}
