use std::sync::{Arc, Mutex};

use super::*;
use crate::testing::Twins;

fn row(number: u8, bytes: usize) -> PendingRow {
    let id = if number.is_multiple_of(2) {
        PendingId::Transaction(TxId::from_bytes([number; 32]))
    } else {
        PendingId::Envelope(WireId::from_bytes([number; 32]))
    };
    PendingRow {
        id,
        bytes: vec![number; bytes],
    }
}

fn held(store: &Store) -> Vec<PendingRow> {
    let view = store.view().expect("a tip");
    view.pending().map(|row| row.expect("readable")).collect()
}

#[test]
fn durable_submissions_survive_a_restart_until_they_are_removed() {
    let twins = Twins::new();
    twins
        .store
        .put_pending(&[row(3, 10), row(2, 20)])
        .expect("room");
    twins
        .store
        .put_pending(&[row(3, 10)])
        .expect("the same again");
    let twins = twins.reopen();
    assert_eq!(held(&twins.store), [row(2, 20), row(3, 10)]);
    assert_eq!(
        twins.store.pending_bytes.load(Ordering::Relaxed),
        30 + 2 * KEY_BYTES
    );
    twins
        .store
        .remove_pending(&[row(3, 0).id, row(9, 0).id])
        .expect("writable");
    assert_eq!(held(&twins.store), [row(2, 20)]);
    assert_eq!(
        twins.store.pending_bytes.load(Ordering::Relaxed),
        20 + KEY_BYTES
    );
}

#[test]
fn durable_submissions_have_a_limit_in_bytes() {
    let twins = Twins::new();
    let half = usize::try_from(PENDING_BYTES_MAX / 2 - KEY_BYTES).expect("small");
    twins.store.put_pending(&[row(1, half)]).expect("room");
    let full = Err(StoreError::PendingFull {
        bytes_max: PENDING_BYTES_MAX,
    });
    assert_eq!(twins.store.put_pending(&[row(2, half), row(3, 1)]), full);
    assert_eq!(held(&twins.store).len(), 1);
    twins
        .store
        .put_pending(&[row(2, half)])
        .expect("exactly full");
}

#[test]
fn a_group_is_written_once_and_each_of_it_acknowledged() {
    let twins = Twins::new();
    let (sender, queue) = group_commit();
    let answers = Arc::new(Mutex::new(Vec::new()));
    for number in 0..5 {
        let answers = answers.clone();
        let acknowledge: Acknowledge =
            Box::new(move |result| answers.lock().expect("unpoisoned").push((number, result)));
        assert!(sender.send(row(number, 1), acknowledge).is_ok());
    }
    drop(sender);
    assert_eq!(queue.commit_next(&twins.store), Some(5));
    assert_eq!(queue.commit_next(&twins.store), None);
    let answers = answers.lock().expect("unpoisoned").clone();
    assert_eq!(answers, [0, 1, 2, 3, 4].map(|number| (number, Ok(()))));
    assert_eq!(held(&twins.store).len(), 5);
}

#[test]
fn a_full_queue_hands_the_submission_back() {
    let (sender, queue) = group_commit();
    for _ in 0..GROUP_QUEUE_MAX {
        assert!(sender.send(row(1, 1), Box::new(|_| ())).is_ok());
    }
    let Err((refused, _)) = sender.send(row(2, 1), Box::new(|_| ())) else {
        panic!("full")
    };
    assert_eq!(refused, row(2, 1));
    drop(queue);
    assert!(sender.send(row(2, 1), Box::new(|_| ())).is_err());
}
