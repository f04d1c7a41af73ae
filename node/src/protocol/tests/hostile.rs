//! Peers that mean harm, and disks that fail at the worst moment.

use consensus::fork_choice::BlockStatus;
use consensus::testing::{Owner, TestChain};

use super::*;
use crate::protocol::assembly::{ASSEMBLY_MS, ATTEMPTS_MAX};
use crate::protocol::parking::{AHEAD_MS, PARKED_HEADERS_MAX};
use crate::wire::{HEADERS_MAX, HeadersResponse, MissingRequest, ShortId};

fn now_after(chain: &TestChain) -> Timestamp {
    chain.next_time()
}

/// Blocks of a chain of its own, paid out to `owner`.
fn branch(owner: u64, blocks: u64) -> TestChain {
    let mut chain = TestChain::new(Network::Regtest);
    chain.mine_empty(Owner::new(owner).account(), blocks);
    chain
}

fn fresh() -> Node<Memory> {
    let params = Params::of(Network::Regtest);
    Node::open(Memory::new(&params), params).expect("memory answers")
}

fn submit_all(node: &mut Node<Memory>, chain: &TestChain) {
    let now = now_after(chain);
    for applied in chain.blocks() {
        let submitted = node.submit_block(applied.block().clone(), now);
        assert_eq!(submitted, Ok(BlockSubmission::Accepted));
    }
    node.take_actions();
}

fn reopened(node: Node<Memory>) -> Node<Memory> {
    let params = node.engine.params().clone();
    Node::open(node.engine.into_ledger(), params).expect("memory answers")
}

fn tip(node: &Node<Memory>) -> BlockId {
    node.engine().tip().expect("memory answers").1
}

fn questions_of(node: &mut Node<Memory>, asked: Protocol) -> Vec<(QuestionId, PeerName)> {
    let actions = node.take_actions().into_iter();
    actions
        .filter_map(|action| match action {
            Action::Ask {
                question,
                peer,
                protocol,
                ..
            } if protocol == asked => Some((question, peer)),
            _ => None,
        })
        .collect()
}

/// Short ids of items that nobody has.
fn unknown(block: &Block, count: u8) -> Vec<ShortId> {
    let names = (0..count).map(|number| Hash32::from_bytes([number; 32]));
    names.map(|name| ShortId::of(&block.id(), &name)).collect()
}

fn announcement(block: &Block) -> Vec<u8> {
    chain::codec::encode(&BlockAnnouncement::of(block, |_| true))
}

fn announce(node: &mut Node<Memory>, peer: &str, token: Token, bytes: &[u8], now: Timestamp) {
    node.block_announced(peer, token, bytes, now)
        .expect("answers");
}

fn verdicts(actions: &[Action]) -> Vec<(Token, Verdict)> {
    let verdicts = actions.iter().filter_map(|action| match action {
        Action::Verdict { token, verdict } => Some((*token, *verdict)),
        _ => None,
    });
    verdicts.collect()
}

#[test]
fn a_branch_that_proves_invalid_later_bans_nobody_who_could_not_know() {
    let mut node = fresh();
    submit_all(&mut node, &branch(1, 1));
    let before = tip(&node);
    let side = branch(2, 2);
    let now = now_after(&side);
    let [mut first, mut second] = [0, 1].map(|index| side.blocks()[index].block().clone());
    first.header.state_root = Hash32::from_bytes([1; 32]);
    let first = solve(first);
    second.header.parent = first.id();
    let second = solve(second);
    node.peer_connected("neighbour", now);
    announce(&mut node, "neighbour", 1, &announcement(&first), now);
    let said = node.take_actions();
    assert_eq!(verdicts(&said), [(1, Verdict::Accept)]);
    announce(&mut node, "neighbour", 2, &announcement(&second), now);
    let said = node.take_actions();
    assert_eq!(tip(&node), before);
    assert_eq!(verdicts(&said), [(2, Verdict::Ignore)]);
    assert!(!said.iter().any(|action| matches!(action, Action::Ban(_))));
    assert_eq!(node.points("neighbour", now), 0);
}

#[test]
fn what_only_the_state_or_an_uncle_shows_is_not_held_against_a_neighbour() {
    let mut node = fresh();
    let chain = branch(1, 3);
    let now = now_after(&chain);
    node.peer_connected("neighbour", now);
    node.take_actions();
    let mut wrong = chain.blocks()[0].block().clone();
    wrong.header.state_root = Hash32::from_bytes([1; 32]);
    let wrong = solve(wrong);
    announce(&mut node, "neighbour", 1, &announcement(&wrong), now);
    let said = node.take_actions();
    assert_eq!(verdicts(&said), [(1, Verdict::Ignore)]);
    assert_eq!(
        node.engine().tree().status(&wrong.id()),
        Some(BlockStatus::Invalid)
    );

    submit_all(&mut node, &branch(1, 2));
    let mut uncle = chain.blocks()[1].block().header;
    uncle.time = Timestamp::new(uncle.time.get() + 100_000_000);
    consensus::testing::solve(&mut uncle, chain.params());
    let mut nephew = chain.blocks()[2].block().clone();
    nephew.body.aux.uncles = vec![uncle];
    nephew.header.pow_count += 1;
    consensus::testing::reseal(&mut nephew, chain.params());
    announce(&mut node, "neighbour", 2, &announcement(&nephew), now);
    let said = node.take_actions();
    assert_eq!(verdicts(&said), [(2, Verdict::Ignore)]);
    assert_eq!(
        node.engine().tree().status(&nephew.id()),
        Some(BlockStatus::Invalid)
    );
    assert_eq!(node.points("neighbour", now), 0);
}

#[test]
fn a_block_beside_the_tip_goes_on_and_an_old_one_is_not_even_stored() {
    let mut node = fresh();
    let chain = branch(1, 8);
    submit_all(&mut node, &chain);
    let now = now_after(&chain);
    node.peer_connected("alice", now);
    node.take_actions();
    let beside = |fork: usize, owner: u64| {
        let mut side = TestChain::new(Network::Regtest);
        for applied in &chain.blocks()[..fork] {
            side.connect(applied.block()).expect("it holds");
        }
        side.mine_empty(Owner::new(owner).account(), 1);
        side.blocks()[fork].block().clone()
    };
    let (uncle, old) = (beside(7, 2), beside(1, 3));
    announce(&mut node, "alice", 1, &announcement(&uncle), now);
    announce(&mut node, "alice", 2, &announcement(&old), now);
    assert_eq!(
        verdicts(&node.take_actions()),
        [(1, Verdict::Accept), (2, Verdict::Ignore)]
    );
    let status = |block: &Block| node.engine().tree().status(&block.id());
    assert_eq!(status(&uncle), Some(BlockStatus::BodyKnown));
    assert_eq!(status(&old), Some(BlockStatus::HeaderOnly));
}

#[test]
fn a_block_is_put_together_once_for_a_peer_and_a_few_times_in_all() {
    let mut node = fresh();
    let chain = branch(1, 1);
    let block = chain.blocks()[0].block().clone();
    let now = now_after(&chain);
    let params = Params::of(Network::Regtest);
    let epoch = chain::units::RateEpoch::new(0);
    let made = consensus::testing::TestEnvelope::message(&params, epoch, 1).envelope;
    node.submit_envelope(made.to_bytes()).expect("answers");
    let name = crate::wire::envelope_name(&made.to_bytes());
    let mut false_one = BlockAnnouncement::of(&block, |_| true);
    false_one.envelopes = vec![ShortId::of(&block.id(), &name)];
    let false_one = chain::codec::encode(&false_one);
    let peers = ["mallory", "trudy", "oscar", "alice"];
    assert_eq!(peers.len(), ATTEMPTS_MAX + 1);
    for peer in peers {
        node.peer_connected(peer, now);
    }
    for peer in &peers[..ATTEMPTS_MAX] {
        announce(&mut node, peer, 1, &false_one, now);
        // In another wording, which happens to be the right one.
        announce(&mut node, peer, 2, &announcement(&block), now);
        let ignored = [1, 2].map(|token| (token, Verdict::Ignore));
        assert_eq!(verdicts(&node.take_actions()), ignored);
        assert_eq!(node.points(peer, now), 0, "short ids are hints");
    }
    announce(&mut node, "alice", 3, &announcement(&block), now);
    assert_eq!(verdicts(&node.take_actions()), [(3, Verdict::Ignore)]);
    node.body_arrived("alice", block.id(), block.body.clone(), now)
        .expect("answers");
    assert_eq!(tip(&node), block.id(), "the whole body is as good");
}

#[test]
fn headers_of_another_age_take_no_place_from_an_early_block() {
    let mut node = fresh();
    let chain = branch(1, 1);
    let block = chain.blocks()[0].block().clone();
    let now = now_after(&chain);
    let latest = node.latest_time(now).get();
    let at = |time_ms: u64| {
        let mut block = block.clone();
        block.header.time = Timestamp::new(time_ms);
        solve(block)
    };
    node.peer_connected("mallory", now);
    node.peer_connected("bob", now);
    for number in 0..PARKED_HEADERS_MAX as u64 {
        let far = at(latest + 1_000 * AHEAD_MS + number);
        announce(&mut node, "mallory", 1, &announcement(&far), now);
    }
    let early = at(latest + AHEAD_MS / 2);
    announce(&mut node, "bob", 2, &announcement(&early), now);
    node.take_actions();
    assert_eq!(node.points("mallory", now), 0, "a clock may be wrong");
    let then = Timestamp::new(now.get() + AHEAD_MS / 2);
    node.tick(then).expect("answers");
    assert_eq!(
        node.engine().tree().status(&early.id()),
        Some(BlockStatus::HeaderOnly)
    );
    let asked = questions_of(&mut node, Protocol::Bodies);
    let asked: Vec<_> = asked.into_iter().map(|(_, peer)| peer).collect();
    assert_eq!(asked, ["bob"]);
}

#[test]
fn a_body_of_another_header_never_condemns_the_block() {
    let mut node = fresh();
    let chain = branch(1, 1);
    let block = chain.blocks()[0].block().clone();
    let now = now_after(&chain);
    let bogus = Header {
        height: block.header.height,
        parent: block.header.parent,
        ..Header::default()
    };
    let mut other = block.clone();
    other.body.aux.uncles.push(bogus);
    let bytes = chain::codec::encode(&BlockAnnouncement::of(&other, |_| true));
    node.peer_connected("mallory", now);
    node.block_announced("mallory", 1, &bytes, now)
        .expect("answers");
    let id = block.id();
    assert_eq!(
        node.engine().tree().status(&id),
        Some(BlockStatus::HeaderOnly)
    );
    node.body_arrived("mallory", id, other.body, now)
        .expect("answers");
    assert_eq!(
        node.engine().tree().status(&id),
        Some(BlockStatus::HeaderOnly)
    );
    assert!(node.points("mallory", now) >= BAN_SCORE);
    let submitted = node.submit_block(block, now);
    assert_eq!(submitted, Ok(BlockSubmission::Accepted));
}

#[test]
fn positions_are_asked_for_once_and_in_order() {
    let mut node = fresh();
    let chain = branch(1, 1);
    submit_all(&mut node, &chain);
    let now = now_after(&chain);
    let request = |positions: &[u32]| {
        chain::codec::encode(&MissingRequest {
            block: *chain.blocks()[0].id(),
            transactions: Vec::new(),
            envelopes: positions.to_vec(),
        })
    };
    node.asked("alice", 1, Protocol::Missing, &request(&[]), now)
        .expect("answers");
    let answer = node.take_actions();
    assert!(matches!(answer[..], [Action::Answer { token: 1, .. }]));
    for (peer, positions) in [("mallory", [0, 0]), ("trudy", [1, 0])] {
        node.asked(peer, 2, Protocol::Missing, &request(&positions), now)
            .expect("answers");
        let actions = node.take_actions();
        assert!(
            matches!(&actions[..], [Action::Ban(ban)] if ban.peer == peer),
            "{actions:?}"
        );
    }
}

#[test]
fn the_same_headers_again_lead_to_no_further_question() {
    let mut node = fresh();
    let chain = branch(1, HEADERS_MAX as u64);
    let now = now_after(&chain);
    let headers: Vec<_> = chain
        .blocks()
        .iter()
        .map(|applied| applied.block().header)
        .collect();
    let bytes = chain::codec::encode(&HeadersResponse { headers });
    node.peer_connected("mallory", now);
    let mut asked = questions_of(&mut node, Protocol::Headers);
    let mut rounds = 0;
    while let Some((question, _)) = asked.pop() {
        rounds += 1;
        assert!(rounds < 4, "it goes on for ever");
        node.answered(question, Some(&bytes), now).expect("answers");
        asked = questions_of(&mut node, Protocol::Headers);
    }
    assert_eq!(rounds, 2);
    // To somebody else's same headers the continuation is asked once: that peer may have more.
    node.peer_connected("bob", now);
    let first = questions_of(&mut node, Protocol::Headers);
    node.answered(first[0].0, Some(&bytes), now)
        .expect("answers");
    assert_eq!(questions_of(&mut node, Protocol::Headers).len(), 1);
}

#[test]
fn a_crash_between_a_mark_and_the_disconnection_is_made_good() {
    let mut node = fresh();
    let chain = branch(1, 5);
    submit_all(&mut node, &chain);
    let [second, third, fifth] = [1, 2, 4].map(|index| *chain.blocks()[index].id());
    let ledger = node.engine.ledger_mut();
    ledger
        .set_fault(&third, Fault::Invalid, true)
        .expect("memory answers");
    assert_eq!(tip(&node), fifth);
    let mut node = reopened(node);
    assert_eq!(tip(&node), second);
    let now = now_after(&chain);
    node.tick(now).expect("nothing is damaged");
    assert_eq!(tip(&node), second);
    node.reconsider(&third, now).expect("a known block");
    assert_eq!(tip(&node), fifth);
}

#[test]
fn a_header_that_a_full_disk_refused_is_not_known() {
    let mut node = fresh();
    let chain = branch(1, 1);
    let block = chain.blocks()[0].block().clone();
    let now = now_after(&chain);
    node.engine.ledger_mut().full_for = Some(Write::Header);
    let refused = node.submit_block(block.clone(), now);
    assert_eq!(refused, Err(LedgerError::Full));
    assert_eq!(node.engine().tree().status(&block.id()), None);
    node.engine.ledger_mut().full_for = None;
    let submitted = node.submit_block(block.clone(), now);
    assert_eq!(submitted, Ok(BlockSubmission::Accepted));
    assert_eq!(tip(&reopened(node)), block.id());
}

#[test]
fn moves_made_before_the_disk_was_full_are_told() {
    let mut node = fresh();
    submit_all(&mut node, &branch(1, 1));
    let before = tip(&node);
    let heavier = branch(2, 2);
    let now = now_after(&heavier);
    let [first, second] = [0, 1].map(|index| heavier.blocks()[index].block().clone());
    node.submit_block(first, now).expect("room");
    node.take_actions();
    node.engine.ledger_mut().full_for = Some(Write::Connect);
    let refused = node.submit_block(second.clone(), now);
    assert_eq!(refused, Err(LedgerError::Full));
    let moves = |node: &mut Node<Memory>| -> Vec<(bool, BlockId)> {
        let actions = node.take_actions().into_iter();
        let moves = actions.filter_map(|action| match action {
            Action::TipMoved(moves) => Some(moves),
            _ => None,
        });
        moves
            .flatten()
            .map(|step| match step {
                TipMove::Connected(block) => (true, block.id()),
                TipMove::Disconnected(block) => (false, block.id()),
            })
            .collect()
    };
    assert_eq!(moves(&mut node), [(false, before)]);
    assert_eq!(node.tick(now), Err(LedgerError::Full));
    node.engine.ledger_mut().full_for = None;
    node.tick(now).expect("room");
    let connected = heavier.blocks().iter().map(|block| (true, *block.id()));
    assert_eq!(moves(&mut node), connected.collect::<Vec<_>>());
    assert_eq!(tip(&node), second.id());
}

#[test]
fn a_false_announcement_delays_a_block_by_a_second_at_most() {
    let mut node = fresh();
    let chain = branch(1, 1);
    let block = chain.blocks()[0].block().clone();
    let now = now_after(&chain);
    let mut false_one = BlockAnnouncement::of(&block, |_| true);
    false_one.envelopes = unknown(&block, 3);
    let false_one = chain::codec::encode(&false_one);
    let honest = chain::codec::encode(&BlockAnnouncement::of(&block, |_| true));
    for peer in ["alice", "bob", "mallory"] {
        node.peer_connected(peer, now);
    }
    node.take_actions();
    node.block_announced("mallory", 1, &false_one, now)
        .expect("answers");
    node.block_announced("bob", 2, &honest, now)
        .expect("answers");
    let asked = questions_of(&mut node, Protocol::Bodies);
    assert_eq!(asked, [], "mallory has it to herself for a moment");

    let later = Timestamp::new(now.get() + ASSEMBLY_MS);
    node.tick(later).expect("answers");
    let asked = questions_of(&mut node, Protocol::Bodies);
    assert_eq!(asked.len(), 1, "the whole body is sought by now");
    node.block_announced("alice", 3, &honest, later)
        .expect("answers");
    assert_eq!(tip(&node), block.id());
    let verdicts: Vec<_> = node
        .take_actions()
        .into_iter()
        .filter(|action| matches!(action, Action::Verdict { .. }))
        .collect();
    let verdict = |token, verdict| Action::Verdict { token, verdict };
    let expected = [verdict(1, Verdict::Ignore), verdict(3, Verdict::Accept)];
    assert_eq!(verdicts, expected);
}

#[test]
fn a_reorg_beyond_the_law_is_refused_and_the_chain_goes_on() {
    let depth = genesis::law::REORG_BLOCKS_MAX;
    let mut ours = branch(1, depth + 1);
    let theirs = branch(2, depth + 2);
    let mut node = fresh();
    submit_all(&mut node, &ours);
    let our_tip = tip(&node);
    submit_all_but_last(&mut node, &theirs);
    let now = now_after(&theirs);
    let last = theirs.blocks().last().expect("not empty").block().clone();
    let submitted = node.submit_block(last.clone(), now);
    assert_eq!(
        submitted,
        Ok(BlockSubmission::Accepted),
        "stored, not followed"
    );
    assert!(node.take_actions().contains(&Action::ReorgRefused));
    assert_eq!(tip(&node), our_tip);
    node.tick(now).expect("no failure");
    assert!(!node.take_actions().contains(&Action::ReorgRefused));

    // Our own chain is extended and downloaded as before; a restart tells of the alarm anew.
    let next = ours.mine(Owner::new(1).account(), &[], &[]).block().clone();
    let mut node = reopened(node);
    node.tick(now).expect("no failure");
    assert!(node.take_actions().contains(&Action::ReorgRefused));
    node.peer_connected("alice", now);
    let header = next.header;
    node.take_header(&header, Some("alice"), now)
        .expect("answers");
    assert_eq!(
        node.engine().wanted(1, |_| false),
        [(next.id(), header.height)]
    );
    node.submit_block(next.clone(), now).expect("answers");
    assert_eq!(tip(&node), next.id());

    // The operator consents by giving up our branch for theirs.
    node.invalidate(ours.blocks()[0].id(), now).expect("known");
    assert_eq!(tip(&node), ours.params().genesis_id());
    node.reconsider(theirs.blocks()[0].id(), now)
        .expect("known");
    assert_eq!(tip(&node), last.id());
}

/// Brings a branch's bodies after its headers; alone its first headers would be too light.
fn submit_all_but_last(node: &mut Node<Memory>, chain: &TestChain) {
    let now = now_after(chain);
    let mut branch = Vec::new();
    for applied in chain.blocks() {
        let header = applied.block().header;
        let extended = node.engine.extend_branch(&mut branch, &header, now);
        assert_eq!(extended, Ok(()));
    }
    assert_eq!(node.engine.add_branch(&branch), Ok(()));
    let (_, all_but_last) = chain.blocks().split_last().expect("not empty");
    for applied in all_but_last {
        let submitted = node.submit_block(applied.block().clone(), now);
        assert_eq!(submitted, Ok(BlockSubmission::Accepted));
    }
    node.take_actions();
}
