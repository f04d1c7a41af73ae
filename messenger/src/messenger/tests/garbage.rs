//! Garbage on every door of this crate: a named error, never a panic.

use chain::{EnvelopeBytes, Height};
use proptest::prelude::*;

use super::world::{World, chain_id};
use crate::delegation::Delegation;
use crate::plaintext::Plaintext;
use crate::{Access, Capability, ChangeSet, InviteLink, Position};

/// Bytes that begin like something sensible more often than chance would have it.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let codes = prop_oneof![
        Just(0x01),
        Just(0x10),
        Just(0x11),
        Just(0x30),
        0x40..0x49u8,
        any::<u8>()
    ];
    let flags = 0..4u8;
    let rest = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..600),
        proptest::collection::vec(0..3u8, 0..600),
    ];
    (codes, flags, rest).prop_map(|(code, flags, mut rest)| {
        rest.splice(0..0, [code, flags]);
        rest
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_decoder_panics(bytes in bytes()) {
        if let Ok((plaintext, unpadded)) = Plaintext::decode(&bytes) {
            prop_assert!(unpadded <= bytes.len());
            prop_assert!(bytes[unpadded..].iter().all(|byte| *byte == 0));
            prop_assert!(plaintext.parents.len() <= 4);
        }
        let reference = crate::MessageRef::from_bytes([0; 32]);
        let secret = crate::secret::SecretBytes::new(bytes.clone());
        let _inbox = crate::inbox::reread(reference, &secret);
        prop_assert!(Capability::decode(&bytes, &chain_id()).is_err());
        prop_assert!(InviteLink::parse(&String::from_utf8_lossy(&bytes), &chain_id()).is_err());
        if let Some(delegation) = bytes.first_chunk::<{ Delegation::BYTES }>() {
            prop_assert!(Delegation::decode(delegation, &chain_id()).is_err());
        }
        let _changes = ChangeSet::decode(&bytes);
    }

    #[test]
    fn a_damaged_change_set_is_an_error_or_another_change_set(
        position in 0..4000usize,
        bit in 0..8u32,
    ) {
        let mut world = World::new(1);
        let id = world.conversation(Access::ReadWrite);
        world.says(0, &id, "hello");
        world.mine();
        let mut stored = world.people[0].stored.clone();
        let mut at = position % stored.iter().map(Vec::len).sum::<usize>();
        for set in &mut stored {
            if at < set.len() {
                set[at] ^= 1 << bit;
                break;
            }
            at -= set.len();
        }
        let sets: Result<Vec<_>, _> = stored.iter().map(|set| ChangeSet::decode(set)).collect();
        if let Ok(sets) = sets {
            let _loaded = crate::Messenger::load(chain_id(), super::world::RATES, sets);
        }
    }
}

#[test]
fn stray_envelopes_leave_no_trace() {
    let mut world = World::new(2);
    let id = world.conversation(Access::ReadWrite);
    world.says(0, &id, "hello");
    world.gossip();
    world.mine();
    let mut stranger = super::world::Person::new(50);
    let keys = stranger.messenger.expected_keys();
    for (height, block) in world.blocks.iter().enumerate() {
        let height = Height::new(height as u64);
        let now = world.now;
        let envelopes = &block.envelopes;
        let (events, _) = stranger
            .messenger
            .receive_block(height, block.id, envelopes, now);
        assert!(events.is_empty());
        for envelope in envelopes {
            let (events, changes) = stranger.messenger.receive(envelope, Position::Pending, now);
            assert!(events.is_empty() && changes.is_empty());
        }
    }
    assert_eq!(stranger.messenger.expected_keys(), keys);
    assert_eq!(stranger.messenger.conversations().count(), 0);
}

#[test]
fn what_was_written_stands_nowhere_in_the_open() {
    let mut world = World::new(2);
    let id = world.conversation(Access::ReadWrite);
    let words = "an unmistakable sentence";
    world.says(0, &id, words);
    world.gossip();
    world.mine();
    assert_eq!(world.people[1].words(&id), [words]);
    let envelopes = world.blocks.iter().flat_map(|block| &block.envelopes);
    for bytes in envelopes.map(chain::Envelope::to_bytes) {
        let has = |needle: &[u8]| {
            let bytes: &EnvelopeBytes = &bytes;
            bytes
                .as_slice()
                .windows(needle.len())
                .any(|part| part == needle)
        };
        assert!(!has(words.as_bytes()) && !has(id.as_bytes()) && !has(b"device of 1"));
    }
}
