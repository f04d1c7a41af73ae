//! Row 4: checking bodies whose messages are unknown, or were verified before, against bare BIP 340
//! signatures on the same cores.

use std::collections::BTreeSet;

use benches::bare::{Signed, verify_on_all_cores};
use benches::history::History;
use benches::report::{Finding, Limit};
use benches::rounds::{interleave, per_second};
use chain::{Body, Hash32};
use consensus::CheckedHeader;

/// Blocks of one measurement: half a second of signatures.
const BLOCKS_MAX: usize = 40;

/// Known bodies are checked so often, or else the clock would be too coarse.
const KNOWN_TIMES: usize = 8;

/// Checks the first blocks of `history`.
pub(crate) fn measure(history: &History, rounds: usize) -> Vec<Finding> {
    let headers = history.checked_headers();
    let blocks: Vec<(&CheckedHeader, &Body)> = headers
        .iter()
        .zip(history.blocks())
        .map(|(header, block)| (header, &block.body))
        .take(BLOCKS_MAX)
        .collect();
    let nothing = BTreeSet::new();
    let mut seen: BTreeSet<Hash32> = BTreeSet::new();
    for (header, body) in &blocks {
        let checked = history.check_body((*body).clone(), header, &nothing);
        seen.extend(checked.verified_ids());
    }
    let messages = seen.len();
    let signed = Signed::many(messages);
    // Bodies are copied before the clock starts: a node hands over the one that it has.
    let check = |seen: &BTreeSet<Hash32>, times: usize| {
        let blocks = || blocks.iter().cycle().take(times * blocks.len());
        let copies: Vec<Body> = blocks().map(|(_, body)| (*body).clone()).collect();
        per_second((times * messages) as u64, || {
            for ((header, _), body) in blocks().zip(copies) {
                std::hint::black_box(history.check_body(body, header, seen));
            }
        })
    };
    let [unknown, known, bare] = interleave(
        rounds,
        [
            ("unknown", Box::new(|| check(&nothing, 1))),
            ("known", Box::new(|| check(&seen, KNOWN_TIMES))),
            (
                "bare signatures",
                Box::new(|| per_second(messages as u64, || verify_on_all_cores(&signed))),
            ),
        ],
    );
    let unit = "messages/s";
    let cold = "check of a body, nothing verified before; all cores";
    let warm = "check of a body, all verified before, against nothing verified before";
    vec![
        Finding::ratio("4", cold, unit, [&unknown, &bare], Limit::AtLeast(0.85)),
        Finding::ratio("4", warm, unit, [&known, &unknown], Limit::AtLeast(10.0)),
    ]
}
