//! What becomes of an order when the node goes, answers late or refuses.

use chain::Network;
use rpc::{ErrorCode, RpcFailure};
use wallet::order::OrderState;

use crate::error::SessionError;
use crate::orders::Submitted;
use crate::testing::{Door, FUNDS, ScriptedNode, User, payee};

const PAID: u64 = 5_000_000;

fn received(node: &ScriptedNode) -> u64 {
    let account = payee().account_on(Network::Regtest).expect("its network");
    node.account(account).balance
}

async fn funded(node: &ScriptedNode) -> User {
    let mut user = User::new(1);
    node.fund(user.account(), FUNDS);
    user.sync(node).await;
    user
}

#[tokio::test]
async fn an_order_whose_node_went_is_sent_again_byte_for_byte_and_paid_once() {
    for door in [Door::Shut, Door::AnswerLost] {
        let node = ScriptedNode::new();
        let mut user = funded(&node).await;
        node.script().door = door.clone();
        let submitted = user.send(&node, PAID).await.expect("it is written down");
        let Submitted::Queued(id) = submitted else {
            panic!("{door:?}: nobody said that the node has it");
        };
        let first = node.take_handed_in();
        assert_eq!(first.len(), 1, "{door:?}");

        user.reopen();
        let state = user.session().order_state(&id);
        assert_eq!(state, Some(OrderState::Pending), "{door:?}");
        // The node is still gone: the sync fails and the order stays.
        node.script().door = Door::Shut;
        let gone = user.try_sync(&node).await;
        assert!(matches!(gone, Err(SessionError::Node(_))), "{door:?}");
        node.script().door = Door::Open;
        user.sync(&node).await;
        user.sync(&node).await;
        let again = node.take_handed_in();
        assert_eq!(again.len(), 3, "{door:?}");
        assert!(again.iter().all(|bytes| *bytes == first[0]), "{door:?}");

        node.mine(1);
        user.sync(&node).await;
        node.mine(1);
        user.sync(&node).await;
        let height = chain::Height::new(1);
        let state = user.session().order_state(&id);
        assert_eq!(state, Some(OrderState::InBlock { height }), "{door:?}");
        assert!(node.take_handed_in().is_empty(), "{door:?}");
        assert_eq!(received(&node), PAID, "{door:?}");
        let account = node.account(user.account());
        assert_eq!(account.nonce, 1, "{door:?}");
        let balance = user.session().balance();
        assert_eq!(balance.confirmed.base_units(), account.balance, "{door:?}");
        assert_eq!(balance.confirmed, balance.spendable, "{door:?}");
    }
}

#[tokio::test]
async fn an_order_that_is_refused_for_good_is_given_up_and_its_nonce_is_free() {
    let node = ScriptedNode::new();
    let mut user = funded(&node).await;
    for code in [
        ErrorCode::Rejected,
        ErrorCode::InsufficientFunds,
        ErrorCode::Undecodable,
    ] {
        node.script().door = Door::Refuses(RpcFailure::new(code, "refused", "no"));
        let refused = user.send(&node, PAID).await;
        assert!(matches!(refused, Err(SessionError::Node(_))), "{refused:?}");
        assert!(user.session().ledger().orders().is_empty(), "{code:?}");
    }
    assert_eq!(node.take_handed_in().len(), 3);
    node.script().door = Door::Open;
    user.reopen();
    user.sync(&node).await;
    assert!(
        node.take_handed_in().is_empty(),
        "what was given up stays so"
    );
    let submitted = user.send(&node, PAID).await.expect("its nonce is free");
    assert!(matches!(submitted, Submitted::Delivered(_)));
    node.mine(1);
    assert_eq!(received(&node), PAID);
}

#[tokio::test]
async fn an_order_that_a_busy_node_refuses_today_waits_for_tomorrow() {
    let node = ScriptedNode::new();
    let mut user = funded(&node).await;
    let busy = RpcFailure::new(ErrorCode::Busy, "pending_full", "try again soon");
    node.script().door = Door::Refuses(busy);
    let submitted = user.send(&node, PAID).await.expect("it is written down");
    assert!(matches!(submitted, Submitted::Queued(_)));
    // It is refused once more, and the sync goes on to its end.
    user.sync(&node).await;
    node.script().door = Door::Open;
    user.sync(&node).await;
    let handed_in = node.take_handed_in();
    assert_eq!(handed_in.len(), 3);
    assert!(handed_in.iter().all(|bytes| *bytes == handed_in[0]));
    node.mine(2);
    assert_eq!(received(&node), PAID);
}
