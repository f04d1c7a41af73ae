//! Reads of stake: bonds, committees, seats that count for blocks.
//!
//! # Invariants
//! * Seats are what the block tree counts now; everything else is the state of one tip.
//! * A list looks at a bounded number of bonds of all owners: there is no index by owner.
//!
//! # Spec
//! docs/spec/07-rpc.md §3, docs/spec/17-stake.md
//!
//! # Not here
//! Masternodes and checkpoints: [`super::finality_reads`].

use chain::codec;
use chain::units::{BondId, Term};
use chain::{BlockId, Height, Network};
use consensus::state::value::{self, Bond, LivePage};
use consensus::{StateKey, StateView, stake};
use genesis::{Params, law};
use rpc::RpcFailure;
use rpc::limits::{OWNED_LOOKED_AT_MAX, SEAT_BLOCKS_MAX};
use rpc::types::view::Named;
use rpc::types::{
    AddressText, BaseUnits, BlockSeats, BondPage, BondState, BondStatus, CommitteeMember,
    CommitteeStatus, GetBond, GetCommittee, GetOwned, GetSeats, Hex, SeatPage,
};
use store::View;

use super::chain_reads::state;
use super::{Api, disk, unavailable};
use crate::disk::Disk;
use crate::protocol::Node;

/// Pages of numbers that one list looks at, also where nobody of them is left.
const PAGES_LOOKED_AT_MAX: u32 = 1_024;

impl Api {
    pub(super) async fn get_bond(&self, asked: GetBond) -> Result<BondStatus, RpcFailure> {
        let (named, network) = (asked.bond()?, self.network());
        self.read(move |view, params| {
            let id = match named {
                Named::Number(id) => Some(id),
                Named::Key(key) => value::bond_of_key(view, &key).map_err(state)?,
            };
            let found = match id {
                Some(id) => value::bond(view, id).map_err(state)?.map(|bond| (id, bond)),
                None => None,
            };
            let (id, bond) = found.ok_or_else(|| {
                RpcFailure::unknown("unknown_bond", "no bond of this number or key holds coins")
            })?;
            Ok(bond_status(id, &bond, view.tip().height, params, network))
        })
        .await
    }

    pub(super) async fn get_bonds(&self, asked: GetOwned) -> Result<BondPage, RpcFailure> {
        let network = self.network();
        let owner = asked.address.account_on(network)?;
        self.read(move |view, params| {
            let made = value::counters(view).map_err(state)?.bonds;
            let walk = live_from(view, StateKey::LiveBonds, made, asked.from.unwrap_or(0))?;
            let mut bonds = Vec::new();
            for id in walk.ids.into_iter().map(BondId::new) {
                let bond = value::bond(view, id).map_err(state)?;
                if let Some(bond) = bond.filter(|bond| bond.owner == owner) {
                    bonds.push(bond_status(id, &bond, view.tip().height, params, network));
                }
            }
            Ok(BondPage {
                height: view.tip().height.get(),
                block: Hex(view.tip().id),
                bonds,
                next: walk.next,
            })
        })
        .await
    }

    pub(super) async fn get_committee(
        &self,
        asked: GetCommittee,
    ) -> Result<CommitteeStatus, RpcFailure> {
        let wanted = asked.height.map(Height::new);
        let counted = match wanted {
            Some(height) => self.seats_from(height, 1).await?.pop(),
            None => None,
        };
        self.read(move |view, params| committee_status(view, params, wanted, counted))
            .await
    }

    pub(super) async fn get_seats(&self, asked: GetSeats) -> Result<SeatPage, RpcFailure> {
        let count = asked.count.min(SEAT_BLOCKS_MAX);
        let from = Height::new(asked.from);
        let counted = self.seats_from(from, count).await?;
        let held = self.held().await?;
        self.read(move |view, _| {
            let finalized = held
                .final_height(|height| view.id_at(height))
                .map_err(disk)?;
            let mut counted = counted.into_iter().peekable();
            let mut page = SeatPage {
                blocks: Vec::new(),
                next: None,
            };
            let mut height = from;
            for _ in 0..count {
                let Some(id) = view.id_at(height).map_err(disk)? else {
                    return Ok(page);
                };
                while counted.next_if(|block| block.height < height).is_some() {}
                // The chain may have moved since: then nothing is known about this block.
                let known = counted.next_if(|block| block.id == id);
                page.blocks.push(BlockSeats {
                    height: height.get(),
                    id: Hex(id),
                    seats: known.map(|block| block.seats),
                    is_final: height <= finalized,
                });
                height = height.next().unwrap_or(height);
            }
            page.next = (height <= view.tip().height).then_some(height.get());
            Ok(page)
        })
        .await
    }

    async fn seats_from(&self, from: Height, count: u32) -> Result<Vec<Counted>, RpcFailure> {
        let asked = self.mailbox.run(move |desk| {
            let end = from.get().saturating_add(u64::from(count));
            seats_of(&desk.node, from.get()..end)
        });
        asked.await.map_err(unavailable)
    }
}

/// A block of the best chain and the seats that count for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) height: Height,
    pub(super) id: BlockId,
    pub(super) seats: u32,
}

/// Seats of the best chain's blocks at these heights, as far as the tree holds them; ascending.
pub(super) fn seats_of(node: &Node<Disk>, heights: std::ops::Range<u64>) -> Vec<Counted> {
    let tree = node.engine().tree();
    let Ok((tip_height, tip)) = node.engine().tip() else {
        return Vec::new();
    };
    let end = heights.end.min(tip_height.get().saturating_add(1));
    let counted = (heights.start..end).filter_map(|height| {
        let height = Height::new(height);
        let id = tree.ancestor(&tip, height)?;
        let seats = tree.seats(&id)?;
        Some(Counted { height, id, seats })
    });
    counted.collect()
}

fn committee_status(
    view: &View<'_>,
    params: &Params,
    wanted: Option<Height>,
    counted: Option<Counted>,
) -> Result<CommitteeStatus, RpcFailure> {
    let tip = view.tip().height;
    let height = wanted.unwrap_or_else(|| tip.next().unwrap_or(tip));
    let drawn_until = tip.get().saturating_add(params.lookback_blocks);
    if height.get() > drawn_until {
        return Err(RpcFailure::bad_parameter(
            "not_drawn",
            format!(
                "seats are drawn up to height {drawn_until}; ask again when the chain is longer"
            ),
        ));
    }
    let snapshot = match stake::snapshot_term(params, height) {
        Some(term) => {
            let snapshot = value::snapshot(view, term).map_err(state)?;
            Some(snapshot.ok_or_else(|| {
                RpcFailure::unknown("committee_gone", "committees are known for two terms")
            })?)
        }
        // Nobody was bonded before the chain began.
        None => None,
    };
    let committee = stake::committee_at(view, params, height).map_err(state)?;
    let included = value::included_votes(view, height).map_err(state)?.votes;
    let is_included = |bond| included.iter().any(|vote| vote.bond == bond);
    let members = committee.members().map(|(bond, seat)| CommitteeMember {
        bond: bond.get(),
        vote_key: Hex(seat.key),
        seats: seat.seats,
        included: is_included(bond),
    });
    let id = view.id_at(height).map_err(disk)?;
    let seats = counted.filter(|block| Some(block.id) == id);
    Ok(CommitteeStatus {
        height: height.get(),
        level: stake::level(view, params, height).map_err(state)?,
        weight: snapshot.map_or(0, |snapshot| snapshot.weight),
        members: members.collect(),
        block: id.map(Hex),
        seats: seats.map(|block| block.seats),
    })
}

/// The bond as JSON.
fn bond_status(
    id: BondId,
    bond: &Bond,
    tip: Height,
    params: &Params,
    network: Network,
) -> BondStatus {
    let term = params.term(tip);
    let (assigned, voted) = bond.duty.of(term);
    // The next snapshot is that of the next boundary.
    let is_jailed = bond.jailed_until.get() > term.get().saturating_add(1);
    let state = match bond.release {
        Some(_) => BondState::Leaving,
        None if is_jailed => BondState::Jailed,
        None if bond.dormant => BondState::Dormant,
        None => BondState::Active,
    };
    let boundary = |term: Term| params.term_start(term).get();
    BondStatus {
        bond: id.get(),
        owner: AddressText::new(network, bond.owner),
        vote_key: Hex(bond.key),
        amount: BaseUnits(bond.amount),
        weight: bond.weight(),
        state,
        assigned,
        voted,
        jailed_until: is_jailed.then(|| boundary(bond.jailed_until)),
        release_height: bond.release.map(Height::get),
    }
}

/// Numbers that are in use, and where the next walk goes on.
pub(super) struct Walk {
    pub(super) ids: Vec<u32>,
    pub(super) next: Option<u32>,
}

/// Up to [`OWNED_LOOKED_AT_MAX`] numbers in use from `from` on; `made` were ever given.
pub(super) fn live_from(
    view: &View<'_>,
    key: fn(u32) -> StateKey,
    made: u32,
    from: u32,
) -> Result<Walk, RpcFailure> {
    let page_of = |id: u32| id >> law::LIVE_PAGE_BITS;
    let mut ids = Vec::new();
    let first = page_of(from);
    let end = made
        .checked_sub(1)
        .map_or(0, |last| page_of(last).saturating_add(1));
    for number in first..end {
        if number.saturating_sub(first) >= PAGES_LOOKED_AT_MAX {
            let next = Some(number << law::LIVE_PAGE_BITS);
            return Ok(Walk { ids, next });
        }
        let Some(bytes) = view.value(&key(number)).map_err(state)? else {
            continue;
        };
        let live: LivePage = codec::decode(&bytes, bytes.len())
            .map_err(|error| RpcFailure::internal(format!("a page of the living: {error}")))?;
        for id in live.ids(number).filter(|id| *id >= from) {
            if ids.len() >= OWNED_LOOKED_AT_MAX {
                return Ok(Walk {
                    ids,
                    next: Some(id),
                });
            }
            ids.push(id);
        }
    }
    Ok(Walk { ids, next: None })
}
