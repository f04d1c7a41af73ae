//! Whether the project is free of paths of one machine and of what only one system has.

use crate::sources::{Source, has_word};

/// Beginnings of paths that exist on somebody's machine only.
const MACHINE_PATHS: [&str; 5] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
    concat!("C:\\", "Users"),
];
/// What only Unix has.
const UNIX_ONLY: [&str; 6] = [
    concat!("os::", "unix"),
    concat!("signal::", "unix"),
    concat!("Permissions", "Ext"),
    concat!("OpenOptions", "Ext"),
    concat!("lib", "c::"),
    concat!("ni", "x::"),
];
/// How a condition on the system is written.
const CONDITIONS: [&str; 4] = [
    "cfg(unix)",
    "cfg(all(unix",
    "cfg(target_os",
    "cfg_attr(unix",
];

/// Lines with a path that only one machine has.
pub(crate) fn machine_paths(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        for (index, line) in source.text.lines().enumerate() {
            if MACHINE_PATHS.iter().any(|path| line.contains(path)) {
                wrong.push(format!("{}:{}: {}", source.path, index + 1, line.trim()));
            }
        }
    }
    wrong
}

/// Lines of Rust that only Unix understands, outside an item under `cfg(unix)` and outside files
/// named `unix.rs`, whose module is under it.
pub(crate) fn unix_only(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    let rust = sources.iter().filter(|source| source.path.ends_with(".rs"));
    for source in rust.filter(|source| source.file_name() != "unix.rs") {
        let mut guard = Guard::default();
        for (index, line) in source.text.lines().enumerate() {
            let guarded = guard.covers(line);
            let foreign = UNIX_ONLY.iter().any(|name| {
                let name = name.trim_end_matches("::");
                has_word(line, name) && !line.trim_start().starts_with("//")
            });
            if foreign && !guarded {
                wrong.push(format!("{}:{}: {}", source.path, index + 1, line.trim()));
            }
        }
    }
    wrong
}

/// Follows an item from its condition to its end.
#[derive(Default)]
struct Guard {
    waiting: bool,
    depth: i32,
    open: bool,
}

impl Guard {
    /// Whether the line belongs to an item under a condition.
    fn covers(&mut self, line: &str) -> bool {
        if CONDITIONS.iter().any(|condition| line.contains(condition)) {
            *self = Self {
                waiting: true,
                depth: 0,
                open: false,
            };
            return true;
        }
        if !self.waiting {
            return false;
        }
        for character in line.chars() {
            match character {
                '{' => self.depth += 1,
                '}' => self.depth -= 1,
                _ => continue,
            }
            self.open = true;
        }
        let ends = line.trim_end().ends_with([';', '}', ',']);
        let attribute = line.trim_start().starts_with("#[");
        if self.depth <= 0
            && ends
            && !attribute
            && (self.open || line.trim_end().ends_with([';', ',']))
        {
            self.waiting = false;
        }
        true
    }
}

#[test]
fn paths_of_one_machine_are_noticed() {
    let line = format!("let path = \"{}me/a\";\n", MACHINE_PATHS[1]);
    assert_eq!(machine_paths(&[Source::new("a/src/b.rs", &line)]).len(), 1);
    assert_eq!(
        machine_paths(&[Source::new("a/src/b.rs", "let path = dir.join(x);\n")]).len(),
        0
    );
}

#[test]
fn what_only_unix_has_needs_a_condition() {
    let uses = format!("use std::{}::fs::{};\n", UNIX_ONLY[0], UNIX_ONLY[2]);
    let wrong = |text: &str| unix_only(&[Source::new("a/src/b.rs", text)]).len();
    assert_eq!(wrong(&uses), 1);
    assert_eq!(wrong(&format!("#[cfg(unix)]\n{uses}")), 0);
    assert_eq!(
        wrong(&format!("#[cfg(unix)]\nfn a() {{\n    {uses}}}\n")),
        0
    );
    assert_eq!(wrong(&format!("#[cfg(unix)]\nfn a() {{\n}}\n{uses}")), 1);
    assert_eq!(wrong(&format!("#[cfg(unix)]\nuse b;\n{uses}")), 1);
    assert_eq!(unix_only(&[Source::new("a/src/unix.rs", &uses)]).len(), 0);
}
