//! Branches that are behind: weighed as a whole, remembered only if they could win.

use consensus::fork_choice::{BLOCKS_MAX, BlockStatus, LIGHT_BLOCKS};
use consensus::header::HeaderContext;
use consensus::testing::{Owner, TestChain, solve as solve_header};

use super::*;
use crate::wire::HEADERS_MAX;

/// Terms longer than the branches here: a branch of several terms could rise by a level in each.
fn params() -> Params {
    Params {
        term_blocks: 1_024,
        unbond_blocks: 4_096,
        ..Params::of(Network::Regtest)
    }
}

fn chain_of(owner: u64, blocks: u64) -> TestChain {
    let mut chain = TestChain::with(params());
    chain.mine_empty(Owner::new(owner).account(), blocks);
    chain
}

/// A net in which each named node has a chain of its own.
fn net_of(chains: &[(&str, &TestChain)]) -> Net {
    let names: Vec<&str> = chains.iter().map(|(name, _)| *name).collect();
    let mut net = Net::with(&params(), &names);
    for (name, chain) in chains {
        net.now = net.now.max(chain.next_time());
        let now = net.now;
        for applied in chain.blocks() {
            let submitted = net
                .node(name)
                .submit_block(applied.block().clone(), now)
                .expect("memory answers");
            assert_eq!(submitted, BlockSubmission::Accepted);
        }
        net.node(name).take_actions();
    }
    net
}

#[test]
fn a_heavier_branch_is_followed_though_its_first_page_is_too_light() {
    let page = u64::try_from(HEADERS_MAX).expect("a small number");
    let slack = u64::try_from(LIGHT_BLOCKS).expect("a small number");
    let (ours, theirs) = (
        chain_of(1, page + slack + 50),
        chain_of(2, page + slack + 60),
    );
    let mut net = net_of(&[("alice", &theirs), ("bob", &ours)]);
    net.connect("alice", "bob");
    for _ in 0..100 {
        net.now = Timestamp::new(net.now.get() + 1_000);
        let now = net.now;
        net.node("bob").tick(now).expect("memory answers");
        net.carry();
    }
    assert_eq!(net.tip("bob"), theirs.tip().id());
    assert_eq!(net.node("bob").light_branches.len(), 0);
    assert_eq!(net.bans, []);
}

#[test]
fn a_lighter_branch_leaves_no_trace_and_is_no_fault() {
    let slack = u64::try_from(LIGHT_BLOCKS).expect("a small number");
    let (ours, theirs) = (chain_of(1, slack + 60), chain_of(2, 40));
    let mut net = net_of(&[("alice", &theirs), ("bob", &ours)]);
    let held = net.node("bob").engine().tree().len();
    let now = net.now;
    // Told apart from the net, lest alice follow bob.
    let bob = net.node("bob");
    bob.peer_connected("alice", now);
    let question = headers_question(bob);
    let headers = theirs.blocks().iter().map(|block| block.block().header);
    let headers: Vec<Header> = headers.collect();
    let answer = chain::codec::encode(&crate::wire::HeadersResponse { headers });
    bob.answered(question, Some(&answer), now)
        .expect("memory answers");
    assert_eq!(bob.engine().tree().len(), held);
    assert_eq!(bob.points("alice", now), 0);
    assert_eq!(bob.is_syncing(), Ok(false));
    assert!(bob.light_branches.is_empty());
    let block = theirs.blocks()[0].block();
    let refused = bob.submit_block(block.clone(), now);
    assert_eq!(
        refused,
        Ok(BlockSubmission::Refused(crate::engine::Refusal::TooLight))
    );
}

fn headers_question(node: &mut Node<Memory>) -> QuestionId {
    let actions = node.take_actions();
    let question = actions.iter().find_map(|action| match action {
        Action::Ask {
            question,
            protocol: Protocol::Headers,
            ..
        } => Some(*question),
        _ => None,
    });
    question.expect("a newcomer is asked for headers")
}

#[test]
fn a_start_finds_the_tip_however_many_side_headers_lie_on_the_disk() {
    let (fork, blocks) = (10, 20);
    let ours = chain_of(1, blocks);
    let mut ledger = Memory::new(ours.params());
    for applied in ours.blocks() {
        ledger
            .put_header(&applied.block().header)
            .expect("memory has room");
        ledger.connect(applied).expect("memory has room");
    }
    // Siblings of our eleventh block that count two uncles each, so that each seems heavier than
    // what follows on ours; the first of them is complete.
    let parent = ours.blocks()[fork - 1].block().header;
    let grandparent = ours.blocks()[fork - 2].block().header;
    let context = HeaderContext::new(parent, Some(grandparent)).expect("linked");
    let mut sibling = ours.blocks()[fork].block().header;
    sibling.pow_count += 2;
    sibling.target = context.next_target(ours.params());
    for extra in 0..u64::try_from(BLOCKS_MAX).expect("a small number") + 10 {
        let mut header = Header { extra, ..sibling };
        solve_header(&mut header, ours.params());
        ledger.put_header(&header).expect("memory has room");
        if extra == 0 {
            let body = ours.blocks()[fork].block().body.clone();
            ledger
                .put_body(&header.id(), &body, &[])
                .expect("memory has room");
        }
    }
    let node = Node::open(ledger, ours.params().clone()).expect("the tip has its place");
    let tip = ours.tip().id();
    assert_eq!(node.engine().tip().map(|tip| tip.1), Ok(tip));
    assert_eq!(
        node.engine().tree().status(&tip),
        Some(BlockStatus::Applied)
    );
    let known = node.engine().ledger().known.len();
    assert_eq!(known, node.engine().tree().len(), "the rest is forgotten");
}

#[test]
fn what_could_not_be_undone_is_not_invalidated() {
    // The tree reaches a little deeper than what can be undone.
    let depth = genesis::law::UNDO_BLOCKS + 2;
    let ours = chain_of(1, depth);
    let mut net = net_of(&[("alice", &ours)]);
    let (first, third) = (*ours.blocks()[0].id(), *ours.blocks()[2].id());
    let now = net.now;
    let alice = net.node("alice");
    assert_eq!(
        alice.invalidate(&first, now),
        Err(crate::engine::Refusal::BeyondUndo { id: first })
    );
    assert_eq!(alice.engine().tip().map(|tip| tip.1), Ok(ours.tip().id()));
    alice.invalidate(&third, now).expect("as deep as can be");
    assert_eq!(alice.engine().tip().map(|tip| tip.0), Ok(Height::new(2)));
}
