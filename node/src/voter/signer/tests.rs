use consensus::state::value::{OpenTarget, Roster, RosterMember};

use super::*;

const E: u64 = 4;

fn number(checkpoint: u32) -> CheckpointNumber {
    CheckpointNumber::new(checkpoint)
}

fn id(byte: u8) -> BlockId {
    BlockId::from_bytes([byte; 32])
}

fn tip(height: u64) -> (Height, BlockId) {
    let fork = u8::try_from(height % 251).expect("small");
    (Height::new(height), id(fork))
}

fn keypair(byte: u8) -> Keypair {
    Keypair::from_secret_bytes([byte; 32]).expect("a valid secret")
}

/// A signer that has listened up to `height`.
fn listened(height: u64, ballot: Ballot) -> FinalitySigner {
    let mut signer = FinalitySigner::new(keypair(7));
    signer.begin(ballot, Height::new(height - 2 * E), E);
    for height in height - 2 * E + 1..=height {
        assert!(!signer.is_due(&id(1)), "it listens");
        signer.block_connected(Height::new(height), Arrival::Live, &[]);
    }
    signer
}

fn signed(source: u32, target: u32, block: u8) -> Ballot {
    Ballot {
        max_source: Some(number(source)),
        max_target: Some(number(target)),
        target_id: Some(id(block)),
        ..Ballot::default()
    }
}

fn roster(members: &[(u32, u8)]) -> Roster {
    let member = |(masternode, key): &(u32, u8)| RosterMember {
        masternode: MasternodeId::new(*masternode),
        key: PublicKey::from(&keypair(*key)),
        weight: 1,
    };
    Roster {
        number: 1,
        members: members.iter().map(member).collect(),
    }
}

/// An open checkpoint; masternode 5 is ours.
fn target(source: u32, checkpoint: u32, block: u8) -> Target {
    Target {
        open: OpenTarget {
            number: number(checkpoint),
            source: number(source),
            front: 1,
            rear: 1,
            is_justified: false,
            signers: Vec::new(),
        },
        id: id(block),
        front: roster(&[(4, 9), (5, 7)]),
        rear: roster(&[(4, 9)]),
    }
}

fn cast(signer: &mut FinalitySigner, targets: &[Target], height: u64) -> Vec<(u32, u32)> {
    let Some(intent) = signer.intend(targets, tip(height)) else {
        return Vec::new();
    };
    let chain = ChainId::default();
    let votes = signer.sign(intent, &chain);
    for vote in &votes {
        assert!(vote.is_signed_by(signer.key(), &chain));
        assert_eq!(vote.masternode, MasternodeId::new(5));
    }
    votes
        .iter()
        .map(|vote| (vote.source.get(), vote.target.get()))
        .collect()
}

#[test]
fn a_checkpoint_is_signed_once_the_block_after_it_is_there() {
    let mut signer = listened(40, Ballot::default());
    let open = [target(9, 11, 1)];
    assert_eq!(cast(&mut signer, &open, 44), []);
    assert_eq!(cast(&mut signer, &open, 45), [(9, 11)]);
    assert_eq!(cast(&mut signer, &open, 46), [], "once");
    let open = [target(9, 11, 1), target(11, 12, 2), target(11, 13, 3)];
    assert_eq!(cast(&mut signer, &open, 53), [(11, 12), (11, 13)]);
    let status = signer.status();
    assert_eq!(status.votes_cast, 3);
    assert_eq!(
        (status.max_source, status.max_target),
        (Some(number(11)), Some(number(13)))
    );
}

#[test]
fn what_it_heard_while_listening_is_not_signed() {
    let mut signer = listened(40, Ballot::default());
    let open = [target(7, 9, 1), target(7, 10, 2)];
    assert_eq!(cast(&mut signer, &open, 41), []);
    assert!(!signer.is_due(&tip(41).1), "nothing to do at this tip");
    assert!(signer.is_due(&tip(42).1));
}

#[test]
fn a_second_block_for_a_checkpoint_is_refused() {
    let mut signer = listened(40, Ballot::default());
    assert_eq!(cast(&mut signer, &[target(9, 11, 1)], 45), [(9, 11)]);
    assert_eq!(cast(&mut signer, &[target(9, 11, 2)], 46), []);
    assert_eq!(
        cast(&mut signer, &[target(10, 11, 1)], 47),
        [],
        "nor another source"
    );
    // Nor after a restart.
    let mut signer = listened(40, signed(9, 11, 1));
    assert_eq!(cast(&mut signer, &[target(9, 11, 2)], 45), []);
}

#[test]
fn a_lower_source_is_refused() {
    // It would lie around what was signed: 8 < 9, 11 < 12.
    let mut signer = listened(40, signed(9, 11, 1));
    assert_eq!(cast(&mut signer, &[target(8, 12, 2)], 49), []);
    assert_eq!(cast(&mut signer, &[target(9, 12, 2)], 50), [(9, 12)]);
}

#[test]
fn a_surrounded_link_is_refused() {
    // What was signed would lie around it: 2 < 9, 11 < 15.
    let mut signer = listened(40, signed(2, 15, 1));
    let open = [target(9, 11, 1), target(9, 12, 1), target(9, 15, 1)];
    assert_eq!(cast(&mut signer, &open, 61), []);
    let open = [target(9, 15, 1), target(9, 16, 1)];
    assert_eq!(cast(&mut signer, &open, 65), [(9, 16)]);
}

#[test]
fn no_two_links_of_any_history_contradict_each_other() {
    // Every sequence of three offers out of these, on changing branches.
    let offers: Vec<((u32, u32, u8), Target)> = (8..10)
        .flat_map(|source| (11..14).flat_map(move |to| [1, 2].map(|fork| (source, to, fork))))
        .map(|offer| (offer, target(offer.0, offer.1, offer.2)))
        .collect();
    for first in &offers {
        for second in &offers {
            for third in &offers {
                let mut signer = listened(40, Ballot::default());
                let mut links: Vec<(u32, u32, u8)> = Vec::new();
                for (turn, (offer, open)) in [first, second, third].into_iter().enumerate() {
                    let height = 60 + turn as u64;
                    if !cast(&mut signer, std::slice::from_ref(open), height).is_empty() {
                        links.push(*offer);
                    }
                }
                let contradict = |one: &(u32, u32, u8), other: &(u32, u32, u8)| {
                    (one.1 == other.1 && one.2 != other.2) || (one.0 < other.0 && other.1 < one.1)
                };
                for one in &links {
                    assert!(
                        links.iter().all(|other| !contradict(one, other)),
                        "{links:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn who_is_no_member_or_has_signed_signs_nothing() {
    let mut signer = listened(40, Ballot::default());
    let mut foreign = target(9, 11, 1);
    foreign.front = roster(&[(4, 9)]);
    assert_eq!(cast(&mut signer, &[foreign], 45), []);
    let mut included = target(9, 11, 1);
    included.open.signers = vec![MasternodeId::new(5)];
    assert_eq!(cast(&mut signer, &[included], 46), []);
    let mut in_the_rear = target(9, 11, 1);
    in_the_rear.front = roster(&[(4, 9)]);
    in_the_rear.rear = roster(&[(5, 7)]);
    assert_eq!(cast(&mut signer, &[in_the_rear], 47), [(9, 11)]);
}

#[test]
fn a_link_that_is_not_ours_stops_the_signer_and_is_kept() {
    let link = |source, checkpoint, block| Link {
        source: number(source),
        target: number(checkpoint),
        target_id: Some(id(block)),
    };
    let mut signer = listened(40, Ballot::default());
    assert_eq!(cast(&mut signer, &[target(9, 11, 1)], 45), [(9, 11)]);
    signer.heard(&link(9, 11, 1), Arrival::Live);
    assert_eq!(signer.status().stage, Stage::Active, "it is our own");
    signer.heard(&link(11, 12, 2), Arrival::Live);
    let reason = StopReason::SecondSigner { target: number(12) };
    assert_eq!(signer.status().stage, Stage::Stopped(reason));
    assert_eq!(signer.unkept(), Some(&signed(11, 12, 2)));
    assert_eq!(cast(&mut signer, &[target(12, 13, 3)], 53), []);
    // Another block for what we signed in an earlier life.
    let mut signer = listened(40, signed(9, 11, 1));
    signer.heard(&link(9, 11, 2), Arrival::Late);
    assert!(matches!(signer.status().stage, Stage::Stopped(_)));
}

#[test]
fn links_of_an_earlier_life_raise_the_ballot_and_stop_nothing() {
    let mut signer = FinalitySigner::new(keypair(7));
    signer.begin(Ballot::default(), Height::new(0), E);
    let old = Link {
        source: number(7),
        target: number(9),
        target_id: None,
    };
    signer.block_connected(Height::new(40), Arrival::Late, &[old]);
    let status = signer.status();
    assert_eq!(status.stage, Stage::Listening { blocks_left: 2 * E });
    assert_eq!(
        (status.max_source, status.max_target),
        (Some(number(7)), Some(number(9)))
    );
    signer.kept();
    assert_eq!(signer.unkept(), None);
}
