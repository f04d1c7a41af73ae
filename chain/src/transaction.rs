//! Transactions: a common prefix, a body by kind, the sender's signature.
//!
//! # Invariants
//! * Wire order is `version | kind | sender | nonce | max_fee | tip | body | signature`; the prefix
//!   has 58 bytes.
//! * The id covers all bytes before the signature; so does the signature.
//! * The numbers of kinds that are not live yet are reserved ([`reserved`]): their bytes do not
//!   decode until the issue that makes them live gives them a variant here.
//! * What all kinds have in common is reached by one list of all kinds, so that a new one cannot be
//!   forgotten.
//!
//! # Spec
//! docs/spec/03-transactions.md
//!
//! # Not here
//! Bodies: [`orders`]. Fees, balances, from when a kind is active, and every other rule:
//! `consensus::transaction`. Building one: `wallet`.

use secp256k1::Keypair;

use crate::address::AccountId;
use crate::codec::{self, SchemaRead, SchemaWrite};
use crate::hash::{ChainId, TxId, context, derive};
use crate::record::Stamp;
use crate::signature::{self, PublicKey, Signature, tag};
use crate::units::Amount;

pub mod orders;
pub mod possession;

pub use orders::{
    Bond, MnExit, MnRegister, MnRevive, Output, RecordUpdate, ServiceAddress, Transfer, Unbond,
    Wake,
};

/// Numbers of the kinds that decode.
pub mod kind {
    /// Coins to one or more accounts.
    pub const TRANSFER: u8 = 0;
    /// Bond coins for voting.
    pub const BOND: u8 = 1;
    /// Release a bond.
    pub const UNBOND: u8 = 2;
    /// Wake a dormant bond.
    pub const WAKE: u8 = 3;
    /// Register a masternode.
    pub const MN_REGISTER: u8 = 5;
    /// Revive a banned masternode.
    pub const MN_REVIVE: u8 = 6;
    /// Retire a masternode.
    pub const MN_EXIT: u8 = 7;
    /// A new account record.
    pub const ACCOUNT_RECORD: u8 = 8;
}

/// Kind numbers that later transactions will use; none may be taken for anything else.
pub mod reserved {
    /// Give a bond's weight to a masternode.
    pub const DELEGATE_BOND: u8 = 4;
    /// Revoke a delegation certificate.
    pub const REVOKE: u8 = 9;
    /// Announce a broadcast.
    pub const BROADCAST_RECORD: u8 = 10;
    /// Buy an anonymous credit.
    pub const BUY_CREDIT: u8 = 11;
    /// Join the rate-limit group.
    pub const RLN_REGISTER: u8 = 12;
    /// Change a membership.
    pub const RLN_UPDATE: u8 = 13;
    /// Leave the rate-limit group.
    pub const RLN_EXIT: u8 = 14;
    /// Prove a broken rate limit.
    pub const RLN_SLASH: u8 = 15;
    /// Claim a name.
    pub const NAME_CLAIM: u8 = 16;
}

/// A signed order of an account.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Transaction {
    /// Layout version, 1.
    pub version: u8,
    /// What is ordered, by whom.
    pub order: Order,
}

/// The order by its kind.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub enum Order {
    /// Coins to one or more accounts.
    #[wincode(tag = 0)]
    Transfer(Signed<Transfer>),
    /// Coins locked for voting.
    #[wincode(tag = 1)]
    Bond(Signed<Bond>),
    /// A bond to be released.
    #[wincode(tag = 2)]
    Unbond(Signed<Unbond>),
    /// A dormant bond that votes again.
    #[wincode(tag = 3)]
    Wake(Signed<Wake>),
    /// A new masternode.
    #[wincode(tag = 5)]
    MnRegister(Signed<MnRegister>),
    /// A banned masternode that serves again.
    #[wincode(tag = 6)]
    MnRevive(Signed<MnRevive>),
    /// A masternode that retires.
    #[wincode(tag = 7)]
    MnExit(Signed<MnExit>),
    /// A new account record.
    #[wincode(tag = 8)]
    AccountRecord(Signed<RecordUpdate>),
}

/// Prefix, body and signature of one order.
#[derive(Clone, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Signed<B> {
    /// Who pays, and how much at most.
    pub prefix: Prefix,
    /// What the kind needs.
    pub body: B,
    /// By the sender over everything before.
    pub signature: Signature,
}

/// What all kinds have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Prefix {
    /// The account's key.
    pub sender: PublicKey,
    /// The account's count of orders before this one.
    pub nonce: u64,
    /// The largest burned fee that the sender accepts.
    pub max_fee: Amount,
    /// What the miner gets.
    pub tip: Amount,
}

/// Does the same with an order of every kind.
macro_rules! with_signed {
    ($order:expr, $signed:ident => $value:expr) => {
        match $order {
            Order::Transfer($signed) => $value,
            Order::Bond($signed) => $value,
            Order::Unbond($signed) => $value,
            Order::Wake($signed) => $value,
            Order::MnRegister($signed) => $value,
            Order::MnRevive($signed) => $value,
            Order::MnExit($signed) => $value,
            Order::AccountRecord($signed) => $value,
        }
    };
}

impl Order {
    /// Kind number on the wire.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Transfer(_) => kind::TRANSFER,
            Self::Bond(_) => kind::BOND,
            Self::Unbond(_) => kind::UNBOND,
            Self::Wake(_) => kind::WAKE,
            Self::MnRegister(_) => kind::MN_REGISTER,
            Self::MnRevive(_) => kind::MN_REVIVE,
            Self::MnExit(_) => kind::MN_EXIT,
            Self::AccountRecord(_) => kind::ACCOUNT_RECORD,
        }
    }
}

impl Transaction {
    /// The only layout version there is.
    pub const VERSION: u8 = 1;
    /// The largest transaction (bytes).
    pub const BYTES_MAX: usize = 16 << 10;

    /// Signs `order` by the sender's keypair; the signature it holds is replaced.
    #[must_use]
    pub fn signed(
        order: Order,
        chain: &ChainId,
        keypair: &Keypair,
        aux_randomness: &[u8; 32],
    ) -> Self {
        let mut transaction = Self {
            version: Self::VERSION,
            order,
        };
        let body = transaction.signed_bytes();
        let signature = signature::sign(tag::TRANSACTION, chain, &[&body], keypair, aux_randomness);
        with_signed!(&mut transaction.order, signed => signed.signature = signature);
        transaction
    }

    /// Whether the sender signed it.
    #[must_use]
    pub fn is_signed(&self, chain: &ChainId) -> bool {
        let body = self.signed_bytes();
        signature::verify(
            tag::TRANSACTION,
            chain,
            &[&body],
            &self.prefix().sender,
            self.signature(),
        )
    }

    /// What all kinds have in common.
    #[must_use]
    pub fn prefix(&self) -> &Prefix {
        with_signed!(&self.order, signed => &signed.prefix)
    }

    /// The sender's signature.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        with_signed!(&self.order, signed => &signed.signature)
    }

    /// The account that pays.
    #[must_use]
    pub fn sender(&self) -> AccountId {
        AccountId::from(&self.prefix().sender)
    }

    /// Kind number on the wire.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        self.order.kind()
    }

    /// Names the transaction.
    #[must_use]
    pub fn id(&self) -> TxId {
        TxId::from_bytes(derive(&context::TX_ID, &[&self.signed_bytes()]))
    }

    /// What the stamp of a first record commits to, in the place of an envelope's core hash: all
    /// bytes before the stamp's effort. The id would be circular.
    ///
    /// Nothing for orders that cannot carry a stamp.
    #[must_use]
    pub fn stamp_commitment(&self) -> Option<[u8; 32]> {
        let Order::AccountRecord(Signed {
            body: RecordUpdate { stamp: Some(_), .. },
            ..
        }) = &self.order
        else {
            return None;
        };
        let bytes = codec::encode(self);
        let before_effort = bytes
            .len()
            .checked_sub(Stamp::BYTES)?
            .checked_sub(Signature::BYTES)?;
        Some(derive(
            &context::RECORD_STAMP,
            &[bytes.get(..before_effort)?],
        ))
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = codec::encode(self);
        bytes.truncate(bytes.len().saturating_sub(Signature::BYTES));
        bytes
    }
}

#[cfg(test)]
mod tests;
