//! The JSON objects that hold a method's parameters.
//!
//! # Invariants
//! Unknown members are refused; what may be left out is an `Option`.
//!
//! # Spec
//! docs/spec/07-rpc.md §3
//!
//! # Not here
//! Answers: [`super`]. How a block is named by height or id: [`super::view`].

use chain::{BlockId, Hash32, MessageId, PublicKey, TxId};

use super::{Acknowledgement, AddressText, Hex, RawHex, SubscriptionName};
use crate::schema::parameters;

parameters! {
    /// Whom to connect to.
    Connect {
        /// A multiaddr; `/p2p/<id>` at its end is optional.
        address: String,
    }

    /// A block by its height in the best chain or by its id: exactly one of them.
    GetHeader {
        /// Height in the best chain.
        height: Option<u64>,
        /// Block id.
        id: Option<Hex<BlockId>>,
    }

    /// A block by its height in the best chain or by its id: exactly one of them.
    GetBlock {
        /// Height in the best chain.
        height: Option<u64>,
        /// Block id.
        id: Option<Hex<BlockId>>,
        /// Only the header and the whole block in hexadecimal.
        raw: Option<bool>,
    }

    /// Which transaction.
    GetTransaction {
        /// Transaction id.
        id: Hex<TxId>,
    }

    /// Which envelope.
    GetEnvelope {
        /// Message id (`mid`).
        id: Hex<MessageId>,
    }

    /// Which blocks' envelopes.
    GetEnvelopes {
        /// Height of the first block.
        from: u64,
        /// Blocks wanted; at most 256 are answered.
        count: u32,
    }

    /// Which account.
    GetAccount {
        /// Its address.
        address: AddressText,
    }

    /// A bond by its number or by its vote key: exactly one of them.
    GetBond {
        /// Its number.
        bond: Option<u32>,
        /// The key that signs its votes, while it holds coins.
        vote_key: Option<Hex<PublicKey>>,
    }

    /// A masternode by its number or by a key of it: exactly one of them.
    GetMasternode {
        /// Its number.
        masternode: Option<u32>,
        /// Its operator's key or its voting key.
        key: Option<Hex<PublicKey>>,
    }

    /// Whose bonds or masternodes.
    GetOwned {
        /// Address of the owner.
        address: AddressText,
        /// Number to begin with; 0 if absent.
        from: Option<u32>,
    }

    /// Which committee.
    GetCommittee {
        /// The height that it votes for; that of the next block if absent.
        height: Option<u64>,
    }

    /// Which blocks' seats.
    GetSeats {
        /// Height of the first block.
        from: u64,
        /// Blocks wanted; at most 256 are answered.
        count: u32,
    }

    /// Which state.
    GetStateHash {
        /// Height in the best chain; the tip if absent.
        height: Option<u64>,
    }

    /// A block to take in.
    SubmitBlock {
        /// The encoded block.
        raw: RawHex,
    }

    /// A transaction or an envelope to take in.
    Submit {
        /// The encoded object.
        raw: RawHex,
        /// When to answer; `accepted` if absent.
        ack: Option<Acknowledgement>,
    }

    /// Which part of the mempool.
    GetMempool {
        /// Only ids above this one, in byte order.
        after: Option<Hex<Hash32>>,
        /// Ids wanted; at most 10,000 are answered.
        count: Option<u32>,
        /// Also the encoded envelopes; the page ends early with the one that brings them to 2 MiB.
        raw: Option<bool>,
    }

    /// Whose template.
    GetTemplate {
        /// Who gets the reward.
        address: AddressText,
    }

    /// A solved template.
    SubmitSolution {
        /// The template's `job`.
        job: String,
        /// First search counter.
        nonce: u64,
        /// Second search counter.
        extra: u64,
        /// Equi-X solution.
        solution: Hex<[u8; 16]>,
    }

    /// How many blocks for whom.
    Generate {
        /// Blocks to make.
        count: u32,
        /// Who gets the rewards.
        address: AddressText,
    }

    /// Which block.
    BlockReference {
        /// Block id.
        id: Hex<BlockId>,
    }

    /// Which subscription.
    Unsubscribe {
        /// What the subscribing call has answered.
        subscription: SubscriptionName,
    }

    /// A time.
    SetTime {
        /// What the node's clock shall show (ms since 1970).
        ms: u64,
    }
}
