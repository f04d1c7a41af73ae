//! A remote node as a [`NodeApi`]: JSON-RPC over one WebSocket, opened when it is needed.
//!
//! # Invariants
//! * A lost connection is opened anew by the next call, with the cookie read anew: a restarted
//!   node has another one. A call whose connection breaks is not repeated.
//! * Failures keep three things apart: no node reachable, a refused cookie, and what a node
//!   answered.
//! * No redirect is followed: the cookie goes to the address given and nowhere else.
//!
//! # Spec
//! docs/spec/07-rpc.md §9
//!
//! # Not here
//! TLS: use a tunnel. Which methods there are: [`crate::api`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jsonrpsee::client_transport::ws::{
    HeaderMap, HeaderValue, Url, WsHandshakeError, WsTransportClientBuilder,
};
use jsonrpsee::core::JsonRawValue;
use jsonrpsee::core::client::async_client::PingConfig;
use jsonrpsee::core::client::{
    Client, ClientBuilder, ClientT, Error as LibraryError, ReceivedMessage, SubscriptionClientT,
    SubscriptionCloseReason, SubscriptionKind, TransportReceiverT,
};
use jsonrpsee::core::traits::ToRpcParams;
use jsonrpsee::types::{ErrorObjectOwned, SubscriptionId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::{NodeApi, node_methods};
use crate::contract::{Json, encode};
use crate::cookie::Cookie;
use crate::error::{ErrorCode, RpcFailure, quote};
use crate::limits;
use crate::subscription::{Publisher, Queued, Subscription, channel};
use crate::types::{
    AccountStatus, BanStatus, BlockReference, BlockView, BondPage, BondStatus, CommitteeStatus,
    Connect, EnvelopeEvent, EnvelopePage, EnvelopeStatus, FinalityEvent, FinalityStatus, Generate,
    Generated, GetAccount, GetBlock, GetBond, GetCommittee, GetEnvelope, GetEnvelopes, GetHeader,
    GetMasternode, GetMempool, GetOwned, GetSeats, GetStateHash, GetTemplate, GetTransaction, Head,
    HeaderStatus, KillPoint, MasternodePage, MasternodeStatus, MempoolPage, MempoolStatus,
    NodeStatus, PeerStatus, SeatPage, SetTime, StateHash, Submit, SubmitBlock, SubmitSolution,
    SubmittedBlock, SubmittedEnvelope, SubmittedTransaction, SupplyStatus, Template, Tip,
    TransactionStatus,
};

/// Reasons of ended streams that nobody has asked for yet; more than a connection has streams.
const ENDINGS_MAX: usize = 64;

/// Where the cookie comes from.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Nowhere: for a public listener.
    None,
    /// From memory.
    Cookie(Cookie),
    /// From a file, read at every connect.
    File(PathBuf),
}

/// A node's address and the key to it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    url: Url,
    credential: Credential,
}

impl Endpoint {
    /// `url` is `http://HOST:PORT`, `ws://HOST:PORT` or `HOST:PORT`.
    ///
    /// # Errors
    /// `bad_url` (-8).
    pub fn new(url: &str, credential: Credential) -> Result<Self, RpcFailure> {
        let bad_url = |detail: String| RpcFailure::bad_parameter("bad_url", detail);
        let full = if url.contains("://") {
            url.to_owned()
        } else {
            format!("ws://{url}")
        };
        let mut url =
            Url::parse(&full).map_err(|error| bad_url(format!("{}: {error}", quote(&full))))?;
        match url.scheme() {
            "ws" => {}
            "http" => url.set_scheme("ws").map_err(|()| bad_url(quote(&full)))?,
            other => {
                let detail = format!("`{other}` is not spoken; http and ws are, through a tunnel");
                return Err(bad_url(detail));
            }
        }
        if url.host().is_none() {
            return Err(bad_url(format!("{} names no host", quote(&full))));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad_url(
                "a URL is no place for a secret; give the cookie file".to_owned(),
            ));
        }
        Ok(Self { url, credential })
    }

    /// The `Authorization` header, or why there is none.
    fn authorization(&self) -> Result<Option<HeaderValue>, String> {
        let cookie = match &self.credential {
            Credential::None => return Ok(None),
            Credential::Cookie(cookie) => cookie.clone(),
            Credential::File(path) => Cookie::read(path).map_err(|error| error.to_string())?,
        };
        let mut value = HeaderValue::from_str(&cookie.bearer()).expect("hexadecimal digits");
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// A node at the other end of a WebSocket.
#[derive(Debug)]
pub struct NodeClient {
    endpoint: Endpoint,
    connection: tokio::sync::Mutex<Option<Arc<Connection>>>,
}

#[derive(Debug)]
struct Connection {
    client: Client,
    endings: Endings,
}

impl NodeClient {
    /// A client that connects with its first call.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            connection: tokio::sync::Mutex::default(),
        }
    }

    /// A client that is connected.
    ///
    /// # Errors
    /// `unreachable` (-32050), `not_a_node` (-32050), `bad_cookie` (-32051), `foreign_host`
    /// (-32052).
    pub async fn connect(endpoint: Endpoint) -> Result<Self, RpcFailure> {
        let client = Self::new(endpoint);
        client.connection().await?;
        Ok(client)
    }

    /// Calls any method with parameters as JSON text: `chainchat rpc METHOD [JSON]`.
    ///
    /// # Errors
    /// `invalid_params` (-32602) if the text is not JSON; otherwise what the node answers or why
    /// it does not.
    pub async fn call(&self, method: &str, params: Option<&str>) -> Result<Value, RpcFailure> {
        let params = params
            .map(|text| JsonRawValue::from_string(text.to_owned()))
            .transpose();
        let params = params.map_err(|error| RpcFailure::invalid_params(error.to_string()))?;
        self.request(method, params).await
    }

    async fn request<R: DeserializeOwned>(
        &self,
        method: &str,
        params: Option<Json>,
    ) -> Result<R, RpcFailure> {
        let connection = self.connection().await?;
        connection
            .client
            .request(method, Given(params))
            .await
            .map_err(failure_of_call)
    }

    async fn subscribe<T: Queued + DeserializeOwned>(
        &self,
        subscribe: &str,
        unsubscribe: &str,
        params: Option<Json>,
    ) -> Result<Subscription<T>, RpcFailure> {
        let connection = self.connection().await?;
        let stream = connection
            .client
            .subscribe(subscribe, Given(params), unsubscribe)
            .await;
        let stream = stream.map_err(failure_of_call)?;
        let (publisher, subscription) = channel();
        tokio::spawn(pass_on(stream, publisher, connection));
        Ok(subscription)
    }

    async fn connection(&self) -> Result<Arc<Connection>, RpcFailure> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = slot.as_ref().filter(|open| open.client.is_connected()) {
            return Ok(Arc::clone(connection));
        }
        let connection = Arc::new(open(&self.endpoint).await?);
        *slot = Some(Arc::clone(&connection));
        Ok(connection)
    }
}

/// Opens the WebSocket. A cookie that cannot be read is reported only if the node asks for one:
/// most likely no node is running.
async fn open(endpoint: &Endpoint) -> Result<Connection, RpcFailure> {
    let (headers, missing) = match endpoint.authorization() {
        Ok(value) => {
            let headers = value.map(|value| (axum::http::header::AUTHORIZATION, value));
            (HeaderMap::from_iter(headers), None)
        }
        Err(detail) => (HeaderMap::new(), Some(detail)),
    };
    let small = |limit: usize| u32::try_from(limit).expect("limits fit in 32 bits");
    let (sender, receiver) = WsTransportClientBuilder::default()
        .set_headers(headers)
        .connection_timeout(Duration::from_millis(limits::CONNECT_WAIT_MS_MAX))
        .max_request_size(small(limits::BODY_BYTES_MAX))
        .max_response_size(small(2 * limits::RESPONSE_BYTES_MAX))
        .max_redirections(1)
        .build(endpoint.url.clone())
        .await
        .map_err(|error| failure_of_handshake(error, &endpoint.url, missing))?;
    let endings = Endings::default();
    let ping = PingConfig::new()
        .ping_interval(Duration::from_millis(limits::PING_INTERVAL_MS))
        .inactive_limit(Duration::from_millis(limits::SILENCE_MS_MAX));
    let client = ClientBuilder::new()
        .request_timeout(Duration::from_millis(limits::CALL_WAIT_MS_MAX))
        .enable_ws_ping(ping)
        .build_with_tokio(
            sender,
            Listening {
                receiver,
                endings: endings.clone(),
            },
        );
    Ok(Connection { client, endings })
}

/// Passes the events of a remote stream on, until one side ends it.
async fn pass_on<T: Queued + DeserializeOwned>(
    mut stream: jsonrpsee::core::client::Subscription<T>,
    publisher: Publisher<T>,
    connection: Arc<Connection>,
) {
    let ended = loop {
        let event = tokio::select! {
            () = publisher.closed() => return,
            event = stream.next() => event,
        };
        match event {
            Some(Ok(event)) => {
                if publisher.publish(event).is_err() {
                    return;
                }
            }
            Some(Err(error)) => break bad_answer(&error.to_string()),
            None => break connection.endings.reason_of(&stream),
        }
    };
    publisher.close(ended);
}

/// Parameters that are JSON text already.
struct Given(Option<Json>);

impl ToRpcParams for Given {
    fn to_rpc_params(self) -> Result<Option<Json>, serde_json::Error> {
        Ok(self.0)
    }
}

/// Why streams of a connection ended; the library drops what the node says about it.
#[derive(Clone, Debug, Default)]
struct Endings(Arc<Mutex<BTreeMap<String, RpcFailure>>>);

impl Endings {
    /// Takes note if `text` is the last word of a stream.
    fn note(&self, text: &str) {
        #[derive(Deserialize)]
        struct LastWord<'a> {
            #[serde(borrow)]
            params: LastParams<'a>,
        }
        #[derive(Deserialize)]
        struct LastParams<'a> {
            #[serde(borrow)]
            subscription: SubscriptionId<'a>,
            error: ErrorObjectOwned,
        }
        if !text.contains("\"error\":") {
            return;
        }
        let Ok(LastWord { params }) = serde_json::from_str(text) else {
            return;
        };
        let mut endings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if endings.len() >= ENDINGS_MAX {
            endings.clear();
        }
        endings.insert(key(&params.subscription), RpcFailure::from(&params.error));
    }

    fn reason_of<T>(&self, stream: &jsonrpsee::core::client::Subscription<T>) -> RpcFailure {
        let mut endings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = match stream.kind() {
            SubscriptionKind::Subscription(id) => endings.remove(&key(id)),
            _ => None,
        };
        match (told, stream.close_reason()) {
            (Some(failure), _) => failure,
            (None, Some(SubscriptionCloseReason::Lagged)) => RpcFailure::slow_subscriber(),
            (None, _) => connection_lost("the node is gone or has closed the connection"),
        }
    }
}

fn key(id: &SubscriptionId<'_>) -> String {
    match id {
        SubscriptionId::Num(number) => number.to_string(),
        SubscriptionId::Str(text) => format!("\"{text}\""),
    }
}

/// The receiving half of the transport, overheard by [`Endings`].
struct Listening<R> {
    receiver: R,
    endings: Endings,
}

impl<R: TransportReceiverT + Send> TransportReceiverT for Listening<R> {
    type Error = R::Error;

    async fn receive(&mut self) -> Result<ReceivedMessage, R::Error> {
        let message = self.receiver.receive().await?;
        if let ReceivedMessage::Text(text) = &message {
            self.endings.note(text);
        }
        Ok(message)
    }
}

fn failure_of_handshake(
    error: WsHandshakeError,
    url: &Url,
    missing_cookie: Option<String>,
) -> RpcFailure {
    match error {
        WsHandshakeError::Rejected { status_code: 401 } => {
            let detail = missing_cookie.unwrap_or_else(|| {
                format!("the node at {url} refuses the cookie; is it another node's or an old one?")
            });
            RpcFailure::new(ErrorCode::Unauthorized, "bad_cookie", detail)
        }
        WsHandshakeError::Rejected { status_code: 403 } => {
            let detail = format!("the node does not answer to the name in {url}; use 127.0.0.1");
            RpcFailure::new(ErrorCode::Forbidden, "foreign_host", detail)
        }
        WsHandshakeError::Rejected { .. }
        | WsHandshakeError::Redirected { .. }
        | WsHandshakeError::Transport(_) => {
            let detail = format!("what answers at {url} is no node: {error}");
            RpcFailure::new(ErrorCode::Unreachable, "not_a_node", detail)
        }
        _ => RpcFailure::unreachable(format!("no node reachable at {url}: {error}")),
    }
}

fn failure_of_call(error: LibraryError) -> RpcFailure {
    match error {
        LibraryError::Call(object) => RpcFailure::from(&object),
        LibraryError::RequestTimeout => {
            let detail = format!("no answer within {} ms", limits::CALL_WAIT_MS_MAX);
            RpcFailure::new(ErrorCode::Timeout, "timeout", detail)
        }
        LibraryError::ParseError(error) => bad_answer(&error.to_string()),
        LibraryError::Transport(_)
        | LibraryError::RestartNeeded(_)
        | LibraryError::ServiceDisconnect => connection_lost(&error.to_string()),
        _ => RpcFailure::internal(error.to_string()),
    }
}

fn connection_lost(detail: &str) -> RpcFailure {
    RpcFailure::new(ErrorCode::Unreachable, "connection_lost", quote(detail))
}

fn bad_answer(detail: &str) -> RpcFailure {
    let detail = format!(
        "the node's answer has another form than expected: {}",
        quote(detail)
    );
    RpcFailure::new(ErrorCode::Internal, "bad_answer", detail)
}

fn given<P: Serialize>(parameters: &P) -> Result<Option<Json>, RpcFailure> {
    encode(parameters).map(Some)
}

macro_rules! given {
    () => {
        None
    };
    ($parameters:ident: $type:ty) => {
        given::<$type>(&$parameters)?
    };
}

macro_rules! define_client {
    (
        calls { $(
            $(#[doc = $doc:literal])+ $wire:literal $audience:ident
                $name:ident($($parameters:ty)?) -> $answer:ty;
        )* }
        subscriptions { $(
            $(#[doc = $stream_doc:literal])+ $subscribe:literal / $unsubscribe:literal
                $stream_audience:ident $stream:ident($($stream_parameters:ty)?) -> $event:ty;
        )* }
    ) => {
        #[async_trait]
        impl NodeApi for NodeClient {
            $(
                async fn $name(
                    &self $(, parameters: $parameters)?
                ) -> Result<$answer, RpcFailure> {
                    self.request($wire, given!($(parameters: $parameters)?)).await
                }
            )*
            $(
                async fn $stream(
                    &self $(, parameters: $stream_parameters)?
                ) -> Result<Subscription<$event>, RpcFailure> {
                    let params = given!($(parameters: $stream_parameters)?);
                    self.subscribe($subscribe, $unsubscribe, params).await
                }
            )*
        }
    };
}

node_methods!(define_client);

#[cfg(test)]
mod tests;
