//! A voter and a finality signer inside a node: what they sign, and what they never do.

use chain::finality::FinalityVote;
use chain::units::BondId;
use chain::vote::Vote;
use consensus::finality::check_finality_vote;
use consensus::stake::check_vote;
use consensus::testing::{Owner, TestChain};

use super::super::offset::Ages;
use super::*;
use crate::voter::{CLOCK_OFF_MS, FinalitySigner, Pause, Stage, StopReason, Voter};

mod listening;
mod numbers;
mod repeat;

/// First height with a committee, and first checkpoint with a roster.
const SEATED: u64 = 84;
/// Blocks of listening on regtest.
const LISTENING: u64 = 8;
/// The first height that a voter which began at [`SEATED`] votes for.
const FIRST: u64 = SEATED + LISTENING + 1;

fn owner() -> Owner {
    Owner::new(1)
}

fn voter() -> Owner {
    Owner::new(1_000)
}

fn operator() -> Owner {
    Owner::new(2_000)
}

/// A chain of this height with one bond and one masternode, the bond voting from the start if it
/// is diligent.
fn staked(params: Params, height: u64) -> TestChain {
    let mut chain = TestChain::with(params);
    chain.mine_empty(owner().account(), 60);
    let bond = Amount::from_x3c(5).expect("below the cap");
    let orders = [
        chain.bond(&owner(), 0, &voter(), bond),
        chain.register(&owner(), 1, &operator(), &Owner::new(3_000)),
    ];
    chain.mine(owner().account(), &orders, &[]);
    chain.mine_empty(owner().account(), height - 61);
    chain
}

/// A node and the chain that it follows.
struct Scene {
    chain: TestChain,
    node: Node<Memory>,
}

impl Scene {
    /// At [`SEATED`].
    fn new() -> Self {
        Self::with(Params::of(Network::Regtest))
    }

    fn with(params: Params) -> Self {
        let chain = staked(params.clone(), SEATED);
        let node = Node::open(Memory::new(&params), params).expect("memory answers");
        let mut scene = Self { chain, node };
        scene.follow(0);
        scene
    }

    fn now(&self) -> Timestamp {
        self.chain.tip().time
    }

    /// Hands the blocks above `height` to the node, each when it was made.
    fn follow(&mut self, height: usize) {
        for applied in &self.chain.blocks()[height..] {
            let block = applied.block().clone();
            let now = block.header.time;
            let submitted = self.node.submit_block(block, now);
            assert_eq!(submitted, Ok(BlockSubmission::Accepted));
        }
    }

    /// One more block, without votes.
    fn step(&mut self) {
        let height = self.chain.blocks().len();
        self.chain.mine_empty(owner().account(), 1);
        self.follow(height);
    }

    fn to(&mut self, height: u64) {
        while self.chain.height() < height {
            self.step();
        }
    }

    /// One more block, with the vote of our bond for the one before.
    fn step_with_vote(&mut self) {
        let height = self.chain.blocks().len();
        let tip = self.chain.tip().height;
        let votes = self.chain.votes_for(tip, |_, _| Some(voter()));
        self.chain.mine_with(owner().account(), |draft| {
            for vote in &votes {
                draft.try_vote(vote).expect("a vote that fits");
            }
        });
        self.follow(height);
    }

    /// Another branch from `height` on, so many blocks long, is followed.
    fn reorg(&mut self, height: u64, blocks: u64) {
        while self.chain.height() > height {
            self.chain.disconnect();
        }
        // Who is paid makes the branches differ.
        self.chain
            .mine_empty(Owner::new(50 + blocks).account(), blocks);
        self.follow(usize::try_from(height).expect("small"));
        let tip = self.node.engine().tip().expect("memory answers").1;
        assert_eq!(tip, self.chain.tip().id(), "the branch is better");
    }

    fn set_voter(&mut self) {
        let voter = Voter::new(*voter().keypair());
        self.node.set_voter(voter).expect("memory answers");
    }

    fn set_signer(&mut self) {
        let signer = FinalitySigner::new(*operator().keypair());
        self.node.set_signer(signer).expect("memory answers");
    }

    /// The process ends, and another one begins over the same ledger.
    fn restart(self) -> Self {
        let params = self.node.engine.params().clone();
        let mut ledger = self.node.engine.into_ledger();
        ledger.cut_after_ballot = false;
        Self {
            chain: self.chain,
            node: Node::open(ledger, params).expect("memory answers"),
        }
    }

    fn said<T: chain::codec::Decode>(&mut self, on: Topic) -> Vec<T> {
        let actions = self.node.take_actions().into_iter();
        let bytes = actions.filter_map(|action| match action {
            Action::Publish { topic, bytes } if topic == on => Some(bytes),
            _ => None,
        });
        bytes
            .map(|bytes| chain::codec::decode(&bytes, bytes.len()).expect("ours"))
            .collect()
    }

    /// Votes that were published since the last look; each is good on our chain or was.
    fn votes(&mut self) -> Vec<Vote> {
        self.said(Topic::Vote)
    }

    fn finality_votes(&mut self) -> Vec<FinalityVote> {
        self.said(Topic::Finality)
    }

    fn stage(&self) -> Stage {
        self.node.voter_status().expect("a voter").stage
    }

    fn last_voted(&self) -> Option<u64> {
        let kept = self.node.engine().ledger().ballot(&voter().key());
        kept.expect("memory answers").last_voted.map(Height::get)
    }

    fn hear(&mut self, vote: &Vote) {
        let (bytes, now) = (chain::codec::encode(vote), self.now());
        let heard = self.node.vote_gossiped("peer", 1, &bytes, now);
        heard.expect("memory answers");
    }

    /// A vote by our key that we did not cast.
    fn foreign(&self, height: u64, block: BlockId) -> Vote {
        let params = self.chain.params();
        voter().vote(params, Height::new(height), block, BondId::new(0))
    }
}

fn heights(votes: &[Vote]) -> Vec<u64> {
    votes.iter().map(|vote| vote.height.get()).collect()
}

#[test]
fn a_voter_listens_for_two_checkpoints_and_votes_for_what_comes_after() {
    let mut scene = Scene::new();
    scene.set_voter();
    for blocks_left in (1..=LISTENING).rev() {
        assert_eq!(scene.stage(), Stage::Listening { blocks_left });
        scene.step();
    }
    assert_eq!(scene.stage(), Stage::Active);
    assert_eq!(scene.votes(), []);
    scene.step();
    let votes = scene.votes();
    assert_eq!(heights(&votes), [FIRST]);
    let committee = scene.chain.committee(Height::new(FIRST));
    let checked = check_vote(&votes[0], &committee, &scene.chain.params().chain_id());
    assert_eq!(checked.map(|vote| vote.seats()), Ok(8));
    assert_eq!(votes[0].block, scene.chain.tip().id());
    assert_eq!(scene.last_voted(), Some(FIRST));
    scene.node.tick(scene.now()).expect("memory answers");
    assert_eq!(scene.votes(), [], "once");
    let status = scene.node.voter_status().expect("a voter");
    assert_eq!((status.votes_cast, status.pause), (1, None));
    assert_eq!(status.key, voter().key());
}

#[test]
fn a_key_without_a_bond_votes_for_nothing() {
    let mut scene = Scene::new();
    let stranger = Voter::new(*Owner::new(77).keypair());
    scene.node.set_voter(stranger).expect("memory answers");
    scene.to(FIRST + 24);
    assert_eq!(scene.stage(), Stage::Listening { blocks_left: 0 });
    assert_eq!(scene.votes(), []);
    assert_eq!(scene.node.engine().ledger().ballots_put, 0);
}

#[test]
fn a_crash_after_the_ballot_loses_the_vote_and_never_casts_another() {
    let mut scene = Scene::new();
    scene.set_voter();
    scene.to(FIRST - 1);
    scene.node.engine.ledger_mut().cut_after_ballot = true;
    scene.chain.mine_empty(owner().account(), 1);
    let block = scene.chain.blocks()[FIRST as usize - 1].block().clone();
    let now = block.header.time;
    assert!(
        scene.node.submit_block(block, now).is_err(),
        "the power is gone"
    );
    assert_eq!(
        scene.votes(),
        [],
        "nothing left before the ballot was known to be durable"
    );
    let mut scene = scene.restart();
    assert_eq!(scene.last_voted(), Some(FIRST));
    scene.set_voter();
    scene.reorg(FIRST - 1, 12);
    let again = heights(&scene.votes());
    assert!(
        !again.is_empty() && again.iter().all(|height| *height > FIRST),
        "{again:?}"
    );
}

#[test]
fn a_crash_between_ballot_and_gossip_loses_the_vote_and_never_casts_another() {
    let mut scene = Scene::new();
    scene.set_voter();
    scene.to(FIRST);
    // What is in the outbox is never sent.
    let mut scene = scene.restart();
    scene.set_voter();
    assert_eq!(scene.last_voted(), Some(FIRST));
    scene.node.tick(scene.now()).expect("memory answers");
    scene.reorg(FIRST - 1, 12);
    let again = heights(&scene.votes());
    assert!(
        !again.is_empty() && again.iter().all(|height| *height > FIRST),
        "{again:?}"
    );
}

#[test]
fn a_reorg_does_not_make_it_vote_again_at_a_height() {
    let mut scene = Scene::new();
    scene.set_voter();
    scene.to(FIRST + 1);
    let before = scene.votes();
    assert_eq!(heights(&before), [FIRST, FIRST + 1]);
    scene.reorg(FIRST - 1, 8);
    let after = scene.votes();
    assert_eq!(heights(&after), (FIRST + 2..=FIRST + 7).collect::<Vec<_>>());
    let on_the_branch = |vote: &Vote| scene.chain.id_at(vote.height) == Some(vote.block);
    assert!(after.iter().all(on_the_branch));
    assert!(!before.iter().any(on_the_branch));
}

#[test]
fn a_second_voter_that_is_heard_stops_ours_for_good() {
    for listening in [true, false] {
        let mut scene = Scene::new();
        scene.set_voter();
        scene.to(if listening { SEATED + 2 } else { FIRST });
        scene.votes();
        let height = scene.chain.height() + 1;
        scene.chain.mine_empty(owner().account(), 1);
        let vote = scene.foreign(height, scene.chain.tip().id());
        scene.hear(&vote);
        let reason = StopReason::SecondVoter {
            height: Height::new(height),
        };
        assert_eq!(scene.stage(), Stage::Stopped(reason), "{listening}");
        assert_eq!(scene.last_voted(), Some(height), "kept at once");
        let before = usize::try_from(height - 1).expect("small");
        scene.follow(before);
        scene.to(FIRST + 12);
        assert_eq!(scene.votes(), []);
    }
}

#[test]
fn a_second_voter_that_is_found_in_a_block_stops_ours_for_good() {
    let mut scene = Scene::new();
    scene.set_voter();
    scene.step();
    scene.step_with_vote();
    let height = Height::new(SEATED + 1);
    let reason = StopReason::SecondVoter { height };
    assert_eq!(scene.stage(), Stage::Stopped(reason));
    scene.to(FIRST + 4);
    assert_eq!(scene.votes(), []);
}

#[test]
fn votes_of_others_and_forged_ones_stop_nothing() {
    let mut scene = Scene::new();
    scene.set_voter();
    let (height, block) = (Height::new(SEATED + 1), scene.chain.tip().id());
    let params = scene.chain.params().clone();
    let stranger = Owner::new(77);
    let forged = stranger.vote(&params, height, block, BondId::new(0));
    let others = stranger.vote(&params, height, block, BondId::new(4));
    for vote in [forged, others] {
        scene.hear(&vote);
    }
    assert_eq!(
        scene.stage(),
        Stage::Listening {
            blocks_left: LISTENING
        }
    );
    assert_eq!(scene.node.engine().ledger().ballots_put, 0);
}

#[test]
fn our_own_votes_that_come_back_after_a_restart_are_our_own() {
    let mut scene = Scene::new();
    scene.set_voter();
    scene.to(FIRST);
    let own = scene.votes().pop().expect("it voted");
    let mut scene = scene.restart();
    scene.set_voter();
    scene.hear(&own);
    scene.step_with_vote();
    let blocks_left = LISTENING - 1;
    assert_eq!(scene.stage(), Stage::Listening { blocks_left });
}

#[test]
fn an_old_key_in_a_fresh_folder_learns_from_the_chain_what_it_voted_for() {
    let mut old = Scene::new();
    (0..12).for_each(|_| old.step_with_vote());
    let params = old.chain.params().clone();
    let hours_later = Timestamp::new(old.now().get() + 7_000_000);
    // From its blocks as they are fetched, and at a start from those that are there.
    for is_set_first in [true, false] {
        let mut node = Node::open(Memory::new(&params), params.clone()).expect("memory answers");
        let set = |node: &mut Node<Memory>| node.set_voter(Voter::new(*voter().keypair()));
        if is_set_first {
            set(&mut node).expect("memory answers");
        }
        for applied in old.chain.blocks() {
            let submitted = node.submit_block(applied.block().clone(), hours_later);
            assert_eq!(submitted, Ok(BlockSubmission::Accepted));
        }
        if !is_set_first {
            set(&mut node).expect("memory answers");
            node.tick(hours_later).expect("memory answers");
        }
        let status = node.voter_status().expect("a voter");
        assert_eq!(
            status.stage,
            Stage::Listening {
                blocks_left: LISTENING
            }
        );
        assert_eq!(status.last_voted, Some(Height::new(SEATED + 11)));
        let kept = node.engine().ledger().ballot(&voter().key());
        assert_eq!(kept.expect("memory answers").last_voted, status.last_voted);
    }
}

#[test]
fn alone_on_a_public_network_nobody_is_listened_to() {
    let params = Params {
        network: Network::Test,
        ..Params::of(Network::Regtest)
    };
    let mut scene = Scene::with(params);
    scene.set_voter();
    scene.to(SEATED + 3);
    assert_eq!(
        scene.stage(),
        Stage::Listening {
            blocks_left: LISTENING
        }
    );
    let now = scene.now();
    scene.node.peer_connected("peer", now);
    scene.step();
    let blocks_left = LISTENING - 1;
    assert_eq!(scene.stage(), Stage::Listening { blocks_left });
}

#[test]
fn blocks_ahead_of_the_clock_wait_and_a_wrong_clock_pauses() {
    let mut scene = Scene::new();
    scene.set_voter();
    scene.to(FIRST - 1);
    scene.chain.mine_empty(owner().account(), 1);
    let block = scene.chain.blocks()[FIRST as usize - 1].block().clone();
    let made_ms = block.header.time.get();
    let early = Timestamp::new(made_ms - 10_001);
    scene
        .node
        .submit_block(block, early)
        .expect("memory answers");
    assert_eq!(scene.votes(), []);
    let offset_ms = i64::try_from(CLOCK_OFF_MS).expect("small");
    scene.node.ages = Ages::of(offset_ms);
    let in_time = Timestamp::new(made_ms - 10_000);
    scene.node.tick(in_time).expect("memory answers");
    assert_eq!(scene.votes(), []);
    let status = scene.node.voter_status().expect("a voter");
    assert_eq!(status.pause, Some(Pause::ClockOff { offset_ms }));
    scene.node.ages = Ages::of(offset_ms - 1);
    scene.node.tick(in_time).expect("memory answers");
    assert_eq!(heights(&scene.votes()), [FIRST]);
}

#[test]
fn a_full_disk_votes_for_nothing_and_refuses_no_block() {
    let mut scene = Scene::new();
    scene.set_voter();
    scene.to(FIRST - 1);
    scene.node.engine.ledger_mut().full_for = Some(Write::Ballot);
    scene.step();
    assert_eq!(scene.votes(), []);
    let now = scene.now();
    assert_eq!(scene.node.tick(now), Err(LedgerError::Full));
    scene.node.engine.ledger_mut().full_for = None;
    scene.node.tick(now).expect("room");
    assert_eq!(heights(&scene.votes()), [FIRST]);
}

#[test]
fn who_catches_up_votes_for_nothing() {
    let mut scene = Scene::new();
    scene.set_voter();
    scene.to(FIRST - 1);
    let later = Timestamp::new(scene.now().get() + 100_000);
    scene.node.peer_connected("peer", later);
    scene.node.sync.has_height("peer", Height::new(500));
    scene.chain.mine_empty(owner().account(), 1);
    let block = scene.chain.blocks()[FIRST as usize - 1].block().clone();
    scene
        .node
        .submit_block(block, later)
        .expect("memory answers");
    assert_eq!(scene.votes(), []);
    let status = scene.node.voter_status().expect("a voter");
    assert_eq!(status.pause, Some(Pause::CatchingUp));
    scene.node.peer_disconnected("peer");
    scene.node.tick(later).expect("memory answers");
    assert_eq!(heights(&scene.votes()), [FIRST]);
}

#[test]
fn a_signer_signs_a_checkpoint_when_the_next_block_is_there() {
    let mut scene = Scene::new();
    scene.set_signer();
    scene.to(96);
    assert_eq!(scene.finality_votes(), []);
    scene.step();
    let votes = scene.finality_votes();
    let target = &scene.chain.targets().pop().expect("finality is on");
    assert_eq!(target.number().get(), 24);
    let checked = check_finality_vote(&votes[0], target, &scene.chain.params().chain_id());
    assert!(checked.is_ok(), "{checked:?}");
    assert_eq!(votes.len(), 1);
    let kept = scene.node.engine().ledger().ballot(&operator().key());
    let kept = kept.expect("memory answers");
    assert_eq!(kept.max_target, Some(target.number()));
    assert_eq!(
        (kept.max_source, kept.target_id),
        (Some(target.open.source), Some(target.id))
    );
    scene.node.tick(scene.now()).expect("memory answers");
    assert_eq!(scene.finality_votes(), [], "once");
    assert_eq!(scene.node.signer_status().expect("a signer").votes_cast, 1);
}

#[test]
fn a_reorg_does_not_make_it_sign_another_block_for_a_checkpoint() {
    let mut scene = Scene::new();
    scene.set_signer();
    scene.to(97);
    assert_eq!(scene.finality_votes().len(), 1);
    scene.reorg(95, 8);
    let after = scene.finality_votes();
    let targets: Vec<_> = after.iter().map(|vote| vote.target.get()).collect();
    assert_eq!(targets, [25]);
    // Nor after a crash.
    let mut scene = scene.restart();
    scene.set_signer();
    scene.reorg(95, 26);
    let after = scene.finality_votes();
    let targets: Vec<_> = after.iter().map(|vote| vote.target.get()).collect();
    assert_eq!(targets, [28, 29, 30]);
}

#[test]
fn a_second_signer_that_is_heard_or_found_stops_ours_for_good() {
    for is_heard in [true, false] {
        let mut scene = Scene::new();
        scene.set_signer();
        scene.to(89);
        let target = scene.chain.targets().pop().expect("finality is on");
        assert_eq!(target.number().get(), 22);
        let votes = scene
            .chain
            .finality_votes_for(&target, |_, _| Some(operator()));
        if is_heard {
            let (bytes, now) = (chain::codec::encode(votes[0].vote()), scene.now());
            let heard = scene.node.finality_vote_gossiped("peer", 1, &bytes, now);
            heard.expect("memory answers");
        } else {
            let height = scene.chain.blocks().len();
            scene.chain.mine_with(owner().account(), |draft| {
                draft.try_finality_vote(&votes[0]).expect("it fits");
            });
            scene.follow(height);
        }
        let target = target.number();
        let stage = scene.node.signer_status().expect("a signer").stage;
        assert_eq!(
            stage,
            Stage::Stopped(StopReason::SecondSigner { target }),
            "{is_heard}"
        );
        let kept = scene.node.engine().ledger().ballot(&operator().key());
        assert_eq!(kept.expect("memory answers").max_target, Some(target));
        scene.to(105);
        assert_eq!(scene.finality_votes(), []);
    }
}
