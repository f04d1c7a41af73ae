//! A block whose items a peer knows reaches it in at most a tenth of the block's bytes.
//!
//! # Invariants
//! The block is a real one; the messages are the bytes that nodes put on the wire, questions and
//! answers included.
//!
//! # Spec
//! docs/spec/06-wire.md §7
//!
//! # Not here
//! Who sends them when: `node::protocol`.

use benches::history::{Admission, History};
use chain::{Block, Body, Network, codec};
use consensus::envelope::check_envelope;
use consensus::transaction::check_transaction;
use genesis::Params;
use node::mempool::{Item, Mempool, ORDERS_PER_ACCOUNT_MAX};
use node::relay::{Reconstruction, items_at};
use node::wire::BlockAnnouncement;

/// As many as one account may have waiting in a mempool.
const TRANSFERS: u64 = ORDERS_PER_ACCOUNT_MAX as u64;
const MESSAGES: u64 = 400;
/// Items in a hundred that the receiver lacks in the second case.
const UNKNOWN_PERCENT: usize = 2;

/// A chain, a block on top of it that no store has yet, and its items as a mempool holds them.
struct Announced {
    history: History,
    block: Block,
    items: Vec<Item>,
}

impl Announced {
    fn new() -> Self {
        let params = Params::of(Network::Regtest);
        let mut history = History::new(&params);
        // Coins to transfer.
        history.mine(&[], &[]);
        let transfers = history.transfers_for_the_next_block(TRANSFERS);
        let messages = history.messages_for_the_next_block(Admission::Free, MESSAGES);
        let (block, _) = history.build(&transfers, &messages);
        let branch = |height| history.id_at(height);
        let transfers = transfers.into_iter().map(|transfer| {
            Item::Transaction(check_transaction(transfer, &branch, &params).expect("valid"))
        });
        let messages = messages.iter().map(|message| {
            Item::Envelope(check_envelope(message.to_bytes(), &branch, &params).expect("valid"))
        });
        let mut items: Vec<Item> = transfers.collect();
        items.extend(messages);
        Self {
            history,
            block,
            items,
        }
    }

    /// A mempool of the items for whose position `is_known` holds.
    fn mempool(&self, is_known: impl Fn(usize) -> bool) -> Mempool {
        let mut mempool = Mempool::default();
        for (index, item) in self.items.iter().enumerate() {
            if is_known(index) {
                mempool.readmit(item.clone());
            }
        }
        mempool
    }

    /// Bytes of everything that is said until the receiver has the body.
    fn relay(&self, receiver: &Mempool) -> (usize, Body) {
        let announced = codec::encode(&BlockAnnouncement::of(&self.block, |_| false));
        let mut said = announced.len();
        let announcement = codec::decode(&announced, BlockAnnouncement::BYTES_MAX);
        let started = Reconstruction::start(announcement.expect("our own bytes"), receiver);
        let mut block = started.expect("no contradiction");
        let question = block.missing();
        let is_all_known = receiver.names().count() == self.items.len();
        assert_eq!(question.is_none(), is_all_known);
        if let Some(question) = question {
            let answer = items_at(&self.block, &question).expect("positions of this block");
            said += codec::encode(&question).len() + codec::encode(&answer).len();
            block.fill(answer).expect("as many as asked for");
        }
        (said, block.into_body().expect("nothing is missing"))
    }
}

#[test]
fn a_block_whose_items_are_known_is_relayed_in_a_tenth_of_its_bytes() {
    let announced = Announced::new();
    let whole = codec::encode(&announced.block).len();
    assert!(whole > 150_000, "{whole} bytes are no full block");
    for (name, unknown) in [("all", 0), ("nearly all", UNKNOWN_PERCENT)] {
        let receiver = announced.mempool(|index| index % 100 >= unknown);
        let (said, body) = announced.relay(&receiver);
        assert_eq!(body, announced.block.body);
        println!("{name} items known: {said} of {whole} bytes");
        assert!(said * 10 <= whole, "{name} known: {said} of {whole} bytes");
    }
}

#[test]
fn the_relayed_block_passes_every_rule() {
    let mut announced = Announced::new();
    let receiver = announced.mempool(|_| true);
    let (_, body) = announced.relay(&receiver);
    let header = announced.block.header;
    announced.history.import(Block { header, body });
    assert_eq!(announced.history.tip(), announced.block.id());
}
