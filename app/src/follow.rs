//! Following a node's best chain.
//!
//! # Invariants
//! * Blocks connect and revert one by one; the ledger's tip is always a block that the node showed.
//! * What the node says about the account is taken only for the block that was followed to.
//! * Rewards are computed from the block itself; a node cannot invent one for longer than until
//!   the next account state.
//!
//! # Spec
//! docs/spec/08-wallet.md §4
//!
//! # Not here
//! What a block means for the account: `wallet::activity`.

use std::collections::BTreeMap;

use chain::units::RateEpoch;
use chain::{Amount, Block, BlockId, Height};
use consensus::{reward, transaction};
use rand_core::CryptoRng;
use rpc::types::view::{BlockForm, BlockSelector};
use rpc::types::{AddressText, GetAccount, GetBlock, GetHeader, Hex};
use rpc::{ErrorCode, NodeApi, RpcFailure};
use wallet::ledger::AccountSnapshot;
use wallet::{BlockScan, Credit, CreditSource};

use crate::error::SessionError;
use crate::session::Session;

/// Blocks followed between two writes to the vault: what a crash makes us read again.
const SAVE_BLOCKS: u64 = 512;
/// Times that the chain may move on while its end is being looked at.
const TRIES_MAX: usize = 16;

impl Session {
    /// Follows the node to its tip and takes note of the account there. Own orders that are not in
    /// a block are sent again.
    ///
    /// # Errors
    /// [`SessionError`]; what was followed so far stays followed.
    pub async fn sync(
        &mut self,
        node: &dyn NodeApi,
        rng: &mut impl CryptoRng,
    ) -> Result<(), SessionError> {
        self.check_chain(node).await?;
        for _ in 0..TRIES_MAX {
            self.revert_to_common(node).await?;
            if !self.connect_to_tip(node, rng).await? {
                continue;
            }
            if self.observe(node).await? {
                self.save(rng)?;
                return self.send_again(node).await;
            }
        }
        Err(SessionError::NoRest)
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
                Ok(changes) => self.note(changes),
                Err(_) => {
                    // The chains part deeper than the wallet remembers: read all of it again.
                    let changes = self.ledger.restart(self.birthday());
                    self.note(changes);
                }
            }
        }
        Ok(())
    }

    /// Connects blocks up to the node's tip; false if the chain moved meanwhile.
    async fn connect_to_tip(
        &mut self,
        node: &dyn NodeApi,
        rng: &mut impl CryptoRng,
    ) -> Result<bool, SessionError> {
        let mut prices = BTreeMap::new();
        let mut followed = 0u64;
        loop {
            let end = node.chain_get_tip().await?.height;
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
            let scan = self.scan(node, &block, &mut prices).await?;
            let changes = self.ledger.connect(&scan)?;
            self.note(changes);
            followed += 1;
            if followed.is_multiple_of(SAVE_BLOCKS) {
                self.save(rng)?;
            }
        }
    }

    async fn scan(
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
            let amount = tips
                .try_fold(reward::miner(header.supply, uncles), Amount::checked_add)
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
    async fn price(
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

    /// Takes the account's state from the node; false if it is of another block by now.
    async fn observe(&mut self, node: &dyn NodeApi) -> Result<bool, SessionError> {
        let address = AddressText::from(self.address());
        let account = node.chain_get_account(GetAccount { address }).await?;
        let Some(tip) = self.ledger.tip() else {
            return Ok(false);
        };
        let Hex(block) = account.block;
        if block != tip.id {
            return Ok(false);
        }
        let snapshot = AccountSnapshot {
            balance: account.balance.0,
            nonce: account.nonce,
            locked: Amount::ZERO,
        };
        let changes = self.ledger.observe(self.account(), &block, snapshot)?;
        self.note(changes);
        Ok(true)
    }
}

async fn id_at(node: &dyn NodeApi, height: Height) -> Result<Option<BlockId>, SessionError> {
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

fn known<T>(answer: Result<T, RpcFailure>) -> Result<Option<T>, SessionError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.code == ErrorCode::BadAddress => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}
