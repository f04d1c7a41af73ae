//! Golden vectors: bytes that every implementation of the chain must accept, with their readable
//! twins and names, and bytes that every implementation must refuse.
//!
//! # Invariants
//! * The files in `chain/vectors` are what this code makes, byte for byte, and this code reads
//!   them back with the same answers. They are written again only by `X3C_BLESS=1`.
//! * `chain/vectors/check.py` comes to the same answers without this code.
//!
//! # Spec
//! docs/spec/01-encoding.md §7
//!
//! # Not here
//! Rules beyond well-formed bytes: the tests of `consensus`.

#[path = "../samples/decoders.rs"]
#[allow(dead_code)] // each test crate uses its part of the table
mod decoders;

mod addresses;
mod blocks;
mod envelopes;
mod hashes;
mod orders;
mod transactions;
mod twin;
mod votes;

use std::path::{Path, PathBuf};

use decoders::decoder;
use serde_json::Value;
use twin::{Document, hex, unhex};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// Every file with what it must hold.
fn documents() -> Vec<(&'static str, Value)> {
    let documents: [Document; 5] = [
        blocks::headers(),
        blocks::blocks(),
        transactions::transactions(),
        envelopes::envelopes(),
        votes::votes(),
    ];
    let names = [
        "header.json",
        "block.json",
        "transaction.json",
        "envelope.json",
        "vote.json",
    ];
    let value = |document: Document| serde_json::to_value(document).expect("serialises");
    let mut all: Vec<_> = names.into_iter().zip(documents.map(value)).collect();
    all.push(("address.json", addresses::addresses()));
    all.push(("hash.json", hashes::hashes()));
    all.push(("merkle.json", hashes::merkle_roots()));
    all
}

/// The text of a file: one line per entry, so that a changed vector is a changed line.
fn text(document: &Value) -> String {
    let Value::Object(members) = document else {
        panic!("a document is an object")
    };
    let line = |value: &Value| serde_json::to_string(value).expect("serialises");
    let mut lines = Vec::new();
    for (key, value) in members {
        let value = match value {
            Value::Array(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|entry| format!("  {}", line(entry)))
                    .collect();
                format!("[\n{}\n]", entries.join(",\n"))
            }
            other => line(other),
        };
        lines.push(format!("{}: {value}", line(&Value::String(key.clone()))));
    }
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

#[test]
fn the_files_hold_what_this_code_makes() {
    let bless = std::env::var_os("X3C_BLESS").is_some();
    for (name, made) in documents() {
        let path = folder().join(name);
        if bless {
            std::fs::write(&path, text(&made)).expect("a vector file can be written");
        }
        let held = std::fs::read_to_string(&path).expect("a vector file is part of the project");
        let held: Value = serde_json::from_str(&held).expect("a vector file is JSON");
        assert_eq!(
            held, made,
            "{name}: a format changed; see the head of this file"
        );
    }
}

fn entries<'a>(document: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    document[list].as_array().expect("a list of entries").iter()
}

fn member<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry[name]
        .as_str()
        .unwrap_or_else(|| panic!("{entry} has no text {name}"))
}

#[test]
fn what_must_be_accepted_is_read_and_written_back() {
    let mut accepted = 0;
    for (name, document) in documents() {
        if ![
            "header.json",
            "block.json",
            "transaction.json",
            "envelope.json",
            "vote.json",
        ]
        .contains(&name)
        {
            continue;
        }
        for entry in entries(&document, "must_accept") {
            let bytes = unhex(member(entry, "bytes"));
            let decoder = decoder(member(entry, "type"));
            assert_eq!((decoder.decode)(&bytes), Ok(()), "{name}: {entry}");
            assert_eq!(
                (decoder.recode)(&bytes).as_deref(),
                Some(&bytes[..]),
                "{name}: {entry}"
            );
            accepted += 1;
        }
    }
    assert!(accepted > 40, "{accepted} vectors");
}

#[test]
fn what_must_be_rejected_is_refused_for_the_named_reason() {
    let mut rejected = 0;
    for (name, document) in documents() {
        if name == "merkle.json" {
            continue; // every list of leaves has a root
        }
        for entry in entries(&document, "must_reject") {
            let reason = member(entry, "reason");
            let found = match name {
                "address.json" => addresses::reason(member(entry, "text")),
                "hash.json" => hashes::reason(entry),
                _ => {
                    let bytes = unhex(member(entry, "bytes"));
                    (decoder(member(entry, "type")).decode)(&bytes)
                }
            };
            assert_eq!(found, Err(reason), "{name}: {}", member(entry, "name"));
            rejected += 1;
        }
    }
    assert!(rejected > 60, "{rejected} vectors");
}

#[test]
fn hexadecimal_digits_are_read_and_written() {
    assert_eq!(hex(&[0, 0xab]), "00ab");
    assert_eq!(unhex("00ab"), [0, 0xab]);
}
