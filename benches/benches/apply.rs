//! What a checked block costs to apply to the state on disk, the new root included.
//!
//! # Invariants
//! Every transfer makes a new account: the dearest case for the tree.
//!
//! # Not here
//! Signatures: `block_check.rs`. The commit: `import.rs`.

#![forbid(unsafe_code)]
#![allow(missing_docs)]

use std::time::Duration;

use benches::history::{Admission, History};
use chain::Network;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use genesis::Params;

/// Accounts in the state before it is measured.
const ACCOUNTS_BEFORE: u64 = 10_000;
const ITEMS: u64 = 500;

fn apply(criterion: &mut Criterion) {
    let mut history = History::new(&Params::of(Network::Regtest));
    history.mine(&[], &[]);
    for _ in 0..ACCOUNTS_BEFORE / ITEMS {
        let transfers = history.transfers_for_the_next_block(ITEMS);
        history.mine(&transfers, &[]);
    }
    let transfers = history.transfers_for_the_next_block(ITEMS);
    let messages = history.messages_for_the_next_block(Admission::Free, ITEMS);
    let mut group = criterion.benchmark_group("apply");
    group.throughput(Throughput::Elements(ITEMS));
    for (name, transfers, messages) in [
        ("transfers to new accounts", &transfers[..], &[][..]),
        ("messages", &[], &messages),
    ] {
        let (block, seen) = history.build(transfers, messages);
        let header = history.check_header(&block.header);
        let checked = history.check_body(block.body, &header, &seen);
        group.bench_function(name, |bench| {
            let apply = |checked| history.apply(checked);
            bench.iter_batched(|| checked.clone(), apply, BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .sample_size(30);
    targets = apply
}
criterion_main!(benches);
