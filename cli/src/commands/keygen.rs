//! `chainchat stake keygen` and `chainchat masternode keygen`: keys that vote and sign checkpoints.
//!
//! # Invariants
//! The secret goes from the system's generator into the file, and nowhere else.
//!
//! # Spec
//! docs/spec/14-commands.md §10
//!
//! # Not here
//! The file itself: `node::KeyFile`. Orders that name the key.

use std::path::Path;

use anyhow::{Context, Result};
use chain::PublicKey;
use node::KeyFile;
use rand_core::TryRng;
use rpc::types::Hex;
use serde_json::json;
use zeroize::Zeroizing;

use crate::args::SharedArgs;
use crate::commands::node::key_file_refusal;
use crate::exit::Failure;
use crate::output;

/// Makes a key file and prints the public key.
pub(crate) fn run(shared: &SharedArgs, out: &Path) -> Result<()> {
    let public = Hex(make(out)?).to_string();
    let file = out.display().to_string();
    let text =
        format!("{public}\nwritten to {file}; it holds no coins, keep it where the node runs");
    output::result(
        shared.json,
        &json!({ "public_key": public, "file": file }),
        &text,
    )
}

/// Makes a key file and returns the public key.
pub(crate) fn make(out: &Path) -> Result<PublicKey> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::SysRng
        .try_fill_bytes(&mut *secret)
        .context("the system gives no randomness")?;
    KeyFile::create(out, &secret).map_err(|error| {
        let (exit, reason) = key_file_refusal(&error);
        Failure::error(exit, reason, error.to_string())
    })
}
