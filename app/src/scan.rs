//! What a block did to the wallet: credits from the block itself, fees from the headers before it.
//!
//! # Invariants
//! Rewards are computed from the block itself; a node cannot invent one for longer than until the
//! next account state.
//!
//! # Spec
//! docs/spec/08-wallet.md §4, docs/spec/10-money.md
//!
//! # Not here
//! What a block means for the account: `wallet::activity`. Which blocks: `follow`.

use std::collections::BTreeMap;

use chain::units::RateEpoch;
use chain::{Amount, Block, Height};
use consensus::{reward, transaction};
use rpc::NodeApi;
use rpc::types::GetHeader;
use rpc::types::view::BlockSelector;
use wallet::{BlockScan, Credit, CreditSource};

use crate::error::SessionError;
use crate::session::Session;

impl Session {
    pub(crate) async fn scan(
        &self,
        node: &dyn NodeApi,
        block: &Block,
        prices: &mut BTreeMap<RateEpoch, Amount>,
    ) -> Result<BlockScan, SessionError> {
        let mut fees = Vec::new();
        for tx in &block.body.transactions {
            let is_ours = tx.sender() == self.account();
            let fee = if is_ours && tx.stamp_commitment().is_none() {
                let price = self.price(node, block.header.height, prices).await?;
                // Accounts that the order created cost one unit more each; only the state knows,
                // and the next account state corrects it.
                price
                    .checked_mul(transaction::base_units(tx))
                    .unwrap_or_default()
            } else {
                Amount::ZERO
            };
            fees.push(fee);
        }
        BlockScan::of(block, &fees, self.credits(block)).map_err(|_| SessionError::BadAnswer {
            what: "a block with an envelope that is none",
        })
    }

    fn credits(&self, block: &Block) -> Vec<Credit> {
        let (header, account) = (&block.header, self.account());
        let mut credits = Vec::new();
        if header.payout == account {
            let uncles = block.body.aux.uncles.len() as u64;
            let mut tips = block.body.transactions.iter().map(|tx| tx.prefix().tip);
            // Seats and finality signatures earn a little more; only the state knows how much, and
            // the next account state corrects it.
            let amount = tips
                .try_fold(reward::miner(header.supply, uncles, 0), Amount::checked_add)
                .unwrap_or_default();
            credits.push(Credit {
                account,
                source: CreditSource::Mining,
                amount,
            });
        }
        for uncle in block
            .body
            .aux
            .uncles
            .iter()
            .filter(|uncle| uncle.payout == account)
        {
            let depth = header.height.get().saturating_sub(uncle.height.get());
            let amount = reward::uncle_miner(header.supply, depth);
            credits.push(Credit {
                account,
                source: CreditSource::Uncle,
                amount,
            });
        }
        credits
    }

    /// Price of a KiB in the rate epoch of `height`: by the supply at the end of the epoch before
    /// the last.
    pub(crate) async fn price(
        &self,
        node: &dyn NodeApi,
        height: Height,
        prices: &mut BTreeMap<RateEpoch, Amount>,
    ) -> Result<Amount, SessionError> {
        let epoch = self.params.rate_epoch(height);
        if let Some(price) = prices.get(&epoch) {
            return Ok(*price);
        }
        let supply = match epoch.checked_sub(1).filter(|before| before.get() > 0) {
            // A header shows the supply before its block: the one after the epoch's last block.
            Some(before) => {
                let start = self.params.rate_epoch_start(before);
                let by_height = GetHeader::from(BlockSelector::Height(start));
                node.chain_get_header(by_height).await?.header.supply.0
            }
            None => Amount::ZERO,
        };
        let price = reward::kib_price(supply);
        prices.insert(epoch, price);
        Ok(price)
    }
}
