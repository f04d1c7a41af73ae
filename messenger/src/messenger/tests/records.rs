//! The self-conversation: devices of one account keep each other up to date.

use std::collections::BTreeMap;

use chain::{Height, PublicKey, Timestamp};

use super::world::{Person, RATES, World};
use crate::Access;
use crate::self_record::{ContactState, StateBits};

/// Runs until nothing waits to be written.
fn settle(world: &mut World, person: usize) {
    for _ in 0..200 {
        world.mine();
        let profile = &world.people[person].messenger;
        let has_begun = !profile.log(profile.self_conversation(), None, 1).is_empty();
        if has_begun && profile.waiting.is_empty() && profile.outbox().is_empty() {
            return;
        }
    }
    panic!("records are written one per rate epoch");
}

#[test]
fn records_are_written_one_per_rate_epoch_and_only_when_something_changed() {
    let mut world = World::new(1);
    let own = *world.people[0].messenger.self_conversation();
    world.pass(50);
    assert!(
        world.people[0].views(&own).is_empty(),
        "nothing changed, nothing is written"
    );
    for byte in 0..4 {
        let key = PublicKey::from_bytes([byte; 32]);
        let person = &mut world.people[0];
        let changes = person
            .messenger
            .set_contact(key, ContactState::Known, "x")
            .expect("encodes");
        person.keep(Vec::new(), &changes);
    }
    settle(&mut world, 0);
    let mut per_epoch: BTreeMap<u32, usize> = BTreeMap::new();
    for block in &world.blocks {
        for envelope in &block.envelopes {
            *per_epoch.entry(envelope.rate_epoch.get()).or_default() += 1;
        }
    }
    assert_eq!(per_epoch.values().sum::<usize>(), 1 + 4);
    assert!(per_epoch.values().all(|count| *count == 1), "{per_epoch:?}");
    world.people[0].assert_stored();
}

#[test]
fn every_kind_of_record_reaches_another_device() {
    let mut world = World::new(1);
    let id = world.conversation(Access::ReadWrite);
    world.says(0, &id, "hello");
    world.gossip();
    world.mine();
    let contact = PublicKey::from_bytes([7; 32]);
    {
        let person = &mut world.people[0];
        person.is_delegated(crate::delegation::Scope::ALL);
        let messenger = &mut person.messenger;
        let mut changes = messenger
            .set_contact(contact, ContactState::Verified, "анна")
            .expect("encodes");
        let bits = StateBits::PINNED.with(StateBits::MUTED);
        changes.merge(messenger.set_state(id, bits, Timestamp::new(99)));
        changes.merge(messenger.mark_read(id, Height::new(1), 0));
        changes.merge(messenger.mark_read(id, Height::new(0), 5));
        changes.merge(messenger.set_draft(id, "unsent").expect("encodes"));
        changes.merge(messenger.mark_inbox_scanned(1, Height::new(1)));
        person.keep(Vec::new(), &changes);
    }
    let expected = world.people[0].messenger.records();
    assert_eq!(expected.read.get(&id), Some(&(1, 0)));
    settle(&mut world, 0);
    assert_eq!(world.people[0].messenger.records(), expected);
    let mut second = Person::restored(1);
    second.keep(Vec::new(), &crate::ChangeSet::default());
    world.people.push(second);
    world.rescan(1, Height::new(0));
    world.read_history(1);
    let found = world.people[1].messenger.records();
    assert_eq!(found, expected);
    assert_eq!(
        found
            .contacts
            .get(&contact)
            .map(|contact| contact.petname.as_str()),
        Some("анна")
    );
    assert_eq!(world.people[1].words(&id), ["hello"]);
    world.people[1].assert_stored();
}

#[test]
fn the_height_of_a_record_is_not_the_height_of_its_cause() {
    let mut heights = std::collections::BTreeSet::new();
    for seed in 1..12 {
        let mut world = World::new(0);
        let mut person = Person::new(seed);
        let contact = PublicKey::from_bytes([9; 32]);
        let changes = person
            .messenger
            .set_contact(contact, ContactState::Known, "x");
        person.keep(Vec::new(), &changes.expect("encodes"));
        world.people.push(person);
        world.rescan(0, Height::new(0));
        world.is_at_tip(0);
        settle(&mut world, 0);
        heights.insert(
            world
                .blocks
                .iter()
                .position(|block| !block.envelopes.is_empty()),
        );
    }
    assert!(
        heights.len() > 3,
        "{heights:?} within an epoch of {} blocks",
        RATES.blocks
    );
}
