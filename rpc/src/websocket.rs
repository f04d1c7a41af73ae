//! What runs on an open WebSocket: calls in parallel up to a limit, batches, subscriptions.
//!
//! # Invariants
//! * Calls take the same way as by POST ([`Dispatcher`]); only streams are the library's.
//! * A stream waits for its connection, never the node: a queue that overflows meanwhile ends it
//!   with a reason.
//!
//! # Spec
//! docs/spec/07-rpc.md §4
//!
//! # Not here
//! The handshake: [`crate::server`]. Text that is no request never gets here; the library answers
//! it with the bare standard error.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use jsonrpsee::core::server::SubscriptionCloseResponse;
use jsonrpsee::core::{JsonRawValue, SubscriptionError, to_json_raw_value};
use jsonrpsee::server::middleware::rpc::{
    Batch, BatchEntry, Notification, RpcService, RpcServiceT,
};
use jsonrpsee::server::{
    BatchResponseBuilder, MethodResponse, PendingSubscriptionSink, ResponsePayload, RpcModule,
};
use jsonrpsee::types::error::TOO_MANY_SUBSCRIPTIONS_CODE;
use jsonrpsee::types::{ErrorObjectOwned, Id, Params, Request};
use tokio::sync::Semaphore;

use crate::contract::{Arguments, Ask, Events, Method, Run};
use crate::dispatch::{
    Dispatcher, Nesting, check_params_depth, needs_websocket, response_too_large,
};
use crate::error::{ErrorCode, RpcFailure};
use crate::limits;
use crate::types::Unsubscribe;

/// Stands before the library's service on one connection.
#[derive(Clone)]
pub(crate) struct Gate {
    inner: RpcService,
    dispatcher: Arc<Dispatcher>,
    caller: IpAddr,
    calls: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new(inner: RpcService, dispatcher: Arc<Dispatcher>, caller: IpAddr) -> Self {
        let calls = Arc::new(Semaphore::new(limits::CALLS_IN_FLIGHT_MAX));
        Self {
            inner,
            dispatcher,
            caller,
            calls,
        }
    }

    async fn answer(&self, request: Request<'_>, nesting: Nesting) -> MethodResponse {
        let id = request.id.clone();
        match self.try_answer(request, nesting).await {
            Ok(response) => response,
            Err(failure) => failed(id, failure),
        }
    }

    async fn try_answer(
        &self,
        request: Request<'_>,
        nesting: Nesting,
    ) -> Result<MethodResponse, RpcFailure> {
        check_params_depth(request.params.as_deref(), nesting)?;
        let method = self.dispatcher.admit(&request.method, self.caller)?;
        match (method.run, nesting) {
            (Run::Subscribe { .. }, Nesting::Single) => {
                let id = request.id.clone();
                let response = self.inner.call(request).await;
                if response.as_error_code() == Some(TOO_MANY_SUBSCRIPTIONS_CODE) {
                    return Ok(failed(id, too_many_subscriptions()));
                }
                Ok(response)
            }
            (Run::Unsubscribe, Nesting::Single) => {
                Ok(self.inner.call(positional(method, request)?).await)
            }
            (Run::Subscribe { .. } | Run::Unsubscribe, Nesting::Batch) => Err(needs_websocket()),
            (Run::Call(_) | Run::Discover, _) => {
                let arguments = Arguments::new(request.params.map(Cow::into_owned));
                let answer = self.dispatcher.call(method, arguments, self.caller).await?;
                let answer = ResponsePayload::success(answer);
                Ok(MethodResponse::response(
                    request.id,
                    answer,
                    2 * limits::RESPONSE_BYTES_MAX,
                ))
            }
        }
    }

    async fn answer_batch(&self, batch: Batch<'_>) -> MethodResponse {
        if batch.is_empty() {
            let detail = "a batch has at least one request";
            return failed(
                Id::Null,
                RpcFailure::new(ErrorCode::InvalidRequest, "invalid_request", detail),
            );
        }
        let mut answers = BatchResponseBuilder::new_with_limit(limits::RESPONSE_BYTES_MAX);
        for entry in batch {
            let answer = match entry {
                Ok(BatchEntry::Call(request)) => self.answer(request, Nesting::Batch).await,
                Ok(BatchEntry::Notification(_)) => continue,
                Err(error) => {
                    let (_, id) = error.into_parts();
                    let detail = "an element of the batch is no request";
                    let code = ErrorCode::InvalidRequest;
                    failed(id, RpcFailure::new(code, "invalid_request", detail))
                }
            };
            if answers.append(answer).is_err() {
                return failed(Id::Null, response_too_large());
            }
        }
        if answers.is_empty() {
            return MethodResponse::notification();
        }
        MethodResponse::from_batch(answers.finish())
    }
}

impl RpcServiceT for Gate {
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let gate = self.clone();
        async move {
            match gate.calls.try_acquire() {
                Ok(_permit) => gate.answer(request, Nesting::Single).await,
                Err(_) => failed(request.id, busy()),
            }
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let gate = self.clone();
        async move {
            match gate.calls.try_acquire() {
                Ok(_permit) => gate.answer_batch(batch).await,
                Err(_) => failed(Id::Null, busy()),
            }
        }
    }

    fn notification<'a>(
        &self,
        _: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        std::future::ready(MethodResponse::notification())
    }
}

/// The library's unsubscribing methods take the subscription by position; the contract names it.
fn positional<'a>(method: &Method, request: Request<'a>) -> Result<Request<'a>, RpcFailure> {
    let is_named = request
        .params
        .as_ref()
        .is_none_or(|params| !params.get().starts_with('['));
    if !is_named {
        return Ok(request);
    }
    let arguments = Arguments::new(request.params.clone().map(Cow::into_owned));
    arguments.check_names(method)?;
    let Unsubscribe { subscription } = arguments.read()?;
    let params = crate::contract::encode(&[subscription])?;
    Ok(Request {
        params: Some(Cow::Owned(params)),
        ..request
    })
}

/// The streams of a listener, for the library.
pub(crate) fn streams(dispatcher: &Arc<Dispatcher>) -> RpcModule<Dispatcher> {
    let mut module = RpcModule::from_arc(Arc::clone(dispatcher));
    for method in dispatcher.methods() {
        if let Run::Subscribe { unsubscribe, open } = method.run {
            module
                .register_subscription(
                    method.name,
                    method.name,
                    unsubscribe,
                    move |params, pending, dispatcher, _| {
                        serve_stream(method, open, params, pending, dispatcher)
                    },
                )
                .expect("names in the table are unique");
        }
    }
    module
}

/// Opens a stream at the node and passes its events on until one side ends it.
async fn serve_stream(
    method: &'static Method,
    open: Ask<Events>,
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    dispatcher: Arc<Dispatcher>,
) -> SubscriptionCloseResponse {
    let params = params
        .as_str()
        .map(|text| JsonRawValue::from_string(text.to_owned()));
    let arguments = Arguments::new(params.and_then(Result::ok));
    let opened = match arguments.check_names(method) {
        Ok(()) => open(Arc::clone(dispatcher.api()), arguments).await,
        Err(failure) => Err(failure),
    };
    drop(dispatcher);
    let mut events = match opened {
        Ok(events) => events,
        Err(failure) => {
            pending.reject(ErrorObjectOwned::from(failure)).await;
            return SubscriptionCloseResponse::None;
        }
    };
    let Ok(sink) = pending.accept().await else {
        return SubscriptionCloseResponse::None;
    };
    loop {
        let event = tokio::select! {
            () = sink.closed() => return SubscriptionCloseResponse::None,
            event = events.next() => event,
        };
        match event {
            Ok(event) => {
                if sink.send(event).await.is_err() {
                    return SubscriptionCloseResponse::None;
                }
            }
            Err(failure) => {
                tracing::debug!(method = method.name, reason = %failure.reason, "stream ended");
                let error = to_json_raw_value(&ErrorObjectOwned::from(failure))
                    .expect("texts and numbers are JSON");
                return SubscriptionCloseResponse::NotifErr(SubscriptionError::from_json(error));
            }
        }
    }
}

fn failed(id: Id<'_>, failure: RpcFailure) -> MethodResponse {
    MethodResponse::error(id, ErrorObjectOwned::from(failure))
}

fn busy() -> RpcFailure {
    let detail = format!(
        "at most {} calls run at once on a connection",
        limits::CALLS_IN_FLIGHT_MAX
    );
    RpcFailure::new(ErrorCode::Busy, "too_many_calls", detail)
}

fn too_many_subscriptions() -> RpcFailure {
    let most = limits::SUBSCRIPTIONS_PER_CONNECTION_MAX;
    let detail = format!("a connection has at most {most} subscriptions; end one");
    RpcFailure::new(
        ErrorCode::TooManySubscriptions,
        "too_many_subscriptions",
        detail,
    )
}
