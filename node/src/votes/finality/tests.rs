use super::*;
use chain::Network;
use consensus::finality::qualifies;
use consensus::state::value::{Roster, RosterMember};
use consensus::testing::Owner;
use genesis::Params;

fn params() -> Params {
    Params::of(Network::Regtest)
}

fn operator(masternode: u32) -> Owner {
    Owner::new(500 + u64::from(masternode))
}

fn roster(weights: &[u64]) -> Roster {
    let member = |(masternode, weight): (u32, &u64)| RosterMember {
        masternode: MasternodeId::new(masternode),
        key: operator(masternode).key(),
        weight: *weight,
    };
    Roster {
        number: 1,
        members: (0..).zip(weights).map(member).collect(),
    }
}

fn id(byte: u8) -> BlockId {
    BlockId::from_bytes([byte; 32])
}

fn number(number: u32) -> CheckpointNumber {
    CheckpointNumber::new(number)
}

/// Checkpoint 9 is open, from the justified 8, with a roster of these weights.
fn open(weights: &[u64]) -> OpenTargets {
    let roster = roster(weights);
    assert!(qualifies(&roster, chain::Amount::ZERO, &params()));
    let target = Target {
        open: OpenTarget {
            number: number(9),
            source: number(8),
            front: 1,
            rear: 1,
            is_justified: false,
            signers: Vec::new(),
        },
        id: id(9),
        front: roster.clone(),
        rear: roster.clone(),
    };
    OpenTargets {
        tip: id(99),
        newest: number(9),
        targets: vec![target],
        in_office: Some(Rosters {
            front: roster.clone(),
            rear: roster,
        }),
    }
}

fn vote(masternode: u32, source: u32, target: u32, block: u8) -> FinalityVote {
    let vote = FinalityVote {
        source: number(source),
        target: number(target),
        target_id: id(block),
        masternode: MasternodeId::new(masternode),
        ..FinalityVote::default()
    };
    operator(masternode).finality_vote(&params(), vote)
}

fn verify(open: &OpenTargets, vote: &FinalityVote) -> Result<Option<Verified>, Rule> {
    open.verify(vote, &params().chain_id())
}

fn checked(open: &OpenTargets, vote: &FinalityVote) -> CheckedFinalityVote {
    let verified = verify(open, vote).expect("a member's").expect("in time");
    *verified.checked()
}

#[test]
fn a_vote_is_for_our_checkpoint_beside_it_or_ahead() {
    let open = open(&[1, 1]);
    let verdict = |vote: FinalityVote| match verify(&open, &vote) {
        Ok(Some(Verified::Open(_))) => "open",
        Ok(Some(Verified::Beside(_))) => "beside",
        Ok(Some(Verified::Ahead(_))) => "ahead",
        Ok(None) => "out of time",
        Err(Rule::FinalityNotInRoster { .. }) => "not in roster",
        Err(Rule::FinalitySignature { .. }) => "signature",
        Err(rule) => panic!("{rule}"),
    };
    assert_eq!(verdict(vote(0, 8, 9, 9)), "open");
    assert_eq!(verdict(vote(0, 8, 9, 7)), "beside");
    assert_eq!(verdict(vote(0, 7, 9, 9)), "beside", "another source");
    assert_eq!(verdict(vote(1, 9, 10, 10)), "ahead");
    assert_eq!(verdict(vote(1, 9, 11, 10)), "ahead");
    assert_eq!(verdict(vote(1, 9, 12, 10)), "out of time");
    assert_eq!(verdict(vote(1, 7, 8, 8)), "out of time");
    assert_eq!(verdict(vote(2, 8, 9, 9)), "not in roster");
    assert_eq!(verdict(vote(2, 9, 10, 9)), "not in roster");
    let forged = FinalityVote {
        masternode: MasternodeId::new(1),
        ..vote(0, 8, 9, 9)
    };
    assert_eq!(verdict(forged), "signature");
    let off = OpenTargets {
        targets: Vec::new(),
        in_office: None,
        ..open.clone()
    };
    assert_eq!(
        verify(&off, &vote(0, 9, 10, 9)),
        Ok(None),
        "finality is off"
    );
}

#[test]
fn of_a_member_and_checkpoint_two_votes_are_kept() {
    let open = open(&[1, 1]);
    let mut pool = FinalityPool::default();
    assert!(pool.add(checked(&open, &vote(0, 8, 9, 9))));
    assert!(!pool.add(checked(&open, &vote(0, 8, 9, 9))), "a duplicate");
    let other = vote(0, 8, 9, 7);
    assert_eq!(pool.others(&other).count(), 1);
    assert!(pool.add(checked(&open, &other)));
    assert!(pool.knows(&vote(0, 8, 9, 5)), "a third says nothing new");
    assert!(pool.add(checked(&open, &vote(0, 9, 10, 9))));
    assert_eq!(pool.others(&vote(0, 6, 11, 1)).count(), 3);
    assert_eq!(pool.others(&vote(1, 6, 11, 1)).count(), 0);
    pool.tip_moved(number(20));
    assert_eq!(pool.len(), 3);
    pool.tip_moved(number(22));
    assert_eq!(pool.len(), 1);
    pool.tip_moved(number(7));
    assert!(
        pool.is_empty(),
        "what a reorg put far ahead is forgotten too"
    );
}

#[test]
fn the_heaviest_votes_come_first_and_what_is_included_not_at_all() {
    let mut open = open(&[1, 5, 3]);
    let mut pool = FinalityPool::default();
    for masternode in 0..3 {
        let vote = vote(masternode, 8, 9, 9);
        assert!(pool.add(checked(&open, &vote)));
    }
    assert!(pool.add(checked(&open, &vote(0, 8, 9, 7))));
    let target = &mut open.targets[0];
    let order = |target: &Target| -> Vec<u32> {
        let votes = pool.for_target(target).into_iter();
        votes.map(|vote| vote.vote().masternode.get()).collect()
    };
    assert_eq!(order(target), [1, 2, 0]);
    target.open.signers = vec![MasternodeId::new(2)];
    assert_eq!(order(target), [1, 0]);
}

#[test]
fn a_quorum_beside_is_more_than_two_thirds_for_one_link() {
    let open = open(&[1, 1, 1]);
    let target = &open.targets[0];
    let mut pool = FinalityPool::default();
    for masternode in 0..3 {
        assert!(pool.add(checked(&open, &vote(masternode, 8, 9, 9))));
    }
    assert_eq!(pool.quorum_beside(target), None, "ours is not beside");
    assert!(pool.add(checked(&open, &vote(0, 8, 9, 7))));
    assert!(pool.add(checked(&open, &vote(1, 8, 9, 7))));
    assert_eq!(
        pool.quorum_beside(target),
        None,
        "two thirds are not enough"
    );
    let mut split = FinalityPool::default();
    for (masternode, source) in [(0, 8), (1, 8), (2, 7)] {
        assert!(split.add(checked(&open, &vote(masternode, source, 9, 7))));
    }
    assert_eq!(split.quorum_beside(target), None, "two links");
    assert!(pool.add(checked(&open, &vote(2, 8, 9, 7))));
    assert_eq!(pool.quorum_beside(target), Some(id(7)));
}
