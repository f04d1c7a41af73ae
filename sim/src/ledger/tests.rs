//! The storage against an engine that goes forward and back over it.

use chain::{AccountId, Block};
use consensus::transition::Draft;
use node::engine::{Advance, Engine};

use super::*;
use crate::host::held;
use crate::rules;

fn params() -> Params {
    rules::params(rules::SOLUTION_MS)
}

fn engine(storage: &Memory) -> Result<Engine<Memory>, LedgerError> {
    Engine::open(storage.clone(), params())
}

/// The next block, paid out to an account of this name.
fn block(storage: &Memory, name: u8) -> Block {
    let params = params();
    let view = storage.view().expect("it has power");
    let draft = Draft::new(&view, &params).expect("it has power");
    let now = chain::Timestamp::new(params.genesis_time.get() + 1_000);
    let payout = AccountId::from_bytes([name; 20]);
    let mut block = draft.into_block(payout, now).expect("it has power");
    rules::solve(&mut block.header, &params);
    block
}

fn offer(engine: &mut Engine<Memory>, block: &Block) -> Result<Advance, LedgerError> {
    let nothing = std::collections::BTreeSet::new();
    let now = block.header.time;
    let refused = |refusal| match refusal {
        node::engine::Refusal::Ledger(error) => error,
        other => panic!("{other}"),
    };
    engine.add_header(&block.header, now).map_err(refused)?;
    let added = engine.add_body(&block.header.id(), block.body.clone(), &nothing);
    let advance = added.map_err(refused)?;
    match advance.stopped {
        Some(error) => Err(error),
        None => Ok(advance),
    }
}

/// A storage with so many blocks, and two blocks that would replace its tip.
fn forked(blocks: u8) -> (Memory, [Block; 2]) {
    let storage = Memory::new(&params());
    let mut own = engine(&storage).expect("it opens");
    for name in 1..blocks {
        let next = block(&storage, name);
        offer(&mut own, &next).expect("it has power");
    }
    let other = Memory::new(&params());
    let mut others = engine(&other).expect("it opens");
    for height in 1..u64::from(blocks) {
        let id = storage
            .id_at(Height::new(height))
            .expect("power")
            .expect("a block");
        let known = storage.block(&id).expect("power").expect("a header");
        let body = storage.body(&id).expect("power").expect("a body");
        let header = known.header;
        offer(&mut others, &Block { header, body }).expect("it has power");
    }
    let next = block(&storage, blocks);
    offer(&mut own, &next).expect("it has power");
    let first = block(&other, 100);
    offer(&mut others, &first).expect("it has power");
    let second = block(&other, 101);
    (storage, [first, second])
}

#[test]
fn forward_and_back_again_leaves_every_map_as_it_was() {
    let (storage, branch) = forked(4);
    let mut own = engine(&storage).expect("it opens");
    for block in &branch {
        offer(&mut own, block).expect("it has power");
    }
    assert_eq!(storage.tip().expect("power").1, branch[1].header.id());
    let straight = Memory::new(&params());
    let mut others = engine(&straight).expect("it opens");
    for height in 1..=5 {
        let id = storage
            .id_at(Height::new(height))
            .expect("power")
            .expect("a block");
        let header = storage.block(&id).expect("power").expect("a header").header;
        let body = storage.body(&id).expect("power").expect("a body");
        offer(&mut others, &Block { header, body }).expect("it has power");
    }
    assert_eq!(storage.difference(&straight), None);
    let coins = storage.coins().expect("power");
    let supply = consensus::state::value::supply(&storage.view().expect("power"));
    assert_eq!(
        coins,
        u128::from(supply.expect("power").supply.base_units())
    );
    let next = block(&straight, 9);
    offer(&mut others, &next).expect("it has power");
    assert_eq!(storage.difference(&straight), Some("headers"));
}

#[test]
fn a_crash_at_any_step_of_a_reorg_leaves_a_state_after_some_block() {
    let mut crashes = 0;
    for step in Step::ALL {
        for side in [Side::Before, Side::After] {
            for lose_all in [false, true] {
                let (storage, branch) = forked(4);
                let mut own = engine(&storage).expect("it opens");
                storage.set_trap(step, side, 0);
                let ended = branch
                    .iter()
                    .try_for_each(|block| offer(&mut own, block).map(|_| ()));
                assert_eq!(
                    ended.is_err(),
                    storage.crashed().is_some(),
                    "{step:?} {side:?}"
                );
                drop(own);
                if storage.crashed().is_some() {
                    crashes += 1;
                    assert!(storage.tip().is_err(), "the power is gone");
                    let lost = if lose_all {
                        storage.volatile_steps()
                    } else {
                        0
                    };
                    storage.power_up(lost);
                }
                // Whatever was lost, the branch is offered again and wins; what was not, a node goes
                // on with when it starts.
                let mut own = engine(&storage).expect("it opens");
                let nothing = std::collections::BTreeSet::new();
                assert_eq!(own.advance(&nothing).stopped, None);
                for block in &branch {
                    offer(&mut own, block).expect("it has power");
                }
                let tip = held(&storage, &params()).expect("power").tip;
                assert_eq!(tip, branch[1].header.id(), "{step:?} {side:?} {lose_all}");
            }
        }
    }
    // Headers, a side body, and moves both ways; nothing here is invalid or changes the pace.
    assert_eq!(crashes, 4 * 2 * 2);
}

#[test]
fn far_behind_a_power_cut_loses_the_last_moves_alone() {
    let storage = Memory::new(&params());
    let mut own = engine(&storage).expect("it opens");
    let first = block(&storage, 1);
    offer(&mut own, &first).expect("it has power");
    let before = held(&storage, &params()).expect("power");
    own.set_pace(Pace::FarBehind).expect("power");
    for name in 2..5 {
        let next = block(&storage, name);
        offer(&mut own, &next).expect("it has power");
    }
    // A header and a move for each of three blocks.
    assert_eq!(storage.volatile_steps(), 6);
    drop(own);
    storage.power_up(6);
    assert_eq!(held(&storage, &params()), Ok(before));
    assert!(engine(&storage).is_ok());
}

#[test]
fn a_disconnection_that_was_not_durable_is_taken_back() {
    let (storage, _) = forked(4);
    let before = held(&storage, &params()).expect("power");
    let mut handle = storage.clone();
    handle.set_pace(Pace::FarBehind).expect("power");
    handle.disconnect().expect("power");
    assert_ne!(held(&storage, &params()), Ok(before));
    storage.power_up(1);
    assert_eq!(held(&storage, &params()), Ok(before));
    let mut own = engine(&storage).expect("it opens");
    let next = block(&storage, 9);
    offer(&mut own, &next).expect("it goes on");
}

#[test]
fn a_ballot_outlives_a_crash_on_either_side_if_it_was_written() {
    let key = PublicKey::from_bytes([1; 32]);
    let voted = |height| Ballot {
        last_voted: Some(Height::new(height)),
        ..Ballot::default()
    };
    for (side, kept) in [(Side::Before, 3), (Side::After, 4)] {
        let (storage, _) = forked(4);
        let mut handle = storage.clone();
        handle.set_pace(Pace::FarBehind).expect("power");
        handle.put_ballot(&key, &voted(3)).expect("power");
        handle.disconnect().expect("power");
        storage.set_trap(Step::PutBallot, side, 0);
        assert!(handle.put_ballot(&key, &voted(4)).is_err());
        assert_eq!(storage.crashed(), Some((Step::PutBallot, side)));
        storage.power_up(storage.volatile_steps());
        assert_eq!(handle.ballot(&key), Ok(voted(kept)), "{side:?}");
        handle.put_ballot(&key, &voted(1)).expect("power");
        assert_eq!(handle.ballot(&key), Ok(voted(kept)), "it never goes back");
    }
}
