//! Inbox envelopes: how strangers reach an account, and how keys are handed over.
//!
//! # Invariants
//! * The only use of a key encapsulation: everything after an invitation is symmetric.
//! * A sender is named by a signature over recipient, inbox generation, encapsulation, one-time key
//!   and the whole plaintext; it is worth nothing in any other envelope.
//! * An X25519 share that contributes nothing is refused.
//!
//! # Spec
//! docs/spec/09-messages.md §10
//!
//! # Not here
//! Where inbox keys are published: `chain::AccountRecord`. What becomes of an invitation:
//! [`crate::messenger`].

use chain::envelope::{EnvelopeKind, SizeClass};
use chain::hash::{blake3, derive};
use chain::units::RateEpoch;
use chain::{ChainId, Envelope, Height, PublicKey, Signature, Timestamp, signature};
use rand_core::CryptoRng;
use secp256k1::Keypair;
use x_wing::{
    Ciphertext, DecapsulationKeyRejectNonContrib, Encapsulate, EncapsulationKey, TryDecapsulate,
};
use zeroize::Zeroizing;

use crate::capability::Access;
use crate::compose::{Unauthorised, blank};
use crate::context;
use crate::delegation::{Delegation, Scope};
use crate::error::{DelegationError, LayoutError, Refusal, SendError};
use crate::ids::MessageRef;
use crate::keys::InboxSecret;
use crate::layout::{Reader, Writer};
use crate::plaintext::{self, EncodedPlaintext};
use crate::scalar;
use crate::seal;
use crate::secret::{Secret32, SecretBytes};
use crate::self_record::narrow;

/// A delegation follows the sender's key.
const FLAG_DELEGATED: u8 = 1;
/// The sender's key is a throwaway and names nobody.
const FLAG_ANONYMOUS: u8 = 2;

const INVITE: u8 = 1;
const CONTACT_REQUEST: u8 = 2;

/// What an inbox envelope says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InboxContent {
    /// Keys of a conversation.
    Invite {
        /// Encoded [`crate::Capability`], checked when it is received and when it is accepted.
        capability: SecretBytes,
        /// Nothing in the conversation is older.
        birthday: Height,
        /// What the inviter calls it.
        name: String,
    },
    /// A stranger introduces themself.
    ContactRequest {
        /// Their name for themself.
        name: String,
        /// What they say.
        text: crate::secret::PrivateText,
    },
    /// A type that this version does not know or not act on.
    Unsupported(crate::content::Unsupported),
}

/// Who is named as the sender of an inbox envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// An account, by its own or a delegated signature.
    Account(PublicKey),
    /// Nobody.
    Anonymous,
}

/// Whose signature an outgoing inbox envelope bears.
#[derive(Clone, Copy)]
pub enum SignedBy<'a> {
    /// The account's own key; saves the delegation's 191 bytes.
    Account(&'a Keypair),
    /// This device's session key, with its delegation.
    Device,
    /// A throwaway key.
    Nobody,
}

/// Where an inbox envelope goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mailbox {
    pub(crate) owner: PublicKey,
    pub(crate) generation: u32,
}

/// The keys that sign an outgoing inbox envelope.
pub(crate) struct SenderKeys<'a> {
    pub(crate) named: PublicKey,
    pub(crate) delegation: Option<&'a Delegation>,
    pub(crate) pair: &'a Keypair,
    pub(crate) anonymous: bool,
}

/// Everything that makes the same inbox envelope again in a later rate epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InboxDraft {
    pub(crate) encapsulation: Vec<u8>,
    pub(crate) seal_key: Secret32,
    pub(crate) one_time_secret: Secret32,
    pub(crate) plaintext: EncodedPlaintext,
}

/// What was found in an inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InboxMessage {
    pub(crate) reference: MessageRef,
    pub(crate) sender: Sender,
    pub(crate) sent: Timestamp,
    pub(crate) content: InboxContent,
    /// The plaintext without padding.
    pub(crate) bytes: SecretBytes,
}

impl InboxContent {
    const fn code(&self) -> u8 {
        match self {
            Self::Invite { .. } => INVITE,
            Self::ContactRequest { .. } => CONTACT_REQUEST,
            Self::Unsupported(unsupported) => unsupported.code,
        }
    }

    fn encode(&self) -> Result<Vec<u8>, LayoutError> {
        let writer = match self {
            Self::Invite {
                capability,
                birthday,
                name,
            } => Writer::new()
                .bytes(capability.expose())
                .u32(narrow(*birthday))
                .str8(name)?,
            Self::ContactRequest { name, text } => Writer::new().str8(name)?.str16(&text.0)?,
            Self::Unsupported(unsupported) => Writer::new().bytes(&unsupported.body),
        };
        Ok(writer.into_bytes())
    }

    fn decode(code: u8, body: &[u8]) -> Result<Self, LayoutError> {
        let mut reader = Reader::new(body);
        let content = match code {
            INVITE => {
                let kind = reader.clone().u8()?;
                let access = Access::from_byte(kind).ok_or(LayoutError::UnknownValue {
                    field: "capability",
                    found: kind.into(),
                })?;
                let capability = reader.bytes(access.capability_bytes())?.to_vec();
                let birthday = Height::new(reader.u32()?.into());
                let capability = SecretBytes::new(capability);
                Self::Invite {
                    capability,
                    birthday,
                    name: reader.str8()?,
                }
            }
            CONTACT_REQUEST => {
                let name = reader.str8()?;
                Self::ContactRequest {
                    name,
                    text: crate::secret::PrivateText(reader.str16()?),
                }
            }
            _ => {
                let body = body.to_vec();
                return Ok(Self::Unsupported(crate::content::Unsupported {
                    code,
                    body,
                }));
            }
        };
        reader.finish()?;
        Ok(content)
    }
}

impl InboxDraft {
    /// Encapsulates to the mailbox, signs and keeps what sealing needs.
    pub(crate) fn new(
        mailbox: Mailbox,
        encapsulation_key: &[u8; 1216],
        sender: &SenderKeys<'_>,
        content: &InboxContent,
        sent: Timestamp,
        chain: &ChainId,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, SendError> {
        let key = EncapsulationKey::try_from(&encapsulation_key[..])
            .map_err(|_| SendError::BadInboxKey)?;
        let (encapsulation, shared) = key.encapsulate_with_rng(rng);
        let shared = Zeroizing::new(<[u8; 32]>::from(shared));
        let encapsulation = encapsulation.to_vec();
        let seal_key = seal_key(&shared, &encapsulation, mailbox);
        let one_time_secret = scalar::random(rng);
        let one_time_key = scalar::public_key(&one_time_secret);
        let mut bytes = Zeroizing::new(write(sender, content, sent, chain)?);
        let body = signed_bytes(mailbox, &encapsulation, &one_time_key, &bytes);
        let mut aux_randomness = [0; 32];
        rng.fill_bytes(&mut aux_randomness);
        let signature = signature::sign(
            context::TAG_INBOX,
            chain,
            &[&body],
            sender.pair,
            &aux_randomness,
        );
        bytes.extend_from_slice(signature.as_bytes());
        let too_long = LayoutError::BodyTooLong {
            found: bytes.len(),
            max: SizeClass::LARGEST.plaintext_len(),
        };
        let class = SizeClass::holding(bytes.len()).ok_or(too_long)?;
        let plaintext = EncodedPlaintext {
            bytes: SecretBytes::new(std::mem::take(&mut *bytes)),
            class,
        };
        Ok(Self {
            encapsulation,
            seal_key,
            one_time_secret,
            plaintext,
        })
    }

    pub(crate) fn one_time_key(&self) -> PublicKey {
        scalar::public_key(&self.one_time_secret)
    }

    pub(crate) fn reference(&self) -> MessageRef {
        plaintext::reference(&self.one_time_key(), &self.plaintext.padded())
    }

    /// Seals in a rate epoch; encapsulation, one-time key and plaintext stay the same.
    pub(crate) fn seal(&self, chain: &ChainId, rate_epoch: RateEpoch) -> Unauthorised {
        let class = self.plaintext.class;
        let mut envelope = blank(
            EnvelopeKind::Inbox,
            class,
            self.one_time_key(),
            chain,
            rate_epoch,
        );
        let associated = associated_data(&envelope, &self.encapsulation);
        let padded = self.plaintext.padded();
        let (salt, sealed) = seal::seal(self.seal_key.expose(), &associated, &padded);
        envelope.salt = salt;
        envelope.body = [&self.encapsulation[..], &sealed].concat();
        Unauthorised::sealed(self.reference(), envelope, self.one_time_secret.clone())
    }
}

/// Tries to open an inbox envelope. `Ok(None)`: it is for somebody else.
pub(crate) fn open(
    envelope: &Envelope,
    secret: &InboxSecret,
    mailbox: Mailbox,
    chain: &ChainId,
    height: Height,
) -> Result<Option<InboxMessage>, Refusal> {
    let Some((encapsulation, sealed)) = envelope
        .body
        .split_at_checked(Envelope::ENCAPSULATION_BYTES)
    else {
        return Ok(None);
    };
    let Ok(ciphertext) = Ciphertext::try_from(encapsulation) else {
        return Ok(None);
    };
    let decapsulation = DecapsulationKeyRejectNonContrib::from(*secret.expose());
    let Ok(shared) = decapsulation.try_decapsulate(&ciphertext) else {
        return Ok(None);
    };
    let shared = Zeroizing::new(<[u8; 32]>::from(shared));
    let key = seal_key(&shared, encapsulation, mailbox);
    let associated = associated_data(envelope, encapsulation);
    let padded = match seal::open(key.expose(), &associated, &envelope.salt, sealed) {
        Ok(padded) => padded,
        // The expected answer for everybody else's envelopes.
        Err(Refusal::NotSealedForUs) => return Ok(None),
        Err(refusal) => return Err(refusal),
    };
    read(
        &padded,
        mailbox,
        encapsulation,
        &envelope.one_time_key,
        chain,
        height,
    )
    .map(Some)
}

fn seal_key(shared: &[u8; 32], encapsulation: &[u8], mailbox: Mailbox) -> Secret32 {
    let digest = blake3(encapsulation);
    let generation = mailbox.generation.to_le_bytes();
    let parts: [&[u8]; 4] = [shared, &digest, mailbox.owner.as_bytes(), &generation];
    Secret32::from_bytes(derive(&context::INBOX, &parts))
}

fn associated_data(envelope: &Envelope, encapsulation: &[u8]) -> Vec<u8> {
    [&envelope.associated_data()[..], &blake3(encapsulation)].concat()
}

fn write(
    sender: &SenderKeys<'_>,
    content: &InboxContent,
    sent: Timestamp,
    chain: &ChainId,
) -> Result<Vec<u8>, LayoutError> {
    let delegated = sender.delegation.map_or(0, |_| FLAG_DELEGATED);
    let anonymous = if sender.anonymous { FLAG_ANONYMOUS } else { 0 };
    let writer = Writer::new()
        .u8(content.code())
        .u8(delegated | anonymous)
        .bytes(sender.named.as_bytes());
    let writer = match sender.delegation {
        Some(delegation) => writer.bytes(&delegation.encode(chain)),
        None => writer,
    };
    let body = Zeroizing::new(content.encode()?);
    let len = u16::try_from(body.len()).map_err(|_| LayoutError::BodyTooLong {
        found: body.len(),
        max: u16::MAX.into(),
    })?;
    Ok(writer.u64(sent.get()).u16(len).bytes(&body).into_bytes())
}

fn read(
    padded: &[u8],
    mailbox: Mailbox,
    encapsulation: &[u8],
    one_time_key: &PublicKey,
    chain: &ChainId,
    height: Height,
) -> Result<InboxMessage, Refusal> {
    let mut reader = Reader::new(padded);
    let (code, flags) = (reader.u8()?, reader.u8()?);
    // A delegation names an account, an anonymous sender names none: never both.
    if !matches!(flags, 0 | FLAG_DELEGATED | FLAG_ANONYMOUS) {
        return Err(Refusal::UnknownFlags { found: flags });
    }
    let named = PublicKey::from_bytes(reader.array()?);
    let delegation = match flags {
        FLAG_DELEGATED => Some(Delegation::decode(&reader.array()?, chain)?),
        _ => None,
    };
    let sent = Timestamp::new(reader.u64()?);
    let len = usize::from(reader.u16()?);
    let body = reader.bytes(len)?;
    let rest = reader.clone().remainder().len();
    let (before_signature, _) = padded.split_at(padded.len() - rest);
    let signature = Signature::from_bytes(reader.array()?);
    let unpadded = padded.len() - reader.clone().remainder().len();
    reader.finish_with_zeros()?;
    let signer = match &delegation {
        None => named,
        Some(delegation) => {
            if *delegation.account() != named {
                return Err(DelegationError::Forged.into());
            }
            delegation.check_use(Scope::INVITE, None, height)?;
            delegation.terms().session
        }
    };
    let signed = signed_bytes(mailbox, encapsulation, one_time_key, before_signature);
    if !signature::verify(context::TAG_INBOX, chain, &[&signed], &signer, &signature) {
        return Err(Refusal::ForgedSender);
    }
    let sender = if flags == FLAG_ANONYMOUS {
        Sender::Anonymous
    } else {
        Sender::Account(named)
    };
    Ok(InboxMessage {
        reference: plaintext::reference(one_time_key, padded),
        sender,
        sent,
        content: InboxContent::decode(code, body)?,
        bytes: SecretBytes::new(padded[..unpadded].to_vec()),
    })
}

/// Reads back what [`open`] accepted and the change set kept: no check is repeated.
pub(crate) fn reread(
    reference: MessageRef,
    bytes: &SecretBytes,
) -> Result<InboxMessage, LayoutError> {
    let mut reader = Reader::new(bytes.expose());
    let (code, flags) = (reader.u8()?, reader.u8()?);
    let named = PublicKey::from_bytes(reader.array()?);
    if flags == FLAG_DELEGATED {
        reader.bytes(Delegation::BYTES)?;
    }
    let sent = Timestamp::new(reader.u64()?);
    let len = usize::from(reader.u16()?);
    let content = InboxContent::decode(code, reader.bytes(len)?)?;
    let sender = if flags == FLAG_ANONYMOUS {
        Sender::Anonymous
    } else {
        Sender::Account(named)
    };
    Ok(InboxMessage {
        reference,
        sender,
        sent,
        content,
        bytes: bytes.clone(),
    })
}

fn signed_bytes(
    mailbox: Mailbox,
    encapsulation: &[u8],
    one_time_key: &PublicKey,
    before_signature: &[u8],
) -> Vec<u8> {
    Writer::new()
        .bytes(mailbox.owner.as_bytes())
        .u32(mailbox.generation)
        .bytes(&blake3(encapsulation))
        .bytes(one_time_key.as_bytes())
        .bytes(&blake3(before_signature))
        .into_bytes()
}

#[cfg(test)]
mod tests;
