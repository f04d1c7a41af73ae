//! How long a voter listens, and whom it finds meanwhile.

use super::*;

/// One more block for both nodes, and to each what the other says of it.
fn step_both(chain: &mut TestChain, nodes: &mut [Node<Memory>; 2]) {
    chain.mine_empty(owner().account(), 1);
    let block = chain.blocks().last().expect("not empty").block().clone();
    let now = block.header.time;
    for node in nodes.iter_mut() {
        let submitted = node.submit_block(block.clone(), now);
        assert_eq!(submitted, Ok(BlockSubmission::Accepted));
    }
    for (from, to) in [(0, 1), (1, 0)] {
        for action in nodes[from].take_actions() {
            if let Action::Publish { topic, bytes } = action
                && topic == Topic::Vote
            {
                let heard = nodes[to].vote_gossiped("peer", 1, &bytes, now);
                heard.expect("memory answers");
            }
        }
    }
}

/// A chain with a bond of ours among others: it has no seat at many heights.
fn among_others(ours: u64, others: u64, height: u64) -> TestChain {
    let mut chain = TestChain::with(Params::of(Network::Regtest));
    chain.mine_empty(owner().account(), 60);
    let coins = |x3c| Amount::from_x3c(x3c).expect("below the cap");
    let orders = [
        chain.bond(&owner(), 0, &voter(), coins(ours)),
        chain.bond(&owner(), 1, &Owner::new(1_001), coins(others)),
    ];
    chain.mine(owner().account(), &orders, &[]);
    chain.mine_empty(owner().account(), height - 61);
    chain
}

/// Nodes with our key that start at the tip of `chain`, with these draws.
fn two_nodes(chain: &TestChain, draws: [u64; 2]) -> [Node<Memory>; 2] {
    let params = chain.params().clone();
    draws.map(|draw| {
        let memory = Memory::new(&params);
        let mut node = Node::open(memory, params.clone()).expect("memory answers");
        for applied in chain.blocks() {
            let block = applied.block().clone();
            let now = block.header.time;
            assert_eq!(node.submit_block(block, now), Ok(BlockSubmission::Accepted));
        }
        let voter = Voter::new(*voter().keypair()).with_start_draw(draw);
        node.set_voter(voter).expect("memory answers");
        node
    })
}

#[test]
fn of_two_voters_that_start_together_the_later_one_stops_before_it_votes() {
    for (draws, ours, others) in [([0, 1], 1, 7), ([3, 2], 1, 7), ([1, 4], 4, 4)] {
        let mut chain = among_others(ours, others, SEATED);
        let mut nodes = two_nodes(&chain, draws);
        for _ in 0..48 {
            step_both(&mut chain, &mut nodes);
        }
        let statuses = nodes.map(|node| node.voter_status().expect("a voter"));
        let earlier = usize::from(draws[0] > draws[1]);
        assert_eq!(statuses[earlier].stage, Stage::Active, "{draws:?}");
        assert!(statuses[earlier].votes_cast > 0);
        let later = statuses[1 - earlier];
        let is_stopped = matches!(later.stage, Stage::Stopped(StopReason::SecondVoter { .. }));
        assert!(is_stopped, "{draws:?}: {later:?}");
        assert_eq!(later.votes_cast, 0, "{draws:?}");
    }
}

#[test]
fn a_voter_of_a_small_bond_listens_for_three_seats() {
    let mut scene = Scene {
        node: Node::open(
            Memory::new(&Params::of(Network::Regtest)),
            Params::of(Network::Regtest),
        )
        .expect("memory answers"),
        chain: among_others(1, 8, SEATED),
    };
    scene.follow(0);
    scene.set_voter();
    let (mut seats, mut blocks) = (0, 0);
    while seats < 3 || blocks < LISTENING {
        assert!(matches!(scene.stage(), Stage::Listening { .. }), "{seats}");
        scene.step();
        let committee = scene.chain.committee(scene.chain.tip().height);
        let mut members = committee.members();
        seats += u64::from(members.any(|(_, seat)| seat.key == voter().key()));
        blocks += 1;
    }
    assert_eq!(scene.stage(), Stage::Active);
    assert_eq!(scene.votes(), []);
}

#[test]
fn a_voter_whose_bond_has_no_seats_yet_listens_until_they_come() {
    let params = Params::of(Network::Regtest);
    let mut scene = Scene {
        chain: staked(params.clone(), 64),
        node: Node::open(Memory::new(&params), params).expect("memory answers"),
    };
    scene.follow(0);
    scene.set_voter();
    scene.to(SEATED - 1);
    assert_eq!(scene.stage(), Stage::Listening { blocks_left: 0 });
    scene.to(SEATED + 2);
    assert_eq!(scene.stage(), Stage::Active);
    assert_eq!(scene.votes(), []);
    scene.to(SEATED + 4);
    assert_eq!(heights(&scene.votes()), [SEATED + 3, SEATED + 4]);
}
