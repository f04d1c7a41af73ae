//! The crate table of docs/ARCHITECTURE.md: who may depend on whom, and who owns which library.
//!
//! # Invariants
//! The table between the two markers is the only place where an edge is allowed.

use std::collections::{BTreeMap, BTreeSet};

/// Line before the table.
pub(crate) const BEGIN: &str = "<!-- crates: begin -->";
/// Line after the table.
pub(crate) const END: &str = "<!-- crates: end -->";

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// Height in the building; `None` for crates of developers.
    pub(crate) floor: Option<u32>,
    /// Crates it may depend on.
    pub(crate) may_depend_on: BTreeSet<String>,
    /// Libraries that it links and others call through it.
    pub(crate) owns: BTreeSet<String>,
}

/// Reads the table: crate, floor, may depend on, owns. Names stand in backticks; `all` stands for
/// every crate of the building.
pub(crate) fn parse(document: &str) -> Result<BTreeMap<String, Row>, String> {
    let (_, rest) = document
        .split_once(BEGIN)
        .ok_or("the begin marker is missing")?;
    let (table, _) = rest.split_once(END).ok_or("the end marker is missing")?;
    let mut rows = BTreeMap::new();
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, floor, may_depend_on, owns, ..] = cells[..] else {
            return Err(format!("a row has too few cells: {line}"));
        };
        let name = names(name)
            .into_iter()
            .next()
            .ok_or("a row without a crate")?;
        let floor = match floor {
            "dev" => None,
            number => Some(number.parse().map_err(|_| format!("no floor: {line}"))?),
        };
        let row = Row {
            floor,
            may_depend_on: names(may_depend_on),
            owns: names(owns),
        };
        if rows.insert(name.clone(), row).is_some() {
            return Err(format!("{name} has two rows"));
        }
    }
    let building: BTreeSet<String> = rows
        .iter()
        .filter(|(_, row)| row.floor.is_some())
        .map(|(name, _)| name.clone())
        .collect();
    for (name, row) in &mut rows {
        if row.may_depend_on.remove("all") {
            row.may_depend_on = building
                .iter()
                .filter(|other| *other != name)
                .cloned()
                .collect();
        }
    }
    if rows.is_empty() {
        Err("the table is empty".to_owned())
    } else {
        Ok(rows)
    }
}

/// The texts in backticks.
fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Rows that allow what no table may: an edge upward or sideways, to an unknown crate, or to a
/// crate of developers.
pub(crate) fn unsound_rows(rows: &BTreeMap<String, Row>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, row) in rows {
        for target in &row.may_depend_on {
            match (row.floor, rows.get(target).map(|row| row.floor)) {
                (_, None) => wrong.push(format!("{name} -> {target}: no such crate")),
                (_, Some(None)) => wrong.push(format!("{name} -> {target}: a crate of developers")),
                (Some(from), Some(Some(to))) if to >= from => {
                    wrong.push(format!("{name} -> {target}: not downward"));
                }
                _ => {}
            }
        }
    }
    wrong
}

const SAMPLE: &str = "\
text `x`
<!-- crates: begin -->
| crate | floor | may depend on | owns | async |
|---|---|---|---|---|
| `chain` | 0 | - | `wincode` | no |
| `store` | 3 | `chain` | `rocksdb` | no |
| `cli` | 6 | `all` | `clap` | yes |
| `sim` | dev | `chain` | - | no |
<!-- crates: end -->
";

#[test]
fn a_table_is_read() {
    let rows = parse(SAMPLE).expect("a table");
    assert_eq!(rows.len(), 4);
    assert_eq!(rows["store"].floor, Some(3));
    assert!(rows["store"].may_depend_on.contains("chain"));
    assert!(rows["store"].owns.contains("rocksdb"));
    assert_eq!(rows["cli"].may_depend_on.len(), 2);
    assert_eq!(rows["sim"].floor, None);
    assert!(unsound_rows(&rows).is_empty());
}

#[test]
fn a_table_that_is_none_is_refused() {
    assert!(parse("no markers").is_err());
    assert!(parse(&SAMPLE.replace("| 3 |", "| third |")).is_err());
    assert!(parse(&SAMPLE.replace("`store`", "`chain`")).is_err());
    assert!(parse(&format!("{BEGIN}\n{END}")).is_err());
}

#[test]
fn rows_that_allow_too_much_are_named() {
    let wrong = |from: &str, to: &str| unsound_rows(&parse(&SAMPLE.replace(from, to)).unwrap());
    assert_eq!(
        wrong("| 3 | `chain`", "| 3 | `cli`"),
        ["store -> cli: not downward"]
    );
    assert_eq!(
        wrong("| 3 | `chain`", "| 3 | `utils`"),
        ["store -> utils: no such crate"]
    );
    assert_eq!(
        wrong("| 3 | `chain`", "| 3 | `sim`"),
        ["store -> sim: a crate of developers"]
    );
}
