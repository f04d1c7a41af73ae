//! Limits and bans: a full house, a banned peer, a banned host, a node that does not keep up.
//!
//! # Spec
//! docs/spec/06-wire.md §5
//!
//! # Not here
//! The subnet cap, from which the own machine is exempt: unit tests of the gate.

#[path = "stage/nodes.rs"]
mod nodes;

use std::time::Duration;

use network::{Ban, BanSubject, Counter, Event, Protocol, Topic};
use nodes::{Node, start};

const HOUR: Duration = Duration::from_secs(3_600);

/// Bans `subject` at `a`, sees `b` go and be refused, takes the ban back, sees `b` return.
async fn ban_and_take_back(a: &mut Node, b: &mut Node, subject: BanSubject) {
    let refused = a.handle.counter(Counter::ConnectionsRefused);
    a.handle
        .ban(Ban {
            subject,
            lasting: HOUR,
        })
        .expect("banned");
    a.disconnected(b.id()).await;
    b.disconnected(a.id()).await;
    a.counted(Counter::ConnectionsRefused, refused + 1).await;
    a.handle.unban(subject).expect("taken back");
    // It would come by itself, after a pause that grew with every refusal.
    b.handle.dial(a.addresses()[0]).expect("taken");
    a.connected(b.id()).await;
    b.connected(a.id()).await;
}

#[tokio::test]
async fn a_banned_peer_and_a_banned_host_cannot_come_back_until_the_ban_is_taken_back() {
    let mut a = start(1, |_| {}).await;
    let mut b = start(2, |config| config.connect = a.addresses()).await;
    a.connected(b.id()).await;
    b.connected(a.id()).await;
    let peer = BanSubject::Peer(b.id());
    ban_and_take_back(&mut a, &mut b, peer).await;
    let host = BanSubject::Ip("::ffff:127.0.0.1".parse().expect("ip"));
    ban_and_take_back(&mut a, &mut b, host).await;
}

#[tokio::test]
async fn a_ban_of_the_last_session_holds_from_the_first_moment() {
    let banned = network::NodeKey::from_bytes([2; 32]).peer_id();
    let ban = Ban {
        subject: BanSubject::Peer(banned),
        lasting: HOUR,
    };
    let mut a = start(1, |config| config.bans = vec![ban]).await;
    let b = start(2, |config| config.connect = a.addresses()).await;
    assert_eq!(b.id(), banned);
    a.counted(Counter::ConnectionsRefused, 2).await;
    let c = start(3, |config| config.connect = a.addresses()).await;
    let first = a
        .until("a connection", |event| match event {
            Event::PeerConnected { peer, .. } => Some(peer),
            _ => None,
        })
        .await;
    assert_eq!(first, c.id());
}

#[tokio::test]
async fn a_full_house_takes_nobody_in_until_somebody_leaves() {
    let mut a = start(1, |config| config.limits.inbound_max = 2).await;
    let mut inside = Vec::new();
    for number in 2..4 {
        let mut guest = start(number, |config| config.connect = a.addresses()).await;
        a.connected(guest.id()).await;
        guest.connected(a.id()).await;
        inside.push(guest);
    }
    let refused = a.handle.counter(Counter::ConnectionsRefused);
    let late = start(9, |config| config.connect = a.addresses()).await;
    a.counted(Counter::ConnectionsRefused, refused + 1).await;
    let leaver = inside.pop().expect("two guests");
    leaver.handle.stop().expect("stopped");
    let mut order = Vec::new();
    while order.len() < 2 {
        order.push(
            a.until("somebody going and somebody coming", |event| match event {
                Event::PeerDisconnected { peer } => Some(("gone", peer)),
                Event::PeerConnected { peer, .. } => Some(("came", peer)),
                _ => None,
            })
            .await,
        );
    }
    assert_eq!(order, [("gone", leaver.id()), ("came", late.id())]);
}

#[tokio::test]
async fn a_node_that_does_not_keep_up_loses_gossip_and_nothing_else() {
    const BYTES: usize = 200 << 10;
    let mut a = start(1, |_| {}).await;
    let mut b = start(2, |config| config.connect = a.addresses()).await;
    a.connected(b.id()).await;
    drop(b.tell(&mut a, Topic::Block, b"the way is open").await);
    // Twice what may wait, while nobody takes anything at a.
    let count = 2 * network::limits::EVENT_BYTES_MAX / BYTES;
    for number in 0..count {
        let mut bytes = vec![0; BYTES];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        b.handle.publish(Topic::Block, bytes).expect("taken");
    }
    a.counted(Counter::GossipDropped, 1).await;
    let request = b
        .handle
        .request(a.id(), Protocol::Headers, vec![1])
        .expect("asked");
    let mut waiting_bytes = 0;
    let token = a
        .until("the question behind the gossip", |event| match event {
            Event::Gossip { bytes, .. } => {
                waiting_bytes += bytes.len();
                None
            }
            Event::Request { token, .. } => Some(token),
            _ => None,
        })
        .await;
    assert!(waiting_bytes < 2 * network::limits::EVENT_BYTES_MAX);
    a.handle.respond(token, vec![2]).expect("answered");
    let answer = b
        .until("the answer", |event| match event {
            Event::Response {
                request: of,
                result,
                ..
            } => Some((of, result)),
            _ => None,
        })
        .await;
    assert_eq!(answer, (request, Ok(vec![2])));
}

#[tokio::test]
async fn a_message_without_a_verdict_is_ignored_after_its_time() {
    let mut a = start(1, |_| {}).await;
    let mut b = start(2, |config| config.connect = a.addresses()).await;
    let token = b.tell(&mut a, Topic::Tx, b"nobody judges this").await;
    a.counted(Counter::VerdictsMissed, 1).await;
    a.handle
        .verdict(token, network::Verdict::Accept)
        .expect("too late, and harmless");
}
