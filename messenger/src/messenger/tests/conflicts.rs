//! Two devices in one slot, and one profile on two devices.

use super::world::{Person, World};
use crate::Access;
use crate::error::SendFailure;
use crate::event::Event;
use crate::ids::ConversationId;
use crate::view::Delivery;

/// Persons 1 and 2 with both keys, neither of whom has written.
fn world() -> (World, ConversationId) {
    let mut world = World::new(3);
    let id = world.conversation(Access::ReadWrite);
    world.gossip();
    world.mine();
    (world, id)
}

fn is_failed(person: &Person) -> bool {
    let reason = SendFailure::ChainConflict;
    person
        .events
        .iter()
        .any(|event| matches!(event, Event::Failed { reason: r, .. } if *r == reason))
}

#[test]
fn two_devices_that_claim_one_slot_end_in_two() {
    let (mut world, id) = world();
    world.says(1, &id, "from 1");
    world.says(2, &id, "from 2");
    // Both starts are sealed before either is seen.
    let (first, second) = (world.outgoing(1), world.outgoing(2));
    assert_eq!(first[0].one_time_key, second[0].one_time_key);
    assert_ne!(first[0].mid(), second[0].mid());
    world.mine_with(vec![second[0].clone()]);
    world.mine();
    world.mine();
    world.mine();
    assert!(is_failed(&world.people[1]));
    assert!(!is_failed(&world.people[2]));
    for person in &world.people {
        let texts = person.texts(&id);
        let mut words: Vec<&str> = texts.iter().map(|(text, _)| text.as_str()).collect();
        words.sort_unstable();
        assert_eq!(words, ["from 1", "from 2"]);
        assert!(
            texts
                .iter()
                .all(|(_, delivery)| matches!(delivery, Delivery::InBlock(_)))
        );
        let mut slots: Vec<u32> = person
            .views(&id)
            .iter()
            .map(|view| view.writer.slot.get())
            .collect();
        slots.sort_unstable();
        assert_eq!(slots, [1, 1, 2, 2]);
        person.assert_stored();
    }
    let resent = world.people[1]
        .events
        .iter()
        .any(|e| matches!(e, Event::Resent { .. }));
    assert!(resent);
}

#[test]
fn a_start_that_has_not_left_makes_room_at_once() {
    let (mut world, id) = world();
    world.says(1, &id, "from 1");
    world.says(2, &id, "from 2");
    // Person 2's start is seen in gossip before person 1 has sealed anything.
    let second = world.outgoing(2);
    assert!(world.admit(&second[0]));
    for person in 0..3 {
        world.deliver(person, &second[0], crate::Position::Pending);
    }
    assert!(is_failed(&world.people[1]));
    world.mine();
    world.mine();
    world.mine();
    for person in &world.people {
        assert_eq!(person.words(&id).len(), 2);
    }
}

#[test]
fn a_copied_profile_is_noticed_and_leaves_the_chain() {
    let (mut world, id) = world();
    world.says(1, &id, "before");
    world.gossip();
    world.mine();
    // The profile is copied; both copies write under the same number.
    let copy = world.people[1].clone();
    world.people.push(copy);
    world.says(1, &id, "from the original");
    world.says(3, &id, "from the copy");
    let (original, copied) = (world.outgoing(1), world.outgoing(3));
    assert_eq!(original[0].one_time_key, copied[0].one_time_key);
    assert_ne!(original[0].salt, copied[0].salt);
    world.mine_with(vec![copied[0].clone()]);
    let is_noticed = |person: &Person| {
        person
            .events
            .iter()
            .any(|event| matches!(event, Event::ProfileCopied { .. }))
    };
    assert!(is_noticed(&world.people[1]));
    assert!(is_failed(&world.people[1]));
    world.mine();
    world.mine();
    for person in &world.people[..3] {
        assert_eq!(
            person.words(&id),
            ["before", "from the copy", "from the original"]
        );
        let last = person.views(&id).pop().expect("the last message");
        assert_eq!(
            (last.writer.slot.get(), last.writer.generation.get()),
            (1, 1)
        );
    }
    world.people[1].assert_stored();
}

#[test]
fn a_rolled_back_profile_does_not_use_a_number_twice() {
    let (mut world, id) = world();
    world.says(1, &id, "one");
    world.gossip();
    world.mine();
    let backup = world.people[1].stored.len();
    world.says(1, &id, "two");
    world.gossip();
    world.mine();
    // The data folder is put back to an older state.
    let mut old = world.people[1].clone();
    old.stored.truncate(backup);
    old.messenger = old.reloaded();
    old.events.clear();
    world.people[1] = old;
    world.says(1, &id, "three");
    assert!(
        world.outgoing(1).is_empty(),
        "nothing leaves before the tip is reached"
    );
    world.rescan(1, world.people[1].messenger.resume_height());
    world.is_at_tip(1);
    world.gossip();
    world.mine();
    world.mine();
    assert!(
        world.people[1]
            .events
            .iter()
            .any(|e| matches!(e, Event::ProfileCopied { .. }))
    );
    for person in [0, 1, 2] {
        assert_eq!(world.people[person].words(&id), ["one", "two", "three"]);
    }
    let keys: Vec<_> = world
        .blocks
        .iter()
        .flat_map(|block| &block.envelopes)
        .map(|envelope| envelope.one_time_key)
        .collect();
    let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len());
}

#[test]
fn a_fork_is_shown_and_the_first_message_in_the_chain_counts() {
    let (mut world, id) = world();
    world.says(1, &id, "before");
    world.gossip();
    world.mine();
    let copy = world.people[1].clone();
    world.people.push(copy);
    world.says(1, &id, "first seen");
    world.says(3, &id, "first in a block");
    let (original, copied) = (world.outgoing(1), world.outgoing(3));
    world.deliver(0, &original[0], crate::Position::Pending);
    assert_eq!(world.people[0].words(&id), ["before", "first seen"]);
    world.people.truncate(3);
    world.mine_with(copied);
    assert_eq!(
        world.people[0].words(&id)[..2],
        ["before", "first in a block"]
    );
    let events = &world.people[0].events;
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::WriterForked { .. }))
    );
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Withdrawn { .. }))
    );
}

#[test]
fn gossip_cannot_crowd_out_the_start_that_stands_in_a_block() {
    let (mut world, id) = world();
    let victim = world.people[1].clone();
    world.says(1, &id, "real");
    let real = world.outgoing(1);
    // Many devices gossip starts for the same slot.
    for seed in 0..8 {
        let mut rival = victim.clone();
        rival.rng = rand_core::SeedableRng::from_seed([seed + 1; 32]);
        world.people.push(rival);
        let last = world.people.len() - 1;
        world.says(last, &id, "rival");
        let start = world.outgoing(last).remove(0);
        world.people.pop();
        world.deliver(0, &start, crate::Position::Pending);
    }
    let refused = |event: &&Event| matches!(event, Event::Refused { .. });
    assert_eq!(world.people[0].events.iter().filter(refused).count(), 4);
    world.mine_with(real);
    world.mine();
    assert_eq!(world.people[0].words(&id), ["real"]);
}

#[test]
fn of_two_devices_that_begin_from_one_root_only_one_writes_there() {
    let mut world = World::new(1);
    // Another device of the same account, which has not heard of the first one's conversation.
    let mut second = Person::twin(1);
    let (now, tip) = (world.now, world.tip());
    let changes = second.messenger.set_at_tip(tip);
    second.keep(Vec::new(), &changes);
    world.people.push(second);
    let id = world.people[0].creates("for friends");
    assert_eq!(world.people[1].creates("diary"), id);
    for person in &mut world.people {
        let (events, changes) = person
            .messenger
            .claim_root(&id, now, &mut person.rng)
            .expect("may write");
        person.keep(events, &changes);
    }
    world.says(1, &id, "dear diary");
    let claims = (world.outgoing(0), world.outgoing(1));
    assert_eq!(claims.0[0].one_time_key, claims.1[0].one_time_key);
    world.mine_with(claims.0);
    world.mine();
    world.says(0, &id, "hello friends");
    world.gossip();
    world.pass(3);
    assert_eq!(world.people[0].words(&id), ["hello friends"]);
    let second = &mut world.people[1];
    assert!(
        second.messenger.outbox().is_empty(),
        "the diary is not repeated there"
    );
    let message = crate::Outgoing::Text("more".into());
    assert_eq!(
        second.try_says(&id, &message, now),
        Err(crate::error::SendError::RootLost)
    );
    let granted = second
        .messenger
        .grant(&id, Access::Read, "", now, &mut second.rng);
    assert_eq!(granted.map(|_| ()), Err(crate::error::SendError::RootLost));
}
