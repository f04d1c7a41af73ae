//! What the scripted node says of seats, bonds, masternodes and finality.
//!
//! # Invariants
//! As those of [`super`]; an account has one bond, with one key.
//!
//! # Spec
//! docs/spec/07-rpc.md §3
//!
//! # Not here
//! Blocks and accounts: [`super`].

use chain::{AccountId, Amount, Block};
use rpc::RpcFailure;
use rpc::types::{
    AddressText, BaseUnits, BlockSeats, BondPage, BondState, BondStatus, CheckpointPoint,
    CommitteeMember, CommitteeStatus, FinalityStatus, GetBond, GetCommittee, GetOwned, GetSeats,
    Hex, MasternodePage, RosterSums, SeatPage,
};

use super::{Account, Lie, NETWORK, Script, unscripted};

impl Script {
    pub(super) fn chain_get_finality(&mut self) -> Result<FinalityStatus, RpcFailure> {
        let point = |height| -> Result<CheckpointPoint, RpcFailure> {
            let id = Hex(self.block(height)?.id());
            let number = u32::try_from(height / self.params.checkpoint_blocks).unwrap_or(0);
            Ok(CheckpointPoint { number, height, id })
        };
        let nobody = RosterSums {
            members: 0,
            weight: 0,
        };
        Ok(FinalityStatus {
            height: self.tip_height(),
            block: Hex(self.tip().0.id()),
            justified: point(self.finalized)?,
            finalized: point(self.finalized)?,
            gap_blocks: self.tip_height() - self.finalized,
            level: 0,
            front: nobody.clone(),
            rear: nobody,
            dynasty: 0,
        })
    }

    pub(super) fn chain_get_seats(&mut self, asked: GetSeats) -> Result<SeatPage, RpcFailure> {
        self.seats_asked += 1;
        let end = asked.from.saturating_add(u64::from(asked.count));
        let blocks = (asked.from..end).map_while(|height| self.block(height).ok());
        let seats_of = |block: &Block| {
            let height = block.header.height.get();
            BlockSeats {
                height,
                id: Hex(block.id()),
                seats: self.seats.get(&height).copied(),
                is_final: height <= self.finalized,
            }
        };
        let blocks = blocks.map(seats_of).collect();
        Ok(SeatPage { blocks, next: None })
    }

    fn bond_of(&self, owner: AccountId, account: &Account) -> BondStatus {
        BondStatus {
            bond: 0,
            owner: AddressText::new(NETWORK, owner),
            vote_key: Hex(account.vote_key),
            amount: BaseUnits(Amount::from_base(account.bonded)),
            weight: account.bonded / Amount::COIN,
            state: BondState::Active,
            assigned: 0,
            voted: 0,
            jailed_until: None,
            release_height: None,
        }
    }

    pub(super) fn chain_get_bond(&mut self, asked: GetBond) -> Result<BondStatus, RpcFailure> {
        let wanted = asked.vote_key.ok_or_else(unscripted)?.0;
        let (_, state) = self.tip();
        let holds = |account: &Account| account.bonded > 0 && account.vote_key == wanted;
        let found = state.iter().find(|(_, account)| holds(account));
        let found = found.map(|(owner, account)| self.bond_of(*owner, account));
        self.grow_if_restless();
        found.ok_or_else(|| RpcFailure::unknown("unknown_bond", "no coins under this key"))
    }

    pub(super) fn chain_get_bonds(&mut self, asked: GetOwned) -> Result<BondPage, RpcFailure> {
        self.lists_asked += 1;
        let owner = asked.address.account_on(NETWORK)?;
        let (block, state) = self.tip();
        let account = state.get(&owner).filter(|account| account.bonded > 0);
        let page = BondPage {
            height: self.tip_height(),
            block: Hex(block.id()),
            bonds: account
                .map(|account| self.bond_of(owner, account))
                .into_iter()
                .collect(),
            next: (self.lie == Some(Lie::EndlessBonds)).then_some(1),
        };
        self.grow_if_restless();
        Ok(page)
    }

    fn grow_if_restless(&mut self) {
        if self.is_restless {
            self.mine();
        }
    }

    pub(super) fn chain_get_masternodes(
        &mut self,
        _: GetOwned,
    ) -> Result<MasternodePage, RpcFailure> {
        let (block, _) = self.tip();
        Ok(MasternodePage {
            height: self.tip_height(),
            block: Hex(block.id()),
            masternodes: Vec::new(),
            next: None,
        })
    }

    pub(super) fn chain_get_committee(
        &mut self,
        asked: GetCommittee,
    ) -> Result<CommitteeStatus, RpcFailure> {
        let members = self.committee.iter().map(|(bond, seats)| CommitteeMember {
            bond: *bond,
            vote_key: Hex(chain::PublicKey::default()),
            seats: *seats,
            included: true,
        });
        Ok(CommitteeStatus {
            height: asked.height.unwrap_or(self.tip_height() + 1),
            level: 1,
            weight: 1,
            members: members.collect(),
            block: None,
            seats: None,
        })
    }
}
