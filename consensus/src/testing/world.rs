//! A small world of stake: bonds, masternodes, and who of them does his duty.
//!
//! # Invariants
//! All bonds and masternodes are Alice's; keys follow from the number that they were ordered with.
//!
//! # Spec
//! docs/spec/17-stake.md, docs/spec/18-finality.md
//!
//! # Not here
//! Voters of real nodes: `node`.

use std::collections::BTreeSet;

use chain::units::MasternodeId;
use chain::{Amount, Block, Network, Transaction};
use genesis::Params;

use super::{Owner, TestChain};
use crate::finality::CheckedFinalityVote;
use crate::stake::CheckedVote;
use crate::transition::AppliedBlock;

/// Masternodes and bonds whose keys are looked for.
const KEYS: u32 = 16;

/// A chain on which every voter and every operator signs, but for the silent ones.
#[derive(Clone, Debug)]
pub struct World {
    /// The chain.
    pub chain: TestChain,
    /// Bonds that do not vote.
    pub silent_bonds: BTreeSet<u32>,
    /// Masternodes that do not sign.
    pub silent_masternodes: BTreeSet<u32>,
}

/// Who pays for everything.
#[must_use]
pub fn alice() -> Owner {
    Owner::new(1)
}

/// Somebody else.
#[must_use]
pub fn bob() -> Owner {
    Owner::new(2)
}

/// Who mines.
#[must_use]
pub fn miner() -> chain::AccountId {
    Owner::new(9).account()
}

/// The key that votes for bond `number`.
#[must_use]
pub fn voter(number: u32) -> Owner {
    Owner::new(1_000 + u64::from(number))
}

/// The key that signs for masternode `number`.
#[must_use]
pub fn operator(number: u32) -> Owner {
    Owner::new(2_000 + u64::from(number))
}

/// The voting key of masternode `number`.
#[must_use]
pub fn voting(number: u32) -> Owner {
    Owner::new(3_000 + u64::from(number))
}

/// Whole coins.
///
/// # Panics
/// Above the cap.
#[must_use]
pub fn coins(x3c: u64) -> Amount {
    Amount::from_x3c(x3c).expect("below the cap")
}

impl World {
    /// Bob has mined one block and Alice 59, more than 30 coins; then come bonds of these whole coins
    /// and so many masternodes, all hers. On regtest.
    #[must_use]
    pub fn new(bonds: &[u64], masternodes: u32) -> Self {
        Self::with(Params::of(Network::Regtest), bonds, masternodes)
    }

    /// The same with other numbers.
    ///
    /// # Panics
    /// If she cannot pay for it.
    #[must_use]
    pub fn with(params: Params, bonds: &[u64], masternodes: u32) -> Self {
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

    /// Votes for the tip of all who are not silent.
    #[must_use]
    pub fn votes(&self) -> Vec<CheckedVote> {
        let chain = &self.chain;
        chain.votes_for(chain.tip().height, |bond, key| {
            let is_silent = self.silent_bonds.contains(&bond.get());
            let mut voters = (0..KEYS).map(voter).filter(|_| !is_silent);
            voters.find(|voter| voter.key() == *key)
        })
    }

    /// Signatures for open checkpoints that are still missing, of all who are not silent.
    #[must_use]
    pub fn signatures(&self) -> Vec<CheckedFinalityVote> {
        let chain = &self.chain;
        let mut signatures = Vec::new();
        for target in chain.targets() {
            signatures.extend(chain.finality_votes_for(&target, |id: MasternodeId, key| {
                let is_silent = self.silent_masternodes.contains(&id.get());
                let mut operators = (0..KEYS).map(operator).filter(|_| !is_silent);
                operators.find(|operator| operator.key() == *key)
            }));
        }
        signatures
    }

    /// A solved block with everybody's votes and these transactions.
    ///
    /// # Panics
    /// If a transaction breaks a rule.
    #[must_use]
    pub fn build(&self, txs: &[Transaction]) -> Block {
        let (votes, signatures) = (self.votes(), self.signatures());
        let checked = |tx| self.chain.check_transaction(tx).expect("valid by itself");
        let txs: Vec<_> = txs.iter().map(checked).collect();
        self.chain.build_with(miner(), |draft| {
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

    /// Makes such a block the tip.
    ///
    /// # Panics
    /// If a transaction breaks a rule.
    pub fn step(&mut self, txs: &[Transaction]) -> &AppliedBlock {
        let block = self.build(txs);
        self.chain
            .connect(&block)
            .expect("a block made of a draft applies")
    }

    /// Steps until the tip has this height.
    pub fn to(&mut self, height: u64) {
        assert!(self.chain.height() <= height);
        while self.chain.height() < height {
            self.step(&[]);
        }
    }

    /// Steps over the next boundary.
    pub fn pass_the_boundary(&mut self) {
        let term_blocks = self.chain.params().term_blocks;
        let next = (self.chain.height() / term_blocks + 1) * term_blocks;
        self.to(next);
    }
}
