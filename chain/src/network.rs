//! The four networks by name, and the address prefix that keeps them apart.
//!
//! # Spec
//! docs/spec/05-networks.md
//!
//! # Not here
//! Their numbers: `genesis`.

use std::fmt;
use std::str::FromStr;

/// One of the four networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// For people and real coins.
    Main,
    /// Public trials.
    Test,
    /// Private nets that behave like main within a minute.
    Dev,
    /// Unit and functional tests.
    Regtest,
}

impl Network {
    /// All four, in the order of their seriousness.
    pub const ALL: [Self; 4] = [Self::Main, Self::Test, Self::Dev, Self::Regtest];

    /// The name on the command line and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Test => "test",
            Self::Dev => "dev",
            Self::Regtest => "regtest",
        }
    }

    /// Human-readable part of this network's bech32m addresses.
    #[must_use]
    pub const fn address_prefix(self) -> &'static str {
        match self {
            Self::Main => "x3c",
            Self::Test => "tx3c",
            Self::Dev => "dx3c",
            Self::Regtest => "rx3c",
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such network; one of main, test, dev, regtest")]
pub struct UnknownNetwork;

impl FromStr for Network {
    type Err = UnknownNetwork;

    fn from_str(text: &str) -> Result<Self, UnknownNetwork> {
        Self::ALL
            .into_iter()
            .find(|network| network.name() == text)
            .ok_or(UnknownNetwork)
    }
}
