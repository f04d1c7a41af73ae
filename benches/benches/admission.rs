//! Compares what it costs to admit an envelope with the bare signature check.
//!
//! # Invariants
//! Both run in one process, one after the other.
//!
//! # Not here
//! Admission by a whole node, over RPC.

#![forbid(unsafe_code)]
#![allow(missing_docs)]

use chain::envelope::{Auth, EnvelopeKind, SizeClass};
use chain::units::RateEpoch;
use chain::{BlockId, Envelope, EnvelopeBytes, Height, Network, PublicKey, Signature};
use consensus::envelope::check_envelope;
use criterion::{Criterion, criterion_group, criterion_main};
use genesis::Params;
use secp256k1::Keypair;

fn envelope(params: &Params) -> EnvelopeBytes {
    let keypair = Keypair::from_secret_bytes([5; 32]).expect("a valid secret");
    let (kind, class) = (EnvelopeKind::Message, SizeClass::SMALLEST);
    let chain = params.chain_id();
    let mut envelope = Envelope {
        kind,
        class,
        net: chain.net(),
        rate_epoch: RateEpoch::new(0),
        one_time_key: PublicKey::from(&keypair),
        salt: [8; 16],
        body: vec![0x5a; Envelope::body_len(kind, class)],
        auth: Auth::None,
        signature: Signature::default(),
    };
    envelope.sign(&chain, &keypair, &[0; 32]);
    envelope.to_bytes()
}

fn admission(criterion: &mut Criterion) {
    let params = Params::of(Network::Regtest);
    let chain = params.chain_id();
    let bytes = envelope(&params);
    let parsed = bytes.parse().expect("an envelope");
    let branch = |_: Height| -> Option<BlockId> { None };
    let mut group = criterion.benchmark_group("envelope of 256 bytes");
    group.bench_function("parse", |bench| bench.iter(|| bytes.parse()));
    group.bench_function("bare signature check", |bench| {
        bench.iter(|| parsed.is_signed(&chain))
    });
    group.bench_function("check_envelope", |bench| {
        bench.iter(|| check_envelope(bytes.clone(), &branch, &params));
    });
    group.finish();
}

criterion_group!(benches, admission);
criterion_main!(benches);
