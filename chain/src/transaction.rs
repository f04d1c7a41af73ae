//! Transactions: a common prefix, a body by kind, the sender's signature.
//!
//! # Invariants
//! * Wire order is `version | kind | sender | nonce | max_fee | tip | body | signature`; the prefix
//!   has 58 bytes.
//! * The id covers all bytes before the signature; so does the signature.
//! * The numbers of kinds that are not live yet are reserved ([`reserved`]): their bytes do not
//!   decode until the issue that makes them live gives them a variant here.
//!
//! # Spec
//! docs/spec/03-transactions.md
//!
//! # Not here
//! Fees, balances and every other rule: `consensus::transaction`. Building one: `wallet`.

use secp256k1::Keypair;

use crate::address::AccountId;
use crate::codec::{self, List, SchemaRead, SchemaWrite};
use crate::hash::{ChainId, TxId, context, derive};
use crate::record::{AccountRecord, Stamp};
use crate::signature::{self, PublicKey, Signature, tag};
use crate::units::Amount;

/// Kind numbers that later transactions will use; none may be taken for anything else.
pub mod reserved {
    /// Bond coins for voting.
    pub const BOND: u8 = 1;
    /// Release a bond.
    pub const UNBOND: u8 = 2;
    /// Wake a dormant bond.
    pub const WAKE: u8 = 3;
    /// Give a bond's weight to a masternode.
    pub const DELEGATE_BOND: u8 = 4;
    /// Register a masternode.
    pub const MN_REGISTER: u8 = 5;
    /// Revive a banned masternode.
    pub const MN_REVIVE: u8 = 6;
    /// Retire a masternode.
    pub const MN_EXIT: u8 = 7;
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
        match &mut transaction.order {
            Order::Transfer(order) => order.signature = signature,
            Order::AccountRecord(order) => order.signature = signature,
        }
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
        match &self.order {
            Order::Transfer(order) => &order.prefix,
            Order::AccountRecord(order) => &order.prefix,
        }
    }

    /// The sender's signature.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        match &self.order {
            Order::Transfer(order) => &order.signature,
            Order::AccountRecord(order) => &order.signature,
        }
    }

    /// The account that pays.
    #[must_use]
    pub fn sender(&self) -> AccountId {
        AccountId::from(&self.prefix().sender)
    }

    /// Kind number on the wire.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match &self.order {
            Order::Transfer(_) => 0,
            Order::AccountRecord(_) => 8,
        }
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
mod tests {
    use super::*;
    use crate::record::InboxKey;

    fn keypair() -> Keypair {
        Keypair::from_secret_bytes([5; 32]).expect("a valid secret")
    }

    fn prefix() -> Prefix {
        Prefix {
            sender: PublicKey::from(&keypair()),
            nonce: 3,
            ..Prefix::default()
        }
    }

    fn transfer() -> Transaction {
        let output = Output {
            to: AccountId::from_bytes([1; 20]),
            amount: Amount::from_base(9),
        };
        let body = Transfer {
            outputs: vec![output],
        };
        let order = Signed {
            prefix: prefix(),
            body,
            signature: Signature::default(),
        };
        Transaction::signed(
            Order::Transfer(order),
            &ChainId::default(),
            &keypair(),
            &[0; 32],
        )
    }

    fn update(stamp: Option<Stamp>) -> Transaction {
        let record = AccountRecord {
            version: 1,
            key: prefix().sender,
            inbox_generation: 1,
            inbox_key: InboxKey::from_bytes([0; InboxKey::BYTES]),
            valid_from: 0,
            valid_to: u32::MAX,
            flags: 0,
            name_hash: [0; 32],
            previous: [0; 24],
            signature: Signature::default(),
        };
        let body = RecordUpdate { record, stamp };
        let order = Signed {
            prefix: prefix(),
            body,
            signature: Signature::default(),
        };
        Transaction::signed(
            Order::AccountRecord(order),
            &ChainId::default(),
            &keypair(),
            &[0; 32],
        )
    }

    #[test]
    fn the_wire_order_is_the_specified_one() {
        let bytes = codec::encode(&transfer());
        assert_eq!(bytes.len(), 58 + 8 + 28 + 64);
        assert_eq!(bytes[..2], [1, 0]);
        assert_eq!(bytes[2..34], *prefix().sender.as_bytes());
        assert_eq!(bytes[34..42], 3u64.to_le_bytes());
        assert_eq!(codec::encode(&update(None))[..2], [1, 8]);
        assert_eq!(codec::encode(&update(None)).len(), 58 + 1383 + 1 + 64);
        assert_eq!(
            codec::encode(&update(Some(Stamp::default()))).len(),
            58 + 1383 + 41 + 64
        );
    }

    #[test]
    fn id_and_signature_cover_everything_before_the_signature() {
        let signed = transfer();
        assert!(signed.is_signed(&ChainId::default()));
        assert!(!signed.is_signed(&ChainId::from_bytes([1; 32])));
        let bytes = codec::encode(&signed);
        for position in 0..bytes.len() - 64 {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            if let Ok(changed) = codec::decode::<Transaction>(&changed, Transaction::BYTES_MAX) {
                assert!(!changed.is_signed(&ChainId::default()), "byte {position}");
                assert_ne!(changed.id(), signed.id(), "byte {position}");
            }
        }
    }

    #[test]
    fn reserved_kinds_do_not_decode() {
        let mut bytes = codec::encode(&transfer());
        for kind in [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 255] {
            bytes[1] = kind;
            assert!(codec::decode::<Transaction>(&bytes, Transaction::BYTES_MAX).is_err());
        }
    }

    #[test]
    fn a_stamp_commits_to_everything_before_its_effort() {
        let stamped = update(Some(Stamp::default()));
        let solved = update(Some(Stamp {
            effort: 9,
            solution: [1; 16],
            ..Stamp::default()
        }));
        assert_eq!(stamped.stamp_commitment(), solved.stamp_commitment());
        assert_ne!(stamped.id(), solved.id());
        assert_eq!(update(None).stamp_commitment(), None);
        assert_eq!(transfer().stamp_commitment(), None);
    }
}
