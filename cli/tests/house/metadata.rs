//! What cargo says of the workspace: packages, licences, versions, declared dependencies.
//!
//! # Not here
//! What may depend on what: `table.rs` reads it from docs/ARCHITECTURE.md.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// How a dependency is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Linked into what ships.
    Normal,
    /// Used by a build script.
    Build,
    /// Used by tests and benches.
    Dev,
}

/// One line of a manifest's dependency tables.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    /// Name of the package.
    pub(crate) package: String,
    /// What it is used for.
    pub(crate) kind: Kind,
    /// The version that the manifest asks for.
    pub(crate) requirement: String,
}

/// One package, ours or another's.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Its licence expression.
    pub(crate) licence: Option<String>,
    /// Where it comes from; nothing for our own.
    pub(crate) source: Option<String>,
    /// Folder of its manifest.
    pub(crate) folder: PathBuf,
    /// What its manifest declares.
    pub(crate) dependencies: Vec<Dependency>,
}

/// The whole workspace with everything in its lock file.
pub(crate) struct Metadata {
    /// All packages.
    pub(crate) packages: Vec<Package>,
}

/// The top folder of the project.
pub(crate) fn root() -> PathBuf {
    let cli = Path::new(env!("CARGO_MANIFEST_DIR"));
    cli.parent().expect("cli lies in the project").to_path_buf()
}

/// Runs cargo on the project without network and without changing the lock file.
pub(crate) fn cargo(arguments: &[&str]) -> String {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .args(arguments)
        .args(["--offline", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo can be started");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "cargo {arguments:?} failed; run `cargo fetch`: {words}"
    );
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

impl Metadata {
    /// Asks cargo.
    pub(crate) fn read() -> Self {
        let text = cargo(&["metadata", "--format-version", "1"]);
        Self::parse(&serde_json::from_str(&text).expect("cargo writes JSON"))
    }

    /// Reads cargo's answer.
    pub(crate) fn parse(answer: &Value) -> Self {
        let packages = answer["packages"].as_array().expect("a list of packages");
        Self {
            packages: packages.iter().map(package).collect(),
        }
    }

    /// The packages of the workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| package.source.is_none())
    }
}

impl Package {
    /// Name of the crate in the house: `chain` for `chainchat-chain`, `cli` for `chainchat`.
    pub(crate) fn room(&self) -> Option<&str> {
        if self.source.is_some() {
            None
        } else {
            room(&self.name)
        }
    }
}

/// Name of the room of a package of ours.
pub(crate) fn room(package: &str) -> Option<&str> {
    match package {
        "chainchat" => Some("cli"),
        other => other.strip_prefix("chainchat-"),
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn package(value: &Value) -> Package {
    let manifest = PathBuf::from(value["manifest_path"].as_str().expect("a manifest path"));
    let dependencies = value["dependencies"]
        .as_array()
        .expect("a list of dependencies");
    Package {
        name: text(&value["name"]).expect("a name"),
        version: text(&value["version"]).expect("a version"),
        licence: text(&value["license"]),
        source: text(&value["source"]),
        folder: manifest
            .parent()
            .expect("a manifest lies in a folder")
            .to_path_buf(),
        dependencies: dependencies.iter().map(dependency).collect(),
    }
}

fn dependency(value: &Value) -> Dependency {
    let kind = match value["kind"].as_str() {
        None => Kind::Normal,
        Some("build") => Kind::Build,
        Some(_) => Kind::Dev,
    };
    Dependency {
        package: text(&value["name"]).expect("a name"),
        kind,
        requirement: text(&value["req"]).expect("a requirement"),
    }
}

/// Names of all packages that end up in what `member` ships, with the features it asks for.
pub(crate) fn linked_by(member: &str) -> BTreeSet<String> {
    let tree = [
        "tree", "-p", member, "-e", "normal", "--prefix", "none", "--format", "{p}",
    ];
    let lines = cargo(&tree);
    let names = lines
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != member)
        .map(str::to_owned)
        .collect()
}

/// Major, minor and patch of a version; what follows a `-` or `+` is left out.
pub(crate) fn version(text: &str) -> [u64; 3] {
    let plain = text.split(['-', '+']).next().unwrap_or_default();
    let mut numbers = plain
        .split('.')
        .map(|part| part.parse().unwrap_or_default());
    [(); 3].map(|()| numbers.next().unwrap_or_default())
}

#[test]
fn versions_compare_by_number_and_not_by_letter() {
    assert!(version("0.13.10") > version("0.13.9"));
    assert!(version("1.0.0") > version("0.99.99"));
    assert_eq!(version("0.19.0+11.8.1"), [0, 19, 0]);
    assert_eq!(version("2"), [2, 0, 0]);
}

#[test]
fn rooms_are_named_after_packages() {
    assert_eq!(room("chainchat"), Some("cli"));
    assert_eq!(room("chainchat-chain"), Some("chain"));
    assert_eq!(room("serde"), None);
}
