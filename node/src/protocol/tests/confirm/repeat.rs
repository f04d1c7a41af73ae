//! What is said again when a peer comes.

use super::*;

/// What the voter said at [`FIRST`] and the block after, heard by nobody.
fn unheard() -> (Scene, Vec<Vote>) {
    let mut scene = Scene::new();
    scene.set_voter();
    scene.to(FIRST + 1);
    let said = scene.votes();
    assert_eq!(heights(&said), [FIRST, FIRST + 1]);
    (scene, said)
}

/// A peer comes, and time passes.
fn meet(scene: &mut Scene, peer: &str) {
    let now = scene.now();
    scene.node.peer_connected(peer, now);
    scene.node.tick(now).expect("memory answers");
}

#[test]
fn votes_that_reached_nobody_are_said_again_when_a_peer_comes() {
    let (mut scene, said) = unheard();
    scene.node.tick(scene.now()).expect("memory answers");
    assert_eq!(scene.votes(), [], "nobody came");
    let cast = |scene: &Scene| scene.node.voter_status().expect("a voter").votes_cast;
    let ballots = scene.node.engine().ledger().ballots_put;
    meet(&mut scene, "peer");
    assert_eq!(scene.votes(), said, "the same bytes");
    scene.node.tick(scene.now()).expect("memory answers");
    assert_eq!(scene.votes(), [], "once for each who comes");
    meet(&mut scene, "another");
    assert_eq!(scene.votes(), said);
    assert_eq!(cast(&scene), 2, "nothing was signed for it");
    assert_eq!(scene.node.engine().ledger().ballots_put, ballots);
}

#[test]
fn votes_that_a_block_has_or_that_none_may_include_are_not_said_again() {
    let (mut scene, said) = unheard();
    // It holds the vote for FIRST + 1.
    scene.step_with_vote();
    let new = scene.votes();
    assert_eq!(heights(&new), [FIRST + 2]);
    meet(&mut scene, "peer");
    assert_eq!(scene.votes(), [said[0], new[0]]);
    scene.to(FIRST + 7);
    let newer = scene.votes();
    meet(&mut scene, "another");
    let again = scene.votes();
    assert_eq!(
        again[..2],
        [said[0], new[0]],
        "the next block is the last one for it"
    );
    assert_eq!(again[2..], newer);
    scene.step();
    let newest = scene.votes();
    meet(&mut scene, "a third");
    let again = scene.votes();
    assert_eq!(again[0], new[0]);
    assert_eq!(again.last(), newest.last());
}

#[test]
fn votes_for_another_branch_and_of_who_has_stopped_are_not_said_again() {
    let (mut scene, _) = unheard();
    scene.reorg(FIRST - 1, 8);
    let said = scene.votes();
    assert_eq!(heights(&said), (FIRST + 2..=FIRST + 7).collect::<Vec<_>>());
    meet(&mut scene, "peer");
    assert_eq!(scene.votes(), said);
    let height = scene.chain.height() + 1;
    let foreign = scene.foreign(height, BlockId::from_bytes([7; 32]));
    scene.hear(&foreign);
    assert!(matches!(scene.stage(), Stage::Stopped(_)));
    meet(&mut scene, "another");
    assert_eq!(scene.votes(), []);
}

#[test]
fn signatures_under_open_checkpoints_are_said_again_when_a_peer_comes() {
    let mut scene = Scene::new();
    scene.set_signer();
    scene.to(97);
    let said = scene.finality_votes();
    assert_eq!(said.len(), 1);
    meet(&mut scene, "peer");
    assert_eq!(scene.finality_votes(), said, "the same bytes");
    let targets = scene.chain.targets();
    let is_it = |target: &&consensus::finality::Target| target.number() == said[0].target;
    let target = targets.iter().find(is_it).expect("it is open");
    let found = scene
        .chain
        .finality_votes_for(target, |_, _| Some(operator()));
    let height = scene.chain.blocks().len();
    scene.chain.mine_with(owner().account(), |draft| {
        draft.try_finality_vote(&found[0]).expect("it fits");
    });
    scene.follow(height);
    meet(&mut scene, "another");
    assert_eq!(scene.finality_votes(), [], "it is in a block");
    assert_eq!(scene.node.signer_status().expect("a signer").votes_cast, 1);
}

#[test]
fn a_voter_that_pauses_says_its_votes_again_afterwards() {
    let (mut scene, said) = unheard();
    scene.node.ages = Ages::of(i64::try_from(CLOCK_OFF_MS).expect("small"));
    meet(&mut scene, "peer");
    assert_eq!(scene.votes(), []);
    scene.node.ages = Ages::default();
    scene.node.tick(scene.now()).expect("memory answers");
    assert_eq!(scene.votes(), said);
}
