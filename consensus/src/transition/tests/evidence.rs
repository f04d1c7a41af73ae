//! Evidence: what it costs, and the rules it breaks.

use chain::evidence::Evidence;
use chain::units::Term;

use super::world::{World, coins, operator, voter};
use super::*;
use crate::evidence::{CheckedEvidence, check_evidence};
use crate::state::value::Standing;

fn refusal(world: &World, proof: &CheckedEvidence) -> Option<Rule> {
    let drafted = broken(world.chain.draft().try_evidence(proof));
    let in_a_block = changed(&world.chain, |block| {
        block.body.aux.evidence = vec![*proof.evidence()];
    });
    assert_eq!(drafted, in_a_block);
    drafted
}

fn prove(world: &mut World, proofs: &[CheckedEvidence]) -> AppliedBlock {
    let applied = world.chain.mine_with(bob().account(), |draft| {
        for proof in proofs {
            draft.try_evidence(proof).expect("it fits");
        }
    });
    applied.clone()
}

#[test]
fn a_double_vote_costs_a_twentieth_and_a_tenth_of_that_goes_to_the_miner() {
    let mut world = World::new(&[20], 0);
    world.to(70);
    let unit = world.unit();
    let proof = world.chain.double_vote(&voter(0), 0, 66);
    let before = balance(&world.chain, &bob()).base_units();
    let applied = prove(&mut world, &[proof]);
    // A twentieth of twenty coins is more than half of the smallest bond, which is one.
    let slash = coins(1).base_units();
    assert_eq!(applied.burned(), base(slash - slash / 10));
    assert_eq!(applied.minted(), base(24 * unit));
    let earned = balance(&world.chain, &bob()).base_units() - before;
    assert_eq!(earned, 24 * unit + slash / 10);
    let bond = world.bond(0).expect("bonded");
    assert_eq!(bond.amount, coins(19));
    assert_eq!(bond.jailed_until, Term::new(5 + 2));
}

#[test]
fn a_small_bond_is_slashed_to_nothing_and_its_key_is_free_again() {
    let mut world = World::new(&[1], 0);
    let proofs = [50, 51].map(|height| world.chain.double_vote(&voter(0), 0, height));
    let applied = prove(&mut world, &proofs);
    assert_eq!(applied.burned(), base(2 * 45_000_000));
    assert_eq!(world.bond(0).expect("a record").amount, Amount::ZERO);
    assert_eq!(
        value::bond_of_key(world.chain.state(), &voter(0).key()),
        Ok(None)
    );
    // Nothing is left to be taken.
    let third = world.chain.double_vote(&voter(0), 0, 52);
    assert_eq!(refusal(&world, &third), Some(Rule::EvidenceUnknown));
    world.to(96);
    assert!(world.snapshot().is_empty(), "it has no weight");
    // Another bond may use the key; the end of the first does not take it away.
    world.step(&[world.chain.bond(&alice(), 0, &voter(0), coins(2))]);
    world.step(&[world.chain.unbond(&alice(), 0)]);
    world.to(world.chain.height() + 48);
    assert_eq!(world.bond(0), None);
    assert_eq!(
        value::bond_of_key(world.chain.state(), &voter(0).key()),
        Ok(Some(BondId::new(1)))
    );
}

#[test]
fn three_proofs_against_one_bond_of_one_block_take_what_is_there() {
    let mut world = World::new(&[1], 0);
    let proofs = [50, 51, 52].map(|height| world.chain.double_vote(&voter(0), 0, height));
    let applied = prove(&mut world, &proofs);
    assert_eq!(applied.burned(), base(90_000_000));
}

#[test]
fn a_jailed_bond_is_in_no_snapshot_before_the_second_boundary() {
    let mut world = World::new(&[5, 5], 0);
    world.to(85);
    let proof = world.chain.double_vote(&voter(1), 1, 84);
    prove(&mut world, &[proof]);
    assert_eq!(world.snapshot(), [0, 1], "those in use stay");
    world.to(96);
    assert_eq!(world.snapshot(), [0]);
    world.to(108);
    assert_eq!(world.snapshot(), [0, 1]);
}

#[test]
fn evidence_against_bonds_breaks_rules_of_context() {
    let mut world = World::new(&[5, 5], 0);
    world.to(70);
    let chain = &world.chain;
    let proof = |bond, height| chain.double_vote(&voter(bond), bond, height);
    assert_eq!(refusal(&world, &proof(7, 60)), Some(Rule::EvidenceUnknown));
    // The next block has height 71; 48 blocks are remembered.
    let height = |height| {
        Some(Rule::EvidenceHeight {
            height: Height::new(height),
        })
    };
    assert_eq!(refusal(&world, &proof(0, 72)), height(72));
    assert_eq!(refusal(&world, &proof(0, 23)), height(23));
    assert_eq!(refusal(&world, &proof(0, 24)), None);
    assert_eq!(refusal(&world, &proof(0, 71)), None);
    // Signed by another key than the state knows.
    let forged = chain.double_vote(&voter(1), 0, 60);
    assert_eq!(refusal(&world, &forged), Some(Rule::EvidenceSignature));
    let id = chain.params().chain_id();
    let checked = check_evidence(forged.evidence(), &voter(0).key(), &id);
    assert_eq!(checked.err(), Some(Rule::EvidenceSignature));
    let proof = proof(0, 60);
    prove(&mut world, &[proof]);
    assert_eq!(refusal(&world, &proof), Some(Rule::EvidenceKnown));
}

#[test]
fn a_draft_takes_four_proofs_of_four_misdeeds() {
    let world = World::new(&[20], 0);
    let proof = |height| world.chain.double_vote(&voter(0), 0, height);
    let mut draft = world.chain.draft();
    assert_eq!(broken(draft.try_evidence(&proof(50))), None);
    assert_eq!(
        broken(draft.try_evidence(&proof(50))),
        Some(Rule::EvidenceRepeated)
    );
    for height in [51, 52, 53] {
        assert_eq!(broken(draft.try_evidence(&proof(height))), None);
    }
    let fifth = Rule::EvidenceCount { max: 4, found: 5 };
    assert_eq!(broken(draft.try_evidence(&proof(54))), Some(fifth));
    assert_eq!(draft.body().aux.evidence.len(), 4);
}

#[test]
fn a_bond_made_in_the_same_draft_cannot_be_accused() {
    let world = World::new(&[], 0);
    let chain = &world.chain;
    let order = chain.bond(&alice(), 0, &voter(0), coins(1));
    let checked = chain.check_transaction(&order).expect("valid by itself");
    let mut draft = chain.draft();
    draft.try_transaction(&checked).expect("it fits");
    let proof = chain.double_vote(&voter(0), 0, 50);
    assert_eq!(
        broken(draft.try_evidence(&proof)),
        Some(Rule::EvidenceUnknown)
    );
}

#[test]
fn a_masternode_is_slashed_once_and_leaves() {
    let mut world = World::new(&[], 2);
    world.to(84);
    assert_eq!(world.rosters(), Some((vec![0, 1], vec![0, 1])));
    world.to(86);
    let proof = world.chain.finality_conflict(&operator(1), 1);
    let applied = prove(&mut world, &[proof]);
    let slash = coins(4).base_units() / 20;
    assert_eq!(applied.burned(), base(slash - slash / 10));
    let slashed = world.masternode(1).expect("there");
    assert_eq!(slashed.collateral, base(coins(4).base_units() - slash));
    assert_eq!(
        slashed.standing,
        Standing::Slashed {
            height: Height::new(87),
            front_weight: 8,
        }
    );
    assert_eq!(slashed.position, None);
    assert_eq!(slashed.release, Some(Height::new(87 + 48)));
    assert_eq!(value::slashed_in(world.chain.state(), Term::new(7)), Ok(4));
    assert_eq!(refusal(&world, &proof), Some(Rule::EvidenceKnown));
    let unknown = world.chain.finality_conflict(&operator(5), 5);
    assert_eq!(refusal(&world, &unknown), Some(Rule::EvidenceUnknown));
    // The candidate of boundary 84 still named it.
    world.to(96);
    assert_eq!(world.rosters(), Some((vec![0], vec![0, 1])));
    // Half of the front was slashed: nothing of the collateral is left.
    world.to(134);
    let (before, burned) = (balance(&world.chain, &alice()), supply(&world.chain).burned);
    world.step(&[]);
    assert_eq!(world.masternode(1), None);
    assert_eq!(
        supply(&world.chain).burned - burned,
        slashed.collateral.base_units()
    );
    let earned = balance(&world.chain, &alice()).base_units() - before.base_units();
    assert_eq!(earned, 0);
}

#[test]
fn a_lone_offender_in_a_large_roster_keeps_the_rest() {
    let mut world = World::new(&[], 6);
    world.to(86);
    let proof = world.chain.finality_conflict(&operator(5), 5);
    prove(&mut world, &[proof]);
    world.to(134);
    let left = world.masternode(5).expect("there").collateral.base_units();
    let burned = supply(&world.chain).burned;
    let before = balance(&world.chain, &alice()).base_units();
    world.step(&[]);
    // 3F with F = 4 of 24.
    assert_eq!(supply(&world.chain).burned - burned, left / 2);
    let after = balance(&world.chain, &alice()).base_units();
    assert_eq!(after - before, left - left / 2);
}

#[test]
fn evidence_comes_before_the_orders_of_a_draft() {
    let world = World::new(&[], 1);
    let chain = &world.chain;
    let exit = chain.exit(&alice(), 0);
    let exit = chain.check_transaction(&exit).expect("valid by itself");
    let proof = chain.finality_conflict(&operator(0), 0);
    let mut draft = chain.draft();
    draft.try_transaction(&exit).expect("it fits");
    let masternode = MasternodeId::new(0);
    assert_eq!(
        broken(draft.try_evidence(&proof)),
        Some(Rule::EvidenceAfterOrder { masternode })
    );
    let mut draft = chain.draft();
    draft.try_evidence(&proof).expect("it fits");
    let release = Height::new(62 + 48);
    assert_eq!(
        broken(draft.try_transaction(&exit)),
        Some(Rule::AlreadyLeaving { release })
    );
}

#[test]
fn a_surround_vote_is_evidence_too() {
    let world = World::new(&[], 1);
    let id = world.chain.params().chain_id();
    let vote = |source, target| {
        let vote = chain::finality::FinalityVote {
            source: CheckpointNumber::new(source),
            target: CheckpointNumber::new(target),
            ..Default::default()
        };
        operator(0).finality_vote(world.chain.params(), vote)
    };
    let proof = crate::evidence::finality_conflict(&vote(2, 3), &vote(1, 4)).expect("surrounds");
    assert!(matches!(proof, Evidence::FinalityConflict(_)));
    let proof = check_evidence(&proof, &operator(0).key(), &id).expect("signed twice");
    assert_eq!(refusal(&world, &proof), None);
    assert_eq!(
        crate::evidence::finality_conflict(&vote(1, 2), &vote(2, 3)),
        None
    );
    assert_eq!(
        crate::evidence::finality_conflict(&vote(1, 2), &vote(1, 2)),
        None
    );
}

#[test]
fn a_slashed_signer_earns_nothing_more() {
    let mut world = World::new(&[], 3);
    world.to(86);
    let proof = world.chain.finality_conflict(&operator(1), 1);
    prove(&mut world, &[proof]);
    let earned = |world: &World, id| balance(&world.chain, &operator(id)).base_units();
    let before = [0, 1, 2].map(|id| earned(&world, id));
    world.to(95);
    let after = [0, 1, 2].map(|id| earned(&world, id));
    assert_eq!(after[1], before[1]);
    assert!(after[0] > before[0] && after[2] > before[2]);
    // It still counts in the roster it sits in.
    let target = &world.chain.targets()[0];
    assert!(target.is_signed_by(MasternodeId::new(1)));
}
