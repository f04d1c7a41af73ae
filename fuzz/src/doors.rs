//! The doors above `chain`: payloads between nodes, capabilities, links, stored change sets, texts that
//! people paste.
//!
//! # Invariants
//! * A name occurs once; it names the corpus folder and the fuzz target.
//! * Whoever includes this file has `node::wire`, the crate's or the file's, in the module above.
//!
//! # Not here
//! The doors of `chain`: `chain/tests/samples/decoders.rs`. Padded plaintexts, which no public function
//! reads: the tests of `messenger`.

use chain::ChainId;
use chain::codec::{self, Decode, Encode};
use messenger::{Capability, InviteLink};
use wallet::PaymentUri;

use super::node::wire::{
    BlockAnnouncement, BodiesRequest, BodiesResponse, HeadersRequest, HeadersResponse, Items,
    MempoolRequest, MempoolResponse, MissingRequest,
};

/// One door.
pub struct Door {
    /// Its name, in snake case.
    pub name: &'static str,
    /// The longest input that is looked at (bytes).
    pub bytes_max: usize,
    /// Reads the bytes; what was accepted is written again.
    pub recode: fn(&[u8]) -> Option<Vec<u8>>,
}

/// All of them.
pub const DOORS: [Door; 14] = [
    by_codec::<BlockAnnouncement, { BlockAnnouncement::BYTES_MAX }>("block_announcement"),
    by_codec::<HeadersRequest, { HeadersRequest::BYTES_MAX }>("headers_request"),
    by_codec::<HeadersResponse, { HeadersResponse::BYTES_MAX }>("headers_response"),
    by_codec::<BodiesRequest, { BodiesRequest::BYTES_MAX }>("bodies_request"),
    by_codec::<BodiesResponse, { BodiesResponse::BYTES_MAX }>("bodies_response"),
    by_codec::<MempoolRequest, { MempoolRequest::BYTES_MAX }>("mempool_request"),
    by_codec::<MempoolResponse, { MempoolResponse::BYTES_MAX }>("mempool_response"),
    by_codec::<MissingRequest, { MissingRequest::BYTES_MAX }>("missing_request"),
    by_codec::<Items, { Items::BYTES_MAX }>("items"),
    Door {
        name: "capability",
        bytes_max: 256,
        recode: |bytes| {
            let capability = Capability::decode(bytes, &ChainId::default()).ok()?;
            Some(capability.encode().expose().to_vec())
        },
    },
    Door {
        name: "invite_link",
        bytes_max: 4096,
        recode: |bytes| {
            let text = std::str::from_utf8(bytes).ok()?;
            let link = InviteLink::parse(text, &ChainId::default()).ok()?;
            Some(link.to_secret_text().ok()?.as_bytes().to_vec())
        },
    },
    Door {
        name: "payment_uri",
        bytes_max: 4096,
        recode: |bytes| {
            // One link has several spellings: what is printed is read as the same link again.
            let link = PaymentUri::parse(std::str::from_utf8(bytes).ok()?).ok()?;
            let printed = link.to_string();
            assert_eq!(PaymentUri::parse(&printed), Ok(link));
            Some(bytes.to_vec())
        },
    },
    Door {
        name: "wallet_change_set",
        bytes_max: wallet::change_set::CHANGE_SET_BYTES_MAX,
        recode: |bytes| Some(wallet::ChangeSet::decode(bytes).ok()?.encode()),
    },
    Door {
        name: "messenger_change_set",
        bytes_max: messenger::change_set::CHANGE_SET_BYTES_MAX,
        recode: |bytes| {
            Some(
                messenger::ChangeSet::decode(bytes)
                    .ok()?
                    .encode()
                    .expose()
                    .to_vec(),
            )
        },
    },
];

const fn by_codec<T: Encode + Decode, const BYTES_MAX: usize>(name: &'static str) -> Door {
    Door {
        name,
        bytes_max: BYTES_MAX,
        recode: |bytes| Some(codec::encode(&codec::decode::<T>(bytes, BYTES_MAX).ok()?)),
    }
}
