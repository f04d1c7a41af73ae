//! What becomes of a message's and an order's state when votes, checkpoints and other branches come.

use chain::{BlockId, Height};
use messenger::{ConversationId, MessageRef};
use rpc::types::{CheckpointPoint, FinalityEvent, Hex, SeatNews};

use super::Stage;
use crate::testing::{ScriptedNode, User};

/// A user whose message is in the block at the height returned.
async fn message_in_block(node: &ScriptedNode) -> (User, ConversationId, MessageRef, u64) {
    let mut user = User::new(1);
    let conversation = user.settle(node).await;
    let reference = user.say(&conversation, 10, node).await;
    node.mine(1);
    user.sync(node).await;
    let height = node.height().get();
    (user, conversation, reference, height)
}

fn stage(user: &mut User, conversation: &ConversationId, reference: &MessageRef) -> Stage {
    let found = user.session().message_stage(Some(conversation), reference);
    found.expect("written").1
}

fn id_at(user: &mut User, height: u64) -> BlockId {
    let followed = user.session().ledger().followed(Height::new(height));
    followed.expect("followed")
}

#[tokio::test]
async fn a_message_is_confirmed_by_five_seats_and_final_below_a_checkpoint() {
    let node = ScriptedNode::new();
    let (mut user, kitchen, message, height) = message_in_block(&node).await;
    assert_eq!(stage(&mut user, &kitchen, &message), Stage::InBlock);
    for (seats, expected) in [
        (4, Stage::InBlock),
        (5, Stage::Confirmed),
        (8, Stage::Confirmed),
    ] {
        node.script().seats.insert(height, seats);
        user.sync(&node).await;
        assert_eq!(
            stage(&mut user, &kitchen, &message),
            expected,
            "{seats} seats"
        );
    }
    node.mine(3);
    node.script().finalized = height - 1;
    user.sync(&node).await;
    assert_eq!(stage(&mut user, &kitchen, &message), Stage::Confirmed);
    node.script().finalized = height;
    user.sync(&node).await;
    assert_eq!(stage(&mut user, &kitchen, &message), Stage::Final);
    // Another process knows nothing of this but what the node says.
    user.reopen();
    assert_eq!(stage(&mut user, &kitchen, &message), Stage::InBlock);
    user.sync(&node).await;
    assert_eq!(stage(&mut user, &kitchen, &message), Stage::Final);
}

#[tokio::test]
async fn a_confirmed_message_falls_back_with_its_block_and_comes_again() {
    let node = ScriptedNode::new();
    let (mut user, kitchen, message, height) = message_in_block(&node).await;
    node.script().seats.insert(height, 6);
    user.sync(&node).await;
    assert_eq!(stage(&mut user, &kitchen, &message), Stage::Confirmed);
    node.rewind(usize::try_from(height).expect("small") - 1);
    node.script().seats.clear();
    user.sync(&node).await;
    assert_eq!(stage(&mut user, &kitchen, &message), Stage::Delivered);
    node.mine(1);
    user.sync(&node).await;
    assert_eq!(stage(&mut user, &kitchen, &message), Stage::InBlock);
    node.script().seats.insert(height, 7);
    user.sync(&node).await;
    assert_eq!(stage(&mut user, &kitchen, &message), Stage::Confirmed);
}

#[tokio::test]
async fn the_stream_says_sooner_what_the_next_look_would() {
    let node = ScriptedNode::new();
    let (mut user, kitchen, message, height) = message_in_block(&node).await;
    let news = |block, seats, best_chain| SeatNews {
        height,
        block: Hex(block),
        seats,
        best_chain,
    };
    let id = id_at(&mut user, height);
    let other = BlockId::from_bytes([9; 32]);
    let hear = |user: &mut User, event| {
        user.session().hear_finality(&event);
        stage(user, &kitchen, &message)
    };
    let confirmed = FinalityEvent::Confirmed(news(other, 8, true));
    assert_eq!(
        hear(&mut user, confirmed),
        Stage::InBlock,
        "another branch's block"
    );
    let confirmed = FinalityEvent::Confirmed(news(id, 5, true));
    assert_eq!(hear(&mut user, confirmed), Stage::Confirmed);
    let unconfirmed = FinalityEvent::Unconfirmed(news(id, 4, true));
    assert_eq!(hear(&mut user, unconfirmed), Stage::InBlock);
    let point = |id| CheckpointPoint {
        number: 1,
        height,
        id: Hex(id),
    };
    let justified = FinalityEvent::Justified(point(id));
    assert_eq!(hear(&mut user, justified), Stage::InBlock);
    let finalized = FinalityEvent::Finalized(point(other));
    assert_eq!(
        hear(&mut user, finalized),
        Stage::InBlock,
        "another branch's block"
    );
    let finalized = FinalityEvent::Finalized(point(id));
    assert_eq!(hear(&mut user, finalized), Stage::Final);
}

#[tokio::test]
async fn an_order_goes_through_the_same_states() {
    let node = ScriptedNode::new();
    let mut user = User::new(1);
    user.settle(&node).await;
    let submitted = user.send(&node, 5_000_000).await.expect("affordable");
    let id = *submitted.id();
    let state = |user: &mut User| user.session().order_stage(&id);
    assert_eq!(state(&mut user), Some((Stage::Queued, None)));
    node.mine(1);
    user.sync(&node).await;
    let height = node.height();
    assert_eq!(state(&mut user), Some((Stage::InBlock, Some(height))));
    node.script().seats.insert(height.get(), 5);
    user.sync(&node).await;
    assert_eq!(state(&mut user), Some((Stage::Confirmed, Some(height))));
    node.script().finalized = height.get();
    user.sync(&node).await;
    assert_eq!(state(&mut user), Some((Stage::Final, Some(height))));
}

#[tokio::test]
async fn blocks_whose_seats_are_settled_are_not_asked_for_again() {
    let node = ScriptedNode::new();
    let (mut user, kitchen, message, height) = message_in_block(&node).await;
    // The conversation's start is in a block of its own.
    for height in 0..=height {
        node.script().seats.insert(height, 5);
    }
    node.mine(super::SETTLED_BLOCKS as usize + 1);
    user.sync(&node).await;
    let asked = node.script().seats_asked;
    user.sync(&node).await;
    user.sync(&node).await;
    assert_eq!(node.script().seats_asked, asked);
    // A node that counts no more takes nothing back.
    node.script().seats.clear();
    user.sync(&node).await;
    assert_eq!(stage(&mut user, &kitchen, &message), Stage::Confirmed);
}

#[tokio::test]
async fn seats_that_came_while_nobody_looked_are_asked_for_once_more() {
    let node = ScriptedNode::new();
    let (mut user, kitchen, message, height) = message_in_block(&node).await;
    for height in 0..=height {
        node.script().seats.insert(height, 0);
    }
    user.sync(&node).await;
    assert_eq!(stage(&mut user, &kitchen, &message), Stage::InBlock);
    // The votes come, and so many blocks that the block is deep when it is looked at again.
    for height in 0..=height {
        node.script().seats.insert(height, 6);
    }
    node.mine(super::SETTLED_BLOCKS as usize + 1);
    user.sync(&node).await;
    assert_eq!(stage(&mut user, &kitchen, &message), Stage::Confirmed);
    let asked = node.script().seats_asked;
    user.sync(&node).await;
    assert_eq!(node.script().seats_asked, asked, "settled");
    // News that waited in the stream settle nothing.
    let block = Hex(id_at(&mut user, height));
    let news = SeatNews {
        height,
        block,
        seats: 4,
        best_chain: true,
    };
    let event = FinalityEvent::Unconfirmed(news);
    user.session().hear_finality(&event);
    assert_eq!(stage(&mut user, &kitchen, &message), Stage::InBlock);
    user.sync(&node).await;
    assert_eq!(stage(&mut user, &kitchen, &message), Stage::Confirmed);
}
