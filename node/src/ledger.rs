//! The storage that the engine needs, as a face: the disk of a real node, memory in simulation.
//!
//! # Invariants
//! * [`Ledger::connect`] and [`Ledger::disconnect`] move the tip by one block, atomically.
//! * A view shows one state and does not change under its reader.
//!
//! # Spec
//! docs/spec/13-storage.md
//!
//! # Not here
//! The real one: `store`, adapted in [`crate::disk`].

use chain::{Block, BlockId, Body, Header, Height, PublicKey};
use consensus::fork_choice::{Anchors, Fault, Inclusion};
use consensus::transition::AppliedBlock;
use consensus::{StateView, ViewError};
pub use store::Ballot;

/// What the storage knows about a block besides its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownBlock {
    /// The header.
    pub header: Header,
    /// Whether its body is here.
    pub body: BodyPresence,
    /// The votes in its body, as the block tree counted them.
    pub inclusions: Vec<Inclusion>,
    /// Once the first block of a term was applied: the level of the term after.
    pub level: Option<u32>,
    /// Whether it was found invalid.
    pub is_invalid: bool,
    /// Whether it leaves a final block aside.
    pub conflicts_with_finality: bool,
}

impl KnownBlock {
    /// A header without anything.
    #[must_use]
    pub fn bare(header: Header) -> Self {
        Self {
            header,
            body: BodyPresence::Absent,
            inclusions: Vec::new(),
            level: None,
            is_invalid: false,
            conflicts_with_finality: false,
        }
    }
}

/// Whether a body is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyPresence {
    /// It is not.
    Absent,
    /// It is, not applied yet.
    Known,
    /// It is, and was applied once.
    Applied,
}

/// How soon the storage makes moves of the tip last longer than a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Before the move is reported: others are told of our blocks.
    AtTip,
    /// Now and then: far behind, where nobody is told and what is lost is fetched again.
    FarBehind,
}

/// Why the storage did not do what it was told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The disk is full; nothing was changed.
    #[error("the disk is full")]
    Full,
    /// The storage failed or is damaged.
    #[error(transparent)]
    View(#[from] ViewError),
}

/// The engine's storage.
pub trait Ledger {
    /// A state that stands still.
    type View<'a>: StateView
    where
        Self: 'a;

    /// The state after the tip.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn view(&self) -> Result<Self::View<'_>, LedgerError>;

    /// The tip.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn tip(&self) -> Result<(Height, BlockId), LedgerError>;

    /// Id of the best chain's block at `height`.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn id_at(&self, height: Height) -> Result<Option<BlockId>, LedgerError>;

    /// What is known about a block.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn block(&self, id: &BlockId) -> Result<Option<KnownBlock>, LedgerError>;

    /// A block's body.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn body(&self, id: &BlockId) -> Result<Option<Body>, LedgerError>;

    /// All blocks at and above `height`, ascending by height.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn blocks_from(&self, height: Height) -> Result<Vec<KnownBlock>, LedgerError>;

    /// Uncles that a block with a stored body includes.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn uncles(&self, id: &BlockId) -> Result<Vec<Header>, LedgerError>;

    /// Remembers a checked header.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn put_header(&mut self, header: &Header) -> Result<(), LedgerError>;

    /// Remembers a checked body that is not applied now, and the votes in it as far as they can
    /// be judged.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn put_body(
        &mut self,
        id: &BlockId,
        body: &Body,
        inclusions: &[Inclusion],
    ) -> Result<(), LedgerError>;

    /// Forgets a block that is not on the best chain, header and body, if it is here.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn forget(&mut self, id: &BlockId) -> Result<(), LedgerError>;

    /// Moves the tip forward.
    ///
    /// # Errors
    /// [`LedgerError`]; the tip is where it was.
    fn connect(&mut self, block: &AppliedBlock) -> Result<(), LedgerError>;

    /// Moves the tip back and returns the block that was the tip.
    ///
    /// # Errors
    /// [`LedgerError`]; the tip is where it was.
    fn disconnect(&mut self) -> Result<Block, LedgerError>;

    /// Changes the pace. All moves made before are durable when this returns.
    ///
    /// # Errors
    /// [`LedgerError`]; the pace is what it was.
    fn set_pace(&mut self, pace: Pace) -> Result<(), LedgerError>;

    /// Marks a block, or takes the mark away.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn set_fault(&mut self, id: &BlockId, fault: Fault, is_set: bool) -> Result<(), LedgerError>;

    /// What a key of ours has signed; nothing if it never did.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn ballot(&self, key: &PublicKey) -> Result<Ballot, LedgerError>;

    /// Joins `ballot` with what is kept for `key` ([`Ballot::joined`]). At any pace it is durable
    /// when this returns, and no move of the tip takes it back.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn put_ballot(&mut self, key: &PublicKey, ballot: &Ballot) -> Result<(), LedgerError>;

    /// What the choice of the best block is bound to.
    ///
    /// # Errors
    /// [`LedgerError`].
    fn anchors(&self) -> Result<Anchors, LedgerError>;

    /// Keeps what the choice of the best block is bound to. At [`Pace::AtTip`] it is durable when
    /// this returns; far behind it is as durable as the moves before it, which nobody was told of.
    ///
    /// # Errors
    /// [`LedgerError`]; what was kept before still is.
    fn put_anchors(&mut self, anchors: &Anchors) -> Result<(), LedgerError>;
}
