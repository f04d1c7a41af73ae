//! Bonds, committees, masternodes and checkpoints as programs see them: read, told of, refused.
//!
//! # Spec
//! docs/spec/07-rpc.md §3-5
//!
//! # Not here
//! The rules behind it: the tests of `consensus`. Voters and signers: `voter`.

#[path = "stage/nodes.rs"]
mod nodes;

use chain::transaction::{Order, Unbond};
use chain::units::BondId;
use chain::{AccountId, Amount, Network, Transaction};
use consensus::testing::{Owner, TestChain};
use rpc::types::{
    AddressText, BlockReference, BondState, FinalityEvent, GetBond, GetCommittee, GetMasternode,
    GetOwned, GetSeats, Hex, RawHex, SeatNews, Submit, SubmitBlock,
};
use rpc::{NodeApi, RpcFailure, Subscription};

use nodes::{Peer, eventually};

/// Block with the orders; two bonds and a masternode.
const ORDERED: u64 = 31;
/// First height that bonds vote for, and first checkpoint that masternodes sign: the second boundary
/// after the orders.
const BEGINNING: u64 = 48;

/// How long an event is waited for.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// A chain in memory and a node that is told of it.
struct Story {
    chain: TestChain,
    peer: Peer,
}

fn owner() -> Owner {
    Owner::new(1)
}

fn voter(number: u64) -> Owner {
    Owner::new(100 + number)
}

fn operator() -> Owner {
    Owner::new(200)
}

fn coins(x3c: u64) -> Amount {
    Amount::from_x3c(x3c).expect("below the cap")
}

fn nobody() -> AccountId {
    AccountId::from_bytes([7; 20])
}

impl Story {
    /// A chain up to the block before votes begin.
    async fn begin() -> Self {
        let mut chain = TestChain::new(Network::Regtest);
        chain.mine_empty(owner().account(), ORDERED - 1);
        let orders = [
            chain.bond(&owner(), 0, &voter(0), coins(2)),
            chain.bond(&owner(), 1, &voter(1), coins(1)),
            chain.register(&owner(), 2, &operator(), &Owner::new(300)),
        ];
        chain.mine(nobody(), &orders, &[]);
        chain.mine_empty(nobody(), BEGINNING - 1 - ORDERED);
        let story = Self {
            chain,
            peer: Peer::start(1).await,
        };
        for applied in story.chain.blocks() {
            story.submit(applied.block()).await;
        }
        story
    }

    async fn submit(&self, block: &chain::Block) {
        let raw = RawHex::encoding(block);
        let submitted = self.peer.api.chain_submit_block(SubmitBlock { raw }).await;
        submitted.expect("a valid block");
    }

    /// A block with everybody's votes for the one before and signatures for open checkpoints.
    async fn step(&mut self) {
        let chain = &self.chain;
        let votes = chain.votes_for(chain.tip().height, |bond, _| Some(voter(bond.get().into())));
        let targets = chain.targets();
        let signatures: Vec<_> = targets
            .iter()
            .flat_map(|target| chain.finality_votes_for(target, |_, _| Some(operator())))
            .collect();
        let applied = self.chain.mine_with(nobody(), |draft| {
            votes
                .iter()
                .for_each(|vote| draft.try_vote(vote).expect("valid"));
            let signatures = signatures.iter();
            signatures.for_each(|vote| draft.try_finality_vote(vote).expect("valid"));
        });
        let block = applied.block().clone();
        self.submit(&block).await;
    }

    async fn silent_steps(&mut self, blocks: u64) {
        for _ in 0..blocks {
            self.chain.mine_empty(nobody(), 1);
            let block = self.chain.blocks().last().expect("mined").block().clone();
            self.submit(&block).await;
        }
    }

    fn api(&self) -> &dyn NodeApi {
        self.peer.api.as_ref()
    }

    async fn seats(&self, height: u64) -> Option<u32> {
        let asked = GetSeats {
            from: height,
            count: 1,
        };
        let page = self.api().chain_get_seats(asked).await.expect("a page");
        page.blocks[0].seats
    }

    async fn refusal(&self, transaction: &Transaction) -> String {
        let raw = RawHex::encoding(transaction);
        let submitted = self.api().tx_submit(Submit { raw, ack: None }).await;
        submitted.expect_err("refused").reason.into_owned()
    }
}

fn address(account: AccountId) -> AddressText {
    AddressText::new(Network::Regtest, account)
}

fn owned(account: AccountId, from: Option<u32>) -> GetOwned {
    GetOwned {
        address: address(account),
        from,
    }
}

fn reason<T: std::fmt::Debug>(answer: Result<T, RpcFailure>) -> String {
    answer.expect_err("refused").reason.into_owned()
}

/// The next event about seats; checkpoints are passed over.
async fn next_seats(events: &mut Subscription<FinalityEvent>) -> (bool, SeatNews) {
    loop {
        let next = tokio::time::timeout(PATIENCE, events.next()).await;
        let next = next.expect("an event").expect("the stream goes on");
        match next {
            FinalityEvent::Confirmed(news) => return (true, news),
            FinalityEvent::Unconfirmed(news) => return (false, news),
            FinalityEvent::Justified(_) | FinalityEvent::Finalized(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_confirm_a_block_and_a_reorganisation_takes_that_back() {
    let mut story = Story::begin().await;
    let mut events = story.api().finality_subscribe().await.expect("a stream");
    story.step().await;
    assert_eq!(
        story.seats(BEGINNING).await,
        Some(0),
        "nobody has voted for it yet"
    );
    story.step().await;
    let (is_confirmed, news) = next_seats(&mut events).await;
    assert!(is_confirmed && news.best_chain, "{news:?}");
    assert_eq!((news.height, news.seats), (BEGINNING, 8));
    assert_eq!(story.seats(BEGINNING).await, Some(8));
    assert_eq!(story.peer.figure("chainchat_parent_seats").await, 8);
    assert_eq!(story.peer.figure("chainchat_window_seats").await, 8);
    assert_eq!(story.peer.figure("chainchat_window_seats_voted").await, 8);
    assert_eq!(story.peer.figure("chainchat_vote_starvation").await, 0);

    // The block that includes the votes goes; votes that were heard of stay.
    let voting = BlockReference {
        id: Hex(story.peer.tip().await.1),
    };
    let invalidated = story.api().dev_invalidate_block(voting.clone()).await;
    invalidated.expect("marked");
    assert_eq!(story.seats(BEGINNING).await, Some(8));
    let reconsidered = story.api().dev_reconsider_block(voting).await;
    reconsidered.expect("taken back");

    // Now the block itself goes.
    let confirmed = BlockReference { id: news.block };
    story
        .api()
        .dev_invalidate_block(confirmed)
        .await
        .expect("marked");
    let (is_confirmed, news) = next_seats(&mut events).await;
    assert!(!is_confirmed && !news.best_chain, "{news:?}");
    assert_eq!(news.height, BEGINNING);
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_told_of_and_read() {
    let mut story = Story::begin().await;
    let before = story.api().chain_get_finality().await.expect("answers");
    assert_eq!((before.finalized.number, before.front.members), (0, 0));
    assert_eq!(before.finalized.id.0, story.peer.params.genesis_id());
    assert_eq!(before.gap_blocks, BEGINNING - 1);
    let mut events = story.api().finality_subscribe().await.expect("a stream");
    // Block 49 justifies checkpoint 12, block 53 the one after, on top of it.
    for _ in BEGINNING..=BEGINNING + 5 {
        story.step().await;
    }
    let mut checkpoints = Vec::new();
    while checkpoints.len() < 3 {
        match events.next().await.expect("the stream goes on") {
            FinalityEvent::Justified(point) => checkpoints.push(('j', point.number)),
            FinalityEvent::Finalized(point) => checkpoints.push(('f', point.number)),
            _ => {}
        }
    }
    assert_eq!(checkpoints, [('j', 12), ('j', 13), ('f', 12)]);
    let after = story.api().chain_get_finality().await.expect("answers");
    assert_eq!((after.justified.number, after.finalized.number), (13, 12));
    assert_eq!((after.finalized.height, after.gap_blocks), (BEGINNING, 5));
    let finalized = story.chain.id_at(chain::Height::new(BEGINNING));
    assert_eq!(Some(after.finalized.id.0), finalized);
    assert_eq!((after.front.members, after.front.weight), (1, 4));
    assert_eq!(after.front, after.rear);
    assert_eq!((after.height, after.level), (BEGINNING + 5, 1));
    assert_eq!(
        story.peer.figure("chainchat_finalized_checkpoint").await,
        12
    );
    assert_eq!(story.peer.figure("chainchat_finality_gap_blocks").await, 5);

    // What is final stays so, also where the block that proved it is left.
    let proof = BlockReference {
        id: Hex(story.peer.tip().await.1),
    };
    story
        .api()
        .dev_invalidate_block(proof)
        .await
        .expect("marked");
    let held = story.api().chain_get_finality().await.expect("answers");
    assert_eq!(held.finalized, after.finalized);
    let asked = GetSeats {
        from: BEGINNING,
        count: 2,
    };
    let page = story.api().chain_get_seats(asked).await.expect("a page");
    let final_ones: Vec<bool> = page.blocks.iter().map(|block| block.is_final).collect();
    assert_eq!(final_ones, [true, false]);
    assert_eq!(page.next, Some(BEGINNING + 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_joined_between_checkpoints_is_final_up_to_there() {
    let story = Story::begin().await;
    let id_at = |height| {
        story
            .chain
            .id_at(chain::Height::new(height))
            .expect("mined")
    };
    let (joined, checkpoint) = (BEGINNING - 2, BEGINNING - 4);
    let peer = story.peer.restart_joining(id_at(joined)).await;
    let finality = peer.api.chain_get_finality().await.expect("answers");
    let finalized = finality.finalized;
    assert_eq!((finalized.number, finalized.height), (11, checkpoint));
    assert_eq!(finalized.id.0, id_at(checkpoint));
    assert_eq!(finality.gap_blocks, 3);
    assert_eq!(peer.figure("chainchat_finalized_checkpoint").await, 11);
    let asked = GetSeats {
        from: joined - 1,
        count: 3,
    };
    let page = peer.api.chain_get_seats(asked).await.expect("a page");
    let final_ones: Vec<bool> = page.blocks.iter().map(|block| block.is_final).collect();
    assert_eq!(final_ones, [true, true, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bonds_and_masternodes_are_found_by_number_key_and_owner() {
    let mut story = Story::begin().await;
    story.step().await;
    let api = story.api();
    let by_number = GetBond {
        bond: Some(0),
        vote_key: None,
    };
    let first = api.chain_get_bond(by_number.clone()).await.expect("a bond");
    assert_eq!((first.amount.0, first.weight), (coins(2), 2));
    assert_eq!(first.state, BondState::Active);
    assert_eq!(first.owner, address(owner().account()));
    let by_key = GetBond {
        bond: None,
        vote_key: Some(Hex(voter(1).key())),
    };
    let second = api.chain_get_bond(by_key.clone()).await.expect("a bond");
    assert_eq!(second.bond, 1);
    let both = GetBond {
        bond: Some(0),
        ..by_key
    };
    assert_eq!(reason(api.chain_get_bond(both).await), "number_or_key");
    let unknown = GetBond {
        bond: Some(2),
        vote_key: None,
    };
    assert_eq!(reason(api.chain_get_bond(unknown).await), "unknown_bond");

    let page = api.chain_get_bonds(owned(owner().account(), None)).await;
    let page = page.expect("a page");
    assert_eq!(page.bonds, [first, second]);
    assert_eq!((page.height, page.next), (BEGINNING, None));
    let page = api.chain_get_bonds(owned(owner().account(), Some(1))).await;
    assert_eq!(page.expect("a page").bonds.len(), 1);
    let page = api.chain_get_bonds(owned(nobody(), None)).await;
    assert!(page.expect("a page").bonds.is_empty());

    let by_operator = GetMasternode {
        masternode: None,
        key: Some(Hex(operator().key())),
    };
    let found = api.chain_get_masternode(by_operator).await.expect("found");
    assert_eq!((found.masternode, found.collateral.0), (0, coins(4)));
    assert!(found.front && found.rear && found.candidate);
    assert_eq!((found.registered, found.release_height), (ORDERED, None));
    let page = api
        .chain_get_masternodes(owned(owner().account(), None))
        .await;
    assert_eq!(page.expect("a page").masternodes, [found]);
    let unknown = GetMasternode {
        masternode: Some(1),
        key: None,
    };
    assert_eq!(
        reason(api.chain_get_masternode(unknown).await),
        "unknown_masternode"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn committees_are_read_as_far_as_they_are_drawn_and_kept() {
    let mut story = Story::begin().await;
    story.step().await;
    story.step().await;
    let tip = BEGINNING + 1;
    let committee = |height| {
        let asked = GetCommittee { height };
        story.api().chain_get_committee(asked)
    };
    let voted = committee(Some(BEGINNING)).await.expect("drawn");
    let seats: u32 = voted.members.iter().map(|member| member.seats).sum();
    assert_eq!((seats, voted.weight, voted.seats), (8, 3, Some(8)));
    assert!(voted.members.iter().all(|member| member.included));
    let next = committee(None).await.expect("drawn");
    assert_eq!((next.height, next.block, next.seats), (tip + 1, None, None));
    assert!(!next.members.is_empty());
    assert!(committee(Some(tip + 2)).await.is_ok());
    assert_eq!(reason(committee(Some(tip + 3)).await), "not_drawn");
    // Nobody was bonded when the seats of term 3 were given; those of term 2 are forgotten.
    let empty = committee(Some(BEGINNING - 1)).await.expect("kept");
    assert_eq!((empty.members.len(), empty.weight, empty.level), (0, 0, 0));
    assert_eq!(reason(committee(Some(24)).await), "committee_gone");
    assert!(
        committee(Some(5))
            .await
            .expect("never drawn")
            .members
            .is_empty()
    );

    // Voters that fall silent are noticed.
    story.silent_steps(9).await;
    assert_eq!(story.peer.figure("chainchat_vote_starvation").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_orders_have_words() {
    let mut story = Story::begin().await;
    // The operator earns, so that it can pay for what it may not order.
    for _ in 0..3 {
        story.step().await;
    }
    let chain = &story.chain;
    let small = Amount::from_base(Amount::COIN - 1);
    let refused = [
        (chain.bond(&owner(), 0, &voter(2), small), "bond_amount"),
        (
            chain.bond(&owner(), 0, &voter(0), coins(1)),
            "vote_key_used",
        ),
        (chain.unbond(&owner(), 9), "unknown_bond"),
        (chain.unbond(&operator(), 0), "not_owner"),
        (chain.wake(&owner(), 0), "not_dormant"),
        (
            chain.register(&owner(), 0, &operator(), &Owner::new(301)),
            "masternode_key_used",
        ),
        (
            chain.register(&owner(), 0, &Owner::new(301), &Owner::new(301)),
            "masternode_keys",
        ),
        (chain.exit(&operator(), 0), "not_owner"),
        (chain.exit(&owner(), 9), "unknown_masternode"),
        (chain.revive(&operator(), 0), "not_banned"),
        (chain.revive(&owner(), 0), "not_owner"),
    ];
    for (transaction, word) in &refused {
        assert_eq!(story.refusal(transaction).await, *word);
    }
    let prefix = owner().prefix(3, coins(1));
    let params = &story.peer.params;
    let stolen = Owner::bond(params, &owner().prefix(2, coins(1)), &voter(5), coins(1));
    let stolen = owner().order(params, prefix, stolen, Order::Bond);
    assert_eq!(story.refusal(&stolen).await, "bond_possession");
    let leaving = chain.unbond(&owner(), 0);
    let raw = RawHex::encoding(&leaving);
    let taken = story.api().tx_submit(Submit { raw, ack: None }).await;
    taken.expect("its owner may");
    story.peer.generate(1).await;
    let by_number = GetBond {
        bond: Some(0),
        vote_key: None,
    };
    eventually("the bond to leave", || async {
        let bond = story.api().chain_get_bond(by_number.clone()).await.ok()?;
        (bond.state == BondState::Leaving && bond.release_height.is_some()).then_some(())
    })
    .await;
    let unbond = Unbond {
        bond: BondId::new(0),
    };
    let again = owner().order(params, owner().prefix(4, coins(1)), unbond, Order::Unbond);
    assert_eq!(story.refusal(&again).await, "already_leaving");
}
