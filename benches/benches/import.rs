//! What a block of 500 messages costs from its bytes to the disk: header, body, state, commit.
//!
//! # Invariants
//! Each sample imports the same blocks into a fresh store, every rule included.
//!
//! # Not here
//! The comparison with a bare check and a bare database: `rows`.

#![forbid(unsafe_code)]
#![allow(missing_docs)]

use std::time::Duration;

use benches::history::{Admission, History};
use chain::{Block, Network, codec};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use genesis::Params;

const BLOCKS: u64 = 8;
const MESSAGES: u64 = 500;

fn import(criterion: &mut Criterion) {
    let params = Params::of(Network::Regtest);
    let mut history = History::new(&params);
    history.mine_messages(Admission::Free, BLOCKS, MESSAGES);
    let blocks: Vec<Vec<u8>> = history.blocks().iter().map(codec::encode).collect();

    let mut group = criterion.benchmark_group("import");
    group.throughput(Throughput::Elements(BLOCKS * MESSAGES));
    group.bench_function("8 blocks of 500 messages, into a fresh store", |bench| {
        let import = |mut copy: History| {
            for bytes in &blocks {
                let block: Block = codec::decode(bytes, bytes.len()).expect("our own bytes");
                copy.import(block);
            }
            copy
        };
        bench.iter_batched(|| History::new(&params), import, BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(5))
        .sample_size(10);
    targets = import
}
criterion_main!(benches);
