//! Branches that nobody follows by himself, and what outlives a restart.

use super::staked::{
    FINALITY_FROM, Included, Staked, gossip_finality, miner, reopened, submit, tip,
};
use super::*;
use crate::engine::{Joined, Refusal, Reorgs};
use consensus::testing::{Owner, TestChain};

/// All that the tree says of the blocks of both chains.
fn weights(
    node: &Node<Memory>,
    chains: &[&Staked],
) -> Vec<(BlockId, Option<u32>, Option<u32>, u128)> {
    let tree = node.engine().tree();
    let mut weights = Vec::new();
    for chain in chains {
        for height in 0..=chain.0.height() {
            let id = chain.id(height);
            let score = tree.score(&id).expect("its body is known").get();
            weights.push((id, tree.seats(&id), tree.level(&id), score));
        }
    }
    weights
}

#[test]
fn a_restart_keeps_all_seats_levels_and_scores_that_blocks_gave() {
    let chain = Staked::up_to(64);
    // Both hold votes for the same blocks, which must not count twice.
    let mut beside = chain.cut_to(45);
    beside.mine_to(60, Included::Votes, 9);
    let mut far = chain.cut_to(23);
    far.mine_to(30, Included::Everything, 8);
    let mut node = chain.cut_to(40).node();
    submit(&mut node, &far.blocks_from(24), chain.now());
    submit(&mut node, &chain.cut_to(45).blocks_from(41), chain.now());
    // The side branch is applied first and left for the heavier one.
    submit(&mut node, &beside.blocks_from(46), chain.now());
    let was_applied = tip(&node);
    assert_eq!(was_applied, beside.tip_id());
    submit(&mut node, &chain.blocks_from(46), chain.now());
    assert_eq!(tip(&node), chain.tip_id());
    let all = [&chain, &beside, &far];
    let before = weights(&node, &all);
    let seats: u32 = before.iter().filter_map(|(_, seats, ..)| *seats).sum();
    assert!(seats > 300, "{seats} seats");
    let anchors = *node.engine().anchors();
    let node = reopened(node);
    assert_eq!(weights(&node, &all), before);
    assert_eq!(*node.engine().anchors(), anchors);
    assert_eq!(node.engine().tree().justified(), anchors.justified);
}

#[test]
fn a_restart_far_above_genesis_weighs_headers_as_before() {
    let mut chain = Staked::up_to(96);
    let ledger = chain.node().engine.into_ledger();
    let params = chain.0.params().clone();
    // The levels of the root's term and of the next were given at or below the root.
    let mut node = chain.cut_to(0).node();
    node.engine = Engine::open_with_depth(ledger, params, 30).expect("memory answers");
    let tree = node.engine().tree();
    assert_eq!(tree.header(tree.root()).expect("a root").height.get(), 66);
    assert!(tree.level(&chain.id(67)) > Some(0));
    assert!(tree.may_win(&chain.tip_id()), "no score is above its bound");
    chain.mine(Included::Everything, 1);
    submit(&mut node, &chain.blocks_from(97), chain.now());
    assert_eq!(tip(&node), chain.tip_id());
    assert!(node.engine().tree().may_win(&chain.tip_id()));
}

#[test]
fn checkpoints_bind_after_a_restart_whatever_the_state_shows() {
    let chain = Staked::up_to(60);
    let mut node = chain.node();
    let anchors = *node.engine().anchors();
    let finalized = anchors.finalized.expect("finality is on");
    assert!(finalized.height.get() > 48, "{finalized:?}");
    // A power cut in the middle of a move may leave the state far behind.
    for _ in 0..20 {
        node.engine.ledger_mut().disconnect().expect("a block");
    }
    let mut node = reopened(node);
    assert_eq!(node.engine().tip().expect("answers").0, Height::new(40));
    assert_eq!(*node.engine().anchors(), anchors);
    assert_eq!(node.engine().tree().finalized(), Some(&finalized.id));
    assert_eq!(node.engine().tree().justified(), anchors.justified);
    // A branch below what is final is not even listened to, however heavy it is.
    let mut other = chain.cut_to(41);
    other.mine_to(70, Included::Votes, 9);
    let refused = node.submit_block(other.blocks_from(42)[0].clone(), other.now());
    assert!(matches!(
        refused,
        Ok(BlockSubmission::Refused(Refusal::NotFollowed { .. }))
    ));
    node.resume(chain.now()).expect("answers");
    assert_eq!(tip(&node), chain.tip_id());
}

#[test]
fn what_is_final_is_kept_before_it_binds() {
    let chain = Staked::up_to(60);
    let last = chain.blocks_from(1);
    let mut node = chain.cut_to(44).node();
    let before = *node.engine().anchors();
    let now = chain.now();
    node.engine.ledger_mut().full_for = Some(Write::Anchors);
    let at = last
        .iter()
        .position(|block| block.header.height.get() == 45);
    let next = last[at.expect("a block")].clone();
    assert_eq!(node.submit_block(next, now), Err(LedgerError::Full));
    assert_eq!(tip(&node), chain.id(45), "the block itself is there");
    assert_eq!(node.engine().tree().justified(), before.justified);
    assert_eq!(*node.engine().anchors(), before);
    node.engine.ledger_mut().full_for = None;
    node.tick(now).expect("answers");
    assert_ne!(*node.engine().anchors(), before);
    assert_eq!(
        node.engine().tree().justified(),
        node.engine().anchors().justified
    );
}

/// Seventy blocks without votes, and a short branch beside them with all votes.
fn light() -> (Staked, Staked) {
    let trunk = Staked::up_to(60);
    let (mut heavy, mut light) = (trunk.clone(), trunk);
    heavy.mine_to(130, Included::Nothing, 1);
    light.mine_to(76, Included::Votes, 9);
    (heavy, light)
}

fn raised(actions: &[Action]) -> Vec<Alarm> {
    let alarms = actions.iter().filter_map(|action| match action {
        Action::Alarm(alarm) => Some(*alarm),
        _ => None,
    });
    alarms.collect()
}

fn submit_quietly(node: &mut Node<Memory>, blocks: &[Block], now: Timestamp) -> Vec<Alarm> {
    for block in blocks {
        let submitted = node.submit_block(block.clone(), now);
        assert_eq!(submitted, Ok(BlockSubmission::Accepted));
    }
    raised(&node.take_actions())
}

#[test]
fn light_branch_guard() {
    let (mut heavy, mut light) = light();
    let mut node = heavy.node();
    let now = heavy.now();
    let alarms = submit_quietly(&mut node, &light.blocks_from(61), now);
    let expected = Alarm::LightBranch {
        branch: light.id(61),
        depth_blocks: 70,
    };
    assert_eq!(alarms, [expected], "said once");
    assert_eq!(tip(&node), heavy.tip_id());
    assert_eq!(node.alarm(), Some(&expected));
    // The own chain goes on, with everybody who stands behind it.
    assert!(node.template(miner().account(), now).is_ok());
    heavy.mine(Included::Nothing, 1);
    submit(&mut node, &heavy.blocks_from(131), heavy.now());
    assert_eq!(tip(&node), heavy.tip_id());
    assert!(matches!(node.alarm(), Some(Alarm::LightBranch { .. })));
    // With a quarter of the work the branch is like any other.
    light.mine_to(78, Included::Votes, 9);
    submit(&mut node, &light.blocks_from(77), heavy.now());
    assert_eq!(tip(&node), light.tip_id());
    assert_eq!(node.alarm(), None);
    assert!(node.template(miner().account(), light.now()).is_ok());
}

#[test]
fn beside_a_light_branch_voters_go_on_and_signers_pause() {
    let (mut heavy, light) = light();
    let mut node = heavy.node();
    let voter = super::staked::voter(chain::units::BondId::new(0));
    let operator = super::staked::operator(chain::units::MasternodeId::new(0));
    let set = node.set_voter(crate::voter::Voter::new(*voter.keypair()));
    set.expect("memory answers");
    let set = node.set_signer(crate::voter::FinalitySigner::new(*operator.keypair()));
    set.expect("memory answers");
    submit_quietly(&mut node, &light.blocks_from(61), heavy.now());
    for height in 131..=150 {
        heavy.mine(Included::Nothing, 1);
        let now = heavy.0.tip().time;
        submit(&mut node, &heavy.blocks_from(height), now);
    }
    assert!(matches!(node.alarm(), Some(Alarm::LightBranch { .. })));
    assert_eq!(node.voter_status().expect("a voter").pause, None);
    let signer = node.signer_status().expect("a signer");
    assert_eq!(signer.pause, Some(crate::voter::Pause::Alarm));
    assert_eq!(signer.votes_cast, 0);
}

#[test]
fn waiting_for_a_block_is_seen_even_where_nothing_was_final() {
    let mut chain = Staked::up_to(30);
    let mut node = chain.node();
    let block = BlockId::from_bytes([1; 32]);
    assert_eq!(node.join(&block, chain.now()), Ok(Joined::Waits));
    let waits = Alarm::Joining { block };
    assert_eq!(raised(&node.take_actions()), [waits]);
    chain.mine_to(60, Included::Everything, 1);
    submit(&mut node, &chain.blocks_from(31), chain.now());
    assert_eq!(tip(&node), chain.tip_id(), "there is nothing to leave");
    assert_eq!(node.engine().anchors().finalized, None);
    assert_eq!(node.alarm(), Some(&waits));
    assert!(node.template(miner().account(), chain.now()).is_err());
}

#[test]
fn moves_are_told_even_if_the_disk_is_full_right_after() {
    let (mut ours, theirs) = contradiction();
    let mut node = ours.node();
    let beside = ours.finality_vote(11, Some(theirs.id(44)));
    let bytes = chain::codec::encode(&beside);
    node.engine.ledger_mut().full_for = Some(Write::Anchors);
    let heard = node.finality_vote_gossiped("neighbour", 1, &bytes, ours.now());
    assert_eq!(heard, Err(LedgerError::Full), "nothing was said yet");
    node.take_actions();
    ours.mine(Included::Nothing, 1);
    let block = ours.blocks_from(51)[0].clone();
    let submitted = node.submit_block(block, ours.now());
    assert_eq!(submitted, Err(LedgerError::Full));
    assert_eq!(tip(&node), ours.tip_id());
    let moved = |action: &Action| matches!(action, Action::TipMoved(moves) if moves.len() == 1);
    assert!(node.take_actions().iter().any(moved));
    node.engine.ledger_mut().full_for = None;
    ours.mine(Included::Nothing, 1);
    submit(&mut node, &ours.blocks_from(52), ours.now());
    assert!(matches!(
        node.alarm(),
        Some(Alarm::ConflictingFinality { .. })
    ));
}

#[test]
fn the_operator_decides_about_a_light_branch() {
    let (heavy, light) = light();
    let alarmed = || {
        let mut node = heavy.node();
        submit_quietly(&mut node, &light.blocks_from(61), heavy.now());
        assert!(node.alarm().is_some());
        node
    };
    let mut goes = alarmed();
    let joined = goes.join(&light.tip_id(), heavy.now()).expect("known");
    assert!(matches!(joined, Joined::Now(_)));
    assert_eq!(tip(&goes), light.tip_id());
    assert_eq!(goes.alarm(), None);
    let mut stays = alarmed();
    stays.join(&heavy.tip_id(), heavy.now()).expect("known");
    assert_eq!(tip(&stays), heavy.tip_id());
    assert_eq!(stays.alarm(), None);
    let stays = reopened(stays);
    assert_eq!(tip(&stays), heavy.tip_id());
    assert_eq!(stays.alarm(), None, "the word outlives a restart");
}

/// A chain on which checkpoint 11 is final, and another that leaves it aside.
fn contradiction() -> (Staked, Staked) {
    let ours = Staked::up_to(FINALITY_FROM + 14);
    let mut theirs = ours.cut_to(42);
    theirs.mine_to(54, Included::Everything, 9);
    (ours, theirs)
}

#[test]
fn a_quorum_beside_a_final_block_stops_the_node_until_it_joins_a_chain() {
    let (ours, theirs) = contradiction();
    let mut node = ours.node();
    let now = theirs.now();
    let finalized = node.engine().anchors().finalized.expect("finality is on");
    assert!(finalized.height >= Height::new(44), "{finalized:?}");
    let beside = ours.finality_vote(11, Some(theirs.id(44)));
    let bytes = chain::codec::encode(&beside);
    node.finality_vote_gossiped("neighbour", 1, &bytes, now)
        .expect("answers");
    let conflict = Alarm::ConflictingFinality {
        ours: finalized,
        theirs: theirs.id(44),
    };
    assert_eq!(raised(&node.take_actions()), [conflict]);
    assert_eq!(node.points("neighbour", now), 0);
    // Nothing moves, not even after a restart.
    let mut node = reopened(node);
    assert_eq!(node.alarm(), Some(&conflict));
    let mut more = ours.clone();
    more.mine(Included::Everything, 1);
    submit(&mut node, &more.blocks_from(51), now);
    assert_eq!(tip(&node), ours.tip_id());
    assert!(node.template(miner().account(), now).is_err());

    // The other chain is not here yet; its headers were refused so far.
    let first = theirs.blocks_from(43)[0].clone();
    let refused = node.submit_block(first, now).expect("answers");
    assert!(matches!(refused, BlockSubmission::Refused(_)));
    assert_eq!(node.join(&theirs.tip_id(), now), Ok(Joined::Waits));
    let waits = Alarm::Joining {
        block: theirs.tip_id(),
    };
    assert_eq!(node.alarm(), Some(&waits));
    submit(&mut node, &theirs.blocks_from(43), now);
    assert_eq!(tip(&node), ours.tip_id());
    node.tick(now).expect("answers");
    assert_eq!(tip(&node), theirs.tip_id());
    assert_eq!(node.alarm(), None);
    assert!(node.template(miner().account(), now).is_ok());
    let node = reopened(node);
    assert_eq!(tip(&node), theirs.tip_id());
    assert_eq!(node.alarm(), None);
    let status = node.engine().tree().status(&ours.id(43));
    let aside = Some(consensus::fork_choice::BlockStatus::ConflictsWithFinality);
    assert_eq!(status, aside);
}

#[test]
fn a_quorum_for_a_checkpoint_that_our_chain_passed_over_contradicts_nothing() {
    let mut ours = Staked::up_to(44);
    // Checkpoint 11 gets no quorum here; 12 and 13 follow from 10.
    ours.mine_to(54, Included::AllBut(11), 1);
    let mut node = ours.node();
    let finalized = node.engine().anchors().finalized.expect("finality is on");
    assert!(finalized.height >= Height::new(48), "{finalized:?}");
    let vote = ours.finality_vote(11, Some(BlockId::from_bytes([4; 32])));
    assert_eq!(vote.source.get(), 10);
    gossip_finality_quietly(&mut node, &vote, ours.now());
    assert!(node.offences.is_empty(), "nobody signed against himself");
    assert_eq!(node.alarm(), None);
    ours.mine(Included::AllBut(11), 1);
    submit(&mut node, &ours.blocks_from(55), ours.now());
    assert_eq!(tip(&node), ours.tip_id());
    assert_eq!(node.alarm(), None);
}

#[test]
fn the_operator_may_stay_with_what_is_final_here() {
    let (ours, theirs) = contradiction();
    let mut node = ours.node();
    let now = theirs.now();
    let beside = ours.finality_vote(11, Some(theirs.id(44)));
    gossip_finality_quietly(&mut node, &beside, now);
    assert!(node.alarm().is_some());
    node.join(&ours.id(44), now).expect("known");
    assert_eq!(node.alarm(), None);
    assert_eq!(tip(&node), ours.tip_id());
    let refused = node.join(&BlockId::from_bytes([1; 32]), now);
    assert_eq!(refused, Ok(Joined::Waits));
}

fn gossip_finality_quietly(
    node: &mut Node<Memory>,
    vote: &chain::finality::FinalityVote,
    now: Timestamp,
) {
    let verdict = gossip_finality(node, vote, now);
    assert_eq!(verdict, Verdict::Accept);
}

/// A branch of its own.
fn deep(owner: u64, blocks: u64) -> Staked {
    let mut chain = TestChain::new(Network::Regtest);
    chain.mine_empty(Owner::new(owner).account(), blocks);
    Staked(chain)
}

/// Hands in a branch that is heavy enough only as a whole.
fn fetch(node: &mut Node<Memory>, chain: &Staked, pace: Pace) {
    let now = chain.now();
    let mut branch = Vec::new();
    for block in chain.blocks_from(1) {
        let extended = node.engine.extend_branch(&mut branch, &block.header, now);
        assert_eq!(extended, Ok(()));
    }
    assert_eq!(node.engine.add_branch(&branch), Ok(()));
    for block in chain.blocks_from(1) {
        node.engine.set_pace(pace).expect("memory answers");
        let id = block.header.id();
        let advance = node.engine.add_body(&id, block.body, &node.mempool);
        assert_eq!(advance.map(|advance| advance.stopped), Ok(None));
    }
}

#[test]
fn what_was_fetched_as_history_is_left_without_asking_and_the_rest_with_consent() {
    let depth = genesis::law::REORG_BLOCKS_MAX;
    let (ours, theirs) = (deep(7, depth + 1), deep(8, depth + 2));
    let params = ours.0.params();
    let fresh = || Node::open(Memory::new(params), params.clone()).expect("memory answers");
    let mut node = fresh();
    fetch(&mut node, &ours, Pace::FarBehind);
    assert_eq!(tip(&node), ours.tip_id());
    fetch(&mut node, &theirs, Pace::FarBehind);
    assert_eq!(tip(&node), theirs.tip_id(), "nobody relied on it");

    // One block that came as history changes nothing about those below it.
    let mut live = fresh();
    fetch(&mut live, &ours.cut_to(depth), Pace::AtTip);
    fetch(&mut live, &ours, Pace::FarBehind);
    fetch(&mut live, &theirs, Pace::FarBehind);
    assert_eq!(tip(&live), ours.tip_id());
    let mut live = reopened(live);
    live.set_reorgs(Reorgs::Accepted);
    live.tick(theirs.now()).expect("answers");
    assert_eq!(tip(&live), theirs.tip_id());
}
