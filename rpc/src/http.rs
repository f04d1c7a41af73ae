//! Plain HTTP: the guarded listener that all servers of this crate use, and the server for health
//! and metrics.
//!
//! # Invariants
//! * Every accepted connection has a place and limited patience ([`crate::connection`]).
//! * Each connection is a task of its own: one that stalls does not keep others from being
//!   accepted.
//! * Health and metrics hold no secrets and change nothing; they need no cookie.
//!
//! # Spec
//! docs/spec/07-rpc.md §8
//!
//! # Not here
//! JSON-RPC: [`crate::server`].

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::serve::{IncomingStream, Listener};
use jsonrpsee::server::{ServerHandle, StopHandle, stop_channel};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::access::{Access, HostRule};
use crate::connection::{Guarded, Pace, Patience, Places};
use crate::error::ServerError;
use crate::limits;

/// Pause after the operating system refuses to accept, most likely for want of file handles (ms).
const ACCEPT_PAUSE_MS: u64 = 200;

/// A bound listener whose connections are guarded.
pub(crate) struct GuardedListener {
    listener: TcpListener,
    address: SocketAddr,
    places: Arc<Places>,
}

impl GuardedListener {
    /// Binds `address`; port 0 takes a free one.
    pub(crate) async fn bind(
        address: SocketAddr,
        places: Arc<Places>,
    ) -> Result<Self, ServerError> {
        let bind = |source| ServerError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let bound = listener.local_addr().map_err(bind)?;
        Ok(Self {
            listener,
            address: bound,
            places,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Listener for GuardedListener {
    type Io = Guarded<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    let Some(place) = self.places.take(address.ip()) else {
                        tracing::debug!(peer = %address.ip(), "no place for a connection");
                        continue;
                    };
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "cannot set TCP_NODELAY");
                    }
                    return (Guarded::new(stream, Patience::CONTRACT, place), address);
                }
                Err(error) if is_of_the_peer(error.kind()) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Whether accepting failed because the peer was gone already.
fn is_of_the_peer(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) pace: Arc<Pace>,
}

impl Connected<IncomingStream<'_, GuardedListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, GuardedListener>) -> Self {
        Self {
            address: *stream.remote_addr(),
            pace: stream.io().pace(),
        }
    }
}

/// A server that runs in the background.
#[derive(Debug)]
pub(crate) struct Serving {
    address: SocketAddr,
    stop: ServerHandle,
    task: JoinHandle<()>,
}

/// A signal that ends a server.
pub(crate) fn stop_signal() -> (StopHandle, ServerHandle) {
    stop_channel()
}

impl Serving {
    /// Serves `router` on `listener` until `stopped` fires, by `stop` or by dropping it.
    pub(crate) fn start(
        listener: GuardedListener,
        router: Router,
        stopped: StopHandle,
        stop: ServerHandle,
    ) -> Self {
        let address = listener.address();
        let service = router.into_make_service_with_connect_info::<Peer>();
        let task = tokio::spawn(async move {
            let serve = axum::serve(listener, service).with_graceful_shutdown(stopped.shutdown());
            if let Err(error) = serve.await {
                tracing::warn!(%error, "a listener ended");
            }
        });
        Self {
            address,
            stop,
            task,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets open requests finish for a while, then ends.
    pub(crate) async fn stop(mut self) {
        if self.stop.stop().is_err() {
            tracing::debug!("the listener has stopped already");
        }
        let wait = Duration::from_millis(limits::STOP_WAIT_MS_MAX);
        if timeout(wait, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// An answer with `body`, which no browser keeps or guesses about.
pub(crate) fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, headers, body).into_response()
}

/// How a node is, for load balancers and alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Connected peers.
    pub peers: u32,
    /// Blocks known to exist that the best chain lacks.
    pub blocks_behind: u64,
    /// Age of the tip (ms).
    pub tip_age_ms: u64,
}

impl Health {
    /// Most blocks that a ready node may lack.
    pub const BLOCKS_BEHIND_MAX: u64 = 2;
    /// Age that the tip of a ready node has not reached (ms).
    pub const TIP_AGE_MS_MAX: u64 = 60_000;

    /// Whether the node has peers.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        self.peers > 0
    }

    /// Whether the node knows the chain's end.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.blocks_behind <= Self::BLOCKS_BEHIND_MAX && self.tip_age_ms < Self::TIP_AGE_MS_MAX
    }
}

/// Where health and metrics come from.
#[async_trait]
pub trait HealthSource: Send + Sync + 'static {
    /// How the node is now.
    async fn health(&self) -> Health;

    /// All figures as Prometheus text, with bounded labels.
    async fn metrics(&self) -> String;
}

/// The server of `/healthy`, `/ready` and `/metrics`.
#[derive(Debug)]
pub struct HealthServer(Serving);

struct HealthDesk {
    source: Arc<dyn HealthSource>,
    access: Access,
}

impl HealthServer {
    /// Serves `source` on `listen`, of which port 0 takes a free one.
    ///
    /// # Errors
    /// [`ServerError::Bind`].
    pub async fn start(
        listen: SocketAddr,
        source: Arc<dyn HealthSource>,
    ) -> Result<Self, ServerError> {
        let most = limits::METRICS_CONNECTIONS_MAX;
        let listener = GuardedListener::bind(listen, Places::new(most, most)).await?;
        let address = listener.address();
        let is_local = address.ip().is_loopback();
        let hosts = if is_local {
            HostRule::listed(address, &[])
        } else {
            HostRule::Any
        };
        let access = Access {
            hosts,
            origins: Vec::new(),
            cookie: None,
        };
        let desk = Arc::new(HealthDesk { source, access });
        let (stopped, stop) = stop_signal();
        let router = Router::new().fallback(answer).with_state(desk);
        Ok(Self(Serving::start(listener, router, stopped, stop)))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Stops; open requests get a few seconds.
    pub async fn stop(self) {
        self.0.stop().await;
    }
}

async fn answer(
    State(desk): State<Arc<HealthDesk>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    peer.pace.asked();
    let (request, _) = request.into_parts();
    let response = desk.answer(&request).await;
    peer.pace.answered();
    response
}

impl HealthDesk {
    async fn answer(&self, request: &Parts) -> Response {
        const TEXT: &str = "text/plain; charset=utf-8";
        if let Err(refusal) = self.access.admit_host(&request.uri, &request.headers) {
            return respond(
                refusal.status,
                TEXT,
                format!("{}\n", refusal.failure.detail),
            );
        }
        if request.method != Method::GET {
            return respond(
                StatusCode::METHOD_NOT_ALLOWED,
                TEXT,
                "only GET\n".to_owned(),
            );
        }
        match request.uri.path() {
            "/healthy" => {
                let health = self.source.health().await;
                let text = format!("peers {}\n", health.peers);
                respond(status(health.is_healthy()), TEXT, text)
            }
            "/ready" => {
                let health = self.source.health().await;
                let Health {
                    blocks_behind,
                    tip_age_ms,
                    ..
                } = health;
                let text = format!("blocks_behind {blocks_behind}\ntip_age_ms {tip_age_ms}\n");
                respond(status(health.is_ready()), TEXT, text)
            }
            "/metrics" => {
                const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
                respond(StatusCode::OK, PROMETHEUS, self.source.metrics().await)
            }
            _ => {
                let known = "there are /healthy, /ready and /metrics\n";
                respond(StatusCode::NOT_FOUND, TEXT, known.to_owned())
            }
        }
    }
}

fn status(is_good: bool) -> StatusCode {
    if is_good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::sync::Mutex;
    use tokio::io::AsyncWriteExt;

    use crate::wire::read_all;

    struct Source(Mutex<Health>);

    #[async_trait]
    impl HealthSource for Source {
        async fn health(&self) -> Health {
            *self.0.lock().expect("not poisoned")
        }

        async fn metrics(&self) -> String {
            "# TYPE chainchat_peers gauge\nchainchat_peers 3\n".to_owned()
        }
    }

    const GOOD: Health = Health {
        peers: 1,
        blocks_behind: 2,
        tip_age_ms: 59_999,
    };

    async fn start() -> (HealthServer, Arc<Source>) {
        let source = Arc::new(Source(Mutex::new(GOOD)));
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = HealthServer::start(listen, source.clone())
            .await
            .expect("a free port");
        (server, source)
    }

    async fn ask(server: &HealthServer, head: &str) -> String {
        let mut stream = TcpStream::connect(server.address())
            .await
            .expect("connected");
        let request = format!("{head}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        read_all(&mut stream).await
    }

    async fn get(server: &HealthServer, path: &str) -> (String, String) {
        let answer = ask(server, &format!("GET {path} HTTP/1.1\r\nHost: localhost")).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (
            head.split(' ').nth(1).expect("a status").to_owned(),
            body.to_owned(),
        )
    }

    #[tokio::test]
    async fn a_node_is_healthy_with_peers_and_ready_near_the_end_of_the_chain() {
        let (server, source) = start().await;
        for (health, healthy, ready) in [
            (GOOD, "200", "200"),
            (Health { peers: 0, ..GOOD }, "503", "200"),
            (
                Health {
                    blocks_behind: 3,
                    ..GOOD
                },
                "200",
                "503",
            ),
            (
                Health {
                    tip_age_ms: 60_000,
                    ..GOOD
                },
                "200",
                "503",
            ),
        ] {
            *source.0.lock().expect("not poisoned") = health;
            assert_eq!(get(&server, "/healthy").await.0, healthy, "{health:?}");
            assert_eq!(get(&server, "/ready").await.0, ready, "{health:?}");
        }
        server.stop().await;
    }

    #[tokio::test]
    async fn metrics_are_served_and_nothing_else() {
        let (server, _) = start().await;
        let (status, body) = get(&server, "/metrics").await;
        assert_eq!(
            (status.as_str(), body.contains("chainchat_peers 3")),
            ("200", true)
        );
        assert_eq!(get(&server, "/").await.0, "404");
        let post = ask(&server, "POST /metrics HTTP/1.1\r\nHost: localhost").await;
        assert!(post.starts_with("HTTP/1.1 405"), "{post}");
        let foreign = ask(&server, "GET /metrics HTTP/1.1\r\nHost: evil.example").await;
        assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
        let address = server.address();
        server.stop().await;
        assert!(
            TcpStream::connect(address).await.is_err(),
            "the listener is gone"
        );
    }
}
