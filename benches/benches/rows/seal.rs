//! The second half of row 8: opening the seal of a message against the bare cipher.
//!
//! The messenger keeps its own function to itself, so the construction is written down here once
//! more, from the chain's derivations; the bare cipher is the same library.

use benches::bare::Sealed;
use benches::report::{Finding, Limit};
use benches::rounds::{interleave, per_second};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit, Nonce};
use chain::envelope::SizeClass;
use chain::hash::{Context, blake3, derive, derive_into};

/// Messages of one measurement, under a key each.
const MESSAGES: usize = 100_000;
static SIV: Context = Context::new("ChainChat v1 siv");
static AEAD: Context = Context::new("ChainChat v1 aead");

/// One sealed message as its reader has it (docs/spec/09-messages.md §5).
struct Message {
    key: [u8; 32],
    associated: [u8; 44],
    salt: [u8; 16],
    sealed: Vec<u8>,
}

impl Message {
    fn numbered(number: usize) -> Self {
        let (key, plaintext) = (
            blake3(&number.to_le_bytes()),
            [0x5a; SizeClass::SMALLEST.plaintext_len()],
        );
        let associated = [3; 44];
        let salt = salt(&key, &associated, &plaintext);
        let (cipher, nonce) = cipher(&key, &salt);
        let aad = [&associated[..], &salt].concat();
        let payload = Payload {
            msg: &plaintext,
            aad: &aad,
        };
        Self {
            key,
            associated,
            salt,
            sealed: cipher.encrypt(&nonce, payload).expect("a short text"),
        }
    }

    fn opens(&self) -> bool {
        let (cipher, nonce) = cipher(&self.key, &self.salt);
        let aad = [&self.associated[..], &self.salt].concat();
        let payload = Payload {
            msg: &self.sealed,
            aad: &aad,
        };
        let plaintext = cipher.decrypt(&nonce, payload);
        plaintext.is_ok_and(|plaintext| salt(&self.key, &self.associated, &plaintext) == self.salt)
    }
}

fn salt(key: &[u8; 32], associated: &[u8], plaintext: &[u8]) -> [u8; 16] {
    let mut hasher = ::blake3::Hasher::new_keyed(&derive(&SIV, &[key]));
    hasher.update(associated).update(plaintext);
    let mut salt = [0; 16];
    hasher.finalize_xof().fill(&mut salt);
    salt
}

fn cipher(key: &[u8; 32], salt: &[u8; 16]) -> (ChaCha20Poly1305, Nonce) {
    let mut material = [0; 44];
    derive_into(&AEAD, &[key, salt], &mut material);
    let (key, nonce) = material
        .split_first_chunk::<32>()
        .expect("44 bytes hold 32");
    let nonce = nonce.first_chunk::<12>().expect("12 bytes are left");
    (ChaCha20Poly1305::new(&Key::from(*key)), Nonce::from(*nonce))
}

/// Opens messages of the smallest class, one thread.
pub(crate) fn measure(rounds: usize) -> Finding {
    let ours: Vec<Message> = (0..MESSAGES).map(Message::numbered).collect();
    let bare = Sealed::many(MESSAGES);
    let count = MESSAGES as u64;
    let [seal, plain] = interleave(
        rounds,
        [
            (
                "seal",
                Box::new(|| per_second(count, || assert!(ours.iter().all(Message::opens)))),
            ),
            (
                "bare decryption",
                Box::new(|| per_second(count, || assert!(bare.iter().all(Sealed::opens)))),
            ),
        ],
    );
    let what = "decryption of the seal: keys, tag, synthetic salt; one thread";
    Finding::ratio(
        "8",
        what,
        "messages/s",
        [&seal, &plain],
        Limit::AtLeast(0.75),
    )
}
