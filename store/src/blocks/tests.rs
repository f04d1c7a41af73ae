use chain::units::CompactTarget;
use chain::{Height, Network};
use consensus::testing::{Owner, TestChain};

use super::*;
use crate::testing::Twins;

#[test]
fn side_blocks_are_kept_marked_and_forgotten() {
    let twins = Twins::with_blocks(2);
    let mut other = TestChain::new(Network::Regtest);
    other.mine_empty(Owner::new(9).account(), 2);
    let [first, second] = [0, 1].map(|index| other.blocks()[index].clone());
    let store = &twins.store;
    let unknown = StoreError::UnknownBlock { id: *first.id() };
    assert_eq!(store.mark(first.id(), Fault::Invalid), Err(unknown));

    store
        .put_headers(&[first.block().header, second.block().header])
        .expect("room");
    let header = |id| store.view().expect("a tip").header(id).expect("readable");
    let stored = header(first.id()).expect("put");
    assert_eq!(
        (stored.header, stored.body),
        (first.block().header, BodyState::Missing)
    );
    store.mark(first.id(), Fault::Invalid).expect("writable");
    store
        .mark(first.id(), Fault::ConflictsWithFinality)
        .expect("writable");
    store.put_block(first.block()).expect("room");
    store.put_headers(&[first.block().header]).expect("room");
    store
        .unmark(first.id(), Fault::ConflictsWithFinality)
        .expect("writable");
    let stored = header(first.id()).expect("put");
    assert_eq!(stored.body, BodyState::Stored { uncle_work: 0 });
    let faults = Faults {
        invalid: true,
        conflicts_with_finality: false,
    };
    assert_eq!(stored.faults, faults);

    let view = store.view().expect("a tip");
    assert_eq!(view.block(first.id()), Ok(Some(first.block().clone())));
    assert_eq!(view.block(second.id()), Ok(None));
    let ids: Vec<_> = view
        .headers_from(Height::new(1))
        .map(|entry| entry.expect("readable").1.header.height.get())
        .collect();
    assert_eq!(ids, [1, 1, 2, 2]);
    view.verify().expect("undamaged");
    drop(view);
    store.remove_side_block(first.id()).expect("a side block");
    assert_eq!(header(first.id()), None);
    let refused = store.remove_side_block(&twins.chain.tip().id());
    assert!(matches!(refused, Err(StoreError::Inconsistent { .. })));
    store.view().expect("a tip").verify().expect("undamaged");
}

#[test]
fn a_side_block_whose_uncles_make_no_sense_is_kept_like_any_other() {
    let twins = Twins::with_blocks(1);
    let mut other = TestChain::new(Network::Regtest);
    other.mine_empty(Owner::new(9).account(), 1);
    let mut block = other.blocks()[0].block().clone();
    let uncle = |target: u32| Header {
        target: CompactTarget::new(target),
        ..Header::default()
    };
    let sound = block.header.target;
    block.body.aux.uncles = vec![
        uncle(0x20ff_ffff),
        Header {
            target: sound,
            ..Header::default()
        },
    ];
    twins.store.put_block(&block).expect("room");
    let view = twins.store.view().expect("a tip");
    let stored = view.header(&block.id()).expect("readable").expect("put");
    let uncle_work = Target::from_compact(sound).expect("canonical").work().get();
    assert_eq!(stored.body, BodyState::Stored { uncle_work });
    assert_eq!(view.block(&block.id()), Ok(Some(block)));
}
