//! Masternodes: penalties for silence, and the order of payments.

use super::world::{World, operator, voting};
use super::*;
use crate::state::value::Standing;

/// Masternodes that were paid in the blocks from the tip's to `height`, in order.
fn payees(world: &mut World, height: u64) -> Vec<u32> {
    let mut paid = Vec::new();
    while world.chain.height() < height {
        world.step(&[]);
        let tip = world.chain.tip().height;
        let of_block = (0..10).filter(|id| {
            let masternode = world.masternode(*id);
            masternode.is_some_and(|masternode| masternode.last_paid == Some(tip))
        });
        paid.extend(of_block);
    }
    paid
}

#[test]
fn newcomers_enter_the_queue_at_the_second_boundary_and_take_turns() {
    let mut world = World::new(&[], 3);
    // Registered in term 5: nobody is paid before the boundary of term 7.
    assert_eq!(payees(&mut world, 83), [] as [u32; 0]);
    let before = balance(&world.chain, &operator(0)).base_units();
    let unit = world.unit();
    world.to(84);
    let earned = balance(&world.chain, &operator(0)).base_units() - before;
    assert_eq!(earned, 12 * unit);
    assert_eq!(payees(&mut world, 91), [1, 2, 0, 1, 2, 0, 1]);
    let entries = world.chain.state().values().keys();
    let entries = entries.filter(|key| matches!(key, StateKey::QueueEntry(_)));
    assert_eq!(entries.count(), 3);
    // A newcomer of term 7 comes at the boundary of term 9, behind all others.
    let order = world.chain.register(&alice(), 0, &operator(3), &voting(3));
    world.step(&[order]);
    let paid = payees(&mut world, 107);
    assert!(!paid.contains(&3));
    assert_eq!(paid[paid.len() - 3..], [0, 1, 2]);
    assert_eq!(payees(&mut world, 116), [0, 1, 2, 3, 0, 1, 2, 3, 0]);
}

#[test]
fn who_leaves_is_skipped_and_unpaid_from_now_on() {
    let mut world = World::new(&[], 3);
    world.to(84);
    world.step(&[world.chain.exit(&alice(), 1)]);
    assert_eq!(payees(&mut world, 90), [0, 2, 0, 2, 0]);
    assert_eq!(world.masternode(1).expect("waits").last_paid, None);
    let queue = value::payment_queue(world.chain.state()).expect("memory");
    assert_eq!(queue.tail - queue.head, 2);
}

#[test]
fn two_silent_terms_ban_and_the_operator_revives() {
    let mut world = World::new(&[], 4);
    let gift = {
        let prefix = alice().prefix(account(&world.chain, &alice()).nonce, MAX_FEE);
        alice().transfer(
            world.chain.params(),
            prefix,
            &[(operator(3).account(), base(90_000_000))],
        )
    };
    world.step(&[gift]);
    world.silent_masternodes.insert(3);
    let state = |world: &World| {
        let masternode = world.masternode(3).expect("there");
        (masternode.pose, masternode.standing)
    };
    // In office from 84 on; the first window closes with block 100, so term 9 is the first full one.
    world.to(108);
    assert_eq!(state(&world), (0, Standing::Active));
    world.to(120);
    assert_eq!(state(&world), (50, Standing::Active));
    world.to(132);
    assert_eq!(state(&world), (100, Standing::Banned));
    assert_eq!(world.masternode(3).expect("there").position, None);
    let paid = payees(&mut world, 138);
    assert!(!paid.contains(&3), "{paid:?}");
    // The candidate of 120 still named it; that of 132 does not.
    assert_eq!(world.rosters().expect("on").0, [0, 1, 2, 3]);
    world.to(144);
    assert_eq!(world.rosters().expect("on").0, [0, 1, 2]);
    // The penalty of a banned one stands still.
    assert_eq!(state(&world), (100, Standing::Banned));
    world.silent_masternodes.clear();
    world.step(&[world.chain.revive(&operator(3), 3)]);
    assert_eq!(state(&world), (0, Standing::Active));
    let tail = value::payment_queue(world.chain.state())
        .expect("memory")
        .tail;
    let position = world.masternode(3).expect("there").position;
    // The payee of the same block stands behind it.
    assert_eq!(position, Some(tail - 2));
    world.to(168);
    assert_eq!(world.rosters().expect("on").0, [0, 1, 2, 3]);
}

#[test]
fn a_diligent_term_takes_ten_off_the_penalty() {
    let mut world = World::new(&[], 4);
    world.silent_masternodes.insert(3);
    let pose = |world: &World| world.masternode(3).expect("there").pose;
    world.to(120);
    assert_eq!(pose(&world), 50);
    world.silent_masternodes.clear();
    // Of the three windows that close in term 10 two could still be signed: that is enough.
    world.to(132);
    assert_eq!(pose(&world), 40);
    world.to(144);
    assert_eq!(pose(&world), 30);
}
