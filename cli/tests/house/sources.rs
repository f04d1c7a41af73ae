//! The project's files as the checks see them: paths relative to its top folder, texts, and the
//! part of a Rust file that is code and not tests or comments.

use std::path::{Path, PathBuf};

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 6] = [
    "target",
    "node_modules",
    "artifacts",
    "dist",
    "__pycache__",
    "corpus",
];

/// One text file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Path from the top folder, with forward slashes.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) text: String,
}

impl Source {
    /// For checks of the checks.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Name of the top folder that it lies in.
    pub(crate) fn room(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// Name of the file without folders.
    pub(crate) fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether all of it is test code.
    pub(crate) fn is_test(&self) -> bool {
        let folder = |name: &str| self.path.split('/').any(|part| part == name);
        folder("tests") || folder("benches") || ["tests.rs", "prop.rs"].contains(&self.file_name())
    }

    /// The lines of a Rust file without comments, up to its test module, with their numbers.
    pub(crate) fn code(&self) -> Vec<(usize, String)> {
        let end = self.tests_begin();
        let lines = self.text.lines().enumerate().take(end);
        let code = lines.map(|(index, line)| (index + 1, without_comment(line).to_owned()));
        code.filter(|(_, line)| !line.trim().is_empty()).collect()
    }

    /// The part of a Rust file that is test code.
    pub(crate) fn test_code(&self) -> String {
        let begin = if self.is_test() {
            0
        } else {
            self.tests_begin()
        };
        let lines: Vec<&str> = self.text.lines().skip(begin).map(without_comment).collect();
        lines.join("\n")
    }

    /// How many lines stand before the test module at the foot.
    fn tests_begin(&self) -> usize {
        let all: Vec<&str> = self.text.lines().map(str::trim).collect();
        let is_begin = |pair: &[&str]| {
            pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
        };
        all.windows(2).position(is_begin).unwrap_or(all.len())
    }
}

/// The line up to a `//` that is not inside a string.
fn without_comment(line: &str) -> &str {
    let bytes = line.as_bytes();
    let mut in_string = false;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'/' if !in_string && bytes.get(at + 1) == Some(&b'/') => return &line[..at],
            _ => {}
        }
        at += 1;
    }
    line
}

/// Whether `word` stands in `line` with no letter, digit or underscore around it.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// All files under `root` whose names end in one of `endings`, in the order of their paths.
pub(crate) fn read(root: &Path, endings: &[&str]) -> Vec<Source> {
    let mut sources = Vec::new();
    visit(root, root, endings, &mut sources);
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn visit(root: &Path, folder: &Path, endings: &[&str], sources: &mut Vec<Source>) {
    let entries = std::fs::read_dir(folder).expect("a readable folder");
    let paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    for path in paths {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() {
            let hidden = name.starts_with('.') && name != ".ci";
            if !hidden && !SKIPPED.contains(&name) {
                visit(root, &path, endings, sources);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            let relative = path.strip_prefix(root).expect("below the root");
            let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
            // Bytes that are no text are not for these checks.
            if let Ok(text) = std::fs::read_to_string(&path) {
                sources.push(Source {
                    path: parts.join("/"),
                    text,
                });
            }
        }
    }
}

#[test]
fn comments_and_tests_are_not_code() {
    let text =
        "//! head\nlet a = \"// no comment\"; // comment\n#[cfg(test)]\nmod tests {\nuse b;\n}\n";
    let code = Source::new("x/src/y.rs", text).code();
    assert_eq!(code, [(2, "let a = \"// no comment\"; ".to_owned())]);
    assert!(has_word(&Source::new("x/src/y.rs", text).test_code(), "b"));
    assert!(!has_word(&Source::new("x/src/y.rs", text).test_code(), "a"));
    assert!(has_word(
        &Source::new("x/src/y/tests.rs", text).test_code(),
        "a"
    ));
}

#[test]
fn words_end_at_their_borders() {
    assert!(has_word("use std::collections::HashMap;", "HashMap"));
    assert!(!has_word("MyHashMaps", "HashMap"));
    assert!(has_word("a: f64,", "f64"));
    assert!(!has_word("0xaf64b", "f64"));
}
