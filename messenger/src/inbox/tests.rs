//! Sealing to an inbox and opening from it.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::delegation::DelegationTerms;
use crate::secret::PrivateText;

fn chain() -> ChainId {
    ChainId::from_bytes([1; 32])
}

fn keypair(byte: u8) -> Keypair {
    Keypair::from_secret_bytes([byte; 32]).expect("a valid secret")
}

fn secret() -> InboxSecret {
    InboxSecret::from_bytes([7; 32])
}

fn mailbox() -> Mailbox {
    Mailbox {
        owner: PublicKey::from(&keypair(1)),
        generation: 3,
    }
}

fn request() -> InboxContent {
    InboxContent::ContactRequest {
        name: "me".to_owned(),
        text: PrivateText("hello".to_owned()),
    }
}

fn delegation(scope: Scope) -> Delegation {
    let terms = DelegationTerms {
        session: PublicKey::from(&keypair(5)),
        not_before: 0,
        not_after: 100,
        scope,
        conversation: None,
        nonce: [0; 16],
    };
    Delegation::signed(terms, &chain(), &keypair(4), &[0; 32])
}

fn draft(sender: &SenderKeys<'_>) -> InboxDraft {
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let key = secret().encapsulation_key();
    let sent = Timestamp::new(77);
    InboxDraft::new(
        mailbox(),
        &key,
        sender,
        &request(),
        sent,
        &chain(),
        &mut rng,
    )
    .expect("drafts")
}

fn envelope(sender: &SenderKeys<'_>) -> Envelope {
    let sealed = draft(sender).seal(&chain(), RateEpoch::new(2));
    sealed.authorise(chain::envelope::Auth::None, &chain(), &[0; 32])
}

fn open_at(envelope: &Envelope, height: u64) -> Result<Option<InboxMessage>, Refusal> {
    open(
        envelope,
        &secret(),
        mailbox(),
        &chain(),
        Height::new(height),
    )
}

fn by_account(pair: &Keypair) -> SenderKeys<'_> {
    SenderKeys {
        named: PublicKey::from(pair),
        delegation: None,
        pair,
        anonymous: false,
    }
}

#[test]
fn an_inbox_message_reaches_its_owner_and_nobody_else() {
    let pair = keypair(4);
    let envelope = envelope(&by_account(&pair));
    let message = open_at(&envelope, 5).expect("opens").expect("is for us");
    assert_eq!(message.sender, Sender::Account(PublicKey::from(&pair)));
    assert_eq!(message.sent, Timestamp::new(77));
    assert_eq!(message.content, request());
    assert_eq!(message.reference, draft(&by_account(&pair)).reference());
    assert_eq!(reread(message.reference, &message.bytes), Ok(message));
    let height = Height::new(5);
    let other = InboxSecret::from_bytes([8; 32]);
    assert_eq!(
        open(&envelope, &other, mailbox(), &chain(), height),
        Ok(None)
    );
    for mailbox in [
        Mailbox {
            generation: 4,
            ..mailbox()
        },
        Mailbox {
            owner: PublicKey::from(&keypair(2)),
            ..mailbox()
        },
    ] {
        assert_eq!(
            open(&envelope, &secret(), mailbox, &chain(), height),
            Ok(None)
        );
    }
}

#[test]
fn a_delegated_sender_is_named_by_the_account() {
    let (pair, all) = (keypair(5), delegation(Scope::ALL));
    let named = PublicKey::from(&keypair(4));
    let sender = SenderKeys {
        named,
        delegation: Some(&all),
        pair: &pair,
        anonymous: false,
    };
    let message = open_at(&envelope(&sender), 100)
        .expect("opens")
        .expect("is for us");
    assert_eq!(message.sender, Sender::Account(named));
    assert_eq!(reread(message.reference, &message.bytes), Ok(message));
    let late = open_at(&envelope(&sender), 101);
    assert!(matches!(
        late,
        Err(Refusal::Delegation(DelegationError::Expired { .. }))
    ));
    let post = delegation(Scope::POST);
    let sender = SenderKeys {
        delegation: Some(&post),
        ..sender
    };
    let refused = open_at(&envelope(&sender), 5);
    assert!(matches!(
        refused,
        Err(Refusal::Delegation(DelegationError::OutOfScope { .. }))
    ));
}

#[test]
fn a_sender_cannot_be_made_up() {
    let (pair, all) = (keypair(6), delegation(Scope::ALL));
    let victim = PublicKey::from(&keypair(4));
    let made_up = SenderKeys {
        named: victim,
        delegation: None,
        pair: &pair,
        anonymous: false,
    };
    assert_eq!(open_at(&envelope(&made_up), 5), Err(Refusal::ForgedSender));
    // A delegation of the victim to another session key.
    let borrowed = SenderKeys {
        delegation: Some(&all),
        ..made_up
    };
    assert_eq!(open_at(&envelope(&borrowed), 5), Err(Refusal::ForgedSender));
    // A right delegation under another name.
    let session = keypair(5);
    let renamed = SenderKeys {
        named: PublicKey::from(&pair),
        delegation: Some(&all),
        pair: &session,
        anonymous: false,
    };
    let refused = Refusal::Delegation(DelegationError::Forged);
    assert_eq!(open_at(&envelope(&renamed), 5), Err(refused));
    let both = SenderKeys {
        anonymous: true,
        ..renamed
    };
    assert_eq!(
        open_at(&envelope(&both), 5),
        Err(Refusal::UnknownFlags { found: 3 })
    );
}

#[test]
fn a_signature_is_worth_nothing_in_another_envelope() {
    let pair = keypair(4);
    let first = draft(&by_account(&pair));
    // Same plaintext and signature under another one-time key, sealed by the recipient of the first.
    let moved = InboxDraft {
        one_time_secret: Secret32::from_bytes([3; 32]),
        ..first
    };
    let sealed = moved.seal(&chain(), RateEpoch::new(2));
    let envelope = sealed.authorise(chain::envelope::Auth::None, &chain(), &[0; 32]);
    assert!(envelope.is_signed(&chain()));
    assert_eq!(open_at(&envelope, 5), Err(Refusal::ForgedSender));
}

#[test]
fn changed_bytes_and_broken_plaintexts_are_refused() {
    let pair = keypair(4);
    let good = envelope(&by_account(&pair));
    for position in [0, 1087, 1088, 1119, 1120, good.body.len() - 1] {
        let mut changed = good.clone();
        changed.body[position] ^= 1;
        assert_eq!(open_at(&changed, 5), Ok(None), "byte {position}");
    }
    let mut salted = good.clone();
    salted.salt[0] ^= 1;
    assert_eq!(open_at(&salted, 5), Ok(None));
    let mut short = good;
    short.body.truncate(1000);
    assert_eq!(open_at(&short, 5), Ok(None));
    let draft = draft(&by_account(&pair));
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = draft.plaintext.padded().to_vec();
        change(&mut bytes);
        let plaintext = EncodedPlaintext {
            bytes: SecretBytes::new(bytes),
            ..draft.plaintext.clone()
        };
        let draft = InboxDraft {
            plaintext,
            ..draft.clone()
        };
        let sealed = draft.seal(&chain(), RateEpoch::new(2));
        open_at(
            &sealed.authorise(chain::envelope::Auth::None, &chain(), &[0; 32]),
            5,
        )
    };
    let padding = with(&|bytes| *bytes.last_mut().expect("not empty") = 1);
    assert_eq!(padding, Err(Refusal::Layout(LayoutError::NonZeroPadding)));
    assert_eq!(
        with(&|bytes| bytes[1] = 4),
        Err(Refusal::UnknownFlags { found: 4 })
    );
    assert_eq!(with(&|bytes| bytes[0] = 9), Err(Refusal::ForgedSender));
    let length = with(&|bytes| bytes[43] = 0xff);
    assert_eq!(length, Err(Refusal::Layout(LayoutError::TooShort)));
}

#[test]
fn an_x25519_share_that_contributes_nothing_is_refused() {
    let pair = keypair(4);
    let mut envelope = envelope(&by_account(&pair));
    envelope.body[1088..1120].fill(0);
    assert_eq!(open_at(&envelope, 5), Ok(None));
}

#[test]
fn unknown_types_are_kept_and_malformed_ones_named() {
    let body = [1, 2, 3];
    let kept = InboxContent::decode(3, &body).expect("kept");
    let unsupported = crate::content::Unsupported {
        code: 3,
        body: body.to_vec(),
    };
    assert_eq!(kept, InboxContent::Unsupported(unsupported));
    assert_eq!(kept.encode(), Ok(body.to_vec()));
    assert!(InboxContent::decode(INVITE, &[9; 300]).is_err());
    assert!(InboxContent::decode(CONTACT_REQUEST, &[0, 0, 0, 0]).is_err());
}
