//! What becomes of a message when the node goes or refuses.

use messenger::view::Delivery;
use rpc::RpcFailure;

use crate::error::SessionError;
use crate::testing::{Door, ScriptedNode, User};

/// Letters of a message that a stamp admits, and of one that burns coins.
const SMALL: usize = 100;
const LARGE: usize = 3_000;

#[tokio::test]
async fn a_message_whose_node_went_leaves_later_in_the_very_same_bytes() {
    for (bytes, payments) in [(SMALL, 0), (LARGE, 1)] {
        for door in [Door::Shut, Door::AnswerLost] {
            let at = format!("{bytes} bytes, {door:?}");
            let node = ScriptedNode::new();
            let mut user = User::new(2);
            let conversation = user.settle(&node).await;
            let before = node.account(user.account());
            node.take_handed_in();
            node.script().door = door;
            let reference = user.say(&conversation, bytes, &node).await;
            let first = node.take_handed_in();
            assert_eq!(first.len(), 1, "{at}");
            let session = user.session();
            let stands = session.delivery(Some(&conversation), &reference);
            assert_eq!(stands, Some((reference, Delivery::Queued)), "{at}");
            assert!(session.why_waiting(&reference).is_some(), "{at}");

            node.forget_what_waits();
            user.reopen();
            node.script().door = Door::Shut;
            let gone = user.try_sync(&node).await;
            assert!(matches!(gone, Err(SessionError::Node(_))), "{at}");
            node.script().door = Door::Open;
            user.sync(&node).await;
            user.sync(&node).await;
            let again = node.take_handed_in();
            assert_eq!(again.len(), 2, "{at}: not to a node that has it");
            assert!(again.iter().all(|raw| *raw == first[0]), "{at}");

            node.mine(1);
            user.sync(&node).await;
            let session = user.session();
            let stands = session.delivery(Some(&conversation), &reference);
            assert!(
                matches!(stands, Some((_, Delivery::InBlock(_)))),
                "{at}: {stands:?}"
            );
            let after = node.account(user.account());
            assert_eq!(after.nonce - before.nonce, payments, "{at}");
            assert_eq!(after.balance < before.balance, payments > 0, "{at}");
            let balance = user.session().balance();
            assert_eq!(balance.confirmed.base_units(), after.balance, "{at}");
            assert_eq!(balance.confirmed, balance.spendable, "{at}");
        }
    }
}

#[tokio::test]
async fn a_message_that_the_node_refuses_waits_and_is_in_nobodys_way() {
    let node = ScriptedNode::new();
    let mut user = User::new(3);
    let conversation = user.settle(&node).await;
    node.script().door = Door::Refuses(RpcFailure::rejected("full", "no room today"));
    let refused = user.say(&conversation, SMALL, &node).await;
    let next = user.say(&conversation, SMALL, &node).await;
    assert_eq!(user.session().why_waiting(&refused), Some("no room today"));
    node.take_handed_in();
    node.script().door = Door::Open;
    user.sync(&node).await;
    for reference in [refused, next] {
        let session = user.session();
        let stands = session.delivery(Some(&conversation), &reference);
        assert_eq!(stands, Some((reference, Delivery::Delivered)));
        assert_eq!(session.why_waiting(&reference), None);
    }
    assert_eq!(node.take_handed_in().len(), 2);
}
