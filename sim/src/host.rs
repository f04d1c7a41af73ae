//! One simulated machine: a real node, its storage, its clock, and what its shell remembers.
//!
//! # Invariants
//! The shell knows no more than the real one: gossip is told apart by content for a minute,
//! questions have names of one life, bans end connections.
//!
//! # Spec
//! docs/spec/06-wire.md §3
//!
//! # Not here
//! What happens to it: [`crate::world`]. Voters and finality signers become part of a host once
//! consensus knows stake.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use chain::{AccountId, BlockId, Hash32, Height, Timestamp};
use genesis::Params;
use node::ledger::LedgerError;
use node::protocol::{Node, QuestionId, Token};
use secp256k1::Keypair;

use crate::HostId;
use crate::adversary::Adversary;
use crate::event::{Asked, Message};
use crate::ledger::Memory;
use crate::traffic::Purse;

/// How long gossip is told apart: as in the network crate.
const SEEN_MS: u64 = 60_000;

/// Virtual time begins so long after genesis.
const START_AFTER_GENESIS_MS: u64 = 1_000;

/// Gossip that was here lately.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    until_ms: BTreeMap<[u8; 32], u64>,
    order: VecDeque<(u64, [u8; 32])>,
}

impl Seen {
    /// Remembers a message; whether it is new.
    pub(crate) fn insert(&mut self, id: [u8; 32], now_ms: u64) -> bool {
        while let Some((until_ms, old)) = self.order.front().copied() {
            if until_ms > now_ms {
                break;
            }
            self.order.pop_front();
            self.until_ms.remove(&old);
        }
        let until_ms = now_ms + SEEN_MS;
        let is_new = self.until_ms.insert(id, until_ms).is_none();
        if is_new {
            self.order.push_back((until_ms, id));
        }
        is_new
    }
}

/// What a storage holds: tip and state hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Height of the tip.
    pub(crate) height: Height,
    /// The tip.
    pub(crate) tip: BlockId,
    /// The state.
    pub(crate) state: Hash32,
}

/// A machine.
pub(crate) struct Host {
    pub(crate) storage: Memory,
    /// Nothing while it is down.
    pub(crate) node: Option<Node<Memory>>,
    /// Counts its starts.
    pub(crate) life: u64,
    pub(crate) skew_ms: i64,
    pub(crate) adversary: Option<Box<dyn Adversary>>,
    /// Hashes per millisecond.
    pub(crate) power: f64,
    pub(crate) keypair: Keypair,
    pub(crate) payout: AccountId,
    pub(crate) purse: Purse,
    /// Counts its searches; only the last one may end.
    pub(crate) search: u64,
    /// What the last search is on, and with which power (permille).
    pub(crate) searching: Option<(BlockId, u64)>,
    /// Hashes that the block searched for takes on average.
    pub(crate) hashes: f64,
    pub(crate) seen: Seen,
    pub(crate) messages: BTreeMap<Token, (HostId, Rc<Message>)>,
    pub(crate) questions: BTreeMap<Token, Asked>,
    pub(crate) next_token: Token,
    /// Questions of its own under way.
    pub(crate) open: BTreeSet<QuestionId>,
    /// Questions that a peer let without an answer, in this life.
    pub(crate) unanswered: BTreeMap<HostId, u64>,
    /// What was durable when it went down.
    pub(crate) durable: Option<Held>,
}

impl Host {
    pub(crate) fn new(id: HostId, params: &Params, power: f64, skew_ms: i64) -> Self {
        let secret = blake3::derive_key("chainchat-sim/host/v1", &(id as u64).to_le_bytes());
        let keypair = Keypair::from_secret_bytes(secret).expect("a hash is a valid secret");
        Self {
            storage: Memory::new(params),
            node: None,
            life: 0,
            skew_ms,
            adversary: None,
            power,
            payout: AccountId::from(&chain::PublicKey::from(&keypair)),
            keypair,
            purse: Purse::default(),
            search: 0,
            searching: None,
            hashes: 0.0,
            seen: Seen::default(),
            messages: BTreeMap::new(),
            questions: BTreeMap::new(),
            next_token: 0,
            open: BTreeSet::new(),
            unanswered: BTreeMap::new(),
            durable: None,
        }
    }

    /// Opens the node over its storage.
    pub(crate) fn start(&mut self, params: &Params) -> Result<(), LedgerError> {
        self.node = Some(Node::open(self.storage.clone(), params.clone())?);
        self.life += 1;
        Ok(())
    }

    /// Ends the process; everything but the storage is forgotten.
    pub(crate) fn stop(&mut self) {
        self.node = None;
        self.searching = None;
        self.search += 1;
        self.seen = Seen::default();
        self.messages.clear();
        self.questions.clear();
        self.open.clear();
        self.unanswered.clear();
    }

    pub(crate) fn token(&mut self) -> Token {
        self.next_token += 1;
        self.next_token
    }

    /// What its clock shows.
    pub(crate) fn clock(&self, params: &Params, now_ms: u64) -> Timestamp {
        let time = params.genesis_time.get() + START_AFTER_GENESIS_MS + now_ms;
        Timestamp::new(time.saturating_add_signed(self.skew_ms))
    }
}

/// The name of a host, as its peers know it.
pub(crate) fn name_of(host: HostId) -> String {
    format!("n{host:03}")
}

/// The host of a name.
pub(crate) fn host_of(name: &str) -> Option<HostId> {
    name.strip_prefix('n')?.parse().ok()
}

/// What a storage holds.
///
/// # Errors
/// [`LedgerError`].
pub(crate) fn held(storage: &Memory, params: &Params) -> Result<Held, LedgerError> {
    use node::ledger::Ledger;
    let (height, tip) = storage.tip()?;
    let state = consensus::state::state_hash(&storage.view()?, params)?;
    Ok(Held { height, tip, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_hosts() {
        for host in [0, 7, 149, 1_000] {
            assert_eq!(host_of(&name_of(host)), Some(host));
        }
        assert_eq!(host_of("mallory"), None);
    }

    #[test]
    fn gossip_is_told_apart_for_a_minute() {
        let mut seen = Seen::default();
        assert!(seen.insert([1; 32], 0));
        assert!(!seen.insert([1; 32], SEEN_MS - 1));
        assert!(seen.insert([2; 32], SEEN_MS - 1));
        assert!(seen.insert([1; 32], SEEN_MS));
    }
}
