//! Every way to break the law, one variant per rule, and how much each weighs.
//!
//! # Invariants
//! * One variant per rule, one test per variant that triggers exactly it.
//! * [`Rule::severity`] is the only map from a rule to a peer's score.
//!
//! # Spec
//! The section is named at each variant.
//!
//! # Not here
//! Malformed bytes: `chain::error`. Failures that are nobody's breach of the law, or ours: [`own`].

use chain::envelope::EnvelopeKind;
use chain::units::{BondId, CheckpointNumber, CompactTarget, MasternodeId, RateEpoch};
use chain::{Amount, BlockId, EnvelopeError, Hash32, Height, Timestamp, TxId};
use thiserror::Error;

mod own;
mod severity;

pub use own::{ApplyError, TreeError, ViewError};
pub use severity::{Carrier, Severity};

/// A rule of the chain that something broke.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rule {
    /// docs/spec/02-blocks.md 3: the version is the one in force.
    #[error("header version {found}, expected {expected}")]
    HeaderVersion {
        /// Version in force.
        expected: u32,
        /// Version found.
        found: u32,
    },
    /// docs/spec/02-blocks.md 3: the height is the parent's plus one.
    #[error("height {found}, expected {expected}")]
    HeaderHeight {
        /// Parent's height plus one.
        expected: Height,
        /// Height found.
        found: Height,
    },
    /// docs/spec/02-blocks.md 3: the proof-of-work hash is at most the target.
    #[error("the proof-of-work hash exceeds the target")]
    PowHash,
    /// docs/spec/02-blocks.md 3: the solution solves the challenge.
    #[error("the solution does not solve the challenge")]
    PowSolution,
    /// docs/spec/02-blocks.md 3: a target is canonical and within the network's limits.
    #[error("target {found} is not canonical or outside the limits, the highest is {max}")]
    TargetRange {
        /// Highest target of the network.
        max: CompactTarget,
        /// Target found.
        found: CompactTarget,
    },
    /// docs/spec/02-blocks.md 3: a header follows the parent it names.
    #[error("parent {found}, expected {expected}")]
    HeaderParent {
        /// Id of the header before.
        expected: BlockId,
        /// Parent found.
        found: BlockId,
    },
    /// docs/spec/02-blocks.md 3: the target is the computed one.
    #[error("target {found}, expected {expected}")]
    Target {
        /// Computed target.
        expected: CompactTarget,
        /// Target found.
        found: CompactTarget,
    },
    /// docs/spec/02-blocks.md 3: the count of solutions grows by one to three.
    #[error("solution count {found} after the parent's {parent}")]
    PowCount {
        /// Parent's count.
        parent: u64,
        /// Count found.
        found: u64,
    },
    /// docs/spec/02-blocks.md 3: `pow_commit` is zero in version 1.
    #[error("the reserved field pow_commit is not zero")]
    PowCommit,
    /// docs/spec/02-blocks.md 3: time moves forward.
    #[error("time {found} is not after the parent's {parent}")]
    TimeNotAfterParent {
        /// Parent's time.
        parent: Timestamp,
        /// Time found.
        found: Timestamp,
    },
    /// docs/spec/02-blocks.md 3: a block from the future is parked; it is not invalid.
    #[error("time {found} is beyond the latest acceptable {latest}")]
    TimeTooNew {
        /// Local clock plus the limit.
        latest: Timestamp,
        /// Time found.
        found: Timestamp,
    },
    /// docs/spec/02-blocks.md 3: an uncle is not from the future of the block that includes it.
    #[error("uncle time {found} is beyond the including block's latest {latest}")]
    UncleTimeTooNew {
        /// The including block's time plus the limit.
        latest: Timestamp,
        /// Time found.
        found: Timestamp,
    },
    /// docs/spec/12-fork-choice.md 9: the chain passes through the blocks that a release names.
    #[error("the block at height {height} is not the one that this node was told to trust")]
    NotTrusted {
        /// Height of a trusted block.
        height: Height,
    },
    /// docs/spec/12-fork-choice.md 4: a descendant of an invalid block is invalid.
    #[error("an ancestor is invalid")]
    InvalidAncestor,

    // Bodies: sizes and roots. The sender is at fault; the header may have a body that fits.
    /// docs/spec/02-blocks.md 6: no body of any network is larger.
    #[error("a body of {found} bytes, at most {max}")]
    BodySize {
        /// Absolute limit.
        max: usize,
        /// Bytes found.
        found: usize,
    },
    /// docs/spec/02-blocks.md 6: no aux section is larger.
    #[error("an aux section of {found} bytes, at most {max}")]
    AuxSize {
        /// Limit.
        max: usize,
        /// Bytes found.
        found: usize,
    },
    /// docs/spec/02-blocks.md 6: the transactions are those that the header names.
    #[error("the transactions do not match the header")]
    TxRoot,
    /// docs/spec/02-blocks.md 6: the envelopes are those that the header names.
    #[error("the envelopes do not match the header")]
    EnvelopeRoot,
    /// docs/spec/02-blocks.md 6: the aux items are those that the header names.
    #[error("the aux items do not match the header")]
    AuxRoot,

    // Bodies: form and context.
    /// docs/spec/02-blocks.md 6: the limit follows the bodies of the last full term.
    #[error("a body of {found} bytes, at most {limit} in this term")]
    BodyLimit {
        /// Limit in force.
        limit: u64,
        /// Bytes found.
        found: u64,
    },
    /// docs/spec/02-blocks.md 6: stamped items fill at most their share of a body.
    #[error("{found} bytes of stamped items, at most {limit}")]
    StampLane {
        /// Share in force.
        limit: u64,
        /// Bytes with the item that is one too many.
        found: u64,
    },
    /// docs/spec/02-blocks.md 6: a body names a transaction once.
    #[error("transaction {id} stands in the body twice")]
    TransactionRepeated {
        /// The transaction.
        id: TxId,
    },
    /// docs/spec/02-blocks.md 8: the header shows the root of the state after its parent.
    #[error("state root {found}, expected {expected}")]
    StateRoot {
        /// Root after the parent.
        expected: Hash32,
        /// Root found.
        found: Hash32,
    },
    /// docs/spec/02-blocks.md 8: the header shows the supply after its parent.
    #[error("supply {found}, expected {expected}")]
    SupplyField {
        /// Supply after the parent.
        expected: Amount,
        /// Supply found.
        found: Amount,
    },
    /// docs/spec/02-blocks.md 8: the header shows the justified checkpoint after its parent.
    #[error("justified checkpoint {found}, expected {expected}")]
    JustifiedField {
        /// Checkpoint after the parent.
        expected: CheckpointNumber,
        /// Checkpoint found.
        found: CheckpointNumber,
    },
    /// docs/spec/02-blocks.md 8: the header shows the finalized checkpoint after its parent.
    #[error("finalized checkpoint {found}, expected {expected}")]
    FinalizedField {
        /// Checkpoint after the parent.
        expected: CheckpointNumber,
        /// Checkpoint found.
        found: CheckpointNumber,
    },

    // Aux items.
    /// docs/spec/02-blocks.md 7: a block includes at most two uncles.
    #[error("{found} uncles, at most {max}")]
    UncleCount {
        /// Limit.
        max: usize,
        /// Uncles found.
        found: usize,
    },
    /// docs/spec/02-blocks.md 7: uncles are different and ascend by id.
    #[error("the uncles do not ascend by id")]
    UncleOrder,
    /// docs/spec/02-blocks.md 7: an uncle is one to six blocks below.
    #[error("an uncle of height {uncle} in a block of height {block}")]
    UncleDepth {
        /// Height of the including block.
        block: Height,
        /// Height of the uncle.
        uncle: Height,
    },
    /// docs/spec/02-blocks.md 7: an uncle's parent is an ancestor of the including block.
    #[error("the parent of uncle {id} is no ancestor")]
    UncleParent {
        /// The uncle.
        id: BlockId,
    },
    /// docs/spec/02-blocks.md 7: an uncle is no ancestor of the including block.
    #[error("uncle {id} is an ancestor")]
    UncleIsAncestor {
        /// The uncle.
        id: BlockId,
    },
    /// docs/spec/02-blocks.md 7: a chain includes an uncle once.
    #[error("uncle {id} was included before")]
    UncleRepeated {
        /// The uncle.
        id: BlockId,
    },
    /// docs/spec/02-blocks.md 7: the solution count grows by one and one for each uncle.
    #[error("solution count {found}, expected {expected}")]
    SolutionCount {
        /// Parent's count, plus one, plus uncles.
        expected: u64,
        /// Count found.
        found: u64,
    },
    /// docs/spec/02-blocks.md 9: votes stand for at most sixteen seats.
    #[error("{found} votes, at most {max} seats")]
    VoteSeats {
        /// Limit.
        max: usize,
        /// Votes found; each stands for a seat at least.
        found: usize,
    },
    /// docs/spec/02-blocks.md 9: a vote is for one of the eight blocks before.
    #[error("a vote for the block {back} before")]
    VoteBack {
        /// Distance found.
        back: u8,
    },
    /// docs/spec/02-blocks.md 9: votes ascend by distance and bond.
    #[error("the votes do not ascend by distance and bond")]
    VoteOrder,
    /// docs/spec/02-blocks.md 9: only a bond with a seat votes.
    #[error("bond {bond} has no seat")]
    VoteWithoutSeat {
        /// Who voted.
        bond: BondId,
    },
    /// docs/spec/02-blocks.md 9: a loose vote is for a recent ancestor of the block to come.
    #[error("the block voted for at height {height} is no ancestor that a vote may still be for")]
    VoteBlock {
        /// Height of the block voted for.
        height: Height,
    },
    /// docs/spec/02-blocks.md 9: a chain includes the vote of a bond for a height once.
    #[error("the vote of bond {bond} was included before")]
    VoteRepeated {
        /// Who voted.
        bond: BondId,
    },
    /// docs/spec/02-blocks.md 9: a vote is signed with the key of its seat.
    #[error("the signature of the vote of bond {bond} does not verify")]
    VoteSignature {
        /// Who is said to have voted.
        bond: BondId,
    },
    /// docs/spec/02-blocks.md 9: signatures are for an open checkpoint and its one source.
    #[error("checkpoint {target} is not open, or not with this source and block")]
    FinalityTarget {
        /// The checkpoint voted for.
        target: CheckpointNumber,
    },
    /// docs/spec/02-blocks.md 9: a chain includes the signature of a member for a checkpoint once.
    #[error("the signature of masternode {masternode} was included before")]
    FinalityRepeated {
        /// Who signed.
        masternode: MasternodeId,
    },
    /// docs/spec/02-blocks.md 9: a finality vote is signed with the operator's key.
    #[error("the finality signature of masternode {masternode} does not verify")]
    FinalitySignature {
        /// Who is said to have signed.
        masternode: MasternodeId,
    },
    /// docs/spec/02-blocks.md 9: a block includes at most 256 finality signatures.
    #[error("{found} finality signatures, at most {max}")]
    FinalityCount {
        /// Limit.
        max: usize,
        /// Signatures found.
        found: usize,
    },
    /// docs/spec/02-blocks.md 9: groups ascend by target, members by masternode; none is empty.
    #[error("the finality groups do not ascend or one is empty")]
    FinalityOrder,
    /// docs/spec/02-blocks.md 9: only members of a roster sign checkpoints.
    #[error("masternode {masternode} is in no roster")]
    FinalityNotInRoster {
        /// Who signed.
        masternode: MasternodeId,
    },
    /// docs/spec/02-blocks.md 9: a block includes at most four proofs of misbehaviour.
    #[error("{found} proofs of misbehaviour, at most {max}")]
    EvidenceCount {
        /// Limit.
        max: usize,
        /// Proofs found.
        found: usize,
    },
    /// docs/spec/02-blocks.md 9: evidence shows a contradiction, in its one order.
    #[error("the evidence shows no contradiction in its canonical order")]
    EvidenceForm,
    /// docs/spec/02-blocks.md 9: a block holds one proof of one misbehaviour.
    #[error("the same misbehaviour is proved twice")]
    EvidenceRepeated,
    /// docs/spec/02-blocks.md 9: evidence names a bond or a masternode that exists.
    #[error("the evidence names an unknown bond or masternode")]
    EvidenceUnknown,

    /// docs/spec/02-blocks.md 9: a double vote can be proved for as long as a bond takes to leave.
    #[error("evidence about height {height}, which is too old or yet to come")]
    EvidenceHeight {
        /// Height voted for twice.
        height: Height,
    },
    /// docs/spec/02-blocks.md 9: a misdeed costs once.
    #[error("the misbehaviour was proved before")]
    EvidenceKnown,
    /// docs/spec/02-blocks.md 9: the accused signed both sides.
    #[error("a signature of the evidence does not verify")]
    EvidenceSignature,
    /// docs/spec/11-state.md 4: a draft takes no evidence against whom its orders are about.
    #[error("the draft already holds an order about masternode {masternode}")]
    EvidenceAfterOrder {
        /// The accused.
        masternode: MasternodeId,
    },

    // Transactions by themselves.
    /// docs/spec/03-transactions.md 5: the version is 1.
    #[error("transaction version {found}")]
    TransactionVersion {
        /// Version found.
        found: u8,
    },
    /// docs/spec/03-transactions.md 5: fee and tip are amounts below the cap.
    #[error("the largest fee or the tip exceeds the cap")]
    FeeRange,
    /// docs/spec/03-transactions.md 5: the sender signed every byte before the signature.
    #[error("the sender's signature does not verify")]
    TransactionSignature,
    /// docs/spec/03-transactions.md 5: a transfer has 1 to 256 outputs.
    #[error("a transfer with {found} outputs")]
    OutputCount {
        /// Outputs found.
        found: usize,
    },
    /// docs/spec/03-transactions.md 5: an output is worth between one base unit and the cap.
    #[error("output {position} is worth {found}")]
    OutputAmount {
        /// Position in the transfer.
        position: usize,
        /// Amount found.
        found: Amount,
    },
    /// docs/spec/03-transactions.md 5: the outputs together are below the cap.
    #[error("the outputs together exceed the cap")]
    OutputSum,
    /// docs/spec/03-transactions.md 5: the record's version is 1.
    #[error("record version {found}")]
    RecordVersion {
        /// Version found.
        found: u8,
    },
    /// docs/spec/03-transactions.md 5: a record is its sender's own.
    #[error("the record names another key than its sender's")]
    RecordKey,
    /// docs/spec/03-transactions.md 5: unknown flags are zero.
    #[error("record flags {found:#06x}")]
    RecordFlags {
        /// Flags found.
        found: u16,
    },
    /// docs/spec/03-transactions.md 5: a record begins before it ends.
    #[error("a record valid from {from} to {to}")]
    RecordValidity {
        /// First height at which it would hold.
        from: u32,
        /// First height at which it would not.
        to: u32,
    },
    /// docs/spec/03-transactions.md 5: the account signed its record.
    #[error("the record's signature does not verify")]
    RecordSignature,
    /// docs/spec/03-transactions.md 5: a stamped record offers neither fee nor tip.
    #[error("a stamped record with a fee or a tip")]
    StampedFee,
    /// docs/spec/03-transactions.md 9: a kind that the network never activated is not valid.
    #[error("transactions of kind {kind} are not active")]
    KindInactive {
        /// Kind number.
        kind: u8,
    },
    /// docs/spec/03-transactions.md 7: a bond is worth the network's minimum up to the cap.
    #[error("a bond of {found}, allowed is {min} up to the cap")]
    BondAmount {
        /// The network's smallest bond.
        min: Amount,
        /// Amount found.
        found: Amount,
    },
    /// docs/spec/03-transactions.md 7: the vote key, a point of the curve, signed for the bond.
    #[error("the vote key's proof of possession does not verify")]
    BondPossession,
    /// docs/spec/03-transactions.md 8: owner, operator and voter use three different keys.
    #[error("a masternode whose owner, operator and voting keys are not all different")]
    MasternodeKeys,
    /// docs/spec/03-transactions.md 8: the operator and voting keys signed for the registration.
    #[error("a proof of possession of the masternode's keys does not verify")]
    MasternodePossession,

    // Transactions in context.
    /// docs/spec/03-transactions.md 9: a kind is valid from the network's height on.
    #[error("transactions of kind {kind} are active from height {from}, not at {height}")]
    KindAhead {
        /// Kind number.
        kind: u8,
        /// First height of the kind.
        from: Height,
        /// Height of the block that would include it.
        height: Height,
    },
    /// docs/spec/03-transactions.md 6: the nonce was used before.
    #[error("nonce {found}, the account is at {expected}")]
    NonceUsed {
        /// The account's next nonce.
        expected: u64,
        /// Nonce found.
        found: u64,
    },
    /// docs/spec/03-transactions.md 6: orders before this one are missing.
    #[error("nonce {found}, the account is only at {expected}")]
    NonceAhead {
        /// The account's next nonce.
        expected: u64,
        /// Nonce found.
        found: u64,
    },
    /// docs/spec/03-transactions.md 6: the fee is at most what the sender accepts.
    #[error("{units} units at {kib} each, at most {max_fee} is offered")]
    FeeAboveMax {
        /// Units to be paid.
        units: u64,
        /// Price of a unit.
        kib: Amount,
        /// Largest fee that the sender accepts.
        max_fee: Amount,
    },
    /// docs/spec/03-transactions.md 6: the balance covers all debits.
    #[error("a balance of {balance} does not cover the debit")]
    BalanceTooLow {
        /// Balance before the order.
        balance: Amount,
    },
    /// docs/spec/03-transactions.md 6: only a first record may carry a stamp.
    #[error("a stamp on a record that is not the account's first")]
    StampNotFirst,
    /// docs/spec/03-transactions.md 6: the generation of an inbox key grows.
    #[error("inbox generation {found} after {before}")]
    RecordGeneration {
        /// Generation of the record in force.
        before: u32,
        /// Generation found.
        found: u32,
    },
    /// docs/spec/03-transactions.md 6: a record names the one that it replaces.
    #[error("the record does not link to the one before")]
    RecordLink,

    /// docs/spec/03-transactions.md 6: a vote key stands for one bond that holds coins.
    #[error("the vote key is in use by bond {bond}")]
    VoteKeyUsed {
        /// Whose it is.
        bond: BondId,
    },
    /// docs/spec/03-transactions.md 6: an order names a bond that exists.
    #[error("there is no bond {bond}")]
    BondUnknown {
        /// The bond named.
        bond: BondId,
    },
    /// docs/spec/03-transactions.md 6: an order names a masternode that exists.
    #[error("there is no masternode {masternode}")]
    MasternodeUnknown {
        /// The masternode named.
        masternode: MasternodeId,
    },
    /// docs/spec/03-transactions.md 6: only who may dispose of a thing orders something about it.
    #[error("the sender may not order this")]
    NotOwner,
    /// docs/spec/03-transactions.md 6: a bond or a masternode leaves once.
    #[error("it already leaves, at height {release}")]
    AlreadyLeaving {
        /// When it is paid back.
        release: Height,
    },
    /// docs/spec/03-transactions.md 6: only a dormant bond is woken.
    #[error("bond {bond} is not dormant")]
    NotDormant {
        /// The bond named.
        bond: BondId,
    },
    /// docs/spec/03-transactions.md 6: a key stands for one masternode.
    #[error("a key is in use by masternode {masternode}")]
    MasternodeKeyUsed {
        /// Whose it is.
        masternode: MasternodeId,
    },
    /// docs/spec/03-transactions.md 6: only a banned masternode is revived.
    #[error("masternode {masternode} is not banned")]
    NotBanned {
        /// The masternode named.
        masternode: MasternodeId,
    },

    // Stamps.
    /// docs/spec/04-envelopes.md 6: a stamp declares at least the minimum effort.
    #[error("a stamp of effort {found}, at least {min}")]
    StampEffort {
        /// Minimum for what it admits.
        min: u32,
        /// Effort declared.
        found: u32,
    },
    /// docs/spec/04-envelopes.md 6: a stamp refers to a multiple of sixteen.
    #[error("a stamp refers to height {found}, which is no multiple of the step")]
    StampReferenceStep {
        /// Height found.
        found: u32,
    },
    /// docs/spec/04-envelopes.md 6: a stamp refers to a block of its own branch.
    #[error("a stamp refers to another branch or to an unknown block at height {height}")]
    StampReference {
        /// Height of the reference.
        height: Height,
    },
    /// docs/spec/04-envelopes.md 6: the hash of a stamp is worth its effort.
    #[error("the hash of a stamp does not meet its effort")]
    StampHash,
    /// docs/spec/04-envelopes.md 6: a stamp solves its challenge.
    #[error("the solution of a stamp does not solve its challenge")]
    StampSolution,
    /// docs/spec/04-envelopes.md 6: the reference is at least eight blocks old.
    #[error("a stamp refers to height {reference}, too young at height {height}")]
    StampTooYoung {
        /// Height of the block that would include it.
        height: Height,
        /// Height of the reference.
        reference: u32,
    },
    /// docs/spec/04-envelopes.md 6: the reference is at most 96 blocks old.
    #[error("a stamp refers to height {reference}, too old at height {height}")]
    StampTooOld {
        /// Height of the block that would include it.
        height: Height,
        /// Height of the reference.
        reference: u32,
    },

    // Envelopes by themselves.
    /// docs/spec/04-envelopes.md 1: the bytes are an envelope's.
    #[error("not an envelope: {0}")]
    EnvelopeLayout(#[from] EnvelopeError),
    /// docs/spec/04-envelopes.md 5: the table says which admission a kind and class may use.
    #[error("an envelope of kind {kind:?} and class {class} with admission {auth}")]
    Admission {
        /// Kind.
        kind: EnvelopeKind,
        /// Size class.
        class: u8,
        /// Auth byte.
        auth: u8,
    },
    /// docs/spec/04-envelopes.md 5: unadmitted envelopes are for regtest.
    #[error("an envelope without admission on a network that demands one")]
    FreeEnvelope,
    /// docs/spec/04-envelopes.md 5: proofs and credits are not active yet.
    #[error("admission {auth} is not active")]
    AdmissionInactive {
        /// Auth byte.
        auth: u8,
    },
    /// docs/spec/04-envelopes.md 5: an envelope names its chain.
    #[error("the envelope belongs to another chain")]
    EnvelopeNet,
    /// docs/spec/04-envelopes.md 5: the salt of a blob is zero.
    #[error("a blob with a salt")]
    BlobSalt,
    /// docs/spec/04-envelopes.md 5: the one-time key is a point of the curve.
    #[error("the one-time key is not on the curve")]
    OneTimeKeyOffCurve,
    /// docs/spec/04-envelopes.md 5: the one-time key signed content and admission.
    #[error("the envelope's signature does not verify")]
    EnvelopeSignature,
    /// docs/spec/04-envelopes.md 5: the payer signed for this content.
    #[error("the payer's signature does not verify")]
    ClearSignature,

    // Envelopes in context.
    /// docs/spec/04-envelopes.md 7: the window of the rate epoch is over.
    #[error("rate epoch {epoch} is over at height {height}")]
    EpochPast {
        /// Height of the block that would include it.
        height: Height,
        /// The envelope's epoch.
        epoch: RateEpoch,
    },
    /// docs/spec/04-envelopes.md 7: the window of the rate epoch has not begun.
    #[error("rate epoch {epoch} has not begun at height {height}")]
    EpochAhead {
        /// Height of the block that would include it.
        height: Height,
        /// The envelope's epoch.
        epoch: RateEpoch,
    },
    /// docs/spec/04-envelopes.md 7: a one-time key is used once in its window.
    #[error("the one-time key was used in rate epoch {epoch}")]
    OneTimeKeySeen {
        /// Epoch of the first use.
        epoch: RateEpoch,
    },
    /// docs/spec/04-envelopes.md 7: a payment burns exactly the price of its rate epoch.
    #[error("a payment of {found}, the price is {expected}")]
    ClearPrice {
        /// Exact price.
        expected: Amount,
        /// Amount found.
        found: Amount,
    },
}
