//! What a node can be asked, and how: the contract, its server, its client, and plain HTTP for
//! health and metrics.
//!
//! ```
//! use std::sync::Arc;
//! use rpc::types::GetBlock;
//! use rpc::types::view::{BlockForm, BlockSelector};
//! use rpc::{Cookie, Credential, Endpoint, NodeApi, NodeClient};
//!
//! // A node draws a cookie at every start; who knows it may call. Callers hold a `NodeApi` and
//! // cannot tell a remote node, which is connected to by the first call, from an embedded one.
//! let cookie = Cookie::new(&[7; 32]);
//! let endpoint = Endpoint::new("127.0.0.1:31211", Credential::Cookie(cookie))?;
//! let node: Arc<dyn NodeApi> = Arc::new(NodeClient::new(endpoint));
//!
//! // Parameters are JSON objects of their own; the chain's types are taken out by name.
//! let asked: GetBlock = serde_json::from_str(r#"{"height":7,"raw":true}"#)?;
//! assert_eq!(asked.block()?, BlockSelector::Height(chain::Height::new(7)));
//! assert_eq!(asked.form(), BlockForm::Raw);
//! # drop(node);
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
#[cfg(test)]
mod wire;

pub use api::NodeApi;
pub use client::{Credential, Endpoint, NodeClient};
pub use cookie::Cookie;
pub use error::{CookieError, ErrorCode, RpcFailure, ServerError};
pub use http::{Health, HealthServer, HealthSource};
pub use server::{Entrance, Server, ServerConfig};
pub use subscription::{Publisher, Subscription};
