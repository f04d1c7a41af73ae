//! Votes that are good, bad, early, late, twice, and what blocks make of them.

use chain::units::BondId;
use chain::vote::Vote;
use consensus::state::value;
use consensus::testing::Owner;

use super::staked::{
    FINALITY_FROM, Included, Staked, VOTES_FROM, gossip, gossip_finality, miner, reopened, submit,
    the_verdict, tip, voter,
};
use super::*;
use crate::votes::{EARLY_VOTES_MAX, FORGERIES_MAX, SPARE_FORGERIES_MAX};

/// A chain of thirty blocks, and a node that has all of them.
fn followed() -> (Staked, Node<Memory>) {
    let chain = Staked::up_to(VOTES_FROM + 6);
    let node = chain.node();
    (chain, node)
}

/// A block beside the tip of the chain.
fn sibling(chain: &Staked) -> (Staked, Block) {
    let mut side = chain.cut_to(chain.0.height() - 1);
    let block = side.mine(Included::Nothing, 9);
    (side, block)
}

#[test]
fn a_vote_counts_once_and_goes_on_to_others() {
    let (chain, mut node) = followed();
    let (id, now) = (chain.tip_id(), chain.now());
    assert_eq!(node.seats(&id), Some(0));
    let votes = chain.votes(30);
    for vote in &votes {
        assert_eq!(gossip(&mut node, vote, now), Verdict::Accept);
        assert_eq!(gossip(&mut node, vote, now), Verdict::Ignore, "a duplicate");
    }
    assert_eq!(node.seats(&id), Some(8));
    assert_eq!(
        node.submit_vote(&votes[0]),
        Ok(VoteSubmission::AlreadyKnown)
    );
    assert_eq!(node.points("neighbour", now), 0);
}

#[test]
fn only_bytes_that_are_no_vote_are_held_against_who_brings_them() {
    let (chain, mut node) = followed();
    let now = chain.now();
    for bytes in [&[][..], &[1; 107], &[1; 109]] {
        node.vote_gossiped("mallory", 1, bytes, now)
            .expect("answers");
        assert_eq!(the_first_verdict(&mut node), Verdict::Reject);
        node.finality_vote_gossiped("trudy", 1, bytes, now)
            .expect("answers");
        assert_eq!(the_first_verdict(&mut node), Verdict::Reject);
    }
    assert!(node.points("mallory", now) >= BAN_SCORE);
    assert!(node.points("trudy", now) >= BAN_SCORE);

    let tip = chain.tip_id();
    let stranger = BlockId::from_bytes([7; 32]);
    let foreign = {
        let dev = Params::of(Network::Dev);
        let bond = BondId::new(0);
        voter(bond).vote(&dev, Height::new(30), tip, bond)
    };
    let forged = Vote {
        signature: chain.vote(0, 30, stranger).signature,
        ..chain.vote(0, 30, tip)
    };
    let bad = [
        ("foreign network", foreign),
        ("forged", forged),
        (
            "forged and unknown",
            Vote {
                block: stranger,
                ..foreign
            },
        ),
        ("stale", chain.vote(0, 21, chain.id(21))),
        ("stale and unknown", chain.vote(0, 21, stranger)),
        ("future and unknown", chain.vote(0, 33, stranger)),
        ("far future", chain.vote(0, u64::MAX, stranger)),
        ("at another height than its block", chain.vote(0, 29, tip)),
        ("without a seat", chain.vote(77, 30, tip)),
        ("without a seat and unknown", chain.vote(77, 31, stranger)),
        ("for genesis", chain.vote(0, 0, chain.id(0))),
    ];
    for (what, vote) in bad {
        assert_eq!(gossip(&mut node, &vote, now), Verdict::Ignore, "{what}");
        assert_eq!(node.points("neighbour", now), 0, "{what}");
    }
    assert_eq!(node.seats(&tip), Some(0));
    assert!(node.votes.len() <= 64 && node.offences.is_empty());
}

fn the_first_verdict(node: &mut Node<Memory>) -> Verdict {
    let actions = node.take_actions().into_iter();
    let verdicts = actions.filter(|action| matches!(action, Action::Verdict { .. }));
    the_verdict(&verdicts.collect::<Vec<_>>())
}

#[test]
fn who_brings_many_wrong_signatures_is_heard_and_in_the_end_disconnected() {
    let (chain, mut node) = followed();
    let now = chain.now();
    let good = chain.votes(30);
    let forge = |node: &mut Node<Memory>, number: u32| {
        let forged = Vote {
            signature: chain::Signature::from_bytes([number as u8; 64]),
            ..good[0]
        };
        let bytes = chain::codec::encode(&forged);
        node.vote_gossiped("neighbour", 1, &bytes, now)
            .expect("answers");
        let actions = node.take_actions();
        actions.contains(&Action::Disconnect("neighbour".to_owned()))
    };
    for number in 0..=FORGERIES_MAX {
        assert!(!forge(&mut node, number));
    }
    // What is ignored here is no news from anybody else for a minute.
    assert_eq!(gossip(&mut node, &good[0], now), Verdict::Accept);
    let forged = Vote {
        signature: good[0].signature,
        ..good[2]
    };
    assert_eq!(gossip(&mut node, &forged, now), Verdict::Ignore);
    let rest = (0..SPARE_FORGERIES_MAX).filter(|_| {
        let bytes = chain::codec::encode(&forged);
        node.vote_gossiped("neighbour", 1, &bytes, now)
            .expect("answers");
        let actions = node.take_actions();
        actions.contains(&Action::Disconnect("neighbour".to_owned()))
    });
    assert_eq!(rest.count(), 2, "those that nobody had to spare for");
    assert_eq!(node.points("neighbour", now), 0);
    assert_eq!(gossip(&mut node, &good[1], now), Verdict::Accept);
}

#[test]
fn a_vote_far_ahead_is_not_judged_even_if_its_header_is_here() {
    let chain = Staked::up_to(33);
    let mut node = chain.cut_to(30).node();
    let now = chain.now();
    for block in chain.blocks_from(31) {
        node.engine.add_header(&block.header, now).expect("valid");
    }
    let votes = |height| chain.votes(height)[0];
    assert_eq!(gossip(&mut node, &votes(33), now), Verdict::Ignore);
    assert_eq!(gossip(&mut node, &votes(32), now), Verdict::Accept);
    assert_eq!(node.seats(&chain.id(33)), Some(0));
    submit(&mut node, &chain.blocks_from(31), now);
    assert_eq!(gossip(&mut node, &votes(33), now), Verdict::Accept);
}

#[test]
fn votes_decide_between_two_blocks_and_the_tip_follows() {
    let (chain, mut node) = followed();
    let (side, block) = sibling(&chain);
    let now = chain.now();
    submit(&mut node, std::slice::from_ref(&block), now);
    assert_eq!(tip(&node), chain.tip_id(), "the first seen");
    let mut votes = side.votes(30);
    let committee = side.0.committee(Height::new(30));
    votes.sort_by_key(|vote| committee.seats(vote.bond));
    let bytes = chain::codec::encode(&votes[0]);
    node.vote_gossiped("neighbour", 1, &bytes, now)
        .expect("answers");
    assert_eq!(tip(&node), block.id());
    let moved = |action: &Action| matches!(action, Action::TipMoved(moves) if moves.len() == 2);
    assert!(node.take_actions().iter().any(moved));
    // One of our own users' votes is followed at the next tick.
    for vote in chain
        .votes(30)
        .iter()
        .filter(|vote| vote.bond != votes[0].bond)
    {
        assert_eq!(node.submit_vote(vote), Ok(VoteSubmission::Accepted));
    }
    node.tick(now).expect("answers");
    assert_eq!(tip(&node), chain.tip_id());
}

#[test]
fn a_vote_ahead_of_its_block_waits_for_it() {
    let chain = Staked::up_to(31);
    let before = chain.cut_to(30);
    let mut node = before.node();
    let now = chain.now();
    for vote in chain.votes(31) {
        assert_eq!(gossip(&mut node, &vote, now), Verdict::Accept);
        assert_eq!(gossip(&mut node, &vote, now), Verdict::Ignore);
    }
    assert_eq!(node.seats(&chain.tip_id()), None);
    submit(&mut node, &chain.blocks_from(31), now);
    assert_eq!(node.seats(&chain.tip_id()), Some(8));
    assert_eq!(node.votes.early_len(), 0);
}

#[test]
fn a_flood_of_votes_for_unknown_blocks_ends_as_a_proof_against_the_voter() {
    let (chain, mut node) = followed();
    let now = chain.now();
    let bonds: Vec<u32> = chain.votes(30).iter().map(|vote| vote.bond.get()).collect();
    for number in 0..=u8::MAX {
        for bond in &bonds {
            let block = BlockId::from_bytes([number; 32]);
            gossip(&mut node, &chain.vote(*bond, 30, block), now);
        }
    }
    assert!(node.votes.early_len() <= bonds.len());
    assert!(node.votes.early_len() <= EARLY_VOTES_MAX);
    assert_eq!(node.offences.len(), bonds.len());
    assert_eq!(node.points("neighbour", now), 0);
    // What they sign now counts for nothing.
    for vote in chain.votes(30) {
        gossip(&mut node, &vote, now);
    }
    assert_eq!(node.seats(&chain.tip_id()), Some(0));
}

#[test]
fn a_vote_for_a_side_block_is_judged_by_the_committee_of_its_own_branch() {
    let (chain, mut node) = followed();
    // The lottery block of 30 is 28: from 27 on another one draws.
    let mut side = chain.cut_to(27);
    side.mine_to(30, Included::Nothing, 9);
    let now = side.now();
    submit(&mut node, &side.blocks_from(28), now);
    let [ours, theirs] = [&chain, &side].map(|branch| {
        let committee = branch.0.committee(Height::new(30));
        let seats = committee.members().map(|(bond, seat)| (bond, seat.seats));
        seats.collect::<BTreeMap<_, _>>()
    });
    assert_ne!(ours, theirs, "another committee");
    for vote in side.votes(30) {
        assert_eq!(gossip(&mut node, &vote, now), Verdict::Accept);
    }
    assert_eq!(node.seats(&side.tip_id()), Some(8));
    assert_eq!(node.points("neighbour", now), 0);
}

#[test]
fn a_vote_whose_committee_only_another_branch_knows_is_dropped() {
    let (chain, mut node) = followed();
    let mut side = chain.cut_to(11);
    side.mine_to(26, Included::Nothing, 9);
    let now = chain.now();
    submit(&mut node, &side.blocks_from(12), now);
    for vote in side.votes(26) {
        assert_eq!(gossip(&mut node, &vote, now), Verdict::Ignore);
        assert_eq!(node.submit_vote(&vote), Ok(VoteSubmission::OutOfTime));
    }
    assert_eq!(node.seats(&side.tip_id()), Some(0));
    assert_eq!(node.points("neighbour", now), 0);
}

#[test]
fn two_more_votes_ask_for_a_new_template_which_holds_them() {
    let (chain, mut node) = followed();
    let now = chain.now();
    let payout = miner().account();
    let empty = node.template(payout, now).expect("no alarm");
    assert_eq!(empty.body.aux.votes, []);
    let votes = chain.votes(30);
    assert!(votes.len() >= 3, "several bonds have seats");
    let mut asked = Vec::new();
    for vote in &votes {
        assert_eq!(node.submit_vote(vote), Ok(VoteSubmission::Accepted));
        let said = node.take_actions();
        asked.push(said.contains(&Action::VotesGathered));
    }
    assert_eq!(asked[..3], [false, true, false], "once, with the second");
    let full = node.template(payout, now).expect("no alarm");
    assert_eq!(full.body.aux.votes.len(), votes.len());
    submit(&mut node, &[solve(full)], now);
    assert_eq!(
        node.template(payout, now).expect("no alarm").body.aux.votes,
        []
    );
}

#[test]
fn a_template_fills_its_sixteen_seats_from_the_last_eight_blocks() {
    let mut chain = Staked::up_to(VOTES_FROM);
    chain.mine_to(36, Included::Nothing, 1);
    let mut node = chain.node();
    for height in (28..=36).rev() {
        for vote in chain.votes(height) {
            assert_eq!(node.submit_vote(&vote), Ok(VoteSubmission::Accepted));
        }
    }
    let now = chain.now();
    let block = node.template(miner().account(), now).expect("no alarm");
    let seats = |back: u64, bond| chain.0.committee(Height::new(37 - back)).seats(bond);
    let votes = &block.body.aux.votes;
    let sum: u32 = votes
        .iter()
        .map(|vote| seats(vote.back.into(), vote.bond))
        .sum();
    assert_eq!(sum, 16);
    assert!(votes.iter().all(|vote| (1..=8).contains(&vote.back)));
    assert!(
        votes.iter().any(|vote| vote.back == 8),
        "the last chance first"
    );
    submit(&mut node, &[solve(block)], now);
}

#[test]
fn a_disconnected_block_gives_back_its_votes_and_its_proofs() {
    let (chain, mut node) = followed();
    let now = chain.now();
    let votes = chain.votes(30);
    let accused = chain.votes(29)[0].bond;
    let other = chain.vote(accused.get(), 29, BlockId::from_bytes([3; 32]));
    gossip(&mut node, &other, now);
    assert_eq!(node.offences.len(), 1);
    for vote in &votes {
        gossip(&mut node, vote, now);
    }
    let block = node.template(miner().account(), now).expect("no alarm");
    assert_eq!(block.body.aux.evidence.len(), 1);
    assert_eq!(block.body.aux.votes.len(), votes.len());
    let block = solve(block);
    submit(&mut node, std::slice::from_ref(&block), now);
    assert!(node.offences.is_empty(), "it is punished");
    node.invalidate(&block.id(), now).expect("it is known");
    assert_eq!(tip(&node), chain.tip_id());
    assert_eq!(node.offences.len(), 1);
    let again = node.template(miner().account(), now).expect("no alarm");
    assert_eq!(again.body.aux, block.body.aux);
}

#[test]
fn a_node_that_never_heard_a_vote_learns_it_from_the_block_that_leaves() {
    let chain = Staked::up_to(31);
    let mut node = chain.node();
    // As after a start: nothing but what the disk keeps.
    node = reopened(node);
    assert!(node.votes.is_empty());
    node.invalidate(&chain.tip_id(), chain.now())
        .expect("known");
    let block = node
        .template(Owner::new(5).account(), chain.now())
        .expect("no alarm");
    let votes = &chain.blocks_from(31)[0].body.aux.votes;
    assert_eq!(&block.body.aux.votes, votes);
}

#[test]
fn two_votes_of_a_bond_cost_it_coins_in_a_net_of_two() {
    let chain = Staked::up_to(30);
    let mut net = Net::new(&["alice", "bob"]);
    for name in ["alice", "bob"] {
        submit(net.node(name), &chain.blocks_from(1), chain.now());
    }
    net.now = chain.now();
    net.connect("alice", "bob");
    let vote = chain.votes(30)[0];
    let (_, beside) = sibling(&chain);
    let other = chain.vote(vote.bond.get(), 30, beside.id());
    let alice = net.node("alice");
    assert_eq!(alice.submit_vote(&vote), Ok(VoteSubmission::Accepted));
    net.carry();
    let seats = net.node("bob").seats(&chain.tip_id());
    assert!(seats > Some(0));
    let alice = net.node("alice");
    assert_eq!(alice.submit_vote(&other), Ok(VoteSubmission::Accepted));
    net.carry();
    for name in ["alice", "bob"] {
        let node = net.node(name);
        assert_eq!(node.seats(&chain.tip_id()), Some(0), "{name}: heard twice");
        assert_eq!(node.offences.len(), 1);
    }
    let bonded = |net: &mut Net, name| {
        let ledger = net.node(name).engine().ledger();
        let view = ledger.view().expect("memory answers");
        let bond = value::bond(&view, vote.bond).expect("memory answers");
        bond.expect("it is there").amount.base_units()
    };
    let before = bonded(&mut net, "alice");
    net.mine("bob", 1);
    assert_eq!(
        bonded(&mut net, "alice"),
        before / 2,
        "half of the least bond"
    );
    assert_eq!(net.root("alice"), net.root("bob"));
    assert!(net.node("alice").offences.is_empty());
    net.mine("alice", 1);
    assert_eq!(bonded(&mut net, "bob"), before / 2, "once for a height");
    assert_eq!(net.bans, []);
}

#[test]
fn finality_votes_wait_for_blocks_and_late_ones_do_not() {
    let mut chain = Staked::up_to(FINALITY_FROM + 4);
    chain.mine_to(FINALITY_FROM + 6, Included::Votes, 1);
    let mut node = chain.node();
    let now = chain.now();
    let vote = chain.finality_vote(10, None);
    assert_eq!(gossip_finality(&mut node, &vote, now), Verdict::Accept);
    assert_eq!(gossip_finality(&mut node, &vote, now), Verdict::Ignore);
    let block = node.template(miner().account(), now).expect("no alarm");
    let groups: Vec<_> = block.body.aux.finality.iter().collect();
    assert_eq!(groups.len(), 1);
    assert_eq!(
        (groups[0].target.get(), groups[0].signatures.len()),
        (10, 1)
    );
    submit(&mut node, &[solve(block)], now);
    let after = node.template(miner().account(), now).expect("no alarm");
    assert_eq!(after.body.aux.finality, []);
    let late = vote;
    // Checkpoint 10 closes with block 56.
    let mut on = chain.clone();
    on.mine_to(56, Included::Nothing, 2);
    let mut node = on.node();
    assert_eq!(
        node.submit_finality_vote(&late),
        Ok(VoteSubmission::OutOfTime)
    );
    assert_eq!(gossip_finality(&mut node, &late, now), Verdict::Ignore);
    assert_eq!(node.points("neighbour", now), 0);
}

#[test]
fn a_finality_vote_ahead_of_its_checkpoint_waits_for_it() {
    let mut chain = Staked::up_to(FINALITY_FROM + 8);
    let ahead = chain.cut_to(FINALITY_FROM + 7);
    let mut node = ahead.node();
    let vote = chain.finality_vote(11, None);
    assert_eq!(
        gossip_finality(&mut node, &vote, chain.now()),
        Verdict::Accept
    );
    submit(
        &mut node,
        &chain.blocks_from(FINALITY_FROM + 8),
        chain.now(),
    );
    let block = node.template(miner().account(), chain.now());
    let block = block.expect("no alarm");
    assert_eq!(block.body.aux.finality.len(), 1);
    chain.mine(Included::Everything, 1);
    assert_eq!(
        chain.blocks_from(45)[0].body.aux.finality,
        block.body.aux.finality
    );
}

#[test]
fn a_masternode_that_contradicts_itself_is_slashed() {
    let mut chain = Staked::up_to(FINALITY_FROM + 4);
    chain.mine(Included::Votes, 1);
    let mut node = chain.node();
    let now = chain.now();
    let vote = chain.finality_vote(10, None);
    let other = chain.finality_vote(10, Some(BlockId::from_bytes([4; 32])));
    assert_eq!(gossip_finality(&mut node, &vote, now), Verdict::Accept);
    assert_eq!(gossip_finality(&mut node, &other, now), Verdict::Accept);
    let third = chain.finality_vote(10, Some(BlockId::from_bytes([5; 32])));
    assert_eq!(gossip_finality(&mut node, &third, now), Verdict::Ignore);
    assert_eq!(node.offences.len(), 1);
    let block = node.template(miner().account(), now).expect("no alarm");
    assert_eq!(block.body.aux.evidence.len(), 1);
    submit(&mut node, &[solve(block)], now);
    let view = node.engine().ledger().view().expect("memory answers");
    let masternode = value::masternode(&view, vote.masternode).expect("memory answers");
    let standing = masternode.expect("it is there").standing;
    assert!(matches!(standing, value::Standing::Slashed { .. }));
}

#[test]
fn seats_of_recent_blocks_and_the_gap_can_be_read() {
    let chain = Staked::up_to(FINALITY_FROM + 9);
    let node = chain.node();
    let seats = node.seats_of_recent(WATCHED_BLOCKS).expect("answers");
    assert_eq!((seats.len(), seats[0], seats[1]), (WATCHED_BLOCKS, 0, 8));
    assert_eq!(node.seats_of_recent(100).expect("answers").len(), 22);
    assert!(node.finality_gap_blocks().expect("answers") <= Some(4));
    assert!(node.is_final(Height::new(FINALITY_FROM)).expect("answers"));
    assert!(
        !node
            .is_final(Height::new(FINALITY_FROM + 9))
            .expect("answers")
    );
    let young = Staked::up_to(VOTES_FROM - 1).node();
    assert_eq!(young.seats_of_recent(WATCHED_BLOCKS), Ok(vec![]));
    assert_eq!(young.finality_gap_blocks(), Ok(None), "finality is off");
}
