//! Following, observing, forgetting.

use chain::hash::ChainId;

use super::*;
use crate::activity::BlockScan;
use crate::error::FollowError;
use crate::follow::FOLLOWED_BLOCKS_MAX;
use crate::order::OrderState;
use crate::testing::{self, Story, block_id, chain_id};

fn confirmed(story: &Story) -> u64 {
    story
        .ledger
        .balance(&story.account())
        .confirmed
        .base_units()
}

fn tip(story: &Story) -> Tip {
    story.ledger.tip().expect("a block is followed")
}

fn merged(kept: &[ChangeSet]) -> ChangeSet {
    let mut merged = ChangeSet::default();
    for changes in kept {
        merged.merge(changes.clone());
    }
    merged
}

#[test]
fn rewards_come_and_go_with_their_blocks() {
    let mut story = Story::new();
    story.mine(50);
    story.mine(7);
    assert_eq!(confirmed(&story), 57);
    story.revert();
    assert_eq!(confirmed(&story), 50);
    story.mine(8);
    assert_eq!(confirmed(&story), 58);
}

#[test]
fn only_the_child_of_the_tip_connects_and_only_the_tip_disconnects() {
    let mut story = Story::new();
    let genesis = tip(&story);
    let skipped = BlockScan {
        height: Height::new(2),
        ..story.next_block()
    };
    let not_next = |block: &BlockScan| {
        let height = block.height;
        FollowError::NotNext {
            height,
            tip: genesis.id,
            tip_height: genesis.height,
        }
    };
    assert_eq!(story.ledger.connect(&skipped), Err(not_next(&skipped)));
    let foreign = BlockScan {
        parent: block_id(0, 9),
        ..story.next_block()
    };
    assert_eq!(story.ledger.connect(&foreign), Err(not_next(&foreign)));
    story.mine(1);
    let refused = story.ledger.revert(&genesis.id);
    assert_eq!(refused, Err(FollowError::NotTip { found: genesis.id }));
    story.revert();
    story.revert();
    assert_eq!(story.ledger.tip(), None);
    assert_eq!(
        story.ledger.revert(&genesis.id),
        Err(FollowError::NothingFollowed)
    );
}

#[test]
fn following_does_not_start_after_the_birthday() {
    let (ledger, _) = Ledger::create(Network::Dev, chain_id(), Height::new(10));
    let block = |height| BlockScan {
        height: Height::new(height),
        ..BlockScan::default()
    };
    let (height, birthday) = (Height::new(11), Height::new(10));
    assert_eq!(
        ledger.connect(&block(11)),
        Err(FollowError::AfterBirthday { height, birthday })
    );
    assert!(ledger.connect(&block(10)).is_ok());
    assert!(ledger.connect(&block(3)).is_ok());
}

#[test]
fn the_first_account_state_opens_and_later_ones_correct() {
    let mut story = Story::new();
    story.mine(50);
    story.observe(1_050, 4);
    assert_eq!(confirmed(&story), 1_050);
    assert_eq!(story.ledger.chain_nonce(&story.account()), 4);
    // What was there before the first block survives a reorganisation.
    story.revert();
    assert_eq!(confirmed(&story), 1_000);
    assert_eq!(story.ledger.chain_nonce(&story.account()), 4);
    // A seat reward that nobody itemised belongs to the block after which it was seen.
    story.mine(50);
    story.observe(1_053, 4);
    assert_eq!(confirmed(&story), 1_053);
    story.revert();
    assert_eq!(confirmed(&story), 1_000);
}

#[test]
fn an_account_state_that_confirms_the_entries_changes_nothing() {
    let mut story = Story::new();
    story.mine(50);
    story.observe(50, 0);
    let (account, at) = (story.account(), tip(&story).id);
    let snapshot = AccountSnapshot {
        balance: Amount::from_base(50),
        ..Default::default()
    };
    let same = story
        .ledger
        .observe(account, &at, snapshot)
        .expect("the tip");
    assert!(same.is_empty());
    let locked = AccountSnapshot {
        locked: Some(Amount::from_base(9)),
        ..snapshot
    };
    assert_eq!(story.ledger.known_locked(&account), None);
    let changes = story.ledger.observe(account, &at, locked).expect("the tip");
    story.keep(changes);
    assert_eq!(story.ledger.balance(&account).locked, Amount::from_base(9));
    // Who does not know what is locked takes nothing back.
    let unknown = story.ledger.observe(account, &at, snapshot);
    assert!(unknown.expect("the tip").is_empty());
    let nothing = AccountSnapshot {
        locked: Some(Amount::ZERO),
        ..snapshot
    };
    let changes = story
        .ledger
        .observe(account, &at, nothing)
        .expect("the tip");
    story.keep(changes);
    assert_eq!(story.ledger.known_locked(&account), Some(Amount::ZERO));
    assert_eq!(confirmed(&story), 50);
}

#[test]
fn an_account_state_of_another_block_says_nothing() {
    let mut story = Story::new();
    let genesis = tip(&story).id;
    story.mine(1);
    let (account, snapshot) = (story.account(), AccountSnapshot::default());
    let refused = story.ledger.observe(account, &genesis, snapshot);
    assert_eq!(refused, Err(FollowError::NotTip { found: genesis }));
    let stranger = testing::key(5).account();
    let refused = story.ledger.observe(stranger, &tip(&story).id, snapshot);
    assert_eq!(
        refused,
        Err(FollowError::UnknownAccount { account: stranger })
    );
}

#[test]
fn a_watched_account_has_a_balance_and_a_stranger_has_none() {
    let mut story = Story::new();
    let bob = testing::key(2).account();
    let watched = story.ledger.watch_account(bob);
    story.keep(watched);
    let mut block = story.next_block();
    let transaction = testing::transfer(&testing::key(3), 0, &[(bob, 5), (story.account(), 6)]);
    let fee = Amount::ZERO;
    block
        .transactions
        .push(crate::activity::ScannedTransaction {
            index: 0,
            transaction,
            fee,
        });
    story.connect(&block);
    assert_eq!(story.ledger.balance(&bob).confirmed, Amount::from_base(5));
    assert_eq!(
        story.ledger.balance_of_all().confirmed,
        Amount::from_base(11)
    );
    assert_eq!(
        story.ledger.balance(&testing::key(3).account()),
        Balance::default()
    );
}

#[test]
fn a_wallet_of_another_chain_or_without_a_beginning_is_refused() {
    let story = Story::new();
    let expected = ChainId::from_bytes([8; 32]);
    let foreign = Ledger::load(Network::Regtest, expected, merged(&story.kept));
    let found = chain_id();
    assert_eq!(
        foreign,
        Err(ChangeSetError::ForeignChain { expected, found })
    );
    let headless = Ledger::load(Network::Regtest, found, merged(&story.kept[1..]));
    assert_eq!(headless, Err(ChangeSetError::NoBeginning));
}

#[test]
fn what_is_deep_is_forgotten_unless_it_concerns_the_wallet() {
    let mut story = Story::new();
    story.open_with(1_000_000);
    story.mine(5);
    let id = story.send(testing::key(2).account(), 1_000);
    story.include(&[id], 1_024);
    for _ in 0..FOLLOWED_BLOCKS_MAX + 10 {
        let block = story.next_block();
        story.connect(&block);
    }
    let height = tip(&story).height.get();
    assert_eq!(story.ledger.order(&id), None, "settled for good");
    assert!(
        story.ledger.followed(Height::new(1)).is_some(),
        "a reward is history"
    );
    assert!(
        story.ledger.followed(Height::new(2)).is_some(),
        "a payment is history"
    );
    let remembered = |height| story.ledger.followed(Height::new(height)).is_some();
    assert!(!remembered(3));
    assert!(!remembered(height - FOLLOWED_BLOCKS_MAX));
    assert!(remembered(height - FOLLOWED_BLOCKS_MAX + 1));
    let balance = confirmed(&story);
    assert_eq!(balance, 1_000_000 + 5 - 1_000 - 1_024);

    for _ in 0..FOLLOWED_BLOCKS_MAX - 1 {
        story.revert();
    }
    let lowest = tip(&story);
    let refused = story.ledger.revert(&lowest.id);
    assert_eq!(
        refused,
        Err(FollowError::TooDeep {
            height: lowest.height
        })
    );
    assert_eq!(confirmed(&story), balance);

    let restart = story.ledger.restart(Height::new(0));
    story.keep(restart);
    assert_eq!(story.ledger.tip(), None);
    assert_eq!(story.ledger.accounts().len(), 1);
    assert_eq!(story.ledger.chain_nonce(&story.account()), 0);
    let again = Ledger::load(Network::Regtest, chain_id(), merged(&story.kept));
    assert_eq!(again, Ok(story.ledger));
}

#[test]
fn a_superseded_order_is_forgotten_when_no_reorganisation_can_bring_it_back() {
    let mut story = Story::new();
    story.open_with(1_000_000);
    let id = story.send(testing::key(2).account(), 1_000);
    story.observe(1_000_000, 1);
    assert_eq!(
        story.ledger.order(&id).map(|(_, state)| state),
        Some(OrderState::Superseded)
    );
    for _ in 0..FOLLOWED_BLOCKS_MAX {
        let block = story.next_block();
        story.connect(&block);
    }
    assert_eq!(story.ledger.order(&id), None);
}

#[test]
fn a_block_that_does_not_concern_the_wallet_is_mere_progress() {
    let mut story = Story::new();
    let idle = story.next_block();
    assert!(
        story
            .ledger
            .connect(&idle)
            .expect("it continues")
            .is_progress_only()
    );
    story.mine(1);
    assert!(!story.kept.last().expect("kept").is_progress_only());
}
