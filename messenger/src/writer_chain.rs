//! Writer chains: one symmetric ratchet per writing device, and the one-time keys along it.
//!
//! # Invariants
//! * Readers compute `P_n` from public keys and chain keys; only the holder of the write key, and
//!   after the first message only the announcer of `S`, computes the secret behind it.
//! * No secret scalar of a message is ever revealed: with the tweak it would give the write key.
//! * A chain has at most [`CHAIN_MESSAGES_MAX`] messages, so a chain key costs bounded work.
//!
//! # Spec
//! docs/spec/09-messages.md §3
//!
//! # Not here
//! Which keys are watched: [`crate::lookahead`]. Sealing under a chain key: [`crate::seal`].

use chain::PublicKey;
use chain::hash::{derive, derive_into};
use secp256k1::{PublicKey as Point, SecretKey};
use zeroize::Zeroize;

use crate::context;
use crate::ids::{ConversationId, MessageNumber, WriterChainId};
use crate::keys::SlotKey;
use crate::scalar;
use crate::secret::Secret32;

/// Messages of one writer chain, its start included; then the next generation begins.
pub const CHAIN_MESSAGES_MAX: u32 = 1024;

/// `ck_n`: seals message n and leads to the next chain key, never back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChainKey(Secret32);

impl ChainKey {
    /// `ck_0` of the chain `writer` in the slot of `slot_key`.
    pub(crate) fn first(
        slot_key: &SlotKey,
        conversation: &ConversationId,
        writer: &WriterChainId,
    ) -> Self {
        let parts: [&[u8]; 5] = [
            slot_key.expose(),
            conversation.as_bytes(),
            &writer.epoch.get().to_le_bytes(),
            &writer.slot.get().to_le_bytes(),
            &writer.generation.get().to_le_bytes(),
        ];
        Self(Secret32::from_bytes(derive(&context::CHAIN, &parts)))
    }

    /// `ck_{n+1}`.
    pub(crate) fn next(&self) -> Self {
        Self(Secret32::from_bytes(derive(
            &context::RATCHET,
            &[self.expose()],
        )))
    }

    pub(crate) const fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// `t_n`, or nothing if it is zero: that number is skipped by everybody.
    fn tweak(
        &self,
        writers: &PublicKey,
        writer: &WriterChainId,
        number: MessageNumber,
    ) -> Option<SecretKey> {
        let mut tag = derive(&context::TAG, &[self.expose()]);
        let parts: [&[u8]; 4] = [
            writers.as_bytes(),
            &tag,
            &writer.generation.get().to_le_bytes(),
            &number.get().to_le_bytes(),
        ];
        let mut wide = [0; 64];
        derive_into(&context::TWEAK, &parts, &mut wide);
        let tweak = scalar::from_wide(&wide);
        tag.zeroize();
        wide.zeroize();
        tweak
    }
}

/// The chain keys of one writer chain, computed as far as they were asked for.
#[derive(Clone, Debug)]
pub(crate) struct Ratchet {
    keys: Vec<ChainKey>,
}

impl Ratchet {
    pub(crate) fn new(first: ChainKey) -> Self {
        Self { keys: vec![first] }
    }

    /// `ck_n`, or nothing beyond the end of every chain.
    pub(crate) fn key(&mut self, number: MessageNumber) -> Option<&ChainKey> {
        if number.get() >= CHAIN_MESSAGES_MAX {
            return None;
        }
        let index = usize::try_from(number.get()).expect("a message number fits the address space");
        while self.keys.len() <= index {
            let next = self
                .keys
                .last()
                .expect("a ratchet begins with its first key")
                .next();
            self.keys.push(next);
        }
        self.keys.get(index)
    }
}

/// The public part that a chain's one-time keys are tweaked from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyBase {
    writers: PublicKey,
    point: Point,
}

impl KeyBase {
    /// `lift(W)`, for message 0.
    pub(crate) fn of_start(writers: &PublicKey) -> Option<Self> {
        Some(Self {
            writers: *writers,
            point: scalar::lift(writers)?,
        })
    }

    /// `lift(W) + lift(S)`, for the messages after the one that announced `S`; nothing if `S` is
    /// not a key.
    pub(crate) fn after_start(writers: &PublicKey, announced: &PublicKey) -> Option<Self> {
        let point = scalar::lift(writers)?
            .combine(&scalar::lift(announced)?)
            .ok()?;
        Some(Self {
            writers: *writers,
            point,
        })
    }

    /// `otk_n = x(P_n)`, or nothing for a number that is skipped.
    pub(crate) fn one_time_key(
        &self,
        key: &ChainKey,
        writer: &WriterChainId,
        number: MessageNumber,
    ) -> Option<PublicKey> {
        scalar::tweaked(&self.point, &key.tweak(&self.writers, writer, number)?)
    }
}

/// The secret `d` behind a one-time key: signs one envelope. `announcer` is `s` for every message
/// after the first.
pub(crate) fn one_time_secret(
    signing: &Secret32,
    announcer: Option<&Secret32>,
    writers: &PublicKey,
    key: &ChainKey,
    writer: &WriterChainId,
    number: MessageNumber,
) -> Option<Secret32> {
    let mut sum = scalar::even(signing);
    if let Some(announcer) = announcer {
        sum = scalar::add(sum, &scalar::even(announcer))?;
    }
    let mut tweak = key.tweak(writers, writer, number)?;
    let secret = scalar::add(sum, &tweak).map(scalar::into_secret);
    tweak.non_secure_erase();
    sum.non_secure_erase();
    secret
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use secp256k1::Parity;

    use super::*;
    use crate::ids::{Generation, KeyEpoch, Slot};
    use crate::keys::{ConversationRoot, conversation_id};

    fn writer() -> WriterChainId {
        WriterChainId {
            epoch: KeyEpoch::new(0),
            slot: Slot::new(3),
            generation: Generation::new(1),
        }
    }

    fn parity(secret: &Secret32) -> Parity {
        scalar::keypair(secret).x_only_public_key().1
    }

    #[test]
    fn secret_and_public_derivation_agree_in_all_parity_cases() {
        let mut cases = BTreeSet::new();
        for byte in 1..=12 {
            let root = ConversationRoot::from_bytes([byte; 32]);
            let (read, write) = (
                root.read_key(writer().epoch),
                root.write_key(writer().epoch),
            );
            let conversation = conversation_id(&root.admin());
            let first = ChainKey::first(&read.slot_key(writer().slot), &conversation, &writer());
            let mut ratchet = Ratchet::new(first);
            let announcer = Secret32::from_bytes([byte + 100; 32]);
            let (signing, writers) = (write.signing_secret(), write.writers());
            let announced = scalar::public_key(&announcer);
            for number in 0..6 {
                let number = MessageNumber::new(number);
                let key = ratchet.key(number).expect("within the chain").clone();
                let is_start = number.get() == 0;
                let base = if is_start {
                    KeyBase::of_start(&writers)
                } else {
                    KeyBase::after_start(&writers, &announced)
                };
                let public = base
                    .expect("on the curve")
                    .one_time_key(&key, &writer(), number);
                let announcer = (!is_start).then_some(&announcer);
                let secret =
                    one_time_secret(&signing, announcer, &writers, &key, &writer(), number)
                        .expect("not zero");
                assert_eq!(public, Some(scalar::public_key(&secret)));
                let odd = |secret| parity(secret) == Parity::Odd;
                cases.insert((odd(&signing), announcer.map(odd), odd(&secret)));
            }
        }
        // W even and odd, S absent, even and odd, P even and odd.
        assert_eq!(cases.len(), 12);
    }

    #[test]
    fn chains_differ_by_conversation_epoch_slot_and_generation() {
        let root = ConversationRoot::from_bytes([5; 32]);
        let slot_key = root.read_key(KeyEpoch::new(0)).slot_key(Slot::new(3));
        let conversation = conversation_id(&root.admin());
        let other = ConversationId::from_bytes([1; 32]);
        let base = writer();
        let keys = [
            ChainKey::first(&slot_key, &conversation, &base),
            ChainKey::first(&slot_key, &other, &base),
            ChainKey::first(
                &slot_key,
                &conversation,
                &WriterChainId {
                    epoch: KeyEpoch::new(1),
                    ..base
                },
            ),
            ChainKey::first(
                &slot_key,
                &conversation,
                &WriterChainId {
                    slot: Slot::new(4),
                    ..base
                },
            ),
            ChainKey::first(
                &slot_key,
                &conversation,
                &WriterChainId {
                    generation: Generation::new(2),
                    ..base
                },
            ),
        ];
        let distinct: BTreeSet<&[u8; 32]> = keys.iter().map(ChainKey::expose).collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn a_chain_ends() {
        let mut ratchet = Ratchet::new(ChainKey(Secret32::from_bytes([1; 32])));
        assert!(
            ratchet
                .key(MessageNumber::new(CHAIN_MESSAGES_MAX - 1))
                .is_some()
        );
        assert!(
            ratchet
                .key(MessageNumber::new(CHAIN_MESSAGES_MAX))
                .is_none()
        );
        assert!(ratchet.key(MessageNumber::new(u32::MAX)).is_none());
    }
}
