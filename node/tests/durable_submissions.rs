//! Durable submissions of real nodes: they last as long as their items wait, and no longer.
//!
//! # Spec
//! docs/spec/13-storage.md §9
//!
//! # Not here
//! Rows and the blocks that take them: the tests of `store`. Power cuts: tests/functional.

#[path = "stage/nodes.rs"]
mod nodes;

use chain::units::RateEpoch;
use consensus::testing::TestEnvelope;
use rpc::types::Acknowledgement;
use store::{PendingId, PendingRow, Store};

use nodes::{Peer, eventually};

const ENVELOPES: u64 = 5;
/// Blocks after which the window of the first rate epoch is over.
const PAST_THE_FIRST_EPOCH: u32 = 80;

fn rows(store: &Store) -> usize {
    store.view().expect("a view").pending().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_is_forgotten_and_what_waits_survives_a_restart() {
    let (peer, miner) = (Peer::start(1).await, Peer::start(2).await);
    for number in 0..ENVELOPES {
        let envelope = peer.envelope(number).await;
        peer.submit(&envelope, Acknowledgement::Durable).await;
    }
    let (peer, waiting) = peer.restart_after(rows).await;
    assert_eq!(waiting, 5);
    assert_eq!(peer.waiting_envelopes().await, 5);

    // Nobody has heard of them until their epoch is over.
    miner.generate(PAST_THE_FIRST_EPOCH).await;
    peer.meet(&miner).await;
    peer.follows(&miner).await;
    eventually("an empty mempool", || async {
        (peer.waiting_envelopes().await == 0).then_some(())
    })
    .await;
    let (_peer, left) = peer.restart_after(rows).await;
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_forgets_what_the_mempool_refuses() {
    let peer = Peer::start(1).await;
    let stale = peer.envelope(1).await;
    peer.generate(PAST_THE_FIRST_EPOCH).await;
    let row = PendingRow {
        id: PendingId::Envelope(stale.wid()),
        bytes: stale.to_bytes().as_slice().to_vec(),
    };
    let (peer, ()) = peer
        .restart_after(|store| store.put_pending(&[row]).expect("room"))
        .await;
    assert_eq!(peer.waiting_envelopes().await, 0);
    let (_peer, left) = peer.restart_after(rows).await;
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_lower_tip_refuses_is_kept_and_offered_again() {
    /// Begins some blocks from now: so a tip looks that a power cut has set back.
    const EPOCH: u32 = 3;
    let peer = Peer::start(1).await;
    let ahead = TestEnvelope::message(&peer.params, RateEpoch::new(EPOCH), 1).envelope;
    let row = PendingRow {
        id: PendingId::Envelope(ahead.wid()),
        bytes: ahead.to_bytes().as_slice().to_vec(),
    };
    let (peer, ()) = peer
        .restart_after(|store| store.put_pending(&[row]).expect("room"))
        .await;
    assert_eq!(peer.waiting_envelopes().await, 0, "its epoch is far");
    let (peer, left) = peer.restart_after(rows).await;
    assert_eq!(left, 1);
    let start = peer.params.rate_epoch_start(RateEpoch::new(EPOCH)).get();
    let blocks = u32::try_from(start).expect("a short epoch");
    peer.generate(blocks - 2).await;
    peer.holds(1).await;
    peer.generate(3).await;
    peer.holds(0).await;
    let (_peer, left) = peer.restart_after(rows).await;
    assert_eq!(left, 0, "a block took it, and the row with it");
}
