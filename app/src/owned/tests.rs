//! How often a session looks for what its account has bound, and what it does when that fails.

use chain::Amount;
use secp256k1::Keypair;
use wallet::stake::StakeOrder;

use super::PAGES_MAX;
use crate::testing::{FUNDS, Lie, ScriptedNode, User};

fn locked(user: &mut User) -> u64 {
    user.session().balance().locked.base_units()
}

#[tokio::test]
async fn a_wallet_that_comes_back_finds_what_it_has_locked() {
    let node = ScriptedNode::new();
    let mut user = User::new(1);
    node.fund(user.account(), FUNDS);
    node.script().account_mut(user.account()).bonded = 7;
    for _ in 0..3 {
        // No order of this wallet is about a bond: others of the same words gave it.
        user.sync(&node).await;
        assert_eq!(user.session().balance().locked, Amount::from_base(7));
        node.mine(1);
    }
    user.reopen();
    assert_eq!(user.session().balance().locked, Amount::from_base(7));
    user.sync(&node).await;
    assert_eq!(user.session().balance().locked, Amount::from_base(7));
    // Coins that were paid back are locked no more.
    node.script().account_mut(user.account()).bonded = 0;
    user.sync(&node).await;
    assert_eq!(user.session().balance().locked, Amount::ZERO);
}

#[tokio::test]
async fn a_wallet_that_has_bound_nothing_looks_through_the_list_once_in_its_life() {
    let node = ScriptedNode::new();
    let mut user = User::new(1);
    node.fund(user.account(), FUNDS);
    for _ in 0..3 {
        user.sync(&node).await;
        node.mine(1);
    }
    user.reopen();
    user.sync(&node).await;
    assert_eq!(node.script().lists_asked, 1);
    // Its own bond is found by the key that its order names.
    let vote_key = Keypair::from_secret_bytes([5; 32]).expect("a valid secret");
    let amount = Amount::from_base(2 * Amount::COIN);
    let order = StakeOrder::Bond {
        amount,
        vote_key: &vote_key,
    };
    user.order_stake(&node, order).await.expect("affordable");
    node.mine(1);
    user.sync(&node).await;
    assert_eq!(user.session().balance().locked, amount);
    assert_eq!(node.script().lists_asked, 1);
    let owned = user.owned(&node).await.expect("at rest");
    assert_eq!((owned.locked(), owned.is_complete), (amount, true));
    assert_eq!(user.session().reading.own_bonds.len(), 1);
    // A bond that is paid back is none any more.
    node.script().account_mut(user.account()).bonded = 0;
    user.sync(&node).await;
    assert_eq!(locked(&mut user), 0);
    assert!(user.session().reading.own_bonds.is_empty());
}

#[tokio::test]
async fn a_chain_that_does_not_rest_keeps_nobody_from_following_it() {
    let node = ScriptedNode::new();
    let mut user = User::new(1);
    node.fund(user.account(), FUNDS);
    node.script().account_mut(user.account()).bonded = 7;
    user.sync(&node).await;
    assert_eq!(locked(&mut user), 7);
    user.reopen();
    node.script().is_restless = true;
    node.script().account_mut(user.account()).bonded = 9;
    let asked = node.script().lists_asked;
    let before = user.session().tip_height();
    user.sync(&node).await;
    assert!(user.session().tip_height() > before);
    assert_eq!(locked(&mut user), 7, "as it was known");
    assert_eq!(
        node.script().lists_asked,
        asked + 1,
        "the list is no matter of one block"
    );
    assert!(user.owned(&node).await.is_none(), "of no single block");
    node.script().is_restless = false;
    user.sync(&node).await;
    assert_eq!(locked(&mut user), 9);
}

#[tokio::test]
async fn a_list_longer_than_the_limit_is_said_to_be_cut_and_proves_no_zero() {
    let node = ScriptedNode::new();
    let mut user = User::new(1);
    node.fund(user.account(), FUNDS);
    node.script().lie = Some(Lie::EndlessBonds);
    user.sync(&node).await;
    assert_eq!(node.script().lists_asked, PAGES_MAX);
    let owned = user.owned(&node).await.expect("at rest");
    assert!(!owned.is_complete);
    let account = user.account();
    assert_eq!(user.session().ledger().known_locked(&account), None);
    // Coins may be locked all the same: after the next start it is looked again.
    node.script().lie = None;
    node.script().account_mut(account).bonded = 7;
    user.reopen();
    user.sync(&node).await;
    assert_eq!(locked(&mut user), 7);
    assert!(user.owned(&node).await.expect("at rest").is_complete);
}
