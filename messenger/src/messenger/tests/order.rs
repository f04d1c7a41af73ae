//! Arrival in any order, with losses, duplicates and reorganisations, ends in the same log.

use chain::Height;
use proptest::prelude::*;

use super::world::{MinedBlock, Person, World};
use crate::event::Event;
use crate::ids::ConversationId;
use crate::messenger::Position;
use crate::view::{Continuity, Delivery};
use crate::{Access, MessageRef};

#[test]
fn after_a_reorganisation_states_fall_back_and_come_again() {
    let mut world = World::new(2);
    let id = world.conversation(Access::ReadWrite);
    world.says(0, &id, "one");
    world.gossip();
    world.mine();
    let reference = world.says(0, &id, "two");
    world.gossip();
    world.mine();
    let block = world.revert();
    for person in 0..2 {
        assert_eq!(world.people[person].words(&id), ["one", "two"]);
        let (_, delivery) = world.people[person]
            .texts(&id)
            .pop()
            .expect("the last message");
        assert_eq!(delivery, Delivery::Delivered);
        world.people[person].assert_stored();
    }
    let fallen = Event::Moved {
        conversation: Some(id),
        reference,
        delivery: Delivery::Delivered,
    };
    assert!(world.people[1].events.contains(&fallen));
    // The sender offers the same bytes again; another block takes them.
    let again = world.outgoing(0);
    assert_eq!(again, block.envelopes);
    world.mine_with(Vec::new());
    world.mine_with(again);
    for person in &world.people {
        let (_, delivery) = person.texts(&id).pop().expect("the last message");
        assert!(matches!(delivery, Delivery::InBlock(p) if p.height == Height::new(3)));
        person.assert_stored();
    }
    assert!(
        !world.people[0]
            .events
            .iter()
            .any(|e| matches!(e, Event::Failed { .. }))
    );
}

#[test]
fn one_writer_is_read_in_the_order_of_writing_whatever_a_block_does() {
    let mut world = World::new(2);
    let id = world.conversation(Access::ReadWrite);
    world.says(0, &id, "one");
    world.gossip();
    world.mine();
    world.says(0, &id, "two");
    world.says(0, &id, "three");
    let mut shuffled = world.outgoing(0);
    shuffled.reverse();
    assert_eq!(shuffled.len(), 2);
    for envelope in &shuffled {
        world.deliver(1, envelope, Position::Pending);
    }
    assert_eq!(world.people[1].words(&id), ["one", "two", "three"]);
    world.mine_with(shuffled);
    for person in &world.people {
        assert_eq!(person.words(&id), ["one", "two", "three"]);
    }
}

#[test]
fn a_block_that_replaces_another_one_moves_what_stood_there() {
    let mut world = World::new(2);
    let id = world.conversation(Access::ReadWrite);
    world.says(0, &id, "one");
    world.gossip();
    world.mine();
    let height = world.tip();
    // Without a revert in between: the session was away.
    let old = world.blocks.pop().expect("mined");
    world.push_block(Vec::new());
    world.deliver_block(1, height);
    assert!(
        world.people[1]
            .texts(&id)
            .iter()
            .all(|(_, d)| *d == Delivery::Delivered)
    );
    assert_eq!(world.people[1].messenger.canonical_blocks().count(), 1);
    world.blocks.pop();
    world.blocks.push(old);
    world.deliver_block(1, height);
    assert!(
        world.people[1]
            .texts(&id)
            .iter()
            .all(|(_, d)| matches!(d, Delivery::InBlock(_)))
    );
    world.people[1].assert_stored();
}

/// A chain in which three members talk, and a newcomer's profile that has seen nothing of it.
fn history() -> (World, ConversationId, Person) {
    let mut world = World::new(3);
    let id = world.conversation(Access::ReadWrite);
    let mut reader = Person::new(77);
    let now = world.now;
    let host = &mut world.people[0];
    let (link, _, _) = host
        .messenger
        .invite_by_link(&id, Access::Read, now, &mut host.rng)
        .expect("the host holds both keys");
    let (_, events, changes) = reader.messenger.join(&link).expect("joins");
    reader.keep(events, &changes);
    for round in 0..6 {
        for person in 0..3 {
            if (round + person) % 2 == 0 {
                world.says(person, &id, &format!("{person} in {round}"));
            }
        }
        world.gossip();
        world.mine();
    }
    (world, id, reader)
}

#[derive(Clone, Copy, Debug)]
enum Arrival {
    Gossip(usize),
    Block(usize),
    Revert(usize),
    Restart,
}

fn arrival(blocks: usize, envelopes: usize) -> impl Strategy<Value = Arrival> {
    prop_oneof![
        4 => (0..envelopes).prop_map(Arrival::Gossip),
        4 => (0..blocks).prop_map(Arrival::Block),
        2 => (0..blocks).prop_map(Arrival::Revert),
        1 => Just(Arrival::Restart),
    ]
}

fn log_of(person: &Person, id: &ConversationId) -> Vec<(MessageRef, Delivery)> {
    person
        .views(id)
        .into_iter()
        .map(|view| (view.reference, view.delivery))
        .collect()
}

/// Gives `reader` everything of the chain, in order, and answers what it asks for.
fn read_all(world: &mut World, reader: Person) -> Person {
    world.people.push(reader);
    let index = world.people.len() - 1;
    world.rescan(index, Height::new(0));
    world.people.pop().expect("just pushed")
}

fn suffer(blocks: &[MinedBlock], reader: &mut Person, arrivals: &[Arrival]) {
    let all: Vec<_> = blocks
        .iter()
        .flat_map(|block| block.envelopes.clone())
        .collect();
    let now = chain::Timestamp::new(5);
    for arrival in arrivals {
        let (events, changes) = match *arrival {
            Arrival::Gossip(index) => {
                reader
                    .messenger
                    .receive(&all[index % all.len()], Position::Pending, now)
            }
            Arrival::Block(index) => {
                let block = &blocks[index];
                let height = Height::new(index as u64);
                reader
                    .messenger
                    .receive_block(height, block.id, &block.envelopes, now)
            }
            Arrival::Revert(index) => reader.messenger.revert_block(Height::new(index as u64)),
            Arrival::Restart => {
                reader.messenger = reader.reloaded();
                continue;
            }
        };
        // Wishes for lost envelopes are not answered.
        reader.keep(events, &changes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_arrival_ends_in_the_log_of_reading_in_order(
        arrivals in proptest::collection::vec(arrival(7, 12), 0..60)
    ) {
        let (mut world, id, reader) = history();
        let in_order = read_all(&mut world, reader.clone());
        let expected = log_of(&in_order, &id);
        prop_assert_eq!(in_order.words(&id).len(), 9);
        prop_assert!(expected.iter().all(|(_, d)| matches!(d, Delivery::InBlock(_))));
        let mut reader = reader;
        suffer(&world.blocks, &mut reader, &arrivals);
        let reader = read_all(&mut world, reader);
        prop_assert_eq!(log_of(&reader, &id), expected);
        reader.assert_stored();
    }
}

/// Person 0 has written `count` texts, each in an envelope of its own; person 1 has seen the start.
fn written(count: u32) -> (World, ConversationId, Vec<chain::Envelope>) {
    let mut world = World::new(2);
    let id = world.conversation(Access::ReadWrite);
    world.says(0, &id, "0");
    world.gossip();
    world.mine();
    for number in 1..count {
        world.says(0, &id, &number.to_string());
    }
    let mut envelopes = Vec::new();
    while envelopes.len() + 1 < count as usize {
        for envelope in world.outgoing(0) {
            if world.admit(&envelope) {
                world.deliver(0, &envelope, Position::Pending);
                envelopes.push(envelope);
            }
        }
    }
    (world, id, envelopes)
}

#[test]
fn a_lost_message_leaves_a_gap_that_is_shown_and_closes_again() {
    let (mut world, id, envelopes) = written(4);
    for lost in [0, 2] {
        world.deliver(1, &envelopes[lost], Position::Pending);
    }
    let reader = &world.people[1];
    assert_eq!(reader.words(&id), ["0", "1", "3"]);
    let gaps = reader.messenger.gaps(&id);
    let missing: Vec<u32> = gaps[0].1.iter().map(|number| number.get()).collect();
    assert_eq!((gaps.len(), missing), (1, vec![3]));
    let last = reader.views(&id).pop().expect("the last message");
    assert_eq!(last.continuity, Continuity::Broken);
    world.mine_with(envelopes);
    assert!(world.people[1].messenger.gaps(&id).is_empty());
    let views = world.people[1].views(&id);
    assert!(
        views
            .iter()
            .all(|view| view.continuity == Continuity::Linked)
    );
}

#[test]
fn a_gap_beyond_the_window_is_bridged_by_expecting_whole_chains() {
    let (mut world, id, envelopes) = written(101);
    let last = envelopes.last().expect("a hundred");
    world.push_block(vec![last.clone()]);
    let height = world.tip();
    world.deliver_block(1, height);
    assert!(!world.people[1].messenger.expects(&last.one_time_key));
    assert_eq!(world.people[1].words(&id), ["0"]);
    let events = world.people[1].messenger.widen(&id);
    let place = crate::log::Place { height, index: 0 };
    assert_eq!(
        events,
        [Event::Needed(crate::lookahead::Wanted::InBlock(place))]
    );
    world.deliver_block(1, height);
    assert_eq!(world.people[1].words(&id), ["0", "100"]);
    assert_eq!(world.people[1].messenger.gaps(&id)[0].1.len(), 99);
}
