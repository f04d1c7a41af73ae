//! Envelopes under the right key whose content breaks a rule.

use chain::Timestamp;
use chain::envelope::{Auth, SizeClass};
use chain::units::RateEpoch;

use super::world::{World, chain_id};
use crate::compose::Unauthorised;
use crate::content::{ChainStart, Content, Text, code};
use crate::error::{LayoutError, Refusal};
use crate::ids::{MessageNumber, RefPrefix};
use crate::plaintext::{Attention, EncodedPlaintext, Plaintext};
use crate::secret::SecretBytes;
use crate::{Access, Event, Position};

fn plaintext(content: Content) -> Plaintext {
    Plaintext {
        attention: Attention::Notify,
        sent: Timestamp::new(5),
        previous: RefPrefix::NONE,
        parents: Vec::new(),
        content,
    }
}

fn text() -> EncodedPlaintext {
    plaintext(Content::Text(Text::from("hello")))
        .encode()
        .expect("encodes")
}

/// Full-size bytes of class 0, changed.
fn changed(change: impl Fn(&mut Vec<u8>)) -> EncodedPlaintext {
    let mut bytes = text().padded().to_vec();
    change(&mut bytes);
    bytes.resize(256, 0);
    EncodedPlaintext {
        bytes: SecretBytes::new(bytes),
        class: SizeClass::SMALLEST,
    }
}

/// What person 1 says to an envelope that person 0, a hostile member, makes in its own chain.
fn refusal_of(number: u32, encoded: &EncodedPlaintext) -> Option<Refusal> {
    let mut world = World::new(2);
    let id = world.conversation(Access::ReadWrite);
    if number > 0 {
        world.says(0, &id, "one");
        world.gossip();
        world.mine();
    } else {
        world.says(0, &id, "one");
    }
    let number = MessageNumber::new(number);
    let found = world.people[0]
        .messenger
        .conversations
        .get_mut(&id)
        .expect("created");
    let own = found.own.last().cloned().expect("begun");
    let key = found.chain_key(&own.writer, number).expect("own chain");
    let secret = found.signing_secret(&own, number).expect("own chain");
    let sealed = Unauthorised::message(
        encoded,
        key.expose(),
        secret,
        &chain_id(),
        RateEpoch::new(0),
    );
    let envelope = sealed.authorise(Auth::None, &chain_id(), &[0; 32]);
    assert!(envelope.is_signed(&chain_id()));
    let before = world.people[1].views(&id);
    let now = world.now;
    let (events, changes) = world.people[1]
        .messenger
        .receive(&envelope, Position::Pending, now);
    match &events[..] {
        [Event::Refused { refusal }] => {
            assert!(changes.is_empty());
            assert_eq!(world.people[1].views(&id), before);
            Some(refusal.clone())
        }
        _ => None,
    }
}

#[test]
fn the_honest_form_is_taken() {
    assert_eq!(refusal_of(2, &text()), None);
}

#[test]
fn padding_flags_and_lengths_are_checked() {
    let padding = changed(|bytes| bytes[255] = 1);
    let layout = |error| Some(Refusal::Layout(error));
    assert_eq!(refusal_of(2, &padding), layout(LayoutError::NonZeroPadding));
    let flags = changed(|bytes| bytes[1] = 0x80);
    assert_eq!(
        refusal_of(2, &flags),
        Some(Refusal::UnknownFlags { found: 0x80 })
    );
    let short = changed(|bytes| bytes[27] = 0xff);
    assert_eq!(refusal_of(2, &short), layout(LayoutError::TooShort));
    // The body says that it is longer than its text: a byte follows.
    let trailing = changed(|bytes| bytes[27] += 1);
    assert_eq!(refusal_of(2, &trailing), layout(LayoutError::TrailingBytes));
    let parents = changed(|bytes| bytes[26] = 9);
    assert_eq!(
        refusal_of(2, &parents),
        layout(LayoutError::TooMany { found: 9, max: 4 })
    );
}

#[test]
fn control_characters_and_bad_utf8_are_refused() {
    let layout = |error| Some(Refusal::Layout(error));
    let control = changed(|bytes| bytes[35] = 0x1b);
    assert_eq!(
        refusal_of(2, &control),
        layout(LayoutError::ControlCharacter)
    );
    let utf8 = changed(|bytes| bytes[35] = 0xff);
    assert_eq!(refusal_of(2, &utf8), layout(LayoutError::NotUtf8));
}

#[test]
fn a_compression_bomb_is_refused() {
    let bomb = zstd::bulk::compress(&vec![0; 1 << 19], 3).expect("compresses");
    let mut bytes = vec![code::TEXT, 1];
    bytes.extend([0; 8 + 16 + 1]);
    bytes.extend(u32::try_from(bomb.len()).expect("small").to_le_bytes());
    bytes.extend(&bomb);
    let class = SizeClass::holding(bytes.len()).expect("small");
    let encoded = EncodedPlaintext {
        bytes: SecretBytes::new(bytes),
        class,
    };
    let refused = Refusal::Compression {
        reason: "expands beyond the limit",
    };
    assert_eq!(refusal_of(2, &encoded), Some(refused));
}

fn start(announced: [u8; 32], class: u8) -> EncodedPlaintext {
    let start = ChainStart {
        announced: chain::PublicKey::from_bytes(announced),
        author: None,
        device: String::new(),
    };
    let encoded = plaintext(Content::Start(start)).encode().expect("encodes");
    let class = SizeClass::new(class).expect("exists");
    EncodedPlaintext { class, ..encoded }
}

#[test]
fn a_chain_start_out_of_place_is_refused() {
    let on_curve =
        *crate::scalar::public_key(&crate::secret::Secret32::from_bytes([3; 32])).as_bytes();
    assert_eq!(refusal_of(0, &start(on_curve, 1)), None);
    assert_eq!(
        refusal_of(2, &start(on_curve, 1)),
        Some(Refusal::MisplacedStart)
    );
    assert_eq!(refusal_of(0, &text()), Some(Refusal::MisplacedStart));
    for class in [0, 2] {
        assert_eq!(
            refusal_of(0, &start(on_curve, class)),
            Some(Refusal::MisplacedStart)
        );
    }
    assert_eq!(
        refusal_of(0, &start([0xff; 32], 1)),
        Some(Refusal::AnnouncedOffCurve)
    );
}

#[test]
fn another_chain_a_flipped_bit_and_a_foreign_seal_are_refused() {
    let mut world = World::new(2);
    let id = world.conversation(Access::ReadWrite);
    world.says(0, &id, "one");
    let envelope = world.outgoing(0).remove(0);
    let now = world.now;
    let refusal = |world: &mut World, envelope: &chain::Envelope| {
        let (events, changes) = world.people[1]
            .messenger
            .receive(envelope, Position::Pending, now);
        assert!(changes.is_empty());
        match &events[..] {
            [Event::Refused { refusal }] => Some(refusal.clone()),
            _ => None,
        }
    };
    let mut elsewhere = envelope.clone();
    elsewhere.net = [0; 4];
    assert_eq!(refusal(&mut world, &elsewhere), Some(Refusal::OtherChain));
    let bytes = envelope.to_bytes().as_slice().to_vec();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        // What still parses is for nobody, of another chain, or badly signed.
        if let Ok(changed) = chain::Envelope::parse(&changed) {
            let is_ours = world.people[1].messenger.expects(&changed.one_time_key);
            let refused = refusal(&mut world, &changed);
            assert_eq!(refused.is_some(), is_ours, "bit {bit}");
        }
    }
    // Signed by the right key, sealed under another one.
    let found = world.people[0]
        .messenger
        .conversations
        .get_mut(&id)
        .expect("created");
    let own = found.own.last().cloned().expect("begun");
    let secret = found
        .signing_secret(&own, MessageNumber::new(0))
        .expect("own chain");
    let sealed = Unauthorised::message(&text(), &[1; 32], secret, &chain_id(), RateEpoch::new(0));
    let foreign = sealed.authorise(Auth::None, &chain_id(), &[0; 32]);
    assert_eq!(refusal(&mut world, &foreign), Some(Refusal::NotSealedForUs));
    assert!(world.people[1].words(&id).is_empty());
}
