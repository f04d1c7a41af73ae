//! Invitations and introductions that come to an inbox.

use chain::record::{AccountRecord, InboxKey};
use chain::{Height, PublicKey, Signature, Timestamp};

use super::world::{Person, World, chain_id};
use crate::delegation::Scope;
use crate::error::SendError;
use crate::event::{Event, Folder};
use crate::inbox::{InboxContent, Sender, SignedBy};
use crate::self_record::ContactState;
use crate::view::Delivery;
use crate::{Access, MessageRef};

fn record(person: &Person, generation: u32) -> AccountRecord {
    let inbox_key = person.inbox_secret(generation).encapsulation_key();
    let record = AccountRecord {
        version: AccountRecord::VERSION,
        key: PublicKey::from(&person.account),
        inbox_generation: generation,
        inbox_key: InboxKey::from_bytes(inbox_key),
        valid_from: 0,
        valid_to: u32::MAX,
        flags: 0,
        name_hash: [0; 32],
        previous: [0; 24],
        signature: Signature::default(),
    };
    record.signed(&chain_id(), &person.account, &[0; 32])
}

/// Person 0 invites person 1 to a conversation.
fn invite(world: &mut World, access: Access, by: fn(&Person) -> SignedBy<'_>) -> MessageRef {
    let id = world.people[0].creates("home");
    world.people[1].opens_inbox(1);
    let record = record(&world.people[1], 1);
    let now = world.now;
    let host = world.people[0].clone();
    let rng = &mut world.people[0].rng.clone();
    let messenger = &mut world.people[0].messenger;
    let (capability, events, mut changes) = messenger
        .grant(&id, access, "", now, rng)
        .expect("holds the keys");
    let (reference, written) = messenger
        .invite_to_inbox(&id, &capability, &record, by(&host), now, rng)
        .expect("invites");
    changes.merge(written);
    world.people[0].keep(events, &changes);
    reference
}

#[test]
fn an_invitation_is_received_accepted_and_leads_into_the_conversation() {
    let mut world = World::new(3);
    world.people[0].is_delegated(Scope::ALL);
    world.people[2].opens_inbox(1);
    let sent = invite(&mut world, Access::ReadWrite, |_| SignedBy::Device);
    assert_eq!(
        world.people[0].messenger.sent_delivery(&sent),
        Some(Delivery::Queued)
    );
    world.gossip();
    assert_eq!(
        world.people[0].messenger.sent_delivery(&sent),
        Some(Delivery::Delivered)
    );
    world.mine();
    let state = world.people[0].messenger.sent_delivery(&sent);
    assert!(matches!(state, Some(Delivery::InBlock(_))));
    let invitation = world.people[1]
        .messenger
        .inbox()
        .next()
        .expect("one invitation");
    assert_eq!(
        invitation.sender,
        Sender::Account(*world.people[0].messenger.account())
    );
    let InboxContent::Invite { name, .. } = &invitation.content else {
        panic!("an invitation")
    };
    assert_eq!(name, "home");
    let event = Event::Invited {
        reference: invitation.reference,
        folder: Folder::Requests,
    };
    assert_eq!(
        world.people[1]
            .events
            .iter()
            .filter(|found| **found == event)
            .count(),
        1
    );
    // A third account has an inbox too, and sees nothing.
    assert_eq!(world.people[2].messenger.inbox().count(), 0);
    assert!(
        !world.people[2]
            .events
            .iter()
            .any(|event| matches!(event, Event::Refused { .. }))
    );
    let guest = &mut world.people[1];
    let (id, events, changes) = guest
        .messenger
        .accept_invitation(&invitation.reference)
        .expect("accepts");
    guest.keep(events, &changes);
    assert_eq!(guest.messenger.inbox().count(), 0);
    world.says(1, &id, "thanks");
    world.gossip();
    world.mine();
    assert_eq!(world.people[0].words(&id), ["thanks"]);
    world.people.iter().for_each(Person::assert_stored);
}

#[test]
fn an_invitation_may_be_signed_by_the_account_itself_or_by_nobody() {
    for is_named in [true, false] {
        let mut world = World::new(2);
        let by: fn(&Person) -> SignedBy<'_> = if is_named {
            |host| SignedBy::Account(&host.account)
        } else {
            |_| SignedBy::Nobody
        };
        invite(&mut world, Access::Write, by);
        world.gossip();
        let invitation = world.people[1]
            .messenger
            .inbox()
            .next()
            .expect("one invitation");
        let account = *world.people[0].messenger.account();
        let expected = if is_named {
            Sender::Account(account)
        } else {
            Sender::Anonymous
        };
        assert_eq!(invitation.sender, expected);
    }
}

#[test]
fn senders_that_may_not_sign_and_forged_records_are_named() {
    let mut world = World::new(2);
    let id = world.people[0].creates("home");
    let host = &mut world.people[0];
    let (capability, ..) = host
        .messenger
        .grant(&id, Access::Read, "", Timestamp::new(1), &mut host.rng)
        .expect("holds the keys");
    let good = record(&world.people[1], 1);
    let forged = AccountRecord {
        inbox_generation: 2,
        ..good.clone()
    };
    let mut unusable = good.clone();
    unusable.inbox_key = InboxKey::from_bytes([0xff; 1216]);
    let unusable = unusable.signed(&chain_id(), &world.people[1].account, &[0; 32]);
    let stranger = world.people[1].account;
    for (record, by, expected) in [
        (&good, SignedBy::Device, SendError::NoDelegation),
        (&good, SignedBy::Account(&stranger), SendError::NoDelegation),
        (&forged, SignedBy::Nobody, SendError::ForgedRecord),
        (&unusable, SignedBy::Nobody, SendError::BadInboxKey),
    ] {
        let host = &mut world.people[0];
        let now = Timestamp::new(1);
        let refused =
            host.messenger
                .invite_to_inbox(&id, &capability, record, by, now, &mut host.rng);
        assert_eq!(refused.map(|_| ()), Err(expected));
        assert!(
            host.messenger.outbox().is_empty(),
            "a failed call changes nothing"
        );
    }
}

#[test]
fn contacts_and_blocked_accounts_have_their_own_folders() {
    for (state, folder) in [
        (ContactState::Known, Folder::Contacts),
        (ContactState::Verified, Folder::Contacts),
        (ContactState::Blocked, Folder::Blocked),
    ] {
        let mut world = World::new(2);
        world.people[1].opens_inbox(1);
        let sender = *world.people[0].messenger.account();
        let changes = world.people[1]
            .messenger
            .set_contact(sender, state, "host")
            .expect("encodes");
        world.people[1].keep(Vec::new(), &changes);
        let record = record(&world.people[1], 1);
        let now = world.now;
        let host = &mut world.people[0];
        let account = host.account;
        let by = SignedBy::Account(&account);
        let (_, changes) = host
            .messenger
            .request_contact("host", "may I?", &record, by, now, &mut host.rng)
            .expect("introduces");
        host.keep(Vec::new(), &changes);
        world.gossip();
        let is_there = |event: &Event| matches!(event, Event::ContactRequested { folder: found, .. } if *found == folder);
        assert!(world.people[1].events.iter().any(is_there));
        world.people[1].assert_stored();
    }
}

#[test]
fn the_two_newest_inbox_generations_are_read() {
    let mut world = World::new(2);
    for generation in 1..=3 {
        world.people[1].opens_inbox(generation);
    }
    for generation in 1..=3 {
        let record = record(&world.people[1], generation);
        let now = world.now;
        let host = &mut world.people[0];
        let (_, changes) = host
            .messenger
            .request_contact("x", "", &record, SignedBy::Nobody, now, &mut host.rng)
            .expect("introduces");
        host.keep(Vec::new(), &changes);
    }
    world.gossip();
    assert_eq!(world.people[1].messenger.inbox().count(), 2);
    assert_eq!(world.people[1].messenger.inbox_generation(), Some(3));
}

#[test]
fn an_inbox_message_that_was_not_included_is_sealed_again() {
    let mut world = World::new(2);
    let sent = invite(&mut world, Access::ReadWrite, |_| SignedBy::Nobody);
    let first = world.outgoing(0).remove(0);
    world.deliver(1, &first, crate::Position::Pending);
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
        (0..2).for_each(|person| world.deliver_block(person, height));
        world.is_at_tip(0);
        assert!(world.blocks.len() < 40);
    };
    assert_ne!(again.rate_epoch, first.rate_epoch);
    world.mine_with(vec![again]);
    assert_eq!(world.people[1].messenger.inbox().count(), 1);
    let state = world.people[0].messenger.sent_delivery(&sent);
    assert!(matches!(state, Some(Delivery::InBlock(place)) if place.height > Height::new(16)));
    world.people.iter().for_each(Person::assert_stored);
}
