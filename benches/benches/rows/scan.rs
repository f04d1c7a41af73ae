//! Row 8: a client's scan of history against a sequential read by a bare database, and opening its
//! own messages against bare signatures and bare decryption.

use benches::bare::{Sealed, Signed};
use benches::correspondence::Correspondence;
use benches::history::History;
use benches::report::{Finding, Limit};
use benches::rounds::{interleave, per_second};
use chain::{Block, Height, codec};
use rocksdb::{DB, DBCompressionType, IteratorMode, Options, ReadOptions, WriteOptions};
use tempfile::TempDir;

use crate::seal;

/// Own messages that are opened.
const OWN: usize = 800;
/// What is over soon is done so often, or else the clock would be too coarse.
const TIMES: usize = 5;

/// Bodies in a database without anything of ours: no checks, no other tables.
pub(crate) struct BareBodies {
    // Closed before its folder is removed.
    db: DB,
    _folder: TempDir,
}

impl BareBodies {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_compression_type(DBCompressionType::None);
        let db = DB::open(&options, folder.path()).expect("a fresh folder");
        Self {
            db,
            _folder: folder,
        }
    }

    /// Writes encoded bodies in the order of their heights, without a log, and flushes.
    pub(crate) fn write(&self, blocks: &[Block]) {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        for block in blocks {
            let height = block.header.height.get().to_be_bytes();
            let key = [&height[..], block.header.parent.as_bytes()].concat();
            let body = codec::encode(&block.body);
            self.db
                .put_opt(key, body, &options)
                .expect("room on the disk");
        }
        self.db.flush().expect("room on the disk");
    }

    /// Reads everything front to back; how many bytes there were.
    fn read(&self) -> usize {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        options.set_readahead_size(2 << 20);
        let rows = self.db.iterator_opt(IteratorMode::Start, options);
        rows.map(|row| row.expect("undamaged").1.len()).sum()
    }
}

/// Scans the whole of `history`.
pub(crate) fn measure(history: &History, rounds: usize) -> Vec<Finding> {
    let own = Correspondence::new(history.params().chain_id(), OWN);
    let mut findings = probe(history, &own, rounds);
    findings.push(seal::measure(rounds));
    findings.push(open(&own, rounds));
    findings
}

fn probe(history: &History, own: &Correspondence, rounds: usize) -> Vec<Finding> {
    let messages = history.messages();
    let bare = BareBodies::new();
    bare.write(history.blocks());
    let [scan, read] = interleave(
        rounds,
        [
            (
                "scan",
                Box::new(|| {
                    let readers = [(); TIMES].map(|()| own.reader());
                    per_second(messages * TIMES as u64, || {
                        let probe = |mut reader| history.probe(&mut reader, Height::new(1));
                        readers.map(probe)
                    })
                }),
            ),
            (
                "bare sequential read",
                Box::new(|| {
                    per_second(messages * TIMES as u64, || {
                        [(); TIMES].map(|()| bare.read())
                    })
                }),
            ),
        ],
    );
    let keys = own.reader().expected_keys();
    let what = format!("probe of every one-time key from disk, one thread, {keys} keys expected");
    let limit = Limit::AtLeast(700_000.0);
    vec![Finding::absolute("8", what, "envelopes/s", scan, limit).beside(&read)]
}

fn open(own: &Correspondence, rounds: usize) -> Finding {
    let count = own.envelopes().len();
    let (signed, sealed) = (Signed::many(count), Sealed::many(count));
    let [ours, bare] = interleave(
        rounds,
        [
            (
                "opening",
                Box::new(|| {
                    let readers = [(); TIMES].map(|()| own.reader());
                    per_second((count * TIMES) as u64, || {
                        readers.map(|mut reader| own.open_all(&mut reader))
                    })
                }),
            ),
            (
                "bare signature and decryption",
                Box::new(|| {
                    per_second(count as u64, || {
                        let pairs = signed.iter().zip(&sealed);
                        pairs
                            .filter(|(signed, sealed)| signed.verify() && sealed.opens())
                            .count()
                    })
                }),
            ),
        ],
    );
    let what = "opening own messages: signature, seal, log, keys expected next; one thread";
    Finding::ratio("8", what, "messages/s", [&ours, &bare], Limit::None)
}
