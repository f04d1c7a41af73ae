//! Order, winners and standing in a log.

use super::*;
use crate::content::{ChainStart, Content, Text};
use crate::ids::{Generation, KeyEpoch, Slot};
use crate::plaintext::Attention;

fn writer() -> WriterChainId {
    WriterChainId {
        epoch: KeyEpoch::new(0),
        slot: Slot::new(0),
        generation: Generation::new(0),
    }
}

fn reference(byte: u8) -> MessageRef {
    MessageRef::from_bytes([byte; 32])
}

fn key(byte: u8) -> PublicKey {
    PublicKey::from_bytes([byte; 32])
}

fn entry(number: u32, announced: u8, one_time_key: u8) -> Entry {
    let content = match number {
        0 => Content::Start(ChainStart {
            announced: key(announced),
            author: None,
            device: String::new(),
        }),
        _ => Content::Text(Text::from("x")),
    };
    let plaintext = Plaintext {
        attention: Attention::Notify,
        sent: Timestamp::new(0),
        previous: RefPrefix::NONE,
        parents: Vec::new(),
        content,
    };
    let coordinates = (writer(), MessageNumber::new(number));
    let received = Timestamp::new(0);
    Entry::new(
        coordinates,
        key(announced),
        key(one_time_key),
        plaintext,
        received,
        Origin::Network,
    )
}

fn seen(height: u64, index: u16, block: u8) -> InBlock {
    InBlock {
        place: Place {
            height: Height::new(height),
            index,
        },
        block: BlockId::from_bytes([block; 32]),
        wire: WireId::default(),
    }
}

fn canonical(blocks: &[(u64, u8)]) -> CanonicalBlocks {
    blocks
        .iter()
        .map(|(h, b)| (Height::new(*h), BlockId::from_bytes([*b; 32])))
        .collect()
}

fn shown(log: &Log) -> Vec<u8> {
    log.iter()
        .map(|(reference, _)| reference.as_bytes()[0])
        .collect()
}

#[test]
fn what_stands_in_blocks_comes_first_and_in_their_order() {
    let mut log = Log::default();
    let blocks = canonical(&[(5, 5), (6, 6)]);
    log.insert(reference(1), entry(0, 9, 10));
    for number in 2..=5 {
        log.insert(reference(number), entry(number.into(), 9, 10 + number));
    }
    log.set_in_block(&reference(1), seen(6, 0, 6), &blocks);
    log.set_in_block(&reference(4), seen(5, 3, 5), &blocks);
    log.set_in_block(&reference(3), seen(6, 2, 6), &blocks);
    assert_eq!(shown(&log), [4, 1, 3, 2, 5]);
}

#[test]
fn only_canonical_blocks_count_and_there_and_back_changes_nothing() {
    let mut log = Log::default();
    let mut blocks = canonical(&[(5, 5)]);
    log.insert(reference(1), entry(0, 9, 10));
    log.insert(reference(2), entry(1, 9, 11));
    log.set_in_block(&reference(2), seen(5, 1, 5), &blocks);
    log.set_in_block(&reference(2), seen(5, 0, 4), &blocks);
    let place = |log: &Log| log.get(&reference(2)).and_then(Entry::place);
    assert_eq!(place(&log), Some(seen(5, 1, 5).place));
    assert_eq!(shown(&log), [2, 1]);
    blocks.insert(Height::new(5), BlockId::from_bytes([4; 32]));
    log.set_canonical(Height::new(5), &blocks);
    assert_eq!(place(&log), Some(seen(5, 0, 4).place));
    blocks.remove(&Height::new(5));
    log.set_canonical(Height::new(5), &blocks);
    assert_eq!(place(&log), None);
    assert_eq!(shown(&log), [1, 2]);
    blocks.insert(Height::new(5), BlockId::from_bytes([5; 32]));
    log.set_canonical(Height::new(5), &blocks);
    assert_eq!(shown(&log), [2, 1]);
}

#[test]
fn the_first_canonical_message_under_a_key_wins() {
    let mut log = Log::default();
    let blocks = canonical(&[(5, 5), (6, 6)]);
    log.insert(reference(1), entry(0, 9, 10));
    log.insert(reference(2), entry(1, 9, 11));
    log.insert(reference(3), entry(1, 9, 11));
    assert!(!log.is_forked(&key(11)));
    log.set_gossiped(&reference(2));
    log.set_gossiped(&reference(3));
    assert!(log.is_forked(&key(11)));
    assert_eq!(shown(&log), [1, 2]);
    log.set_in_block(&reference(3), seen(6, 0, 6), &blocks);
    assert_eq!(shown(&log), [3, 1]);
    log.set_in_block(&reference(2), seen(5, 0, 5), &blocks);
    assert_eq!(shown(&log), [2, 1]);
}

#[test]
fn messages_of_a_start_that_lost_are_not_shown() {
    let mut log = Log::default();
    let blocks = canonical(&[(5, 5), (6, 6)]);
    log.insert(reference(1), entry(0, 8, 10));
    log.insert(reference(2), entry(1, 8, 11));
    log.insert(reference(3), entry(0, 9, 10));
    log.insert(reference(4), entry(1, 9, 12));
    assert_eq!(shown(&log), [1, 2]);
    log.set_in_block(&reference(2), seen(5, 0, 5), &blocks);
    assert_eq!(shown(&log), [2, 1]);
    log.set_in_block(&reference(3), seen(6, 0, 6), &blocks);
    assert_eq!(shown(&log), [3, 4]);
    assert!(
        !log.is_forked(&key(10)),
        "two starts are two writers, not a fork"
    );
}

#[test]
fn a_failed_message_counts_only_where_it_stands_in_a_block() {
    let mut log = Log::default();
    let blocks = canonical(&[(5, 5)]);
    log.insert(reference(1), entry(0, 9, 10));
    log.insert(reference(2), entry(1, 9, 11));
    log.set_failed(&reference(2), SendFailure::ChainConflict);
    assert_eq!(shown(&log), [1]);
    log.set_in_block(&reference(2), seen(5, 0, 5), &blocks);
    assert_eq!(shown(&log), [2, 1]);
}

#[test]
fn gossip_and_blocks_have_room_of_their_own() {
    let mut log = Log::default();
    let blocks = canonical(&[(5, 5)]);
    for number in 1..=4 {
        log.insert(reference(number), entry(0, number, 10));
    }
    assert!(!log.has_room(&key(10), Seen::Gossip));
    assert!(log.has_room(&key(10), Seen::InBlock));
    for number in 1..=4 {
        log.set_in_block(&reference(number), seen(5, number.into(), 5), &blocks);
    }
    assert!(!log.has_room(&key(10), Seen::InBlock));
    assert!(log.has_room(&key(11), Seen::Gossip));
}
