//! A small world for tests of stake: bonds, masternodes, and who of them does his duty.

use std::collections::BTreeSet;

use chain::units::{BondId, MasternodeId, Term};

use super::*;
use crate::state::value::{Bond, Masternode};

/// A chain on which every voter and every operator signs, but for the silent ones.
pub(super) struct World {
    pub(super) chain: TestChain,
    pub(super) silent_bonds: BTreeSet<u32>,
    pub(super) silent_masternodes: BTreeSet<u32>,
}

/// The key that votes for bond `number`.
pub(super) fn voter(number: u32) -> Owner {
    Owner::new(1_000 + u64::from(number))
}

/// The key that signs for masternode `number`.
pub(super) fn operator(number: u32) -> Owner {
    Owner::new(2_000 + u64::from(number))
}

/// The voting key of masternode `number`.
pub(super) fn voting(number: u32) -> Owner {
    Owner::new(3_000 + u64::from(number))
}

pub(super) fn coins(x3c: u64) -> Amount {
    Amount::from_x3c(x3c).expect("below the cap")
}

impl World {
    /// Bob has mined one block and Alice 59, more than 30 coins; then come bonds of these whole coins and so
    /// many masternodes, all hers.
    pub(super) fn new(bonds: &[u64], masternodes: u32) -> Self {
        Self::with(Params::of(Network::Regtest), bonds, masternodes)
    }

    pub(super) fn with(params: Params, bonds: &[u64], masternodes: u32) -> Self {
        let mut chain = TestChain::with(params);
        chain.mine_empty(bob().account(), 1);
        chain.mine_empty(alice().account(), 59);
        let mut orders = Vec::new();
        for (number, amount) in (0..).zip(bonds) {
            let ahead = orders.len() as u64;
            orders.push(chain.bond(&alice(), ahead, &voter(number), coins(*amount)));
        }
        for number in 0..masternodes {
            let ahead = orders.len() as u64;
            orders.push(chain.register(&alice(), ahead, &operator(number), &voting(number)));
        }
        chain.mine(miner(), &orders, &[]);
        Self {
            chain,
            silent_bonds: BTreeSet::new(),
            silent_masternodes: BTreeSet::new(),
        }
    }

    /// A block with everybody's votes and these transactions.
    pub(super) fn step(&mut self, txs: &[Transaction]) -> &AppliedBlock {
        let chain = &self.chain;
        let votes = chain.votes_for(chain.tip().height, |bond, key| {
            let is_silent = self.silent_bonds.contains(&bond.get());
            let mut voters = (0..16).map(voter).filter(|_| !is_silent);
            voters.find(|voter| voter.key() == *key)
        });
        let mut signatures = Vec::new();
        for target in chain.targets() {
            signatures.extend(chain.finality_votes_for(&target, |id, key| {
                let is_silent = self.silent_masternodes.contains(&id.get());
                let mut operators = (0..16).map(operator).filter(|_| !is_silent);
                operators.find(|operator| operator.key() == *key)
            }));
        }
        let txs: Vec<_> = txs
            .iter()
            .map(|tx| chain.check_transaction(tx).expect("valid by itself"))
            .collect();
        self.chain.mine_with(miner(), |draft| {
            for vote in &votes {
                draft.try_vote(vote).expect("a vote that fits");
            }
            for signature in &signatures {
                draft.try_finality_vote(signature).expect("it fits");
            }
            for tx in &txs {
                draft.try_transaction(tx).expect("it fits");
            }
        })
    }

    /// Steps until the tip has this height.
    pub(super) fn to(&mut self, height: u64) {
        assert!(self.chain.height() <= height);
        while self.chain.height() < height {
            self.step(&[]);
        }
    }

    /// Steps over the next boundary.
    pub(super) fn pass_the_boundary(&mut self) {
        let next = (self.chain.height() / 12 + 1) * 12;
        self.to(next);
    }

    pub(super) fn term(&self) -> Term {
        self.chain.params().term(self.chain.tip().height)
    }

    pub(super) fn bond(&self, number: u32) -> Option<Bond> {
        value::bond(self.chain.state(), BondId::new(number)).expect("memory")
    }

    pub(super) fn masternode(&self, number: u32) -> Option<Masternode> {
        value::masternode(self.chain.state(), MasternodeId::new(number)).expect("memory")
    }

    /// Bonds in the snapshot of the running term.
    pub(super) fn snapshot(&self) -> Vec<u32> {
        let page = value::snapshot_page(self.chain.state(), self.term(), 0).expect("memory");
        let members = page.members.iter();
        members.map(|member| member.bond.get()).collect()
    }

    pub(super) fn finality(&self) -> (u32, u32) {
        let finality = value::finality(self.chain.state()).expect("memory");
        (finality.justified.get(), finality.finalized.get())
    }

    /// Members of front and rear, while finality is on.
    pub(super) fn rosters(&self) -> Option<(Vec<u32>, Vec<u32>)> {
        let rosters = crate::finality::rosters(self.chain.state()).expect("memory")?;
        let ids = |roster: &value::Roster| {
            let members = roster.members.iter();
            members.map(|member| member.masternode.get()).collect()
        };
        Some((ids(&rosters.front), ids(&rosters.rear)))
    }

    pub(super) fn unit(&self) -> u64 {
        reward::unit(supply(&self.chain).supply).base_units()
    }

    /// What the next block says to an order.
    pub(super) fn refusal(&self, tx: &Transaction) -> Option<Rule> {
        offered(&self.chain, tx)
    }
}
