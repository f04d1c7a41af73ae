//! Row 5: importing history into a fresh store against the check of the same bodies (row 4), and
//! writing its bodies against a bare database.

use std::collections::BTreeSet;

use benches::history::{self, History};
use benches::report::{Finding, Limit};
use benches::rounds::{interleave, per_second};
use chain::{Block, Body, codec};

use crate::scan::BareBodies;

/// Imports the whole of `history`.
pub(crate) fn measure(history: &History, rounds: usize) -> Vec<Finding> {
    let messages = history.messages();
    let headers = history.checked_headers();
    let nothing = BTreeSet::new();
    let copies = || -> Vec<Block> { history.blocks().to_vec() };
    let check = || {
        let bodies: Vec<Body> = copies().into_iter().map(|block| block.body).collect();
        per_second(messages, || {
            for (header, body) in headers.iter().zip(bodies) {
                std::hint::black_box(history.check_body(body, header, &nothing));
            }
        })
    };
    let import = || {
        let (mut copy, blocks) = (History::new(history.params()), copies());
        per_second(messages, || {
            blocks.into_iter().for_each(|block| copy.import(block));
            copy.store().close().expect("room on the disk");
        })
    };
    let [import, check] = interleave(
        rounds,
        [
            ("import", Box::new(import)),
            ("check of the same bodies", Box::new(check)),
        ],
    );

    let bytes: usize = history
        .blocks()
        .iter()
        .map(|block| codec::encoded_len(&block.body))
        .sum();
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    let [bodies, bare] = interleave(
        rounds,
        [
            (
                "bodies",
                Box::new(|| {
                    let folder = tempfile::tempdir().expect("a temporary folder");
                    let store = history::open(folder.path(), history.params());
                    let write = || {
                        for block in history.blocks() {
                            store.put_block(block, &[]).expect("room on the disk");
                        }
                        store.close().expect("room on the disk");
                    };
                    mebibytes * per_second(1, write)
                }),
            ),
            (
                "bare RocksDB, ordered, no log",
                Box::new(|| {
                    let bare = BareBodies::new();
                    mebibytes * per_second(1, || bare.write(history.blocks()))
                }),
            ),
        ],
    );
    let what = format!("import of {messages} messages: header, body, state, disk, flushed");
    vec![
        Finding::ratio(
            "5",
            what,
            "messages/s",
            [&import, &check],
            Limit::AtLeast(0.75),
        ),
        Finding::ratio(
            "5",
            "headers and bodies into the store, sealed, flushed",
            "MiB/s",
            [&bodies, &bare],
            Limit::AtLeast(0.70),
        ),
    ]
}
