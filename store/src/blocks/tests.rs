use chain::units::CompactTarget;
use chain::{Height, Network};
use consensus::fork_choice::FinalBlock;
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
    let inclusions = [Inclusion {
        back: 1,
        bond: chain::units::BondId::new(3),
        seats: 2,
    }];
    store.put_block(first.block(), &inclusions).expect("room");
    store.put_block(first.block(), &[]).expect("room");
    store.put_headers(&[first.block().header]).expect("room");
    store
        .unmark(first.id(), Fault::ConflictsWithFinality)
        .expect("writable");
    let stored = header(first.id()).expect("put");
    let traits = BodyTraits {
        inclusions: inclusions.to_vec(),
        ..BodyTraits::default()
    };
    assert_eq!(stored.body, BodyState::Stored(traits));
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
    twins.store.put_block(&block, &[]).expect("room");
    let view = twins.store.view().expect("a tip");
    let stored = view.header(&block.id()).expect("readable").expect("put");
    let uncle_work = Target::from_compact(sound).expect("canonical").work().get();
    let traits = BodyTraits {
        uncle_work,
        ..BodyTraits::default()
    };
    assert_eq!(stored.body, BodyState::Stored(traits));
    assert_eq!(view.block(&block.id()), Ok(Some(block)));
}

#[test]
fn what_applying_a_block_showed_takes_the_place_of_what_was_believed() {
    let mut twins = Twins::with_blocks(1);
    let applied = twins.mine();
    let believed = [Inclusion {
        back: 1,
        bond: chain::units::BondId::new(3),
        seats: 1,
    }];
    let store = &twins.store;
    store.put_block(applied.block(), &believed).expect("room");
    store.mark(applied.id(), Fault::Invalid).expect("writable");
    store.connect(&applied).expect("valid");
    let view = store.view().expect("a tip");
    let stored = view.header(applied.id()).expect("readable").expect("put");
    let shown = BodyTraits::of_applied(&applied);
    assert_eq!(shown.inclusions, [], "nobody voted");
    assert_eq!(stored.body, BodyState::Stored(shown));
    assert!(stored.faults.invalid, "a mark stays");
    drop(view);
    store.disconnect(applied.id()).expect("the tip");
    store.put_block(applied.block(), &believed).expect("room");
    let view = store.view().expect("a tip");
    let after = view.header(applied.id()).expect("readable").expect("put");
    assert_eq!(after, stored, "what was shown is not forgotten");
}

#[test]
fn anchors_are_kept_whatever_the_tip_does() {
    let mut twins = Twins::with_blocks(2);
    let kept = |twins: &Twins| twins.store.view().expect("a tip").anchors();
    assert_eq!(kept(&twins), Ok(Anchors::default()));
    let anchors = Anchors {
        finalized: Some(FinalBlock {
            height: Height::new(2),
            id: twins.chain.tip().id(),
        }),
        ..Anchors::default()
    };
    twins.store.put_anchors(&anchors).expect("writable");
    twins.disconnect();
    assert_eq!(kept(&twins), Ok(anchors));
    let twins = twins.reopen();
    assert_eq!(kept(&twins), Ok(anchors));
    twins.store.view().expect("a tip").verify().expect("whole");
}
