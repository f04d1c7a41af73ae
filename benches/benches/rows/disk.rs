//! Row 6: bytes on disk after compaction against the raw blocks, by kind of admission.

use benches::history::{Admission, History};
use benches::report::{Finding, Limit};
use benches::rounds::Series;
use chain::envelope::{EnvelopeKind, SizeClass};
use chain::{Envelope, Network, codec};
use genesis::Params;
use store::Table;

use crate::PER_BLOCK;

/// Messages that cost work or coins to make.
const COSTLY_MESSAGES_MAX: u64 = 10_000;

/// Blocks before the first message.
const ANCESTORS: u64 = 8;

/// Weighs up to `messages` messages of each admission.
pub(crate) fn measure(messages: u64) -> Vec<Finding> {
    let free = weigh(Admission::Free, messages);
    let costly = messages.min(COSTLY_MESSAGES_MAX);
    let mut findings = vec![finding(
        format!("bytes on disk per byte of blocks, {messages} free messages"),
        "times",
        free.factor,
        1.10,
    )];
    for (admission, name, limit) in [
        (Admission::Stamp, "a stamp", 184.0),
        (Admission::Payment, "a transparent payment", 261.0),
    ] {
        let weight = weigh(admission, costly);
        let what = format!(
            "bytes per message with {name} beyond its sealed text, {costly} messages \
             ({:.1} in the block, {:.1} for store and header)",
            weight.envelope_overhead, weight.rest,
        );
        findings.push(finding(
            what,
            "B",
            weight.envelope_overhead + weight.rest,
            limit,
        ));
    }
    findings
}

fn finding(what: String, unit: &'static str, figure: f64, most: f64) -> Finding {
    let series = Series::of("disk", vec![figure]);
    Finding::absolute("6", what, unit, series, Limit::AtMost(most))
}

struct Weight {
    /// Bytes on disk for each byte of the encoded blocks.
    factor: f64,
    /// Bytes of an encoded envelope beyond its sealed text.
    envelope_overhead: f64,
    /// Bytes of everything else, for each message.
    rest: f64,
}

fn weigh(admission: Admission, messages: u64) -> Weight {
    // Short epochs: what is kept for envelopes that may still be included is bounded and passes with
    // their epoch, here after a few blocks without messages.
    let params = Params {
        rate_epoch_blocks: 4,
        rate_grace_blocks: 1,
        ..Params::of(Network::Regtest)
    };
    let mut history = History::new(&params);
    // Coins for payments, and ancestors for stamps.
    (0..ANCESTORS).for_each(|_| {
        history.mine(&[], &[]);
    });
    history.mine_messages(admission, messages / PER_BLOCK, PER_BLOCK);
    let after = params.rate_epoch_blocks + params.rate_grace_blocks;
    (0..after).for_each(|_| {
        history.mine(&[], &[]);
    });
    history.store().close().expect("room on the disk");
    history.store().compact();
    let on_disk: u64 = Table::ALL
        .into_iter()
        .map(|table| history.store().file_bytes(table))
        .sum();
    for table in Table::ALL {
        let bytes = history.store().file_bytes(table) as f64 / history.messages() as f64;
        eprintln!(
            "  {admission:?}: {bytes:8.2} B per message in {}",
            table.name()
        );
    }
    let raw: usize = history.blocks().iter().map(codec::encoded_len).sum();
    let envelopes = history
        .blocks()
        .iter()
        .flat_map(|block| &block.body.envelopes);
    let in_blocks: usize = envelopes.map(codec::encoded_len).sum();
    let count = history.messages() as f64;
    let sealed = Envelope::body_len(EnvelopeKind::Message, SizeClass::SMALLEST) as f64;
    let envelope = in_blocks as f64 / count;
    Weight {
        factor: on_disk as f64 / raw as f64,
        envelope_overhead: envelope - sealed,
        rest: on_disk as f64 / count - envelope,
    }
}
