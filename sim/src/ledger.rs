//! A node's storage in memory, which can be made to fail at any step of a commit and loses then
//! what a power cut would lose.
//!
//! # Invariants
//! * What a [`Ledger`] promises: each method is one atomic step, and a view shows one state.
//! * A ballot is durable at once, like on the disk.
//! * At [`Pace::AtTip`] a move of the tip makes itself and everything before it durable; far
//!   behind, every 64th does. A power cut loses a suffix of what is not durable, never a middle.
//! * After a crash every call fails until [`Memory::power_up`].
//! * Handles share one storage, so that it outlives the node that crashed over it.
//!
//! # Spec
//! docs/spec/13-storage.md
//!
//! # Not here
//! The real storage (`store`); when something crashes ([`crate::fault`]).

mod view;

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use chain::units::RateEpoch;
use chain::{Block, BlockId, Body, Header, Height, PublicKey};
use consensus::fork_choice::{Anchors, Fault, Inclusion};
use consensus::transition::AppliedBlock;
use consensus::{StateDiff, StateKey, ViewError};
use genesis::{Params, law};
use node::ledger::{Ballot, BodyPresence, KnownBlock, Ledger, LedgerError, Pace};

pub use view::View;

/// Moves between two waits for the disk while far behind: as on the real one.
const GROUP_MOVES: usize = 64;

/// A step at which a crash can be injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A header is stored.
    PutHeader,
    /// A side body is stored.
    PutBody,
    /// The tip moves forward.
    Connect,
    /// The tip moves back.
    Disconnect,
    /// A block is marked.
    SetFault,
    /// The anchors are stored.
    PutAnchors,
    /// Commits so far are made durable.
    SetPace,
    /// What a voter or a signer is about to sign is kept.
    PutBallot,
}

impl Step {
    /// Those that a node without keys passes.
    pub const ALL: [Self; 7] = [
        Self::PutHeader,
        Self::PutBody,
        Self::Connect,
        Self::Disconnect,
        Self::SetFault,
        Self::PutAnchors,
        Self::SetPace,
    ];
}

/// On which side of a step the crash comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Nothing of the step happened.
    Before,
    /// All of it did, and nobody was told.
    After,
}

/// The maps of the state, and the headers of the best chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    headers: Vec<Header>,
    values: BTreeMap<StateKey, Vec<u8>>,
    nodes: BTreeMap<Vec<u8>, Vec<u8>>,
    seen: BTreeMap<PublicKey, RateEpoch>,
}

impl State {
    /// Commits a difference and returns the way back.
    fn commit(&mut self, diff: &StateDiff) -> StateDiff {
        StateDiff {
            values: commit(&mut self.values, &diff.values),
            nodes: commit(&mut self.nodes, &diff.nodes),
            seen: commit(&mut self.seen, &diff.seen),
        }
    }
}

fn commit<K: Ord + Clone, V: Clone>(
    map: &mut BTreeMap<K, V>,
    diff: &BTreeMap<K, Option<V>>,
) -> BTreeMap<K, Option<V>> {
    let mut back = BTreeMap::new();
    for (key, value) in diff {
        let before = match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
        back.insert(key.clone(), before);
    }
    back
}

/// How to take back a step that is not durable.
#[derive(Clone, Debug)]
enum Inverse {
    Header(BlockId),
    Body(BlockId, BodyPresence, Option<Body>),
    Connect(BodyPresence, Option<Body>),
    Disconnect(Header, StateDiff),
    Fault(BlockId, Fault, bool),
    Anchors(Anchors),
    Forgotten(KnownBlock, Option<Body>),
}

#[derive(Clone, Copy, Debug)]
struct Trap {
    step: Step,
    side: Side,
    passes: u64,
}

struct Storage {
    state: State,
    /// Ids of the state's headers.
    ids: Vec<BlockId>,
    /// Undo of the block at height 1 + index; those too old to be undone are empty.
    undo: Vec<StateDiff>,
    known: BTreeMap<BlockId, KnownBlock>,
    bodies: BTreeMap<BlockId, Body>,
    ballots: BTreeMap<PublicKey, Ballot>,
    anchors: Anchors,
    /// Newest last.
    volatile: Vec<Inverse>,
    moves_since_sync: usize,
    pace: Pace,
    trap: Option<Trap>,
    crashed: Option<(Step, Side)>,
}

/// A storage in memory; clones are handles to the same one.
#[derive(Clone)]
pub struct Memory(Rc<RefCell<Storage>>);

impl Memory {
    /// The storage after genesis.
    #[must_use]
    pub fn new(params: &Params) -> Self {
        let genesis = params.genesis();
        let id = genesis.header.id();
        let known = KnownBlock {
            body: BodyPresence::Applied,
            ..KnownBlock::bare(genesis.header)
        };
        let state = State {
            headers: vec![genesis.header],
            ..State::default()
        };
        Self(Rc::new(RefCell::new(Storage {
            state,
            ids: vec![id],
            undo: Vec::new(),
            known: BTreeMap::from([(id, known)]),
            bodies: BTreeMap::from([(id, genesis.body)]),
            ballots: BTreeMap::new(),
            anchors: Anchors::default(),
            volatile: Vec::new(),
            moves_since_sync: 0,
            pace: Pace::AtTip,
            trap: None,
            crashed: None,
        })))
    }

    /// Crashes at this side of the step after so many passes of it.
    pub fn set_trap(&self, step: Step, side: Side, passes: u64) {
        self.0.borrow_mut().trap = Some(Trap { step, side, passes });
    }

    /// Takes away a trap that nothing fell into.
    pub fn clear_trap(&self) {
        self.0.borrow_mut().trap = None;
    }

    /// Where it crashed, if it did.
    #[must_use]
    pub fn crashed(&self) -> Option<(Step, Side)> {
        self.0.borrow().crashed
    }

    /// Steps that a power cut could take back now.
    #[must_use]
    pub fn volatile_steps(&self) -> u64 {
        self.0.borrow().volatile.len() as u64
    }

    /// Loses the last `lost` steps of those that are not durable, and works again.
    pub fn power_up(&self, lost: u64) {
        let mut storage = self.0.borrow_mut();
        for _ in 0..lost {
            storage.take_back();
        }
        storage.synced();
        storage.pace = Pace::AtTip;
        storage.trap = None;
        storage.crashed = None;
    }

    /// The first map in which two storages differ, if one does.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        let (one, other) = (self.0.borrow(), other.0.borrow());
        let (one, other) = (&one.state, &other.state);
        if one.headers != other.headers {
            Some("headers")
        } else if one.values != other.values {
            Some("values")
        } else if one.nodes != other.nodes {
            Some("tree nodes")
        } else if one.seen != other.seen {
            Some("seen one-time keys")
        } else {
            None
        }
    }

    /// The coins of all accounts, counted one by one (base units).
    ///
    /// # Errors
    /// [`ViewError`]: an account is damaged.
    pub fn coins(&self) -> Result<u128, ViewError> {
        let storage = self.0.borrow();
        let mut sum = 0u128;
        for key in storage.state.values.keys() {
            if let StateKey::Account(account) = key {
                let account = consensus::state::value::account(&View(self.0.borrow()), account)?;
                sum += u128::from(account.balance.base_units());
            }
        }
        Ok(sum)
    }

    fn step<T>(&self, step: Step, act: impl FnOnce(&mut Storage) -> T) -> Result<T, LedgerError> {
        let mut storage = self.0.borrow_mut();
        storage.pass(step, Side::Before)?;
        let done = act(&mut storage);
        storage.pass(step, Side::After)?;
        Ok(done)
    }

    fn read(&self) -> Result<Ref<'_, Storage>, LedgerError> {
        let storage = self.0.borrow();
        match storage.crashed {
            Some(_) => Err(gone()),
            None => Ok(storage),
        }
    }
}

impl Storage {
    fn pass(&mut self, step: Step, side: Side) -> Result<(), LedgerError> {
        if self.crashed.is_some() {
            return Err(gone());
        }
        match &mut self.trap {
            Some(trap) if (trap.step, trap.side) == (step, side) => {
                if let Some(left) = trap.passes.checked_sub(1) {
                    trap.passes = left;
                    return Ok(());
                }
                self.crashed = Some((step, side));
                Err(gone())
            }
            _ => Ok(()),
        }
    }

    fn tip(&self) -> Header {
        *self.state.headers.last().expect("genesis stays")
    }

    fn tip_id(&self) -> BlockId {
        *self.ids.last().expect("genesis stays")
    }

    fn synced(&mut self) {
        self.volatile.clear();
        self.moves_since_sync = 0;
    }

    fn moved(&mut self, inverse: Inverse) {
        self.volatile.push(inverse);
        self.moves_since_sync += 1;
        if self.pace == Pace::AtTip || self.moves_since_sync >= GROUP_MOVES {
            self.synced();
        }
    }

    fn presence(&self, id: &BlockId) -> BodyPresence {
        let known = self.known.get(id);
        known.map_or(BodyPresence::Absent, |known| known.body)
    }

    fn set_presence(&mut self, id: &BlockId, presence: BodyPresence) {
        if let Some(known) = self.known.get_mut(id) {
            known.body = presence;
        }
    }

    /// Sets or takes a mark; whether it was set, if the block is known.
    fn set_fault(&mut self, id: &BlockId, fault: Fault, is_set: bool) -> Option<bool> {
        let known = self.known.get_mut(id)?;
        let mark = match fault {
            Fault::Invalid => &mut known.is_invalid,
            Fault::ConflictsWithFinality => &mut known.conflicts_with_finality,
        };
        Some(std::mem::replace(mark, is_set))
    }

    /// What is known of a body beside it; without the body nobody looks at it.
    fn set_traits(&mut self, id: &BlockId, inclusions: &[Inclusion], level: Option<u32>) {
        if let Some(known) = self.known.get_mut(id) {
            known.inclusions = inclusions.to_vec();
            known.level = level;
        }
    }

    fn put_body(&mut self, id: BlockId, presence: BodyPresence, body: Option<Body>) {
        self.set_presence(&id, presence);
        match body {
            Some(body) => self.bodies.insert(id, body),
            None => self.bodies.remove(&id),
        };
    }

    fn connect(&mut self, header: Header, diff: &StateDiff, undo: StateDiff) {
        self.state.headers.push(header);
        self.ids.push(header.id());
        self.state.commit(diff);
        self.undo.push(undo);
        let height = self.undo.len();
        let kept = usize::try_from(law::UNDO_BLOCKS).unwrap_or(usize::MAX);
        if let Some(old) = height.checked_sub(kept + 1) {
            self.undo[old] = StateDiff::default();
        }
    }

    /// Takes the tip off and returns the way forward again.
    fn disconnect(&mut self) -> StateDiff {
        let undo = self.undo.pop().expect("a block above genesis");
        self.state.headers.pop();
        self.ids.pop();
        self.state.commit(&undo)
    }

    fn take_back(&mut self) {
        match self.volatile.pop() {
            Some(Inverse::Header(id)) => {
                self.known.remove(&id);
            }
            Some(Inverse::Body(id, presence, body)) => self.put_body(id, presence, body),
            Some(Inverse::Connect(presence, body)) => {
                let id = self.tip_id();
                self.disconnect();
                self.put_body(id, presence, body);
            }
            Some(Inverse::Disconnect(header, diff)) => {
                let undo = self.state.commit(&diff);
                self.state.headers.push(header);
                self.ids.push(header.id());
                self.undo.push(undo);
                self.set_presence(&header.id(), BodyPresence::Applied);
            }
            Some(Inverse::Fault(id, fault, was_set)) => {
                self.set_fault(&id, fault, was_set);
            }
            Some(Inverse::Anchors(before)) => self.anchors = before,
            Some(Inverse::Forgotten(known, body)) => {
                let id = known.header.id();
                self.known.insert(id, known);
                self.bodies.extend(body.map(|body| (id, body)));
            }
            None => {}
        }
    }
}

fn gone() -> LedgerError {
    let reason = "the power is gone".to_owned();
    LedgerError::View(ViewError::Damaged { reason })
}

fn unknown(id: &BlockId) -> LedgerError {
    let reason = format!("no header of {id}");
    LedgerError::View(ViewError::Damaged { reason })
}

impl Ledger for Memory {
    type View<'a> = View<'a>;

    fn view(&self) -> Result<View<'_>, LedgerError> {
        Ok(View(self.read()?))
    }

    fn tip(&self) -> Result<(Height, BlockId), LedgerError> {
        let storage = self.read()?;
        Ok((storage.tip().height, storage.tip_id()))
    }

    fn id_at(&self, height: Height) -> Result<Option<BlockId>, LedgerError> {
        let storage = self.read()?;
        let index = usize::try_from(height.get()).unwrap_or(usize::MAX);
        Ok(storage.ids.get(index).copied())
    }

    fn block(&self, id: &BlockId) -> Result<Option<KnownBlock>, LedgerError> {
        Ok(self.read()?.known.get(id).cloned())
    }

    fn body(&self, id: &BlockId) -> Result<Option<Body>, LedgerError> {
        Ok(self.read()?.bodies.get(id).cloned())
    }

    fn blocks_from(&self, height: Height) -> Result<Vec<KnownBlock>, LedgerError> {
        let storage = self.read()?;
        let mut blocks: Vec<_> = storage.known.values().cloned().collect();
        blocks.retain(|block| block.header.height >= height);
        blocks.sort_by_key(|block| block.header.height);
        Ok(blocks)
    }

    fn uncles(&self, id: &BlockId) -> Result<Vec<Header>, LedgerError> {
        let storage = self.read()?;
        let body = storage.bodies.get(id);
        Ok(body.map(|body| body.aux.uncles.clone()).unwrap_or_default())
    }

    fn put_header(&mut self, header: &Header) -> Result<(), LedgerError> {
        self.step(Step::PutHeader, |storage| {
            let id = header.id();
            let known = KnownBlock::bare(*header);
            if let std::collections::btree_map::Entry::Vacant(place) = storage.known.entry(id) {
                place.insert(known);
                storage.volatile.push(Inverse::Header(id));
            }
        })
    }

    fn put_body(
        &mut self,
        id: &BlockId,
        body: &Body,
        inclusions: &[Inclusion],
    ) -> Result<(), LedgerError> {
        if !self.read()?.known.contains_key(id) {
            return Err(unknown(id));
        }
        self.step(Step::PutBody, |storage| {
            let before = (storage.presence(id), storage.bodies.get(id).cloned());
            storage
                .volatile
                .push(Inverse::Body(*id, before.0, before.1));
            storage.put_body(*id, BodyPresence::Known, Some(body.clone()));
            storage.set_traits(id, inclusions, None);
        })
    }

    fn forget(&mut self, id: &BlockId) -> Result<(), LedgerError> {
        self.read()?;
        let mut storage = self.0.borrow_mut();
        // What is lost of this in a crash comes back and is forgotten again.
        if !storage.ids.contains(id)
            && let Some(known) = storage.known.remove(id)
        {
            let body = storage.bodies.remove(id);
            storage.volatile.push(Inverse::Forgotten(known, body));
        }
        Ok(())
    }

    fn connect(&mut self, block: &AppliedBlock) -> Result<(), LedgerError> {
        let id = *block.id();
        if !self.read()?.known.contains_key(&id) {
            return Err(unknown(&id));
        }
        self.step(Step::Connect, |storage| {
            let before = (storage.presence(&id), storage.bodies.get(&id).cloned());
            let header = block.block().header;
            storage.connect(header, block.diff(), block.undo().clone());
            storage.put_body(id, BodyPresence::Applied, Some(block.block().body.clone()));
            storage.set_traits(&id, block.inclusions(), block.level());
            storage.moved(Inverse::Connect(before.0, before.1));
        })
    }

    fn disconnect(&mut self) -> Result<Block, LedgerError> {
        self.step(Step::Disconnect, |storage| {
            let (header, id) = (storage.tip(), storage.tip_id());
            let forward = storage.disconnect();
            // As on the disk: a body off the chain is checked again before it is followed.
            storage.set_presence(&id, BodyPresence::Known);
            storage.moved(Inverse::Disconnect(header, forward));
            let body = storage.bodies.get(&id).cloned().unwrap_or_default();
            Block { header, body }
        })
    }

    fn set_pace(&mut self, pace: Pace) -> Result<(), LedgerError> {
        self.step(Step::SetPace, |storage| {
            storage.synced();
            storage.pace = pace;
        })
    }

    fn set_fault(&mut self, id: &BlockId, fault: Fault, is_set: bool) -> Result<(), LedgerError> {
        self.step(Step::SetFault, |storage| {
            if let Some(before) = storage.set_fault(id, fault, is_set) {
                storage.volatile.push(Inverse::Fault(*id, fault, before));
            }
        })
    }

    fn anchors(&self) -> Result<Anchors, LedgerError> {
        Ok(self.read()?.anchors)
    }

    fn put_anchors(&mut self, anchors: &Anchors) -> Result<(), LedgerError> {
        self.step(Step::PutAnchors, |storage| {
            let before = std::mem::replace(&mut storage.anchors, *anchors);
            storage.volatile.push(Inverse::Anchors(before));
            if storage.pace == Pace::AtTip {
                storage.synced();
            }
        })
    }

    fn ballot(&self, key: &PublicKey) -> Result<Ballot, LedgerError> {
        let kept = self.read()?.ballots.get(key).copied();
        Ok(kept.unwrap_or_default())
    }

    fn put_ballot(&mut self, key: &PublicKey, ballot: &Ballot) -> Result<(), LedgerError> {
        self.step(Step::PutBallot, |storage| {
            let kept = storage.ballots.entry(*key).or_default();
            *kept = kept.joined(*ballot);
        })
    }
}

#[cfg(test)]
mod tests;
