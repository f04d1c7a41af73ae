//! What a node can be asked, and how: the contract, its server, its client, and plain HTTP for
//! health and metrics.
//!
//! ```
//! use rpc::{Cookie, Credential, Endpoint};
//! use rpc::types::view::{BlockForm, BlockSelector};
//! use rpc::types::GetBlock;
//!
//! // A node writes its cookie at every start; who can read the file may call.
//! let folder = std::env::temp_dir();
//! let endpoint = Endpoint::new("127.0.0.1:31211", Credential::File(folder.join(".cookie")))?;
//! // let node: Arc<dyn NodeApi> = Arc::new(NodeClient::new(endpoint));
//!
//! // Parameters are JSON objects of their own; the chain's types are taken out by name.
//! let asked: GetBlock = serde_json::from_str(r#"{"height":7,"raw":true}"#)?;
//! assert_eq!(asked.block()?, BlockSelector::Height(chain::Height::new(7)));
//! assert_eq!(asked.form(), BlockForm::Raw);
//! # let _ = (endpoint, Cookie::new(&[7; 32]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//! * One list of methods ([`api`]) makes the trait, the server, the client and the document.
//! * JSON shapes are never consensus types; conversions are explicit ([`types::view`]).
//! * Sockets are opened in [`server`], [`client`] and [`http`] only.
//!
//! # Spec
//! docs/spec/07-rpc.md
//!
//! # Not here
//! What the methods do: `node`. The user's own API with secrets: `app`.

#![forbid(unsafe_code)]

mod access;
pub mod api;
pub mod client;
mod connection;
mod contract;
pub mod cookie;
mod discover;
mod dispatch;
pub mod error;
pub mod http;
pub mod limits;
mod rate;
mod scan;
pub mod schema;
pub mod server;
pub mod subscription;
pub mod types;
mod websocket;

pub use api::NodeApi;
pub use client::{Credential, Endpoint, NodeClient};
pub use cookie::Cookie;
pub use error::{CookieError, ErrorCode, RpcFailure, ServerError};
pub use http::{Health, HealthServer, HealthSource};
pub use server::{Entrance, Server, ServerConfig};
pub use subscription::{Publisher, Subscription};
