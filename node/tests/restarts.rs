//! What a node remembers across a restart: durable submissions, and where its peers are.
//!
//! # Spec
//! docs/spec/13-storage.md §9, §10
//!
//! # Not here
//! Processes that are killed: tests/functional/test_crash.py.

#[path = "stage/nodes.rs"]
mod nodes;

use nodes::{Peer, eventually};
use rpc::types::Acknowledgement;

#[tokio::test(flavor = "multi_thread")]
async fn durable_submissions_that_come_together_all_survive() {
    const ENVELOPES: u32 = 200;
    let node = Peer::start(1).await;
    node.generate(1).await;
    let mut submissions = tokio::task::JoinSet::new();
    for number in 0..ENVELOPES {
        let envelope = node.envelope(u64::from(number)).await;
        let submission = Peer::submission(&envelope, Acknowledgement::Durable);
        let api = node.api.clone();
        submissions.spawn(async move { api.envelope_submit(submission).await });
    }
    while let Some(submitted) = submissions.join_next().await {
        submitted.expect("not cancelled").expect("durable");
    }
    let writes = node.api.dev_kill_points().await.expect("answers");
    let writes = writes
        .iter()
        .find(|point| point.name == "store.pending.after_write")
        .expect("a kill point");
    assert!((1..=u64::from(ENVELOPES)).contains(&writes.passes));
    node.holds(ENVELOPES).await;
    let node = node.restart().await;
    node.holds(ENVELOPES).await;
    node.generate(1).await;
    let node = node.restart().await;
    node.holds(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_found_again_after_a_restart_by_who_dialled_and_synced_with() {
    let (one, other) = (Peer::start(1).await, Peer::start(2).await);
    other.generate(300).await;
    one.meet(&other).await;
    one.follows(&other).await;
    let one = one.restart().await;
    // Nobody tells it where the other one is.
    eventually("the other one", || async {
        one.standing(&other.id()).await
    })
    .await;
    other.generate(1).await;
    one.follows(&other).await;
    one.blames_nobody_of(&[&other]).await;
}
