//! A chain with four bonds and a masternode, and a node that follows it.

use chain::finality::FinalityVote;
use chain::units::{BondId, MasternodeId};
use chain::vote::Vote;
use consensus::testing::{Owner, TestChain};

use super::*;

/// Height from which on the bonds vote: the beginning of term 2.
pub(super) const VOTES_FROM: u64 = 24;
/// Height from which on the masternode signs: the beginning of term 3.
pub(super) const FINALITY_FROM: u64 = 36;

pub(super) fn miner() -> Owner {
    Owner::new(1)
}

pub(super) fn voter(bond: BondId) -> Owner {
    Owner::new(100 + u64::from(bond.get()))
}

pub(super) fn operator(masternode: MasternodeId) -> Owner {
    Owner::new(200 + u64::from(masternode.get()))
}

/// What the blocks of a branch include.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Included {
    /// Nothing.
    Nothing,
    /// All votes for the block before.
    Votes,
    /// And all finality votes.
    Everything,
}

#[derive(Clone)]
pub(super) struct Staked(pub(super) TestChain);

impl Staked {
    /// A chain of this height whose blocks include everything there is.
    pub(super) fn up_to(height: u64) -> Self {
        let mut staked = Self(TestChain::new(Network::Regtest));
        staked.mine_to(height, Included::Everything, 1);
        staked
    }

    /// Mines up to this height for an owner of this number.
    pub(super) fn mine_to(&mut self, height: u64, included: Included, owner: u64) {
        while self.0.height() < height {
            self.mine(included, owner);
        }
    }

    pub(super) fn mine(&mut self, included: Included, owner: u64) -> Block {
        let chain = &self.0;
        let has_coins = owner == 1;
        let order = match chain.height() + 1 {
            _ if !has_coins => None,
            bond @ (4 | 6 | 8 | 10) => {
                let voter = voter(BondId::new(bond as u32 / 2 - 2));
                let amount = chain::Amount::from_x3c(1).expect("below the cap");
                Some(chain.bond(&miner(), 0, &voter, amount))
            }
            20 => {
                let operator = operator(MasternodeId::new(0));
                Some(chain.register(&miner(), 0, &operator, &Owner::new(300)))
            }
            _ => None,
        };
        let order = order.map(|order| chain.check_transaction(&order).expect("valid"));
        let votes = match included {
            Included::Nothing => Vec::new(),
            Included::Votes | Included::Everything => {
                let tip = chain.tip().height;
                chain.votes_for(tip, |bond, _| Some(voter(bond)))
            }
        };
        let targets = match included {
            Included::Everything => chain.targets(),
            Included::Nothing | Included::Votes => Vec::new(),
        };
        let sign = |target| chain.finality_votes_for(target, |id, _| Some(operator(id)));
        let signatures: Vec<_> = targets.iter().flat_map(sign).collect();
        let payout = Owner::new(owner).account();
        let block = self.0.build_with(payout, |draft| {
            if let Some(order) = &order {
                draft.try_transaction(order).expect("it fits");
            }
            for vote in &votes {
                draft.try_vote(vote).expect("it fits");
            }
            for signature in &signatures {
                draft.try_finality_vote(signature).expect("it fits");
            }
        });
        self.0.connect(&block).expect("it applies");
        block
    }

    /// The chain up to `height`.
    pub(super) fn cut_to(&self, height: u64) -> Self {
        let mut cut = self.clone();
        while cut.0.height() > height {
            cut.0.disconnect();
        }
        cut
    }

    pub(super) fn id(&self, height: u64) -> BlockId {
        self.0.id_at(Height::new(height)).expect("a block of it")
    }

    pub(super) fn tip_id(&self) -> BlockId {
        self.0.tip().id()
    }

    /// Blocks from `height` on.
    pub(super) fn blocks_from(&self, height: u64) -> Vec<Block> {
        let blocks = self.0.blocks().iter();
        let above = blocks.filter(|applied| applied.height().get() >= height);
        above.map(|applied| applied.block().clone()).collect()
    }

    /// A vote for any block.
    pub(super) fn vote(&self, bond: u32, height: u64, block: BlockId) -> Vote {
        let bond = BondId::new(bond);
        voter(bond).vote(self.0.params(), Height::new(height), block, bond)
    }

    /// All votes for the block at `height`.
    pub(super) fn votes(&self, height: u64) -> Vec<Vote> {
        let votes = self
            .0
            .votes_for(Height::new(height), |bond, _| Some(voter(bond)));
        votes.iter().map(|checked| *checked.vote()).collect()
    }

    /// The masternode's vote for an open checkpoint, over another block if one is named.
    pub(super) fn finality_vote(&self, number: u32, block: Option<BlockId>) -> FinalityVote {
        let targets = self.0.targets();
        let mut targets = targets.iter();
        let target = targets.find(|target| target.number().get() == number);
        let mut vote = target.expect("it is open").vote(MasternodeId::new(0));
        vote.target_id = block.unwrap_or(vote.target_id);
        operator(vote.masternode).finality_vote(self.0.params(), vote)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.0.next_time()
    }

    /// A node that follows this chain.
    pub(super) fn node(&self) -> Node<Memory> {
        let params = self.0.params();
        let ledger = Memory::new(params);
        let mut node = Node::open(ledger, params.clone()).expect("memory answers");
        submit(&mut node, &self.blocks_from(1), self.now());
        node
    }
}

pub(super) fn submit(node: &mut Node<Memory>, blocks: &[Block], now: Timestamp) {
    for block in blocks {
        let submitted = node.submit_block(block.clone(), now);
        assert_eq!(submitted, Ok(BlockSubmission::Accepted));
    }
    node.take_actions();
}

pub(super) fn gossip(node: &mut Node<Memory>, vote: &Vote, now: Timestamp) -> Verdict {
    let bytes = chain::codec::encode(vote);
    node.vote_gossiped("neighbour", 1, &bytes, now)
        .expect("memory answers");
    the_verdict(&node.take_actions())
}

pub(super) fn gossip_finality(
    node: &mut Node<Memory>,
    vote: &FinalityVote,
    now: Timestamp,
) -> Verdict {
    let bytes = chain::codec::encode(vote);
    node.finality_vote_gossiped("neighbour", 1, &bytes, now)
        .expect("memory answers");
    the_verdict(&node.take_actions())
}

pub(super) fn the_verdict(actions: &[Action]) -> Verdict {
    let mut verdicts = actions.iter().filter_map(|action| match action {
        Action::Verdict { verdict, .. } => Some(*verdict),
        _ => None,
    });
    let verdict = verdicts.next().expect("every message gets a verdict");
    assert_eq!(verdicts.next(), None, "one verdict");
    verdict
}

pub(super) fn tip(node: &Node<Memory>) -> BlockId {
    node.engine().tip().expect("memory answers").1
}

pub(super) fn reopened(node: Node<Memory>) -> Node<Memory> {
    let params = node.engine.params().clone();
    Node::open(node.engine.into_ledger(), params).expect("memory answers")
}
