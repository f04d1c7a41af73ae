//! The JSON-RPC server: one listener, private with a cookie or public with a rate.
//!
//! # Invariants
//! * Nothing is read from a request's body before host, origin, cookie and content type are good.
//! * No answer carries a CORS header.
//! * The body is bounded before it is kept, and parsed only when its outline is within the limits.
//!
//! # Spec
//! docs/spec/07-rpc.md §1, §6
//!
//! # Not here
//! The checks: [`crate::access`]. The methods: [`crate::contract`]. What a WebSocket does once it
//! is open: [`crate::websocket`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jsonrpsee::server::middleware::rpc::RpcServiceBuilder;
use jsonrpsee::server::ws::is_upgrade_request;
use jsonrpsee::server::{
    BatchRequestConfig, Methods, PingConfig, Server as LibraryServer,
    ServerConfig as LibraryConfig, StopHandle,
};
use jsonrpsee::types::Id;
use tokio::time::timeout;
use tower::Service;

use chain::Network;

use crate::access::{Access, Channel, HostRule, Refusal};
use crate::api::NodeApi;
use crate::connection::Places;
use crate::contract::Door;
use crate::cookie::Cookie;
use crate::dispatch::{Dispatcher, failed};
use crate::error::{ErrorCode, ServerError};
use crate::http::{GuardedListener, Peer, Serving, respond, stop_signal};
use crate::limits;
use crate::websocket::{Gate, streams};

const JSON: &str = "application/json";

/// Who may come in.
#[derive(Clone, Debug)]
pub enum Entrance {
    /// Who holds the cookie; all methods of the network.
    Private(Cookie),
    /// Everybody, at a limited rate; chain reads, `tx_submit`, `envelope_submit` and their
    /// subscriptions.
    Public,
}

/// What a listener is to be.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Decides whether development methods exist.
    pub network: Network,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may come in.
    pub entrance: Entrance,
    /// Accepted `Host` names besides loopback and the bound address.
    pub hosts: Vec<String>,
    /// Accepted foreign origins, as browsers write them: `https://example.org`.
    pub origins: Vec<String>,
}

impl ServerConfig {
    /// A listener on `listen` that only programs of this machine know by name.
    #[must_use]
    pub fn new(network: Network, listen: SocketAddr, entrance: Entrance) -> Self {
        Self {
            network,
            listen,
            entrance,
            hosts: Vec::new(),
            origins: Vec::new(),
        }
    }
}

/// A running listener.
#[derive(Debug)]
pub struct Server {
    serving: Serving,
    methods: Vec<&'static str>,
}

impl Server {
    /// Serves `api` as `config` says.
    ///
    /// # Errors
    /// [`ServerError::Bind`].
    pub async fn start(config: ServerConfig, api: Arc<dyn NodeApi>) -> Result<Self, ServerError> {
        let (door, places, body_bytes_max) = match config.entrance {
            Entrance::Private(_) => {
                let most = limits::CONNECTIONS_MAX;
                (
                    Door::Private,
                    Places::new(most, most),
                    limits::BODY_BYTES_MAX,
                )
            }
            Entrance::Public => {
                let most = limits::PUBLIC_CONNECTIONS_MAX;
                let per_address = limits::PUBLIC_CONNECTIONS_PER_ADDRESS_MAX;
                (
                    Door::Public,
                    Places::new(most, per_address),
                    limits::PUBLIC_BODY_BYTES_MAX,
                )
            }
        };
        let listener = GuardedListener::bind(config.listen, places).await?;
        let address = listener.address();
        if door == Door::Private && !address.ip().is_loopback() {
            tracing::warn!(%address, "the cookie crosses the network unencrypted; use a tunnel");
        }
        let dispatcher = Arc::new(Dispatcher::new(api, config.network, door));
        let methods = dispatcher.methods().map(|method| method.name).collect();
        let (stopped, stop) = stop_signal();
        let desk = Desk {
            access: access(config, address),
            streams: streams(&dispatcher).into(),
            dispatcher,
            body_bytes_max,
            connections: AtomicU32::new(0),
            stopped: stopped.clone(),
        };
        let router = Router::new().fallback(answer).with_state(Arc::new(desk));
        Ok(Self {
            serving: Serving::start(listener, router, stopped, stop),
            methods,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.serving.address()
    }

    /// Names of the methods it serves.
    #[must_use]
    pub fn methods(&self) -> &[&'static str] {
        &self.methods
    }

    /// Stops; open requests get a few seconds, WebSockets are closed.
    pub async fn stop(self) {
        self.serving.stop().await;
    }
}

/// A public listener on a public address is called by names that this side does not know.
fn access(config: ServerConfig, bound: SocketAddr) -> Access {
    let listed = HostRule::listed(bound, &config.hosts);
    let (hosts, cookie) = match config.entrance {
        Entrance::Private(cookie) => (listed, Some(cookie)),
        Entrance::Public if bound.ip().is_loopback() => (listed, None),
        Entrance::Public => (HostRule::Any, None),
    };
    Access {
        hosts,
        origins: config.origins,
        cookie,
    }
}

/// Everything that answers one listener's requests.
struct Desk {
    access: Access,
    dispatcher: Arc<Dispatcher>,
    streams: Methods,
    body_bytes_max: usize,
    connections: AtomicU32,
    stopped: StopHandle,
}

async fn answer(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    peer.pace.asked();
    let response = match desk.answer(&peer, request).await {
        Ok(response) => response,
        Err(refusal) => {
            let reason = &refusal.failure.reason;
            tracing::debug!(peer = %peer.address.ip(), %reason, "request refused");
            refuse(refusal)
        }
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        peer.pace.answered();
    }
    response
}

impl Desk {
    async fn answer(&self, peer: &Peer, request: Request) -> Result<Response, Refusal> {
        let is_upgrade = is_upgrade_request(&request);
        let channel = self.access.admit(
            request.method(),
            request.uri(),
            request.headers(),
            is_upgrade,
        )?;
        match channel {
            Channel::WebSocket => self.open_websocket(peer, request).await,
            Channel::Post => self.answer_post(peer, request).await,
        }
    }

    async fn answer_post(&self, peer: &Peer, request: Request) -> Result<Response, Refusal> {
        self.charge_for_request(peer)?;
        if claimed_length(request.headers()).is_some_and(|length| length > self.body_bytes_max) {
            return Err(self.too_large());
        }
        let wait = Duration::from_millis(limits::BODY_WAIT_MS_MAX);
        let body = timeout(wait, to_bytes(request.into_body(), self.body_bytes_max)).await;
        let body = match body {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => return Err(self.too_large()),
            Err(_) => {
                return Err(Refusal::new(
                    StatusCode::REQUEST_TIMEOUT,
                    ErrorCode::InvalidRequest,
                    "body_too_slow",
                    "the body did not arrive in time",
                ));
            }
        };
        Ok(
            match self.dispatcher.answer(&body, peer.address.ip()).await {
                Some(answer) => respond(StatusCode::OK, JSON, answer),
                None => StatusCode::NO_CONTENT.into_response(),
            },
        )
    }

    async fn open_websocket(&self, peer: &Peer, request: Request) -> Result<Response, Refusal> {
        self.charge_for_request(peer)?;
        let caller = peer.address.ip();
        let dispatcher = Arc::clone(&self.dispatcher);
        let gate = RpcServiceBuilder::new()
            .layer_fn(move |inner| Gate::new(inner, Arc::clone(&dispatcher), caller));
        let mut service = LibraryServer::builder()
            .set_config(library_config(self.body_bytes_max))
            .set_rpc_middleware(gate)
            .to_service_builder()
            .connection_id(self.connections.fetch_add(1, Ordering::Relaxed))
            .build(self.streams.clone(), self.stopped.clone());
        match service.call(request).await {
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Ok(response.map(Body::new))
            }
            Ok(_) | Err(_) => Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::InvalidRequest,
                "bad_upgrade",
                "a WebSocket needs Sec-WebSocket-Key and Sec-WebSocket-Version 13",
            )),
        }
    }

    /// On the public listener a request has a price of its own, also one that turns out garbage.
    fn charge_for_request(&self, peer: &Peer) -> Result<(), Refusal> {
        self.dispatcher
            .charge(peer.address.ip(), 1)
            .map_err(|failure| Refusal {
                status: StatusCode::TOO_MANY_REQUESTS,
                failure,
            })
    }

    fn too_large(&self) -> Refusal {
        let detail = format!("a request has at most {} bytes", self.body_bytes_max);
        let (status, code) = (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::RequestTooLarge);
        Refusal::new(status, code, "request_too_large", &detail)
    }
}

/// The length that a request says its body has.
fn claimed_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn refuse(refusal: Refusal) -> Response {
    let Refusal { status, failure } = refusal;
    let mut response = respond(status, JSON, failed(Id::Null, failure));
    if status == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    }
    response
}

/// The library's limits on one WebSocket; places and patience are this crate's.
fn library_config(body_bytes_max: usize) -> LibraryConfig {
    let small = |limit: usize| u32::try_from(limit).expect("limits fit in 32 bits");
    let ping = PingConfig::new()
        .ping_interval(Duration::from_millis(limits::PING_INTERVAL_MS))
        .inactive_limit(Duration::from_millis(limits::SILENCE_MS_MAX));
    LibraryConfig::builder()
        .ws_only()
        .max_connections(1)
        .max_request_body_size(small(body_bytes_max))
        .max_response_body_size(small(2 * limits::RESPONSE_BYTES_MAX))
        .max_subscriptions_per_connection(small(limits::SUBSCRIPTIONS_PER_CONNECTION_MAX))
        .set_batch_request_config(BatchRequestConfig::Limit(small(limits::BATCH_ENTRIES_MAX)))
        .set_message_buffer_capacity(small(limits::SEND_QUEUE_MESSAGES_MAX))
        .enable_ws_ping(ping)
        .build()
}

#[cfg(test)]
mod tests;
