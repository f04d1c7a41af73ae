//! What may be in the lock file: nothing banned, nothing with a known hole, nothing of a foreign
//! licence, nothing from outside the registry.
//!
//! # Not here
//! The licences: `licences.rs`.

use crate::licences;
use crate::metadata::{Package, root, version};

/// Crates that must not be in the lock file at any version: unmaintained, unsafe, replaced by
/// something else here, or bait with a name that is easily mistyped.
pub(crate) const BANNED: [&str; 9] = [
    "bincode",
    "libsecp256k1",
    "logtrace",
    "pqc_kyber",
    "proc-macro1",
    "serde_cbor",
    "sled",
    "time-sync",
    "tracings",
];
/// Families of crates that must not be in the lock file.
pub(crate) const BANNED_PREFIXES: [&str; 1] = ["pqcrypto"];

/// Lowest versions without a known hole. Some of these holes are in no advisory database.
pub(crate) const MINIMUM_VERSIONS: [(&str, &str); 13] = [
    ("aes-gcm", "0.10.3"), // plaintext kept after a wrong tag (RUSTSEC-2023-0096)
    ("ammonia", "4.1.4"),  // RUSTSEC-2026-0213
    ("curve25519-dalek", "4.1.3"), // timing (RUSTSEC-2024-0344)
    ("h2", "0.4.16"),      // reset floods
    ("hickory-proto", "0.26.1"), // remote panics
    ("hpke-rs", "0.6.0"),  // nonce reuse
    ("libp2p-gossipsub", "0.49.4"), // CVE-2026-33040, CVE-2026-34219
    ("libp2p-rendezvous", "0.17.1"), // CVE-2026-35405
    ("lz4_flex", "0.11.6"), // reads of memory not its own
    ("quinn-proto", "0.11.15"), // RUSTSEC-2026-0037, RUSTSEC-2026-0185
    ("ruzstd", "0.7.3"),   // reads of memory not its own
    ("snow", "0.9.5"),     // denial of service in handshakes
    ("yamux", "0.13.10"),  // CVE-2026-32314; 0.12 has no fix
];

/// Lowest versions of crates that keep several lines alive: one minimum for each line.
pub(crate) const MINIMUM_VERSIONS_BY_LINE: [(&str, &[&str]); 1] =
    // RUSTSEC-2026-0097
    [("rand", &["0.8.6", "0.9.4", "0.10.1"])];

/// Versions that our manifests must ask for exactly: a change of either is a chain split, or a
/// change of an unaudited construction.
pub(crate) const PINNED: [(&str, &str); 3] = [
    ("equix", "=0.8.0"),
    ("jmt", "=0.12.0"),
    ("x-wing", "=0.1.1"),
];

/// Lowest versions that our own manifests may ask for (the cryptography that was looked at).
pub(crate) const DIRECT_MINIMUM_VERSIONS: [(&str, &str); 10] = [
    ("argon2", "0.6"),
    ("bech32", "0.12"),
    ("bip32", "0.6"),
    ("blake3", "1.8"),
    ("chacha20poly1305", "0.11"),
    ("libp2p", "0.57"),
    ("rocksdb", "0.25"),
    ("secp256k1", "0.33"),
    ("sha2", "0.11"),
    ("zstd", "0.14"),
];

/// Packages in the lock file that may not be there.
pub(crate) fn unwelcome(packages: &[Package]) -> Vec<String> {
    let mut wrong = Vec::new();
    for package in packages {
        let (name, found) = (package.name.as_str(), version(&package.version));
        let family = BANNED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix));
        if family || BANNED.contains(&name) {
            wrong.push(format!("{name} is banned"));
        }
        for (_, minimum) in MINIMUM_VERSIONS.iter().filter(|(of, _)| *of == name) {
            if found < version(minimum) {
                wrong.push(format!(
                    "{name} {} is older than {minimum}",
                    package.version
                ));
            }
        }
        for (_, lines) in MINIMUM_VERSIONS_BY_LINE
            .iter()
            .filter(|(of, _)| *of == name)
        {
            let lines: Vec<_> = lines.iter().map(|line| version(line)).collect();
            let patched = lines
                .iter()
                .any(|line| line[..2] == found[..2] && *line <= found);
            let newer = lines.iter().all(|line| line[..2] < found[..2]);
            if !patched && !newer {
                wrong.push(format!("{name} {} has a known hole", package.version));
            }
        }
        let registry = "registry+https://github.com/rust-lang/crates.io-index";
        if package
            .source
            .as_deref()
            .is_some_and(|source| source != registry)
        {
            wrong.push(format!("{name} comes from {:?}", package.source));
        }
        if !package
            .licence
            .as_deref()
            .is_some_and(licences::is_compatible)
        {
            wrong.push(format!(
                "{name}: the licence {:?} is not allowed",
                package.licence
            ));
        }
    }
    wrong
}

/// A package of another, to show the checks.
pub(crate) fn package(name: &str, version: &str, licence: &str) -> Package {
    Package {
        name: name.to_owned(),
        version: version.to_owned(),
        licence: Some(licence.to_owned()),
        source: Some("registry+https://github.com/rust-lang/crates.io-index".to_owned()),
        folder: root().join(name),
        dependencies: Vec::new(),
    }
}

#[test]
fn unwelcome_packages_are_noticed() {
    let wrong = |name, version, licence| unwelcome(&[package(name, version, licence)]).len();
    assert_eq!(wrong("yamux", "0.14.1", "MIT"), 0);
    assert_eq!(wrong("yamux", "0.12.1", "MIT"), 1);
    assert_eq!(wrong("yamux", "0.13.9", "MIT"), 1);
    assert_eq!(wrong("sled", "0.34.7", "MIT"), 1);
    assert_eq!(wrong("pqcrypto-kyber", "0.8.0", "MIT"), 1);
    assert_eq!(wrong("anything", "1.0.0", "SSPL-1.0"), 1);
    for (fine, old) in [("0.8.6", "0.8.5"), ("0.9.5", "0.9.3"), ("0.10.3", "0.10.0")] {
        assert_eq!(
            (wrong("rand", fine, "MIT"), wrong("rand", old, "MIT")),
            (0, 1),
            "{fine}"
        );
    }
    assert_eq!(wrong("rand", "0.7.3", "MIT"), 1);
    assert_eq!(wrong("rand", "0.11.0", "MIT"), 0);
    let git = Package {
        source: Some("git+https://example.org".to_owned()),
        ..package("a", "1.0.0", "MIT")
    };
    assert_eq!(unwelcome(&[git]).len(), 1);
    let unlicensed = Package {
        licence: None,
        ..package("a", "1.0.0", "MIT")
    };
    assert_eq!(unwelcome(&[unlicensed]).len(), 1);
}
