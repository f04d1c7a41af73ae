//! The outline of a JSON text, taken before anything is parsed.
//!
//! # Invariants
//! One pass, no memory. The text need not be JSON; for one that is, the outline is exact.
//!
//! # Spec
//! docs/spec/07-rpc.md §6
//!
//! # Not here
//! Parsing: `serde_json`.

/// What a text looks like from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    /// Deepest nesting of arrays and objects.
    pub(crate) depth: usize,
    /// Elements, if the text is an array.
    pub(crate) batch: Option<usize>,
}

/// The outline of `text`.
pub(crate) fn outline(text: &[u8]) -> Outline {
    let is_array = text.trim_ascii_start().first() == Some(&b'[');
    let mut outline = Outline::default();
    let mut depth = 0usize;
    let mut commas = 0usize;
    let mut is_empty = true;
    let mut string = StringState::Outside;
    for &byte in text {
        match (string, byte) {
            (StringState::Escaped, _) => string = StringState::Inside,
            (StringState::Inside, b'\\') => string = StringState::Escaped,
            (StringState::Inside, b'"') => string = StringState::Outside,
            (StringState::Inside, _) => {}
            (StringState::Outside, b'[' | b'{') => {
                is_empty &= depth == 0;
                depth += 1;
                outline.depth = outline.depth.max(depth);
            }
            (StringState::Outside, b']' | b'}') => depth = depth.saturating_sub(1),
            (StringState::Outside, b',') => commas += usize::from(depth == 1),
            (StringState::Outside, byte) => {
                is_empty &= byte.is_ascii_whitespace();
                if byte == b'"' {
                    string = StringState::Inside;
                }
            }
        }
    }
    if is_array {
        outline.batch = Some(if is_empty { 0 } else { commas + 1 });
    }
    outline
}

#[derive(Clone, Copy)]
enum StringState {
    Outside,
    Inside,
    Escaped,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_strings() {
        let depth = |text: &str| outline(text.as_bytes()).depth;
        assert_eq!(depth("7"), 0);
        assert_eq!(depth("{}"), 1);
        assert_eq!(depth(r#"{"a":[{"b":"[[[{\"[["}],"c":[[]]}"#), 3);
        assert_eq!(depth(&"[".repeat(100_000)), 100_000);
        assert_eq!(depth("]]]]["), 1);
    }

    #[test]
    fn a_batch_is_counted_by_its_own_commas() {
        let batch = |text: &str| outline(text.as_bytes()).batch;
        assert_eq!(batch(r#"{"a":[1,2]}"#), None);
        assert_eq!(batch(" [ ] "), Some(0));
        assert_eq!(batch("[{}]"), Some(1));
        assert_eq!(batch(r#"[{"a":[1,2]},{"b":",,"}]"#), Some(2));
        assert_eq!(batch(&format!("[{}1]", "1,".repeat(50))), Some(51));
    }
}
