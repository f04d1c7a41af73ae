//! Envelopes: sealed messages as outsiders see them. The one hand-written layout of the chain.
//!
//! # Invariants
//! * `Envelope::parse(b)?.to_bytes() == b` for every accepted `b`; kind, class and auth fix the
//!   length exactly.
//! * `core_hash` names the content, `mid` the message whatever authorises it, `wid` the exact
//!   bytes. The auth byte is read as zero in `core_hash`, so an envelope can be re-authorised.
//! * The signature is made last, under the one-time key, over content and authorisation.
//!
//! # Spec
//! docs/spec/04-envelopes.md
//!
//! # Not here
//! Which kind may carry which authorisation and every other rule: `consensus::envelope`.
//! What is inside: `messenger`.

use std::fmt;

use secp256k1::Keypair;

use crate::codec::{List, SchemaRead, SchemaWrite};
use crate::error::EnvelopeError;
use crate::hash::{ChainId, CoreHash, MessageId, WireId, blake3, context, derive};
use crate::record::Stamp;
use crate::signature::{self, PublicKey, Signature, tag};
use crate::units::{Amount, RateEpoch};

/// An envelope as the codec sees it: opaque bytes behind a length.
#[derive(Clone, PartialEq, Eq, Hash, SchemaRead, SchemaWrite)]
pub struct EnvelopeBytes(#[wincode(with = "List<u8, { Envelope::BYTES_MAX }>")] Vec<u8>);

impl EnvelopeBytes {
    /// Wraps bytes that may or may not be an envelope.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Reads the layout.
    ///
    /// # Errors
    /// See [`Envelope::parse`].
    pub fn parse(&self) -> Result<Envelope, EnvelopeError> {
        Envelope::parse(&self.0)
    }
}

impl fmt::Debug for EnvelopeBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnvelopeBytes({} bytes)", self.0.len())
    }
}

/// What an envelope is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EnvelopeKind {
    /// A message of a writer chain.
    Message,
    /// A first contact: carries a key encapsulation.
    Inbox,
    /// A chunk of a file.
    Blob,
}

impl EnvelopeKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Message => 1,
            Self::Inbox => 3,
            Self::Blob => 4,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Message),
            3 => Some(Self::Inbox),
            4 => Some(Self::Blob),
            _ => None,
        }
    }
}

/// Padded size of the plaintext: class c holds `256 << c` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SizeClass(u8);

impl SizeClass {
    /// The smallest class, 256 bytes.
    pub const SMALLEST: Self = Self(0);
    /// The largest class, 64 KiB.
    pub const LARGEST: Self = Self(8);

    /// Class number 0..=8.
    #[must_use]
    pub const fn new(class: u8) -> Option<Self> {
        if class <= Self::LARGEST.0 {
            Some(Self(class))
        } else {
            None
        }
    }

    /// The smallest class that holds `len` bytes.
    #[must_use]
    pub fn holding(len: usize) -> Option<Self> {
        (0..=Self::LARGEST.0)
            .map(Self)
            .find(|class| len <= class.plaintext_len())
    }

    /// Class number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Bytes of the padded plaintext.
    #[must_use]
    pub const fn plaintext_len(self) -> usize {
        256usize << self.0
    }
}

/// What gives an envelope the right to a place in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Nothing; for tests on regtest.
    None,
    /// A rate-limit proof.
    RateLimit(RateLimitProof),
    /// A proof-of-work stamp.
    Stamp(Stamp),
    /// A spent anonymous credit.
    Credit(CreditSpend),
    /// A transparent payment.
    Clear(ClearPayment),
}

/// A rate-limiting nullifier with its proof (192 B).
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct RateLimitProof {
    /// One per member, epoch and message index.
    pub nullifier: [u8; 32],
    /// Share of the member's secret.
    pub y: [u8; 32],
    /// Compressed Groth16 proof.
    pub proof: [u8; 128],
}

/// An anonymous burn (192 B).
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct CreditSpend {
    /// Marks the credit as spent.
    pub nullifier: [u8; 32],
    /// Commitment to the change.
    pub change: [u8; 32],
    /// Compressed Groth16 proof.
    pub proof: [u8; 128],
}

/// A burn by a named account (112 B).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct ClearPayment {
    /// Who pays.
    pub payer: PublicKey,
    /// The payer's next nonce.
    pub nonce: u64,
    /// How much is burned.
    pub burn: Amount,
    /// By the payer over content, payer, nonce and burn.
    pub signature: Signature,
}

impl ClearPayment {
    /// Signs the payment for the content `core` by the payer's keypair.
    #[must_use]
    pub fn signed(
        core: &CoreHash,
        nonce: u64,
        burn: Amount,
        chain: &ChainId,
        keypair: &Keypair,
        aux_randomness: &[u8; 32],
    ) -> Self {
        let mut payment = Self {
            payer: PublicKey::from(keypair),
            nonce,
            burn,
            signature: Signature::default(),
        };
        let body = payment.signed_bytes(core);
        payment.signature = signature::sign(tag::CLEAR, chain, &[&body], keypair, aux_randomness);
        payment
    }

    /// Whether the payer signed for the content `core`.
    #[must_use]
    pub fn is_signed(&self, core: &CoreHash, chain: &ChainId) -> bool {
        let body = self.signed_bytes(core);
        signature::verify(tag::CLEAR, chain, &[&body], &self.payer, &self.signature)
    }

    fn signed_bytes(&self, core: &CoreHash) -> Vec<u8> {
        let mut bytes = core.as_bytes().to_vec();
        bytes.extend_from_slice(self.payer.as_bytes());
        bytes.extend_from_slice(&self.nonce.to_le_bytes());
        bytes.extend_from_slice(&self.burn.base_units().to_le_bytes());
        bytes
    }
}

impl Auth {
    /// Auth byte on the wire.
    #[must_use]
    pub const fn byte(&self) -> u8 {
        match self {
            Self::None => 0,
            Self::RateLimit(_) => 1,
            Self::Stamp(_) => 2,
            Self::Credit(_) => 3,
            Self::Clear(_) => 4,
        }
    }

    /// Bytes of the auth block for an auth byte.
    const fn len_of(byte: u8) -> Option<usize> {
        match byte {
            0 => Some(0),
            1 | 3 => Some(192),
            2 => Some(Stamp::BYTES),
            4 => Some(112),
            _ => None,
        }
    }

    /// The auth block.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::RateLimit(proof) => crate::codec::encode(proof),
            Self::Stamp(stamp) => crate::codec::encode(stamp),
            Self::Credit(spend) => crate::codec::encode(spend),
            Self::Clear(payment) => crate::codec::encode(payment),
        }
    }

    fn read(byte: u8, bytes: &[u8]) -> Option<Self> {
        use crate::codec::decode;
        let max = bytes.len();
        match byte {
            0 => bytes.is_empty().then_some(Self::None),
            1 => decode(bytes, max).ok().map(Self::RateLimit),
            2 => decode(bytes, max).ok().map(Self::Stamp),
            3 => decode(bytes, max).ok().map(Self::Credit),
            4 => decode(bytes, max).ok().map(Self::Clear),
            _ => None,
        }
    }
}

/// A sealed message as outsiders see it.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What it is for.
    pub kind: EnvelopeKind,
    /// Padded size.
    pub class: SizeClass,
    /// First bytes of the chain id.
    pub net: [u8; 4],
    /// Period in which it may be included.
    pub rate_epoch: RateEpoch,
    /// One-time key: detection tag, key commitment and verification key in one.
    pub one_time_key: PublicKey,
    /// Synthetic nonce of the sealed content; zero for blobs.
    pub salt: [u8; 16],
    /// Sealed content, for inbox envelopes behind the key encapsulation.
    pub body: Vec<u8>,
    /// Right to a place in a block.
    pub auth: Auth,
    /// By the one-time key.
    pub signature: Signature,
}

impl Envelope {
    /// Layout version.
    pub const VERSION: u8 = 1;
    /// Bytes before the body.
    pub const HEADER_BYTES: usize = 60;
    /// Bytes of the key encapsulation of an inbox envelope.
    pub const ENCAPSULATION_BYTES: usize = 1120;
    /// Bytes that sealing adds to the plaintext.
    pub const TAG_BYTES: usize = 16;
    /// The largest envelope: inbox, class 8, with a proof or a credit (bytes).
    pub const BYTES_MAX: usize = 60 + 1120 + 65_536 + 16 + 192 + 64;

    /// Bytes of the body for kind and class.
    #[must_use]
    pub const fn body_len(kind: EnvelopeKind, class: SizeClass) -> usize {
        let sealed = class.plaintext_len().saturating_add(Self::TAG_BYTES);
        match kind {
            EnvelopeKind::Inbox => sealed.saturating_add(Self::ENCAPSULATION_BYTES),
            EnvelopeKind::Message | EnvelopeKind::Blob => sealed,
        }
    }

    /// Reads the layout; the whole input must be one envelope.
    ///
    /// # Errors
    /// The first field, from the front, that no envelope has; then the length.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let shortest = Self::HEADER_BYTES
            .saturating_add(Self::body_len(EnvelopeKind::Message, SizeClass::SMALLEST))
            .saturating_add(Signature::BYTES);
        let too_short = EnvelopeError::Length {
            found: bytes.len(),
            expected: shortest,
        };
        let (header, rest) = bytes.split_first_chunk::<60>().ok_or(too_short)?;
        let (&[version, kind, class, auth], header) = header
            .split_first_chunk::<4>()
            .ok_or(EnvelopeError::Version { found: 0 })?;
        if version != Self::VERSION {
            return Err(EnvelopeError::Version { found: version });
        }
        let kind = EnvelopeKind::from_byte(kind).ok_or(EnvelopeError::Kind { found: kind })?;
        let class = SizeClass::new(class).ok_or(EnvelopeError::Class { found: class })?;
        let auth_len = Auth::len_of(auth).ok_or(EnvelopeError::Auth { found: auth })?;
        let body_len = Self::body_len(kind, class);
        let expected = Self::HEADER_BYTES
            .saturating_add(body_len)
            .saturating_add(auth_len)
            .saturating_add(Signature::BYTES);
        let wrong_length = EnvelopeError::Length {
            found: bytes.len(),
            expected,
        };
        if bytes.len() != expected {
            return Err(wrong_length);
        }
        let fields = || {
            let (net, header) = header.split_first_chunk::<4>()?;
            let (rate_epoch, header) = header.split_first_chunk::<4>()?;
            let (one_time_key, header) = header.split_first_chunk::<32>()?;
            let (salt, _) = header.split_first_chunk::<16>()?;
            let (body, rest) = rest.split_at_checked(body_len)?;
            let (auth_block, signature) = rest.split_at_checked(auth_len)?;
            Some(Self {
                kind,
                class,
                net: *net,
                rate_epoch: RateEpoch::new(u32::from_le_bytes(*rate_epoch)),
                one_time_key: PublicKey::from_bytes(*one_time_key),
                salt: *salt,
                body: body.to_vec(),
                auth: Auth::read(auth, auth_block)?,
                signature: Signature::from_bytes(*signature.first_chunk::<64>()?),
            })
        };
        fields().ok_or(wrong_length)
    }

    /// The exact bytes.
    #[must_use]
    pub fn to_bytes(&self) -> EnvelopeBytes {
        let mut bytes = self.header(self.auth.byte());
        bytes.extend_from_slice(&self.body);
        bytes.extend_from_slice(&self.auth.to_bytes());
        bytes.extend_from_slice(self.signature.as_bytes());
        EnvelopeBytes(bytes)
    }

    /// The first 44 bytes, with the auth byte zero: what sealing is bound to.
    #[must_use]
    pub fn associated_data(&self) -> [u8; 44] {
        let mut bound = [0; 44];
        if let Some(header) = self.header(0).first_chunk::<44>() {
            bound = *header;
        }
        bound
    }

    /// What authorisation and signature commit to.
    #[must_use]
    pub fn core_hash(&self) -> CoreHash {
        let parts: [&[u8]; 2] = [&self.header(0), &blake3(&self.body)];
        CoreHash::from_bytes(derive(&context::ENVELOPE_CORE, &parts))
    }

    /// Names the content, whatever authorises it.
    #[must_use]
    pub fn mid(&self) -> MessageId {
        self.names().1
    }

    /// Names the exact bytes.
    #[must_use]
    pub fn wid(&self) -> WireId {
        self.names().2
    }

    /// `core_hash`, `mid` and `wid` at once: hashing the body is the costly part of each.
    #[must_use]
    pub fn names(&self) -> (CoreHash, MessageId, WireId) {
        let core = self.core_hash();
        let mid = derive(&context::ENVELOPE_MID, &[core.as_bytes()]);
        let parts: [&[u8]; 4] = [
            &[self.auth.byte()],
            core.as_bytes(),
            &self.auth.to_bytes(),
            self.signature.as_bytes(),
        ];
        let wid = derive(&context::ENVELOPE_WID, &parts);
        (core, MessageId::from_bytes(mid), WireId::from_bytes(wid))
    }

    /// Signs content and authorisation by the one-time key; the last step of making an envelope.
    pub fn sign(&mut self, chain: &ChainId, keypair: &Keypair, aux_randomness: &[u8; 32]) {
        let body = self.signed_bytes(&self.core_hash());
        self.signature = signature::sign(tag::ENVELOPE, chain, &[&body], keypair, aux_randomness);
    }

    /// Whether the one-time key signed content and authorisation.
    #[must_use]
    pub fn is_signed(&self, chain: &ChainId) -> bool {
        self.is_signed_over(&self.core_hash(), chain)
    }

    /// [`Envelope::is_signed`] for who has computed this envelope's `core_hash` already: the body
    /// is not hashed again.
    #[must_use]
    pub fn is_signed_over(&self, core: &CoreHash, chain: &ChainId) -> bool {
        let body = self.signed_bytes(core);
        signature::verify(
            tag::ENVELOPE,
            chain,
            &[&body],
            &self.one_time_key,
            &self.signature,
        )
    }

    fn signed_bytes(&self, core: &CoreHash) -> Vec<u8> {
        let mut bytes = vec![self.auth.byte()];
        bytes.extend_from_slice(core.as_bytes());
        bytes.extend_from_slice(&self.auth.to_bytes());
        bytes
    }

    fn header(&self, auth: u8) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::BYTES_MAX.min(Self::HEADER_BYTES));
        bytes.extend_from_slice(&[Self::VERSION, self.kind.byte(), self.class.get(), auth]);
        bytes.extend_from_slice(&self.net);
        bytes.extend_from_slice(&self.rate_epoch.get().to_le_bytes());
        bytes.extend_from_slice(self.one_time_key.as_bytes());
        bytes.extend_from_slice(&self.salt);
        bytes
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("kind", &self.kind)
            .field("class", &self.class.get())
            .field("auth", &self.auth.byte())
            .field("rate_epoch", &self.rate_epoch.get())
            .field("one_time_key", &self.one_time_key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
