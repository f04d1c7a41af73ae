//! What a client's scan costs: probing one-time keys from disk, and opening what is its own.
//!
//! # Invariants
//! Bodies come from files, past the database's own cache; the system may hold them in its cache.
//!
//! # Not here
//! The comparison over a whole history: `rows`.

#![forbid(unsafe_code)]
#![allow(missing_docs)]

use std::time::Duration;

use benches::bare::{Sealed, Signed};
use benches::correspondence::Correspondence;
use benches::history::{Admission, History};
use chain::{Height, Network};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use genesis::Params;

const BLOCKS: u64 = 20;
const MESSAGES: u64 = 500;
const OWN: usize = 500;

fn scan(criterion: &mut Criterion) {
    let mut history = History::new(&Params::of(Network::Regtest));
    history.mine_messages(Admission::Free, BLOCKS, MESSAGES);
    history.store().close().expect("room on the disk");
    let own = Correspondence::new(history.params().chain_id(), OWN);

    let mut group = criterion.benchmark_group("history scan");
    group.throughput(Throughput::Elements(history.messages()));
    group.bench_function("probe from disk", |bench| {
        let probe = |mut reader| history.probe(&mut reader, Height::new(1));
        bench.iter_batched(|| own.reader(), probe, BatchSize::LargeInput);
    });

    let count = own.envelopes().len();
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function("open own messages", |bench| {
        let open = |mut reader| own.open_all(&mut reader);
        bench.iter_batched(|| own.reader(), open, BatchSize::LargeInput);
    });
    let (signed, sealed) = (Signed::many(count), Sealed::many(count));
    group.bench_function("bare signatures", |bench| {
        bench.iter(|| assert!(signed.iter().all(Signed::verify)));
    });
    group.bench_function("bare decryption", |bench| {
        bench.iter(|| assert!(sealed.iter().all(Sealed::opens)));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .sample_size(20);
    targets = scan
}
criterion_main!(benches);
