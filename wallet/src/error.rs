//! What can go wrong with words, key files, plans and the followed chain, and what to do about it.
//!
//! # Invariants
//! * No message carries a secret: an unknown word is named by its position, never by its text.
//! * The user's mistakes ([`PlanError`]), the file's damage ([`KeystoreError`]) and the caller's
//!   order of calls ([`FollowError`]) are different types.
//!
//! # Spec
//! docs/spec/08-wallet.md
//!
//! # Not here
//! What a node answers to an order: `rpc`.

use chain::{AccountId, Address, Amount, BlockId, ChainId, CodecError, Height};
use thiserror::Error;

/// Why words or paths give no keys.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Neither 12 nor 24 words.
    #[error("{found} words; a recovery phrase has 24 (or 12)")]
    WordCount {
        /// Words found.
        found: usize,
    },
    /// A word that the English list of BIP 39 does not have.
    #[error("word {position} is not in the list of recovery words; check its spelling")]
    UnknownWord {
        /// Position, counted from 1.
        position: usize,
    },
    /// All words exist, but they do not belong together.
    #[error("the words do not belong together; check their order and spelling")]
    WordChecksum,
    /// Hardened indexes end at 2^31 - 1.
    #[error("index {index} is not below 2^31")]
    Index {
        /// Index asked for.
        index: u32,
    },
    /// BIP 32 has no key at this place (chance below 2^-127).
    #[error("there is no key at this path; use the next index")]
    NoKeyHere,
    /// The bytes in an opened keystore are not a seed of this version.
    #[error("the keystore holds no seed that this version can read")]
    Seed,
    /// The second password is too long to keep (bytes).
    #[error("a passphrase of {found} bytes, at most {max} are kept")]
    PassphraseTooLong {
        /// Bytes offered.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
}

/// Why a keystore does not open, or cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// The file does not begin like a keystore.
    #[error("not a ChainChat keystore")]
    NotAKeystore,
    /// Fewer bytes than the shortest keystore, or more than the longest.
    #[error("a keystore of {found} bytes; it has {min} to {max}: the file is damaged")]
    Length {
        /// Bytes found.
        found: usize,
        /// Fewest.
        min: usize,
        /// Most.
        max: usize,
    },
    /// The checksum does not match: bytes were lost or changed since the file was written.
    #[error("the keystore file is damaged; restore it from a backup or from the words")]
    Damaged,
    /// A key derivation that this version does not know.
    #[error("key derivation {found} is not known; the file is from a newer version")]
    UnknownDerivation {
        /// Number found.
        found: u8,
    },
    /// Cost parameters outside what is safe to accept; nothing was computed.
    #[error("keystore cost {field} = {found} is not within {min}..={max}")]
    CostOutOfBounds {
        /// Name of the field in the format.
        field: &'static str,
        /// Value found.
        found: u32,
        /// Lowest value accepted.
        min: u32,
        /// Highest value accepted.
        max: u32,
    },
    /// The file is whole and the password does not open it.
    #[error("wrong password")]
    WrongPassword,
    /// More content than a keystore holds.
    #[error("{found} bytes to seal, a keystore holds at most {max}")]
    ContentTooLong {
        /// Bytes offered.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The machine does not give the memory that the cost asks for.
    #[error("{m_kib} KiB of memory are needed to open the keystore and are not free")]
    OutOfMemory {
        /// Memory asked for.
        m_kib: u32,
    },
}

/// Why stored bytes are not a change set of this wallet.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChangeSetError {
    /// No bytes, or the first one names a format that this version does not know.
    #[error("change set version {found:?} is not known")]
    UnknownVersion {
        /// Version found, if there was a byte.
        found: Option<u8>,
    },
    /// The codec refuses the bytes.
    #[error("change set: {0}")]
    Codec(#[from] CodecError),
    /// Keys of a list are not strictly ascending.
    #[error("change set: the {list} are not in ascending order")]
    Order {
        /// Which list.
        list: &'static str,
    },
    /// The change sets belong to another chain.
    #[error("a wallet of chain {found} where {expected} is in use")]
    ForeignChain {
        /// Chain in use.
        expected: ChainId,
        /// Chain of the change sets.
        found: ChainId,
    },
    /// The change sets never say which chain and birthday they are for.
    #[error("the change sets lack the wallet's beginning")]
    NoBeginning,
}

/// Why a block or an account state does not fit the followed chain.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The first block followed lies after the birthday: coins could be overlooked.
    #[error("following starts at height {height}, after the birthday {birthday}")]
    AfterBirthday {
        /// Height offered.
        height: Height,
        /// Birthday of the wallet.
        birthday: Height,
    },
    /// The block is not the child of the followed tip.
    #[error("block at height {height} does not continue the tip {tip} at height {tip_height}")]
    NotNext {
        /// Height offered.
        height: Height,
        /// Followed tip.
        tip: BlockId,
        /// Its height.
        tip_height: Height,
    },
    /// The call names another block than the followed tip.
    #[error("block {found} is not the followed tip")]
    NotTip {
        /// Block named.
        found: BlockId,
    },
    /// Nothing is followed yet.
    #[error("no block is followed yet")]
    NothingFollowed,
    /// The reorganisation goes below what the wallet remembers: start again with `restart`.
    #[error(
        "the blocks below height {height} are no longer remembered; scan again from the birthday"
    )]
    TooDeep {
        /// Lowest height remembered.
        height: Height,
    },
    /// The account is none of this wallet's.
    #[error("an account that this wallet does not hold")]
    UnknownAccount {
        /// The account.
        account: AccountId,
    },
}

/// Why an order is not planned; each says what would help.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The account is none of this wallet's.
    #[error("an account that this wallet does not hold")]
    UnknownAccount {
        /// The account.
        account: AccountId,
    },
    /// The wallet only watches the account.
    #[error("the account is watched only; its key is elsewhere")]
    WatchOnly {
        /// The account.
        account: AccountId,
    },
    /// The node has not said what the account holds since following began.
    #[error("the account's state is not known yet; wait until the wallet has reached the tip")]
    NotSynced {
        /// The account.
        account: AccountId,
    },
    /// A transfer without recipients.
    #[error("nobody to pay")]
    NoOutputs,
    /// More recipients than one transfer takes.
    #[error("{found} recipients, one transfer takes at most {max}; split it")]
    TooManyOutputs {
        /// Recipients asked for.
        found: usize,
        /// Recipients allowed.
        max: usize,
    },
    /// An output of nothing.
    #[error("output {output} pays nothing")]
    ZeroAmount {
        /// Position, counted from 1.
        output: usize,
    },
    /// Sums above the cap of the supply.
    #[error("the amounts exceed all coins that can exist")]
    AmountTooLarge,
    /// A new account could never spend what it gets: the cheapest transfer costs more.
    #[error(
        "output {output} pays {amount} X3C to a new account, which could never spend it; \
         pay at least {min} X3C"
    )]
    Dust {
        /// Position, counted from 1.
        output: usize,
        /// Amount asked for.
        amount: Amount,
        /// Smallest sensible amount.
        min: Amount,
    },
    /// The coins do not suffice.
    #[error(
        "{needed} X3C are needed and {available} X3C are available; \
         wait for pending orders, receive coins or send less"
    )]
    InsufficientFunds {
        /// Amounts, fee and tip.
        needed: Amount,
        /// Coins that no pending order has a claim to.
        available: Amount,
    },
    /// A bond below the network's smallest.
    #[error("a bond of {found} X3C; the smallest one here is {min} X3C")]
    BondTooSmall {
        /// Amount asked for.
        found: Amount,
        /// The smallest bond.
        min: Amount,
    },
    /// Owner, operator and voting key of a masternode are not three.
    #[error("a masternode needs three different keys: its owner's, an operator's and a voting key")]
    SameKeys,
    /// Too many orders on their way.
    #[error("{max} orders are pending; wait until some are in a block")]
    TooManyPending {
        /// The limit.
        max: usize,
    },
    /// A stamp pays for an account's first record only.
    #[error("a stamp admits an account's first record only; this one needs a fee")]
    StampForLaterRecord,
    /// The inbox generation does not grow.
    #[error("inbox generation {found} must be above {previous}")]
    InboxGeneration {
        /// Generation asked for.
        found: u32,
        /// Generation on the chain.
        previous: u32,
    },
    /// The record would never hold.
    #[error("a record valid from height {from} to {to} never holds")]
    Validity {
        /// First height.
        from: u32,
        /// First height after.
        to: u32,
    },
    /// The record to be replaced belongs to another account.
    #[error("the previous record belongs to another account")]
    ForeignRecord,
}

/// Why a plan is not signed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The plan cannot be carried out as the wallet stands now.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Another order took the nonce since the plan was made: plan again.
    #[error("planned with nonce {planned}, the next one is {next}; plan again")]
    StalePlan {
        /// Nonce of the plan.
        planned: u64,
        /// Next free nonce.
        next: u64,
    },
    /// The content has a payment on its way, by another account or of another amount.
    #[error("another payment for this content is on its way; discard it first")]
    PaidOtherwise,
    /// The key handed in is not the account's.
    #[error("the key does not belong to the account")]
    WrongKey,
    /// A draft that is admitted by a stamp came without one.
    #[error("the record is admitted by a stamp; solve its commitment first")]
    StampMissing,
    /// A draft that pays a fee came with a stamp.
    #[error("the record pays a fee and carries no stamp")]
    StampNotWanted,
}

/// Why an order cannot be given up.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DiscardError {
    /// No such order, or it was forgotten long after its block.
    #[error("no such order")]
    Unknown,
    /// The order is in a block of the followed chain.
    #[error("the order is in the block at height {height}")]
    InBlock {
        /// Height of the block.
        height: Height,
    },
}

/// Why a text is not a payment request.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UriError {
    /// Longer than any request.
    #[error("a link of {found} bytes, at most {max} are read")]
    TooLong {
        /// Bytes offered.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Some other scheme, or none.
    #[error("not an x3c: link")]
    Scheme,
    /// An invitation to a conversation.
    #[error("an invitation to a conversation, not a payment request; join it instead")]
    Invitation,
    /// The part before `?` is no address.
    #[error(transparent)]
    Address(#[from] chain::AddressError),
    /// The amount is none.
    #[error(transparent)]
    Amount(#[from] chain::units::AmountParseError),
    /// A percent sign without two hex digits, not UTF-8, or a character that does not print.
    #[error("the value of {parameter} cannot be shown")]
    Text {
        /// Parameter's name.
        parameter: &'static str,
    },
    /// A parameter twice.
    #[error("{parameter} is given twice")]
    Repeated {
        /// Parameter's name.
        parameter: &'static str,
    },
    /// A parameter that the writer says must be understood.
    #[error("the link requires a feature that this version does not know")]
    Required,
}

/// Why a signed text is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Not 192 hex digits.
    #[error("a message signature is 192 hex digits")]
    Malformed,
    /// Signed by another account.
    #[error("signed by {signer}, not by {expected}")]
    OtherAccount {
        /// Who signed.
        signer: Address,
        /// Who was expected.
        expected: Address,
    },
    /// The signature does not match the text on this chain.
    #[error("the signature does not match this text")]
    Mismatch,
}
