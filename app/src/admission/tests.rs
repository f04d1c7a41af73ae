//! Payments for envelopes that were overtaken or came too late.

use chain::envelope::{Auth, ClearPayment};
use chain::{Amount, CoreHash, Envelope};
use messenger::view::Delivery;
use rpc::types::RawHex;
use wallet::order::{OrderId, OrderState};

use crate::testing::{ScriptedNode, User};

/// Letters of a message that burns coins.
const LARGE: usize = 3_000;
/// More blocks than a rate epoch of regtest and its grace have.
const EPOCH_IS_OVER: usize = 20;

fn payment(raw: &RawHex) -> (Envelope, ClearPayment) {
    let envelope = raw.envelope().expect("an envelope");
    let Auth::Clear(payment) = envelope.auth else {
        panic!("nobody pays for it");
    };
    (envelope, payment)
}

fn state(user: &mut User, core: CoreHash) -> Option<OrderState> {
    let order = user.session().ledger().order(&OrderId::Payment(core));
    order.map(|(_, state)| state)
}

#[tokio::test]
async fn a_payment_whose_nonce_was_taken_is_made_anew_for_the_same_message() {
    let node = ScriptedNode::new();
    let mut user = User::new(4);
    let conversation = user.settle(&node).await;
    node.take_handed_in();
    let reference = user.say(&conversation, LARGE, &node).await;
    let first = node.take_handed_in();
    let (envelope, paid) = payment(&first[0]);

    // Another wallet of the same words was faster, and the node drops what cannot be included.
    node.forget_what_waits();
    node.put(user.order_elsewhere(paid.nonce, 1_000_000));
    node.mine(1);
    let before = node.account(user.account());
    assert_eq!(before.nonce, paid.nonce + 1, "the nonce is gone");
    user.sync(&node).await;
    let second = node.take_handed_in();
    assert_eq!(second.len(), 1, "only the new payment leaves");
    let (again, paid_again) = payment(&second[0]);
    assert_eq!(again.mid(), envelope.mid(), "the same message");
    assert_ne!(again.wid(), envelope.wid());
    assert_eq!(paid_again.nonce, paid.nonce + 1);
    assert_eq!(paid_again.burn, paid.burn);
    let core = again.core_hash();
    assert_eq!(state(&mut user, core), Some(OrderState::Pending));

    user.reopen();
    node.mine(1);
    user.sync(&node).await;
    let stands = user.session().delivery(Some(&conversation), &reference);
    assert!(
        matches!(stands, Some((_, Delivery::InBlock(_)))),
        "{stands:?}"
    );
    assert!(node.take_handed_in().is_empty());
    let after = node.account(user.account());
    assert_eq!(before.balance - after.balance, paid.burn.base_units());
    let balance = user.session().balance();
    assert_eq!(balance.confirmed.base_units(), after.balance);
    assert_eq!(balance.pending, Amount::ZERO);
}

#[tokio::test]
async fn a_payment_that_no_block_can_take_any_more_frees_its_nonce_for_the_next_one() {
    let node = ScriptedNode::new();
    let mut user = User::new(5);
    let conversation = user.settle(&node).await;
    node.take_handed_in();
    let reference = user.say(&conversation, LARGE, &node).await;
    let (late, paid) = payment(&node.take_handed_in()[0]);
    node.forget_what_waits();

    // As long as some block may take it, the same bytes are sent again.
    node.mine(1);
    user.sync(&node).await;
    let (same, _) = payment(&node.take_handed_in()[0]);
    assert_eq!(same, late);
    node.forget_what_waits();

    node.mine(EPOCH_IS_OVER);
    user.sync(&node).await;
    let (fresh, paid_again) = payment(&node.take_handed_in()[0]);
    assert!(fresh.rate_epoch > late.rate_epoch);
    assert_eq!(paid_again.nonce, paid.nonce, "the nonce was given back");
    assert_eq!(state(&mut user, late.core_hash()), None);
    assert_eq!(
        state(&mut user, fresh.core_hash()),
        Some(OrderState::Pending)
    );
    assert_eq!(user.session().balance().pending, paid_again.burn);

    user.reopen();
    assert_eq!(state(&mut user, late.core_hash()), None);
    node.mine(1);
    user.sync(&node).await;
    let stands = user.session().delivery(Some(&conversation), &reference);
    assert!(
        matches!(stands, Some((_, Delivery::InBlock(_)))),
        "{stands:?}"
    );
    // What is in a block is never given up, however late it is.
    node.mine(2 * EPOCH_IS_OVER);
    user.sync(&node).await;
    let in_block = state(&mut user, fresh.core_hash());
    assert!(
        matches!(in_block, Some(OrderState::InBlock { .. })),
        "{in_block:?}"
    );
    let later = node.take_handed_in();
    let is_paid = |raw: &RawHex| matches!(raw.envelope().expect("one").auth, Auth::Clear(_));
    assert!(!later.iter().any(is_paid), "it is paid once");
}
