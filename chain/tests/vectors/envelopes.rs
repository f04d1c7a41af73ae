//! Vectors of envelopes: every kind with every authorisation, and every size class.

use chain::envelope::{Auth, ClearPayment, CreditSpend, EnvelopeKind, RateLimitProof, SizeClass};
use chain::signature::tag;
use chain::units::RateEpoch;
use chain::{Amount, CoreHash, Envelope, PublicKey, Signature};
use serde_json::{Value, json};

use crate::transactions::{AUX_RANDOMNESS, CHAIN, keypair, pattern, signing, stamp, stamp_twin};
use crate::twin::{Accept, Document, Reject, bytes, hex, object, wide};

const KINDS: [(EnvelopeKind, u8, &str); 3] = [
    (EnvelopeKind::Message, 1, "message"),
    (EnvelopeKind::Inbox, 3, "inbox"),
    (EnvelopeKind::Blob, 4, "blob"),
];

fn auth(byte: u8, core: &CoreHash) -> Auth {
    match byte {
        0 => Auth::None,
        1 => Auth::RateLimit(RateLimitProof {
            nullifier: [1; 32],
            y: [2; 32],
            proof: [3; 128],
        }),
        2 => Auth::Stamp(stamp()),
        3 => Auth::Credit(CreditSpend {
            nullifier: [4; 32],
            change: [5; 32],
            proof: [6; 128],
        }),
        4 => {
            let burn = Amount::from_base(65_536);
            Auth::Clear(ClearPayment::signed(
                core,
                9,
                burn,
                &CHAIN,
                &keypair(),
                &AUX_RANDOMNESS,
            ))
        }
        _ => panic!("no such auth"),
    }
}

fn envelope(kind: EnvelopeKind, class: u8, auth_byte: u8) -> Envelope {
    let class = SizeClass::new(class).expect("a class");
    let mut envelope = Envelope {
        kind,
        class,
        net: CHAIN.net(),
        rate_epoch: RateEpoch::new(77),
        one_time_key: PublicKey::from(&keypair()),
        salt: if kind == EnvelopeKind::Blob {
            [0; 16]
        } else {
            [8; 16]
        },
        body: (0..Envelope::body_len(kind, class)).map(pattern).collect(),
        auth: Auth::None,
        signature: Signature::default(),
    };
    envelope.auth = auth(auth_byte, &envelope.core_hash());
    envelope.sign(&CHAIN, &keypair(), &AUX_RANDOMNESS);
    envelope
}

/// One of each authorisation.
pub(crate) fn small_ones() -> Vec<Envelope> {
    (0..5)
        .map(|auth| envelope(EnvelopeKind::Message, 0, auth))
        .collect()
}

fn auth_twin(auth: &Auth) -> Value {
    match auth {
        Auth::None => Value::Null,
        Auth::RateLimit(proof) => object([
            ("nullifier", bytes(&proof.nullifier)),
            ("y", bytes(&proof.y)),
            ("proof", bytes(&proof.proof)),
        ]),
        Auth::Stamp(stamp) => stamp_twin(stamp),
        Auth::Credit(spend) => object([
            ("nullifier", bytes(&spend.nullifier)),
            ("change", bytes(&spend.change)),
            ("proof", bytes(&spend.proof)),
        ]),
        Auth::Clear(payment) => object([
            ("payer", bytes(payment.payer.as_bytes())),
            ("nonce", wide(payment.nonce)),
            ("burn", wide(payment.burn.base_units())),
            ("signature", bytes(payment.signature.as_bytes())),
        ]),
    }
}

fn accept(name: String, kind: u8, envelope: &Envelope) -> Accept {
    let core = envelope.core_hash();
    let key = envelope.one_time_key;
    let mut signed = vec![envelope.auth.byte()];
    signed.extend_from_slice(core.as_bytes());
    signed.extend_from_slice(&envelope.auth.to_bytes());
    let clear = match &envelope.auth {
        Auth::Clear(payment) => {
            let mut body = core.as_bytes().to_vec();
            body.extend_from_slice(payment.payer.as_bytes());
            body.extend_from_slice(&payment.nonce.to_le_bytes());
            body.extend_from_slice(&payment.burn.base_units().to_le_bytes());
            signing(tag::CLEAR, &body, &payment.payer, &payment.signature)
        }
        _ => Value::Null,
    };
    Accept {
        name,
        kind: "envelope",
        bytes: hex(envelope.to_bytes().as_slice()),
        fields: object([
            ("kind", json!(kind)),
            ("class", json!(envelope.class.get())),
            ("auth_kind", json!(envelope.auth.byte())),
            ("net", bytes(&envelope.net)),
            ("rate_epoch", json!(envelope.rate_epoch.get())),
            ("one_time_key", bytes(key.as_bytes())),
            ("salt", bytes(&envelope.salt)),
            ("body_bytes", json!(envelope.body.len())),
            ("auth", auth_twin(&envelope.auth)),
            ("signature", bytes(envelope.signature.as_bytes())),
        ]),
        derived: object([
            ("associated_data", bytes(&envelope.associated_data())),
            ("core_hash", bytes(core.as_bytes())),
            ("mid", bytes(envelope.mid().as_bytes())),
            ("wid", bytes(envelope.wid().as_bytes())),
            (
                "signing",
                signing(tag::ENVELOPE, &signed, &key, &envelope.signature),
            ),
            ("payment_signing", clear),
        ]),
    }
}

/// `envelope.json`
pub(crate) fn envelopes() -> Document {
    let auths = ["none", "rate limit", "stamp", "credit", "clear"];
    let mut must_accept = Vec::new();
    for (kind, byte, name) in KINDS {
        for (auth, auth_name) in (0..).zip(auths) {
            let name = format!("{name}, class 0, {auth_name}");
            must_accept.push(accept(name, byte, &envelope(kind, 0, auth)));
        }
    }
    // Larger classes differ in length alone; up to class 4 they stay readable in a file.
    for class in 1..=4 {
        let name = format!("message, class {class}, clear");
        must_accept.push(accept(name, 1, &envelope(EnvelopeKind::Message, class, 4)));
    }
    Document {
        about: "envelopes: the hand-written layout, content and wire names, both signatures; byte i \
                of a body is (7 i + 3) mod 256",
        spec: "docs/spec/04-envelopes.md",
        must_accept,
        must_reject: rejects(),
    }
}

fn rejects() -> Vec<Reject> {
    let bare = envelope(EnvelopeKind::Message, 0, 0)
        .to_bytes()
        .as_slice()
        .to_vec();
    let paid = envelope(EnvelopeKind::Message, 0, 4)
        .to_bytes()
        .as_slice()
        .to_vec();
    let with = |bytes: &[u8], at: usize, value: u8| {
        let mut changed = bytes.to_vec();
        changed[at] = value;
        changed
    };
    let mut long = bare.clone();
    long.push(0);
    let reject = |name: &str, bytes: &[u8], reason| Reject::new(name, "envelope", bytes, reason);
    let mut rejects = vec![
        reject("no bytes", &[], "Length"),
        reject("a header alone", &bare[..60], "Length"),
        reject("half a header", &bare[..30], "Length"),
        reject(
            "the last byte is missing",
            &bare[..bare.len() - 1],
            "Length",
        ),
        reject("a byte too many", &long, "Length"),
        reject("version 0", &with(&bare, 0, 0), "Version"),
        reject("version 2", &with(&bare, 0, 2), "Version"),
        reject("class 9", &with(&bare, 2, 9), "Class"),
        reject("class 255", &with(&bare, 2, 255), "Class"),
        reject("auth kind 5", &with(&bare, 3, 5), "Auth"),
        reject(
            "the auth kind of a shorter envelope",
            &with(&paid, 3, 0),
            "Length",
        ),
        reject(
            "the auth kind of another length",
            &with(&paid, 3, 1),
            "Length",
        ),
        reject(
            "the class of a longer envelope",
            &with(&bare, 2, 1),
            "Length",
        ),
        reject(
            "the kind of a longer envelope",
            &with(&bare, 1, 3),
            "Length",
        ),
    ];
    for kind in [0, 2, 5, 255] {
        rejects.push(reject(
            &format!("kind {kind}"),
            &with(&bare, 1, kind),
            "Kind",
        ));
    }
    let mut wrapped = u64::try_from(bare.len() + 1)
        .expect("a length")
        .to_le_bytes()
        .to_vec();
    wrapped.extend(&bare);
    rejects.push(Reject::new(
        "a length that is one too large",
        "envelope_bytes",
        &wrapped,
        "Malformed",
    ));
    wrapped[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    rejects.push(Reject::new(
        "a length beyond any memory",
        "envelope_bytes",
        &wrapped,
        "Malformed",
    ));
    rejects
}
