use super::*;

fn at(height: u64) -> Height {
    Height::new(height)
}

fn id(byte: u8) -> BlockId {
    BlockId::from_bytes([byte; 32])
}

fn keypair() -> Keypair {
    Keypair::from_secret_bytes([7; 32]).expect("a valid secret")
}

/// A voter that has listened up to `height`, with what its key signed in earlier lives.
fn listened(height: u64, last_voted: Option<u64>) -> Voter {
    let mut voter = Voter::new(keypair());
    let ballot = Ballot {
        last_voted: last_voted.map(at),
        ..Ballot::default()
    };
    voter.begin(ballot, at(height - 1), 1);
    voter.block_connected(at(height), Arrival::Live, &[]);
    assert_eq!(voter.status().stage, Stage::Active);
    voter
}

/// The block of this height and fork, with a seat for a bond of ours.
fn seated(height: u64, fork: u8) -> Candidate {
    Candidate {
        height: at(height),
        block: id(fork),
        bonds: vec![BondId::new(3)],
    }
}

fn cast(voter: &mut Voter, candidates: Vec<Candidate>, tip: u64) -> Vec<u64> {
    let Some(intent) = voter.intend(candidates, at(tip)) else {
        return Vec::new();
    };
    let votes = voter.sign(intent, &ChainId::default());
    let key = *voter.key();
    assert!(
        votes
            .iter()
            .all(|vote| vote.is_signed_by(&key, &ChainId::default()))
    );
    votes.iter().map(|vote| vote.height.get()).collect()
}

#[test]
fn a_height_is_voted_for_once_however_often_the_chain_changes() {
    let mut voter = listened(50, None);
    assert_eq!(
        cast(&mut voter, vec![seated(51, 1), seated(52, 1)], 52),
        [51, 52]
    );
    assert_eq!(
        cast(&mut voter, vec![seated(51, 1), seated(52, 1)], 52),
        [0; 0]
    );
    let other_branch = vec![seated(51, 2), seated(52, 2), seated(53, 2)];
    assert_eq!(cast(&mut voter, other_branch, 53), [53]);
    assert_eq!(cast(&mut voter, vec![seated(51, 3)], 51), [0; 0]);
    let status = voter.status();
    assert_eq!((status.last_voted, status.votes_cast), (Some(at(53)), 3));
}

#[test]
fn what_was_kept_and_not_signed_is_lost() {
    let mut voter = listened(50, None);
    let intent = voter.intend(vec![seated(51, 1)], at(51)).expect("a seat");
    assert_eq!(intent.ballot.last_voted, Some(at(51)));
    // The ballot is durable, and the process ends.
    let mut next_life = listened(50, Some(51));
    assert_eq!(cast(&mut next_life, vec![seated(51, 1)], 51), [0; 0]);
    assert_eq!(
        cast(&mut next_life, vec![seated(51, 2), seated(52, 2)], 52),
        [52]
    );
    // What was not kept was not signed: the next one may.
    assert_eq!(cast(&mut voter, vec![seated(51, 1)], 51), [51]);
}

#[test]
fn all_bonds_of_a_key_vote_at_once_and_blocks_without_a_seat_are_remembered() {
    let mut voter = listened(50, None);
    let mut two = seated(52, 1);
    two.bonds.push(BondId::new(9));
    let none = Candidate {
        bonds: Vec::new(),
        ..seated(51, 1)
    };
    assert!(!voter.is_seatless(at(51), &id(1)));
    assert_eq!(cast(&mut voter, vec![none, two], 52), [52, 52]);
    assert!(voter.is_seatless(at(51), &id(1)));
    assert!(
        !voter.is_seatless(at(51), &id(2)),
        "another block may have one"
    );
    assert!(voter.is_ours(BondId::new(9)));
    assert_eq!(cast(&mut voter, Vec::new(), 70), [0; 0]);
    assert!(!voter.is_seatless(at(51), &id(1)), "it is too deep");
}

#[test]
fn what_nobody_can_count_any_more_is_not_voted_for() {
    let voter = listened(50, None);
    let open = |tip| {
        voter
            .open_heights(at(tip))
            .map(Height::get)
            .collect::<Vec<_>>()
    };
    assert_eq!(open(50), [0; 0]);
    assert_eq!(open(53), [51, 52, 53]);
    assert_eq!(open(100), (92..=100).collect::<Vec<_>>());
    let mut voter = voter;
    assert_eq!(cast(&mut voter, vec![seated(90, 1)], 100), [0; 0]);
}

#[test]
fn a_paused_or_listening_voter_signs_nothing() {
    let mut voter = Voter::new(keypair());
    assert_eq!(
        cast(&mut voter, vec![seated(1, 1)], 1),
        [0; 0],
        "it has not begun"
    );
    voter.begin(Ballot::default(), at(10), 2);
    assert_eq!(cast(&mut voter, vec![seated(11, 1)], 11), [0; 0]);
    let mut voter = listened(50, None);
    for pause in [
        Pause::CatchingUp,
        Pause::Alarm,
        Pause::ClockOff { offset_ms: -9_000 },
    ] {
        voter.set_pause(Some(pause));
        assert_eq!(cast(&mut voter, vec![seated(51, 1)], 51), [0; 0]);
        assert_eq!(voter.status().pause, Some(pause));
    }
    voter.set_pause(None);
    assert_eq!(cast(&mut voter, vec![seated(51, 1)], 51), [51]);
}

#[test]
fn a_vote_that_is_not_ours_stops_the_voter_and_its_height_is_kept() {
    let mut voter = listened(50, None);
    assert_eq!(cast(&mut voter, vec![seated(51, 1)], 51), [51]);
    voter.heard(at(51), Some(&id(1)), Arrival::Live);
    assert_eq!(voter.status().stage, Stage::Active, "it is our own");
    assert_eq!(voter.unkept(), None);
    voter.heard(at(53), Some(&id(1)), Arrival::Live);
    let reason = StopReason::SecondVoter { height: at(53) };
    assert_eq!(voter.status().stage, Stage::Stopped(reason));
    let unkept = voter.unkept().map(|ballot| ballot.last_voted);
    assert_eq!(unkept, Some(Some(at(53))));
    voter.kept();
    assert_eq!(voter.unkept(), None);
    assert_eq!(cast(&mut voter, vec![seated(54, 1)], 54), [0; 0]);
}

#[test]
fn another_block_at_a_height_that_we_voted_for_stops_the_voter() {
    let mut voter = listened(50, None);
    assert_eq!(
        cast(&mut voter, vec![seated(51, 1), seated(52, 1)], 52),
        [51, 52]
    );
    voter.heard(at(51), Some(&id(2)), Arrival::Late);
    let reason = StopReason::SecondVoter { height: at(51) };
    assert_eq!(voter.status().stage, Stage::Stopped(reason));
    assert_eq!(voter.unkept(), None, "nothing new to keep");
}

#[test]
fn votes_of_an_earlier_life_raise_the_ballot_and_stop_nothing() {
    let mut voter = Voter::new(keypair());
    voter.begin(Ballot::default(), at(0), 2);
    for height in 1..=60 {
        let votes = [(at(height - 1), Some(id(1)))];
        voter.block_connected(at(height), Arrival::Late, &votes);
    }
    // The last ones may come when history is over.
    voter.block_connected(at(61), Arrival::Live, &[(at(60), None)]);
    voter.heard(at(59), Some(&id(1)), Arrival::Live);
    let status = voter.status();
    assert_eq!(status.stage, Stage::Listening { blocks_left: 1 });
    assert_eq!(status.last_voted, Some(at(60)));
    // For a block that was not there when it began to listen, it is somebody else.
    voter.block_connected(at(62), Arrival::Live, &[(at(61), Some(id(1)))]);
    let reason = StopReason::SecondVoter { height: at(61) };
    assert_eq!(voter.status().stage, Stage::Stopped(reason));
}

#[test]
fn a_voter_does_not_print_its_secret() {
    let printed = format!("{:?}", Voter::new(keypair()));
    assert!(!printed.contains("070707"), "{printed}");
    assert!(printed.contains("SigningKey(secret"), "{printed}");
}
