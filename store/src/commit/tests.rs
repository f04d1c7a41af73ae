use chain::Hash32;
use consensus::testing::{Owner, TestChain};

use super::*;
use crate::pending::PendingRow;
use crate::testing::Twins;

fn digest(twins: &Twins) -> Vec<(Table, Hash32)> {
    twins
        .store
        .view()
        .expect("a tip")
        .digest()
        .expect("readable")
}

#[test]
fn a_block_taken_back_leaves_every_table_as_it_was() {
    // Past the end of two rate epochs of 16 blocks and their graces of 3.
    let mut twins = Twins::new();
    for _ in 0..40 {
        let applied = twins.mine();
        // From now on the block itself stays, with what applying it showed.
        twins.store.connect(&applied).expect("a valid block");
        twins.store.disconnect(applied.id()).expect("the tip");
        let before = digest(&twins);
        twins.store.connect(&applied).expect("a valid block");
        let after = digest(&twins);
        assert_ne!(before, after);
        twins.store.disconnect(applied.id()).expect("the tip");
        assert_eq!(digest(&twins), before, "height {}", applied.height());
        twins.store.connect(&applied).expect("a valid block");
        assert_eq!(digest(&twins), after, "height {}", applied.height());
        twins.assert_equal();
    }
    twins
        .store
        .view()
        .expect("a tip")
        .verify()
        .expect("undamaged");
}

#[test]
fn a_long_way_back_and_another_way_forward_end_in_the_same_state() {
    let mut twins = Twins::with_blocks(37);
    while twins.chain.tip().height.get() > 2 {
        twins.disconnect();
    }
    twins.assert_equal();
    twins.chain.mine_empty(Owner::new(5).account(), 20);
    for applied in &twins.chain.blocks()[2..] {
        twins.store.connect(applied).expect("a valid block");
    }
    twins.assert_equal();
    let view = twins.store.view().expect("a tip");
    let verified = view.verify().expect("undamaged");
    assert_eq!((verified.blocks, verified.headers), (23, 23 + 35));
    let fresh = Twins::new();
    for applied in twins.chain.blocks() {
        fresh.store.connect(applied).expect("a valid block");
    }
    let fresh = fresh.store.view().expect("a tip");
    assert_eq!(view.tree_bytes(), fresh.tree_bytes());
    let side_tables = [Table::Headers, Table::Heights, Table::Bodies];
    let main_chain = |view: &View<'_>| {
        let digest = view.digest().expect("readable");
        digest
            .into_iter()
            .filter(|(table, _)| !side_tables.contains(table))
            .collect::<Vec<_>>()
    };
    assert_eq!(main_chain(&view), main_chain(&fresh));
}

#[test]
fn only_the_next_block_connects_and_only_the_tip_disconnects() {
    let mut twins = Twins::with_blocks(3);
    let mut other = TestChain::new(chain::Network::Regtest);
    let stranger = other.mine(Owner::new(9).account(), &[], &[]).clone();
    let tip = twins.chain.tip().id();
    let refused = StoreError::NotOnTip {
        tip,
        parent: stranger.block().header.parent,
    };
    assert_eq!(twins.store.connect(&stranger), Err(refused));
    let asked = *stranger.id();
    assert_eq!(
        twins.store.disconnect(&asked),
        Err(StoreError::NotTheTip { tip, asked })
    );
    for _ in 0..3 {
        twins.disconnect();
    }
    let genesis = twins.chain.params().genesis_id();
    let refused = StoreError::UndoGone {
        height: Height::new(0),
    };
    assert_eq!(twins.store.disconnect(&genesis), Err(refused));
    twins.assert_equal();
}

#[test]
fn undo_records_are_kept_for_so_many_blocks_and_no_longer() {
    let mut twins = Twins::new();
    twins.store.undo_blocks = 5;
    (0..12).for_each(|_| twins.connect());
    assert_eq!(twins.rows(Table::Undo).len(), 5);
    twins
        .store
        .view()
        .expect("a tip")
        .verify()
        .expect("undamaged");
    for _ in 0..5 {
        twins.disconnect();
    }
    let height = twins.chain.tip().height;
    let refused = twins.store.disconnect(&twins.chain.tip().id());
    assert_eq!(refused, Err(StoreError::UndoGone { height }));
    twins.assert_equal();
    assert_eq!(schema::UNDO_BLOCKS, 8_192);
}

#[test]
fn what_waited_durably_waits_again_when_its_block_is_taken_back() {
    let mut twins = Twins::with_blocks(3);
    let applied = twins.mine();
    let body = &applied.block().body;
    let rows = [
        PendingRow {
            id: PendingId::Transaction(applied.transaction_ids()[0]),
            bytes: codec::encode(&body.transactions[0]),
        },
        PendingRow {
            id: PendingId::Envelope(applied.wire_ids()[1]),
            bytes: body.envelopes[1].as_slice().to_vec(),
        },
    ];
    twins.store.put_pending(&rows).expect("room");
    let held = twins
        .store
        .pending_bytes
        .load(std::sync::atomic::Ordering::Relaxed);
    twins.store.connect(&applied).expect("a valid block");
    assert_eq!(twins.rows(Table::Pending), []);
    twins.store.disconnect(applied.id()).expect("the tip");
    let view = twins.store.view().expect("a tip");
    let waiting: Vec<_> = view.pending().map(|row| row.expect("readable")).collect();
    assert_eq!(waiting, rows);
    assert_eq!(
        twins
            .store
            .pending_bytes
            .load(std::sync::atomic::Ordering::Relaxed),
        held
    );
}

#[test]
fn things_are_found_by_their_ids_and_prefixes_that_collide_are_told_apart() {
    let twins = Twins::with_blocks(4);
    let block = &twins.chain.blocks()[2];
    let (tx, envelope) = (block.transaction_ids()[0], block.message_ids()[1]);
    let find = || {
        let view = twins.store.view().expect("a tip");
        let tx = view.transaction(&tx).expect("readable");
        let envelope = view.envelope(&envelope).expect("readable");
        (tx, envelope)
    };
    let at = |position| Location {
        height: block.height(),
        position,
    };
    let expected = (
        Some((at(0), block.block().body.transactions[0].clone())),
        Some((at(1), block.block().body.envelopes[1].clone())),
    );
    assert_eq!(find(), expected);
    // Other things with the same prefix, before and after the right one.
    for height in [1, 4] {
        let location = Location {
            height: Height::new(height),
            position: 0,
        };
        twins.put_raw(
            Table::Transactions,
            &schema::index_key(tx.as_bytes(), location),
            &[],
        );
        twins.put_raw(
            Table::Envelopes,
            &schema::index_key(envelope.as_bytes(), location),
            &[],
        );
    }
    assert_eq!(find(), expected);
    // Nothing but others under the prefix.
    let mut absent = *envelope.as_bytes();
    absent[31] ^= 1;
    let view = twins.store.view().expect("a tip");
    assert_eq!(
        view.envelope(&chain::MessageId::from_bytes(absent)),
        Ok(None)
    );
}

#[test]
fn the_state_after_a_restart_is_the_one_before_it() {
    let mut twins = Twins::with_blocks(21);
    for _ in 0..3 {
        twins = twins.reopen();
        twins.assert_equal();
        twins.connect();
        twins.disconnect();
        twins.disconnect();
    }
    twins.assert_equal();
}

#[test]
fn a_view_does_not_move_with_the_tip() {
    let mut twins = Twins::with_blocks(2);
    let applied = twins.mine();
    let view = twins.store.view().expect("a tip");
    let before = view.state_hash().expect("readable");
    twins.store.connect(&applied).expect("a valid block");
    assert_eq!(view.tip().height, Height::new(2));
    assert_eq!(view.state_hash(), Ok(before));
    assert_eq!(view.block_at(Height::new(3)), Ok(None));
    assert_eq!(
        twins.store.view().expect("a tip").tip().height,
        Height::new(3)
    );
}
