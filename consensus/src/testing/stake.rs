//! Orders about stake, votes and evidence for the tests of this and other crates.
//!
//! # Invariants
//! Everything is signed by [`Owner`]s and goes through the public checks.
//!
//! # Spec
//! docs/spec/17-stake.md, docs/spec/18-finality.md
//!
//! # Not here
//! Real voters and masternodes: `node`.

use chain::finality::FinalityVote;
use chain::signature::{sign, tag};
use chain::transaction::{MnExit, MnRevive, Order, Unbond, Wake};
use chain::units::{BondId, MasternodeId};
use chain::vote::Vote;
use chain::{AccountId, Amount, Block, BlockId, Height, PublicKey, Transaction};
use genesis::Params;

use super::{MemoryState, Owner, TestChain, solve};
use crate::evidence::{self, CheckedEvidence, check_evidence};
use crate::finality::{self, CheckedFinalityVote, Target, check_finality_vote};
use crate::stake::{self, CheckedVote, Committee, check_vote};
use crate::state::{StateView, value};
use crate::transition::{AppliedBlock, Draft};

/// Covers every fee while the price of a KiB is the lowest.
const FEE_MAX: Amount = Amount::from_base(1_000_000);

impl Owner {
    /// The owner's vote for a block.
    #[must_use]
    pub fn vote(&self, params: &Params, height: Height, block: BlockId, bond: BondId) -> Vote {
        let body = Vote::signed_bytes(height, &block, bond);
        let signature = sign(
            tag::VOTE,
            &params.chain_id(),
            &[&body],
            self.keypair(),
            &[0; 32],
        );
        Vote {
            height,
            block,
            bond,
            signature,
        }
    }

    /// The owner's signature under a finality vote.
    #[must_use]
    pub fn finality_vote(&self, params: &Params, vote: FinalityVote) -> FinalityVote {
        let body = vote.signed_bytes();
        let signature = sign(
            tag::FINALITY,
            &params.chain_id(),
            &[&body],
            self.keypair(),
            &[0; 32],
        );
        FinalityVote { signature, ..vote }
    }
}

impl TestChain {
    /// An order of `owner`, `ahead` orders after the next.
    fn ordered<B>(
        &self,
        owner: &Owner,
        ahead: u64,
        body: impl FnOnce(&chain::transaction::Prefix) -> B,
        order: impl FnOnce(chain::transaction::Signed<B>) -> Order,
    ) -> Transaction {
        let account = value::account(&self.state, &owner.account()).expect("memory answers");
        let prefix = owner.prefix(account.nonce + ahead, FEE_MAX);
        owner.order(&self.params, prefix, body(&prefix), order)
    }

    /// An order that bonds `amount` for votes by `voter`.
    #[must_use]
    pub fn bond(&self, owner: &Owner, ahead: u64, voter: &Owner, amount: Amount) -> Transaction {
        let body = |prefix: &_| Owner::bond(&self.params, prefix, voter, amount);
        self.ordered(owner, ahead, body, Order::Bond)
    }

    /// An order that pays a bond back.
    #[must_use]
    pub fn unbond(&self, owner: &Owner, bond: u32) -> Transaction {
        let bond = BondId::new(bond);
        self.ordered(owner, 0, |_| Unbond { bond }, Order::Unbond)
    }

    /// An order that wakes a bond.
    #[must_use]
    pub fn wake(&self, owner: &Owner, bond: u32) -> Transaction {
        let bond = BondId::new(bond);
        self.ordered(owner, 0, |_| Wake { bond }, Order::Wake)
    }

    /// An order that registers a masternode.
    #[must_use]
    pub fn register(
        &self,
        owner: &Owner,
        ahead: u64,
        operator: &Owner,
        voting: &Owner,
    ) -> Transaction {
        let body = |prefix: &_| Owner::registration(&self.params, prefix, operator, voting);
        self.ordered(owner, ahead, body, Order::MnRegister)
    }

    /// An order that revives a masternode.
    #[must_use]
    pub fn revive(&self, operator: &Owner, masternode: u32) -> Transaction {
        let masternode = MasternodeId::new(masternode);
        self.ordered(operator, 0, |_| MnRevive { masternode }, Order::MnRevive)
    }

    /// An order that takes a masternode out of service.
    #[must_use]
    pub fn exit(&self, owner: &Owner, masternode: u32) -> Transaction {
        let masternode = MasternodeId::new(masternode);
        self.ordered(owner, 0, |_| MnExit { masternode }, Order::MnExit)
    }

    /// The committee of `height` on this chain.
    #[must_use]
    pub fn committee(&self, height: Height) -> Committee {
        stake::committee_at(&self.state, &self.params, height).expect("memory answers")
    }

    /// The votes for the block at `height` of those committee members whom `voter` finds.
    #[must_use]
    pub fn votes_for(
        &self,
        height: Height,
        voter: impl Fn(BondId, &PublicKey) -> Option<Owner>,
    ) -> Vec<CheckedVote> {
        let committee = self.committee(height);
        let block = self.id_at(height).expect("a block of this chain");
        let chain = self.params.chain_id();
        let members = committee.members();
        members
            .filter_map(|(bond, seat)| Some((bond, voter(bond, &seat.key)?)))
            .map(|(bond, voter)| {
                let vote = voter.vote(&self.params, height, block, bond);
                check_vote(&vote, &committee, &chain).expect("a member's vote")
            })
            .collect()
    }

    /// Checkpoints that the next block may include signatures for.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        finality::open_targets(&self.state, &self.params).expect("memory answers")
    }

    /// The votes for an open checkpoint of those of its members whom `operator` finds.
    #[must_use]
    pub fn finality_votes_for(
        &self,
        target: &Target,
        operator: impl Fn(MasternodeId, &PublicKey) -> Option<Owner>,
    ) -> Vec<CheckedFinalityVote> {
        let members = target.front.members.iter().chain(&target.rear.members);
        let keys: std::collections::BTreeMap<_, _> = members
            .map(|member| (member.masternode, member.key))
            .collect();
        let chain = self.params.chain_id();
        keys.into_iter()
            .filter(|(id, _)| !target.is_signed_by(*id))
            .filter_map(|(id, key)| Some((id, operator(id, &key)?)))
            .map(|(id, operator)| {
                let vote = operator.finality_vote(&self.params, target.vote(id));
                check_finality_vote(&vote, target, &chain).expect("a member's vote")
            })
            .collect()
    }

    /// Proof that the bond of `voter` voted twice at `height`.
    #[must_use]
    pub fn double_vote(&self, voter: &Owner, bond: u32, height: u64) -> CheckedEvidence {
        let vote = |byte| {
            let block = BlockId::from_bytes([byte; 32]);
            voter.vote(&self.params, Height::new(height), block, BondId::new(bond))
        };
        let proof = evidence::double_vote(&vote(1), &vote(2)).expect("different blocks");
        check_evidence(&proof, &voter.key(), &self.params.chain_id()).expect("signed twice")
    }

    /// Proof that a masternode signed two blocks for one checkpoint.
    #[must_use]
    pub fn finality_conflict(&self, operator: &Owner, masternode: u32) -> CheckedEvidence {
        let vote = |byte| {
            let vote = FinalityVote {
                target_id: BlockId::from_bytes([byte; 32]),
                masternode: MasternodeId::new(masternode),
                target: chain::units::CheckpointNumber::new(1),
                ..FinalityVote::default()
            };
            operator.finality_vote(&self.params, vote)
        };
        let proof = evidence::finality_conflict(&vote(1), &vote(2)).expect("they contradict");
        check_evidence(&proof, &operator.key(), &self.params.chain_id()).expect("signed twice")
    }

    /// A solved block of what `fill` puts into a draft.
    #[must_use]
    pub fn build_with(
        &self,
        payout: AccountId,
        fill: impl FnOnce(&mut Draft<'_, MemoryState>),
    ) -> Block {
        let mut draft = self.draft();
        fill(&mut draft);
        let mut block = draft
            .into_block(payout, self.next_time())
            .expect("memory answers");
        solve(&mut block.header, &self.params);
        block
    }

    /// Makes such a block the tip.
    ///
    /// # Panics
    /// If it breaks a rule.
    pub fn mine_with(
        &mut self,
        payout: AccountId,
        fill: impl FnOnce(&mut Draft<'_, MemoryState>),
    ) -> &AppliedBlock {
        let block = self.build_with(payout, fill);
        self.connect(&block)
            .expect("a block made of a draft applies")
    }

    /// Height of the tip.
    #[must_use]
    pub fn height(&self) -> u64 {
        let height = self.state.tip_height().expect("memory answers");
        height.get()
    }
}
