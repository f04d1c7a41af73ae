//! Announced blocks while they are put together, and until the verdict on them.
//!
//! # Invariants
//! * Items proposed by short ids are never held against the announcer: a mismatch of roots leads
//!   to asking for the whole body.
//! * Of one block a peer may have one attempt, all peers together [`ATTEMPTS_MAX`]; after them only
//!   whole bodies are asked for. So a wrong announcement in ever new wordings costs nothing.
//! * An announcer is at fault for what the body shows by itself, and for nothing else: a neighbour
//!   whose tip is another passes on what it has not applied.
//! * A body that nobody asked for is looked at only if its block may win or be an uncle.
//!
//! # Spec
//! docs/spec/06-wire.md §7, §8
//!
//! # Not here
//! Filling the gaps: [`crate::relay`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chain::{BlockId, Timestamp, codec};
use consensus::Carrier;
use consensus::fork_choice::BlockStatus;

use super::{Action, Node, RECONSTRUCTIONS_MAX, Token, Verdict};
use crate::engine::Refusal;
use crate::ledger::{Ledger, LedgerError};
use crate::peers::{Offence, PeerName};
use crate::relay::{Contradiction, Reconstruction};
use crate::wire::Items;

/// How long an announcer has a block to itself: some round trips, and less than a block's time.
pub(super) const ASSEMBLY_MS: u64 = 1_000;
/// Attempts at putting one block together that may come to nothing: a slow neighbour, a lost
/// connection, and one more.
pub(super) const ATTEMPTS_MAX: usize = 3;
/// Blocks whose vain attempts are remembered: each has a header that stands for a block's work.
const FAILED_BLOCKS_MAX: usize = 256;

/// An announced block while its items come together.
pub(super) struct Assembly {
    pub(super) from: PeerName,
    pub(super) token: Token,
    pub(super) block: Reconstruction,
    /// When the block was first announced; outlives a change of the announcer.
    pub(super) since: Timestamp,
    /// When this announcer was asked.
    pub(super) asked: Timestamp,
}

impl Assembly {
    /// Whether the block may be sought elsewhere too.
    pub(super) fn is_overdue(&self, now: Timestamp) -> bool {
        now.get().saturating_sub(self.since.get()) >= ASSEMBLY_MS
    }

    /// Whether the announcer had its time.
    fn is_replaceable(&self, now: Timestamp) -> bool {
        now.get().saturating_sub(self.asked.get()) >= ASSEMBLY_MS
    }
}

/// Who announced which block in vain.
#[derive(Debug, Default)]
pub(super) struct FailedAssemblies {
    by_block: BTreeMap<BlockId, BTreeSet<PeerName>>,
    // Oldest first.
    order: VecDeque<BlockId>,
}

impl FailedAssemblies {
    pub(super) fn remember(&mut self, id: BlockId, peer: &str) {
        if !self.by_block.contains_key(&id) {
            if self.order.len() >= FAILED_BLOCKS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_block.remove(&oldest);
            }
            self.order.push_back(id);
        }
        self.by_block.entry(id).or_default().insert(peer.to_owned());
    }

    /// Whether `peer` may try.
    fn allow(&self, id: &BlockId, peer: &str) -> bool {
        self.by_block
            .get(id)
            .is_none_or(|failed| failed.len() < ATTEMPTS_MAX && !failed.contains(peer))
    }
}

impl<L: Ledger> Node<L> {
    /// Whether `from` may have the block `id` put together, and since when somebody has. One that
    /// announced it with the wrong items, or will not deliver them, makes room for another.
    pub(super) fn take_slot(
        &mut self,
        id: &BlockId,
        from: &str,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if !self.failed_assemblies.allow(id, from) {
            return None;
        }
        if let Some(assembly) = self.assemblies.get(id) {
            let since = assembly.since;
            if assembly.from == from || !assembly.is_replaceable(now) {
                return None;
            }
            self.give_up_assembly(id);
            return self.failed_assemblies.allow(id, from).then_some(since);
        }
        if self.assemblies.len() >= RECONSTRUCTIONS_MAX {
            let replaceable = |(_, assembly): &(&BlockId, &Assembly)| assembly.is_replaceable(now);
            let oldest = self
                .assemblies
                .iter()
                .filter(replaceable)
                .min_by_key(|(_, assembly)| assembly.asked);
            let oldest = *oldest?.0;
            self.give_up_assembly(&oldest);
        }
        Some(now)
    }

    /// Completes an announced block or asks for what is missing.
    pub(super) fn assemble(
        &mut self,
        assembly: Assembly,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let id = *assembly.block.id();
        if let Some(request) = assembly.block.missing() {
            let peer = assembly.from.clone();
            self.assemblies.insert(id, assembly);
            self.ask_missing(&peer, id, &request);
            return Ok(());
        }
        let Assembly {
            from, token, block, ..
        } = assembly;
        let Some(body) = block.into_body() else {
            return self.verdict(token, Verdict::Ignore);
        };
        let aux = body.aux.clone();
        match self.engine.add_body(&id, body, &self.mempool) {
            Ok(advance) => {
                self.body_added(&id, &aux, advance, now)?;
                self.judge(&id, token)
            }
            Err(Refusal::Rule(rule)) if rule.condemns_block() => {
                self.score(&from, &rule, rule.severity(Carrier::Block), now);
                self.verdict(token, Verdict::Reject)
            }
            Err(Refusal::Ledger(error)) => Err(error),
            Err(Refusal::Uncle(_)) => self.verdict(token, Verdict::Ignore),
            Err(_) => {
                // Perhaps two items share a short id: ask for the body as a whole.
                self.failed_assemblies.remember(id, &from);
                self.ask_for_bodies(now);
                self.verdict(token, Verdict::Ignore)
            }
        }
    }

    /// A block that holds by itself goes on, whether or not it is applied: whoever mines may include
    /// it as an uncle, and its branch may win. Nobody is blamed for what applying it may find.
    fn judge(&mut self, id: &BlockId, token: Token) -> Result<(), LedgerError> {
        let verdict = match self.engine.tree().status(id) {
            Some(BlockStatus::Applied | BlockStatus::BodyKnown) => Verdict::Accept,
            _ => Verdict::Ignore,
        };
        self.verdict(token, verdict)
    }

    /// The answer to a question for missing items.
    pub(super) fn missing_arrived(
        &mut self,
        peer: &str,
        id: BlockId,
        bytes: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        // Another announcer may have taken its place meanwhile.
        let is_from_peer = |assembly: &Assembly| assembly.from == peer;
        if !self.assemblies.get(&id).is_some_and(is_from_peer) {
            return Ok(());
        }
        let Some(mut assembly) = self.assemblies.remove(&id) else {
            return Ok(());
        };
        let items = bytes.map(|bytes| codec::decode::<Items>(bytes, Items::BYTES_MAX));
        match items {
            Some(Ok(items)) => match assembly.block.fill(items) {
                Ok(()) => return self.assemble(assembly, now),
                Err(Contradiction::Bytes) => {}
                Err(_) => self.peer_offended(peer, Offence::UselessAnswer, now),
            },
            Some(Err(_)) => self.peer_offended(peer, Offence::Malformed, now),
            None => {}
        }
        self.failed_assemblies.remember(id, peer);
        self.verdict(assembly.token, Verdict::Ignore)?;
        self.ask_for_bodies(now);
        Ok(())
    }

    /// An announcer had its chance.
    pub(super) fn give_up_assembly(&mut self, id: &BlockId) {
        if let Some(assembly) = self.assemblies.remove(id) {
            self.failed_assemblies.remember(*id, &assembly.from);
            self.outbox.push(Action::Verdict {
                token: assembly.token,
                verdict: Verdict::Ignore,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> BlockId {
        let [high, low] = u16::from(number).to_be_bytes();
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&[high, low]);
        BlockId::from_bytes(bytes)
    }

    #[test]
    fn vain_attempts_are_counted_by_block_and_peer_and_bounded() {
        let mut failed = FailedAssemblies::default();
        for peer in ["mallory", "mallory", "trudy"] {
            failed.remember(id(1), peer);
        }
        assert!(!failed.allow(&id(1), "mallory"));
        assert!(failed.allow(&id(1), "alice"));
        assert!(failed.allow(&id(2), "mallory"));
        failed.remember(id(1), "oscar");
        assert!(!failed.allow(&id(1), "alice"), "bodies alone from here on");
        for number in 2..=u8::MAX {
            failed.remember(id(number), "mallory");
        }
        failed.remember(BlockId::from_bytes([9; 32]), "mallory");
        failed.remember(BlockId::from_bytes([8; 32]), "mallory");
        assert_eq!(failed.order.len(), FAILED_BLOCKS_MAX);
        assert_eq!(failed.by_block.len(), FAILED_BLOCKS_MAX);
        assert!(failed.allow(&id(1), "mallory"), "the oldest is forgotten");
    }
}
