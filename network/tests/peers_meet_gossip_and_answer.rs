//! Two and three nodes over TCP and QUIC: they meet, gossip after verdicts, ask and answer.
//!
//! # Spec
//! docs/spec/06-wire.md §1, §2, §3, §6
//!
//! # Not here
//! Peers that break the rules, limits and bans: the neighbouring files.

#[path = "stage/nodes.rs"]
mod nodes;

use network::{
    Address, Direction, Event, NetworkError, Protocol, RequestError, Switch, Topic, Transport,
    Verdict,
};
use nodes::{Node, address, start};

const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

/// Two nodes of which the second dialled the first over `transport`.
async fn pair(transport: Transport) -> (Node, Node) {
    let both = |config: &mut network::Config| config.listen.push(address(QUIC));
    let mut a = start(1, both).await;
    let door = a
        .addresses()
        .into_iter()
        .find(|door| door.transport() == transport);
    let mut b = start(2, |config| config.connect.extend(door)).await;
    let met = |event| match event {
        Event::PeerConnected {
            peer,
            address,
            direction,
        } => Some((peer, address.transport(), direction)),
        _ => None,
    };
    let seen = a.until("b at a", met).await;
    assert_eq!(seen, (b.id(), transport, Direction::Inbound));
    let seen = b.until("a at b", met).await;
    assert_eq!(seen, (a.id(), transport, Direction::Outbound));
    (a, b)
}

/// `b` asks, `a` answers with `answer`, or declines.
async fn exchange(
    a: &mut Node,
    b: &mut Node,
    protocol: Protocol,
    question: Vec<u8>,
    answer: Option<Vec<u8>>,
) -> Result<Vec<u8>, RequestError> {
    let request = b
        .handle
        .request(a.id(), protocol, question.clone())
        .expect("asked");
    let (peer, found, token) = a
        .until("a question", |event| match event {
            Event::Request {
                peer,
                protocol: of,
                bytes,
                token,
            } => {
                assert_eq!(
                    (of, token.protocol(), token.peer()),
                    (protocol, protocol, peer)
                );
                Some((peer, bytes, token))
            }
            _ => None,
        })
        .await;
    assert!(peer == b.id() && found == question);
    match answer {
        Some(answer) => a.handle.respond(token, answer).expect("answered"),
        None => drop(token),
    }
    b.until("an answer", |event| match event {
        Event::Response {
            request: of,
            result,
            ..
        } if of == request => Some(result),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn two_nodes_meet_and_exchange_the_largest_payloads_of_every_protocol() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let (mut a, mut b) = pair(transport).await;
        for protocol in Protocol::ALL {
            let question = vec![1; protocol.request_bytes_max()];
            let answer = vec![2; protocol.response_bytes_max()];
            let found = exchange(&mut a, &mut b, protocol, question, Some(answer.clone())).await;
            assert!(found == Ok(answer), "{protocol} over {transport}");
            let empty = exchange(&mut b, &mut a, protocol, vec![], Some(vec![])).await;
            assert_eq!(empty, Ok(vec![]));
        }
    }
}

#[tokio::test]
async fn a_question_ends_once_also_without_an_answer() {
    let (mut a, mut b) = pair(Transport::Tcp).await;
    let declined = exchange(&mut a, &mut b, Protocol::Missing, vec![1], None).await;
    assert_eq!(declined, Err(RequestError::Declined));

    let stranger = network::NodeKey::from_bytes([99; 32]).peer_id();
    let mut open = vec![
        b.handle
            .request(stranger, Protocol::Headers, vec![])
            .expect("asked"),
    ];
    for _ in 0..=network::limits::REQUESTS_PER_PEER_MAX {
        open.push(
            b.handle
                .request(a.id(), Protocol::Headers, vec![])
                .expect("asked"),
        );
    }
    let mut refused = Vec::new();
    while refused.len() < 2 {
        refused.push(
            b.until("a refusal", |event| match event {
                Event::Response {
                    request,
                    result: Err(error),
                    ..
                } => Some((request, error)),
                _ => None,
            })
            .await,
        );
    }
    assert_eq!(refused[0], (open[0], RequestError::NotConnected));
    assert_eq!(
        refused[1],
        (*open.last().expect("several"), RequestError::Busy)
    );

    a.handle.stop().expect("stopped");
    let mut ended = Vec::new();
    while ended.len() < network::limits::REQUESTS_PER_PEER_MAX {
        ended.push(
            b.until("an end", |event| match event {
                Event::Response {
                    request, result, ..
                } => {
                    assert!(result.is_err());
                    Some(request)
                }
                _ => None,
            })
            .await,
        );
    }
    ended.sort_unstable();
    assert_eq!(ended, open[1..open.len() - 1]);
}

#[tokio::test]
async fn gossip_passes_a_line_of_three_only_when_the_middle_accepts_it() {
    let quic = |config: &mut network::Config| config.listen = vec![address(QUIC)];
    let mut b = start(2, quic).await;
    let mut c = start(3, |config| config.connect = b.addresses()).await;
    b.connected(c.id()).await;
    c.connected(b.id()).await;
    let mut a = start(1, |config| config.connect = b.addresses()).await;
    b.connected(a.id()).await;
    for topic in Topic::ALL {
        for verdict in [Verdict::Ignore, Verdict::Reject] {
            let dull = format!("{topic}: to be stopped by {verdict:?}");
            let token = a.tell(&mut b, topic, dull.as_bytes()).await;
            let id = network::protocol::message_id(&topic.name(&nodes::CHAIN), dull.as_bytes());
            assert_eq!(token.id(), id);
            b.handle.verdict(token, verdict).expect("judged");
        }
        let good = format!("{topic}: to be passed on");
        let token = a.tell(&mut b, topic, good.as_bytes()).await;
        b.handle.verdict(token, Verdict::Accept).expect("judged");
        let (from, token, bytes) = c
            .until("gossip at the end of the line", |event| match event {
                Event::Gossip {
                    from, token, bytes, ..
                } => Some((from, token, bytes)),
                _ => None,
            })
            .await;
        assert_eq!((from, String::from_utf8(bytes)), (b.id(), Ok(good)));
        c.handle.verdict(token, Verdict::Accept).expect("judged");
    }
}

#[tokio::test]
async fn a_message_that_reaches_nobody_is_reported_and_one_that_is_too_large_is_refused() {
    let mut lonely = start(1, |_| {}).await;
    let publication = lonely.handle.publish(Topic::Tx, vec![1]).expect("taken");
    let unpublished = lonely
        .until("a report", |event| match event {
            Event::Unpublished {
                publication,
                topic,
                reason,
            } => Some((publication, topic, reason)),
            _ => None,
        })
        .await;
    assert_eq!(
        unpublished,
        (publication, Topic::Tx, network::PublishFailure::NoPeers)
    );
    for topic in Topic::ALL {
        let refused = lonely.handle.publish(topic, vec![0; topic.bytes_max() + 1]);
        assert!(
            matches!(refused, Err(NetworkError::Oversize { .. })),
            "{topic}"
        );
    }
    for protocol in Protocol::ALL {
        let bytes = vec![0; protocol.request_bytes_max() + 1];
        let refused = lonely.handle.request(lonely.id(), protocol, bytes);
        assert!(
            matches!(refused, Err(NetworkError::Oversize { .. })),
            "{protocol}"
        );
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_and_a_dial_into_nothing_is_reported() {
    let mut a = start(1, |_| {}).await;
    let nowhere = address("/ip4/127.0.0.1/tcp/1");
    a.handle.dial(nowhere).expect("taken");
    let failed = a
        .until("a failed dial", |event| match event {
            Event::DialFailed { address, .. } => Some(address),
            _ => None,
        })
        .await;
    assert_eq!(failed, nowhere);
    let unspecified = address("/ip4/0.0.0.0/tcp/1");
    let refused = a.handle.dial(unspecified);
    assert_eq!(
        refused,
        Err(NetworkError::NotDialable {
            address: unspecified
        })
    );

    let foreign = address("/ip4/192.0.2.1/tcp/7");
    let mut config = network::Config::new(nodes::CHAIN, network::NodeKey::from_bytes([9; 32]));
    config.listen = vec![foreign];
    let refused = network::start(config).await.expect_err("not our address");
    assert!(matches!(refused, NetworkError::Listen { address, .. } if address == foreign));
}

#[tokio::test]
async fn a_peer_that_comes_back_is_dialled_again_and_its_address_is_remembered() {
    let a = start(1, |_| {}).await;
    let door: Vec<Address> = a.addresses();
    let mut b = start(2, |config| config.connect = door.clone()).await;
    b.connected(a.id()).await;
    assert_eq!(b.handle.good_addresses().await, Ok(door.clone()));

    let Node { handle, mut events } = a;
    handle.stop().expect("stopped");
    while events.next().await.is_some() {}
    assert_eq!(
        handle.publish(Topic::Tx, vec![]),
        Err(NetworkError::Stopped)
    );
    b.disconnected(handle.peer_id()).await;
    let a = start(1, |config| {
        config.listen = door.iter().map(|at| at.without_peer()).collect()
    });
    let a = a.await;
    b.connected(a.id()).await;
}

#[tokio::test]
async fn a_peer_of_a_peer_is_found_by_lookup() {
    let lookup = |config: &mut network::Config| config.lookup = Switch::On;
    let b = start(2, lookup).await;
    let known = b.addresses();
    let joined = |config: &mut network::Config| {
        config.lookup = Switch::On;
        config.known_addresses = known.clone();
    };
    let mut a = start(1, joined).await;
    a.connected(b.id()).await;
    let mut c = start(3, joined).await;
    let (mut met_a, mut met_b) = (false, false);
    while !(met_a && met_b) {
        let peer = c
            .until("both others", |event| match event {
                Event::PeerConnected { peer, .. } => Some(peer),
                _ => None,
            })
            .await;
        met_a |= peer == a.id();
        met_b |= peer == b.id();
    }
}
