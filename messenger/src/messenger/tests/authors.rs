//! Who wrote: one signature at the start of a chain, by a session key that the account delegates to.

use chain::{Height, PublicKey, signature};
use rand_core::Rng;

use super::world::{Person, World, chain_id};
use crate::capability::Access;
use crate::content::{AuthorClaim, Content};
use crate::context;
use crate::delegation::{Delegation, DelegationTerms, Scope};
use crate::error::{DelegationError, Refusal};
use crate::ids::ConversationId;
use crate::view::Author;
use crate::writing::AuthoredPlace;

#[test]
fn a_delegated_device_is_named_and_another_is_some_writer() {
    let mut world = World::new(2);
    let id = world.conversation(Access::ReadWrite);
    world.people[0].is_delegated(Scope::ALL);
    world.says(0, &id, "named");
    world.says(1, &id, "unnamed");
    world.gossip();
    world.mine();
    let account = *world.people[0].messenger.account();
    for person in &world.people {
        let authors: Vec<(String, Author, String)> = person
            .views(&id)
            .into_iter()
            .filter_map(|view| match view.content {
                Content::Text(text) => Some((text.text, view.author, view.device)),
                _ => None,
            })
            .collect();
        assert!(authors.contains(&(
            "named".to_owned(),
            Author::Account(account),
            "device of 1".to_owned()
        )));
        assert!(authors.contains(&(
            "unnamed".to_owned(),
            Author::SomeWriter,
            "device of 2".to_owned()
        )));
        person.assert_stored();
    }
}

#[test]
fn a_delegation_without_the_scope_or_the_time_is_not_used() {
    for (scope, not_after) in [(Scope::INVITE, 1000), (Scope::POST, 0), (Scope::POST, 30)] {
        let mut world = World::new(1);
        let id = world.conversation(Access::ReadWrite);
        let person = &mut world.people[0];
        let terms = terms(person, scope, 0, not_after);
        let delegation = Delegation::signed(terms, &chain_id(), &person.account, &[0; 32]);
        let changes = person
            .messenger
            .set_delegation(&delegation)
            .expect("our own");
        person.keep(Vec::new(), &changes);
        world.says(0, &id, "unnamed");
        assert_eq!(world.people[0].views(&id)[1].author, Author::SomeWriter);
    }
}

fn terms(person: &mut Person, scope: Scope, not_before: u32, not_after: u32) -> DelegationTerms {
    let mut nonce = [0; 16];
    person.rng.fill_bytes(&mut nonce);
    let session = person.messenger.session_key();
    DelegationTerms {
        session,
        not_before,
        not_after,
        scope,
        conversation: None,
        nonce,
    }
}

fn place(conversation: u8) -> AuthoredPlace {
    AuthoredPlace {
        conversation: ConversationId::from_bytes([conversation; 32]),
        writer: crate::ids::WriterChainId {
            epoch: crate::ids::KeyEpoch::new(0),
            slot: crate::ids::Slot::new(1),
            generation: crate::ids::Generation::new(0),
        },
        announced: PublicKey::from_bytes([3; 32]),
        one_time_key: PublicKey::from_bytes([4; 32]),
    }
}

fn check(place: &AuthoredPlace, claim: &AuthorClaim, height: u64) -> Result<PublicKey, Refusal> {
    place.check(claim, &chain_id(), Height::new(height))
}

#[test]
fn an_author_signature_is_worth_nothing_elsewhere() {
    let mut person = Person::new(5);
    let delegation = person.is_delegated(Scope::POST);
    let session = person.messenger.device.session.clone();
    let claim = place(1).sign(&session, &delegation, &chain_id(), &[0; 32]);
    assert_eq!(check(&place(1), &claim, 5), Ok(*person.messenger.account()));
    let mut generation = place(1);
    generation.writer.generation = generation.writer.generation.next();
    let mut slot = place(1);
    slot.writer.slot = slot.writer.slot.next();
    let mut epoch = place(1);
    epoch.writer.epoch = epoch.writer.epoch.next();
    let announced = AuthoredPlace {
        announced: PublicKey::from_bytes([5; 32]),
        ..place(1)
    };
    let one_time_key = AuthoredPlace {
        one_time_key: PublicKey::from_bytes([5; 32]),
        ..place(1)
    };
    for elsewhere in [place(2), generation, slot, epoch, announced, one_time_key] {
        assert_eq!(check(&elsewhere, &claim, 5), Err(Refusal::ForgedAuthor));
    }
}

#[test]
fn expired_foreign_and_forged_delegations_are_refused() {
    let mut person = Person::new(5);
    let session = person.messenger.device.session.clone();
    let mut signed_by = |account: &secp256k1::Keypair, scope, not_before, not_after| {
        let terms = terms(&mut person, scope, not_before, not_after);
        let delegation = Delegation::signed(terms, &chain_id(), account, &[0; 32]);
        place(1).sign(&session, &delegation, &chain_id(), &[0; 32])
    };
    let account = secp256k1::Keypair::from_secret_bytes([5; 32]).expect("a valid secret");
    let expired = signed_by(&account, Scope::POST, 10, 20);
    for (height, is_fine) in [(9, false), (10, true), (20, true), (21, false)] {
        let found = check(&place(1), &expired, height);
        assert_eq!(found.is_ok(), is_fine, "height {height}");
        let is_expired = matches!(
            found,
            Err(Refusal::Delegation(DelegationError::Expired { .. }))
        );
        assert_eq!(is_expired, !is_fine);
    }
    let scope = signed_by(&account, Scope::INVITE, 0, 20);
    let refused = check(&place(1), &scope, 5);
    assert!(matches!(
        refused,
        Err(Refusal::Delegation(DelegationError::OutOfScope { .. }))
    ));
    // Bound to another conversation.
    let bound = DelegationTerms {
        conversation: Some(ConversationId::from_bytes([9; 32])),
        ..terms(&mut person, Scope::POST, 0, 20)
    };
    let bound = Delegation::signed(bound, &chain_id(), &account, &[0; 32]);
    let session = person.messenger.device.session.clone();
    let claim = place(1).sign(&session, &bound, &chain_id(), &[0; 32]);
    let refused = check(&place(1), &claim, 5);
    assert_eq!(
        refused,
        Err(Refusal::Delegation(DelegationError::Elsewhere))
    );
    // The account in the delegation is replaced by the victim's.
    let victim = Person::new(6);
    let mut claim = claim;
    claim.delegation[5..37].copy_from_slice(victim.messenger.account().as_bytes());
    let refused = check(&place(1), &claim, 5);
    assert_eq!(refused, Err(Refusal::Delegation(DelegationError::Forged)));
}

#[test]
fn a_session_key_signs_in_nobody_elses_name() {
    let mut person = Person::new(5);
    let delegation = person.is_delegated(Scope::POST);
    let other = Person::new(6);
    // Another device's session key under this account's delegation.
    let claim = place(1).sign(
        &other.messenger.device.session,
        &delegation,
        &chain_id(),
        &[0; 32],
    );
    assert_eq!(check(&place(1), &claim, 5), Err(Refusal::ForgedAuthor));
    // A signature of the right key for another purpose.
    let pair = crate::scalar::keypair(&person.messenger.device.session);
    let signature = signature::sign(context::TAG_INBOX, &chain_id(), &[&[]], &pair, &[0; 32]);
    let claim = AuthorClaim { signature, ..claim };
    assert_eq!(check(&place(1), &claim, 5), Err(Refusal::ForgedAuthor));
    let foreign = other
        .messenger
        .clone()
        .set_delegation(&delegation)
        .map(|_| ());
    assert_eq!(foreign, Err(DelegationError::Forged));
}

#[test]
fn a_start_whose_delegation_has_expired_is_not_taken_from_a_block() {
    let mut world = World::new(2);
    let id = world.conversation(Access::ReadWrite);
    let person = &mut world.people[0];
    let terms = terms(person, Scope::POST, 0, 40);
    let delegation = Delegation::signed(terms, &chain_id(), &person.account, &[0; 32]);
    let changes = person
        .messenger
        .set_delegation(&delegation)
        .expect("our own");
    person.keep(Vec::new(), &changes);
    world.says(0, &id, "hello");
    let start = world.outgoing(0);
    while world.tip().get() < 40 {
        world.push_block(Vec::new());
        let height = world.tip();
        (0..2).for_each(|person| world.deliver_block(person, height));
    }
    world.mine_with(start);
    let is_refused = world.people[1].events.iter().any(|event| {
        matches!(
            event,
            crate::Event::Refused {
                refusal: Refusal::Delegation(DelegationError::Expired { .. })
            }
        )
    });
    assert!(is_refused);
    assert!(world.people[1].views(&id).is_empty());
}
