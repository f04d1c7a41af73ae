//! What each kind of transaction says beyond the common prefix.
//!
//! # Invariants
//! Bodies are well-formed by their type alone: no number in them has been judged.
//!
//! # Spec
//! docs/spec/03-transactions.md §3-4, §7-8
//!
//! # Not here
//! Prefix, signature and the choice by kind: [`super`]. Rules: `consensus`.

use super::{Signed, kind, possession};
use crate::address::AccountId;
use crate::codec::{List, SchemaRead, SchemaWrite};
use crate::hash::ChainId;
use crate::record::{AccountRecord, Stamp};
use crate::signature::{PublicKey, Signature};
use crate::units::{Amount, BondId, MasternodeId};

/// Memory of a transfer's outputs: at most 256 of them.
const OUTPUTS_BYTES_MAX: usize = Transfer::OUTPUTS_MAX * size_of::<Output>();

/// Coins to one or more accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Transfer {
    /// Credited in this order.
    #[wincode(with = "List<Output, OUTPUTS_BYTES_MAX>")]
    pub outputs: Vec<Output>,
}

impl Transfer {
    /// The most outputs that one transfer may have.
    pub const OUTPUTS_MAX: usize = 256;
}

/// One credit of a transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Output {
    /// Who is paid.
    pub to: AccountId,
    /// How much.
    pub amount: Amount,
}

/// A new account record, perhaps admitted by work instead of a fee.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct RecordUpdate {
    /// The record.
    pub record: AccountRecord,
    /// Work in the place of a fee, for an account's first record only.
    pub stamp: Option<Stamp>,
}

/// Coins of the sender, locked so that a key may vote for blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Bond {
    /// Signs the bond's votes.
    pub vote_key: PublicKey,
    /// How much is locked.
    pub amount: Amount,
    /// By the vote key; see [`possession`].
    pub possession: Signature,
}

impl Signed<Bond> {
    /// Whether the holder of the vote key agreed to this very order. A key off the curve has no
    /// holder.
    #[must_use]
    pub fn is_vote_key_possessed(&self, chain: &ChainId) -> bool {
        let Bond {
            vote_key,
            possession,
            ..
        } = &self.body;
        possession::verify(kind::BOND, &self.prefix, chain, vote_key, possession)
    }
}

/// The end of a bond: its coins come back after the network's time of release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Unbond {
    /// Which bond.
    pub bond: BondId,
}

/// Takes a bond out of dormancy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Wake {
    /// Which bond.
    pub bond: BondId,
}

/// A new masternode: the sender owns it and pays its collateral, two other keys work for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct MnRegister {
    /// Signs the orders that keep it in service.
    pub operator_key: PublicKey,
    /// Signs its finality votes.
    pub voting_key: PublicKey,
    /// Who gets its rewards.
    pub payout: AccountId,
    /// Where it is reached.
    pub address: ServiceAddress,
    /// What it offers there, as bits; no rule reads them.
    pub service: u32,
    /// By the operator key; see [`possession`].
    pub operator_possession: Signature,
    /// By the voting key; see [`possession`].
    pub voting_possession: Signature,
}

impl Signed<MnRegister> {
    /// Whether the holders of both keys agreed to this very order. A key off the curve has no
    /// holder.
    #[must_use]
    pub fn are_keys_possessed(&self, chain: &ChainId) -> bool {
        let body = &self.body;
        let keys = [
            (&body.operator_key, &body.operator_possession),
            (&body.voting_key, &body.voting_possession),
        ];
        keys.into_iter().all(|(key, proof)| {
            possession::verify(kind::MN_REGISTER, &self.prefix, chain, key, proof)
        })
    }
}

/// Where a masternode is reached, as it stands on the wire (18 B). Nothing here opens a connection.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite,
)]
pub struct ServiceAddress {
    /// An IPv6 address in network order; IPv4 is mapped into it (`::ffff:a.b.c.d`).
    pub ip: [u8; 16],
    /// Port; a number like all others on the wire, little-endian.
    pub port: u16,
}

impl ServiceAddress {
    /// Bytes of an encoded address.
    pub const BYTES: usize = 18;
}

/// Puts a banned masternode back into service, at the end of the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct MnRevive {
    /// Which masternode.
    pub masternode: MasternodeId,
}

/// The end of a masternode: its collateral comes back after the network's time of release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct MnExit {
    /// Which masternode.
    pub masternode: MasternodeId,
}
