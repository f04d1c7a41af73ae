//! One test per rule of a body by itself, the order of the rules, and the verified cache.

use chain::envelope::Auth;
use chain::evidence::{DoubleVote, FinalityConflict, SignedLink};
use chain::finality::{FinalityGroup, FinalitySignature};
use chain::transaction::Order;
use chain::units::{BondId, CheckpointNumber, MasternodeId};
use chain::vote::IncludedVote;
use chain::{Amount, Block, EnvelopeError, Network, Signature};

use super::*;
use crate::testing::{Owner, TestChain, TestEnvelope, reseal, solve};

fn chain() -> TestChain {
    let mut chain = TestChain::new(Network::Regtest);
    chain.mine_empty(owner().account(), 2);
    chain
}

fn owner() -> Owner {
    Owner::new(1)
}

fn transfers(chain: &TestChain, count: u64) -> Vec<Transaction> {
    let to = Owner::new(2).account();
    let transfer = |nonce| {
        let prefix = owner().prefix(nonce, Amount::from_base(10_000));
        owner().transfer(chain.params(), prefix, &[(to, Amount::from_base(1))])
    };
    (0..count).map(transfer).collect()
}

fn messages(chain: &TestChain, count: u64) -> Vec<chain::Envelope> {
    let message = |number| TestEnvelope::message(chain.params(), chain.rate_epoch(), number);
    (0..count).map(|number| message(number).envelope).collect()
}

fn block(chain: &TestChain) -> Block {
    chain.build(owner().account(), &transfers(chain, 2), &messages(chain, 2))
}

/// The verdict about a block after a change to its body that its header follows.
fn resealed(change: impl FnOnce(&mut Body)) -> Result<CheckedBlock, Rule> {
    let chain = chain();
    let mut block = block(&chain);
    change(&mut block.body);
    reseal(&mut block, chain.params());
    chain.check(&block)
}

/// The verdict about a block after a change to its aux section that its header follows.
fn with_aux(aux: Aux) -> Option<Rule> {
    resealed(|body| body.aux = aux).err()
}

fn votes(votes: &[(u8, u32)]) -> Aux {
    let vote = |(back, bond): &(u8, u32)| IncludedVote {
        back: *back,
        bond: BondId::new(*bond),
        ..IncludedVote::default()
    };
    Aux {
        votes: votes.iter().map(vote).collect(),
        ..Aux::default()
    }
}

fn group(target: u32, members: impl IntoIterator<Item = u32>) -> FinalityGroup {
    let signature = |member| FinalitySignature {
        masternode: MasternodeId::new(member),
        ..FinalitySignature::default()
    };
    let signatures = members.into_iter().map(signature).collect();
    FinalityGroup {
        target: CheckpointNumber::new(target),
        signatures,
    }
}

fn finality(groups: impl IntoIterator<Item = FinalityGroup>) -> Aux {
    Aux {
        finality: groups.into_iter().collect(),
        ..Aux::default()
    }
}

fn evidence(evidence: impl IntoIterator<Item = Evidence>) -> Aux {
    Aux {
        evidence: evidence.into_iter().collect(),
        ..Aux::default()
    }
}

fn double_vote(bond: u32, a: u8, b: u8) -> Evidence {
    let [block_a, block_b] = [a, b].map(|byte| BlockId::from_bytes([byte; 32]));
    let bond = BondId::new(bond);
    Evidence::DoubleVote(DoubleVote {
        bond,
        block_a,
        block_b,
        ..DoubleVote::default()
    })
}

fn conflict(first: (u32, u32, u8), second: (u32, u32, u8)) -> Evidence {
    let link = |(source, target, id): (u32, u32, u8)| SignedLink {
        source: CheckpointNumber::new(source),
        target: CheckpointNumber::new(target),
        target_id: BlockId::from_bytes([id; 32]),
        signature: Signature::default(),
    };
    let (first, second) = (link(first), link(second));
    Evidence::FinalityConflict(FinalityConflict {
        first,
        second,
        ..FinalityConflict::default()
    })
}

#[test]
fn a_body_that_fits_its_header_passes() {
    let chain = chain();
    let block = block(&chain);
    let checked = chain.check(&block).expect("valid");
    assert_eq!(*checked.id(), block.id());
    assert_eq!(checked.height(), block.header.height);
    assert_eq!(checked.header().header(), &block.header);
    assert_eq!(
        (checked.transactions().len(), checked.envelopes().len()),
        (2, 2)
    );
    assert_eq!(checked.body_bytes, codec::encoded_len(&block.body) as u64);
    assert_eq!(checked.verified_ids().count(), 4);
}

#[test]
fn no_body_is_larger_than_1_mib() {
    let chain = chain();
    let mut large = block(&chain);
    let huge = TestEnvelope::new(
        chain.params(),
        chain.rate_epoch(),
        chain::envelope::EnvelopeKind::Message,
        chain::envelope::SizeClass::LARGEST,
        1,
    );
    large.body.envelopes = vec![huge.envelope.to_bytes(); 16];
    let found = codec::encoded_len(&large.body);
    assert_eq!(
        chain.check(&large),
        Err(Rule::BodySize {
            max: 1 << 20,
            found
        })
    );
    large.body.envelopes.pop();
    assert_eq!(chain.check(&large), Err(Rule::EnvelopeRoot));
}

#[test]
fn no_aux_section_is_larger_than_64_kib() {
    let chain = chain();
    let mut large = block(&chain);
    large.body.aux = finality((0..5).map(|target| group(target, 0..200)));
    let found = codec::encoded_len(&large.body.aux);
    assert_eq!(
        chain.check(&large),
        Err(Rule::AuxSize {
            max: 64 << 10,
            found
        })
    );
}

#[test]
fn a_body_that_does_not_match_its_header_says_nothing_about_it() {
    let chain = chain();
    let (mut txs, mut envelopes, mut aux) = (block(&chain), block(&chain), block(&chain));
    txs.body.transactions.swap(0, 1);
    envelopes.body.envelopes.swap(0, 1);
    aux.body.aux = votes(&[(1, 1)]);
    let mut garbage = block(&chain);
    garbage
        .body
        .envelopes
        .push(EnvelopeBytes::new(vec![9; 400]));
    let layout = EnvelopeError::Version { found: 9 };
    for (block, expected) in [
        (txs, Rule::TxRoot),
        (envelopes, Rule::EnvelopeRoot),
        (aux, Rule::AuxRoot),
        (garbage, Rule::EnvelopeLayout(layout)),
    ] {
        assert!(!expected.condemns_block());
        assert_eq!(chain.check(&block), Err(expected));
    }
    assert!(Rule::UncleOrder.condemns_block());
}

#[test]
fn uncles_are_at_most_two_and_ascend_by_id() {
    let uncle = |extra| Header {
        extra,
        ..Header::default()
    };
    let mut uncles = vec![uncle(0), uncle(1), uncle(2)];
    uncles.sort_by_key(Header::id);
    let aux = |uncles: &[Header]| Aux {
        uncles: uncles.to_vec(),
        ..Aux::default()
    };
    assert_eq!(
        with_aux(aux(&uncles)),
        Some(Rule::UncleCount { max: 2, found: 3 })
    );
    assert_eq!(
        with_aux(aux(&[uncles[1], uncles[0]])),
        Some(Rule::UncleOrder)
    );
    assert_eq!(
        with_aux(aux(&[uncles[0], uncles[0]])),
        Some(Rule::UncleOrder)
    );
    assert_eq!(with_aux(aux(&uncles[..2])), None);
}

#[test]
fn votes_have_their_number_range_and_order() {
    let seventeen: Vec<(u8, u32)> = (0..17).map(|bond| (1, bond)).collect();
    assert_eq!(
        with_aux(votes(&seventeen)),
        Some(Rule::VoteSeats { max: 16, found: 17 })
    );
    assert_eq!(with_aux(votes(&[(0, 1)])), Some(Rule::VoteBack { back: 0 }));
    assert_eq!(
        with_aux(votes(&[(1, 1), (9, 1)])),
        Some(Rule::VoteBack { back: 9 })
    );
    for unordered in [[(1, 2), (1, 1)], [(2, 1), (1, 2)], [(1, 1), (1, 1)]] {
        assert_eq!(with_aux(votes(&unordered)), Some(Rule::VoteOrder));
    }
    assert_eq!(with_aux(votes(&[(1, 1), (1, 2), (8, 1)])), None);
}

#[test]
fn finality_groups_have_their_number_and_order() {
    let most = [group(1, 0..200), group(2, 0..56)];
    assert_eq!(with_aux(finality(most.clone())), None);
    let more = [group(1, 0..200), group(2, 0..57)];
    assert_eq!(
        with_aux(finality(more)),
        Some(Rule::FinalityCount {
            max: 256,
            found: 257
        })
    );
    for unordered in [
        vec![group(2, [1]), group(1, [1])],
        vec![group(1, [1]), group(1, [2])],
        vec![group(1, [2, 1])],
        vec![group(1, [1, 1])],
        vec![group(1, [])],
    ] {
        assert_eq!(with_aux(finality(unordered)), Some(Rule::FinalityOrder));
    }
}

#[test]
fn evidence_has_its_number_form_and_is_not_repeated() {
    let five = (0..5).map(|bond| double_vote(bond, 1, 2));
    assert_eq!(
        with_aux(evidence(five)),
        Some(Rule::EvidenceCount { max: 4, found: 5 })
    );
    let no_contradiction = [
        double_vote(1, 2, 1),
        double_vote(1, 1, 1),
        conflict((1, 5, 2), (1, 5, 1)),
        conflict((1, 5, 1), (1, 5, 1)),
        conflict((2, 4, 1), (1, 5, 1)),
        conflict((1, 5, 1), (1, 4, 1)),
    ];
    for proof in no_contradiction {
        assert_eq!(
            with_aux(evidence([proof])),
            Some(Rule::EvidenceForm),
            "{proof:?}"
        );
    }
    let twice = [double_vote(1, 1, 2), double_vote(1, 1, 3)];
    assert_eq!(with_aux(evidence(twice)), Some(Rule::EvidenceRepeated));
    let (double, surround) = (
        conflict((1, 5, 1), (1, 5, 2)),
        conflict((1, 6, 1), (2, 5, 1)),
    );
    // A masternode is slashed once, whatever else can be proved.
    let twice = [double, surround];
    assert_eq!(with_aux(evidence(twice)), Some(Rule::EvidenceRepeated));
    for conflict in twice {
        let contradictions = [double_vote(1, 1, 2), double_vote(2, 1, 2), conflict];
        assert_eq!(with_aux(evidence(contradictions)), None);
    }
}

#[test]
fn a_body_names_a_transaction_and_a_one_time_key_once() {
    let transaction = resealed(|body| {
        let first = body.transactions[0].clone();
        body.transactions.push(first);
    });
    assert!(matches!(transaction, Err(Rule::TransactionRepeated { .. })));
    let envelope = resealed(|body| {
        let mut other = body.envelopes[0].parse().expect("an envelope");
        other.signature = Signature::default();
        body.envelopes.push(other.to_bytes());
    });
    assert_eq!(
        envelope,
        Err(Rule::OneTimeKeySeen {
            epoch: chain().rate_epoch()
        })
    );
}

fn unsign(tx: &mut Transaction) {
    let Order::Transfer(order) = &mut tx.order else {
        panic!("a transfer")
    };
    order.signature = Signature::default();
}

fn unsign_envelope(bytes: &mut EnvelopeBytes) {
    let mut envelope = bytes.parse().expect("an envelope");
    envelope.signature = Signature::default();
    *bytes = envelope.to_bytes();
}

#[test]
fn cheap_faults_are_named_before_costly_ones_wherever_they_stand() {
    // A version in the last transaction before a signature in the first one.
    let version = resealed(|body| {
        unsign(&mut body.transactions[0]);
        body.transactions[1].version = 9;
    });
    assert_eq!(version, Err(Rule::TransactionVersion { found: 9 }));
    let net = resealed(|body| {
        unsign(&mut body.transactions[0]);
        let mut envelope = body.envelopes[1].parse().expect("an envelope");
        envelope.net = [0; 4];
        body.envelopes[1] = envelope.to_bytes();
    });
    assert_eq!(net, Err(Rule::EnvelopeNet));
    let aux = resealed(|body| {
        body.transactions[1].version = 9;
        body.aux = votes(&[(0, 1)]);
    });
    assert_eq!(aux, Err(Rule::VoteBack { back: 0 }));
    // Roots before everything in the body, sizes before roots.
    let chain = chain();
    let mut wrong = block(&chain);
    wrong.body.transactions[1].version = 9;
    solve(&mut wrong.header, chain.params());
    assert_eq!(chain.check(&wrong), Err(Rule::TxRoot));
    wrong.body.aux = finality((0..5).map(|target| group(target, 0..200)));
    assert!(matches!(chain.check(&wrong), Err(Rule::AuxSize { .. })));
}

#[test]
fn the_first_failure_in_the_order_of_the_body_is_named_on_any_number_of_threads() {
    let chain = chain();
    let mut wrong = chain.build(
        owner().account(),
        &transfers(&chain, 40),
        &messages(&chain, 40),
    );
    unsign_envelope(&mut wrong.body.envelopes[3]);
    for position in [4, 30] {
        let mut envelope = wrong.body.envelopes[position].parse().expect("an envelope");
        envelope.one_time_key = chain::PublicKey::from_bytes([0xff - position as u8; 32]);
        wrong.body.envelopes[position] = envelope.to_bytes();
    }
    reseal(&mut wrong, chain.params());
    let mut earlier = wrong.clone();
    unsign(&mut earlier.body.transactions[39]);
    reseal(&mut earlier, chain.params());
    let right = chain.build(
        owner().account(),
        &transfers(&chain, 40),
        &messages(&chain, 40),
    );
    for threads in [1, 2, 8] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        pool.install(|| {
            assert_eq!(chain.check(&wrong), Err(Rule::EnvelopeSignature));
            assert_eq!(chain.check(&earlier), Err(Rule::TransactionSignature));
            let applied = chain.apply(&right).expect("valid");
            assert_eq!(applied.wire_ids().len(), 40);
            assert_eq!(Some(applied), chain.apply(&right).ok());
        });
    }
}

/// A set that counts how often it is asked, and knows these.
struct Counting {
    known: BTreeSet<Hash32>,
    asked: std::sync::atomic::AtomicUsize,
}

impl VerifiedSet for Counting {
    fn contains(&self, verified_id: &Hash32) -> bool {
        self.asked
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.known.contains(verified_id)
    }
}

#[test]
fn what_was_proved_before_is_not_proved_again_and_nothing_else_is_spared() {
    let chain = chain();
    let right = block(&chain);
    let known: BTreeSet<Hash32> = chain
        .check(&right)
        .expect("valid")
        .verified_ids()
        .copied()
        .collect();
    assert_eq!(chain.check_seen(&right, &known), chain.check(&right));
    // Equal content under another signature is another item, also to a warm cache.
    let mut forged = right.clone();
    unsign_envelope(&mut forged.body.envelopes[0]);
    reseal(&mut forged, chain.params());
    assert_eq!(
        chain.check_seen(&forged, &known),
        Err(Rule::EnvelopeSignature)
    );
    let mut forged = right.clone();
    unsign(&mut forged.body.transactions[1]);
    reseal(&mut forged, chain.params());
    assert_eq!(
        chain.check_seen(&forged, &known),
        Err(Rule::TransactionSignature)
    );
    // The set is believed: a signature that it vouches for is not looked at.
    let mut lied = known.clone();
    let branch = |_: Height| None;
    let unsigned = forged.body.transactions[1].clone();
    let shaped = transaction::shape(unsigned, &branch, chain.params()).expect("well-formed");
    lied.insert(*shaped.verified_id());
    assert!(chain.check_seen(&forged, &lied).is_ok());
}

#[test]
fn a_stamp_proved_on_one_branch_is_proved_again_on_another() {
    let (mut here, mut there) = (
        TestChain::new(Network::Regtest),
        TestChain::new(Network::Regtest),
    );
    here.mine_empty(owner().account(), 24);
    there.mine_empty(Owner::new(2).account(), 24);
    let mut made = TestEnvelope::message(here.params(), here.rate_epoch(), 1);
    let stamp = here.stamp(*made.envelope.core_hash().as_bytes(), 1);
    made.authorise(here.params(), Auth::Stamp(stamp));
    let right = here.build(owner().account(), &[], std::slice::from_ref(&made.envelope));
    let checked = here.check(&right).expect("valid");
    let known: BTreeSet<Hash32> = checked.verified_ids().copied().collect();
    let mut foreign = there.build(owner().account(), &[], &[]);
    foreign.body.envelopes = right.body.envelopes.clone();
    reseal(&mut foreign, there.params());
    assert_eq!(there.check_seen(&foreign, &known), Err(Rule::StampSolution));
}

#[test]
fn no_signature_is_looked_at_in_a_body_with_a_cheap_fault() {
    let chain = chain();
    let mut wrong = block(&chain);
    wrong.body.transactions[1].version = 9;
    reseal(&mut wrong, chain.params());
    let set = Counting {
        known: BTreeSet::new(),
        asked: 0.into(),
    };
    let context = chain.context();
    let now = wrong.header.time;
    let header = crate::header::check_header(&wrong.header, &context, chain.params(), now);
    let header = header.expect("a valid header");
    let branch = |height| chain.id_at(height);
    let verdict = check_block(wrong.body, &header, &branch, chain.params(), &set);
    assert_eq!(verdict, Err(Rule::TransactionVersion { found: 9 }));
    assert_eq!(set.asked.into_inner(), 0);
}
