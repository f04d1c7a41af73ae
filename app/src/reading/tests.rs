//! Records that nobody signed and pages that never end.

use chain::record::AccountRecord;
use chain::{Address, Height, Network, Signature};
use messenger::view::Delivery;

use crate::error::SessionError;
use crate::testing::{Lie, ScriptedNode, User};

/// Tries of one sync, and the two questions of each for a page.
const PAGES_MAX: usize = 64;

fn is_unsigned_record<T: std::fmt::Debug>(answer: &Result<T, SessionError>) -> bool {
    let expected = "an account record that its account did not sign";
    matches!(answer, Err(SessionError::BadAnswer { what }) if *what == expected)
}

/// A user whose record is in a block, and the record.
async fn published(node: &ScriptedNode, seed: u8) -> (User, AccountRecord) {
    let mut user = User::new(seed);
    user.settle(node).await;
    user.publish(node).await;
    node.mine(1);
    user.sync(node).await;
    let record = node.account(user.account()).record;
    (user, record.expect("published"))
}

#[tokio::test]
async fn a_record_of_this_account_that_it_did_not_sign_is_refused_before_its_inbox_is_read() {
    let node = ScriptedNode::new();
    let (mut user, record) = published(&node, 9).await;
    assert_eq!(user.session().messenger().inbox_generation(), Some(1));
    let (_, foreign) = published(&ScriptedNode::new(), 10).await;
    let unsigned = AccountRecord {
        signature: Signature::default(),
        ..record.clone()
    };
    let changed = AccountRecord {
        inbox_generation: 7,
        ..record.clone()
    };
    let account = user.account();
    for forged in [unsigned, changed, foreign] {
        node.script().account_mut(account).record = Some(forged);
        // Both where it is first looked at after a start and where it is seen later.
        let later = user.try_sync(&node).await;
        assert!(is_unsigned_record(&later), "{later:?}");
        user.reopen();
        let first = user.try_sync(&node).await;
        assert!(is_unsigned_record(&first), "{first:?}");
        assert_eq!(user.session().messenger().inbox_generation(), Some(1));
    }
    node.script().account_mut(account).record = Some(record);
    user.sync(&node).await;
}

#[tokio::test]
async fn nobody_is_invited_by_a_record_that_they_did_not_sign() {
    let node = ScriptedNode::new();
    let (mut user, _) = published(&node, 11).await;
    let (mut friend, record) = published(&ScriptedNode::new(), 12).await;
    let (_, foreign) = published(&ScriptedNode::new(), 13).await;
    let address = Address::new(Network::Regtest, friend.account());
    let missing = user.session().record_of(&address, &node).await;
    assert!(
        matches!(missing, Err(SessionError::NoRecord { .. })),
        "{missing:?}"
    );
    let changed = AccountRecord {
        inbox_key: foreign.inbox_key.clone(),
        ..record.clone()
    };
    for forged in [changed, foreign] {
        node.script().account_mut(friend.account()).record = Some(forged);
        let refused = user.session().record_of(&address, &node).await;
        assert!(is_unsigned_record(&refused), "{refused:?}");
    }
    node.script().account_mut(friend.account()).record = Some(record.clone());
    let found = user.session().record_of(&address, &node).await;
    assert_eq!(found.expect("signed"), record);
}

#[tokio::test]
async fn pages_that_do_not_go_on_end_the_sync_by_name() {
    for lie in [Lie::EmptyPages, Lie::FirstPageAgain, Lie::WrongHeights] {
        let node = ScriptedNode::new();
        let mut user = User::new(14);
        user.settle(&node).await;
        node.mine(700);
        user.sync(&node).await;
        user.reopen();
        node.script().lie = Some(lie);
        node.script().pages_asked = 0;
        let endless = user.try_sync(&node).await;
        assert!(
            matches!(endless, Err(SessionError::NoRest)),
            "{lie:?}: {endless:?}"
        );
        let asked = node.script().pages_asked;
        assert!(asked <= PAGES_MAX, "{lie:?}: {asked} pages");
        node.script().lie = None;
        user.sync(&node).await;
        assert_eq!(user.session().messenger().scanned(), Some(Height::new(701)));
    }
}

#[tokio::test]
async fn a_mempool_without_end_is_left_after_so_many_pages() {
    let node = ScriptedNode::new();
    let mut user = User::new(15);
    let conversation = user.settle(&node).await;
    user.reopen();
    node.script().lie = Some(Lie::EndlessMempool);
    node.script().pages_asked = 0;
    user.sync(&node).await;
    let asked = node.script().pages_asked;
    assert!(
        (2..2 * super::MEMPOOL_PAGES_MAX).contains(&asked),
        "{asked}"
    );
    // It is at the tip all the same.
    let reference = user.say(&conversation, 100, &node).await;
    let stands = user.session().delivery(Some(&conversation), &reference);
    assert_eq!(stands, Some((reference, Delivery::Delivered)));
}
