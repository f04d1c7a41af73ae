//! Which node a command talks to, and with which cookie.
//!
//! # Invariants
//! A running node's `endpoints.json` wins over guesses; flags win over everything.
//!
//! # Spec
//! docs/spec/14-commands.md §1
//!
//! # Not here
//! The protocol: `rpc::client`.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use rpc::{Credential, Endpoint, NodeClient};
use serde::{Deserialize, Serialize};

use crate::args::{NodeAccess, SharedArgs};
use crate::config::{default_rpc, folder};
use crate::exit::{Exit, Failure};

/// Name of the file that says where a running node listens.
pub(crate) const ENDPOINTS_FILE: &str = "endpoints.json";
const COOKIE_FILE: &str = ".cookie";

/// Where a running node can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endpoints {
    pub(crate) pid: u32,
    pub(crate) network: String,
    pub(crate) chain_id: String,
    pub(crate) peer_id: String,
    pub(crate) p2p: Vec<String>,
    pub(crate) rpc: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public_rpc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metrics: Option<String>,
}

impl Endpoints {
    /// What a node's folder says, if a node runs there.
    fn of(folder: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(folder.join(ENDPOINTS_FILE)).ok()?;
        serde_json::from_str(&text).ok()
    }
}

/// A client for the node that the flags name.
pub(crate) fn client(shared: &SharedArgs, access: &NodeAccess) -> Result<Arc<NodeClient>> {
    let node_folder = match &access.node_datadir {
        Some(folder) => {
            if access.rpc.is_none() && !folder.join(ENDPOINTS_FILE).exists() {
                return Err(Failure::error(
                    Exit::NoNode,
                    "no_node",
                    format!("no node runs in {}; start one there", folder.display()),
                ));
            }
            folder.clone()
        }
        None => {
            let anywhere = SharedArgs {
                datadir: None,
                ..shared.clone()
            };
            folder(&anywhere, "node")?
        }
    };
    let cookie = access
        .rpc_cookie
        .clone()
        .unwrap_or_else(|| node_folder.join(COOKIE_FILE));
    let url = access
        .rpc
        .clone()
        .or_else(|| Endpoints::of(&node_folder).map(|endpoints| endpoints.rpc))
        .unwrap_or_else(|| default_rpc(shared.network).to_string());
    let endpoint = Endpoint::new(&url, Credential::File(cookie))?;
    Ok(Arc::new(NodeClient::new(endpoint)))
}
