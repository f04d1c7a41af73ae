//! Votes in blocks: seats, payment, sleep, and the rules they break.

use super::world::{World, coins, voter};
use chain::units::Term;

use super::*;
use crate::stake;

/// One bond that holds all seats, at the first height with a committee whose vote fits a block.
fn voted() -> World {
    let mut world = World::new(&[5], 0);
    world.to(84);
    world
}

fn bond(number: u32) -> BondId {
    BondId::new(number)
}

#[test]
fn the_first_committee_sits_a_full_term_after_the_snapshot() {
    let world = World::new(&[5, 10], 0);
    // Bonded at height 61, in the snapshot of height 72, seated from 84 on.
    let mut chain = world.chain;
    for height in 61..84 {
        assert_eq!(chain.height(), height);
        let next = Height::new(height + 1);
        let is_seated = !chain.committee(next).is_empty();
        assert_eq!(is_seated, height + 1 >= 84, "height {height}");
        chain.mine_empty(miner(), 1);
    }
    let committee = chain.committee(Height::new(84));
    let seats: u32 = committee.members().map(|(_, seat)| seat.seats).sum();
    assert_eq!(seats, 8);
    assert_eq!(committee.seats(bond(7)), 0);
    assert_eq!(committee.key(bond(7)), None);
    let level = |height| stake::level(chain.state(), chain.params(), Height::new(height));
    assert_eq!(
        [83, 84].map(|height| level(height).expect("memory")),
        [0, 1]
    );
}

#[test]
fn a_vote_pays_the_owner_and_the_miner_who_includes_it() {
    let mut world = voted();
    let (unit, before) = (world.unit(), balance(&world.chain, &alice()).base_units());
    let applied = world.step(&[]).clone();
    assert_eq!(applied.block().body.aux.votes.len(), 1);
    assert_eq!(applied.minted(), base((24 + 8 + 16) * unit));
    let after = balance(&world.chain, &alice()).base_units();
    assert_eq!(after - before, 16 * unit);
    let included = value::included_votes(world.chain.state(), Height::new(84)).expect("memory");
    assert_eq!(included.votes.len(), 1);
    assert_eq!(
        (included.votes[0].bond, included.votes[0].seats),
        (bond(0), 8)
    );
}

#[test]
fn votes_are_judged_in_blocks_as_in_drafts() {
    let world = voted();
    let chain = &world.chain;
    let height = chain.tip().height;
    let block = chain.id_at(height).expect("the tip");
    let include = |back: u8, bond: BondId, signature| {
        changed(chain, |block| {
            block.body.aux.votes = vec![IncludedVote {
                back,
                bond,
                signature,
            }];
        })
    };
    let vote = |voter: &Owner, block| voter.vote(chain.params(), height, block, bond(0));
    let good = vote(&voter(0), block);
    assert_eq!(include(1, bond(0), good.signature), None);
    let without_seat = Rule::VoteWithoutSeat { bond: bond(1) };
    assert_eq!(include(1, bond(1), good.signature), Some(without_seat));
    // Of an age when nobody had a seat.
    let without_seat = Rule::VoteWithoutSeat { bond: bond(0) };
    assert_eq!(
        include(8, bond(0), good.signature),
        Some(without_seat.clone())
    );
    let forged = Rule::VoteSignature { bond: bond(0) };
    let signatures = [
        vote(&voter(1), block).signature,
        vote(&voter(0), BlockId::default()).signature,
    ];
    for signature in signatures {
        assert_eq!(include(1, bond(0), signature), Some(forged.clone()));
    }
    // By themselves.
    let committee = chain.committee(height);
    let check = |vote| stake::check_vote(&vote, &committee, &chain.params().chain_id()).err();
    assert_eq!(check(good), None);
    assert_eq!(check(vote(&voter(1), block)), Some(forged));
    let of_another_height = chain.committee(Height::new(83));
    let foreign = stake::check_vote(&good, &of_another_height, &chain.params().chain_id());
    assert_eq!(foreign.err(), Some(without_seat));
}

#[test]
fn a_vote_is_included_once_whoever_includes_it() {
    let mut world = voted();
    let votes = world
        .chain
        .votes_for(world.chain.tip().height, |bond, _| Some(voter(bond.get())));
    let repeated = Rule::VoteRepeated { bond: bond(0) };
    let mut draft = world.chain.draft();
    assert_eq!(broken(draft.try_vote(&votes[0])), None);
    assert_eq!(broken(draft.try_vote(&votes[0])), Some(repeated.clone()));
    world.step(&[]);
    let mut draft = world.chain.draft();
    assert_eq!(broken(draft.try_vote(&votes[0])), Some(repeated.clone()));
    let included = IncludedVote {
        back: 2,
        bond: bond(0),
        signature: votes[0].vote().signature,
    };
    let again = changed(&world.chain, |block| block.body.aux.votes = vec![included]);
    assert_eq!(again, Some(repeated));
}

#[test]
fn votes_of_a_block_stand_for_sixteen_seats_at_most() {
    let mut world = voted();
    world.chain.mine_empty(miner(), 2);
    let chain = &world.chain;
    let votes: Vec<_> = (84..=86)
        .flat_map(|height| chain.votes_for(Height::new(height), |_, _| Some(voter(0))))
        .collect();
    let too_many = Rule::VoteSeats { max: 16, found: 24 };
    let mut draft = chain.draft();
    let verdicts: Vec<_> = votes
        .iter()
        .map(|vote| broken(draft.try_vote(vote)))
        .collect();
    assert_eq!(verdicts, [None, None, Some(too_many.clone())]);
    let included = |back: u8| {
        let vote = votes
            .iter()
            .find(|vote| vote.vote().height.get() == 87 - u64::from(back));
        IncludedVote {
            back,
            bond: bond(0),
            signature: vote.expect("three of them").vote().signature,
        }
    };
    let all = [1, 2, 3].map(included).to_vec();
    let refused = changed(chain, |block| block.body.aux.votes = all);
    assert_eq!(refused, Some(too_many));
}

#[test]
fn a_loose_vote_for_another_branch_or_too_old_leaves_no_trace() {
    let mut world = voted();
    let chain = &world.chain;
    let votes = chain.votes_for(Height::new(84), |_, _| Some(voter(0)));
    let mut other = chain.clone();
    other.disconnect();
    other.mine_empty(bob().account(), 1);
    let foreign = other.votes_for(Height::new(84), |_, _| Some(voter(0)));
    let refused = Rule::VoteBlock {
        height: Height::new(84),
    };
    let mut draft = chain.draft();
    assert_eq!(broken(draft.try_vote(&foreign[0])), Some(refused.clone()));
    assert_eq!(draft.body(), &Body::default());
    world.chain.mine_empty(miner(), 7);
    assert_eq!(broken(world.chain.draft().try_vote(&votes[0])), None);
    world.chain.mine_empty(miner(), 1);
    let late = broken(world.chain.draft().try_vote(&votes[0]));
    assert_eq!(late, Some(refused));
}

#[test]
fn seats_are_booked_nine_blocks_later() {
    let mut world = voted();
    world.to(91);
    let duty = |world: &World, term| world.bond(0).expect("bonded").duty.of(Term::new(term));
    assert_eq!(duty(&world, 7), (0, 0));
    world.to(93);
    // Block 93 books height 84.
    assert_eq!(duty(&world, 7), (8, 8));
    world.to(100);
    assert_eq!(duty(&world, 7), (0, 0), "another term reads as zero");
    assert_eq!(duty(&world, 8), (40, 40));
}

#[test]
fn who_does_not_vote_for_a_term_falls_asleep_until_it_is_woken() {
    let mut world = World::new(&[5, 5], 0);
    world.silent_bonds.insert(1);
    world.to(95);
    assert!(!world.bond(1).expect("bonded").dormant);
    world.to(108);
    let (awake, asleep) = (
        world.bond(0).expect("bonded"),
        world.bond(1).expect("bonded"),
    );
    assert_eq!((awake.dormant, asleep.dormant), (false, true));
    assert_eq!(world.snapshot(), [0]);
    // Sleeping, it still has the seats of older snapshots.
    let woken_by_owner = world.chain.wake(&alice(), 1);
    assert_eq!(world.refusal(&woken_by_owner), None);
    let stranger = world.chain.wake(&bob(), 1);
    assert_eq!(world.refusal(&stranger), Some(Rule::NotOwner));
    let nothing = world.chain.wake(&alice(), 0);
    assert_eq!(
        world.refusal(&nothing),
        Some(Rule::NotDormant { bond: bond(0) })
    );
    world.to(132);
    world.step(&[world.chain.wake(&alice(), 1)]);
    assert!(!world.bond(1).expect("bonded").dormant);
    world.silent_bonds.clear();
    world.pass_the_boundary();
    assert_eq!(world.snapshot(), [0, 1]);
}

#[test]
fn a_sleeper_that_votes_with_its_last_seats_wakes_by_itself() {
    let mut world = World::new(&[5], 0);
    world.silent_bonds.insert(0);
    // Term 7 books the heights 84 to 86: 24 seats.
    world.to(96);
    assert!(world.bond(0).expect("bonded").dormant);
    // Of the heights 87 to 98, booked in term 8, it votes for three: a quarter.
    world.silent_bonds.clear();
    world.to(108);
    assert!(!world.bond(0).expect("bonded").dormant);
    assert_eq!(world.snapshot(), [0]);
}

#[test]
fn snapshots_are_dropped_when_no_height_needs_them() {
    let mut world = World::new(&[5], 0);
    world.to(150);
    let terms: Vec<u32> = world
        .chain
        .state()
        .values()
        .keys()
        .filter_map(|key| match key {
            StateKey::Snapshot(term) => Some(term.get()),
            _ => None,
        })
        .collect();
    assert_eq!(terms, [10, 11, 12]);
    let pages = world.chain.state().values().keys();
    let pages = pages.filter(|key| matches!(key, StateKey::SnapshotPage(..)));
    assert_eq!(pages.count(), 3);
}

#[test]
fn the_order_of_offers_leaves_no_trace_in_a_block() {
    let mut world = World::new(&[1, 2, 3, 4], 2);
    world.to(84);
    world.chain.mine_empty(miner(), 5);
    let chain = &world.chain;
    let mut votes: Vec<_> = (88..=89)
        .flat_map(|height| chain.votes_for(Height::new(height), |bond, _| Some(voter(bond.get()))))
        .collect();
    let mut signatures: Vec<_> = chain
        .targets()
        .iter()
        .flat_map(|target| {
            chain.finality_votes_for(target, |id, _| Some(super::world::operator(id.get())))
        })
        .collect();
    assert!(votes.len() > 2 && signatures.len() > 2);
    let evidence = chain.double_vote(&voter(2), 2, 80);
    let mut make = || {
        votes.reverse();
        signatures.reverse();
        chain.build_with(miner(), |draft| {
            for signature in &signatures {
                draft.try_finality_vote(signature).expect("it fits");
            }
            draft.try_evidence(&evidence).expect("it fits");
            for vote in &votes {
                draft.try_vote(vote).expect("it fits");
            }
        })
    };
    let (one, other) = (make(), make());
    assert_eq!(one, other);
    let applied = chain.apply(&one).expect("valid");
    assert_eq!(applied.block(), &one);
    assert!(coins(1) > applied.burned());
}

#[test]
fn there_may_be_more_bonds_than_a_page_holds() {
    let mut chain = TestChain::new(Network::Regtest);
    chain.mine_empty(alice().account(), 1_880);
    for first in [0, 515] {
        let orders: Vec<_> = (0..515)
            .map(|number| {
                let voter = voter(first + number);
                chain.bond(&alice(), number.into(), &voter, coins(1))
            })
            .collect();
        chain.mine(miner(), &orders, &[]);
    }
    let term = chain.params().term(chain.tip().height);
    let (next, used) = (Term::new(term.get() + 1), Term::new(term.get() + 2));
    while chain.tip().height < chain.params().term_start(used) {
        chain.mine_empty(miner(), 1);
    }
    let snapshot = value::snapshot(chain.state(), next).expect("memory");
    let snapshot = snapshot.expect("in use");
    assert_eq!((snapshot.weight, snapshot.pages), (1_030, vec![1_024, 6]));
    let last = value::snapshot_page(chain.state(), next, 1).expect("memory");
    assert_eq!(last.members[5].bond, bond(1_029));
    let votes = chain.votes_for(chain.tip().height, |bond, _| Some(voter(bond.get())));
    let applied = chain.mine_with(miner(), |draft| {
        for vote in &votes {
            draft.try_vote(vote).expect("it fits");
        }
    });
    assert_eq!(applied.block().body.aux.votes.len(), votes.len());
    assert!(votes.len() > 2);
}
