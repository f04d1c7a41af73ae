//! Bans end to end: one test per severity, and honest peers that are never blamed, with real nodes
//! over real connections.
//!
//! # Spec
//! docs/spec/06-wire.md §8
//!
//! # Not here
//! Arithmetic of scores: `node::peers`. Bytes that are no frames: the tests of `network`.

#[path = "stage/nodes.rs"]
mod nodes;
#[path = "stage/rogue.rs"]
mod rogue;

use chain::units::RateEpoch;
use chain::{AccountId, Block, Signature, Timestamp, codec};
use consensus::Rule;
use consensus::testing::{TestChain, TestEnvelope, reseal, solve};
use network::Topic;
use node::peers::MINOR_POINTS_PER_MINUTE_MAX;
use node::wire::BlockAnnouncement;
use rpc::types::Acknowledgement;

use nodes::{Peer, eventually};
use rogue::Rogue;

/// Blocks on which the window of the first rate epoch lies farther back than any race.
const LONG_AFTER_THE_FIRST_EPOCH: u32 = 80;

/// A node that is attacked, and an honest one behind it; both have blocks and some traffic.
async fn scene() -> (Peer, Peer) {
    let (victim, honest) = (Peer::start(1).await, Peer::start(2).await);
    honest.meet(&victim).await;
    victim.generate(1).await;
    honest.follows(&victim).await;
    (victim, honest)
}

/// Traffic from the honest node through the victim, and back in a block.
async fn honest_traffic(victim: &Peer, honest: &Peer, seed: u64) {
    const ENVELOPES: u32 = 20;
    let before = victim.waiting_envelopes().await;
    for number in 0..ENVELOPES {
        let envelope = honest.envelope(seed + u64::from(number)).await;
        honest.submit(&envelope, Acknowledgement::Accepted).await;
    }
    victim.holds(before + ENVELOPES).await;
    victim.generate(1).await;
    honest.follows(victim).await;
    victim.holds(0).await;
    honest.holds(0).await;
}

/// The rogue is out, listed with this reason, and stays out; the honest ones blame nobody.
async fn assert_banned(victim: &Peer, honest: &Peer, rogue: &Rogue, reason: &str) {
    let ban = eventually("a ban", || async { victim.bans().await.pop() }).await;
    assert_eq!(ban.peer_id, rogue.id());
    assert_eq!(ban.reason, reason);
    assert!(ban.until_ms > victim.clock.now().get());
    rogue.is_sent_away().await;
    eventually("the rogue outside", || async {
        victim.standing(&rogue.id()).await.is_none().then_some(())
    })
    .await;

    let refused = "chainchat_network_connections_refused_total";
    let before = victim.figure(refused).await;
    rogue.dial();
    eventually("a refusal", || async {
        (victim.figure(refused).await > before).then_some(())
    })
    .await;
    assert!(victim.standing(&rogue.id()).await.is_none());

    honest_traffic(victim, honest, 9_000).await;
    victim.blames_nobody_of(&[honest]).await;
    honest.blames_nobody_of(&[victim]).await;
    assert_eq!(victim.bans().await.len(), 1, "the rogue alone");
    assert!(honest.bans().await.is_empty(), "it never heard of it");
}

async fn has_score(victim: &Peer, rogue: &Rogue, score: u32) {
    eventually("points", || async {
        (victim.score(&rogue.id()).await == Some(score)).then_some(())
    })
    .await;
}

fn announced(block: &Block) -> Vec<u8> {
    codec::encode(&BlockAnnouncement::of(block, |_| true))
}

/// A solved block on genesis, before anybody spoiled it.
fn sound_block(chain: &TestChain) -> Block {
    chain.build(AccountId::from_bytes([9; 20]), &[], &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn one_header_that_breaks_a_rule_bans_at_once() {
    let (victim, honest) = scene().await;
    honest_traffic(&victim, &honest, 100).await;
    let rogue = Rogue::meet(&victim, 66).await;
    let chain = TestChain::with(victim.params.clone());
    let mut block = sound_block(&chain);
    block.header.pow_commit = [1; 16];
    solve(&mut block.header, &victim.params);
    rogue.say(Topic::Block, announced(&block));
    assert_banned(&victim, &honest, &rogue, &Rule::PowCommit.to_string()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_block_that_breaks_a_rule_of_its_content_bans_at_once() {
    let (victim, honest) = scene().await;
    let rogue = Rogue::meet(&victim, 66).await;
    let chain = TestChain::with(victim.params.clone());
    let mut block = sound_block(&chain);
    let epoch = RateEpoch::new(0);
    let mut forged = TestEnvelope::message(&victim.params, epoch, 7).envelope;
    forged.signature = Signature::default();
    block.body.envelopes.push(forged.to_bytes());
    reseal(&mut block, &victim.params);
    rogue.say(Topic::Block, announced(&block));
    let reason = Rule::EnvelopeSignature.to_string();
    assert_banned(&victim, &honest, &rogue, &reason).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_announcement_ban_at_once_and_across_a_restart() {
    let (victim, honest) = scene().await;
    let rogue = Rogue::meet(&victim, 66).await;
    rogue.say(Topic::Block, b"no announcement".to_vec());
    assert_banned(&victim, &honest, &rogue, "Malformed").await;
    let victim = victim.restart().await;
    let bans = victim.bans().await;
    assert_eq!(bans.len(), 1);
    assert_eq!(bans[0].peer_id, rogue.id());
    honest.meet(&victim).await;
    victim.blames_nobody_of(&[&honest]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_forged_signatures_ban_and_four_do_not() {
    let (victim, honest) = scene().await;
    let rogue = Rogue::meet(&victim, 66).await;
    let mut numbers = 500u64..;
    let mut forged = || {
        let number = numbers.next().expect("without end");
        let mut envelope =
            TestEnvelope::message(&victim.params, RateEpoch::new(0), number).envelope;
        envelope.signature = Signature::default();
        envelope.to_bytes().as_slice().to_vec()
    };
    for _ in 0..4 {
        rogue.say(Topic::Envelope, forged());
    }
    has_score(&victim, &rogue, 80).await;
    honest_traffic(&victim, &honest, 100).await;
    assert!(victim.bans().await.is_empty());
    assert!(victim.standing(&rogue.id()).await.is_some());
    rogue.say(Topic::Envelope, forged());
    let reason = Rule::EnvelopeSignature.to_string();
    assert_banned(&victim, &honest, &rogue, &reason).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_stale_envelopes_bans_nobody_and_a_stream_of_them_does() {
    /// In each of the following minutes.
    const STREAM: u64 = 20;
    /// More than a minute.
    const STEP_MS: u64 = 61_000;
    let (victim, honest) = scene().await;
    victim.generate(LONG_AFTER_THE_FIRST_EPOCH).await;
    honest.follows(&victim).await;
    let rogue = Rogue::meet(&victim, 66).await;
    let stale = |number| {
        let made = TestEnvelope::message(&victim.params, RateEpoch::new(0), number);
        made.envelope.to_bytes().as_slice().to_vec()
    };
    for number in 0..130 {
        rogue.say(Topic::Envelope, stale(number));
    }
    has_score(&victim, &rogue, MINOR_POINTS_PER_MINUTE_MAX).await;
    assert!(victim.bans().await.is_empty());
    let reason = Rule::EpochPast {
        height: chain::Height::new(victim.tip().await.0 + 1),
        epoch: RateEpoch::new(0),
    };
    let mut minute = 0;
    let mut is_banned = false;
    while !is_banned {
        minute += 1;
        assert!(minute < 20, "a stream bans");
        for node in [&victim, &honest] {
            let now = node.clock.now().get();
            node.clock.set(Timestamp::new(now + STEP_MS));
        }
        for number in 0..STREAM {
            rogue.say(
                Topic::Envelope,
                stale(130 + u64::from(minute) * STREAM + number),
            );
        }
        is_banned = eventually("points or a ban", || async {
            if !victim.bans().await.is_empty() {
                return Some(true);
            }
            let score = victim.score(&rogue.id()).await?;
            // Ten a minute, less one or two that are forgiven.
            (score >= 8 * (minute + 1)).then_some(false)
        })
        .await;
    }
    assert!(minute >= 9, "{minute}");
    assert_banned(&victim, &honest, &rogue, &reason.to_string()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_traffic_duplicates_and_a_block_from_the_future_are_held_against_nobody() {
    const ENVELOPES: u32 = 300;
    /// Beyond the limit: a block that waits for its time.
    const TOO_EARLY_MS: u64 = 50_000;
    let (a, b, c) = (
        Peer::start(1).await,
        Peer::start(2).await,
        Peer::start(3).await,
    );
    a.meet(&b).await;
    b.meet(&c).await;
    c.meet(&a).await;
    a.generate(2).await;
    b.follows(&a).await;
    c.follows(&a).await;

    // The same envelopes are handed in at two nodes, and come to the third from both.
    for number in 0..ENVELOPES {
        let envelope = a.envelope(u64::from(number)).await;
        a.submit(&envelope, Acknowledgement::Accepted).await;
        b.submit(&envelope, Acknowledgement::Accepted).await;
    }
    for node in [&a, &b, &c] {
        node.holds(ENVELOPES).await;
    }
    c.generate(3).await;
    for node in [&a, &b, &c] {
        node.follows(&c).await;
        node.holds(0).await;
    }

    // A block from the future, and after it on the same way an envelope of today.
    let before = b.tip().await;
    let future = Timestamp::new(a.clock.now().get() + a.params.future_limit_ms + TOO_EARLY_MS);
    a.clock.set(future);
    a.generate(1).await;
    let envelope = a.envelope(1_000).await;
    a.submit(&envelope, Acknowledgement::Accepted).await;
    b.holds(1).await;
    c.holds(1).await;
    assert_eq!((b.tip().await, c.tip().await), (before, before));
    for (node, others) in [(&a, [&b, &c]), (&b, [&c, &a]), (&c, [&a, &b])] {
        node.blames_nobody_of(&others).await;
    }
    for node in [&b, &c] {
        node.clock.set(future);
        node.follows(&a).await;
    }
    for (node, others) in [(&a, [&b, &c]), (&b, [&c, &a]), (&c, [&a, &b])] {
        node.blames_nobody_of(&others).await;
        assert!(node.bans().await.is_empty());
    }
}
