//! Edges of fees and of what a plan refuses.

use super::*;
use crate::testing::{self, PRICE, Story};

/// A story whose account holds `balance`.
fn story(balance: u64) -> Story {
    let mut story = Story::new();
    story.open_with(balance);
    story
}

fn amount(base_units: u64) -> Amount {
    Amount::from_base(base_units)
}

#[test]
fn units_are_whole_kibibytes_extras_and_created_accounts() {
    for (bytes, expected) in [(0, 0), (1, 1), (1_024, 1), (1_025, 2), (16_384, 16)] {
        assert_eq!(units(bytes, 0, 0), expected, "{bytes} bytes");
    }
    assert_eq!(units(1_506, law::RECORD_EXTRA_UNITS, 0), 18);
    assert_eq!(units(158, 0, 3), 4);
}

#[test]
fn envelopes_burn_by_their_class() {
    let burn = |class| {
        let class = SizeClass::new(class).expect("a class");
        envelope_burn(class, amount(PRICE))
            .expect("below the cap")
            .base_units()
    };
    assert_eq!(
        [0, 1, 2, 3, 8].map(burn),
        [1, 1, 1, 2, 64].map(|kib| kib * PRICE)
    );
    assert_eq!(
        envelope_burn(SizeClass::LARGEST, Amount::MAX),
        Err(PlanError::AmountTooLarge)
    );
}

#[test]
fn the_fee_counts_accounts_that_the_transfer_creates_once() {
    let story = story(1_000_000);
    let (bob, carol) = (testing::key(2).account(), testing::key(3).account());
    let mut request = story.request(bob, 5_000);
    let fee = |request: &TransferRequest| story.ledger.plan_transfer(request).expect("cheap").fee;
    assert_eq!(fee(&request), amount(PRICE));
    request.existing.clear();
    assert_eq!(fee(&request), amount(2 * PRICE));
    let more = Output {
        to: bob,
        amount: amount(1),
    };
    request.outputs.push(more);
    assert_eq!(fee(&request), amount(2 * PRICE), "one account, twice paid");
    request.outputs.push(Output {
        to: carol,
        amount: amount(PRICE),
    });
    assert_eq!(fee(&request), amount(3 * PRICE));
    request.outputs = vec![Output {
        to: story.account(),
        amount: amount(1),
    }];
    assert_eq!(fee(&request), amount(PRICE), "the sender exists");
}

#[test]
fn a_large_transfer_pays_for_its_size() {
    let story = story(1_000_000);
    let bob = testing::key(2).account();
    let mut request = story.request(bob, 1);
    // 58 + 8 + 28 n + 64 bytes: 31 outputs are 998 bytes, 32 are 1026.
    for (outputs, kib) in [(31, 1), (32, 2), (256, 8)] {
        request.outputs = vec![
            Output {
                to: bob,
                amount: amount(1)
            };
            outputs
        ];
        let plan = story.ledger.plan_transfer(&request).expect("affordable");
        assert_eq!(plan.fee, amount(kib * PRICE), "{outputs} outputs");
    }
}

#[test]
fn the_last_coin_can_be_spent_and_not_one_more() {
    let bob = testing::key(2).account();
    let story = story(10_000);
    let request = story.request(bob, 10_000 - PRICE);
    let plan = story
        .ledger
        .plan_transfer(&request)
        .expect("exactly enough");
    assert_eq!((plan.total, plan.max_fee), (amount(10_000), amount(PRICE)));
    let request = story.request(bob, 10_001 - PRICE);
    let (needed, available) = (amount(10_001), amount(10_000));
    let refused = PlanError::InsufficientFunds { needed, available };
    assert_eq!(story.ledger.plan_transfer(&request), Err(refused));
}

#[test]
fn the_highest_fee_leaves_room_for_a_rising_price() {
    let story = story(1_000_000);
    let mut request = story.request(testing::key(2).account(), 1);
    request.tip = amount(7);
    let plan = story.ledger.plan_transfer(&request).expect("affordable");
    assert_eq!(plan.max_fee, amount(PRICE + PRICE / 8));
    assert_eq!(plan.total, amount(1 + 7 + PRICE));
}

#[test]
fn pending_orders_are_not_spent_twice() {
    let mut story = story(10_000);
    let bob = testing::key(2).account();
    story.send(bob, 5_000);
    let balance = story.ledger.balance(&story.account());
    assert_eq!(balance.confirmed, amount(10_000));
    assert_eq!(balance.pending, amount(5_000 + PRICE + PRICE / 8));
    let available = balance.spendable;
    assert_eq!(available, amount(10_000 - 5_000 - PRICE - PRICE / 8));
    let refused = story.ledger.plan_transfer(&story.request(bob, 5_000));
    let needed = amount(5_000 + PRICE);
    assert_eq!(
        refused,
        Err(PlanError::InsufficientFunds { needed, available })
    );
}

#[test]
fn outputs_of_nothing_and_dust_for_new_accounts_are_refused() {
    let story = story(1_000_000);
    let bob = testing::key(2).account();
    let mut request = story.request(bob, 0);
    let plan = |request: &TransferRequest| story.ledger.plan_transfer(request);
    assert_eq!(plan(&request), Err(PlanError::ZeroAmount { output: 1 }));
    request.outputs[0].amount = amount(PRICE - 1);
    assert!(plan(&request).is_ok(), "an existing account may get little");
    request.existing.clear();
    let (paid, min) = (amount(PRICE - 1), amount(PRICE));
    assert_eq!(
        plan(&request),
        Err(PlanError::Dust {
            output: 1,
            amount: paid,
            min
        })
    );
    request.outputs.push(Output {
        to: bob,
        amount: amount(1),
    });
    assert!(plan(&request).is_ok(), "together it is enough");
    request.outputs.clear();
    assert_eq!(plan(&request), Err(PlanError::NoOutputs));
    request.outputs = vec![
        Output {
            to: bob,
            amount: amount(PRICE)
        };
        257
    ];
    assert_eq!(
        plan(&request),
        Err(PlanError::TooManyOutputs {
            found: 257,
            max: 256
        })
    );
}

#[test]
fn sums_above_all_coins_are_refused() {
    let story = story(1_000_000);
    let bob = testing::key(2).account();
    let mut request = story.request(bob, Amount::MAX.base_units());
    let plan = |request: &TransferRequest| story.ledger.plan_transfer(request);
    assert_eq!(
        plan(&request),
        Err(PlanError::AmountTooLarge),
        "no room for the fee"
    );
    request.outputs.push(request.outputs[0]);
    assert_eq!(plan(&request), Err(PlanError::AmountTooLarge));
    request.outputs = vec![Output {
        to: bob,
        amount: amount(u64::MAX),
    }];
    assert_eq!(plan(&request), Err(PlanError::AmountTooLarge));
    request.outputs = vec![Output {
        to: bob,
        amount: amount(1),
    }];
    request.tip = Amount::MAX;
    assert_eq!(plan(&request), Err(PlanError::AmountTooLarge));
}

#[test]
fn only_known_accounts_with_a_key_and_a_state_can_pay() {
    let mut story = Story::new();
    let (account, bob) = (story.account(), testing::key(2).account());
    let request = story.request(bob, 1);
    assert_eq!(
        story.ledger.plan_transfer(&request),
        Err(PlanError::NotSynced { account })
    );
    let foreign = TransferRequest {
        from: bob,
        ..request
    };
    let unknown = PlanError::UnknownAccount { account: bob };
    assert_eq!(story.ledger.plan_transfer(&foreign), Err(unknown));
    let watched = story.ledger.watch_account(bob);
    story.keep(watched);
    let watch_only = PlanError::WatchOnly { account: bob };
    assert_eq!(story.ledger.plan_transfer(&foreign), Err(watch_only));
}

#[test]
fn a_watched_account_can_get_its_key_and_keeps_it() {
    let mut story = Story::new();
    let bob = testing::key(2);
    let watched = story.ledger.watch_account(bob.account());
    story.keep(watched);
    let derived = story.ledger.add_account(1, bob.public());
    story.keep(derived);
    assert!(story.ledger.watch_account(bob.account()).is_empty());
    assert_eq!(story.ledger.key_of(&bob.account()), Ok(bob.public()));
}

#[test]
fn too_many_orders_on_their_way_are_refused() {
    let mut story = story(1_000_000_000);
    let bob = testing::key(2).account();
    let id = story.send(bob, 1);
    let (order, _) = story.ledger.order(&id).expect("an own order");
    let order = order.clone();
    let mut many = crate::ChangeSet::default();
    for nonce in 1..PENDING_ORDERS_MAX as u64 {
        let core = chain::CoreHash::from_bytes(chain::hash::blake3(&nonce.to_le_bytes()));
        let order = crate::PendingOrder {
            nonce,
            reserve: amount(1),
            ..order.clone()
        };
        many.orders
            .insert(crate::OrderId::Payment(core), Some(order));
    }
    story.keep(many);
    let refused = story.ledger.plan_transfer(&story.request(bob, 1));
    assert_eq!(
        refused,
        Err(PlanError::TooManyPending {
            max: PENDING_ORDERS_MAX
        })
    );
}
