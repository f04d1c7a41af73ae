//! Every door through which bytes of strangers become values of this crate, in one table.
//!
//! # Invariants
//! * A name occurs once; it names the type, the line in `conformance.toml`, the corpus folder and
//!   the fuzz target.
//! * `bytes_max` is what callers pass to the decoder when the bytes come from outside.
//!
//! # Spec
//! docs/spec/01-encoding.md §1
//!
//! # Not here
//! Values to feed the doors with: `seeded.rs`.

use chain::codec::{self, Decode, Encode};
use chain::envelope::{ClearPayment, CreditSpend, RateLimitProof};
use chain::evidence::Evidence;
use chain::finality::{FinalityGroup, FinalityVote};
use chain::record::{AccountRecord, Stamp};
use chain::transaction::{Bond, MnExit, MnRegister, MnRevive, Signed, Unbond, Wake};
use chain::vote::{IncludedVote, Vote};
use chain::{Address, Aux, Block, Body, Envelope, EnvelopeBytes, Header, Transaction};

/// One door.
pub(crate) struct Decoder {
    /// Name of the type, in snake case.
    pub(crate) name: &'static str,
    /// The longest input that is looked at.
    pub(crate) bytes_max: usize,
    /// Reads the bytes and drops the value; `Err` holds the name of the error's variant.
    pub(crate) decode: fn(&[u8]) -> Result<(), &'static str>,
    /// Reads the bytes and writes the value again.
    pub(crate) recode: fn(&[u8]) -> Option<Vec<u8>>,
}

/// All of them.
pub(crate) const DECODERS: [Decoder; 23] = [
    by_codec::<Header, { Header::BYTES }>("header"),
    by_codec::<Transaction, { Transaction::BYTES_MAX }>("transaction"),
    by_codec::<Signed<Bond>, { order_bytes(104) }>("bond"),
    by_codec::<Signed<Unbond>, { order_bytes(4) }>("unbond"),
    by_codec::<Signed<Wake>, { order_bytes(4) }>("wake"),
    by_codec::<Signed<MnRegister>, { order_bytes(234) }>("mn_register"),
    by_codec::<Signed<MnRevive>, { order_bytes(4) }>("mn_revive"),
    by_codec::<Signed<MnExit>, { order_bytes(4) }>("mn_exit"),
    by_codec::<AccountRecord, { AccountRecord::BYTES }>("account_record"),
    by_codec::<Stamp, { Stamp::BYTES }>("stamp"),
    by_codec::<Vote, 108>("vote"),
    by_codec::<IncludedVote, 69>("included_vote"),
    by_codec::<FinalityVote, 108>("finality_vote"),
    by_codec::<FinalityGroup, { 4 + 8 + 256 * 68 }>("finality_group"),
    by_codec::<Evidence, { 1 + 4 + 2 * (4 + 4 + 32 + 64) }>("evidence"),
    by_codec::<Aux, { 64 << 10 }>("aux"),
    by_codec::<Body, { Body::BYTES_MAX }>("body"),
    by_codec::<Block, { Block::BYTES_MAX }>("block"),
    by_codec::<EnvelopeBytes, { 8 + Envelope::BYTES_MAX }>("envelope_bytes"),
    by_codec::<RateLimitProof, 192>("rate_limit_proof"),
    by_codec::<CreditSpend, 192>("credit_spend"),
    by_codec::<ClearPayment, 112>("clear_payment"),
    Decoder {
        name: "envelope",
        bytes_max: Envelope::BYTES_MAX,
        decode: |bytes| {
            Envelope::parse(bytes)
                .map(drop)
                .map_err(|error| envelope_reason(&error))
        },
        recode: |bytes| Some(Envelope::parse(bytes).ok()?.to_bytes().as_slice().to_vec()),
    },
];

/// Bytes of an order whose body has so many: with prefix and signature, without version and kind.
const fn order_bytes(body_bytes: usize) -> usize {
    56 + body_bytes + 64
}

/// The one text among the doors; its canonical form is lower case.
pub(crate) fn decode_address(text: &str) -> Option<String> {
    text.parse::<Address>()
        .ok()
        .map(|address| address.to_string())
}

/// The door of that name.
pub(crate) fn decoder(name: &str) -> &'static Decoder {
    let found = DECODERS.iter().find(|decoder| decoder.name == name);
    found.unwrap_or_else(|| panic!("no decoder is named {name}"))
}

const fn by_codec<T: Encode + Decode, const BYTES_MAX: usize>(name: &'static str) -> Decoder {
    Decoder {
        name,
        bytes_max: BYTES_MAX,
        decode: |bytes| {
            codec::decode::<T>(bytes, BYTES_MAX)
                .map(drop)
                .map_err(|error| codec_reason(&error))
        },
        recode: |bytes| Some(codec::encode(&codec::decode::<T>(bytes, BYTES_MAX).ok()?)),
    }
}

fn codec_reason(error: &chain::CodecError) -> &'static str {
    match error {
        chain::CodecError::TooLong { .. } => "TooLong",
        chain::CodecError::Malformed { .. } => "Malformed",
        _ => "a reason that this table does not know",
    }
}

fn envelope_reason(error: &chain::EnvelopeError) -> &'static str {
    match error {
        chain::EnvelopeError::Length { .. } => "Length",
        chain::EnvelopeError::Version { .. } => "Version",
        chain::EnvelopeError::Kind { .. } => "Kind",
        chain::EnvelopeError::Class { .. } => "Class",
        chain::EnvelopeError::Auth { .. } => "Auth",
        _ => "a reason that this table does not know",
    }
}
