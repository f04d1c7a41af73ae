//! Reads of finality: checkpoints, rosters, masternodes.
//!
//! # Invariants
//! What is final is what this node holds on to, also where the tip's own state does not show it any
//! more: a reorganisation may leave the block that proved it, never the final block.
//!
//! # Spec
//! docs/spec/07-rpc.md §3, docs/spec/18-finality.md
//!
//! # Not here
//! Bonds and seats: [`super::stake_reads`]. Events: [`super::finality_stream`].

use chain::units::{CheckpointNumber, MasternodeId};
use chain::{BlockId, Height, Network};
use consensus::StateKey;
use consensus::finality::{Rosters, rosters};
use consensus::fork_choice::{Checkpoint, FinalBlock};
use consensus::stake;
use consensus::state::value::{self, Candidate, Masternode, Roster, Standing};
use genesis::Params;
use rpc::RpcFailure;
use rpc::types::view::{Named, socket};
use rpc::types::{
    AddressText, BaseUnits, CheckpointPoint, FinalityStatus, GetMasternode, GetOwned, Hex,
    MasternodePage, MasternodeState, MasternodeStatus, RosterSums,
};
use store::View;

use super::chain_reads::state;
use super::stake_reads::live_from;
use super::{Api, disk, unavailable};
use crate::disk::Disk;
use crate::ledger::Ledger;
use crate::protocol::Node;

/// What the node's thread holds on to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) justified: Option<Checkpoint>,
    /// The checkpoint at or below the final block.
    pub(super) finalized: Option<Checkpoint>,
    /// The final block: any block, where the operator joined its chain; the state may not have gone
    /// there yet.
    pub(super) final_block: Option<FinalBlock>,
}

impl Held {
    pub(super) fn of(node: &Node<Disk>, params: &Params) -> Self {
        let (tree, ledger) = (node.engine().tree(), node.engine().ledger());
        let final_block = node.engine().anchors().finalized;
        let finalized = final_block.and_then(|block| {
            let on_our_chain = |height| ledger.id_at(height).ok().flatten();
            checkpoint_below(params, block, |height| {
                let is_ours = || on_our_chain(block.height) == Some(block.id);
                let in_tree = tree.ancestor(&block.id, height);
                // The tree may begin above it.
                in_tree.or_else(|| is_ours().then(|| on_our_chain(height)).flatten())
            })
        });
        Self {
            justified: tree.justified(),
            finalized,
            final_block,
        }
    }

    /// Height up to which the view's blocks are final. A final block on a branch that the view does
    /// not show says nothing of those that it shows.
    pub(super) fn final_height<E>(
        &self,
        id_at: impl FnOnce(Height) -> Result<Option<BlockId>, E>,
    ) -> Result<Height, E> {
        let genesis = Height::new(0);
        let Some(block) = self.final_block else {
            return Ok(genesis);
        };
        let is_shown = id_at(block.height)? == Some(block.id);
        Ok(if is_shown { block.height } else { genesis })
    }
}

/// The checkpoint at or below a block.
fn checkpoint_below(
    params: &Params,
    block: FinalBlock,
    ancestor: impl FnOnce(Height) -> Option<BlockId>,
) -> Option<Checkpoint> {
    let number = block.height.get().checked_div(params.checkpoint_blocks)?;
    let number = CheckpointNumber::new(u32::try_from(number).ok()?);
    let id = match params.checkpoint_height(number) {
        height if height == block.height => block.id,
        height => ancestor(height)?,
    };
    Some(Checkpoint { number, id })
}

impl Api {
    pub(super) async fn held(&self) -> Result<Held, RpcFailure> {
        let params = std::sync::Arc::clone(&self.params);
        let asked = self.mailbox.run(move |desk| Held::of(&desk.node, &params));
        asked.await.map_err(unavailable)
    }

    pub(super) async fn get_finality(&self) -> Result<FinalityStatus, RpcFailure> {
        // First of all: what is held is at most what a later state shows.
        let held = self.held().await?;
        self.read(move |view, params| finality_status(view, params, &held))
            .await
    }

    pub(super) async fn get_masternode(
        &self,
        asked: GetMasternode,
    ) -> Result<MasternodeStatus, RpcFailure> {
        let (named, network) = (asked.masternode()?, self.network());
        self.read(move |view, params| {
            let id = match named {
                Named::Number(id) => Some(id),
                Named::Key(key) => value::masternode_of_key(view, &key).map_err(state)?,
            };
            let found = match id {
                Some(id) => value::masternode(view, id)
                    .map_err(state)?
                    .map(|masternode| (id, masternode)),
                None => None,
            };
            let (id, masternode) = found.ok_or_else(|| {
                RpcFailure::unknown("unknown_masternode", "no masternode of this number or key")
            })?;
            let office = Office::after_tip(view)?;
            let tip = view.tip().height;
            Ok(masternode_status(
                id,
                &masternode,
                tip,
                &office,
                params,
                network,
            ))
        })
        .await
    }

    pub(super) async fn get_masternodes(
        &self,
        asked: GetOwned,
    ) -> Result<MasternodePage, RpcFailure> {
        let network = self.network();
        let owner = asked.address.account_on(network)?;
        self.read(move |view, params| {
            let made = value::counters(view).map_err(state)?.masternodes;
            let from = asked.from.unwrap_or(0);
            let walk = live_from(view, StateKey::LiveMasternodes, made, from)?;
            let (office, tip) = (Office::after_tip(view)?, view.tip().height);
            let mut masternodes = Vec::new();
            for id in walk.ids.into_iter().map(MasternodeId::new) {
                let found = value::masternode(view, id).map_err(state)?;
                if let Some(found) = found.filter(|found| found.owner == owner) {
                    let status = masternode_status(id, &found, tip, &office, params, network);
                    masternodes.push(status);
                }
            }
            Ok(MasternodePage {
                height: tip.get(),
                block: Hex(view.tip().id),
                masternodes,
                next: walk.next,
            })
        })
        .await
    }
}

fn finality_status(
    view: &View<'_>,
    params: &Params,
    held: &Held,
) -> Result<FinalityStatus, RpcFailure> {
    let tip = view.tip();
    let shown = value::finality(view).map_err(state)?;
    let justified = point(view, params, shown.justified, held.justified)?;
    let finalized = point(view, params, shown.finalized, held.finalized)?;
    let (front, rear) = match rosters(view).map_err(state)? {
        Some(Rosters { front, rear }) => (sums(&front), sums(&rear)),
        None => (sums(&Roster::default()), sums(&Roster::default())),
    };
    Ok(FinalityStatus {
        height: tip.height.get(),
        block: Hex(tip.id),
        gap_blocks: tip.height.get().saturating_sub(finalized.height),
        justified,
        finalized,
        level: stake::level(view, params, tip.height).map_err(state)?,
        front,
        rear,
        dynasty: value::roster_head(view).map_err(state)?.dynasty,
    })
}

/// The higher of what the tip's state shows and what the node holds on to.
fn point(
    view: &View<'_>,
    params: &Params,
    shown: CheckpointNumber,
    held: Option<Checkpoint>,
) -> Result<CheckpointPoint, RpcFailure> {
    if let Some(held) = held.filter(|held| held.number >= shown) {
        return Ok(checkpoint_point(params, held.number, held.id));
    }
    let id = view.id_at(params.checkpoint_height(shown)).map_err(disk)?;
    let id = id.ok_or_else(|| RpcFailure::internal("a checkpoint above the tip"))?;
    Ok(checkpoint_point(params, shown, id))
}

pub(super) fn checkpoint_point(
    params: &Params,
    number: CheckpointNumber,
    id: BlockId,
) -> CheckpointPoint {
    CheckpointPoint {
        number: number.get(),
        height: params.checkpoint_height(number).get(),
        id: Hex(id),
    }
}

fn sums(roster: &Roster) -> RosterSums {
    RosterSums {
        members: u32::try_from(roster.members.len()).unwrap_or(u32::MAX),
        weight: roster.weight(),
    }
}

/// Who is in office, and who may be next.
struct Office {
    rosters: Option<Rosters>,
    candidate: Candidate,
}

impl Office {
    fn after_tip(view: &View<'_>) -> Result<Self, RpcFailure> {
        Ok(Self {
            rosters: rosters(view).map_err(state)?,
            candidate: value::candidate(view).map_err(state)?,
        })
    }
}

/// The masternode as JSON.
fn masternode_status(
    id: MasternodeId,
    masternode: &Masternode,
    tip: Height,
    office: &Office,
    params: &Params,
    network: Network,
) -> MasternodeStatus {
    let (assigned, signed) = masternode.duty.of(params.term(tip));
    let state = match masternode.standing {
        Standing::Slashed { .. } => MasternodeState::Slashed,
        _ if masternode.release.is_some() => MasternodeState::Leaving,
        Standing::Banned => MasternodeState::Banned,
        Standing::Active => MasternodeState::Active,
    };
    let sits = |roster: fn(&Rosters) -> &Roster| {
        let rosters = office.rosters.as_ref();
        rosters.is_some_and(|rosters| roster(rosters).member(id).is_some())
    };
    MasternodeStatus {
        masternode: id.get(),
        owner: AddressText::new(network, masternode.owner),
        operator_key: Hex(masternode.operator),
        voting_key: Hex(masternode.voting),
        payout: AddressText::new(network, masternode.payout),
        service_address: socket(&masternode.address).to_string(),
        service: masternode.service,
        collateral: BaseUnits(masternode.collateral),
        weight: masternode.weight(),
        state,
        penalty: masternode.pose,
        front: sits(|rosters| &rosters.front),
        rear: sits(|rosters| &rosters.rear),
        candidate: office.candidate.roster.member(id).is_some(),
        assigned,
        signed,
        registered: masternode.registered.get(),
        last_paid: masternode.last_paid.map(Height::get),
        release_height: masternode.release.map(Height::get),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_final_block_that_the_state_has_not_gone_to_makes_nothing_shown_final() {
        let height = Height::new(50);
        let id = BlockId::from_bytes([1; 32]);
        let held = Held {
            final_block: Some(FinalBlock { height, id }),
            ..Held::default()
        };
        let shown = |held: Held, id| held.final_height(|_| Ok::<_, RpcFailure>(id));
        assert_eq!(shown(held, Some(id)), Ok(height));
        assert_eq!(shown(held, Some(BlockId::default())), Ok(Height::new(0)));
        assert_eq!(shown(held, None), Ok(Height::new(0)));
        assert_eq!(shown(Held::default(), Some(id)), Ok(Height::new(0)));
    }

    #[test]
    fn a_final_block_between_checkpoints_shows_the_one_below_it() {
        let params = Params::of(Network::Regtest);
        let below = |height, ancestor: fn(Height) -> Option<BlockId>| {
            let id = BlockId::from_bytes([1; 32]);
            let height = Height::new(height);
            checkpoint_below(&params, FinalBlock { height, id }, ancestor)
        };
        let checkpoint = |number, byte| {
            let number = CheckpointNumber::new(number);
            let id = BlockId::from_bytes([byte; 32]);
            Some(Checkpoint { number, id })
        };
        let ancestor = |height: Height| Some(BlockId::from_bytes([height.get() as u8; 32]));
        assert_eq!(below(48, ancestor), checkpoint(12, 1));
        assert_eq!(below(48, |_| None), checkpoint(12, 1));
        assert_eq!(below(50, ancestor), checkpoint(12, 48));
        assert_eq!(below(51, ancestor), checkpoint(12, 48));
        assert_eq!(below(51, |_| None), None, "nobody knows it any more");
        assert_eq!(below(52, ancestor), checkpoint(13, 1));
    }
}
