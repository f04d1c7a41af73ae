//! Following a node's best chain.
//!
//! # Invariants
//! * Blocks connect and revert one by one, for wallet and messenger alike; the tip is always a
//!   block that the node showed.
//! * What the node says about the account is taken only for the block that was followed to.
//! * Nothing leaves the machine before the tip was reached and the mempool read.
//!
//! # Spec
//! docs/spec/16-session.md §3
//!
//! # Not here
//! What a block did to the wallet: `scan`. Envelopes: `reading`. Sending: `outgoing`, `orders`.

use std::collections::BTreeMap;

use chain::record::AccountRecord;
use chain::{Amount, Block, BlockId, Envelope, Height, Timestamp};
use rand_core::CryptoRng;
use rpc::types::view::{BlockForm, BlockSelector};
use rpc::types::{AddressText, GetAccount, GetBlock, GetHeader, Hex};
use rpc::{ErrorCode, NodeApi, RpcFailure};
use wallet::ledger::AccountSnapshot;

use crate::error::SessionError;
use crate::owned::Owned;
use crate::session::Session;

/// Blocks followed between two writes to the vault: what a crash makes us read again.
const SAVE_BLOCKS: u64 = 512;
/// Times that the chain may move on while its end is being looked at.
const TRIES_MAX: usize = 16;
/// After so many of them what is bound elsewhere is left as it was known: the rest is worth more.
const LOCKED_TRIES_MAX: usize = 4;

impl Session {
    /// Follows the node to its tip, takes note of the account there, reads what waits in the
    /// mempool, and sends what is to be sent. What happened is in [`Session::take_news`].
    ///
    /// # Errors
    /// [`SessionError`]; what was followed so far stays followed.
    pub async fn sync(
        &mut self,
        node: &dyn NodeApi,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<(), SessionError> {
        // Until the end is reached again, orders are refused and messages wait.
        self.reading.is_at_tip = false;
        self.messenger.set_behind();
        self.check_chain(node).await?;
        let is_syncing = self.is_node_syncing(node).await?;
        for tries in 1..=TRIES_MAX {
            self.revert_to_common(node).await?;
            let is_at_tip = self.read_again(node, now, rng).await?
                && self.connect_to_tip(node, now, rng).await?
                && self.observe(node, tries).await?
                && self.read_history(node, now, rng).await?;
            if !is_at_tip {
                continue;
            }
            if is_syncing {
                // The node's tip is not the network's: what was written elsewhere may be above it.
                self.look_at_confirmations(node).await?;
                return self.save(rng);
            }
            self.read_mempool(node, now).await?;
            self.look_at_confirmations(node).await?;
            self.arrive(now, rng)?;
            self.send_again(node, rng).await?;
            return self.push_outbox(node, now, rng).await;
        }
        Err(SessionError::NoRest)
    }

    /// Whether the node is still syncing. One that is behind what was followed is refused: its chain
    /// would have us forget our own.
    async fn is_node_syncing(&self, node: &dyn NodeApi) -> Result<bool, SessionError> {
        let status = node.node_get_info().await?;
        let height = Height::new(status.tip.height);
        if status.syncing && height < self.tip_height() {
            return Err(SessionError::NodeBehind { height });
        }
        Ok(status.syncing)
    }

    /// Refuses to order anything before the network's tip was reached.
    pub(crate) fn check_at_tip(&self) -> Result<(), SessionError> {
        if self.reading.is_at_tip {
            Ok(())
        } else {
            let height = self.tip_height();
            Err(SessionError::NodeBehind { height })
        }
    }

    /// The followed tip's height; genesis before anything was followed.
    pub(crate) fn tip_height(&self) -> Height {
        self.ledger.tip().map(|tip| tip.height).unwrap_or_default()
    }

    async fn check_chain(&self, node: &dyn NodeApi) -> Result<(), SessionError> {
        let by_height = GetHeader::from(BlockSelector::Height(Height::new(0)));
        let genesis = node.chain_get_header(by_height).await?;
        let found = chain::ChainId::from(genesis.header.id.0);
        let expected = self.chain_id();
        if found == expected {
            Ok(())
        } else {
            Err(SessionError::OtherChain { expected, found })
        }
    }

    async fn revert_to_common(&mut self, node: &dyn NodeApi) -> Result<(), SessionError> {
        while let Some(tip) = self.ledger.tip() {
            if id_at(node, tip.height).await? == Some(tip.id) {
                return Ok(());
            }
            match self.ledger.revert(&tip.id) {
                Ok(changes) => {
                    self.note_wallet(changes);
                    let (events, changes) = self.messenger.revert_block(tip.height);
                    self.note_messages(events, changes);
                }
                Err(_) => {
                    // The chains part deeper than the wallet remembers: read all of it again.
                    let changes = self.ledger.restart(self.birthday());
                    self.note_wallet(changes);
                    self.revert_what_is_gone(node).await?;
                    let (events, changes) = self.messenger.revert_block(self.birthday());
                    self.note_messages(events, changes);
                }
            }
        }
        Ok(())
    }

    /// Connects blocks up to where the node's tip is now; false if the chain moved meanwhile.
    async fn connect_to_tip(
        &mut self,
        node: &dyn NodeApi,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<bool, SessionError> {
        let mut prices = BTreeMap::new();
        let mut followed = 0u64;
        let end = node.chain_get_tip().await?.height;
        loop {
            let tip = self.ledger.tip();
            let next = match tip {
                Some(tip) => tip.height.next().unwrap_or(tip.height),
                // A wallet that is younger than the node's chain begins where the node is.
                None => self.birthday().min(Height::new(end)),
            };
            if next.get() > end {
                return Ok(true);
            }
            let Some(block) = block_at(node, next).await? else {
                return Ok(false);
            };
            if tip.is_some_and(|tip| tip.id != block.header.parent) {
                return Ok(false);
            }
            // First of all: what the header does not name is no part of the block.
            let envelopes = envelopes_of(&block)?;
            let scan = self.scan(node, &block, &mut prices).await?;
            let changes = self.ledger.connect(&scan)?;
            self.note_wallet(changes);
            self.own_keys.note(&block, &self.identity.account());
            let (events, changes) =
                self.messenger
                    .receive_block(next, block.header.id(), &envelopes, now);
            self.note_messages(events, changes);
            self.fetch_needed(node, now).await?;
            followed += 1;
            if followed.is_multiple_of(SAVE_BLOCKS) || self.unsaved.is_large() {
                self.save(rng)?;
            }
        }
    }

    /// Takes the account's state from the node; false if it is of another block by now.
    async fn observe(&mut self, node: &dyn NodeApi, tries: usize) -> Result<bool, SessionError> {
        let address = AddressText::from(self.address());
        let account = node.chain_get_account(GetAccount { address }).await?;
        let Some(tip) = self.ledger.tip() else {
            return Ok(false);
        };
        let Hex(block) = account.block;
        if block != tip.id {
            return Ok(false);
        }
        let owned = self.read_owned(node).await?;
        if owned.is_none() && tries < LOCKED_TRIES_MAX {
            return Ok(false);
        }
        let locked = owned.and_then(|owned| {
            let locked = owned.locked();
            // Nothing in a part of the list says nothing about the rest.
            (owned.is_complete || locked > Amount::ZERO).then_some(locked)
        });
        let snapshot = AccountSnapshot {
            balance: account.balance.0,
            nonce: account.nonce,
            locked,
        };
        let changes = self.ledger.observe(self.account(), &block, snapshot)?;
        self.note_wallet(changes);
        if let Some(record) = account.record {
            let record: AccountRecord = record.decode(AccountRecord::BYTES)?;
            self.read_inbox_of(&record)?;
        }
        Ok(true)
    }

    /// What is bound elsewhere at the followed tip; nothing if the node could not say.
    async fn read_owned(&mut self, node: &dyn NodeApi) -> Result<Option<Owned>, SessionError> {
        let owned = match self.owned(node).await {
            // Following the chain does not wait for what everybody else has bound.
            Err(SessionError::Node(failure)) if !failure.is_unreachable() => {
                tracing::warn!(reason = %failure.reason, "own bonds and masternodes were not read");
                None
            }
            answer => answer?,
        };
        if let Some(owned) = &owned {
            let numbers = owned.bonds.iter().map(|bond| bond.bond);
            self.reading.own_bonds = numbers.collect();
        }
        Ok(owned)
    }

    /// The tip is reached and the mempool read: messages may leave from now on.
    fn arrive(&mut self, now: Timestamp, rng: &mut impl CryptoRng) -> Result<(), SessionError> {
        self.reading.is_at_tip = true;
        let changes = self.messenger.set_at_tip(self.tip_height());
        self.note_messages(Vec::new(), changes);
        let (events, changes) = self.messenger.tick(now, rng);
        self.note_messages(events, changes);
        self.save(rng)
    }
}

/// The envelopes of a block whose header names them, parsed.
fn envelopes_of(block: &Block) -> Result<Vec<Envelope>, SessionError> {
    let what = "a block whose header does not name its body";
    let (header, body) = (&block.header, &block.body);
    if body.tx_root() != header.tx_root || body.envelope_root().ok() != Some(header.envelope_root) {
        return Err(SessionError::BadAnswer { what });
    }
    let parsed = block.body.envelopes.iter().map(|bytes| bytes.parse());
    parsed
        .collect::<Result<_, _>>()
        .map_err(|_| SessionError::BadAnswer { what })
}

/// Id of the best chain's block at a height, if the chain is that long.
pub(crate) async fn id_at(
    node: &dyn NodeApi,
    height: Height,
) -> Result<Option<BlockId>, SessionError> {
    let by_height = GetHeader::from(BlockSelector::Height(height));
    known(node.chain_get_header(by_height).await).map(|found| found.map(|found| found.header.id.0))
}

async fn block_at(node: &dyn NodeApi, height: Height) -> Result<Option<Block>, SessionError> {
    let asked = GetBlock::new(BlockSelector::Height(height), BlockForm::Raw);
    let Some(view) = known(node.chain_get_block(asked).await)? else {
        return Ok(None);
    };
    let raw = view.raw.ok_or(SessionError::BadAnswer {
        what: "a block without its bytes",
    })?;
    let block: Block = raw.decode(Block::BYTES_MAX)?;
    if block.header.height != height {
        return Err(SessionError::BadAnswer {
            what: "a block of another height",
        });
    }
    Ok(Some(block))
}

/// An answer, or nothing where the node does not know what was asked for.
pub(crate) fn known<T>(answer: Result<T, RpcFailure>) -> Result<Option<T>, SessionError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.code == ErrorCode::BadAddress => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

#[cfg(test)]
mod tests;
