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
use rpc::types::view::BlockSelector;
use rpc::types::{CommitteeStatus, GetCommittee, GetHeader};
use wallet::{BlockScan, Credit, CreditSource};

use crate::error::SessionError;
use crate::follow::known;
use crate::session::Session;

/// Seats of the votes that a block includes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Voted {
    /// Of all bonds.
    all: u64,
    /// Of the account's own.
    own: u64,
}

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
        let voted = self.voted(node, block).await?;
        BlockScan::of(block, &fees, self.credits(block, &voted)).map_err(|_| {
            SessionError::BadAnswer {
                what: "a block with an envelope that is none",
            }
        })
    }

    /// Seats of the votes in a block, if they earn us something and the node still knows whose they
    /// were; else none, and the next account state corrects it.
    async fn voted(&self, node: &dyn NodeApi, block: &Block) -> Result<Voted, SessionError> {
        let votes = &block.body.aux.votes;
        let is_ours = |bond: u32| self.reading.own_bonds.contains(&bond);
        let earns = block.header.payout == self.account()
            || votes.iter().any(|vote| is_ours(vote.bond.get()));
        let mut voted = Voted::default();
        let mut committee: Option<CommitteeStatus> = None;
        for vote in votes.iter().filter(|_| earns) {
            let height = block.header.height.get().saturating_sub(vote.back.into());
            // Votes are sorted by the height that they are for.
            if committee
                .as_ref()
                .is_none_or(|known| known.height != height)
            {
                let asked = GetCommittee {
                    height: Some(height),
                };
                let Some(found) = known(node.chain_get_committee(asked).await)? else {
                    return Ok(Voted::default());
                };
                committee = Some(found);
            }
            let bond = vote.bond.get();
            let members = committee.iter().flat_map(|committee| &committee.members);
            let mut members = members.filter(|member| member.bond == bond);
            let seats = members.next().map_or(0, |member| u64::from(member.seats));
            voted.all = voted.all.saturating_add(seats);
            if is_ours(bond) {
                voted.own = voted.own.saturating_add(seats);
            }
        }
        Ok(voted)
    }

    fn credits(&self, block: &Block, voted: &Voted) -> Vec<Credit> {
        let (header, account) = (&block.header, self.account());
        let mut credits = Vec::new();
        if header.payout == account {
            let uncles = block.body.aux.uncles.len() as u64;
            let mut tips = block.body.transactions.iter().map(|tx| tx.prefix().tip);
            // Finality signatures earn a little more; only the state knows how much, and the next
            // account state corrects it.
            let earned = reward::miner(header.supply, uncles, voted.all);
            let amount = tips
                .try_fold(earned, Amount::checked_add)
                .unwrap_or_default();
            credits.push(Credit {
                account,
                source: CreditSource::Mining,
                amount,
            });
        }
        if voted.own > 0 {
            credits.push(Credit {
                account,
                source: CreditSource::Votes,
                amount: reward::voter(header.supply, voted.own),
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

#[cfg(test)]
mod tests;
