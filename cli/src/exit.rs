//! Exit codes: what a script learns without reading a word.
//!
//! # Spec
//! docs/spec/14-commands.md §3
//!
//! # Not here
//! The messages: whoever fails writes them.

use std::fmt;

/// Why a command ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something went wrong while running.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// The data folder is locked, damaged or somebody else's.
    Folder,
    /// No node answers.
    NoNode,
    /// The node answered with an error.
    Rpc,
    /// Interrupted by the user.
    Interrupted,
}

impl Exit {
    /// The process exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Folder => 3,
            Self::NoNode => 4,
            Self::Rpc => 5,
            Self::Interrupted => 130,
        }
    }
}

/// An exit with the words that explain it; travels inside `anyhow::Error`.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code's meaning.
    pub(crate) exit: Exit,
    /// A stable machine word.
    pub(crate) reason: &'static str,
    /// A sentence that says what to do.
    pub(crate) detail: String,
}

impl Failure {
    /// A failure as an `anyhow` error.
    pub(crate) fn error(
        exit: Exit,
        reason: &'static str,
        detail: impl Into<String>,
    ) -> anyhow::Error {
        anyhow::Error::new(Self {
            exit,
            reason,
            detail: detail.into(),
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Failure {}
