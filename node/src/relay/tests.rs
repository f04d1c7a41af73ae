use chain::envelope::{EnvelopeKind, SizeClass};
use chain::units::RateEpoch;
use chain::{Amount, Height, Network};
use consensus::testing::{Owner, TestChain, TestEnvelope};
use genesis::Params;

use super::*;

fn message(number: u64) -> EnvelopeBytes {
    let params = Params::of(Network::Regtest);
    let made = TestEnvelope::message(&params, RateEpoch::new(0), number);
    made.envelope.to_bytes()
}

fn block() -> Block {
    let body = Body {
        envelopes: vec![message(1), message(2), message(3)],
        ..Body::default()
    };
    let header = Header {
        height: Height::new(1),
        aux_root: body.aux.root(),
        ..Header::default()
    };
    Block { header, body }
}

/// A mempool that holds so many envelopes of the largest class, and their bytes.
fn bulky(count: u64) -> (Mempool, Vec<EnvelopeBytes>) {
    let chain = TestChain::new(Network::Regtest);
    let mut mempool = Mempool::default();
    let class = SizeClass::new(8).expect("a class");
    let made = (0..count).map(|number| {
        let (epoch, kind) = (chain.rate_epoch(), EnvelopeKind::Message);
        let mut made = TestEnvelope::new(chain.params(), epoch, kind, class, number);
        // Readmission asks for no balance.
        Owner::new(number).pay(chain.params(), &mut made, 0, Amount::from_base(1));
        let checked = chain.check_envelope(&made.envelope).expect("valid");
        mempool.readmit(Item::Envelope(checked));
        made.envelope.to_bytes()
    });
    let made = made.collect();
    (mempool, made)
}

#[test]
fn a_block_is_put_together_from_the_answer() {
    let block = block();
    let announcement = BlockAnnouncement::of(&block, |_| false);
    let mut started = Reconstruction::start(announcement, &Mempool::default()).expect("starts");
    let request = started.missing().expect("all items are missing");
    assert_eq!(request.envelopes, [0, 1, 2]);
    let items = items_at(&block, &request).expect("positions are inside");
    started.fill(items).expect("as many as asked for");
    assert_eq!(started.missing(), None);
    assert_eq!(started.into_body(), Some(block.body));
}

#[test]
fn prefilled_items_need_no_answer() {
    let block = block();
    let announcement = BlockAnnouncement::of(&block, |_| true);
    let started = Reconstruction::start(announcement, &Mempool::default()).expect("starts");
    assert_eq!(started.missing(), None);
    assert_eq!(started.into_body(), Some(block.body));
}

#[test]
fn positions_outside_and_wrong_counts_are_refused() {
    let block = block();
    let refused = |change: fn(&mut BlockAnnouncement)| {
        let mut announcement = BlockAnnouncement::of(&block, |_| true);
        change(&mut announcement);
        Reconstruction::start(announcement, &Mempool::default()).err()
    };
    let outside = refused(|said| said.new_envelopes[0].position = 3);
    assert_eq!(outside, Some(Contradiction::Position));
    let twice = refused(|said| said.new_envelopes[1] = said.new_envelopes[0].clone());
    assert_eq!(twice, Some(Contradiction::Position));
    let another = refused(|said| said.new_envelopes[0].envelope = message(4));
    assert_eq!(another, Some(Contradiction::Prefilled));
    let aux = refused(|said| said.aux.uncles.push(Header::default()));
    assert_eq!(aux, Some(Contradiction::Aux));

    let announcement = BlockAnnouncement::of(&block, |_| false);
    let mut started = Reconstruction::start(announcement, &Mempool::default()).expect("starts");
    let short = started.fill(Items::default());
    let expected = Contradiction::Count {
        expected: 3,
        found: 0,
    };
    assert_eq!(short, Err(expected));
    let mut request = started.missing().expect("items are missing");
    request.envelopes[0] = 3;
    assert_eq!(items_at(&block, &request), None);
}

#[test]
fn an_item_that_is_announced_again_and_again_is_not_cloned() {
    let (mempool, made) = bulky(1);
    let mut announcement = BlockAnnouncement::of(&block(), |_| false);
    let id = announcement.header.id();
    let short = ShortId::of(&id, &envelope_name(&made[0]));
    announcement.envelopes = vec![short; BLOCK_ITEMS_MAX];
    let refused = Reconstruction::start(announcement, &mempool);
    assert_eq!(refused.err(), Some(Contradiction::Repeated));
}

#[test]
fn what_is_put_together_stays_below_the_largest_body() {
    let fits = Body::BYTES_MAX / bulky(1).1[0].as_slice().len();
    let (mempool, made) = bulky(fits as u64 + 1);
    let announced = |count: usize| {
        let mut announcement = BlockAnnouncement::of(&block(), |_| false);
        let id = announcement.header.id();
        let names = made.iter().take(count).map(envelope_name);
        announcement.envelopes = names.map(|name| ShortId::of(&id, &name)).collect();
        announcement
    };
    let started = Reconstruction::start(announced(fits), &mempool).expect("it fits");
    assert_eq!(started.missing(), None);
    let refused = Reconstruction::start(announced(fits + 1), &mempool);
    assert_eq!(refused.err(), Some(Contradiction::Bytes));

    // The same through the answer.
    let mut started =
        Reconstruction::start(announced(fits + 1), &Mempool::default()).expect("nothing is here");
    let items = Items {
        envelopes: made,
        ..Items::default()
    };
    assert_eq!(started.fill(items), Err(Contradiction::Bytes));
}
