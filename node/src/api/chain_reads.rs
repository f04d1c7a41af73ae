//! Reads of the chain: headers, blocks, items, accounts, money.
//!
//! # Spec
//! docs/spec/07-rpc.md §3.2
//!
//! # Not here
//! What waits in the mempool is asked of the node's thread first.

use chain::{BlockId, Hash32, Height, Network};
use consensus::state::value;
use consensus::{StateView, ViewError};
use rpc::RpcFailure;
use rpc::limits::{ENVELOPE_BLOCKS_MAX, ENVELOPE_PAGE_BYTES_MAX};
use rpc::types::view::{BlockForm, BlockSelector};
use rpc::types::{
    AccountStatus, AddressText, BaseUnits, BlockPoint, BlockView, EnvelopeBlock, EnvelopePage,
    EnvelopeStatus, EnvelopeView, GetAccount, GetBlock, GetEnvelope, GetEnvelopes, GetHeader,
    GetStateHash, GetTransaction, HeaderStatus, HeaderView, Hex, Placement, RawHex, StateHash,
    SupplyStatus, Tip, TransactionStatus, TransactionView,
};
use store::{Location, View};

use super::{Api, disk, ledger, unavailable};
use crate::ledger::LedgerError;

impl Api {
    pub(super) async fn tip_point(&self) -> Result<BlockPoint, RpcFailure> {
        self.read(|view, _| {
            let tip = view.tip();
            Ok(BlockPoint {
                height: tip.height.get(),
                id: Hex(tip.id),
            })
        })
        .await
    }

    pub(super) async fn get_tip(&self) -> Result<Tip, RpcFailure> {
        self.read(|view, _| {
            let header = consensus::state::tip(view).map_err(state)?;
            Ok(Tip {
                height: header.height.get(),
                id: Hex(view.tip().id),
                time_ms: header.time.get(),
            })
        })
        .await
    }

    pub(super) async fn get_header(&self, asked: GetHeader) -> Result<HeaderStatus, RpcFailure> {
        let (selector, network) = (asked.block()?, self.network());
        self.read(move |view, _| {
            let id = select(view, selector)?;
            let stored = view.header(&id).map_err(disk)?.ok_or_else(unknown_block)?;
            Ok(HeaderStatus {
                header: HeaderView::new(&stored.header, network),
                best_chain: on_best_chain(view, stored.header.height, &id)?,
            })
        })
        .await
    }

    pub(super) async fn get_block(&self, asked: GetBlock) -> Result<BlockView, RpcFailure> {
        let (selector, form, network) = (asked.block()?, asked.form(), self.network());
        self.read(move |view, _| block_view(view, selector, form, network))
            .await
    }

    pub(super) async fn get_transaction(
        &self,
        asked: GetTransaction,
    ) -> Result<TransactionStatus, RpcFailure> {
        let (Hex(id), network) = (asked.id, self.network());
        let waiting = self
            .mailbox
            .run(move |desk| desk.node.mempool().transaction(&id).cloned())
            .await
            .map_err(unavailable)?;
        if let Some(tx) = waiting {
            let transaction = TransactionView::new(tx.transaction(), network);
            return Ok(TransactionStatus {
                transaction,
                in_block: None,
            });
        }
        self.read(move |view, _| {
            let found = view.transaction(&id).map_err(disk)?;
            let (location, transaction) = found.ok_or_else(|| {
                RpcFailure::unknown("unknown_transaction", "neither in the chain nor waiting")
            })?;
            let in_block = Some(placement(view, location)?);
            Ok(TransactionStatus {
                transaction: TransactionView::new(&transaction, network),
                in_block,
            })
        })
        .await
    }

    pub(super) async fn get_envelope(
        &self,
        asked: GetEnvelope,
    ) -> Result<EnvelopeStatus, RpcFailure> {
        let Hex(id) = asked.id;
        let waiting = self
            .mailbox
            .run(move |desk| {
                desk.node
                    .mempool()
                    .envelope(&id)
                    .map(|found| found.bytes().clone())
            })
            .await
            .map_err(unavailable)?;
        let unparsable = |_| RpcFailure::internal("a checked envelope does not parse");
        if let Some(bytes) = waiting {
            let envelope = EnvelopeView::new(&bytes.parse().map_err(unparsable)?);
            return Ok(EnvelopeStatus {
                envelope,
                in_block: None,
            });
        }
        self.read(move |view, _| {
            let found = view.envelope(&id).map_err(disk)?;
            let (location, bytes) = found.ok_or_else(|| {
                RpcFailure::unknown("unknown_envelope", "neither in the chain nor waiting")
            })?;
            let envelope = EnvelopeView::new(&bytes.parse().map_err(unparsable)?);
            Ok(EnvelopeStatus {
                envelope,
                in_block: Some(placement(view, location)?),
            })
        })
        .await
    }

    pub(super) async fn get_envelopes(
        &self,
        asked: GetEnvelopes,
    ) -> Result<EnvelopePage, RpcFailure> {
        self.read(move |view, _| {
            let mut page = EnvelopePage {
                blocks: Vec::new(),
                next: None,
            };
            let (mut bytes, mut height) = (0, Height::new(asked.from));
            for _ in 0..asked.count.min(ENVELOPE_BLOCKS_MAX) {
                let Some(block) = view.block_at(height).map_err(disk)? else {
                    return Ok(page);
                };
                bytes += block
                    .body
                    .envelopes
                    .iter()
                    .map(|raw| raw.as_slice().len())
                    .sum::<usize>();
                let raws = block
                    .body
                    .envelopes
                    .iter()
                    .map(|raw| RawHex::new(raw.as_slice()));
                page.blocks.push(EnvelopeBlock {
                    height: height.get(),
                    id: Hex(block.id()),
                    parent: Hex(block.header.parent),
                    time_ms: block.header.time.get(),
                    envelopes: raws.collect(),
                });
                height = height.next().unwrap_or(height);
                // The block at hand is part of the page, so that every page makes progress.
                if bytes >= ENVELOPE_PAGE_BYTES_MAX {
                    break;
                }
            }
            page.next = (height <= view.tip().height).then_some(height.get());
            Ok(page)
        })
        .await
    }

    pub(super) async fn get_account(&self, asked: GetAccount) -> Result<AccountStatus, RpcFailure> {
        let network = self.network();
        let account = asked.address.account_on(network)?;
        let waiting = self
            .mailbox
            .run(move |desk| desk.node.mempool().next_nonce(&account))
            .await
            .map_err(unavailable)?;
        self.read(move |view, _| {
            let found = value::account(view, &account).map_err(state)?;
            let record = value::record(view, &account).map_err(state)?;
            Ok(AccountStatus {
                address: AddressText::new(network, account),
                account: Hex(account),
                height: view.tip().height.get(),
                block: Hex(view.tip().id),
                balance: BaseUnits(found.balance),
                nonce: found.nonce,
                next_nonce: waiting.unwrap_or(found.nonce).max(found.nonce),
                record: record.map(|record| RawHex::encoding(&record)),
            })
        })
        .await
    }

    pub(super) async fn get_supply(&self) -> Result<SupplyStatus, RpcFailure> {
        self.read(|view, params| {
            let supply = value::supply(view).map_err(state)?;
            let tip = view.tip();
            let next = tip.height.next().unwrap_or(tip.height);
            let epoch = params.rate_epoch(next);
            let prices = value::prices(view).map_err(state)?;
            let price = prices
                .iter()
                .find(|price| price.epoch == epoch)
                .map(|price| price.kib);
            Ok(SupplyStatus {
                height: tip.height.get(),
                supply: BaseUnits(supply.supply),
                minted: BaseUnits(chain::Amount::from_base(supply.minted)),
                burned: BaseUnits(chain::Amount::from_base(supply.burned)),
                reward_next: BaseUnits(consensus::reward::emission(supply.supply)),
                price_per_kib: BaseUnits(price.unwrap_or_default()),
            })
        })
        .await
    }

    pub(super) async fn get_state_hash(
        &self,
        asked: GetStateHash,
    ) -> Result<StateHash, RpcFailure> {
        self.read(move |view, _| {
            let tip = view.tip();
            if asked
                .height
                .is_some_and(|height| height != tip.height.get())
            {
                // Earlier states are gone: the tree holds the tip's alone.
                return Err(RpcFailure::bad_parameter(
                    "state_gone",
                    "only the state of the tip is kept; ask without a height",
                ));
            }
            let state_hash: Hash32 = view.state_hash().map_err(state)?;
            Ok(StateHash {
                height: tip.height.get(),
                id: Hex(tip.id),
                state_hash: Hex(state_hash),
            })
        })
        .await
    }
}

fn block_view(
    view: &View<'_>,
    selector: BlockSelector,
    form: BlockForm,
    network: Network,
) -> Result<BlockView, RpcFailure> {
    let id = select(view, selector)?;
    let block = view.block(&id).map_err(disk)?.ok_or_else(unknown_block)?;
    let best_chain = on_best_chain(view, block.header.height, &id)?;
    BlockView::new(&block, network, best_chain, form)
        .map_err(|_| RpcFailure::internal("a checked envelope does not parse"))
}

fn select(view: &View<'_>, selector: BlockSelector) -> Result<BlockId, RpcFailure> {
    match selector {
        BlockSelector::Id(id) => Ok(id),
        BlockSelector::Height(height) => {
            view.id_at(height).map_err(disk)?.ok_or_else(unknown_block)
        }
    }
}

fn on_best_chain(view: &View<'_>, height: Height, id: &BlockId) -> Result<bool, RpcFailure> {
    Ok(view.id_at(height).map_err(disk)?.as_ref() == Some(id))
}

fn placement(view: &View<'_>, location: Location) -> Result<Placement, RpcFailure> {
    let id = view
        .id_at(location.height)
        .map_err(disk)?
        .ok_or_else(unknown_block)?;
    let tip = view.tip_height().map_err(state)?;
    Ok(Placement {
        height: location.height.get(),
        block: Hex(id),
        index: u32::from(location.position),
        confirmations: tip
            .get()
            .saturating_sub(location.height.get())
            .saturating_add(1),
    })
}

fn unknown_block() -> RpcFailure {
    RpcFailure::unknown("unknown_block", "no block of this height or id is here")
}

/// The state could not be read.
pub(super) fn state(error: ViewError) -> RpcFailure {
    ledger(LedgerError::View(error))
}
