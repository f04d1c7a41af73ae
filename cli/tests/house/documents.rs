//! References to documents, links between them, and the glossary.

use std::collections::BTreeSet;
use std::path::Path;

use crate::sources::Source;

/// Holds examples of broken references.
const THIS_FILE: &str = "cli/tests/house/documents.rs";

/// Mentions of `docs/...md`, of `NN-name.md` in a list of specifications and of
/// `docs/decisions/NNNN` whose file does not exist.
pub(crate) fn broken_references(root: &Path, sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    let is_read = |source: &&Source| {
        let kind = source.path.ends_with(".rs") || source.path.ends_with(".toml");
        kind && source.path != THIS_FILE
    };
    for source in sources.iter().filter(is_read) {
        for (index, line) in source.text.lines().enumerate() {
            for path in mentioned(line) {
                if !exists(root, &path) {
                    wrong.push(format!(
                        "{}:{}: {path} does not exist",
                        source.path,
                        index + 1
                    ));
                }
            }
        }
    }
    wrong
}

/// Paths of documents that the line mentions.
fn mentioned(line: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
    let words = line
        .split(|c| !is_part(c))
        .map(|word| word.trim_end_matches('.'));
    let path = |word: &str| {
        let file = word.ends_with(".md");
        if word.starts_with("docs/") && (file || word.starts_with("docs/decisions/")) {
            return Some(word.to_owned());
        }
        let numbered = word
            .as_bytes()
            .first_chunk::<3>()
            .is_some_and(|[a, b, dash]| a.is_ascii_digit() && b.is_ascii_digit() && *dash == b'-');
        (numbered && file).then(|| format!("docs/spec/{word}"))
    };
    words.filter_map(path).collect()
}

/// Whether the file is there; a decision may be named by its number alone.
fn exists(root: &Path, path: &str) -> bool {
    if root.join(path).exists() {
        return true;
    }
    let Some(number) = path.strip_prefix("docs/decisions/") else {
        return false;
    };
    let is_number = number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit());
    let entries = std::fs::read_dir(root.join("docs/decisions"))
        .into_iter()
        .flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    is_number
        && names
            .into_iter()
            .any(|name| name.starts_with(&format!("{number}-")))
}

/// Links in Markdown files that lead nowhere: to no file, or to no heading.
pub(crate) fn broken_links(root: &Path, sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".md")) {
        for target in links(&source.text) {
            let outside = target.contains("://") || target.starts_with("mailto:");
            if outside {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let folder = Path::new(&source.path).parent().unwrap_or(Path::new(""));
            let path = if file.is_empty() {
                root.join(&source.path)
            } else {
                root.join(folder).join(file)
            };
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let has_heading = heading.is_empty() || headings(&text).contains(heading);
            if !path.exists() || !has_heading {
                wrong.push(format!("{}: the link to {target} is broken", source.path));
            }
        }
    }
    wrong
}

/// Targets of the links in a Markdown text, outside code blocks and code spans.
fn links(text: &str) -> Vec<&str> {
    let mut targets = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
            continue;
        }
        if in_block {
            continue;
        }
        let outside_spans = line.split('`').step_by(2);
        for part in outside_spans {
            for (at, _) in part.match_indices("](") {
                let rest = &part[at + 2..];
                if let Some((target, _)) = rest.split_once(')') {
                    targets.push(target);
                }
            }
        }
    }
    targets
}

/// Anchors of the headings of a Markdown text.
fn headings(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let kept = |c: &char| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_';
        let title: String = line
            .trim_start_matches('#')
            .trim()
            .chars()
            .filter(kept)
            .collect();
        title.to_lowercase().replace(' ', "-")
    };
    lines.map(anchor).collect()
}

/// Words of the glossary that occur twice, have no meaning, or stand out of order.
pub(crate) fn unclear_words(glossary: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut before = String::new();
    let mut seen = BTreeSet::new();
    for line in glossary.lines() {
        if line.starts_with("## ") {
            before.clear();
        }
        let Some(entry) = line.strip_prefix("- **") else {
            continue;
        };
        let Some((word, meaning)) = entry.split_once("**") else {
            wrong.push(format!("not an entry: {line}"));
            continue;
        };
        let word = word.to_lowercase();
        if !seen.insert(word.clone()) {
            wrong.push(format!("{word} has two meanings"));
        }
        if meaning.trim().len() < 10 {
            wrong.push(format!("{word} has no meaning"));
        }
        if word < before {
            wrong.push(format!("{word} stands after {before}"));
        }
        before = word;
    }
    if seen.is_empty() {
        wrong.push("the glossary is empty".to_owned());
    }
    wrong
}

/// Names beginning with `chainchat_` in the dashboard that no source file has.
pub(crate) fn unknown_metrics(dashboard: &str, sources: &[Source]) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let names: BTreeSet<&str> = dashboard
        .split(|c| !is_part(c))
        .filter(|word| word.starts_with("chainchat_"))
        .collect();
    let rust: Vec<&Source> = sources
        .iter()
        .filter(|source| source.path.ends_with(".rs"))
        .collect();
    let is_known = |name: &str| {
        let quoted = format!("\"{name}\"");
        rust.iter().any(|source| source.text.contains(&quoted))
    };
    names
        .into_iter()
        .filter(|name| !is_known(name))
        .map(str::to_owned)
        .collect()
}

#[test]
fn unknown_metrics_are_noticed() {
    let sources = [Source::new("node/src/a.rs", "(\"chainchat_peers\", 1)")];
    assert_eq!(
        unknown_metrics("rate(chainchat_peers[5m])", &sources),
        [""; 0]
    );
    assert_eq!(
        unknown_metrics("chainchat_pears{a=1}", &sources),
        ["chainchat_pears"]
    );
}

#[test]
fn references_are_found_in_lines() {
    assert_eq!(
        mentioned("//! docs/spec/01-a.md §1, 02-b.md"),
        ["docs/spec/01-a.md", "docs/spec/02-b.md"]
    );
    assert_eq!(mentioned("(docs/decisions/0003)."), ["docs/decisions/0003"]);
    assert_eq!(mentioned("2026-11-20 00:00"), [""; 0]);
}

#[test]
fn broken_references_and_links_are_noticed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let reference = |text: &str| broken_references(&root, &[Source::new("a/src/b.rs", text)]).len();
    assert_eq!(reference("//! docs/spec/99-nowhere.md §1\n"), 1);
    assert_eq!(reference("//! docs/decisions/9999\n"), 1);
    assert_eq!(reference("//! docs/ARCHITECTURE.md\n"), 0);
    let link = |text: &str| broken_links(&root, &[Source::new("README.md", text)]).len();
    assert_eq!(link("[a](nowhere.md)\n"), 1);
    assert_eq!(link("[a](docs/ARCHITECTURE.md#no-such-heading)\n"), 1);
    assert_eq!(
        link("[a](docs/ARCHITECTURE.md#ten-nevers) [b](https://example.org)\n"),
        0
    );
    assert_eq!(link("`[a](nowhere.md)`\n```\n[a](nowhere.md)\n```\n"), 0);
}

#[test]
fn unclear_words_are_noticed() {
    assert_eq!(
        unclear_words("- **a** is the first letter\n- **b** is the second one\n").len(),
        0
    );
    assert_eq!(
        unclear_words("- **b** is the second one\n- **a** is the first letter\n").len(),
        1
    );
    assert_eq!(
        unclear_words("- **a** is the first letter\n- **A** is the first letter\n").len(),
        1
    );
    assert_eq!(unclear_words("- **a**\n").len(), 1);
    assert_eq!(unclear_words("nothing\n").len(), 1);
}
