//! Bonds and masternodes that have other numbers on another branch.

use chain::Transaction;

use super::*;

fn other_voter() -> Owner {
    Owner::new(1_001)
}

fn other_operator() -> Owner {
    Owner::new(2_001)
}

/// Height below which both branches are one.
const FORK: u64 = 68;

/// Our bond and masternode and those of somebody else, registered in this order.
fn orders(chain: &TestChain, ours_first: bool) -> Vec<Transaction> {
    let coin = Amount::from_x3c(1).expect("below the cap");
    let mut people = [
        (voter(), operator(), 3_000),
        (other_voter(), other_operator(), 3_001),
    ];
    if !ours_first {
        people.reverse();
    }
    let mut orders = Vec::new();
    for (ahead, (voter, operator, voting)) in [0, 2].into_iter().zip(people) {
        orders.push(chain.bond(&owner(), ahead, &voter, coin));
        orders.push(chain.register(&owner(), ahead + 1, &operator, &Owner::new(voting)));
    }
    orders
}

/// A node that met its bond and its masternode as number 0 and follows a branch where both are
/// number 1, up to [`SEATED`].
fn renumbered() -> Scene {
    let params = Params::of(Network::Regtest);
    let mut chain = TestChain::with(params.clone());
    chain.mine_empty(owner().account(), FORK);
    let first = orders(&chain, true);
    chain.mine(owner().account(), &first, &[]);
    let node = Node::open(Memory::new(&params), params).expect("memory answers");
    let mut scene = Scene { chain, node };
    scene.follow(0);
    scene.set_voter();
    scene.set_signer();
    scene.step();
    let is_met = |scene: &Scene, number| {
        let voter = scene.node.voter.as_ref().expect("a voter");
        let signer = scene.node.signer.as_ref().expect("a signer");
        let masternode = chain::units::MasternodeId::new(number);
        voter.is_ours(BondId::new(number)) && signer.is_ours(masternode)
    };
    assert!(is_met(&scene, 0) && !is_met(&scene, 1));
    while scene.chain.height() > FORK {
        scene.chain.disconnect();
    }
    let second = orders(&scene.chain, false);
    scene.chain.mine(owner().account(), &second, &[]);
    scene.chain.mine_empty(owner().account(), 3);
    scene.follow(usize::try_from(FORK).expect("small"));
    let tip = scene.node.engine().tip().expect("memory answers").1;
    assert_eq!(tip, scene.chain.tip().id(), "the branch is better");
    assert!(is_met(&scene, 1));
    scene.to(SEATED);
    scene
}

/// One more block, with the votes and signatures of these two.
fn step_with(scene: &mut Scene, voter: &Owner, operator: &Owner) -> usize {
    let height = scene.chain.blocks().len();
    let tip = scene.chain.tip().height;
    let is_by =
        |key: &chain::PublicKey, owner: &Owner| (*key == owner.key()).then(|| owner.clone());
    let votes = scene.chain.votes_for(tip, |_, key| is_by(key, voter));
    let targets = scene.chain.targets().into_iter();
    let links: Vec<_> = targets
        .flat_map(|target| {
            scene
                .chain
                .finality_votes_for(&target, |_, key| is_by(key, operator))
        })
        .collect();
    scene.chain.mine_with(owner().account(), |draft| {
        for vote in &votes {
            draft.try_vote(vote).expect("a vote that fits");
        }
        for link in &links {
            draft.try_finality_vote(link).expect("it fits");
        }
    });
    scene.follow(height);
    votes.len() + links.len()
}

#[test]
fn who_has_our_number_of_another_branch_is_no_second_voter_and_no_second_signer() {
    let mut scene = renumbered();
    let mut included = 0;
    for _ in 0..24 {
        included += step_with(&mut scene, &other_voter(), &other_operator());
    }
    assert!(included > 24, "{included}");
    let stage = |scene: &Scene| scene.node.signer_status().expect("a signer").stage;
    assert_eq!(
        (scene.stage(), stage(&scene)),
        (Stage::Active, Stage::Active)
    );
    let cast = heights(&scene.votes()).last().copied();
    assert!(cast.is_some());
    assert_eq!(scene.last_voted(), cast, "nobody else's vote was kept");
    // By its new number, what our key signs is still known.
    let next = scene.chain.height() + 1;
    let height = scene.chain.blocks().len();
    scene.chain.mine_empty(owner().account(), 1);
    let block = scene.chain.tip().id();
    let params = scene.chain.params().clone();
    let vote = voter().vote(&params, Height::new(next), block, BondId::new(1));
    scene.hear(&vote);
    assert!(matches!(scene.stage(), Stage::Stopped(_)));
    scene.follow(height);
}

#[test]
fn a_second_voter_and_a_second_signer_are_found_by_their_new_numbers() {
    let mut scene = renumbered();
    for _ in 0..8 {
        step_with(&mut scene, &voter(), &operator());
    }
    let stage = scene.node.signer_status().expect("a signer").stage;
    assert!(
        matches!(stage, Stage::Stopped(StopReason::SecondSigner { .. })),
        "{stage:?}"
    );
    assert!(matches!(
        scene.stage(),
        Stage::Stopped(StopReason::SecondVoter { .. })
    ));
}
