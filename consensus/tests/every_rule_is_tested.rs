//! Every rule has a test that names it, and a place in the spec.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the crate") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The text of all tests: whole files of tests, and what stands behind `mod tests {` in others.
fn tests() -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    files_below(&source, &mut files);
    let in_tests = |path: &Path| {
        let names = path
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned());
        names
            .into_iter()
            .any(|name| name == "tests" || name == "tests.rs")
    };
    files
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).expect("a source file");
            match text.split_once("mod tests {") {
                Some((_, inner)) => inner.to_owned(),
                None if in_tests(path) => text,
                None => String::new(),
            }
        })
        .collect()
}

/// Names of the variants of `enum Rule`, each with the doc comment above it.
fn rules() -> Vec<(String, String)> {
    let source = include_str!("../src/error.rs");
    let (_, body) = source.split_once("pub enum Rule {\n").expect("the enum");
    let (body, _) = body.split_once("\n}\n").expect("its end");
    let mut doc = String::new();
    let mut rules = Vec::new();
    // Variants stand at one level of indentation, their fields at two.
    for line in body
        .lines()
        .filter(|line| line.starts_with("    ") && !line.starts_with("     "))
    {
        let line = line.trim();
        if let Some(text) = line.strip_prefix("///") {
            doc = text.trim().to_owned();
        } else if line.starts_with(char::is_uppercase) {
            let name = line
                .split(|c: char| !c.is_alphanumeric())
                .next()
                .unwrap_or_default();
            rules.push((name.to_owned(), std::mem::take(&mut doc)));
        }
    }
    rules
}

#[test]
fn every_rule_has_a_test_that_names_it() {
    let tests = tests();
    let rules = rules();
    assert!(rules.len() > 70, "only {} rules were found", rules.len());
    let untested: Vec<&str> = rules
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| {
            let needle = format!("Rule::{name}");
            let mut places = tests
                .match_indices(&needle)
                .map(|(at, _)| &tests[at + needle.len()..]);
            // `Rule::Target` is not a test of `Rule::TargetRange`.
            !places.any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
        })
        .collect();
    assert!(untested.is_empty(), "rules without a test: {untested:?}");
}

#[test]
fn every_rule_names_its_place_in_the_spec() {
    let rules = rules();
    let names: BTreeSet<&String> = rules.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), rules.len());
    for (name, doc) in &rules {
        assert!(doc.starts_with("docs/spec/"), "{name}: {doc:?}");
    }
}
