//! What users hand in: transactions, envelopes, blocks; and what waits in the mempool.
//!
//! # Invariants
//! `durable` is answered only after the item is synced to the disk; those who wait at the same time
//! share one wait.
//!
//! # Spec
//! docs/spec/07-rpc.md §3.3
//!
//! # Not here
//! Whether it is valid: the node's thread asks `consensus`.

use chain::{Block, Envelope, EnvelopeBytes, Timestamp, Transaction, codec};
use rpc::limits::{ENVELOPE_PAGE_BYTES_MAX, MEMPOOL_IDS_MAX};
use rpc::types::{
    Acknowledgement, GetMempool, Hex, MempoolPage, MempoolStatus, RawHex, Submit, SubmittedBlock,
    SubmittedEnvelope, SubmittedTransaction,
};
use rpc::{ErrorCode, RpcFailure};
use store::{PendingId, PendingRow, StoreError};

use super::{Api, disk, ledger, unavailable};
use crate::disk::Disk;
use crate::engine::Refusal as BlockRefusal;
use crate::ledger::LedgerError;
use crate::mempool::{self, Item, Refusal};
use crate::protocol::{BlockSubmission, ItemSubmission, Node};

impl Api {
    pub(super) async fn submit_block(&self, block: Block) -> Result<SubmittedBlock, RpcFailure> {
        let id = block.id();
        let submitted = self
            .mailbox
            .run(move |desk| {
                let now = desk.now();
                let submitted = desk.node.submit_block(block, now);
                desk.noted(submitted)
            })
            .await
            .map_err(unavailable)?
            .ok_or_else(|| ledger(LedgerError::Full))?;
        match submitted {
            BlockSubmission::Accepted => Ok(SubmittedBlock { id: Hex(id) }),
            BlockSubmission::AlreadyKnown => Err(RpcFailure::new(
                ErrorCode::AlreadyInChain,
                "already_known",
                "the block was here before",
            )),
            BlockSubmission::Refused(refusal) => Err(refused_block(&refusal)),
        }
    }

    pub(super) async fn submit_transaction(
        &self,
        submit: Submit,
    ) -> Result<SubmittedTransaction, RpcFailure> {
        let transaction: Transaction = submit.raw.decode(Transaction::BYTES_MAX)?;
        let id = transaction.id();
        let bytes = codec::encode(&transaction);
        let ack = submit.ack.unwrap_or(Acknowledgement::Accepted);
        let row = PendingRow {
            id: PendingId::Transaction(id),
            bytes,
        };
        self.submit(ack, row, move |node| node.submit_transaction(transaction))
            .await?;
        Ok(SubmittedTransaction { id: Hex(id), ack })
    }

    pub(super) async fn submit_envelope(
        &self,
        submit: Submit,
    ) -> Result<SubmittedEnvelope, RpcFailure> {
        let bytes = submit.raw.bytes(Envelope::BYTES_MAX)?;
        let envelope = submit.raw.envelope()?;
        let (id, wid) = (envelope.mid(), envelope.wid());
        let ack = submit.ack.unwrap_or(Acknowledgement::Accepted);
        let row = PendingRow {
            id: PendingId::Envelope(wid),
            bytes: bytes.clone(),
        };
        let bytes = EnvelopeBytes::new(bytes);
        self.submit(ack, row, move |node| node.submit_envelope(bytes))
            .await?;
        Ok(SubmittedEnvelope {
            id: Hex(id),
            wid: Hex(wid),
            ack,
        })
    }

    async fn submit(
        &self,
        ack: Acknowledgement,
        row: PendingRow,
        submit: impl FnOnce(&mut Node<Disk>) -> Result<ItemSubmission, LedgerError> + Send + 'static,
    ) -> Result<(), RpcFailure> {
        let submitted = self
            .mailbox
            .run(move |desk| {
                let submitted = submit(&mut desk.node);
                desk.noted(submitted)
            })
            .await
            .map_err(unavailable)?
            .ok_or_else(|| ledger(LedgerError::Full))?;
        match submitted {
            ItemSubmission::Accepted(_) | ItemSubmission::Refused(Refusal::AlreadyKnown) => {}
            ItemSubmission::Refused(refusal) => return Err(refused_item(&refusal)),
        }
        if ack == Acknowledgement::Durable {
            let id = row.id;
            self.make_durable(row).await?;
            self.look_again_unless_waiting(id).await;
        }
        Ok(())
    }

    /// A row that was written after its item had left the mempool: nobody has judged it yet.
    async fn look_again_unless_waiting(&self, id: PendingId) {
        let looked = self.mailbox.run(move |desk| {
            let mempool = desk.node.mempool();
            let waits = match &id {
                PendingId::Transaction(id) => mempool.transaction(id).is_some(),
                PendingId::Envelope(id) => {
                    let name = chain::Hash32::from_bytes(*id.as_bytes());
                    mempool.get(&name).is_some()
                }
            };
            if !waits {
                desk.look_again(id);
            }
        });
        if looked.await.is_err() {
            // The next start looks at every row.
            tracing::debug!("nobody looked whether a durable submission still waits");
        }
    }

    /// Waits for the disk together with whoever else waits for it now.
    async fn make_durable(&self, row: PendingRow) -> Result<(), RpcFailure> {
        let busy = || {
            let next = "too many durable submissions wait for the disk; try again soon";
            RpcFailure::new(ErrorCode::Busy, "pending_full", next)
        };
        let (answer, answered) = tokio::sync::oneshot::channel();
        let acknowledge = move |kept| {
            // Whoever asked may have gone.
            let _ = answer.send(kept);
        };
        self.group
            .upgrade()
            .ok_or_else(RpcFailure::stopping)?
            .send(row, Box::new(acknowledge))
            .map_err(|_| busy())?;
        let kept = answered.await.map_err(|_| RpcFailure::stopping())?;
        kept.map_err(|error| match error {
            StoreError::PendingFull { .. } => RpcFailure::new(
                ErrorCode::Busy,
                "pending_full",
                "too many durable submissions wait; try again after the next block",
            ),
            other => disk(other),
        })
    }

    pub(super) async fn mempool_info(&self) -> Result<MempoolStatus, RpcFailure> {
        self.mailbox
            .run(|desk| {
                let mempool = desk.node.mempool();
                let is_transaction = |item: &&Item| matches!(item, Item::Transaction(_));
                let transactions = mempool.items().filter(is_transaction).count();
                let envelopes = mempool.len() - transactions;
                MempoolStatus {
                    transactions: u32::try_from(transactions).unwrap_or(u32::MAX),
                    envelopes: u32::try_from(envelopes).unwrap_or(u32::MAX),
                    bytes: mempool.bytes() as u64,
                    bytes_max: mempool::BYTES_MAX as u64,
                }
            })
            .await
            .map_err(unavailable)
    }

    pub(super) async fn mempool_page(&self, asked: GetMempool) -> Result<MempoolPage, RpcFailure> {
        let count = asked.count.unwrap_or(MEMPOOL_IDS_MAX).min(MEMPOOL_IDS_MAX) as usize;
        self.mailbox
            .run(move |desk| {
                let mut items: Vec<([u8; 32], &Item)> = desk
                    .node
                    .mempool()
                    .items()
                    .map(|item| match item {
                        Item::Transaction(tx) => (*tx.id().as_bytes(), item),
                        Item::Envelope(envelope) => (*envelope.message_id().as_bytes(), item),
                    })
                    .collect();
                items.sort_unstable_by_key(|(id, _)| *id);
                if let Some(Hex(after)) = asked.after {
                    items.retain(|(id, _)| id > after.as_bytes());
                }
                page_of(&items, count, asked.raw.unwrap_or_default())
            })
            .await
            .map_err(unavailable)
    }

    pub(super) async fn mark_block(
        &self,
        mark: impl FnOnce(&mut Node<Disk>, Timestamp) -> Result<(), BlockRefusal> + Send + 'static,
    ) -> Result<(), RpcFailure> {
        self.mailbox
            .run(move |desk| {
                let now = desk.now();
                mark(&mut desk.node, now)
            })
            .await
            .map_err(unavailable)?
            .map_err(|refusal| refused_block(&refusal))
    }
}

/// The first of the items that a page holds; a page without raws is bounded by its count alone.
fn page_of(items: &[([u8; 32], &Item)], count: usize, with_raws: bool) -> MempoolPage {
    let mut page = MempoolPage {
        transactions: Vec::new(),
        envelopes: Vec::new(),
        raws: with_raws.then(Vec::new),
        next: None,
    };
    let (mut held, mut bytes) = (0, 0);
    for (id, item) in items.iter().take(count) {
        if bytes >= ENVELOPE_PAGE_BYTES_MAX {
            break;
        }
        match item {
            Item::Transaction(_) => page.transactions.push(Hex(chain::TxId::from_bytes(*id))),
            Item::Envelope(envelope) => {
                page.envelopes.push(Hex(chain::MessageId::from_bytes(*id)));
                if let Some(raws) = &mut page.raws {
                    bytes += item.bytes();
                    raws.push(RawHex::new(envelope.bytes().as_slice()));
                }
            }
        }
        held += 1;
    }
    let last = items[..held].last().filter(|_| held < items.len());
    page.next = last.map(|(id, _)| Hex(chain::Hash32::from_bytes(*id)));
    page
}

fn refused_block(refusal: &BlockRefusal) -> RpcFailure {
    let reason = match refusal {
        BlockRefusal::Rule(_) | BlockRefusal::Uncle(_) => {
            return RpcFailure::new(
                ErrorCode::VerificationFailed,
                "rule_broken",
                refusal.to_string(),
            );
        }
        BlockRefusal::UnknownParent { .. } => "unknown_parent",
        BlockRefusal::UnknownHeader { .. } => "unknown_block",
        BlockRefusal::TooLight => "too_light",
        BlockRefusal::NotFollowed { .. } => "not_followed",
        BlockRefusal::BeyondUndo { .. } => "beyond_undo",
        BlockRefusal::Ledger(error) => return ledger(error.clone()),
    };
    RpcFailure::rejected(reason, refusal.to_string())
}

fn refused_item(refusal: &Refusal) -> RpcFailure {
    let reason = match refusal {
        Refusal::Rule(consensus::Rule::BalanceTooLow { .. }) | Refusal::Uncovered { .. } => {
            return RpcFailure::new(
                ErrorCode::InsufficientFunds,
                "insufficient_funds",
                refusal.to_string(),
            );
        }
        Refusal::Rule(consensus::Rule::NonceUsed { .. }) => "nonce_used",
        Refusal::Rule(consensus::Rule::NonceAhead { .. }) => "nonce_ahead",
        Refusal::Rule(consensus::Rule::EpochPast { .. }) => "epoch_past",
        Refusal::Rule(consensus::Rule::OneTimeKeySeen { .. }) => "one_time_key_seen",
        Refusal::Rule(consensus::Rule::EnvelopeSignature) => "envelope_signature",
        Refusal::Rule(rule) => stake_word(rule).unwrap_or("rule_broken"),
        Refusal::AlreadyKnown => "already_known",
        Refusal::Conflict => "conflict",
        Refusal::TooManyOrders => "too_many_orders",
        Refusal::TooManyGaps => "too_many_gaps",
        Refusal::Full => "mempool_full",
        Refusal::View(error) => return ledger(LedgerError::View(error.clone())),
    };
    RpcFailure::rejected(reason, refusal.to_string())
}

/// Words for what orders about bonds and masternodes are refused for.
const fn stake_word(rule: &consensus::Rule) -> Option<&'static str> {
    use consensus::Rule;
    Some(match rule {
        Rule::BondAmount { .. } => "bond_amount",
        Rule::BondPossession => "bond_possession",
        Rule::BondUnknown { .. } => "unknown_bond",
        Rule::VoteKeyUsed { .. } => "vote_key_used",
        Rule::NotDormant { .. } => "not_dormant",
        Rule::NotOwner => "not_owner",
        Rule::AlreadyLeaving { .. } => "already_leaving",
        Rule::MasternodeKeys => "masternode_keys",
        Rule::MasternodeKeyUsed { .. } => "masternode_key_used",
        Rule::MasternodePossession => "masternode_possession",
        Rule::MasternodeUnknown { .. } => "unknown_masternode",
        Rule::NotBanned { .. } => "not_banned",
        Rule::KindInactive { .. } | Rule::KindAhead { .. } => "kind_inactive",
        Rule::FeeAboveMax { .. } => "fee_above_max",
        _ => return None,
    })
}
