use chain::envelope::Auth;
use chain::units::RateEpoch;
use chain::{AccountId, Envelope, Network, Signature};
use consensus::testing::{TestChain, TestEnvelope};
use genesis::Params;

use super::*;
use crate::protocol::overtaken::RACE_BLOCKS;
use crate::protocol::tests::Net;
use crate::protocol::{Protocol, QuestionId};
use crate::wire::MempoolResponse;

fn message(epoch: u32, number: u64) -> TestEnvelope {
    let params = Params::of(Network::Regtest);
    TestEnvelope::message(&params, RateEpoch::new(epoch), number)
}

fn forged(epoch: u32, number: u64) -> Envelope {
    Envelope {
        signature: Signature::default(),
        ..message(epoch, number).envelope
    }
}

/// The verdict on an envelope from `peer`, and the points of `peer` after it.
fn gossip(net: &mut Net, peer: &str, envelope: &Envelope) -> (Verdict, u32) {
    let now = net.now;
    let node = net.node("alice");
    node.take_actions();
    let bytes = envelope.to_bytes().as_slice().to_vec();
    node.envelope_gossiped(peer, 5, bytes, now)
        .expect("memory answers");
    let verdict = node
        .take_actions()
        .into_iter()
        .find_map(|action| match action {
            Action::Verdict { token: 5, verdict } => Some(verdict),
            _ => None,
        });
    (verdict.expect("one verdict"), node.points(peer, now))
}

fn submitted(net: &mut Net, envelope: &Envelope) -> ItemSubmission {
    let submitted = net.node("alice").submit_envelope(envelope.to_bytes());
    submitted.expect("memory answers")
}

/// The question that the node has just asked of a peer's mempool.
fn mempool_question(net: &mut Net) -> QuestionId {
    let actions = net.node("alice").take_actions();
    let asked = actions.into_iter().find_map(|action| match action {
        Action::Ask {
            question,
            protocol: Protocol::Mempool,
            ..
        } => Some(question),
        _ => None,
    });
    asked.expect("a question")
}

fn answer(net: &mut Net, question: QuestionId, response: &MempoolResponse) {
    let now = net.now;
    let bytes = codec::encode(response);
    net.node("alice")
        .answered(question, Some(&bytes), now)
        .expect("memory answers");
}

/// Connects a peer which says that it has these.
fn answer_inventory(net: &mut Net, peer: &str, envelopes: &[Envelope]) -> QuestionId {
    let now = net.now;
    net.node("alice").take_actions();
    net.node("alice").peer_connected(peer, now);
    let question = mempool_question(net);
    let names = envelopes
        .iter()
        .map(|envelope| envelope_name(&envelope.to_bytes()));
    answer(net, question, &MempoolResponse::Inventory(names.collect()));
    mempool_question(net)
}

#[test]
fn what_a_block_overtook_costs_nobody_anything_and_other_bytes_cost_a_point() {
    let mut net = Net::new(&["alice"]);
    let made = message(0, 1);
    assert!(matches!(
        submitted(&mut net, &made.envelope),
        ItemSubmission::Accepted(_)
    ));
    let verdicts = [(); 2].map(|()| gossip(&mut net, "bob", &made.envelope));
    assert_eq!(
        verdicts,
        [(Verdict::Accept, 0), (Verdict::Ignore, 0)],
        "what a user handed in goes on once, whoever brings a copy"
    );
    net.mine("alice", 1);
    assert_eq!(
        gossip(&mut net, "bob", &made.envelope),
        (Verdict::Ignore, 0)
    );
    let mut twin = made;
    twin.envelope.body[0] ^= 1;
    twin.sign(&Params::of(Network::Regtest));
    assert_eq!(
        gossip(&mut net, "carol", &twin.envelope),
        (Verdict::Ignore, 1)
    );
}

#[test]
fn an_epoch_that_ended_a_moment_ago_costs_nothing_and_one_long_ago_a_point() {
    let mut net = Net::new(&["alice"]);
    for _ in 0..25 {
        net.mine("alice", 1);
    }
    assert_eq!(
        gossip(&mut net, "bob", &message(0, 1).envelope),
        (Verdict::Ignore, 0)
    );
    for _ in 0..RACE_BLOCKS {
        net.mine("alice", 1);
    }
    assert_eq!(
        gossip(&mut net, "carol", &message(0, 2).envelope),
        (Verdict::Ignore, 1)
    );
}

#[test]
fn while_a_better_header_is_known_lateness_costs_nothing() {
    let mut net = Net::new(&["alice", "bob"]);
    for _ in 0..60 {
        net.mine("alice", 1);
    }
    let now = net.now;
    let header = net.solved("alice", 1).header;
    net.node("alice")
        .take_header(&header, None, now)
        .expect("memory answers");
    assert_eq!(
        gossip(&mut net, "bob", &message(0, 1).envelope),
        (Verdict::Ignore, 0)
    );
    let grave = forged(3, 2);
    assert_eq!(gossip(&mut net, "bob", &grave), (Verdict::Reject, 20));
}

#[test]
fn a_stamp_on_another_branch_is_no_forgery() {
    let mut net = Net::new(&["alice"]);
    let mut elsewhere = TestChain::new(Network::Regtest);
    for _ in 0..24 {
        net.mine("alice", 1);
        elsewhere.mine_empty(AccountId::from_bytes([2; 20]), 1);
    }
    let mut made = message(elsewhere.rate_epoch().get(), 1);
    let stamp = elsewhere.stamp(*made.envelope.core_hash().as_bytes(), 1);
    made.authorise(elsewhere.params(), Auth::Stamp(stamp));
    elsewhere
        .check_envelope(&made.envelope)
        .expect("valid where it was made");
    let (verdict, points) = gossip(&mut net, "bob", &made.envelope);
    assert_eq!((verdict, points), (Verdict::Ignore, 0));
}

#[test]
fn context_is_judged_before_signatures() {
    let mut net = Net::new(&["alice"]);
    let refused = |rule| ItemSubmission::Refused(Refusal::Rule(rule));
    assert_eq!(
        submitted(&mut net, &forged(0, 1)),
        refused(Rule::EnvelopeSignature)
    );
    for _ in 0..60 {
        net.mine("alice", 1);
    }
    let past = Rule::EpochPast {
        height: chain::Height::new(61),
        epoch: RateEpoch::new(0),
    };
    assert_eq!(submitted(&mut net, &forged(0, 1)), refused(past));
}

#[test]
fn a_peer_that_was_away_may_offer_what_is_long_in_the_chain() {
    let mut net = Net::new(&["alice"]);
    let stale: Vec<Envelope> = (0..150).map(|number| message(0, number).envelope).collect();
    for envelope in &stale {
        submitted(&mut net, envelope);
    }
    for _ in 0..70 {
        net.mine("alice", 1);
    }
    let question = answer_inventory(&mut net, "bob", &stale);
    let items = |envelopes: &[Envelope]| {
        MempoolResponse::Items(Items {
            envelopes: envelopes.iter().map(Envelope::to_bytes).collect(),
            ..Items::default()
        })
    };
    answer(&mut net, question, &items(&stale));
    let now = net.now;
    assert_eq!(net.node("alice").points("bob", now), 0);

    // Forgeries are none of the time's making.
    let lies = [forged(4, 1), forged(4, 2)];
    let question = answer_inventory(&mut net, "mallory", &lies);
    answer(&mut net, question, &items(&lies));
    assert_eq!(net.node("alice").points("mallory", now), 40);
}

#[test]
fn names_where_items_were_asked_for_are_no_answer() {
    let mut net = Net::new(&["alice"]);
    let envelope = message(0, 1).envelope;
    let question = answer_inventory(&mut net, "mallory", std::slice::from_ref(&envelope));
    let names = vec![envelope_name(&envelope.to_bytes())];
    answer(&mut net, question, &MempoolResponse::Inventory(names));
    let now = net.now;
    assert_eq!(net.node("alice").points("mallory", now), 20);
}
