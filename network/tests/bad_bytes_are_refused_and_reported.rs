//! Bad bytes on every door: refused with bounded memory, reported where somebody is to blame, and
//! without harm for honest peers.
//!
//! # Spec
//! docs/spec/06-wire.md §1, §2, §3
//!
//! # Not here
//! What bytes mean: the decoders of `chain` and the rules of `consensus`.

#[path = "stage/nodes.rs"]
mod nodes;
#[path = "stage/rogue.rs"]
mod rogue;

use std::time::Duration;

use chain::ChainId;
use network::{Address, Counter, Event, Fault, PeerId, Protocol, RequestError, Topic, Transport};
use nodes::{CHAIN, Node, address, start, within};
use rogue::{Noticed, Rogue};
use tokio::io::AsyncWriteExt;

fn framed(claimed: u32, payload: &[u8]) -> Vec<u8> {
    [&claimed.to_le_bytes()[..], payload].concat()
}

fn door(node: &Node, transport: Transport) -> Address {
    let mut doors = node.addresses().into_iter();
    doors
        .find(|door| door.transport() == transport)
        .expect("it listens there")
}

async fn victim() -> Node {
    start(1, |config| {
        config.listen.push(address("/ip4/127.0.0.1/udp/0/quic-v1"))
    })
    .await
}

async fn fault(node: &mut Node) -> (PeerId, Fault) {
    node.until("a report", |event| match event {
        Event::Misbehaviour { peer, fault } => Some((peer, fault)),
        _ => None,
    })
    .await
}

/// An honest node can still come in and be answered.
async fn assert_open(node: &mut Node, number: u8) {
    let mut guest = start(number, |config| {
        config.connect = vec![door(node, Transport::Tcp)]
    })
    .await;
    guest.connected(node.id()).await;
    guest
        .handle
        .request(node.id(), Protocol::Headers, vec![7])
        .expect("asked");
    let token = node
        .until("the guest's question", |event| match event {
            Event::Request { peer, token, .. } if peer == guest.id() => Some(token),
            _ => None,
        })
        .await;
    node.handle.respond(token, vec![8]).expect("answered");
    let answer = guest
        .until("an answer", |event| match event {
            Event::Response { result, .. } => Some(result),
            _ => None,
        })
        .await;
    assert_eq!(answer, Ok(vec![8]));
}

/// Resident bytes of this process.
#[cfg(target_os = "linux")]
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("procfs");
    let pages: usize = pages
        .split(' ')
        .nth(1)
        .expect("a column")
        .parse()
        .expect("a number");
    pages * 4_096
}

#[tokio::test]
async fn oversized_requests_are_reported_and_torn_ones_are_nobodys_fault() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let mut node = victim().await;
        let mut rogue = Rogue::dial(CHAIN, Protocol::Missing, door(&node, transport));
        let max = u32::try_from(Protocol::Missing.request_bytes_max()).expect("small");
        let attack = async {
            for torn in [vec![], vec![1], framed(max, &[0; 99])] {
                rogue.send_request(torn);
                assert_eq!(
                    within("an end", rogue.ended()).await.unwrap_or_default(),
                    []
                );
            }
            for claimed in [u32::MAX, max + 1] {
                rogue.send_request(framed(claimed, &[0; 99]));
                assert_eq!(
                    within("an end", rogue.ended()).await.unwrap_or_default(),
                    []
                );
            }
            rogue.id()
        };
        let reports = async { [fault(&mut node).await, fault(&mut node).await] };
        let (id, reports) = tokio::join!(attack, reports);
        for (report, claimed_bytes) in reports.into_iter().zip([u32::MAX, max + 1]) {
            let expected = Fault::OversizedRequest {
                protocol: Protocol::Missing,
                claimed_bytes,
            };
            assert_eq!(report, (id, expected));
            assert_eq!(report.1.severity_hint(), 100);
        }
        assert_open(&mut node, 2).await;
    }
}

#[tokio::test]
async fn two_hundred_huge_claims_take_no_memory() {
    let mut node = victim().await;
    let mut rogue = Rogue::dial(CHAIN, Protocol::Bodies, door(&node, Transport::Tcp));
    rogue.send_request(framed(u32::MAX, &[]));
    let (_, first) = tokio::join!(within("an end", rogue.ended()), fault(&mut node));
    assert_eq!(first.0, rogue.id());
    #[cfg(target_os = "linux")]
    let before = resident_bytes();
    let mut reports = 0;
    for number in 0..200 {
        rogue.send_request(framed(u32::MAX - number, &[0; 4_096]));
        let (_, report) = tokio::join!(within("an end", rogue.ended()), fault(&mut node));
        reports += usize::from(report.0 == rogue.id());
    }
    assert_eq!(reports, 200);
    #[cfg(target_os = "linux")]
    {
        let grown = resident_bytes().saturating_sub(before);
        assert!(grown <= 32 << 20, "{grown} bytes");
    }
    assert_open(&mut node, 2).await;
}

#[tokio::test]
async fn oversized_answers_are_reported_and_torn_ones_only_end_the_question() {
    let mut node = victim().await;
    let mut rogue = Rogue::dial(CHAIN, Protocol::Headers, door(&node, Transport::Tcp));
    let rogue_id = rogue.id();
    let max = u32::try_from(Protocol::Headers.response_bytes_max()).expect("small");
    let answers = [
        (framed(max, &[0; 9]), RequestError::Broken),
        (vec![], RequestError::Declined),
        (framed(u32::MAX, &[0; 9]), RequestError::Oversized),
    ];
    tokio::spawn({
        let answers = answers.clone();
        async move {
            let mut answers = answers.into_iter();
            loop {
                if let Noticed::Asked(channel) = rogue.notice().await {
                    rogue.send_response(channel, answers.next().expect("three questions").0);
                }
            }
        }
    });
    node.connected(rogue_id).await;
    let mut faults = Vec::new();
    for (_, expected) in &answers {
        let request = node
            .handle
            .request(rogue_id, Protocol::Headers, vec![])
            .expect("asked");
        let ended = node
            .until("an end", |event| match event {
                Event::Response {
                    request: of,
                    result,
                    ..
                } => Some((of, result)),
                Event::Misbehaviour { peer, fault } => {
                    faults.push((peer, fault));
                    None
                }
                _ => None,
            })
            .await;
        assert_eq!(ended, (request, Err(*expected)));
    }
    let oversized = Fault::OversizedResponse {
        protocol: Protocol::Headers,
        claimed_bytes: u32::MAX,
    };
    assert_eq!(faults, [(rogue_id, oversized)]);
}

#[tokio::test]
async fn oversized_gossip_is_reported_and_goes_no_further() {
    let mut node = victim().await;
    let mut next = start(2, |config| {
        config.connect = vec![door(&node, Transport::Tcp)]
    })
    .await;
    node.connected(next.id()).await;
    next.connected(node.id()).await;
    let mut rogue = Rogue::dial(CHAIN, Protocol::Headers, door(&node, Transport::Tcp));
    let id = rogue.id();
    let attack = async {
        for topic in Topic::ALL {
            let bytes =
                vec![u8::try_from(topic.word().len()).expect("short"); topic.bytes_max() + 1];
            while !rogue.publish(topic, bytes.clone()) {
                within("a listener", rogue.notice()).await;
            }
        }
        // Above every frame: the stream ends, and is opened again for what follows.
        rogue.publish(
            Topic::Block,
            vec![9; network::limits::GOSSIP_FRAME_BYTES_MAX + 1],
        );
        loop {
            rogue.notice().await;
        }
    };
    let defence = async {
        let mut reported = Vec::new();
        while reported.len() < Topic::ALL.len() {
            let (peer, fault) = fault(&mut node).await;
            assert_eq!((peer, fault.severity_hint()), (id, 100));
            reported.push(fault);
        }
        let expected = Topic::ALL.map(|topic| Fault::OversizedGossip {
            topic,
            bytes: topic.bytes_max() + 1,
        });
        assert_eq!(reported, expected);
        // Nothing of it reached the next node: the first it hears is an honest message.
        drop(node.tell(&mut next, Topic::Tx, b"honest").await);
    };
    tokio::select! {
        () = attack => {}
        () = defence => {}
    }
    assert_open(&mut node, 3).await;
}

#[tokio::test]
async fn a_peer_of_a_foreign_chain_is_sent_away_unannounced() {
    let foreign = ChainId::from_bytes([0xee; 32]);
    // The same first four bytes: topics and protocols have the same names, only the introduction
    // differs.
    let mut twin = *CHAIN.as_bytes();
    twin[31] ^= 1;
    for chain in [foreign, ChainId::from_bytes(twin)] {
        let mut a = start(1, |_| {}).await;
        let b = start(2, |config| {
            config.chain_id = chain;
            config.connect = a.addresses();
        })
        .await;
        let wait = async {
            while a.handle.counter(Counter::StrangersClosed) == 0
                && b.handle.counter(Counter::StrangersClosed) == 0
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within("a farewell", wait).await;
        let c = start(3, |config| config.connect = a.addresses()).await;
        let first = a
            .until("a connection", |event| match event {
                Event::PeerConnected { peer, .. } => Some(peer),
                _ => None,
            })
            .await;
        assert_eq!(first, c.id());
        assert_eq!(b.handle.good_addresses().await, Ok(vec![]));
    }
}

#[tokio::test]
async fn garbage_and_silence_on_the_raw_ports_do_no_harm() {
    let mut node = victim().await;
    let tcp = door(&node, Transport::Tcp);
    let tcp = std::net::SocketAddr::new(tcp.ip(), tcp.port());
    let mut garbage = vec![0u8; 64 << 10];
    let mut state = 1u32;
    for byte in &mut garbage {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = state.to_le_bytes()[3];
    }
    let mut silent = Vec::new();
    for start in 0..40 {
        let mut socket = tokio::net::TcpStream::connect(tcp).await.expect("open");
        // The node may close before all is written.
        let _ = socket.write_all(&garbage[start * 97..]).await;
        // A true multistream greeting, a huge line, and then nothing.
        let mut socket = tokio::net::TcpStream::connect(tcp).await.expect("open");
        let _ = socket
            .write_all(b"\x13/multistream/1.0.0\n\xff\xff\x03")
            .await;
        silent.push(socket);
        silent.truncate(20);
    }
    let quic = door(&node, Transport::Quic);
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("bound");
    for start in 0..200 {
        let to = (quic.ip(), quic.port());
        let _ = socket
            .send_to(&garbage[start * 13..start * 13 + 1_200], to)
            .await;
    }
    assert_open(&mut node, 2).await;
    let mut rogue = Rogue::dial(CHAIN, Protocol::Headers, quic);
    assert!(matches!(
        within("quic", rogue.notice()).await,
        Noticed::Connected
    ));
    drop(silent);
}
