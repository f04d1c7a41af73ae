//! From a request's text to an answer's text, for both channels of a listener.
//!
//! # Invariants
//! * Depth and batch length are checked before anything is parsed, names of parameters before the
//!   node is asked.
//! * Every failure made here carries a reason and a detail.
//!
//! # Spec
//! docs/spec/07-rpc.md §1, §5-6
//!
//! # Not here
//! HTTP and WebSocket: [`crate::server`]. Who is let in: [`crate::access`].

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use jsonrpsee::core::JsonRawValue;
use jsonrpsee::types::{ErrorObjectOwned, Id, InvalidRequest, Request, Response, ResponsePayload};

use chain::Network;

use crate::api::{Audience, NodeApi};
use crate::contract::{Arguments, Door, Json, METHODS, Method, Run, encode};
use crate::discover::document;
use crate::error::{ErrorCode, RpcFailure};
use crate::limits;
use crate::rate::RateTable;
use crate::scan::{Outline, outline};

/// What one listener serves.
pub(crate) struct Dispatcher {
    api: Arc<dyn NodeApi>,
    door: Door,
    methods: BTreeMap<&'static str, &'static Method>,
    document: OnceLock<Json>,
    rates: Mutex<RateTable>,
    started: Instant,
}

/// How a request came, as far as it decides what may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nesting {
    /// Alone.
    Single,
    /// In an array with others.
    Batch,
}

impl Nesting {
    /// Brackets around the parameters.
    const fn depth(self) -> usize {
        match self {
            Self::Single => 1,
            Self::Batch => 2,
        }
    }
}

impl Dispatcher {
    pub(crate) fn new(api: Arc<dyn NodeApi>, network: Network, door: Door) -> Self {
        let served = METHODS
            .iter()
            .filter(|method| method.is_served(network, door));
        Self {
            api,
            door,
            methods: served.map(|method| (method.name, method)).collect(),
            document: OnceLock::new(),
            rates: Mutex::default(),
            started: Instant::now(),
        }
    }

    /// The node behind this listener.
    pub(crate) fn api(&self) -> &Arc<dyn NodeApi> {
        &self.api
    }

    /// Methods served, by name.
    pub(crate) fn methods(&self) -> impl Iterator<Item = &'static Method> {
        self.methods.values().copied()
    }

    /// The method `name`, if `caller` may call it now.
    pub(crate) fn admit(&self, name: &str, caller: IpAddr) -> Result<&'static Method, RpcFailure> {
        let method = self
            .methods
            .get(name)
            .copied()
            .ok_or_else(|| no_such_method(name))?;
        if let Audience::Public { tokens } = method.audience {
            self.charge(caller, tokens)?;
        }
        Ok(method)
    }

    /// Takes `tokens` of the rate that a caller of the public listener has; holders of the cookie
    /// have no rate.
    pub(crate) fn charge(&self, caller: IpAddr, tokens: u32) -> Result<(), RpcFailure> {
        if self.door == Door::Private {
            return Ok(());
        }
        self.rates()
            .take(caller, tokens, self.now_ms())
            .map_err(|wait| {
                let detail = format!("too many calls; try again in {} ms", wait.wait_ms);
                RpcFailure::new(ErrorCode::RateLimited, "rate_limited", detail)
            })
    }

    /// Charges the size of an answer.
    fn charge_answer(&self, caller: IpAddr, answer: &Json) {
        if self.door == Door::Public {
            let tokens = answer.get().len() / limits::PUBLIC_ANSWER_BYTES_PER_TOKEN;
            let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
            self.rates().spend(caller, tokens, self.now_ms());
        }
    }

    fn rates(&self) -> MutexGuard<'_, RateTable> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The answer to a call that is no subscription.
    pub(crate) async fn call(
        &self,
        method: &'static Method,
        arguments: Arguments,
        caller: IpAddr,
    ) -> Result<Json, RpcFailure> {
        arguments.check_names(method)?;
        let answer = match method.run {
            Run::Call(run) => run(Arc::clone(&self.api), arguments).await?,
            Run::Discover => self.document()?,
            Run::Subscribe { .. } | Run::Unsubscribe => return Err(needs_websocket()),
        };
        if answer.get().len() > limits::RESPONSE_BYTES_MAX {
            return Err(response_too_large());
        }
        self.charge_answer(caller, &answer);
        Ok(answer)
    }

    fn document(&self) -> Result<Json, RpcFailure> {
        if let Some(document) = self.document.get() {
            return Ok(document.clone());
        }
        let document = encode(&document(self.methods()))?;
        Ok(self.document.get_or_init(|| document).clone())
    }

    /// The answer to the text of an HTTP request; nothing if only notifications were sent.
    pub(crate) async fn answer(&self, text: &[u8], caller: IpAddr) -> Option<String> {
        let Outline { depth, batch } = outline(text);
        if let Err(failure) = check_depth(depth) {
            return Some(failed(Id::Null, failure));
        }
        let Some(entries) = batch else {
            return match serde_json::from_slice::<&JsonRawValue>(text) {
                Ok(entry) => self.answer_one(entry, caller).await,
                Err(_) => Some(failed(Id::Null, not_json())),
            };
        };
        if entries > limits::BATCH_ENTRIES_MAX {
            return Some(failed(Id::Null, batch_too_long()));
        }
        match serde_json::from_slice::<Vec<&JsonRawValue>>(text) {
            Ok(entries) => self.answer_batch(&entries, caller).await,
            Err(_) => Some(failed(Id::Null, not_json())),
        }
    }

    async fn answer_batch(&self, entries: &[&JsonRawValue], caller: IpAddr) -> Option<String> {
        if entries.is_empty() {
            return Some(failed(Id::Null, invalid_request()));
        }
        let mut answers = String::new();
        for entry in entries {
            let Some(answer) = self.answer_one(entry, caller).await else {
                continue;
            };
            if answers.len() + answer.len() > limits::RESPONSE_BYTES_MAX {
                return Some(failed(Id::Null, response_too_large()));
            }
            answers.push(if answers.is_empty() { '[' } else { ',' });
            answers.push_str(&answer);
        }
        if answers.is_empty() {
            return None;
        }
        answers.push(']');
        Some(answers)
    }

    async fn answer_one(&self, entry: &JsonRawValue, caller: IpAddr) -> Option<String> {
        let Ok(request) = serde_json::from_str::<Request<'_>>(entry.get()) else {
            return answer_to_no_request(entry);
        };
        let arguments = Arguments::new(request.params.map(|params| params.into_owned()));
        let answer = match self.admit(&request.method, caller) {
            Ok(method) => self.call(method, arguments, caller).await,
            Err(failure) => Err(failure),
        };
        Some(match answer {
            Ok(answer) => text(ResponsePayload::success(answer), request.id),
            Err(failure) => failed(request.id, failure),
        })
    }
}

/// A notification gets no answer, and does nothing: no method of this contract is one. What is
/// neither that nor a request gets told so, by its id if it has one.
fn answer_to_no_request(entry: &JsonRawValue) -> Option<String> {
    type Notification<'a> = jsonrpsee::types::Notification<'a, Option<serde::de::IgnoredAny>>;
    if serde_json::from_str::<Notification<'_>>(entry.get()).is_ok() {
        return None;
    }
    let id = serde_json::from_str::<InvalidRequest<'_>>(entry.get()).map(|invalid| invalid.id);
    Some(failed(id.unwrap_or(Id::Null), invalid_request()))
}

/// Refuses what is nested too deeply to be looked at.
pub(crate) fn check_depth(depth: usize) -> Result<(), RpcFailure> {
    if depth <= limits::DEPTH_MAX {
        return Ok(());
    }
    let detail = format!("nested {depth} deep; at most {} is read", limits::DEPTH_MAX);
    Err(RpcFailure::new(
        ErrorCode::InvalidRequest,
        "too_deep",
        detail,
    ))
}

/// The same for parameters that were cut out of their request.
pub(crate) fn check_params_depth(
    params: Option<&JsonRawValue>,
    nesting: Nesting,
) -> Result<(), RpcFailure> {
    let depth = params.map_or(0, |params| outline(params.get().as_bytes()).depth);
    check_depth(nesting.depth() + depth)
}

/// The text of an error answer.
pub(crate) fn failed(id: Id<'_>, failure: RpcFailure) -> String {
    text(ResponsePayload::error(ErrorObjectOwned::from(failure)), id)
}

fn text(payload: ResponsePayload<'_, Json>, id: Id<'_>) -> String {
    serde_json::to_string(&Response::new(payload, id)).expect("texts and numbers are JSON")
}

fn no_such_method(name: &str) -> RpcFailure {
    let name = crate::error::quote(name);
    let detail = format!("`{name}` is not served here; rpc.discover lists what is");
    RpcFailure::new(ErrorCode::MethodNotFound, "no_such_method", detail)
}

fn not_json() -> RpcFailure {
    RpcFailure::new(ErrorCode::ParseError, "not_json", "the request is not JSON")
}

fn invalid_request() -> RpcFailure {
    let detail =
        "a request has jsonrpc \"2.0\", id, method and perhaps params, and a batch has one";
    RpcFailure::new(ErrorCode::InvalidRequest, "invalid_request", detail)
}

fn batch_too_long() -> RpcFailure {
    let detail = format!("a batch has at most {} requests", limits::BATCH_ENTRIES_MAX);
    RpcFailure::new(ErrorCode::BatchTooLong, "batch_too_long", detail)
}

/// The answer is beyond the limit; pages are the way out.
pub(crate) fn response_too_large() -> RpcFailure {
    let detail = format!(
        "the answer exceeds {} bytes; ask for less",
        limits::RESPONSE_BYTES_MAX
    );
    RpcFailure::new(ErrorCode::ResponseTooLarge, "response_too_large", detail)
}

/// A subscription was asked for where no event can be sent.
pub(crate) fn needs_websocket() -> RpcFailure {
    let detail = "subscribe on a WebSocket, and not in a batch";
    RpcFailure::new(ErrorCode::InvalidRequest, "needs_websocket", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::mock::MockNode;
    use serde_json::Value;
    use std::net::Ipv4Addr;

    const CALLER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    async fn ask(door: Door, text: &str) -> Option<Value> {
        let dispatcher = Dispatcher::new(Arc::new(MockNode::default()), Network::Regtest, door);
        let answer = dispatcher.answer(text.as_bytes(), CALLER).await;
        answer.map(|answer| serde_json::from_str(&answer).expect("answers are JSON"))
    }

    async fn reason(text: &str) -> (i64, String) {
        let answer = ask(Door::Private, text).await.expect("an answer");
        assert!(answer["error"]["data"]["detail"].is_string(), "{answer}");
        let reason = answer["error"]["data"]["reason"]
            .as_str()
            .expect("a reason")
            .to_owned();
        (answer["error"]["code"].as_i64().expect("a code"), reason)
    }

    #[tokio::test]
    async fn what_is_no_request_is_named() {
        let tip = r#"{"jsonrpc":"2.0","id":1,"method":"chain_getTip"}"#;
        let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let long = format!("[{}]", vec![tip; 51].join(","));
        for (text, code, word) in [
            ("{", -32700, "not_json"),
            ("", -32700, "not_json"),
            ("[1,", -32700, "not_json"),
            ("\u{fffd}", -32700, "not_json"),
            ("7", -32600, "invalid_request"),
            ("{}", -32600, "invalid_request"),
            ("[]", -32600, "invalid_request"),
            (
                r#"{"jsonrpc":"1.0","id":1,"method":"chain_getTip"}"#,
                -32600,
                "invalid_request",
            ),
            (&deep(33), -32600, "too_deep"),
            (&long, -32010, "batch_too_long"),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#,
                -32601,
                "no_such_method",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"chain_subscribeHeads"}"#,
                -32600,
                "needs_websocket",
            ),
        ] {
            assert_eq!(reason(text).await, (code, word.to_owned()), "{text}");
        }
        let answer = ask(Door::Private, r#"{"id":"a","method":1}"#)
            .await
            .expect("an answer");
        assert_eq!(answer["id"], "a");
    }

    #[tokio::test]
    async fn batches_answer_each_request_and_no_notification() {
        let tip = r#"{"jsonrpc":"2.0","id":1,"method":"chain_getTip"}"#;
        let notification = r#"{"jsonrpc":"2.0","method":"chain_getTip","params":{}}"#;
        let text = format!("[{tip},{notification},7,{tip}]");
        let answer = ask(Door::Private, &text).await.expect("an answer");
        let answers = answer.as_array().expect("a batch");
        assert_eq!(answers.len(), 3);
        assert!(answers[0]["result"]["height"].is_u64());
        assert_eq!(answers[1]["error"]["data"]["reason"], "invalid_request");
        assert_eq!(answers[0], answers[2]);
        assert_eq!(ask(Door::Private, notification).await, None);
        assert_eq!(ask(Door::Private, &format!("[{notification}]")).await, None);
        let most = format!("[{}]", vec![tip; 50].join(","));
        let answer = ask(Door::Private, &most).await.expect("an answer");
        assert_eq!(answer.as_array().map(Vec::len), Some(50));
    }

    #[tokio::test]
    async fn the_public_listener_has_no_private_method_and_a_rate() {
        let dispatcher = Dispatcher::new(
            Arc::new(MockNode::default()),
            Network::Regtest,
            Door::Public,
        );
        let stop = dispatcher.admit("node_stop", CALLER).expect_err("private");
        assert_eq!(stop.reason, "no_such_method");
        let mut served = 0;
        let failure = loop {
            match dispatcher.admit("tx_submit", CALLER) {
                Ok(_) => served += 1,
                Err(failure) => break failure,
            }
        };
        assert_eq!(failure.reason, "rate_limited");
        assert!(served >= limits::PUBLIC_TOKENS_BURST / 5, "{served}");
        assert!(
            dispatcher
                .admit("chain_getBlock", Ipv4Addr::BROADCAST.into())
                .is_ok()
        );
    }

    #[test]
    fn a_large_answer_costs_more_than_a_small_one() {
        let text = |bytes| encode(&"x".repeat(bytes)).expect("a text");
        for (door, is_refused) in [(Door::Public, true), (Door::Private, false)] {
            let node = Arc::new(MockNode::default());
            let dispatcher = Dispatcher::new(node, Network::Regtest, door);
            dispatcher.charge_answer(CALLER, &text(100));
            assert!(
                dispatcher
                    .charge(CALLER, limits::PUBLIC_TOKENS_BURST)
                    .is_ok()
            );
            dispatcher.charge_answer(CALLER, &text(100 * limits::PUBLIC_ANSWER_BYTES_PER_TOKEN));
            assert_eq!(
                dispatcher.charge(CALLER, 1).is_err(),
                is_refused,
                "{door:?}"
            );
        }
    }

    #[test]
    fn parameters_cut_out_of_a_request_count_with_their_brackets() {
        let params = |depth: usize| {
            let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            JsonRawValue::from_string(text).expect("JSON")
        };
        assert!(check_params_depth(Some(&params(31)), Nesting::Single).is_ok());
        assert!(check_params_depth(Some(&params(32)), Nesting::Single).is_err());
        assert!(check_params_depth(Some(&params(31)), Nesting::Batch).is_err());
    }
}
