//! Golden vectors: every derivation and layout with fixed inputs, for this and other
//! implementations.
//!
//! # Invariants
//! The files under `messenger/vectors` were written once. `WRITE_VECTORS=1` writes them again, which
//! is a change of the protocol and is reviewed as one; otherwise they are compared.
//!
//! # Spec
//! docs/spec/09-messages.md §13
//!
//! # Not here
//! The second implementation: `messenger/vectors/check.py`.

use std::path::PathBuf;

use chain::envelope::{Auth, ClearPayment, SizeClass};
use chain::record::Stamp;
use chain::units::RateEpoch;
use chain::{Amount, ChainId, Envelope, Height, PublicKey, Timestamp};
use data_encoding::HEXLOWER;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use secp256k1::{Keypair, Parity};
use serde_json::{Value, json};

use crate::access::ConversationKeys;
use crate::compose::Unauthorised;
use crate::content::{ChainStart, Content, Text};
use crate::delegation::{Delegation, DelegationTerms, Scope};
use crate::ids::{
    ConversationId, Generation, KeyEpoch, MessageNumber, RefPrefix, Slot, WriterChainId,
};
use crate::inbox::{self, InboxContent, InboxDraft, Mailbox, SenderKeys};
use crate::keys::{ConversationRoot, InboxSecret, conversation_id};
use crate::plaintext::{self, Attention, EncodedPlaintext, Plaintext};
use crate::scalar;
use crate::secret::Secret32;
use crate::writer_chain::{ChainKey, KeyBase, Ratchet, one_time_secret};
use crate::writing::AuthoredPlace;
use crate::{Access, InviteLink};

fn hex(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

fn chain() -> ChainId {
    ChainId::from_bytes([0xc1; 32])
}

fn root(byte: u8) -> ConversationRoot {
    ConversationRoot::from_bytes([byte; 32])
}

fn keypair(byte: u8) -> Keypair {
    Keypair::from_secret_bytes([byte; 32]).expect("a valid secret")
}

fn writer(slot: u32, generation: u32) -> WriterChainId {
    WriterChainId {
        epoch: KeyEpoch::new(0),
        slot: Slot::new(slot),
        generation: Generation::new(generation),
    }
}

/// Compares with the file, or writes it when that is asked for.
fn hold_against(name: &str, found: &Value) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "vectors", name]
        .iter()
        .collect();
    if std::env::var_os("WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(found).expect("encodes") + "\n";
        std::fs::write(&path, text).expect("the folder exists");
    }
    let text = std::fs::read_to_string(&path).expect("the vectors are there");
    let kept: Value = serde_json::from_str(&text).expect("the vectors are JSON");
    assert_eq!(&kept, found, "{name}");
}

#[test]
fn conversation_keys_and_capabilities_are_the_golden_ones() {
    let mut cases = Vec::new();
    for (byte, epoch) in [(7, 0), (7, 1), (8, 0)] {
        let (root, epoch) = (root(byte), KeyEpoch::new(epoch));
        let (read, write) = (root.read_key(epoch), root.write_key(epoch));
        let certificate = root.certify(epoch, &chain(), &[0; 32]);
        let keys = ConversationKeys::from_root(None, &root);
        let capability = |access| {
            let (slot, generation) = (Slot::new(5), Generation::new(2));
            let made = keys.grant(access, slot, generation, &chain(), &[0; 32]);
            hex(made.expect("the root grants everything").encode().expose())
        };
        let capabilities = (epoch.get() == 0).then(|| {
            json!({
                "read": capability(Access::Read),
                "write": capability(Access::Write),
                "read_write": capability(Access::ReadWrite),
            })
        });
        cases.push(json!({
            "chain_id": hex(chain().as_bytes()),
            "root": hex(root.expose()),
            "epoch": epoch.get(),
            "A": hex(root.admin().as_bytes()),
            "cid": hex(conversation_id(&root.admin()).as_bytes()),
            "rs": hex(read.expose()),
            "ws": hex(write.expose()),
            "w": hex(write.signing_secret().expose()),
            "W": hex(write.writers().as_bytes()),
            "EK": hex(read.encapsulation_key()),
            "R": hex(read.commitment()),
            "k_slot": (0..3).map(|j| hex(read.slot_key(Slot::new(j)).expose())).collect::<Vec<_>>(),
            "epoch_cert": hex(certificate.signature.as_bytes()),
            "capabilities_slot_5_generation_2": capabilities,
        }));
    }
    hold_against("keys.json", &json!(cases));
}

fn is_odd(secret: &Secret32) -> bool {
    scalar::keypair(secret).x_only_public_key().1 == Parity::Odd
}

#[test]
fn writer_chains_in_all_parity_cases_are_the_golden_ones() {
    let mut cases = Vec::new();
    for (w_is_odd, s_is_odd) in [(false, false), (false, true), (true, false), (true, true)] {
        let epoch = KeyEpoch::new(0);
        // The start does not depend on S: its own parity follows that of S, so that all occur.
        let start_is_odd = |root: &ConversationRoot| {
            let (write, place) = (root.write_key(epoch), writer(3, 1));
            let slot_key = root.read_key(epoch).slot_key(place.slot);
            let key = ChainKey::first(&slot_key, &conversation_id(&root.admin()), &place);
            let number = MessageNumber::new(0);
            let signing = write.signing_secret();
            let secret = one_time_secret(&signing, None, &write.writers(), &key, &place, number);
            is_odd(&secret.expect("not zero"))
        };
        let root = (1..)
            .map(root)
            .find(|root| {
                let signing = root.write_key(epoch).signing_secret();
                is_odd(&signing) == w_is_odd && start_is_odd(root) == s_is_odd
            })
            .expect("a quarter of all roots");
        let s = (100..)
            .map(|byte| Secret32::from_bytes([byte; 32]))
            .find(|secret| is_odd(secret) == s_is_odd)
            .expect("half of all keys are odd");
        cases.push(writer_chain(&root, &s));
    }
    hold_against("chains.json", &json!(cases));
}

fn writer_chain(root: &ConversationRoot, s: &Secret32) -> Value {
    let writer = writer(3, 1);
    let (read, write) = (root.read_key(writer.epoch), root.write_key(writer.epoch));
    let first = ChainKey::first(
        &read.slot_key(writer.slot),
        &conversation_id(&root.admin()),
        &writer,
    );
    let mut ratchet = Ratchet::new(first);
    let (signing, writers) = (write.signing_secret(), write.writers());
    let announced = scalar::public_key(s);
    let messages: Vec<Value> = (0..6)
        .map(|n| {
            let number = MessageNumber::new(n);
            let key = ratchet.key(number).expect("within the chain").clone();
            let (base, announcer) = match n {
                0 => (KeyBase::of_start(&writers), None),
                _ => (KeyBase::after_start(&writers, &announced), Some(s)),
            };
            let public = base
                .expect("on the curve")
                .one_time_key(&key, &writer, number);
            let secret = one_time_secret(&signing, announcer, &writers, &key, &writer, number);
            let secret = secret.expect("not zero");
            json!({
                "n": n,
                "ck": hex(key.expose()),
                "d": hex(secret.expose()),
                "d_is_odd": is_odd(&secret),
                "P": hex(public.expect("not at infinity").as_bytes()),
            })
        })
        .collect();
    json!({
        "root": hex(root.expose()),
        "epoch": 0, "slot": 3, "generation": 1,
        "W": hex(writers.as_bytes()), "W_is_odd": is_odd(&signing),
        "s": hex(s.expose()), "S": hex(announced.as_bytes()), "S_is_odd": is_odd(s),
        "messages": messages,
    })
}

fn of_class(class: u8) -> EncodedPlaintext {
    let plaintext = Plaintext {
        attention: Attention::Notify,
        sent: Timestamp::new(1_700_000_000_123),
        previous: RefPrefix::from_bytes([0xaa; 16]),
        parents: vec![RefPrefix::from_bytes([0xbb; 16]); 2],
        content: Content::Text(Text::from("hello, Москва")),
    };
    let class = SizeClass::new(class).expect("a class");
    EncodedPlaintext {
        class,
        ..plaintext.encode().expect("encodes")
    }
}

fn described(envelope: &Envelope, padded: &[u8]) -> Value {
    let bytes = envelope.to_bytes();
    let bytes = bytes.as_slice();
    // The larger classes differ in length only: their hash is enough.
    let shown = if bytes.len() <= 4096 {
        json!(hex(bytes))
    } else {
        json!({ "blake3": hex(blake3::hash(bytes).as_bytes()), "len": bytes.len() })
    };
    json!({
        "class": envelope.class.get(),
        "auth": envelope.auth.byte(),
        "envelope": shown,
        "salt": hex(envelope.salt),
        "otk": hex(envelope.one_time_key.as_bytes()),
        "core_hash": hex(envelope.core_hash().as_bytes()),
        "mid": hex(envelope.mid().as_bytes()),
        "wid": hex(envelope.wid().as_bytes()),
        "ref": hex(plaintext::reference(&envelope.one_time_key, padded).as_bytes()),
    })
}

fn auths(sealed: &Unauthorised) -> Vec<Auth> {
    let stamp = Stamp {
        effort: 128,
        reference: 16,
        nonce: [1; 16],
        solution: [2; 16],
    };
    let burn = Amount::from_base(1024);
    let payment = ClearPayment::signed(
        &sealed.core_hash(),
        7,
        burn,
        &chain(),
        &keypair(9),
        &[0; 32],
    );
    vec![Auth::None, Auth::Stamp(stamp), Auth::Clear(payment)]
}

#[test]
fn message_envelopes_of_every_class_and_auth_are_the_golden_ones() {
    let secret = Secret32::from_bytes([0x21; 32]);
    let key = [0x42; 32];
    let mut cases = Vec::new();
    for class in 0..=8 {
        let encoded = of_class(class);
        let seal =
            || Unauthorised::message(&encoded, &key, secret.clone(), &chain(), RateEpoch::new(77));
        for auth in auths(&seal()) {
            let envelope = seal().authorise(auth, &chain(), &[0; 32]);
            assert!(envelope.is_signed(&chain()));
            cases.push(described(&envelope, &encoded.padded()));
        }
    }
    let file = json!({
        "chain_id": hex(chain().as_bytes()),
        "rate_epoch": 77,
        "ck": hex(key),
        "d": hex(secret.expose()),
        "payer_secret": hex([9; 32]),
        "plaintext": hex(of_class(0).bytes.expose()),
        "envelopes": cases,
    });
    hold_against("messages.json", &file);
}

fn invitation() -> InboxContent {
    let keys = ConversationKeys::from_root(None, &root(7));
    let (slot, generation) = (Slot::new(1), Generation::default());
    let capability = keys
        .grant(Access::ReadWrite, slot, generation, &chain(), &[0; 32])
        .expect("the root grants everything");
    let (birthday, name) = (Height::new(1234), "Дом".to_owned());
    InboxContent::Invite {
        capability: capability.encode(),
        birthday,
        name,
    }
}

fn delegation() -> Delegation {
    let terms = DelegationTerms {
        session: PublicKey::from(&keypair(5)),
        not_before: 10,
        not_after: 1_296_010,
        scope: Scope::ALL,
        conversation: None,
        nonce: [6; 16],
    };
    Delegation::signed(terms, &chain(), &keypair(4), &[0; 32])
}

#[test]
fn inbox_envelopes_of_every_sender_are_the_golden_ones() {
    let secret = InboxSecret::from_bytes([0x33; 32]);
    let mailbox = Mailbox {
        owner: PublicKey::from(&keypair(2)),
        generation: 3,
    };
    let (account, session, throwaway) = (keypair(4), keypair(5), keypair(6));
    let delegation = delegation();
    let senders = [
        ("account", &account, None, false),
        ("session", &session, Some(&delegation), false),
        ("anonymous", &throwaway, None, true),
    ];
    let mut cases = Vec::new();
    for (name, pair, delegation, anonymous) in senders {
        let named = delegation.map_or(PublicKey::from(pair), |found| *found.account());
        let keys = SenderKeys {
            named,
            delegation,
            pair,
            anonymous,
        };
        let mut rng = ChaCha20Rng::from_seed([0x77; 32]);
        let draft = InboxDraft::new(
            mailbox,
            &secret.encapsulation_key(),
            &keys,
            &invitation(),
            Timestamp::new(1_700_000_000_123),
            &chain(),
            &mut rng,
        );
        let draft = draft.expect("drafts");
        let sealed = draft.seal(&chain(), RateEpoch::new(77));
        for auth in auths(&sealed) {
            let envelope = draft.seal(&chain(), RateEpoch::new(77));
            let envelope = envelope.authorise(auth, &chain(), &[0; 32]);
            let opened = inbox::open(&envelope, &secret, mailbox, &chain(), Height::new(10));
            assert!(matches!(opened, Ok(Some(_))));
            let mut case = described(&envelope, &draft.plaintext.padded());
            case["sender"] = json!(name);
            case["plaintext"] = json!(hex(draft.plaintext.bytes.expose()));
            cases.push(case);
        }
    }
    let file = json!({
        "chain_id": hex(chain().as_bytes()),
        "dk_inbox": hex(secret.expose()),
        "inbox_ek": hex(secret.encapsulation_key()),
        "recipient": hex(mailbox.owner.as_bytes()),
        "inbox_generation": mailbox.generation,
        "envelopes": cases,
    });
    hold_against("inbox.json", &file);
}

#[test]
fn delegations_author_signatures_links_and_plaintexts_are_the_golden_ones() {
    let session = Secret32::from_bytes([5; 32]);
    let place = AuthoredPlace {
        conversation: ConversationId::from_bytes([1; 32]),
        writer: writer(3, 1),
        announced: PublicKey::from(&keypair(8)),
        one_time_key: PublicKey::from(&keypair(9)),
    };
    let claim = place.sign(&session, &delegation(), &chain(), &[0; 32]);
    let start = ChainStart {
        announced: place.announced,
        author: Some(claim),
        device: "desk".to_owned(),
    };
    let start = Plaintext {
        attention: Attention::Silent,
        sent: Timestamp::new(1_700_000_000_123),
        previous: RefPrefix::NONE,
        parents: Vec::new(),
        content: Content::Start(start),
    };
    let start = start.encode().expect("encodes");
    let InboxContent::Invite {
        capability,
        birthday,
        name,
    } = invitation()
    else {
        panic!("an invitation")
    };
    let capability = crate::Capability::decode(capability.expose(), &chain()).expect("certified");
    let link = InviteLink {
        capability,
        birthday,
        name,
    };
    let file = json!({
        "chain_id": hex(chain().as_bytes()),
        "delegation": hex(delegation().encode(&chain())),
        "author": {
            "cid": hex(place.conversation.as_bytes()),
            "epoch": 0, "slot": 3, "generation": 1,
            "S": hex(place.announced.as_bytes()),
            "otk_0": hex(place.one_time_key.as_bytes()),
            "signature": hex(claim.signature.as_bytes()),
        },
        "chain_start": hex(start.bytes.expose()),
        "chain_start_class": start.class.get(),
        "text": hex(of_class(0).bytes.expose()),
        "invite_link": *link.to_secret_text().expect("encodes"),
        "invite_link_capability": hex(link.capability.encode().expose()),
        "invite_link_birthday": link.birthday.get(),
        "invite_link_name": link.name,
    });
    hold_against("layouts.json", &file);
}

/// Gives out fixed bytes, as the working group's vectors ask for.
struct FixedBytes(Vec<u8>);

impl rand_core::TryRng for FixedBytes {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        let rest = self.0.split_off(out.len());
        out.copy_from_slice(&self.0);
        self.0 = rest;
        Ok(())
    }
}

impl rand_core::TryCryptoRng for FixedBytes {}

#[test]
fn the_working_groups_x_wing_vectors_hold() {
    use x_wing::{Ciphertext, Decapsulate, DecapsulationKey, Encapsulate, EncapsulationKey};
    let cases: Value =
        serde_json::from_str(include_str!("../vectors/xwing.json")).expect("the vectors are JSON");
    let cases = cases.as_array().expect("a list");
    assert_eq!(cases.len(), 3);
    for case in cases {
        let bytes = |name: &str| -> Vec<u8> {
            HEXLOWER
                .decode(case[name].as_str().expect("text").as_bytes())
                .expect("hex")
        };
        let secret: [u8; 32] = bytes("sk").try_into().expect("32 bytes");
        let public = InboxSecret::from_bytes(secret).encapsulation_key();
        assert_eq!(public.to_vec(), bytes("pk"));
        let key = EncapsulationKey::try_from(&public[..]).expect("a key");
        let (ciphertext, shared) = key.encapsulate_with_rng(&mut FixedBytes(bytes("eseed")));
        assert_eq!(ciphertext.to_vec(), bytes("ct"));
        assert_eq!(shared.to_vec(), bytes("ss"));
        let ciphertext = Ciphertext::try_from(&bytes("ct")[..]).expect("1120 bytes");
        let opened = DecapsulationKey::from(secret).decapsulate(&ciphertext);
        assert_eq!(opened.to_vec(), bytes("ss"));
    }
}
