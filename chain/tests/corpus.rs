//! The committed fuzz corpus, replayed: every input that once was interesting keeps to the laws.
//!
//! # Invariants
//! Every decoder and the address have a folder under `fuzz/corpus-min`; none is empty; the corpus
//! is at most 2 MB.
//!
//! # Spec
//! docs/spec/01-encoding.md §1
//!
//! # Not here
//! The fuzz targets: `fuzz/fuzz_targets`.

#[path = "samples/decoders.rs"]
#[allow(dead_code)] // each test crate uses its part of the table
mod decoders;
#[path = "samples/seeded.rs"]
#[allow(dead_code)] // each test crate uses its part of the samples
mod seeded;

use std::path::{Path, PathBuf};

use chain::transaction::kind;
use chain::{AccountId, Address, Network};
use decoders::{DECODERS, decode_address};
use seeded::Seeded;

/// What the repository carries at most (bytes).
const CORPUS_BYTES_MAX: usize = 2_000_000;
/// The longest input that is made here (bytes); longer ones add nothing but size.
const INPUT_BYTES_MAX: usize = 4096;
/// Inputs of each sort that are made per target.
const INPUTS: usize = 6;
/// Kinds of transactions; each is in the corpus.
const KINDS: [u8; 8] = [
    kind::TRANSFER,
    kind::BOND,
    kind::UNBOND,
    kind::WAKE,
    kind::MN_REGISTER,
    kind::MN_REVIVE,
    kind::MN_EXIT,
    kind::ACCOUNT_RECORD,
];

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus-min")
        .join(target)
}

/// Adds the starting corpus: values of the type, and values with one byte changed. What a fuzzer
/// found stays.
fn bless() {
    let write = |target: &str, name: String, bytes: &[u8]| {
        let folder = folder(target);
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        std::fs::write(folder.join(name), bytes).expect("an input can be written");
    };
    for decoder in &DECODERS {
        let short = |seed| {
            Some(Seeded::new(seed).encoded(decoder.name))
                .filter(|bytes| bytes.len() <= INPUT_BYTES_MAX)
        };
        for (index, bytes) in (0..1000).filter_map(short).take(INPUTS).enumerate() {
            write(decoder.name, format!("value-{index}"), &bytes);
            let mut seeded = Seeded::new(u64::try_from(index).expect("a small number"));
            let mut damaged = bytes;
            let at = seeded.index(damaged.len());
            damaged[at] ^= 1 << seeded.below(8);
            write(decoder.name, format!("damaged-{index}"), &damaged);
        }
    }
    for number in KINDS {
        let mut seeded = (0..1000).map(|seed| Seeded::new(seed).encoded("transaction"));
        let of_kind = seeded.find(|bytes| bytes[1] == number);
        let bytes = of_kind.expect("every kind is drawn");
        write("transaction", format!("kind-{number}"), &bytes);
    }
    for network in Network::ALL {
        let text = Address::new(network, AccountId::from_bytes([7; 20])).to_string();
        write("address", format!("value-{network}"), text.as_bytes());
        write(
            "address",
            format!("damaged-{network}"),
            text.replace('q', "Q").as_bytes(),
        );
    }
}

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    static BLESSED: std::sync::Once = std::sync::Once::new();
    if std::env::var_os("X3C_BLESS").is_some() {
        BLESSED.call_once(bless);
    }
    let folder = folder(target);
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
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    inputs
}

#[test]
fn every_committed_input_is_refused_or_written_back_the_same() {
    for decoder in &DECODERS {
        let mut accepted = 0;
        for (path, bytes) in corpus(decoder.name) {
            if let Some(written) = (decoder.recode)(&bytes) {
                assert_eq!(written, bytes, "{}", path.display());
                accepted += 1;
            }
        }
        assert!(
            accepted > 0,
            "no input of {} is accepted: the corpus is stale",
            decoder.name
        );
    }
}

#[test]
fn transactions_of_every_kind_are_in_the_corpus() {
    let transaction = decoders::decoder("transaction");
    let accepted: std::collections::BTreeSet<u8> = corpus("transaction")
        .into_iter()
        .filter(|(_, bytes)| (transaction.decode)(bytes).is_ok())
        .map(|(_, bytes)| bytes[1])
        .collect();
    assert_eq!(accepted.into_iter().collect::<Vec<_>>(), KINDS);
}

#[test]
fn every_committed_text_is_no_address_or_prints_as_itself() {
    for (path, bytes) in corpus("address") {
        let text = String::from_utf8_lossy(&bytes);
        if let Some(printed) = decode_address(&text) {
            assert_eq!(printed, text.to_lowercase(), "{}", path.display());
        }
    }
}

#[test]
fn the_corpus_is_small() {
    let targets = DECODERS
        .iter()
        .map(|decoder| decoder.name)
        .chain(["address"]);
    let total: usize = targets.flat_map(corpus).map(|(_, bytes)| bytes.len()).sum();
    assert!(total <= CORPUS_BYTES_MAX, "{total} bytes");
}
