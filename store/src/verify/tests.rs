use super::*;
use crate::schema::META_TIP;
use crate::store::Store;
use crate::testing::{Twins, quick};

/// Where the damage must be noticed.
fn verify(twins: &Twins) -> Result<Verified, StoreError> {
    twins.store.view()?.verify()
}

fn assert_damaged<T: std::fmt::Debug>(result: Result<T, StoreError>, what: &str) {
    assert!(
        matches!(result, Err(StoreError::Damaged { .. })),
        "{what}: {result:?}"
    );
}

#[test]
fn a_full_check_counts_what_it_read() {
    let twins = Twins::with_blocks(6);
    let verified = verify(&twins).expect("undamaged");
    let (values, nodes) = (
        twins.chain.state().values().len(),
        twins.chain.state().nodes().len(),
    );
    let expected = Verified {
        blocks: 7,
        headers: 7,
        items: 6 * 2 + 5,
        values: u64::try_from(values).expect("small"),
        nodes: u64::try_from(nodes).expect("small"),
    };
    assert_eq!(verified, expected);
}

#[test]
fn a_flipped_bit_in_any_kind_of_record_is_named() {
    let twins = Twins::with_blocks(4);
    let ban = crate::peers::BanRow::new(chain::Timestamp::new(9), "x");
    twins.store.put_ban("somebody", &ban).expect("room");
    let peer = ("/ip4/10.0.0.1".to_owned(), crate::peers::PeerRow::default());
    twins.store.put_peers(&[peer]).expect("room");
    let id = crate::pending::PendingId::Transaction(chain::TxId::from_bytes([1; 32]));
    let row = crate::pending::PendingRow {
        id,
        bytes: vec![1, 2, 3],
    };
    twins.store.put_pending(&[row]).expect("room");
    let key = chain::PublicKey::from_bytes([2; 32]);
    let ballot = crate::ballots::Ballot::default();
    twins.store.put_ballot(&key, &ballot).expect("room");
    verify(&twins).expect("undamaged");
    for table in Table::ALL {
        let rows = twins.rows(table);
        assert!(!rows.is_empty(), "{}", table.name());
        for (key, value) in [&rows[0], &rows[rows.len() / 2], &rows[rows.len() - 1]] {
            let is_stop = key == schema::META_STOP;
            for bit in [0, 3, value.len() * 4, (value.len() * 8).saturating_sub(1)] {
                let what = format!("{} {key:02x?} bit {bit}", table.name());
                if !table.has_payload() {
                    // All key: a changed key is a row too many and one too few.
                    let mut moved = key.clone();
                    moved[bit % 8] ^= 1;
                    twins.delete_raw(table, key);
                    twins.put_raw(table, &moved, &[]);
                    assert_damaged(verify(&twins), &what);
                    twins.delete_raw(table, &moved);
                    twins.put_raw(table, key, &[]);
                } else if !is_stop {
                    let mut flipped = value.clone();
                    flipped[bit / 8] ^= 1 << (bit % 8);
                    twins.put_raw(table, key, &flipped);
                    assert_damaged(verify(&twins), &what);
                    twins.put_raw(table, key, value);
                }
            }
        }
    }
    verify(&twins).expect("as before");
}

#[test]
fn a_lost_row_of_the_chain_is_named() {
    let twins = Twins::with_blocks(4);
    let counted = [
        Table::Meta,
        Table::Headers,
        Table::Heights,
        Table::Chain,
        Table::Bodies,
        Table::Undo,
        Table::Seen,
        Table::Transactions,
        Table::Envelopes,
    ];
    for table in counted {
        let rows = twins.rows(table);
        for (key, value) in [&rows[0], &rows[rows.len() / 2], &rows[rows.len() - 1]] {
            if key == schema::META_STOP {
                continue;
            }
            twins.delete_raw(table, key);
            assert_damaged(verify(&twins), table.name());
            twins.put_raw(table, key, value);
        }
    }
    verify(&twins).expect("as before");
}

#[test]
fn a_damaged_record_is_never_an_answer() {
    let twins = Twins::with_blocks(4);
    let tip = twins.chain.tip();
    let key = block_key(tip.height, &tip.id());
    let rows = twins.rows(Table::Bodies);
    let (_, body) = rows
        .iter()
        .find(|(found, _)| found[..] == key)
        .expect("there");
    let mut flipped = body.clone();
    flipped[20] ^= 4;
    twins.put_raw(Table::Bodies, &key, &flipped);
    let view = twins.store.view().expect("a tip");
    assert_damaged(view.block(&tip.id()), "block");
    assert_damaged(twins.store.disconnect(&tip.id()), "disconnect");
    let applied = twins.chain.blocks().last().expect("four");
    assert_damaged(view.envelope(&applied.message_ids()[0]), "envelope");
    // Another block's body under this key is no answer either.
    let (_, other) = &rows[1];
    twins.put_raw(Table::Bodies, &key, other);
    assert_damaged(twins.store.view().expect("a tip").block(&tip.id()), "moved");
}

#[test]
fn a_start_notices_ends_that_do_not_fit() {
    let genesis = Twins::new().chain.params().genesis_id();
    let moved = schema::Tip {
        height: Height::new(0),
        id: genesis,
        state_root: consensus::state::tree::EMPTY_ROOT,
    };
    let other_root = |tip: &schema::Tip| schema::Tip {
        state_root: Hash32::default(),
        ..*tip
    };
    type Case = (&'static str, fn(&Twins, schema::Tip));
    let cases: [Case; 4] = [
        ("tip below the chain", |twins, moved| {
            let sealed = record::seal_value(Table::Meta, META_TIP, &moved);
            twins.put_raw(Table::Meta, META_TIP, &sealed);
        }),
        ("tip without undo", |twins, _| {
            let rows = twins.rows(Table::Undo);
            twins.delete_raw(Table::Undo, &rows[rows.len() - 1].0);
        }),
        ("tip without body", |twins, _| {
            let rows = twins.rows(Table::Bodies);
            twins.delete_raw(Table::Bodies, &rows[rows.len() - 1].0);
        }),
        ("other stamp", |twins, _| {
            let stamp = b"another one".to_vec();
            let sealed = record::seal(Table::Meta, META_STAMP, stamp);
            twins.put_raw(Table::Meta, META_STAMP, &sealed);
        }),
    ];
    for (what, damage) in cases {
        let twins = Twins::with_blocks(3);
        damage(&twins, moved);
        let Twins {
            folder,
            chain,
            store,
        } = twins;
        drop(store);
        assert_damaged(
            Store::open(folder.path(), chain.params(), quick()).map(|_| ()),
            what,
        );
    }
    let twins = Twins::with_blocks(3);
    let tip = other_root(twins.store.view().expect("a tip").tip());
    let sealed = record::seal_value(Table::Meta, META_TIP, &tip);
    twins.put_raw(Table::Meta, META_TIP, &sealed);
    let Twins {
        folder,
        chain,
        store,
    } = twins;
    drop(store);
    assert_damaged(
        Store::open(folder.path(), chain.params(), quick()).map(|_| ()),
        "other root",
    );
}
