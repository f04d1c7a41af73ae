//! How the project's files are written, as a test: heads, sizes, references, links, paths, tests of
//! rules.
//!
//! # Invariants
//! Every check is a function from sources to the list of what is wrong, and is shown something
//! wrong once.
//!
//! # Spec
//! CONTRIBUTING.md
//!
//! # Not here
//! What may depend on what: `architecture.rs`. Formatting and lints: rustfmt and clippy.

#[path = "house/documents.rs"]
mod documents;
#[path = "house/portable.rs"]
mod portable;
#[path = "house/sources.rs"]
#[allow(dead_code)] // each test crate uses its part
mod sources;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use sources::{Source, has_word};

/// Lines of a file at most; from 500 on it should be thought about.
const FILE_LINES_MAX: usize = 700;
/// Endings of the names of files that are read.
const ENDINGS: [&str; 9] = [
    ".rs", ".md", ".py", ".sh", ".toml", ".yml", ".service", "Makefile", "run",
];
/// Words for unfinished work; with an issue's number behind it, `TODO` is allowed.
const UNFINISHED: [&str; 4] = ["TODO", "FIXME", "XXX", "HACK"];
/// Endings of type names that say nothing.
const EMPTY_NAMES: [&str; 4] = ["Manager", "Helper", "Processor", "Utils"];

static ALL: LazyLock<Vec<Source>> = LazyLock::new(|| sources::read(&root(), &ENDINGS));

fn root() -> PathBuf {
    let cli = Path::new(env!("CARGO_MANIFEST_DIR"));
    cli.parent().expect("cli lies in the project").to_path_buf()
}

fn rust(sources: &[Source]) -> impl Iterator<Item = &Source> {
    sources.iter().filter(|source| source.path.ends_with(".rs"))
}

fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

/// Rust files that do not open with one sentence about themselves. `foo/tests.rs` is the foot of
/// `foo.rs` and needs none.
fn headless(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in rust(sources).filter(|source| source.file_name() != "tests.rs") {
        let head: Vec<&str> = source
            .text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .map(|line| line.trim_start_matches("//!").trim())
            .collect();
        let sentence = head
            .iter()
            .take_while(|line| !line.is_empty())
            .copied()
            .collect::<Vec<_>>();
        let sentence = sentence.join(" ");
        if !sentence.ends_with(['.', ':']) || sentence.len() < 10 {
            wrong.push(format!("{}: does not open with a sentence", source.path));
        }
    }
    wrong
}

fn too_long(sources: &[Source]) -> Vec<String> {
    let long = |source: &&Source| source.text.lines().count() > FILE_LINES_MAX;
    let code = sources
        .iter()
        .filter(|source| !source.path.ends_with(".md"));
    code.filter(long)
        .map(|source| source.path.clone())
        .collect()
}

fn unfinished(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.path != "cli/tests/tidy.rs")
    {
        for (index, line) in source.text.lines().enumerate() {
            let with_issue = line.contains("TODO(#");
            if !with_issue && UNFINISHED.iter().any(|word| has_word(line, word)) {
                wrong.push(format!("{}:{}: {}", source.path, index + 1, line.trim()));
            }
        }
    }
    wrong
}

/// Crate roots without the ban on unsafe code, and manifests without the workspace's lints.
fn unguarded(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        let parts: Vec<&str> = source.path.split('/').collect();
        let is_root = matches!(parts[..], [_, "src", "lib.rs"] | ["cli", "src", "main.rs"]);
        if is_root && !source.text.contains("#![forbid(unsafe_code)]") {
            wrong.push(format!("{}: does not forbid unsafe code", source.path));
        }
        let is_manifest = matches!(parts[..], [room, "Cargo.toml"] if room != "fuzz");
        if is_manifest && !source.text.contains("[lints]\nworkspace = true") {
            wrong.push(format!(
                "{}: does not take the workspace's lints",
                source.path
            ));
        }
    }
    wrong
}

fn misplaced(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut error_files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in rust(sources) {
        if source.file_name() == "mod.rs" {
            wrong.push(format!("{}: a module is foo.rs and foo/", source.path));
        }
        if source.file_name() == "error.rs" {
            error_files
                .entry(source.room())
                .or_default()
                .push(&source.path);
        }
    }
    for (room, files) in error_files.iter().filter(|(_, files)| files.len() > 1) {
        wrong.push(format!("{room} has more than one error.rs: {files:?}"));
    }
    wrong
}

/// Tests that are switched off, and types with empty names.
fn switched_off_or_empty(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in rust(sources).filter(|source| source.path != "cli/tests/tidy.rs") {
        for (index, line) in source.text.lines().enumerate() {
            let at = format!("{}:{}", source.path, index + 1);
            if line.trim_start().starts_with("#[ignore") {
                wrong.push(format!("{at}: an ignored test"));
            }
            let mut words = line.split([' ', '<', '(', '{', ';', ':']);
            let declares = words.any(|word| ["struct", "enum", "trait"].contains(&word));
            let name = words.next().unwrap_or_default();
            if declares && EMPTY_NAMES.iter().any(|ending| name.ends_with(ending)) {
                wrong.push(format!("{at}: the name {name} says nothing"));
            }
        }
    }
    wrong
}

/// Variants of `pub enum Rule`.
fn rule_variants(error_file: &str) -> Vec<String> {
    let Some((_, body)) = error_file.split_once("pub enum Rule {") else {
        return Vec::new();
    };
    let body = body.split_once("\n}").map_or(body, |(body, _)| body);
    let is_variant = |line: &&str| {
        let name = line.strip_prefix("    ").unwrap_or_default();
        name.starts_with(|first: char| first.is_ascii_uppercase())
    };
    let name = |line: &str| {
        let trimmed = line.trim();
        let end = trimmed
            .find(|c: char| !c.is_alphanumeric())
            .unwrap_or(trimmed.len());
        trimmed[..end].to_owned()
    };
    body.lines().filter(is_variant).map(name).collect()
}

/// Rules that no test names.
fn untested_rules(sources: &[Source]) -> Vec<String> {
    let file = sources
        .iter()
        .find(|source| source.path == "consensus/src/error.rs");
    let variants = file
        .map(|file| rule_variants(&file.text))
        .unwrap_or_default();
    let tests: Vec<String> = rust(sources).map(Source::test_code).collect();
    let is_tested = |variant: &String| {
        let name = format!("Rule::{variant}");
        tests.iter().any(|test| has_word(test, &name))
    };
    variants
        .into_iter()
        .filter(|variant| !is_tested(variant))
        .collect()
}

/// Lines that end in a space, and files that do not end in a line's end.
fn ragged(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        if !source.text.is_empty() && !source.text.ends_with('\n') {
            wrong.push(format!("{}: no newline at the end", source.path));
        }
        for (index, line) in source.text.lines().enumerate() {
            if line.ends_with([' ', '\t', '\r']) {
                wrong.push(format!("{}:{}: a space at the end", source.path, index + 1));
            }
        }
    }
    wrong
}

#[test]
fn the_walk_finds_the_project() {
    for path in [
        "chain/src/lib.rs",
        "README.md",
        "Makefile",
        "docs/ARCHITECTURE.md",
    ] {
        assert!(
            ALL.iter().any(|source| source.path == path),
            "{path} was not found"
        );
    }
    assert!(ALL.iter().all(|source| !source.path.starts_with("target/")));
}

#[test]
fn every_file_opens_with_a_sentence() {
    assert_none(&headless(&ALL));
}

#[test]
fn no_file_is_too_long() {
    assert_none(&too_long(&ALL));
}

#[test]
fn nothing_is_marked_as_unfinished() {
    assert_none(&unfinished(&ALL));
}

#[test]
fn every_crate_forbids_unsafe_code_and_takes_the_lints() {
    assert_none(&unguarded(&ALL));
}

#[test]
fn modules_and_errors_lie_where_they_belong() {
    assert_none(&misplaced(&ALL));
}

#[test]
fn no_test_is_switched_off_and_no_name_is_empty() {
    assert_none(&switched_off_or_empty(&ALL));
}

#[test]
fn every_rule_is_named_by_a_test() {
    let file = ALL
        .iter()
        .find(|source| source.path == "consensus/src/error.rs");
    let count = file.map_or(0, |file| rule_variants(&file.text).len());
    assert!(count >= 10, "only {count} rules were found");
    assert_none(&untested_rules(&ALL));
}

#[test]
fn lines_and_files_end_cleanly() {
    assert_none(&ragged(&ALL));
}

#[test]
fn references_to_documents_and_links_between_them_resolve() {
    assert_none(&documents::broken_references(&root(), &ALL));
    assert_none(&documents::broken_links(&root(), &ALL));
}

#[test]
fn the_glossary_has_one_meaning_for_a_word() {
    let glossary = ALL.iter().find(|source| source.path == "docs/GLOSSARY.md");
    assert_none(&documents::unclear_words(
        &glossary.expect("a glossary").text,
    ));
}

#[test]
fn the_dashboard_shows_metrics_that_exist() {
    let path = root().join("packaging/grafana-dashboard.json");
    let dashboard = std::fs::read_to_string(path).expect("the dashboard can be read");
    assert!(
        dashboard.contains("chainchat_tip_height"),
        "the dashboard is empty"
    );
    assert_none(&documents::unknown_metrics(&dashboard, &ALL));
}

#[test]
fn the_specification_names_the_chain_ids() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).expect("a readable file");
    let (ids, text) = (
        read("genesis/src/chain_ids.txt"),
        read("docs/spec/05-networks.md"),
    );
    assert_eq!(ids.lines().count(), 4);
    let missing: Vec<String> = ids
        .lines()
        .filter(|id| !text.contains(*id))
        .map(str::to_owned)
        .collect();
    assert_none(&missing);
}

#[test]
fn nothing_depends_on_one_machine_or_one_system() {
    assert_none(&portable::machine_paths(&ALL));
    assert_none(&portable::unix_only(&ALL));
}

#[test]
fn wrong_files_are_noticed() {
    let one = |path: &str, text: &str| [Source::new(path, text)];
    assert_eq!(headless(&one("a/src/b.rs", "use c;\n")).len(), 1);
    assert_eq!(headless(&one("a/src/b.rs", "//! stub\n")).len(), 1);
    assert_eq!(
        headless(&one("a/src/b.rs", "//! Says what\n//! it is.\n\nuse c;\n")).len(),
        0
    );
    assert_eq!(too_long(&one("a/src/b.rs", &"x\n".repeat(701))).len(), 1);
    assert_eq!(too_long(&one("a/src/b.rs", &"x\n".repeat(700))).len(), 0);
    assert_eq!(unfinished(&one("a/src/b.rs", "// TODO later\n")).len(), 1);
    assert_eq!(
        unfinished(&one("a/src/b.rs", "// TODO(#7): later\n")).len(),
        0
    );
    assert_eq!(unguarded(&one("a/src/lib.rs", "//! A.\n")).len(), 1);
    assert_eq!(unguarded(&one("a/Cargo.toml", "[package]\n")).len(), 1);
    assert_eq!(
        unguarded(&one("a/Cargo.toml", "[lints]\nworkspace = true\n")).len(),
        0
    );
    assert_eq!(misplaced(&one("a/src/b/mod.rs", "")).len(), 1);
    let two = [
        Source::new("a/src/error.rs", ""),
        Source::new("a/src/b/error.rs", ""),
    ];
    assert_eq!(misplaced(&two).len(), 1);
    assert_eq!(
        switched_off_or_empty(&one("a/src/b.rs", "#[ignore]\nfn c() {}\n")).len(),
        1
    );
    assert_eq!(
        switched_off_or_empty(&one("a/src/b.rs", "pub struct PeerManager {\n")).len(),
        1
    );
    assert_eq!(
        switched_off_or_empty(&one("a/src/b.rs", "pub struct Peers;\n")).len(),
        0
    );
    assert_eq!(ragged(&one("a.md", "x \n")).len(), 1);
    assert_eq!(ragged(&one("a.md", "x")).len(), 1);
}

#[test]
fn an_untested_rule_is_noticed() {
    let rules = "\
pub enum Rule {
    /// Spec.
    #[error(\"a {found}\")]
    First {
        /// Found.
        found: u32,
    },
    /// Spec.
    Second,
}
pub enum Other {
    Third,
}
";
    assert_eq!(rule_variants(rules), ["First", "Second"]);
    let sources = |test: &str| {
        vec![
            Source::new("consensus/src/error.rs", rules),
            Source::new("consensus/src/block/tests.rs", test),
        ]
    };
    assert_eq!(
        untested_rules(&sources("Rule::First { found: 1 }")),
        ["Second"]
    );
    assert_eq!(
        untested_rules(&sources("// Rule::Second\nRule::First")),
        ["Second"]
    );
    assert_eq!(
        untested_rules(&sources("Rule::First, Rule::Second")),
        [""; 0]
    );
}
