//! The same doors by WebSocket, and what only a WebSocket has: calls in parallel and streams.

use tokio::sync::Semaphore;

use super::*;
use crate::error::RpcFailure;
use crate::subscription::channel;
use crate::types::{EnvelopeEvent, Hex, PendingEnvelope, RawHex};
use crate::wire::{Socket, upgrade};

#[tokio::test]
async fn an_upgrade_passes_the_same_checks() {
    let server = start(Network::Regtest, MockNode::default()).await;
    let good = bearer();
    for (headers, status) in [
        (vec![HOST], 401),
        (vec![HOST, "Authorization: Bearer x"], 401),
        (vec!["Host: evil.example", &good], 403),
        (vec![HOST, &good, "Origin: http://evil.example"], 403),
        (vec![HOST, &good, "Origin: http://127.0.0.1:8080"], 403),
        (vec![HOST, &good, "Sec-WebSocket-Version: 12"], 400),
        (vec![HOST, &good], 101),
        (vec![HOST, &good, "Origin: http://127.0.0.1"], 101),
    ] {
        let answer = upgrade(server.address(), &headers).await.1;
        assert_eq!(answer.status, status, "{headers:?}: {answer:?}");
        answer.assert_no_cors();
    }
    server.stop().await;
}

async fn open(server: &Server) -> Socket {
    let (stream, answer) = upgrade(server.address(), &[HOST, &bearer()]).await;
    assert_eq!(answer.status, 101, "{answer:?}");
    Socket::new(stream)
}

#[tokio::test]
async fn a_websocket_answers_calls_batches_and_refusals() {
    let server = start(Network::Regtest, MockNode::default()).await;
    let mut socket = open(&server).await;
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(31), "]".repeat(31));
    for (text, reason) in [
        (call("node_stop", r#"{"now":true}"#), json!("unknown_param")),
        (call("chain_getTip", &deep), json!("too_deep")),
        (call("nothing", "{}"), json!("no_such_method")),
        (
            call("envelope_subscribe", r#"{"x":1}"#),
            json!("unknown_param"),
        ),
        (
            call("envelope_unsubscribe", r#"{"x":1}"#),
            json!("unknown_param"),
        ),
        (call("envelope_unsubscribe", "{}"), json!("invalid_params")),
        ("[]".to_owned(), json!("invalid_request")),
    ] {
        assert_eq!(
            socket.ask(&text).await["error"]["data"]["reason"],
            reason,
            "{text}"
        );
    }
    let batch = [
        call("chain_getTip", "{}"),
        call("envelope_subscribe", "{}"),
        call("chain_getTip", "[7]"),
    ];
    let answers = socket.ask(&format!("[{}]", batch.join(","))).await;
    assert!(answers[0]["result"]["height"].is_u64(), "{answers}");
    assert_eq!(answers[1]["error"]["data"]["reason"], "needs_websocket");
    assert_eq!(answers[2]["error"]["data"]["reason"], "invalid_params");
    server.stop().await;
}

#[tokio::test]
async fn text_that_is_no_request_gets_the_standard_error() {
    let server = start(Network::Regtest, MockNode::default()).await;
    let mut socket = open(&server).await;
    let long = format!("[{}]", vec![call("chain_getTip", "{}"); 51].join(","));
    let large = " ".repeat(limits::BODY_BYTES_MAX + 1);
    for (text, code) in [
        ("{", -32700),
        ("\u{434}", -32700),
        (r#"{"id":1}"#, -32600),
        (&long, -32010),
        (&large, -32007),
    ] {
        let answer = socket.ask(text).await;
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
    assert!(socket.ask(&call("chain_getTip", "{}")).await["result"].is_object());
    server.stop().await;
}

#[tokio::test]
async fn subscriptions_are_capped_and_ended_by_name() {
    let (_publisher, stream) = channel::<EnvelopeEvent>();
    let server = start(Network::Regtest, MockNode::streaming(stream)).await;
    let mut socket = open(&server).await;
    let subscription = socket.ask(&call("envelope_subscribe", "{}")).await["result"].take();
    assert!(subscription.is_u64(), "{subscription}");
    let params = json!({ "subscription": subscription }).to_string();
    let end = call("envelope_unsubscribe", &params);
    assert_eq!(socket.ask(&end).await["result"], true);
    assert_eq!(socket.ask(&end).await["result"], false);
    server.stop().await;

    let server = start(Network::Regtest, MockNode::endless()).await;
    let mut socket = open(&server).await;
    for _ in 0..limits::SUBSCRIPTIONS_PER_CONNECTION_MAX {
        let answer = socket.ask(&call("chain_subscribeHeads", "{}")).await;
        assert!(answer["result"].is_u64(), "{answer}");
    }
    let answer = socket.ask(&call("chain_subscribeHeads", "{}")).await;
    assert_eq!(answer["error"]["data"]["reason"], "too_many_subscriptions");
    server.stop().await;
}

#[tokio::test]
async fn calls_in_flight_are_capped() {
    let permits = Arc::new(Semaphore::new(0));
    let server = start(Network::Regtest, MockNode::held(&permits)).await;
    let mut socket = open(&server).await;
    for _ in 0..=limits::CALLS_IN_FLIGHT_MAX {
        socket.send(&call("chain_getTip", "{}")).await;
    }
    let refused = socket.receive().await.expect("one is refused");
    assert_eq!(refused["error"]["data"]["reason"], "too_many_calls");
    permits.add_permits(limits::CALLS_IN_FLIGHT_MAX);
    for _ in 0..limits::CALLS_IN_FLIGHT_MAX {
        let answer = socket.receive().await.expect("an answer");
        assert!(answer["result"].is_object(), "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_slow_subscriber_is_dropped_with_a_reason() {
    let (publisher, stream) = channel();
    let server = start(Network::Regtest, MockNode::streaming(stream)).await;
    let mut socket = open(&server).await;
    socket.send(&call("envelope_subscribe", "{}")).await;
    let raw = RawHex::new(&[0; 64 << 10]);
    let event = EnvelopeEvent::Pending(PendingEnvelope {
        id: Hex(chain::MessageId::default()),
        wid: Hex(chain::WireId::default()),
        raw,
    });
    let mut published = 0;
    let failure = loop {
        match publisher.publish(event.clone()) {
            Ok(()) => published += 1,
            Err(failure) => break failure,
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert_eq!(failure, RpcFailure::slow_subscriber());
    let mut received = 0;
    let last = loop {
        let message = socket
            .receive()
            .await
            .expect("the reason comes before the end");
        if message["params"]["error"].is_object() {
            break message;
        }
        received += usize::from(message["params"]["result"].is_object());
    };
    assert_eq!(last["params"]["error"]["data"]["reason"], "slow_subscriber");
    assert!(received < published, "{received} of {published}");
    assert!(socket.ask(&call("chain_getTip", "{}")).await["result"].is_object());
    server.stop().await;
}
