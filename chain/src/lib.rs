//! What things are: the data of the chain and its one canonical codec.
//!
//! ```
//! use chain::{Address, AccountId, Amount, Header, Network, codec};
//!
//! let header = Header { supply: Amount::from_x3c(7).expect("below the cap"), ..Header::default() };
//! let bytes = codec::encode(&header);
//! assert_eq!(bytes.len(), Header::BYTES);
//! assert_eq!(codec::decode::<Header>(&bytes, Header::BYTES), Ok(header));
//!
//! let address = Address::new(Network::Dev, AccountId::from_bytes([7; 20]));
//! assert_eq!(address.to_string().parse::<Address>(), Ok(address));
//! ```
//!
//! # Invariants
//! * No workspace crate, runtime, clock, random generator or serde below this line.
//! * `codec::encode(codec::decode(b)) == b` for every accepted `b`; every length is checked before
//!   it is allocated.
//! * A type here says what a thing *is*. Whether it is *valid* is the `consensus` crate's word.
//!
//! # Spec
//! docs/spec/01-encoding.md, docs/spec/02-blocks.md, docs/spec/03-transactions.md,
//! docs/spec/04-envelopes.md
//!
//! # Not here
//! Rules (`consensus`), numbers of a network (`genesis`), storage keys (`store`), key derivation
//! (`wallet`, `messenger`).

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used,
        clippy::float_arithmetic
    )
)]

pub mod address;
pub mod block;
pub mod codec;
pub mod envelope;
pub mod error;
pub mod evidence;
pub mod finality;
pub mod hash;
pub mod merkle;
pub mod network;
pub mod record;
pub mod signature;
pub mod transaction;
pub mod units;
pub mod vote;

pub use address::{AccountId, Address};
pub use block::{Aux, Block, Body, Header, Uncle};
pub use envelope::{Envelope, EnvelopeBytes};
pub use error::{AddressError, CodecError, EnvelopeError};
pub use hash::{BlockId, ChainId, CoreHash, Hash32, MessageId, TxId, WireId};
pub use network::Network;
pub use signature::{PublicKey, Signature};
pub use transaction::Transaction;
pub use units::{Amount, Height, Timestamp};
