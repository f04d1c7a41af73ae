//! What it costs to write and read the canonical bytes.
//!
//! # Invariants
//! Values are those of a real block of 500 messages and one transfer.
//!
//! # Not here
//! Whether what was read is valid: `block_check.rs`.

#![forbid(unsafe_code)]
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use benches::history::{Admission, History};
use chain::{Block, Network, Transaction, codec};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use genesis::Params;

fn codecs(criterion: &mut Criterion) {
    let mut history = History::new(&Params::of(Network::Regtest));
    history.mine(&[], &[]);
    let transfer = history.transfers_for_the_next_block(1);
    let messages = history.messages_for_the_next_block(Admission::Free, 500);
    let block = history.mine(&transfer, &messages).clone();

    let mut group = criterion.benchmark_group("codec");
    let envelope = messages[0].to_bytes();
    group.throughput(Throughput::Bytes(envelope.as_slice().len() as u64));
    group.bench_function("envelope, write", |bench| {
        bench.iter(|| black_box(&messages[0]).to_bytes());
    });
    group.bench_function("envelope, read", |bench| {
        bench.iter(|| black_box(&envelope).parse())
    });

    let bytes = codec::encode(&transfer[0]);
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("transfer, write", |bench| {
        bench.iter(|| codec::encode(black_box(&transfer[0])));
    });
    group.bench_function("transfer, read", |bench| {
        bench.iter(|| codec::decode::<Transaction>(black_box(&bytes), Transaction::BYTES_MAX));
    });

    let bytes = codec::encode(&block);
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("block, write", |bench| {
        bench.iter(|| codec::encode(black_box(&block)));
    });
    group.bench_function("block, read", |bench| {
        bench.iter(|| codec::decode::<Block>(black_box(&bytes), bytes.len()));
    });
    group.bench_function("block, read, bare copy of its bytes", |bench| {
        bench.iter(|| black_box(&bytes).clone());
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = codecs
}
criterion_main!(benches);
