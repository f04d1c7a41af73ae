//! Bonds of a user whose node follows a script.

use chain::Amount;
use secp256k1::Keypair;
use wallet::stake::StakeOrder;

use crate::error::SessionError;
use crate::testing::{FUNDS, ScriptedNode, User};

fn vote_key() -> Keypair {
    Keypair::from_secret_bytes([5; 32]).expect("a valid secret")
}

#[tokio::test]
async fn coins_in_a_bond_are_locked_as_the_chain_says() {
    let node = ScriptedNode::new();
    let mut user = User::new(1);
    node.fund(user.account(), FUNDS);
    user.sync(&node).await;
    assert_eq!(user.session().balance().locked, Amount::ZERO);
    let amount = Amount::from_base(3 * Amount::COIN);
    let vote_key = vote_key();
    let order = StakeOrder::Bond {
        amount,
        vote_key: &vote_key,
    };
    user.order_stake(&node, order).await.expect("affordable");
    node.mine(1);
    user.sync(&node).await;
    let balance = user.session().balance();
    assert_eq!(balance.locked, amount);
    assert!(balance.confirmed.base_units() < FUNDS.base_units() - amount.base_units());
    node.rewind(0);
    node.forget_what_waits();
    user.sync(&node).await;
    assert_eq!(user.session().balance().locked, Amount::ZERO);
}

#[tokio::test]
async fn a_bond_below_the_smallest_is_refused_before_anything_is_signed() {
    let node = ScriptedNode::new();
    let mut user = User::new(1);
    node.fund(user.account(), FUNDS);
    user.sync(&node).await;
    let vote_key = vote_key();
    let order = StakeOrder::Bond {
        amount: Amount::from_base(Amount::COIN - 1),
        vote_key: &vote_key,
    };
    let refused = user.order_stake(&node, order).await;
    assert!(matches!(refused, Err(SessionError::Plan(_))), "{refused:?}");
    assert!(node.take_handed_in().is_empty());
}
