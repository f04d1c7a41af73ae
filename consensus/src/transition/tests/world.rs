//! What tests of the transition ask a world of stake.

use chain::units::{BondId, MasternodeId, Term};

use super::*;
use crate::state::value::{Bond, Masternode};
pub(super) use crate::testing::{World, coins, operator, voter, voting};

impl World {
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
