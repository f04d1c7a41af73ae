//! The client against a real server, and against what is none.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use chain::Network;

use super::*;
use crate::api::mock::{MockNode, call_every_method, example};
use crate::server::{Entrance, Server, ServerConfig};

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

async fn start(node: MockNode, listen: SocketAddr, cookie: &Cookie) -> Server {
    let entrance = Entrance::Private(cookie.clone());
    let config = ServerConfig::new(Network::Regtest, listen, entrance);
    Server::start(config, Arc::new(node))
        .await
        .expect("a free port")
}

fn endpoint(address: SocketAddr, credential: Credential) -> Endpoint {
    Endpoint::new(&format!("http://{address}"), credential).expect("a URL")
}

async fn connected(node: MockNode) -> (Server, NodeClient) {
    let cookie = Cookie::new(&[1; 32]);
    let server = start(node, loopback(0), &cookie).await;
    let endpoint = endpoint(server.address(), Credential::Cookie(cookie));
    (
        server,
        NodeClient::connect(endpoint).await.expect("connected"),
    )
}

#[tokio::test]
async fn every_method_goes_round_through_server_and_client() {
    let native = call_every_method(&MockNode::default()).await;
    let (server, client) = connected(MockNode::default()).await;
    let remote = call_every_method(&client).await;
    assert_eq!(native, remote);
    let served = server
        .methods()
        .iter()
        .filter(|method| **method != "rpc.discover");
    let mut called = remote.clone();
    called.sort_unstable();
    assert_eq!(called, served.copied().collect::<Vec<_>>());
    server.stop().await;
}

#[tokio::test]
async fn any_method_can_be_called_with_json() {
    let (server, client) = connected(MockNode::default()).await;
    let tip = client.call("chain_getTip", None).await.expect("a tip");
    assert_eq!(serde_json::from_value(tip).ok(), Some(example::<Tip>()));
    let document = client
        .call("rpc.discover", Some("{}"))
        .await
        .expect("a document");
    assert_eq!(document["openrpc"], "1.3.2");
    let garbage = client
        .call("chain_getTip", Some("{"))
        .await
        .expect_err("not JSON");
    assert_eq!(garbage.code, ErrorCode::InvalidParams);
    let failure = client
        .call("chain_getBlock", Some(r#"{"height":2}"#))
        .await
        .expect_err("mock");
    assert_eq!(
        (failure.code, failure.reason.as_ref()),
        (ErrorCode::Rejected, "not_the_example")
    );
    assert_eq!(failure.detail, r#"{"height":2}"#);
    server.stop().await;
}

#[tokio::test]
async fn no_node_a_stranger_and_a_bad_cookie_are_told_apart() {
    let listener = TcpListener::bind(loopback(0)).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let stranger = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a caller");
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await;
    });
    let stranger_failure = NodeClient::connect(endpoint(address, Credential::None))
        .await
        .expect_err("no node");
    assert!(stranger_failure.is_unreachable(), "{stranger_failure}");
    assert_eq!(stranger_failure.reason, "not_a_node");
    stranger.await.expect("no panic");

    let missing = Credential::File("no/such/folder/.cookie".into());
    let nobody = NodeClient::connect(endpoint(address, missing.clone()))
        .await
        .expect_err("gone");
    assert!(nobody.is_unreachable(), "{nobody}");
    assert_eq!(nobody.reason, "unreachable");

    let server = start(MockNode::default(), loopback(0), &Cookie::new(&[1; 32])).await;
    let wrong = Credential::Cookie(Cookie::new(&[2; 32]));
    for credential in [wrong, Credential::None, missing] {
        let refused = NodeClient::connect(endpoint(server.address(), credential)).await;
        let refused = refused.expect_err("no key");
        assert_eq!(refused.reason, "bad_cookie", "{refused}");
        assert!(!refused.is_unreachable());
    }
    server.stop().await;
}

#[tokio::test]
async fn a_restarted_node_is_found_again_with_its_new_cookie() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Cookie::new(&[1; 32]);
    let path = first.write(folder.path()).expect("written");
    let server = start(MockNode::default(), loopback(0), &first).await;
    let address = server.address();
    let client = NodeClient::new(endpoint(address, Credential::File(path)));
    assert_eq!(client.chain_get_tip().await, Ok(example()));
    server.stop().await;
    let lost = loop {
        match client.chain_get_tip().await {
            Ok(_) => {}
            Err(failure) => break failure,
        }
    };
    assert!(lost.is_unreachable(), "{lost}");

    let second = Cookie::new(&[2; 32]);
    second.write(folder.path()).expect("written");
    let server = start(MockNode::default(), address, &second).await;
    let answer = match client.chain_get_tip().await {
        Err(failure) if failure.reason == "connection_lost" => client.chain_get_tip().await,
        answer => answer,
    };
    assert_eq!(answer, Ok(example()));
    server.stop().await;
}

#[tokio::test]
async fn the_reason_that_a_stream_ended_for_arrives() {
    let (publisher, stream) = channel();
    let (server, client) = connected(MockNode::streaming(stream)).await;
    let mut heads = client.chain_subscribe_heads().await.expect("a stream");
    publisher.publish(example::<Head>()).expect("room");
    assert_eq!(heads.next().await, Ok(example()));
    publisher.close(RpcFailure::slow_subscriber());
    assert_eq!(heads.next().await, Err(RpcFailure::slow_subscriber()));
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_dropped_is_ended_at_the_node() {
    let (publisher, stream) = channel::<Head>();
    let (server, client) = connected(MockNode::streaming(stream)).await;
    let heads = client.chain_subscribe_heads().await.expect("a stream");
    assert!(!publisher.is_closed());
    drop(heads);
    publisher.closed().await;
    server.stop().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_connection() {
    let (publisher, stream) = channel::<Head>();
    let (server, client) = connected(MockNode::streaming(stream)).await;
    let mut heads = client.chain_subscribe_heads().await.expect("a stream");
    server.stop().await;
    let failure = heads.next().await.expect_err("the node is gone");
    assert!(failure.is_unreachable(), "{failure}");
    publisher.closed().await;
}

#[test]
fn urls_are_read_as_people_write_them() {
    for url in [
        "127.0.0.1:31211",
        "http://localhost:31211",
        "ws://[::1]:31211/",
    ] {
        assert!(Endpoint::new(url, Credential::None).is_ok(), "{url}");
    }
    for url in [
        "https://node.example",
        "wss://node.example",
        "",
        "http://",
        "http://a b",
        "http://u:p@localhost",
    ] {
        let refused = Endpoint::new(url, Credential::None).expect_err(url);
        assert_eq!(refused.reason, "bad_url", "{url}");
    }
}
