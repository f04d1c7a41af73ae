//! What a body of 500 messages costs to check: unknown, known from the mempool, and barely verified.
//!
//! # Invariants
//! All three use all cores.
//!
//! # Not here
//! The state: `apply.rs`.

#![forbid(unsafe_code)]
#![allow(missing_docs)]

use std::collections::BTreeSet;
use std::time::Duration;

use benches::bare::{Signed, verify_on_all_cores};
use benches::history::{Admission, History};
use chain::Network;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use genesis::Params;

const MESSAGES: u64 = 500;

fn check(criterion: &mut Criterion) {
    let mut history = History::new(&Params::of(Network::Regtest));
    history.mine_messages(Admission::Free, 1, MESSAGES);
    let (header, body) = (history.checked_headers()[0], &history.blocks()[0].body);
    let nothing = BTreeSet::new();
    let checked = history.check_body(body.clone(), &header, &nothing);
    let seen: BTreeSet<_> = checked.verified_ids().copied().collect();
    let signed = Signed::many(body.envelopes.len());

    let mut group = criterion.benchmark_group("block check");
    group.throughput(Throughput::Elements(MESSAGES));
    for (name, seen) in [("unknown", &nothing), ("known", &seen)] {
        group.bench_function(name, |bench| {
            let check = |body| history.check_body(body, &header, seen);
            bench.iter_batched(|| body.clone(), check, BatchSize::LargeInput);
        });
    }
    group.bench_function("bare signatures", |bench| {
        bench.iter(|| verify_on_all_cores(&signed))
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = check
}
criterion_main!(benches);
