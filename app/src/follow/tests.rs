//! Nodes that are behind, part from what was followed, or show blocks that are none.

use chain::Height;
use messenger::view::Delivery;

use crate::error::SessionError;
use crate::orders::Submitted;
use crate::testing::{Door, FUNDS, Lie, ScriptedNode, User};

#[tokio::test]
async fn a_syncing_node_below_the_followed_tip_is_refused_and_nothing_is_forgotten() {
    let node = ScriptedNode::new();
    let mut user = User::new(6);
    let conversation = user.settle(&node).await;
    node.mine(5);
    user.sync(&node).await;
    let (tip, balance) = (user.session().ledger().tip(), user.session().balance());
    node.take_handed_in();

    node.rewind(3);
    node.script().is_syncing = true;
    let behind = user.try_sync(&node).await;
    let height = Height::new(3);
    assert!(
        matches!(behind, Err(SessionError::NodeBehind { height: found }) if found == height),
        "{behind:?}"
    );
    assert_eq!(user.session().ledger().tip(), tip);
    assert_eq!(user.session().balance(), balance);
    let refused = user.send(&node, 1_000_000).await;
    assert!(
        matches!(refused, Err(SessionError::NodeBehind { .. })),
        "{refused:?}"
    );
    // A message is written and waits: what it would pay or follow on may be on the network's chain.
    let reference = user.say(&conversation, 100, &node).await;
    assert!(node.take_handed_in().is_empty());
    let stands = user.session().delivery(Some(&conversation), &reference);
    assert_eq!(stands, Some((reference, Delivery::Queued)));

    // It was another branch that the node was on its way to.
    node.script().is_syncing = false;
    node.mine(6);
    user.sync(&node).await;
    assert_eq!(user.session().tip_height(), node.height());
    let stands = user.session().delivery(Some(&conversation), &reference);
    assert_eq!(stands, Some((reference, Delivery::Delivered)));
}

#[tokio::test]
async fn with_a_syncing_node_the_session_follows_and_nothing_leaves() {
    let node = ScriptedNode::new();
    let mut user = User::new(7);
    let conversation = user.settle(&node).await;
    node.script().door = Door::Shut;
    let submitted = user.send(&node, 1_000_000).await.expect("written down");
    assert!(matches!(submitted, Submitted::Queued(_)));
    node.script().door = Door::Open;
    node.take_handed_in();

    node.script().is_syncing = true;
    node.mine(2);
    user.sync(&node).await;
    assert_eq!(user.session().tip_height(), node.height());
    let refused = user.send(&node, 1_000_000).await;
    assert!(
        matches!(refused, Err(SessionError::NodeBehind { .. })),
        "{refused:?}"
    );
    user.say(&conversation, 100, &node).await;
    assert!(node.take_handed_in().is_empty());

    node.script().is_syncing = false;
    user.sync(&node).await;
    assert_eq!(node.take_handed_in().len(), 2, "the order and the message");
}

#[tokio::test]
async fn a_block_that_is_not_what_was_asked_for_is_a_bad_answer_and_is_not_followed() {
    let lies = [
        (Lie::BlockBelow, "a block of another height"),
        (Lie::BlockWithoutBytes, "a block without its bytes"),
        (
            Lie::ForeignBody,
            "a block whose header does not name its body",
        ),
    ];
    for (lie, expected) in lies {
        let node = ScriptedNode::new();
        let mut user = User::new(8);
        node.fund(user.account(), FUNDS);
        user.sync(&node).await;
        let tip = user.session().ledger().tip();
        node.mine(1);
        // What a lying node would have the wallet believe: that its coins are spent.
        node.put(user.order_elsewhere(0, 1_000_000));
        node.script().lie = Some(lie);
        let refused = user.try_sync(&node).await;
        assert!(
            matches!(refused, Err(SessionError::BadAnswer { what }) if what == expected),
            "{lie:?}: {refused:?}"
        );
        assert_eq!(user.session().ledger().tip(), tip, "{lie:?}");
        assert_eq!(user.session().balance().confirmed, FUNDS, "{lie:?}");
        node.script().lie = None;
        user.sync(&node).await;
        assert_eq!(user.session().tip_height(), node.height(), "{lie:?}");
    }
}
