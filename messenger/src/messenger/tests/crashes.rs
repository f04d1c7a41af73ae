//! A crash between any two steps: nothing that left is contradicted, nothing that was kept is lost.

use std::collections::BTreeMap;

use chain::envelope::Auth;
use chain::{EnvelopeBytes, PublicKey};

use super::world::{Person, World};
use crate::ids::{ConversationId, MessageRef};
use crate::view::Step;
use crate::{Access, Position};

/// An envelope that left, what it carries, and how much was stored by then.
struct Left {
    stored: usize,
    one_time_key: PublicKey,
    reference: MessageRef,
    bytes: EnvelopeBytes,
}

/// Seals and finishes everything that may be sent.
fn send_all(person: &mut Person) -> Vec<Left> {
    let mut left = Vec::new();
    for item in person.messenger.outbox() {
        let bytes = match item.step {
            Step::Wait(_) => continue,
            Step::Send(bytes) => bytes,
            Step::Seal => {
                let sealed = person
                    .messenger
                    .seal(&item.reference)
                    .expect("may be sealed");
                let (bytes, changes) = person
                    .messenger
                    .finish(sealed, Auth::None, &[0; 32])
                    .expect("waits");
                person.keep(Vec::new(), &changes);
                bytes
            }
        };
        let envelope = bytes.parse().expect("an own envelope");
        left.push(Left {
            stored: person.stored.len(),
            one_time_key: envelope.one_time_key,
            reference: item.reference,
            bytes,
        });
    }
    left
}

/// A profile that wrote three texts, with everything that ever left it.
fn history() -> (World, ConversationId, Vec<Left>) {
    let mut world = World::new(1);
    let id = world.conversation(Access::ReadWrite);
    let mut left = Vec::new();
    for text in ["one", "two", "three"] {
        world.says(0, &id, text);
        // Twice: the second time the start of the chain has been seen.
        for _ in 0..2 {
            let sent = send_all(&mut world.people[0]);
            for envelope in sent.iter().map(|left| left.bytes.parse()) {
                let envelope = envelope.expect("an own envelope");
                world.deliver(0, &envelope, Position::Pending);
            }
            left.extend(sent);
        }
    }
    (world, id, left)
}

#[test]
fn no_second_plaintext_ever_leaves_under_a_one_time_key() {
    let (mut world, id, left) = history();
    let whole = world.people[0].clone();
    let mut same_bytes = 0;
    for cut in 1..=whole.stored.len() {
        let mut person = whole.clone();
        person.stored.truncate(cut);
        person.messenger = person.reloaded();
        let kept = person.messenger.outbox().len();
        world.people[0] = person;
        world.is_at_tip(0);
        if world.people[0].messenger.conversation(&id).is_none() {
            continue;
        }
        world.says(0, &id, "after the crash");
        let known: BTreeMap<PublicKey, &Left> = left
            .iter()
            .filter(|left| left.stored <= cut)
            .map(|left| (left.one_time_key, left))
            .collect();
        for _ in 0..3 {
            let sent = send_all(&mut world.people[0]);
            for again in &sent {
                if let Some(first) = known.get(&again.one_time_key) {
                    assert_eq!(again.reference, first.reference, "cut after {cut}");
                    assert_eq!(again.bytes, first.bytes, "cut after {cut}");
                    same_bytes += 1;
                }
                let envelope = again.bytes.parse().expect("an own envelope");
                world.deliver(0, &envelope, Position::Pending);
            }
        }
        // What was written before the crash is still on its way.
        assert!(world.people[0].messenger.outbox().len() > kept);
        world.people[0].assert_stored();
    }
    assert!(same_bytes > 10);
}
