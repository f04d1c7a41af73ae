//! Scalars and points of secp256k1 as the conversation keys need them.
//!
//! # Invariants
//! * Secret scalars are computed by libsecp256k1's constant-time arithmetic.
//! * A scalar of zero and a point at infinity do not exist here: the functions return nothing, and
//!   the caller takes the next candidate.
//!
//! # Spec
//! docs/spec/09-messages.md §1
//!
//! # Not here
//! Signatures: `chain::signature`.

use chain::PublicKey;
use rand_core::CryptoRng;
use secp256k1::{Keypair, Parity, PublicKey as Point, Scalar, SecretKey, XOnlyPublicKey};
use zeroize::Zeroize;

use crate::secret::Secret32;

/// The order of the group, big-endian.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
    0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];

/// `2^256` modulo the order, big-endian.
const WRAP: [u8; 32] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x45, 0x51, 0x23, 0x19, 0x50, 0xb7, 0x5f, 0xc4,
    0x40, 0x2d, 0xa1, 0x73, 0x2f, 0xc9, 0xbe, 0xbf,
];

/// `SC`: 64 bytes as a little-endian integer modulo the order; nothing for zero.
pub(crate) fn from_wide(wide: &[u8; 64]) -> Option<SecretKey> {
    let (low, high) = wide.split_at(32);
    let (mut low, mut high) = (below_order(low), below_order(high));
    let wrap = Scalar::from_be_bytes(WRAP).expect("the constant is below the order");
    let scaled = SecretKey::from_secret_bytes(high)
        .ok()
        .and_then(|key| key.mul_tweak(&wrap).ok());
    let sum = match scaled {
        Some(scaled) => {
            let low = Scalar::from_be_bytes(low).expect("reduced below the order");
            scaled.add_tweak(&low).ok()
        }
        None => SecretKey::from_secret_bytes(low).ok(),
    };
    low.zeroize();
    high.zeroize();
    sum
}

/// 32 little-endian bytes modulo the order, big-endian. One subtraction is enough because the
/// order is above `2^255`; it is always computed and taken by mask.
fn below_order(little_endian: &[u8]) -> [u8; 32] {
    let mut value = [0; 32];
    for (to, from) in value.iter_mut().zip(little_endian.iter().rev()) {
        *to = *from;
    }
    let mut reduced = [0; 32];
    let mut borrow = 0u16;
    for position in (0..32).rev() {
        let difference = (u16::from(value[position]) | 0x100) - u16::from(ORDER[position]) - borrow;
        borrow = 1 - (difference >> 8);
        reduced[position] = (difference & 0xff) as u8;
    }
    let keep = 0u8.wrapping_sub(borrow as u8);
    for (to, from) in reduced.iter_mut().zip(&value) {
        *to = (*to & !keep) | (*from & keep);
    }
    value.zeroize();
    reduced
}

/// A fresh random scalar.
pub(crate) fn random(rng: &mut impl CryptoRng) -> Secret32 {
    loop {
        let candidate = Secret32::random(rng);
        // Refused with probability 2^-128 only.
        if is_scalar(&candidate) {
            return candidate;
        }
    }
}

/// Whether a stored secret is a scalar.
pub(crate) fn is_scalar(secret: &Secret32) -> bool {
    SecretKey::from_secret_bytes(*secret.expose()).is_ok()
}

/// The keypair of a secret that is known to be a scalar.
pub(crate) fn keypair(secret: &Secret32) -> Keypair {
    Keypair::from_secret_bytes(*secret.expose()).expect("the secret was checked when it was made")
}

/// The x-only public key of a secret that is known to be a scalar.
pub(crate) fn public_key(secret: &Secret32) -> PublicKey {
    let mut pair = keypair(secret);
    let key = PublicKey::from(&pair);
    pair.non_secure_erase();
    key
}

/// `even(k)`: k or its negative, whichever has a point with even y.
pub(crate) fn even(secret: &Secret32) -> SecretKey {
    let mut pair = keypair(secret);
    let (_, parity) = pair.x_only_public_key();
    let key = pair.secret_key();
    pair.non_secure_erase();
    match parity {
        Parity::Even => key,
        Parity::Odd => key.negate(),
    }
}

/// `a + b`, or nothing for zero.
pub(crate) fn add(a: SecretKey, b: &SecretKey) -> Option<SecretKey> {
    let tweak = Scalar::from_be_bytes(b.to_secret_bytes()).expect("a key is below the order");
    a.add_tweak(&tweak).ok()
}

/// Wraps a scalar and erases the original.
pub(crate) fn into_secret(mut key: SecretKey) -> Secret32 {
    let secret = Secret32::from_bytes(key.to_secret_bytes());
    key.non_secure_erase();
    secret
}

/// `lift(X)`: the point with even y, or nothing off the curve.
pub(crate) fn lift(key: &PublicKey) -> Option<Point> {
    let key = XOnlyPublicKey::from_byte_array(*key.as_bytes()).ok()?;
    Some(Point::from_x_only_public_key(key, Parity::Even))
}

/// `x(base + t*G)`, or nothing at infinity.
pub(crate) fn tweaked(base: &Point, tweak: &SecretKey) -> Option<PublicKey> {
    let tweak = Scalar::from_be_bytes(tweak.to_secret_bytes()).expect("a key is below the order");
    let (key, _) = base.add_exp_tweak(&tweak).ok()?.x_only_public_key();
    Some(PublicKey::from_bytes(key.to_byte_array()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(low: [u8; 32], high: [u8; 32]) -> [u8; 64] {
        let mut bytes = [0; 64];
        for position in 0..32 {
            bytes[position] = low[31 - position];
            bytes[32 + position] = high[31 - position];
        }
        bytes
    }

    fn small(number: u8) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[31] = number;
        bytes
    }

    #[test]
    fn wide_numbers_are_reduced_modulo_the_order() {
        let reduced = |low, high| from_wide(&wide(low, high)).map(|key| key.to_secret_bytes());
        assert_eq!(reduced(small(7), small(0)), Some(small(7)));
        assert_eq!(reduced(small(0), small(0)), None);
        assert_eq!(reduced(ORDER, small(0)), None);
        assert_eq!(reduced(small(0), ORDER), None);
        assert_eq!(reduced(small(0), small(1)), Some(WRAP));
        let mut above = ORDER;
        above[31] += 5;
        assert_eq!(reduced(above, small(0)), Some(small(5)));
        let mut below = ORDER;
        below[31] -= 1;
        assert_eq!(reduced(below, small(0)), Some(below));
        // 2^512 - 1 modulo the order, calculated independently.
        let expected = "9d671cd581c69bc5e697f5e45bcd07c6741496c20e7cf878896cf21467d7d13f";
        let maximum = reduced([0xff; 32], [0xff; 32]).expect("not zero");
        assert_eq!(data_encoding::HEXLOWER.encode(&maximum), expected);
    }

    #[test]
    fn the_even_form_has_the_same_x_and_even_y() {
        for byte in 1..=16 {
            let secret = Secret32::from_bytes([byte; 32]);
            let even = even(&secret);
            let (key, parity) = even.x_only_public_key();
            assert_eq!(parity, Parity::Even);
            assert_eq!(&key.to_byte_array(), public_key(&secret).as_bytes());
        }
    }

    #[test]
    fn opposite_scalars_have_no_sum() {
        let key = even(&Secret32::from_bytes([3; 32]));
        assert!(add(key, &key.negate()).is_none());
    }
}
