//! One test per rule of an envelope by itself, the whole admission table, and the order of the
//! rules.

use chain::envelope::{CreditSpend, RateLimitProof};
use chain::record::Stamp;
use chain::{Amount, EnvelopeError, Network, Signature};

use super::*;
use crate::testing::{Owner, TestChain, TestEnvelope};

fn params() -> Params {
    Params::of(Network::Regtest)
}

fn made(kind: EnvelopeKind, class: u8) -> TestEnvelope {
    let class = SizeClass::new(class).expect("a class");
    TestEnvelope::new(&params(), RateEpoch::new(0), kind, class, 7)
}

fn message() -> TestEnvelope {
    made(EnvelopeKind::Message, 0)
}

fn check(envelope: &Envelope) -> Result<CheckedEnvelope, Rule> {
    check_envelope(envelope.to_bytes(), &|_| None, &params())
}

fn auths() -> [Auth; 5] {
    let proof = RateLimitProof {
        nullifier: [1; 32],
        y: [2; 32],
        proof: [3; 128],
    };
    let spend = CreditSpend {
        nullifier: [1; 32],
        change: [2; 32],
        proof: [3; 128],
    };
    [
        Auth::None,
        Auth::RateLimit(proof),
        Auth::Stamp(Stamp::default()),
        Auth::Credit(spend),
        Auth::Clear(ClearPayment::default()),
    ]
}

/// A chain long enough for stamps, and a stamped message.
fn stamped() -> (TestChain, TestEnvelope) {
    let mut chain = TestChain::new(Network::Regtest);
    chain.mine_empty(Owner::new(9).account(), 8);
    let mut made = message();
    let stamp = chain.stamp(*made.envelope.core_hash().as_bytes(), 4);
    made.authorise(chain.params(), Auth::Stamp(stamp));
    (chain, made)
}

#[test]
fn bytes_that_are_no_envelope_are_refused_by_their_layout() {
    let refused = check_envelope(EnvelopeBytes::new(vec![2; 400]), &|_| None, &params());
    assert_eq!(
        refused,
        Err(Rule::EnvelopeLayout(EnvelopeError::Version { found: 2 }))
    );
}

#[test]
fn the_admission_table_is_the_specified_one() {
    let blob_or = |kind, max| {
        if kind == EnvelopeKind::Blob {
            None
        } else {
            Some(max)
        }
    };
    for kind in [
        EnvelopeKind::Message,
        EnvelopeKind::Inbox,
        EnvelopeKind::Blob,
    ] {
        let largest = [
            blob_or(kind, 2),
            blob_or(kind, 2),
            blob_or(kind, 1),
            Some(8),
            Some(8),
        ];
        for (auth, largest) in auths().into_iter().zip(largest) {
            for class in 0..=8 {
                let mut made = made(kind, class);
                made.authorise(&params(), auth.clone());
                let expected = Rule::Admission {
                    kind,
                    class,
                    auth: auth.byte(),
                };
                let refused = check(&made.envelope).err() == Some(expected);
                let listed = largest.is_some_and(|largest| class <= largest);
                assert_eq!(
                    refused,
                    !listed,
                    "{kind:?}, class {class}, auth {}",
                    auth.byte()
                );
            }
        }
    }
}

#[test]
fn free_envelopes_are_for_networks_that_allow_them() {
    assert!(check(&message().envelope).is_ok());
    let strict = Params {
        free_envelopes: FreeEnvelopes::Refused,
        ..params()
    };
    let refused = check_envelope(message().envelope.to_bytes(), &|_| None, &strict);
    assert_eq!(refused, Err(Rule::FreeEnvelope));
}

#[test]
fn proofs_and_credits_are_not_active_yet() {
    for auth in [1, 3] {
        let mut made = message();
        made.authorise(&params(), auths()[usize::from(auth)].clone());
        assert_eq!(check(&made.envelope), Err(Rule::AdmissionInactive { auth }));
    }
}

#[test]
fn an_envelope_belongs_to_one_chain() {
    let mut made = message();
    made.envelope.net[3] ^= 1;
    made.sign(&params());
    assert_eq!(check(&made.envelope), Err(Rule::EnvelopeNet));
}

#[test]
fn the_salt_of_a_blob_is_zero() {
    let owner = Owner::new(1);
    let mut blob = made(EnvelopeKind::Blob, 0);
    owner.pay(&params(), &mut blob, 0, Amount::from_base(1024));
    assert!(check(&blob.envelope).is_ok());
    blob.envelope.salt[15] = 1;
    owner.pay(&params(), &mut blob, 0, Amount::from_base(1024));
    assert_eq!(check(&blob.envelope), Err(Rule::BlobSalt));
    let mut salted = message();
    salted.envelope.salt[15] = 1;
    salted.sign(&params());
    assert!(check(&salted.envelope).is_ok());
}

#[test]
fn the_one_time_key_is_on_the_curve_and_signs_every_byte() {
    let mut off = message();
    off.envelope.one_time_key = PublicKey::from_bytes([0xff; 32]);
    off.sign(&params());
    assert_eq!(check(&off.envelope), Err(Rule::OneTimeKeyOffCurve));
    let mut changed = message();
    changed.envelope.body[200] ^= 1;
    assert_eq!(check(&changed.envelope), Err(Rule::EnvelopeSignature));
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let (chain, made) = stamped();
    let bytes = made.envelope.to_bytes().as_slice().to_vec();
    let branch = |height| chain.id_at(height);
    let check = |bytes: Vec<u8>| check_envelope(EnvelopeBytes::new(bytes), &branch, chain.params());
    assert!(check(bytes.clone()).is_ok());
    for position in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[position] ^= 1 << (position % 8);
        assert!(check(flipped).is_err(), "byte {position}");
    }
}

#[test]
fn a_stamp_admits_with_the_minimum_effort_on_its_branch() {
    let (chain, made) = stamped();
    let checked = chain.check_envelope(&made.envelope).expect("valid");
    let Admission::Stamp(dated) = checked.admission() else {
        panic!("a stamp admits it")
    };
    assert_eq!(*dated.block(), chain.params().genesis_id());
    let strict = Params {
        stamp_effort_min: 5,
        ..chain.params().clone()
    };
    let branch = |height| chain.id_at(height);
    let refused = check_envelope(made.envelope.to_bytes(), &branch, &strict);
    assert_eq!(refused, Err(Rule::StampEffort { min: 5, found: 4 }));
    let unknown = check(&made.envelope);
    assert_eq!(
        unknown,
        Err(Rule::StampReference {
            height: Height::new(0)
        })
    );
}

#[test]
fn a_payment_is_signed_for_this_content() {
    let owner = Owner::new(1);
    let mut paid = made(EnvelopeKind::Message, 5);
    owner.pay(&params(), &mut paid, 3, Amount::from_base(9));
    assert!(check(&paid.envelope).is_ok());
    let mut moved = made(EnvelopeKind::Message, 5);
    moved.envelope.body[0] ^= 1;
    moved.authorise(&params(), paid.envelope.auth.clone());
    assert_eq!(check(&moved.envelope), Err(Rule::ClearSignature));
}

#[test]
fn the_cheaper_fault_is_named_of_two() {
    let unsigned = |mut made: TestEnvelope| {
        made.envelope.signature = Signature::default();
        check(&made.envelope).expect_err("invalid")
    };
    // Table before chain, chain before salt, salt before signature.
    let mut blob = made(EnvelopeKind::Blob, 0);
    blob.envelope.net[0] ^= 1;
    blob.envelope.salt[0] = 1;
    assert!(matches!(unsigned(blob.clone()), Rule::Admission { .. }));
    blob.envelope.auth = Auth::Clear(ClearPayment::default());
    assert_eq!(unsigned(blob.clone()), Rule::EnvelopeNet);
    blob.envelope.net = params().chain_id().net();
    assert_eq!(unsigned(blob.clone()), Rule::BlobSalt);
    // The envelope's signature before the payer's.
    blob.envelope.salt = [0; 16];
    assert_eq!(unsigned(blob), Rule::EnvelopeSignature);
    // The stamp's claim and hash before the signature, its puzzle after.
    let (chain, mut made) = stamped();
    let Auth::Stamp(stamp) = made.envelope.auth else {
        panic!("a stamp")
    };
    let refused = |envelope: &Envelope| chain.check_envelope(envelope).expect_err("invalid");
    made.envelope.signature = Signature::default();
    made.envelope.auth = Auth::Stamp(Stamp {
        effort: 0,
        reference: 1,
        ..stamp
    });
    assert_eq!(
        refused(&made.envelope),
        Rule::StampEffort { min: 1, found: 0 }
    );
    made.envelope.auth = Auth::Stamp(Stamp {
        reference: 1,
        ..stamp
    });
    assert_eq!(
        refused(&made.envelope),
        Rule::StampReferenceStep { found: 1 }
    );
    made.envelope.auth = Auth::Stamp(Stamp {
        effort: u32::MAX,
        ..stamp
    });
    assert_eq!(refused(&made.envelope), Rule::StampHash);
    let unsolved = Stamp {
        effort: 1,
        solution: [0xff; 16],
        ..stamp
    };
    made.envelope.auth = Auth::Stamp(unsolved);
    assert_eq!(refused(&made.envelope), Rule::EnvelopeSignature);
    made.authorise(chain.params(), Auth::Stamp(unsolved));
    assert_eq!(refused(&made.envelope), Rule::StampSolution);
}

#[test]
fn the_window_is_the_epoch_and_its_grace() {
    let verdict = |height| check_window(RateEpoch::new(1), Height::new(height), &params());
    let epoch = RateEpoch::new(1);
    let height = Height::new(15);
    assert_eq!(verdict(15), Err(Rule::EpochAhead { height, epoch }));
    assert_eq!([16, 31, 34].map(verdict), [Ok(()), Ok(()), Ok(())]);
    let height = Height::new(35);
    assert_eq!(verdict(35), Err(Rule::EpochPast { height, epoch }));
}

#[test]
fn a_stamp_that_was_verified_on_one_branch_is_unverified_on_another() {
    let mut made = message();
    let stamp = Stamp {
        effort: 1,
        ..Stamp::default()
    };
    made.authorise(&params(), Auth::Stamp(stamp));
    let key = |id: u8| {
        let branch = move |_: Height| Some(chain::BlockId::from_bytes([id; 32]));
        let parsed = Parsed::new(made.envelope.to_bytes()).expect("an envelope");
        let shaped = parsed.shape(&branch, &params(), &params().chain_id());
        *shaped.expect("well-formed").verified_id()
    };
    assert_eq!(key(1), key(1));
    assert_ne!(key(1), key(2));
}
