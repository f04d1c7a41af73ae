//! From words to history: a fresh device with the same account.

use chain::Height;

use super::world::{Person, World};
use crate::Access;
use crate::event::Event;
use crate::ids::ConversationId;
use crate::view::{Step, Wait};

/// Person 0 has a conversation of its own and is in one of person 1's; everything is written.
fn lived() -> (World, ConversationId, ConversationId) {
    let mut world = World::new(2);
    let own = world.people[0].creates("mine");
    let theirs = world.people[1].creates("theirs");
    world.invite(1, 0, &theirs, Access::ReadWrite);
    world.says(0, &own, "to myself");
    world.says(0, &theirs, "hello");
    world.says(1, &theirs, "welcome");
    for _ in 0..120 {
        world.gossip();
        world.mine();
    }
    assert!(world.people[0].messenger.waiting.is_empty());
    (world, own, theirs)
}

/// A fresh device for person 0's account that has read the chain.
fn restore(world: &mut World) -> usize {
    let mut person = Person::restored(1);
    let roots: Vec<_> = (0..20).map(|index| (index, person.root(index))).collect();
    let (events, changes) = person.messenger.probe_roots(roots);
    person.keep(events, &changes);
    world.people.push(person);
    let index = world.people.len() - 1;
    world.rescan(index, Height::new(0));
    world.read_history(index);
    index
}

#[test]
fn words_bring_back_conversations_and_history() {
    let (mut world, own, theirs) = lived();
    let index = restore(&mut world);
    for id in [own, theirs] {
        assert_eq!(world.people[index].texts(&id), world.people[0].texts(&id));
    }
    let view = world.people[index]
        .messenger
        .conversation(&own)
        .expect("found");
    assert!(view.is_admin);
    assert_eq!(view.name, "mine");
    assert_eq!(
        world.people[index]
            .messenger
            .conversation(&theirs)
            .expect("found")
            .name,
        "theirs"
    );
    let is_own: Vec<bool> = world.people[index]
        .views(&theirs)
        .iter()
        .map(|view| view.is_own)
        .collect();
    assert!(is_own.contains(&true) && is_own.contains(&false));
    world.people[index].assert_stored();
}

#[test]
fn own_conversations_are_found_without_any_record() {
    let mut world = World::new(1);
    let own = world.people[0].creates("mine");
    world.says(0, &own, "first");
    world.gossip();
    world.mine();
    // Nothing is in the self-conversation that names it: it was not written yet.
    let index = restore(&mut world);
    assert_eq!(world.people[index].words(&own), ["first"]);
    assert!(
        world.people[index]
            .messenger
            .conversation(&own)
            .expect("found")
            .is_admin
    );
}

#[test]
fn a_restored_device_is_silent_until_the_next_rate_epoch_and_uses_new_places_only() {
    let (mut world, own, theirs) = lived();
    let index = restore(&mut world);
    world.says(index, &theirs, "back again");
    world.says(index, &own, "mine again");
    let steps = |world: &World| -> Vec<Step> {
        world.people[index]
            .messenger
            .outbox()
            .into_iter()
            .map(|item| item.step)
            .collect()
    };
    assert!(
        steps(&world)
            .iter()
            .all(|step| *step == Step::Wait(Wait::Tip))
    );
    let person = &mut world.people[index];
    let root = person.root(9);
    let begun = person
        .messenger
        .create_conversation(9, &root, "new", &mut person.rng);
    assert_eq!(begun.map(|_| ()), Err(crate::error::JoinError::Restored));
    world.is_at_tip(index);
    let next_epoch = Height::new((world.tip().get() + 1).div_ceil(16) * 16);
    let next_epoch = if (world.tip().get() + 1) % 16 == 0 {
        Height::new(next_epoch.get() + 16)
    } else {
        next_epoch
    };
    let silent = Step::Wait(Wait::Restored { until: next_epoch });
    while world.tip().get() + 1 < next_epoch.get() {
        assert!(
            steps(&world).iter().all(|step| *step == silent),
            "{:?}",
            steps(&world)
        );
        world.mine();
    }
    world.mine();
    world.mine();
    let words = world.people[1].words(&theirs);
    assert_eq!(
        (words.len(), words.last().map(String::as_str)),
        (3, Some("back again"))
    );
    assert_eq!(world.people[0].words(&own), ["to myself", "mine again"]);
    let places: Vec<(u32, u32)> = world.people[0]
        .views(&own)
        .iter()
        .map(|view| (view.writer.slot.get(), view.writer.generation.get()))
        .collect();
    assert_eq!(places, [(0, 0), (0, 0), (1, 0), (1, 0)]);
    // The first device lives on beside it.
    world.says(0, &own, "both");
    world.gossip();
    world.mine();
    assert_eq!(
        world.people[index].words(&own),
        ["to myself", "mine again", "both"]
    );
    assert!(
        !world.people[0]
            .events
            .iter()
            .any(|e| matches!(e, Event::ProfileCopied { .. }))
    );
    world.people[index].assert_stored();
}

#[test]
fn a_write_only_member_goes_on_in_its_slots_next_generation() {
    let mut world = World::new(2);
    let id = world.people[0].creates("drop");
    world.invite(0, 1, &id, Access::Write);
    world.gossip();
    world.mine();
    world.says(1, &id, "before");
    for _ in 0..120 {
        world.gossip();
        world.mine();
    }
    let mut person = Person::restored(2);
    person.keep(Vec::new(), &crate::ChangeSet::default());
    world.people.push(person);
    world.rescan(2, Height::new(0));
    world.read_history(2);
    assert_eq!(world.people[2].words(&id), ["before"]);
    world.says(2, &id, "after");
    world.is_at_tip(2);
    for _ in 0..40 {
        world.mine();
    }
    assert_eq!(world.people[0].words(&id), ["before", "after"]);
    let last = world.people[0].views(&id).pop().expect("the last message");
    assert_eq!(
        (last.writer.slot.get(), last.writer.generation.get()),
        (1, 1)
    );
}
