//! `chainchat rpc`: one call of a node's method.
//!
//! # Spec
//! docs/spec/14-commands.md §5
//!
//! # Not here
//! The methods: docs/spec/07-rpc.md.

use anyhow::Result;

use crate::access;
use crate::args::{RpcArgs, SharedArgs};
use crate::output;

pub(crate) async fn run(shared: &SharedArgs, args: &RpcArgs) -> Result<()> {
    let client = access::client(shared, &args.node)?;
    let answer = client.call(&args.method, args.params.as_deref()).await?;
    let text = serde_json::to_string_pretty(&answer)?;
    output::result(shared.json, &answer, &text)
}
