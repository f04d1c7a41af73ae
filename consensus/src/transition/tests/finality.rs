//! Checkpoints: how they open, are signed, become final, and how rosters follow each other.

use chain::finality::FinalityVote;

use super::world::{World, operator};
use super::*;
use crate::finality::{Target, check_finality_vote};

/// The height at which finality turns on: the second boundary after height 61.
const BEGINNING: u64 = 84;

fn number(target: u32) -> CheckpointNumber {
    CheckpointNumber::new(target)
}

#[test]
fn finality_begins_at_the_second_boundary_and_is_two_checkpoints_behind() {
    let mut world = World::new(&[], 3);
    world.to(BEGINNING - 1);
    assert_eq!(world.rosters(), None);
    assert!(world.chain.targets().is_empty());
    world.to(BEGINNING);
    assert_eq!(world.rosters(), Some((vec![0, 1, 2], vec![0, 1, 2])));
    let targets = world.chain.targets();
    assert_eq!(targets.len(), 1);
    assert_eq!(
        (targets[0].number(), targets[0].open.source),
        (number(21), number(0))
    );
    assert_eq!(Some(targets[0].id), world.chain.id_at(Height::new(84)));
    // Signed in block 85: justified, but its source is not the checkpoint before.
    world.to(85);
    assert_eq!(world.finality(), (21, 0));
    assert_eq!(world.chain.tip().justified, number(0), "after the parent");
    world.to(88);
    assert_eq!(world.finality(), (21, 0));
    world.to(89);
    assert_eq!(world.finality(), (22, 21));
    world.to(93);
    assert_eq!(world.finality(), (23, 22));
    let head = value::roster_head(world.chain.state()).expect("memory");
    assert_eq!(head.last_final_height, Height::new(93));
    assert_eq!(
        (world.chain.tip().justified, world.chain.tip().finalized),
        (number(22), number(21))
    );
}

#[test]
fn a_target_stays_open_for_four_checkpoints() {
    let mut world = World::new(&[], 3);
    world.silent_masternodes = (0..3).collect();
    let open = |world: &World| -> Vec<u32> {
        let targets = world.chain.targets();
        targets.iter().map(|target| target.number().get()).collect()
    };
    world.to(99);
    assert_eq!(open(&world), [21, 22, 23, 24]);
    let old = world.chain.targets().remove(0);
    let vote = world
        .chain
        .finality_votes_for(&old, |id, _| Some(operator(id.get())));
    assert_eq!(
        broken(world.chain.draft().try_finality_vote(&vote[0])),
        None
    );
    world.to(100);
    assert_eq!(open(&world), [22, 23, 24, 25]);
    let closed = Rule::FinalityTarget { target: number(21) };
    assert_eq!(
        broken(world.chain.draft().try_finality_vote(&vote[0])),
        Some(closed)
    );
    assert!(
        world
            .chain
            .targets()
            .iter()
            .all(|target| target.open.source == number(0))
    );
}

#[test]
fn two_thirds_of_both_rosters_must_sign_and_justification_skips_no_source() {
    let mut world = World::new(&[], 3);
    // Two of three are not more than two thirds.
    world.silent_masternodes.insert(2);
    world.to(90);
    assert_eq!(world.finality(), (0, 0));
    // The third signs late: all open checkpoints are justified at once, none is final, since each
    // was opened with genesis as its source.
    world.silent_masternodes.clear();
    world.to(91);
    assert_eq!(world.finality(), (22, 0));
    world.to(93);
    assert_eq!(world.finality(), (23, 22));
}

#[test]
fn signers_and_miner_share_what_a_checkpoint_earns() {
    let mut world = World::new(&[], 3);
    world.to(BEGINNING);
    let (unit, before) = (
        world.unit(),
        balance(&world.chain, &operator(0)).base_units(),
    );
    let applied = world.step(&[]).clone();
    assert_eq!(applied.block().body.aux.finality[0].signatures.len(), 3);
    // Four units a block and member's third; the queue's payee takes its own twelve.
    let signer = 16 * unit / 3;
    let payee = (0..3).find(|id| {
        let last = world.masternode(*id).expect("there").last_paid;
        last == Some(Height::new(85))
    });
    let mine = if payee == Some(0) { 12 * unit } else { 0 };
    let after = balance(&world.chain, &operator(0)).base_units();
    assert_eq!(after - before, signer + mine);
    let minted = 24 * unit + 12 * unit + 3 * signer + 3 * (4 * unit / 3);
    assert_eq!(applied.minted(), base(minted));
}

fn groups(target: u32, signatures: &[FinalityVote]) -> Vec<FinalityGroup> {
    let signatures = signatures.iter().map(|vote| FinalitySignature {
        masternode: vote.masternode,
        signature: vote.signature,
    });
    vec![FinalityGroup {
        target: number(target),
        signatures: signatures.collect(),
    }]
}

#[test]
fn finality_votes_are_judged_in_blocks_as_in_drafts() {
    let mut world = World::new(&[], 2);
    world.to(BEGINNING);
    let chain = &world.chain;
    let target: Target = chain.targets().remove(0);
    let id = |id| MasternodeId::new(id);
    let sign = |number: u32, by: &Owner| by.finality_vote(chain.params(), target.vote(id(number)));
    let include = |target: u32, votes: &[FinalityVote]| {
        changed(chain, |block| {
            block.body.aux.finality = groups(target, votes)
        })
    };
    let (good, other) = (sign(0, &operator(0)), sign(1, &operator(1)));
    assert_eq!(include(21, &[good, other]), None);
    let not_open = Rule::FinalityTarget { target: number(20) };
    assert_eq!(include(20, &[good]), Some(not_open));
    let stranger = sign(7, &operator(7));
    let masternode = id(7);
    let not_in_roster = Rule::FinalityNotInRoster { masternode };
    assert_eq!(include(21, &[good, stranger]), Some(not_in_roster.clone()));
    let forged = sign(1, &operator(0));
    let masternode = id(1);
    let signature = Rule::FinalitySignature { masternode };
    assert_eq!(include(21, &[good, forged]), Some(signature.clone()));
    // By themselves.
    let chain_id = chain.params().chain_id();
    let check = |vote: FinalityVote| check_finality_vote(&vote, &target, &chain_id).err();
    assert_eq!(check(good), None);
    assert_eq!(check(stranger), Some(not_in_roster));
    assert_eq!(check(forged), Some(signature));
    let elsewhere = Some(Rule::FinalityTarget { target: number(21) });
    let moved = FinalityVote {
        source: number(3),
        ..good
    };
    assert_eq!(check(moved), elsewhere);
    let fork = FinalityVote {
        target_id: BlockId::default(),
        ..good
    };
    assert_eq!(check(fork), elsewhere);
}

#[test]
fn a_signature_is_included_once() {
    let mut world = World::new(&[], 2);
    world.to(BEGINNING);
    let target = world.chain.targets().remove(0);
    let votes = world
        .chain
        .finality_votes_for(&target, |id, _| Some(operator(id.get())));
    let masternode = MasternodeId::new(0);
    let repeated = Some(Rule::FinalityRepeated { masternode });
    let mut draft = world.chain.draft();
    assert_eq!(broken(draft.try_finality_vote(&votes[0])), None);
    assert_eq!(broken(draft.try_finality_vote(&votes[0])), repeated);
    world.to(85);
    let mut draft = world.chain.draft();
    assert_eq!(broken(draft.try_finality_vote(&votes[0])), repeated);
    let again = changed(&world.chain, |block| {
        block.body.aux.finality = groups(21, &[*votes[0].vote()]);
    });
    assert_eq!(again, repeated);
}

#[test]
fn a_final_term_hands_over_to_the_next_roster() {
    let mut world = World::new(&[], 2);
    world.to(BEGINNING);
    let order = world
        .chain
        .register(&alice(), 0, &operator(2), &super::world::voting(2));
    world.step(&[order]);
    world.to(107);
    assert_eq!(world.rosters(), Some((vec![0, 1], vec![0, 1])));
    let head = |world: &World| value::roster_head(world.chain.state()).expect("memory");
    assert_eq!((head(&world).made, head(&world).dynasty), (2, 1));
    world.to(108);
    assert_eq!(world.rosters(), Some((vec![0, 1, 2], vec![0, 1])));
    assert_eq!((head(&world).made, head(&world).dynasty), (3, 2));
    world.to(120);
    assert_eq!(world.rosters(), Some((vec![0, 1, 2], vec![0, 1, 2])));
    // What was open before a boundary keeps the rosters it was opened with.
    let fronts: Vec<u32> = world.chain.targets().iter().map(|t| t.open.front).collect();
    assert_eq!(fronts, [3, 3, 3, 4]);
    let (justified, finalized) = world.finality();
    assert_eq!((justified, finalized), (29, 28));
}

#[test]
fn without_a_fit_candidate_finality_ends_and_what_is_open_can_still_be_signed() {
    let mut world = World::new(&[], 1);
    world.to(BEGINNING);
    world.step(&[world.chain.exit(&alice(), 0)]);
    world.to(96);
    assert_eq!(
        world.rosters(),
        Some((vec![0], vec![0])),
        "by the candidate of 84"
    );
    world.to(108);
    assert_eq!(world.rosters(), None);
    let open: Vec<u32> = world
        .chain
        .targets()
        .iter()
        .map(|target| target.number().get())
        .collect();
    assert_eq!(open, [24, 25, 26]);
    world.to(124);
    assert!(world.chain.targets().is_empty());
    // The collateral comes back in time: no roster holds it.
    world.to(133);
    assert_eq!(world.masternode(0), None);
}

#[test]
fn a_member_of_a_roster_waits_for_the_boundary_that_replaces_it() {
    let mut world = World::new(&[], 3);
    world.to(BEGINNING);
    world.step(&[world.chain.exit(&alice(), 2)]);
    // Nothing is final any more: the rosters stay.
    world.silent_masternodes = std::collections::BTreeSet::from([1, 2]);
    world.to(85 + 48);
    assert_eq!(world.rosters(), Some((vec![0, 1, 2], vec![0, 1, 2])));
    let waiting = world.masternode(2).expect("still there");
    assert_eq!(waiting.release, Some(Height::new(144)));
    // More than four terms after the beginning: front and rear are replaced, the silent are out.
    let owner = balance(&world.chain, &alice()).base_units();
    world.to(144);
    assert_eq!(world.masternode(2), None);
    let after = balance(&world.chain, &alice()).base_units();
    assert_eq!(
        after - owner,
        world.chain.params().masternode_collateral.base_units()
    );
}

#[test]
fn after_four_terms_of_silence_the_diligent_restart_finality() {
    let mut world = World::new(&[], 3);
    world.to(92);
    assert_eq!(world.finality().1, 21);
    world.silent_masternodes = std::collections::BTreeSet::from([1, 2]);
    world.to(95);
    let before = world.finality();
    // The gap counts from the last final checkpoint, in block 89 or 93.
    world.to(143);
    assert_eq!(world.finality(), before);
    assert!(world.rosters().expect("on").0.len() == 3);
    world.to(156);
    assert_eq!(world.rosters(), Some((vec![0], vec![0])));
    world.to(170);
    assert!(world.finality().1 > before.1, "{:?}", world.finality());
}
