//! Rewards for votes that blocks include.

use chain::units::BondId;
use chain::vote::IncludedVote;
use chain::{Amount, Signature};
use consensus::reward;
use wallet::CreditSource;
use wallet::history::RowKind;

use crate::testing::{FUNDS, ScriptedNode, User};

fn vote(back: u8, bond: u32) -> IncludedVote {
    IncludedVote {
        back,
        bond: BondId::new(bond),
        signature: Signature::default(),
    }
}

#[tokio::test]
async fn own_votes_are_rewards_and_those_of_others_are_none() {
    let node = ScriptedNode::new();
    let mut user = User::new(1);
    node.fund(user.account(), FUNDS);
    // Bond 0 is the user's.
    node.script().account_mut(user.account()).bonded = Amount::COIN;
    node.script().committee = vec![(0, 3), (9, 5)];
    user.sync(&node).await;
    node.mine(1);
    node.script().votes = vec![vote(1, 0), vote(1, 9), vote(2, 0)];
    node.mine(1);
    node.script().votes = vec![vote(1, 9)];
    node.mine(1);
    user.sync(&node).await;
    let rows = user.session().ledger().history(usize::MAX);
    let votes = RowKind::Reward(CreditSource::Votes);
    let earned: Vec<Amount> = rows
        .iter()
        .filter(|row| row.kind == votes)
        .map(|row| row.credit)
        .collect();
    assert_eq!(earned, [reward::voter(Amount::ZERO, 6)]);
    // The node has the last word about the balance.
    assert_eq!(user.session().balance().confirmed, FUNDS);
}
