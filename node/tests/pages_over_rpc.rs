//! Long lists come in pages that the transport carries, and the pages together hold everything.
//!
//! # Spec
//! docs/spec/07-rpc.md §3, §6
//!
//! # Not here
//! How the transport refuses what is too long: the tests of `rpc`.

#[path = "stage/nodes.rs"]
mod nodes;

use chain::envelope::{EnvelopeKind, SizeClass};
use consensus::testing::TestEnvelope;
use rpc::limits::{ENVELOPE_PAGE_BYTES_MAX, RESPONSE_BYTES_MAX};
use rpc::types::{Acknowledgement, GetEnvelopes, GetMempool, MempoolPage};

use nodes::Peer;

/// Envelopes of some 1.4 KB each: more than one page.
const ENVELOPES: u64 = 2_600;
/// Characters of JSON around an envelope, generously.
const FRAME_CHARS: usize = 16;

/// Many envelopes that nobody pays for, of the largest class that regtest takes.
async fn submit_many(peer: &Peer) {
    let next = chain::Height::new(peer.tip().await.0 + 1);
    let epoch = peer.params.rate_epoch(next);
    let class = SizeClass::new(2).expect("a class");
    for number in 0..ENVELOPES {
        let made = TestEnvelope::new(&peer.params, epoch, EnvelopeKind::Message, class, number);
        peer.submit(&made.envelope, Acknowledgement::Accepted).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn envelopes_of_many_blocks_come_in_pages_that_fit() {
    let peer = Peer::start(1).await;
    submit_many(&peer).await;
    while peer.waiting_envelopes().await > 0 {
        peer.generate(1).await;
    }
    let (mut from, mut pages, mut envelopes) = (1, 0, 0);
    loop {
        let asked = GetEnvelopes { from, count: 256 };
        let page = peer.api.chain_get_envelopes(asked).await.expect("a page");
        assert_eq!(page.blocks.first().map(|block| block.height), Some(from));
        let raws: Vec<usize> = page
            .blocks
            .iter()
            .flat_map(|block| &block.envelopes)
            .map(|raw| raw.bytes(usize::MAX).expect("hexadecimal").len())
            .collect();
        let chars: usize = raws.iter().map(|bytes| 2 * bytes + FRAME_CHARS).sum();
        assert!(chars < RESPONSE_BYTES_MAX, "{chars} characters");
        let last = page.blocks.last().map_or(0, |block| block.envelopes.len());
        let before: usize = raws[..raws.len() - last].iter().sum();
        assert!(
            before < ENVELOPE_PAGE_BYTES_MAX,
            "{before} bytes, and one more block"
        );
        pages += 1;
        envelopes += raws.len() as u64;
        let Some(next) = page.next else { break };
        assert!(next > from, "every page makes progress");
        assert!(raws.iter().sum::<usize>() >= ENVELOPE_PAGE_BYTES_MAX);
        from = next;
    }
    assert_eq!(envelopes, ENVELOPES);
    assert!(pages > 1, "{pages}");
}

async fn mempool_page(peer: &Peer, after: Option<&MempoolPage>, raw: bool) -> MempoolPage {
    let asked = GetMempool {
        after: after.and_then(|page| page.next),
        count: None,
        raw: Some(raw),
    };
    peer.api.mempool_get(asked).await.expect("a page")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mempool_hands_out_its_envelopes_in_pages_that_fit() {
    let peer = Peer::start(1).await;
    submit_many(&peer).await;
    let ids = mempool_page(&peer, None, false).await;
    assert_eq!((ids.envelopes.len() as u64, ids.next), (ENVELOPES, None));
    assert_eq!(ids.raws, None, "not asked for");

    let mut seen = Vec::new();
    let mut page = mempool_page(&peer, None, true).await;
    loop {
        let raws = page.raws.as_ref().expect("asked for");
        assert_eq!(raws.len(), page.envelopes.len());
        let mut bytes = 0;
        for (id, raw) in page.envelopes.iter().zip(raws) {
            assert!(
                bytes < ENVELOPE_PAGE_BYTES_MAX,
                "{bytes} bytes, and one more"
            );
            let envelope = raw.envelope().expect("an envelope");
            assert_eq!(envelope.mid(), id.0);
            bytes += envelope.to_bytes().as_slice().len();
        }
        seen.extend(page.envelopes.iter().map(|id| id.0));
        if page.next.is_none() {
            break;
        }
        assert!(bytes >= ENVELOPE_PAGE_BYTES_MAX);
        page = mempool_page(&peer, Some(&page), true).await;
    }
    let all: Vec<_> = ids.envelopes.iter().map(|id| id.0).collect();
    assert_eq!(seen, all);
}
