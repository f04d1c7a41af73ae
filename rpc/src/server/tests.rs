//! Hostile and honest requests over real sockets, for every method that the server says it has.

mod websocket;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use data_encoding::BASE64;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::*;
use crate::api::mock::MockNode;
use crate::schema::sample;
use crate::wire::{self, Answer, exchange};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const HOST: &str = "Host: 127.0.0.1";
const JSON_TYPE: &str = "Content-Type: application/json";

fn digits() -> String {
    "5c".repeat(32)
}

fn bearer() -> String {
    format!("Authorization: Bearer {}", digits())
}

async fn start(network: Network, node: MockNode) -> Server {
    let cookie = Cookie::new(&[0x5c; 32]);
    let config = ServerConfig::new(network, LOOPBACK, Entrance::Private(cookie));
    Server::start(config, Arc::new(node))
        .await
        .expect("a free port")
}

async fn start_public() -> Server {
    let config = ServerConfig::new(Network::Regtest, LOOPBACK, Entrance::Public);
    Server::start(config, Arc::new(MockNode::default()))
        .await
        .expect("a free port")
}

fn call(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
}

async fn send(server: &Server, line: &str, headers: &[&str], body: &str) -> Answer {
    let length = format!("Content-Length: {}", body.len());
    let headers = [headers, &[&length]].concat();
    exchange(server.address(), line, &headers, body.as_bytes()).await
}

async fn post(server: &Server, body: &str) -> Value {
    let answer = send(server, "POST /", &[HOST, JSON_TYPE, &bearer()], body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn document(server: &Server) -> Value {
    post(server, &call("rpc.discover", "{}")).await["result"].take()
}

/// The documented parameters of `method` and an example of each.
fn example_params(document: &Value, method: &str) -> serde_json::Map<String, Value> {
    let schemas = &document["components"]["schemas"];
    let methods = document["methods"].as_array().expect("methods");
    let described = methods
        .iter()
        .find(|entry| entry["name"] == method)
        .expect(method);
    let params = described["params"].as_array().expect("params").iter();
    params
        .map(|param| {
            let name = param["name"].as_str().expect("a name").to_owned();
            (name, sample(&param["schema"], schemas))
        })
        .collect()
}

#[tokio::test]
async fn no_method_is_reached_without_cookie_from_elsewhere_or_in_another_form() {
    let server = start(Network::Regtest, MockNode::default()).await;
    let good = bearer();
    let wrong = format!("Authorization: Bearer {}", "5d".repeat(32));
    let basic = format!(
        "Authorization: Basic {}",
        BASE64.encode(b"__cookie__:guess")
    );
    let too_long = format!("Content-Length: {}", limits::BODY_BYTES_MAX + 1);
    assert!(server.methods().len() > 30, "{:?}", server.methods());
    for method in server.methods() {
        let body = call(method, "{}");
        for (line, headers, status, reason) in [
            ("POST /", vec![HOST, JSON_TYPE], 401, "no_cookie"),
            ("POST /", vec![HOST, JSON_TYPE, &wrong], 401, "bad_cookie"),
            ("POST /", vec![HOST, JSON_TYPE, &basic], 401, "bad_cookie"),
            (
                "POST /",
                vec!["Host: evil.example", JSON_TYPE, &good],
                403,
                "foreign_host",
            ),
            (
                "POST http://evil.example/",
                vec![HOST, JSON_TYPE, &good],
                403,
                "foreign_host",
            ),
            ("POST /", vec![JSON_TYPE, &good], 403, "foreign_host"),
            (
                "POST /",
                vec![HOST, JSON_TYPE, &good, "Origin: http://127.0.0.1:8080"],
                403,
                "foreign_origin",
            ),
            (
                "POST /",
                vec![HOST, JSON_TYPE, &good, "Origin: null"],
                403,
                "foreign_origin",
            ),
            (
                "OPTIONS /",
                vec![HOST, "Origin: http://evil.example"],
                403,
                "foreign_origin",
            ),
            (
                "POST /",
                vec![HOST, "Content-Type: text/plain", &good],
                415,
                "content_type",
            ),
            (
                "POST /",
                vec![
                    HOST,
                    "Content-Type: application/x-www-form-urlencoded",
                    &good,
                ],
                415,
                "content_type",
            ),
            ("POST /", vec![HOST, &good], 415, "content_type"),
            (
                "GET /",
                vec![HOST, JSON_TYPE, &good],
                405,
                "method_not_allowed",
            ),
            (
                "PUT /",
                vec![HOST, JSON_TYPE, &good],
                405,
                "method_not_allowed",
            ),
        ] {
            let answer = send(&server, line, &headers, &body).await;
            assert_eq!(
                answer.status, status,
                "{method} {line} {headers:?}: {answer:?}"
            );
            assert_eq!(answer.reason(), reason, "{method} {line} {headers:?}");
            answer.assert_no_cors();
        }
        let headers = [HOST, JSON_TYPE, &good, &too_long];
        let answer = exchange(server.address(), "POST /", &headers, b"").await;
        assert_eq!(
            (answer.status, answer.reason()),
            (413, "request_too_large".to_owned())
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn no_method_takes_a_batch_of_51_depth_33_or_parameters_it_does_not_know() {
    let server = start(Network::Regtest, MockNode::default()).await;
    let document = document(&server).await;
    for method in server.methods() {
        let reason = async |body: String| {
            let answer = post(&server, &body).await;
            let data = &answer["error"]["data"];
            assert!(
                data["detail"].as_str().is_some_and(|text| !text.is_empty()),
                "{answer}"
            );
            data["reason"].as_str().expect("a reason").to_owned()
        };
        let batch = format!("[{}]", vec![call(method, "{}"); 51].join(","));
        assert_eq!(reason(batch).await, "batch_too_long", "{method}");
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(31), "]".repeat(31));
        assert_eq!(reason(call(method, &deep)).await, "too_deep", "{method}");
        let unknown = r#"{"\u0434\u043e\u043c":1}"#;
        assert_eq!(
            reason(call(method, unknown)).await,
            "unknown_param",
            "{method}"
        );
        assert_eq!(
            reason(call(method, "[1]")).await,
            "invalid_params",
            "{method}"
        );

        let good = example_params(&document, method);
        let streams = method.contains("ubscribe");
        for name in good.keys() {
            let with = |value: Value| {
                let mut params = good.clone();
                params.insert(name.clone(), value);
                call(method, &Value::Object(params).to_string())
            };
            for wrong in [json!({}), json!([1]), json!(-1), json!(1.5), json!(true)] {
                if !streams && good[name] != wrong {
                    let word = reason(with(wrong.clone())).await;
                    assert_eq!(word, "invalid_params", "{method} {name} {wrong}");
                }
            }
            let word = reason(with(json!("\u{434}\u{43e}\u{43c} \u{1f980}"))).await;
            assert_ne!(word, "internal", "{method} {name}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn the_document_is_what_is_served() {
    let server = start(Network::Regtest, MockNode::default()).await;
    let document = document(&server).await;
    let methods = document["methods"].as_array().expect("methods");
    let names: Vec<&str> = methods
        .iter()
        .filter_map(|entry| entry["name"].as_str())
        .collect();
    assert_eq!(names, server.methods());
    for entry in methods {
        let name = entry["name"].as_str().expect("a name");
        let params = example_params(&document, name);
        let answer = post(
            &server,
            &call(name, &Value::Object(params.clone()).to_string()),
        )
        .await;
        if name.contains("ubscribe") {
            assert_eq!(
                answer["error"]["data"]["reason"], "needs_websocket",
                "{name}"
            );
        } else {
            assert!(answer.get("result").is_some(), "{name}: {answer}");
        }
        for param in entry["params"].as_array().expect("params") {
            let mut without = params.clone();
            without.remove(param["name"].as_str().expect("a name"));
            let body = call(name, &Value::Object(without).to_string());
            let answer = post(&server, &body).await;
            let is_refused = answer["error"]["data"]["reason"] == "invalid_params";
            let is_required = param["required"] == true && !name.contains("ubscribe");
            assert_eq!(is_refused, is_required, "{name} without {param}: {answer}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn development_methods_are_absent_on_main() {
    let server = start(Network::Main, MockNode::default()).await;
    assert!(
        server
            .methods()
            .iter()
            .all(|method| !method.starts_with("dev_"))
    );
    let params = json!({ "count": 1, "address": "x" }).to_string();
    let answer = post(&server, &call("dev_generate", &params)).await;
    assert_eq!(answer["error"]["code"], -32601);
    server.stop().await;
}

#[tokio::test]
async fn honest_requests_are_answered_by_both_forms_of_the_cookie() {
    let server = start(Network::Regtest, MockNode::default()).await;
    let plain = BASE64.encode(format!("__cookie__:{}", digits()).as_bytes());
    let basic = format!("authorization: Basic {plain}");
    let headers = [
        "host: LOCALHOST:1",
        "content-type: Application/JSON; charset=UTF-8",
        &basic,
    ];
    let answer = send(
        &server,
        "POST /any/path",
        &headers,
        &call("chain_getTip", "[]"),
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.json()["result"]["time_ms"].is_u64());
    answer.assert_no_cors();
    let notification = r#"{"jsonrpc":"2.0","method":"chain_getTip"}"#;
    let answer = send(&server, "POST /", &headers, notification).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    server.stop().await;
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let server = start(Network::Regtest, MockNode::default()).await;
    let mut stream = TcpStream::connect(server.address())
        .await
        .expect("connected");
    let body = call("chain_getTip", "{}");
    for connection in ["keep-alive", "keep-alive", "close"] {
        let length = body.len();
        let request = format!(
            "POST / HTTP/1.1\r\n{HOST}\r\n{JSON_TYPE}\r\n{}\r\nConnection: {connection}\r\n\
             Content-Length: {length}\r\n\r\n{body}",
            bearer()
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
    }
    assert_eq!(
        wire::read_all(&mut stream)
            .await
            .matches("\"time_ms\"")
            .count(),
        3
    );
    server.stop().await;
}

#[tokio::test]
async fn a_body_without_length_is_bounded_too() {
    let server = start(Network::Regtest, MockNode::default()).await;
    let mut stream = TcpStream::connect(server.address())
        .await
        .expect("connected");
    let head = format!(
        "POST / HTTP/1.1\r\n{HOST}\r\n{JSON_TYPE}\r\n{}\r\nTransfer-Encoding: chunked\r\n\r\n",
        bearer()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let mut sent = 0;
    while sent < 64 << 20 && stream.write_all(chunk.as_bytes()).await.is_ok() {
        sent += chunk.len();
    }
    assert!(sent < 64 << 20, "the server went on reading");
    assert!(post(&server, &call("chain_getTip", "{}")).await["result"].is_object());
    server.stop().await;
}

#[tokio::test]
async fn http2_and_garbage_get_nowhere() {
    let server = start(Network::Regtest, MockNode::default()).await;
    for garbage in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00",
        b"\r\n\r\n\0",
    ] {
        let mut stream = TcpStream::connect(server.address())
            .await
            .expect("connected");
        stream.write_all(garbage).await.expect("sent");
        stream.shutdown().await.expect("half closed");
        let answer = wire::read_all(&mut stream).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    assert!(post(&server, &call("chain_getTip", "{}")).await["result"].is_object());
    server.stop().await;
}

#[tokio::test]
async fn the_public_listener_asks_no_cookie_and_has_no_private_method() {
    let server = start_public().await;
    let headers = [HOST, JSON_TYPE];
    let tip = send(&server, "POST /", &headers, &call("chain_getTip", "{}")).await;
    assert!(tip.json()["result"].is_object(), "{tip:?}");
    let private = start(Network::Regtest, MockNode::default()).await;
    let hidden: Vec<&str> = private
        .methods()
        .iter()
        .copied()
        .filter(|method| !server.methods().contains(method))
        .collect();
    assert!(
        hidden.contains(&"node_stop") && hidden.contains(&"dev_generate"),
        "{hidden:?}"
    );
    for method in hidden {
        let answer = send(&server, "POST /", &headers, &call(method, "{}")).await;
        assert_eq!(answer.reason(), "no_such_method", "{method}");
    }
    let foreign = [HOST, JSON_TYPE, "Origin: http://evil.example"];
    assert_eq!(
        send(&server, "POST /", &foreign, &call("chain_getTip", "{}"))
            .await
            .status,
        403
    );
    let large = format!("Content-Length: {}", limits::PUBLIC_BODY_BYTES_MAX + 1);
    let headers = [HOST, JSON_TYPE, &large];
    assert_eq!(
        exchange(server.address(), "POST /", &headers, b"")
            .await
            .status,
        413
    );
    private.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn the_public_listener_limits_the_rate_of_an_address() {
    let server = start_public().await;
    let batch = format!(
        "[{}]",
        vec![call("tx_submit", r#"{"raw":"00ff"}"#); 50].join(",")
    );
    let answer = send(&server, "POST /", &[HOST, JSON_TYPE], &batch)
        .await
        .json();
    let answers = answer.as_array().expect("a batch");
    let limited = |answer: &&Value| answer["error"]["data"]["reason"] == "rate_limited";
    let refused = answers.iter().filter(limited).count();
    assert!((1..=12).contains(&refused), "{refused}");
    for _ in 0..=limits::PUBLIC_TOKENS_BURST {
        let answer = send(&server, "POST /", &[HOST, JSON_TYPE], "garbage").await;
        if answer.status == 429 {
            assert_eq!(answer.reason(), "rate_limited");
            return server.stop().await;
        }
    }
    panic!("garbage is served at any rate");
}

#[tokio::test]
async fn the_public_listener_limits_connections_of_an_address() {
    let server = start_public().await;

    let mut open = Vec::new();
    for _ in 0..limits::PUBLIC_CONNECTIONS_PER_ADDRESS_MAX {
        open.push(
            TcpStream::connect(server.address())
                .await
                .expect("connected"),
        );
    }
    let mut one_more = TcpStream::connect(server.address())
        .await
        .expect("in the backlog");
    assert_eq!(
        wire::read_all(&mut one_more).await,
        "",
        "closed without an answer"
    );
    server.stop().await;
}
