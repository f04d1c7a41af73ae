//! Signed orders: what they hold, which nonces they take, and how they survive.

use chain::record::InboxKey;
use chain::{AccountId, Network, codec};

use super::*;
use crate::change_set::ChangeSet;
use crate::error::DiscardError;
use crate::order::OrderState;
use crate::plan::{Admission, RecordRequest};
use crate::testing::{self, PRICE, Story, chain_id, rng};

fn story(balance: u64) -> Story {
    let mut story = Story::new();
    story.open_with(balance);
    story
}

fn bob() -> AccountId {
    testing::key(2).account()
}

fn record_request(story: &Story, admission: Admission) -> RecordRequest {
    RecordRequest {
        account: story.account(),
        inbox_generation: 1,
        inbox_key: InboxKey::from_bytes([7; InboxKey::BYTES]),
        valid_from: 0,
        valid_to: u32::MAX,
        name_hash: [0; 32],
        previous: None,
        admission,
    }
}

fn core(byte: u8) -> CoreHash {
    CoreHash::from_bytes([byte; 32])
}

/// Pays 2,048 for `core` and keeps the payment.
fn pay(story: &mut Story, core: CoreHash) -> OrderId {
    let (payer, burn) = (story.account(), Amount::from_base(2_048));
    let built = story
        .ledger
        .build_payment(payer, &core, burn, &story.key, &mut rng(1));
    let (payment, changes) = built.expect("affordable");
    assert!(payment.is_signed(&core, &chain_id()));
    story.keep(changes);
    OrderId::Payment(core)
}

fn nonce(story: &Story, id: &OrderId) -> u64 {
    story.ledger.order(id).expect("an own order").0.nonce
}

fn state(story: &Story, id: &OrderId) -> OrderState {
    story.ledger.order(id).expect("an own order").1
}

#[test]
fn a_built_transfer_is_what_was_planned_and_its_bytes_are_kept() {
    let story = story(1_000_000);
    let plan = story
        .ledger
        .plan_transfer(&story.request(bob(), 500))
        .expect("affordable");
    let (transaction, changes) = story
        .ledger
        .build_transfer(&plan, &story.key, &mut rng(1))
        .expect("fresh");
    assert!(transaction.is_signed(&chain_id()));
    assert_eq!(transaction.sender(), story.account());
    assert_eq!(transaction.prefix().max_fee, plan.max_fee);
    let changes = ChangeSet::decode(&changes.encode()).expect("round trip");
    let id = OrderId::Transaction(transaction.id());
    let kept = changes.orders[&id].as_ref().expect("kept");
    assert_eq!(kept.signed.bytes(), codec::encode(&transaction));
    assert_eq!(
        story.ledger.order(&id),
        None,
        "nothing changed until it is applied"
    );
}

#[test]
fn a_foreign_key_signs_nothing() {
    let story = story(1_000_000);
    let plan = story
        .ledger
        .plan_transfer(&story.request(bob(), 500))
        .expect("affordable");
    let foreign = testing::key(2);
    let refused = story.ledger.build_transfer(&plan, &foreign, &mut rng(1));
    assert_eq!(refused, Err(BuildError::WrongKey));
    let burn = Amount::from_base(1);
    let refused =
        story
            .ledger
            .build_payment(story.account(), &core(1), burn, &foreign, &mut rng(1));
    assert_eq!(refused, Err(BuildError::WrongKey));
    let plan = story
        .ledger
        .plan_record(&record_request(&story, Admission::Stamp));
    let refused = story
        .ledger
        .draft_record(&plan.expect("free"), &foreign, &mut rng(1));
    assert_eq!(refused, Err(BuildError::WrongKey));
}

#[test]
fn a_plan_goes_stale_when_another_order_takes_its_nonce() {
    let mut story = story(1_000_000);
    let plan = story
        .ledger
        .plan_transfer(&story.request(bob(), 500))
        .expect("affordable");
    story.send(bob(), 1);
    let refused = story.ledger.build_transfer(&plan, &story.key, &mut rng(1));
    assert_eq!(
        refused,
        Err(BuildError::StalePlan {
            planned: 0,
            next: 1
        })
    );
}

#[test]
fn pending_orders_take_consecutive_nonces_and_a_discarded_one_frees_its() {
    let mut story = story(1_000_000);
    let first = story.send(bob(), 1);
    let second = pay(&mut story, core(1));
    let third = story.send(bob(), 3);
    assert_eq!(
        [first, second, third].map(|id| nonce(&story, &id)),
        [0, 1, 2]
    );
    let discarded = story.ledger.discard_order(&second).expect("in no block");
    story.keep(discarded);
    assert_eq!(state(&story, &first), OrderState::Pending);
    assert_eq!(state(&story, &third), OrderState::Waiting { missing: 1 });
    let again = pay(&mut story, core(2));
    assert_eq!(nonce(&story, &again), 1);
    assert_eq!(state(&story, &third), OrderState::Pending);
    assert_eq!(
        story.ledger.discard_order(&second),
        Err(DiscardError::Unknown)
    );
}

#[test]
fn a_reorganisation_makes_an_included_order_pending_with_the_same_bytes() {
    let mut story = story(1_000_000);
    let id = story.send(bob(), 1_000);
    let sent = story.ledger.order(&id).expect("own").0.signed.bytes();
    story.include(&[id], PRICE);
    let height = story.ledger.tip().expect("followed").height;
    assert_eq!(state(&story, &id), OrderState::InBlock { height });
    assert_eq!(
        story.ledger.discard_order(&id),
        Err(DiscardError::InBlock { height })
    );
    let balance = story.ledger.balance(&story.account());
    assert_eq!(
        balance.confirmed,
        Amount::from_base(1_000_000 - 1_000 - PRICE)
    );
    assert_eq!(balance.pending, Amount::ZERO);
    assert_eq!(story.ledger.next_nonce(&story.account()), 1);

    story.revert();
    assert_eq!(state(&story, &id), OrderState::Pending);
    assert_eq!(story.ledger.order(&id).expect("own").0.signed.bytes(), sent);
    assert_eq!(
        story.ledger.balance(&story.account()).confirmed,
        Amount::from_base(1_000_000)
    );
    assert_eq!(
        story.ledger.next_nonce(&story.account()),
        1,
        "the order still holds nonce 0"
    );
}

#[test]
fn an_order_of_another_device_supersedes_ours_until_a_reorganisation() {
    let mut story = story(1_000_000);
    let ours = story.send(bob(), 1_000);
    let theirs = testing::transfer(&story.key, 0, &[(bob(), 9)]);
    let mut block = story.next_block();
    let fee = Amount::from_base(PRICE);
    block
        .transactions
        .push(crate::activity::ScannedTransaction {
            index: 0,
            transaction: theirs,
            fee,
        });
    story.connect(&block);
    assert_eq!(state(&story, &ours), OrderState::Superseded);
    assert_eq!(story.ledger.next_nonce(&story.account()), 1);
    let spendable = story.ledger.balance(&story.account()).spendable;
    assert_eq!(
        spendable,
        Amount::from_base(1_000_000 - 9 - PRICE),
        "no claim is left"
    );
    story.revert();
    assert_eq!(state(&story, &ours), OrderState::Pending);
}

#[test]
fn paying_twice_for_the_same_content_is_paying_once() {
    let mut story = story(1_000_000);
    let id = pay(&mut story, core(1));
    let (payer, burn) = (story.account(), Amount::from_base(2_048));
    let (again, changes) = story
        .ledger
        .build_payment(payer, &core(1), burn, &story.key, &mut rng(2))
        .expect("made before");
    assert!(changes.is_empty());
    assert_eq!(
        SignedOrder::Payment(again),
        story.ledger.order(&id).expect("own").0.signed
    );
    let other = Amount::from_base(2_049);
    let refused = story
        .ledger
        .build_payment(payer, &core(1), other, &story.key, &mut rng(2));
    assert_eq!(refused, Err(BuildError::PaidOtherwise));
    story.include(&[id], 0);
    assert!(matches!(state(&story, &id), OrderState::InBlock { .. }));
    assert_eq!(
        story.ledger.balance(&payer).confirmed,
        Amount::from_base(1_000_000 - 2_048)
    );
}

#[test]
fn payments_need_coins_and_an_amount() {
    let story = story(2_047);
    let payer = story.account();
    let build = |burn| {
        let burn = Amount::from_base(burn);
        story
            .ledger
            .build_payment(payer, &core(1), burn, &story.key, &mut rng(1))
    };
    let (needed, available) = (Amount::from_base(2_048), Amount::from_base(2_047));
    let refused = PlanError::InsufficientFunds { needed, available };
    assert_eq!(build(2_048), Err(BuildError::Plan(refused)));
    assert_eq!(
        build(0),
        Err(BuildError::Plan(PlanError::ZeroAmount { output: 1 }))
    );
    assert!(build(2_047).is_ok());
}

#[test]
fn a_first_record_is_admitted_by_a_stamp_without_coins() {
    let mut story = story(0);
    let plan = story
        .ledger
        .plan_record(&record_request(&story, Admission::Stamp))
        .expect("free");
    assert_eq!((plan.fee, plan.total), (Amount::ZERO, Amount::ZERO));
    let draft = story
        .ledger
        .draft_record(&plan, &story.key, &mut rng(1))
        .expect("own key");
    let commitment = draft.stamp_commitment().expect("it needs a stamp");
    let unstamped = story
        .ledger
        .build_record(draft.clone(), None, &story.key, &mut rng(2));
    assert_eq!(unstamped, Err(BuildError::StampMissing));

    let stamp = Stamp {
        effort: 16,
        reference: 32,
        nonce: [1; 16],
        solution: [2; 16],
    };
    let (transaction, changes) = story
        .ledger
        .build_record(draft, Some(stamp), &story.key, &mut rng(2))
        .expect("complete");
    assert_eq!(
        transaction.stamp_commitment(),
        Some(commitment),
        "the stamp was solved for it"
    );
    assert!(transaction.is_signed(&chain_id()));
    let Order::AccountRecord(order) = &transaction.order else {
        panic!("a record")
    };
    assert!(order.body.record.is_signed(&chain_id()));
    assert_eq!(order.body.stamp, Some(stamp));
    assert_eq!(
        (order.prefix.max_fee, order.prefix.tip),
        (Amount::ZERO, Amount::ZERO)
    );
    story.keep(changes);
    let id = OrderId::Transaction(transaction.id());
    story.include(&[id], 0);
    assert_eq!(story.ledger.chain_nonce(&story.account()), 1);
}

#[test]
fn a_later_record_pays_eighteen_units_and_links_to_the_one_before() {
    let story = story(100_000);
    let fee = Admission::Fee {
        price_per_kib: Amount::from_base(PRICE),
        tip: Amount::from_base(5),
    };
    let mut request = record_request(&story, fee);
    let draft = |request: &RecordRequest| {
        let plan = story.ledger.plan_record(request).expect("affordable");
        assert_eq!(plan.fee, Amount::from_base(18 * PRICE));
        assert_eq!(plan.total, Amount::from_base(18 * PRICE + 5));
        story
            .ledger
            .draft_record(&plan, &story.key, &mut rng(1))
            .expect("own key")
    };
    let first = draft(&request);
    assert_eq!(first.stamp_commitment(), None);
    let stamped = story.ledger.build_record(
        first.clone(),
        Some(Stamp::default()),
        &story.key,
        &mut rng(1),
    );
    assert_eq!(stamped, Err(BuildError::StampNotWanted));
    let first = first.order.body.record;
    assert_eq!(first.previous, [0; 24]);

    request.previous = Some(first.clone());
    let refused = story.ledger.plan_record(&request);
    assert_eq!(
        refused,
        Err(PlanError::InboxGeneration {
            found: 1,
            previous: 1
        })
    );
    request.inbox_generation = 2;
    assert_eq!(draft(&request).order.body.record.previous, first.link());

    request.admission = Admission::Stamp;
    assert_eq!(
        story.ledger.plan_record(&request),
        Err(PlanError::StampForLaterRecord)
    );
    request.admission = fee;
    request.valid_from = request.valid_to;
    let validity = PlanError::Validity {
        from: u32::MAX,
        to: u32::MAX,
    };
    assert_eq!(story.ledger.plan_record(&request), Err(validity));
    request.valid_from = 0;
    request.previous = Some(chain::record::AccountRecord {
        key: testing::key(2).public(),
        ..first
    });
    assert_eq!(
        story.ledger.plan_record(&request),
        Err(PlanError::ForeignRecord)
    );
}

#[test]
fn orders_are_bound_to_the_chain_of_the_ledger() {
    let mut story = story(1_000_000);
    let id = story.send(bob(), 1);
    let SignedOrder::Transaction(transaction) = &story.ledger.order(&id).expect("own").0.signed
    else {
        panic!("a transaction")
    };
    assert!(!transaction.is_signed(&chain::ChainId::default()));
    assert_eq!(story.ledger.network(), Network::Regtest);
}
