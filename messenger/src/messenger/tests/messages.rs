//! Messages between members, and what becomes of them.

use chain::Height;

use super::world::{Person, World};
use crate::Access;
use crate::content::{Content, Text};
use crate::error::SendError;
use crate::event::Event;
use crate::log::Place;
use crate::messenger::Outgoing;
use crate::view::{Continuity, Delivery, Mentioned, Step, Wait};

fn in_block(height: u64, index: u16) -> Delivery {
    Delivery::InBlock(Place {
        height: Height::new(height),
        index,
    })
}

#[test]
fn a_message_goes_from_queued_over_delivered_into_a_block() {
    let mut world = World::new(2);
    let id = world.conversation(Access::ReadWrite);
    let reference = world.says(0, &id, "hello");
    assert_eq!(
        world.people[0].texts(&id),
        [("hello".to_owned(), Delivery::Queued)]
    );
    assert_eq!(world.people[1].words(&id), Vec::<String>::new());
    world.gossip();
    for person in &world.people {
        assert_eq!(
            person.texts(&id),
            [("hello".to_owned(), Delivery::Delivered)]
        );
    }
    world.mine();
    for person in &world.people {
        let texts = person.texts(&id);
        assert!(
            matches!(texts[..], [(_, Delivery::InBlock(_))]),
            "{texts:?}"
        );
        person.assert_stored();
    }
    let shown = Event::Shown {
        conversation: id,
        reference,
        delivery: Delivery::Delivered,
    };
    assert!(world.people[1].events.contains(&shown));
    assert!(world.people[0].messenger.outbox().is_empty());
}

#[test]
fn both_write_and_see_the_same_log() {
    let mut world = World::new(3);
    let id = world.conversation(Access::ReadWrite);
    for round in 0..5 {
        for person in 0..3 {
            world.says(person, &id, &format!("{person} says {round}"));
        }
        world.gossip();
        world.mine();
    }
    let first = world.people[0].texts(&id);
    assert_eq!(first.len(), 15);
    for person in &world.people {
        assert_eq!(person.texts(&id), first);
        assert!(
            person
                .views(&id)
                .iter()
                .all(|view| view.continuity == Continuity::Linked)
        );
        assert!(person.messenger.gaps(&id).is_empty());
        person.assert_stored();
    }
    let own: Vec<bool> = world.people[1]
        .views(&id)
        .iter()
        .map(|view| view.is_own)
        .collect();
    assert_eq!(own.iter().filter(|own| **own).count(), 6);
}

#[test]
fn a_message_waits_for_the_start_of_its_chain_and_a_retry_sends_the_same_bytes() {
    let mut world = World::new(1);
    let id = world.conversation(Access::ReadWrite);
    world.says(0, &id, "hello");
    let steps = |world: &World| -> Vec<Step> {
        world.people[0]
            .messenger
            .outbox()
            .into_iter()
            .map(|item| item.step)
            .collect()
    };
    assert_eq!(steps(&world), [Step::Seal, Step::Wait(Wait::ChainStart)]);
    let waiting = world.people[0].messenger.outbox()[1].reference;
    let refused = world.people[0].messenger.seal(&waiting).err();
    assert_eq!(refused, Some(SendError::Waits(Wait::ChainStart)));
    let first = world.outgoing(0);
    assert_eq!(first.len(), 1);
    // Not seen in gossip yet: the same bytes again, and nothing else.
    assert_eq!(world.outgoing(0), first);
    let reloaded = world.people[0].reloaded();
    let [start, text] = &reloaded.outbox()[..] else {
        panic!("two messages wait")
    };
    assert_eq!(start.step, Step::Wait(Wait::Tip));
    assert_eq!(text.step, Step::Wait(Wait::Tip));
    assert!(world.admit(&first[0]));
    world.deliver(0, &first[0], crate::Position::Pending);
    assert_eq!(world.outgoing(0).len(), 2);
}

#[test]
fn an_envelope_that_was_not_included_in_time_is_sealed_again_under_the_same_name() {
    let mut world = World::new(2);
    let id = world.conversation(Access::ReadWrite);
    world.says(0, &id, "one");
    world.gossip();
    world.mine();
    let reference = world.says(0, &id, "two");
    let first = world.outgoing(0).remove(0);
    // Blocks pass without it, to the end of its rate epoch and grace.
    let again = loop {
        let now = world.outgoing(0);
        let now = now
            .into_iter()
            .find(|now| now.one_time_key == first.one_time_key);
        match now.expect("it is still to be sent") {
            now if now != first => break now,
            _ => {}
        }
        world.push_block(Vec::new());
        let height = world.tip();
        for person in 0..2 {
            world.deliver_block(person, height);
            world.is_at_tip(person);
        }
        assert!(
            world.blocks.len() < 40,
            "an envelope does not live for ever"
        );
    };
    assert_eq!(again.one_time_key, first.one_time_key);
    assert_ne!(again.rate_epoch, first.rate_epoch);
    assert_ne!(again.mid(), first.mid());
    assert_ne!(again.salt, first.salt);
    // Readers who saw the first one take the second for the same message.
    world.deliver(1, &first, crate::Position::Pending);
    world.mine_with(vec![again]);
    let shown = world.people[1].views(&id).pop().expect("the last message");
    assert_eq!(shown.reference, reference);
    assert!(matches!(shown.delivery, Delivery::InBlock(_)));
    assert!(
        !world.people[1]
            .events
            .iter()
            .any(|e| matches!(e, Event::WriterForked { .. }))
    );
    world.people[0].assert_stored();
}

#[test]
fn a_reply_resolves_inside_its_conversation_only() {
    let mut world = World::new(2);
    let id = world.conversation(Access::ReadWrite);
    let question = world.says(0, &id, "who?");
    world.gossip();
    let now = world.now;
    let reply = Outgoing::Reply {
        to: question,
        text: Text::from("me"),
    };
    world.people[1]
        .try_says(&id, &reply, now)
        .expect("may write");
    world.gossip();
    world.mine();
    let answer = world.people[0]
        .views(&id)
        .into_iter()
        .find(|view| view.reply_to.is_some());
    assert_eq!(
        answer.and_then(|view| view.reply_to),
        Some(Mentioned::Here(question))
    );
    // The same message is unknown in another conversation.
    let root = world.people[0].root(1);
    let person = &mut world.people[0];
    let (other, changes) = person
        .messenger
        .create_conversation(1, &root, "other", &mut person.rng)
        .expect("room for a conversation");
    person.keep(Vec::new(), &changes);
    assert_eq!(
        person.try_says(&other, &reply, now),
        Err(SendError::UnknownMessage)
    );
    let text = Content::Reply {
        to: question.prefix(),
        text: Text::from("me"),
    };
    let mut work = crate::messenger::Work::default();
    let reference = person
        .messenger
        .write(
            &other,
            text,
            Default::default(),
            now,
            &mut person.rng,
            &mut work,
        )
        .expect("written");
    let view = person
        .messenger
        .message(&other, &reference)
        .expect("in the log");
    assert_eq!(view.reply_to, Some(Mentioned::Unknown(question.prefix())));
}

#[test]
fn texts_that_cannot_be_sent_change_nothing() {
    let mut world = World::new(1);
    let id = world.conversation(Access::ReadWrite);
    let before = world.people[0].stored.len();
    let now = world.now;
    for (text, refused) in [
        ("", SendError::EmptyText),
        (
            "a\u{0}b",
            crate::error::LayoutError::ControlCharacter.into(),
        ),
    ] {
        let message = Outgoing::Text(Text::from(text));
        assert_eq!(world.people[0].try_says(&id, &message, now), Err(refused));
    }
    let unknown = crate::ConversationId::from_bytes([0; 32]);
    let message = Outgoing::Text(Text::from("hello"));
    let refused = world.people[0].try_says(&unknown, &message, now);
    assert_eq!(refused, Err(SendError::UnknownConversation));
    assert_eq!(world.people[0].stored.len(), before);
    assert!(world.people[0].messenger.outbox().is_empty());
}

#[test]
fn a_full_outbox_takes_no_more() {
    let mut world = World::new(1);
    let now = world.now;
    let message = Outgoing::Text(Text::from("x"));
    let person = &mut world.people[0];
    for index in 0..4 {
        let root = person.root(index);
        let (id, _) = person
            .messenger
            .create_conversation(index, &root, "more", &mut person.rng)
            .expect("room for a conversation");
        let mut sent = 0;
        let refused = loop {
            let rng = &mut person.rng;
            match person
                .messenger
                .send(&id, &message, Default::default(), now, rng)
            {
                Ok(_) => sent += 1,
                Err(refused) => break refused,
            }
        };
        // A chain ends before its start is in a block; four of them fill the outbox.
        let (expected, texts) = match index {
            3 => (
                SendError::OutboxFull {
                    max: crate::outbox::OUTBOX_MAX,
                },
                1023,
            ),
            _ => (SendError::StartNotInBlock, 1023),
        };
        assert_eq!((refused, sent), (expected, texts));
    }
}

#[test]
fn a_message_before_its_chain_start_is_found_again() {
    let mut world = World::new(2);
    let id = world.conversation(Access::ReadWrite);
    world.says(0, &id, "hello");
    let start = world.outgoing(0);
    world.deliver(0, &start[0], crate::Position::Pending);
    let both = world.outgoing(0);
    // In one block in the wrong order.
    let mut other = world.people[1].clone();
    world.mine_with(vec![both[1].clone(), both[0].clone()]);
    let height = world.tip();
    assert_eq!(
        world.people[1].texts(&id),
        [("hello".to_owned(), in_block(height.get(), 0))]
    );
    // In two blocks, and in gossip, in the wrong order.
    world.revert();
    std::mem::swap(&mut world.people[1], &mut other);
    world.deliver(1, &both[1], crate::Position::Pending);
    assert!(world.people[1].words(&id).is_empty());
    world.mine_with(vec![both[1].clone()]);
    world.mine_with(vec![both[0].clone()]);
    assert_eq!(
        world.people[1].texts(&id),
        [("hello".to_owned(), in_block(height.get(), 0))]
    );
}

#[test]
fn a_scan_by_keys_alone_finds_what_reading_whole_blocks_finds() {
    let mut world = World::new(2);
    let id = world.conversation(Access::ReadWrite);
    let mut scanner = world.people[1].clone();
    for round in 0..6 {
        world.says(round % 2, &id, &format!("{round}"));
        world.gossip();
        world.mine();
    }
    let now = world.now;
    for (height, block) in world.blocks.iter().enumerate().skip(1) {
        let height = Height::new(height as u64);
        let keys: Vec<_> = block
            .envelopes
            .iter()
            .map(|found| found.one_time_key)
            .collect();
        let mut wanted = scanner.messenger.probe_block(height, &keys);
        while let Some(index) = wanted.pop() {
            let position = crate::Position::InBlock {
                height,
                block: block.id,
                index,
            };
            let envelope = &block.envelopes[usize::from(index)];
            let (events, changes) = scanner.messenger.receive(envelope, position, now);
            wanted.extend(events.iter().filter_map(|event| match event {
                Event::Needed(crate::lookahead::Wanted::InBlock(place)) => Some(place.index),
                _ => None,
            }));
            scanner.keep(Vec::new(), &changes);
        }
    }
    assert_eq!(scanner.texts(&id), world.people[0].texts(&id));
    assert_eq!(scanner.texts(&id).len(), 6);
}

#[test]
fn a_long_conversation_slides_its_window_and_begins_new_chains() {
    let mut world = World::new(2);
    let id = world.conversation(Access::ReadWrite);
    for number in 0..70 {
        world.says(0, &id, &format!("{number}"));
    }
    // Readers expect 64 messages ahead: the rest waits for the first ones.
    world.gossip();
    assert_eq!(world.people[1].words(&id).len(), 70);
    world.mine();
    assert_eq!(world.people[1].words(&id), world.people[0].words(&id));
    // A month later the next generation begins, in the same slot.
    world.now = chain::Timestamp::new(world.now.get() + crate::writing::CHAIN_AGE_MAX_MS + 1);
    world.says(0, &id, "later");
    world.gossip();
    world.mine();
    let last = world.people[1].views(&id).pop().expect("the last message");
    assert_eq!(
        (last.writer.slot.get(), last.writer.generation.get()),
        (0, 1)
    );
    assert_eq!(last.continuity, Continuity::Linked);
    world.people[0].assert_stored();
}

#[test]
fn an_unsupported_type_is_kept_and_shown_as_such() {
    let mut world = World::new(2);
    let id = world.conversation(Access::ReadWrite);
    let now = world.now;
    let unknown = crate::content::Unsupported {
        code: 0x12,
        body: vec![1, 2, 3],
    };
    let record = crate::self_record::SelfRecord::Inbox {
        generation: 1,
        scanned_to: 2,
    };
    for content in [
        Content::Unsupported(unknown.clone()),
        Content::Record(record),
    ] {
        let mut work = crate::messenger::Work::default();
        let person: &mut Person = &mut world.people[0];
        person
            .messenger
            .write(
                &id,
                content,
                Default::default(),
                now,
                &mut person.rng,
                &mut work,
            )
            .expect("written");
        person.keep(work.events, &work.changes);
    }
    world.gossip();
    world.mine();
    let codes: std::collections::BTreeSet<u8> = world.people[1]
        .views(&id)
        .into_iter()
        .filter_map(|view| match view.content {
            Content::Unsupported(unsupported) => Some(unsupported.code),
            _ => None,
        })
        .collect();
    // A record of the self-conversation means nothing anywhere else.
    assert_eq!(codes, [0x12, 0x46].into());
    assert!(world.people[1].messenger.records().inboxes.is_empty());
    world.people[1].assert_stored();
}
