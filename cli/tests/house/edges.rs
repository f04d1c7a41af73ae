//! Edges between crates, and libraries that one crate owns, against the crate table.
//!
//! # Not here
//! The table: `table.rs`.

use std::collections::{BTreeMap, BTreeSet};

use crate::metadata::{Dependency, Kind, Package, room, root};
use crate::table::Row;
use crate::{TABLE, lock};

/// The names of the crates of ours that `package` declares for what it ships.
pub(crate) fn edges_of(package: &Package) -> BTreeSet<String> {
    declared(package, &[Kind::Normal, Kind::Build])
        .filter_map(|dependency| room(dependency).map(str::to_owned))
        .collect()
}

/// The packages that `package` declares for these kinds of use.
pub(crate) fn declared<'a>(
    package: &'a Package,
    kinds: &'a [Kind],
) -> impl Iterator<Item = &'a str> {
    let dependencies = package.dependencies.iter();
    dependencies
        .filter(|dependency| kinds.contains(&dependency.kind))
        .map(|dependency| dependency.package.as_str())
}

/// Edges and owned libraries that the table does not allow.
pub(crate) fn edges_outside(rows: &BTreeMap<String, Row>, members: &[&Package]) -> Vec<String> {
    let mut wrong = Vec::new();
    for package in members {
        let Some(name) = package.room() else {
            wrong.push(format!(
                "{}: a package of ours is named chainchat-...",
                package.name
            ));
            continue;
        };
        let Some(row) = rows.get(name) else {
            wrong.push(format!("{name}: no row in the crate table"));
            continue;
        };
        let folder = package.folder.file_name().and_then(|name| name.to_str());
        if folder != Some(name) {
            wrong.push(format!("{name}: lies in the folder {folder:?}"));
        }
        for edge in edges_of(package).difference(&row.may_depend_on) {
            wrong.push(format!("{name} -> {edge}: not in the crate table"));
        }
        if row.floor.is_none() {
            continue; // developers compare with everything
        }
        for library in declared(package, &[Kind::Normal, Kind::Build]) {
            let owned = rows.values().any(|row| owns(row, library));
            if owned && !owns(row, library) {
                wrong.push(format!("{name} links {library}, which another crate owns"));
            }
        }
        for edge in declared(package, &[Kind::Dev]).filter_map(room) {
            let below = rows.get(edge).and_then(|target| target.floor) < row.floor;
            if !below {
                wrong.push(format!(
                    "the tests of {name} use {edge}, which is not below it"
                ));
            }
        }
    }
    wrong
}

/// Whether the row names the library, or its family as in `ark-*`.
pub(crate) fn owns(row: &Row, library: &str) -> bool {
    row.owns.iter().any(|owned| match owned.strip_suffix('*') {
        Some(family) => library.starts_with(family),
        None => owned == library,
    })
}

fn ours(name: &str, dependencies: &[(&str, Kind)]) -> Package {
    let dependency = |(package, kind): &(&str, Kind)| Dependency {
        package: (*package).to_owned(),
        kind: *kind,
        requirement: "*".to_owned(),
    };
    Package {
        source: None,
        folder: root().join(room(name).unwrap_or(name)),
        dependencies: dependencies.iter().map(dependency).collect(),
        ..lock::package(name, "0.1.0", "GPL-3.0-or-later")
    }
}

#[test]
fn a_wrong_edge_an_owned_library_and_an_unknown_crate_are_noticed() {
    let wrong = |package: Package| edges_outside(&TABLE, &[&package]);
    let normal = |to| [(to, Kind::Normal)];
    assert_eq!(
        wrong(ours("chainchat-wallet", &normal("chainchat-chain"))),
        [""; 0]
    );
    assert_eq!(
        wrong(ours("chainchat-wallet", &normal("chainchat-messenger"))),
        ["wallet -> messenger: not in the crate table"]
    );
    assert_eq!(
        wrong(ours("chainchat-node", &normal("rocksdb"))),
        ["node links rocksdb, which another crate owns"]
    );
    assert_eq!(
        wrong(ours("chainchat-chain", &[("chainchat-node", Kind::Dev)])),
        ["the tests of chain use node, which is not below it"]
    );
    assert_eq!(
        wrong(ours("chainchat-attic", &[])),
        ["attic: no row in the crate table"]
    );
    assert_eq!(wrong(ours("attic", &[])).len(), 1);
    let moved = Package {
        folder: root().join("elsewhere"),
        ..ours("chainchat-chain", &[])
    };
    assert_eq!(wrong(moved).len(), 1);
}
