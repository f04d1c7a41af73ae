//! Layout, names and signature of envelopes.

use super::*;

fn auths() -> Vec<Auth> {
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
    vec![
        Auth::None,
        Auth::RateLimit(proof),
        Auth::Stamp(Stamp {
            effort: 7,
            ..Stamp::default()
        }),
        Auth::Credit(spend),
        Auth::Clear(ClearPayment {
            nonce: 4,
            ..ClearPayment::default()
        }),
    ]
}

fn envelope(kind: EnvelopeKind, class: u8, auth: Auth) -> Envelope {
    let class = SizeClass::new(class).expect("a class");
    Envelope {
        kind,
        class,
        net: [9; 4],
        rate_epoch: RateEpoch::new(77),
        one_time_key: PublicKey::from(&keypair()),
        salt: [8; 16],
        body: vec![0x5a; Envelope::body_len(kind, class)],
        auth,
        signature: Signature::default(),
    }
}

fn keypair() -> Keypair {
    Keypair::from_secret_bytes([5; 32]).expect("a valid secret")
}

#[test]
fn sizes_on_chain_are_the_specified_ones() {
    let sizes: Vec<usize> = auths()
        .into_iter()
        .map(|auth| {
            envelope(EnvelopeKind::Message, 0, auth)
                .to_bytes()
                .as_slice()
                .len()
        })
        .collect();
    assert_eq!(sizes, [396, 588, 436, 588, 508]);
    let largest = envelope(EnvelopeKind::Inbox, 8, auths().remove(1)).to_bytes();
    assert_eq!(largest.as_slice().len(), Envelope::BYTES_MAX);
    assert_eq!(Envelope::BYTES_MAX, 66_988);
}

#[test]
fn every_kind_class_and_auth_survives_the_round_trip() {
    for kind in [
        EnvelopeKind::Message,
        EnvelopeKind::Inbox,
        EnvelopeKind::Blob,
    ] {
        for class in 0..=8 {
            for auth in auths() {
                let envelope = envelope(kind, class, auth);
                assert_eq!(envelope.to_bytes().parse(), Ok(envelope));
            }
        }
    }
}

#[test]
fn malformed_bytes_are_named() {
    let bytes = envelope(EnvelopeKind::Message, 0, Auth::None).to_bytes();
    let with = |position: usize, value: u8| {
        let mut changed = bytes.as_slice().to_vec();
        changed[position] = value;
        Envelope::parse(&changed)
    };
    assert_eq!(with(0, 2), Err(EnvelopeError::Version { found: 2 }));
    assert_eq!(with(1, 2), Err(EnvelopeError::Kind { found: 2 }));
    assert_eq!(with(2, 9), Err(EnvelopeError::Class { found: 9 }));
    assert_eq!(with(3, 5), Err(EnvelopeError::Auth { found: 5 }));
    assert_eq!(
        with(2, 1),
        Err(EnvelopeError::Length {
            found: 396,
            expected: 652
        })
    );
    for len in [0, 59, 60, 395] {
        let short = Envelope::parse(&bytes.as_slice()[..len]);
        assert_eq!(
            short,
            Err(EnvelopeError::Length {
                found: len,
                expected: 396
            })
        );
    }
    let mut long = bytes.as_slice().to_vec();
    long.push(0);
    assert_eq!(
        Envelope::parse(&long),
        Err(EnvelopeError::Length {
            found: 397,
            expected: 396
        })
    );
}

#[test]
fn names_follow_content_and_bytes() {
    let free = envelope(EnvelopeKind::Message, 0, Auth::None);
    let mut stamped = envelope(EnvelopeKind::Message, 0, auths().remove(2));
    assert_eq!(free.core_hash(), stamped.core_hash());
    assert_eq!(free.mid(), stamped.mid());
    assert_ne!(free.wid(), stamped.wid());
    let unsigned = stamped.wid();
    stamped.sign(&ChainId::default(), &keypair(), &[0; 32]);
    assert_ne!(unsigned, stamped.wid());
}

#[test]
fn every_flipped_bit_breaks_the_layout_or_the_signature() {
    let chain = ChainId::default();
    let mut envelope = envelope(EnvelopeKind::Message, 0, auths().remove(2));
    envelope.sign(&chain, &keypair(), &[1; 32]);
    assert!(envelope.is_signed(&chain));
    assert!(!envelope.is_signed(&ChainId::from_bytes([1; 32])));
    let bytes = envelope.to_bytes().as_slice().to_vec();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(changed) = Envelope::parse(&changed) {
            assert!(!changed.is_signed(&chain), "bit {bit}");
            assert_ne!(changed.wid(), envelope.wid(), "bit {bit}");
        }
    }
}

#[test]
fn a_payment_is_bound_to_its_content() {
    let chain = ChainId::default();
    let core = envelope(EnvelopeKind::Message, 0, Auth::None).core_hash();
    let payment = ClearPayment::signed(
        &core,
        3,
        Amount::from_base(4096),
        &chain,
        &keypair(),
        &[0; 32],
    );
    assert!(payment.is_signed(&core, &chain));
    assert!(!payment.is_signed(&CoreHash::default(), &chain));
    assert!(
        !ClearPayment {
            nonce: 4,
            ..payment
        }
        .is_signed(&core, &chain)
    );
    assert!(
        !ClearPayment {
            burn: Amount::ZERO,
            ..payment
        }
        .is_signed(&core, &chain)
    );
}
