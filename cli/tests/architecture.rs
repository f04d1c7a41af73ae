//! The architecture as a test: `cargo metadata` and the sources against docs/ARCHITECTURE.md.
//!
//! # Invariants
//! * Every edge between crates of ours is in the crate table, and every library with an owner is
//!   linked by its owner alone.
//! * Each of the ten nevers has a test of its own name.
//! * Nothing in the lock file has an incompatible licence, is banned, or is older than a version
//!   with a known hole.
//!
//! # Spec
//! docs/ARCHITECTURE.md
//!
//! # Not here
//! How files are written: `tidy.rs`.

#[path = "house/edges.rs"]
mod edges;
#[path = "house/licences.rs"]
mod licences;
#[path = "house/lock.rs"]
mod lock;
#[path = "house/metadata.rs"]
mod metadata;
#[path = "house/sources.rs"]
#[allow(dead_code)] // each test crate uses its part
mod sources;
#[path = "house/table.rs"]
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use edges::{declared, edges_of, edges_outside};
use lock::{DIRECT_MINIMUM_VERSIONS, PINNED, unwelcome};
use metadata::{Kind, Metadata, Package, linked_by, room, root, version};
use sources::{Source, has_word};
use table::Row;

/// Names that no crate and no module may have: they say nothing about what is inside.
const FORBIDDEN_NAMES: [&str; 8] = [
    "utils", "util", "common", "core", "helpers", "misc", "types", "prelude",
];
/// The one exception: the data shapes of the RPC contract, in one file and its parts.
const FORBIDDEN_NAME_EXCEPTIONS: [&str; 2] = ["rpc/src/types.rs", "rpc/src/types/"];

/// Crates of developers: they use the building, the building does not know them.
const DEVELOPERS: [&str; 3] = ["benches", "fuzz", "sim"];

static METADATA: LazyLock<Metadata> = LazyLock::new(Metadata::read);
static TABLE: LazyLock<BTreeMap<String, Row>> = LazyLock::new(|| {
    let document = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md"));
    table::parse(&document.expect("docs/ARCHITECTURE.md can be read")).expect("the crate table")
});
static RUST: LazyLock<Vec<Source>> = LazyLock::new(|| sources::read(&root(), &[".rs"]));

fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

fn member(name: &str) -> Option<&'static Package> {
    METADATA
        .members()
        .find(|package| package.room() == Some(name))
}

/// Every crate of ours on the way down from `name`, without itself.
fn rooms_below(name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![name.to_owned()];
    while let Some(next) = open.pop() {
        for edge in member(&next).map(edges_of).unwrap_or_default() {
            if found.insert(edge.clone()) {
                open.push(edge);
            }
        }
    }
    found
}

/// Lines of code of `room` that hold one of `words`.
fn lines_with(sources: &[Source], room: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let in_room = |source: &&Source| {
        source.room() == room && source.path.contains("/src/") && !source.is_test()
    };
    for source in sources.iter().filter(in_room) {
        for (number, line) in source.code() {
            for word in words.iter().filter(|word| has_word(&line, word)) {
                found.push(format!("{}:{number}: {word}", source.path));
            }
        }
    }
    found
}

fn assert_links_none_of(name: &str, libraries: &[&str]) {
    let linked = linked_by(&member(name).expect("a crate of the house").name);
    assert!(!linked.is_empty(), "{name}: cargo names nothing");
    let found: Vec<_> = libraries
        .iter()
        .filter(|library| linked.contains(**library))
        .collect();
    assert!(found.is_empty(), "{name} links {found:?}");
}

fn assert_only_owner(owner: &str, is_owned: impl Fn(&str) -> bool) {
    for package in METADATA
        .members()
        .filter(|package| package.room() != Some(owner))
    {
        let developer = package
            .room()
            .is_some_and(|room| DEVELOPERS.contains(&room));
        for library in declared(package, &[Kind::Normal, Kind::Build]).filter(|name| is_owned(name))
        {
            assert!(
                developer,
                "{} links {library}; only {owner} does",
                package.name
            );
        }
    }
}

fn assert_knows_none_of(name: &str, strangers: &[&str]) {
    let below = rooms_below(name);
    let found: Vec<_> = strangers
        .iter()
        .filter(|stranger| below.contains(**stranger))
        .collect();
    assert!(found.is_empty(), "{name} knows {found:?}");
}

#[test]
fn the_crate_table_itself_only_points_downward() {
    assert_none(&table::unsound_rows(&TABLE));
}

#[test]
fn every_edge_between_crates_is_in_the_crate_table() {
    let members: Vec<&Package> = METADATA.members().collect();
    assert!(
        members.len() >= 12,
        "cargo names only {} crates of ours",
        members.len()
    );
    assert_none(&edges_outside(&TABLE, &members));
}

#[test]
fn nothing_in_the_lock_file_is_banned_outdated_or_of_a_foreign_licence() {
    assert!(
        METADATA.packages.len() > 100,
        "cargo names too few packages"
    );
    assert_none(&unwelcome(&METADATA.packages));
}

#[test]
fn pinned_libraries_are_asked_for_exactly() {
    for (library, requirement) in PINNED {
        let asked: BTreeSet<_> = METADATA
            .members()
            .flat_map(|package| &package.dependencies)
            .filter(|dependency| dependency.package == library)
            .map(|dependency| dependency.requirement.as_str())
            .collect();
        assert_eq!(asked, BTreeSet::from([requirement]), "{library}");
    }
}

#[test]
fn our_manifests_ask_for_the_cryptography_that_was_looked_at() {
    for dependency in METADATA.members().flat_map(|package| &package.dependencies) {
        for (_, minimum) in DIRECT_MINIMUM_VERSIONS
            .iter()
            .filter(|(library, _)| *library == dependency.package)
        {
            let asked = dependency
                .requirement
                .trim_start_matches(['^', '=', '~', '>', ' ']);
            assert!(
                version(asked) >= version(minimum),
                "{} {asked}",
                dependency.package
            );
        }
    }
}

#[test]
fn never_1_chain_knows_no_crate_runtime_clock_generator_or_serde() {
    let chain = member("chain").expect("chain is a crate");
    let allowed = [
        "wincode",
        "blake3",
        "sha2",
        "secp256k1",
        "bech32",
        "thiserror",
    ];
    for library in declared(chain, &[Kind::Normal, Kind::Build]) {
        assert!(allowed.contains(&library), "chain depends on {library}");
    }
    let strangers = [
        "tokio",
        "serde",
        "rand",
        "rand_chacha",
        "getrandom",
        "chrono",
        "time",
    ];
    assert_links_none_of("chain", &strangers);
    let words = [
        "SystemTime",
        "Instant",
        "thread_rng",
        "spawn",
        "File",
        "TcpStream",
    ];
    assert_none(&lines_with(&RUST, "chain", &words));
}

#[test]
fn never_2_consensus_touches_no_runtime_disk_socket_clock_randomness_float_or_hash_order() {
    let strangers = [
        "tokio",
        "rocksdb",
        "librocksdb-sys",
        "libp2p",
        "mio",
        "socket2",
        "rand",
        "getrandom",
        "chrono",
        "time",
        "tempfile",
    ];
    assert_links_none_of("consensus", &strangers);
    let words = [
        "SystemTime",
        "Instant",
        "HashMap",
        "HashSet",
        "RandomState",
        "f32",
        "f64",
        "File",
        "OpenOptions",
        "TcpStream",
        "UdpSocket",
        "thread_rng",
        "getrandom",
    ];
    for room in ["chain", "genesis", "consensus"] {
        assert_none(&lines_with(&RUST, room, &words));
        assert_none(&lines_with(
            &RUST,
            room,
            &["std::fs", "std::net", "std::env", "std::process"],
        ));
    }
}

#[test]
fn never_3_only_store_links_rocksdb_and_writes_batches_in_named_places() {
    assert_only_owner("store", |library| library.contains("rocksdb"));
    let batches = lines_with(&RUST, "store", &["WriteBatch"]);
    let places = [
        "store/src/commit.rs",
        "store/src/vault.rs",
        "store/src/database.rs",
    ];
    let elsewhere: Vec<String> = batches
        .into_iter()
        .filter(|line| !places.iter().any(|place| line.starts_with(place)))
        .collect();
    assert_none(&elsewhere);
}

#[test]
fn never_4_only_network_links_libp2p_and_shows_none_of_its_types() {
    assert_only_owner("network", |library| library.starts_with("libp2p"));
    assert_none(&shown_libp2p(&RUST));
}

/// Public items of `network` whose line names a type of libp2p.
fn shown_libp2p(sources: &[Source]) -> Vec<String> {
    let mut shown = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.path.starts_with("network/src/"))
    {
        for (number, line) in source.code() {
            let public = line.trim_start().starts_with("pub ");
            if public && (has_word(&line, "libp2p") || has_word(&line, "Multiaddr")) {
                shown.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    shown
}

#[test]
fn never_5_only_privacy_links_arkworks_and_only_consensus_links_equix_and_jmt() {
    assert_only_owner("privacy", |library| {
        library.starts_with("ark-") || library == "light-poseidon"
    });
    assert_only_owner("consensus", |library| {
        ["equix", "hashx", "jmt"].contains(&library)
    });
}

#[test]
fn never_6_network_moves_bytes_and_neither_judges_nor_keeps() {
    assert_knows_none_of(
        "network",
        &["consensus", "store", "genesis", "wallet", "messenger"],
    );
    assert_links_none_of("network", &["rocksdb", "equix", "jmt"]);
}

#[test]
fn never_7_a_node_holds_no_users_secrets() {
    assert_knows_none_of("node", &["wallet", "messenger", "miner", "app"]);
    assert_links_none_of("node", &["bip39", "bip32", "argon2", "x-wing"]);
}

#[test]
fn never_8_wallet_and_messenger_are_strangers_to_each_other_and_to_the_machine() {
    let machine = [
        "rpc",
        "network",
        "store",
        "node",
        "consensus",
        "app",
        "miner",
    ];
    assert_knows_none_of("wallet", &machine);
    assert_knows_none_of("messenger", &machine);
    assert_knows_none_of("wallet", &["messenger"]);
    assert_knows_none_of("messenger", &["wallet"]);
    assert_links_none_of("wallet", &["tokio", "rocksdb", "libp2p", "jsonrpsee"]);
    assert_links_none_of("messenger", &["tokio", "rocksdb", "libp2p", "jsonrpsee"]);
}

#[test]
fn never_9_json_shapes_are_never_consensus_types() {
    for name in ["chain", "genesis", "consensus"] {
        let package = member(name).expect("a crate of the house");
        for library in declared(package, &[Kind::Normal, Kind::Build]) {
            assert!(!library.starts_with("serde"), "{name} depends on {library}");
        }
        assert_none(&lines_with(
            &RUST,
            name,
            &["Serialize", "Deserialize", "serde_json"],
        ));
    }
}

#[test]
fn never_10_no_bag_of_a_crate_or_module_and_nobody_depends_on_developers_crates() {
    assert_none(&bags(&RUST));
    for package in METADATA.members() {
        let name = package.room().expect("a crate of the house");
        assert!(!FORBIDDEN_NAMES.contains(&name), "a crate is named {name}");
        for dependency in &package.dependencies {
            let to = room(&dependency.package).unwrap_or_default();
            assert!(!DEVELOPERS.contains(&to), "{name} depends on {to}");
        }
    }
    let building = TABLE.values().filter(|row| row.floor.is_some()).count();
    assert!(
        building <= 13,
        "a 14th crate needs a decision record that names its second user"
    );
}

/// Files and folders of code with a name that says nothing.
fn bags(sources: &[Source]) -> Vec<String> {
    let excepted = |source: &&Source| {
        FORBIDDEN_NAME_EXCEPTIONS
            .iter()
            .any(|exception| source.path.starts_with(exception))
    };
    let mut bags = Vec::new();
    for source in sources.iter().filter(|source| !excepted(source)) {
        let parts = source
            .path
            .split('/')
            .map(|part| part.trim_end_matches(".rs"));
        for part in parts.filter(|part| FORBIDDEN_NAMES.contains(part)) {
            bags.push(format!("{}: {part}", source.path));
        }
    }
    bags
}

#[test]
fn wrong_lines_bags_and_leaking_types_are_noticed() {
    let clock = Source::new(
        "consensus/src/pow.rs",
        "let now = std::time::Instant::now();\n",
    );
    assert_eq!(lines_with(&[clock], "consensus", &["Instant"]).len(), 1);
    let tests = Source::new("consensus/src/pow/tests.rs", "let now = Instant::now();\n");
    assert_eq!(lines_with(&[tests], "consensus", &["Instant"]).len(), 0);
    assert_eq!(bags(&[Source::new("node/src/utils.rs", "")]).len(), 1);
    assert_eq!(bags(&[Source::new("node/src/common/pipe.rs", "")]).len(), 1);
    assert_eq!(bags(&[Source::new("rpc/src/types.rs", "")]).len(), 0);
    assert_eq!(bags(&[Source::new("node/src/types.rs", "")]).len(), 1);
    let leak = Source::new(
        "network/src/lib.rs",
        "pub fn dial(to: libp2p::Multiaddr) {}\n",
    );
    assert_eq!(shown_libp2p(&[leak]).len(), 1);
}
