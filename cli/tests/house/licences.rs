//! Whether a licence expression lets its code be part of a GPL-3.0-or-later program.
//!
//! # Invariants
//! An expression is fine if one of its alternatives is made of allowed licences only. What is not
//! understood is not allowed.

/// Licences whose code may be combined with GPL-3.0-or-later.
const ALLOWED: [&str; 23] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "GPL-2.0-or-later",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "ISC",
    "LGPL-2.1-or-later",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "WTFPL",
    "Zlib",
];

/// Whether the licence expression allows the use.
pub(crate) fn is_compatible(expression: &str) -> bool {
    // An old way to write OR.
    let expression = expression.replace('/', " OR ");
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let answer = alternatives(&words, &mut at);
    answer == Some(true) && at == words.len()
}

/// `a OR b OR ...`
fn alternatives(words: &[&str], at: &mut usize) -> Option<bool> {
    let mut any = conjunction(words, at)?;
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        any |= conjunction(words, at)?;
    }
    Some(any)
}

/// `a AND b AND ...`
fn conjunction(words: &[&str], at: &mut usize) -> Option<bool> {
    let mut all = licence(words, at)?;
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        all &= licence(words, at)?;
    }
    Some(all)
}

fn licence(words: &[&str], at: &mut usize) -> Option<bool> {
    let first = *words.get(*at)?;
    *at += 1;
    if first == "(" {
        let inner = alternatives(words, at)?;
        return if words.get(*at) == Some(&")") {
            *at += 1;
            Some(inner)
        } else {
            None
        };
    }
    if words.get(*at) == Some(&"WITH") {
        let exception = *words.get(*at + 1)?;
        *at += 2;
        return Some(ALLOWED.contains(&format!("{first} WITH {exception}").as_str()));
    }
    Some(ALLOWED.contains(&first))
}

#[test]
fn alternatives_and_conjunctions_are_told_apart() {
    for fine in [
        "MIT",
        "MIT OR Apache-2.0",
        "MIT/Apache-2.0",
        "Apache-2.0 / MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "ISC AND (Apache-2.0 OR ISC) AND BSD-3-Clause",
        "Proprietary OR MIT",
        "Apache-2.0 WITH LLVM-exception",
        "GPL-3.0-or-later",
    ] {
        assert!(is_compatible(fine), "{fine}");
    }
    for wrong in [
        "",
        "GPL-2.0-only",
        "OpenSSL",
        "SSPL-1.0",
        "BUSL-1.1",
        "MIT AND OpenSSL",
        "(MIT OR OpenSSL",
        "MIT OR",
        "MIT WITH unknown-exception",
        "MIT Apache-2.0",
        "CC-BY-NC-4.0",
    ] {
        assert!(!is_compatible(wrong), "{wrong}");
    }
}
