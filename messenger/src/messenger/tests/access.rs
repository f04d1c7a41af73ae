//! Read key and write key are different permissions.

use chain::envelope::Auth;
use chain::units::RateEpoch;
use chain::{Height, PublicKey};

use super::world::{World, chain_id};
use crate::Access;
use crate::capability::Grant;
use crate::compose::Unauthorised;
use crate::content::{Content, Text};
use crate::error::{JoinError, SendError};
use crate::ids::{ConversationId, MessageNumber, Slot};
use crate::messenger::Outgoing;
use crate::plaintext::{Attention, EncodedPlaintext, Plaintext};
use crate::scalar;
use crate::view::Delivery;
use crate::writer_chain::one_time_secret;

fn encoded(text: &str) -> EncodedPlaintext {
    let plaintext = Plaintext {
        attention: Attention::Notify,
        sent: chain::Timestamp::new(5),
        previous: crate::ids::RefPrefix::NONE,
        parents: Vec::new(),
        content: Content::Text(Text::from(text)),
    };
    plaintext.encode().expect("encodes")
}

/// A world in which person 0 has said "one" in slot 0.
fn spoken(people: u8, access: Access) -> (World, ConversationId) {
    let mut world = World::new(people);
    let id = world.conversation(access);
    world.says(0, &id, "one");
    world.gossip();
    world.mine();
    (world, id)
}

#[test]
fn a_read_only_member_reads_and_cannot_write() {
    let (mut world, id) = spoken(2, Access::Read);
    assert_eq!(world.people[1].words(&id), ["one"]);
    let now = world.now;
    let message = Outgoing::Text(Text::from("me too"));
    assert_eq!(
        world.people[1].try_says(&id, &message, now),
        Err(SendError::ReadOnly)
    );
    let person = &mut world.people[1];
    let granted = person
        .messenger
        .grant(&id, Access::ReadWrite, "", now, &mut person.rng);
    assert_eq!(granted.map(|_| ()), Err(SendError::ReadOnly));
    // It may pass on what it has.
    assert!(
        person
            .messenger
            .grant(&id, Access::Read, "", now, &mut person.rng)
            .is_ok()
    );
    assert!(person.messenger.outbox().is_empty());
}

#[test]
fn ten_thousand_envelopes_forged_with_the_read_key_show_nothing() {
    let (mut world, id) = spoken(2, Access::Read);
    let found = world.people[1]
        .messenger
        .conversations
        .get_mut(&id)
        .expect("joined");
    let start = found.log.iter().next().expect("a start").1.clone();
    let (writer, announced) = (start.writer, start.announced);
    let forger = scalar::keypair(&crate::secret::Secret32::from_bytes([9; 32]));
    let mut envelopes = Vec::new();
    for number in 2..42 {
        // The reader computes the right one-time key and the right seal, and cannot sign.
        let number = MessageNumber::new(number);
        let key = found
            .chain_key(&writer, number)
            .expect("the read key reaches it");
        let one_time_key = found
            .one_time_key(&writer, number, Some(&announced))
            .expect("in the window");
        let secret = crate::secret::Secret32::from_bytes([9; 32]);
        let sealed = Unauthorised::message(
            &encoded("forged"),
            key.expose(),
            secret,
            &chain_id(),
            RateEpoch::new(0),
        );
        let mut envelope = sealed.authorise(Auth::None, &chain_id(), &[0; 32]);
        envelope.one_time_key = one_time_key;
        let padded = encoded("forged").padded();
        let associated = envelope.associated_data();
        (envelope.salt, envelope.body) = crate::seal::seal(key.expose(), &associated, &padded);
        envelope.sign(&chain_id(), &forger, &[0; 32]);
        assert!(!envelope.is_signed(&chain_id()), "nodes refuse it");
        envelopes.push(envelope);
    }
    let before = world.people[0].views(&id);
    for round in 0..250u32 {
        for envelope in &envelopes {
            let mut envelope = envelope.clone();
            envelope.rate_epoch = RateEpoch::new(round);
            let now = world.now;
            let position = crate::Position::Pending;
            let (events, changes) = world.people[0].messenger.receive(&envelope, position, now);
            let refusal = crate::error::Refusal::Forged;
            assert_eq!(events, [crate::Event::Refused { refusal }]);
            assert!(changes.is_empty());
        }
    }
    assert_eq!(world.people[0].views(&id), before);
}

#[test]
fn the_write_key_alone_does_not_sign_in_another_members_chain() {
    let (mut world, id) = spoken(2, Access::ReadWrite);
    let found = world.people[1]
        .messenger
        .conversations
        .get_mut(&id)
        .expect("joined");
    let start = found.log.iter().next().expect("a start").1.clone();
    let (writer, number) = (start.writer, MessageNumber::new(2));
    let key = found
        .chain_key(&writer, number)
        .expect("the read key reaches it");
    let right = found
        .one_time_key(&writer, number, Some(&start.announced))
        .expect("in the window");
    let signing = found.keys.write_key().expect("both keys").signing_secret();
    let writers = *found.keys.writers();
    // With w alone, and with w and a scalar of the forger's own.
    let own = crate::secret::Secret32::from_bytes([7; 32]);
    for announcer in [None, Some(&own)] {
        let secret = one_time_secret(&signing, announcer, &writers, &key, &writer, number)
            .expect("not zero");
        assert_ne!(scalar::public_key(&secret), right);
        let sealed = Unauthorised::message(
            &encoded("forged"),
            key.expose(),
            secret,
            &chain_id(),
            RateEpoch::new(0),
        );
        let mut envelope = sealed.authorise(Auth::None, &chain_id(), &[0; 32]);
        let is_expected = world.people[0].messenger.expects(&envelope.one_time_key);
        assert!(!is_expected);
        envelope.one_time_key = right;
        assert!(!envelope.is_signed(&chain_id()));
    }
}

#[test]
fn a_write_only_member_writes_in_its_slot_and_sees_nothing_else() {
    let (mut world, id) = spoken(1, Access::Write);
    world.people.push(super::world::Person::new(2));
    world.people.push(super::world::Person::new(3));
    for person in 1..3 {
        world.rescan(person, Height::new(0));
        world.is_at_tip(person);
    }
    world.invite(0, 1, &id, Access::Write);
    world.gossip();
    world.mine();
    world.invite(0, 2, &id, Access::ReadWrite);
    world.says(1, &id, "from outside");
    world.says(2, &id, "from inside");
    world.gossip();
    world.mine();
    world.mine();
    assert_eq!(world.people[1].words(&id), ["from outside"]);
    assert_eq!(world.people[0].words(&id), world.people[2].words(&id));
    assert_eq!(world.people[0].words(&id).len(), 3);
    // None of the others' envelopes means anything to it.
    let own: Vec<PublicKey> = world.people[1]
        .messenger
        .conversations
        .get(&id)
        .expect("joined")
        .log
        .iter()
        .map(|(_, entry)| entry.one_time_key)
        .collect();
    let envelopes = world.blocks.iter().flat_map(|block| &block.envelopes);
    let foreign = envelopes.filter(|envelope| !own.contains(&envelope.one_time_key));
    let in_conversation: Vec<_> = foreign
        .filter(|envelope| world.people[0].messenger.expects(&envelope.one_time_key))
        .collect();
    assert!(in_conversation.len() >= 5);
    for envelope in in_conversation {
        let is_own_account = !world.people[1].messenger.expects(&envelope.one_time_key);
        assert!(is_own_account);
    }
    // The member that came later keeps out of the reserved slot.
    let slots: Vec<Slot> = world.people[0]
        .views(&id)
        .iter()
        .map(|view| view.writer.slot)
        .collect();
    assert!(slots.contains(&Slot::new(1)) && slots.contains(&Slot::new(2)));
    world.people[1].assert_stored();
}

#[test]
fn a_write_only_member_cannot_open_another_slot() {
    let (world, id) = spoken(1, Access::Write);
    let found = world.people[0]
        .messenger
        .conversations
        .get(&id)
        .expect("created");
    let capability = found
        .keys
        .grant(
            Access::Write,
            Slot::new(4),
            Default::default(),
            &chain_id(),
            &[0; 32],
        )
        .expect("the creator holds everything");
    let Grant::Write { .. } = capability.grant() else {
        panic!("a write grant")
    };
    let keys = crate::access::ConversationKeys::from_capability(&capability);
    let start = found.log.iter().next().expect("a start").1;
    assert!(keys.first_chain_key(&start.writer).is_none());
    let own = crate::ids::WriterChainId {
        slot: Slot::new(4),
        ..start.writer
    };
    assert!(keys.first_chain_key(&own).is_some());
    assert_eq!(
        keys.grant(
            Access::Read,
            Slot::new(0),
            Default::default(),
            &chain_id(),
            &[0; 32]
        ),
        Err(SendError::WriteOnly)
    );
}

#[test]
fn read_and_write_keys_that_came_apart_are_put_together() {
    let (mut world, id) = spoken(2, Access::Read);
    world.invite(0, 1, &id, Access::Write);
    let view = world.people[1].messenger.conversation(&id).expect("joined");
    assert_eq!(view.access, Access::ReadWrite);
    world.mine();
    world.says(1, &id, "both now");
    world.gossip();
    world.mine();
    assert_eq!(world.people[0].words(&id), ["one", "both now"]);
    assert_eq!(world.people[1].words(&id), ["one", "both now"]);
    world.people[1].assert_stored();
}

#[test]
fn keys_of_another_epoch_and_roots_in_use_are_named() {
    let (mut world, id) = spoken(1, Access::ReadWrite);
    let root = world.people[0].root(0);
    let epoch = crate::ids::KeyEpoch::new(1);
    let certificate = root.certify(epoch, &chain_id(), &[0; 32]);
    let grant = Grant::Read {
        read: root.read_key(epoch),
    };
    let capability = crate::Capability::new(&certificate, grant, &chain_id()).expect("certified");
    assert_eq!(capability.conversation(), id);
    let link = crate::InviteLink {
        capability,
        birthday: Height::new(0),
        name: String::new(),
    };
    let person = &mut world.people[0];
    let refused = person.messenger.join(&link).map(|_| ());
    assert_eq!(refused, Err(JoinError::OtherEpoch));
    let refused = person
        .messenger
        .create_conversation(0, &root, "again", &mut person.rng);
    assert_eq!(refused.map(|_| ()), Err(JoinError::RootInUse { index: 0 }));
}

#[test]
fn joining_twice_changes_nothing() {
    let (mut world, id) = spoken(2, Access::ReadWrite);
    let before = world.people[1].stored.len();
    world.invite(0, 1, &id, Access::ReadWrite);
    world.invite(0, 1, &id, Access::Read);
    assert_eq!(world.people[1].stored.len(), before);
    world.people[1].assert_stored();
}

#[test]
fn a_newcomer_reads_the_whole_history() {
    let (mut world, id) = spoken(1, Access::ReadWrite);
    for round in 0..4 {
        world.says(0, &id, &format!("{round}"));
        world.gossip();
        world.mine();
    }
    world.people.push(super::world::Person::new(9));
    world.rescan(1, Height::new(0));
    world.is_at_tip(1);
    world.invite(0, 1, &id, Access::Read);
    assert_eq!(world.people[1].texts(&id), world.people[0].texts(&id));
    assert!(
        world.people[1]
            .texts(&id)
            .iter()
            .all(|(_, d)| matches!(d, Delivery::InBlock(_)))
    );
}
